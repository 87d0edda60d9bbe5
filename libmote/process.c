/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one program in one microVM: the mote program, as a program of this library.
 *
 * Its options are parsed already, and its process is the VM's own: confined, with signals that stop
 * the guest. Nothing is of the heap, which costs system calls, and nothing is closed: the kernel
 * takes the VM down with the process, faster than we could.
 */
#include "libmote/process.h"

#include "libmote/internal.h"
#include "vmm/console.h"
#include "vmm/lost_page.h"
#include "vmm/serve.h"
#include "vmm/stats.h"
#include "vmm/stop.h"
#include "vmm/trace.h"
#include "vmm/vm.h"
#include "vmm/vm_save.h"

static bool is_stopped(void)
{
	int signal_number;

	return stop_requested(&signal_number) != STOP_NONE;
}

/*
 * As many starts as were asked for. The status is that of the first that is not 0: what went wrong
 * is not forgotten.
 */
static int run_rounds(struct mote_vm *vm, struct mote_error *err)
{
	struct vm *machine = vm->vm;
	struct mote_event event;
	int status;

	if (mote_run(vm, MOTE_NO_LIMIT, &event, err))
		return -1;
	status = event.status;
	for (uint64_t round = 2; round <= machine->options->count; round++) {
		if (is_stopped()) {
			/* It may have come when a round was over: then that one does not tell. */
			vm_check_stop(machine);
			status = status ? status : machine->exit_status;
			break;
		}
		if (mote_reset(vm, err) || mote_run(vm, MOTE_NO_LIMIT, &event, err))
			return -1;
		status = status ? status : event.status;
	}
	machine->exit_status = status;
	return 0;
}

struct run_work {
	struct mote_vm *vm;
	struct mote_error *err;
	int status;
};

static void run_all(void *ctx)
{
	struct run_work *work = ctx;
	struct vm *machine = work->vm->vm;

	work->status = machine->serve ? serve_requests(machine, vm_loop, work->err)
	                              : run_rounds(work->vm, work->err);
	if (!work->status)
		work->status = vm_save_finish(machine, work->err);
	if (!work->status && machine->trace)
		work->status = trace_end(machine, work->err);
}

int vm_run(const struct run_options *options, struct mote_error *err)
{
	static const struct vm_host host = {
	        .streams = {0, 1, 2}, .owns_process = true, .confines = true};
	static struct vm machine;
	static struct mote_vm vm = {.vm = &machine};
	struct run_work work = {.vm = &vm, .err = err};

	if (vm_begin(&machine, options, &host, err))
		return -1;
	vm.can_reset = machine.reset;
	if (lost_page_guard(run_all, &work))
		work.status = lost_page_error(err, options->app);
	console_restore_terminals();
	if (work.status)
		return -1;
	if (options->stats != STATS_NONE)
		stats_print(&machine, options->stats);
	return machine.exit_status;
}
