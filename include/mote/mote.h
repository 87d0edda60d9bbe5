/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmote: microVMs within a program of the host. docs/libmote.md has an example for each call.
 *
 *	struct mote_error err;
 *	struct mote_event event;
 *	const char *words[] = {"./app", "argument"};
 *	struct mote_config *config = mote_config_new();
 *	struct mote_vm *vm;
 *
 *	mote_config_arguments(config, 2, words, &err);
 *	vm = mote_create(config, &err);
 *	if (!vm || mote_run(vm, MOTE_NO_LIMIT, &event, &err))
 *		fprintf(stderr, "%s\n", err.text);
 *	mote_close(vm);
 *	mote_config_free(config);
 *
 * How it works
 *
 * A configuration says what a VM gets; any number of VMs can be made of one. A VM is made by
 * mote_create(), which boots a program, or by mote_restore(), which starts from a snapshot. Neither
 * runs the guest: mote_run() and mote_call() do, on the thread that calls them, and return.
 *
 * Errors. A function that can fail returns -1 or NULL and fills @err, which may be NULL for callers
 * who do not want to know. Nothing is printed but what the guest writes and reports on its crashes,
 * to the VM's own streams. Arguments that make no sense are errors as others: NULL where there has
 * to be something, and calls in an order that cannot be.
 *
 * Threads. Different VMs and configurations may be used by different threads at the same time. One
 * VM, or one configuration, is for one thread at a time; only mote_interrupt() may be called
 * meanwhile. A VM may move from thread to thread between calls, which costs microseconds: KVM waits
 * until no processor can know the old one.
 *
 * Processes. A VM belongs to the process that made it: after fork() the child must not touch it,
 * not even to close it. Descriptors are close-on-exec.
 *
 * Signals. No handler is installed and no disposition changed, but with "confine". While a VM
 * runs, its thread has mote_kick_signal() and SIGPIPE blocked; what of these was sent to it
 * meanwhile is taken before the call returns. The program must leave that real-time signal alone.
 * For SIGBUS, see mote_recover().
 *
 * Security. The guest is kept inside its VM by KVM and by this library's checks alone: no
 * confinement of the process is added, since it would hold for the whole program (see "confine" at
 * mote_config_set()). Who runs guests of different owners runs them in processes of their own.
 */
#ifndef MOTE_MOTE_H
#define MOTE_MOTE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/*
 * Codes of errors, the same as the exit statuses of the mote program. Of guests, mote_call() alone
 * makes errors: code 128 plus the signal after a crash.
 */
enum mote_status {
	MOTE_STATUS_INTERRUPTED = 123, /* mote_interrupt() has ended a mote_call() */
	MOTE_STATUS_TIMEOUT = 124,     /* the guest ran past its time limit */
	MOTE_STATUS_FAILED = 125,      /* mote itself failed or was misused */
	MOTE_STATUS_CANNOT_RUN = 126,  /* the program, or snapshot, exists and cannot be run */
	MOTE_STATUS_NOT_FOUND = 127,   /* the program does not exist */
	MOTE_STATUS_OUT_OF_MEMORY = 137,
	MOTE_STATUS_SIGNAL_BASE = 128, /* plus the signal number: the guest crashed */
};

/* Long enough for a path, a reason and a remedy; longer text is cut, never overrun. */
#define MOTE_ERROR_TEXT 1024

/* Filled where something fails; untouched by what succeeds. */
struct mote_error {
	int code; /* enum mote_status */
	/* What failed, on what, why, and what to try: one line without a final newline, nor other
	 * control characters. It may quote a file or a guest. */
	char text[MOTE_ERROR_TEXT];
};

/* The version of the library, such as "0.1.0": a constant. */
const char *mote_version(void);

/* ---- configurations ---- */

struct mote_config;

/**
 * mote_config_new() - Make a configuration: 128 MiB of memory, no devices, streams 0, 1 and 2.
 *
 * Return: it, for mote_config_free(); NULL without memory.
 */
struct mote_config *mote_config_new(void);

