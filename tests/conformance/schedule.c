/* SPDX-License-Identifier: Apache-2.0 */
/* Policies, priorities, barriers, capabilities, and settings of prctl. */
#include "harness.h"

#include <linux/capability.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define NOBODY 99999999

CASE(priorities_of_each_policy)
{
	for (int policy = -1; policy <= 6; policy++) {
		say("policy %d", policy);
		CALL(sched_get_priority_max, policy);
		CALL(sched_get_priority_min, policy);
	}
}

CASE(scheduler)
{
	struct sched_param none = {.sched_priority = 0}, one = {.sched_priority = 1};
	struct sched_param much = {.sched_priority = 100};

	CALL(sched_getscheduler, 0);
	CALL(sched_getscheduler, -1);
	CALL(sched_getscheduler, NOBODY);
	CALL(sched_setscheduler, 0, SCHED_OTHER, &one);
	CALL(sched_setscheduler, 0, SCHED_FIFO, &none);
	CALL(sched_setscheduler, 0, SCHED_FIFO, &much);
	CALL(sched_setscheduler, 0, 4, &none);
	CALL(sched_setscheduler, 0, -1, &none);
	CALL(sched_setscheduler, 0, SCHED_OTHER, NULL);
	CALL(sched_setscheduler, 0, SCHED_OTHER, LOW);
	CALL(sched_setscheduler, -1, SCHED_OTHER, &none);
	CALL(sched_setscheduler, NOBODY, SCHED_OTHER, &none);
	CALL(sched_setscheduler, 0, SCHED_BATCH, &none);
	CALL(sched_getscheduler, 0);
	CALL(sched_setscheduler, 0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none);
	CALL(sched_getscheduler, 0);
	CALL(sched_setscheduler, 0, SCHED_OTHER, &none);
	CALL(sched_getscheduler, 0);
}

CASE(scheduler_parameters)
{
	struct sched_param found = {.sched_priority = 7}, one = {.sched_priority = 1};

	CALL(sched_getparam, 0, &found);
	VALUE(found.sched_priority);
	CALL(sched_getparam, 0, NULL);
	CALL(sched_getparam, 0, LOW);
	CALL(sched_getparam, -1, &found);
	CALL(sched_getparam, NOBODY, &found);
	CALL(sched_getparam, NOBODY, NULL);
	CALL(sched_setparam, 0, &one);
	CALL(sched_setparam, 0, NULL);
	found.sched_priority = 0;
	CALL(sched_setparam, 0, &found);
	CALL(sched_setparam, NOBODY, &found);
}

static struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t least, most;
	uint64_t future;
} attributes;

CASE_ALONE(scheduler_attributes)
{
	setpriority(PRIO_PROCESS, 0, 0);
	CALL(sched_getattr, 0, &attributes, 48, 0);
	VALUE(attributes.size);
	VALUE(attributes.policy);
	VALUE(attributes.nice);
	CALL(sched_getattr, 0, &attributes, sizeof attributes, 0);
	VALUE(attributes.size);
	CALL(sched_getattr, 0, &attributes, 47, 0);
	CALL(sched_getattr, 0, &attributes, 4097, 0);
	CALL(sched_getattr, 0, &attributes, 48, 1);
	CALL(sched_getattr, 0, NULL, 48, 0);
	CALL(sched_getattr, 0, LOW, 48, 0);
	CALL(sched_getattr, -1, &attributes, 48, 0);
	CALL(sched_getattr, NOBODY, &attributes, 48, 0);

	memset(&attributes, 0, sizeof attributes);
	attributes.size = 48;
	attributes.policy = SCHED_BATCH;
	attributes.nice = 7;
	attributes.flags = 1;
	CALL(sched_setattr, 0, &attributes, 0);
	CALL(sched_getscheduler, 0);
	CALL(getpriority, PRIO_PROCESS, 0);
	attributes.size = 0;
	attributes.nice = 100;
	attributes.flags = 0;
	CALL(sched_setattr, 0, &attributes, 0);
	CALL(getpriority, PRIO_PROCESS, 0);
	CALL(sched_getscheduler, 0);
	attributes.priority = 1;
	CALL(sched_setattr, 0, &attributes, 0);
	attributes.priority = 0;
	attributes.policy = SCHED_FIFO;
	CALL(sched_setattr, 0, &attributes, 0);
	attributes.policy = -1;
	CALL(sched_setattr, 0, &attributes, 0);
	attributes.policy = SCHED_OTHER;
	CALL(sched_setattr, 0, &attributes, 1);
	CALL(sched_setattr, NOBODY, &attributes, 0);
	CALL(sched_setattr, -1, &attributes, 0);
	CALL(sched_setattr, 0, NULL, 0);
	CALL(sched_setattr, 0, LOW, 0);
	attributes.size = 47;
	CALL(sched_setattr, 0, &attributes, 0);
	VALUE(attributes.size);
	attributes.size = sizeof attributes;
	CALL(sched_setattr, 0, &attributes, 0);
	attributes.size = sizeof attributes;
	attributes.future = 1;
	CALL(sched_setattr, 0, &attributes, 0);
	VALUE(attributes.size);
}

