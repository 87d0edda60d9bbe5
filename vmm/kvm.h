/* SPDX-License-Identifier: Apache-2.0 */
/* The KVM file descriptors of one microVM. */
#ifndef MOTE_VMM_KVM_H
#define MOTE_VMM_KVM_H

#include <linux/kvm.h>
#include <stdbool.h>

#include "vmm/error.h"
#include "vmm/guest_memory.h"

enum kvm_backend { KVM_BACKEND_INTEL, KVM_BACKEND_AMD, KVM_BACKEND_PVM, KVM_BACKEND_OTHER };

/* Each is at least as large as all before it. */
#define KVM_RAM_SLOTS_MAX 28
/* Behind those of RAM. */
#define KVM_FLUSH_SLOT 30 /* snapshot/reset.c */

struct kvm {
	int system; /* /dev/kvm */
	int vm;
	int vcpu;
	struct kvm_run *run; /* shared with the kernel */
	size_t run_size;
	uint64_t ram_end;                     /* guest-physical end of the RAM that has a slot */
	unsigned ram_slots;                   /* how many it is made of, numbered from 0 */
	uint64_t ram_slot[KVM_RAM_SLOTS_MAX]; /* guest-physical starts of these */
	bool is_logging;                      /* slots that are added have a dirty log */
};

/**
 * kvm_open() - Open /dev/kvm and check what it can do.
 *
 * Errors say whether the device is missing, forbidden, or too old.
 */
int kvm_open(struct kvm *kvm, struct mote_error *err);

/**
 * kvm_create() - Make the VM, still without memory, and its vCPU.
 * @ram_size: bytes that it may get later: decides whether KVM emulates a local APIC
 * @is_native: see struct cpuid
 */
int kvm_create(struct kvm *kvm, uint64_t ram_size, bool is_native, struct mote_error *err);

/**
 * kvm_add_ram() - Make RAM usable for the guest up to @end by one more slot.
 * @end: guest-physical, at least kvm->ram_end; brought to whole 2 MiB and cut at the end of RAM
 *
 * What a VM costs to make and to end grows with its slots (1 us for 2 MiB and more where tables are
 * shadowed), so a guest gets them as it needs them (mote/abi.h, hypercall `memory`).
 */
int kvm_add_ram(struct kvm *kvm, const struct guest_memory *memory, uint64_t end,
                struct mote_error *err);

/**
 * kvm_add_read_only_slot() - Map host memory read-only into guest-physical space.
 * @slot: number; RAM takes those from 0 up
 */
int kvm_add_read_only_slot(const struct kvm *kvm, unsigned slot, uint64_t gpa, const void *host,
                           uint64_t length, struct mote_error *err);

/* Which KVM this is, for --stats and for messages. */
enum kvm_backend kvm_backend(void);

/*
 * Whether KVM shadows the guest's page tables rather than nest them; said of a KVM that does not
 * tell, too. Reads /sys: before confinement.
 */
bool kvm_is_shadowing(enum kvm_backend backend);

const char *kvm_backend_name(enum kvm_backend backend);

#endif
