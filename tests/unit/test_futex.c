/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of futexes: what sleeps, what wakes, in which order; robust lists and PI. */
#include "tests/unit/special_fakes.h"
#include "tests/unit/thread_fakes.h"

#include "guestkit/libc-shim/futex.c"
#include "guestkit/libc-shim/time_value.c"

#define CALL(name, ...) sys_##name((const uint64_t[6]){__VA_ARGS__})
#define FUTEX(...)      CALL(futex, __VA_ARGS__)
#define AT(object)      ((uint64_t)(object))
#define BAD             16 /* an address that is never mapped */

/* ---- memory: shared at two views of the same frame, private elsewhere ---- */

static uint32_t view[2]; /* of one word, for the address translation */

const struct vma *vma_find(uint64_t address)
{
	static const struct vma shared = {.flags = MAP_SHARED}, private = {.flags = MAP_PRIVATE};

	return address == AT(&view[0]) || address == AT(&view[1]) ? &shared : &private;
}

const uint64_t *page_table_look(uint64_t address, uint64_t *size)
{
	static uint64_t entry;

	*size = 4; /* so that every address keeps nothing of its own */
	entry = 0x1234000 | 1;
	(void)address;
	return &entry;
}

/* ---- a sleep runs what the test wants to happen meanwhile ---- */

static unsigned waits;
static int wait_result = -ETIMEDOUT;
static void (*meanwhile)(void);

int shim_wait(uint64_t deadline)
{
	struct thread *sleeper = thread_current;

	waits++;
	if (!meanwhile) {
		if (wait_result == -ETIMEDOUT)
			fake_now = deadline;
		return wait_result;
	}
	sleeper->state = THREAD_SLEEPING;
	fake_run(sleeper == &fake_first_thread && sleeper->next ? sleeper->next
	                                                        : &fake_first_thread);
	meanwhile();
	fake_run(sleeper);
	return sleeper->state == THREAD_RUNNABLE ? 0 : -EINTR;
}

int shim_wait_realtime(uint64_t time)
{
	return shim_wait(time - (clock_realtime() - fake_now));
}

static uint32_t word, other_word;
static int64_t result_of_other;

Test(futex, arguments)
{
	word = 5;
	cr_expect_eq(FUTEX(AT(&word), FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 4), -EAGAIN);
	cr_expect_eq(FUTEX(AT(&word) + 1, FUTEX_WAIT, 5), -EINVAL);
	cr_expect_eq(FUTEX(BAD, FUTEX_WAIT, 5), -EFAULT);
	cr_expect_eq(FUTEX(AT(&word), FUTEX_WAKE, 1), 0);
	cr_expect_eq(FUTEX(AT(&word) + 2, FUTEX_WAKE, 1), -EINVAL);
	cr_expect_eq(FUTEX(AT(&word), FUTEX_WAIT_BITSET, 5, 0, 0, 0), -EINVAL);
	cr_expect_eq(FUTEX(AT(&word), FUTEX_WAKE_BITSET, 5, 0, 0, 0), -EINVAL);
	cr_expect_eq(FUTEX(AT(&word), FUTEX_CMP_REQUEUE, 1, 1, AT(&other_word), 6), -EAGAIN);
	cr_expect_eq(FUTEX(AT(&word), FUTEX_CMP_REQUEUE, 1, 1, AT(&other_word), 5), 0);
	cr_expect_eq(FUTEX(AT(&word), FUTEX_CMP_REQUEUE, -1ul, 1, AT(&other_word), 5), -EINVAL);
	cr_expect_eq(FUTEX(AT(&word), FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1), -ENOSYS);
	cr_expect_eq(FUTEX(AT(&word), 127, 1), -ENOSYS);
	cr_expect_eq(waits, 0);
}

