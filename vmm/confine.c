/* SPDX-License-Identifier: Apache-2.0 */
/* Enters the phases of confinement: resource limits, no_new_privs, Landlock, seccomp. */
#include "vmm/confine.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seccomp_filters.h"
#include "vmm/landlock.h"

/*
 * What the C library does without being asked: ending the process, and unblocking its own signals
 * when the first handler is set (musl). Every other call is listed beside the code that makes it.
 * Standard I/O is not used once confined, nor the allocator in run.
 */
/* #syscalls exit_group rt_sigprocmask */

/* A VM takes about ten descriptors; the rest is room for inherited ones, which keep their numbers.
 */
#define FILE_LIMIT 256

static int lower_limit(int resource, rlim_t value, const char *name, struct mote_error *err)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) == 0) {
		if (limit.rlim_max > value)
			limit.rlim_max = value;
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(resource, &limit) == 0)
			return 0;
	}
	return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot lower the limit %s", name);
}

/*
 * RLIMIT_CORE is 1 byte: as good as 0 for core files, but the kernel also refuses to start a core
 * pattern's program then, which at 0 it does not (core(5)); a dump would hold all of guest memory.
 * Why no other limits: docs/decisions/003-confinement.md.
 */
static int lower_limits(const struct confine_needs *needs, struct mote_error *err)
{
	if (lower_limit(RLIMIT_CORE, 1, "RLIMIT_CORE", err))
		return -1;
	return lower_limit(RLIMIT_NOFILE, FILE_LIMIT + needs->files, "RLIMIT_NOFILE", err);
}

/* #syscalls:load prctl(PR_SET_NO_NEW_PRIVS) */
static int forbid_new_privileges(struct mote_error *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		return 0;
	return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot set no_new_privs");
}

/*
 * The filter is copied by the kernel, which does not write to it. No flags: neither TSYNC, which
 * would confine an embedding program's threads, nor SPEC_ALLOW, which would lift speculation
 * mitigations that the administrator asked for.
 */
/* #syscalls:load seccomp(SECCOMP_SET_MODE_FILTER) */
static int install_filter(const struct seccomp_filter *filter, struct mote_error *err)
{
	const struct {
		unsigned short count;
		const struct sock_filter *filter;
	} program = {filter->count, filter->instructions};

	_Static_assert(sizeof program == sizeof(struct sock_fprog), "layout of struct sock_fprog");
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0)
		return 0;
	mote_error_errno(err, MOTE_STATUS_FAILED, "cannot install the system call filter");
	if (errno == ENOSYS || errno == EINVAL)
		mote_error_hint(err, "mote needs a kernel with CONFIG_SECCOMP_FILTER");
	return -1;
}

static int enter_load(const struct confine_needs *needs, struct mote_error *err)
{
	if (lower_limits(needs, err) || forbid_new_privileges(err) ||
	    landlock_restrict(needs->directories, needs->directory_count, err) < 0)
		return -1;
	return install_filter(&seccomp_load[needs->groups], err);
}

/* Without no_new_privs the kernel takes a filter from root alone: set it again, it costs nothing.
 */
static int enter_run(const struct confine_needs *needs, struct mote_error *err)
{
	if (forbid_new_privileges(err))
		return -1;
	return install_filter(&seccomp_run[needs->groups], err);
}

_Static_assert(sizeof seccomp_run / sizeof *seccomp_run == 2 * CONFINE_SNAPSHOT,
               "a filter for each set of groups");

int confine_enter(enum confine_phase phase, const struct confine_needs *needs,
                  struct mote_error *err)
{
	switch (phase) {
	case CONFINE_LOAD: return enter_load(needs, err);
	case CONFINE_RUN: return enter_run(needs, err);
	}
	return mote_error_set(err, MOTE_STATUS_FAILED, "no such phase of confinement: %d",
	                      (int)phase);
}

int confine_landlock_abi(void)
{
	return landlock_abi();
}