/**
 * mote_config_set() - Set an option of `mote run` or `mote restore`.
 * @option: its name without the dashes, such as "mem"; docs/man has them all
 * @value:  as on the command line, such as "64M"; NULL for an option that has none
 *
 * Option and value are checked at once, as far as that needs no file, and copied. Options that can
 * be repeated ("env", "share", "disk") add up; of others the last one counts. One that the kind of
 * start does not have, such as "mem" for mote_restore(), fails there.
 *
 * These are the program's alone: "snapshot", "snapshot-continue", "count", "timeout", "stats",
 * "serve-on", "name" and "label"; the library has functions for what they do. These are the
 * library's alone:
 *
 *	"confine"   this process is only for this VM: before the guest runs, the process gives up
 *	            what neither needs, by seccomp, Landlock and resource limits, for good, as
 *	            `mote run` does (docs/security.md). Only while it has one thread. Afterwards it
 *	            can run the VM, write() to open files and end, and little else; SIGINT, SIGTERM,
 *	            SIGHUP and SIGQUIT end the guest, whose status is 128 plus the signal then.
 *	"no-reset"  a VM of mote_restore() is used once: mote_reset() and mote_call() are not to
 *	            be called. It starts somewhat faster, and the first one records the
 *	            snapshot's working set (docs/snapshots.md).
 *
 * With "snapshot-at", mote_run() returns MOTE_EVENT_POINT where the guest comes to such a point.
 * With "verify-reset", each Nth mote_reset() compares the VM with its snapshot.
 *
 * Return: 0, or -1: no such option, a value that cannot be, or no memory.
 */
int mote_config_set(struct mote_config *config, const char *option, const char *value,
                    struct mote_error *err);

/**
 * mote_config_arguments() - Set the program and its arguments, in place of those before.
 * @argc: from 1
 * @argv: argv[0] is the program, as `mote run` has it: a file of the host, or of the root. For
 *        mote_restore() it is not looked at, and arguments behind it replace those of the snapshot
 *
 * Strings are copied.
 *
 * Return: 0, or -1: too many, an empty program, or no memory.
 */
int mote_config_arguments(struct mote_config *config, int argc, const char *const *argv,
                          struct mote_error *err);

/**
 * mote_config_streams() - Set the descriptors that the guest's stdin, stdout and stderr are.
 * @in, @out, @error_fd: open descriptors, which are duplicated; -1: /dev/null
 *
 * Reports on the guest (crashes, what a snapshot cannot carry) go to @error_fd, too. Where one
 * descriptor is another VM's as well, their output mixes.
 *
 * Return: 0, or -1: a descriptor that is not open, or too many are.
 */
int mote_config_streams(struct mote_config *config, int in, int out, int error_fd,
                        struct mote_error *err);

/* Free a configuration; VMs made of it stay. NULL is no configuration: nothing is done. */
void mote_config_free(struct mote_config *config);

/* ---- VMs ---- */

struct mote_vm;

/**
 * mote_create() - Make a VM that boots the configuration's program, up to its first instruction.
 *
 * Takes /dev/kvm, some memory as the guest uses it, and about ten descriptors.
 *
 * Return: the VM, for mote_close(); or NULL: no program, MOTE_STATUS_NOT_FOUND; one that cannot be
 * run, MOTE_STATUS_CANNOT_RUN; else MOTE_STATUS_FAILED.
 */
struct mote_vm *mote_create(const struct mote_config *config, struct mote_error *err);

/**
 * mote_restore() - Make a VM from a snapshot, up to the first instruction behind it.
 * @config:   what takes the place of what the snapshot had; NULL: nothing does
 * @snapshot: its file, which is mapped: it must not be written to while the VM lives. A cut or
 *            damaged one is an error, never worse; one that is cut later, see mote_recover()
 *
 * Return: the VM, for mote_close(); or NULL: no such file, MOTE_STATUS_NOT_FOUND; one that does not
 * fit, MOTE_STATUS_CANNOT_RUN; else MOTE_STATUS_FAILED.
 */
