/* SPDX-License-Identifier: Apache-2.0 */
/* Programs in files of the guest: reading their headers and mapping them. */
#ifndef MOTE_LIBC_SHIM_PROGRAM_H
#define MOTE_LIBC_SHIM_PROGRAM_H

#include <linux/elf.h>
#include <stdbool.h>
#include <stdint.h>

#include "guestkit/libc-shim/vfs.h"

#define PROGRAM_HEADERS_MAX 64

/* An ELF file whose headers have been read and checked. */
struct program_file {
	struct file *file; /* referenced */
	Elf64_Ehdr header;
	Elf64_Phdr segments[PROGRAM_HEADERS_MAX];
	char *interpreter; /* PT_INTERP; heap; NULL: none */
};

/* Where a program lies in memory. */
struct program {
	uint64_t entry;
	uint64_t headers; /* address of the program headers; 0: not in memory */
	uint32_t header_count;
	uint64_t base; /* added to the addresses in the file */
	uint64_t end;  /* of its last segment */
};

/* Is this open file a regular one that may be executed? */
bool program_may_run(const struct file *file);

/**
 * program_open() - Open a file to be executed.
 *
 * Return: 0; -EACCES: not a regular file, or nobody may execute it; or what opening gives.
 */
int program_open(const char *path, struct file **file);

/**
 * program_read() - Read and check the headers of an ELF file.
 * @file:   its reference is taken over, also on failure
 * @out:    heap; to be given to program_close()
 * @is_interpreter: what another program names in PT_INTERP
 *
 * Return: 0, -ENOEXEC (not an ELF file for this machine, or one with headers that make no sense),
 * -ELIBBAD (the same, of an interpreter), -EACCES (a segment is writable and executable), -ENOMEM.
 */
int program_read(struct file *file, bool is_interpreter, struct program_file **out);

/* NULL is allowed. */
void program_close(struct program_file *program);

/**
 * program_map() - Map a program's segments.
 * @hint: where to put one that may lie anywhere; 0: wherever there is room within reach of
 * rewritten system calls (patch.c)
 *
 * On failure parts of it are mapped.
 */
int program_map(const struct program_file *program, uint64_t hint, struct program *out);

#endif
