/* SPDX-License-Identifier: Apache-2.0 */
/* What the process is: numbers, credentials, limits, names, children, and how it ends. */
#include "harness.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>

static char buffer[4096];

/* ---- numbers ---- */

CASE(numbers_agree)
{
	long self = getpid();

	VALUE(make_call(SYS_gettid, (const long[6]){0}) == self);
	VALUE(getpgrp() == self);
	VALUE(getpgid(0) == self);
	VALUE(getpgid((pid_t)self) == self);
	VALUE(getsid(0) == self);
	VALUE(make_call(SYS_set_tid_address, (const long[6]){0}) == self);
}

CASE(process_groups)
{
	CALL(getpgid, 999999);
	CALL(getpgid, -1);
	CALL(getsid, 999999);
	CALL(getsid, -1);
	CALL(setpgid, 0, 0);
	CALL(setpgid, 0, -1);
	CALL(setpgid, 999999, 0);
	CALL(setpgid, -1, 0);
	CALL(setsid);
}

/* ---- credentials ---- */

CASE(users_and_groups)
{
	unsigned real, effective, saved;

	CALL(getuid);
	CALL(geteuid);
	CALL(getgid);
	CALL(getegid);
	CALL(getresuid, &real, &effective, &saved);
	say("%u %u %u", real, effective, saved);
	CALL(getresgid, &real, &effective, &saved);
	say("%u %u %u", real, effective, saved);
	CALL(getresuid, KIT, &effective, &saved);
	CALL(setuid, 0);
	CALL(setgid, 0);
	CALL(setuid, -1);
	CALL(setgid, -1);
	CALL(setresuid, -1, -1, -1);
	CALL(setresgid, -1, -1, -1);
	CALL(setreuid, -1, -1);
	CALL(setregid, -1, -1);
	CALL(setfsuid, -1);
	CALL(setfsgid, -1);
}

CASE_ALONE(setuid_drops_root)
{
	CALL(setgid, 1000);
	CALL(getgid);
	CALL(getegid);
	CALL(setuid, 1000);
	CALL(getuid);
	CALL(geteuid);
	CALL(setuid, 0);
	CALL(setgid, 0);
	CALL(setuid, 1000);
	CALL(setgroups, 0, NULL);
}

CASE_ALONE(seteuid_and_back)
{
	CALL(setresuid, -1, 1000, -1);
	CALL(geteuid);
	CALL(getuid);
	CALL(setresuid, -1, 0, -1);
	CALL(geteuid);
	CALL(setfsuid, 77);
	CALL(setfsuid, -1);
	CALL(setreuid, 1000, -1);
	CALL(getuid);
	CALL(setresgid, 5, 6, 7);
	CALL(setreuid, 1000, 1000);
	CALL(setresgid, 6, 7, 5);
	CALL(setresgid, 6, 7, 8);
	CALL(setregid, 5, -1);
	CALL(setreuid, 0, 0);
}

CASE_ALONE(groups)
{
	unsigned groups[3] = {5, 6, 7}, seen[3] = {0};

	CALL(setgroups, 3, groups);
	CALL(getgroups, 0, NULL);
	CALL(getgroups, 3, seen);
	say("%u %u %u", seen[0], seen[1], seen[2]);
	CALL(getgroups, 2, seen);
	CALL(getgroups, -1, seen);
	CALL(getgroups, 3, KIT);
	CALL(setgroups, 3, KIT);
	CALL(setgroups, 70000, groups);
	CALL(setgroups, -1, groups);
	CALL(setgroups, 0, NULL);
	CALL(getgroups, 3, seen);
}

CASE(capabilities)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];

	CALL(capget, &header, data);
	say("%x", data[0].effective & 0xff);
	VALUE(data[0].effective == data[0].permitted);
	header.version = 1;
	CALL(capget, &header, data);
	say("%x", header.version);
	header.version = 1;
	CALL(capget, &header, NULL);
	CALL(capget, KIT, data);
	header = (struct __user_cap_header_struct){_LINUX_CAPABILITY_VERSION_3, 999999};
	CALL(capget, &header, data);
	header.pid = -1;
	CALL(capget, &header, data);
	header.pid = 0;
	CALL(capget, &header, KIT);
}

