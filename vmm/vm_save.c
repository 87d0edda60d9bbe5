/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes a snapshot of a VM.
 *
 * How it works
 *
 * The guest makes the hypercall `snapshot` where one is wanted. The exit is completed first, so
 * that the saved vCPU stands behind it, then its state is read and the file is written from guest
 * memory as it is: the guest stands still. Which pages may hold something /proc/self/pagemap knows,
 * and of file mappings all are taken to.
 *
 * The process is confined by then, and has no right to give the file its name: another one, made
 * before, waits to be told that the file is whole (new_file.h).
 */
#include "vmm/vm_save.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "snapshot/auth.h"
#include "vmm/console.h"
#include "vmm/control.h"
#include "vmm/cpuid_compat.h"
#include "vmm/devices_snapshot.h"
#include "vmm/new_file.h"
#include "vmm/siphash.h"
#include "vmm/start_tree.h"
#include "vmm/working_set.h"

/* Documentation/admin-guide/mm/pagemap.rst of the kernel. */
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SWAPPED (1ull << 62)
#define PAGEMAP_FILE    (1ull << 61) /* a page of a file, not of this process alone */
#define PAGEMAP_CHUNK   512          /* entries read at once */

/* The size of memory is known later: of a snapshot's or an application image's. */
#define CANDIDATES_SIZE (RUN_MEMORY_MAX / MOTE_PAGE_SIZE / 8)

/* XSTATE_BV in struct kvm_xsave: its low half; the high one is 0 for what guests can have. */
#define XSAVE_FEATURES (512 / 4)

/* Of the guest, and of devices. */
#define PROBLEMS_ROOM (MOTE_SNAPSHOT_PROBLEM_MAX + 4096u)

struct vm_save {
	enum kvm_backend backend;
	int pagemap; /* /proc/self/pagemap */
	int keeper;  /* to the process that gives the file its name; -1: no file of the options */
	struct new_file file;
	uint64_t *candidates; /* a bit a page */
	char application[PATH_MAX], root[PATH_MAX];
	struct snapshot_machine machine;
	struct kvm_xsave xsave;
	void *devices; /* room for their state */
	size_t devices_size;
	bool is_taken; /* the one that the options ask for */
	struct mote_error failure;
	char problems[PROBLEMS_ROOM];
};

/* ---- before confinement ---- */

/* Gives the file its name when it is told to; tells how that went by an errno. */
static _Noreturn void keep(struct new_file *file, int socket)
{
	struct mote_error err;
	unsigned char status = 0;

	if (read(socket, &status, 1) != 1)
		_exit(0);
	errno = 0;
	if (new_file_keep(file, &err))
		status = errno ? (unsigned char)errno : EIO;
	else
		status = 0;
	(void)!write(socket, &status, 1);
	_exit(0);
}

