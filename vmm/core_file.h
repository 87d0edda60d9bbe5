/* SPDX-License-Identifier: Apache-2.0 */
/* ELF core files of a stopped guest, as Linux writes them and gdb reads them. */
#ifndef MOTE_VMM_CORE_FILE_H
#define MOTE_VMM_CORE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"
#include "vmm/unwind.h"

/* A mapped range of guest-virtual memory. va and length are multiples of 4096. */
struct core_segment {
	uint64_t va;
	uint64_t length;
	int prot;         /* PROT_READ | PROT_WRITE | PROT_EXEC */
	const void *host; /* length bytes; NULL: recorded without contents */
};

/* Everything beside memory. Strings may hold any bytes and are cut to what the format has room for.
 */
struct core_description {
	struct unwind_registers registers;
	uint64_t rflags, fs_base, gs_base;
	uint16_t cs, ss, ds, es, fs, gs;
	uint64_t orig_rax;      /* system call number, or -1 when it stopped outside one */
	int signal;             /* SIGSEGV and so on */
	int signal_code;        /* si_code, SEGV_MAPERR for example */
	uint64_t fault_address; /* si_addr */
	int pid;
	const char *program;   /* file name without directories; may be NULL */
	const char *arguments; /* the command line, joined by spaces; may be NULL */
	const void *auxv;      /* as in guest memory, AT_NULL included; NULL: no NT_AUXV */
	size_t auxv_size;
	const void *xsave; /* standard (not compacted) XSAVE area; NULL: no vector registers */
	size_t xsave_size; /* at least 512; NT_X86_XSTATE needs 576 or more */
	uint64_t xcr0;
};

/**
 * core_file_write() - Write an ELF64 core file.
 * @fd:       open for writing and not with O_APPEND; a regular file is emptied first
 * @core:     registers and process
 * @segments: memory, best by ascending va
 * @count:    of segments, at most 65533
 * @err:      set on failure (full disk, bad segment); the file keeps what was written
 *
 * Pages of zeros become holes in a regular file. Every page with a host pointer is read. No heap;
 * system calls: fstat, ftruncate, lseek, write. A limit on the size of files (RLIMIT_FSIZE) sends
 * SIGXFSZ unless that is ignored. A debugger needs auxv to place a position-independent program.
 *
 * Return: 0, or -1 with @err set.
 */
int core_file_write(int fd, const struct core_description *core,
                    const struct core_segment *segments, size_t count, struct mote_error *err);

#endif
