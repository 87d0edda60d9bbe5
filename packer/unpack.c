/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacks tar archives, of which no word is believed. */
#include "packer/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * How it works. libarchive reads the archive; where its entries go is decided here. A name is
 * split at its last slash. The directory before it is opened by openat2(2) with RESOLVE_BENEATH, by
 * which the kernel refuses every way out, "..", absolute names and symbolic links included; what
 * is behind it is one component, which is created beside others and never followed. So a link that
 * an archive brings is a name and nothing more.
 *
 * Directories get their permissions at the end: until then this process has to write into them.
 */

#define PATH_BYTES  4096
#define LEVELS_MAX  256 /* some thousand are too many for the stack of mkfs.erofs */
#define BLOCK_BYTES 65536

const struct unpack_limits unpack_default_limits = {.entries = 1u << 20, .bytes = 16ull << 30};

/* A directory that waits for its permissions. */
struct waiting {
	char *path;
	size_t number; /* of its entry: of two for one directory the later counts */
	mode_t mode;
};

struct unpack {
	struct archive *archive;
	const char *name; /* of the archive */
	int root;
	struct unpack_limits left;
	struct waiting *directories;
	size_t count, room; /* of directories */
	struct mote_error *err;
};

static int refuse(const struct unpack *unpack, const char *path, const char *why)
{
	mote_error_set(unpack->err, MOTE_STATUS_FAILED, "cannot unpack %s: %.256s: %s",
	               unpack->name, path, why);
	return -1;
}

static int fail(const struct unpack *unpack, const char *path)
{
	if (errno == EXDEV || errno == ELOOP)
		return refuse(unpack, path, "it leads out of the archive through a symbolic link");
	mote_error_errno(unpack->err, MOTE_STATUS_FAILED, "cannot unpack %s: %.256s", unpack->name,
	                 path);
	return -1;
}

/* Where an entry goes: an open directory, and a name in it. */
struct place {
	int directory;
	const char *name; /* "." for the root itself */
	char path[PATH_BYTES];
};

static int open_beneath(int root, const char *path, uint64_t flags)
{
	struct open_how how = {.flags = flags | O_CLOEXEC,
	                       .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};

	return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* Leaves out "." and doubled slashes. Returns NULL, or what is wrong with the path. */
static const char *clean_path(const char *path, char *clean)
{
	size_t used = 0, levels = 0;

	if (!path || !*path)
		return "it has no name";
	if (*path == '/')
		return "its name is absolute. Make the archive with names relative to the root";
	while (*path) {
		size_t length = strcspn(path, "/");

		if (length == 2 && !memcmp(path, "..", 2))
			return "its name leads upwards (..)";
		if (length > 0 && !(length == 1 && *path == '.')) {
			if (used + length + 2 > PATH_BYTES)
				return "its name is too long";
			if (++levels > LEVELS_MAX)
				return "it lies too deep";
			if (used)
				clean[used++] = '/';
			memcpy(clean + used, path, length);
			used += length;
		}
		path += length;
		path += strspn(path, "/");
	}
	clean[used] = '\0';
	return NULL;
}

/* Creates the directories before the last slash of @path that are missing. */
static int make_parents(const struct unpack *unpack, char *path)
{
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		char *before;
		int fd, parent = -1, status = 0;

		*slash = '\0';
		fd = open_beneath(unpack->root, path, O_PATH | O_DIRECTORY);
		if (fd < 0 && errno == ENOENT) {
			/* The one above is there: it was looked at, or made, in the round before.
			 */
			before = strrchr(path, '/');
			if (before) {
				*before = '\0';
				parent = open_beneath(unpack->root, path, O_PATH | O_DIRECTORY);
				*before = '/';
			}
			status = before && parent < 0 ? -1
			                              : mkdirat(before ? parent : unpack->root,
			                                        before ? before + 1 : path, 0755);
			/* Whatever umask the user has. */
			if (status == 0)
				status = fchmodat(before ? parent : unpack->root,
				                  before ? before + 1 : path, 0755, 0);
			if (parent >= 0)
				close(parent);
		} else if (fd < 0) {
			status = -1;
		} else {
			close(fd);
		}
		if (status)
			fail(unpack, path);
		*slash = '/';
		if (status)
			return -1;
	}
	return 0;
}

