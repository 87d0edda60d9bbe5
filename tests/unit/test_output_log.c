/* SPDX-License-Identifier: Apache-2.0 */
/* The log of a named microVM: what is kept, and files that are none. */
#include "vmm/output_log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[] = "/tmp/mote-test-log-XXXXXX";
static struct control_directory directory;
static struct output_log_reader reader;
static struct output_log written_log;
static unsigned char buffer[OUTPUT_LOG_SIZE];
static struct mote_error err;

static void setup(void)
{
	cr_assert_not_null(mkdtemp(base));
	snprintf(directory.path, sizeof directory.path, "%s", base);
	directory.fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void teardown(void)
{
	char command[64];

	snprintf(command, sizeof command, "rm -rf %s", base);
	cr_assert_eq(system(command), 0);
}

TestSuite(output_log, .init = setup, .fini = teardown, .timeout = 60);

static void begin(void)
{
	cr_assert_eq(output_log_create(&written_log, &directory, "web", &err), 0, "%s", err.text);
	cr_assert_eq(output_log_open(&reader, &directory, "web", &err), 0, "%s", err.text);
}

/* Each byte says where in the output it is. */
static unsigned char byte_at(uint64_t at)
{
	return (unsigned char)(at * 31 + at / 251);
}

static void add(uint64_t from, size_t size)
{
	unsigned char *bytes = malloc(size);

	for (size_t i = 0; i < size; i++)
		bytes[i] = byte_at(from + i);
	output_log_add(&written_log, bytes, size);
	free(bytes);
}

static void expect_bytes(uint64_t from, int64_t size)
{
	cr_assert_eq(output_log_read(&reader, buffer, &err), size);
	for (int64_t i = 0; i < size; i++)
		cr_assert_eq(buffer[i], byte_at(from + (uint64_t)i), "byte %ld", (long)i);
}

Test(output_log, gives_what_was_written)
{
	begin();
	expect_bytes(0, 0);
	add(0, 10);
	expect_bytes(0, 10);
	expect_bytes(10, 0);
	add(10, 100000);
	expect_bytes(10, 100000);
}

Test(output_log, keeps_the_end)
{
	uint64_t written = 0;

	begin();
	for (unsigned i = 0; i < 50; i++) {
		add(written, 12345 + i);
		written += 12345 + i;
	}
	expect_bytes(written - OUTPUT_LOG_KEPT, OUTPUT_LOG_KEPT);
	/* A single write that is longer than the ring. */
	add(written, 3 * OUTPUT_LOG_SIZE + 5);
	written += 3 * OUTPUT_LOG_SIZE + 5;
	expect_bytes(written - OUTPUT_LOG_KEPT, OUTPUT_LOG_KEPT);
	add(written, 1);
	expect_bytes(written, 1);
}

Test(output_log, a_second_one_takes_the_name)
{
	struct stat status;
	char path[128];

	/* Whatever has it: what the link leads to is left alone. */
	snprintf(path, sizeof path, "%s/web.log", base);
	cr_assert_eq(symlink("/nonexistent/somewhere", path), 0);
	begin();
	cr_assert_eq(lstat(path, &status), 0);
	cr_assert(S_ISREG(status.st_mode));
	cr_assert_eq(status.st_mode & 0777, 0600);
	cr_assert_not(output_log_has_ended(&reader));
}

Test(output_log, no_log)
{
	char path[128];

	cr_assert_lt(output_log_open(&reader, &directory, "web", &err), 0);
	cr_assert_not_null(strstr(err.text, "there is no output of a microVM"));
	snprintf(path, sizeof path, "%s/web.log", base);
	cr_assert_eq(symlink("/etc/passwd", path), 0);
	cr_assert_lt(output_log_open(&reader, &directory, "web", &err), 0);
	unlink(path);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_lt(output_log_open(&reader, &directory, "web", &err), 0);
	cr_assert_not_null(strstr(err.text, "no regular file"));
}

/* Cut at every length of its head, and some more; and with a count that cannot be. */
Test(output_log, damaged_files)
{
	const uint64_t counts[] = {1, OUTPUT_LOG_SIZE, UINT64_MAX, UINT64_MAX - 5, 1ull << 63};
	char path[128];
	int fd;

	begin();
	add(0, 5000);
	snprintf(path, sizeof path, "%s/web.log", base);
	fd = open(path, O_RDWR | O_CLOEXEC);
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		reader.next = 0;
		cr_assert_eq(pwrite(fd, &counts[i], 8, 16), 8);
		cr_assert_leq(output_log_read(&reader, buffer, &err), OUTPUT_LOG_KEPT);
		cr_assert_leq(output_log_read(&reader, buffer, &err), OUTPUT_LOG_KEPT);
	}
	reader.next = 0;
	cr_assert_eq(pwrite(fd, &counts[1], 8, 16), 8);
	cr_assert_eq(ftruncate(fd, OUTPUT_LOG_START + 100), 0);
	cr_assert_eq(output_log_read(&reader, buffer, &err), OUTPUT_LOG_KEPT);
	for (off_t size = sizeof(struct output_log_head); size-- > 0;) {
		cr_assert_eq(ftruncate(fd, size), 0);
		cr_assert_lt(output_log_read(&reader, buffer, &err), 0);
	}
	/* The microVM does not mind. */
	add(5000, 100);
	cr_assert_lt(output_log_read(&reader, buffer, &err), 0);
	close(fd);
}
