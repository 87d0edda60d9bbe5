/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in a snapshot file, byte for byte; docs/snapshot-format.md explains it. All numbers
 * are little endian. What changes here changes the format: then SNAPSHOT_VERSION grows, and
 * tests/golden/ gets a file of the new version.
 *
 *	header, working set, parts (sections, extents, sums), pages of the run, pages of the extents
 */
#ifndef MOTE_SNAPSHOT_FORMAT_H
#define MOTE_SNAPSHOT_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "snapshot/snapshot.h"

#define SNAPSHOT_MAGIC       "MoteSnap"
#define SNAPSHOT_VERSION     1u
#define SNAPSHOT_PAGE        4096u
#define SNAPSHOT_CHUNK_PAGES 256u /* that one sum covers */

/* Where things of a fixed place lie: bytes from the start of the file. */
#define SNAPSHOT_HEADER_SIZE        4096u
#define SNAPSHOT_WORKING_SET_OFFSET 4096u
#define SNAPSHOT_WORKING_SET_SIZE   16384u
#define SNAPSHOT_PARTS_OFFSET       20480u

#define SNAPSHOT_FRAMES_MAX (1u << 26) /* 256 GiB: what lies below MOTE_DEVICES_GPA, and a bit */
#define SNAPSHOT_PARTS_MAX  (1u << 30) /* bytes of all parts together */

/* Parts 0.. are the sections in the order of enum snapshot_section_kind; then come these. */
enum snapshot_part_kind {
	SNAPSHOT_PART_EXTENTS = 12, /* struct snapshot_file_extent[], by frame */
	SNAPSHOT_PART_SUMS = 13,    /* uint64_t[]: XXH3-64 of each chunk of pages */
	SNAPSHOT_PART_DIGESTS = 14, /* uint8_t[][32]: BLAKE2b-256 of each chunk; only with a key */
	SNAPSHOT_PARTS = 16
};

struct snapshot_part {
	uint64_t offset; /* multiple of 16 */
	uint64_t size;   /* 0: not there */
	uint64_t sum;    /* XXH3-64 of its bytes */
};

/* Bits of `flags`. A reader refuses a file that has one which it does not know. */
#define SNAPSHOT_FLAG_KEYED 1u /* `code` and the part DIGESTS are there */

/* A page of its own. */
struct snapshot_header {
	char magic[8];
	uint32_t version;
	uint32_t header_size;
	uint64_t file_size;
	uint32_t flags;
	uint32_t page_size;
	uint32_t chunk_pages;
	uint32_t working_set_capacity; /* frames for which there is room */
	uint64_t frames;               /* of RAM, as the guest sees it */
	uint8_t id[16];                /* random: tells this snapshot from all others */
	uint8_t base_id[16];           /* of what this one builds on; zeros: nothing */
	char base_name[256];           /* of its file, in the same folder; NUL-terminated */
	uint64_t pages_offset;
	uint64_t run_pages;    /* first the working set's pages, in the order of its list */
	uint64_t run_list_sum; /* of that list: XXH3-64; 0 without a run */
	uint64_t extent_pages; /* behind it, to the end of the file */
	struct snapshot_part parts[SNAPSHOT_PARTS];
	uint8_t reserved[3304]; /* zeros */
	uint8_t code[32];       /* keyed BLAKE2b of the file (auth.h); zeros without a key */
	uint64_t sum;           /* XXH3-64 of all before it */
};

/* At SNAPSHOT_WORKING_SET_OFFSET. It is written in place: one whose sum is wrong is not there. */
#define SNAPSHOT_WORKING_SET_FRAMES 4092u

struct snapshot_working_set {
	uint64_t sum; /* XXH3-64 of what follows */
	uint32_t count;
	uint32_t reserved;
	uint32_t frames[SNAPSHOT_WORKING_SET_FRAMES]; /* ascending */
};

struct snapshot_file_extent {
	uint32_t frame;
	uint32_t pages;
	uint64_t offset; /* in the file, multiple of the page size; 0: zeros, which hide a base's */
};

