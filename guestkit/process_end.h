/* SPDX-License-Identifier: Apache-2.0 */
/* The ends of a guest. None of these returns. */
#ifndef MOTE_GUESTKIT_PROCESS_END_H
#define MOTE_GUESTKIT_PROCESS_END_H

#include <stdint.h>

#include "guestkit/context.h"

/* exit_group(2): @status 0 to 255. */
_Noreturn void end_exit(int status);

/* A signal's default action without a core (SIGTERM, SIGPIPE...): status 128 + signal, nothing
 * printed. */
_Noreturn void end_by_signal(int signal);

/**
 * end_by_crash() - A signal's default action with a core: the VMM prints registers and a backtrace.
 * @vector: x86 exception, or MOTE_CRASH_NO_VECTOR
 * @reason: a few words to print instead of the trap's name; NULL: none
 */
_Noreturn void end_by_crash(const struct context *context, int signal, uint32_t vector,
                            uint64_t error, uint64_t address, const char *reason);

/* Guest memory is used up: one line that says by what, status 137. */
_Noreturn void end_out_of_memory(void);

#endif
