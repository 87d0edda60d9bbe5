/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the bytes of a page back, and tells whether they were others. */
#ifndef MOTE_SNAPSHOT_PAGE_COPY_H
#define MOTE_SNAPSHOT_PAGE_COPY_H

#include <stdbool.h>

/**
 * page_copy_back() - Make a page hold what another one holds.
 * @page, @golden: MOTE_PAGE_SIZE bytes, aligned to it
 *
 * Lines that are equal are only read: a page that a request wrote a few words of costs half of a
 * copy, and one that is equal is not written to.
 *
 * Return: whether any byte differed.
 */
typedef bool page_copy_back(void *page, const void *golden);

/* The fastest one that this processor has. Asks CPUID, which is slow in a virtual machine. */
page_copy_back *page_copy_choose(void);

#endif
