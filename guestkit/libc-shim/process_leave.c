/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel of Linux does for a process that has ended, before the guest ends with it. */
#include "guestkit/libc-shim/process_leave.h"

#include "guestkit/clock.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/net/net_leave.h"
#include "guestkit/timeouts.h"
#include "guestkit/virtio.h"

void process_leave(void)
{
	uint64_t end;

	if (!virtio_events())
		return;
	descriptors_close_all();
	end = clock_monotonic() + PROCESS_LINGER_NS;
	while (net_is_sending() && clock_monotonic() < end) {
		uint64_t next = timeouts_next();

		shim_wait_for_host(next < end ? next : end);
		timeouts_serve();
	}
	net_abort_all();
}
