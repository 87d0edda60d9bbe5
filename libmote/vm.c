/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a VM: what the caller asks for is checked here, and done by vm_life.h.
 *
 * A VM goes from READY, where the guest can run, to OVER when the guest has ended, and back by a
 * reset. What fails halfway makes it BROKEN. Each call says so in plain words when it comes at the
 * wrong stage, and changes nothing then.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libmote/boundary.h"
#include "libmote/internal.h"
#include "snapshot/snapshot.h"
#include "vmm/lost_page.h"
#include "vmm/stop_shared.h"
#include "vmm/vm.h"

uint64_t vm_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* ---- making ---- */

/* The streams of a configuration stay its own: the VM may outlive it. */
static int take_streams(struct mote_vm *vm, const struct mote_config *config, struct vm_host *host,
                        struct mote_error *err)
{
	for (int i = 0; i < 3; i++) {
		host->streams[i] = i;
		if (!config || config->streams[i] < 0)
			continue;
		vm->streams[i] = fcntl(config->streams[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (vm->streams[i] < 0)
			return mote_error_errno(err, MOTE_STATUS_FAILED,
			                        "cannot duplicate descriptor %d",
			                        config->streams[i]);
		host->streams[i] = vm->streams[i];
	}
	return 0;
}

static void free_vm(struct mote_vm *vm)
{
	/* A process that is confined may do little but end, with which all of it goes. */
	if (vm->vm && vm->vm->host.confines)
		return;
	call_free(vm);
	vm_life_close(vm->vm);
	config_options_free(&vm->options);
	for (int i = 0; i < 3; i++)
		if (vm->streams[i] >= 0)
			close(vm->streams[i]);
	free(vm);
}

/* @snapshot: NULL: boot the program of @config */
static struct mote_vm *make(const struct mote_config *config, const char *snapshot,
                            struct mote_error *err)
{
	struct mote_vm *vm = calloc(1, sizeof *vm);
	uint64_t started = vm_now();
	struct vm_host host = {.can_snapshot = true, .stops_at_points = true};

	if (!vm) {
		mote_error_set(err, MOTE_STATUS_FAILED, "no memory for a VM");
		return NULL;
	}
	memset(vm->streams, 0xff, sizeof vm->streams);
	vm->can_reset = snapshot && !(config && config->is_used_once);
	if (config_parse(config, snapshot, &vm->options, err) ||
	    take_streams(vm, config, &host, err))
		goto failed;
	host.owns_process = host.confines = config && config->is_confined;
	host.can_snapshot = !host.confines;
	host.can_reset = vm->can_reset;
	vm->vm = vm_life_create(&vm->options.options, &host, err);
	if (!vm->vm)
		goto failed;
	vm->speaks_http = snapshot && vm->vm->snapshot->machine->point == MOTE_SNAPSHOT_LISTEN;
	vm->spent.make_ns = vm_now() - started;
	return vm;
failed:
	free_vm(vm);
	return NULL;
}

struct mote_vm *mote_create(const struct mote_config *config, struct mote_error *err)
{
	struct mote_error unwanted;

	err = err ? err : &unwanted;
	if (!config) {
		boundary_null(err, "mote_create", "config");
		return NULL;
	}
	return make(config, NULL, err);
}

struct mote_vm *mote_restore(const struct mote_config *config, const char *snapshot,
                             struct mote_error *err)
{
	struct mote_error unwanted;

	err = err ? err : &unwanted;
	if (!snapshot) {
		boundary_null(err, "mote_restore", "snapshot");
		return NULL;
	}
	if (!*snapshot) {
		mote_error_set(err, MOTE_STATUS_NOT_FOUND, "the snapshot's name is empty");
		return NULL;
	}
	return make(config, snapshot, err);
}

void mote_close(struct mote_vm *vm)
{
	if (vm)
		free_vm(vm);
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
	struct mote_error unwanted;
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
	struct mote_error unwanted;

	err = err ? err : &unwanted;
	if (!vm || !path)
		return boundary_null(err, "mote_snapshot", vm ? "path" : "vm");
	if (vm_check_ready(vm, err))
		return -1;
	return vm_life_snapshot(vm->vm, path, err);
}

int mote_reset(struct mote_vm *vm, struct mote_error *err)
{
	struct mote_error unwanted;
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

/* ---- the rest ---- */

int mote_statistics(const struct mote_vm *vm, struct mote_statistics *statistics,
                    struct mote_error *err)
{
	struct mote_error unwanted;
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
