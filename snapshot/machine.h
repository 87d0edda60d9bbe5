/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The section MACHINE of a snapshot: what a VMM needs to know, beside memory, CPUID, XSAVE and
 * devices, to make the same machine again. Part of the file format: docs/snapshot-format.md.
 */
#ifndef MOTE_SNAPSHOT_MACHINE_H
#define MOTE_SNAPSHOT_MACHINE_H

#include <linux/kvm.h>
#include <stdint.h>

#include "mote/abi.h"

/* MSRs that a guest has (in this order): what system calls need. */
#define SNAPSHOT_MSRS 3 /* STAR, LSTAR, SFMASK */

struct snapshot_machine {
	uint32_t abi_version; /* MOTE_ABI_VERSION */
	uint32_t backend;     /* enum kvm_backend */
	char vmm_version[32]; /* NUL-terminated, for messages */
	struct mote_kit_note kit;
	uint8_t kit_id[16];     /* XXH3-128 of kit.elf's bytes */
	uint64_t kit_size;      /* bytes of it */
	uint32_t point;         /* enum mote_snapshot_point */
	uint32_t cpu_model;     /* enum cpu_model: what --cpu gave */
	uint32_t cpu_signature; /* of the host: CPUID leaf 1, EAX */
	char cpu_vendor[12];    /* of the host: CPUID leaf 0 */
	uint64_t xcr0;
	uint64_t tsc_khz;

	/* memory */
	uint64_t ram_size;      /* bytes from guest-physical 0 */
	uint64_t ram_end;       /* end of the RAM that has memory slots at a start */
	struct mote_range free; /* what may be discarded */
	uint64_t page_table;    /* guest-physical address of the root */
	uint64_t root_gpa;      /* root image; root_size 0: none */
	uint64_t root_size;     /* bytes */
	uint8_t root_id[16];    /* tells it from others (vm_save.c) */

	/* where the application is, for backtraces and `mote inspect` */
	uint64_t application_bias;
	uint64_t application_gpa;

	/* the clock, at the moment of the snapshot */
	uint64_t monotonic;       /* ns, as the guest saw it */
	uint64_t realtime;        /* ns since the epoch */
	uint64_t boottime_offset; /* ns: CLOCK_BOOTTIME minus CLOCK_MONOTONIC, for the guest */
	uint32_t advances;        /* 1: CLOCK_MONOTONIC counts the time that the guest was frozen */
	uint32_t reserved;

	/* the vCPU, behind the hypercall `snapshot` */
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	uint64_t msrs[SNAPSHOT_MSRS];
};

#endif
