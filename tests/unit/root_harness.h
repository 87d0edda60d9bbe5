/* SPDX-License-Identifier: Apache-2.0 */
/* A tree, a cache and a place for temporary files of a test's own, and looks into an open root
 * image. */
#ifndef MOTE_TESTS_ROOT_HARNESS_H
#define MOTE_TESTS_ROOT_HARNESS_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guestkit/libc-shim/erofs.h"
#include "vmm/root_cache.h"
#include "vmm/root_image.h"

/* A tree, a cache and a place for temporary files, for this test alone. */
static char base[] = "/tmp/mote-test-root-XXXXXX";

static char *search_path; /* PATH as it was */
static struct mote_error err;
static const void *image;
static uint64_t image_size;

static inline void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline void shell(const char *format, ...)
{
	char command[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	cr_assert_eq(system(command), 0, "%s", command);
}

static inline char *at(const char *name)
{
	static char paths[4][4096];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof *paths, "%s/%s", base, name);
	return path;
}

static inline void setup(void)
{
	search_path = strdup(getenv("PATH"));
	cr_assert_not_null(mkdtemp(base));
	cr_assert_eq(chdir(base), 0);
	shell("umask 022; mkdir -p tree/a/b/c tmp cache && echo one > tree/x && echo deep > "
	      "tree/a/b/c/f && head -c 10000 /dev/zero | tr '\\0' q > tree/a/q && ln -s x tree/l");
	setenv("XDG_CACHE_HOME", at("cache"), 1);
	setenv("TMPDIR", at("tmp"), 1);
}

static inline void teardown(void)
{
	if (image)
		munmap((void *)(uintptr_t)image, image_size);
	setenv("PATH", search_path, 1);
	free(search_path);
	shell("rm -rf %s", base);
}

static inline void need_tool(void)
{
	if (system("PATH=$PATH:/sbin:/usr/sbin:/usr/local/sbin command -v mkfs.erofs > /dev/null"))
		cr_skip_test("mkfs.erofs is not installed");
}

static inline int open_root(const char *path)
{
	memset(&err, 0, sizeof err);
	if (image)
		munmap((void *)(uintptr_t)image, image_size);
	return root_image_open(path, &image, &image_size, &err);
}

static inline void open_good(const char *path)
{
	struct erofs fs;
	const char *reason = "";

	cr_assert_eq(open_root(path), 0, "%s", err.text);
	cr_assert_not_null(image);
	cr_assert_eq(erofs_open(&fs, image, image_size, &reason), 0, "%s", reason);
}

static inline void refuse(const char *path, const char *text)
{
	cr_assert_eq(open_root(path), -1, "%s was taken", path);
	cr_assert_eq(err.code, MOTE_STATUS_FAILED);
	cr_assert_not_null(strstr(err.text, text), "\"%s\" is not in: %s", text, err.text);
	cr_assert_null(strpbrk(err.text, "\n\r\033"), "control characters in: %s", err.text);
	cr_assert_null(image);
	cr_assert_eq(image_size, 0);
}

/* Files in a directory, with @part in their name. */
static inline unsigned int count_files(const char *directory, const char *part)
{
	unsigned int count = 0;
	const struct dirent *entry;
	DIR *list = opendir(at(directory));

	if (!list)
		return 0;
	while ((entry = readdir(list)))
		count += entry->d_name[0] != '.' && strstr(entry->d_name, part) != NULL;
	closedir(list);
	return count;
}

static inline unsigned int cached(void)
{
	return count_files("cache/mote/root", "");
}

/* Path of the only cached image. */
static inline const char *cached_image(void)
{
	static char path[4096];
	const struct dirent *entry;
	DIR *list = opendir(at("cache/mote/root"));

	path[0] = '\0';
	cr_assert_not_null(list);
	while ((entry = readdir(list))) {
		if (entry->d_name[0] != '.') {
			cr_assert_eq(path[0], '\0', "more than one file");
			snprintf(path, sizeof path, "%s/cache/mote/root/%s", base, entry->d_name);
		}
	}
	closedir(list);
	cr_assert_neq(path[0], '\0', "nothing is cached");
	return path;
}

static inline ino_t inode_of(const char *path)
{
	struct stat status;

	cr_assert_eq(lstat(path, &status), 0, "%s", path);
	return status.st_ino;
}

/* Finds @path, of names with one '/' between, in the open image. */
static inline bool find(const char *path, struct erofs *fs, struct erofs_inode *inode)
{
	const char *reason;
	uint64_t nid;

	cr_assert_eq(erofs_open(fs, image, image_size, &reason), 0);
	nid = fs->root_nid;
	for (;;) {
		size_t length = strcspn(path, "/");

		cr_assert_eq(erofs_inode_read(fs, nid, inode), 0);
		if (length == 0)
			return true;
		if (erofs_lookup(fs, inode, path, length, &nid, NULL))
			return false;
		path += length;
		path += *path == '/';
	}
}

static inline bool has(const char *path)
{
	struct erofs fs;
	struct erofs_inode inode;

	return find(path, &fs, &inode);
}

/* Whether a file of the open image has this text. */
static inline bool reads(const char *path, const char *text)
{
	struct erofs fs;
	struct erofs_inode inode;
	char buffer[64];
	int64_t got;

	if (!find(path, &fs, &inode))
		return false;
	got = erofs_read(&fs, &inode, 0, buffer, sizeof buffer);
	return got == (int64_t)strlen(text) && !memcmp(buffer, text, strlen(text));
}

/* A stand-in for mkfs.erofs, before the real one in PATH. */
static inline void stand_in(const char *script)
{
	char path[8192];

	shell("mkdir -p bin; printf '#!/bin/sh\n%%s\n' '%s' > bin/mkfs.erofs; chmod 755 "
	      "bin/mkfs.erofs",
	      script);
	snprintf(path, sizeof path, "%s/bin:%s:/usr/sbin:/sbin", base, getenv("PATH"));
	setenv("PATH", path, 1);
}

#endif
