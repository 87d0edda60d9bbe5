/* SPDX-License-Identifier: Apache-2.0 */
/* Proves after a reset that a VM is what its snapshot says. */
#include "snapshot/oracle.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#define FRAME_OF(va) (((va)-MOTE_WINDOW_VA) / MOTE_PAGE_SIZE)

/* Bytes at the start of a page that the VMM writes anew for each start. */
static size_t excepted(uint64_t frame)
{
	if (frame == FRAME_OF(MOTE_CLOCK_VA))
		return sizeof(struct mote_clock);
	return frame == FRAME_OF(MOTE_RUN_VA) ? sizeof(struct mote_run) : 0;
}

/* memcmp() of a small C library looks at one byte after the other. */
static bool is_equal(const unsigned char *a, const unsigned char *b, size_t size)
{
	typedef uint64_t __attribute__((may_alias)) word;
	const word *x = (const word *)(const void *)a, *y = (const word *)(const void *)b;
	uint64_t difference = 0;

	for (size_t i = 0; i < size / sizeof *x; i++)
		difference |= x[i] ^ y[i];
	return !difference;
}
_Static_assert(sizeof(struct mote_clock) % 8 == 0 && sizeof(struct mote_run) % 8 == 0,
               "pages are compared by words behind them");

bool oracle_check_memory(const struct snapshot *snapshot, const struct guest_memory *memory,
                         struct oracle_difference *difference)
{
	for (uint64_t frame = 0; frame < memory->size / MOTE_PAGE_SIZE; frame++) {
		const unsigned char *golden = snapshot_page(snapshot, frame);
		const unsigned char *page = memory->host + frame * MOTE_PAGE_SIZE;
		size_t at = excepted(frame);

		if (is_equal(page + at, golden + at, MOTE_PAGE_SIZE - at))
			continue;
		while (page[at] == golden[at])
			at++;
		*difference = (struct oracle_difference){.gpa = frame * MOTE_PAGE_SIZE + at,
		                                         .golden = golden[at],
		                                         .found = page[at]};
		return false;
	}
	return true;
}

static int differs(struct mote_error *err, const char *name, uint64_t golden, uint64_t found)
{
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "the reset is not right: register %s is 0x%llx and was 0x%llx", name,
	                      (unsigned long long)found, (unsigned long long)golden);
}

struct field {
	const char *name;
	size_t offset, size;
};

static uint64_t value_of(const void *structure, const struct field *field)
{
	uint64_t value = 0;

	memcpy(&value, (const char *)structure + field->offset, field->size);
	return value;
}

static int check_fields(const void *golden, const void *found, const struct field *fields,
                        size_t count, struct mote_error *err)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t a = value_of(golden, &fields[i]), b = value_of(found, &fields[i]);

		if (a != b)
			return differs(err, fields[i].name, a, b);
	}
	return 0;
}

#define REGISTER(name)                                                                       \
	{                                                                                    \
#name, offsetof(struct kvm_regs, name), sizeof(((struct kvm_regs *)0)->name) \
	}
#define SPECIAL(text, name)                                                                   \
	{                                                                                     \
		text, offsetof(struct kvm_sregs, name), sizeof(((struct kvm_sregs *)0)->name) \
	}
#define SEGMENT(name)                                                                         \
	SPECIAL(#name " base", name.base), SPECIAL(#name " limit", name.limit),               \
	        SPECIAL(#name " selector", name.selector), SPECIAL(#name " type", name.type), \
	        SPECIAL(#name " dpl", name.dpl), SPECIAL(#name " present", name.present),     \
	        SPECIAL(#name " l", name.l)

static const struct field registers[] = {
        REGISTER(rax), REGISTER(rbx), REGISTER(rcx), REGISTER(rdx), REGISTER(rsi), REGISTER(rdi),
        REGISTER(rsp), REGISTER(rbp), REGISTER(r8),  REGISTER(r9),  REGISTER(r10), REGISTER(r11),
        REGISTER(r12), REGISTER(r13), REGISTER(r14), REGISTER(r15), REGISTER(rip), REGISTER(rflags),
};

static const struct field special[] = {
        SEGMENT(cs),
        SEGMENT(ds),
        SEGMENT(es),
        SEGMENT(fs),
        SEGMENT(gs),
        SEGMENT(ss),
        SEGMENT(tr),
        SEGMENT(ldt),
        SPECIAL("gdt base", gdt.base),
        SPECIAL("gdt limit", gdt.limit),
        SPECIAL("idt base", idt.base),
        SPECIAL("idt limit", idt.limit),
        SPECIAL("cr0", cr0),
        SPECIAL("cr2", cr2),
        SPECIAL("cr3", cr3),
        SPECIAL("cr4", cr4),
        SPECIAL("cr8", cr8),
        SPECIAL("efer", efer),
        SPECIAL("apic_base", apic_base),
};

/* #syscalls:snapshot ioctl(KVM_RUN) ioctl(KVM_GET_REGS) ioctl(KVM_GET_SREGS) */
int oracle_check_vcpu(const struct kvm *kvm, const struct snapshot *snapshot,
                      const struct vcpu_rest *rest, struct mote_error *err)
{
	const struct snapshot_machine *machine = snapshot->machine;
	struct kvm_regs golden = machine->regs, regs;
	struct vcpu_rest found;
	struct kvm_sregs sregs;
	const char *what;

	golden.rax = MOTE_SNAPSHOT_RESTORED;
	kvm->run->immediate_exit = 1;
	if (ioctl(kvm->vcpu, KVM_RUN, 0) == 0 || errno != EINTR)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "KVM_RUN failed");
	kvm->run->immediate_exit = 0;
	if (ioctl(kvm->vcpu, KVM_GET_REGS, &regs) < 0 ||
	    ioctl(kvm->vcpu, KVM_GET_SREGS, &sregs) < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot read the vCPU's state");
	if (check_fields(&golden, &regs, registers, sizeof registers / sizeof registers[0], err) ||
	    check_fields(&machine->sregs, &sregs, special, sizeof special / sizeof special[0],
	                 err) ||
	    vcpu_rest_get(kvm, rest, &found, err))
		return -1;
	what = vcpu_rest_difference(rest, &found);
	return what ? mote_error_set(err, MOTE_STATUS_FAILED,
	                             "the reset is not right: the vCPU's %s is another", what)
	            : 0;
}