struct mote_vm *mote_restore(const struct mote_config *config, const char *snapshot,
                             struct mote_error *err);

/* Why mote_run() has returned. */
enum mote_event_type {
	MOTE_EVENT_EXITED = 1,        /* the program has ended; status: its exit status */
	MOTE_EVENT_CRASHED = 2,       /* by a signal: signal; a report went to its stderr */
	MOTE_EVENT_OUT_OF_MEMORY = 3, /* it has used all of its memory */
	MOTE_EVENT_POINT = 4,         /* it stands at a point of "snapshot-at": point */
	MOTE_EVENT_TIMEOUT = 5,       /* the time of this call is over; it can go on */
	MOTE_EVENT_INTERRUPTED = 6,   /* by mote_interrupt(); it can go on */
	MOTE_EVENT_REQUEST = 7,       /* a function waits for a request: mote_call() */
};

enum mote_point {
	MOTE_POINT_MAIN = 1,   /* before the program's first instruction */
	MOTE_POINT_LISTEN = 2, /* where it first waits for connections */
	MOTE_POINT_MARK = 3,   /* where it calls mote_snapshot_point(), or mote_serve() */
};

struct mote_event {
	uint32_t type;        /* enum mote_event_type; others may come to be */
	int32_t status;       /* as `mote run` would exit with; 0 where the guest can go on */
	int32_t signal;       /* of MOTE_EVENT_CRASHED; else 0 */
	uint32_t point;       /* enum mote_point, of MOTE_EVENT_POINT; else 0 */
	uint64_t reserved[6]; /* zeros in this version */
};

#define MOTE_NO_LIMIT UINT64_MAX

/**
 * mote_run() - Run the guest until an event.
 * @timeout_ns: that this call may take, as the host's CLOCK_MONOTONIC counts; MOTE_NO_LIMIT: none
 * @event:      filled with why it returned
 *
 * After MOTE_EVENT_POINT, TIMEOUT and INTERRUPTED it can be called again, and the guest goes on.
 * After the others the guest is over: what is left to do is mote_reset() or mote_close().
 *
 * Return: 0, or -1: KVM or the host failed, and the VM can only be closed; or the guest is over
 * already, and nothing is changed.
 */
int mote_run(struct mote_vm *vm, uint64_t timeout_ns, struct mote_event *event,
             struct mote_error *err);

/**
 * mote_interrupt() - Make mote_run() or mote_call() return, now or when it is called next.
 *
 * From any thread, and from signal handlers. Interrupts that come together are one. @vm must not be
 * closed meanwhile.
 */
void mote_interrupt(struct mote_vm *vm);

/**
 * mote_snapshot() - Write a snapshot of a VM as it stands.
 * @path: of the file, which appears when it is whole, in place of what was there; mode 0600
 *
 * Best at MOTE_EVENT_POINT. Elsewhere the guest runs on until it is where one can be taken, at most
 * for five seconds. What a snapshot cannot carry, such as an open connection, is an error that
 * names it, unless "force" is set; then it is cut. The guest can go on afterwards, also where the
 * snapshot failed.
 *
 * Return: 0, or -1: the guest is over, a connection, no such directory, a full disk; no snapshot is
 * at @path then but what was there.
 */
int mote_snapshot(struct mote_vm *vm, const char *path, struct mote_error *err);

/**
 * mote_reset() - Put a VM of mote_restore() back to its snapshot, as a new start from it.
 *
 * Quicker than a new VM: what the guest has changed is put back. Streams and devices stay.
 *
 * Return: 0, or -1: the VM is of mote_create() or "no-reset", and nothing is changed; or it cannot
 * be put back, and can only be closed.
 */
int mote_reset(struct mote_vm *vm, struct mote_error *err);

/* Free a VM and all that it holds, at any moment but within its other calls. NULL: nothing. */
void mote_close(struct mote_vm *vm);

/* ---- functions ---- */

struct mote_header {
	const char *name, *value;
};