static int start_keeper(struct vm_save *save, struct mote_error *err)
{
	int pair[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot make a socket");
	child = fork();
	if (child < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot start a process");
	if (!child) {
		/* A terminal's ^C is for the guest. */
		setpgid(0, 0);
		close(pair[0]);
		keep(&save->file, pair[1]);
	}
	close(pair[1]);
	save->keeper = pair[0];
	return 0;
}

static void absolute(const char *path, char *to)
{
	if (!path || !realpath(path, to))
		*to = '\0';
}

int vm_save_read_key(struct vm *vm, struct mote_error *err)
{
	struct snapshot_key *key;

	if (!vm->options->key_path || vm->key)
		return 0;
	key = calloc(1, sizeof *key);
	if (!key)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for a key");
	vm->key = key;
	return snapshot_key_read(key, vm->options->key_path, err);
}

int vm_save_prepare(struct vm *vm, struct mote_error *err)
{
	const struct run_options *options = vm->options;
	struct vm_save *save;

	if (!options->snapshot_path && !options->control.name && !vm->host.can_snapshot &&
	    !vm->host.stops_at_points)
		return 0;
	if (vm_save_read_key(vm, err))
		return -1;
	save = calloc(1, sizeof *save);
	if (!save)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for a snapshot");
	vm->save = save;
	save->keeper = -1;
	save->backend = kvm_backend();
	save->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	save->candidates = mmap(NULL, CANDIDATES_SIZE, PROT_READ | PROT_WRITE,
	                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (save->pagemap < 0 || save->candidates == MAP_FAILED)
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot get what a snapshot needs");
	absolute(options->app, save->application);
	absolute(options->root, save->root);
	if (options->snapshot_path &&
	    (new_file_create(&save->file, options->snapshot_path, err) || start_keeper(save, err)))
		return -1;
	vm->devices.needs.groups |= CONFINE_SNAPSHOT;
	return 0;
}

void vm_save_close(struct vm *vm)
{
	struct vm_save *save = vm->save;

	free(vm->tree);
	vm->tree = NULL;
	vm->save = NULL;
	if (!save)
		return;
	if (save->pagemap >= 0)
		close(save->pagemap);
	if (save->keeper >= 0)
		close(save->keeper);
	if (save->keeper >= 0)
		new_file_discard(&save->file);
	if (save->candidates && save->candidates != MAP_FAILED)
		munmap(save->candidates, CANDIDATES_SIZE);
	if (save->devices && save->devices != MAP_FAILED)
		munmap(save->devices, save->devices_size);
	free(save);
}

/* Room for shares is large, and touched as far as it is needed. */
int vm_save_keep_start(struct vm *vm, const void *tree, size_t size, struct mote_error *err)
{
	struct vm_save *save = vm->save;

	if (!save)
		return 0;
	save->devices_size = devices_save_bound(&vm->devices);
	save->devices = mmap(NULL, save->devices_size, PROT_READ | PROT_WRITE,
	                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	vm->tree = start_tree_keep(tree, size);
	vm->tree_size = size;
	return save->devices == MAP_FAILED || !vm->tree
	               ? mote_error_set(err, MOTE_STATUS_FAILED, "no memory for a snapshot")
	               : 0;
}

bool vm_wants_snapshot(const struct vm *vm)
{
	return control_wants_snapshot(vm) || vm->is_wanted_outside;
}

/* Where the guest is asked for one, bits as in the run page. */
static uint32_t wanted_points(const struct vm *vm)
{
	uint32_t points = vm->options->points;

	if (!vm->save || vm->save->is_taken)
		return 0;
	if (vm->host.stops_at_points)
		return points ? points : 1u << MOTE_SNAPSHOT_MARK;
	return vm->options->snapshot_path ? points : 0;
}

void vm_save_want(struct vm *vm)
{
	uint32_t wanted = wanted_points(vm);

	if (!vm->save)
		return;
	if (vm_wants_snapshot(vm))
		wanted |= 1u << MOTE_SNAPSHOT_OUTSIDE;
	guest_write(&vm->memory, VM_RUN_GPA(snapshot_wanted), &wanted, sizeof wanted);
}

/* ---- what is saved ---- */

static void set_bits(uint64_t *map, uint64_t first, uint64_t end)
{
	for (uint64_t frame = first; frame < end; frame++)
		map[frame / 64] |= 1ull << frame % 64;
}

static void set_backed(const struct vm *vm, uint64_t *map)
{
	const struct guest_memory *memory = &vm->memory;

	for (unsigned i = 0; i < memory->backed_count; i++)
		set_bits(map, memory->backed[i].start / MOTE_PAGE_SIZE,
		         (memory->backed[i].end + MOTE_PAGE_SIZE - 1) / MOTE_PAGE_SIZE);
	for (size_t i = 0; vm->snapshot && i < vm->snapshot->extent_count; i++) {
		uint64_t first = vm->snapshot->extents[i].gpa / MOTE_PAGE_SIZE;

		set_bits(map, first, first + vm->snapshot->extents[i].pages);
	}
}

/*
 * What a page of memory may hold that zeros, or the base's pages, are not. What lies under a page
 * that this process has none of is the base's, where there is one: the guest was started from it.
 */
/* #syscalls:snapshot pread64 */
static int find_candidates(struct vm *vm, const struct snapshot *base, struct mote_error *err)
{
	uint64_t first = (uint64_t)vm->memory.host / MOTE_PAGE_SIZE;
	uint64_t frames = vm->kvm.ram_end / MOTE_PAGE_SIZE;
	uint64_t *map = vm->save->candidates, entries[PAGEMAP_CHUNK];

	memset(map, 0, (vm->memory.size / MOTE_PAGE_SIZE + 63) / 64 * 8);
	for (uint64_t frame = 0; frame < frames; frame += PAGEMAP_CHUNK) {
		size_t count = frames - frame < PAGEMAP_CHUNK ? frames - frame : PAGEMAP_CHUNK;

		if (pread(vm->save->pagemap, entries, count * 8, (off_t)((first + frame) * 8)) !=
		    (ssize_t)(count * 8))
			return mote_error_errno(err, MOTE_STATUS_FAILED,
			                        "cannot read /proc/self/pagemap");
		for (size_t i = 0; i < count; i++)
			if (entries[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED) &&
			    !(base && entries[i] & PAGEMAP_FILE))
				map[(frame + i) / 64] |= 1ull << (frame + i) % 64;
	}
	if (!base)
		set_backed(vm, map);
	return 0;
}

/* The vCPU stands behind the hypercall, as on kvm-pvm it does anyway; the result is @result. */
/* #syscalls:snapshot ioctl(KVM_RUN) */
static int complete_exit(struct vm *vm, int32_t result, struct mote_error *err)
{
	struct kvm_run *run = vm->kvm.run;

	memcpy((unsigned char *)run + run->io.data_offset, &result, sizeof result);
	run->immediate_exit = 1;
	if (!ioctl(vm->kvm.vcpu, KVM_RUN, 0) || errno != EINTR)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "KVM_RUN failed");
	run->immediate_exit = 0;
	run->exit_reason = KVM_EXIT_INTR;
	return 0;
}

void vm_identify(const void *bytes, size_t size, uint8_t id[16])
{
	const uint64_t key[2] = {0, 0};
	uint64_t hash[2] = {0, 0};

	if (bytes)
		siphash_128(key, bytes, size, hash);
	memcpy(id, hash, sizeof hash);
}

void vm_identify_root(const struct vm *vm, uint8_t id[16])
{
	vm_identify(vm->root, vm->root_size < MOTE_PAGE_SIZE ? vm->root_size : MOTE_PAGE_SIZE, id);
}

/* What a VM that was restored has from the one before, and does not know itself. */
static void carry_over(struct snapshot_machine *machine, const struct snapshot_machine *before)
{
	memcpy(machine->kit_id, before->kit_id, sizeof machine->kit_id);
	machine->kit_size = before->kit_size;
	machine->cpu_model = before->cpu_model;
	machine->tsc_khz = before->tsc_khz;
	machine->application_bias = before->application_bias;
	machine->application_gpa = before->application_gpa;
	machine->advances = before->advances;
}

/* As much RAM as the guest says that it goes on with, if it says anything. */
static uint64_t usable_end(const struct vm *vm)
{
	uint32_t frames;
	uint64_t end;

	if (guest_read(&vm->memory, VM_RUN_GPA(usable), &frames, sizeof frames))
		return vm->kvm.ram_end;
	end = frames * MOTE_PAGE_SIZE;
	return end < MOTE_WINDOW_END - MOTE_WINDOW_VA || end > vm->kvm.ram_end ? vm->kvm.ram_end
	                                                                       : end;
}

static void fill_machine(struct vm *vm, enum mote_snapshot_point point)
{
	struct snapshot_machine *machine = &vm->save->machine;

	*machine = (struct snapshot_machine){
	        .abi_version = MOTE_ABI_VERSION,
	        .backend = vm->save->backend,
	        .vmm_version = MOTE_VERSION,
	        .kit = vm->kit_note,
	        .kit_size = vm->kit.source.size,
	        .point = point,
	        .advances = vm->options->clock_advances,
	        .cpu_model = vm->options->cpu,
	        .xcr0 = cpuid_xcr0(&vm->cpuid),
	        .tsc_khz = vm->clock.tsc_khz,
	        .ram_size = vm->memory.size,
	        .ram_end = usable_end(vm),
	        .free = vm->memory.free,
	        .page_table = vm->kvm.run->s.regs.sregs.cr3,
	        .root_gpa = vm->root ? vm->root_gpa : 0,
	        .root_size = vm->root_size,
	        .application_bias = vm->application.bias,
	        .application_gpa = vm->application.gpa,
	        .monotonic = clock_page_monotonic(&vm->clock),
	        .realtime = clock_host_ns(CLOCK_REALTIME),
	        .boottime_offset = clock_host_ns(CLOCK_BOOTTIME) - clock_host_ns(CLOCK_MONOTONIC) -
	                           (uint64_t)vm->clock.monotonic_offset +
	                           (uint64_t)vm->clock.boottime_offset,
	        .msrs = {MOTE_STAR, vm->kit_note.syscall_entry, MOTE_FMASK},
	};
	cpuid_identify(machine->cpu_vendor, &machine->cpu_signature);
	vm_identify(vm->kit_bytes, vm->kit.source.size, machine->kit_id);
	vm_identify_root(vm, machine->root_id);
	if (vm->snapshot)
		carry_over(machine, vm->snapshot->machine);
}

/* #syscalls:snapshot ioctl(KVM_GET_SREGS) ioctl(KVM_GET_XSAVE) */
static int read_vcpu(struct vm *vm, struct mote_error *err)
{
	struct snapshot_machine *machine = &vm->save->machine;

	if (ioctl(vm->kvm.vcpu, KVM_GET_SREGS, &machine->sregs) < 0 ||
	    ioctl(vm->kvm.vcpu, KVM_GET_XSAVE, &vm->save->xsave) < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot read the vCPU's state");
	/* kvm-pvm leaves the host's XCR0 in force: what the guest's CPUID has no word of is not
	 * its. */
	vm->save->xsave.region[XSAVE_FEATURES] &= (uint32_t)machine->xcr0;
	machine->regs = vm->kvm.run->s.regs.regs;
	machine->regs.rax = MOTE_SNAPSHOT_RESTORED;
	machine->page_table = machine->sregs.cr3;
	return 0;
}

int vm_save_write(struct vm *vm, int fd, enum mote_snapshot_point point,
                  const struct snapshot *base, struct snapshot_written *written,
                  struct mote_error *err)
{
	struct vm_save *save = vm->save;
	struct snapshot_content content = {.memory = &vm->memory,
	                                   .candidates = save->candidates,
	                                   .base = base,
	                                   .key = vm->key};
	struct snapshot_section *sections = content.sections;
	size_t devices_size;

	/* First: they write to guest memory. */
	working_set_stop(vm);
	devices_look(&vm->devices);
	if (devices_save(&vm->devices, save->devices, save->devices_size, &devices_size, err) ||
	    complete_exit(vm, MOTE_SNAPSHOT_TAKEN, err))
		return -1;
	fill_machine(vm, point);
	if (read_vcpu(vm, err) || find_candidates(vm, base, err))
		return -1;
	sections[SNAPSHOT_MACHINE] =
	        (struct snapshot_section){&save->machine, sizeof save->machine};
	sections[SNAPSHOT_CPUID] = (struct snapshot_section){
	        vm->cpuid.entries, vm->cpuid.count * sizeof vm->cpuid.entries[0]};
	sections[SNAPSHOT_XSAVE] = (struct snapshot_section){&save->xsave, sizeof save->xsave};
	sections[SNAPSHOT_DEVICES] = (struct snapshot_section){save->devices, devices_size};
	sections[SNAPSHOT_RESOURCES] = (struct snapshot_section){vm->tree, vm->tree_size};
	sections[SNAPSHOT_APPLICATION] =
	        (struct snapshot_section){save->application, strlen(save->application) + 1};
	sections[SNAPSHOT_ROOT] = (struct snapshot_section){save->root, strlen(save->root) + 1};
	if (vm->snapshot)
		sections[SNAPSHOT_APPLICATION] = vm->snapshot->sections[SNAPSHOT_APPLICATION];
	return snapshot_write(fd, &content, written, err);
}

/* ---- the hypercall ---- */

/* Text of the guest: nothing in it may steer the terminal. */
static void report_problems(char *text, size_t length, bool is_cut)
{
	static const char heads[][64] = {"mote: the guest cannot be carried into a snapshot:\n",
	                                 "mote: what the snapshot does not carry:\n"};
	const char *head = heads[is_cut];

	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' && text[i] != '\n')
			text[i] = '?';
	console_report(head, strlen(head));
	console_report(text, length);
}

/* Has the file named. #syscalls:snapshot read write */
static int publish(struct vm_save *save, struct mote_error *err)
{
	unsigned char status = 0;
	ssize_t got = write(save->keeper, &status, 1);

	if (got == 1)
		do
			got = read(save->keeper, &status, 1);
		while (got < 0 && errno == EINTR); /* a tick */
	if (got != 1)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "cannot write %s: the process that was to name it is gone",
		                      save->file.path);
	errno = status;
	return status ? mote_error_errno(err, MOTE_STATUS_FAILED, "cannot write %s",
	                                 save->file.path)
	              : 0;
}

/* The one that the options ask for. */
static int64_t save_to_file(struct vm *vm, enum mote_snapshot_point point)
{
	struct vm_save *save = vm->save;
	struct snapshot_written written;

	save->is_taken = true;
	vm_save_want(vm);
	save->is_taken = false;
	if (vm_save_write(vm, save->file.fd, point, NULL, &written, &save->failure) ||
	    publish(save, &save->failure)) {
		vm->is_over = true;
		return -EIO;
	}
	save->is_taken = true;
	vm->is_over = !vm->options->goes_on;
	return MOTE_SNAPSHOT_TAKEN;
}

int vm_save_problems(struct vm *vm, mote_gpa_t gpa, uint64_t length, struct vm_problems *problems)
{
	char *text = vm->save->problems;

	if (length > MOTE_SNAPSHOT_PROBLEM_MAX || guest_read(&vm->memory, gpa, text, length))
		return -EFAULT;
	*problems = (struct vm_problems){
	        .text = text,
	        .of_guest = length,
	        .length = length +
	                  devices_report_ties(&vm->devices, text + length, PROBLEMS_ROOM - length),
	};
	return 0;
}

static int64_t save_for_options(struct vm *vm, uint64_t point, mote_gpa_t gpa, uint64_t length)
{
	struct vm_save *save = vm->save;
	struct vm_problems problems;

	if (vm_save_problems(vm, gpa, length, &problems))
		return -EFAULT;
	if (problems.of_guest && vm->options->force) {
		report_problems(problems.text, problems.of_guest, true);
		return MOTE_SNAPSHOT_CUT;
	}
	if (problems.length)
		report_problems(problems.text, problems.length, vm->options->force);
	if (problems.length && !vm->options->force) {
		mote_error_set(&save->failure, MOTE_STATUS_FAILED,
		               "no snapshot was written to %s. --force cuts such things",
		               save->file.path);
		vm->is_over = true;
		return -EBUSY;
	}
	return save_to_file(vm, (enum mote_snapshot_point)point);
}

/* Those who run the guest take it, or do not: then the call comes again, with an answer. */
static int64_t pause_at(struct vm *vm, uint64_t point, mote_gpa_t gpa, uint64_t length)
{
	if (vm->pause.is_answered) {
		vm->pause.is_answered = false;
		return vm->pause.answer;
	}
	vm->pause.why = VM_PAUSE_POINT;
	vm->pause.point = (enum mote_snapshot_point)point;
	vm->pause.problems = gpa;
	vm->pause.problems_size = length;
	return VM_LATER;
}

int64_t vm_save_point(struct vm *vm, uint64_t point, mote_gpa_t gpa, uint64_t length)
{
	if (!vm->save)
		return MOTE_SNAPSHOT_NONE;
	if (point == MOTE_SNAPSHOT_OUTSIDE)
		return vm->is_wanted_outside || vm->pause.is_answered
		               ? pause_at(vm, point, gpa, length)
		               : control_save(vm, gpa, length);
	if (point >= 32 || !(wanted_points(vm) >> point & 1))
		return MOTE_SNAPSHOT_NONE;
	if (vm->host.stops_at_points)
		return pause_at(vm, point, gpa, length);
	return save_for_options(vm, point, gpa, length);
}

/* The lines on one, cut to what an error can say. */
static int refuse_problems(const struct vm_problems *problems, struct mote_error *err)
{
	size_t length = problems->length;

	while (length && problems->text[length - 1] == '\n')
		length--;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)problems->text[i] < ' ')
			problems->text[i] = problems->text[i] == '\n' ? ';' : '?';
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "the guest has what a snapshot cannot carry (force cuts it): %.*s",
	                      length < 700 ? (int)length : 700, problems->text);
}

