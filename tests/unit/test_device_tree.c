/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the device tree: read back with libfdt, checked as dtc would, and squeezed. */
#include <criterion/criterion.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/device_tree.h"

static char *arguments[] = {"/bin/prog", "", "an argument", NULL};
static char *environment[] = {"HOME=/root", "EMPTY=", NULL};
static char *nothing[] = {NULL};
static struct run_options options;
static struct elf_file application;
static struct device_tree_input input;
static struct mote_error err;
static unsigned char *tree;

static void make_input(void)
{
	options = (struct run_options){.argv = arguments, .env = environment, .cwd = "/work"};
	application.bias = 0x10000000;
	application.image = (struct elf_image){
	        .entry = 0x1040,
	        .headers_va = 0x40,
	        .header_count = 9,
	        .segment_count = 2,
	        .segments = {{.va = 0, .memory_size = 0x1800, .is_executable = true},
	                     {.va = 0x3010, .memory_size = 0x2000, .is_writable = true}},
	};
	input = (struct device_tree_input){.options = &options,
	                                   .application = &application,
	                                   .ram_size = 0x123456000,
	                                   .xsave_size = 2696,
	                                   .console = {1, 0x102, 8},
	                                   .hwcap = 0x0789a17f,
	                                   .hwcap2 = 2};
	memset(input.seed, 0x5a, sizeof input.seed);
}

TestSuite(device_tree, .init = make_input);

/* Build into a block of exactly the bound: a write beyond it would be seen by malloc. */
static size_t build(void)
{
	size_t used = 0, bound = device_tree_bound(&input);

	tree = malloc(bound);
	cr_assert(tree);
	cr_assert_eq(device_tree_build(&input, tree, bound, &used, &err), 0, "%s", err.text);
	cr_assert_leq(used, bound);
	cr_assert_eq(used, fdt_totalsize(tree));
	cr_assert_eq(fdt_check_header(tree), 0);
	return used;
}

static const void *property(const char *path, const char *name, int expected_size)
{
	int size, node = fdt_path_offset(tree, path);
	const void *value;

	cr_assert_geq(node, 0, "no node %s", path);
	value = fdt_getprop(tree, node, name, &size);
	cr_assert(value || expected_size == -1, "no property %s in %s", name, path);
	cr_assert(expected_size < 0 || size == expected_size, "%s: %d bytes", name, size);
	return value;
}

static uint64_t number(const char *path, const char *name)
{
	return fdt64_to_cpu(*(const fdt64_t *)property(path, name, 8));
}

static uint32_t cell(const char *path, const char *name)
{
	return fdt32_to_cpu(*(const fdt32_t *)property(path, name, 4));
}

static bool has(const char *path, const char *name)
{
	return fdt_getprop(tree, fdt_path_offset(tree, path), name, NULL) != NULL;
}

static void expect_list(const char *name, char *const *strings)
{
	int chosen = fdt_path_offset(tree, "/chosen"), count = 0, length;

	for (; strings[count]; count++) {
		const char *text = fdt_stringlist_get(tree, chosen, name, count, &length);

		cr_assert(text, "%s has no string %d", name, count);
		cr_assert_str_eq(text, strings[count]);
	}
	cr_assert_eq(fdt_stringlist_count(tree, chosen, name), count);
}

Test(device_tree, machine)
{
	build();
	cr_assert_str_eq(property("/", "compatible", 13), "mote,microvm");
	cr_assert_str_eq(property("/cpus/cpu@0", "device_type", 4), "cpu");
	cr_assert_eq(number("/cpus/cpu@0", "mote,xsave-size"), 2696);
	cr_assert_eq(cell("/cpus/cpu@0", "mote,hwcap"), 0x0789a17f);
	cr_assert_eq(cell("/cpus/cpu@0", "mote,hwcap2"), 2);
	cr_assert_str_eq(property("/memory@0", "device_type", 7), "memory");

	const fdt64_t *reg = property("/memory@0", "reg", 16);

	cr_assert_eq(fdt64_to_cpu(reg[0]), 0);
	cr_assert_eq(fdt64_to_cpu(reg[1]), 0x123456000);
}

Test(device_tree, chosen)
{
	const fdt32_t *console;
	const unsigned char *seed;

	build();
	expect_list("mote,arguments", arguments);
	expect_list("mote,environment", environment);
	cr_assert_str_eq(property("/chosen", "mote,working-directory", 6), "/work");
	seed = property("/chosen", "rng-seed", 64);
	cr_assert_eq(seed[0], 0x5a);
	cr_assert_eq(seed[63], 0x5a);
	console = property("/chosen", "mote,console", 12);
	cr_assert_eq(fdt32_to_cpu(console[0]), 1);
	cr_assert_eq(fdt32_to_cpu(console[1]), 0x102);
	cr_assert_eq(fdt32_to_cpu(console[2]), 8);
	cr_assert_not(has("/chosen", "mote,strace"));
	cr_assert_not(has("/chosen", "mote,allow-wx"));
	cr_assert_not(has("/chosen", "mote,root-image"));
}

Test(device_tree, options_and_root_image)
{
	const fdt64_t *root;

	options.strace = STRACE_LINES;
	options.allow_wx = true;
	input.root_gpa = 0x200000000;
	input.root_size = 0x7000;
	build();
	property("/chosen", "mote,strace", 0);
	cr_assert(has("/chosen", "mote,allow-wx"));
	root = property("/chosen", "mote,root-image", 16);
	cr_assert_eq(fdt64_to_cpu(root[0]), 0x200000000);
	cr_assert_eq(fdt64_to_cpu(root[1]), 0x7000);
}

