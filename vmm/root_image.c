/* SPDX-License-Identifier: Apache-2.0 */
/* --root: the EROFS image of the guest's root file system. */
#define _GNU_SOURCE 1 /* pipe2 */
#include "vmm/root_image.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guestkit/libc-shim/erofs.h"
#include "vmm/root_cache.h"

/*
 * How it works. An image is opened, looked at and mapped. For a directory, an image is looked up in
 * the cache under the fingerprint of the tree; where there is none, mkfs.erofs writes one to a
 * temporary file, which is renamed into the cache when it is complete, so that runs side by side
 * see a whole image or none. Without a cache the file is removed as soon as it is open.
 *
 * Options of mkfs.erofs (1.5 has them, and later versions too):
 *   -x-1               no extended attributes: the guest has none
 *   --preserve-mtime   each file's own time, to the nanosecond
 *   -Enoinline_data    every file is one run of whole blocks, its tail included, so that any page
 * of it can be mapped where it lies, and reads are not cut up. --chunksize=4096 aligns as well, but
 * has a map entry a block to read and takes twice the time to make, for sharing equal blocks -U a
 * fixed identifier: nothing of an image is random
 */

#define BUILD_ATTEMPTS 2
#define OUTPUT_KEPT    4096
#define PATH_BYTES     4096
#define SETTLE_NS      20000000 /* see is_fresh */
#define STANDARD_PATH  "/sbin:/usr/sbin:/usr/local/sbin"

/* The end of what mkfs.erofs wrote. */
struct output {
	char text[OUTPUT_KEPT + 1];
	size_t length;
};

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
	if (erofs_open(&fs, *image ? *image : "", *size, reason)) {
		unmap(image, size);
		return -1;
	}
	return 0;
}

/* ---- making an image ---- */

/* Looks mkfs.erofs up, in absolute directories only: what lies where the user is may be anything.
 */
static bool find_tool(const char *directories, char *path, size_t size)
{
	while (directories && *directories) {
		size_t length = strcspn(directories, ":");
		struct stat status;

		if (directories[0] == '/' && length < size &&
		    (size_t)snprintf(path, size, "%.*s/mkfs.erofs", (int)length, directories) <
		            size &&
		    stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0)
			return true;
		directories += length;
		directories += *directories == ':';
	}
	return false;
}

/* In the child: becomes mkfs.erofs. */
static void __attribute__((noreturn))
run_tool(const char *tool, const char *const *arguments, int out, pid_t parent)
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* An interrupted mote must not leave the tool at work. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(MOTE_STATUS_FAILED);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	if (dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0)
		execv(tool, (char *const *)(uintptr_t)arguments);
	_exit(MOTE_STATUS_CANNOT_RUN);
}

/* Reads to the end, and keeps the last bytes. */
static void read_output(int fd, struct output *output)
{
	char buffer[OUTPUT_KEPT];
	ssize_t got;

	output->length = 0;
	while ((got = read(fd, buffer, sizeof buffer)) > 0 || (got < 0 && errno == EINTR)) {
		size_t fresh = got > 0 ? (size_t)got : 0;
		size_t old = output->length;

		if (old > OUTPUT_KEPT - fresh)
			old = OUTPUT_KEPT - fresh;
		memmove(output->text, output->text + output->length - old, old);
		memcpy(output->text + old, buffer, fresh);
		output->length = old + fresh;
	}
	output->text[output->length] = '\0';
}

/* Runs the tool. Returns its wait status, or -1 with errno set. */
static int spawn_tool(const char *tool, const char *const *arguments, struct output *output)
{
	pid_t parent = getpid(), child;
	int pipes[2], status;

	if (pipe2(pipes, O_CLOEXEC))
		return -1;
	child = fork();
	if (child == 0)
		run_tool(tool, arguments, pipes[1], parent);
	close(pipes[1]);
	if (child > 0)
		read_output(pipes[0], output);
	close(pipes[0]);
	if (child < 0)
		return -1;
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return status;
}

/*
 * Finds in the output what mkfs.erofs was at, which its message does not say, and its last line
 * with something on it.
 */
static const char *last_line(struct output *output, const char **place)
{
	static const char progress[] = "Processing ";
	char *line, *last = NULL, *rest = output->text;

	*place = NULL;
	while ((line = strsep(&rest, "\r\n"))) {
		char *found = strstr(line, progress);

		if (found)
			*place = found + strlen(progress);
		else if (line[strspn(line, " \t")])
			last = line;
	}
	return last ? last : "it gave no reason";
}

static int report_failure(const char *path, int status, struct output *output,
                          struct mote_error *err)
{
	const char *place, *line = last_line(output, &place);

	if (WIFSIGNALED(status))
		return mote_error_set(
		        err, MOTE_STATUS_FAILED,
		        "cannot build the root image from %s: mkfs.erofs was ended by "
		        "signal %d",
		        path, WTERMSIG(status));
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "cannot build the root image from %s: mkfs.erofs failed%s%s: %s",
	                      path, place ? " at " : "", place ? place : "", line);
}

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
	char tool[PATH_BYTES], exclude[PATH_BYTES];
	const char *arguments[10] = {"mkfs.erofs", "-x-1", "--preserve-mtime", "-Enoinline_data",
	                             "-U6d6f7465-726f-4f74-8000-000000000001"};
	size_t count = 5;
	struct output output;
	int status;

	if (!find_tool(getenv("PATH"), tool, sizeof tool) &&
	    !find_tool(STANDARD_PATH, tool, sizeof tool))
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "cannot build the root image from %s: mkfs.erofs is not "
		                      "installed. Install it with: apt-get install erofs-utils",
		                      path);
	if (exclude_cache(path, cache, exclude, sizeof exclude))
		arguments[count++] = exclude;
	arguments[count++] = "--";
	arguments[count++] = target;
	arguments[count] = path;
	status = spawn_tool(tool, arguments, &output);
	if (status < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot build the root image from %s: cannot run %s", path,
		                        tool);
	return status == 0 ? 0 : report_failure(path, status, &output, err);
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
