/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a VM that was restored from a snapshot back to it, in place. */
#include "vmm/vm_reset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot/oracle.h"
#include "vmm/console.h"
#include "vmm/control.h"
#include "vmm/devices_snapshot.h"
#include "vmm/stop.h"
#include "vmm/tick.h"
#include "vmm/vm_restore.h"
#include "vmm/vm_save.h"

/* ---- before the first run ---- */

int vm_reset_open(struct vm *vm, struct mote_error *err)
{
	if (vm->options->count == 1 && !vm->serve && !vm->host.can_reset)
		return 0;
	vm->reset = calloc(1, sizeof *vm->reset);
	if (!vm->reset)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for resets");
	vm->reset->memory.is_shadowing = kvm_is_shadowing(kvm_backend());
	vm->devices.needs.groups |= CONFINE_SNAPSHOT;
	return 0;
}

int vm_reset_prepare_memory(struct vm *vm, struct mote_error *err)
{
	struct vm_reset *reset = vm->reset;

	if (!reset)
		return 0;
	if (vm->devices.count) {
		reset->devices_size = devices_save_bound(&vm->devices);
		reset->devices = aligned_alloc(16, reset->devices_size);
		reset->golden = aligned_alloc(16, reset->devices_size);
		if (!reset->devices || !reset->golden)
			return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for resets");
		if (devices_save(&vm->devices, reset->golden, reset->devices_size,
		                 &reset->golden_size, err))
			return -1;
	}
	return reset_prepare(&reset->memory, &vm->kvm, &vm->memory, vm->snapshot, err);
}

int vm_reset_prepare_vcpu(struct vm *vm, struct mote_error *err)
{
	return vm->reset ? reset_vcpu_prepare(&vm->reset->vcpu, &vm->kvm, vm->snapshot, err) : 0;
}

/* ---- reset ---- */

/* Without devices, there is no state of theirs; with some, all is loaded again. */
static int reset_devices(struct vm *vm, struct mote_error *err)
{
	const struct snapshot_section *state = &vm->snapshot->sections[SNAPSHOT_DEVICES];

	return vm->devices.count ? devices_restore(&vm->devices, state->bytes, state->size, err)
	                         : 0;
}

/* A handler that ran while the reset used immediate_exit for itself wants it still. */
static void heed_signals(struct vm *vm)
{
	if (stop_has_news())
		vm->kvm.run->immediate_exit = 1;
}

int vm_reset(struct vm *vm, struct mote_error *err)
{
	struct vm_reset *reset = vm->reset;

	console_restore_terminals();
	if (reset_memory(&reset->memory, err) || reset_devices(vm, err) ||
	    reset_vcpu(&reset->vcpu, reset->memory.was_flushed, err))
		return -1;
	heed_signals(vm);
	vm_restore_clock(vm);
	tick_restart(vm);
	vm->is_over = false;
	vm->exit_status = vm->signal = 0;
	vm->is_out_of_memory = false;
	if (vm_new_generation(vm, err))
		return -1;
	vm_save_want(vm);
	return 0;
}

/* ---- the oracle ---- */

/* An address at which the tables below @table map a frame; 0: none. Address 0 is never mapped. */
static uint64_t find_address(const struct snapshot *snapshot, uint64_t table, int level,
                             uint64_t base, uint64_t gpa)
{
	uint64_t frames = snapshot->machine->ram_size / MOTE_PAGE_SIZE;
	uint64_t size = 1ull << (12 + 9 * level), entries[512];

	if (table / MOTE_PAGE_SIZE >= frames)
		return 0;
	memcpy(entries, snapshot_page(snapshot, table / MOTE_PAGE_SIZE), sizeof entries);
	/* The upper half is the kit's: its direct map has every page. */
	for (unsigned i = 0; i < (level == 3 ? 256 : 512); i++) {
		uint64_t target = entries[i] & PTE_ADDRESS, found = 0;

		if (!(entries[i] & PTE_PRESENT))
			continue;
		if (level && !(entries[i] & PTE_HUGE))
			found = find_address(snapshot, target, level - 1, base + i * size, gpa);
		else if (gpa - (target & ~(size - 1)) < size)
			found = base + i * size + gpa % size;
		if (found)
			return found;
	}
	return 0;
}

static void describe(const struct vm *vm, uint64_t gpa, char *text, size_t size)
{
	const uint64_t *tables = vm->reset->memory.tables;
	uint64_t frame = gpa / MOTE_PAGE_SIZE, va;

	if (gpa < MOTE_WINDOW_END - MOTE_WINDOW_VA && gpa < vm->memory.free.start)
		va = MOTE_WINDOW_VA + gpa;
	else
		va = find_address(vm->snapshot, vm->snapshot->machine->page_table, 3, 0, gpa);
	if (tables[frame / 64] >> frame % 64 & 1)
		snprintf(text, size, "a page table");
	else if (va >= MOTE_WINDOW_VA)
		snprintf(text, size, "the kit's at 0x%llx", (unsigned long long)va);
	else if (va)
		snprintf(text, size, "the program's at 0x%llx", (unsigned long long)va);
	else
		snprintf(text, size, "memory that is free or the kit's");
}

static int verify_memory(const struct vm *vm, struct mote_error *err)
{
	struct oracle_difference difference;
	char what[64];

	if (oracle_check_memory(vm->snapshot, &vm->memory, &difference))
		return 0;
	describe(vm, difference.gpa, what, sizeof what);
	return mote_error_set(
	        err, MOTE_STATUS_FAILED,
	        "the reset is not right: page 0x%llx (%s) has 0x%02x at +0x%llx and "
	        "had 0x%02x",
	        (unsigned long long)(difference.gpa / MOTE_PAGE_SIZE), what, difference.found,
	        (unsigned long long)(difference.gpa % MOTE_PAGE_SIZE), difference.golden);
}

static int verify_devices(struct vm *vm, struct mote_error *err)
{
	struct vm_reset *reset = vm->reset;
	size_t used;

	if (!vm->devices.count)
		return 0;
	if (devices_save(&vm->devices, reset->devices, reset->devices_size, &used, err))
		return -1;
	if (used == reset->golden_size && !memcmp(reset->devices, reset->golden, used))
		return 0;
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "the reset is not right: the state of virtio devices is another");
}

int vm_reset_verify(struct vm *vm, struct mote_error *err)
{
	if (verify_memory(vm, err) || verify_devices(vm, err) ||
	    oracle_check_vcpu(&vm->kvm, vm->snapshot, &vm->reset->vcpu.rest, err))
		return -1;
	heed_signals(vm);
	return 0;
}