Test(futex, timeouts)
{
	int64_t time[2] = {1, 500000000};

	word = 5;
	cr_assert_eq(FUTEX(AT(&word), FUTEX_WAIT, 5, AT(time)), -ETIMEDOUT);
	cr_assert_eq(fake_now, 6500000000);
	time[0] = 8;
	cr_assert_eq(FUTEX(AT(&word), FUTEX_WAIT_BITSET, 5, AT(time), 0, 1), -ETIMEDOUT);
	cr_assert_eq(fake_now, 8500000000, "absolute");
	time[0] = 1600000009;
	cr_assert_eq(FUTEX(AT(&word), FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 5, AT(time), 0, 1),
	             -ETIMEDOUT);
	cr_assert_eq(fake_now, 9500000000, "absolute, of the wall clock");
	time[1] = 1000000000;
	cr_assert_eq(FUTEX(AT(&word), FUTEX_WAIT, 5, AT(time)), -EINVAL);
	time[1] = -1;
	cr_assert_eq(FUTEX(AT(&word), FUTEX_WAIT, 5, AT(time)), -EINVAL);
	cr_assert_eq(FUTEX(AT(&word), FUTEX_WAIT, 5, BAD), -EFAULT);
	wait_result = -EINTR;
	cr_assert_eq(FUTEX(AT(&word), FUTEX_WAIT, 5, 0), -EINTR);
	cr_assert_eq(FUTEX(AT(&word), FUTEX_WAKE, 1), 0, "who was interrupted waits no more");
}

static void wake_all_meanwhile(void)
{
	result_of_other = FUTEX(AT(&word), FUTEX_WAKE, INT32_MAX);
}

Test(futex, wake)
{
	fake_thread(2);
	meanwhile = wake_all_meanwhile;
	cr_expect_eq(FUTEX(AT(&word), FUTEX_WAIT, 0, 0), 0);
	cr_expect_eq(result_of_other, 1);
	cr_expect_eq(waits, 1);
}

static void wake_other_bits_meanwhile(void)
{
	result_of_other = FUTEX(AT(&word), FUTEX_WAKE_BITSET, 1, 0, 0, 2);
}

Test(futex, bits)
{
	fake_thread(2);
	meanwhile = wake_other_bits_meanwhile;
	cr_expect_eq(FUTEX(AT(&word), FUTEX_WAIT_BITSET, 0, 0, 0, 4), -EINTR);
	cr_expect_eq(result_of_other, 0);
}

static void requeue_and_wake_meanwhile(void)
{
	cr_expect_eq(FUTEX(AT(&word), FUTEX_REQUEUE, 0, 1, AT(&other_word)), 1);
	cr_expect_eq(FUTEX(AT(&word), FUTEX_WAKE, 1), 0);
	cr_expect_eq(FUTEX(AT(&other_word), FUTEX_WAKE, 1), 1);
}

Test(futex, requeue)
{
	fake_thread(2);
	meanwhile = requeue_and_wake_meanwhile;
	cr_expect_eq(FUTEX(AT(&word), FUTEX_WAIT, 0, 0), 0);
}

static void wake_by_operation_meanwhile(void)
{
	/* other_word += 3, and wake there if it was less than 5: nobody is. */
	uint32_t code = FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_LT, 5);

	result_of_other = FUTEX(AT(&word), FUTEX_WAKE_OP, 1, 1, AT(&other_word), code);
}

Test(futex, wake_operation)
{
	fake_thread(2);
	other_word = 4;
	meanwhile = wake_by_operation_meanwhile;
	cr_expect_eq(FUTEX(AT(&word), FUTEX_WAIT, 0, 0), 0);
	cr_expect_eq(result_of_other, 1);
	cr_expect_eq(other_word, 7);
	cr_expect_eq(FUTEX(AT(&word), FUTEX_WAKE_OP, 1, 1, BAD, 0), -EFAULT);
}

static void wake_private_then_other_view_meanwhile(void)
{
	cr_expect_eq(FUTEX(AT(&view[1]), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1), 0);
	cr_expect_eq(FUTEX(AT(&word), FUTEX_WAKE, 1), 0);
	result_of_other = FUTEX(AT(&view[1]), FUTEX_WAKE, 1);
}

Test(futex, shared_memory_is_known_by_its_frame)
{
	fake_thread(2);
	meanwhile = wake_private_then_other_view_meanwhile;
	cr_expect_eq(FUTEX(AT(&view[0]), FUTEX_WAIT, 0, 0), 0);
	cr_expect_eq(result_of_other, 1);
}

