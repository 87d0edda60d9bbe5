/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves after a reset that a VM is what its snapshot says: --verify-reset, and tests.
 *
 * Looks at all of RAM and all that KVM tells of the vCPU, and not at what a reset knows of it. Not
 * compared are the clock page and the run page as far as the VMM writes them anew for each start,
 * and vector registers, which the kit loads from memory. That translations are as the page tables
 * say only the guest can see (tests/guests/reset_walk.c).
 */
#ifndef MOTE_SNAPSHOT_ORACLE_H
#define MOTE_SNAPSHOT_ORACLE_H

#include "snapshot/snapshot.h"
#include "snapshot/vcpu_rest.h"

struct oracle_difference {
	uint64_t gpa; /* of the first byte that differs */
	unsigned char golden, found;
};

/**
 * oracle_check_memory() - Compare all of RAM with a snapshot.
 * @difference: filled where there is one
 *
 * Return: whether all is equal.
 */
bool oracle_check_memory(const struct snapshot *snapshot, const struct guest_memory *memory,
                         struct oracle_difference *difference);

/**
 * oracle_check_vcpu() - Compare a vCPU that is ready to run with a snapshot.
 * @rest: of the vCPU when it was new
 *
 * Brings registers that wait for the next KVM_RUN into the vCPU first (immediate_exit, as
 * reset_vcpu()).
 *
 * Return: 0, or -1 with @err: it names the register that differs, or the call that failed.
 */
int oracle_check_vcpu(const struct kvm *kvm, const struct snapshot *snapshot,
                      const struct vcpu_rest *rest, struct mote_error *err);

#endif
