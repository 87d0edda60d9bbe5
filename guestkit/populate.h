/* SPDX-License-Identifier: Apache-2.0 */
/* Gives frames to mapped pages. */
#ifndef MOTE_GUESTKIT_POPULATE_H
#define MOTE_GUESTKIT_POPULATE_H

#include <stdbool.h>
#include <stdint.h>

/* Page-table rights (PTE_WRITABLE, PTE_NO_EXEC) for PROT_* bits. */
uint64_t populate_rights(uint32_t prot);

/**
 * populate_new() - A mapping was made: give its pages frames if they are few.
 * @all: however many they are, as far as memory reaches
 */
void populate_new(uint64_t start, uint64_t end, bool all);

#endif
