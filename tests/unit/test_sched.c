/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the system calls on scheduling policies, niceness, disk priorities and barriers. */
#include <sys/resource.h>

#include "tests/unit/special_fakes.h"

#include "tests/unit/thread_fakes.h"

#include "guestkit/libc-shim/sys_sched.c"

#define CALL(name, ...) sys_##name((const uint64_t[6]){__VA_ARGS__})
#define AT(object)      ((uint64_t)(object))
#define BAD             16 /* an address that is never mapped */
#define NOBODY          77

struct process_identity process_identity;

Test(sched, priorities_of_each_policy)
{
	static const int64_t most[] = {0, 99, 99, 0, -EINVAL, 0, 0};

	for (uint64_t policy = 0; policy < 7; policy++) {
		cr_expect_eq(CALL(sched_get_priority_max, policy), most[policy]);
		cr_expect_eq(CALL(sched_get_priority_min, policy),
		             most[policy] == 99 ? 1 : most[policy]);
	}
	cr_expect_eq(CALL(sched_get_priority_max, -1ull), -EINVAL);
}

Test(sched, policy_is_told_as_it_was_set)
{
	int32_t priority = 7, found = -1;

	cr_assert_eq(CALL(sched_getscheduler, 0), SCHED_NORMAL);
	cr_assert_eq(CALL(sched_setscheduler, 0, SCHED_FIFO, AT(&priority)), 0);
	cr_assert_eq(CALL(sched_getscheduler, 1), SCHED_FIFO);
	cr_assert_eq(CALL(sched_getparam, 0, AT(&found)), 0);
	cr_assert_eq(found, 7);
	priority = 8;
	cr_assert_eq(CALL(sched_setparam, 0, AT(&priority)), 0);
	cr_assert_eq(CALL(sched_getparam, 0, AT(&found)), 0);
	cr_assert_eq(found, 8);
	priority = 0;
	cr_assert_eq(CALL(sched_setparam, 0, AT(&priority)), -EINVAL, "SCHED_FIFO has one");
	cr_assert_eq(CALL(sched_setscheduler, 0, SCHED_BATCH | SCHED_RESET_ON_FORK, AT(&priority)),
	             0);
	cr_assert_eq(CALL(sched_getscheduler, 0), SCHED_BATCH | SCHED_RESET_ON_FORK);
	priority = 1;
	cr_assert_eq(CALL(sched_setparam, 0, AT(&priority)), -EINVAL, "SCHED_BATCH has none");
}

Test(sched, bad_arguments_of_policies)
{
	int32_t priority = 100;

	cr_expect_eq(CALL(sched_setscheduler, 0, SCHED_RR, AT(&priority)), -EINVAL);
	priority = -1;
	cr_expect_eq(CALL(sched_setscheduler, 0, SCHED_RR, AT(&priority)), -EINVAL);
	priority = 0;
	cr_expect_eq(CALL(sched_setscheduler, 0, 4, AT(&priority)), -EINVAL);
	cr_expect_eq(CALL(sched_setscheduler, 0, SCHED_DEADLINE, AT(&priority)), -EINVAL);
	cr_expect_eq(CALL(sched_setscheduler, 0, UINT32_MAX, AT(&priority)), -EINVAL);
	cr_expect_eq(CALL(sched_setscheduler, 0, 0, 0), -EINVAL);
	cr_expect_eq(CALL(sched_setscheduler, 0, 0, BAD), -EFAULT);
	cr_expect_eq(CALL(sched_setscheduler, NOBODY, 0, AT(&priority)), -ESRCH);
	cr_expect_eq(CALL(sched_setscheduler, -1ull, 0, AT(&priority)), -EINVAL);
	cr_expect_eq(CALL(sched_getscheduler, NOBODY), -ESRCH);
	cr_expect_eq(CALL(sched_getscheduler, -1ull), -EINVAL);
	cr_expect_eq(CALL(sched_getparam, NOBODY, AT(&priority)), -ESRCH);
	cr_expect_eq(CALL(sched_getparam, 0, 0), -EINVAL);
	cr_expect_eq(CALL(sched_getparam, 0, BAD), -EFAULT);
	process_identity.uid = 1000;
	priority = 1;
	cr_expect_eq(CALL(sched_setscheduler, 0, SCHED_RR, AT(&priority)), -EPERM);
}

Test(sched, slices)
{
	int64_t slice[2] = {-1, -1};
	int32_t priority = 1;

	cr_assert_eq(CALL(sched_rr_get_interval, 0, AT(slice)), 0);
	cr_assert_eq(slice[0], 0);
	cr_assert_gt(slice[1], 0);
	cr_assert_eq(CALL(sched_setscheduler, 0, SCHED_FIFO, AT(&priority)), 0);
	cr_assert_eq(CALL(sched_rr_get_interval, 0, AT(slice)), 0);
	cr_assert_eq(slice[1], 0);
	cr_assert_eq(CALL(sched_rr_get_interval, 0, BAD), -EFAULT);
	cr_assert_eq(CALL(sched_rr_get_interval, NOBODY, AT(slice)), -ESRCH);
	cr_assert_eq(CALL(sched_rr_get_interval, -1ull, AT(slice)), -EINVAL);
}

