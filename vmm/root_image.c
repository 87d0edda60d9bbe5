/* SPDX-License-Identifier: Apache-2.0 */
/* --root: the EROFS image of the guest's root file system. */
#include "vmm/root_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "guestkit/libc-shim/erofs.h"
#include "vmm/app_image.h"
#include "vmm/mkfs_erofs.h"
#include "vmm/root_cache.h"

/*
 * How it works. An image is opened, looked at and mapped. For a directory, an image is looked up in
 * the cache under the fingerprint of the tree; where there is none, mkfs.erofs writes one to a
 * temporary file, which is renamed into the cache when it is complete, so that runs side by side
 * see a whole image or none. Without a cache the file is removed as soon as it is open.
 */

#define BUILD_ATTEMPTS 2
#define PATH_BYTES     4096
#define SETTLE_NS      20000000 /* see is_fresh */

/* Maps the file behind @fd. Returns 0, or -1 with errno set. */
static int map_file(int fd, const void **image, uint64_t *size)
{
	struct stat status;
	void *mapping;

	if (fstat(fd, &status))
		return -1;
	*image = NULL;
	*size = (uint64_t)status.st_size;
	if (*size == 0)
		return 0;
	mapping = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mapping == MAP_FAILED)
		return -1;
	*image = mapping;
	return 0;
}

static void unmap(const void **image, uint64_t *size)
{
	if (*image)
		munmap((void *)(uintptr_t)*image, *size);
	*image = NULL;
	*size = 0;
}

/* An application image has the root that is meant inside. */
static void enter_app_image(const void **image, uint64_t *size)
{
	struct mote_error err;
	struct app_image app;

	if (!app_image_has_magic(*image, *size) || app_image_read(&app, "", *image, *size, &err))
		return;
	*image = (const unsigned char *)*image + app.sections[APP_SECTION_ROOT].offset;
	*size = app.sections[APP_SECTION_ROOT].size;
	app_image_free(&app);
}

/* Maps and checks. Returns 0, or -1 with @reason set and nothing mapped. */
static int map_image(int fd, const void **image, uint64_t *size, const char **reason)
{
	struct erofs fs;

	if (map_file(fd, image, size)) {
		*reason = strerror(errno);
		*image = NULL;
		*size = 0;
		return -1;
	}
	enter_app_image(image, size);
	if (erofs_open(&fs, *image ? *image : "", *size, reason)) {
		unmap(image, size);
		return -1;
	}
	return 0;
}

/* ---- making an image ---- */

/*
 * Sets @option to the one that leaves the cache out of an image that it lies in. Returns whether it
 * is needed.
 */
static bool exclude_cache(const char *path, const struct root_cache *cache, char *option,
                          size_t size)
{
	char *tree = realpath(path, NULL);
	char *images = cache->directory >= 0 ? realpath(cache->path, NULL) : NULL;
	bool is_inside = false;

	if (tree && images) {
		size_t length = strlen(tree);

		if (length == 1) /* the root directory: its slash is the separator */
			length = 0;
		is_inside = !strncmp(tree, images, length) && images[length] == '/' &&
		            (size_t)snprintf(option, size, "--exclude-path=%s",
		                             images + length + 1) < size;
	}
	free(tree);
	free(images);
	return is_inside;
}

/* Makes an image of @path in the file @target. */
static int make_image(const char *path, const char *target, const struct root_cache *cache,
                      struct mote_error *err)
{
	char exclude[PATH_BYTES];
	const char *options[] = {"--preserve-mtime", NULL, NULL};

	if (exclude_cache(path, cache, exclude, sizeof exclude))
		options[1] = exclude;
	return mkfs_erofs(options, target, path, path, err);
}

/* ---- images of directories ---- */

/*
 * Makes an image that shows @path at one moment, if it does not change all the time. A file that is
 * written twice within a tick of the clock keeps its time: so that no change stays unseen, the tick
 * of the last change is over before mkfs.erofs reads anything.
 *
 * @seen: the tree's fingerprint. Return: 0, 1 if the image may mix two states, or -1.
 */
