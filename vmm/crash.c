/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports on guests that die.
 *
 * All of it runs after the last guest instruction and inside the confined process: nothing is
 * opened, nothing is allocated, and the guest's memory, registers and ELF file are taken for
 * hostile.
 */
#include "vmm/crash.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/backtrace.h"
#include "vmm/console.h"
#include "vmm/core_file.h"
#include "vmm/lost_page.h"
#include "vmm/vm_restore.h"

#define CORE_SEGMENTS_MAX 8192
#define CORE_STEPS_MAX    (32u << 20) /* pages looked at: tables that repeat could go on for hours */

static void emit(void *ctx, const char *line, size_t length)
{
	(void)ctx;
	console_report(line, length);
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	char line[512];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(line, sizeof line, format, args);
	va_end(args);
	emit(NULL, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

static const char *signal_name(uint32_t number)
{
	static const char *const names[] = {
	        [1] = "SIGHUP",   [2] = "SIGINT",   [3] = "SIGQUIT",  [4] = "SIGILL",
	        [5] = "SIGTRAP",  [6] = "SIGABRT",  [7] = "SIGBUS",   [8] = "SIGFPE",
	        [9] = "SIGKILL",  [10] = "SIGUSR1", [11] = "SIGSEGV", [12] = "SIGUSR2",
	        [13] = "SIGPIPE", [14] = "SIGALRM", [15] = "SIGTERM", [24] = "SIGXCPU",
	        [25] = "SIGXFSZ", [31] = "SIGSYS",
	};

	return number < sizeof names / sizeof names[0] && names[number] ? names[number] : "signal";
}

static const char *vector_name(uint32_t vector)
{
	static const char *const names[] = {
	        [0] = "divide error",         [1] = "debug trap",
	        [3] = "breakpoint",           [4] = "overflow",
	        [5] = "bound range",          [6] = "invalid opcode",
	        [7] = "device not available", [8] = "double fault",
	        [10] = "invalid TSS",         [11] = "segment not present",
	        [12] = "stack fault",         [13] = "general protection fault",
	        [14] = "page fault",          [16] = "x87 exception",
	        [17] = "alignment check",     [18] = "machine check",
	        [19] = "SIMD exception",
	};

	return vector < sizeof names / sizeof names[0] && names[vector] ? names[vector] : "trap";
}

static void print_registers(const struct mote_crash *crash)
{
	static const char names[16][4] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
	                                  "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

	say("  rip %016llx  rflags %08llx  fs %016llx\n", (unsigned long long)crash->rip,
	    (unsigned long long)crash->rflags, (unsigned long long)crash->fs_base);
	for (int i = 0; i < 16; i += 4)
		say("  %-3s %016llx  %-3s %016llx  %-3s %016llx  %-3s %016llx\n", names[i],
		    (unsigned long long)crash->gpr[i], names[i + 1],
		    (unsigned long long)crash->gpr[i + 1], names[i + 2],
		    (unsigned long long)crash->gpr[i + 2], names[i + 3],
		    (unsigned long long)crash->gpr[i + 3]);
}

static struct unwind_registers unwind_registers(const struct mote_crash *crash)
{
	static const unsigned char order[16] = {UNWIND_RAX, UNWIND_RBX, UNWIND_RCX, UNWIND_RDX,
	                                        UNWIND_RSI, UNWIND_RDI, UNWIND_RBP, UNWIND_RSP,
	                                        UNWIND_R8,  UNWIND_R9,  UNWIND_R10, UNWIND_R11,
	                                        UNWIND_R12, UNWIND_R13, UNWIND_R14, UNWIND_R15};
	struct unwind_registers registers = {.rip = crash->rip};

	for (int i = 0; i < 16; i++)
		registers.gpr[order[i]] = crash->gpr[i];
	return registers;
}

static int read_guest(void *ctx, uint64_t va, void *buffer, size_t length)
{
	const struct vm *vm = ctx;

	return guest_read_virtual(&vm->memory, vm->layout.tables.root, va, buffer, length);
}

/* @path: NULL for the program of a snapshot, whose file is not opened */
static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path ? path : "the program";
}

/* A program's code for the backtrace, nothing of it where its file is lost. */
static struct code_image code_image(const struct elf_file *file, const unsigned char *bytes)
{
	return (struct code_image){.elf = bytes,
	                           .size = bytes ? file->source.size : 0,
	                           .bias = file->bias,
	                           .name = base_name(file->source.name)};
}

struct backtrace_work {
	struct vm *vm;
	const struct mote_crash *crash;
};

static void try_backtrace(void *ctx)
{
	const struct backtrace_work *work = ctx;
	struct vm *vm = work->vm;
	const struct code_image images[] = {code_image(&vm->application, vm->application_bytes),
	                                    code_image(&vm->kit, vm->kit_bytes)};
	struct unwind_registers registers = unwind_registers(work->crash);
	struct guest_reader reader = {.read = read_guest, .ctx = vm};
	struct backtrace_frame frames[BACKTRACE_MAX];
	size_t count = backtrace_collect(images, 2, &registers, &reader, frames, BACKTRACE_MAX);

	backtrace_print(frames, count, emit, NULL);
}

static void print_backtrace(struct vm *vm, const struct mote_crash *crash)
{
	struct backtrace_work work = {vm, crash};

	if (vm->snapshot)
		vm_restore_symbols(vm);

	if (lost_page_guard(try_backtrace, &work) == 0)
		return;
	say("mote: %s was cut while it ran: a backtrace without names\n",
	    vm->application.source.name);
	vm->application_bytes = NULL;
	if (vm->kit.source.is_mappable)
		vm->kit_bytes = NULL;
	lost_page_guard(try_backtrace, &work);
}

/* ---- core file ---- */

struct core_map {
	struct vm *vm;
	struct core_segment segments[CORE_SEGMENTS_MAX];
	size_t count;
	uint64_t bytes; /* of all segments: aliases of RAM count, so that no guest makes a core
	                   larger than it is */
};

static void add_mapping(struct core_map *map, uint64_t va, uint64_t gpa, uint64_t length,
                        uint64_t entry)
{
	struct core_segment *last = &map->segments[map->count ? map->count - 1 : 0];
	int prot = 1 | (entry & PTE_WRITABLE ? 2 : 0) | (entry & PTE_NO_EXEC ? 0 : 4);
	const unsigned char *host = guest_range(&map->vm->memory, (mote_gpa_t){gpa}, length);

	if (!(entry & PTE_USER) || !host || length > map->vm->memory.size - map->bytes)
		return;
	map->bytes += length;
	if (map->count && last->va + last->length == va && last->prot == prot &&
	    (const unsigned char *)last->host + last->length == host)
		last->length += length;
	else if (map->count < CORE_SEGMENTS_MAX)
		map->segments[map->count++] = (struct core_segment){va, length, prot, host};
}

/* Every mapping below MOTE_USER_END; holes are skipped a table at a time. */
static void find_mappings(struct core_map *map)
{
	uint64_t va = 0, steps = CORE_STEPS_MAX;

	while (va < MOTE_USER_END && steps-- && map->count < CORE_SEGMENTS_MAX) {
		uint64_t entry, span;
		uint64_t gpa = page_tables_translate(&map->vm->memory, map->vm->layout.tables.root,
		                                     va, &entry, &span);

		if (gpa != UINT64_MAX)
			add_mapping(map, va, gpa, span, entry);
		va += span;
	}
}

int crash_prepare(struct vm *vm, struct mote_error *err)
{
	if (vm->core_fd < 0)
		return 0;
	vm->core_map = calloc(1, sizeof *vm->core_map);
	return vm->core_map ? 0
	                    : mote_error_set(err, MOTE_STATUS_FAILED, "no memory for a core file");
}

/* Bases of FS and GS are among them: the guest sets those without us. */
/* #syscalls:run ioctl(KVM_GET_SREGS) */
static struct kvm_sregs special_registers(const struct vm *vm)
{
	struct kvm_sregs sregs;

	if (ioctl(vm->kvm.vcpu, KVM_GET_SREGS, &sregs) < 0)
		memset(&sregs, 0, sizeof sregs);
	return sregs;
}

/* #syscalls:run ioctl(KVM_GET_XSAVE) */
static void write_core(struct vm *vm, const struct mote_crash *crash)
{
	struct core_map *map = vm->core_map;
	struct kvm_xsave xsave;
	struct mote_error err;
	struct core_description core = {
	        .registers = unwind_registers(crash),
	        .rflags = crash->rflags,
	        .fs_base = crash->fs_base,
	        .cs = MOTE_USER_CS,
	        .ss = MOTE_USER_SS,
	        .orig_rax = UINT64_MAX,
	        .signal = (int)crash->signal,
	        .fault_address = crash->address,
	        .pid = 1,
	        .program = base_name(vm->application.source.name),
	        .arguments = vm->application.source.name,
	        .xcr0 = cpuid_xcr0(&vm->cpuid),
	};

	if (!map)
		return;
	core.gs_base = special_registers(vm).gs.base;
	if (ioctl(vm->kvm.vcpu, KVM_GET_XSAVE, &xsave) == 0) {
		core.xsave = &xsave;
		core.xsave_size = sizeof xsave;
	}
	map->vm = vm;
	map->count = map->bytes = 0;
	find_mappings(map);
	if (core_file_write(vm->core_fd, &core, map->segments, map->count, &err))
		say("mote: %s\n", err.text);
	else
		say("mote: core written to %s\n", vm->options->core_path);
}

/* ---- the three ways to die ---- */

static void print_cause(const struct mote_crash *crash)
{
	const char *who = crash->in_kit ? "the guest kit" : "the guest";
	unsigned long long address = crash->address;

	if (crash->reason[0]) {
		char reason[sizeof crash->reason];
		size_t i;

		for (i = 0; crash->reason[i]; i++)
			reason[i] = (char)(crash->reason[i] < ' ' || crash->reason[i] > '~'
			                           ? '?'
			                           : crash->reason[i]);
		reason[i] = '\0';
		say("mote: %s died of %s (%u): %s\n", who, signal_name(crash->signal),
		    crash->signal, reason);
	} else if (crash->vector == 14) {
		say("mote: %s died of %s (%u): page fault: %s 0x%llx, which is %s\n", who,
		    signal_name(crash->signal), crash->signal,
		    crash->error & 16  ? "executed"
		    : crash->error & 2 ? "wrote to"
		                       : "read from",
		    address, crash->error & 1 ? "protected" : "not mapped");
	} else if (crash->vector == MOTE_CRASH_NO_VECTOR) {
		say("mote: %s died of %s (%u)\n", who, signal_name(crash->signal), crash->signal);
	} else {
		say("mote: %s died of %s (%u): %s, error code 0x%llx\n", who,
		    signal_name(crash->signal), crash->signal, vector_name(crash->vector),
		    (unsigned long long)crash->error);
	}
}

void crash_report(struct vm *vm, const struct mote_crash *crash)
{
	print_cause(crash);
	print_registers(crash);
	print_backtrace(vm, crash);
	write_core(vm, crash);
}

static void registers_now(struct vm *vm, struct mote_crash *crash)
{
	const struct kvm_regs *regs = &vm->kvm.run->s.regs.regs;
	const uint64_t values[16] = {regs->rax, regs->rbx, regs->rcx, regs->rdx,
	                             regs->rsi, regs->rdi, regs->rbp, regs->rsp,
	                             regs->r8,  regs->r9,  regs->r10, regs->r11,
	                             regs->r12, regs->r13, regs->r14, regs->r15};

	memcpy(crash->gpr, values, sizeof values);
	crash->rip = regs->rip;
	crash->rflags = regs->rflags;
	crash->fs_base = special_registers(vm).fs.base;
	crash->vector = MOTE_CRASH_NO_VECTOR;
}

void crash_unexpected_exit(struct vm *vm, const char *what)
{
	struct mote_crash crash = {.signal = 11};

	registers_now(vm, &crash);
	say("mote: the guest %s\n", what);
	print_registers(&crash);
	print_backtrace(vm, &crash);
	write_core(vm, &crash);
	vm->is_over = true;
	vm->signal = 11;
	vm->exit_status = MOTE_STATUS_SIGNAL_BASE + 11;
}

void crash_stopped(struct vm *vm, const char *why, int signal_number)
{
	struct mote_crash crash = {.signal = (uint32_t)signal_number};

	registers_now(vm, &crash);
	say("mote: the guest %s; it was at\n", why);
	print_backtrace(vm, &crash);
	write_core(vm, &crash);
}
