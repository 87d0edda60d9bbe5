/* SPDX-License-Identifier: Apache-2.0 */
/* What a vCPU holds beside general, segment, control and vector registers. */
#include "snapshot/vcpu_rest.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

/* Intel SDM vol. 4, AMD APM vol. 2, appendix A; KVM's own: Documentation/virt/kvm/x86/msr.rst */
#define MSR_TSC_ADJUST 0x3b

static const struct {
	uint32_t index;
	const char *name;
} known[] = {
        {MSR_TSC_ADJUST, "MSR TSC_ADJUST"},
        {0x11, "MSR KVM_WALL_CLOCK"},
        {0x12, "MSR KVM_SYSTEM_TIME"},
        {0x48, "MSR SPEC_CTRL"},
        {0x174, "MSR SYSENTER_CS"},
        {0x175, "MSR SYSENTER_ESP"},
        {0x176, "MSR SYSENTER_EIP"},
        {0x1a0, "MSR MISC_ENABLE"},
        {0x1d9, "MSR DEBUGCTL"},
        {0x277, "MSR PAT"},
        {0x2ff, "MSR MTRR_DEF_TYPE"},
        {0xda0, "MSR XSS"},
        {0x4b564d00, "MSR KVM_WALL_CLOCK_NEW"},
        {0x4b564d01, "MSR KVM_SYSTEM_TIME_NEW"},
        {0x4b564d02, "MSR KVM_ASYNC_PF_EN"},
        {0x4b564d03, "MSR KVM_STEAL_TIME"},
        {0x4b564d04, "MSR KVM_PV_EOI_EN"},
        {0x4b564d05, "MSR KVM_POLL_CONTROL"},
        {0x4b564d06, "MSR KVM_ASYNC_PF_INT"},
        {0xc0000081, "MSR STAR"},
        {0xc0000082, "MSR LSTAR"},
        {0xc0000083, "MSR CSTAR"},
        {0xc0000084, "MSR SFMASK"},
        {0xc0000102, "MSR KERNEL_GS_BASE"},
        {0xc0000103, "MSR TSC_AUX"},
};
#define KNOWN (sizeof known / sizeof known[0])
_Static_assert(KNOWN <= VCPU_REST_MSRS, "all have room");

static int failed(struct mote_error *err, const char *step)
{
	return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot reset the vCPU: %s", step);
}

static const char *name_of(uint32_t index)
{
	for (size_t i = 0; i < KNOWN; i++)
		if (known[i].index == index)
			return known[i].name;
	return "an MSR";
}

/* #syscalls:snapshot ioctl(KVM_GET_VCPU_EVENTS) ioctl(KVM_GET_DEBUGREGS) ioctl(KVM_GET_XCRS) */
/* #syscalls:snapshot ioctl(KVM_GET_MP_STATE) ioctl(KVM_GET_LAPIC) */
static int get_structures(const struct kvm *kvm, struct vcpu_rest *rest, struct mote_error *err)
{
	if (ioctl(kvm->vcpu, KVM_GET_VCPU_EVENTS, &rest->events) < 0)
		return failed(err, "KVM_GET_VCPU_EVENTS");
	if (ioctl(kvm->vcpu, KVM_GET_DEBUGREGS, &rest->debug) < 0)
		return failed(err, "KVM_GET_DEBUGREGS");
	if (ioctl(kvm->vcpu, KVM_GET_XCRS, &rest->xcrs) < 0)
		return failed(err, "KVM_GET_XCRS");
	if (ioctl(kvm->vcpu, KVM_GET_MP_STATE, &rest->mp_state) < 0)
		return failed(err, "KVM_GET_MP_STATE");
	rest->has_lapic = ioctl(kvm->vcpu, KVM_GET_LAPIC, &rest->lapic) == 0;
	if (!rest->has_lapic && errno != EINVAL)
		return failed(err, "KVM_GET_LAPIC");
	return 0;
}

/* One by one: KVM goes on up to the first that it does not have. */
int vcpu_rest_learn(const struct kvm *kvm, struct vcpu_rest *rest, struct mote_error *err)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = {.head = {.nmsrs = 1}};

	memset(rest, 0, sizeof *rest);
	for (size_t i = 0; i < KNOWN; i++) {
		one.entry = (struct kvm_msr_entry){.index = known[i].index};
		if (ioctl(kvm->vcpu, KVM_GET_MSRS, &one) == 1 &&
		    ioctl(kvm->vcpu, KVM_SET_MSRS, &one) == 1)
			rest->msrs.entries[rest->msrs.head.nmsrs++] = one.entry;
	}
	return get_structures(kvm, rest, err);
}

