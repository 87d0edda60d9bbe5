/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that tell of the system: uname, sysinfo, syslog, personality, getrandom. */
#include <linux/errno.h>
#include <linux/random.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/machine.h"
#include "guestkit/memory.h"
#include "guestkit/random.h"
#include "guestkit/string.h"
#include "guestkit/thread.h"
#include "guestkit/user.h"

#define LOG_SIZE          0x20000 /* bytes of the kernel log, which is empty */
#define CONSOLE_LEVELS    8
#define PERSONALITY_QUERY 0xffffffffu

#define RANDOM_CHUNK   256
#define RANDOM_MAXIMUM 0x7fffffff /* a call gives at most this, as on Linux */

/* What a program has set; empty: what it was at the start. */
static char host_name[__NEW_UTS_LEN + 1], domain_name[__NEW_UTS_LEN + 1];
static bool has_host_name, has_domain_name;

const char *system_host_name(void)
{
	if (has_host_name)
		return host_name;
	return machine.hostname ? machine.hostname : SYSTEM_NODE;
}

void system_renew_host_name(void)
{
	has_host_name = false;
}

int64_t sys_uname(const uint64_t *arg)
{
	struct new_utsname name = {
	        .sysname = SYSTEM_NAME,
	        .release = SYSTEM_RELEASE,
	        .version = SYSTEM_VERSION,
	        .machine = SYSTEM_MACHINE,
	        .domainname = SYSTEM_DOMAIN,
	};
	const char *host = system_host_name();

	memcpy(name.nodename, host, strnlen(host, __NEW_UTS_LEN));
	if (has_domain_name)
		memcpy(name.domainname, domain_name, sizeof(domain_name));
	return user_write(arg[0], &name, sizeof(name));
}

static int64_t set_system_name(char *name, bool *is_set, uint64_t address, uint64_t length)
{
	char wanted[__NEW_UTS_LEN + 1] = {0};

	if (process_identity.uid != 0)
		return -EPERM;
	if ((int32_t)length < 0 || (int32_t)length > __NEW_UTS_LEN)
		return -EINVAL;
	if (user_read(wanted, address, (uint32_t)length) < 0)
		return -EFAULT;
	memcpy(name, wanted, sizeof(wanted));
	*is_set = true;
	return 0;
}

int64_t sys_sethostname(const uint64_t *arg)
{
	return set_system_name(host_name, &has_host_name, arg[0], arg[1]);
}

int64_t sys_setdomainname(const uint64_t *arg)
{
	return set_system_name(domain_name, &has_domain_name, arg[0], arg[1]);
}

int64_t sys_sysinfo(const uint64_t *arg)
{
	struct sysinfo info = {
	        .uptime = (int64_t)(clock_boottime() / SYSTEM_NANOSECONDS),
	        .totalram = page_total_count() * PAGE_SIZE,
	        .freeram = page_free_count() * PAGE_SIZE,
	        .procs = (uint16_t)thread_count,
	        .mem_unit = 1,
	};

	return user_write(arg[0], &info, sizeof(info));
}

/* The kernel's log: there is no kernel, and nothing in it. */
int64_t sys_syslog(const uint64_t *arg)
{
	enum { CLOSE, OPEN, READ, READ_ALL, READ_CLEAR, CLEAR, OFF, ON, LEVEL, UNREAD, SIZE };
	int32_t type = (int32_t)arg[0], length = (int32_t)arg[2];

	if (type < CLOSE || type > SIZE)
		return process_identity.uid == 0 ? -EINVAL : -EPERM;
	if (process_identity.uid != 0 && type != READ_ALL && type != SIZE)
		return -EPERM;
	switch (type) {
	case READ:
	case READ_ALL:
	case READ_CLEAR:
		if (!arg[1] || length < 0)
			return -EINVAL;
		return type == READ && length > 0 ? shim_wait_forever() : 0;
	case LEVEL: return length >= 1 && length <= CONSOLE_LEVELS ? 0 : -EINVAL;
	case SIZE: return LOG_SIZE;
	default: return 0;
	}
}

/* Recorded: randomised addresses and the like stay as they are. */
int64_t sys_personality(const uint64_t *arg)
{
	static uint32_t personality;
	uint32_t old = personality;

	if ((uint32_t)arg[0] != PERSONALITY_QUERY)
		personality = (uint32_t)arg[0];
	return old;
}

int64_t sys_getrandom(const uint64_t *arg)
{
	unsigned char chunk[RANDOM_CHUNK];
	uint64_t length = arg[1] < RANDOM_MAXIMUM ? arg[1] : RANDOM_MAXIMUM;
	uint32_t flags = (uint32_t)arg[2];
	uint64_t done = 0;

	if (flags & ~(uint32_t)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if ((flags & GRND_RANDOM) && (flags & GRND_INSECURE))
		return -EINVAL;
	while (done < length) {
		size_t part = length - done < sizeof(chunk) ? length - done : sizeof(chunk);
		size_t copied;

		random_fill(chunk, part);
		copied = user_write_some(arg[0] + done, chunk, part);
		done += copied;
		if (copied < part)
			break;
	}
	memset(chunk, 0, sizeof(chunk));
	__asm__ volatile("" : : "r"(chunk) : "memory"); /* keeps the line above */
	return done > 0 || length == 0 ? (int64_t)done : -EFAULT;
}