static int make_steady_image(const char *path, const char *target, const struct root_cache *cache,
                             struct root_fingerprint *seen, struct mote_error *err)
{
	const struct timespec tick = {.tv_nsec = SETTLE_NS};
	struct root_fingerprint after;
	bool has_changed = true;
	int result = -1;

	for (int i = 0; i < BUILD_ATTEMPTS && has_changed; i++) {
		if (seen->is_fresh)
			nanosleep(&tick, NULL);
		result = make_image(path, target, cache, err);
		if (root_fingerprint(path, cache->directory, &after, err))
			return -1;
		has_changed = !root_fingerprint_equal(seen, &after);
		*seen = after;
	}
	return result == 0 ? has_changed : result;
}

/* Creates the file for an image: in the cache, else where temporary files go. */
static int create_target(const struct root_cache *cache, char *target, size_t size,
                         bool *is_in_cache)
{
	const char *temporary = getenv("TMPDIR");
	int fd = -1;

	if (cache->directory >= 0)
		fd = root_cache_create(cache->path, target, size);
	*is_in_cache = fd >= 0;
	if (fd < 0 && temporary && temporary[0] == '/')
		fd = root_cache_create(temporary, target, size);
	return fd >= 0 ? fd : root_cache_create("/tmp", target, size);
}

static int build(const char *path, const struct root_cache *cache, struct root_fingerprint *seen,
                 const void **image, uint64_t *size, struct mote_error *err)
{
	char target[PATH_BYTES];
	const char *reason;
	bool is_in_cache;
	int result, fd = create_target(cache, target, sizeof target, &is_in_cache);

	if (fd < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot build the root image from %s: cannot create a "
		                        "temporary file in /tmp",
		                        path);
	result = make_steady_image(path, target, cache, seen, err);
	if (result >= 0 && map_image(fd, image, size, &reason))
		result = mote_error_set(err, MOTE_STATUS_FAILED,
		                        "cannot use the root image that mkfs.erofs made from %s: "
		                        "%s",
		                        path, reason);
	/* On disk before it has its name: a power cut must not leave the name without the data. */
	if (result == 0 && is_in_cache && fsync(fd) == 0)
		root_cache_keep(cache, seen, target);
	else
		unlink(target);
	close(fd);
	return result < 0 ? -1 : 0;
}

static int open_directory(const char *path, const void **image, uint64_t *size,
                          struct mote_error *err)
{
	struct root_cache cache;
	struct root_fingerprint seen;
	const char *reason;
	int result, fd;

	root_cache_open(&cache);
	result = root_fingerprint(path, cache.directory, &seen, err);
	fd = result == 0 && cache.directory >= 0 ? root_cache_find(&cache, &seen) : -1;
	if (result == 0 && (fd < 0 || map_image(fd, image, size, &reason)))
		result = build(path, &cache, &seen, image, size, err);
	if (fd >= 0)
		close(fd);
	root_cache_close(&cache);
	return result;
}

static int open_path(const char *path, const void **image, uint64_t *size, struct mote_error *err)
{
	struct stat status;
	const char *reason;
	int result = 0, fd;

	/* Not to be kept waiting by a FIFO. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status))
		result = mote_error_errno(err, MOTE_STATUS_FAILED, "cannot use the root image %s",
		                          path);
	else if (S_ISDIR(status.st_mode))
		result = open_directory(path, image, size, err);
	else if (!S_ISREG(status.st_mode))
		result = mote_error_set(err, MOTE_STATUS_FAILED,
		                        "cannot use the root image %s: it is neither a regular "
		                        "file nor a directory",
		                        path);
	else if (map_image(fd, image, size, &reason))
		result = mote_error_set(err, MOTE_STATUS_FAILED, "cannot use the root image %s: %s",
		                        path, reason);
	if (fd >= 0)
		close(fd);
	return result;
}

int root_image_open(const char *path, const void **image, uint64_t *size, struct mote_error *err)
{
	*image = NULL;
	*size = 0;
	if (!path)
		return 0;
	if (open_path(path, image, size, err) == 0)
		return 0;
	/* Names from the tree may be in the text: one line, and nothing that a terminal obeys. */
	for (char *c = err->text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = *c == '\t' ? ' ' : '?';
	}
	return -1;
}
