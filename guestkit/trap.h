/* SPDX-License-Identifier: Apache-2.0 */
/* Traps: page faults that give memory, and faults that become signals. */
#ifndef MOTE_GUESTKIT_TRAP_H
#define MOTE_GUESTKIT_TRAP_H

#include <stdint.h>

#include "guestkit/context.h"

/* What ring0.S and the hardware leave below kit_trap_frame_top, lowest address first. */
struct trap_frame {
	uint64_t cr2, rax, vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* Called by entry.S. The context is changed to where execution goes on. */
void trap_from_application(struct context *context);
void trap_from_kit(struct context *context);

/* A trap that no sound kit makes: the VMM prints registers and a backtrace of the kit. */
_Noreturn void end_kit_crash(const struct context *context, uint32_t vector, uint64_t error,
                             uint64_t address);

#endif
