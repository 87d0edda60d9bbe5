/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control sockets and their names.
 *
 * A confined microVM cannot remove its socket. One that nobody listens on refuses connections, so
 * whoever meets it removes it, with the directory locked: a socket is made to listen under the same
 * lock, so that a new one is not taken for a dead one.
 */
#include "vmm/control_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/cpuid_cache.h"
#include "vmm/options_control.h"
#include "vmm/private_directory.h"

#define SUFFIX  ".sock"
#define BACKLOG 64

/* ---- the directory ---- */

static bool is_own_directory(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid();
}

bool control_directory_path(char *path, size_t size)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	char run[40], cache[PATH_MAX];
	int length;

	snprintf(run, sizeof run, "/run/user/%u", (unsigned)geteuid());
	if (base && base[0] == '/')
		length = snprintf(path, size, "%s/mote", base);
	else if (is_own_directory(run))
		length = snprintf(path, size, "%s/mote", run);
	else if (cpuid_cache_directory(cache, sizeof cache))
		length = snprintf(path, size, "%s/run", cache);
	else
		return false;
	return length > 0 && (size_t)length < size;
}

int control_directory_open(struct control_directory *directory, struct mote_error *err)
{
	directory->fd = -1;
	if (!control_directory_path(directory->path, sizeof directory->path))
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "no place for control sockets: neither XDG_RUNTIME_DIR nor "
		                      "HOME is set");
	directory->fd = private_directory_make(directory->path);
	if (directory->fd >= 0)
		return 0;
	mote_error_errno(err, MOTE_STATUS_FAILED, "cannot use %s for control sockets",
	                 directory->path);
	return mote_error_hint(err, "It has to be a directory of your own that nobody else can "
	                            "write to; XDG_RUNTIME_DIR names another place");
}

void control_directory_close(struct control_directory *directory)
{
	if (directory->fd >= 0)
		close(directory->fd);
	directory->fd = -1;
}

/* ---- sockets ---- */

/* A path too long for an address goes through the directory's descriptor. */
static struct sockaddr_un address_of(const struct control_directory *directory, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (snprintf(address.sun_path, sizeof address.sun_path, "%s/%s" SUFFIX, directory->path,
	             name) >= (int)sizeof address.sun_path)
		snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s" SUFFIX,
		         directory->fd, name);
	return address;
}

static int new_socket(int flags)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
}

/* Whether there is a socket that nobody listens on. */
static bool is_dead(const struct sockaddr_un *address)
{
	int fd = new_socket(SOCK_NONBLOCK);
	bool is_refused = fd >= 0 &&
	                  connect(fd, (const struct sockaddr *)address, sizeof *address) &&
	                  errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return is_refused;
}

/* With the directory locked. */
static void remove_dead(const struct control_directory *directory, const char *name,
                        const struct sockaddr_un *address)
{
	char file[CONTROL_NAME_MAX + sizeof SUFFIX];
	struct stat status;

	snprintf(file, sizeof file, "%s" SUFFIX, name);
	if (fstatat(directory->fd, file, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISSOCK(status.st_mode) && is_dead(address))
		unlinkat(directory->fd, file, 0);
}

/* With the directory locked. */
static int bind_and_listen(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(0177);
	int result = bind(fd, (const struct sockaddr *)address, sizeof *address);

	umask(mask);
	return result ? -1 : listen(fd, BACKLOG);
}

int control_directory_listen(const struct control_directory *directory, const char *name,
                             struct mote_error *err)
{
	struct sockaddr_un address = address_of(directory, name);
	int fd = new_socket(SOCK_NONBLOCK), result;

	if (fd < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot make a socket");
	flock(directory->fd, LOCK_EX);
	result = bind_and_listen(fd, &address);
	if (result && errno == EADDRINUSE) {
		remove_dead(directory, name, &address);
		result = bind_and_listen(fd, &address);
	}
	if (result && errno == EADDRINUSE)
		mote_error_set(err, MOTE_STATUS_FAILED,
		               "a microVM with the name %s is running already (see mote ps)", name);
	else if (result)
		mote_error_errno(err, MOTE_STATUS_FAILED, "cannot make the socket %s/%s" SUFFIX,
		                 directory->path, name);
	flock(directory->fd, LOCK_UN);
	if (!result)
		return fd;
	close(fd);
	return -1;
}

int control_directory_connect(const struct control_directory *directory, const char *name,
                              unsigned timeout_ms)
{
	struct sockaddr_un address = address_of(directory, name);
	struct timeval timeout = {timeout_ms / 1000, (suseconds_t)(timeout_ms % 1000 * 1000)};
	int fd = new_socket(0), error;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	error = errno;
	close(fd);
	if (error == ECONNREFUSED) {
		flock(directory->fd, LOCK_EX);
		remove_dead(directory, name, &address);
		flock(directory->fd, LOCK_UN);
		error = ENOENT;
	}
	errno = error;
	return -1;
}

/* ---- names ---- */

static int is_socket(const struct dirent *entry)
{
	char name[CONTROL_NAME_MAX + 1];
	size_t length = strlen(entry->d_name), suffix = strlen(SUFFIX);

	if (length <= suffix || length - suffix >= sizeof name ||
	    strcmp(entry->d_name + length - suffix, SUFFIX) != 0)
		return 0;
	memcpy(name, entry->d_name, length - suffix);
	name[length - suffix] = '\0';
	return control_is_name(name);
}

int control_directory_list(const struct control_directory *directory,
                           int (*visit)(void *ctx, const char *name), void *ctx,
                           struct mote_error *err)
{
	struct dirent **entries;
	int count = scandir(directory->path, &entries, is_socket, alphasort), status = 0;

	if (count < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot read %s", directory->path);
	for (int i = 0; i < count; i++) {
		entries[i]->d_name[strlen(entries[i]->d_name) - strlen(SUFFIX)] = '\0';
		if (!status)
			status = visit(ctx, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return status;
}
