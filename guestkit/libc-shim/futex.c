/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futexes: words of the application on which threads wait.
 *
 * Waiters are entries on the stacks of sleeping threads, linked by a hash of the word's address in
 * the order they came. The kit is not preempted, so to compare the word and to join the list is one
 * step. A word is known by its virtual address: one that is mapped at two addresses is two futexes.
 *
 * A priority-inheriting futex (PI) holds the owner's tid; there are no priorities here, so all
 * that is left of it is that the kit hands it over, to the one that has waited longest.
 */
#include "guestkit/libc-shim/futex.h"

#include <linux/errno.h>
#include <linux/futex.h>
#include <stddef.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/time_value.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/memory.h"
#include "guestkit/user.h"

#define BUCKETS          64
#define ROBUST_LIST_SIZE 24
#define ROBUST_LIMIT     2048 /* ROBUST_LIST_LIMIT: locks that one thread's end releases */

struct futex_waiter {
	struct futex_waiter *next, *previous;
	struct thread *thread;
	uint64_t address; /* 0: was woken */
	uint32_t bits;
};

struct bucket {
	struct futex_waiter *first, *last;
};

static KIT_LARGE struct bucket buckets[BUCKETS];

static struct bucket *bucket_of(uint64_t address)
{
	return &buckets[(address >> 2 ^ address >> 12) % BUCKETS];
}

static void join(struct futex_waiter *waiter, uint64_t address)
{
	struct bucket *bucket = bucket_of(address);

	waiter->address = address;
	waiter->next = NULL;
	waiter->previous = bucket->last;
	*(bucket->last ? &bucket->last->next : &bucket->first) = waiter;
	bucket->last = waiter;
}

static void leave(struct futex_waiter *waiter)
{
	struct bucket *bucket = bucket_of(waiter->address);

	*(waiter->previous ? &waiter->previous->next : &bucket->first) = waiter->next;
	*(waiter->next ? &waiter->next->previous : &bucket->last) = waiter->previous;
	waiter->address = 0;
}

static struct futex_waiter *next_on(struct futex_waiter *waiter, uint64_t address, uint32_t bits)
{
	while (waiter && (waiter->address != address || !(waiter->bits & bits)))
		waiter = waiter->next;
	return waiter;
}

static struct futex_waiter *first_on(uint64_t address, uint32_t bits)
{
	return next_on(bucket_of(address)->first, address, bits);
}

static void wake(struct futex_waiter *waiter)
{
	leave(waiter);
	thread_wake(waiter->thread);
}

static unsigned wake_some(uint64_t address, unsigned count, uint32_t bits)
{
	struct futex_waiter *waiter = first_on(address, bits), *next;
	unsigned woken = 0;

	for (; waiter && woken < count; waiter = next, woken++) {
		next = next_on(waiter->next, address, bits);
		wake(waiter);
	}
	return woken;
}

unsigned futex_wake(uint64_t address, unsigned count)
{
	return wake_some(address, count, FUTEX_BITSET_MATCH_ANY);
}

static int read_word(uint64_t address, uint32_t *value)
{
	return address % sizeof(*value) ? -EINVAL : user_read(value, address, sizeof(*value));
}

/* Check a word that is not read: a shared one, whose page Linux looks up, has to be there. */
static int check_word(uint64_t address, bool is_private)
{
	uint32_t value;

	if (address % sizeof(value))
		return -EINVAL;
	if (!is_private)
		return user_read(&value, address, sizeof(value));
	return address < MOTE_USER_END ? 0 : -EFAULT;
}

/* Sleep until woken: 0, -ETIMEDOUT or -EINTR; in these two the waiter has left its list. */
static int sleep_on(struct futex_waiter *waiter, uint64_t deadline)
{
	int result = 0;

	while (waiter->address && result == 0)
		result = shim_wait(deadline);
	if (!waiter->address)
		return 0;
	leave(waiter);
	return result;
}

