/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of guest memory: the checked accessor, mapped files, populating and discarding. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/guest_memory.h"

#define SIZE (16 * MOTE_PAGE_SIZE)

static struct guest_memory memory;
static struct mote_error err;

static void make_memory(void)
{
	cr_assert_eq(guest_memory_create(&memory, SIZE, &err), 0);
	memory.free = (struct mote_range){0, SIZE};
	memset(&err, 0, sizeof err);
}

TestSuite(guest_memory, .init = make_memory);

static mote_gpa_t at(uint64_t address)
{
	return (mote_gpa_t){address};
}

Test(guest_memory, is_zero_at_first)
{
	static const unsigned char zeros[SIZE];

	cr_assert_eq(memory.size, SIZE);
	cr_assert_eq(memcmp(memory.host, zeros, SIZE), 0);
}

Test(guest_memory, too_much_is_an_error_with_the_size)
{
	struct guest_memory huge;

	cr_assert_lt(guest_memory_create(&huge, 1ul << 60, &err), 0);
	cr_assert_eq(err.code, MOTE_STATUS_FAILED);
	cr_assert(strstr(err.text, "cannot reserve 1099511627776 MiB of guest memory: "), "%s",
	          err.text);
}

Test(guest_memory, ranges_inside)
{
	cr_assert_eq(guest_range(&memory, at(0), SIZE), memory.host);
	cr_assert_eq(guest_range(&memory, at(0), 1), memory.host);
	cr_assert_eq(guest_range(&memory, at(SIZE - 1), 1), memory.host + SIZE - 1);
	cr_assert_eq(guest_range(&memory, at(4097), SIZE - 4097), memory.host + 4097);
}

Test(guest_memory, ranges_that_reach_beyond_the_end)
{
	cr_assert_null(guest_range(&memory, at(0), SIZE + 1));
	cr_assert_null(guest_range(&memory, at(1), SIZE));
	cr_assert_null(guest_range(&memory, at(SIZE), 1));
	cr_assert_null(guest_range(&memory, at(SIZE - 1), 2));
	cr_assert_null(guest_range(&memory, at(SIZE + 1), 0));
	cr_assert_null(guest_range(&memory, at(UINT64_MAX), 0));
}

Test(guest_memory, ranges_that_wrap)
{
	cr_assert_null(guest_range(&memory, at(UINT64_MAX), 1));
	cr_assert_null(guest_range(&memory, at(UINT64_MAX), 2));
	cr_assert_null(guest_range(&memory, at(UINT64_MAX), UINT64_MAX));
	cr_assert_null(guest_range(&memory, at(1), UINT64_MAX));
	cr_assert_null(guest_range(&memory, at(SIZE), UINT64_MAX - SIZE + 1));
	cr_assert_null(guest_range(&memory, at(1ul << 63), 1ul << 63));
}

Test(guest_memory, empty_ranges_inside_are_good)
{
	cr_assert_eq(guest_range(&memory, at(0), 0), memory.host);
	cr_assert_eq(guest_range(&memory, at(SIZE), 0), memory.host + SIZE);
}

Test(guest_memory, every_border)
{
	for (uint64_t start = SIZE - 8; start <= SIZE + 8; start++)
		for (uint64_t length = 0; length <= 16; length++)
			cr_assert_eq(guest_range(&memory, at(start), length) != NULL,
			             start + length <= SIZE, "%lu + %lu", start, length);
}

Test(guest_memory, read_and_write)
{
	char text[8] = "1234567", back[8] = "";

	cr_assert_eq(guest_write(&memory, at(SIZE - 8), text, 8), 0);
	cr_assert_eq(guest_read(&memory, at(SIZE - 8), back, 8), 0);
	cr_assert_str_eq(back, text);
}

Test(guest_memory, bad_read_and_write_touch_nothing)
{
	char buffer[8] = "1234567";
	static const unsigned char zeros[SIZE];

	cr_assert_eq(guest_write(&memory, at(SIZE - 7), buffer, 8), -1);
	cr_assert_eq(guest_write(&memory, at(UINT64_MAX - 3), buffer, 8), -1);
	cr_assert_eq(memcmp(memory.host, zeros, SIZE), 0);
	cr_assert_eq(guest_read(&memory, at(SIZE - 7), buffer, 8), -1);
	cr_assert_str_eq(buffer, "1234567");
	cr_assert_eq(guest_read(&memory, at(SIZE), buffer, 0), 0);
}