static void wake_shared_meanwhile(void)
{
	result_of_other = FUTEX(AT(&word), FUTEX_WAKE, 1);
}

Test(futex, private_and_shared_are_apart)
{
	fake_thread(2);
	meanwhile = wake_shared_meanwhile;
	cr_expect_eq(FUTEX(AT(&word), FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, 0), -EINTR);
	cr_expect_eq(result_of_other, 0);
}

/* ---- PI ---- */

static void unlock_meanwhile(void)
{
	cr_expect_eq(word, 2 | FUTEX_WAITERS);
	cr_expect_eq(FUTEX(AT(&word), FUTEX_UNLOCK_PI), 0);
}

Test(futex, pi_is_handed_over)
{
	fake_thread(2);
	word = 2;
	cr_expect_eq(FUTEX(AT(&word), FUTEX_UNLOCK_PI), -EPERM);
	cr_expect_eq(FUTEX(AT(&word), FUTEX_TRYLOCK_PI), -EAGAIN);
	meanwhile = unlock_meanwhile;
	cr_expect_eq(FUTEX(AT(&word), FUTEX_LOCK_PI), 0);
	cr_expect_eq(word, 1);
	cr_expect_eq(FUTEX(AT(&word), FUTEX_LOCK_PI), -EDEADLK);
	cr_expect_eq(FUTEX(AT(&word), FUTEX_UNLOCK_PI), 0);
	cr_expect_eq(word, 0);
	cr_expect_eq(FUTEX(AT(&word), FUTEX_TRYLOCK_PI), 0);
	cr_expect_eq(word, 1);
	word = 77;
	cr_expect_eq(FUTEX(AT(&word), FUTEX_LOCK_PI), -ESRCH);
	cr_expect_eq(FUTEX(BAD, FUTEX_LOCK_PI), -EFAULT);
}

/* ---- the end of a thread ---- */

struct lock {
	struct lock *next;
	uint32_t word;
};

static struct {
	struct lock *first;
	uint64_t offset;
	struct lock *pending;
} list;

Test(futex, robust_list_marks_locks_of_the_dead)
{
	struct lock pending = {.word = 1}, foreign = {(struct lock *)&list, 9},
	            held = {&foreign, 1 | FUTEX_WAITERS};

	list.first = &held;
	list.offset = offsetof(struct lock, word);
	list.pending = &pending;
	cr_expect_eq(CALL(set_robust_list, AT(&list), 23), -EINVAL);
	cr_expect_eq(CALL(set_robust_list, AT(&list), 24), 0);
	futex_thread_end(thread_current);
	cr_expect_eq(held.word, FUTEX_OWNER_DIED | FUTEX_WAITERS);
	cr_expect_eq(foreign.word, 9);
	cr_expect_eq(pending.word, FUTEX_OWNER_DIED);
}

Test(futex, hostile_robust_lists_end, .timeout = 5)
{
	struct lock self = {&self, 0};

	list.first = &self;
	thread_current->robust_list = AT(&list);
	futex_thread_end(thread_current);
	list.first = (struct lock *)BAD;
	futex_thread_end(thread_current);
	thread_current->robust_list = BAD;
	futex_thread_end(thread_current);
}

Test(futex, tid_is_cleared)
{
	uint32_t id = 1;

	thread_current->clear_at_exit = AT(&id);
	futex_thread_end(thread_current);
	cr_expect_eq(id, 0);
	thread_current->clear_at_exit = BAD;
	futex_thread_end(thread_current);
}

Test(futex, get_robust_list)
{
	uint64_t head = 0, size = 0;

	thread_current->robust_list = 0x1234;
	cr_expect_eq(CALL(get_robust_list, 0, AT(&head), AT(&size)), 0);
	cr_expect_eq(head, 0x1234);
	cr_expect_eq(size, 24);
	cr_expect_eq(CALL(get_robust_list, 99, AT(&head), AT(&size)), -ESRCH);
	cr_expect_eq(CALL(get_robust_list, 0, BAD, AT(&size)), -EFAULT);
}
