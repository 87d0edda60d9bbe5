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

#define FS_WRITE_FILE  (1ull << 1)
#define FS_READ_FILE   (1ull << 2)
#define FS_READ_DIR    (1ull << 3)
#define FS_REMOVE_DIR  (1ull << 4)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_DIR    (1ull << 7)
#define FS_MAKE_REG    (1ull << 8)
#define FS_MAKE_SYM    (1ull << 12)
#define FS_REFER       (1ull << 13)
#define FS_TRUNCATE    (1ull << 14)
#define FS_IOCTL_DEV   (1ull << 15)

/* EXECUTE to MAKE_SYM; then REFER. */
#define FS_ABI_1 ((1ull << 13) - 1)
#define FS_ABI_2 (FS_ABI_1 | 1ull << 13)
#define FS_ABI_3 (FS_ABI_2 | FS_TRUNCATE)
#define FS_ABI_5 (FS_ABI_3 | FS_IOCTL_DEV)

#define SHARE_READ (FS_READ_FILE | FS_READ_DIR)
#define SHARE_WRITE                                                                                \
	(SHARE_READ | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | \
	 FS_MAKE_SYM | FS_REFER | FS_TRUNCATE)

#define NET_BIND_TCP    (1ull << 0)
#define NET_CONNECT_TCP (1ull << 1)

#define SCOPE_ABSTRACT_UNIX_SOCKET (1ull << 0)
#define SCOPE_SIGNAL               (1ull << 1)

#define RULE_PATH_BENEATH 1

struct path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

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

/* The rights over files that a version of the ABI knows. */
static uint64_t known_rights(int abi)
{
	return abi >= 5 ? FS_ABI_5 : abi >= 3 ? FS_ABI_3 : abi >= 2 ? FS_ABI_2 : FS_ABI_1;
}

/* A kernel refuses (E2BIG) an attribute that is longer than it knows and not zero there. */
static int create_ruleset(int abi)
{
	struct ruleset_attr attr = {
	        .handled_access_fs = known_rights(abi),
	        .handled_access_net = abi >= 4 ? NET_BIND_TCP | NET_CONNECT_TCP : 0,
	        .scoped = abi >= 6 ? SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL : 0,
	};
	size_t size = abi >= 6   ? sizeof attr
	              : abi >= 4 ? offsetof(struct ruleset_attr, scoped)
	                         : offsetof(struct ruleset_attr, handled_access_net);

	return (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
}

static int allow(int ruleset, int abi, const struct confine_directory *directory)
{
	struct path_beneath_attr rule = {
	        .allowed_access =
	                (directory->is_read_only ? SHARE_READ : SHARE_WRITE) & known_rights(abi),
	        .parent_fd = directory->fd,
	};

	return (int)syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
}

int landlock_restrict(const struct confine_directory *directories, unsigned count,
                      struct mote_error *err)
{
	int abi = landlock_abi();
	int result = abi;
	int ruleset;

	if (abi == 0)
		return 0;
	ruleset = create_ruleset(abi);
	if (ruleset < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot make a Landlock ruleset");
	for (unsigned i = 0; i < count; i++) {
		if (allow(ruleset, abi, &directories[i])) {
			close(ruleset);
			return mote_error_errno(err, MOTE_STATUS_FAILED,
			                        "cannot keep a shared directory within reach");
		}
	}
	if (syscall(SYS_landlock_restrict_self, ruleset, 0)) {
		/* E2BIG: 16 domains are stacked already, by the processes that started this one. */
		result = errno == E2BIG ? 0
		                        : mote_error_errno(err, MOTE_STATUS_FAILED,
		                                           "cannot enforce a Landlock ruleset");
	}
	close(ruleset);
	return result;
}