CASE(round_robin_interval_errors)
{
	struct timespec interval;

	CALL(sched_rr_get_interval, -1, &interval);
	CALL(sched_rr_get_interval, NOBODY, &interval);
	CALL(sched_rr_get_interval, 0, LOW);
	CALL(sched_rr_get_interval, 0, &interval);
}

CASE_ALONE(niceness)
{
	setpriority(PRIO_PROCESS, 0, 0); /* whatever the tests were started with */
	CALL(getpriority, PRIO_PROCESS, 0);
	CALL(getpriority, PRIO_PROCESS, -1);
	CALL(getpriority, PRIO_PROCESS, NOBODY);
	CALL(getpriority, PRIO_PGRP, NOBODY);
	CALL(getpriority, PRIO_USER, NOBODY);
	CALL(getpriority, 3, 0);
	CALL(getpriority, -1, 0);
	CALL(setpriority, 3, 0, 0);
	CALL(setpriority, PRIO_PROCESS, NOBODY, 0);
	CALL(setpriority, PRIO_PROCESS, 0, 5);
	CALL(getpriority, PRIO_PROCESS, 0);
	CALL(setpriority, PRIO_PGRP, 0, 1000);
	CALL(getpriority, PRIO_PGRP, 0);
	CALL(setpriority, PRIO_PROCESS, 0, -1000);
	CALL(getpriority, PRIO_PROCESS, 0);
}

CASE_ALONE(disk_priority)
{
	CALL(ioprio_get, 1, 0);
	CALL(ioprio_get, 0, 0);
	CALL(ioprio_get, 4, 0);
	CALL(ioprio_get, 1, NOBODY);
	CALL(ioprio_set, 1, 0, 4);
	CALL(ioprio_set, 1, 0, 2 << 13 | 6);
	CALL(ioprio_get, 1, 0);
	CALL(ioprio_set, 1, 0, 3 << 13);
	CALL(ioprio_get, 1, 0);
	CALL(ioprio_set, 1, 0, 4 << 13);
	CALL(ioprio_set, 1, NOBODY, 0);
	CALL(ioprio_set, 4, 0, 0);
}

CASE(processor)
{
	CALL(getcpu, LOW, NULL, NULL);
	CALL(getcpu, NULL, KIT_DATA, NULL);
	CALL(getcpu, NULL, NULL, LOW);
}

