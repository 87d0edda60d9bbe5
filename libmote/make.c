/* SPDX-License-Identifier: Apache-2.0 */
/* Makes VMs of configurations, and frees them. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libmote/boundary.h"
#include "libmote/internal.h"
#include "snapshot/snapshot.h"
#include "vmm/vm.h"

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
	struct mote_error unwanted = {0};

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
	struct mote_error unwanted = {0};

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
