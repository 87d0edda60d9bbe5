/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state in which the vCPU starts.
 *
 * No firmware and no boot code: what an operating system would set up on its way from reset to user
 * mode (Intel SDM vol. 3, 3.4, 6.14, 7.7 and 9.8) is written here directly. Selectors follow
 * Linux's layout. All vectors enter through interrupt gates on IST1, because on stock KVM a system
 * call runs its first instructions at CPL 0 on the application's stack pointer.
 */
#include "vmm/cpu_state.h"

#include <string.h>
#include <sys/ioctl.h>

#define GDT_OFFSET 0x000
#define TSS_OFFSET 0x100
#define IDT_OFFSET 0x400

#define GDT_LIMIT (MOTE_TSS + 16 - 1)
#define IDT_LIMIT (MOTE_VECTORS * 16 - 1)

/* 64-bit TSS (SDM vol. 3, 7.7): 104 bytes, then the bitmap up to the hypercall port, then 0xff. */
#define TSS_RSP0     4
#define TSS_IST1     36
#define TSS_MAP_BASE 102
#define TSS_SIZE     104
#define TSS_MAP_SIZE (MOTE_HYPERCALL_PORT / 8 + 1)
#define TSS_LIMIT    (TSS_SIZE + TSS_MAP_SIZE)
_Static_assert(MOTE_HYPERCALL_PORT % 8 <= 4, "its four permission bits share a byte");
_Static_assert(TSS_OFFSET + TSS_LIMIT < IDT_OFFSET, "the tables do not overlap");

#define GATE_INTERRUPT 0x8e
#define GATE_DPL3      0x60
#define VECTOR_BP      3

#define CR0_VALUE    0x80050033u /* PG AM WP NE ET MP PE */
#define CR4_VALUE    0x00050668u /* OSXSAVE FSGSBASE OSXMMEXCPT OSFXSR MCE PAE DE */
#define EFER_VALUE   0xd01u      /* NXE LMA LME SCE */
#define RFLAGS_VALUE 0x202u      /* IF */
#define APIC_BASE_VALUE \
	0xfee00900u /* after reset, on the bootstrap processor (SDM vol. 3, 11.4.4) */

#define MSR_STAR         0xc0000081u
#define MSR_LSTAR        0xc0000082u
#define MSR_CSTAR        0xc0000083u
#define MSR_SYSCALL_MASK 0xc0000084u

static void put64(unsigned char *at, uint64_t value)
{
	memcpy(at, &value, sizeof value);
}

static void write_gdt(unsigned char *gdt)
{
	put64(gdt + MOTE_KERNEL_CS, 0x00af9b000000ffffUL);
	put64(gdt + MOTE_KERNEL_SS, 0x00cf93000000ffffUL);
	put64(gdt + 0x20, 0x00cffb000000ffffUL); /* 32-bit user code, as on Linux */
	put64(gdt + 0x28, 0x00cff3000000ffffUL);
	put64(gdt + 0x30, 0x00affb000000ffffUL);
}

static void write_tss(unsigned char *gdt, unsigned char *tss, uint64_t trap_stack_top)
{
	uint64_t base = MOTE_CPU_TABLES_VA + TSS_OFFSET;
	uint16_t map_base = TSS_SIZE;

	put64(gdt + MOTE_TSS,
	      TSS_LIMIT | (base & 0xffffff) << 16 | 0x8bUL << 40 | (base >> 24 & 0xff) << 56);
	put64(gdt + MOTE_TSS + 8, base >> 32);
	put64(tss + TSS_RSP0, trap_stack_top);
	put64(tss + TSS_IST1, trap_stack_top);
	memcpy(tss + TSS_MAP_BASE, &map_base, sizeof map_base);
	memset(tss + TSS_SIZE, 0xff, TSS_MAP_SIZE + 1);
	tss[TSS_SIZE + MOTE_HYPERCALL_PORT / 8] = (unsigned char)~(0xfu << MOTE_HYPERCALL_PORT % 8);
}

static void write_idt(unsigned char *idt)
{
	for (unsigned vector = 0; vector < MOTE_VECTORS; vector++) {
		uint64_t handler = MOTE_RING0_VA + vector * MOTE_VECTOR_STRIDE;
		uint64_t type = GATE_INTERRUPT | (vector == VECTOR_BP ? GATE_DPL3 : 0);
		uint64_t ist = 1;

		put64(idt + 16 * vector, (handler & 0xffff) | (uint64_t)MOTE_KERNEL_CS << 16 |
		                                 ist << 32 | type << 40 |
		                                 (handler >> 16 & 0xffff) << 48);
		put64(idt + 16 * vector + 8, handler >> 32);
	}
}

