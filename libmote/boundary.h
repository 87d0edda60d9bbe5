/* SPDX-License-Identifier: Apache-2.0 */
/* What all functions of libmote do with what comes from outside. */
#ifndef MOTE_LIBMOTE_BOUNDARY_H
#define MOTE_LIBMOTE_BOUNDARY_H

#include "vmm/error.h"

/* A pointer that has to lead somewhere is NULL. Return: always -1. */
static inline int boundary_null(struct mote_error *err, const char *function, const char *what)
{
	return mote_error_set(err, MOTE_STATUS_FAILED, "%s(): %s is NULL", function, what);
}

#endif