/* A request for a function (docs/functions.md); zeros are good for all but the first two. */
struct mote_call_request {
	const char *method; /* such as "GET" */
	const char *target; /* path with query, such as "/hello?a=b" */
	const struct mote_header *headers;
	size_t header_count;
	const void *body;
	size_t body_size;
	uint64_t timeout_ns;  /* that the answer may take; 0: no limit */
	size_t answer_max;    /* bytes that it may have, headers included; 0: 16 MiB */
	uint64_t reserved[6]; /* zeros */
};

/* Its answer. What it points to is the VM's, until its next call or mote_close(). */
struct mote_call_answer {
	uint32_t status; /* of HTTP, 200 to 599 */
	uint32_t reserved_status;
	/* Fit to be sent on: no controls, no line breaks; those that a server sets are left out. */
	const struct mote_header *headers;
	size_t header_count;
	const void *body;
	size_t body_size;
	uint64_t run_ns;      /* that the guest took */
	uint64_t reserved[6]; /* zeros in this version */
};

/**
 * mote_call() - Give a function a request and take its answer.
 * @vm: stands where a function asks for a request (mote_serve() of docs/functions.md): at
 *      MOTE_EVENT_POINT there, restored from or reset to a snapshot of it, or at
 *      MOTE_EVENT_REQUEST. Or it is restored from or reset to a snapshot of a program that waits
 *      for its first connection, which is asked by HTTP then
 *
 * What the function keeps in memory stays for the next request, unless mote_reset() comes between:
 * so a microVM as new for each request is a reset after each answer. A program that waits for
 * connections has to be reset in any case.
 *
 * Return: 0, or -1 without an answer: MOTE_STATUS_TIMEOUT, INTERRUPTED, OUT_OF_MEMORY, 128 plus a
 * signal, and MOTE_STATUS_CANNOT_RUN where the guest ends without an answer or gives what is none:
 * then the VM has to be reset. MOTE_STATUS_FAILED: of a request that makes no sense, or a VM that
 * is not where one is asked for, nothing is changed; or the host failed.
 */
int mote_call(struct mote_vm *vm, const struct mote_call_request *request,
              struct mote_call_answer *answer, struct mote_error *err);

/* ---- what it cost ---- */

/* Since the VM was made. Later versions append fields; those of version 0.1 take this many bytes.
 */
#define MOTE_STATISTICS_SIZE_0_1 72

struct mote_statistics {
	size_t size;          /* set by the caller: sizeof(struct mote_statistics) */
	uint64_t exits;       /* from KVM_RUN to this process, of any kind */
	uint64_t hypercalls;  /* of these */
	uint64_t runs;        /* of mote_run() and mote_call() */
	uint64_t resets;      /* of mote_reset() */
	uint64_t reset_pages; /* that they have put back */
	uint64_t make_ns;     /* that mote_create() or mote_restore() took */
	uint64_t run_ns;      /* in runs */
	uint64_t reset_ns;    /* in resets */
};

/**
 * mote_statistics() - Tell what a VM has cost.
 * @statistics: its size is set; filled as far as that goes, what is beyond this version with zeros
 *
 * Return: 0, or -1: the size is less than that of the first version's.
 */
int mote_statistics(const struct mote_vm *vm, struct mote_statistics *statistics,
                    struct mote_error *err);

/* ---- signals ---- */

/* The real-time signal that stops a vCPU: the program must not block, send or handle it. */
int mote_kick_signal(void);

/**
 * mote_recover() - Within a handler of SIGBUS: get out of a call that met a page that is lost.
 * @siginfo: the handler's siginfo_t
 *
 * The files of programs and snapshots are mapped. A page of one that was cut meanwhile, or that its
 * disk cannot read, is told by SIGBUS, whose default is the end of the process. A program that
 * would rather see the call fail installs a handler with SA_SIGINFO that calls this one first:
 * where the fault is in such a file the call that met it returns -1 and the VM can only be closed;
 * else this returns, and the handler does as it likes.
 */
void mote_recover(const void *siginfo);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
