/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a microVM and fills its memory.
 *
 * Files are opened first, by the user's full rights. Then the process gives up what loading does
 * not need (confine.h, phase load), and only after that looks into them.
 *
 * Guest-physical memory, from the bottom: the kit's window (CPU tables, boot record, clock page,
 * run page and kit, see mote/abi.h), the device tree, the application, page tables, free memory.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "guestkit/libc-shim/erofs.h"
#include "vmm/app_options.h"
#include "vmm/confine.h"
#include "vmm/console.h"
#include "vmm/control.h"
#include "vmm/cpu_state.h"
#include "vmm/crash.h"
#include "vmm/device_tree.h"
#include "vmm/root_image.h"
#include "vmm/root_lookup.h"
#include "vmm/trace.h"
#include "vmm/trace_format.h"
#include "vmm/vm_create.h"
#include "vmm/vm_save.h"

/* Guest-physical space of the root image: above any RAM. */
#define ROOT_ALIGN (1ull << 30)

/* Segments of the application up to this size are copied, not mapped (loader.c says why). */
#define COPY_LIMIT (4u << 20)

/* Offset of the device tree in the boot record's page. */
#define TREE_IN_BOOT_PAGE 512u
_Static_assert(sizeof(struct mote_boot) <= TREE_IN_BOOT_PAGE, "the record ends before the tree");

/* Behind the kit and the application: device tree, page tables, the guest's first stack and heap.
 */
#define START_PAGES 28u

static uint64_t choose_root_gpa(const struct vm *vm)
{
	return (vm->memory.size + ROOT_ALIGN - 1) & ~(ROOT_ALIGN - 1);
}

static uint64_t window_gpa(uint64_t va)
{
	return va - MOTE_WINDOW_VA;
}

/* ---- before confinement ---- */

static int open_output(const char *path, int *fd, const char *what, struct mote_error *err)
{
	*fd = -1;
	if (!path)
		return 0;
	*fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	if (*fd < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot create the %s %s", what,
		                        path);
	return 0;
}

/* Where there is a root, the application may be a file of it. */
static int open_application(struct vm *vm, struct mote_error *err)
{
	const struct run_options *options = vm->options;

	if (elf_file_open(&vm->application, options->app, err) == 0)
		vm->is_app_open = true;
	else if (!options->root || options->app[0] != '/')
		return -1;
	return 0;
}

static int open_files(struct vm *vm, struct mote_error *err)
{
	const struct run_options *options = vm->options;

	if (open_application(vm, err) || kit_open(&vm->kit, options->kit_path, err) ||
	    kvm_open(&vm->kvm, err) || cpuid_supported(&vm->kvm, &vm->cpuid, err) ||
	    root_image_open(options->root, &vm->root, &vm->root_size, err))
		return -1;
	vm_keep_map(vm, vm->root, vm->root_size);
	if (devices_open(&vm->devices, options, &vm->memory, err))
		return -1;
	return vm_open_outputs(vm, err);
}

int vm_open_outputs(struct vm *vm, struct mote_error *err)
{
	const struct run_options *options = vm->options;

	if (open_output(options->core_path, &vm->core_fd, "core file", err) ||
	    open_output(options->dump_dtb_path, &vm->dump_fd, "device tree file", err) ||
	    crash_prepare(vm, err) || vm_save_prepare(vm, err) || control_open(vm, err))
		return -1;
	if (options->stats != STATS_NONE) {
		vm->pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
		vm->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
		vm->smaps_fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
		vm->backend = kvm_backend();
	}
	return 0;
}

void vm_keep_map(struct vm *vm, const void *bytes, size_t size)
{
	if (!bytes || vm->map_count == VM_MAPS_MAX)
		return;
	vm->maps[vm->map_count].bytes = (void *)(uintptr_t)bytes;
	vm->maps[vm->map_count++].size = size;
}

/* ---- after it ---- */

/* The whole file, for backtraces after the guest has died; touched only then. */
/* #syscalls:load mmap */
const unsigned char *vm_map_whole(struct vm *vm, const struct elf_file *file)
{
	void *bytes;

	if (file->source.bytes)
		return file->source.bytes;
	bytes = mmap(NULL, file->source.size, PROT_READ, MAP_PRIVATE, file->source.fd, 0);
	if (bytes == MAP_FAILED)
		return NULL;
	vm_keep_map(vm, bytes, file->source.size);
	return bytes;
}

