/* SPDX-License-Identifier: Apache-2.0 */
/* Rewrites system calls that the application makes often into jumps: no trap, nanoseconds. */
#ifndef MOTE_GUESTKIT_PATCH_H
#define MOTE_GUESTKIT_PATCH_H

#include <stdbool.h>

#include "guestkit/context.h"

/**
 * patch_consider() - A system call has trapped: rewrite its site if this is not the first time.
 * @context: of the call, before it is served
 *
 * Return: whether code was changed, so that the way back must be by iretq, which serialises.
 */
bool patch_consider(const struct context *context);

/**
 * patch_is_middle() - Whether an invalid opcode is a jump to the `syscall` of a rewritten site.
 * @context: where the trap struck: RIP is at what was the `syscall` instruction
 */
bool patch_is_middle(const struct context *context);

#endif
