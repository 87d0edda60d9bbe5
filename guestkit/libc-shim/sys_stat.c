/* SPDX-License-Identifier: Apache-2.0 */
/* System calls on what is known of files: stat, access, mode, owner, times, file system. */
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <linux/time_types.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/path.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/memory.h"
#include "guestkit/user.h"

#define NS_PER_S 1000000000ll

/* ---- stat ---- */

static uint64_t inode_blocks(struct inode *inode)
{
	if (inode->ops->blocks)
		return inode->ops->blocks(inode);
	return inode->size / 512 + (inode->size % 512 != 0);
}

/* Seconds and nanoseconds of a time in ns, which is negative before 1970. */
static int64_t split_time(uint64_t time, uint32_t *nanoseconds)
{
	int64_t seconds = (int64_t)time / NS_PER_S, rest = (int64_t)time % NS_PER_S;

	if (rest < 0) {
		rest += NS_PER_S;
		seconds--;
	}
	*nanoseconds = (uint32_t)rest;
	return seconds;
}

static int64_t give_stat(struct inode *inode, uint64_t user)
{
	struct stat out = {0};
	int result = inode_refresh(inode);
	uint32_t ns;

	if (result)
		return result;
	out.st_dev = inode->fs_id;
	out.st_ino = inode->number;
	out.st_nlink = inode->links;
	out.st_mode = inode->mode;
	out.st_uid = inode->uid;
	out.st_gid = inode->gid;
	out.st_rdev = inode->device;
	out.st_size = (int64_t)inode->size;
	out.st_blksize = PAGE_SIZE;
	out.st_blocks = (int64_t)inode_blocks(inode);
	out.st_atime = (uint64_t)split_time(inode->atime, &ns);
	out.st_atime_nsec = ns;
	out.st_mtime = (uint64_t)split_time(inode->mtime, &ns);
	out.st_mtime_nsec = ns;
	out.st_ctime = (uint64_t)split_time(inode->ctime, &ns);
	out.st_ctime_nsec = ns;
	return user_write(user, &out, sizeof(out));
}

static int64_t stat_at(uint64_t dirfd, uint64_t path, uint32_t flags, uint64_t out)
{
	struct inode *inode;
	int64_t result = path_find(dirfd, path, flags, &inode);

	if (result)
		return result;
	result = give_stat(inode, out);
	inode_put(inode);
	return result;
}

int64_t sys_stat(const uint64_t *arg)
{
	return stat_at((uint64_t)AT_FDCWD, arg[0], 0, arg[1]);
}

int64_t sys_lstat(const uint64_t *arg)
{
	return stat_at((uint64_t)AT_FDCWD, arg[0], AT_SYMLINK_NOFOLLOW, arg[1]);
}

int64_t sys_fstat(const uint64_t *arg)
{
	struct inode *inode;
	int result = descriptor_inode(arg[0], true, &inode);

	return result ? result : give_stat(inode, arg[1]);
}

int64_t sys_newfstatat(const uint64_t *arg)
{
	uint32_t flags = (uint32_t)arg[3];

	if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
		return -EINVAL;
	return stat_at(arg[0], arg[1], flags, arg[2]);
}

static struct statx_timestamp give_timestamp(uint64_t time)
{
	struct statx_timestamp out = {0};

	out.tv_sec = split_time(time, &out.tv_nsec);
	return out;
}

/* Parts of st_dev and st_rdev as makedev() packs them. */
static uint32_t device_major(uint64_t device)
{
	return (uint32_t)(device >> 8 & 0xfff);
}

static uint32_t device_minor(uint64_t device)
{
	return (uint32_t)((device & 0xff) | (device >> 12 & 0xfff00));
}

