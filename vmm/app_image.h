/* SPDX-License-Identifier: Apache-2.0 */
/* Application images, the files that `mote build` writes: docs/image-format.md. */
#ifndef MOTE_VMM_APP_IMAGE_H
#define MOTE_VMM_APP_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/app_manifest.h"
#include "vmm/error.h"

/* Line ends and the control character show a transfer that took the file for text. */
#define APP_IMAGE_MAGIC "MOTE\r\n\x1a\n"

#define APP_IMAGE_VERSION  1u
#define APP_IMAGE_PAGE     4096u
#define APP_IMAGE_SECTIONS 3u

enum app_section_kind {
	APP_SECTION_MANIFEST = 1,
	APP_SECTION_PROGRAM = 2, /* an ELF file */
	APP_SECTION_ROOT = 3,    /* an EROFS image */
};

/* On disk, little-endian. */
struct app_section_record {
	uint32_t kind;
	uint32_t reserved;    /* 0 */
	uint64_t offset;      /* whole pages */
	uint64_t size;        /* bytes, above 0; zeros follow up to a whole page */
	uint64_t checksum[2]; /* of the section's pages */
};

/* On disk: the first page. */
struct app_image_header {
	unsigned char magic[8];
	uint32_t version;
	uint32_t section_count;
	uint64_t file_size;
	uint64_t reserved;                                      /* 0 */
	struct app_section_record sections[APP_IMAGE_SECTIONS]; /* unused ones are 0 */
	unsigned char zeros[APP_IMAGE_PAGE - 48 - APP_IMAGE_SECTIONS * 40];
	uint64_t checksum[2]; /* of all before it */
};
_Static_assert(sizeof(struct app_image_header) == APP_IMAGE_PAGE, "the header is one page");

struct app_section {
	uint64_t offset, size; /* in bytes; size 0: the image has no such section */
	uint64_t checksum[2];
};

struct app_image {
	const char *name;           /* for messages; kept */
	const unsigned char *bytes; /* of the whole file; kept */
	uint64_t size;
	struct app_section sections[APP_IMAGE_SECTIONS + 1]; /* by kind; [0] is unused */
	struct app_manifest manifest;
};

/* Bytes rounded up to whole pages. */
static inline uint64_t app_image_pages(uint64_t size)
{
	return (size + APP_IMAGE_PAGE - 1) & ~(uint64_t)(APP_IMAGE_PAGE - 1);
}

/* The checksum of a section's pages, or of the header up to its checksum. */
void app_image_checksum(const void *bytes, uint64_t length, uint64_t checksum[2]);

/* Whether a file that begins with these bytes is meant to be an application image. */
bool app_image_has_magic(const void *head, size_t length);

/**
 * app_image_read() - Check the header and the manifest of an image, and read them.
 * @image: filled; on success given back by app_image_free()
 * @name:  of the file, for messages
 * @bytes: the whole file, page-aligned; hostile, and @size bytes
 *
 * The header and the manifest are verified by their checksums. Program and root are not read, but
 * for their places: app_image_verify() reads them. Errors have the code MOTE_STATUS_CANNOT_RUN.
 */
int app_image_read(struct app_image *image, const char *name, const void *bytes, uint64_t size,
                   struct mote_error *err);

/**
 * app_image_verify() - Compare a section with its checksum.
 *
 * Return: whether it is as it was written; true where there is no such section.
 */
bool app_image_verify(const struct app_image *image, enum app_section_kind kind);

/* What a section is called in messages and by `mote inspect`. */
const char *app_section_name(enum app_section_kind kind);

/* The error to end with when a section is not as it was written. */
int app_image_damaged(const char *name, enum app_section_kind kind, struct mote_error *err);

/* Give back what app_image_read() took; the bytes are the caller's. */
void app_image_free(struct app_image *image);

#endif
