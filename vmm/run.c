/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one program in one microVM: the loop around KVM_RUN. */
#include "vmm/run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "vmm/confine.h"
#include "vmm/console.h"
#include "vmm/control.h"
#include "vmm/crash.h"
#include "vmm/lost_page.h"
#include "vmm/serve.h"
#include "vmm/stats.h"
#include "vmm/stop.h"
#include "vmm/tick.h"
#include "vmm/trace.h"
#include "vmm/vm.h"
#include "vmm/vm_reset.h"
#include "vmm/vm_restore.h"
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

/* Ends the guest if something outside asked for it. */
static void check_stop(struct vm *vm)
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
static int run_loop(struct vm *vm, struct mote_error *err)
{
	struct kvm_run *run = vm->kvm.run;
	uint64_t entered = 0;

	while (!vm->is_over) {
		if (vm->trace)
			entered = clock_host_tsc();
		if (ioctl(vm->kvm.vcpu, KVM_RUN, 0) < 0) {
			if (errno == EFAULT)
				return lost_page_error(err, vm->image.name ? vm->image.name
				                                           : vm->options->app);
			if (errno != EINTR && errno != EAGAIN)
				return mote_error_errno(err, MOTE_STATUS_FAILED, "KVM_RUN failed");
			/* The only place that clears it: a later signal sets it again. */
			run->immediate_exit = 0;
			run->exit_reason = KVM_EXIT_INTR;
		}
		if (vm->trace)
			trace_left(vm, entered);
		devices_finish(&vm->devices);
		if (handle_exit(vm, err))
			return -1;
		clock_page_refresh_if_old(&vm->clock);
		if (tick_serve(vm, err))
			return -1;
		if (vm->control)
			control_look(vm);
		if (!vm->is_over)
			check_stop(vm);
		if (!vm->is_over)
			check_deadline(vm);
		working_set_watch(vm, vm->is_over);
		if (vm->trace)
			trace_handled(vm);
	}
	devices_finish(&vm->devices);
	vm_mark(vm, VM_MOMENT_ENDED);
	return 0;
}

/* What the guest has sent before it ended is not lost with it, if somebody takes it soon. */
static void drain_devices(struct vm *vm)
{
	const unsigned rounds = DRAIN_NS / DRAIN_ROUND_NS;

	devices_serve(&vm->devices, false);
	for (unsigned i = 0; i < rounds && devices_drain(&vm->devices); i++)
		if (stop_poll(NULL, 0, DRAIN_ROUND_NS, false) < 0)
			break;
}

static bool is_stopped(void)
{
	int signal_number;

	return stop_requested(&signal_number) != STOP_NONE;
}

/* Whether the oracle looks at this start, which is the @round-th, from 1. */
static bool is_to_verify(const struct vm *vm, uint64_t round)
{
	return vm->options->verify_every && round % vm->options->verify_every == 0;
}

/*
 * As many starts as were asked for. The status is that of the first that is not 0: what went wrong
 * is not forgotten.
 */
static int run_rounds(struct vm *vm, struct mote_error *err)
{
	int status;

	vm_mark(vm, VM_MOMENT_RUN);
	if (run_loop(vm, err))
		return -1;
	drain_devices(vm);
	status = vm->exit_status;
	for (uint64_t round = 2; round <= vm->options->count; round++) {
		if (is_stopped()) {
			/* It may have come when a round was over: then that one does not tell. */
			check_stop(vm);
			status = status ? status : vm->exit_status;
			break;
		}
		if (vm_reset(vm, err) || (is_to_verify(vm, round) && vm_reset_verify(vm, err)) ||
		    run_loop(vm, err))
			return -1;
		drain_devices(vm);
		status = status ? status : vm->exit_status;
	}
	vm->exit_status = status;
	return 0;
}

static uint64_t process_cpu_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

struct run_work {
	const struct run_options *options;
	struct vm *vm;
	struct mote_error *err;
	int status;
};

static void create_and_run(void *ctx)
{
	struct run_work *work = ctx;
	struct vm *vm = work->vm;
	struct mote_error *err = work->err;

	work->status = -1;
	if (work->options->restore_path ? vm_restore(vm, work->options, err)
	                                : vm_create(vm, work->options, err))
		return;
	console_remember_terminals();
	if (stop_init(vm->kvm.run, vm->options->timeout_ns, err) || tick_init(vm, err) ||
	    control_start(vm, err) || confine_enter(CONFINE_RUN, &vm->devices.needs, err))
		return;
	if (vm->snapshot)
		tick_restart(vm);
	if (vm->trace)
		trace_begin(vm);
	work->status = vm->serve ? serve_requests(vm, run_loop, err) : run_rounds(vm, err);
	if (!work->status)
		work->status = vm_save_finish(vm, err);
	if (!work->status && vm->trace)
		work->status = trace_end(vm, err);
}

int vm_run(const struct run_options *options, struct mote_error *err)
{
	static struct vm vm;
	struct run_work work = {.options = options, .vm = &vm, .err = err};

	if (options->trace_path &&
	    trace_open(&vm, options->trace_path, !options->trace_no_pages, err))
		return -1;
	vm_mark(&vm, VM_MOMENT_MAIN);
	vm.start_cpu_ns = process_cpu_ns();
	if (lost_page_init(err))
		return -1;
	if (lost_page_guard(create_and_run, &work))
		work.status = lost_page_error(err, options->app);
	console_restore_terminals();
	if (work.status)
		return -1;
	if (options->stats != STATS_NONE)
		stats_print(&vm, options->stats);
	/* The kernel takes the VM down with the process, faster than we could. */
	return vm.exit_status;
}
