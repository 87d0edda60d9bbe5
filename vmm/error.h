/* SPDX-License-Identifier: Apache-2.0 */
/* The error object: what failed, on what, why, and what to try. */
#ifndef MOTE_VMM_ERROR_H
#define MOTE_VMM_ERROR_H

#include "mote/mote.h" /* struct mote_error, and its codes */

/**
 * mote_error_set() - Fill an error object.
 * @err:  object to fill; whatever it held is lost
 * @code: enum mote_status
 * @fmt:  printf format: one line without a final newline
 *
 * Return: always -1, so that callers can `return mote_error_set(...)`.
 */
int mote_error_set(struct mote_error *err, int code, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/**
 * mote_error_errno() - The same, with ": strerror(errno)" appended.
 *
 * Return: always -1. errno is left as it was.
 */
int mote_error_errno(struct mote_error *err, int code, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/**
 * mote_error_hint() - Append ". HINT" to an error that is already set.
 *
 * Return: always -1.
 */
int mote_error_hint(struct mote_error *err, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));

#endif
