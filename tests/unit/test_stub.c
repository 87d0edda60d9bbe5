/* SPDX-License-Identifier: Apache-2.0 */
/* Stubs of rewritten calls: places whose jumps trap where they must, and code that does the same
 * elsewhere. */
#define MOTE_HOSTED
#include <criterion/criterion.h>

#include "kit_fakes.h"

#define KIT_ENTRY 0xffffffff80020000UL

/* Where it is in the kit. */
static const unsigned char *const patched_entry = (const unsigned char *)KIT_ENTRY;

#include "guestkit/instruction.c"
#include "guestkit/patch.h"
#include "guestkit/stub.c"

static uint64_t entries[STUB_PAGES + 1];
static size_t entry_count;

uint64_t *page_table_entry(uint64_t va, bool make)
{
	cr_assert(make && va >= STUBS_START && va < STUBS_END);
	return entry_count < sizeof entries / sizeof entries[0] ? &entries[entry_count++] : NULL;
}

static struct site site_of(uint64_t start, size_t count, uint8_t first, uint8_t second,
                           uint8_t third)
{
	return (struct site){.start = start,
	                     .moved_count = (uint8_t)count,
	                     .moved = {{.at = first}, {.at = second}, {.at = third}}};
}

/* Every byte of the jump at which a moved instruction began is one that traps. */
static void check_place(const struct site *site, uint64_t stub)
{
	static const unsigned char traps[] = {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f,
	                                      0x37, 0x3f, 0x82, 0x9a, 0xce, 0xd4, 0xd6, 0xea};
	unsigned char jump[JUMP_SIZE];
	int32_t distance;

	cr_assert_neq(stub, 0, "no place for %lx", site->start);
	cr_assert(stub % STUB_SIZE == 0 && stub >= STUBS_START && stub < STUBS_END);
	stub_write_jump(jump, site->start, stub);
	memcpy(&distance, jump + 1, sizeof distance);
	cr_assert_eq(site->start + JUMP_SIZE + (uint64_t)(int64_t)distance, stub);
	for (size_t i = 0; i < site->moved_count; i++)
		cr_assert_neq(memchr(traps, jump[site->moved[i].at], sizeof traps), NULL,
		              "site %lx: byte %d is %02x", site->start, site->moved[i].at,
		              jump[site->moved[i].at]);
}

Test(stub, places)
{
	static const uint64_t starts[] = {0x400123,   0x401ffe,   0x10000ffb, 0x10001000,
	                                  0x2fffffff, 0x55555555, 0x7bfff000, PATCH_REACH - 1};
	static uint64_t taken[64];
	size_t count = 0;

	for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
		const struct site sites[] = {
		        site_of(starts[i], 1, 2, 0, 0), site_of(starts[i], 2, 2, 4, 0),
		        site_of(starts[i], 2, 2, 3, 0), site_of(starts[i], 3, 2, 3, 4)};

		for (size_t j = 0; j < 4; j++) {
			uint64_t stub = stub_place(&sites[j]);

			check_place(&sites[j], stub);
			for (size_t k = 0; k < count; k++)
				cr_assert_neq(stub, taken[k], "given twice");
			taken[count++] = stub;
		}
	}
	stub_free_all();
	cr_assert_neq(stub_place(&(struct site){.start = starts[0]}), 0);
}

/* Sites close together share pages; when all pages are in use there is no place, and nothing
 * breaks. */
Test(stub, pages)
{
	size_t placed = 0;

	for (uint64_t start = 0x401000; start < 0x401000 + 100 * 16; start += 16) {
		struct site site = site_of(start, 1, 2, 0, 0);

		check_place(&site, stub_place(&site));
	}
	cr_assert_leq(page_count, 4, "%zu pages", page_count);
	for (uint64_t start = 0x500000; start < PATCH_REACH && placed < 100000; start += 0x21043) {
		struct site site = site_of(start, 3, 2, 3, 4);
		uint64_t stub = stub_place(&site);

		if (stub)
			check_place(&site, stub);
		placed++;
	}
	cr_assert_eq(page_count, STUB_PAGES);
}

