/* SPDX-License-Identifier: Apache-2.0 */
/* The device tree that describes the machine to the kit; docs/device-tree.md has the bindings. */
#ifndef MOTE_VMM_DEVICE_TREE_H
#define MOTE_VMM_DEVICE_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/devices.h"
#include "vmm/error.h"
#include "vmm/loader.h"
#include "vmm/options.h"

struct device_tree_input {
	const struct run_options *options;
	const char *program;     /* in the root, for the kit to load; NULL: the application */
	const char *interpreter; /* of the application; NULL: none */
	const struct elf_file *application;
	uint64_t ram_size;      /* bytes from guest-physical 0 */
	uint64_t root_gpa;      /* root image; size 0: none */
	uint64_t root_size;     /* bytes */
	uint64_t trace_gpa;     /* ring of events; size 0: none */
	uint64_t trace_size;    /* bytes */
	unsigned char seed[64]; /* rng-seed */
	uint64_t xsave_size;    /* bytes of an XSAVE area for XCR0 */
	uint32_t console[3];    /* console_kind() of stdin, stdout, stderr */
	const struct devices *devices;
	uint32_t hwcap, hwcap2; /* AT_HWCAP and AT_HWCAP2 of the guest */
};

/* Bytes that a tree for @input needs at most. */
size_t device_tree_bound(const struct device_tree_input *input);

/**
 * device_tree_build() - Write the flattened tree.
 * @buffer, @size: where to; device_tree_bound() bytes are enough
 * @used: set to its length
 */
int device_tree_build(const struct device_tree_input *input, void *buffer, size_t size,
                      size_t *used, struct mote_error *err);

#endif