static int find_place(const struct unpack *unpack, const char *path, struct place *place)
{
	const char *wrong = clean_path(path, place->path);
	char *slash;

	if (wrong)
		return refuse(unpack, path ? path : "an entry", wrong);
	if (make_parents(unpack, place->path))
		return -1;
	slash = strrchr(place->path, '/');
	place->name = slash ? slash + 1 : place->path[0] ? place->path : ".";
	if (slash)
		*slash = '\0';
	place->directory =
	        open_beneath(unpack->root, slash ? place->path : ".", O_RDONLY | O_DIRECTORY);
	if (slash)
		*slash = '/';
	return place->directory >= 0 ? 0 : fail(unpack, path);
}

/* A later entry replaces an earlier one of its name, as with tar; a directory is not replaced. */
static int clear_place(const struct unpack *unpack, const struct place *place)
{
	if (!unlinkat(place->directory, place->name, 0) || errno == ENOENT)
		return 0;
	if (errno == EISDIR)
		return refuse(unpack, place->path, "it is there already, as a directory");
	return fail(unpack, place->path);
}

/* ---- kinds of entries ---- */

static int remember_mode(struct unpack *unpack, const char *path, mode_t mode)
{
	struct waiting *waiting;

	if (unpack->count == unpack->room) {
		unpack->room = unpack->room ? 2 * unpack->room : 64;
		waiting = reallocarray(unpack->directories, unpack->room, sizeof *waiting);
		if (!waiting)
			return fail(unpack, path);
		unpack->directories = waiting;
	}
	waiting = &unpack->directories[unpack->count];
	*waiting = (struct waiting){.path = strdup(path), .number = unpack->count, .mode = mode};
	if (!waiting->path)
		return fail(unpack, path);
	unpack->count++;
	return 0;
}

static int add_directory(struct unpack *unpack, const struct place *place, mode_t mode)
{
	struct stat status;

	if (place->path[0] && mkdirat(place->directory, place->name, 0700) && errno != EEXIST)
		return fail(unpack, place->path);
	if (fstatat(place->directory, place->name, &status, AT_SYMLINK_NOFOLLOW))
		return fail(unpack, place->path);
	if (!S_ISDIR(status.st_mode))
		return refuse(unpack, place->path, "it is there already, and no directory");
	return remember_mode(unpack, place->path, mode);
}

static int write_all(int fd, const void *bytes, size_t length, off_t offset)
{
	const char *from = bytes;

	while (length) {
		ssize_t written = pwrite(fd, from, length, offset);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return -1;
		from += written;
		offset += written;
		length -= (size_t)written;
	}
	return 0;
}

static int copy_data(struct unpack *unpack, const char *path, int fd, uint64_t size)
{
	const void *bytes;
	size_t length;
	la_int64_t offset;
	int status;

	/* Holes, of sparse files, are left out. */
	while ((status = archive_read_data_block(unpack->archive, &bytes, &length, &offset)) ==
	       ARCHIVE_OK) {
		if (offset < 0 || (uint64_t)offset > size || length > size - (uint64_t)offset)
			return refuse(unpack, path, "it has more data than its size says");
		if (write_all(fd, bytes, length, offset))
			return fail(unpack, path);
	}
	if (status != ARCHIVE_EOF)
		return refuse(unpack, path, archive_error_string(unpack->archive));
	return ftruncate(fd, (off_t)size) ? fail(unpack, path) : 0;
}