/* An absolute path that is there in the root is the root's, as container tools have it. */
static bool find_in_root(struct vm *vm)
{
	const char *app = vm->options->app;
	struct root_file file;
	const Elf64_Ehdr *header;

	if (!vm->root || app[0] != '/' || !root_lookup(vm->root, vm->root_size, app, &file))
		return false;
	if (vm->is_app_open)
		close(vm->application.source.fd);
	vm->is_app_open = false;
	vm->application.source.fd = -1;
	vm->root_program = app;
	/* For backtraces; the kit puts it where the loader here would. */
	header = (const Elf64_Ehdr *)(const void *)file.bytes;
	vm->application = (struct elf_file){.source = {.name = app, .size = file.size, .fd = -1}};
	if (header && file.size >= sizeof *header && header->e_type == ET_DYN)
		vm->application.bias = MOTE_PIE_BASE;
	vm->application_bytes = file.bytes;
	return true;
}

/* Whether the file that was opened as APP begins like an application image. */
static bool is_app_image(const struct elf_source *file)
{
	unsigned char head[sizeof APP_IMAGE_MAGIC - 1];

	return file->size >= sizeof head && !file->read(file, 0, head, sizeof head) &&
	       app_image_has_magic(head, sizeof head);
}

/* For --verify: otherwise only the header and the manifest are, since all bytes take their time. */
static int verify_image(const struct vm *vm, struct mote_error *err)
{
	const enum app_section_kind kinds[] = {APP_SECTION_PROGRAM, APP_SECTION_ROOT};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (!app_image_verify(&vm->image, kinds[i]))
			return app_image_damaged(vm->image.name, kinds[i], err);
	}
	return 0;
}

/* The image's own root, unless the command line names another. */
static int use_root_of_image(struct vm *vm, struct mote_error *err)
{
	const struct app_section *root = &vm->image.sections[APP_SECTION_ROOT];
	struct erofs fs;
	const char *reason;

	if (vm->root || !root->size)
		return 0;
	vm->root = vm->image.bytes + root->offset;
	vm->root_size = root->size;
	if (erofs_open(&fs, vm->root, vm->root_size, &reason) == 0)
		return 0;
	return mote_error_set(err, MOTE_STATUS_CANNOT_RUN, "cannot use the root of %s: %s",
	                      vm->image.name, reason);
}

/*
 * APP is an application image: its manifest completes the options, and its sections stand for the
 * files that other runs open.
 */
static int open_image(struct vm *vm, struct mote_error *err)
{
	struct elf_source *source = &vm->application.source;
	const struct app_section *program = &vm->image.sections[APP_SECTION_PROGRAM];
	const unsigned char *bytes = vm_map_whole(vm, &vm->application);

	if (!bytes)
		return mote_error_errno(err, MOTE_STATUS_CANNOT_RUN, "cannot read %s",
		                        source->name);
	vm->options_of_image = *vm->options;
	if (app_image_read(&vm->image, source->name, bytes, source->size, err) ||
	    (vm->options->verify && verify_image(vm, err)) ||
	    app_options_apply(&vm->options_of_image, &vm->image.manifest, err) ||
	    use_root_of_image(vm, err))
		return -1;
	vm->options = &vm->options_of_image;
	if (vm->image.manifest.is_in_root) {
		if (find_in_root(vm))
			return 0;
		return mote_error_set(err, MOTE_STATUS_NOT_FOUND,
		                      "cannot run %s: there is no file %s in its root",
		                      vm->image.name, vm->options->app);
	}
	source->name = vm->options->app;
	source->size = program->size;
	source->start = program->offset;
	vm->application_bytes = bytes + program->offset;
	return 0;
}

