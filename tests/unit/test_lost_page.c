/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of reading a mapping whose file has been cut. */
#define _GNU_SOURCE 1
#include "vmm/lost_page.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/guest_memory.h"

#define PAGE 4096u

static struct mote_error err;
static unsigned char *mapping; /* two pages, the second lost */
static int file;

static void start(void)
{
	file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	cr_assert(file >= 0 && ftruncate(file, 2 * PAGE) == 0);
	mapping = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	cr_assert(mapping != MAP_FAILED);
	cr_assert_eq(pwrite(file, "here", 4, 0), 4);
	cr_assert_eq(ftruncate(file, PAGE), 0);
	cr_assert_eq(lost_page_init(&err), 0);
}

TestSuite(lost_page, .init = start, .timeout = 20);

Test(lost_page, what_is_there_is_copied)
{
	char text[4];

	cr_assert_eq(lost_page_copy(text, mapping, 4), 0);
	cr_assert_eq(memcmp(text, "here", 4), 0);
}

Test(lost_page, what_is_lost_is_told_every_time)
{
	char text[8];

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(lost_page_copy(text, mapping + PAGE, 4), -1);
		cr_assert_eq(lost_page_copy(text, mapping + PAGE - 4, 8), -1);
		cr_assert_eq(lost_page_copy(mapping + PAGE, text, 4), -1);
		cr_assert_eq(lost_page_copy(text, mapping, 4), 0);
	}
}

static volatile int steps;

static void inner(void *ctx)
{
	steps++;
	*(volatile unsigned char *)ctx = 1;
	steps += 100;
}

static void outer(void *ctx)
{
	steps++;
	cr_assert_eq(lost_page_guard(inner, ctx), -1);
	steps++;
	inner(ctx);
}

Test(lost_page, work_is_left_where_it_is_and_the_innermost_guard_counts)
{
	cr_assert_eq(lost_page_guard(outer, mapping + PAGE), -1);
	cr_assert_eq(steps, 4);
	cr_assert_eq(lost_page_guard(inner, mapping), 0);
	cr_assert_eq(steps, 105);
}

Test(lost_page, signal_that_somebody_sent_is_nothing)
{
	raise(SIGBUS);
	kill(getpid(), SIGBUS);
}

Test(lost_page, without_a_guard_the_process_ends, .exit_code = MOTE_STATUS_FAILED)
{
	*(volatile unsigned char *)(mapping + PAGE) = 1;
}

Test(lost_page, guest_memory_over_a_cut_file)
{
	struct guest_memory memory;
	char text[4];

	cr_assert_eq(guest_memory_create(&memory, 4 * PAGE, &err), 0);
	cr_assert_eq(ftruncate(file, 2 * PAGE), 0);
	cr_assert_eq(
	        guest_memory_map_file(&memory, (mote_gpa_t){PAGE}, 2 * PAGE, file, 0, "f", &err),
	        0);
	cr_assert_eq(ftruncate(file, PAGE), 0);
	cr_assert_eq(guest_read(&memory, (mote_gpa_t){PAGE}, text, 4), 0);
	cr_assert_eq(guest_read(&memory, (mote_gpa_t){2 * PAGE}, text, 4), -1);
	cr_assert_eq(guest_write(&memory, (mote_gpa_t){2 * PAGE}, text, 4), -1);
	cr_assert_eq(guest_read(&memory, (mote_gpa_t){3 * PAGE}, text, 4), 0);
}
