/* SPDX-License-Identifier: Apache-2.0 */
/* Where root images made from directories are kept between runs. */
#include "vmm/root_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vmm/cpuid_cache.h"
#include "vmm/private_directory.h"

#define SUFFIX          ".erofs"
#define TEMPORARY       "mote-root-"
#define STALE_S         3600 /* longer than a build takes */
#define TOUCH_S         60   /* a time of use that old is set again */
#define NAME_BYTES      256
#define CREATE_ATTEMPTS 16

void root_cache_open(struct root_cache *cache)
{
	char base[4000];
	int parent;

	cache->directory = -1;
	if (!cpuid_cache_directory(base, sizeof base))
		return;
	snprintf(cache->path, sizeof cache->path, "%s/root", base);
	parent = private_directory_make(base);
	if (parent < 0)
		return;
	if (mkdirat(parent, "root", 0700) == 0 || errno == EEXIST)
		cache->directory = private_directory_open(parent, "root");
	close(parent);
}

void root_cache_close(struct root_cache *cache)
{
	if (cache->directory >= 0)
		close(cache->directory);
	cache->directory = -1;
}

void root_cache_name(const struct root_fingerprint *fingerprint, char name[ROOT_CACHE_NAME])
{
	snprintf(name, ROOT_CACHE_NAME, "%016llx%016llx" SUFFIX,
	         (unsigned long long)fingerprint->half[0],
	         (unsigned long long)fingerprint->half[1]);
}

int root_cache_find(const struct root_cache *cache, const struct root_fingerprint *fingerprint)
{
	char name[ROOT_CACHE_NAME];
	struct stat status;
	int fd;

	root_cache_name(fingerprint, name);
	fd = openat(cache->directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &status) || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
	    (status.st_mode & (S_IWGRP | S_IWOTH))) {
		close(fd);
		return -1;
	}
	if (time(NULL) - status.st_mtim.tv_sec > TOUCH_S)
		futimens(fd, NULL);
	return fd;
}

/* Removes the caller's temporary files that interrupted builds left. */
static void remove_stale(const char *directory)
{
	DIR *list = opendir(directory);
	const struct dirent *entry;
	struct stat status;

	while (list && (entry = readdir(list))) {
		if (!strncmp(entry->d_name, TEMPORARY, strlen(TEMPORARY)) &&
		    fstatat(dirfd(list), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		    status.st_uid == geteuid() && time(NULL) - status.st_mtim.tv_sec > STALE_S)
			unlinkat(dirfd(list), entry->d_name, 0);
	}
	if (list)
		closedir(list);
}

int root_cache_create(const char *directory, char *path, size_t size)
{
	remove_stale(directory);
	for (int i = 0; i < CREATE_ATTEMPTS; i++) {
		uint64_t number;
		int length, fd;

		if (getrandom(&number, sizeof number, 0) != sizeof number)
			return -1;
		length = snprintf(path, size, "%s/" TEMPORARY "%016llx", directory,
		                  (unsigned long long)number);
		if (length < 0 || (size_t)length >= size) {
			errno = ENAMETOOLONG;
			return -1;
		}
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}

static bool is_image(const char *name)
{
	size_t length = strlen(name);

	return length > strlen(SUFFIX) && !strcmp(name + length - strlen(SUFFIX), SUFFIX);
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* Removes the oldest image except @keep if there are too many. Returns whether to go on. */
static bool trim_once(const char *directory, const char *keep)
{
	char oldest[NAME_BYTES] = "";
	struct timespec oldest_time = {0, 0};
	DIR *list = opendir(directory);
	const struct dirent *entry;
	struct stat status;
	bool is_trimmed;
	size_t count = 0;

	while (list && (entry = readdir(list))) {
		if (!is_image(entry->d_name) ||
		    fstatat(dirfd(list), entry->d_name, &status, AT_SYMLINK_NOFOLLOW))
			continue;
		count++;
		if (strcmp(entry->d_name, keep) != 0 &&
		    (!oldest[0] || is_before(&status.st_mtim, &oldest_time))) {
			snprintf(oldest, sizeof oldest, "%s", entry->d_name);
			oldest_time = status.st_mtim;
		}
	}
	is_trimmed = count > ROOT_CACHE_IMAGES && unlinkat(dirfd(list), oldest, 0) == 0;
	if (list)
		closedir(list);
	return is_trimmed;
}

void root_cache_keep(const struct root_cache *cache, const struct root_fingerprint *fingerprint,
                     const char *temporary)
{
	char name[ROOT_CACHE_NAME];

	root_cache_name(fingerprint, name);
	if (renameat(AT_FDCWD, temporary, cache->directory, name))
		unlink(temporary);
	while (trim_once(cache->path, name))
		;
}
