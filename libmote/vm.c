/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a VM: what the caller asks for is checked here, and done by vm_life.h.
 *
 * A VM goes from READY, where the guest can run, to OVER when the guest has ended, and back by a
 * reset. What fails halfway makes it BROKEN. Each call says so in plain words when it comes at the
 * wrong stage, and changes nothing then.
 */
#include <signal.h>
#include <string.h>
#include <time.h>

#include "libmote/boundary.h"
#include "libmote/internal.h"
#include "vmm/clock_page.h"
#include "vmm/lost_page.h"
#include "vmm/stop_shared.h"

uint64_t vm_now(void)
{
	return clock_host_ns(CLOCK_MONOTONIC);
}

/* ---- running ---- */

int vm_check_ready(const struct mote_vm *vm, struct mote_error *err)
{
	switch (vm->stage) {
	case VM_STAGE_READY: return 0;
	case VM_STAGE_OVER:
		return mote_error_set(err, MOTE_STATUS_FAILED, "the guest is over: %s",
		                      vm->can_reset ? "call mote_reset() first" : "make a new VM");
	case VM_STAGE_BROKEN: break;
	}
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "the VM is broken by an earlier error: only mote_close() is left");
}

int vm_after_run(struct mote_vm *vm, int status, const struct vm_event *event, uint64_t started)
{
	vm->spent.runs++;
	vm->spent.run_ns += vm_now() - started;
	if (status)
		vm->stage = VM_STAGE_BROKEN;
	else if (event->kind == VM_EVENT_EXITED || event->kind == VM_EVENT_CRASHED ||
	         event->kind == VM_EVENT_OUT_OF_MEMORY)
		vm->stage = VM_STAGE_OVER;
	else if (event->kind == VM_EVENT_POINT)
		vm->speaks_http = event->point == MOTE_SNAPSHOT_LISTEN;
	return status;
}

static uint32_t point_of(enum mote_snapshot_point point)
{
	switch (point) {
	case MOTE_SNAPSHOT_MAIN: return MOTE_POINT_MAIN;
	case MOTE_SNAPSHOT_LISTEN: return MOTE_POINT_LISTEN;
	default: return MOTE_POINT_MARK;
	}
}

static void tell(struct mote_event *event, const struct vm_event *from)
{
	static const uint32_t types[] = {
	        [VM_EVENT_EXITED] = MOTE_EVENT_EXITED,
	        [VM_EVENT_CRASHED] = MOTE_EVENT_CRASHED,
	        [VM_EVENT_OUT_OF_MEMORY] = MOTE_EVENT_OUT_OF_MEMORY,
	        [VM_EVENT_POINT] = MOTE_EVENT_POINT,
	        [VM_EVENT_REQUEST] = MOTE_EVENT_REQUEST,
	        [VM_EVENT_TIMEOUT] = MOTE_EVENT_TIMEOUT,
	        [VM_EVENT_INTERRUPTED] = MOTE_EVENT_INTERRUPTED,
	};

	*event = (struct mote_event){.type = types[from->kind]};
	switch (event->type) {
	case MOTE_EVENT_CRASHED: event->signal = from->signal; __attribute__((fallthrough));
	case MOTE_EVENT_EXITED:
	case MOTE_EVENT_OUT_OF_MEMORY: event->status = from->status; break;
	case MOTE_EVENT_POINT: event->point = point_of(from->point); break;
	default: break;
	}
}

int mote_run(struct mote_vm *vm, uint64_t timeout_ns, struct mote_event *event,
             struct mote_error *err)
{
	struct mote_error unwanted = {0};
	struct vm_event happened;
	uint64_t started;

	err = err ? err : &unwanted;
	if (!vm || !event)
		return boundary_null(err, "mote_run", vm ? "event" : "vm");
	if (vm_check_ready(vm, err))
		return -1;
	started = vm_now();
	if (vm_after_run(vm, vm_life_run(vm->vm, timeout_ns, &happened, err), &happened, started))
		return -1;
	tell(event, &happened);
	return 0;
}

void mote_interrupt(struct mote_vm *vm)
{
	if (vm)
		vm_life_interrupt(vm->vm);
}

/* ---- snapshots and resets ---- */

int mote_snapshot(struct mote_vm *vm, const char *path, struct mote_error *err)
{
	struct mote_error unwanted = {0};

	err = err ? err : &unwanted;
	if (!vm || !path)
		return boundary_null(err, "mote_snapshot", vm ? "path" : "vm");
	if (vm_check_ready(vm, err))
		return -1;
	return vm_life_snapshot(vm->vm, path, err);
}

int mote_reset(struct mote_vm *vm, struct mote_error *err)
{
	struct mote_error unwanted = {0};
	uint64_t started = vm_now();

	err = err ? err : &unwanted;
	if (!vm)
		return boundary_null(err, "mote_reset", "vm");
	if (!vm->can_reset)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "cannot reset the VM: it was not made by mote_restore(), or "
		                      "with \"no-reset\"");
	if (vm->stage == VM_STAGE_BROKEN)
		return vm_check_ready(vm, err);
	if (vm_life_reset(vm->vm, err)) {
		vm->stage = VM_STAGE_BROKEN;
		return -1;
	}
	vm->stage = VM_STAGE_READY;
	vm->spent.reset_ns += vm_now() - started;
	return 0;
}

/* ---- what it cost, and signals ---- */

int mote_statistics(const struct mote_vm *vm, struct mote_statistics *statistics,
                    struct mote_error *err)
{
	struct mote_error unwanted = {0};
	struct mote_statistics all;
	struct vm_counts counts;
	size_t size, known;

	err = err ? err : &unwanted;
	if (!vm || !statistics)
		return boundary_null(err, "mote_statistics", vm ? "statistics" : "vm");
	size = statistics->size;
	if (size < MOTE_STATISTICS_SIZE_0_1)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "mote_statistics(): the size is %zu, and has to be that of "
		                      "struct mote_statistics",
		                      size);
	vm_life_count(vm->vm, &counts);
	all = vm->spent;
	all.size = size;
	all.exits = counts.exits;
	all.hypercalls = counts.hypercalls;
	all.resets = counts.resets;
	all.reset_pages = counts.reset_pages;
	known = size < sizeof all ? size : sizeof all;
	memcpy(statistics, &all, known);
	memset((char *)statistics + known, 0, size - known);
	return 0;
}

int mote_kick_signal(void)
{
	return stop_kick_signal();
}

void mote_recover(const void *siginfo)
{
	const siginfo_t *info = siginfo;

	/* Else somebody has sent it. */
	if (info && info->si_code > 0)
		lost_page_recover();
}
