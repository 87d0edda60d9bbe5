/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the vCPU of a VM back to what a snapshot has, in place. reset_vcpu.h says how it works. */
#include "snapshot/reset_vcpu.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#define IN_SIZE   2 /* bytes of `in $port, %eax` */
#define CR4_PGE   (1u << 7)
#define RFLAGS_RF (1ull << 16) /* set while an instruction is not complete */

static int failed(struct mote_error *err, const char *step)
{
	return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot reset the vCPU: %s", step);
}

int reset_vcpu_prepare(struct reset_vcpu *reset, struct kvm *kvm, const struct snapshot *snapshot,
                       struct mote_error *err)
{
	reset->kvm = kvm;
	reset->snapshot = snapshot;
	kvm->run->kvm_valid_regs |= KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	return vcpu_rest_learn(kvm, &reset->rest, err);
}

static bool is_hypercall(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_IN &&
	       run->io.port == MOTE_HYPERCALL_PORT && run->io.size == sizeof(int32_t) &&
	       run->io.count == 1;
}

/* What a guest at CPL 3 cannot change; KVM leaves padding as it finds it. */
static bool is_system_equal(const struct kvm_sregs *a, const struct kvm_sregs *b)
{
	return !memcmp(&a->cs, &b->cs, sizeof a->cs) && !memcmp(&a->ss, &b->ss, sizeof a->ss) &&
	       !memcmp(&a->tr, &b->tr, sizeof a->tr) && !memcmp(&a->ldt, &b->ldt, sizeof a->ldt) &&
	       a->gdt.base == b->gdt.base && a->gdt.limit == b->gdt.limit &&
	       a->idt.base == b->idt.base && a->idt.limit == b->idt.limit && a->cr0 == b->cr0 &&
	       a->cr3 == b->cr3 && a->cr4 == b->cr4 && a->cr8 == b->cr8 && a->efer == b->efer &&
	       a->apic_base == b->apic_base;
}

/* What it can: segment registers, and CR2 by a fault. */
static bool is_data_equal(const struct kvm_sregs *a, const struct kvm_sregs *b)
{
	return a->cr2 == b->cr2 && !memcmp(&a->ds, &b->ds, sizeof a->ds) &&
	       !memcmp(&a->es, &b->es, sizeof a->es) && !memcmp(&a->fs, &b->fs, sizeof a->fs) &&
	       !memcmp(&a->gs, &b->gs, sizeof a->gs);
}

/* #syscalls:snapshot ioctl(KVM_RUN) */
static int complete_exit(struct reset_vcpu *reset, struct mote_error *err)
{
	struct kvm_run *run = reset->kvm->run;

	run->kvm_dirty_regs = 0;
	run->immediate_exit = 1;
	if (ioctl(reset->kvm->vcpu, KVM_RUN, 0) == 0 || errno != EINTR)
		return failed(err, "KVM_RUN");
	run->immediate_exit = 0;
	reset->completed++;
	return 0;
}

/*
 * Everything. CR4.PGE there and back makes KVM drop what the TLB, and its own view of the guest's
 * mode, hold.
 */
/* #syscalls:snapshot ioctl(KVM_SET_SREGS) ioctl(KVM_SET_XSAVE) */
static int put_all(struct reset_vcpu *reset, struct mote_error *err)
{
	int vcpu = reset->kvm->vcpu;
	struct kvm_sregs sregs = reset->snapshot->machine->sregs;

	reset->thorough++;
	sregs.cr4 ^= CR4_PGE;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0)
		return failed(err, "KVM_SET_SREGS");
	sregs.cr4 ^= CR4_PGE;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0)
		return failed(err, "KVM_SET_SREGS");
	if (ioctl(vcpu, KVM_SET_XSAVE, reset->snapshot->sections[SNAPSHOT_XSAVE].bytes) < 0)
		return failed(err, "KVM_SET_XSAVE");
	return vcpu_rest_put(reset->kvm, &reset->rest, err);
}

int reset_vcpu(struct reset_vcpu *reset, bool is_thorough, struct mote_error *err)
{
	const struct snapshot_machine *machine = reset->snapshot->machine;
	struct kvm_run *run = reset->kvm->run;
	struct kvm_regs *regs = &run->s.regs.regs;
	struct kvm_sregs *sregs = &run->s.regs.sregs;
	const int32_t result = MOTE_SNAPSHOT_RESTORED;
	uint64_t rip = machine->regs.rip;

	is_thorough |= !is_hypercall(run) || !is_system_equal(sregs, &machine->sregs);
	if (!is_thorough && regs->rip + IN_SIZE == rip &&
	    (regs->rflags & ~RFLAGS_RF) == machine->regs.rflags) {
		rip = regs->rip;
		memcpy((unsigned char *)run + run->io.data_offset, &result, sizeof result);
	} else if (complete_exit(reset, err)) {
		return -1;
	}
	if (is_thorough && put_all(reset, err))
		return -1;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	*regs = machine->regs;
	regs->rip = rip;
	regs->rax = MOTE_SNAPSHOT_RESTORED;
	if (!is_data_equal(sregs, &machine->sregs)) {
		*sregs = machine->sregs;
		run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
	}
	return 0;
}
