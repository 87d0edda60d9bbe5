/* SPDX-License-Identifier: Apache-2.0 */
/* One microVM: everything that `mote run` holds while its guest lives. */
#ifndef MOTE_VMM_VM_H
#define MOTE_VMM_VM_H

#include <stddef.h>

#include "vmm/app_image.h"
#include "vmm/clock_page.h"
#include "vmm/console.h"
#include "vmm/cpuid.h"
#include "vmm/devices.h"
#include "vmm/kvm.h"
#include "vmm/loader.h"
#include "vmm/options.h"
#include "vmm/stop.h"
#include "vmm/vm_life.h"

/* Moments on the host's side of a start, in order; the guest's are in struct mote_run. */
enum vm_moment {
	VM_MOMENT_MAIN,    /* vm_begin() entered */
	VM_MOMENT_OPENED,  /* files and /dev/kvm are open */
	VM_MOMENT_CREATED, /* VM and vCPU exist */
	VM_MOMENT_LOADED,  /* guest memory is filled */
	VM_MOMENT_SET_UP,  /* vCPU state is set */
	VM_MOMENT_RUN,     /* first KVM_RUN */
	VM_MOMENT_READY,   /* hypercall `ready`; 0 if never */
	VM_MOMENT_ENDED,   /* the guest is over */
	VM_MOMENTS
};

/* Causes of exits to user space that are no hypercall. */
enum vm_exit_cause {
	VM_EXIT_MMIO,
	VM_EXIT_PORT,
	VM_EXIT_INTERRUPTED,
	VM_EXIT_OTHER,
	VM_EXIT_CAUSES
};

/* Why a guest that is not over stands still, by its own doing. */
enum vm_pause {
	VM_PAUSE_NONE,
	VM_PAUSE_POINT,   /* at a snapshot point, in the hypercall `snapshot` */
	VM_PAUSE_REQUEST, /* its last answer is given, in the hypercall `serve` */
};

/* What a hypercall returns that cannot be served now: the guest stays at it. */
#define VM_LATER INT64_MIN

struct core_map;
struct control;
struct snapshot;
struct snapshot_key;
struct vm_reset;
struct vm_save;
struct trace;
struct working_set;
struct vm_serve;

#define VM_MAPS_MAX 4

/* What a generation takes: an id and a seed; and how many are drawn of the kernel at once. */
#define VM_RANDOM_SIZE  48u
#define VM_RANDOM_DRAWS 32u

struct vm {
	const struct run_options *options;
	struct guest_memory memory;
	struct kvm kvm;
	struct layout layout;
	struct elf_file kit, application;
	struct mote_kit_note kit_note;
	struct cpuid cpuid;
	struct clock_page clock;
	struct devices devices;

	struct app_image image;              /* the application image, if APP is one */
	struct run_options options_of_image; /* what @options points to then */

	bool is_app_open; /* the application is a file of the host's, whose segments are loaded */
	const char
	        *root_program; /* path of an application in the root: the kit loads it; else NULL */
	char *interpreter;     /* that the host's file needs; NULL: none */

	const void *root;             /* mapped root image; NULL: none */
	uint64_t root_gpa, root_size; /* root_gpa: once the VM is made */

	/* What was mapped of files and is to be unmapped: the root image, and those below. */
	struct {
		void *bytes;
		size_t size;
	} maps[VM_MAPS_MAX];
	unsigned map_count;

	/* The files of the application and the kit, mapped whole for backtraces. */
	const unsigned char *application_bytes, *kit_bytes;
	int core_fd, dump_fd;               /* -1: not asked for */
	int pagemap_fd, statm_fd, smaps_fd; /* for --stats; -1 otherwise */
	enum kvm_backend backend;

	uint64_t moment[VM_MOMENTS]; /* host TSC */
	uint64_t exits[VM_EXIT_CAUSES];
	uint64_t hypercalls[MOTE_HC_LIMIT]; /* exits by number; [0]: unknown numbers */
	uint64_t start_cpu_ns;              /* CPU time of the process before VM_MOMENT_MAIN */

	struct {
		unsigned quiet_slices;     /* in a row, with one runnable thread */
		struct kvm_regs registers; /* at the last one */
		unsigned still_looks;      /* in a row, that found them unchanged */
		uint64_t next;             /* CLOCK_MONOTONIC ns */
		uint64_t frames;           /* of the network, at the last one */
	} tick;

