/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the system calls on the system, the process, its limits and its threads. */
#include <setjmp.h>
#include <signal.h>

#include "tests/unit/special_fakes.h"
#include "tests/unit/thread_fakes.h"

#include "guestkit/libc-shim/sys_capability.c"
#include "guestkit/libc-shim/sys_identity.c"
#include "guestkit/libc-shim/sys_limits.c"
#include "guestkit/libc-shim/sys_prctl.c"
#include "guestkit/libc-shim/sys_system.c"
#include "guestkit/libc-shim/sys_users.c"

#include "guestkit/libc-shim/sys_thread.c"

struct machine machine;

#define CALL(name, ...) sys_##name((const uint64_t[6]){__VA_ARGS__})
#define AT(object)      ((uint64_t)(object))
#define BAD             16 /* an address that is never mapped */

void random_fill(void *buffer, size_t length)
{
	memset(buffer, 0x5a, length);
}

static struct thread *made; /* by the last thread_create() */
static bool is_memory_short, has_ended;
static unsigned yields, ends;
static int exit_status = -1;
static jmp_buf ended;
static unsigned waits;

int shim_wait_forever(void)
{
	waits++;
	return -EINTR;
}

struct thread *thread_create(void)
{
	if (is_memory_short)
		return NULL;
	made = fake_thread((int32_t)thread_count + 1);
	made->stack_end = (uint64_t)calloc(1, CONTEXT_SIZE) + CONTEXT_SIZE;
	return made;
}

void thread_discard(struct thread *thread)
{
	thread->previous->next = thread->next;
	thread_count--;
	made = NULL;
}

void thread_end(void)
{
	has_ended = true;
	longjmp(ended, 1);
}

void thread_yield(void)
{
	yields++;
}

void futex_thread_end(struct thread *thread)
{
	cr_assert_eq(thread, thread_current);
	ends++;
}

void process_leave(void)
{
}

void end_exit(int status)
{
	exit_status = status;
	longjmp(ended, 1);
}

uint64_t thread_cpu_time(const struct thread *thread)
{
	cr_assert_eq(thread, thread_current);
	return 1250000000;
}

/* ---- system ---- */

Test(process_calls, uname)
{
	struct new_utsname name;

	cr_assert_eq(sizeof(name), 6 * 65);
	cr_assert_eq(CALL(uname, AT(&name)), 0);
	cr_assert_str_eq(name.sysname, "Linux");
	cr_assert_str_eq(name.release, "6.1.0-mote");
	cr_assert_str_eq(name.machine, "x86_64");
	cr_assert_eq(CALL(uname, BAD), -EFAULT);
}

Test(process_calls, host_and_domain_name)
{
	struct new_utsname name;

	cr_assert_eq(CALL(sethostname, AT("a-host"), 4), 0);
	cr_assert_eq(CALL(setdomainname, AT("example.org"), 11), 0);
	cr_assert_eq(CALL(uname, AT(&name)), 0);
	cr_assert_str_eq(name.nodename, "a-ho");
	cr_assert_str_eq(name.domainname, "example.org");
	cr_assert_str_eq(system_host_name(), "a-ho");
	cr_assert_eq(CALL(sethostname, AT("x"), 0), 0, "an empty one is one");
	cr_assert_str_empty(system_host_name());
	cr_assert_eq(CALL(sethostname, BAD, 4), -EFAULT);
	cr_assert_eq(CALL(sethostname, AT("x"), 65), -EINVAL);
	cr_assert_eq(CALL(sethostname, AT("x"), -1ull), -EINVAL);
	process_identity.uid = 1000;
	cr_assert_eq(CALL(sethostname, AT("x"), 1), -EPERM);
}

Test(process_calls, names_of_threads)
{
	char name[17] = "................";
	struct thread *other = fake_thread(7);

	strcpy(other->name, "inherited");
	cr_assert_eq(CALL(prctl, PR_SET_NAME, AT("first")), 0);
	fake_run(other);
	cr_assert_eq(CALL(prctl, PR_SET_NAME, AT("other")), 0);
	cr_assert_eq(CALL(prctl, PR_GET_NAME, AT(name)), 0);
	cr_assert_str_eq(name, "other");
	cr_assert_str_eq(process.name, "first");
}

