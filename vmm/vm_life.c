/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a microVM: make, run until something happens, snapshot, reset, call, close. */
#include "vmm/vm_life.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "snapshot/snapshot.h"
#include "vmm/clock_page.h"
#include "vmm/confine.h"
#include "vmm/control.h"
#include "vmm/lost_page.h"
#include "vmm/new_file.h"
#include "vmm/serve.h"
#include "vmm/stop_shared.h"
#include "vmm/tick.h"
#include "vmm/trace.h"
#include "vmm/vm.h"
#include "vmm/vm_reset.h"
#include "vmm/vm_restore.h"
#include "vmm/vm_save.h"

/* For a guest to come to where a snapshot can be taken. */
#define SAFE_NS 5000000000u

/* ---- the thread, and what it may come upon ---- */

/* The thread is the VM's until leave(); that of a process that is the VM's own, for good. */
static void enter(struct vm *vm)
{
	if (vm->has_entered)
		return;
	vm->has_entered = vm->host.owns_process;
	stop_enter(&vm->stop);
	console_enter(&vm->streams);
}

static void leave(struct vm *vm)
{
	if (vm->has_entered)
		return;
	console_leave(&vm->streams);
	stop_leave(&vm->stop);
}

/* The same, for one that is to run: with a timer. */
static int enter_to_run(struct vm *vm, struct mote_error *err)
{
	enter(vm);
	if (vm->host.owns_process || vm->stop.has_tick)
		return 0;
	leave(vm);
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "cannot make a timer: too many signals are pending, or timers made "
	                      "(RLIMIT_SIGPENDING)");
}

struct work {
	struct vm *vm;
	struct mote_error *err;
	int (*step)(struct vm *vm, struct mote_error *err);
	int status;
};

static void take_step(void *ctx)
{
	struct work *work = ctx;

	work->status = work->step(work->vm, work->err);
}

/* A step that may read files that others cut. Return: its own, or -1 with @err. */
static int guarded(struct vm *vm, int (*step)(struct vm *vm, struct mote_error *err),
                   struct mote_error *err)
{
	struct work work = {vm, err, step, -1};

	if (lost_page_guard(take_step, &work))
		return lost_page_error(err, vm->options->app);
	return work.status;
}

/* ---- making it ---- */

/* What is not there yet. */
static void clear(struct vm *vm)
{
	vm->kvm.system = vm->kvm.vm = vm->kvm.vcpu = -1;
	vm->kit.source.fd = vm->application.source.fd = -1;
	vm->core_fd = vm->dump_fd = vm->pagemap_fd = vm->statm_fd = vm->smaps_fd = -1;
	vm->stop.wake = vm->stop.vcpu = -1;
}

static int watch(struct vm *vm, struct mote_error *err)
{
	if (!vm->host.owns_process) {
		stop_shared_attach(&vm->stop, vm->kvm.run, vm->kvm.vcpu);
		return 0;
	}
	return stop_init(&vm->stop, vm->kvm.run, vm->options->timeout_ns, err);
}

static int make(struct vm *vm, struct mote_error *err)
{
	if (vm->options->restore_path ? vm_restore(vm, vm->options, err)
	                              : vm_create(vm, vm->options, err))
		return -1;
	console_remember_terminals();
	if (watch(vm, err) || tick_init(vm, err) || control_start(vm, err) ||
	    (vm->host.confines && confine_enter(CONFINE_RUN, &vm->devices.needs, err)))
		return -1;
	if (vm->snapshot)
		tick_restart(vm);
	if (vm->trace)
		trace_begin(vm);
	return 0;
}

/* What is made for a process of its own. */
static int check_options(const struct vm *vm, struct mote_error *err)
{
	const struct run_options *options = vm->options;
	const char *name = options->snapshot_path  ? "snapshot"
	                   : options->control.name ? "name"
	                   : options->serve_socket ? "serve-on"
	                                           : NULL;

	if (vm->host.owns_process || !name)
		return 0;
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "the option %s is for a process that is the microVM's own", name);
}

