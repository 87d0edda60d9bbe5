/* SPDX-License-Identifier: Apache-2.0 */
/* Running programs from files of the guest: at the start, and execve(2). */
#ifndef MOTE_LIBC_SHIM_EXEC_H
#define MOTE_LIBC_SHIM_EXEC_H

#include "guestkit/libc-shim/start.h"

/* Load the program that the VMM has named (machine.program), for start->arguments; ends the guest
 * with a message where that cannot be done. */
void exec_first(struct start *start);

/* The same for the interpreter of the program that the VMM has loaded. */
void exec_interpreter(const char *path, struct start *start);

#endif
