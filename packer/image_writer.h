/* SPDX-License-Identifier: Apache-2.0 */
/* Writes application images. */
#ifndef MOTE_PACKER_IMAGE_WRITER_H
#define MOTE_PACKER_IMAGE_WRITER_H

#include "vmm/app_manifest.h"
#include "vmm/error.h"

/* Bytes that become a section. */
struct section_bytes {
	const void *bytes;
	size_t size; /* 0: no such section */
};

/* An image that is being written. */
struct image_file {
	const char *path; /* as asked for; kept */
	char *temporary;  /* path of the file that it is until it is complete; NULL: none */
	int fd;
};

/**
 * image_create() - Create the temporary file of an image, beside the image.
 * @path: of the image. What is there and is no regular file is refused
 *
 * image_close() comes after it, also when it has failed.
 */
int image_create(struct image_file *image, const char *path, struct mote_error *err);

/**
 * image_write() - Write an image, and replace what is there of its name.
 * @program, @root: an ELF file and an EROFS image
 *
 * The bytes depend on nothing but what is given. The name changes hands when all is on disk.
 */
int image_write(const struct image_file *image, const struct app_manifest *manifest,
                struct section_bytes program, struct section_bytes root, struct mote_error *err);

/* Remove the temporary file, if it is still there. */
void image_close(struct image_file *image);

#endif