/* #syscalls:load close */
static int read_interpreter(struct vm *vm, struct mote_error *err)
{
	const struct elf_file *application = &vm->application;
	uint64_t size = application->image.interpreter_size;

	if (!size)
		return 0;
	if (!vm->root)
		return mote_error_set(
		        err, MOTE_STATUS_CANNOT_RUN,
		        "cannot run %s: it is dynamically linked, and there is no root "
		        "with a loader for it. Name one with --root, or link it with "
		        "-static (mote-cc does)",
		        vm->options->app);
	vm->interpreter = size <= PATH_MAX ? calloc(1, size) : NULL;
	if (!vm->interpreter ||
	    application->source.read(&application->source, application->image.interpreter_offset,
	                             vm->interpreter, size) ||
	    vm->interpreter[size - 1])
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
		                      "cannot run %s: the name of its loader cannot be read",
		                      vm->options->app);
	return 0;
}

static int read_headers(struct vm *vm, struct mote_error *err)
{
	if (kit_read(&vm->kit, &vm->kit_note, err))
		return -1;
	vm->kit_bytes = vm_map_whole(vm, &vm->kit);
	if (find_in_root(vm))
		return 0;
	if (!vm->is_app_open)
		return mote_error_set(err, MOTE_STATUS_NOT_FOUND,
		                      "cannot open %s: it is neither in the root nor on the host",
		                      vm->options->app);
	if (is_app_image(&vm->application.source) && open_image(vm, err))
		return -1;
	if (vm->root_program)
		return 0;
	if (elf_image_read(&vm->application.image, &vm->application.source, vm->options->allow_wx,
	                   err))
		return -1;
	if (!vm->application_bytes)
		vm->application_bytes = vm_map_whole(vm, &vm->application);
	return read_interpreter(vm, err);
}

static uint64_t whole_pages(uint64_t size)
{
	return (size + MOTE_PAGE_SIZE - 1) & ~(MOTE_PAGE_SIZE - 1);
}

/*
 * The tree of @used bytes was built at layout.next, in a buffer of @bound bytes. It moves into the
 * boot record's own page, which the guest reads anyway, or where it is too long for that stays.
 * Free memory reads as zeros.
 */
static uint64_t tree_place(struct vm *vm, unsigned char *tree, size_t bound, size_t used)
{
	uint64_t gpa = vm->layout.next;

	if (used > MOTE_PAGE_SIZE - TREE_IN_BOOT_PAGE) {
		memset(tree + used, 0, bound - used);
		vm->layout.next += whole_pages(used);
		return MOTE_DIRECT_VA + gpa;
	}
	guest_write(&vm->memory, (mote_gpa_t){window_gpa(MOTE_BOOT_VA) + TREE_IN_BOOT_PAGE}, tree,
	            used);
	memset(tree, 0, bound);
	return MOTE_BOOT_VA + TREE_IN_BOOT_PAGE;
}

/* #syscalls:load getrandom write */
static int put_device_tree(struct vm *vm, struct mote_boot *boot, struct mote_error *err)
{
	struct device_tree_input input = {
	        .options = vm->options,
	        .application = &vm->application,
	        .program = vm->root_program,
	        .interpreter = vm->interpreter,
	        .ram_size = vm->memory.size,
	        .root_gpa = vm->root_gpa,
	        .root_size = vm->root_size,
	        .trace_gpa = trace_ring(vm),
	        .trace_size = vm->trace ? TRACE_RING_BYTES : 0,
	        .devices = &vm->devices,
	        .console = {console_kind(0), console_kind(1), console_kind(2)},
	        .xsave_size = cpuid_xsave_size(&vm->cpuid),
	        .hwcap = cpuid_hwcap(&vm->cpuid),
	        .hwcap2 = 2, /* HWCAP2_FSGSBASE, which cpuid_check() asks for */
	};
	size_t bound = device_tree_bound(&input), used;
	void *tree = guest_range(&vm->memory, (mote_gpa_t){vm->layout.next}, bound);

	if (!tree)
		return mote_error_set(
		        err, MOTE_STATUS_CANNOT_RUN,
		        "the guest's memory has no room for its arguments. Give it more "
		        "with --mem");
	if (getrandom(input.seed, sizeof input.seed, 0) != sizeof input.seed)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot get random bytes");
	if (device_tree_build(&input, tree, bound, &used, err))
		return -1;
	if (vm->dump_fd >= 0 && write(vm->dump_fd, tree, used) != (ssize_t)used)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot write %s",
		                        vm->options->dump_dtb_path);
	if (vm_save_keep_start(vm, tree, used, err))
		return -1;
	boot->device_tree = tree_place(vm, tree, bound, used);
	boot->device_tree_size = used;
	return 0;
}

