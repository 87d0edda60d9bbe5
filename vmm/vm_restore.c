/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a VM from a snapshot.
 *
 * As for a boot, files are opened first, by the user's full rights; the snapshot is looked into
 * only in phase load. Memory is mapped from the file, so what a restore costs hardly depends on its
 * size.
 */
#include "vmm/vm_restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "snapshot/snapshot.h"
#include "vmm/confine.h"
#include "vmm/console.h"
#include "vmm/cpu_state.h"
#include "vmm/cpuid_compat.h"
#include "vmm/crash.h"
#include "vmm/devices_snapshot.h"
#include "vmm/root_image.h"
#include "vmm/serve.h"
#include "vmm/start_tree.h"
#include "vmm/trace.h"
#include "vmm/trace_format.h"
#include "vmm/vm_create.h"
#include "vmm/vm_reset.h"
#include "vmm/vm_save.h"
#include "vmm/worker_wire.h"
#include "vmm/working_set.h"

/* ---- before confinement ---- */

/* What backtraces take names from: the user's word counts that it is the guest's program. */
static int open_symbols(struct vm *vm, struct mote_error *err)
{
	vm->application.source.name = vm->options->restore_path;
	vm->application.source.fd = -1;
	return vm->options->symbols_path
	               ? elf_file_open(&vm->application, vm->options->symbols_path, err)
	               : 0;
}

static int open_files(struct vm *vm, struct mote_error *err)
{
	const struct run_options *options = vm->options;

	vm->snapshot = calloc(1, sizeof *vm->snapshot);
	if (!vm->snapshot)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for a snapshot");
	if (snapshot_open_at(vm->snapshot, options->serve_socket ? WORKER_SNAPSHOT : -1,
	                     options->restore_path, err) ||
	    vm_save_read_key(vm, err) || kit_open(&vm->kit, NULL, err) || open_symbols(vm, err) ||
	    kvm_open(&vm->kvm, err) || cpuid_supported(&vm->kvm, &vm->cpuid, err) ||
	    root_image_open(options->root, &vm->root, &vm->root_size, err))
		return -1;
	vm_keep_map(vm, vm->root, vm->root_size);
	if (devices_open(&vm->devices, options, &vm->memory, err) || vm_open_outputs(vm, err) ||
	    serve_open(vm, err) || vm_reset_open(vm, err))
		return -1;
	working_set_prepare(vm);
	return 0;
}

/* ---- what the file says ---- */

static int refuse(const struct vm *vm, struct mote_error *err, const char *why)
{
	return mote_error_set(err, MOTE_STATUS_CANNOT_RUN, "cannot start from %s: %s",
	                      vm->options->restore_path, why);
}

static bool is_page(uint64_t value)
{
	return value % MOTE_PAGE_SIZE == 0;
}

static int check_versions(const struct vm *vm, struct mote_error *err)
{
	const struct snapshot_machine *machine = vm->snapshot->machine;

	if (machine->abi_version == MOTE_ABI_VERSION)
		return 0;
	return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
	                      "cannot start from %s: its guest kit is of %s mote (ABI %u, this one "
	                      "has %u). Take it anew",
	                      vm->options->restore_path,
	                      machine->abi_version < MOTE_ABI_VERSION ? "an older" : "a newer",
	                      machine->abi_version, MOTE_ABI_VERSION);
}

/* What the VMM itself relies on; the rest is between the guest and KVM. */
static int check_machine(const struct vm *vm, struct mote_error *err)
{
	const struct snapshot_machine *machine = vm->snapshot->machine;

	if (machine->ram_size < RUN_MEMORY_MIN || machine->ram_size > RUN_MEMORY_MAX ||
	    !is_page(machine->ram_size) || !is_page(machine->ram_end) ||
	    machine->ram_end > machine->ram_size ||
	    machine->ram_end < MOTE_WINDOW_END - MOTE_WINDOW_VA)
		return refuse(vm, err, "it is damaged (memory)");
	if (!is_page(machine->free.start) || !is_page(machine->free.end) ||
	    machine->free.start > machine->free.end || machine->free.end > machine->ram_size)
		return refuse(vm, err, "it is damaged (free memory)");
	if (machine->cpu_model > CPU_BASELINE || machine->xcr0 & ~(uint64_t)0xe7)
		return refuse(vm, err, "it is damaged (CPU)");
	if (vm->snapshot->sections[SNAPSHOT_XSAVE].size != sizeof(struct kvm_xsave))
		return refuse(vm, err, "it is damaged (XSAVE)");
	return 0;
}

