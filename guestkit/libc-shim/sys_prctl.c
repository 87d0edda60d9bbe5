/* SPDX-License-Identifier: Apache-2.0 */
/* prctl: settings of the one process, most of them recorded only. */
#include <linux/errno.h>
#include <linux/prctl.h>
#include <stdbool.h>

#include "guestkit/libc-shim/capability.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/thread.h"
#include "guestkit/user.h"

#define SIGNALS           64
#define SECURE_BITS       0xff  /* <linux/securebits.h>: all that there are */
#define TIMER_SLACK       50000 /* ns */
#define MAPPING_NAME_SIZE 80    /* ANON_VMA_NAME_MAX_LEN, with the NUL */

#define PR_GET_AUXV 0x41555856 /* Linux 6.4; not in older headers */

static struct {
	int32_t death_signal; /* no parent can die */
	int32_t reaps_orphans;
	uint64_t timer_slack; /* 0: TIMER_SLACK */
	uint64_t secure_bits;
	bool is_undumpable;
	bool no_new_privileges;
	bool is_without_huge_pages;
} settings;

unsigned process_no_new_privileges(void)
{
	return settings.no_new_privileges;
}

/* The name of the running thread; the first one's is the process's. */
static char *own_name(void)
{
	bool is_first = thread_current->id == PROCESS_ID || !thread_current->name[0];

	return is_first ? process.name : thread_current->name;
}

/* Longer names are cut, as Linux does it. */
static int64_t set_name(uint64_t address)
{
	char name[PROCESS_NAME_SIZE] = {0};
	int64_t length = user_read_string(name, address, sizeof(name));

	if (length == -EFAULT)
		return -EFAULT;
	name[sizeof(name) - 1] = '\0';
	memcpy(own_name(), name, sizeof(name));
	return 0;
}

static int64_t get_name(uint64_t address)
{
	char name[PROCESS_NAME_SIZE] = {0};

	memcpy(name, own_name(), strnlen(own_name(), sizeof(name) - 1));
	return user_write(address, name, sizeof(name));
}

/* PR_SET_VMA: the name that a mapping would have in /proc/self/maps, checked and forgotten. */
static int64_t name_mapping(const uint64_t *arg)
{
	char name[MAPPING_NAME_SIZE];
	int64_t length = 0;

	if (arg[1] != PR_SET_VMA_ANON_NAME)
		return -EINVAL;
	if (arg[4])
		length = user_read_string(name, arg[4], sizeof(name));
	if (length < 0)
		return length == -EFAULT ? -EFAULT : -EINVAL;
	for (int64_t i = 0; i < length; i++)
		if (name[i] < ' ' || name[i] > '~' || name[i] == '\\' || name[i] == '`' ||
		    name[i] == '$' || name[i] == '[' || name[i] == ']')
			return -EINVAL;
	return arg[2] % PAGE_SIZE ? -EINVAL : 0;
}

static int64_t get_auxiliary_vector(const uint64_t *arg)
{
	const struct process_bytes *vector = &process.auxiliary_vector;

	if (arg[3] || arg[4])
		return -EINVAL;
	if (user_write(arg[1], vector->data, arg[2] < vector->length ? arg[2] : vector->length) < 0)
		return -EFAULT;
	return (int64_t)vector->length;
}

static int64_t put_number(uint64_t address, int32_t number)
{
	return user_write(address, &number, sizeof(number));
}

static int64_t set_secure_bits(uint64_t bits)
{
	if (process_identity.uid != 0 || bits & ~(uint64_t)SECURE_BITS)
		return -EPERM;
	settings.secure_bits = bits;
	return 0;
}

/* A switch that is 0 or 1. */
static int64_t set_switch(bool *is_on, uint64_t value)
{
	if (value > 1)
		return -EINVAL;
	*is_on = value;
	return 0;
}

/* Those that need their unused arguments to be 0. */
static int64_t strict(const uint64_t *arg)
{
	if (arg[2] || arg[3] || arg[4])
		return -EINVAL;
	switch ((int32_t)arg[0]) {
	case PR_SET_NO_NEW_PRIVS:
		if (arg[1] != 1)
			return -EINVAL;
		settings.no_new_privileges = true;
		return 0;
	case PR_SET_THP_DISABLE: settings.is_without_huge_pages = arg[1]; return 0;
	default: break;
	}
	if (arg[1])
		return -EINVAL;
	return (int32_t)arg[0] == PR_GET_NO_NEW_PRIVS ? settings.no_new_privileges
	                                              : settings.is_without_huge_pages;
}

int64_t sys_prctl(const uint64_t *arg)
{
	bool is_dumpable = true;
	int64_t result;

	switch ((int32_t)arg[0]) {
	case PR_SET_NAME: return set_name(arg[1]);
	case PR_GET_NAME: return get_name(arg[1]);
	case PR_SET_DUMPABLE:
		result = set_switch(&is_dumpable, arg[1]);
		settings.is_undumpable = result < 0 ? settings.is_undumpable : !is_dumpable;
		return result;
	case PR_GET_DUMPABLE: return !settings.is_undumpable;
	case PR_SET_PDEATHSIG:
		if (arg[1] > SIGNALS)
			return -EINVAL;
		settings.death_signal = (int32_t)arg[1];
		return 0;
	case PR_GET_PDEATHSIG: return put_number(arg[1], settings.death_signal);
	case PR_SET_CHILD_SUBREAPER: settings.reaps_orphans = arg[1] != 0; return 0;
	case PR_GET_CHILD_SUBREAPER: return put_number(arg[1], settings.reaps_orphans);
	case PR_SET_NO_NEW_PRIVS:
	case PR_GET_NO_NEW_PRIVS:
	case PR_SET_THP_DISABLE:
	case PR_GET_THP_DISABLE: return strict(arg);
	case PR_GET_SECCOMP: return 0;
	case PR_SET_KEEPCAPS: return set_switch(&capability_are_kept, arg[1]);
	case PR_GET_KEEPCAPS: return capability_are_kept;
	case PR_SET_SECUREBITS: return set_secure_bits(arg[1]);
	case PR_GET_SECUREBITS: return (int64_t)settings.secure_bits;
	case PR_CAPBSET_READ: return capability_bounding_read(arg[1]);
	case PR_CAPBSET_DROP: return capability_bounding_drop(arg[1]);
	case PR_CAP_AMBIENT: return capability_ambient(arg);
	case PR_SET_TIMERSLACK: settings.timer_slack = arg[1]; return 0;
	case PR_GET_TIMERSLACK:
		return (int64_t)(settings.timer_slack ? settings.timer_slack : TIMER_SLACK);
	case PR_GET_TIMING: return PR_TIMING_STATISTICAL;
	case PR_SET_TIMING: return arg[1] == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
	case PR_GET_TSC: return put_number(arg[1], PR_TSC_ENABLE);
	case PR_SET_TSC: return arg[1] == PR_TSC_ENABLE ? 0 : -EINVAL;
	case PR_TASK_PERF_EVENTS_DISABLE:
	case PR_TASK_PERF_EVENTS_ENABLE: return 0; /* there are none */
	case PR_SET_VMA: return name_mapping(arg);
	case PR_GET_AUXV: return get_auxiliary_vector(arg);
	default: return -EINVAL;
	}
}
