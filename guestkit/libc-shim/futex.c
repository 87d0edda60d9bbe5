/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futexes: words of the application on which threads wait.
 *
 * Waiters are entries on the stacks of sleeping threads, linked by a hash of the word's key in the
 * order they came. The kit is not preempted, so to compare the word and to join the list is one
 * step. A private word is known by its address; a shared one by that of its frame, as it may be
 * mapped more than once.
 *
 * A priority-inheriting futex (PI) holds the owner's tid; there are no priorities here, so all
 * that is left of it is that the kit hands it over, to the one that has waited longest.
 */
#include "guestkit/libc-shim/futex.h"

#include <linux/errno.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <stddef.h>

#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/time_value.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/memory.h"
#include "guestkit/page_table.h"
#include "guestkit/user.h"
#include "guestkit/vma.h"

#define BUCKETS          64
#define ROBUST_LIST_SIZE 24
#define ROBUST_LIMIT     2048 /* ROBUST_LIST_LIMIT: locks that one thread's end releases */

struct futex_waiter {
	struct futex_waiter *next, *previous;
	struct thread *thread;
	uint64_t key; /* 0: was woken */
	uint32_t bits;
};

struct bucket {
	struct futex_waiter *first, *last;
};

static KIT_LARGE struct bucket buckets[BUCKETS];

/* A word and what it is known by. */
struct futex_word {
	uint64_t address, key;
};

/* Words are aligned to 4: the lowest bits of a key tell the kinds apart. */
#define KEY_SHARED_FLAG   1u /* of private memory, without FUTEX_PRIVATE_FLAG */
#define KEY_SHARED_MEMORY 2u

/* @address: checked by read_word() or check_word() */
static struct futex_word word_at(uint64_t address, bool has_private_flag)
{
	const struct vma *vma = has_private_flag ? NULL : vma_find(address);
	uint64_t size, entry;

	if (has_private_flag)
		return (struct futex_word){address, address};
	if (!vma || !(vma->flags & MAP_SHARED))
		return (struct futex_word){address, address | KEY_SHARED_FLAG};
	entry = *page_table_look(address, &size);
	return (struct futex_word){address, ((entry & PTE_ADDRESS & ~(size - 1)) + address % size) |
	                                            KEY_SHARED_MEMORY};
}

static struct bucket *bucket_of(uint64_t key)
{
	return &buckets[(key >> 2 ^ key >> 12) % BUCKETS];
}

static void join(struct futex_waiter *waiter, uint64_t key)
{
	struct bucket *bucket = bucket_of(key);

	waiter->key = key;
	waiter->next = NULL;
	waiter->previous = bucket->last;
	*(bucket->last ? &bucket->last->next : &bucket->first) = waiter;
	bucket->last = waiter;
}

static void leave(struct futex_waiter *waiter)
{
	struct bucket *bucket = bucket_of(waiter->key);

	*(waiter->previous ? &waiter->previous->next : &bucket->first) = waiter->next;
	*(waiter->next ? &waiter->next->previous : &bucket->last) = waiter->previous;
	waiter->key = 0;
}

static struct futex_waiter *next_on(struct futex_waiter *waiter, uint64_t key, uint32_t bits)
{
	while (waiter && (waiter->key != key || !(waiter->bits & bits)))
		waiter = waiter->next;
	return waiter;
}

static struct futex_waiter *first_on(uint64_t key, uint32_t bits)
{
	return next_on(bucket_of(key)->first, key, bits);
}

static void wake(struct futex_waiter *waiter)
{
	leave(waiter);
	thread_wake(waiter->thread);
}

static unsigned wake_some(uint64_t key, unsigned count, uint32_t bits)
{
	struct futex_waiter *waiter = first_on(key, bits), *next;
	unsigned woken = 0;

	for (; waiter && woken < count; waiter = next, woken++) {
		next = next_on(waiter->next, key, bits);
		wake(waiter);
	}
	return woken;
}

/* For words that the kit writes: however the thread that waits there names it. */
static void wake_one(uint64_t address)
{
	if (!wake_some(word_at(address, false).key, 1, FUTEX_BITSET_MATCH_ANY))
		wake_some(word_at(address, true).key, 1, FUTEX_BITSET_MATCH_ANY);
}

/* Of the arguments of futex(2) */
static bool is_private(const uint64_t *arg)
{
	return arg[1] & FUTEX_PRIVATE_FLAG;
}