Test(process_calls, sysinfo)
{
	struct sysinfo info;

	cr_assert_eq(sizeof(info), 112);
	cr_assert_eq(CALL(sysinfo, AT(&info)), 0);
	cr_assert_eq(info.uptime, 6);
	cr_assert_eq(info.totalram, 1024 * 4096);
	cr_assert_eq(info.freeram, 768 * 4096);
	cr_assert_eq(info.mem_unit, 1);
}

Test(process_calls, getrandom)
{
	static unsigned char bytes[1000];

	cr_assert_eq(CALL(getrandom, AT(bytes), 999, GRND_NONBLOCK), 999);
	cr_assert_eq(bytes[998], 0x5a);
	cr_assert_eq(bytes[999], 0);
	cr_assert_eq(CALL(getrandom, AT(bytes), 10, 8), -EINVAL);
	cr_assert_eq(CALL(getrandom, AT(bytes), 10, GRND_RANDOM | GRND_INSECURE), -EINVAL);
	cr_assert_eq(CALL(getrandom, BAD, 10, 0), -EFAULT);
	cr_assert_eq(CALL(getrandom, BAD, 0, 0), 0);
	fake_fault_at = AT(bytes) + 300;
	cr_assert_eq(CALL(getrandom, AT(bytes), UINT64_MAX, 0), 300);
}

/* ---- prctl ---- */

Test(process_calls, name)
{
	char name[17] = "................";

	cr_assert_eq(CALL(prctl, PR_SET_NAME, AT("a-name-longer-than-it-may-be")), 0);
	cr_assert_str_eq(process.name, "a-name-longer-t");
	cr_assert_eq(CALL(prctl, PR_GET_NAME, AT(name)), 0);
	cr_assert_str_eq(name, "a-name-longer-t");
	cr_assert_eq(CALL(prctl, PR_SET_NAME, AT("short")), 0);
	cr_assert_str_eq(process.name, "short");
	cr_assert_eq(CALL(prctl, PR_SET_NAME, BAD), -EFAULT);
	cr_assert_str_eq(process.name, "short");
}

Test(process_calls, prctl)
{
	int32_t signal = 0;

	cr_assert_eq(CALL(prctl, PR_GET_DUMPABLE), 1);
	cr_assert_eq(CALL(prctl, PR_SET_DUMPABLE, 0), 0);
	cr_assert_eq(CALL(prctl, PR_GET_DUMPABLE), 0);
	cr_assert_eq(CALL(prctl, PR_SET_DUMPABLE, 2), -EINVAL);
	cr_assert_eq(CALL(prctl, PR_SET_PDEATHSIG, 9), 0);
	cr_assert_eq(CALL(prctl, PR_SET_PDEATHSIG, 65), -EINVAL);
	cr_assert_eq(CALL(prctl, PR_GET_PDEATHSIG, AT(&signal)), 0);
	cr_assert_eq(signal, 9);
	cr_assert_eq(process_no_new_privileges(), 0);
	cr_assert_eq(CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 1), -EINVAL);
	cr_assert_eq(CALL(prctl, PR_SET_NO_NEW_PRIVS, 1), 0);
	cr_assert_eq(CALL(prctl, PR_GET_NO_NEW_PRIVS), 1);
	cr_assert_eq(CALL(prctl, PR_CAPBSET_READ, 40), 1);
	cr_assert_eq(CALL(prctl, PR_CAPBSET_READ, 41), -EINVAL);
	cr_assert_eq(CALL(prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME), 0);
	cr_assert_eq(CALL(prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, 0, 0, AT("heap of [x]")),
	             -EINVAL);
	cr_assert_eq(CALL(prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, 0, 0, AT("heap of x")), 0);
	cr_assert_eq(CALL(prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, 0, 0, BAD), -EFAULT);
	cr_assert_eq(CALL(prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, 8), -EINVAL);
	cr_assert_eq(CALL(prctl, PR_SET_CHILD_SUBREAPER, 7), 0);
	cr_assert_eq(CALL(prctl, PR_GET_CHILD_SUBREAPER, AT(&signal)), 0);
	cr_assert_eq(signal, 1);
	cr_assert_eq(CALL(prctl, PR_GET_TSC, AT(&signal)), 0);
	cr_assert_eq(signal, PR_TSC_ENABLE);
	cr_assert_eq(CALL(prctl, PR_GET_TSC, BAD), -EFAULT);
	cr_assert_eq(CALL(prctl, PR_SET_TSC, PR_TSC_SIGSEGV), -EINVAL);
	cr_assert_eq(CALL(prctl, PR_GET_TIMERSLACK), 50000);
	cr_assert_eq(CALL(prctl, PR_SET_TIMERSLACK, 7), 0);
	cr_assert_eq(CALL(prctl, PR_GET_TIMERSLACK), 7);
	cr_assert_eq(CALL(prctl, PR_SET_TIMERSLACK, 0), 0);
	cr_assert_eq(CALL(prctl, PR_GET_TIMERSLACK), 50000);
	cr_assert_eq(CALL(prctl, PR_SET_THP_DISABLE, 1), 0);
	cr_assert_eq(CALL(prctl, PR_GET_THP_DISABLE), 1);
	cr_assert_eq(CALL(prctl, PR_GET_THP_DISABLE, 1), -EINVAL);
	cr_assert_eq(CALL(prctl, PR_SET_SECUREBITS, 0x100), -EPERM);
	cr_assert_eq(CALL(prctl, PR_SET_SECUREBITS, 3), 0);
	cr_assert_eq(CALL(prctl, PR_GET_SECUREBITS), 3);
	cr_assert_eq(CALL(prctl, 12345), -EINVAL);
}

