/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the vCPU of a VM back to what a snapshot has, in place: docs/snapshots.md, "Reset".
 *
 * How it works. A request as a rule ends by a hypercall at CPL 3. Then general registers go in with
 * the next KVM_RUN, and segment registers if they differ: no ioctl. KVM still has to complete the
 * `in` instruction; on some KVMs that sets RIP and flags, from what they were before. Where it is
 * the same instruction and flags as the snapshot's, that is just right; else it is completed first.
 *
 * The guest's kit itself loads vector registers, and the bases of FS and GS, from its memory
 * (guestkit/snapshot.c). All the rest of a vCPU can only be changed at CPL 0, where a guest comes
 * that writes its page tables, or by a triple fault: then everything is put back, XSAVE included.
 */
#ifndef MOTE_SNAPSHOT_RESET_VCPU_H
#define MOTE_SNAPSHOT_RESET_VCPU_H

#include "snapshot/snapshot.h"
#include "snapshot/vcpu_rest.h"

struct reset_vcpu {
	struct kvm *kvm;
	const struct snapshot *snapshot;
	struct vcpu_rest rest; /* as it was before the guest ran */
	uint64_t completed;    /* resets that had to complete an exit */
	uint64_t thorough;     /* resets of everything */
};

/* Remember what the vCPU has, after it was given the snapshot's state, and before it runs. */
int reset_vcpu_prepare(struct reset_vcpu *reset, struct kvm *kvm, const struct snapshot *snapshot,
                       struct mote_error *err);

/**
 * reset_vcpu() - Put the vCPU back; registers go in with the next KVM_RUN.
 * @is_thorough: the guest has written its page tables, or its last exit was no hypercall
 *
 * May call KVM_RUN with immediate_exit set, and leaves that cleared: a caller whose signal handlers
 * set it looks for what they had to say afterwards.
 */
int reset_vcpu(struct reset_vcpu *reset, bool is_thorough, struct mote_error *err);

#endif
