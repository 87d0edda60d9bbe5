/* SPDX-License-Identifier: Apache-2.0 */
/* A VM that is kept ready for a start from a snapshot. */
#include "vmm/vm_shell.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "snapshot/snapshot.h"
#include "vmm/devices_snapshot.h"
#include "vmm/tick.h"
#include "vmm/vm_reset.h"
#include "vmm/vm_restore.h"

/* `in $port, %eax`, the instruction that the state of a snapshot stands behind. */
#define IN_SIZE 2

/* #syscalls:snapshot ioctl(KVM_RUN) */
int vm_shell_warm(struct vm *vm, struct mote_error *err)
{
	const struct snapshot_machine *machine = vm->snapshot->machine;
	struct kvm_run *run = vm->kvm.run;

	run->s.regs.regs = machine->regs;
	run->s.regs.regs.rip -= IN_SIZE;
	run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	if (ioctl(vm->kvm.vcpu, KVM_RUN, 0) < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot prepare a VM: KVM_RUN");
	if (run->exit_reason == KVM_EXIT_IO && run->io.port == MOTE_HYPERCALL_PORT)
		return 0;
	return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
	                      "cannot prepare a VM: its snapshot does not start behind a "
	                      "hypercall (KVM exit %u)",
	                      run->exit_reason);
}

static int begin(struct vm *vm, bool is_thorough, struct mote_error *err)
{
	if (reset_vcpu(&vm->reset->vcpu, is_thorough, err))
		return -1;
	vm_restore_clock(vm);
	tick_restart(vm);
	return vm_new_generation(vm, err);
}

int vm_shell_start(struct vm *vm, struct mote_error *err)
{
	return begin(vm, false, err);
}

/* ---- another snapshot ---- */

static bool is_section_equal(const struct snapshot *a, const struct snapshot *b,
                             enum snapshot_section_kind kind)
{
	const struct snapshot_section *x = &a->sections[kind], *y = &b->sections[kind];

	return x->size == y->size && (!x->size || !memcmp(x->bytes, y->bytes, x->size));
}

/* All that is of the host, or that KVM fixes when a VM is made. */
static bool is_same_machine(const struct snapshot *a, const struct snapshot *b)
{
	const struct snapshot_machine *x = a->machine, *y = b->machine;

	return x->abi_version == y->abi_version && x->ram_size == y->ram_size &&
	       x->xcr0 == y->xcr0 && x->tsc_khz == y->tsc_khz && x->root_gpa == y->root_gpa &&
	       x->root_size == y->root_size && !memcmp(x->root_id, y->root_id, sizeof x->root_id) &&
	       !memcmp(x->msrs, y->msrs, sizeof x->msrs) &&
	       is_section_equal(a, b, SNAPSHOT_CPUID) && is_section_equal(a, b, SNAPSHOT_DEVICES);
}

/* #syscalls:snapshot mmap */
static int map_memory(struct vm *vm, const struct snapshot *snapshot, struct mote_error *err)
{
	struct guest_memory *memory = &vm->memory;

	if (mmap(memory->host, memory->size, PROT_READ | PROT_WRITE,
	         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot map guest memory anew");
	memory->backed_count = 0;
	memory->free = snapshot->machine->free;
	return snapshot_map(snapshot, memory, err);
}

int vm_shell_change(struct vm *vm, struct snapshot *snapshot, struct mote_error *err)
{
	const struct snapshot_section *devices = &snapshot->sections[SNAPSHOT_DEVICES];
	const struct snapshot_machine *machine = snapshot->machine;

	if (!is_same_machine(vm->snapshot, snapshot))
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
		                      "cannot change the snapshot of a VM: the other one is of "
		                      "another machine");
	vm->snapshot = snapshot;
	vm->kit_note = machine->kit;
	vm->layout.tables.root = machine->page_table;
	vm->application.bias = machine->application_bias;
	vm->application.gpa = machine->application_gpa;
	if ((machine->ram_end > vm->kvm.ram_end &&
	     kvm_add_ram(&vm->kvm, &vm->memory, machine->ram_end, err)) ||
	    map_memory(vm, snapshot, err) ||
	    devices_restore(&vm->devices, devices->bytes, devices->size, err) ||
	    reset_change(&vm->reset->memory, snapshot, err))
		return -1;
	vm->reset->vcpu.snapshot = snapshot;
	vm->is_over = false;
	vm->exit_status = vm->signal = 0;
	vm->is_out_of_memory = false;
	return begin(vm, true, err);
}
