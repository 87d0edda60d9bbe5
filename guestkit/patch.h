/* SPDX-License-Identifier: Apache-2.0 */
/* Rewrites system calls that the application makes often into jumps: no trap, nanoseconds. */
#ifndef MOTE_GUESTKIT_PATCH_H
#define MOTE_GUESTKIT_PATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "guestkit/context.h"

/* System calls below this address can be rewritten: from there a jump reaches the top 2 GiB. */
#define PATCH_REACH 0x7c000000UL

/**
 * patch_consider() - A system call has trapped: rewrite its site if this is not the first time.
 * @context: of the call, before it is served
 */
void patch_consider(const struct context *context);

/* How often code was changed: where it was during a call, the way back of this must be by iretq,
 * which serialises, and through patch_resume(). */
extern uint32_t patch_changes;

/* Rewrite all sites that have trapped so far: before a snapshot. */
void patch_ahead(void);

/**
 * patch_resume() - The application goes on at RIP, by iretq: where that is inside a rewritten site,
 * lead it to the same instruction in the site's stub.
 */
void patch_resume(struct context *context);

/**
 * patch_is_middle() - An invalid opcode trapped: is it a jump into a rewritten site?
 * @context: then changed to go on as without the rewriting
 */
bool patch_is_middle(struct context *context);

/**
 * patch_is_step() - A single step trapped: was it the jump of a rewritten site?
 * @context: then changed to make the step again, in the site's original code
 */
bool patch_is_step(struct context *context);

/* A trap struck in a stub and will become visible: lead RIP to the same instruction at its site. */
void patch_leave_stub(struct context *context);

/* Mappings in [start, end) are about to change or go: put their original code back. */
void patch_forget(uint64_t start, uint64_t end);

/* All mappings are gone, and no system call of theirs is being served: begin anew. */
void patch_forget_all(void);

#endif