#define SNAPSHOT_FORMAT_OFFSET(type, field, value) \
	_Static_assert(offsetof(struct type, field) == (value), "format of " #type "." #field)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are little endian");
_Static_assert(sizeof SNAPSHOT_MAGIC - 1 == 8, "format of the magic");
_Static_assert(sizeof(struct snapshot_part) == 24, "format of snapshot_part");
_Static_assert(sizeof(struct snapshot_file_extent) == 16, "format of snapshot_file_extent");
_Static_assert(sizeof(struct snapshot_header) == SNAPSHOT_HEADER_SIZE, "format of the header");
_Static_assert(sizeof(struct snapshot_working_set) == SNAPSHOT_WORKING_SET_SIZE,
               "format of the working set");
_Static_assert(SNAPSHOT_WORKING_SET_OFFSET + SNAPSHOT_WORKING_SET_SIZE == SNAPSHOT_PARTS_OFFSET,
               "format: the working set fills its place");
SNAPSHOT_FORMAT_OFFSET(snapshot_header, version, 8);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, header_size, 12);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, file_size, 16);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, flags, 24);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, page_size, 28);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, chunk_pages, 32);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, working_set_capacity, 36);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, frames, 40);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, id, 48);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, base_id, 64);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, base_name, 80);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, pages_offset, 336);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, run_pages, 344);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, run_list_sum, 352);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, extent_pages, 360);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, parts, 368);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, code, 4056);
SNAPSHOT_FORMAT_OFFSET(snapshot_header, sum, 4088);
SNAPSHOT_FORMAT_OFFSET(snapshot_working_set, count, 8);
SNAPSHOT_FORMAT_OFFSET(snapshot_working_set, frames, 16);
SNAPSHOT_FORMAT_OFFSET(snapshot_file_extent, offset, 8);
_Static_assert((int)SNAPSHOT_SECTIONS <= (int)SNAPSHOT_PART_EXTENTS,
               "format: sections before the extents");
_Static_assert(SNAPSHOT_MACHINE == 0 && SNAPSHOT_CPUID == 1 && SNAPSHOT_XSAVE == 2 &&
                       SNAPSHOT_DEVICES == 3 && SNAPSHOT_RESOURCES == 4 &&
                       SNAPSHOT_APPLICATION == 5 && SNAPSHOT_ROOT == 6,
               "format: numbers of the sections");
_Static_assert(SNAPSHOT_PAGE == MOTE_PAGE_SIZE, "format: size of a page");
/* The part MACHINE, and what it has of Linux and of the contract with the kit. */
_Static_assert(sizeof(struct snapshot_machine) == 784 && SNAPSHOT_MSRS == 3,
               "format of snapshot_machine");
_Static_assert(sizeof(struct mote_kit_note) == 80, "format of mote_kit_note");
_Static_assert(sizeof(struct kvm_regs) == 144 && sizeof(struct kvm_sregs) == 312 &&
                       sizeof(struct kvm_xsave) == 4096 && sizeof(struct kvm_cpuid_entry2) == 40,
               "format: the vCPU's state is as Linux has it");
_Static_assert(MOTE_SNAPSHOT_MAIN == 0 && MOTE_SNAPSHOT_LISTEN == 1 && MOTE_SNAPSHOT_MARK == 2 &&
                       MOTE_SNAPSHOT_OUTSIDE == 3,
               "format: numbers of points");
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, vmm_version, 8);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, kit, 40);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, kit_id, 120);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, kit_size, 136);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, point, 144);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, cpu_model, 148);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, cpu_signature, 152);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, cpu_vendor, 156);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, xcr0, 168);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, tsc_khz, 176);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, ram_size, 184);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, ram_end, 192);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, free, 200);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, page_table, 216);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, root_gpa, 224);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, root_size, 232);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, root_id, 240);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, application_bias, 256);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, application_gpa, 264);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, monotonic, 272);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, realtime, 280);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, boottime_offset, 288);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, advances, 296);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, regs, 304);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, sregs, 448);
SNAPSHOT_FORMAT_OFFSET(snapshot_machine, msrs, 760);

/* Chunks of that many pages; the last one may be shorter. */
static inline uint64_t snapshot_chunks(uint64_t pages)
{
	return (pages + SNAPSHOT_CHUNK_PAGES - 1) / SNAPSHOT_CHUNK_PAGES;
}

#endif
