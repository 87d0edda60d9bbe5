/* SPDX-License-Identifier: Apache-2.0 */
/* Application images: written, read back, and refused when a byte of them is another. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packer/image_writer.h"
#include "vmm/app_image.h"

static char *arguments[] = {"-v", NULL};
static char *env[] = {"A=1", NULL};
static const struct app_manifest manifest = {.program = "prog",
                                             .arguments = arguments,
                                             .argument_count = 1,
                                             .env = env,
                                             .env_count = 1,
                                             .cwd = "/tmp",
                                             .memory_bytes = 8u << 20};

static char folder[] = "/tmp/mote-test-XXXXXX";
static char path[64];
static struct mote_error err;
static struct app_image image;
static unsigned char *bytes;
static size_t size;

static void setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/a.mote", folder);
}

static void teardown(void)
{
	free(bytes);
	unlink(path);
	cr_assert_eq(rmdir(folder), 0, "something was left in %s", folder);
}

TestSuite(app_image, .init = setup, .fini = teardown);

static int write_image(const struct app_manifest *what, size_t program, size_t root)
{
	unsigned char *content = malloc(program + root + 1);
	struct image_file file;
	int status;

	memset(content, 0x5a, program + root);
	status = image_create(&file, path, &err);
	if (status == 0)
		status = image_write(&file, what, (struct section_bytes){content, program},
		                     (struct section_bytes){content + program, root}, &err);
	image_close(&file);
	free(content);
	return status;
}

/* The image as a block of exactly its size. */
static void load(void)
{
	struct stat status;
	int fd = open(path, O_RDONLY);

	cr_assert_geq(fd, 0);
	cr_assert_eq(fstat(fd, &status), 0);
	free(bytes);
	size = (size_t)status.st_size;
	bytes = malloc(size);
	cr_assert_eq(read(fd, bytes, size), (ssize_t)size);
	close(fd);
}

static int read_image(void)
{
	return app_image_read(&image, "a.mote", bytes, size, &err);
}

static struct app_image_header *header(void)
{
	return (struct app_image_header *)(void *)bytes;
}

static void repair_header(void)
{
	app_image_checksum(bytes, offsetof(struct app_image_header, checksum), header()->checksum);
}

static void expect_refused(const char *why)
{
	cr_assert_lt(read_image(), 0);
	cr_assert_eq(err.code, MOTE_STATUS_CANNOT_RUN);
	cr_assert_not_null(strstr(err.text, why), "%s", err.text);
}

Test(app_image, reads_what_was_written)
{
	struct stat status;

	cr_assert_eq(write_image(&manifest, 5000, 8192), 0, "%s", err.text);
	cr_assert_eq(stat(path, &status), 0);
	cr_assert_eq(status.st_mode & 07777, 0644);
	load();
	cr_assert_eq(read_image(), 0, "%s", err.text);
	cr_assert_str_eq(image.manifest.program, "prog");
	cr_assert_str_eq(image.manifest.arguments[0], "-v");
	cr_assert_str_eq(image.manifest.cwd, "/tmp");
	cr_assert_eq(image.sections[APP_SECTION_MANIFEST].offset, 4096);
	cr_assert_eq(image.sections[APP_SECTION_PROGRAM].offset, 8192);
	cr_assert_eq(image.sections[APP_SECTION_PROGRAM].size, 5000);
	cr_assert_eq(image.sections[APP_SECTION_ROOT].offset, 16384);
	cr_assert_eq(image.sections[APP_SECTION_ROOT].size, 8192);
	cr_assert_eq(size, 24576);
	cr_assert_eq(bytes[8192], 0x5a);
	for (int kind = APP_SECTION_MANIFEST; kind <= APP_SECTION_ROOT; kind++)
		cr_assert(app_image_verify(&image, (enum app_section_kind)kind));
	app_image_free(&image);
}

Test(app_image, replaces_a_file_and_nothing_else)
{
	cr_assert_eq(write_image(&manifest, 100, 0), 0);
	cr_assert_eq(write_image(&manifest, 9000, 0), 0);
	load();
	cr_assert_eq(read_image(), 0);
	cr_assert_eq(image.sections[APP_SECTION_PROGRAM].size, 9000);
	app_image_free(&image);
	unlink(path);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_lt(write_image(&manifest, 100, 0), 0);
	cr_assert_not_null(strstr(err.text, "no regular file"));
	cr_assert_eq(rmdir(path), 0);
}

Test(app_image, leaves_the_old_file_where_writing_fails)
{
	struct app_manifest endless = manifest;
	char *text = malloc(APP_MANIFEST_MAX);
	char *argument[] = {text, NULL};

	cr_assert_eq(write_image(&manifest, 100, 0), 0);
	memset(text, 'a', APP_MANIFEST_MAX - 1);
	text[APP_MANIFEST_MAX - 1] = '\0';
	endless.arguments = argument;
	cr_assert_lt(write_image(&endless, 100, 0), 0);
	free(text);
	load();
	cr_assert_eq(read_image(), 0);
	app_image_free(&image);
}

