/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps KVM's answer about CPU features between runs.
 *
 * One file, $XDG_CACHE_HOME/mote/cpuid or ~/.cache/mote/cpuid, written beside and renamed into
 * place, so that readers see an old or a new one and never a half. A wrong entry could only make
 * the user's own guests see wrong features; KVM itself refuses features it does not have.
 */
#include "vmm/cpuid_cache.h"

#include <cpuid.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CACHE_MAGIC 0x31646975706374U /* "tcpuid1" */

struct cache_file {
	uint64_t magic;
	struct cpuid_cache_key key;
	struct cpuid cpuid;
};

bool cpuid_cache_directory(char *path, size_t size)
{
	const char *base = getenv("XDG_CACHE_HOME");
	int length;

	if (base && base[0] == '/') {
		length = snprintf(path, size, "%s/mote", base);
	} else {
		base = getenv("HOME");
		if (!base || base[0] != '/')
			return false;
		length = snprintf(path, size, "%s/.cache/mote", base);
	}
	return length > 0 && (size_t)length < size;
}

static bool read_boot_id(char *id, size_t size)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return false;
	got = read(fd, id, size);
	close(fd);
	return got >= 32;
}

/* A device node in memory (devtmpfs, tmpfs) was made in this boot, at its ctime: no need to ask for
 * the boot's id. */
static bool make_key(struct cpuid_cache_key *key, int system)
{
	struct stat status;
	struct statfs file_system;

	memset(key, 0, sizeof *key);
	if (fstat(system, &status) || fstatfs(system, &file_system))
		return false;
	if (file_system.f_type != TMPFS_MAGIC && !read_boot_id(key->boot_id, sizeof key->boot_id))
		return false;
	key->device_time[0] = (uint64_t)status.st_ctim.tv_sec;
	key->device_time[1] = (uint64_t)status.st_ctim.tv_nsec;
	__cpuid(1, key->cpu[0], key->cpu[1], key->cpu[2], key->cpu[3]);
	key->cpu[1] = 0; /* the number of the CPU this runs on */
	key->cpu[2] &= ~(1u << 27);
	__cpuid_count(7, 0, key->cpu[4], key->cpu[5], key->cpu[6], key->cpu[7]);
	return true;
}

static bool cache_path(char *path, size_t size, const char *name)
{
	char directory[4000];

	return cpuid_cache_directory(directory, sizeof directory) &&
	       snprintf(path, size, "%s/%s", directory, name) < (int)size;
}

static bool read_file(int fd, struct cache_file *file)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
	       !(status.st_mode & (S_IWGRP | S_IWOTH)) && status.st_size == sizeof *file &&
	       read(fd, file, sizeof *file) == sizeof *file;
}

bool cpuid_cache_load(struct cpuid_cache *cache, int system, struct cpuid *cpuid)
{
	char path[4096];
	struct cache_file file;
	bool is_good;
	int fd;

	cache->is_usable = make_key(&cache->key, system) && cache_path(path, sizeof path, "cpuid");
	if (!cache->is_usable)
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;
	is_good = read_file(fd, &file) && file.magic == CACHE_MAGIC &&
	          !memcmp(&file.key, &cache->key, sizeof file.key) && file.cpuid.count > 0 &&
	          file.cpuid.count <= CPUID_ENTRIES_MAX;
	close(fd);
	if (is_good)
		*cpuid = file.cpuid;
	return is_good;
}

void cpuid_cache_store(const struct cpuid_cache *cache, const struct cpuid *cpuid)
{
	char path[4096], temporary[4096], name[32];
	struct cache_file file = {.magic = CACHE_MAGIC, .key = cache->key, .cpuid = *cpuid};
	bool is_written;
	int fd;

	snprintf(name, sizeof name, "cpuid.%d", (int)getpid());
	if (!cache->is_usable || !cache_path(path, sizeof path, "cpuid") ||
	    !cache_path(temporary, sizeof temporary, name))
		return;
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	is_written = write(fd, &file, sizeof file) == sizeof file;
	close(fd);
	if (!is_written || rename(temporary, path))
		unlink(temporary);
}