CASE_ALONE(barriers)
{
	VALUE(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) & 31);
	CALL(membarrier, MEMBARRIER_CMD_QUERY, 1, 0);
	CALL(membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	CALL(membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	CALL(membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	CALL(membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 1, 0);
	CALL(membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	CALL(membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
	CALL(membarrier, 3, 0, 0);
	CALL(membarrier, -1, 0, 0);
}

/* ---- prctl ---- */

CASE_ALONE(prctl_switches)
{
	int number = -1;

	CALL(prctl, PR_GET_DUMPABLE, 0, 0, 0, 0);
	CALL(prctl, PR_SET_DUMPABLE, 2, 0, 0, 0);
	CALL(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	CALL(prctl, PR_GET_DUMPABLE, 0, 0, 0, 0);
	CALL(prctl, PR_SET_KEEPCAPS, 2, 0, 0, 0);
	CALL(prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
	CALL(prctl, PR_GET_KEEPCAPS, 0, 0, 0, 0);
	CALL(prctl, PR_SET_CHILD_SUBREAPER, 5, 0, 0, 0);
	CALL(prctl, PR_GET_CHILD_SUBREAPER, &number, 0, 0, 0);
	VALUE(number);
	CALL(prctl, PR_GET_CHILD_SUBREAPER, LOW, 0, 0, 0);
	CALL(prctl, PR_GET_TSC, &number, 0, 0, 0);
	VALUE(number);
	CALL(prctl, PR_SET_TSC, 3, 0, 0, 0);
	CALL(prctl, PR_GET_TIMING, 0, 0, 0, 0);
	CALL(prctl, PR_SET_TIMING, 1, 0, 0, 0);
	CALL(prctl, PR_SET_PDEATHSIG, 65, 0, 0, 0);
	CALL(prctl, PR_SET_PDEATHSIG, 10, 0, 0, 0);
	CALL(prctl, PR_GET_PDEATHSIG, &number, 0, 0, 0);
	VALUE(number);
	CALL(prctl, 9999, 0, 0, 0, 0);
	CALL(prctl, 0, 0, 0, 0, 0);
}

CASE_ALONE(prctl_no_new_privileges)
{
	CALL(prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	CALL(prctl, PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0);
	CALL(prctl, PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
	CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0);
	CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 1);
	CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	CALL(prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

CASE_ALONE(prctl_names)
{
	char name[17] = "................";

	CALL(prctl, PR_SET_NAME, "a-name-longer-than-fits", 0, 0, 0);
	CALL(prctl, PR_GET_NAME, name, 0, 0, 0);
	say("%s", name);
	CALL(prctl, PR_SET_NAME, LOW, 0, 0, 0);
	CALL(prctl, PR_GET_NAME, LOW, 0, 0, 0);
	CALL(prctl, PR_SET_NAME, edge(1), 0, 0, 0);
	CALL(prctl, PR_GET_NAME, name, 0, 0, 0);
	say("%s", name);
}

CASE_ALONE(prctl_timer_slack)
{
	CALL(prctl, PR_SET_TIMERSLACK, 7, 0, 0, 0);
	CALL(prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0);
	CALL(prctl, PR_SET_TIMERSLACK, 0, 0, 0, 0);
	CALL(prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0);
}

CASE_ALONE(prctl_huge_pages)
{
	CALL(prctl, PR_GET_THP_DISABLE, 0, 0, 0, 0);
	CALL(prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0);
	CALL(prctl, PR_GET_THP_DISABLE, 0, 0, 0, 0);
	CALL(prctl, PR_GET_THP_DISABLE, 1, 0, 0, 0);
}

/* ---- capabilities ---- */

static struct __user_cap_header_struct header;
static struct __user_cap_data_struct sets[2];

static void *versioned(uint32_t version, int process)
{
	header.version = version;
	header.pid = process;
	return &header;
}

CASE(capget_errors)
{
	CALL(capget, versioned(0, 0), NULL);
	VALUE(header.version == _LINUX_CAPABILITY_VERSION_3);
	CALL(capget, versioned(7, 0), sets);
	VALUE(header.version == _LINUX_CAPABILITY_VERSION_3);
	CALL(capget, NULL, sets);
	CALL(capget, versioned(_LINUX_CAPABILITY_VERSION_3, -1), sets);
	CALL(capget, versioned(_LINUX_CAPABILITY_VERSION_3, NOBODY), sets);
	CALL(capget, versioned(_LINUX_CAPABILITY_VERSION_3, 0), LOW);
	CALL(capget, versioned(_LINUX_CAPABILITY_VERSION_3, 0), NULL);
	CALL(capget, versioned(_LINUX_CAPABILITY_VERSION_3, 0), sets);
	CALL(capget, versioned(_LINUX_CAPABILITY_VERSION_1, 0), sets);
}

CASE_ALONE(capset_only_takes_away)
{
	syscall(SYS_capget, versioned(_LINUX_CAPABILITY_VERSION_3, 0), sets);
	CALL(capset, versioned(_LINUX_CAPABILITY_VERSION_3, NOBODY), sets);
	CALL(capset, versioned(7, 0), sets);
	CALL(capset, versioned(_LINUX_CAPABILITY_VERSION_3, 0), LOW);
	memset(sets, 0, sizeof sets);
	sets[0].permitted = sets[0].effective = 1 << CAP_KILL;
	CALL(capset, versioned(_LINUX_CAPABILITY_VERSION_3, 0), sets);
	sets[0].effective |= 1 << CAP_CHOWN;
	CALL(capset, versioned(_LINUX_CAPABILITY_VERSION_3, 0), sets);
	sets[0].permitted |= 1 << CAP_CHOWN;
	CALL(capset, versioned(_LINUX_CAPABILITY_VERSION_3, 0), sets);
	sets[0].effective = sets[0].permitted = 0;
	CALL(capset, versioned(_LINUX_CAPABILITY_VERSION_3, 0), sets);
	CALL(capget, versioned(_LINUX_CAPABILITY_VERSION_3, 0), sets);
	VALUE(sets[0].permitted);
}

CASE_ALONE(bounding_and_ambient_sets)
{
	CALL(prctl, PR_CAPBSET_READ, CAP_KILL, 0, 0, 0);
	CALL(prctl, PR_CAPBSET_READ, 64, 0, 0, 0);
	CALL(prctl, PR_CAPBSET_DROP, 64, 0, 0, 0);
	CALL(prctl, PR_CAPBSET_DROP, CAP_KILL, 0, 0, 0);
	CALL(prctl, PR_CAPBSET_READ, CAP_KILL, 0, 0, 0);
	CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0);
	CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 64, 0, 0);
	CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0);
	CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0);
	CALL(prctl, PR_CAP_AMBIENT, 9, CAP_CHOWN, 0, 0);
}

CASE_ALONE(capabilities_of_who_is_no_longer_root)
{
	setpriority(PRIO_PROCESS, 0, 0);
	CALL(setuid, 1000);
	CALL(capget, versioned(_LINUX_CAPABILITY_VERSION_3, 0), sets);
	VALUE(sets[0].permitted);
	VALUE(sets[0].effective);
	CALL(prctl, PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0);
	CALL(setpriority, PRIO_PROCESS, 0, 3);
	CALL(setpriority, PRIO_PROCESS, 0, 2);
	CALL(ioprio_set, 1, 0, 1 << 13);
}

CASE_ALONE(personality)
{
	CALL(personality, 0xffffffff);
	CALL(personality, ADDR_NO_RANDOMIZE);
	CALL(personality, 0xffffffff);
	CALL(personality, 0);
}
