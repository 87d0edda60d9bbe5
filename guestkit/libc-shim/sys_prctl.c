/* SPDX-License-Identifier: Apache-2.0 */
/* prctl: settings of the one process. */
#include <linux/errno.h>
#include <linux/prctl.h>
#include <stdbool.h>

#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

#define SIGNALS 64

static struct {
	int32_t death_signal; /* no parent can die */
	bool is_undumpable;
	bool no_new_privileges;
} settings;

unsigned process_no_new_privileges(void)
{
	return settings.no_new_privileges;
}

/* Longer names are cut, as Linux does it. */
static int64_t set_name(uint64_t address)
{
	char name[PROCESS_NAME_SIZE] = {0};
	int64_t length = user_read_string(name, address, sizeof(name));

	if (length == -EFAULT)
		return -EFAULT;
	name[sizeof(name) - 1] = '\0';
	memcpy(process.name, name, sizeof(name));
	return 0;
}

static int64_t get_name(uint64_t address)
{
	char name[PROCESS_NAME_SIZE] = {0};

	memcpy(name, process.name, strnlen(process.name, sizeof(name) - 1));
	return user_write(address, name, sizeof(name));
}

static int64_t set_dumpable(uint64_t value)
{
	if (value > 1)
		return -EINVAL;
	settings.is_undumpable = value == 0;
	return 0;
}

static int64_t set_no_new_privileges(const uint64_t *arg)
{
	if (arg[1] != 1 || arg[2] || arg[3] || arg[4])
		return -EINVAL;
	settings.no_new_privileges = true;
	return 0;
}

int64_t sys_prctl(const uint64_t *arg)
{
	switch ((int32_t)arg[0]) {
	case PR_SET_NAME: return set_name(arg[1]);
	case PR_GET_NAME: return get_name(arg[1]);
	case PR_SET_DUMPABLE: return set_dumpable(arg[1]);
	case PR_GET_DUMPABLE: return !settings.is_undumpable;
	case PR_SET_PDEATHSIG:
		if (arg[1] > SIGNALS)
			return -EINVAL;
		settings.death_signal = (int32_t)arg[1];
		return 0;
	case PR_GET_PDEATHSIG:
		return user_write(arg[1], &settings.death_signal, sizeof(settings.death_signal));
	case PR_SET_NO_NEW_PRIVS: return set_no_new_privileges(arg);
	case PR_GET_NO_NEW_PRIVS:
		if (arg[1] || arg[2] || arg[3] || arg[4])
			return -EINVAL;
		return settings.no_new_privileges;
	case PR_GET_SECCOMP: return 0;
	case PR_CAPBSET_READ: return arg[1] <= SYSTEM_LAST_CAP ? 1 : -EINVAL;
	case PR_SET_VMA: return arg[1] == PR_SET_VMA_ANON_NAME ? 0 : -EINVAL;
	}
	return -EINVAL;
}