/* @stats_pages: let the CPU note which of the kit's pages are used, as a trace does anyway. */
static int map_window(struct vm *vm, bool stats_pages, struct mote_error *err)
{
	static const struct {
		uint64_t va, flags;
	} pages[] = {
	        {MOTE_CPU_TABLES_VA, PTE_WRITABLE | PTE_NO_EXEC},
	        {MOTE_BOOT_VA, PTE_USER | PTE_NO_EXEC},
	        {MOTE_CLOCK_VA, PTE_USER | PTE_NO_EXEC},
	        {MOTE_RUN_VA, PTE_USER | PTE_WRITABLE | PTE_NO_EXEC},
	};

	bool track_access = vm->layout.tables.track_access;
	int status;

	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
		if (page_tables_map(&vm->layout.tables, pages[i].va, window_gpa(pages[i].va),
		                    MOTE_PAGE_SIZE, pages[i].flags, err))
			return -1;
	vm->layout.tables.track_access |= stats_pages;
	status = kit_map(&vm->kit, &vm->layout, err);
	vm->layout.tables.track_access = track_access;
	return status;
}

/* The first pages of the application's stack, so that the kit need not touch page tables to start.
 */
static int map_stack(struct vm *vm, struct mote_error *err)
{
	struct layout *layout = &vm->layout;
	uint64_t gpa = layout->next;

	layout->next += MOTE_STACK_FIRST;
	trace_image(vm, TRACE_IMAGE_STACK, gpa, layout->next, MOTE_STACK_TOP - MOTE_STACK_FIRST);
	return page_tables_map(&layout->tables, MOTE_STACK_TOP - MOTE_STACK_FIRST, gpa,
	                       MOTE_STACK_FIRST,
	                       PTE_USER | PTE_WRITABLE | PTE_NO_EXEC | MOTE_PTE_IMAGE, err);
}

static int map_direct(struct vm *vm, uint64_t direct_start, struct mote_error *err)
{
	struct page_tables *tables = &vm->layout.tables;

	if (page_tables_map(tables, MOTE_DIRECT_VA + direct_start, direct_start,
	                    vm->memory.size - direct_start, PTE_USER | PTE_WRITABLE | PTE_NO_EXEC,
	                    err))
		return -1;
	return vm->root ? page_tables_map(tables, MOTE_ROOT_VA, vm->root_gpa,
	                                  whole_pages(vm->root_size), PTE_USER | PTE_NO_EXEC, err)
	                : 0;
}

/*
 * Bring the memory in that every start touches. Page by page, each would cost a fault here or, many
 * times dearer, in the guest. Of the kit: the group of its data, and of the rest what is copied.
 * Behind it: the application, and what is written here or used first by the guest.
 */
static int populate_start(struct vm *vm, struct mote_error *err)
{
	const struct elf_image *application = &vm->application.image;
	uint64_t size = START_PAGES * MOTE_PAGE_SIZE + devices_rings_size(&vm->devices);
	struct mote_range copied = kit_copied(&vm->kit);

	if (guest_memory_populate(&vm->memory, (mote_gpa_t){window_gpa(MOTE_FIRST_GROUP)},
	                          KIT_GROUP, err) ||
	    guest_memory_populate(&vm->memory, (mote_gpa_t){window_gpa(copied.start)},
	                          copied.end - copied.start, err))
		return -1;
	for (size_t i = 0; i < application->segment_count; i++)
		if (application->segments[i].file_size <= COPY_LIMIT)
			size += whole_pages(application->segments[i].file_size);
	return guest_memory_populate(&vm->memory,
	                             (mote_gpa_t){whole_pages(vm->kit.image.end - MOTE_WINDOW_VA)},
	                             size, err);
}

static int place_devices(struct vm *vm, struct mote_error *err)
{
	uint64_t gpa = vm->layout.next;

	vm->layout.next += devices_rings_size(&vm->devices);
	return devices_place(&vm->devices, gpa, err) ||
	                       devices_map(&vm->devices, &vm->layout.tables, err)
	               ? -1
	               : 0;
}