/* ---- wait and wake ---- */

/* The deadline of a wait: relative for FUTEX_WAIT, else a moment of one of two clocks. */
static int read_deadline(uint64_t address, uint32_t command, bool is_realtime, uint64_t *deadline)
{
	uint64_t now, time;
	int result;

	*deadline = SHIM_FOREVER;
	if (!address)
		return 0;
	if (command == FUTEX_WAIT)
		return time_read_timeout(address, deadline);
	result = time_read_span(address, &time);
	if (result < 0 || !is_realtime) {
		*deadline = time;
		return result;
	}
	now = clock_realtime();
	*deadline = time > now ? time_deadline_after(time - now) : 0;
	return 0;
}

static int64_t futex_wait(uint64_t address, uint32_t expected, uint64_t deadline, uint32_t bits)
{
	struct futex_waiter waiter = {.thread = thread_current, .bits = bits};
	uint32_t value;
	int result = read_word(address, &value);

	if (!bits)
		return -EINVAL;
	if (result < 0)
		return result;
	if (value != expected)
		return -EAGAIN;
	join(&waiter, address);
	return sleep_on(&waiter, deadline);
}

/* Wake @wake_count and let at most @move_count others wait on @target instead. */
static int64_t requeue(uint64_t address, unsigned wake_count, unsigned move_count, uint64_t target)
{
	unsigned woken = wake_some(address, wake_count, FUTEX_BITSET_MATCH_ANY), moved = 0;
	struct futex_waiter *waiter = first_on(address, FUTEX_BITSET_MATCH_ANY), *next;

	for (; waiter && moved < move_count; waiter = next, moved++) {
		next = next_on(waiter->next, address, FUTEX_BITSET_MATCH_ANY);
		if (target == address)
			continue;
		leave(waiter);
		join(waiter, target);
	}
	return woken + moved;
}

static int64_t futex_requeue(const uint64_t *arg, bool has_expected)
{
	uint64_t address = arg[0], target = arg[4];
	bool is_private = arg[1] & FUTEX_PRIVATE_FLAG;
	uint32_t value;
	int result;

	if ((int32_t)arg[2] < 0 || (int32_t)arg[3] < 0)
		return -EINVAL;
	result = check_word(address, is_private);
	if (result == 0)
		result = check_word(target, is_private);
	if (result < 0)
		return result;
	if (has_expected) {
		result = read_word(address, &value);
		if (result < 0)
			return result;
		if (value != (uint32_t)arg[5])
			return -EAGAIN;
	}
	return requeue(address, (uint32_t)arg[2], (uint32_t)arg[3], target);
}

/* futex(2), FUTEX_WAKE_OP: change a second word, and wake there too if it compared so. */
static int64_t futex_wake_operation(const uint64_t *arg)
{
	uint32_t code = (uint32_t)arg[5], operation = code >> 28 & 7, compare = code >> 24 & 15;
	int32_t operand = (int32_t)(code << 8) >> 20, limit = (int32_t)(code << 20) >> 20;
	uint32_t word;
	int32_t old;
	bool is_so;
	int result = check_word(arg[0], arg[1] & FUTEX_PRIVATE_FLAG);

	if (result == 0)
		result = read_word(arg[4], &word);
	if (result < 0)
		return result;
	if (code >> 31)
		operand = (int32_t)(1u << (operand & 31));
	old = (int32_t)word;
	switch (operation) {
	case FUTEX_OP_SET: word = (uint32_t)operand; break;
	case FUTEX_OP_ADD: word += (uint32_t)operand; break;
	case FUTEX_OP_OR: word |= (uint32_t)operand; break;
	case FUTEX_OP_ANDN: word &= ~(uint32_t)operand; break;
	case FUTEX_OP_XOR: word ^= (uint32_t)operand; break;
	default: return -ENOSYS;
	}
	if (user_write(arg[4], &word, sizeof(word)) < 0)
		return -EFAULT;
	switch (compare) {
	case FUTEX_OP_CMP_EQ: is_so = old == limit; break;
	case FUTEX_OP_CMP_NE: is_so = old != limit; break;
	case FUTEX_OP_CMP_LT: is_so = old < limit; break;
	case FUTEX_OP_CMP_LE: is_so = old <= limit; break;
	case FUTEX_OP_CMP_GT: is_so = old > limit; break;
	case FUTEX_OP_CMP_GE: is_so = old >= limit; break;
	default: return -ENOSYS;
	}
	result = (int)futex_wake(arg[0], (uint32_t)arg[2]);
	return is_so ? result + (int64_t)futex_wake(arg[4], (uint32_t)arg[3]) : result;
}

