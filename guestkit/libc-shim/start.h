/* SPDX-License-Identifier: Apache-2.0 */
/* Starts programs: the initial stack and registers. */
#ifndef MOTE_LIBC_SHIM_START_H
#define MOTE_LIBC_SHIM_START_H

#include <stdint.h>

#include "guestkit/context.h"
#include "guestkit/libc-shim/program.h"
#include "guestkit/machine.h"

/* Everything that a program is started with. */
struct start {
	struct program program;
	uint64_t interpreter_base; /* AT_BASE; 0: it has none */
	uint64_t entry;            /* the first instruction: the program's, or its interpreter's */
	struct string_list arguments, environment;
	const char *path; /* AT_EXECFN */
};

/* The last thing the kit does of its own accord: start the program that the VMM has loaded, or
 * named. */
_Noreturn void start_application(void);

/**
 * start_prepare() - Build the initial stack of a program in an address space that has its segments.
 * @context: set to its first registers
 *
 * Return: 0 or -ENOMEM.
 */
int start_prepare(const struct start *start, struct context *context);

/* Tell /proc of the program that was prepared. The strings and @executable, an absolute path, are
 * kit memory that stays. */
void start_describe(const struct start *start, const char *executable);

#endif
