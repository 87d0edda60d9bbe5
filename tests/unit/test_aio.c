/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of reads that are waited for awake: what they give is what preadv() gives. */
#define _GNU_SOURCE 1
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define AWAKE_NS 0u /* every read that is not over at once is slept for */
#include "../../virtio/aio.c"

#define PAGE  4096u
#define PAGES 16u

static struct aio aio;
static int file, direct;
static unsigned char *buffer;

static void start(void)
{
	char name[] = "test-aio.XXXXXX";

	file = mkstemp(name);
	cr_assert(file >= 0);
	direct = open(name, O_RDONLY | O_DIRECT);
	unlink(name);
	if (direct < 0)
		cr_skip_test("no O_DIRECT in this folder");
	buffer = aligned_alloc(PAGE, PAGES * PAGE);
	for (unsigned i = 0; i < PAGES; i++)
		memset(buffer + i * PAGE, (int)i + 1, PAGE);
	cr_assert_eq(pwrite(file, buffer, PAGES * PAGE, 0), PAGES * PAGE);
	cr_assert_eq(fsync(file), 0);
	memset(buffer, 0, PAGES * PAGE);
}

TestSuite(aio, .init = start, .timeout = 20);

static bool is_page(const unsigned char *at, unsigned number)
{
	return at[0] == number + 1 && !memcmp(at, at + 1, PAGE - 1);
}

static ssize_t read_pages(unsigned first, unsigned count, off_t offset)
{
	struct iovec parts[PAGES];

	for (unsigned i = 0; i < count; i++)
		parts[i] = (struct iovec){buffer + (first + i) * PAGE, PAGE};
	return aio_read(&aio, direct, parts, (int)count, offset);
}

Test(aio, every_page)
{
	for (unsigned i = 0; i < 10 * PAGES; i++) {
		unsigned page = i * 7 % PAGES;

		cr_assert_eq(read_pages(0, 1, page * PAGE), PAGE);
		cr_assert(is_page(buffer, page));
	}
	cr_assert(aio.ring);
	cr_assert_gt(aio.patience, 0, "some were slept for");
}

Test(aio, several_parts)
{
	cr_assert_eq(read_pages(5, 4, 3 * PAGE), 4 * PAGE);
	for (unsigned i = 0; i < 4; i++)
		cr_assert(is_page(buffer + (5 + i) * PAGE, 3 + i));
	cr_assert_eq(buffer[4 * PAGE], 0);
	cr_assert_eq(buffer[9 * PAGE], 0);
}

Test(aio, end_of_the_file)
{
	cr_assert_eq(read_pages(0, 4, (PAGES - 1) * PAGE), PAGE);
	cr_assert_eq(read_pages(0, 1, PAGES * PAGE), 0);
}

/* Each fails as preadv() does, awake and asleep. */
static void expect_error(struct iovec part, off_t offset, int error)
{
	for (unsigned asleep = 0; asleep < 2; asleep++) {
		aio.reads_asleep = asleep;
		errno = 0;
		cr_assert_eq(aio_read(&aio, direct, &part, 1, offset), -1);
		cr_assert_eq(errno, error);
	}
}

Test(aio, errors)
{
	expect_error((struct iovec){buffer, PAGE}, 1, EINVAL);
	expect_error((struct iovec){buffer + 1, PAGE}, 0, EINVAL);
	expect_error((struct iovec){(void *)PAGE, PAGE}, 0, EFAULT);
	cr_assert_eq(read_pages(0, 1, 0), PAGE);
	cr_assert(is_page(buffer, 0));
}

Test(aio, without_a_context)
{
	aio.is_refused = true;
	cr_assert_eq(read_pages(0, 1, 2 * PAGE), PAGE);
	cr_assert(is_page(buffer, 2));
	cr_assert_null(aio.ring);
}

Test(aio, context_that_is_gone)
{
	cr_assert_eq(read_pages(0, 1, 0), PAGE);
	cr_assert_eq(syscall(SYS_io_destroy, context_of(&aio)), 0);
	aio.reads_asleep = 0;
	cr_assert_eq(read_pages(0, 1, 2 * PAGE), PAGE);
	cr_assert(is_page(buffer, 2));
	cr_assert(aio.is_refused);
}

Test(aio, patience_grows_and_shrinks)
{
	struct {
		struct aio_ring ring;
		struct io_event events[2];
	} fake = {.ring = {.count = 2}};
	struct aio quick = {.ring = &fake.ring, .patience = 200};

	fake.ring.tail = 1;
	fake.ring.events[0].res = 17;
	cr_assert_eq(end_read(&quick), 17);
	cr_assert_eq(quick.patience, 100);
	cr_assert_eq(fake.ring.head, 1);
	fake.ring.tail = 0;
	fake.ring.events[1].res = -EIO;
	errno = 0;
	cr_assert_eq(end_read(&quick), -1);
	cr_assert_eq(errno, EIO);
	cr_assert_eq(fake.ring.head, 0);
	cr_assert_eq(quick.reads_asleep, 0);
}