static int read_word(uint64_t address, uint32_t *value)
{
	return address % sizeof(*value) ? -EINVAL : user_read(value, address, sizeof(*value));
}

/* Check a word that is not read: a shared one, whose page Linux looks up, has to be there. */
static int check_word(uint64_t address, bool may_be_absent)
{
	uint32_t value;

	if (address % sizeof(value))
		return -EINVAL;
	if (!may_be_absent)
		return user_read(&value, address, sizeof(value));
	return address < MOTE_USER_END ? 0 : -EFAULT;
}

/* Until when a wait lasts; SHIM_FOREVER: no limit. */
struct futex_limit {
	uint64_t time;    /* ns of CLOCK_MONOTONIC */
	bool is_realtime; /* of CLOCK_REALTIME instead */
};

/* Sleep until woken: 0, -ETIMEDOUT or -EINTR; in these two the waiter has left its list. */
static int sleep_on(struct futex_waiter *waiter, const struct futex_limit *limit)
{
	int result = 0;

	while (waiter->key && result == 0)
		result = limit->is_realtime ? shim_wait_realtime(limit->time)
		                            : shim_wait(limit->time);
	if (!waiter->key)
		return 0;
	leave(waiter);
	return result;
}

/* ---- wait and wake ---- */

/* The timeout of a wait: relative for FUTEX_WAIT, else a moment of one of two clocks. */
static int read_limit(uint64_t address, uint32_t command, bool is_realtime,
                      struct futex_limit *limit)
{
	*limit = (struct futex_limit){SHIM_FOREVER, is_realtime};
	if (!address)
		return 0;
	return command == FUTEX_WAIT ? time_read_timeout(address, &limit->time)
	                             : time_read_span(address, &limit->time);
}

static int64_t futex_wait(const uint64_t *arg, const struct futex_limit *limit, uint32_t bits)
{
	struct futex_waiter waiter = {.thread = thread_current, .bits = bits};
	uint32_t value;
	int result = read_word(arg[0], &value);

	if (!bits)
		return -EINVAL;
	if (result < 0)
		return result;
	if (value != (uint32_t)arg[2])
		return -EAGAIN;
	join(&waiter, word_at(arg[0], is_private(arg)).key);
	/* NOLINTNEXTLINE(clang-analyzer-core.StackAddressEscape): whoever wakes it takes it out */
	return sleep_on(&waiter, limit);
}

/* Wake @wake_count and let at most @move_count others wait on @target, a key too, instead. */
static int64_t requeue(uint64_t key, unsigned wake_count, unsigned move_count, uint64_t target)
{
	unsigned woken = wake_some(key, wake_count, FUTEX_BITSET_MATCH_ANY), moved = 0;
	struct futex_waiter *waiter = first_on(key, FUTEX_BITSET_MATCH_ANY), *next;

	for (; waiter && moved < move_count; waiter = next, moved++) {
		next = next_on(waiter->next, key, FUTEX_BITSET_MATCH_ANY);
		if (target == key)
			continue;
		leave(waiter);
		join(waiter, target);
	}
	return woken + moved;
}

static int64_t futex_requeue(const uint64_t *arg, bool has_expected)
{
	uint64_t address = arg[0], target = arg[4];
	uint32_t value;
	int result;

	if ((int32_t)arg[2] < 0 || (int32_t)arg[3] < 0)
		return -EINVAL;
	result = check_word(address, is_private(arg));
	if (result == 0)
		result = check_word(target, is_private(arg));
	if (result < 0)
		return result;
	if (has_expected) {
		result = read_word(address, &value);
		if (result < 0)
			return result;
		if (value != (uint32_t)arg[5])
			return -EAGAIN;
	}
	return requeue(word_at(address, is_private(arg)).key, (uint32_t)arg[2], (uint32_t)arg[3],
	               word_at(target, is_private(arg)).key);
}

/* futex(2), FUTEX_WAKE_OP: change a second word, and wake there too if it compared so. */
static int64_t futex_wake_operation(const uint64_t *arg)
{
	uint32_t code = (uint32_t)arg[5], operation = code >> 28 & 7, compare = code >> 24 & 15;
	int32_t operand = (int32_t)(code << 8) >> 20, limit = (int32_t)(code << 20) >> 20;
	uint32_t word = 0;
	int32_t old;
	bool is_so;
	int result = check_word(arg[0], is_private(arg));

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
	result = (int)wake_some(word_at(arg[0], is_private(arg)).key, (uint32_t)arg[2],
	                        FUTEX_BITSET_MATCH_ANY);
	if (is_so)
		result += (int)wake_some(word_at(arg[4], is_private(arg)).key, (uint32_t)arg[3],
		                         FUTEX_BITSET_MATCH_ANY);
	return result;
}

