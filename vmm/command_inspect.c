/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `mote inspect`: what is in an application image, and whether it is as it was written. Snapshots
 * are inspect_snapshot.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guestkit/libc-shim/erofs.h"
#include "vmm/app_image.h"
#include "vmm/command.h"
#include "vmm/elf_image.h"
#include "vmm/inspect_snapshot.h"
#include "vmm/json.h"
#include "vmm/lost_page.h"
#include "vmm/page_view.h"

static const enum app_section_kind kinds[] = {APP_SECTION_MANIFEST, APP_SECTION_PROGRAM,
                                              APP_SECTION_ROOT};
#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

/* What inspecting finds out. */
struct inspection {
	const char *path;
	const void *bytes;
	uint64_t size;
	struct app_image image;
	bool is_sound[APP_IMAGE_SECTIONS + 1]; /* by kind */
	const char *wrong;                     /* the first thing wrong with contents; or NULL */
	int status;
	struct mote_error *err;
};

/* ---- looking ---- */

static void check_contents(struct inspection *inspection)
{
	const struct app_image *image = &inspection->image;
	const struct app_section *program = &image->sections[APP_SECTION_PROGRAM];
	const struct app_section *root = &image->sections[APP_SECTION_ROOT];
	struct elf_source source = {.name = image->manifest.program,
	                            .size = program->size,
	                            .read = elf_read_bytes,
	                            .fd = -1,
	                            .bytes = image->bytes + program->offset};
	struct mote_error unused;
	struct elf_image elf;
	struct erofs fs;

	if (program->size && elf_image_read(&elf, &source, true, &unused))
		inspection->wrong = "its program is none that mote can run";
	if (root->size &&
	    erofs_open(&fs, image->bytes + root->offset, root->size, &inspection->wrong) == 0)
		return;
}

/* Runs under lost_page_guard(). */
static void look(void *ctx)
{
	struct inspection *inspection = ctx;

	inspection->status = app_image_read(&inspection->image, inspection->path, inspection->bytes,
	                                    inspection->size, inspection->err);
	if (inspection->status)
		return;
	for (size_t i = 0; i < KIND_COUNT; i++)
		inspection->is_sound[kinds[i]] = app_image_verify(&inspection->image, kinds[i]);
	check_contents(inspection);
}