static int64_t give_statx(struct inode *inode, uint64_t user)
{
	struct statx out = {0};
	int result = inode_refresh(inode);

	if (result)
		return result;
	out.stx_mask = STATX_BASIC_STATS;
	out.stx_blksize = PAGE_SIZE;
	out.stx_nlink = inode->links;
	out.stx_uid = inode->uid;
	out.stx_gid = inode->gid;
	out.stx_mode = (uint16_t)inode->mode;
	out.stx_ino = inode->number;
	out.stx_size = inode->size;
	out.stx_blocks = inode_blocks(inode);
	out.stx_atime = give_timestamp(inode->atime);
	out.stx_mtime = give_timestamp(inode->mtime);
	out.stx_ctime = give_timestamp(inode->ctime);
	out.stx_rdev_major = device_major(inode->device);
	out.stx_rdev_minor = device_minor(inode->device);
	out.stx_dev_major = device_major(inode->fs_id);
	out.stx_dev_minor = device_minor(inode->fs_id);
	return user_write(user, &out, sizeof(out));
}

int64_t sys_statx(const uint64_t *arg)
{
	const uint32_t known =
	        AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
	uint32_t flags = (uint32_t)arg[2];
	struct inode *inode;
	int64_t result;

	if (((uint32_t)arg[3] & STATX__RESERVED) || (flags & ~known) ||
	    (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	result = path_find(arg[0], arg[1], flags, &inode);
	if (result)
		return result;
	result = give_statx(inode, arg[4]);
	inode_put(inode);
	return result;
}

/* ---- access ---- */

#define MAY_EXECUTE 1u
#define MAY_WRITE   2u
#define MAY_ALL     7u

/* Everything runs as root, which may do all but execute what nobody may. */
static int check_access(const struct inode *inode, uint32_t wanted)
{
	if ((wanted & MAY_EXECUTE) && S_ISREG(inode->mode) && !(inode->mode & 0111))
		return -EACCES;
	if ((wanted & MAY_WRITE) && !inode->ops->set_attributes &&
	    (S_ISREG(inode->mode) || S_ISDIR(inode->mode) || S_ISLNK(inode->mode)))
		return -EROFS;
	return 0;
}

static int64_t access_at(uint64_t dirfd, uint64_t path, uint64_t wanted, uint32_t flags)
{
	struct inode *inode;
	int result;

	if ((uint32_t)wanted & ~MAY_ALL)
		return -EINVAL;
	if (flags & ~(uint32_t)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	result = path_find(dirfd, path, flags, &inode);
	if (result)
		return result;
	result = check_access(inode, (uint32_t)wanted);
	inode_put(inode);
	return result;
}

int64_t sys_access(const uint64_t *arg)
{
	return access_at((uint64_t)AT_FDCWD, arg[0], arg[1], 0);
}

int64_t sys_faccessat(const uint64_t *arg)
{
	return access_at(arg[0], arg[1], arg[2], 0);
}

int64_t sys_faccessat2(const uint64_t *arg)
{
	return access_at(arg[0], arg[1], arg[2], (uint32_t)arg[3]);
}

/* ---- mode and owner ---- */

static int64_t change_mode(struct inode *inode, uint64_t mode)
{
	if (!inode->ops->set_attributes)
		return -EROFS;
	if (S_ISLNK(inode->mode))
		return -EOPNOTSUPP;
	inode->mode = (inode->mode & S_IFMT) | ((uint32_t)mode & 07777);
	inode->ctime = clock_realtime();
	return inode->ops->set_attributes(inode);
}

static int64_t mode_at(uint64_t dirfd, uint64_t path, uint64_t mode, uint32_t flags)
{
	struct inode *inode;
	int64_t result;

	if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	result = path_find(dirfd, path, flags, &inode);
	if (result)
		return result;
	result = change_mode(inode, mode);
	inode_put(inode);
	return result;
}

int64_t sys_chmod(const uint64_t *arg)
{
	return mode_at((uint64_t)AT_FDCWD, arg[0], arg[1], 0);
}

int64_t sys_fchmodat(const uint64_t *arg)
{
	return mode_at(arg[0], arg[1], arg[2], 0);
}

int64_t sys_fchmodat2(const uint64_t *arg)
{
	return mode_at(arg[0], arg[1], arg[2], (uint32_t)arg[3]);
}

int64_t sys_fchmod(const uint64_t *arg)
{
	struct inode *inode;
	int result = descriptor_inode(arg[0], false, &inode);

	return result ? result : change_mode(inode, arg[1]);
}

static int64_t change_owner(struct inode *inode, uint64_t uid, uint64_t gid)
{
	if (!inode->ops->set_attributes)
		return -EROFS;
	if ((uint32_t)uid != UINT32_MAX)
		inode->uid = (uint32_t)uid;
	if ((uint32_t)gid != UINT32_MAX)
		inode->gid = (uint32_t)gid;
	if (!S_ISDIR(inode->mode)) {
		inode->mode &= ~(uint32_t)S_ISUID;
		if (inode->mode & S_IXGRP)
			inode->mode &= ~(uint32_t)S_ISGID;
	}
	inode->ctime = clock_realtime();
	return inode->ops->set_attributes(inode);
}

static int64_t owner_at(uint64_t dirfd, uint64_t path, const uint64_t *owner, uint32_t flags)
{
	struct inode *inode;
	int64_t result;

	if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	result = path_find(dirfd, path, flags, &inode);
	if (result)
		return result;
	result = change_owner(inode, owner[0], owner[1]);
	inode_put(inode);
	return result;
}

int64_t sys_chown(const uint64_t *arg)
{
	return owner_at((uint64_t)AT_FDCWD, arg[0], arg + 1, 0);
}

int64_t sys_lchown(const uint64_t *arg)
{
	return owner_at((uint64_t)AT_FDCWD, arg[0], arg + 1, AT_SYMLINK_NOFOLLOW);
}

int64_t sys_fchownat(const uint64_t *arg)
{
	return owner_at(arg[0], arg[1], arg + 2, (uint32_t)arg[4]);
}

int64_t sys_fchown(const uint64_t *arg)
{
	struct inode *inode;
	int result = descriptor_inode(arg[0], false, &inode);

	return result ? result : change_owner(inode, arg[1], arg[2]);
}

/* ---- times ---- */

/* Largest number of seconds either side of 1970 that fits in ns: years 1677 to 2262. */
#define SECONDS_MAX (INT64_MAX / NS_PER_S - 1)

/* tv_nsec that stands for the current time, or for leaving the field alone (utimensat(2)). */
#define TIME_NOW  0x3fffffff
#define TIME_OMIT 0x3ffffffe

static const struct __kernel_timespec now_times[2] = {{0, TIME_NOW}, {0, TIME_NOW}};

static bool is_time(const struct __kernel_timespec *time)
{
	return time->tv_nsec == TIME_NOW || time->tv_nsec == TIME_OMIT ||
	       (time->tv_nsec >= 0 && time->tv_nsec < NS_PER_S);
}

static void set_time(uint64_t *field, const struct __kernel_timespec *time, uint64_t now)
{
	int64_t seconds = time->tv_sec;

	if (time->tv_nsec == TIME_OMIT)
		return;
	if (seconds > SECONDS_MAX)
		seconds = SECONDS_MAX;
	if (seconds < -SECONDS_MAX)
		seconds = -SECONDS_MAX;
	*field = time->tv_nsec == TIME_NOW ? now : (uint64_t)(seconds * NS_PER_S + time->tv_nsec);
}

/* @times: atime and mtime, checked */
static int64_t change_times(struct inode *inode, const struct __kernel_timespec *times)
{
	uint64_t now = clock_realtime();

	if (!inode->ops->set_attributes)
		return -EROFS;
	set_time(&inode->atime, &times[0], now);
	set_time(&inode->mtime, &times[1], now);
	inode->ctime = now;
	return inode->ops->set_attributes(inode);
}

static int64_t times_at(uint64_t dirfd, uint64_t path, const struct __kernel_timespec *times,
                        uint32_t flags)
{
	struct inode *inode;
	int64_t result = path_find(dirfd, path, flags, &inode);

	if (result)
		return result;
	result = change_times(inode, times);
	inode_put(inode);
	return result;
}

int64_t sys_utimensat(const uint64_t *arg)
{
	uint32_t flags = (uint32_t)arg[3];
	struct __kernel_timespec times[2] = {now_times[0], now_times[1]};
	struct inode *inode;
	int result;

	if (arg[2] && user_read(times, arg[2], sizeof(times)))
		return -EFAULT;
	if (times[0].tv_nsec == TIME_OMIT && times[1].tv_nsec == TIME_OMIT)
		return 0;
	if (!is_time(&times[0]) || !is_time(&times[1]))
		return -EINVAL;
	if (arg[1] || (int)arg[0] == AT_FDCWD) {
		if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
			return -EINVAL;
		return times_at(arg[0], arg[1], times, flags);
	}
	if (flags) /* no path: the descriptor itself, as futimens(3) calls it */
		return -EINVAL;
	result = descriptor_inode(arg[0], false, &inode);
	return result ? result : change_times(inode, times);
}

/* utimes and futimesat: microseconds. */
static int64_t times_old(uint64_t dirfd, uint64_t path, uint64_t user)
{
	struct __kernel_old_timeval values[2];
	struct __kernel_timespec times[2];
	struct inode *inode;
	int result;

	if (!user)
		return times_at(dirfd, path, now_times, 0);
	if (user_read(values, user, sizeof(values)))
		return -EFAULT;
	for (int i = 0; i < 2; i++) {
		if (values[i].tv_usec < 0 || values[i].tv_usec >= 1000000)
			return -EINVAL;
		times[i].tv_sec = values[i].tv_sec;
		times[i].tv_nsec = values[i].tv_usec * 1000;
	}
	if (path || (int)dirfd == AT_FDCWD)
		return times_at(dirfd, path, times, 0);
	result = descriptor_inode(dirfd, false, &inode);
	return result ? result : change_times(inode, times);
}

int64_t sys_utimes(const uint64_t *arg)
{
	return times_old((uint64_t)AT_FDCWD, arg[0], arg[1]);
}

int64_t sys_futimesat(const uint64_t *arg)
{
	return times_old(arg[0], arg[1], arg[2]);
}

int64_t sys_utime(const uint64_t *arg)
{
	int64_t seconds[2];
	struct __kernel_timespec times[2] = {now_times[0], now_times[1]};

	if (arg[1]) {
		if (user_read(seconds, arg[1], sizeof(seconds)))
			return -EFAULT;
		for (int i = 0; i < 2; i++)
			times[i] = (struct __kernel_timespec){seconds[i], 0};
	}
	return times_at((uint64_t)AT_FDCWD, arg[0], times, 0);
}

/* ---- statfs ---- */

#define STATFS_READ_ONLY 0x0001 /* ST_RDONLY */
#define STATFS_VALID     0x0020 /* f_flags is filled */
#define STATFS_RELATIME  0x1000 /* ST_RELATIME */

static int64_t give_statfs(struct inode *inode, uint64_t user)
{
	struct vfs_statistics known = {0};
	struct statfs out = {0};

	if (inode->ops->statistics)
		inode->ops->statistics(inode, &known);
	out.f_type = (__statfs_word)known.magic;
	out.f_bsize = PAGE_SIZE;
	out.f_frsize = PAGE_SIZE;
	out.f_blocks = (__statfs_word)known.blocks;
	out.f_bfree = out.f_bavail = (__statfs_word)known.blocks_free;
	out.f_files = (__statfs_word)known.inodes;
	out.f_ffree = (__statfs_word)known.inodes_free;
	out.f_fsid.val[0] = (int)inode->fs_id;
	out.f_namelen = VFS_NAME_MAX;
	out.f_flags = STATFS_VALID | STATFS_RELATIME;
	if (!inode->ops->set_attributes)
		out.f_flags |= STATFS_READ_ONLY;
	return user_write(user, &out, sizeof(out));
}

int64_t sys_statfs(const uint64_t *arg)
{
	struct inode *inode;
	int64_t result = path_find((uint64_t)AT_FDCWD, arg[0], 0, &inode);

	if (result)
		return result;
	result = give_statfs(inode, arg[1]);
	inode_put(inode);
	return result;
}

int64_t sys_fstatfs(const uint64_t *arg)
{
	struct inode *inode;
	int result = descriptor_inode(arg[0], true, &inode);

	return result ? result : give_statfs(inode, arg[1]);
}
