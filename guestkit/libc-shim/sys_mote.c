/* SPDX-License-Identifier: Apache-2.0 */
/* The system call that Linux does not have: what applications say and ask through mote/guest.h. */
#include <linux/errno.h>

#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/sys_mote.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/machine.h"
#include "guestkit/snapshot.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

#define MOTE_GUEST_NUMBERS_ONLY
#include "mote/guest.h"

_Static_assert(MOTE_POINT_PASSED == MOTE_SNAPSHOT_NONE && MOTE_POINT_TAKEN == MOTE_SNAPSHOT_TAKEN &&
                       MOTE_POINT_RESTORED == MOTE_SNAPSHOT_RESTORED,
               "results go to the application as they are");

int64_t sys_mote_mark_default(void)
{
	return machine.snapshot_mark && strcmp(machine.snapshot_mark, MOTE_MARK_DEFAULT)
	               ? MOTE_POINT_PASSED
	               : snapshot_take(MOTE_SNAPSHOT_MARK);
}

/* @name: address; looked at only while a mark is wanted: else to pass one costs next to nothing */
static int64_t mark(uint64_t name)
{
	const char *wanted = machine.snapshot_mark ? machine.snapshot_mark : MOTE_MARK_DEFAULT;
	char given[MOTE_MARK_NAME_MAX];
	int64_t length;

	if (!snapshot_is_wanted(MOTE_SNAPSHOT_MARK))
		return MOTE_POINT_PASSED;
	length = user_read_string(given, name, sizeof(given));
	if (length < 0)
		return length;
	return strcmp(given, wanted) ? MOTE_POINT_PASSED : snapshot_take(MOTE_SNAPSHOT_MARK);
}

static int64_t generation(uint64_t id)
{
	const struct mote_run *run = (const struct mote_run *)MOTE_RUN_VA;
	int result = user_write(id, run->generation.id, sizeof(run->generation.id));

	return result < 0 ? result : (int64_t)snapshot_starts;
}

static int64_t set_signal(uint64_t number)
{
	if (number > SIGNAL_LAST)
		return -EINVAL;
	snapshot_set_signal((int)number);
	return 0;
}

static int64_t give(const struct string_list *list, uint64_t buffer, uint64_t size)
{
	size_t length = size < list->size ? size : list->size;

	return user_write(buffer, list->strings, length) < 0 ? -EFAULT : (int64_t)list->size;
}

int64_t sys_mote(const uint64_t *arg)
{
	switch (arg[0]) {
	case MOTE_CALL_MARK: return mark(arg[1]);
	case MOTE_CALL_GENERATION: return generation(arg[1]);
	case MOTE_CALL_SIGNAL: return set_signal(arg[1]);
	case MOTE_CALL_ARGUMENTS: return give(&machine.arguments, arg[1], arg[2]);
	case MOTE_CALL_SERVE: return sys_function(arg[1]);
	case MOTE_CALL_ENVIRONMENT: return give(&machine.environment, arg[1], arg[2]);
	default: return -EINVAL;
	}
}