	void *tree; /* that the guest has started with, where a snapshot may be wanted; else NULL */
	size_t tree_size;

	/* of a VM that was restored from one; else NULL (vm_restore.c) */
	struct snapshot *snapshot;
	void *start_tree; /* device tree of this start, where something was replaced; else NULL */
	size_t start_tree_size;
	uint8_t generation[16];    /* id of this start */
	uint32_t generation_flags; /* MOTE_GENERATION_* of it */
	uint32_t console[3];       /* console_kind() of stdin, stdout, stderr */
	struct {
		unsigned char bytes[VM_RANDOM_DRAWS * VM_RANDOM_SIZE];
		unsigned left;     /* draws, from the end */
	} random;                  /* for generations to come */
	bool must_take_generation; /* the guest has not made a hypercall since then */
	struct vm_serve *serve;    /* requests are served (serve.c); else NULL */
	uint64_t run_deadline;     /* the guest's CLOCK_MONOTONIC ns at which it is over; 0: none */
	struct snapshot_key *key;  /* that snapshots are written and read with, or NULL */
	struct vm_save *save;      /* a snapshot is wanted (vm_save.c); else NULL */
	struct vm_reset *reset;    /* it starts more than once (vm_reset.c); else NULL */
	struct working_set *working_set; /* that is being recorded (working_set.c), else NULL */

	struct control *control; /* where it has a name; else NULL (control.c) */

	struct trace *trace; /* --trace (trace.c); else NULL */

	struct core_map *core_map; /* room for what a core file has; NULL: none is wanted */

	/* of its process (vm_life.c) */
	struct vm_host host;
	struct stop stop;
	struct console_streams streams;
	const struct vm_call *call; /* whose request the guest answers; else NULL */
	struct {
		bool is_at_exit; /* the last exit is to be served, once more, before it goes on */
		enum vm_pause why;
		enum mote_snapshot_point point; /* of VM_PAUSE_POINT */
		mote_gpa_t problems;
		uint64_t problems_size;
		bool is_answered;    /* the call that it stands at returns @answer */
		bool is_behind_mark; /* a snapshot of a mark was taken, and it has not gone on */
		int64_t answer;
	} pause;
	bool is_wanted_outside; /* a snapshot is, by vm_life_snapshot() */
	bool has_run;           /* since it was made, or reset */
	bool is_draining;       /* it is over, and its devices hold something still */
	bool is_told;           /* that it is over */
	bool is_broken;         /* vm_reset() has failed, or KVM_RUN */
	bool has_entered;       /* owns_process: the thread is this VM's */
	uint64_t resets;

	bool is_over;
	int exit_status;       /* valid when is_over */
	int signal;            /* that it died of; 0: none */
	bool is_out_of_memory; /* that is what it died of */
};

/* vm_life.c: vm_life_create() in room of the caller's, zeroed. */
int vm_begin(struct vm *vm, const struct run_options *options, const struct vm_host *host,
             struct mote_error *err);

/* run.c: run the guest until it is over, stands still by its own doing, or stop_is_due(). */
int vm_loop(struct vm *vm, struct mote_error *err);

/* run.c: end the guest if something outside has asked for it: a signal, or --timeout. */
void vm_check_stop(struct vm *vm);

/* run.c: after the guest's end, for what its devices hold. Return: false: stop_is_due() first. */
bool vm_drain(struct vm *vm);

/* vm_close.c: free and close all that it holds, but not itself. */
void vm_close(struct vm *vm);

/* vm_create.c: make the VM and fill its memory, up to the first KVM_RUN. */
int vm_create(struct vm *vm, const struct run_options *options, struct mote_error *err);

/* hypercall.c: serve the hypercall the vCPU stopped at; the result goes into its EAX. */
int vm_hypercall(struct vm *vm, struct mote_error *err);

/* Where a field of the run page is. */
#define VM_RUN_GPA(field) \
	((mote_gpa_t){MOTE_RUN_VA - MOTE_WINDOW_VA + offsetof(struct mote_run, field)})

/* The run page as the guest last wrote it (a copy: it is hostile). */
void vm_read_run_page(const struct vm *vm, struct mote_run *run);

/* Exits to user space so far, of all causes. */
uint64_t vm_exit_count(const struct vm *vm);

static inline void vm_mark(struct vm *vm, enum vm_moment moment)
{
	vm->moment[moment] = clock_host_tsc();
}

#endif