static int fill_memory(struct vm *vm, struct mote_error *err)
{
	struct layout *layout = &vm->layout;
	struct mote_boot boot = {.magic = MOTE_BOOT_MAGIC,
	                         .abi_version = MOTE_ABI_VERSION,
	                         .size = sizeof boot,
	                         .vmm_version = MOTE_VERSION,
	                         .ram_end = vm->memory.size};

	layout->memory = &vm->memory;
	layout->copy_limit = COPY_LIMIT;
	if (kit_load(&vm->kit, layout, err))
		return -1;
	trace_image(vm, TRACE_IMAGE_KIT, 0, layout->next, MOTE_WINDOW_VA);
	boot.direct_start = layout->next;
	if (vm->is_app_open && application_load(&vm->application, layout, err))
		return -1;
	trace_image(vm, TRACE_IMAGE_APPLICATION, boot.direct_start, layout->next, 0);
	if (page_tables_create(&layout->tables, &vm->memory, &layout->next, err))
		return -1;
	layout->tables.track_access = trace_wants_pages(vm);
	if ((vm->is_app_open && application_map(&vm->application, layout, err)) ||
	    map_window(vm, vm->options->stats == STATS_PAGES, err) || map_stack(vm, err))
		return -1;
	layout->tables.track_access = false;
	if (map_direct(vm, boot.direct_start, err) || trace_place_ring(vm, err) ||
	    place_devices(vm, err) || put_device_tree(vm, &boot, err) ||
	    cpu_tables_write(&vm->memory, vm->kit_note.trap_stack_top, err))
		return -1;
	trace_image(vm, TRACE_IMAGE_FREE, layout->next, vm->memory.size, 0);
	boot.page_table = layout->tables.root;
	boot.tsc_offset = vm->clock.tsc_offset;
	boot.free = vm->memory.free = (struct mote_range){layout->next, vm->memory.size};
	/* mote/abi.h, "memory": two bits a page are size / 2^14 bytes. */
	if (kvm_add_ram(&vm->kvm, &vm->memory,
	                layout->next + (vm->memory.size >> 14) + MOTE_USABLE_FREE, err))
		return -1;
	boot.ram_usable = vm->kvm.ram_end;
	vm_save_want(vm);
	return guest_write(&vm->memory, (mote_gpa_t){window_gpa(MOTE_BOOT_VA)}, &boot, sizeof boot);
}

static int create_machine(struct vm *vm, struct mote_error *err)
{
	if (guest_memory_create(&vm->memory, vm->options->memory_bytes, err) ||
	    trace_prepare(vm, err) || populate_start(vm, err) ||
	    kvm_create(&vm->kvm, vm->memory.size, vm->cpuid.is_native, err))
		return -1;
	vm->root_gpa = choose_root_gpa(vm);
	if (vm->root && kvm_add_read_only_slot(&vm->kvm, VM_ROOT_SLOT, vm->root_gpa, vm->root,
	                                       whole_pages(vm->root_size), err))
		return -1;
	return clock_page_init(&vm->clock, &vm->memory, vm->cpuid.is_native, &vm->kvm, err);
}

int vm_create(struct vm *vm, const struct run_options *options, struct mote_error *err)
{
	struct cpu_start start;

	vm->options = options;
	if (open_files(vm, err) ||
	    (vm->host.confines && confine_enter(CONFINE_LOAD, &vm->devices.needs, err)))
		return -1;
	vm_mark(vm, VM_MOMENT_OPENED);
	if (read_headers(vm, err) || create_machine(vm, err))
		return -1;
	vm_mark(vm, VM_MOMENT_CREATED);
	cpuid_filter(&vm->cpuid, options->cpu, vm->clock.tsc_khz);
	if (cpuid_check(&vm->cpuid, err) || fill_memory(vm, err))
		return -1;
	vm_mark(vm, VM_MOMENT_LOADED);
	start = (struct cpu_start){.page_table = vm->layout.tables.root,
	                           .entry = vm->kit.image.entry,
	                           .argument = MOTE_BOOT_VA,
	                           .syscall_entry = vm->kit_note.syscall_entry};
	if (cpu_state_set(&vm->kvm, &vm->cpuid, &start, err))
		return -1;
	vm_mark(vm, VM_MOMENT_SET_UP);
	return 0;
}