Test(guest_memory, discarded_pages_read_as_zeros)
{
	memset(memory.host, 'x', SIZE);
	cr_assert_eq(guest_memory_discard(&memory, at(4096), 2 * 4096), 0);
	cr_assert_eq(memory.host[4095], 'x');
	for (size_t i = 4096; i < 3ul * 4096; i++)
		cr_assert_eq(memory.host[i], 0);
	cr_assert_eq(memory.host[3 * 4096], 'x');
}

Test(guest_memory, bad_discards_change_nothing)
{
	memset(memory.host, 'x', SIZE);
	cr_assert_eq(guest_memory_discard(&memory, at(1), 4096), -1);
	cr_assert_eq(guest_memory_discard(&memory, at(0), 4095), -1);
	cr_assert_eq(guest_memory_discard(&memory, at(4096), SIZE), -1);
	cr_assert_eq(guest_memory_discard(&memory, at(UINT64_MAX & ~4095ul), 8192), -1);
	cr_assert_eq(guest_memory_discard(&memory, at(0), UINT64_MAX & ~4095ul), -1);
	cr_assert_eq(guest_memory_discard(&memory, at(SIZE), 0), 0);
	for (size_t i = 0; i < SIZE; i++)
		cr_assert_eq(memory.host[i], 'x');
}

Test(guest_memory, populate_backs_pages_and_is_cut_at_the_end)
{
	unsigned char present[SIZE / MOTE_PAGE_SIZE];

	cr_assert_eq(guest_memory_populate(&memory, at(14 * 4096), UINT64_MAX, &err), 0);
	cr_assert_eq(guest_memory_populate(&memory, at(SIZE + 4096), 4096, &err), 0);
	cr_assert_eq(mincore(memory.host, SIZE, present), 0);
	cr_assert_eq(present[0] & 1, 0);
	cr_assert_eq(present[13] & 1, 0);
	cr_assert_eq(present[14] & 1, 1);
	cr_assert_eq(present[15] & 1, 1);
}

Test(guest_memory, huge_takes_the_place_of_what_is_there)
{
	struct guest_memory large;
	unsigned char *second;

	cr_assert_eq(guest_memory_create(&large, 3 * MOTE_HUGE_PAGE_SIZE, &err), 0);
	second = large.host + MOTE_HUGE_PAGE_SIZE;
	memset(large.host, 'x', 3 * MOTE_HUGE_PAGE_SIZE);
	cr_assert_eq(guest_memory_map_huge(&large, at(MOTE_HUGE_PAGE_SIZE), &err), 0);
	cr_assert_eq(second[-1], 'x');
	cr_assert_eq(second[0], 0);
	cr_assert_eq(memcmp(second, second + 1, MOTE_HUGE_PAGE_SIZE - 1), 0);
	cr_assert_eq(second[MOTE_HUGE_PAGE_SIZE], 'x');
	cr_assert_eq(guest_memory_map_huge(&large, at(4096), &err), -1);
	cr_assert_eq(guest_memory_map_huge(&large, at(3 * MOTE_HUGE_PAGE_SIZE), &err), -1);
	cr_assert_eq(guest_memory_map_huge(&large, at(UINT64_MAX & ~4095ul), &err), -1);
	cr_assert_eq(second[-1], 'x');
}

/* An unlinked file of three pages: 'a's, 'b's, and 100 'c's. */
static int make_file(void)
{
	char path[] = "/tmp/test-guest-memory.XXXXXX", page[4096];
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	unlink(path);
	memset(page, 'a', sizeof page);
	cr_assert_eq(write(fd, page, sizeof page), sizeof page);
	memset(page, 'b', sizeof page);
	cr_assert_eq(write(fd, page, sizeof page), sizeof page);
	memset(page, 'c', 100);
	cr_assert_eq(write(fd, page, 100), 100);
	return fd;
}

/* ---- what this process has mapped itself ---- */

/* Three pages of a file, the last of them 100 bytes long. */
static unsigned char *map_own_file(void)
{
	unsigned char *own = mmap(NULL, 3ul * 4096, PROT_READ, MAP_PRIVATE, make_file(), 0);

	cr_assert_neq(own, MAP_FAILED);
	return own;
}