static int map_image(struct inspection *inspection)
{
	struct stat status;
	int fd = open(inspection->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return mote_error_errno(inspection->err,
		                        errno == ENOENT ? MOTE_STATUS_NOT_FOUND
		                                        : MOTE_STATUS_CANNOT_RUN,
		                        "cannot open %s", inspection->path);
	inspection->bytes = "";
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		inspection->size = (uint64_t)status.st_size;
	if (inspection->size)
		inspection->bytes = mmap(NULL, inspection->size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (inspection->bytes == MAP_FAILED)
		return mote_error_errno(inspection->err, MOTE_STATUS_CANNOT_RUN, "cannot read %s",
		                        inspection->path);
	return 0;
}

/* ---- telling ---- */

/* A string of a file, on one line and without anything that a terminal obeys. */
static void print_text(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			printf("\\x%02x", (unsigned char)*text);
		else
			putchar(*text);
	}
}

static void print_line(const char *what, const char *text)
{
	printf("%-10s ", what);
	print_text(text);
	putchar('\n');
}

static void print_checksum(const uint64_t checksum[2])
{
	const unsigned char *bytes = (const unsigned char *)checksum;

	for (size_t i = 0; i < 2 * sizeof *checksum; i++)
		printf("%02x", bytes[i]);
}

static void print_readable(const struct inspection *inspection)
{
	const struct app_image *image = &inspection->image;
	const struct app_manifest *manifest = &image->manifest;

	printf("%-10s version %u, %" PRIu64 " bytes\n", "image", APP_IMAGE_VERSION, image->size);
	print_line(manifest->is_in_root ? "entry" : "app", manifest->program);
	for (int i = 0; i < manifest->argument_count; i++)
		print_line("arg", manifest->arguments[i]);
	for (int i = 0; i < manifest->env_count; i++)
		print_line("env", manifest->env[i]);
	if (manifest->cwd)
		print_line("cwd", manifest->cwd);
	if (manifest->memory_bytes)
		printf("%-10s %" PRIu64 " KiB\n", "mem", manifest->memory_bytes >> 10);
	for (unsigned int i = 0; i < manifest->share_count; i++)
		print_line("share", manifest->shares[i]);
	for (unsigned int i = 0; i < manifest->disk_count; i++)
		print_line("disk", manifest->disks[i]);
	if (manifest->wants_network)
		print_line("net", "wanted");
	if (manifest->wants_vsock)
		print_line("vsock", "wanted");
	printf("\n%-10s %12s %12s  %-32s\n", "section", "offset", "bytes", "checksum");
	for (size_t i = 0; i < KIND_COUNT; i++) {
		const struct app_section *section = &image->sections[kinds[i]];

		if (!section->size)
			continue;
		printf("%-10s %12" PRIu64 " %12" PRIu64 "  ", app_section_name(kinds[i]),
		       section->offset, section->size);
		print_checksum(section->checksum);
		printf("  %s\n", inspection->is_sound[kinds[i]] ? "ok" : "DAMAGED");
	}
}

/* A JSON string. */
static void print_string(const char *text)
{
	char piece[8];

	putchar('"');
	while (*text) {
		json_escape(&text, piece);
		fputs(piece, stdout);
	}
	putchar('"');
}

static void print_list(const char *key, const char *const *strings, int count)
{
	printf("\"%s\": [", key);
	for (int i = 0; i < count; i++) {
		fputs(i ? ", " : "", stdout);
		print_string(strings[i]);
	}
	printf("], ");
}

static void print_json(const struct inspection *inspection)
{
	const struct app_image *image = &inspection->image;
	const struct app_manifest *manifest = &image->manifest;
	const char *comma = "";

	printf("{\"version\": %u, \"bytes\": %" PRIu64 ", \"manifest\": {\"%s\": ",
	       APP_IMAGE_VERSION, image->size, manifest->is_in_root ? "entry" : "app");
	print_string(manifest->program);
	printf(", ");
	print_list("args", (const char *const *)manifest->arguments, manifest->argument_count);
	print_list("env", (const char *const *)manifest->env, manifest->env_count);
	print_list("shares", manifest->shares, (int)manifest->share_count);
	print_list("disks", manifest->disks, (int)manifest->disk_count);
	printf("\"net\": %s, \"vsock\": %s, ", manifest->wants_network ? "true" : "false",
	       manifest->wants_vsock ? "true" : "false");
	printf("\"cwd\": ");
	if (manifest->cwd)
		print_string(manifest->cwd);
	else
		printf("null");
	printf(", \"memory_bytes\": ");
	if (manifest->memory_bytes)
		printf("%" PRIu64, manifest->memory_bytes);
	else
		printf("null");
	printf("}, \"sections\": [");
	for (size_t i = 0; i < KIND_COUNT; i++) {
		const struct app_section *section = &image->sections[kinds[i]];

		if (!section->size)
			continue;
		printf("%s{\"name\": \"%s\", \"offset\": %" PRIu64 ", \"bytes\": %" PRIu64
		       ", \"checksum\": \"",
		       comma, app_section_name(kinds[i]), section->offset, section->size);
		print_checksum(section->checksum);
		printf("\", \"ok\": %s}", inspection->is_sound[kinds[i]] ? "true" : "false");
		comma = ", ";
	}
	printf("]}\n");
}

/* ---- the command ---- */

/* A damaged image is described, and then is an error. */
static int judge(const struct inspection *inspection)
{
	for (size_t i = 0; i < KIND_COUNT; i++) {
		if (!inspection->is_sound[kinds[i]])
			return app_image_damaged(inspection->path, kinds[i], inspection->err);
	}
	if (inspection->wrong)
		return mote_error_set(inspection->err, MOTE_STATUS_CANNOT_RUN, "cannot use %s: %s",
		                      inspection->path, inspection->wrong);
	return 0;
}

int command_inspect(int argc, char **argv, struct mote_error *err)
{
	struct inspection inspection = {.err = err};
	bool is_json = false, lists_pages = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			is_json = true;
		else if (strcmp(argv[i], "--pages") == 0)
			lists_pages = true;
		else if (argv[i][0] == '-' && argv[i][1] != '\0')
			return mote_error_set(err, MOTE_STATUS_FAILED,
			                      "unknown option '%.64s' (see mote help inspect)",
			                      argv[i]);
		else if (inspection.path == NULL)
			inspection.path = argv[i];
		else
			return mote_error_set(
			        err, MOTE_STATUS_FAILED,
			        "inspect looks at one file at a time (see mote help inspect)");
	}
	if (inspection.path == NULL)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "no file given: mote inspect [--json] FILE");
	if (page_view_is_snapshot(inspection.path))
		return inspect_snapshot(inspection.path, is_json, lists_pages, err);
	if (lost_page_init(err) || map_image(&inspection))
		return -1;
	if (lost_page_guard(look, &inspection))
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "cannot read %s: it was cut meanwhile", inspection.path);
	if (inspection.status)
		return -1;
	if (is_json)
		print_json(&inspection);
	else
		print_readable(&inspection);
	return judge(&inspection);
}

void command_inspect_help(void)
{
	printf("Usage: mote inspect [--json] [--pages] FILE\n\n"
	       "Prints what is in an application image, the file that mote build writes, or in a\n"
	       "snapshot. All checksums are verified, those of the snapshots that it builds on "
	       "too.\n\n"
	       "Options:\n"
	       "  --json                one JSON object\n"
	       "  --pages               of a snapshot: list its pages, with the functions and\n"
	       "                        objects that they begin in\n\n"
	       "Exit status: 0; 126 if FILE is neither, or damaged; 127 if it is not there.\n");
}