Test(device_tree, ring_of_a_trace)
{
	const fdt64_t *ring;

	build();
	cr_assert_not(has("/chosen", "mote,trace"));
	input.trace_gpa = 0x123000;
	input.trace_size = 0x10000;
	build();
	ring = property("/chosen", "mote,trace", 16);
	cr_assert_eq(fdt64_to_cpu(ring[0]), 0x123000);
	cr_assert_eq(fdt64_to_cpu(ring[1]), 0x10000);
}

Test(device_tree, strace_summary)
{
	options.strace = STRACE_SUMMARY;
	build();
	cr_assert_str_eq(property("/chosen", "mote,strace", 8), "summary");
}

Test(device_tree, application)
{
	const fdt64_t *segments;

	build();
	cr_assert_eq(number("/application", "entry-point"), 0x10001040);
	cr_assert_eq(number("/application", "load-bias"), 0x10000000);
	cr_assert_eq(number("/application", "program-headers"), 0x10000040);
	cr_assert_eq(cell("/application", "program-header-count"), 9);
	segments = property("/application", "segments", 48);
	cr_assert_eq(fdt64_to_cpu(segments[0]), 0x10000000);
	cr_assert_eq(fdt64_to_cpu(segments[1]), 0x1800);
	cr_assert_eq(fdt64_to_cpu(segments[2]), 5);
	cr_assert_eq(fdt64_to_cpu(segments[3]), 0x10003010);
	cr_assert_eq(fdt64_to_cpu(segments[4]), 0x2000);
	cr_assert_eq(fdt64_to_cpu(segments[5]), 3);
}

Test(device_tree, headers_that_are_not_in_memory)
{
	application.image.headers_va = 0;
	build();
	cr_assert_eq(number("/application", "program-headers"), 0, "and not the bias");
}

Test(device_tree, no_environment)
{
	options.env = nothing;
	build();
	cr_assert_eq(
	        fdt_stringlist_count(tree, fdt_path_offset(tree, "/chosen"), "mote,environment"),
	        0);
}

/* #address-cells or #size-cells of a node; both are always said here. */
static int cells_of(int node, const char *name)
{
	int size;
	const fdt32_t *value = fdt_getprop(tree, node, name, &size);

	cr_assert(value && size == 4, "%s is missing", name);
	return (int)fdt32_to_cpu(*value);
}

/* What dtc warns of: addresses in names, cells of addresses, unique names. */
Test(device_tree, follows_the_conventions)
{
	int depth = 0, node;

	build();
	for (node = 0; node >= 0 && depth >= 0; node = fdt_next_node(tree, node, &depth)) {
		const char *name = fdt_get_name(tree, node, NULL), *at = strchr(name, '@');
		int size, parent = fdt_parent_offset(tree, node), other;
		const void *reg = fdt_getprop(tree, node, "reg", &size);

		cr_assert_eq(reg != NULL, at != NULL, "%s: reg and unit address go together", name);
		if (reg) {
			int address_cells = cells_of(parent, "#address-cells");
			uint64_t address = fdt32_to_cpu(*(const fdt32_t *)reg);

			if (address_cells == 2)
				address = fdt64_to_cpu(*(const fdt64_t *)reg);
			cr_assert_eq(size, 4 * (address_cells + cells_of(parent, "#size-cells")),
			             "%s: reg", name);
			cr_assert_eq(strtoull(at + 1, NULL, 16), address, "%s", name);
		}
		fdt_for_each_subnode(other, tree, node)
		{
			int twin = fdt_subnode_offset(tree, node, fdt_get_name(tree, other, NULL));

			cr_assert_eq(twin, other, "two nodes of one name");
		}
	}
	cr_assert_lt(depth, 0, "visited to the end");
}

Test(device_tree, largest_command_line_and_most_segments)
{
	enum { COUNT = RUN_STRINGS_MAX };
	static char *many[COUNT + 1], *variables[COUNT + 1];
	static char texts[COUNT][32];

	for (int i = 0; i < COUNT; i++) {
		snprintf(texts[i], sizeof texts[i], "K%d=%d", i, i * i);
		many[i] = variables[i] = texts[i];
	}
	options.argv = many;
	options.env = variables;
	application.image.segment_count = ELF_SEGMENTS_MAX;
	options.strace = STRACE_SUMMARY;
	options.allow_wx = true;
	input.root_size = 4096;
	build();
	expect_list("mote,arguments", many);
	expect_list("mote,environment", variables);
	property("/application", "segments", ELF_SEGMENTS_MAX * 24);
}

/* The fixed part of the bound has to hold the largest tree whatever the strings are. */
Test(device_tree, bound_counts_every_string)
{
	size_t before = device_tree_bound(&input), used = build();

	arguments[2] = "an argument that is 16 bytes longer";
	cr_assert_eq(device_tree_bound(&input), before + 24);
	cr_assert_leq(build() - used, 24 + 3);
}

Test(device_tree, too_small_at_every_size)
{
	size_t needed = build(), used = 12345;
	unsigned char *buffer = malloc(needed + 16);

	cr_assert(buffer);
	for (size_t size = 0; size <= needed; size++) {
		memset(buffer + size, 0xee, 16);
		memset(&err, 0, sizeof err);

		int status = device_tree_build(&input, buffer, size, &used, &err);

		for (size_t i = 0; i < 16; i++)
			cr_assert_eq(buffer[size + i], 0xee, "wrote beyond %zu bytes", size);
		if (status == 0)
			continue;
		cr_assert_eq(err.code, MOTE_STATUS_FAILED);
		cr_assert(strstr(err.text, "cannot build the device tree: "), "%s", err.text);
		cr_assert_eq(used, 12345, "untouched");
	}
	cr_assert_lt(device_tree_build(&input, buffer, needed / 2, &used, &err), 0);
}