static void prepare_process(const struct run_options *options)
{
	/* A file that grows beyond RLIMIT_FSIZE is an error, and not the end of the process. */
	if (options->snapshot_path || options->control.name || options->disks.count ||
	    options->shares.count)
		signal(SIGXFSZ, SIG_IGN);
	/* The modes of new files are the guest's to say. */
	if (options->shares.count)
		umask(0);
}

int vm_begin(struct vm *vm, const struct run_options *options, const struct vm_host *host,
             struct mote_error *err)
{
	int status;

	clear(vm);
	vm->options = options;
	vm->host = *host;
	memcpy(vm->streams.fd, host->streams, sizeof vm->streams.fd);
	if (check_options(vm, err) ||
	    (options->trace_path &&
	     trace_open(vm, options->trace_path, !options->trace_no_pages, err)))
		return -1;
	vm_mark(vm, VM_MOMENT_MAIN);
	vm->start_cpu_ns = clock_host_ns(CLOCK_PROCESS_CPUTIME_ID);
	if (host->owns_process ? lost_page_init(err) : stop_shared_open(&vm->stop, err))
		return -1;
	if (host->owns_process)
		prepare_process(options);
	enter(vm);
	status = guarded(vm, make, err);
	leave(vm);
	return status;
}

struct vm *vm_life_create(const struct run_options *options, const struct vm_host *host,
                          struct mote_error *err)
{
	struct vm *vm = calloc(1, sizeof *vm);

	if (!vm) {
		mote_error_set(err, MOTE_STATUS_FAILED, "no memory for a microVM");
		return NULL;
	}
	if (vm_begin(vm, options, host, err) == 0)
		return vm;
	vm_life_close(vm);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): one that is confined stays until the end */
	return NULL;
}

void vm_life_close(struct vm *vm)
{
	if (!vm || vm->host.confines)
		return;
	vm_close(vm);
	if (vm->has_entered) {
		vm->has_entered = false;
		leave(vm);
	}
	free(vm);
}

/* ---- running it ---- */

static int check_alive(const struct vm *vm, struct mote_error *err)
{
	if (vm->is_broken)
		return mote_error_set(err, MOTE_STATUS_FAILED, "the microVM is broken: close it");
	if (vm->is_told)
		return mote_error_set(err, MOTE_STATUS_FAILED, "the guest is over: it has ended");
	return 0;
}

/* It begins to run, or goes on. */
static void begin(struct vm *vm)
{
	vm->pause.is_behind_mark = false;
	if (vm->has_run) {
		tick_look(vm);
		return;
	}
	vm->has_run = true;
	if (!vm->moment[VM_MOMENT_RUN])
		vm_mark(vm, VM_MOMENT_RUN);
	if (vm->host.owns_process)
		return;
	if (vm->options->timeout_ns)
		vm->run_deadline = clock_page_monotonic(&vm->clock) + vm->options->timeout_ns;
	tick_look(vm);
}

static int run_on(struct vm *vm, struct mote_error *err)
{
	begin(vm);
	if (vm_loop(vm, err)) {
		vm->is_broken = true;
		return -1;
	}
	vm->is_draining = vm->is_over && !vm_drain(vm);
	return 0;
}

static void fill_event(struct vm *vm, struct vm_event *event)
{
	*event = (struct vm_event){.status = vm->exit_status, .signal = vm->signal};
	if (vm->is_over && !vm->is_draining) {
		event->kind = vm->is_out_of_memory ? VM_EVENT_OUT_OF_MEMORY
		              : vm->signal         ? VM_EVENT_CRASHED
		                                   : VM_EVENT_EXITED;
		vm->is_told = true;
	} else if (vm->pause.why == VM_PAUSE_POINT) {
		event->kind = VM_EVENT_POINT;
		event->point = vm->pause.point;
	} else if (vm->pause.why == VM_PAUSE_REQUEST) {
		event->kind = VM_EVENT_REQUEST;
	} else {
		event->kind = stop_take_interrupt() ? VM_EVENT_INTERRUPTED : VM_EVENT_TIMEOUT;
	}
}

