/* SPDX-License-Identifier: Apache-2.0 */
/* --strace: a line on stderr for each system call; --strace=summary: one table at the end. */
#ifndef MOTE_LIBC_SHIM_STRACE_H
#define MOTE_LIBC_SHIM_STRACE_H

#include <stdint.h>

/**
 * strace_call() - Make a system call and trace it.
 * @arg:  its six arguments
 * @call: serves it, known or not
 *
 * Return: its result.
 */
int64_t strace_call(uint64_t number, const uint64_t *arg,
                    int64_t (*call)(uint64_t number, const uint64_t *arg));

/* The guest ends: @status as in the hypercall `exit`. Nothing without --strace. */
void strace_end(uint64_t status);

/* ---- strace_summary.c ---- */

/* Count a call. @index: the caller's, below @STRACE_CALLS_MAX; @ns: time that it took */
#define STRACE_CALLS_MAX 400
void strace_summary_count(unsigned index, int64_t result, uint64_t ns);

/* Print what was counted. @name: of the call with this index */
void strace_summary_print(const char *(*name)(unsigned index));

#endif