int vm_save_new(struct vm *vm, const struct new_file *file, struct mote_error *err)
{
	enum mote_snapshot_point point = vm->pause.point;
	struct snapshot_written written;
	struct vm_problems problems;
	int status;

	if (vm_save_problems(vm, vm->pause.problems, vm->pause.problems_size, &problems))
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "the guest's call for a snapshot makes no sense");
	if (problems.of_guest && vm->options->force) {
		vm->pause.is_answered = true;
		vm->pause.answer = MOTE_SNAPSHOT_CUT;
		vm->pause.why = VM_PAUSE_NONE;
		return 1;
	}
	if (problems.length && !vm->options->force)
		return refuse_problems(&problems, err);
	/* What the guest in the file is told: that nobody wants one. */
	vm->is_wanted_outside = false;
	vm->save->is_taken |= point != MOTE_SNAPSHOT_OUTSIDE;
	vm_save_want(vm);
	status = vm_save_write(vm, file->fd, point, NULL, &written, err);
	if (status)
		vm->save->is_taken &= point == MOTE_SNAPSHOT_OUTSIDE;
	/* Its call is over, unless that failed early. */
	vm->pause.is_at_exit = vm->kvm.run->exit_reason == KVM_EXIT_IO;
	if (!vm->pause.is_at_exit)
		vm->pause.why = VM_PAUSE_NONE;
	vm->pause.is_behind_mark = !status && point == MOTE_SNAPSHOT_MARK;
	return status;
}

int vm_save_finish(struct vm *vm, struct mote_error *err)
{
	struct vm_save *save = vm->save;

	if (!save || !vm->options->snapshot_path || save->is_taken)
		return 0;
	if (save->failure.code)
		*err = save->failure;
	else
		mote_error_set(err, MOTE_STATUS_FAILED,
		               "no snapshot was written to %s: the program ended (status %d) "
		               "without coming to that point",
		               save->file.path, vm->exit_status);
	return -1;
}