Test(sched, niceness)
{
	cr_assert_eq(CALL(getpriority, PRIO_PROCESS, 0), 20);
	cr_assert_eq(CALL(setpriority, PRIO_PROCESS, 0, 100), 0);
	cr_assert_eq(CALL(getpriority, PRIO_PGRP, 1), 1);
	cr_assert_eq(CALL(setpriority, PRIO_USER, 0, -100ull), 0);
	cr_assert_eq(CALL(getpriority, PRIO_USER, 0), 40);
	cr_assert_eq(CALL(getpriority, PRIO_PROCESS, NOBODY), -ESRCH);
	cr_assert_eq(CALL(getpriority, PRIO_USER, NOBODY), -ESRCH);
	cr_assert_eq(CALL(getpriority, 3, 0), -EINVAL);
	cr_assert_eq(CALL(setpriority, -1ull, 0, 0), -EINVAL);
	process_identity.uid = 1000;
	cr_assert_eq(CALL(setpriority, PRIO_PROCESS, 0, 5), 0);
	cr_assert_eq(CALL(setpriority, PRIO_PROCESS, 0, 4), -EACCES);
}

Test(sched, disk_priority)
{
	cr_assert_eq(CALL(ioprio_get, IOPRIO_WHO_PROCESS, 0), 0);
	cr_assert_eq(CALL(ioprio_set, IOPRIO_WHO_PROCESS, 0, 2 << 13 | 7), 0);
	cr_assert_eq(CALL(ioprio_get, IOPRIO_WHO_USER, 0), 2 << 13 | 7);
	cr_assert_eq(CALL(ioprio_set, IOPRIO_WHO_PROCESS, 0, 4), -EINVAL,
	             "a level without a class");
	cr_assert_eq(CALL(ioprio_set, IOPRIO_WHO_PROCESS, 0, 4 << 13), -EINVAL);
	cr_assert_eq(CALL(ioprio_set, IOPRIO_WHO_PROCESS, NOBODY, 0), -ESRCH);
	cr_assert_eq(CALL(ioprio_get, 0, 0), -EINVAL);
	cr_assert_eq(CALL(ioprio_get, 4, 0), -EINVAL);
	process_identity.uid = 1000;
	cr_assert_eq(CALL(ioprio_set, IOPRIO_WHO_PROCESS, 0, 1 << 13), -EPERM);
}

Test(sched, threads_have_wishes_of_their_own)
{
	struct thread *other = fake_thread(7);
	int32_t priority = 3;

	cr_assert_eq(CALL(sched_setscheduler, 7, SCHED_RR, AT(&priority)), 0);
	cr_assert_eq(CALL(sched_getscheduler, 0), SCHED_NORMAL);
	cr_assert_eq(CALL(sched_getscheduler, 7), SCHED_RR);
	cr_assert_eq(CALL(setpriority, PRIO_PROCESS, 7, -3ull), 0);
	cr_assert_eq(CALL(getpriority, PRIO_PROCESS, 0), 20);
	cr_assert_eq(CALL(getpriority, PRIO_PGRP, 0), 23, "the least nice");
	cr_assert_eq(CALL(setpriority, PRIO_PGRP, 0, 4), 0);
	cr_assert_eq(other->wishes.nice, 4);
	cr_assert_eq(thread_current->wishes.nice, 4);
	cr_assert_eq(CALL(ioprio_set, IOPRIO_WHO_PROCESS, 7, 2 << 13), 0);
	cr_assert_eq(CALL(ioprio_get, IOPRIO_WHO_PROCESS, 0), 0);
	cr_assert_eq(CALL(ioprio_set, IOPRIO_WHO_USER, 0, 3 << 13), 0);
	cr_assert_eq(CALL(ioprio_get, IOPRIO_WHO_PROCESS, 7), 3 << 13);
}

Test(sched, processor_is_the_first)
{
	uint32_t processor = 9, node = 9;

	cr_assert_eq(CALL(getcpu, AT(&processor), AT(&node), BAD), 0);
	cr_assert_eq(processor, 0);
	cr_assert_eq(node, 0);
	cr_assert_eq(CALL(getcpu, 0, 0), 0);
	cr_assert_eq(CALL(getcpu, BAD, 0), -EFAULT);
	cr_assert_eq(CALL(getcpu, 0, BAD), -EFAULT);
}

Test(sched, barriers_that_are_offered_work)
{
	int64_t known = CALL(membarrier, MEMBARRIER_CMD_QUERY);

	cr_assert_eq(CALL(membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED), -EPERM);
	cr_assert_eq(CALL(membarrier, MEMBARRIER_CMD_GET_REGISTRATIONS), 0);
	cr_assert_eq(CALL(membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED), 0);
	cr_assert_eq(CALL(membarrier, MEMBARRIER_CMD_GET_REGISTRATIONS),
	             MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
	for (unsigned bit = 0; bit < 12; bit++) {
		int64_t result = CALL(membarrier, 1u << bit);

		if (known >> bit & 1)
			cr_expect_geq(result, 0, "bit %u", bit);
		else
			cr_expect_eq(result, -EINVAL, "bit %u", bit);
	}
	cr_assert_eq(CALL(membarrier, 3), -EINVAL);
	cr_assert_eq(CALL(membarrier, MEMBARRIER_CMD_GLOBAL, 1), -EINVAL);
}
