/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that tell of the system: uname, sysinfo, getrandom. */
#include <linux/errno.h>
#include <linux/random.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/memory.h"
#include "guestkit/random.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

#define RANDOM_CHUNK   256
#define RANDOM_MAXIMUM 0x7fffffff /* a call gives at most this, as on Linux */

int64_t sys_uname(const uint64_t *arg)
{
	static const struct new_utsname name = {
	        .sysname = SYSTEM_NAME,
	        .nodename = SYSTEM_NODE,
	        .release = SYSTEM_RELEASE,
	        .version = SYSTEM_VERSION,
	        .machine = SYSTEM_MACHINE,
	        .domainname = SYSTEM_DOMAIN,
	};

	return user_write(arg[0], &name, sizeof(name));
}

int64_t sys_sysinfo(const uint64_t *arg)
{
	struct sysinfo info = {
	        .uptime = (int64_t)(clock_boottime() / SYSTEM_NANOSECONDS),
	        .totalram = page_total_count() * PAGE_SIZE,
	        .freeram = page_free_count() * PAGE_SIZE,
	        .procs = 1,
	        .mem_unit = 1,
	};

	return user_write(arg[0], &info, sizeof(info));
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