/* ---- limits ---- */

CASE(limits_of_files)
{
	struct rlimit limit;

	CALL(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
	say("%ld", (long)limit.rlim_cur);
	limit.rlim_cur = 10;
	CALL(prlimit64, 0, RLIMIT_NOFILE, &limit, NULL);
	CALL(dup2, 0, 9);
	CALL(dup2, 0, 10);
	CALL(fcntl, 0, F_DUPFD, 10);
	for (int i = 3; i < 9; i++)
		dup(0);
	CALL(dup, 0);
	CALL(open, "/dev/null", O_RDONLY);
	limit.rlim_cur = 1024;
	CALL(prlimit64, 0, RLIMIT_NOFILE, &limit, NULL);
	CALL(dup, 0);
}

CASE(limit_errors)
{
	struct rlimit limit = {5, 4};

	CALL(prlimit64, 0, RLIMIT_NOFILE, &limit, NULL);
	CALL(prlimit64, 0, 99, NULL, &limit);
	CALL(prlimit64, 0, -1, NULL, &limit);
	CALL(prlimit64, 999999, RLIMIT_NOFILE, NULL, &limit);
	CALL(prlimit64, -1, RLIMIT_NOFILE, NULL, &limit);
	CALL(prlimit64, 0, RLIMIT_NOFILE, KIT, NULL);
	CALL(prlimit64, 0, RLIMIT_NOFILE, NULL, KIT);
	CALL(getrlimit, 99, &limit);
	CALL(getrlimit, RLIMIT_STACK, KIT);
	CALL(setrlimit, 99, &limit);
	CALL(setrlimit, RLIMIT_STACK, KIT);
	CALL(prlimit64, 0, RLIMIT_NOFILE, NULL, NULL);
}

CASE_ALONE(limits_are_kept)
{
	static const int limits[] = {RLIMIT_RSS,   RLIMIT_NPROC,      RLIMIT_MEMLOCK,
	                             RLIMIT_LOCKS, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE};
	struct rlimit limit;

	for (size_t i = 0; i < COUNT(limits); i++) {
		limit = (struct rlimit){5, 9};
		CALL(setrlimit, limits[i], &limit);
		limit = (struct rlimit){0, 0};
		CALL(getrlimit, limits[i], &limit);
		say("%ld %ld", (long)limit.rlim_cur, (long)limit.rlim_max);
	}
}

CASE_ALONE(limit_above_the_maximum)
{
	struct rlimit limit = {2000000000, 2000000000};

	CALL(setrlimit, RLIMIT_NOFILE, &limit); /* above fs.nr_open */
	CALL(setuid, 1000);
	limit = (struct rlimit){100, 100};
	CALL(setrlimit, RLIMIT_NOFILE, &limit);
	limit.rlim_max = 200;
	CALL(setrlimit, RLIMIT_NOFILE, &limit);
}

/* ---- prctl and arch_prctl ---- */

CASE(prctl_name)
{
	char name[17] = "";

	CALL(prctl, PR_SET_NAME, "a name that is too long");
	CALL(prctl, PR_GET_NAME, name);
	say("%s", name);
	CALL(prctl, PR_SET_NAME, "x");
	CALL(prctl, PR_GET_NAME, name);
	say("%s", name);
	CALL(prctl, PR_SET_NAME, KIT);
	CALL(prctl, PR_GET_NAME, KIT);
	CALL(prctl, PR_SET_NAME, strcpy(edge(3), "ab"));
}

CASE(prctl_values)
{
	int value = -1;

	CALL(prctl, PR_GET_DUMPABLE, 0, 0, 0, 0);
	CALL(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	CALL(prctl, PR_GET_DUMPABLE, 0, 0, 0, 0);
	CALL(prctl, PR_SET_DUMPABLE, 2, 0, 0, 0);
	CALL(prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
	CALL(prctl, PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	CALL(prctl, PR_GET_PDEATHSIG, &value);
	VALUE(value);
	CALL(prctl, PR_SET_PDEATHSIG, 99, 0, 0, 0);
	CALL(prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0);
	CALL(prctl, PR_GET_PDEATHSIG, KIT);
	CALL(prctl, PR_GET_KEEPCAPS, 0, 0, 0, 0);
	CALL(prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
	CALL(prctl, PR_GET_KEEPCAPS, 0, 0, 0, 0);
	CALL(prctl, PR_SET_KEEPCAPS, 2, 0, 0, 0);
	CALL(prctl, PR_SET_KEEPCAPS, 0, 0, 0, 0);
	CALL(prctl, PR_CAPBSET_READ, 0, 0, 0, 0);
	CALL(prctl, PR_CAPBSET_READ, 1000, 0, 0, 0);
	CALL(prctl, PR_GET_SECCOMP, 0, 0, 0, 0);
	CALL(prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0);
	CALL(prctl, PR_GET_CHILD_SUBREAPER, &value);
	VALUE(value);
	CALL(prctl, 123456, 0, 0, 0, 0);
}

CASE_ALONE(prctl_no_new_privileges)
{
	CALL(prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	CALL(prctl, PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
	CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0);
	CALL(prctl, PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0);
	CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	CALL(prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

CASE(arch_prctl)
{
	unsigned long base = 0, kept;

	CALL(arch_prctl, 0x1003, &base); /* ARCH_GET_FS */
	VALUE(base != 0);
	CALL(arch_prctl, 0x1001, 0x12345678); /* ARCH_SET_GS */
	CALL(arch_prctl, 0x1004, &kept);      /* ARCH_GET_GS */
	say("%lx", kept);
	CALL(arch_prctl, 0x1001, KERNEL);
	CALL(arch_prctl, 0x1001, NONCANONICAL);
	CALL(arch_prctl, 0x1002, KERNEL); /* ARCH_SET_FS */
	CALL(arch_prctl, 0x1004, KIT);
	CALL(arch_prctl, 0x1003, LOW);
	CALL(arch_prctl, 0x9999, 0);
	CALL(arch_prctl, 0x1001, 0);
}

/* ---- the system ---- */

CASE(uname)
{
	struct utsname name;

	CALL(uname, &name);
	say("%s %s", name.sysname, name.machine);
	CALL(uname, KIT);
	CALL(uname, NULL);
	CALL(uname, edge(100));
}

CASE(sysinfo)
{
	struct sysinfo info;

	CALL(sysinfo, &info);
	VALUE(info.totalram >= info.freeram && info.freeram > 0);
	VALUE(info.mem_unit);
	VALUE(info.uptime > 0 || info.uptime == 0);
	CALL(sysinfo, KIT);
	CALL(sysinfo, NULL);
}

CASE(affinity)
{
	unsigned long mask[128] = {0};

	CALL_OK(sched_getaffinity, 0, sizeof mask, mask);
	VALUE(mask[0] & 1);
	CALL(sched_getaffinity, 0, 4, mask);
	CALL(sched_getaffinity, 0, 7, mask);
	CALL(sched_getaffinity, 0, 0, mask);
	CALL(sched_getaffinity, 999999, sizeof mask, mask);
	CALL(sched_getaffinity, 0, sizeof mask, KIT);
	mask[0] = 1;
	CALL(sched_setaffinity, 0, 8, mask);
	mask[0] = 0;
	CALL(sched_setaffinity, 0, 8, mask);
	CALL(sched_setaffinity, 0, 8, KIT);
	CALL(sched_setaffinity, 999999, 8, mask);
	CALL(sched_setaffinity, 0, 0, mask);
}

CASE(scheduler)
{
	struct sched_param parameter = {0};
	struct timespec time;

	CALL(sched_yield);
	CALL(sched_getscheduler, 0);
	CALL(sched_getscheduler, -1);
	CALL(sched_getscheduler, 999999);
	CALL(sched_getparam, 0, &parameter);
	VALUE(parameter.sched_priority);
	CALL(sched_getparam, 0, NULL);
	CALL(sched_getparam, 0, KIT);
	CALL(sched_setscheduler, 0, SCHED_OTHER, &parameter);
	CALL(sched_setscheduler, 0, 99, &parameter);
	CALL(sched_setscheduler, 0, SCHED_FIFO, &parameter);
	CALL(sched_setscheduler, 0, SCHED_OTHER, KIT);
	CALL(sched_get_priority_max, SCHED_FIFO);
	CALL(sched_get_priority_min, SCHED_FIFO);
	CALL(sched_get_priority_max, SCHED_OTHER);
	CALL(sched_get_priority_max, 99);
	CALL(sched_rr_get_interval, 0, KIT);
	CALL(sched_rr_get_interval, 999999, &time);
}

CASE(priority)
{
	CALL(getpriority, PRIO_PROCESS, 0);
	CALL(setpriority, PRIO_PROCESS, 0, 5);
	CALL(getpriority, PRIO_PROCESS, 0);
	CALL(setpriority, PRIO_PROCESS, 0, 0);
	CALL(getpriority, 9, 0);
	CALL(getpriority, PRIO_PROCESS, 999999);
	CALL(setpriority, 9, 0, 0);
	CALL(setpriority, PRIO_PROCESS, 999999, 0);
}

CASE(getcpu)
{
	unsigned cpu = 9999, node = 9999;

	CALL(getcpu, &cpu, &node, NULL);
	VALUE(node);
	CALL(getcpu, NULL, NULL, NULL);
	CALL(getcpu, KIT, NULL, NULL);
}

CASE(personality)
{
	CALL(personality, 0xffffffff);
	CALL(personality, 0);
	CALL(personality, 0xffffffff);
}

CASE(host_names)
{
	CALL(sethostname, "name", -1);
	CALL(sethostname, "name", 65);
	CALL(sethostname, KIT, 5);
	CALL(setdomainname, "name", 65);
}

CASE(numbers_without_a_call)
{
	static const long unknown[] = {500, 1000, 0xffff, 0x3fffffff, -1};

	for (size_t i = 0; i < COUNT(unknown); i++) {
		long result = make_call(unknown[i], (const long[6]){1, 2, 3, 4, 5, 6});

		say("call %lx: %ld %s", unknown[i], result, error_name(errno));
	}
}

/* ---- children ---- */

CASE(wait_without_children)
{
	int status;
	siginfo_t info;

	CALL(wait4, -1, &status, 0, NULL);
	CALL(wait4, -1, &status, WNOHANG, NULL);
	CALL(wait4, 0, &status, 0, NULL);
	CALL(wait4, 999999, &status, 0, NULL);
	CALL(wait4, INT_MIN, &status, 0, NULL);
	CALL(wait4, -1, &status, 0x1234, NULL);
	CALL(wait4, getpid(), &status, 0, NULL);
	CALL(waitid, P_ALL, 0, &info, WEXITED, NULL);
	CALL(waitid, P_PID, 999999, &info, WEXITED, NULL);
	CALL(waitid, P_ALL, 0, &info, 0, NULL);
	CALL(waitid, 77, 0, &info, WEXITED, NULL);
	CALL(waitid, P_PID, 0, &info, WEXITED, NULL);
}

CASE(exec_errors)
{
	static char *const arguments[] = {"name", NULL};

	close(make_file("file", 100)); /* a file that is open for writing is ETXTBSY on Linux */
	chmod("file", 0755);
	close(make_file("plain", 100));
	mkdir("folder", 0755);
	CALL(execve, "missing", arguments, NULL);
	CALL(execve, "", arguments, NULL);
	CALL(execve, "plain", arguments, NULL);
	CALL(execve, "file", arguments, NULL);
	CALL(execve, "folder", arguments, NULL);
	CALL(execve, "file/x", arguments, NULL);
	CALL(execve, KIT, arguments, NULL);
	CALL(execve, "file", KIT, NULL);
	CALL(execve, "file", arguments, KIT);
	memset(buffer, 'n', 300);
	CALL(execve, buffer, arguments, NULL);
}

/* ---- ends ---- */

CASE_ALONE(exit_status)
{
	say("before");
	make_call(SYS_exit_group, (const long[6]){300});
}

CASE_ALONE(exit_status_negative)
{
	say("before");
	make_call(SYS_exit_group, (const long[6]){-1});
}

CASE_ALONE(exit_of_the_only_thread)
{
	say("before");
	make_call(SYS_exit, (const long[6]){7});
}

static void last_words(void)
{
	say("at exit");
}

CASE_ALONE(exit_runs_handlers)
{
	atexit(last_words);
	exit(3);
}

CASE_ALONE(quick_end)
{
	atexit(last_words);
	_exit(4);
}
