/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times of resets in place and of starts in shells, against exits of the same VM in the same
 * process.
 *
 * usage: restore EXITS REQUEST-16 REQUEST-128     (snapshots of request.c)
 *
 * Linked with the VMM's own objects but for the confinement, which would keep it from its work. A
 * line for each figure: name, microseconds (median), exits of that long, and pages that were
 * written.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "snapshot/snapshot.h"
#include "vmm/confine.h"
#include "vmm/console.h"
#include "vmm/stop.h"
#include "vmm/tick.h"
#include "vmm/vm_reset.h"
#include "vmm/vm_restore.h"
#include "vmm/vm_shell.h"

#define ROUNDS 2000
#define SHELLS 40

static struct mote_error err;
static double samples[ROUNDS];

/* For vm_restore(). */
int confine_enter(enum confine_phase phase, const struct confine_needs *needs,
                  struct mote_error *unused)
{
	(void)phase, (void)needs, (void)unused;
	return 0;
}

int confine_landlock_abi(void)
{
	return 0;
}

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "restore: %s: %s\n", what, err.text);
	exit(1);
}

static double now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(size_t count)
{
	qsort(samples, count, sizeof samples[0], compare);
	return samples[count / 2];
}

static struct vm *restore(const char *path)
{
	struct run_options *options = calloc(1, sizeof *options);
	struct vm *vm = calloc(1, sizeof *vm);

	if (!options || !vm)
		fail("memory");
	options->restore_path = path;
	options->count = 2;
	if (vm_restore(vm, options, &err))
		fail(path);
	return vm;
}

static void run_exit(struct vm *vm)
{
	if (ioctl(vm->kvm.vcpu, KVM_RUN, 0) < 0 || vm->kvm.run->exit_reason != KVM_EXIT_IO)
		fail("KVM_RUN");
}

/* To the answer, which is its one exit, and is not written. */
static void run_request(struct vm *vm)
{
	run_exit(vm);
	if (vm->kvm.run->s.regs.regs.rax != MOTE_HC_console_write)
		fail("a request with another exit than that of its answer");
}

/* To its first instruction, in whose place it executes the one that its snapshot stands behind. */
static void run_first(struct vm *vm)
{
	struct kvm_run *run = vm->kvm.run;

	run->immediate_exit = 1;
	if (ioctl(vm->kvm.vcpu, KVM_RUN, 0) == 0)
		fail("KVM_RUN");
	run->immediate_exit = 0;
	run->s.regs.regs.rip = vm->snapshot->machine->regs.rip - 2;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	run_exit(vm);
}

/* Pages that KVM has seen the guest write to. */
static unsigned written(const struct vm *vm)
{
	static uint64_t bits[1 << 16];
	unsigned count = 0;

	for (unsigned i = 0; i < vm->kvm.ram_slots; i++) {
		struct kvm_dirty_log log = {.slot = i, .dirty_bitmap = bits};

		memset(bits, 0, sizeof bits);
		if (ioctl(vm->kvm.vm, KVM_GET_DIRTY_LOG, &log) < 0)
			fail("KVM_GET_DIRTY_LOG");
		for (size_t k = 0; k < sizeof bits / sizeof bits[0]; k++)
			count += (unsigned)__builtin_popcountll(bits[k]);
	}
	return count;
}

static void print(const char *name, double us, double exit_us, unsigned pages)
{
	printf("%s\t%.2f\t%.3f\t%u\n", name, us, us / exit_us, pages);
}

static void time_resets(const char *name, struct vm *vm, struct vm *exits)
{
	static double bare[ROUNDS];
	double exit_us, us;

	run_request(vm);
	for (int i = 0; i < ROUNDS; i++) {
		double start = now_us();

		run_exit(exits);
		bare[i] = now_us() - start;
		start = now_us();
		if (vm_reset(vm, &err))
			fail("reset");
		run_request(vm);
		samples[i] = now_us() - start;
	}
	us = median(ROUNDS);
	memcpy(samples, bare, sizeof bare);
	exit_us = median(ROUNDS);
	print(name, us, exit_us, written(vm));
	printf("%s: bare exit\t%.2f\t1\t0\n", name, exit_us);
}

/* Each of them in a VM of its own, in which nothing has run but the exit of the preparation. */
static void time_shells(const char *path, const char *other, struct vm *exits)
{
	double bare[SHELLS], changed[SHELLS], exit_us;
	struct snapshot *snapshot = restore(other)->snapshot;

	for (int i = 0; i < SHELLS; i++) {
		struct vm *vm = restore(path);
		double start;

		if (vm_shell_warm(vm, &err))
			fail("shell");
		run_exit(exits);
		start = now_us();
		run_exit(exits);
		bare[i] = now_us() - start;
		start = now_us();
		if (vm_shell_start(vm, &err))
			fail("start of a shell");
		run_first(vm);
		samples[i] = now_us() - start;
		start = now_us();
		if (vm_shell_change(vm, snapshot, &err))
			fail("change of the snapshot");
		run_first(vm);
		changed[i] = now_us() - start;
		/* It is what it should be, and can be used like any other. */
		if (vm_reset(vm, &err) || vm_reset_verify(vm, &err))
			fail("a shell whose snapshot was changed");
		run_request(vm);
		vm->snapshot = NULL;
		close(vm->kvm.vcpu);
		close(vm->kvm.vm);
	}
	double us = median(SHELLS);

	memcpy(samples, bare, sizeof bare);
	exit_us = median(SHELLS);
	print("shell", us, exit_us, 0);
	memcpy(samples, changed, sizeof changed);
	print("other snapshot", median(SHELLS), exit_us, 0);
}

int main(int argc, char **argv)
{
	struct vm *exits;
	sigset_t all; /* ticks stay away */

	if (argc != 4) {
		fprintf(stderr, "usage: restore EXITS REQUEST-16 REQUEST-128\n");
		return 2;
	}
	exits = restore(argv[1]);
	console_enter(&exits->streams); /* for all of them: nothing is read or written */
	if (stop_init(&exits->stop, exits->kvm.run, 0, &err) || tick_init(exits, &err))
		fail("timer");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	run_exit(exits);
	run_exit(exits);
	time_resets("reset 16", restore(argv[2]), exits);
	time_resets("reset 128", restore(argv[3]), exits);
	time_shells(argv[2], argv[3], exits);
	return 0;
}
