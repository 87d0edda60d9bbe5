/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the device tree of a start from a snapshot. */
#include <criterion/criterion.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/device_tree.h"
#include "vmm/start_tree.h"

static struct devices devices;
static struct guest_memory memory;
static struct mote_error err;
static char *argv[] = {"/app", "one", "two", NULL};
static char *env[] = {"PATH=/bin", "A=1", "B=2", NULL};
static struct run_options first = {
        .argv = argv, .argc = 3, .env = env, .env_count = 3, .cwd = "/", .entropy = true};
static void *old;
static size_t old_size;
static void *tree;
static size_t size;

static void start(void)
{
	static struct elf_file application;
	struct device_tree_input input = {.options = &first,
	                                  .application = &application,
	                                  .ram_size = 1 << 26,
	                                  .devices = &devices,
	                                  .seed = {1, 2, 3}};
	size_t bound;
	void *built;

	cr_assert_eq(guest_memory_create(&memory, 64 * MOTE_PAGE_SIZE, &err), 0);
	cr_assert_eq(devices_open(&devices, &first, &memory, &err), 0);
	cr_assert_eq(devices_place(&devices, 0x8000, &err), 0);
	bound = device_tree_bound(&input);
	built = malloc(bound);
	cr_assert_eq(device_tree_build(&input, built, bound, &old_size, &err), 0);
	old = start_tree_keep(built, old_size);
	cr_assert(old);
}

TestSuite(start_tree, .init = start, .timeout = 20);

static int build(const struct run_options *options)
{
	return start_tree_build(old, old_size, options, &devices, &tree, &size, &err);
}

static const char *chosen(const char *name, int *length)
{
	return fdt_getprop(tree, fdt_path_offset(tree, "/chosen"), name, length);
}

/* @value: with a NUL behind each string but the last. */
#define assert_list(name, value)                           \
	do {                                               \
		int length = 0;                            \
		const char *at = chosen(name, &length);    \
		cr_assert_eq(length, (int)sizeof value);   \
		cr_assert_arr_eq(at, value, sizeof value); \
	} while (0)

static struct run_options nothing = {.argc = 1, .argv = argv};

Test(start_tree, seed_is_not_kept)
{
	static const char zeros[64];
	int length;
	const void *seed = fdt_getprop(old, fdt_path_offset(old, "/chosen"), "rng-seed", &length);

	cr_assert_eq(length, 64);
	cr_assert_arr_eq(seed, zeros, 64);
}

Test(start_tree, same_as_before_is_none)
{
	cr_assert_eq(build(&nothing), 0);
	cr_assert_null(tree);
	cr_assert_eq(size, 0);
}

Test(start_tree, arguments_behind_the_name_of_the_program)
{
	char *words[] = {"file.snap", "three", NULL};
	struct run_options options = {.argc = 2, .argv = words};

	cr_assert_eq(build(&options), 0);
	assert_list("mote,arguments", "/app\0three");
	assert_list("mote,environment", "PATH=/bin\0A=1\0B=2");
	cr_assert_geq(fdt_path_offset(tree, "/application"), 0);
	cr_assert_geq(fdt_path_offset(tree, "/cpus/cpu@0"), 0);
}

Test(start_tree, variables_replaced_and_added_but_for_defaults)
{
	char *entries[] = {"PATH=/usr/bin", "B=3", "C=4", "A_LONGER=5", NULL};
	struct run_options options = {
	        .argc = 1, .argv = argv, .env = entries, .env_count = 4, .default_env = 1};

	cr_assert_eq(build(&options), 0);
	assert_list("mote,environment", "PATH=/bin\0A=1\0B=3\0C=4\0A_LONGER=5");
	assert_list("mote,arguments", "/app\0one\0two");
}

Test(start_tree, host_name_added_and_replaced)
{
	struct run_options options = {.argc = 1, .argv = argv, .hostname = "clone"};

	cr_assert_eq(build(&options), 0);
	assert_list("mote,hostname", "clone");
	old = tree;
	old_size = size;
	options.hostname = "another-clone";
	cr_assert_eq(build(&options), 0);
	assert_list("mote,hostname", "another-clone");
	old = tree;
	old_size = size;
	cr_assert_eq(build(&options), 0);
	cr_assert_null(tree);
}

Test(start_tree, devices_are_those_of_now)
{
	static struct devices others;
	struct run_options options = {.balloon = true};
	int node;

	cr_assert_eq(devices_open(&others, &options, &memory, &err), 0);
	cr_assert_eq(start_tree_build(old, old_size, &nothing, &others, &tree, &size, &err), 0);
	cr_assert(tree);
	node = fdt_path_offset(tree, "/virtio@3f00000000");
	cr_assert_geq(node, 0);
	cr_assert_eq(fdt32_ld(fdt_getprop(tree, node, "mote,device", NULL)), 5);
	cr_assert_lt(fdt_path_offset(tree, "/virtio@3f00001000"), 0);
}

/* ---- hostile files ---- */

Test(start_tree, cut_anywhere)
{
	for (size_t cut = 0; cut < old_size; cut++) {
		void *part = malloc(cut ? cut : 1);

		memcpy(part, old, cut);
		cr_assert_eq(start_tree_build(part, cut, &nothing, &devices, &tree, &size, &err),
		             -1);
		cr_assert_str_eq(err.text, "the snapshot's device tree is not as it should be: "
		                           "the file is damaged");
		free(part);
	}
}

Test(start_tree, changed_anywhere)
{
	static const unsigned char values[] = {0x00, 0x01, 0x03, 0x7f, 0xff};
	char *words[] = {"file.snap", "three", NULL};
	char *entries[] = {"B=3", NULL};
	struct run_options options = {
	        .argc = 2, .argv = words, .env = entries, .env_count = 1, .hostname = "h"};
	unsigned char *bytes = old;

	for (size_t at = 0; at < old_size; at++) {
		unsigned char before = bytes[at];

		for (size_t i = 0; i < sizeof values; i++) {
			bytes[at] = values[i];
			if (!build(&options) && tree) {
				cr_assert_eq(fdt_check_header(tree), 0);
				free(tree);
			}
		}
		bytes[at] = before;
	}
}

/* A variable that stands there often, and what replaces it is long: no more than there is room for.
 */
Test(start_tree, replaced_too_often)
{
	char *entries[] = {calloc(1, 4096), NULL};
	struct run_options options = {.argc = 1, .argv = argv, .env = entries, .env_count = 1};
	char list[2000];

	memset(entries[0], 'x', 4000);
	memcpy(entries[0], "A=", 2);
	for (size_t i = 0; i < sizeof list; i += 4)
		memcpy(list + i, "A=1", 4);
	old = malloc(8192);
	cr_assert(!fdt_create(old, 8192) && !fdt_finish_reservemap(old) &&
	          !fdt_begin_node(old, "") && !fdt_begin_node(old, "chosen") &&
	          !fdt_property(old, "mote,environment", list, sizeof list) && !fdt_end_node(old) &&
	          !fdt_end_node(old) && !fdt_finish(old));
	old_size = fdt_totalsize(old);
	cr_assert_eq(build(&options), -1);
}