Test(process_calls, auxiliary_vector)
{
	uint64_t vector[3] = {0};

	process.auxiliary_vector = (struct process_bytes){"0123456789abcdef", 16};
	cr_assert_eq(CALL(prctl, PR_GET_AUXV, AT(vector), 8), 16, "the whole length");
	cr_assert_eq(memcmp(vector, "01234567", 9), 0, "as much as fits");
	cr_assert_eq(CALL(prctl, PR_GET_AUXV, AT(vector), 100), 16);
	cr_assert_eq(memcmp(vector, "0123456789abcdef", 17), 0);
	cr_assert_eq(CALL(prctl, PR_GET_AUXV, AT(vector), 100, 1), -EINVAL);
	cr_assert_eq(CALL(prctl, PR_GET_AUXV, BAD, 100), -EFAULT);
}

Test(process_calls, log_and_personality)
{
	char buffer[8];

	cr_assert_eq(CALL(syslog, 10), 0x20000);
	cr_assert_eq(CALL(syslog, 3, AT(buffer), 8), 0);
	cr_assert_eq(CALL(syslog, 3, 0, 8), -EINVAL);
	cr_assert_eq(CALL(syslog, 8, 0, 9), -EINVAL);
	cr_assert_eq(CALL(syslog, 11), -EINVAL);
	cr_assert_eq(CALL(syslog, 2, AT(buffer), 8), -EINTR, "waits for what never comes");
	cr_assert_eq(waits, 1);
	process_identity.uid = 1000;
	cr_assert_eq(CALL(syslog, 2, AT(buffer), 8), -EPERM);
	cr_assert_eq(CALL(syslog, 3, AT(buffer), 8), 0);
	cr_assert_eq(CALL(personality, 0xffffffff), 0);
	cr_assert_eq(CALL(personality, 0x40000), 0);
	cr_assert_eq(CALL(personality, 0xffffffff), 0x40000);
}

/* ---- capabilities ---- */

static int64_t get_capabilities(uint32_t version, int32_t pid, uint32_t *data)
{
	struct __user_cap_header_struct header = {version, pid};

	return CALL(capget, AT(&header), AT(data));
}

static int64_t set_capabilities(int32_t pid, const uint32_t *data)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, pid};

	return CALL(capset, AT(&header), AT(data));
}

