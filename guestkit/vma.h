/* SPDX-License-Identifier: Apache-2.0 */
/* The list of the application's mappings: a sorted array without overlaps. */
#ifndef MOTE_GUESTKIT_VMA_H
#define MOTE_GUESTKIT_VMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file;

struct vma {
	uint64_t start, end; /* pages; end exclusive */
	uint32_t prot;       /* PROT_* */
	uint32_t flags;      /* MAP_SHARED or MAP_PRIVATE, VMA_* */
	struct file *file;   /* referenced; NULL: anonymous */
	uint64_t offset;     /* of start in the file, bytes */
};

/* Beside MAP_*: what /proc/self/maps names and what brk(2) moves. */
#define VMA_STACK      0x10000000u
#define VMA_HEAP       0x20000000u
#define VMA_IMAGE      0x40000000u /* the application's own segments, loaded by the VMM */
#define VMA_UNRESERVED 0x80000000u /* MAP_NORESERVE */

const struct vma *vma_at(size_t index);
size_t vma_count(void);

/* The mapping that holds @address, or NULL. Valid until the list changes. */
const struct vma *vma_find(uint64_t address);

/* Index of the first mapping that ends after @address; vma_count() if none. */
size_t vma_index(uint64_t address);

/* Whether any mapping overlaps [start, end). */
bool vma_overlaps(uint64_t start, uint64_t end);

/* Whether mappings cover [start, end) without a hole. */
bool vma_covers(uint64_t start, uint64_t end);

/**
 * vma_insert() - Add a mapping; it must not overlap another. Joins with equal neighbours.
 * @vma: its file reference is taken over
 *
 * Return: 0 or -ENOMEM (then the file reference stays with the caller).
 */
int vma_insert(const struct vma *vma);

/* Make sure that the next @count changes cannot fail for want of memory: 0 or -ENOMEM. */
int vma_reserve(size_t count);

/* Split so that no mapping straddles @address (after vma_reserve(1)). */
void vma_split(uint64_t address);

/* Remove mappings in [start, end); borders must be split before. Puts file references. */
void vma_remove(uint64_t start, uint64_t end);

/* Change protection of mappings in [start, end); borders must be split before. Joins equal
 * neighbours. */
void vma_set_prot(uint64_t start, uint64_t end, uint32_t prot);

/* Highest free range of @length bytes that ends at or below @limit, or 0. */
uint64_t vma_find_free(uint64_t length, uint64_t limit, uint64_t align);

/* Bytes mapped, for RLIMIT_AS and /proc. */
uint64_t vma_total(void);

#endif
