/* SPDX-License-Identifier: Apache-2.0 */
/* What the VMM says about this machine, read with libfdt (docs/device-tree.md). */
#include "guestkit/machine.h"

#include <libfdt.h>

#include "guestkit/console.h"
#include "guestkit/process_end.h"

struct machine machine;

static _Noreturn void refuse(const char *what)
{
	kit_print("mote: guest kit: the device tree has no usable %s\n", what);
	end_exit(125);
}

static const void *property(const void *tree, int node, const char *name, int *size)
{
	const void *value = fdt_getprop(tree, node, name, size);

	if (!value)
		refuse(name);
	return value;
}

/* libfdt's own loads are byte by byte: properties are aligned to four only. */
static uint64_t cells(const void *value)
{
	return fdt64_ld(value);
}

static uint64_t property_u64(const void *tree, int node, const char *name)
{
	int size;
	const void *value = property(tree, node, name, &size);

	if (size != 8)
		refuse(name);
	return cells(value);
}

static struct string_list string_list(const void *tree, int node, const char *name)
{
	int size;
	const char *strings = property(tree, node, name, &size);

	if (size && strings[size - 1])
		refuse(name);
	return (struct string_list){strings, (size_t)size};
}

static void read_cpu(const void *tree)
{
	int node = fdt_path_offset(tree, "/cpus/cpu@0");
	int size;

	machine.xsave_size = property_u64(tree, node, "mote,xsave-size");
	machine.hwcap = fdt32_ld(property(tree, node, "mote,hwcap", &size));
	machine.hwcap2 = fdt32_ld(property(tree, node, "mote,hwcap2", &size));
}

static void read_chosen(const void *tree)
{
	int node = fdt_path_offset(tree, "/chosen");
	int size;
	const unsigned char *range;

	machine.arguments = string_list(tree, node, "mote,arguments");
	machine.environment = string_list(tree, node, "mote,environment");
	machine.working_directory = string_list(tree, node, "mote,working-directory").strings;
	machine.seed = property(tree, node, "rng-seed", &size);
	machine.seed_size = (size_t)size;
	machine.strace = fdt_getprop(tree, node, "mote,strace", NULL);
	machine.allow_wx = fdt_getprop(tree, node, "mote,allow-wx", NULL);
	for (int stream = 0; stream < 3; stream++)
		machine.console[stream] =
			fdt32_ld((const fdt32_t *)property(tree, node, "mote,console", &size) + stream);
	if (size != 12)
		refuse("mote,console");
	range = fdt_getprop(tree, node, "mote,root-image", &size);
	if (range && size == 16) {
		machine.root_physical = cells(range);
		machine.root_size = cells(range + 8);
	}
}

static void read_application(const void *tree)
{
	int node = fdt_path_offset(tree, "/application");
	int size;
	const unsigned char *segments;

	machine.entry = property_u64(tree, node, "entry-point");
	machine.load_bias = property_u64(tree, node, "load-bias");
	machine.program_headers = property_u64(tree, node, "program-headers");
	machine.program_header_count =
		fdt32_ld(property(tree, node, "program-header-count", &size));
	segments = property(tree, node, "segments", &size);
	if (size % 24 || size > 24 * MACHINE_SEGMENTS_MAX)
		refuse("segments");
	for (; size; size -= 24, segments += 24)
		machine.segments[machine.segment_count++] = (struct machine_segment){
			cells(segments), cells(segments + 8), cells(segments + 16)};
}

void machine_read(const struct mote_boot *boot)
{
	const void *tree = (const void *)boot->device_tree;

	machine.ram_end = boot->ram_end;
	if (fdt_check_header(tree) || fdt_totalsize(tree) > boot->device_tree_size)
		refuse("header");
	read_cpu(tree);
	read_chosen(tree);
	read_application(tree);
}