Test(process_calls, capabilities_are_all_until_dropped)
{
	uint32_t data[6];
	struct __user_cap_header_struct header = {0, 0};

	cr_assert_eq(CALL(capget, AT(&header), 0), 0, "asks for the version");
	cr_assert_eq(header.version, _LINUX_CAPABILITY_VERSION_3);
	header.version = 1;
	cr_assert_eq(CALL(capget, AT(&header), AT(data)), -EINVAL);
	cr_assert_eq(CALL(capget, BAD, AT(data)), -EFAULT);
	cr_assert_eq(get_capabilities(_LINUX_CAPABILITY_VERSION_3, 0, data), 0);
	cr_assert_eq(data[0], UINT32_MAX);
	cr_assert_eq(data[4], 0x1ff);
	cr_assert_eq(data[5], 0);
	cr_assert_eq(get_capabilities(_LINUX_CAPABILITY_VERSION_1, 1, data), 0);
	cr_assert_eq(get_capabilities(_LINUX_CAPABILITY_VERSION_3, 2, data), -ESRCH);
	cr_assert_eq(get_capabilities(_LINUX_CAPABILITY_VERSION_3, -1, data), -EINVAL);

	cr_assert_eq(set_capabilities(2, data), -EPERM);
	data[0] = data[1] = 0xff;
	data[2] = data[3] = data[4] = data[5] = 0;
	cr_assert_eq(set_capabilities(0, data), 0);
	data[0] = 0x1ff;
	cr_assert_eq(set_capabilities(0, data), -EPERM, "not more than permitted");
	data[1] = 0x1ff;
	cr_assert_eq(set_capabilities(0, data), -EPERM, "never again");
	cr_assert_eq(capability_sets.effective, 0xff);
	cr_assert_eq(CALL(prctl, PR_CAPBSET_DROP, 3), -EPERM, "CAP_SETPCAP is gone");
}

Test(process_calls, bounding_and_ambient)
{
	uint32_t data[6] = {0xffff, 0xffff, 0x20};

	cr_assert_eq(CALL(prctl, PR_CAPBSET_DROP, 41), -EINVAL);
	cr_assert_eq(CALL(prctl, PR_CAPBSET_DROP, 40), 0);
	cr_assert_eq(CALL(prctl, PR_CAPBSET_READ, 40), 0);
	cr_assert_eq(CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 5), -EPERM);
	cr_assert_eq(set_capabilities(0, data), 0);
	cr_assert_eq(CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 5), 0);
	cr_assert_eq(CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 5), 1);
	cr_assert_eq(CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 5, 1), -EINVAL);
	cr_assert_eq(CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 41), -EINVAL);
	cr_assert_eq(CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, 5), 0);
	cr_assert_eq(CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 5), 0);
	cr_assert_eq(CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1), -EINVAL);
	cr_assert_eq(CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL), 0);
	cr_assert_eq(CALL(prctl, PR_CAP_AMBIENT, 9), -EINVAL);
}

Test(process_calls, leaving_root_drops_capabilities_unless_kept)
{
	cr_assert_eq(CALL(prctl, PR_SET_KEEPCAPS, 2), -EINVAL);
	cr_assert_eq(CALL(prctl, PR_SET_KEEPCAPS, 1), 0);
	cr_assert_eq(CALL(prctl, PR_GET_KEEPCAPS), 1);
	cr_assert_eq(CALL(setuid, 1000), 0);
	cr_assert_eq(capability_sets.effective, 0);
	cr_assert_neq(capability_sets.permitted, 0);
}

/* ---- identity ---- */

Test(process_calls, root_is_dropped_for_good)
{
	cr_assert_eq(CALL(getuid), 0);
	cr_assert_eq(CALL(setgid, 100), 0);
	cr_assert_eq(CALL(setuid, UINT32_MAX), -EINVAL);
	cr_assert_eq(CALL(setuid, 1000), 0);
	cr_assert_eq(CALL(geteuid), 1000);
	cr_assert_eq(CALL(getegid), 100);
	cr_assert_eq(CALL(setuid, 0), -EPERM);
	cr_assert_eq(CALL(setuid, 1000), 0);
	cr_assert_eq(CALL(setgid, 0), -EPERM);
	cr_assert_eq(CALL(setgroups, 0), -EPERM);
}

