/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the mote that a tool belongs to. */
#ifndef MOTE_MEASURE_MOTE_PATH_H
#define MOTE_MEASURE_MOTE_PATH_H

#include <limits.h>

#include "vmm/error.h"

/* The mote beside this program, or where make install puts it. Returns 0, or -1 with @err. */
int mote_path_find(char path[PATH_MAX], struct mote_error *err);

#endif
