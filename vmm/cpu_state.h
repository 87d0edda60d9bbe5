/* SPDX-License-Identifier: Apache-2.0 */
/* The state in which the vCPU starts: 64-bit mode, CPL 3, at the kit's entry point. */
#ifndef MOTE_VMM_CPU_STATE_H
#define MOTE_VMM_CPU_STATE_H

#include "vmm/cpuid.h"
#include "vmm/guest_memory.h"
#include "vmm/kvm.h"

/**
 * cpu_tables_write() - Write GDT, TSS with its I/O permission bitmap, and IDT to the CPU tables
 * page.
 * @trap_stack_top: IST1, kit memory
 */
int cpu_tables_write(const struct guest_memory *memory, uint64_t trap_stack_top,
                     struct mote_error *err);

struct cpu_start {
	uint64_t page_table;    /* CR3 */
	uint64_t entry;         /* RIP */
	uint64_t argument;      /* RDI: address of the boot record */
	uint64_t syscall_entry; /* MSR_LSTAR */
};

/* System-call MSRs, in this order: STAR, LSTAR, SFMASK. */
#define CPU_STATE_MSRS 3

/* Give the vCPU its features, XCR0 and system-call MSRs: what its registers do not hold. */
int cpu_state_set_features(const struct kvm *kvm, struct cpuid *cpuid, uint64_t xcr0,
                           const uint64_t msrs[CPU_STATE_MSRS], struct mote_error *err);

/* Give the vCPU its features, control registers, system-call MSRs and first registers. */
int cpu_state_set(const struct kvm *kvm, struct cpuid *cpuid, const struct cpu_start *start,
                  struct mote_error *err);

#endif