static void expect_users(uint32_t real, uint32_t effective, uint32_t saved)
{
	uint32_t ids[3];

	cr_assert_eq(CALL(getresuid, AT(&ids[0]), AT(&ids[1]), AT(&ids[2])), 0);
	cr_assert_eq(ids[0], real);
	cr_assert_eq(ids[1], effective);
	cr_assert_eq(ids[2], saved);
}

Test(process_calls, real_effective_and_saved_user)
{
	const uint64_t same = UINT32_MAX;

	cr_assert_eq(CALL(setresuid, same, 1000, same), 0);
	expect_users(0, 1000, 0);
	cr_assert_eq(capability_sets.effective, 0);
	cr_assert_neq(capability_sets.permitted, 0);
	cr_assert_eq(CALL(setfsuid, 5), 1000, "changes nothing");
	cr_assert_eq(CALL(setfsuid, 0), 1000);
	cr_assert_eq(CALL(setfsuid, same), 0);
	cr_assert_eq(CALL(setreuid, same, 7), -EPERM);
	cr_assert_eq(CALL(setreuid, same, 0), 0);
	expect_users(0, 0, 0);
	cr_assert_eq(capability_sets.effective, capability_sets.permitted);
	cr_assert_eq(CALL(setreuid, 5, 6), 0);
	expect_users(5, 6, 6);
	cr_assert_eq(capability_sets.permitted, 0, "for good");
	cr_assert_eq(CALL(setresuid, 6, 5, 0), -EPERM);
	expect_users(5, 6, 6);
	cr_assert_eq(CALL(setuid, 5), 0);
	expect_users(5, 5, 6);
	cr_assert_eq(CALL(setreuid, 6, same), -EPERM, "the saved one is no real one");
	cr_assert_eq(CALL(setregid, 1, same), -EPERM, "groups are root's to change, too");
	cr_assert_eq(CALL(getresgid, BAD, BAD, BAD), -EFAULT);
}

Test(process_calls, waitid_knows_no_children)
{
	cr_assert_eq(CALL(waitid, 0, 0, 0, 4), -ECHILD);
	cr_assert_eq(CALL(waitid, 1, 0, 0, 4), -EINVAL);
	cr_assert_eq(CALL(waitid, 2, 0, 0, 4), -ECHILD);
	cr_assert_eq(CALL(waitid, 3, 4, 0, 4), -EBADF);
	cr_assert_eq(CALL(waitid, 0, 0, 0, 1), -EINVAL, "nothing to wait for");
	cr_assert_eq(CALL(waitid, 0, 0, 0, 0x1004), -EINVAL);
}

Test(process_calls, groups)
{
	uint32_t groups[3] = {4, 5, 6};

	cr_assert_eq(CALL(getgroups, 0), 0);
	cr_assert_eq(CALL(setgroups, 2, AT(groups)), 0);
	groups[0] = groups[1] = 0;
	cr_assert_eq(CALL(getgroups, 0, BAD), 2);
	cr_assert_eq(CALL(getgroups, 1, AT(groups)), -EINVAL);
	cr_assert_eq(CALL(getgroups, UINT32_MAX, AT(groups)), -EINVAL);
	cr_assert_eq(CALL(getgroups, 3, AT(groups)), 2);
	cr_assert_eq(groups[1], 5);
	cr_assert_eq(groups[2], 6);
	cr_assert_eq(CALL(setgroups, 65537, AT(groups)), -EINVAL);
	cr_assert_eq(CALL(setgroups, 2, BAD), -EFAULT);
	cr_assert_eq(process_identity.group_count, 2, "a bad call changes nothing");
	cr_assert_eq(CALL(setgroups, 0), 0);
	cr_assert_eq(fake_heap, 0);
}