/* The call that the guest stands at returns that nobody takes a snapshot there. */
static void decline_point(struct vm *vm)
{
	if (vm->pause.why != VM_PAUSE_POINT)
		return;
	vm->pause.why = VM_PAUSE_NONE;
	vm->pause.is_answered = true;
	vm->pause.answer = MOTE_SNAPSHOT_NONE;
}

static int run_for(struct vm *vm, uint64_t timeout_ns, struct vm_event *event,
                   struct mote_error *err)
{
	int status;

	stop_set_deadline(timeout_ns);
	status = guarded(vm, run_on, err);
	if (status)
		vm->is_broken = true;
	else
		fill_event(vm, event);
	return status;
}

/* A function wants a request, and goes on with nothing else. */
static bool is_function(const struct vm *vm)
{
	if (vm->pause.why == VM_PAUSE_REQUEST)
		return true;
	return !vm->host.owns_process && vm->snapshot && !vm->has_run &&
	       vm->snapshot->machine->point != MOTE_SNAPSHOT_LISTEN && vm_life_wants_request(vm);
}

int vm_life_run(struct vm *vm, uint64_t timeout_ns, struct vm_event *event, struct mote_error *err)
{
	int status;

	if (check_alive(vm, err))
		return -1;
	if (is_function(vm)) {
		*event = (struct vm_event){.kind = VM_EVENT_REQUEST};
		return 0;
	}
	if (enter_to_run(vm, err))
		return -1;
	decline_point(vm);
	status = run_for(vm, timeout_ns, event, err);
	leave(vm);
	return status;
}

void vm_life_interrupt(struct vm *vm)
{
	stop_interrupt(&vm->stop);
}

/* ---- snapshots ---- */

/* Run the guest up to where a snapshot can be taken. */
static int come_to_point(struct vm *vm, struct mote_error *err)
{
	struct vm_event event;

	if (vm->pause.why == VM_PAUSE_POINT)
		return 0;
	if (run_for(vm, SAFE_NS, &event, err))
		return -1;
	switch (event.kind) {
	case VM_EVENT_POINT: return 0;
	case VM_EVENT_EXITED:
	case VM_EVENT_CRASHED:
	case VM_EVENT_OUT_OF_MEMORY:
		vm->is_told = false;
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "the guest ended before a snapshot could be taken");
	case VM_EVENT_INTERRUPTED:
		return mote_error_set(err, MOTE_STATUS_FAILED, "the snapshot was interrupted");
	default:
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "the guest did not come to where a snapshot can be taken "
		                      "within 5 seconds");
	}
}

static int save(struct vm *vm, const struct new_file *file, struct mote_error *err)
{
	int status;

	if (vm->pause.why != VM_PAUSE_POINT) {
		vm->is_wanted_outside = true;
		vm_save_want(vm);
	}
	do
		status = come_to_point(vm, err) ? -1 : vm_save_new(vm, file, err);
	while (status > 0);
	vm->is_wanted_outside = false;
	vm_save_want(vm);
	return status;
}

int vm_life_snapshot(struct vm *vm, const char *path, struct mote_error *err)
{
	struct new_file file;
	int status;

	if (check_alive(vm, err))
		return -1;
	if (!vm->save || !vm->host.can_snapshot || vm->host.confines)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "the microVM was not made for snapshots");
	if (vm->is_over)
		return mote_error_set(err, MOTE_STATUS_FAILED, "the guest is over: it has ended");
	if (vm->pause.why == VM_PAUSE_REQUEST)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "a function's snapshot is taken before its first request");
	if (new_file_create(&file, path, err))
		return -1;
	status = enter_to_run(vm, err);
	if (status == 0) {
		status = save(vm, &file, err);
		leave(vm);
	}
	if (status == 0)
		return new_file_keep(&file, err);
	new_file_discard(&file);
	return -1;
}

