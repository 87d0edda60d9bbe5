/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict reader of application images.
 *
 * Images have one form: the sections follow one another in order of their kinds, each from the
 * next page on, and the file ends with the last one's last page. All that differs is refused, and
 * so every byte is covered by a checksum: the header's, or that of a section's pages.
 */
#include "vmm/app_image.h"

#include <string.h>

#include "vmm/siphash.h"

static const uint64_t checksum_key[2];

void app_image_checksum(const void *bytes, uint64_t length, uint64_t checksum[2])
{
	siphash_128(checksum_key, bytes, length, checksum);
}

bool app_image_has_magic(const void *head, size_t length)
{
	const size_t magic = sizeof APP_IMAGE_MAGIC - 1;

	return length >= magic && !memcmp(head, APP_IMAGE_MAGIC, magic);
}

const char *app_section_name(enum app_section_kind kind)
{
	switch (kind) {
	case APP_SECTION_MANIFEST: return "manifest";
	case APP_SECTION_PROGRAM: return "program";
	case APP_SECTION_ROOT: return "root";
	}
	return "unknown";
}

static int refuse(struct mote_error *err, const char *name, const char *why)
{
	return mote_error_set(err, MOTE_STATUS_CANNOT_RUN, "cannot use %s: %s", name, why);
}

int app_image_damaged(const char *name, enum app_section_kind kind, struct mote_error *err)
{
	return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
	                      "cannot use %s: its %s is damaged (the checksum differs). Build or "
	                      "copy the image again",
	                      name, app_section_name(kind));
}

static int check_identity(const struct app_image *image, const struct app_image_header *header,
                          struct mote_error *err)
{
	uint64_t checksum[2];

	if (!app_image_has_magic(header->magic, image->size))
		return refuse(err, image->name,
		              "it is not an application image. mote build makes one");
	if (image->size < sizeof *header)
		return refuse(err, image->name, "it is cut. Build or copy the image again");
	if (header->version > APP_IMAGE_VERSION)
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
		                      "cannot use %s: it has version %u of the image format, and "
		                      "this mote knows version %u. Use a newer mote, or build the "
		                      "image with this one",
		                      image->name, header->version, APP_IMAGE_VERSION);
	app_image_checksum(header, offsetof(struct app_image_header, checksum), checksum);
	if (memcmp(checksum, header->checksum, sizeof checksum) != 0 || header->version == 0)
		return refuse(err, image->name,
		              "its header is damaged. Build or copy the image again");
	if (header->file_size > image->size)
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
		                      "cannot use %s: it is cut: %llu bytes are there of %llu. "
		                      "Build or copy the image again",
		                      image->name, (unsigned long long)image->size,
		                      (unsigned long long)header->file_size);
	if (header->file_size < image->size)
		return refuse(err, image->name, "something follows its last section");
	return 0;
}

static bool is_zero(const void *from, const unsigned char *end)
{
	for (const unsigned char *byte = from; byte < end; byte++) {
		if (*byte)
			return false;
	}
	return true;
}

/* Take the records over. @at: set to where the last section ends */
static int read_sections(struct app_image *image, const struct app_image_header *header,
                         uint64_t *at)
{
	uint32_t last_kind = 0;

	*at = sizeof *header;
	if (header->section_count > APP_IMAGE_SECTIONS || header->reserved ||
	    image->size % APP_IMAGE_PAGE ||
	    !is_zero(&header->sections[header->section_count],
	             (const unsigned char *)header->checksum))
		return -1;
	for (size_t i = 0; i < header->section_count; i++) {
		const struct app_section_record *record = &header->sections[i];

		if (record->kind <= last_kind || record->kind > APP_IMAGE_SECTIONS ||
		    record->reserved || record->offset != *at || record->size == 0 ||
		    record->size > image->size - *at)
			return -1;
		image->sections[record->kind] = (struct app_section){
		        .offset = record->offset,
		        .size = record->size,
		        .checksum = {record->checksum[0], record->checksum[1]}};
		/* Not beyond the end of the file, which is whole pages. */
		*at += app_image_pages(record->size);
		last_kind = record->kind;
	}
	return *at == image->size ? 0 : -1;
}

bool app_image_verify(const struct app_image *image, enum app_section_kind kind)
{
	const struct app_section *section = &image->sections[kind];
	uint64_t checksum[2];

	if (section->size == 0)
		return true;
	app_image_checksum(image->bytes + section->offset, app_image_pages(section->size),
	                   checksum);
	return !memcmp(checksum, section->checksum, sizeof checksum);
}

/* The manifest and the sections have to agree. */
static bool is_complete(const struct app_image *image)
{
	bool has_program = image->sections[APP_SECTION_PROGRAM].size != 0;
	bool has_root = image->sections[APP_SECTION_ROOT].size != 0;

	return image->manifest.is_in_root ? has_root && !has_program : has_program;
}

int app_image_read(struct app_image *image, const char *name, const void *bytes, uint64_t size,
                   struct mote_error *err)
{
	struct app_image_header header;
	const struct app_section *manifest = &image->sections[APP_SECTION_MANIFEST];
	const char *reason = NULL;
	uint64_t end;

	*image = (struct app_image){.name = name, .bytes = bytes, .size = size};
	memset(&header, 0, sizeof header);
	memcpy(&header, bytes, size < sizeof header ? size : sizeof header);
	if (check_identity(image, &header, err))
		return -1;
	if (read_sections(image, &header, &end))
		return refuse(err, name, "its table of sections is wrong. Build the image again");
	if (manifest->size == 0)
		return refuse(err, name, "it has no manifest. Build the image again");
	if (!app_image_verify(image, APP_SECTION_MANIFEST))
		return app_image_damaged(name, APP_SECTION_MANIFEST, err);
	if (app_manifest_read(&image->manifest, image->bytes + manifest->offset, manifest->size,
	                      &reason))
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
		                      "cannot use %s: its manifest is wrong: %s. Build the image "
		                      "again",
		                      name, reason);
	if (is_complete(image))
		return 0;
	app_image_free(image);
	return refuse(err, name,
	              "its manifest names a program that is not in it. Build the image again");
}

void app_image_free(struct app_image *image)
{
	app_manifest_free(&image->manifest);
}