/* ---- PI ---- */

/* Hand a PI futex to a waiter, or leave it free. */
static int hand_over(uint64_t address, uint32_t kept_bits)
{
	struct futex_waiter *waiter = first_on(address, FUTEX_BITSET_MATCH_ANY);
	uint32_t word = kept_bits;

	if (waiter) {
		word |= (uint32_t)waiter->thread->id;
		if (next_on(waiter->next, address, FUTEX_BITSET_MATCH_ANY))
			word |= FUTEX_WAITERS;
	}
	if (user_write(address, &word, sizeof(word)) < 0)
		return -EFAULT;
	if (waiter)
		wake(waiter);
	return 0;
}

static int64_t futex_lock(uint64_t address, uint64_t deadline, bool only_try)
{
	struct futex_waiter waiter = {.thread = thread_current, .bits = FUTEX_BITSET_MATCH_ANY};
	uint32_t id = (uint32_t)thread_current->id, word;
	int result = read_word(address, &word);

	if (result < 0)
		return result;
	if ((word & FUTEX_TID_MASK) == id)
		return -EDEADLK;
	if (!(word & FUTEX_TID_MASK) && !first_on(address, FUTEX_BITSET_MATCH_ANY)) {
		word = id | (word & FUTEX_OWNER_DIED);
		return user_write(address, &word, sizeof(word));
	}
	if (!thread_find((int32_t)(word & FUTEX_TID_MASK)))
		return -ESRCH;
	if (only_try)
		return -EAGAIN;
	word |= FUTEX_WAITERS;
	if (user_write(address, &word, sizeof(word)) < 0)
		return -EFAULT;
	join(&waiter, address);
	return sleep_on(&waiter, deadline);
}

static int64_t futex_unlock(uint64_t address)
{
	uint32_t word;
	int result = read_word(address, &word);

	if (result < 0)
		return result;
	if ((word & FUTEX_TID_MASK) != (uint32_t)thread_current->id)
		return -EPERM;
	return hand_over(address, 0);
}

static int64_t futex_lock_until(const uint64_t *arg, bool is_realtime)
{
	uint64_t deadline;
	int result = read_deadline(arg[3], FUTEX_LOCK_PI, is_realtime, &deadline);

	return result < 0 ? result : futex_lock(arg[0], deadline, false);
}

/* ---- the system calls ---- */

static int64_t wait_until(const uint64_t *arg, uint32_t command, bool is_realtime, uint32_t bits)
{
	uint64_t deadline;
	int result = read_deadline(arg[3], command, is_realtime, &deadline);

	return result < 0 ? result : futex_wait(arg[0], (uint32_t)arg[2], deadline, bits);
}

static int64_t wake_bits(const uint64_t *arg, uint32_t bits)
{
	/* As on Linux, a count of 0 wakes one. */
	unsigned count = (int32_t)arg[2] > 1 ? (uint32_t)arg[2] : 1;
	int result = bits ? check_word(arg[0], arg[1] & FUTEX_PRIVATE_FLAG) : -EINVAL;

	return result < 0 ? result : (int64_t)wake_some(arg[0], count, bits);
}