Test(process_calls, numbers)
{
	cr_assert_eq(CALL(getpid), 1);
	cr_assert_eq(CALL(getppid), 0);
	cr_assert_eq(CALL(getpgid, 0), 1);
	cr_assert_eq(CALL(getsid, 2), -ESRCH);
	cr_assert_eq(CALL(setpgid, 0, 0), -EPERM);
	cr_assert_eq(CALL(setpgid, 5, 0), -ESRCH);
	cr_assert_eq(CALL(setpgid, -1ull, 0), -EINVAL);
	cr_assert_eq(CALL(setsid), -EPERM);
}

/* ---- limits ---- */

Test(process_calls, limits)
{
	struct process_limit limit, old;

	cr_assert_eq(CALL(getrlimit, RESOURCE_STACK, AT(&limit)), 0);
	cr_assert_eq(limit.soft, 8 << 20);
	cr_assert_eq(CALL(getrlimit, PROCESS_LIMITS, AT(&limit)), -EINVAL);
	limit = (struct process_limit){10, 20};
	cr_assert_eq(CALL(prlimit64, 0, RESOURCE_NOFILE, AT(&limit), AT(&old)), 0);
	cr_assert_eq(old.soft, VFS_OPEN_MAX);
	cr_assert_eq(descriptor_limit, 10);
	cr_assert_eq(process_limit(RESOURCE_NOFILE)->hard, 20);
	limit = (struct process_limit){21, 20};
	cr_assert_eq(CALL(setrlimit, RESOURCE_NOFILE, AT(&limit)), -EINVAL);
	limit = (struct process_limit){20, VFS_OPEN_MAX + 1};
	cr_assert_eq(CALL(setrlimit, RESOURCE_NOFILE, AT(&limit)), -EPERM);
	cr_assert_eq(descriptor_limit, 10);
	cr_assert_eq(CALL(prlimit64, 2, RESOURCE_NOFILE, 0, AT(&old)), -ESRCH);
	cr_assert_eq(CALL(prlimit64, 1, RESOURCE_NOFILE, BAD, 0), -EFAULT);
	cr_assert_eq(CALL(prlimit64, 0, 99, 0, 0), -EINVAL);
}

Test(process_calls, hard_limits_bind_who_is_not_root)
{
	struct process_limit limit = {5, 10};

	cr_assert_eq(CALL(setrlimit, RESOURCE_CORE, AT(&limit)), 0);
	limit.hard = 11;
	cr_assert_eq(CALL(setrlimit, RESOURCE_CORE, AT(&limit)), 0, "root may");
	CALL(setuid, 1);
	limit.hard = 12;
	cr_assert_eq(CALL(setrlimit, RESOURCE_CORE, AT(&limit)), -EPERM);
}

Test(process_calls, use)
{
	int64_t use[18], times[4];

	process.start_monotonic = 1000000000;
	process.waited = 500000000;
	cr_assert_eq(CALL(getrusage, 0, AT(use)), 0);
	cr_assert_eq(use[0], 3);
	cr_assert_eq(use[1], 500000);
	cr_assert_eq(use[4], 1024);
	cr_assert_eq(CALL(getrusage, (uint64_t)-1, AT(use)), 0);
	cr_assert_eq(use[0], 0);
	cr_assert_eq(CALL(getrusage, 1, AT(use)), 0);
	cr_assert_eq(use[0], 1, "of the thread alone");
	cr_assert_eq(use[1], 250000);
	cr_assert_eq(CALL(getrusage, 2, AT(use)), -EINVAL);
	cr_assert_eq(CALL(times, AT(times)), 600);
	cr_assert_eq(times[0], 350);
	cr_assert_eq(times[3], 0);
	process.waited = UINT64_MAX / 2;
	cr_assert_eq(process_cpu_time(), 0);
}

/* ---- the thread ---- */

