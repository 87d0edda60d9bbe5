/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading memory that a file lies under, although the file may be cut by others meanwhile.
 *
 * A page that the file no longer has, or that its disk cannot give, is told by SIGBUS. Inside
 * lost_page_guard() that ends the work that read the page, and nothing else. The kernel's own
 * reads, of write() for example, fail with EFAULT instead.
 */
#ifndef MOTE_VMM_LOST_PAGE_H
#define MOTE_VMM_LOST_PAGE_H

#include <stddef.h>

#include "vmm/error.h"

/* Make lost_page_guard() work, by a handler that is the process's; before the first use, before
 * confinement. */
int lost_page_init(struct mote_error *err);

/* For a handler of SIGBUS of somebody else's, in the thread that it came of: ends the guarded work;
 * returns where there is none. That handler must have SA_NODEFER, or unblock the signal. */
void lost_page_recover(void);

/**
 * lost_page_guard() - Do some work that may read pages that are lost.
 *
 * What the work holds when it is ended stays held. Guards may be nested: the innermost counts.
 *
 * Return: 0, or -1 when the work came upon such a page and was left there.
 */
int lost_page_guard(void (*work)(void *ctx), void *ctx);

/* memcpy() under a guard: 0 or -1; then some of the bytes may have been copied. */
int lost_page_copy(void *to, const void *from, size_t length);

/* The error to end with when a page that is needed is lost. @name: of the application */
int lost_page_error(struct mote_error *err, const char *name);

#endif