/* ---- PI ---- */

/* Hand a PI futex to a waiter, or leave it free. */
static int hand_over(struct futex_word futex, uint32_t kept_bits)
{
	struct futex_waiter *waiter = first_on(futex.key, FUTEX_BITSET_MATCH_ANY);
	uint32_t word = kept_bits;

	if (waiter) {
		word |= (uint32_t)waiter->thread->id;
		if (next_on(waiter->next, futex.key, FUTEX_BITSET_MATCH_ANY))
			word |= FUTEX_WAITERS;
	}
	if (user_write(futex.address, &word, sizeof(word)) < 0)
		return -EFAULT;
	if (waiter)
		wake(waiter);
	return 0;
}

static int64_t futex_lock(const uint64_t *arg, const struct futex_limit *limit, bool only_try)
{
	struct futex_waiter waiter = {.thread = thread_current, .bits = FUTEX_BITSET_MATCH_ANY};
	uint32_t id = (uint32_t)thread_current->id, word;
	int result = read_word(arg[0], &word);
	uint64_t key;

	if (result < 0)
		return result;
	key = word_at(arg[0], is_private(arg)).key;
	if ((word & FUTEX_TID_MASK) == id)
		return -EDEADLK;
	if (!(word & FUTEX_TID_MASK) && !first_on(key, FUTEX_BITSET_MATCH_ANY)) {
		word = id | (word & FUTEX_OWNER_DIED);
		return user_write(arg[0], &word, sizeof(word));
	}
	if (!thread_find((int32_t)(word & FUTEX_TID_MASK)))
		return -ESRCH;
	if (only_try)
		return -EAGAIN;
	word |= FUTEX_WAITERS;
	if (user_write(arg[0], &word, sizeof(word)) < 0)
		return -EFAULT;
	join(&waiter, key);
	/* NOLINTNEXTLINE(clang-analyzer-core.StackAddressEscape): whoever wakes it takes it out */
	return sleep_on(&waiter, limit);
}

static int64_t futex_unlock(const uint64_t *arg)
{
	uint32_t word;
	int result = read_word(arg[0], &word);

	if (result < 0)
		return result;
	if ((word & FUTEX_TID_MASK) != (uint32_t)thread_current->id)
		return -EPERM;
	return hand_over(word_at(arg[0], is_private(arg)), 0);
}

static int64_t futex_lock_until(const uint64_t *arg, bool is_realtime)
{
	struct futex_limit limit;
	int result = read_limit(arg[3], FUTEX_LOCK_PI, is_realtime, &limit);

	return result < 0 ? result : futex_lock(arg, &limit, false);
}

/* ---- the system calls ---- */

static int64_t wait_until(const uint64_t *arg, uint32_t command, bool is_realtime, uint32_t bits)
{
	struct futex_limit limit;
	int result = read_limit(arg[3], command, is_realtime, &limit);

	return result < 0 ? result : futex_wait(arg, &limit, bits);
}

static int64_t wake_bits(const uint64_t *arg, uint32_t bits)
{
	/* As on Linux, a count of 0 wakes one. */
	unsigned count = (int32_t)arg[2] > 1 ? (uint32_t)arg[2] : 1;
	int result = bits ? check_word(arg[0], is_private(arg)) : -EINVAL;

	return result < 0 ? result
	                  : (int64_t)wake_some(word_at(arg[0], is_private(arg)).key, count, bits);
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
	case FUTEX_TRYLOCK_PI: return futex_lock(arg, NULL, true);
	case FUTEX_UNLOCK_PI: return futex_unlock(arg);
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
		struct futex_word shared = word_at(address, false);
		bool is_awaited = first_on(shared.key, FUTEX_BITSET_MATCH_ANY);

		(void)hand_over(is_awaited ? shared : word_at(address, true), FUTEX_OWNER_DIED);
		return;
	}
	word = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
	if (user_write(address, &word, sizeof(word)) == 0)
		wake_one(address);
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
		wake_one(thread->clear_at_exit);
}
