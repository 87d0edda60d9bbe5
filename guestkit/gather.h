/* SPDX-License-Identifier: Apache-2.0 */
/* What a program uses, before a snapshot: where starts from it have it at few faults. */
#ifndef MOTE_GUESTKIT_GATHER_H
#define MOTE_GUESTKIT_GATHER_H

#include <stdbool.h>

/**
 * gather_memory() - A snapshot is about to be taken.
 * @is_running: of a program that has run. What it used moves, the first time in the life of a guest
 */
void gather_memory(bool is_running);

#endif