/* #syscalls:snapshot ioctl(KVM_GET_MSRS) */
int vcpu_rest_get(const struct kvm *kvm, const struct vcpu_rest *model, struct vcpu_rest *rest,
                  struct mote_error *err)
{
	memset(rest, 0, sizeof *rest);
	rest->msrs = model->msrs;
	if (ioctl(kvm->vcpu, KVM_GET_MSRS, &rest->msrs) != (int)rest->msrs.head.nmsrs)
		return failed(err, "KVM_GET_MSRS");
	return get_structures(kvm, rest, err);
}

/*
 * Those that differ: some KVMs complain of others in the kernel's log. What the guest writes to its
 * time stamp counter it adds to TSC_ADJUST; a host that writes this does not change the counter.
 */
/* #syscalls:snapshot ioctl(KVM_SET_MSRS) */
static int put_msrs(const struct kvm *kvm, const struct vcpu_rest *rest, struct mote_error *err)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[VCPU_REST_MSRS];
	} now;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = {.head = {.nmsrs = 1}};

	_Static_assert(sizeof now == sizeof rest->msrs, "the same structure");
	memcpy(&now, &rest->msrs, sizeof now);
	if (ioctl(kvm->vcpu, KVM_GET_MSRS, &now) != (int)now.head.nmsrs)
		return failed(err, "KVM_GET_MSRS");
	for (uint32_t i = 0; i < now.head.nmsrs; i++) {
		one.entry = rest->msrs.entries[i];
		if (now.entries[i].data == one.entry.data)
			continue;
		if (one.entry.index == MSR_TSC_ADJUST)
			return mote_error_set(err, MOTE_STATUS_FAILED,
			                      "cannot reset the vCPU: the guest has moved its time "
			                      "stamp counter");
		if (ioctl(kvm->vcpu, KVM_SET_MSRS, &one) != 1)
			return failed(err, "KVM_SET_MSRS");
	}
	return 0;
}

/* #syscalls:snapshot ioctl(KVM_SET_VCPU_EVENTS) ioctl(KVM_SET_DEBUGREGS) ioctl(KVM_SET_XCRS) */
/* #syscalls:snapshot ioctl(KVM_SET_MP_STATE) ioctl(KVM_SET_LAPIC) */
int vcpu_rest_put(const struct kvm *kvm, const struct vcpu_rest *rest, struct mote_error *err)
{
	if (put_msrs(kvm, rest, err))
		return -1;
	if (ioctl(kvm->vcpu, KVM_SET_XCRS, &rest->xcrs) < 0)
		return failed(err, "KVM_SET_XCRS");
	if (rest->has_lapic && ioctl(kvm->vcpu, KVM_SET_LAPIC, &rest->lapic) < 0)
		return failed(err, "KVM_SET_LAPIC");
	if (ioctl(kvm->vcpu, KVM_SET_MP_STATE, &rest->mp_state) < 0)
		return failed(err, "KVM_SET_MP_STATE");
	if (ioctl(kvm->vcpu, KVM_SET_DEBUGREGS, &rest->debug) < 0)
		return failed(err, "KVM_SET_DEBUGREGS");
	if (ioctl(kvm->vcpu, KVM_SET_VCPU_EVENTS, &rest->events) < 0)
		return failed(err, "KVM_SET_VCPU_EVENTS");
	return 0;
}

/* KVM leaves the numbers of past exceptions where they were. */
static const char *events_difference(const struct kvm_vcpu_events *a,
                                     const struct kvm_vcpu_events *b)
{
	if (a->exception.injected != b->exception.injected ||
	    a->exception.pending != b->exception.pending)
		return "exception";
	if (a->interrupt.injected != b->interrupt.injected ||
	    a->interrupt.soft != b->interrupt.soft)
		return "interrupt";
	if (a->interrupt.shadow != b->interrupt.shadow)
		return "interrupt shadow";
	if (memcmp(&a->nmi, &b->nmi, sizeof a->nmi) || memcmp(&a->smi, &b->smi, sizeof a->smi) ||
	    a->triple_fault.pending != b->triple_fault.pending)
		return "pending NMI, SMI or triple fault";
	return NULL;
}

const char *vcpu_rest_difference(const struct vcpu_rest *a, const struct vcpu_rest *b)
{
	for (uint32_t i = 0; i < a->msrs.head.nmsrs; i++)
		if (a->msrs.entries[i].data != b->msrs.entries[i].data)
			return name_of(a->msrs.entries[i].index);
	if (memcmp(&a->xcrs, &b->xcrs, sizeof a->xcrs))
		return "XCR0";
	if (events_difference(&a->events, &b->events))
		return events_difference(&a->events, &b->events);
	if (memcmp(&a->debug, &b->debug, sizeof a->debug))
		return "debug registers";
	if (a->mp_state.mp_state != b->mp_state.mp_state)
		return "mp_state";
	if (a->has_lapic && memcmp(&a->lapic, &b->lapic, sizeof a->lapic))
		return "local APIC";
	return NULL;
}
