/* SPDX-License-Identifier: Apache-2.0 */
/* The error object: what failed, on what, why, and what to try. */
#ifndef MOTE_VMM_ERROR_H
#define MOTE_VMM_ERROR_H

/*
 * Exit statuses of the mote program, as container tools have them. A code in an error object is one
 * of these, so that main.c alone decides how the process ends.
 */
enum mote_status {
	MOTE_STATUS_TIMEOUT = 124,    /* the guest ran past --timeout */
	MOTE_STATUS_FAILED = 125,     /* mote itself failed or was misused */
	MOTE_STATUS_CANNOT_RUN = 126, /* the program exists and cannot be run */
	MOTE_STATUS_NOT_FOUND = 127,  /* the program does not exist */
	MOTE_STATUS_OUT_OF_MEMORY = 137,
	MOTE_STATUS_SIGNAL_BASE = 128, /* plus the signal number: the guest crashed */
};

/* Long enough for a path, a reason and a remedy; longer text is cut, never overrun. */
#define MOTE_ERROR_TEXT 1024

struct mote_error {
	int code; /* enum mote_status; 0: no error */
	char text[MOTE_ERROR_TEXT];
};

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
