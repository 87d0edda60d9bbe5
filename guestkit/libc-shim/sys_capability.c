/* SPDX-License-Identifier: Apache-2.0 */
/* System calls on capabilities: capget, capset, and what prctl does with them. */
#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/prctl.h>

#include "guestkit/libc-shim/capability.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/user.h"

#define ALL ((2ull << SYSTEM_LAST_CAP) - 1)

struct capability_sets capability_sets = {.effective = ALL, .permitted = ALL, .bounding = ALL};
bool capability_are_kept;

static bool is_in(uint64_t set, uint64_t capability)
{
	return set >> capability & 1;
}

void capability_leave_root(void)
{
	if (!capability_are_kept)
		capability_sets.permitted = 0;
	capability_sets.effective = 0;
	capability_sets.ambient = 0;
}

/* ---- capget, capset ---- */

/*
 * How many pairs of 32 bits the caller's version has; 0: it asked in a way that is unknown, and has
 * been told the newest; -EFAULT.
 */
static int read_header(uint64_t address, struct __user_cap_header_struct *header)
{
	static const uint32_t newest = _LINUX_CAPABILITY_VERSION_3;

	if (user_read(header, address, sizeof(*header)) < 0)
		return -EFAULT;
	switch (header->version) {
	case _LINUX_CAPABILITY_VERSION_1: return _LINUX_CAPABILITY_U32S_1;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3: return _LINUX_CAPABILITY_U32S_3;
	default: return user_write(address, &newest, sizeof(newest));
	}
}

int64_t sys_capget(const uint64_t *arg)
{
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	int parts = read_header(arg[0], &header);

	/* Without room for an answer it asks for the version. */
	if (parts < 0 || (parts == 0 && !arg[1]))
		return parts;
	if (parts == 0 || header.pid < 0)
		return -EINVAL;
	if (header.pid != 0 && header.pid != PROCESS_ID)
		return -ESRCH;
	if (!arg[1])
		return 0;
	for (int i = 0; i < parts; i++) {
		data[i].effective = (uint32_t)(capability_sets.effective >> 32 * i);
		data[i].permitted = (uint32_t)(capability_sets.permitted >> 32 * i);
		data[i].inheritable = (uint32_t)(capability_sets.inheritable >> 32 * i);
	}
	return user_write(arg[1], data, (size_t)parts * sizeof(*data));
}

/* The checks of Linux' cap_capset(). */
static bool may_become(const struct capability_sets *wanted)
{
	const struct capability_sets *have = &capability_sets;

	if (!is_in(have->effective, CAP_SETPCAP) &&
	    wanted->inheritable & ~(have->inheritable | have->permitted))
		return false;
	return !(wanted->inheritable & ~(have->inheritable | have->bounding)) &&
	       !(wanted->permitted & ~have->permitted) && !(wanted->effective & ~wanted->permitted);
}

int64_t sys_capset(const uint64_t *arg)
{
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
	struct capability_sets wanted = capability_sets;
	int parts = read_header(arg[0], &header);

	if (parts <= 0)
		return parts < 0 ? parts : -EINVAL;
	if (header.pid != 0 && header.pid != PROCESS_ID)
		return -EPERM;
	if (user_read(data, arg[1], (size_t)parts * sizeof(*data)) < 0)
		return -EFAULT;
	wanted.effective = (data[0].effective | (uint64_t)data[1].effective << 32) & ALL;
	wanted.permitted = (data[0].permitted | (uint64_t)data[1].permitted << 32) & ALL;
	wanted.inheritable = (data[0].inheritable | (uint64_t)data[1].inheritable << 32) & ALL;
	if (!may_become(&wanted))
		return -EPERM;
	wanted.ambient &= wanted.permitted & wanted.inheritable;
	capability_sets = wanted;
	return 0;
}

/* ---- prctl ---- */

int64_t capability_bounding_read(uint64_t capability)
{
	return capability <= SYSTEM_LAST_CAP ? is_in(capability_sets.bounding, capability)
	                                     : -EINVAL;
}

int64_t capability_bounding_drop(uint64_t capability)
{
	if (!is_in(capability_sets.effective, CAP_SETPCAP))
		return -EPERM;
	if (capability > SYSTEM_LAST_CAP)
		return -EINVAL;
	capability_sets.bounding &= ~(1ull << capability);
	return 0;
}

int64_t capability_ambient(const uint64_t *arg)
{
	uint64_t capability = arg[2];

	if (arg[1] == PR_CAP_AMBIENT_CLEAR_ALL) {
		if (arg[2] || arg[3] || arg[4])
			return -EINVAL;
		capability_sets.ambient = 0;
		return 0;
	}
	if (arg[3] || arg[4] || capability > SYSTEM_LAST_CAP)
		return -EINVAL;
	switch (arg[1]) {
	case PR_CAP_AMBIENT_IS_SET: return is_in(capability_sets.ambient, capability);
	case PR_CAP_AMBIENT_RAISE:
		if (!is_in(capability_sets.permitted & capability_sets.inheritable, capability))
			return -EPERM;
		capability_sets.ambient |= 1ull << capability;
		return 0;
	case PR_CAP_AMBIENT_LOWER: capability_sets.ambient &= ~(1ull << capability); return 0;
	default: return -EINVAL;
	}
}
