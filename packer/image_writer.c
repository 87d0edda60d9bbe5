/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes application images: to a temporary file beside the one that is asked for, which gets its
 * name when all of it is on disk. What is interrupted leaves the old file as it was.
 */
#include "packer/image_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/app_image.h"

static int write_all(int fd, const void *bytes, size_t length)
{
	const char *from = bytes;

	while (length) {
		ssize_t written = write(fd, from, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return -1;
		from += written;
		length -= (size_t)written;
	}
	return 0;
}

/*
 * The last page of a section, filled with zeros, goes out by itself; the checksum is over whole
 * pages, so it needs them in one piece. Hence a copy where a section is not whole pages.
 */
static const void *whole_pages(struct section_bytes section, void **copy)
{
	size_t size = app_image_pages(section.size);

	*copy = NULL;
	if (size == section.size)
		return section.bytes;
	*copy = calloc(1, size);
	return *copy ? memcpy(*copy, section.bytes, section.size) : NULL;
}

/* Appends a section to the file and its record to the header. */
static int add_section(int fd, struct app_image_header *header, enum app_section_kind kind,
                       struct section_bytes section)
{
	struct app_section_record *record = &header->sections[header->section_count];
	uint64_t size = app_image_pages(section.size);
	const void *pages;
	void *copy;
	int status = -1;

	if (section.size == 0)
		return 0;
	pages = whole_pages(section, &copy);
	if (pages) {
		*record = (struct app_section_record){
		        .kind = kind, .offset = header->file_size, .size = section.size};
		app_image_checksum(pages, size, record->checksum);
		status = write_all(fd, pages, size);
	}
	free(copy);
	header->section_count++;
	header->file_size += size;
	return status;
}

static int write_sections(int fd, const struct app_manifest *manifest, struct section_bytes program,
                          struct section_bytes root)
{
	struct app_image_header header = {.version = APP_IMAGE_VERSION, .file_size = sizeof header};
	char *text = malloc(APP_MANIFEST_MAX);
	struct section_bytes manifest_bytes = {.bytes = text};
	int status = -1;

	memcpy(header.magic, APP_IMAGE_MAGIC, sizeof header.magic);
	if (text)
		manifest_bytes.size = app_manifest_write(manifest, text);
	/* The header comes last, when the checksums are known. */
	if (manifest_bytes.size && lseek(fd, sizeof header, SEEK_SET) >= 0 &&
	    !add_section(fd, &header, APP_SECTION_MANIFEST, manifest_bytes) &&
	    !add_section(fd, &header, APP_SECTION_PROGRAM, program) &&
	    !add_section(fd, &header, APP_SECTION_ROOT, root)) {
		app_image_checksum(&header, offsetof(struct app_image_header, checksum),
		                   header.checksum);
		if (lseek(fd, 0, SEEK_SET) == 0)
			status = write_all(fd, &header, sizeof header);
	}
	free(text);
	return status;
}

/* So that the new name is on disk, too; file systems that cannot do it are no reason to fail. */
static void sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(directory);
}

static int fail(const struct image_file *image, struct mote_error *err)
{
	return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot write %s", image->path);
}

int image_create(struct image_file *image, const char *path, struct mote_error *err)
{
	const char *slash = strrchr(path, '/');
	int directory = slash ? (int)(slash - path) + 1 : 0;
	struct stat status;

	*image = (struct image_file){.path = path, .fd = -1};
	if (!stat(path, &status) && !S_ISREG(status.st_mode))
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "cannot write %s: it is there, and no regular file", path);
	/* The name is not made of the other one: that may be as long as a name can be. */
	if (asprintf(&image->temporary, "%.*s.mote-build-XXXXXX", directory, path) < 0) {
		image->temporary = NULL;
		return fail(image, err);
	}
	image->fd = mkostemp(image->temporary, O_CLOEXEC);
	if (image->fd >= 0)
		return 0;
	fail(image, err);
	free(image->temporary);
	image->temporary = NULL;
	return -1;
}

int image_write(const struct image_file *image, const struct app_manifest *manifest,
                struct section_bytes program, struct section_bytes root, struct mote_error *err)
{
	if (write_sections(image->fd, manifest, program, root) || fchmod(image->fd, 0644) ||
	    fsync(image->fd) || rename(image->temporary, image->path))
		return fail(image, err);
	sync_directory(image->path);
	return 0;
}

void image_close(struct image_file *image)
{
	if (image->temporary)
		unlink(image->temporary);
	if (image->fd >= 0)
		close(image->fd);
	free(image->temporary);
	*image = (struct image_file){.fd = -1};
}
