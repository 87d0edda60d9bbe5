/* SPDX-License-Identifier: Apache-2.0 */
/* The VMM confines itself: what the process can still do once it handles untrusted input. */
#ifndef MOTE_VMM_CONFINE_H
#define MOTE_VMM_CONFINE_H

#include <stdbool.h>

#include "vmm/error.h"

/*
 * How it works. mote gives up rights in two steps, each before it touches something hostile: `load`
 * before the first untrusted file is parsed, `run` before the first guest instruction. Every file
 * is open by then: neither phase has a call that takes a path, and the only descriptors that `load`
 * can make are those of a VM. What a kind of device needs besides is a group, and allowed in both
 * phases of a VM that has such a device: `share` alone has calls that take paths. A system call
 *that is not on the phase's list kills the process (SIGSYS, logged by the kernel with the call's
 *number), and so does any call through a 32-bit or x32 entry.
 *
 * The lists stand beside the code that makes the calls, as comments that begin with the word
 * #syscalls in any source file of vmm, virtio and snapshot (not in headers); tools/seccomp-gen
 *collects them at build time:
 *
 *	annotation = "#syscalls" [ ":" list { "," list } ] call { call }
 *	list       = phase | group             none: both phases
 *	phase      = "load" | "run"
 *	group      = "disk" | "share" | "net" | "vsock" | "snapshot"
 *	call       = name [ "(" alternative { "," alternative } ")" ]
 *	alternative = value                    the selector argument is this value
 *	            | "!" value                the selector argument has none of these bits
 *	value      = CONSTANT { "|" CONSTANT }
 *
 * The annotation fills its comment, which may have several lines; other words belong into another
 * comment. A name is the kernel's (pread64, exit_group). The selector argument is the one that says
 * what the call does: the request of ioctl, the protection of mmap. ioctl, fcntl, madvise, prctl
 * and seccomp must name the values they permit; mmap and mprotect alone mean without PROT_EXEC.
 * tools/seccomp-names.h lists the selectors, the constants, and the calls that no phase may have. A
 * filter stays when the next is added, so what `run` may do `load` may, too. The same call may be
 * listed in many places.
 */
enum confine_phase {
	CONFINE_LOAD, /* parse the untrusted ELF and kit; make the VM */
	CONFINE_RUN,  /* run the guest and report how it ended */
};

/* Groups of system calls, as a set. */
enum confine_group {
	CONFINE_DISK = 1,
	CONFINE_SHARE = 2,
	CONFINE_NET = 4,
	CONFINE_VSOCK = 8,
	CONFINE_SNAPSHOT =
	        16, /* of VMs of which one may be taken: all that have a control socket */
};

#define CONFINE_DIRECTORIES_MAX 8

/* A directory that stays within reach, for what its descriptor's group can do. */
struct confine_directory {
	int fd;
	bool is_read_only;
};

/* What a VM's devices need; all zero: nothing. */
struct confine_needs {
	unsigned groups;
	unsigned files; /* descriptors that may be opened */
	struct confine_directory directories[CONFINE_DIRECTORIES_MAX];
	unsigned directory_count;
};

/**
 * confine_enter() - Give up all rights that a phase does not need. There is no way back.
 * @phase: CONFINE_LOAD first, then CONFINE_RUN
 * @needs: of devices; the same both times
 * @err:   filled on failure
 *
 * Holds for the calling thread and threads it makes: call it while there is only one. Works without
 * privileges. CONFINE_LOAD sets resource limits (no core dump; at most 256
 * open files and what devices need),
 * no_new_privs, Landlock as far as the kernel has it, and the filter; CONFINE_RUN adds a shorter
 * filter. It has none of what malloc() and standard I/O need.
 *
 * Return: 0, or -1 when no_new_privs, a limit, a filter, or a Landlock ruleset on a kernel that
 * has Landlock, could not be set: the caller must then not go on. A kernel without Landlock is not
 * a failure.
 */
int confine_enter(enum confine_phase phase, const struct confine_needs *needs,
                  struct mote_error *err);

/**
 * confine_landlock_abi() - Tell how much Landlock can do here, for `mote doctor`.
 *
 * Return: Landlock ABI version, from 1; 0 without Landlock.
 */
int confine_landlock_abi(void);

#endif
