/* SPDX-License-Identifier: Apache-2.0 */
/* The console: the VMM's stdin, stdout and stderr, through a bounce buffer of the kit. */
#include "guestkit/console.h"

#include <linux/errno.h>

#include "guestkit/hypercall.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"

KIT_FIRST(3) unsigned char console_buffer[CONSOLE_BUFFER];

uint64_t kit_physical(const void *object)
{
	uint64_t address = (uint64_t)object;

	return address - (address >= MOTE_WINDOW_VA ? MOTE_WINDOW_VA : MOTE_DIRECT_VA);
}

int64_t console_write_buffer(int stream, size_t length)
{
	return hypercall_turn(MOTE_HC_console_write, (uint64_t)stream, kit_physical(console_buffer),
	                      length);
}

int64_t console_read_buffer(size_t length, unsigned flags)
{
	return hypercall(MOTE_HC_console_read, kit_physical(console_buffer), length, flags);
}

int64_t console_control(int stream, unsigned operation, void *block, size_t size)
{
	static unsigned char bounce[64];
	int64_t result;

	if (size > sizeof bounce)
		return -EINVAL;
	if (block)
		memcpy(bounce, block, size);
	result = hypercall(MOTE_HC_console_control, (uint64_t)stream, operation,
	                   kit_physical(bounce));
	if (block && result >= 0)
		memcpy(block, bounce, size);
	return result;
}
