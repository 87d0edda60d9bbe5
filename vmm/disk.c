/* SPDX-License-Identifier: Apache-2.0 */
/* Files and block devices of the host that a guest has as disks. */
#define _GNU_SOURCE 1
#include "vmm/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PHYSICAL_SIZE_MAX (1u << 20)

static int not_a_disk(const struct disk_option *disk, struct mote_error *err)
{
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "--disk: %s is neither a regular file nor a block device",
	                      disk->path);
}

/* Others are not even opened: a FIFO would wait, a tape rewind. */
static int open_file(const struct disk_option *disk, int flags, struct mote_error *err)
{
	struct stat status;
	int file;

	if (stat(disk->path, &status))
		return mote_error_errno(err, MOTE_STATUS_FAILED, "--disk: cannot open %s",
		                        disk->path);
	if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
		return not_a_disk(disk, err);
	flags |= (disk->is_read_only ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	file = open(disk->path, flags);
	if (file >= 0)
		return file;
	mote_error_errno(err, MOTE_STATUS_FAILED, "--disk: cannot open %s%s", disk->path,
	                 flags & O_DIRECT ? " past the page cache (direct)" : "");
	if (errno == EACCES || errno == EROFS)
		mote_error_hint(err, "To only read it, write --disk %s,ro", disk->path);
	return -1;
}

/* A writer shares it with nobody. */
static int lock(const struct disk_option *disk, int file, struct mote_error *err)
{
	if (!flock(file, (disk->is_read_only ? LOCK_SH : LOCK_EX) | LOCK_NB))
		return 0;
	if (errno != EWOULDBLOCK)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "--disk: cannot lock %s",
		                        disk->path);
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "--disk: %s is in use by somebody else (or given twice). A disk has "
	                      "one user, or many who all say ro",
	                      disk->path);
}

static int check_size(const struct disk_option *disk, uint64_t size, struct mote_error *err)
{
	uint64_t rest = size % BLOCK_SECTOR;

	if (!size)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "--disk: %s is empty. Give it a size: truncate -s 64M %s",
		                      disk->path, disk->path);
	if (rest)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "--disk: %s ends %u bytes into a sector of 512. Fill it up: "
		                      "truncate -s %%512 %s",
		                      disk->path, (unsigned)rest, disk->path);
	return 0;
}

static uint32_t power_of_two(uint64_t size, uint32_t least)
{
	return size > least && size <= PHYSICAL_SIZE_MAX && !(size & (size - 1)) ? (uint32_t)size
	                                                                         : least;
}

/* Sizes of the whole and of its blocks. */
static int measure(const struct disk_option *disk, struct block_backing *backing,
                   struct mote_error *err)
{
	int file = backing->file, logical = 0;
	unsigned physical = 0;
	struct stat status;
	off_t size;

	if (fstat(file, &status))
		return mote_error_errno(err, MOTE_STATUS_FAILED, "--disk: cannot look at %s",
		                        disk->path);
	if (S_ISBLK(status.st_mode)) {
		ioctl(file, BLKSSZGET, &logical);
		ioctl(file, BLKPBSZGET, &physical);
	} else if (S_ISREG(status.st_mode)) {
		physical = (unsigned)status.st_blksize;
	} else {
		return not_a_disk(disk, err);
	}
	size = lseek(file, 0, SEEK_END);
	if (size < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "--disk: cannot measure %s",
		                        disk->path);
	backing->sectors = (uint64_t)size / BLOCK_SECTOR;
	backing->logical_size = power_of_two((uint64_t)logical, BLOCK_SECTOR);
	backing->physical_size = power_of_two(physical, backing->logical_size);
	return check_size(disk, (uint64_t)size, err);
}

int disk_open(const struct disk_option *disk, struct block_backing *backing, struct mote_error *err)
{
	int status = -1;

	*backing = (struct block_backing){.name = disk->path,
	                                  .file = -1,
	                                  .direct_file = -1,
	                                  .is_read_only = disk->is_read_only};
	if (disk->id)
		memcpy(backing->id, disk->id, strnlen(disk->id, BLOCK_ID));
	backing->file = open_file(disk, 0, err);
	if (backing->file < 0 || lock(disk, backing->file, err) || measure(disk, backing, err))
		goto out;
	if (disk->is_direct) {
		backing->direct_file = open_file(disk, O_DIRECT, err);
		if (backing->direct_file < 0)
			goto out;
	}
	status = 0;
out:
	if (status && backing->file >= 0)
		close(backing->file);
	return status;
}
