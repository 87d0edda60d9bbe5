/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the values of --disk, and of opening what they name. */
#define _GNU_SOURCE 1
#include "vmm/disk.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct disk_options disks;
static struct mote_error err;
static char values[DISKS_MAX + 1][128];

static int parse(const char *value)
{
	char *copy = values[disks.count];

	snprintf(copy, sizeof values[0], "%s", value);
	return disk_options_parse(&disks, copy, &err);
}

static void assert_refused(const char *value, const char *why)
{
	unsigned count = disks.count;

	cr_assert_eq(parse(value), -1, "%s was taken", value);
	cr_assert_not_null(strstr(err.text, why), "%s: %s", value, err.text);
	cr_assert_eq(disks.count, count);
}

Test(options_disk, values)
{
	cr_assert_eq(parse("image"), 0);
	cr_assert_eq(parse("a,,b,,,ro,direct,id=x_1.2-3"), 0);
	cr_assert_eq(parse("/dev/sda,ro"), 0);
	cr_assert_eq(disks.count, 3);
	cr_assert_str_eq(disks.list[0].path, "image");
	cr_assert(!disks.list[0].is_read_only && !disks.list[0].is_direct && !disks.list[0].id);
	cr_assert_str_eq(disks.list[1].path, "a,b,");
	cr_assert(disks.list[1].is_read_only && disks.list[1].is_direct);
	cr_assert_str_eq(disks.list[1].id, "x_1.2-3");
	cr_assert(disks.list[2].is_read_only);
}

Test(options_disk, refused)
{
	assert_refused("", "name of the file is empty");
	assert_refused(",ro", "name of the file is empty");
	assert_refused("image,", "is not ro, direct or id=NAME");
	assert_refused("image,RO", "is not ro, direct or id=NAME");
	assert_refused("image,ro,,direct", "is not ro, direct or id=NAME");
	assert_refused("image,id=", "an id has 1 to 20");
	assert_refused("image,id=.x", "an id has 1 to 20");
	assert_refused("image,id=a/b", "an id has 1 to 20");
	assert_refused("image,id=123456789012345678901", "an id has 1 to 20");
	cr_assert_eq(parse("one,id=x"), 0);
	assert_refused("two,id=x", "two disks have the id x");
	while (disks.count < DISKS_MAX)
		cr_assert_eq(parse("image"), 0);
	assert_refused("image", "at most 8 disks");
}

static struct block_backing backing;

static int open_path(const char *path, bool is_read_only)
{
	struct disk_option disk = {.path = path, .is_read_only = is_read_only};

	return disk_open(&disk, &backing, &err);
}

Test(disk, is_measured_and_locked)
{
	char path[] = "/tmp/mote-test-disk-XXXXXX";
	int file = mkstemp(path), first;

	cr_assert(file >= 0);
	cr_assert_eq(open_path(path, false), -1);
	cr_assert_not_null(strstr(err.text, "is empty"));
	cr_assert_eq(ftruncate(file, 1025), 0);
	cr_assert_eq(open_path(path, false), -1);
	cr_assert_not_null(strstr(err.text, "ends 1 bytes into a sector"));
	cr_assert_eq(ftruncate(file, 1024), 0);
	cr_assert_eq(open_path(path, false), 0);
	cr_assert_eq(backing.sectors, 2);
	cr_assert_eq(backing.logical_size, 512);
	cr_assert_geq(backing.physical_size, 512);
	first = backing.file;
	cr_assert_eq(open_path(path, true), -1);
	cr_assert_not_null(strstr(err.text, "in use"));
	close(first);
	cr_assert_eq(open_path(path, true), 0);
	cr_assert_eq(open_path(path, true), 0);
	cr_assert_eq(open_path(path, false), -1);
	unlink(path);
	cr_assert_eq(open_path(path, false), -1);
	cr_assert_not_null(strstr(err.text, "No such file"));
	cr_assert_eq(open_path("/dev/zero", false), -1);
	cr_assert_not_null(strstr(err.text, "neither a regular file nor a block device"));
}