Test(stub, beyond_reach)
{
	struct site site = site_of(0x7000000000, 1, 2, 0, 0);

	cr_assert_eq(stub_place(&site), 0);
}

static int32_t read_distance(const unsigned char *bytes)
{
	int32_t distance;

	memcpy(&distance, bytes, sizeof distance);
	return distance;
}

/* syscall; js ahead; mov data(%rip), %eax */
Test(stub, what_depends_on_its_address)
{
	static const unsigned char bytes[BYTES_MAX] = {0x0f, 0x05, 0x78, 0x10, 0x8b,
	                                               0x05, 0x00, 0x01, 0x00, 0x00};
	struct site site = site_of(0x401000, 2, 2, 4, 10);
	unsigned char code[STUB_SIZE];
	const unsigned char *at = code;
	uint64_t stub;
	size_t length;

	site.stub = stub = stub_place(&site);
	length = stub_make(code, &site, bytes);
	cr_assert(length > 0 && length <= STUB_SIZE);
	cr_assert_arr_eq(at, "\x48\xc7\xc1\x02\x10\x40\x00", 7); /* mov $0x401002, %rcx */
	cr_assert_arr_eq(at + 7, "\x4c\x8d\x1d\x05\x00\x00\x00", 7);
	cr_assert_eq(at[14], 0xe9);
	cr_assert_eq(stub + 19 + (uint64_t)(int64_t)read_distance(at + 15), KIT_ENTRY);
	cr_assert_eq(site.moved[0].in_stub, 26, "behind the load");
	cr_assert_arr_eq(at + 19, "\x48\xc7\xc1\x02\x10\x40\x00", 7);
	cr_assert_arr_eq(at + 26, "\x0f\x88", 2);
	cr_assert_eq(stub + 32 + (uint64_t)(int64_t)read_distance(at + 28), 0x401004 + 0x10);
	cr_assert_eq(site.moved[1].in_stub, 32);
	cr_assert_arr_eq(at + 32, "\x8b\x05", 2);
	cr_assert_eq(stub + 38 + (uint64_t)(int64_t)read_distance(at + 34), 0x40100a + 0x100);
	cr_assert_eq(site.moved[2].in_stub, 38);
	cr_assert_eq(at[38], 0xe9);
	cr_assert_eq(stub + 43 + (uint64_t)(int64_t)read_distance(at + 39), 0x40100a);
	cr_assert_eq(length, 43);
}

/* Data 2 GiB above the site is within its reach, but not within the stub's. */
Test(stub, data_out_of_reach)
{
	static const unsigned char bytes[BYTES_MAX] = {0x0f, 0x05, 0x8b, 0x05,
	                                               0xff, 0xff, 0xff, 0x7f};
	struct site site = site_of(0x401000, 1, 2, 8, 0);
	unsigned char code[STUB_SIZE];

	site.stub = stub_place(&site);
	cr_assert_eq(stub_make(code, &site, bytes), 0);
}

/* The longest there can be: a branch that grows, and a long instruction. */
Test(stub, length)
{
	static const unsigned char bytes[BYTES_MAX] = {
	        0x0f, 0x05, 0x74, 0x00, 0x64, 0x48, 0xc7, 0x84, 0x25, 0, 0, 0, 0, 0, 0, 0, 0};
	struct site site = site_of(0x401000, 2, 2, 4, 17);
	unsigned char code[STUB_SIZE + 1] = {0};

	code[STUB_SIZE] = 0xaa;
	site.stub = stub_place(&site);
	cr_assert_eq(stub_make(code, &site, bytes), 19 + 7 + 6 + 13 + 5);
	cr_assert_eq(code[STUB_SIZE], 0xaa);
}