int64_t sys_futex(const uint64_t *arg)
{
	uint32_t operation = (uint32_t)arg[1], command = operation & FUTEX_CMD_MASK;
	bool is_realtime = operation & FUTEX_CLOCK_REALTIME;

	if (is_realtime && command != FUTEX_WAIT_BITSET && command != FUTEX_LOCK_PI2)
		return -ENOSYS;
	switch (command) {
	case FUTEX_WAIT: return wait_until(arg, command, false, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAIT_BITSET: return wait_until(arg, command, is_realtime, (uint32_t)arg[5]);
	case FUTEX_WAKE: return wake_bits(arg, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET: return wake_bits(arg, (uint32_t)arg[5]);
	case FUTEX_REQUEUE: return futex_requeue(arg, false);
	case FUTEX_CMP_REQUEUE: return futex_requeue(arg, true);
	case FUTEX_WAKE_OP: return futex_wake_operation(arg);
	case FUTEX_LOCK_PI: return futex_lock_until(arg, true);
	case FUTEX_LOCK_PI2: return futex_lock_until(arg, is_realtime);
	case FUTEX_TRYLOCK_PI: return futex_lock(arg[0], 0, true);
	case FUTEX_UNLOCK_PI: return futex_unlock(arg[0]);
	}
	return -ENOSYS;
}

int64_t sys_set_robust_list(const uint64_t *arg)
{
	if (arg[1] != ROBUST_LIST_SIZE)
		return -EINVAL;
	thread_current->robust_list = arg[0];
	return 0;
}

int64_t sys_get_robust_list(const uint64_t *arg)
{
	const struct thread *thread = arg[0] ? thread_find((int32_t)arg[0]) : thread_current;
	const uint64_t size = ROBUST_LIST_SIZE;

	if (!thread)
		return -ESRCH;
	if (user_write(arg[2], &size, sizeof(size)) < 0)
		return -EFAULT;
	return user_write(arg[1], &thread->robust_list, sizeof(uint64_t));
}

/* ---- the end of a thread ---- */

/* Mark a lock that the thread held as its owner's who died, and wake one who waits for it. */
static void release(const struct thread *thread, uint64_t address, bool is_pi)
{
	uint32_t word;

	if (read_word(address, &word) < 0 || (word & FUTEX_TID_MASK) != (uint32_t)thread->id)
		return;
	if (is_pi) {
		(void)hand_over(address, FUTEX_OWNER_DIED);
		return;
	}
	word = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
	if (user_write(address, &word, sizeof(word)) == 0)
		futex_wake(address, 1);
}

/* Documentation/locking/robust-futex-ABI.rst: a ring of pointers, the lowest bit of each says PI.
 */
static void release_robust(const struct thread *thread)
{
	struct robust_list_head head;
	uint64_t entry, next, pending;

	if (user_read(&head, thread->robust_list, sizeof(head)) < 0)
		return;
	entry = (uint64_t)head.list.next;
	pending = (uint64_t)head.list_op_pending;
	for (unsigned i = 0; i < ROBUST_LIMIT; i++) {
		uint64_t at = entry & ~1ull;
		bool is_readable;

		if (at == thread->robust_list)
			break;
		is_readable = user_read(&next, at, sizeof(next)) == 0;
		if (at != (pending & ~1ull))
			release(thread, at + (uint64_t)head.futex_offset, entry & 1);
		if (!is_readable)
			break;
		entry = next;
	}
	if (pending & ~1ull)
		release(thread, (pending & ~1ull) + (uint64_t)head.futex_offset, pending & 1);
}

void futex_thread_end(struct thread *thread)
{
	const uint32_t none = 0;

	if (thread->robust_list)
		release_robust(thread);
	if (!thread->clear_at_exit)
		return;
	if (user_write(thread->clear_at_exit, &none, sizeof(none)) == 0)
		futex_wake(thread->clear_at_exit, 1);
}
