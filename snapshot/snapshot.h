/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot file, opened for a restore: docs/snapshot-format.md.
 *
 * A file is hostile. It is opened by the user's full rights, with the files that it builds on (its
 * base, and the base's base), and looked into only in phase load (confine.h): before
 * snapshot_read() nothing of it is believed but the name of its base, which is a name in the same
 * folder.
 */
#ifndef MOTE_SNAPSHOT_SNAPSHOT_H
#define MOTE_SNAPSHOT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot/machine.h"
#include "vmm/error.h"
#include "vmm/guest_memory.h"

#define SNAPSHOT_LAYERS_MAX 8

enum snapshot_section_kind {
	SNAPSHOT_MACHINE,     /* struct snapshot_machine */
	SNAPSHOT_CPUID,       /* struct kvm_cpuid_entry2[]: what the guest sees */
	SNAPSHOT_XSAVE,       /* the vCPU's XSAVE area, standard format */
	SNAPSHOT_DEVICES,     /* state of virtio devices (devices_snapshot.c) */
	SNAPSHOT_RESOURCES,   /* the device tree of the guest's start: names what it was given */
	SNAPSHOT_APPLICATION, /* path of the application on the host, NUL-terminated */
	SNAPSHOT_ROOT,        /* path of the root image on the host, NUL-terminated; empty: none */
	SNAPSHOT_SECTIONS
};

struct snapshot_key; /* auth.h */

struct snapshot_section {
	const void *bytes; /* aligned to 16; NULL: not there */
	size_t size;
};

/* Pages that lie in the same order in guest memory and in a file. Sorted by gpa; none overlap. */
struct snapshot_extent {
	uint64_t gpa, pages;
	uint64_t offset; /* in the file, a multiple of the page size */
	unsigned layer;
};

/* One file. Layer 0 is the snapshot itself, the next one its base. */
struct snapshot_layer {
	char *name; /* for messages; owned */
	int fd;
	uint64_t size;
	const unsigned char *bytes; /* all of it, shared, read-only; NULL before snapshot_read() */
	struct snapshot_header *header; /* format.h; a copy, owned */
	unsigned char *parts; /* a copy of all parts, owned; NULL before snapshot_read() */
};

struct snapshot {
	struct snapshot_layer layers[SNAPSHOT_LAYERS_MAX];
	unsigned layer_count;
	const struct snapshot_machine *machine; /* of layer 0 */
	struct snapshot_section sections[SNAPSHOT_SECTIONS];
	struct snapshot_extent *extents; /* of all layers: where each page that is not zero lies */
	size_t extent_count;
	/*
	 * Pages that the first restored run wrote: frame numbers in order; their bytes lie in this
	 * order in layer 0 from working_set_offset on, or, where that is 0, only in the extents.
	 */
	const uint32_t *working_set;
	void *working_set_bytes; /* what holds them; owned */
	size_t working_set_count;
	uint64_t working_set_offset;
	/*
	 * For snapshot_read(), from snapshot_open() on: the key that all files were written with,
	 * whose pages are checked then; NULL: none. A file that was written with one is not read
	 * without, unless it is only looked at.
	 */
	const struct snapshot_key *key;
	bool is_only_looked_at;
	bool can_record; /* there is no working set yet, and the file is writable */
	void *record;    /* where to: its place in the file, mapped shared; NULL: nowhere */
};

/**
 * snapshot_open() - Open a snapshot and the files that it builds on.
 * @path: of the file; where the user may write it, it is open for snapshot_record()
 *
 * To be called before confinement; snapshot_close() is due afterwards, whatever the result. Errors:
 * MOTE_STATUS_NOT_FOUND where there is none, MOTE_STATUS_CANNOT_RUN where it is no snapshot, or its
 * base is missing.
 */
int snapshot_open(struct snapshot *snapshot, const char *path, struct mote_error *err);

/* The same of a file that is open. @path: its name, in whose folder those are that it builds on */
int snapshot_open_at(struct snapshot *snapshot, int fd, const char *path, struct mote_error *err);

/**
 * snapshot_open_file() - Take one file, without those that it builds on: to be checked, not used.
 * @fd:   open for reading; snapshot_close() closes it
 * @size: of the file
 * @name: of it, for messages
 *
 * Allowed in phase load. Errors: MOTE_STATUS_CANNOT_RUN.
 */
int snapshot_open_file(struct snapshot *snapshot, int fd, uint64_t size, const char *name,
                       struct mote_error *err);

/**
 * snapshot_read() - Check headers, sections and page indexes of all layers, and map them.
 *
 * Everything that the rest of the program relies on is checked: sizes, order, bounds, checksums of
 * all but the pages themselves, that each base is the one that was built on. Pages are checked by
 * snapshot_verify().
 */
int snapshot_read(struct snapshot *snapshot, struct mote_error *err);

/* Check the pages' checksums of all layers: reads all bytes. */
int snapshot_verify(const struct snapshot *snapshot, struct mote_error *err);

/**
 * snapshot_map() - Put the pages into guest memory: mapped, copied on write.
 * @memory: anonymous and untouched, of machine->ram_size bytes
 *
 * The working set is not filled in; see snapshot_fill_working_set().
 */
int snapshot_map(const struct snapshot *snapshot, struct guest_memory *memory,
                 struct mote_error *err);

/**
 * snapshot_fill_working_set() - Bring the pages of the working set in at once, as the guest's own.
 * @memory:      what snapshot_map() has mapped
 * @may_be_huge: where most of 2 MiB belongs to it, have the host bring in all of it as one page.
 * Not for a guest whose writes KVM logs, page by page
 */
int snapshot_fill_working_set(const struct snapshot *snapshot, const struct guest_memory *memory,
                              bool may_be_huge, struct mote_error *err);

/* The bytes of a page as they were, of PAGE_SIZE; a page of zeros where the file has none. */
const unsigned char *snapshot_page(const struct snapshot *snapshot, uint64_t frame);

/**
 * snapshot_record() - Record the working set in the file, in place.
 * @frames: in order; what does not fit is left out
 *
 * Allowed in phase run, and costs no system call: the place in the file is mapped, and nothing else
 * of the file can be written. Failure is no error: the next restore records again.
 */
void snapshot_record(const struct snapshot *snapshot, const uint32_t *frames, size_t count);

void snapshot_close(struct snapshot *snapshot);

#endif
