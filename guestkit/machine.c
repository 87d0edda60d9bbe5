/* SPDX-License-Identifier: Apache-2.0 */
/* What the VMM says about this machine, read with libfdt (docs/device-tree.md). */
#include "guestkit/machine.h"

#include <libfdt.h>

#include "guestkit/console.h"
#include "guestkit/memory.h"
#include "guestkit/process_end.h"
#include "guestkit/string.h"

struct machine machine;

static _Noreturn void refuse(const char *what)
{
	kit_print("mote: guest kit: the device tree has no usable %s\n", what);
	end_exit(125);
}

/* What is read of the tree, node by node. */
enum field {
	XSAVE_SIZE,
	HWCAP,
	HWCAP2,
	ARGUMENTS,
	ENVIRONMENT,
	WORKING_DIRECTORY,
	SEED,
	CONSOLE,
	STRACE,
	TRACE,
	ALLOW_WX,
	HOSTNAME,
	SNAPSHOT_MARK,
	ROOT_IMAGE,
	PROGRAM,
	ENTRY,
	LOAD_BIAS,
	PROGRAM_HEADERS,
	PROGRAM_HEADER_COUNT,
	SEGMENTS,
	INTERPRETER,
	FIELDS
};

static const char *const field_names[FIELDS] = {
        [XSAVE_SIZE] = "mote,xsave-size",
        [HWCAP] = "mote,hwcap",
        [HWCAP2] = "mote,hwcap2",
        [ARGUMENTS] = "mote,arguments",
        [ENVIRONMENT] = "mote,environment",
        [WORKING_DIRECTORY] = "mote,working-directory",
        [SEED] = "rng-seed",
        [CONSOLE] = "mote,console",
        [STRACE] = "mote,strace",
        [TRACE] = "mote,trace",
        [ALLOW_WX] = "mote,allow-wx",
        [HOSTNAME] = "mote,hostname",
        [SNAPSHOT_MARK] = "mote,snapshot-mark",
        [ROOT_IMAGE] = "mote,root-image",
        [PROGRAM] = "mote,program",
        [ENTRY] = "entry-point",
        [LOAD_BIAS] = "load-bias",
        [PROGRAM_HEADERS] = "program-headers",
        [PROGRAM_HEADER_COUNT] = "program-header-count",
        [SEGMENTS] = "segments",
        [INTERPRETER] = "interpreter",
};

static const struct {
	const char *name;
	enum field first, end;
} nodes[] = {
        {"cpu@0", XSAVE_SIZE, ARGUMENTS},
        {"chosen", ARGUMENTS, ENTRY},
        {"application", ENTRY, FIELDS},
};

struct property {
	const void *value; /* NULL: not in the tree */
	int size;
};

static struct property device_property(const void *tree, int node, const char *name)
{
	struct property property = {NULL, 0};

	property.value = fdt_getprop(tree, node, name, &property.size);
	return property;
}

static void find_device(const void *tree, int node)
{
	struct property reg = device_property(tree, node, "reg");
	struct property id = device_property(tree, node, "mote,device");
	struct property features = device_property(tree, node, "mote,features");
	struct property queues = device_property(tree, node, "mote,queues");
	struct property config = device_property(tree, node, "mote,config");

	if (reg.size != 16 || id.size != 4 || features.size != 8 || queues.size < 12 ||
	    machine.device_count == MOTE_DEVICES_MAX)
		return;
	machine.devices[machine.device_count++] = (struct machine_device){
	        .id = fdt32_ld(id.value),
	        .registers = fdt64_ld(reg.value),
	        .features = fdt64_ld(features.value),
	        .queues = queues.value,
	        .queue_count = (unsigned)queues.size / 12,
	        .config = config.value,
	        .config_size = config.value ? (size_t)config.size : 0,
	        .node = node,
	};
}

const void *machine_device_property(const struct machine_device *device, const char *name,
                                    int *size)
{
	return fdt_getprop(machine.tree, device->node, name, size);
}

/*
 * One pass over the tree: a search by path and name for each property, as libfdt offers it, would
 * go over what lies before it again each time, which took longer than all else that the kit does to
 * start.
 */
static void find_properties(const void *tree, struct property found[FIELDS])
{
	for (int node = fdt_next_node(tree, -1, NULL); node >= 0;
	     node = fdt_next_node(tree, node, NULL)) {
		const char *node_name = fdt_get_name(tree, node, NULL);
		const char *name;
		size_t which = 0;
		int offset;

		if (!strncmp(node_name, "virtio@", 7)) {
			find_device(tree, node);
			continue;
		}
		while (which < sizeof nodes / sizeof nodes[0] &&
		       strcmp(node_name, nodes[which].name))
			which++;
		if (which == sizeof nodes / sizeof nodes[0])
			continue;
		fdt_for_each_property_offset(offset, tree, node)
		{
			struct property property = {NULL, 0};

			property.value = fdt_getprop_by_offset(tree, offset, &name, &property.size);
			for (enum field i = nodes[which].first;
			     property.value && i < nodes[which].end; i++)
				if (!found[i].value && !strcmp(name, field_names[i]))
					found[i] = property;
		}
	}
}

