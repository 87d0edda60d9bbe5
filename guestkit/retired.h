/* SPDX-License-Identifier: Apache-2.0 */
/* Anonymous memory that was unmapped and whose page-table entries still stand, for use again. */
#ifndef MOTE_GUESTKIT_RETIRED_H
#define MOTE_GUESTKIT_RETIRED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * retired_take() - An unmapped range of private, writable, anonymous memory: keep it for use again?
 *
 * Its borders are cut.
 *
 * Return: whether it was taken; else the caller clears its entries.
 */
bool retired_take(uint64_t start, uint64_t end);

/**
 * retired_claim() - A new mapping is about to cover [start, end).
 * @is_alike: it is private, writable, anonymous: what is there is zeroed and serves again.
 *            Otherwise, and wherever that is not possible, the entries are cleared.
 *
 * Return: bytes that serve again.
 */
uint64_t retired_claim(uint64_t start, uint64_t end, bool is_alike);

/* In place of retired_claim() for a mapping without any access, where the program gave no address:
 * a thread's stack and its guard, perhaps. */
void retired_reserve(uint64_t start, uint64_t end);

/**
 * retired_commit() - Private anonymous memory [start, end) is about to become readable and
 * writable.
 *
 * Return: whether that is what becomes of reservations for stacks: all but the guard, at once.
 */
bool retired_commit(uint64_t start, uint64_t end);

/* Set between retired_reserve() and what the program does next. If that is anything but mprotect(),
 * or if a page fault comes first, retired_settle() is to be called. */
extern bool retired_is_reserved;
void retired_settle(void);

/* Whether nothing served again since this was asked last. */
bool retired_is_unused(void);

#define RETIRED_AHEAD 6 /* ranges */

/* Entries for plain memory stand in [start, end), where nothing is mapped: the next mapping there
 * may have them. In place of those noted under the same number, which are the caller's to drop. */
void retired_note_ahead(size_t index, uint64_t start, uint64_t end);

/* Clear these. Return whether there were any. */
bool retired_drop_ahead(void);

/* Clear all other entries and free their frames. Return whether there was anything. */
bool retired_purge(void);

#endif