static int add_file(struct unpack *unpack, const struct place *place, mode_t mode, uint64_t size)
{
	int fd, status;

	if (size > unpack->left.bytes)
		return refuse(unpack, place->path, "the archive's files are too large together");
	unpack->left.bytes -= size;
	if (clear_place(unpack, place))
		return -1;
	fd = openat(place->directory, place->name,
	            O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(unpack, place->path);
	status = copy_data(unpack, place->path, fd, size);
	if (status == 0 && fchmod(fd, mode))
		status = fail(unpack, place->path);
	close(fd);
	return status;
}

static int add_hard_link(struct unpack *unpack, const struct place *place, const char *target)
{
	struct place from;
	struct stat status;
	int result = -1;

	if (find_place(unpack, target, &from))
		return -1;
	if (fstatat(from.directory, from.name, &status, AT_SYMLINK_NOFOLLOW) ||
	    S_ISDIR(status.st_mode))
		refuse(unpack, place->path,
		       "it is a hard link to something that is no file of the archive before it");
	else if (strcmp(from.path, place->path) == 0)
		result = 0;
	else if (clear_place(unpack, place) == 0)
		result = linkat(from.directory, from.name, place->directory, place->name, 0)
		                 ? fail(unpack, place->path)
		                 : 0;
	close(from.directory);
	return result;
}

static int add_other(struct unpack *unpack, const struct place *place, struct archive_entry *entry)
{
	const char *target = archive_entry_symlink(entry);

	switch (archive_entry_filetype(entry)) {
	case AE_IFLNK:
		if (!target || !*target)
			return refuse(unpack, place->path, "it is a symbolic link to nothing");
		if (clear_place(unpack, place))
			return -1;
		return symlinkat(target, place->directory, place->name) ? fail(unpack, place->path)
		                                                        : 0;
	case AE_IFIFO:
		if (clear_place(unpack, place))
			return -1;
		return mkfifoat(place->directory, place->name, 0600) ||
		                       fchmodat(place->directory, place->name,
		                                archive_entry_perm(entry), 0)
		               ? fail(unpack, place->path)
		               : 0;
	case AE_IFCHR:
	case AE_IFBLK:
		return refuse(unpack, place->path,
		              "it is a device node, which a root does not need: the guest has its "
		              "own /dev. Leave it out, as tar --exclude does");
	default: return refuse(unpack, place->path, "it is of a kind that is not known");
	}
}

static int add_entry(struct unpack *unpack, struct archive_entry *entry)
{
	const char *path = archive_entry_pathname(entry);
	const char *hard_link = archive_entry_hardlink(entry);
	mode_t mode = archive_entry_perm(entry);
	la_int64_t size = archive_entry_size(entry);
	struct place place;
	int status;

	if (unpack->left.entries-- == 0)
		return refuse(unpack, path ? path : "an entry", "the archive has too many entries");
	if (find_place(unpack, path, &place))
		return -1;
	if (!place.path[0] && (hard_link || archive_entry_filetype(entry) != AE_IFDIR))
		status = refuse(unpack, path, "its name is that of the root, which is a directory");
	else if (hard_link)
		status = add_hard_link(unpack, &place, hard_link);
	else if (archive_entry_filetype(entry) == AE_IFDIR)
		status = add_directory(unpack, &place, mode);
	else if (archive_entry_filetype(entry) == AE_IFREG)
		status = add_file(unpack, &place, mode, size > 0 ? (uint64_t)size : 0);
	else
		status = add_other(unpack, &place, entry);
	close(place.directory);
	return status;
}

/* ---- the whole ---- */

/* Those inside a directory before it, and of one directory the last entry first. */
static int compare_waiting(const void *a, const void *b)
{
	const struct waiting *left = a, *right = b;
	int order = strcmp(right->path, left->path);

	if (order == 0)
		order = left->number < right->number ? 1 : -1;
	return order;
}

static int set_modes(const struct unpack *unpack)
{
	const struct waiting *directories = unpack->directories;

	if (unpack->count)
		qsort(unpack->directories, unpack->count, sizeof *directories, compare_waiting);
	for (size_t i = 0; i < unpack->count; i++) {
		int fd, status;

		if (i > 0 && strcmp(directories[i].path, directories[i - 1].path) == 0)
			continue;
		fd = open_beneath(unpack->root, directories[i].path[0] ? directories[i].path : ".",
		                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		if (fd < 0)
			return fail(unpack, directories[i].path);
		status = fchmod(fd, directories[i].mode);
		close(fd);
		if (status)
			return fail(unpack, directories[i].path);
	}
	return 0;
}

static int read_archive(struct unpack *unpack)
{
	struct archive_entry *entry;
	int status;

	while ((status = archive_read_next_header(unpack->archive, &entry)) == ARCHIVE_OK ||
	       status == ARCHIVE_WARN) {
		if (add_entry(unpack, entry))
			return -1;
	}
	if (status == ARCHIVE_EOF)
		return 0;
	return mote_error_set(unpack->err, MOTE_STATUS_FAILED, "cannot unpack %s: %s", unpack->name,
	                      archive_error_string(unpack->archive));
}

int unpack_archive(const char *path, int directory, const struct unpack_limits *limits,
                   struct mote_error *err)
{
	struct unpack unpack = {.archive = archive_read_new(),
	                        .name = path,
	                        .root = directory,
	                        .left = *limits,
	                        .err = err};
	int status;

	if (!unpack.archive)
		return mote_error_set(err, MOTE_STATUS_FAILED, "cannot unpack %s: out of memory",
		                      path);
	archive_read_support_format_tar(unpack.archive);
	archive_read_support_filter_gzip(unpack.archive);
	archive_read_support_filter_bzip2(unpack.archive);
	archive_read_support_filter_xz(unpack.archive);
	archive_read_support_filter_zstd(unpack.archive);
	if (archive_read_open_filename(unpack.archive, path, BLOCK_BYTES) != ARCHIVE_OK)
		status = mote_error_set(
		        err, MOTE_STATUS_FAILED,
		        "cannot use the root %s: it is no directory, no EROFS image and no tar "
		        "archive (%s)",
		        path, archive_error_string(unpack.archive));
	else
		status = read_archive(&unpack);
	if (status == 0)
		status = set_modes(&unpack);
	for (size_t i = 0; i < unpack.count; i++)
		free(unpack.directories[i].path);
	free(unpack.directories);
	archive_read_free(unpack.archive);
	return status;
}

/* ---- removal ---- */

/*
 * Removes what is in a directory, and stops at a subdirectory that is not empty. Returns 1 with its
 * name, 0 when all is removed, or -1.
 */
static int remove_entries(int directory, char name[NAME_MAX + 1])
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!list) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while (result == 0 && (entry = readdir(list))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		    !unlinkat(directory, entry->d_name, 0) ||
		    (errno == EISDIR && !unlinkat(directory, entry->d_name, AT_REMOVEDIR)))
			continue;
		result = errno == ENOTEMPTY ? 1 : -1;
		snprintf(name, NAME_MAX + 1, "%s", entry->d_name);
	}
	closedir(list);
	return result;
}

/* Goes down and up by one descriptor: an archive may have more levels than a process has of them.
 */
void unpack_remove(const char *path)
{
	char name[NAME_MAX + 1];
	size_t depth = 0;
	int next, found, fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	while (fd >= 0 && (found = remove_entries(fd, name)) >= 0 && (found || depth)) {
		/* What may not be read or written to may be allowed to: it is the user's own. */
		if (found && fchmodat(fd, name, 0700, 0))
			break;
		next = openat(fd, found ? name : "..",
		              O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		depth = found ? depth + 1 : depth - 1;
		close(fd);
		fd = next;
	}
	if (fd >= 0)
		close(fd);
	rmdir(path);
}
