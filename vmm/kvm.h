/* SPDX-License-Identifier: Apache-2.0 */
/* The KVM file descriptors of one microVM. */
#ifndef MOTE_VMM_KVM_H
#define MOTE_VMM_KVM_H

#include <linux/kvm.h>

#include "vmm/error.h"
#include "vmm/guest_memory.h"

enum kvm_backend { KVM_BACKEND_INTEL, KVM_BACKEND_AMD, KVM_BACKEND_PVM, KVM_BACKEND_OTHER };

struct kvm {
	int system; /* /dev/kvm */
	int vm;
	int vcpu;
	struct kvm_run *run; /* shared with the kernel */
	size_t run_size;
};

/**
 * kvm_open() - Open /dev/kvm and check what it can do.
 *
 * Errors say whether the device is missing, forbidden, or too old.
 */
int kvm_open(struct kvm *kvm, struct mote_error *err);

/**
 * kvm_create() - Make the VM, its memory slots and its vCPU.
 * @memory: slot 0, from guest-physical 0
 */
int kvm_create(struct kvm *kvm, const struct guest_memory *memory, struct mote_error *err);

/**
 * kvm_add_read_only_slot() - Map host memory read-only into guest-physical space.
 * @slot: number, not 0
 */
int kvm_add_read_only_slot(const struct kvm *kvm, unsigned slot, uint64_t gpa, const void *host,
			   uint64_t length, struct mote_error *err);

/* Which KVM this is, for --stats and for messages. */
enum kvm_backend kvm_backend(void);
const char *kvm_backend_name(enum kvm_backend backend);

#endif