Test(process_calls, affinity)
{
	uint64_t mask[2] = {0, 7};

	cr_assert_eq(CALL(sched_getaffinity, 0, 16, AT(mask)), 8);
	cr_assert_eq(mask[0], 1);
	cr_assert_eq(mask[1], 7);
	cr_assert_eq(CALL(sched_getaffinity, 0, 4, AT(mask)), -EINVAL);
	cr_assert_eq(CALL(sched_getaffinity, 0, 12, AT(mask)), -EINVAL);
	cr_assert_eq(CALL(sched_getaffinity, 3, 8, AT(mask)), -ESRCH);
	mask[0] = 2;
	cr_assert_eq(CALL(sched_setaffinity, 0, 8, AT(mask)), -EINVAL);
	mask[0] = 3;
	cr_assert_eq(CALL(sched_setaffinity, 0, 1, AT(mask)), 0);
	cr_assert_eq(CALL(set_tid_address, 0), 1);
	cr_assert_eq(CALL(rseq), -ENOSYS);
	cr_assert_eq(CALL(sched_yield), 0);
	cr_assert_eq(yields, 1);
}

#define PTHREAD_FLAGS                                                                       \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
	 CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_DETACHED)

Test(process_calls, clone_makes_a_thread)
{
	int32_t id = 0, word = 7;

	cr_assert_eq(CALL(clone, PTHREAD_FLAGS, 0x5000, AT(&id), AT(&word), 0x7000), 2);
	cr_assert_eq(id, 2);
	cr_assert_eq(word, 7);
	cr_assert_eq(made->state, THREAD_RUNNABLE);
	cr_assert_eq(made->clear_at_exit, AT(&word));
	cr_assert_eq(made->fs_base, 0x7000);
	cr_assert_eq(thread_context(made)->rsp, 0x5000);
	cr_assert_eq(CALL(clone, PTHREAD_FLAGS | CLONE_CHILD_SETTID, 0, AT(&id), AT(&word), 0), 3);
	cr_assert_eq(word, 3);
	cr_assert_eq(CALL(gettid), 1);
	fake_run(made);
	cr_assert_eq(CALL(gettid), 3);
	cr_assert_eq(CALL(getpid), 1);
}

Test(process_calls, clone_refuses)
{
	cr_assert_eq(CALL(clone, PTHREAD_FLAGS, 0, BAD, 0, 0), -EFAULT);
	cr_assert_eq(thread_count, 1);
	cr_assert_eq(CALL(clone, PTHREAD_FLAGS, 0, 0, 0, MOTE_USER_END), -EPERM);
	cr_assert_eq(CALL(clone, PTHREAD_FLAGS & ~CLONE_VM, 0, 0, 0, 0), -EINVAL);
	cr_assert_eq(CALL(clone, PTHREAD_FLAGS & ~CLONE_FILES, 0, 0, 0, 0), -EINVAL);
	cr_assert_eq(CALL(clone, PTHREAD_FLAGS | CLONE_NEWPID, 0, 0, 0, 0), -EINVAL);
	cr_assert_eq(CALL(clone, SIGCHLD, 0, 0, 0, 0), -ENOSYS);
	cr_assert_eq(CALL(clone3), -ENOSYS);
	is_memory_short = true;
	cr_assert_eq(CALL(clone, PTHREAD_FLAGS, 0, 0, 0, 0), -EAGAIN);
}

/* What the process ends with is the status of the first thread, whichever is the last. */
Test(process_calls, exit_of_the_last_thread_ends_the_process)
{
	struct thread *other = fake_thread(2);

	if (!setjmp(ended))
		CALL(exit, 3);
	cr_assert(has_ended);
	cr_assert_eq(ends, 1);
	cr_assert_eq(exit_status, -1);
	thread_first = other;
	thread_count = 1;
	fake_run(other);
	if (!setjmp(ended))
		CALL(exit, 4);
	cr_assert_eq(exit_status, 3);
}

Test(process_calls, children)
{
	cr_assert_eq(CALL(wait4, (uint64_t)-1, 0, 1), -ECHILD);
	cr_assert_eq(CALL(wait4, (uint64_t)-1, 0, 0x100), -EINVAL);
	cr_assert_eq(CALL(fork), -ENOSYS);
	cr_assert_eq(CALL(vfork), -ENOSYS);
	cr_assert_str_eq(fake_printed,
	                 "mote: guest: this program calls fork(), and a microVM runs one "
	                 "process; see docs/programs.md\n");
}