/* The root image is the host's, and has to be the same one. */
static int check_root(const struct vm *vm, struct mote_error *err)
{
	const struct snapshot_machine *machine = vm->snapshot->machine;
	const char *path = vm->snapshot->sections[SNAPSHOT_ROOT].bytes;
	uint8_t id[16];

	if (!machine->root_size && !vm->root_size)
		return 0;
	if (!machine->root_size)
		return refuse(vm, err, "it has no root, and cannot get one. Leave --root out");
	if (!vm->root_size)
		return mote_error_set(
		        err, MOTE_STATUS_CANNOT_RUN,
		        "cannot start from %s: it needs its root image again: --root %s",
		        vm->options->restore_path, path && *path ? path : "IMAGE");
	vm_identify_root(vm, id);
	if (machine->root_size != vm->root_size || memcmp(id, machine->root_id, sizeof id))
		return refuse(vm, err, "--root is not the image that it was taken with");
	if (!is_page(machine->root_gpa) || machine->root_gpa < machine->ram_size ||
	    machine->root_gpa + vm->root_size > MOTE_DEVICES_GPA)
		return refuse(vm, err, "it is damaged (root image)");
	return 0;
}

/* The guest's CPUID takes the place of the host's, if the host can give it. */
static int take_cpuid(struct vm *vm, struct mote_error *err)
{
	const struct snapshot_section *section = &vm->snapshot->sections[SNAPSHOT_CPUID];
	struct cpuid wanted = {.is_native = vm->cpuid.is_native};
	size_t entry = sizeof wanted.entries[0];

	if (!section->size || section->size % entry || section->size > sizeof wanted.entries)
		return refuse(vm, err, "it is damaged (CPUID)");
	wanted.count = (uint32_t)(section->size / entry);
	memcpy(wanted.entries, section->bytes, section->size);
	cpuid_filter(&vm->cpuid, (enum cpu_model)vm->snapshot->machine->cpu_model,
	             vm->snapshot->machine->tsc_khz);
	if (cpuid_check_compatible(&wanted, &vm->cpuid,
	                           (enum cpu_model)vm->snapshot->machine->cpu_model,
	                           vm->options->restore_path, err))
		return -1;
	vm->cpuid = wanted;
	if (cpuid_xcr0(&wanted) != vm->snapshot->machine->xcr0)
		return refuse(vm, err, "it is damaged (XCR0)");
	return 0;
}

static int adopt_devices(struct vm *vm, struct mote_error *err)
{
	const struct snapshot_section *section = &vm->snapshot->sections[SNAPSHOT_DEVICES];

	return devices_adopt(&vm->devices, vm->options, &vm->memory, section->bytes, section->size,
	                     err);
}

static int read_snapshot(struct vm *vm, struct mote_error *err)
{
	const struct snapshot_machine *machine;

	vm->snapshot->key = vm->key;
	if (snapshot_read(vm->snapshot, err) ||
	    (vm->options->verify && snapshot_verify(vm->snapshot, err)) ||
	    check_versions(vm, err) || check_machine(vm, err) || check_root(vm, err) ||
	    take_cpuid(vm, err) || adopt_devices(vm, err))
		return -1;
	machine = vm->snapshot->machine;
	vm->kit_note = machine->kit;
	vm->layout.memory = &vm->memory;
	vm->layout.tables.root = machine->page_table;
	vm->root_gpa = machine->root_gpa;
	vm->application.bias = machine->application_bias;
	vm->application.gpa = machine->application_gpa;
	if (vm->application.source.fd >= 0)
		vm->application_bytes = vm_map_whole(vm, &vm->application);
	return 0;
}

