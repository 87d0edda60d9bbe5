/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MOTE_CALL_SERVE: requests for a function, and its answers (mote/function_wire.h).
 *
 * The first call is where the snapshot is taken. A start from it finds the first request in the
 * kit's buffer already: the VMM has put it there before the guest went on.
 */
#include <linux/errno.h>

#include "guestkit/function.h"
#include "guestkit/hypercall.h"
#include "guestkit/libc-shim/sys_mote.h"
#include "guestkit/snapshot.h"
#include "guestkit/user.h"

static volatile struct mote_run *const run = (volatile struct mote_run *)MOTE_RUN_VA;

/* Copy what lies in the buffer to the application. Return: bytes. */
static int64_t deliver(const struct mote_function_call *call, uint64_t size)
{
	if (size > sizeof(function_buffer))
		return -EIO;
	return user_write(call->to, function_buffer, size) < 0 ? -EFAULT : (int64_t)size;
}

static int64_t first_request(const struct mote_function_call *call)
{
	int64_t result;

	function_offer_buffer();
	result = sys_mote_mark_default();
	if (result < 0)
		return result;
	return run->generation.request ? deliver(call, run->generation.request) : -ENOTCONN;
}

int64_t sys_function(uint64_t address)
{
	struct mote_function_call call;
	int64_t result;

	if (user_read(&call, address, sizeof(call)) < 0)
		return -EFAULT;
	if (call.from_size > sizeof(function_buffer))
		return -EMSGSIZE;
	if (call.operation == MOTE_FUNCTION_NEXT && !call.from_size)
		return first_request(&call);
	if (user_read(function_buffer, call.from, call.from_size) < 0)
		return -EFAULT;
	result = hypercall_turn(MOTE_HC_serve, call.operation, kit_physical(function_buffer),
	                        call.from_size);
	return result > 0 ? deliver(&call, (uint64_t)result) : result;
}
