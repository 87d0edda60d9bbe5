/* SPDX-License-Identifier: Apache-2.0 */
/* Anonymous memory that was unmapped and whose page-table entries still stand, for use again. */
#ifndef MOTE_GUESTKIT_RETIRED_H
#define MOTE_GUESTKIT_RETIRED_H

#include <stdbool.h>
#include <stdint.h>

/**
 * retired_take() - An unmapped range of private, writable, anonymous memory: keep it for use again?
 *
 * Return: whether it was taken; else the caller clears its entries.
 */
bool retired_take(uint64_t start, uint64_t end);

/**
 * retired_claim() - A new mapping is about to cover [start, end).
 * @is_alike: it is private, writable, anonymous: what is there is zeroed and serves again.
 *Otherwise, and wherever that is not possible, the entries are cleared.
 */
void retired_claim(uint64_t start, uint64_t end, bool is_alike);

/* Clear all entries and free their frames. Return whether there was anything. */
bool retired_purge(void);

#endif