/* ---- the machine ---- */

/* CLOCK_MONOTONIC goes on where it was, or counts what has passed; CLOCK_BOOTTIME always does. */
static void set_clock(struct vm *vm, const struct clock_moment *now)
{
	const struct snapshot_machine *machine = vm->snapshot->machine;
	uint64_t frozen = now->realtime > machine->realtime ? now->realtime - machine->realtime : 0;
	uint64_t shown = machine->monotonic + (machine->advances ? frozen : 0);

	vm->clock.monotonic_offset = (int64_t)(shown - now->monotonic);
	vm->clock.boottime_offset =
	        (int64_t)(machine->boottime_offset + (machine->advances ? 0 : frozen) -
	                  (now->boottime - now->monotonic - (uint64_t)vm->clock.monotonic_offset));
}

void vm_restore_clock(struct vm *vm)
{
	const struct clock_moment now = clock_host_moment();

	set_clock(vm, &now);
	clock_page_restart(&vm->clock, &now);
}

static int create_machine(struct vm *vm, struct mote_error *err)
{
	const struct snapshot_machine *machine = vm->snapshot->machine;

	if (guest_memory_create(&vm->memory, machine->ram_size, err) || trace_prepare(vm, err) ||
	    snapshot_map(vm->snapshot, &vm->memory, err) ||
	    snapshot_fill_working_set(vm->snapshot, &vm->memory, !vm->reset, err) ||
	    kvm_create(&vm->kvm, machine->ram_size, vm->cpuid.is_native, err))
		return -1;
	vm->memory.free = machine->free;
	return 0;
}

static int add_slots(struct vm *vm, struct mote_error *err)
{
	if (kvm_add_ram(&vm->kvm, &vm->memory, vm->snapshot->machine->ram_end, err))
		return -1;
	return vm->root ? kvm_add_read_only_slot(
	                          &vm->kvm, VM_ROOT_SLOT, vm->root_gpa, vm->root,
	                          (vm->root_size + MOTE_PAGE_SIZE - 1) & ~(MOTE_PAGE_SIZE - 1), err)
	                : 0;
}

