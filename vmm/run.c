/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one program in one microVM: the loop around KVM_RUN. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/control.h"
#include "vmm/crash.h"
#include "vmm/lost_page.h"
#include "vmm/stop.h"
#include "vmm/tick.h"
#include "vmm/trace.h"
#include "vmm/vm.h"
#include "vmm/vm_save.h"
#include "vmm/working_set.h"

/* After the guest's end, for what its devices hold: at most this long, looked at this often. */
#define DRAIN_NS       2000000000u
#define DRAIN_ROUND_NS 1000000u

void vm_read_run_page(const struct vm *vm, struct mote_run *run)
{
	if (guest_read(&vm->memory, (mote_gpa_t){MOTE_RUN_VA - MOTE_WINDOW_VA}, run, sizeof *run))
		memset(run, 0, sizeof *run);
}

uint64_t vm_exit_count(const struct vm *vm)
{
	uint64_t count = 0;

	for (int i = 0; i < MOTE_HC_LIMIT; i++)
		count += vm->hypercalls[i];
	for (int i = 0; i < VM_EXIT_CAUSES; i++)
		count += vm->exits[i];
	return count;
}

/* Ends the guest if something outside asked for it. */
void vm_check_stop(struct vm *vm)
{
	int signal_number;
	char why[64];

	switch (stop_requested(&signal_number)) {
	case STOP_NONE: return;
	case STOP_SIGNAL: vm->exit_status = MOTE_STATUS_SIGNAL_BASE + signal_number; break;
	case STOP_TIMEOUT:
		snprintf(why, sizeof why, "ran for %g s, its time limit",
		         (double)vm->options->timeout_ns / 1e9);
		crash_stopped(vm, why, signal_number);
		vm->exit_status = MOTE_STATUS_TIMEOUT;
		break;
	}
	vm->is_over = true;
}

/* A request has a time of its own. */
static void check_deadline(struct vm *vm)
{
	if (!vm->run_deadline || clock_page_monotonic(&vm->clock) < vm->run_deadline)
		return;
	crash_stopped(vm, "took longer than its request may", 0);
	vm->exit_status = MOTE_STATUS_TIMEOUT;
	vm->is_over = true;
}

static void handle_mmio(struct vm *vm)
{
	struct kvm_run *run = vm->kvm.run;
	char what[96];

	vm->exits[VM_EXIT_MMIO]++;
	if (run->mmio.len <= sizeof run->mmio.data &&
	    devices_access(&vm->devices, run->mmio.phys_addr, run->mmio.is_write, run->mmio.data,
	                   run->mmio.len))
		return;
	snprintf(what, sizeof what, "%s guest-physical address 0x%llx, where there is no memory",
	         run->mmio.is_write ? "wrote to" : "read from",
	         (unsigned long long)run->mmio.phys_addr);
	crash_unexpected_exit(vm, what);
}

static int handle_exit(struct vm *vm, struct mote_error *err)
{
	const struct kvm_run *run = vm->kvm.run;
	char what[80];

	switch (run->exit_reason) {
	case KVM_EXIT_IO: return vm_hypercall(vm, err);
	case KVM_EXIT_MMIO: handle_mmio(vm); return 0;
	case KVM_EXIT_INTR: vm->exits[VM_EXIT_INTERRUPTED]++; return 0;
	case KVM_EXIT_FAIL_ENTRY:
		return mote_error_set(
		        err, MOTE_STATUS_FAILED,
		        "KVM refused to enter the guest (hardware reason 0x%llx)",
		        (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	case KVM_EXIT_SHUTDOWN:
		vm->exits[VM_EXIT_OTHER]++;
		crash_unexpected_exit(
		        vm, "broke its own descriptor tables or page tables (triple fault)");
		return 0;
	case KVM_EXIT_INTERNAL_ERROR:
		vm->exits[VM_EXIT_OTHER]++;
		snprintf(what, sizeof what, "did what this KVM cannot emulate (suberror %u)",
		         run->internal.suberror);
		crash_unexpected_exit(vm, what);
		return 0;
	default:
		vm->exits[VM_EXIT_OTHER]++;
		snprintf(what, sizeof what, "stopped in a way it should not (KVM exit %u)",
		         run->exit_reason);
		crash_unexpected_exit(vm, what);
		return 0;
	}
}

/* #syscalls:run ioctl(KVM_RUN) */
static int enter_guest(struct vm *vm, struct mote_error *err)
{
	struct kvm_run *run = vm->kvm.run;
	uint64_t entered = vm->trace ? clock_host_tsc() : 0;

	if (ioctl(vm->kvm.vcpu, KVM_RUN, 0) < 0) {
		if (errno == EFAULT)
			return lost_page_error(err,
			                       vm->image.name ? vm->image.name : vm->options->app);
		if (errno != EINTR && errno != EAGAIN)
			return mote_error_errno(err, MOTE_STATUS_FAILED, "KVM_RUN failed");
		/* The only place that clears it: a later signal sets it again. */
		run->immediate_exit = 0;
		run->exit_reason = KVM_EXIT_INTR;
		stop_interrupted_run();
	}
	if (vm->trace)
		trace_left(vm, entered);
	devices_finish(&vm->devices);
	return 0;
}

/* After each exit: what is due beside it. */
static int look_around(struct vm *vm, struct mote_error *err)
{
	clock_page_refresh_if_old(&vm->clock);
	if (tick_serve(vm, err))
		return -1;
	if (vm->control)
		control_look(vm);
	if (vm_wants_snapshot(vm) && !vm->pause.why)
		tick_lead(vm);
	if (!vm->is_over)
		vm_check_stop(vm);
	if (!vm->is_over)
		check_deadline(vm);
	working_set_watch(vm, vm->is_over);
	if (vm->trace)
		trace_handled(vm);
	return 0;
}

int vm_loop(struct vm *vm, struct mote_error *err)
{
	while (!vm->is_over && !vm->pause.why && !stop_is_due()) {
		if (vm->pause.is_at_exit)
			vm->pause.is_at_exit = false;
		else if (enter_guest(vm, err))
			return -1;
		if (handle_exit(vm, err) || look_around(vm, err))
			return -1;
	}
	if (!vm->is_over)
		return 0;
	devices_finish(&vm->devices);
	vm_mark(vm, VM_MOMENT_ENDED);
	return 0;
}

/* What the guest has sent before it ended is not lost with it, if somebody takes it soon. */
bool vm_drain(struct vm *vm)
{
	const unsigned rounds = DRAIN_NS / DRAIN_ROUND_NS;

	devices_serve(&vm->devices, false);
	for (unsigned i = 0; i < rounds && devices_drain(&vm->devices); i++)
		if (stop_poll(NULL, 0, DRAIN_ROUND_NS, false) < 0)
			return !stop_is_due();
	return true;
}