int cpu_tables_write(const struct guest_memory *memory, uint64_t trap_stack_top,
                     struct mote_error *err)
{
	unsigned char *page = guest_range(memory, (mote_gpa_t){MOTE_CPU_TABLES_VA - MOTE_WINDOW_VA},
	                                  MOTE_PAGE_SIZE);

	if (!page)
		return mote_error_set(err, MOTE_STATUS_FAILED, "guest memory is too small");
	write_gdt(page + GDT_OFFSET);
	write_tss(page + GDT_OFFSET, page + TSS_OFFSET, trap_stack_top);
	write_idt(page + IDT_OFFSET);
	return 0;
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type, bool is_code)
{
	return (struct kvm_segment){.limit = 0xffffffff,
	                            .selector = selector,
	                            .type = type,
	                            .present = 1,
	                            .dpl = 3,
	                            .db = !is_code,
	                            .s = 1,
	                            .l = is_code,
	                            .g = 1};
}

/* All of them, from nothing: asking KVM for its own first would cost an ioctl. */
static void set_sregs(struct kvm_sregs *sregs, uint64_t page_table)
{
	struct kvm_segment data = flat_segment(MOTE_USER_SS, 3, false);

	*sregs = (struct kvm_sregs){
	        .cr0 = CR0_VALUE,
	        .cr3 = page_table,
	        .cr4 = CR4_VALUE,
	        .efer = EFER_VALUE,
	        .apic_base = APIC_BASE_VALUE,
	        .cs = flat_segment(MOTE_USER_CS, 0xb, true),
	        .ds = data,
	        .es = data,
	        .fs = data,
	        .gs = data,
	        .ss = data,
	        .gdt = {.base = MOTE_CPU_TABLES_VA + GDT_OFFSET, .limit = GDT_LIMIT},
	        .idt = {.base = MOTE_CPU_TABLES_VA + IDT_OFFSET, .limit = IDT_LIMIT},
	        .tr = {.base = MOTE_CPU_TABLES_VA + TSS_OFFSET,
	               .limit = TSS_LIMIT,
	               .selector = MOTE_TSS,
	               .type = 11,
	               .present = 1},
	};
}

static int failed(struct mote_error *err, const char *step)
{
	return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot set up the vCPU: %s", step);
}

static int set_msrs(const struct kvm *kvm, const uint64_t values[CPU_STATE_MSRS])
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[CPU_STATE_MSRS];
	} msrs = {.head = {.nmsrs = CPU_STATE_MSRS},
	          .entries = {{.index = MSR_STAR, .data = values[0]},
	                      {.index = MSR_LSTAR, .data = values[1]},
	                      {.index = MSR_SYSCALL_MASK, .data = values[2]}}};

	return ioctl(kvm->vcpu, KVM_SET_MSRS, &msrs) == CPU_STATE_MSRS ? 0 : -1;
}

/* #syscalls:load ioctl(KVM_SET_CPUID2) */
/* #syscalls:load ioctl(KVM_SET_XCRS) ioctl(KVM_SET_MSRS) */
int cpu_state_set_features(const struct kvm *kvm, struct cpuid *cpuid, uint64_t xcr0,
                           const uint64_t msrs[CPU_STATE_MSRS], struct mote_error *err)
{
	struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs = {{.xcr = 0, .value = xcr0}}};

	if (ioctl(kvm->vcpu, KVM_SET_CPUID2, cpuid) < 0)
		return failed(err, "KVM_SET_CPUID2");
	if (ioctl(kvm->vcpu, KVM_SET_XCRS, &xcrs) < 0)
		return failed(err, "KVM_SET_XCRS");
	return set_msrs(kvm, msrs) ? failed(err, "KVM_SET_MSRS") : 0;
}

int cpu_state_set(const struct kvm *kvm, struct cpuid *cpuid, const struct cpu_start *start,
                  struct mote_error *err)
{
	const uint64_t msrs[CPU_STATE_MSRS] = {MOTE_STAR, start->syscall_entry, MOTE_FMASK};
	struct kvm_regs *regs = &kvm->run->s.regs.regs;

	if (cpu_state_set_features(kvm, cpuid, cpuid_xcr0(cpuid), msrs, err))
		return -1;
	/* General and special registers go in with the first KVM_RUN. */
	set_sregs(&kvm->run->s.regs.sregs, start->page_table);
	memset(regs, 0, sizeof *regs);
	regs->rip = start->entry;
	regs->rdi = start->argument;
	regs->rflags = RFLAGS_VALUE;
	kvm->run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	kvm->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	return 0;
}
