/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frees and closes all that a VM holds, whatever of it there is: a VM may have been left half made.
 * A process that ends needs none of it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "snapshot/auth.h"
#include "snapshot/snapshot.h"
#include "vmm/control_internal.h"
#include "vmm/stop_shared.h"
#include "vmm/trace.h"
#include "vmm/vm.h"
#include "vmm/vm_reset.h"
#include "vmm/vm_save.h"
#include "vmm/working_set.h"

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The vCPU first: it holds the VM, which holds guest memory. */
static void close_kvm(struct kvm *kvm)
{
	if (kvm->run && kvm->run != MAP_FAILED)
		munmap(kvm->run, kvm->run_size);
	kvm->run = NULL;
	close_fd(&kvm->vcpu);
	close_fd(&kvm->vm);
	close_fd(&kvm->system);
}

static void close_snapshot(struct vm *vm)
{
	if (vm->snapshot)
		snapshot_close(vm->snapshot);
	free(vm->snapshot);
	free(vm->start_tree);
	vm->snapshot = NULL;
	vm->start_tree = NULL;
	if (vm->key)
		explicit_bzero(vm->key, sizeof *vm->key);
	free(vm->key);
	vm->key = NULL;
}

static void close_reset(struct vm *vm)
{
	struct vm_reset *reset = vm->reset;

	if (!reset)
		return;
	reset_free(&reset->memory);
	free(reset->devices);
	free(reset->golden);
	free(reset);
	vm->reset = NULL;
}

static void close_images(struct vm *vm)
{
	/* The options of an application image have arrays of their own. */
	if (vm->options == &vm->options_of_image)
		free(vm->options_of_image.env);
	app_image_free(&vm->image);
	free(vm->interpreter);
	vm->interpreter = NULL;
	for (unsigned i = 0; i < vm->map_count; i++)
		munmap(vm->maps[i].bytes, vm->maps[i].size);
	vm->map_count = 0;
	close_fd(&vm->kit.source.fd);
	close_fd(&vm->application.source.fd);
	close_fd(&vm->core_fd);
	close_fd(&vm->dump_fd);
	close_fd(&vm->pagemap_fd);
	close_fd(&vm->statm_fd);
	close_fd(&vm->smaps_fd);
}

void vm_close(struct vm *vm)
{
	close_kvm(&vm->kvm);
	if (vm->control)
		control_end(vm->control);
	vm->control = NULL;
	output_log_close(&vm->streams.log);
	devices_close(&vm->devices);
	vm_save_close(vm);
	close_reset(vm);
	working_set_close(vm);
	close_snapshot(vm);
	trace_close(vm);
	free(vm->serve);
	free(vm->core_map);
	vm->serve = NULL;
	vm->core_map = NULL;
	close_images(vm);
	guest_memory_close(&vm->memory);
	stop_shared_close(&vm->stop);
}