/* Each byte of a file is under a checksum. */
Test(app_image, sees_every_changed_byte)
{
	cr_assert_eq(write_image(&manifest, 5000, 4096), 0);
	load();
	for (size_t i = 0; i < size; i++) {
		bool is_seen;

		bytes[i] ^= 0x10;
		is_seen = read_image() < 0;
		if (!is_seen) {
			is_seen = !app_image_verify(&image, APP_SECTION_PROGRAM) ||
			          !app_image_verify(&image, APP_SECTION_ROOT);
			app_image_free(&image);
		}
		cr_assert(is_seen, "byte %zu", i);
		bytes[i] ^= 0x10;
	}
}

Test(app_image, refuses_every_cut)
{
	size_t whole;

	cr_assert_eq(write_image(&manifest, 5000, 4096), 0);
	load();
	whole = size;
	for (size = 0; size < whole; size++) {
		unsigned char *all = bytes;

		/* A block of its own, so that a read behind it is seen by tools for that. */
		bytes = malloc(size + !size);
		memcpy(bytes, all, size);
		expect_refused(size < 8 ? "not an application image" : "cut");
		free(bytes);
		bytes = all;
	}
}

Test(app_image, refuses_what_follows)
{
	cr_assert_eq(write_image(&manifest, 5000, 0), 0);
	load();
	bytes = realloc(bytes, size + 4096);
	memset(bytes + size, 0, 4096);
	size += 4096;
	expect_refused("follows");
	header()->file_size = size;
	repair_header();
	expect_refused("table of sections");
}

Test(app_image, refuses_other_files_and_versions)
{
	cr_assert_eq(write_image(&manifest, 5000, 0), 0);
	load();
	header()->version = 2;
	expect_refused("newer mote");
	header()->version = 0;
	repair_header();
	expect_refused("damaged");
	header()->version = 1;
	header()->magic[4] = '\n'; /* the line end of another system */
	expect_refused("not an application image");
}

static void change_and_refuse(void *field, size_t length, uint64_t value, const char *why)
{
	uint64_t old = 0;

	memcpy(&old, field, length);
	memcpy(field, &value, length);
	repair_header();
	expect_refused(why);
	memcpy(field, &old, length);
}

/* With a header whose checksum is right: a file made by hand. */
Test(app_image, refuses_wrong_tables)
{
	struct app_section_record *program;
	static const char why[] = "table of sections";

	cr_assert_eq(write_image(&manifest, 5000, 4096), 0);
	load();
	program = &header()->sections[1];
	change_and_refuse(&header()->section_count, 4, 4, why);
	change_and_refuse(&header()->section_count, 4, 2, why);
	change_and_refuse(&header()->section_count, 4, 0, why);
	change_and_refuse(&header()->section_count, 4, UINT32_MAX, why);
	change_and_refuse(&header()->reserved, 8, 1, why);
	change_and_refuse(&header()->zeros[sizeof header()->zeros - 1], 1, 1, why);
	change_and_refuse(&program->kind, 4, 1, why);
	change_and_refuse(&program->kind, 4, 3, why);
	change_and_refuse(&program->kind, 4, 4, why);
	change_and_refuse(&program->kind, 4, 0, why);
	change_and_refuse(&program->reserved, 4, 1, why);
	change_and_refuse(&program->offset, 8, 4096, why);
	change_and_refuse(&program->offset, 8, 8193, why);
	change_and_refuse(&program->offset, 8, UINT64_MAX, why);
	change_and_refuse(&program->size, 8, 0, why);
	change_and_refuse(&program->size, 8, 4096, why);
	change_and_refuse(&program->size, 8, 9000, why);
	change_and_refuse(&program->size, 8, UINT64_MAX, why);
	change_and_refuse(&program->size, 8, UINT64_MAX - 4096, why);
	change_and_refuse(&header()->sections[2].size, 8, 4097, why);
	change_and_refuse(&header()->sections[0].checksum, 8, 1, "manifest is damaged");
	repair_header();
	cr_assert_eq(read_image(), 0, "%s", err.text);
	app_image_free(&image);
}

Test(app_image, refuses_manifests_that_do_not_fit)
{
	struct app_manifest inside = manifest;

	cr_assert_eq(write_image(&manifest, 0, 4096), 0);
	load();
	expect_refused("not in it");
	inside.program = "/bin/prog";
	inside.is_in_root = true;
	cr_assert_eq(write_image(&inside, 100, 0), 0);
	load();
	expect_refused("not in it");
	cr_assert_eq(write_image(&inside, 100, 4096), 0);
	load();
	expect_refused("not in it");
	cr_assert_eq(write_image(&inside, 0, 4096), 0);
	load();
	cr_assert_eq(read_image(), 0, "%s", err.text);
	app_image_free(&image);
	inside.program = "no/path";
	cr_assert_eq(write_image(&inside, 0, 4096), 0);
	load();
	expect_refused("manifest is wrong: the entry");
}
