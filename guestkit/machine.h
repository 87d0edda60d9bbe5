/* SPDX-License-Identifier: Apache-2.0 */
/* What the VMM says about this machine: boot record and device tree, read once at start. */
#ifndef MOTE_GUESTKIT_MACHINE_H
#define MOTE_GUESTKIT_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mote/abi.h"

/* Strings one after the other, each with its NUL, as a device tree's stringlist. */
struct string_list {
	const char *strings;
	size_t size; /* bytes */
};

struct machine_segment {
	uint64_t address, size, prot; /* PROT_* */
};

#define MACHINE_SEGMENTS_MAX 64

/* A virtio device: what its node says. Values are as in the tree, whose memory they point into. */
struct machine_device {
	uint32_t id;        /* virtio 1.2, chapter 5; 0: the node says nothing of use */
	uint64_t registers; /* guest-physical */
	uint64_t features;  /* that the VMM has taken for us */
	const void *queues; /* triples of cells (docs/device-tree.md) */
	unsigned queue_count;
	const unsigned char *config; /* configuration space */
	size_t config_size;
	int node; /* offset in the tree, for properties of its kind */
};

/* What to do about system calls: nothing, print each, print a table at the end, tell the VMM. */
enum strace_mode { STRACE_NONE, STRACE_LINES, STRACE_SUMMARY, STRACE_RING };

struct machine {
	const void *tree; /* flattened */
	uint64_t ram_end;
	uint64_t root_physical, root_size; /* root image; size 0: none */
	uint64_t xsave_size;
	uint32_t hwcap,
	        hwcap2; /* AT_HWCAP, AT_HWCAP2: the kit never runs cpuid, which may cost an exit */
	struct string_list arguments, environment;
	const char *working_directory;
	enum strace_mode strace;
	struct mote_trace *trace; /* ring of events; NULL: nobody asks for them */
	bool allow_wx;
	const char *hostname;      /* NULL: nobody has said */
	const char *snapshot_mark; /* at which one is wanted; NULL: MOTE_MARK_DEFAULT */
	uint32_t console[3];       /* what stdin, stdout and stderr are: MOTE_CONSOLE_* bits */
	const void *seed;
	size_t seed_size;

	unsigned device_count;
	struct machine_device devices[MOTE_DEVICES_MAX];

	const char *program;     /* of the root, to be run; NULL: the one that the VMM has loaded */
	const char *interpreter; /* that the loaded one needs; NULL: none */

	/* the application, where the VMM has loaded it */
	uint64_t entry, load_bias, program_headers;
	uint32_t program_header_count;
	size_t segment_count;
	struct machine_segment segments[MACHINE_SEGMENTS_MAX];
};

extern struct machine machine;

/**
 * machine_device_property() - A property of a device's node.
 * @size: set to its length in bytes
 *
 * Return: its value, or NULL where the node has none.
 */
const void *machine_device_property(const struct machine_device *device, const char *name,
                                    int *size);

/**
 * machine_read_again() - Take another tree, as `start_tree` gives it: the same machine with other
 * arguments, environment, host name or devices' configurations.
 * @tree: stays the machine's
 *
 * Which devices there are, and which number each has, does not change.
 */
void machine_read_again(const void *tree, uint64_t size);

/* Fill `machine`; a tree that lacks what the kit needs ends the guest with a message. */
void machine_read(const struct mote_boot *boot);

#endif
