/* SPDX-License-Identifier: Apache-2.0 */
/* What poll(2), select(2) and epoll(7) share. */
#ifndef MOTE_LIBC_SHIM_POLL_H
#define MOTE_LIBC_SHIM_POLL_H

#include <asm/poll.h>

#include "guestkit/libc-shim/vfs.h"

#define POLL_READ_BITS  (POLLIN | POLLRDNORM)
#define POLL_WRITE_BITS (POLLOUT | POLLWRNORM)

/* The POLL* bits of a state; EPOLL* are the same numbers. */
static inline uint32_t poll_state_bits(const struct poll_state *state)
{
	return (state->readable ? POLL_READ_BITS : 0) | (state->writable ? POLL_WRITE_BITS : 0) |
	       (state->writable && state->has_bands ? POLLWRBAND : 0) |
	       (state->hung_up ? POLLHUP : 0) | (state->error ? POLLERR : 0) |
	       (state->priority ? POLLPRI : 0) | (state->read_closed ? POLLRDHUP : 0);
}

#endif
