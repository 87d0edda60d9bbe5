/* SPDX-License-Identifier: Apache-2.0 */
/* Guest RAM and the one checked way to it. */
#ifndef MOTE_VMM_GUEST_MEMORY_H
#define MOTE_VMM_GUEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mote/abi.h"
#include "vmm/error.h"

/* More are joined: pages between them count as backed, too. */
#define GUEST_MEMORY_BACKED_MAX 64

struct guest_memory {
	unsigned char *host; /* mapping of guest-physical [0, size) */
	uint64_t size;       /* bytes, whole pages */
	void *mapping;       /* what it lies in, of @mapping_size */
	uint64_t mapping_size;
	/* RAM that no file lies under, and that may be discarded: there, and only there, it reads
	 * as zeros afterwards. Nothing at first. */
	struct mote_range free;
	/*
	 * A bit for each page that guest_range() was asked for, so that what the VMM itself may
	 * have written is known; NULL: nobody wants to know.
	 */
	uint64_t *touched;
	uint64_t *touched_end; /* with @touched: no word from this on has a bit */
	/* Ranges that a file lies under: what is not in memory there is not zero. */
	struct mote_range backed[GUEST_MEMORY_BACKED_MAX];
	unsigned backed_count;
};

/**
 * guest_memory_create() - Reserve RAM: private, anonymous, backed by the host page by page on use.
 * @size: bytes, whole pages
 */
int guest_memory_create(struct guest_memory *memory, uint64_t size, struct mote_error *err);

/* Unmap it, and what was mapped into it. */
void guest_memory_close(struct guest_memory *memory);

/**
 * guest_range() - The one accessor: host address of guest-physical [gpa, gpa + length).
 *
 * Every guest address that reaches the VMM goes through here. What it returns may be passed to the
 * kernel (which copies with fault checks) or to guest_read() and guest_write(); since the guest
 * may change the bytes at any time, C code must copy them out once and look at the copy.
 *
 * Return: NULL when any byte of the range lies outside RAM or the range wraps.
 */
void *guest_range(const struct guest_memory *memory, mote_gpa_t gpa, uint64_t length);

/*
 * Copy out of and into guest memory. Return 0, or -1 when the range is bad or the file under it has
 * been cut (lost_page.h).
 */
int guest_read(const struct guest_memory *memory, mote_gpa_t gpa, void *buffer, size_t length);
int guest_write(const struct guest_memory *memory, mote_gpa_t gpa, const void *buffer,
                size_t length);

/**
 * guest_memory_map_file() - Put bytes of a file at a guest-physical address, copied on write.
 * @gpa:    page-aligned
 * @length: bytes; rounded up to pages, so what follows @length in its last page is file content
 * @fd:     regular file that holds [offset, offset + length)
 * @offset: page-aligned
 * @name:   of the file, for messages
 */
int guest_memory_map_file(struct guest_memory *memory, mote_gpa_t gpa, uint64_t length, int fd,
                          uint64_t offset, const char *name, struct mote_error *err);

/**
 * guest_memory_map_own() - Put a private mapping of this process at a guest-physical address, too.
 * @gpa:    page-aligned
 * @length: bytes, whole pages
 * @from:   page-aligned, in one mapping, which stays; protected there as here
 *
 * For what lies in the executable: it needs no descriptor of it. Return: 0; 1 where the kernel
 * cannot (before Linux 5.13): the range reads as zeros then; -1 with @err set.
 */
int guest_memory_map_own(struct guest_memory *memory, mote_gpa_t gpa, uint64_t length,
                         const void *from, struct mote_error *err);

/**
 * guest_memory_populate() - Have the host back a range now, in one call.
 * @length: bytes; cut at the end of RAM
 */
int guest_memory_populate(const struct guest_memory *memory, mote_gpa_t gpa, uint64_t length,
                          struct mote_error *err);

/**
 * guest_memory_map_huge() - Put 2 MiB of zeros, of the host's memory alone, in the place of what is
 * mapped there.
 * @gpa: a multiple of 2 MiB, all of which is RAM
 *
 * The first touch brings in all of it as one page, if the host has such; else each page by itself.
 */
int guest_memory_map_huge(const struct guest_memory *memory, mote_gpa_t gpa,
                          struct mote_error *err);

/**
 * guest_memory_prefer_huge() - From now on, let one fault of the host bring in 512 pages up to
 * @end.
 * @end: guest-physical
 *
 * For a guest that needs much: a small one is done sooner page by page, and a process that asks for
 * huge pages ends more slowly. Advice only; the first 2 MiB stay as they are.
 */
void guest_memory_prefer_huge(const struct guest_memory *memory, uint64_t end);

/**
 * guest_memory_discard() - Give pages back to the host; they read as zeros afterwards.
 *
 * Return: 0, or -1 when the range is not whole pages, or not all of it may be discarded.
 */
int guest_memory_discard(const struct guest_memory *memory, mote_gpa_t gpa, uint64_t length);

#endif
