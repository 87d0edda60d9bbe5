/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock through its three system calls, for which C libraries have no wrappers. */
#define _GNU_SOURCE 1 /* O_PATH */
#include "vmm/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The kernel's <linux/landlock.h> is not used: the one of Debian 12 ends at ABI 3. Names and values
 * are those of the kernel's Documentation/userspace-api/landlock.rst.
 */
#define CREATE_RULESET_VERSION (1u << 0)
#define RULE_PATH_BENEATH      1

#define FS_WRITE_FILE  (1ull << 1)
#define FS_READ_FILE   (1ull << 2)
#define FS_READ_DIR    (1ull << 3)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_REG    (1ull << 8)
#define FS_TRUNCATE    (1ull << 14)
#define FS_IOCTL_DEV   (1ull << 15)

/* EXECUTE to MAKE_SYM; then REFER. */
#define FS_ABI_1 ((1ull << 13) - 1)
#define FS_ABI_2 (FS_ABI_1 | 1ull << 13)
#define FS_ABI_3 (FS_ABI_2 | FS_TRUNCATE)
#define FS_ABI_5 (FS_ABI_3 | FS_IOCTL_DEV)

#define NET_BIND_TCP    (1ull << 0)
#define NET_CONNECT_TCP (1ull << 1)

#define SCOPE_ABSTRACT_UNIX_SOCKET (1ull << 0)
#define SCOPE_SIGNAL               (1ull << 1)

/* Rights that a rule for anything but a directory may hold; others are refused with EINVAL. */
#define FS_OF_FILES (FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* ABI 4 */
	uint64_t scoped;             /* ABI 6 */
};

struct path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

static const uint64_t rights_of[] = {
        [LANDLOCK_READ] = FS_READ_FILE | FS_READ_DIR,
        [LANDLOCK_READ_WRITE] = FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_MAKE_REG |
                                FS_REMOVE_FILE | FS_TRUNCATE,
        [LANDLOCK_DEVICE] = FS_READ_FILE | FS_WRITE_FILE | FS_IOCTL_DEV,
};

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

/* A kernel refuses (E2BIG) an attribute that is longer than it knows and not zero there. */
static int create_ruleset(int abi, uint64_t *handled_fs)
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

	*handled_fs = attr.handled_access_fs;
	return (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
}

static int allow_path(int ruleset, uint64_t handled_fs, const struct landlock_path *path,
                      struct mote_error *err)
{
	struct path_beneath_attr attr = {
	        .allowed_access = rights_of[path->access] & handled_fs,
	        .parent_fd = open(path->path, O_PATH | O_CLOEXEC),
	};
	int error = 0;
	struct stat stat;

	if (attr.parent_fd < 0)
		return 0;
	if (fstat(attr.parent_fd, &stat) || !S_ISDIR(stat.st_mode))
		attr.allowed_access &= FS_OF_FILES;
	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &attr, 0))
		error = errno;
	close(attr.parent_fd);
	/* EBADFD: a pipe or the like under /proc/PID/fd, which Landlock leaves alone. */
	if (error == 0 || error == EBADFD)
		return 0;
	errno = error;
	return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot make a Landlock rule for %s",
	                        path->path);
}

int landlock_restrict(const struct landlock_path *paths, size_t count, struct mote_error *err)
{
	int abi = landlock_abi();
	uint64_t handled_fs;
	int result = abi;
	int ruleset;

	if (abi == 0)
		return 0;
	ruleset = create_ruleset(abi, &handled_fs);
	if (ruleset < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot make a Landlock ruleset");
	for (size_t i = 0; i < count && result >= 0; i++)
		if (allow_path(ruleset, handled_fs, &paths[i], err))
			result = -1;
	if (result >= 0 && syscall(SYS_landlock_restrict_self, ruleset, 0)) {
		/* E2BIG: 16 domains are stacked already, by the processes that started this one. */
		result = errno == E2BIG ? 0
		                        : mote_error_errno(err, MOTE_STATUS_FAILED,
		                                           "cannot enforce a Landlock ruleset");
	}
	close(ruleset);
	return result;
}
