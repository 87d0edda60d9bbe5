/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target of application images: the input is a manifest, an image, and an image whose
 * checksums are put right, since nobody guesses those. */
#include <stdlib.h>

#include "../../vmm/app_image.c"
#include "../../vmm/app_manifest.c"
#include "../../vmm/error.c"
#define cut        cut_disk
#define read_words read_words_of_disk
#include "../../vmm/options_disk.c"
#undef cut
#undef read_words
#include "../../vmm/options_share.c"
#include "../../vmm/siphash.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* A manifest that is accepted has one text, and its values are in the limits of mote run. */
static void check_manifest(const struct app_manifest *manifest, const uint8_t *text, size_t size)
{
	char *written = malloc(APP_MANIFEST_MAX);

	require(written && app_manifest_write(manifest, written) == size);
	require(!memcmp(written, text, size));
	free(written);
	require(manifest->program && *manifest->program);
	require(!strchr(manifest->program, '/') == !manifest->is_in_root);
	require(!manifest->arguments[manifest->argument_count]);
	require(!manifest->env[manifest->env_count]);
	for (int i = 0; i < manifest->argument_count; i++)
		require(manifest->arguments[i] != NULL);
	for (int i = 0; i < manifest->env_count; i++)
		require(strchr(manifest->env[i], '=') > manifest->env[i]);
	require(!manifest->cwd || *manifest->cwd == '/');
	require(manifest->share_count <= SHARES_MAX);
	require(manifest->disk_count <= DISKS_MAX);
	require(manifest->memory_bytes % 4096 == 0 && manifest->memory_bytes <= RUN_MEMORY_MAX);
}

static void read_manifest(const uint8_t *data, size_t size)
{
	struct app_manifest manifest;
	const char *reason = NULL;

	if (app_manifest_read(&manifest, data, size, &reason)) {
		require(reason && !manifest.storage);
		return;
	}
	check_manifest(&manifest, data, size);
	app_manifest_free(&manifest);
}

static void read_image(const uint8_t *bytes, size_t size)
{
	struct app_image image;
	struct mote_error err = {0};
	uint64_t end = APP_IMAGE_PAGE;

	if (app_image_read(&image, "fuzz", bytes, size, &err)) {
		require(err.code == MOTE_STATUS_CANNOT_RUN && err.text[0]);
		return;
	}
	for (int kind = APP_SECTION_MANIFEST; kind <= APP_SECTION_ROOT; kind++) {
		const struct app_section *section = &image.sections[kind];

		app_image_verify(&image, (enum app_section_kind)kind);
		if (!section->size)
			continue;
		require(section->offset == end);
		end += app_image_pages(section->size);
	}
	require(end == size);
	check_manifest(&image.manifest, bytes + image.sections[APP_SECTION_MANIFEST].offset,
	               image.sections[APP_SECTION_MANIFEST].size);
	app_image_free(&image);
}

/* Makes the checksums of the header and of a manifest that is where it should be right. */
static void repair(uint8_t *bytes, size_t size)
{
	struct app_image_header header;
	struct app_section_record *manifest = &header.sections[0];

	if (size < sizeof header)
		return;
	memcpy(&header, bytes, sizeof header);
	memcpy(header.magic, APP_IMAGE_MAGIC, sizeof header.magic);
	header.version = APP_IMAGE_VERSION;
	memset(header.zeros, 0, sizeof header.zeros);
	if (manifest->offset == sizeof header && manifest->size <= size - sizeof header &&
	    app_image_pages(manifest->size) <= size - sizeof header)
		app_image_checksum(bytes + sizeof header, app_image_pages(manifest->size),
		                   manifest->checksum);
	app_image_checksum(&header, offsetof(struct app_image_header, checksum), header.checksum);
	memcpy(bytes, &header, sizeof header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of the exact size: a read behind it is seen. */
	uint8_t *copy = malloc(size + !size);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	read_manifest(copy, size);
	read_image(copy, size);
	repair(copy, size);
	read_image(copy, size);
	free(copy);
	return 0;
}
