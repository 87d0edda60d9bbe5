/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vCPU holds beside general, segment, control and vector registers. A guest that stays at
 * CPL 3 changes none of it; one that has written its page tables may be at CPL 0.
 */
#ifndef MOTE_SNAPSHOT_VCPU_REST_H
#define MOTE_SNAPSHOT_VCPU_REST_H

#include <linux/kvm.h>
#include <stdbool.h>

#include "vmm/kvm.h"

#define VCPU_REST_MSRS 32

struct vcpu_rest {
	struct kvm_vcpu_events events;
	struct kvm_debugregs debug;
	struct kvm_xcrs xcrs;
	struct kvm_mp_state mp_state;
	bool has_lapic; /* KVM emulates a local APIC */
	struct kvm_lapic_state lapic;
	struct {
		struct kvm_msrs head; /* how many this KVM has; the same in each */
		struct kvm_msr_entry entries[VCPU_REST_MSRS];
	} msrs;
};

/* Find out which MSRs this KVM has, and read all of it. For phase load: takes many calls. */
int vcpu_rest_learn(const struct kvm *kvm, struct vcpu_rest *rest, struct mote_error *err);

/* Read all of it. @model: learned from the same vCPU */
int vcpu_rest_get(const struct kvm *kvm, const struct vcpu_rest *model, struct vcpu_rest *rest,
                  struct mote_error *err);

/**
 * vcpu_rest_put() - Put all of it back.
 * @rest: learned from the same vCPU
 *
 * Fails where the guest has moved its time stamp counter: that cannot be put back to the tick.
 */
int vcpu_rest_put(const struct kvm *kvm, const struct vcpu_rest *rest, struct mote_error *err);

/* What differs first, in words; NULL: nothing does. */
const char *vcpu_rest_difference(const struct vcpu_rest *a, const struct vcpu_rest *b);

#endif
