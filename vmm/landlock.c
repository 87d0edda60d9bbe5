/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock through its three system calls, for which C libraries have no wrappers. */
#include "vmm/landlock.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The kernel's <linux/landlock.h> is not used: the one of Debian 12 ends at ABI 3. Names and values
 * are those of the kernel's Documentation/userspace-api/landlock.rst.
 */
#define CREATE_RULESET_VERSION (1u << 0)

#define FS_TRUNCATE  (1ull << 14)
#define FS_IOCTL_DEV (1ull << 15)

/* EXECUTE to MAKE_SYM; then REFER. */
#define FS_ABI_1 ((1ull << 13) - 1)
#define FS_ABI_2 (FS_ABI_1 | 1ull << 13)
#define FS_ABI_3 (FS_ABI_2 | FS_TRUNCATE)
#define FS_ABI_5 (FS_ABI_3 | FS_IOCTL_DEV)

#define NET_BIND_TCP    (1ull << 0)
#define NET_CONNECT_TCP (1ull << 1)

#define SCOPE_ABSTRACT_UNIX_SOCKET (1ull << 0)
#define SCOPE_SIGNAL               (1ull << 1)

struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* ABI 4 */
	uint64_t scoped;             /* ABI 6 */
};

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

/* A kernel refuses (E2BIG) an attribute that is longer than it knows and not zero there. */
static int create_ruleset(int abi)
{
	struct ruleset_attr attr = {
	        .handled_access_fs = abi >= 5   ? FS_ABI_5
	                             : abi >= 3 ? FS_ABI_3
	                             : abi >= 2 ? FS_ABI_2
	                                        : FS_ABI_1,
	        .handled_access_net = abi >= 4 ? NET_BIND_TCP | NET_CONNECT_TCP : 0,
	        .scoped = abi >= 6 ? SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL : 0,
	};
	size_t size = abi >= 6   ? sizeof attr
	              : abi >= 4 ? offsetof(struct ruleset_attr, scoped)
	                         : offsetof(struct ruleset_attr, handled_access_net);

	return (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
}

int landlock_restrict(struct mote_error *err)
{
	int abi = landlock_abi();
	int result = abi;
	int ruleset;

	if (abi == 0)
		return 0;
	ruleset = create_ruleset(abi);
	if (ruleset < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot make a Landlock ruleset");
	if (syscall(SYS_landlock_restrict_self, ruleset, 0)) {
		/* E2BIG: 16 domains are stacked already, by the processes that started this one. */
		result = errno == E2BIG ? 0
		                        : mote_error_errno(err, MOTE_STATUS_FAILED,
		                                           "cannot enforce a Landlock ruleset");
	}
	close(ruleset);
	return result;
}