Test(guest_memory, own_mapping_is_there_twice)
{
	unsigned char *own = map_own_file();

	memory.host[2 * 4096] = 'x';
	memory.host[4 * 4096] = 'x';
	cr_assert_eq(own[4096], 'b');
	cr_assert_eq(guest_memory_map_own(&memory, at(2ul * 4096), 2ul * 4096, own + 4096, &err),
	             0);
	cr_assert_eq(memory.host[2 * 4096], 'b');
	cr_assert_eq(memory.host[3 * 4096], 'c');
	cr_assert_eq(memory.host[4 * 4096], 'x', "behind it");
	cr_assert_eq(own[0], 'a');
	cr_assert_eq(own[4096], 'b', "it is still there");
	cr_assert_eq(own[2 * 4096 + 99], 'c');
	cr_assert_eq(memory.backed_count, 1, "it is known not to be zero");
	cr_assert_eq(memory.backed[0].start, 2 * 4096);
	cr_assert_eq(memory.backed[0].end, 4 * 4096);
}

Test(guest_memory, own_mappings_that_cannot_be_shared_leave_zeros)
{
	unsigned char *own = map_own_file();

	cr_assert_eq(guest_memory_map_own(&memory, at(4096), 4096, own + 1, &err), 1);
	cr_assert_eq(guest_memory_map_own(&memory, at(4097), 4096, own, &err), 1);
	cr_assert_eq(guest_memory_map_own(&memory, at(4096), 4095, own, &err), 1);
	cr_assert_eq(guest_memory_map_own(&memory, at(SIZE), 4096, own, &err), 1);
	/* Nothing is mapped there: the kernel says so when it has made room already. */
	cr_assert_eq(munmap(own, 3ul * 4096), 0);
	cr_assert_eq(guest_memory_map_own(&memory, at(4096), 4096, own, &err), 1);
	cr_assert_eq(memory.backed_count, 0);
	memory.host[2 * 4096 - 1] = 1;
	cr_assert_eq(memory.host[4096], 0);
}

Test(guest_memory, map_file_at_an_offset)
{
	int fd = make_file();

	memset(memory.host, 'x', SIZE);
	cr_assert_eq(guest_memory_map_file(&memory, at(8192), 4096 + 100, fd, 4096, "f", &err), 0);
	cr_assert_eq(memory.host[8191], 'x');
	cr_assert_eq(memory.host[8192], 'b');
	cr_assert_eq(memory.host[8192 + 4095], 'b');
	cr_assert_eq(memory.host[8192 + 4096 + 99], 'c');
	cr_assert_eq(memory.host[8192 + 4096 + 100], 0, "behind the end of the file");
	cr_assert_eq(memory.host[8192 + 8192], 'x');
}

Test(guest_memory, mapped_file_is_copied_on_write)
{
	int fd = make_file();
	char byte;

	cr_assert_eq(guest_memory_map_file(&memory, at(0), 4096, fd, 0, "f", &err), 0);
	memory.host[0] = 'z';
	cr_assert_eq(pread(fd, &byte, 1, 0), 1);
	cr_assert_eq(byte, 'a');
}

Test(guest_memory, nothing_to_map_is_no_error)
{
	cr_assert_eq(guest_memory_map_file(&memory, at(SIZE), 0, -1, 0, "f", &err), 0);
}

static void refuse_map(uint64_t gpa, uint64_t length, uint64_t offset)
{
	int fd = make_file();

	memset(&err, 0, sizeof err);
	cr_assert_lt(guest_memory_map_file(&memory, at(gpa), length, fd, offset, "a file", &err),
	             0);
	cr_assert_eq(err.code, MOTE_STATUS_CANNOT_RUN);
	cr_assert_str_eq(err.text, "cannot map a file: it does not fit the guest's memory");
	close(fd);
}

Test(guest_memory, mappings_that_do_not_fit)
{
	refuse_map(SIZE - 4096, 4097, 0);
	refuse_map(SIZE, 1, 0);
	refuse_map(UINT64_MAX & ~4095ul, 8192, 0);
	refuse_map(100, 4096, 0);
	refuse_map(4096, 4096, 100);
}

Test(guest_memory, map_of_a_closed_file_names_it)
{
	cr_assert_lt(guest_memory_map_file(&memory, at(0), 4096, -1, 0, "a file", &err), 0);
	cr_assert_str_eq(err.text, "cannot map a file: Bad file descriptor");
}
