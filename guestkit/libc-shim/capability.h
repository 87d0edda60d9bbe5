/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities of the process (capabilities(7)): recorded, enforced by nothing. */
#ifndef MOTE_LIBC_SHIM_CAPABILITY_H
#define MOTE_LIBC_SHIM_CAPABILITY_H

#include <stdbool.h>
#include <stdint.h>

/* Each set has the bit of each capability, 0 to SYSTEM_LAST_CAP. */
struct capability_sets {
	uint64_t effective, permitted, inheritable, bounding, ambient;
};

extern struct capability_sets capability_sets;

/* PR_SET_KEEPCAPS */
extern bool capability_are_kept;

/* The process is no longer root. */
void capability_leave_root(void);

/* prctl(2): PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_CAP_AMBIENT; 0 or more, or a negative errno. */
int64_t capability_bounding_read(uint64_t capability);
int64_t capability_bounding_drop(uint64_t capability);
int64_t capability_ambient(const uint64_t *arg);

#endif