/* #syscalls:load ioctl(KVM_SET_XSAVE) */
int vm_restore_vcpu(struct vm *vm, struct mote_error *err)
{
	const struct snapshot_machine *machine = vm->snapshot->machine;
	struct kvm_run *run = vm->kvm.run;

	if (cpu_state_set_features(&vm->kvm, &vm->cpuid, machine->xcr0, machine->msrs, err))
		return -1;
	if (ioctl(vm->kvm.vcpu, KVM_SET_XSAVE, vm->snapshot->sections[SNAPSHOT_XSAVE].bytes) < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot set up the vCPU: KVM_SET_XSAVE");
	run->s.regs.regs = machine->regs;
	run->s.regs.sregs = machine->sregs;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	return 0;
}

void vm_restore_symbols(struct vm *vm)
{
	const struct snapshot_machine *machine = vm->snapshot->machine;
	uint8_t id[16];

	if (vm->kit_bytes || !vm->kit.source.bytes || vm->kit.source.size != machine->kit_size)
		return;
	vm_identify(vm->kit.source.bytes, vm->kit.source.size, id);
	if (!memcmp(id, machine->kit_id, sizeof id))
		vm->kit_bytes = vm->kit.source.bytes;
}

/* ---- the generation ---- */

/* Of the kernel's, many at once; each is used once, and gone then. */
/* #syscalls:run getrandom */
/* #syscalls:load getrandom */
static int draw_random(struct vm *vm, unsigned char random[VM_RANDOM_SIZE], struct mote_error *err)
{
	unsigned char *pool = vm->random.bytes;

	if (!vm->random.left) {
		/* Only one that starts again and again needs more than one. */
		size_t size = vm->reset ? sizeof vm->random.bytes : VM_RANDOM_SIZE;

		if (getrandom(pool, size, 0) != (ssize_t)size) {
			mote_error_errno(err, MOTE_STATUS_FAILED, "cannot get random bytes");
			return -1;
		}
		vm->random.left = (unsigned)(size / VM_RANDOM_SIZE);
	}
	pool += --vm->random.left * VM_RANDOM_SIZE;
	memcpy(random, pool, VM_RANDOM_SIZE);
	memset(pool, 0, VM_RANDOM_SIZE);
	return 0;
}

int vm_new_generation(struct vm *vm, struct mote_error *err)
{
	struct mote_generation generation = {
	        .console = {vm->console[0], vm->console[1], vm->console[2]},
	        .flags = devices_generation_flags(&vm->devices),
	        .tree_size = vm->start_tree_size};
	const uint32_t wanted = 0;
	unsigned char random[VM_RANDOM_SIZE];

	_Static_assert(sizeof random == sizeof generation.id + sizeof generation.seed, "for both");

	if (draw_random(vm, random, err))
		return -1;
	memcpy(generation.id, random, sizeof generation.id);
	memcpy(generation.seed, random + sizeof generation.id, sizeof generation.seed);
	if (guest_write(&vm->memory, VM_RUN_GPA(generation), &generation, sizeof generation) ||
	    guest_write(&vm->memory, VM_RUN_GPA(snapshot_wanted), &wanted, sizeof wanted))
		return refuse(vm, err, "it has been cut");
	memcpy(vm->generation, generation.id, sizeof vm->generation);
	vm->generation_flags = generation.flags;
	vm->must_take_generation = true;
	return 0;
}

bool vm_check_generation(struct vm *vm)
{
	uint8_t taken[sizeof vm->generation];

	vm->must_take_generation = false;
	if (!guest_read(&vm->memory, VM_RUN_GPA(generation.taken), taken, sizeof taken) &&
	    !memcmp(taken, vm->generation, sizeof taken))
		return true;
	crash_unexpected_exit(vm, "goes on from a snapshot without taking its new generation");
	return false;
}

/* The devices' state, and the device tree, if something of it has been replaced. */
static int restore_devices(struct vm *vm, struct mote_error *err)
{
	const struct snapshot_section *state = &vm->snapshot->sections[SNAPSHOT_DEVICES];
	const struct snapshot_section *tree = &vm->snapshot->sections[SNAPSHOT_RESOURCES];
	bool is_new;

	if (devices_restore(&vm->devices, state->bytes, state->size, err) ||
	    start_tree_build(tree->bytes, tree->size, vm->options, &vm->devices, &vm->start_tree,
	                     &vm->start_tree_size, err))
		return -1;
	is_new = vm->start_tree;
	return vm_save_keep_start(vm, is_new ? vm->start_tree : tree->bytes,
	                          is_new ? vm->start_tree_size : tree->size, err);
}

int vm_restore(struct vm *vm, const struct run_options *options, struct mote_error *err)
{
	vm->options = options;
	if (open_files(vm, err) ||
	    (vm->host.confines && confine_enter(CONFINE_LOAD, &vm->devices.needs, err)))
		return -1;
	for (int i = 0; i < 3; i++)
		vm->console[i] = console_kind(i);
	vm_mark(vm, VM_MOMENT_OPENED);
	if (read_snapshot(vm, err) || create_machine(vm, err))
		return -1;
	vm_mark(vm, VM_MOMENT_CREATED);
	if (clock_page_init(&vm->clock, &vm->memory, vm->cpuid.is_native, &vm->kvm, err))
		return -1;
	vm_restore_clock(vm);
	if (restore_devices(vm, err) || vm_new_generation(vm, err))
		return -1;
	vm_mark(vm, VM_MOMENT_LOADED);
	working_set_begin(vm);
	trace_image(vm, TRACE_IMAGE_SNAPSHOT, 0, vm->memory.size, 0);
	if (vm_reset_prepare_memory(vm, err) || add_slots(vm, err) || vm_restore_vcpu(vm, err) ||
	    vm_reset_prepare_vcpu(vm, err))
		return -1;
	vm_mark(vm, VM_MOMENT_SET_UP);
	return 0;
}