/* A property that has to be there. */
static const void *property(const struct property *found, enum field field, int *size)
{
	if (!found[field].value)
		refuse(field_names[field]);
	*size = found[field].size;
	return found[field].value;
}

/* libfdt's own loads are byte by byte: properties are aligned to four only. */
static uint64_t cells(const void *value)
{
	return fdt64_ld(value);
}

static uint64_t property_u64(const struct property *found, enum field field)
{
	int size;
	const void *value = property(found, field, &size);

	if (size != 8)
		refuse(field_names[field]);
	return cells(value);
}

static uint32_t property_u32(const struct property *found, enum field field)
{
	int size;
	const void *value = property(found, field, &size);

	if (size != 4)
		refuse(field_names[field]);
	return fdt32_ld(value);
}

static struct string_list string_list(const struct property *found, enum field field)
{
	int size;
	const char *strings = property(found, field, &size);

	if (size && strings[size - 1])
		refuse(field_names[field]);
	return (struct string_list){strings, (size_t)size};
}

static void read_chosen(const struct property *found)
{
	int size;
	const fdt32_t *console = property(found, CONSOLE, &size);

	if (size != 12)
		refuse(field_names[CONSOLE]);
	for (int stream = 0; stream < 3; stream++)
		machine.console[stream] = fdt32_ld(console + stream);
	machine.arguments = string_list(found, ARGUMENTS);
	machine.environment = string_list(found, ENVIRONMENT);
	machine.working_directory = string_list(found, WORKING_DIRECTORY).strings;
	machine.seed = property(found, SEED, &size);
	machine.seed_size = (size_t)size;
	if (found[STRACE].value)
		machine.strace = found[STRACE].size ? STRACE_SUMMARY : STRACE_LINES;
	if (found[TRACE].size == 16) {
		machine.trace = direct_map(cells(found[TRACE].value));
		machine.strace = STRACE_RING;
	}
	machine.allow_wx = found[ALLOW_WX].value;
	if (found[HOSTNAME].value)
		machine.hostname = string_list(found, HOSTNAME).strings;
	if (found[SNAPSHOT_MARK].value)
		machine.snapshot_mark = string_list(found, SNAPSHOT_MARK).strings;
	if (found[ROOT_IMAGE].size == 16) {
		const unsigned char *range = found[ROOT_IMAGE].value;

		machine.root_physical = cells(range);
		machine.root_size = cells(range + 8);
	}
}

static void read_application(const struct property *found)
{
	int size;
	const unsigned char *segments = property(found, SEGMENTS, &size);

	if (found[INTERPRETER].value)
		machine.interpreter = string_list(found, INTERPRETER).strings;
	machine.entry = property_u64(found, ENTRY);
	machine.load_bias = property_u64(found, LOAD_BIAS);
	machine.program_headers = property_u64(found, PROGRAM_HEADERS);
	machine.program_header_count = property_u32(found, PROGRAM_HEADER_COUNT);
	if (size % 24 || size > 24 * MACHINE_SEGMENTS_MAX)
		refuse(field_names[SEGMENTS]);
	for (; size; size -= 24, segments += 24)
		machine.segments[machine.segment_count++] = (struct machine_segment){
		        cells(segments), cells(segments + 8), cells(segments + 16)};
}

static void read_tree(const void *tree, uint64_t size)
{
	struct property found[FIELDS] = {{NULL, 0}};

	machine.tree = tree;
	machine.device_count = 0;
	machine.segment_count = 0;
	if (fdt_check_header(tree) || fdt_totalsize(tree) > size)
		refuse("header");
	find_properties(tree, found);
	machine.xsave_size = property_u64(found, XSAVE_SIZE);
	machine.hwcap = property_u32(found, HWCAP);
	machine.hwcap2 = property_u32(found, HWCAP2);
	read_chosen(found);
	if (found[PROGRAM].value)
		machine.program = string_list(found, PROGRAM).strings;
	else
		read_application(found);
}

void machine_read(const struct mote_boot *boot)
{
	machine.ram_end = boot->ram_end;
	read_tree((const void *)boot->device_tree, boot->device_tree_size);
}

/* What the streams are the VMM says apart from the tree. */
void machine_read_again(const void *tree, uint64_t size)
{
	uint32_t console[3];

	memcpy(console, machine.console, sizeof console);
	read_tree(tree, size);
	memcpy(machine.console, console, sizeof console);
}