/* ---- resets ---- */

static int reset(struct vm *vm, struct mote_error *err)
{
	uint64_t every = vm->options->verify_every;

	memset(&vm->pause, 0, sizeof vm->pause);
	vm->run_deadline = 0;
	vm->has_run = vm->is_told = vm->is_draining = false;
	vm->resets++;
	if (vm_reset(vm, err))
		return -1;
	/* A start before the first reset is the first. */
	return every && (vm->resets + 1) % every == 0 ? vm_reset_verify(vm, err) : 0;
}

int vm_life_reset(struct vm *vm, struct mote_error *err)
{
	int status;

	if (vm->is_broken)
		return check_alive(vm, err);
	if (!vm->reset)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "only a microVM that was made from a snapshot can be reset");
	enter(vm);
	status = guarded(vm, reset, err);
	leave(vm);
	vm->is_broken = status != 0;
	return status;
}

/* ---- requests ---- */

bool vm_life_wants_request(const struct vm *vm)
{
	mote_gpa_t buffer = {0};
	bool is_there =
	        vm->pause.why == VM_PAUSE_REQUEST ||
	        (vm->pause.why == VM_PAUSE_POINT && vm->pause.point == MOTE_SNAPSHOT_MARK) ||
	        vm->pause.is_behind_mark || (vm->snapshot && !vm->has_run);

	/* A program that serves a port has no way back from its answer. */
	if (vm->pause.why == VM_PAUSE_REQUEST && vm->snapshot &&
	    vm->snapshot->machine->point == MOTE_SNAPSHOT_LISTEN)
		return false;
	return is_there && !vm->is_over && !vm->is_broken &&
	       guest_read(&vm->memory, VM_RUN_GPA(function_buffer), &buffer, sizeof buffer) == 0 &&
	       buffer.value;
}

static int place(struct vm *vm, const struct vm_call *call, struct mote_error *err)
{
	if (serve_open_calls(vm, err))
		return -1;
	if (!call->size || call->size > MOTE_FUNCTION_BUFFER)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "a request, or its first piece, has 1 to %u bytes",
		                      MOTE_FUNCTION_BUFFER);
	if (serve_place(vm, call->request, call->size, call->has_more_body))
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "the guest has no place for a request");
	if (vm->pause.why == VM_PAUSE_REQUEST) {
		vm->pause.why = VM_PAUSE_NONE;
		serve_answer_next(vm, call->size);
	}
	decline_point(vm);
	return 0;
}

int vm_life_call(struct vm *vm, const struct vm_call *call, struct vm_event *event,
                 struct mote_error *err)
{
	int status;

	if (check_alive(vm, err))
		return -1;
	if (!vm_life_wants_request(vm))
		return mote_error_set(
		        err, MOTE_STATUS_FAILED,
		        "the guest takes no request here: reset it first, or make it "
		        "from a snapshot that was taken where a function asks for one");
	if (enter_to_run(vm, err))
		return -1;
	status = place(vm, call, err);
	if (!status) {
		vm->call = call;
		status = run_for(vm, call->timeout_ns, event, err);
		vm->call = NULL;
	}
	leave(vm);
	return status;
}

/* ---- figures ---- */

void vm_life_count(const struct vm *vm, struct vm_counts *counts)
{
	*counts = (struct vm_counts){.exits = vm_exit_count(vm), .resets = vm->resets};
	if (vm->reset)
		counts->reset_pages = vm->reset->memory.counts.changed;
	for (int i = 0; i < MOTE_HC_LIMIT; i++)
		counts->hypercalls += vm->hypercalls[i];
}
