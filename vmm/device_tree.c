/* SPDX-License-Identifier: Apache-2.0 */
/* The device tree that describes the machine to the kit (Devicetree Specification 0.4; libfdt). */
#include "vmm/device_tree.h"

#include <libfdt.h>
#include <string.h>

#define TREE_OVERHEAD 4096 /* structure, names, and segments; strings are counted */

/* Length of a NULL-terminated array of strings, as a stringlist. */
static size_t list_size(char *const *strings)
{
	size_t size = 0;

	for (; *strings; strings++)
		size += strlen(*strings) + 1;
	return size;
}

size_t device_tree_bound(const struct device_tree_input *input)
{
	return TREE_OVERHEAD + list_size(input->options->argv) + list_size(input->options->env) +
	       strlen(input->options->cwd) + (input->program ? strlen(input->program) : 0) +
	       (input->interpreter ? strlen(input->interpreter) : 0) +
	       (input->devices ? devices_describe_bound(input->devices) : 0);
}

static int put_list(void *tree, const char *name, char *const *strings)
{
	void *at;
	char *to;
	int status = fdt_property_placeholder(tree, name, (int)list_size(strings), &at);

	for (to = at; !status && *strings; strings++)
		to = stpcpy(to, *strings) + 1;
	return status;
}

static int put_range(void *tree, const char *name, uint64_t start, uint64_t size)
{
	fdt64_t range[2] = {cpu_to_fdt64(start), cpu_to_fdt64(size)};

	return fdt_property(tree, name, range, sizeof range);
}

static int put_console(void *tree, const uint32_t kinds[3])
{
	fdt32_t cells[3] = {cpu_to_fdt32(kinds[0]), cpu_to_fdt32(kinds[1]), cpu_to_fdt32(kinds[2])};

	return fdt_property(tree, "mote,console", cells, sizeof cells);
}

static int put_chosen(void *tree, const struct device_tree_input *input)
{
	const struct run_options *options = input->options;

	return fdt_begin_node(tree, "chosen") ||
	       fdt_property(tree, "rng-seed", input->seed, sizeof input->seed) ||
	       put_console(tree, input->console) ||
	       put_list(tree, "mote,arguments", options->argv) ||
	       put_list(tree, "mote,environment", options->env) ||
	       fdt_property_string(tree, "mote,working-directory", options->cwd) ||
	       (options->strace == STRACE_LINES && fdt_property(tree, "mote,strace", NULL, 0)) ||
	       (options->strace == STRACE_SUMMARY &&
	        fdt_property_string(tree, "mote,strace", "summary")) ||
	       (input->trace_size &&
	        put_range(tree, "mote,trace", input->trace_gpa, input->trace_size)) ||
	       (options->allow_wx && fdt_property(tree, "mote,allow-wx", NULL, 0)) ||
	       (options->hostname &&
	        fdt_property_string(tree, "mote,hostname", options->hostname)) ||
	       (options->snapshot_mark &&
	        fdt_property_string(tree, "mote,snapshot-mark", options->snapshot_mark)) ||
	       (input->program && fdt_property_string(tree, "mote,program", input->program)) ||
	       (input->root_size &&
	        put_range(tree, "mote,root-image", input->root_gpa, input->root_size)) ||
	       fdt_end_node(tree);
}

/* Segments as triples: address, bytes, PROT_* bits. */
static int put_segments(void *tree, const struct elf_file *application)
{
	fdt64_t segments[ELF_SEGMENTS_MAX][3];
	const struct elf_image *image = &application->image;

	for (size_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *segment = &image->segments[i];
		uint64_t prot =
		        1u | (segment->is_writable ? 2u : 0) | (segment->is_executable ? 4u : 0);

		segments[i][0] = cpu_to_fdt64(segment->va + application->bias);
		segments[i][1] = cpu_to_fdt64(segment->memory_size);
		segments[i][2] = cpu_to_fdt64(prot);
	}
	return fdt_property(tree, "segments", segments,
	                    (int)(image->segment_count * sizeof segments[0]));
}

static int put_application(void *tree, const struct device_tree_input *input)
{
	const struct elf_file *application = input->application;
	const struct elf_image *image = &application->image;
	uint64_t headers = image->headers_va ? image->headers_va + application->bias : 0;

	return fdt_begin_node(tree, "application") ||
	       fdt_property_string(tree, "compatible", "mote,application") ||
	       fdt_property_u64(tree, "entry-point", image->entry + application->bias) ||
	       fdt_property_u64(tree, "load-bias", application->bias) ||
	       fdt_property_u64(tree, "program-headers", headers) ||
	       fdt_property_u32(tree, "program-header-count", image->header_count) ||
	       (input->interpreter &&
	        fdt_property_string(tree, "interpreter", input->interpreter)) ||
	       put_segments(tree, application) || fdt_end_node(tree);
}

static int put_machine(void *tree, const struct device_tree_input *input)
{
	return fdt_property_u32(tree, "#address-cells", 2) ||
	       fdt_property_u32(tree, "#size-cells", 2) ||
	       fdt_property_string(tree, "compatible", "mote,microvm") ||
	       fdt_begin_node(tree, "cpus") || fdt_property_u32(tree, "#address-cells", 1) ||
	       fdt_property_u32(tree, "#size-cells", 0) || fdt_begin_node(tree, "cpu@0") ||
	       fdt_property_string(tree, "device_type", "cpu") ||
	       fdt_property_u32(tree, "reg", 0) ||
	       fdt_property_u64(tree, "mote,xsave-size", input->xsave_size) ||
	       fdt_property_u32(tree, "mote,hwcap", input->hwcap) ||
	       fdt_property_u32(tree, "mote,hwcap2", input->hwcap2) || fdt_end_node(tree) ||
	       fdt_end_node(tree) || fdt_begin_node(tree, "memory@0") ||
	       fdt_property_string(tree, "device_type", "memory") ||
	       put_range(tree, "reg", 0, input->ram_size) || fdt_end_node(tree);
}

int device_tree_build(const struct device_tree_input *input, void *buffer, size_t size,
                      size_t *used, struct mote_error *err)
{
	if (fdt_create(buffer, (int)size) || fdt_finish_reservemap(buffer) ||
	    fdt_begin_node(buffer, "") || put_machine(buffer, input) || put_chosen(buffer, input) ||
	    (!input->program && put_application(buffer, input)) ||
	    (input->devices && devices_describe(input->devices, buffer)) || fdt_end_node(buffer) ||
	    fdt_finish(buffer))
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "cannot build the device tree: %zu bytes are too few for the "
		                      "arguments and the environment",
		                      size);
	*used = fdt_totalsize(buffer);
	return 0;
}
