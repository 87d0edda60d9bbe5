/* SPDX-License-Identifier: Apache-2.0 */
/* Opens a snapshot and the files that it builds on: before confinement, so it believes little. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapshot/checksum.h"
#include "snapshot/format.h"
#include "snapshot/snapshot_write.h"

/* NULL: it is a header that this mote understands. */
static const char *header_problem(const struct snapshot_header *header)
{
	static const char newer[] = "it is of a newer version of mote; update mote to use it";

	if (memcmp(header->magic, SNAPSHOT_MAGIC, sizeof header->magic) != 0)
		return "it is not a snapshot";
	if (header->version > SNAPSHOT_VERSION)
		return newer;
	if (header->version != SNAPSHOT_VERSION || header->header_size != SNAPSHOT_HEADER_SIZE)
		return "its header is damaged";
	if (checksum_64(header, offsetof(struct snapshot_header, sum)) != header->sum)
		return "its header is damaged (wrong checksum)";
	if (header->flags & ~SNAPSHOT_FLAG_KEYED)
		return newer;
	return NULL;
}

/* A file of the same folder, and no other place. */
static bool is_plain_name(const char *name, size_t room)
{
	return memchr(name, '\0', room) && *name && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

static int cannot_use(struct mote_error *err, const char *name, const char *problem)
{
	return mote_error_set(err, MOTE_STATUS_CANNOT_RUN, "cannot use snapshot %s: %s", name,
	                      problem);
}

/* The path of @name in the folder of @path; the caller frees it. */
static char *beside(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
	char *joined = malloc(folder + strlen(name) + 1);

	if (joined) {
		memcpy(joined, path, folder);
		memcpy(joined + folder, name, strlen(name) + 1);
	}
	return joined;
}

/* #syscalls:load pread64 */
static int read_header(struct snapshot_layer *layer, struct mote_error *err)
{
	const char *problem;
	ssize_t got;

	layer->header = calloc(1, sizeof *layer->header);
	if (!layer->header)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for a snapshot");
	got = pread(layer->fd, layer->header, sizeof *layer->header, 0);
	if (got < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot read %s", layer->name);
	if (got < (ssize_t)sizeof *layer->header)
		return cannot_use(err, layer->name,
		                  memcmp(layer->header->magic, SNAPSHOT_MAGIC, 8) == 0
		                          ? "it is cut off in its header"
		                          : "it is not a snapshot");
	problem = header_problem(layer->header);
	return problem ? cannot_use(err, layer->name, problem) : 0;
}

static int read_file(struct snapshot_layer *layer, struct mote_error *err)
{
	struct stat stat;

	if (fstat(layer->fd, &stat))
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot look at %s", layer->name);
	if (!S_ISREG(stat.st_mode))
		return cannot_use(err, layer->name, "it is not a regular file");
	layer->size = (uint64_t)stat.st_size;
	return read_header(layer, err);
}

/* @path becomes the layer's, and @fd if it is none of -1. @above: what builds on it; NULL: it is
 * the snapshot itself */
static int open_layer(struct snapshot *snapshot, char *path, int fd, const char *above,
                      struct mote_error *err)
{
	struct snapshot_layer *layer = &snapshot->layers[snapshot->layer_count++];

	*layer = (struct snapshot_layer){.name = path, .fd = fd};
	if (!path)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for a snapshot");
	if (fd < 0)
		layer->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (layer->fd >= 0)
		return read_file(layer, err);
	if (above)
		return mote_error_errno(err, MOTE_STATUS_CANNOT_RUN,
		                        "cannot use snapshot %s: cannot open its base %s", above,
		                        path);
	return mote_error_errno(err,
	                        errno == ENOENT ? MOTE_STATUS_NOT_FOUND : MOTE_STATUS_CANNOT_RUN,
	                        "cannot open %s", path);
}

/* Copy the working set's place, for snapshot_read() to look at. Return: whether there is one. */
static bool copy_working_set(struct snapshot *snapshot)
{
	const struct snapshot_layer *layer = &snapshot->layers[0];
	struct snapshot_working_set *set = malloc(sizeof *set);

	if (!set)
		return false;
	if (pread(layer->fd, set, sizeof *set, SNAPSHOT_WORKING_SET_OFFSET) != sizeof *set) {
		free(set);
		return false;
	}
	snapshot->working_set_bytes = set;
	return checksum_64(&set->count,
	                   sizeof *set - offsetof(struct snapshot_working_set, count)) == set->sum;
}

/*
 * Where there is no working set yet, map its place for writing. The descriptor that can write is
 * closed again: whoever takes the confined VMM over reaches these bytes and no others.
 */
static void prepare_record(struct snapshot *snapshot)
{
	const struct snapshot_layer *layer = &snapshot->layers[0];
	char path[32];
	void *place;
	int fd;

	if (layer->size < SNAPSHOT_PARTS_OFFSET || copy_working_set(snapshot))
		return;
	/* The same file again, whatever has its name by now. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", layer->fd);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return;
	place = mmap(NULL, SNAPSHOT_WORKING_SET_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	             SNAPSHOT_WORKING_SET_OFFSET);
	snapshot->record = place == MAP_FAILED ? NULL : place;
	close(fd);
}

int snapshot_open(struct snapshot *snapshot, const char *path, struct mote_error *err)
{
	return snapshot_open_at(snapshot, -1, path, err);
}

int snapshot_open_at(struct snapshot *snapshot, int fd, const char *path, struct mote_error *err)
{
	const struct snapshot_layer *layer = &snapshot->layers[0];

	memset(snapshot, 0, sizeof *snapshot);
	if (open_layer(snapshot, strdup(path), fd, NULL, err))
		return -1;
	prepare_record(snapshot);
	while (layer->header->base_name[0]) {
		if (!is_plain_name(layer->header->base_name, sizeof layer->header->base_name))
			return cannot_use(err, layer->name, "its base is not a file of its folder");
		if (snapshot->layer_count == SNAPSHOT_LAYERS_MAX)
			return cannot_use(err, path, "it builds on too many others");
		if (open_layer(snapshot, beside(layer->name, layer->header->base_name), -1,
		               layer->name, err))
			return -1;
		if (memcmp(layer->header->base_id, layer[1].header->id, 16) != 0)
			return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
			                      "cannot use snapshot %s: its base %s is another "
			                      "snapshot than it was made with",
			                      layer->name, layer[1].name);
		layer++;
	}
	return 0;
}

int snapshot_open_file(struct snapshot *snapshot, int fd, uint64_t size, const char *name,
                       struct mote_error *err)
{
	struct snapshot_layer *layer = &snapshot->layers[0];

	memset(snapshot, 0, sizeof *snapshot);
	snapshot->layer_count = 1;
	*layer = (struct snapshot_layer){.name = strdup(name), .fd = fd, .size = size};
	if (!layer->name)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for a snapshot");
	copy_working_set(snapshot);
	return read_header(layer, err);
}

/* Where the folder of @path is; the path itself need not be. */
static int stat_folder(const char *path, struct stat *folder, struct mote_error *err)
{
	char *here = beside(path, ".");
	int status = here ? stat(here, folder) : -1;

	if (status)
		mote_error_errno(err, MOTE_STATUS_FAILED, "cannot look at the folder of %s", path);
	free(here);
	return status;
}

int snapshot_check_folder(const struct snapshot *base, const char *path, struct mote_error *err)
{
	const char *name = base->layers[0].name;
	struct stat ours, its;

	if (stat_folder(path, &ours, err) || stat_folder(name, &its, err))
		return -1;
	if (ours.st_dev == its.st_dev && ours.st_ino == its.st_ino)
		return 0;
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "%s cannot build on %s: both have to be in the same folder", path,
	                      name);
}

void snapshot_close(struct snapshot *snapshot)
{
	for (unsigned i = 0; i < snapshot->layer_count; i++) {
		struct snapshot_layer *layer = &snapshot->layers[i];

		if (layer->bytes)
			munmap((void *)(uintptr_t)layer->bytes, layer->size);
		if (layer->fd >= 0)
			close(layer->fd);
		free(layer->name);
		free(layer->header);
		free(layer->parts);
	}
	if (snapshot->record)
		munmap(snapshot->record, SNAPSHOT_WORKING_SET_SIZE);
	free(snapshot->extents);
	free(snapshot->working_set_bytes);
	memset(snapshot, 0, sizeof *snapshot);
}
