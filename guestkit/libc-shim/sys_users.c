/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls on users and groups (credentials(7)).
 *
 * The process starts as root. Nothing is gained by that, because the VMM is the boundary, but a
 * program may drop it and must then not get it back.
 */
#include <linux/errno.h>
#include <stdbool.h>

#include "guestkit/libc-shim/capability.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/memory.h"
#include "guestkit/user.h"

#define NO_ID UINT32_MAX /* no valid number; to calls that set several: leave this one alone */

enum { REAL, EFFECTIVE, SAVED, FILE_SYSTEM, ID_COUNT };

struct process_identity process_identity;

static uint32_t *const user_ids[ID_COUNT] = {&process_identity.real_uid, &process_identity.uid,
                                             &process_identity.saved_uid,
                                             &process_identity.file_uid};
static uint32_t *const group_ids[ID_COUNT] = {&process_identity.real_gid, &process_identity.gid,
                                              &process_identity.saved_gid,
                                              &process_identity.file_gid};

static bool is_root(void)
{
	return process_identity.uid == 0;
}

/* Is a number one of the first @count that the process has? */
static bool is_own(uint32_t *const *ids, uint32_t number, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (*ids[i] == number)
			return true;
	return false;
}

/* capabilities(7), "Effect of user ID changes on capabilities" */
static void follow(bool was_root, bool was_effective)
{
	if (was_root && !is_own(user_ids, 0, FILE_SYSTEM))
		capability_leave_root();
	else if (was_effective && !is_root())
		capability_sets.effective = 0;
	else if (!was_effective && is_root())
		capability_sets.effective = capability_sets.permitted;
}

static void set_ids(uint32_t *const *ids, uint32_t real, uint32_t effective, uint32_t saved)
{
	const uint32_t wanted[] = {real, effective, saved};
	bool was_root = is_own(user_ids, 0, FILE_SYSTEM), was_effective = is_root();

	for (unsigned i = 0; i < FILE_SYSTEM; i++)
		if (wanted[i] != NO_ID)
			*ids[i] = wanted[i];
	*ids[FILE_SYSTEM] = *ids[EFFECTIVE];
	follow(was_root, was_effective);
}

/* May the process take a number, which may be NO_ID, being root or having it as one of @count? */
static bool may_take(uint32_t *const *ids, uint32_t number, unsigned count)
{
	return number == NO_ID || is_root() || is_own(ids, number, count);
}

static int64_t set_id(uint32_t *const *ids, uint32_t wanted)
{
	if (wanted == NO_ID)
		return -EINVAL;
	if (is_root())
		set_ids(ids, wanted, wanted, wanted);
	else if (wanted == *ids[REAL] || wanted == *ids[SAVED])
		set_ids(ids, NO_ID, wanted, NO_ID);
	else
		return -EPERM;
	return 0;
}

static int64_t set_two(uint32_t *const *ids, uint32_t real, uint32_t effective)
{
	bool changes_saved = real != NO_ID || (effective != NO_ID && effective != *ids[REAL]);
	uint32_t saved = effective != NO_ID ? effective : *ids[EFFECTIVE];

	if (!may_take(ids, real, SAVED) || !may_take(ids, effective, FILE_SYSTEM))
		return -EPERM;
	set_ids(ids, real, effective, changes_saved ? saved : NO_ID);
	return 0;
}

static int64_t set_three(uint32_t *const *ids, const uint64_t *arg)
{
	for (unsigned i = 0; i < FILE_SYSTEM; i++)
		if (!may_take(ids, (uint32_t)arg[i], FILE_SYSTEM))
			return -EPERM;
	set_ids(ids, (uint32_t)arg[REAL], (uint32_t)arg[EFFECTIVE], (uint32_t)arg[SAVED]);
	return 0;
}

static int64_t get_three(uint32_t *const *ids, const uint64_t *arg)
{
	for (unsigned i = 0; i < FILE_SYSTEM; i++)
		if (user_write(arg[i], ids[i], sizeof(*ids[i])) < 0)
			return -EFAULT;
	return 0;
}

/* setfsuid(2): the result is the old number, whatever happens. */
static int64_t set_file_system(uint32_t *const *ids, uint32_t wanted)
{
	uint32_t old = *ids[FILE_SYSTEM];

	if (wanted != NO_ID && may_take(ids, wanted, ID_COUNT))
		*ids[FILE_SYSTEM] = wanted;
	return old;
}

/* ---- users ---- */

int64_t sys_getuid(const uint64_t *arg)
{
	(void)arg;
	return process_identity.real_uid;
}

int64_t sys_geteuid(const uint64_t *arg)
{
	(void)arg;
	return process_identity.uid;
}

int64_t sys_getresuid(const uint64_t *arg)
{
	return get_three(user_ids, arg);
}

int64_t sys_setuid(const uint64_t *arg)
{
	return set_id(user_ids, (uint32_t)arg[0]);
}

int64_t sys_setreuid(const uint64_t *arg)
{
	return set_two(user_ids, (uint32_t)arg[0], (uint32_t)arg[1]);
}

int64_t sys_setresuid(const uint64_t *arg)
{
	return set_three(user_ids, arg);
}

int64_t sys_setfsuid(const uint64_t *arg)
{
	return set_file_system(user_ids, (uint32_t)arg[0]);
}

/* ---- groups ---- */

int64_t sys_getgid(const uint64_t *arg)
{
	(void)arg;
	return process_identity.real_gid;
}

int64_t sys_getegid(const uint64_t *arg)
{
	(void)arg;
	return process_identity.gid;
}

int64_t sys_getresgid(const uint64_t *arg)
{
	return get_three(group_ids, arg);
}

int64_t sys_setgid(const uint64_t *arg)
{
	return set_id(group_ids, (uint32_t)arg[0]);
}

int64_t sys_setregid(const uint64_t *arg)
{
	return set_two(group_ids, (uint32_t)arg[0], (uint32_t)arg[1]);
}

int64_t sys_setresgid(const uint64_t *arg)
{
	return set_three(group_ids, arg);
}

int64_t sys_setfsgid(const uint64_t *arg)
{
	return set_file_system(group_ids, (uint32_t)arg[0]);
}

int64_t sys_getgroups(const uint64_t *arg)
{
	int32_t size = (int32_t)arg[0];
	uint32_t count = process_identity.group_count;

	if (size < 0 || (size > 0 && (uint32_t)size < count))
		return -EINVAL;
	if (size > 0 && user_write(arg[1], process_identity.groups, count * sizeof(uint32_t)) < 0)
		return -EFAULT;
	return count;
}

int64_t sys_setgroups(const uint64_t *arg)
{
	uint32_t count = (uint32_t)arg[0];
	uint32_t *list = NULL;

	if (!is_root())
		return -EPERM;
	if (count > SYSTEM_GROUPS_MAX)
		return -EINVAL;
	if (count > 0) {
		list = heap_alloc(count * sizeof(*list));
		if (!list)
			return -ENOMEM;
		if (user_read(list, arg[1], count * sizeof(*list)) < 0) {
			heap_free(list);
			return -EFAULT;
		}
	}
	heap_free(process_identity.groups);
	process_identity.groups = list;
	process_identity.group_count = count;
	return 0;
}
