/* SPDX-License-Identifier: Apache-2.0 */
/* Strict reader of ELF headers: applications and the kit. */
#ifndef MOTE_VMM_ELF_IMAGE_H
#define MOTE_VMM_ELF_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"

#define ELF_SEGMENTS_MAX 64
/* Read from the start of the file: the ELF header and, in practice, the program headers. */
#define ELF_HEAD 4096

struct elf_segment {
	uint64_t va;          /* p_vaddr: not page-aligned, without the load bias */
	uint64_t memory_size; /* p_memsz */
	uint64_t file_offset; /* p_offset: congruent to va modulo the page size */
	uint64_t file_size;   /* p_filesz */
	bool is_writable;
	bool is_executable;
	bool is_supervisor; /* MOTE_PF_SUPERVISOR: kit only */
};

struct elf_image {
	const char *name;
	bool is_position_independent; /* ET_DYN */
	uint64_t entry;               /* without the load bias */
	uint64_t headers_va; /* of the program headers, without the bias; 0: not in memory */
	uint16_t header_count;
	uint64_t start, end; /* pages from the lowest to the end of the highest segment */
	uint64_t interpreter_offset, interpreter_size; /* PT_INTERP in the file; size 0: none */
	uint64_t note_offset, note_size;               /* first PT_NOTE; size 0: none */
	size_t segment_count;
	struct elf_segment
	        segments[ELF_SEGMENTS_MAX]; /* in order of address, no two share a page */
};

/* Source of the file's bytes. */
struct elf_source {
	const char *name; /* for messages; kept */
	uint64_t size;    /* of the program */
	uint64_t
	        start; /* where it begins in the file: whole pages; 0 but in an application image */
	/* Copy [offset, offset + length), which lies inside the program. Return 0, or -1 and errno.
	 */
	int (*read)(const struct elf_source *source, uint64_t offset, void *buffer, size_t length);
	bool is_mappable;           /* fd may be mapped into guest memory */
	int fd;                     /* of the file, for elf_read_file() */
	const unsigned char *bytes; /* for elf_read_bytes() */
};

int elf_read_file(const struct elf_source *source, uint64_t offset, void *buffer, size_t length);
int elf_read_bytes(const struct elf_source *source, uint64_t offset, void *buffer, size_t length);

/**
 * elf_image_read() - Read and check the headers of a 64-bit x86 ELF executable.
 * @allow_wx: accept segments that are both writable and executable
 *
 * Each header is read once. Errors have the code MOTE_STATUS_CANNOT_RUN and name the file.
 */
int elf_image_read(struct elf_image *image, const struct elf_source *source, bool allow_wx,
                   struct mote_error *err);

#endif
