/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of files to wait for: epoll.
 *
 * How it works
 *
 * A registration (struct epoll_item) stands for a pair of open file and descriptor in one set. It
 * has a waiter in the file's wait queue for as long as it lives; when the file changes in a way
 * that it asks for, it joins the set's ready list, and a thread that waits for the set is woken.
 * epoll_wait() goes through that list alone, from its head, and asks each file what it has to tell:
 * one that has nothing leaves the list, a level-triggered one goes to its end, so that all have
 * their turn. A set is a file that can be polled, and so be in another set; chains end at a depth
 * that bounds the kit's stack.
 *
 * A registration holds no reference to its file: the last file_put() takes it out of all sets, and
 * until then it reports, though its descriptor may be closed, as on Linux.
 *
 * Standard input differs, because only the host knows when it can be read: telling is an exit, and
 * waiting for input that lies unread would never sleep. A registration of it is in the queue only
 * after a look that found nothing to read, and the queue is asked to look now and then.
 */
#include "guestkit/libc-shim/epoll.h"

#include <linux/errno.h>
#include <linux/eventpoll.h>
#include <stdbool.h>
#include <stddef.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/anon_file.h"
#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/poll.h"
#include "guestkit/libc-shim/socket.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/time_value.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/memory.h"
#include "guestkit/snapshot.h"
#include "guestkit/timeouts.h"
#include "guestkit/user.h"
#include "mote/abi.h"

#define NS_PER_MS    1000000ull
#define LOOK_NS      NS_PER_MS /* input is looked for so often while other files are ready */
#define SIGSET_BYTES 8
#define EVENTS_MAX   (INT32_MAX / sizeof(struct epoll_event))
#define CHAIN_MAX    5 /* sets in sets, the first one included */

/* What EPOLLEXCLUSIVE goes with; and bits of a registration that are no events. */
#define EXCLUSIVE_BITS \
	(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)
#define MODE_BITS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)

struct epoll_item {
	struct waiter waiter; /* first: the two are converted into each other */
	struct epoll *epoll;
	struct file *file; /* not referenced */
	int fd;
	uint32_t events; /* EPOLL*; MODE_BITS alone: disabled by EPOLLONESHOT */
	uint64_t data;
	bool is_input; /* standard input */
	bool is_ready;
	uint64_t input_reads; /* shim_console_reads when last reported */
	struct epoll_item *ready_next, *ready_previous;
	struct epoll_item *next, *previous;           /* in the set */
	struct epoll_item *file_next, *file_previous; /* of the same file */
};

struct epoll {
	struct file *file; /* of the set itself */
	struct epoll_item *items;
	struct epoll_item *ready_first, *ready_last;
	unsigned inputs;            /* items that are standard input */
	uint64_t looked;            /* for input: CLOCK_MONOTONIC ns */
	struct wait_queue sleepers; /* threads in epoll_wait() */
	struct wait_queue queue;    /* of others, woken when an item becomes ready */
	uint64_t walk;              /* the last one that came by, and what it found */
	unsigned chain;
};

static const struct file_ops epoll_ops;

/* The set behind an open file, or NULL. */
static struct epoll *file_epoll(const struct file *file)
{
	return file->ops == &epoll_ops ? file->private : NULL;
}

static bool wants_input(const struct epoll_item *item)
{
	return item->is_input && item->events & POLL_READ_BITS;
}

/* ---- the ready list ---- */

static void ready_add(struct epoll_item *item)
{
	struct epoll *epoll = item->epoll;

	if (item->is_ready)
		return;
	item->is_ready = true;
	item->ready_next = NULL;
	item->ready_previous = epoll->ready_last;
	*(epoll->ready_last ? &epoll->ready_last->ready_next : &epoll->ready_first) = item;
	epoll->ready_last = item;
}

/* Where it was: the next one to be looked at. */
static void ready_put_back(struct epoll_item *item)
{
	struct epoll *epoll = item->epoll;

	item->is_ready = true;
	item->ready_previous = NULL;
	item->ready_next = epoll->ready_first;
	*(epoll->ready_first ? &epoll->ready_first->ready_previous : &epoll->ready_last) = item;
	epoll->ready_first = item;
}

static void ready_remove(struct epoll_item *item)
{
	struct epoll *epoll = item->epoll;

	if (!item->is_ready)
		return;
	item->is_ready = false;
	*(item->ready_previous ? &item->ready_previous->ready_next : &epoll->ready_first) =
	        item->ready_next;
	*(item->ready_next ? &item->ready_next->ready_previous : &epoll->ready_last) =
	        item->ready_previous;
}

/* One thread is woken for an event, the one that has slept longest. */
static void wake_sleeper(struct epoll *epoll)
{
	struct waiter *sleeper = epoll->sleepers.first;

	if (!sleeper)
		return;
	wait_queue_remove(sleeper);
	sleeper->notify(sleeper, POLL_READ_BITS);
}

static void ready_add_and_wake(struct epoll_item *item)
{
	ready_add(item);
	wake_sleeper(item->epoll);
	wait_queue_wake_for(&item->epoll->queue, POLL_READ_BITS);
}

/* ---- one registration ---- */

static void item_notify(struct waiter *waiter, uint32_t events)
{
	struct epoll_item *item = (struct epoll_item *)waiter;

	if (item->is_input)
		wait_queue_remove(waiter); /* until a look finds that it cannot be read */
	/* Both ends of a pipe share a queue. */
	if (!file_is_readable(item->file))
		events &= ~(uint32_t)POLL_READ_BITS;
	if (!file_is_writable(item->file))
		events &= ~(uint32_t)POLL_WRITE_BITS;
	if (events & item->events & ~(uint32_t)MODE_BITS)
		ready_add_and_wake(item);
}

/* The events that its file has for it now. */
static uint32_t item_look(struct epoll_item *item)
{
	struct poll_state state = item->file->ops->poll(item->file);
	uint32_t bits = poll_state_bits(&state) & item->events;

	if (wants_input(item) && !state.readable && !item->waiter.queue)
		wait_queue_add(&shim_console_input, &item->waiter);
	return bits;
}

static struct epoll_item *item_find(const struct epoll *epoll, const struct file *file, int fd)
{
	struct epoll_item *item = file->watched;

	while (item && (item->epoll != epoll || item->fd != fd))
		item = item->file_next;
	return item;
}

static int64_t item_add(struct epoll *epoll, struct file *file, int fd,
                        const struct epoll_event *event)
{
	struct epoll_item *item = heap_alloc(sizeof(*item));
	struct poll_state state;

	if (!item)
		return -ENOMEM;
	item->waiter.notify = item_notify;
	item->epoll = epoll;
	item->file = file;
	item->fd = fd;
	item->events = event->events | EPOLLERR | EPOLLHUP;
	item->data = event->data;
	item->next = epoll->items;
	if (item->next)
		item->next->previous = item;
	epoll->items = item;
	item->file_next = file->watched;
	if (item->file_next)
		item->file_next->file_previous = item;
	file->watched = item;

	state = file->ops->poll(file);
	item->is_input = state.queue == &shim_console_input;
	epoll->inputs += item->is_input;
	/* In Linux' order, which shows where a file is in several sets, or under two numbers. */
	if (item->is_input ? wants_input(item) && !state.readable : state.queue != NULL)
		(event->events & EPOLLEXCLUSIVE ? wait_queue_add
		                                : wait_queue_add_first)(state.queue, &item->waiter);
	if (poll_state_bits(&state) & item->events)
		ready_add_and_wake(item);
	return 0;
}

static void item_change(struct epoll_item *item, const struct epoll_event *event)
{
	item->events = event->events | EPOLLERR | EPOLLHUP;
	item->data = event->data;
	if (item_look(item) && !item->is_ready)
		ready_add_and_wake(item);
}

static void item_remove(struct epoll_item *item)
{
	struct epoll *epoll = item->epoll;

	wait_queue_remove(&item->waiter);
	ready_remove(item);
	epoll->inputs -= item->is_input;
	*(item->previous ? &item->previous->next : &epoll->items) = item->next;
	if (item->next)
		item->next->previous = item->previous;
	*(item->file_previous ? &item->file_previous->file_next : &item->file->watched) =
	        item->file_next;
	if (item->file_next)
		item->file_next->file_previous = item->file_previous;
	heap_free(item);
}

void epoll_forget(struct file *file)
{
	while (file->watched)
		item_remove(file->watched);
}

/* ---- standard input ---- */

/* Edge-triggered ones report anew once somebody has read what they reported. */
static void rearm_inputs(struct epoll *epoll)
{
	for (struct epoll_item *item = epoll->items; item; item = item->next)
		if (wants_input(item) && !item->waiter.queue &&
		    item->input_reads != shim_console_reads)
			ready_add(item);
}

/* Before a look at the ready list: only the host knows whether there is input. */
static void look_for_input(struct epoll *epoll)
{
	uint64_t now;

	if (!epoll->inputs)
		return;
	rearm_inputs(epoll);
	now = clock_monotonic();
	if (epoll->ready_first && now - epoll->looked < LOOK_NS)
		return;
	epoll->looked = now;
	if (shim_console_input.first)
		shim_look_at_host();
}

/* ---- a set as a file ---- */

static struct poll_state epoll_poll(struct file *file)
{
	struct epoll *epoll = file->private;
	struct poll_state state = {.queue = &epoll->queue};

	look_for_input(epoll);
	while (epoll->ready_first && !state.readable) {
		struct epoll_item *item = epoll->ready_first;

		state.readable = item_look(item);
		if (!state.readable)
			ready_remove(item);
	}
	return state;
}

static void epoll_close(struct file *file)
{
	struct epoll *epoll = file->private;

	while (epoll->items)
		item_remove(epoll->items);
	heap_free(epoll);
}

static const struct file_ops epoll_ops = {
        .poll = epoll_poll,
        .close = epoll_close,
        .seek = anon_file_seek,
        .not_seekable = true,
};

static int64_t epoll_create(uint32_t flags)
{
	struct epoll *epoll = heap_alloc(sizeof(*epoll));
	int fd;

	if (!epoll)
		return -ENOMEM;
	fd = anon_file_install("anon_inode:[eventpoll]", &epoll_ops, epoll,
	                       O_RDWR | (flags & O_CLOEXEC));
	if (fd >= 0)
		epoll->file = descriptor_file(fd);
	return fd;
}

int64_t sys_epoll_create(const uint64_t *arg)
{
	return (int32_t)arg[0] <= 0 ? -EINVAL : epoll_create(0);
}

int64_t sys_epoll_create1(const uint64_t *arg)
{
	return (uint32_t)arg[0] & ~(uint32_t)O_CLOEXEC ? -EINVAL : epoll_create((uint32_t)arg[0]);
}

/* ---- sets in sets ---- */

static uint64_t walks;

/* The longest chain of sets from one downwards; more than CHAIN_MAX where it leads to @into. */
static unsigned chain_below(struct epoll *epoll, const struct epoll *into)
{
	unsigned longest = 0;

	if (epoll == into)
		return CHAIN_MAX + 1;
	if (epoll->walk == walks)
		return epoll->chain;
	for (const struct epoll_item *item = epoll->items; item; item = item->next) {
		struct epoll *inner = file_epoll(item->file);
		unsigned chain = inner ? chain_below(inner, into) : 0;

		if (chain > longest)
			longest = chain;
	}
	epoll->walk = walks;
	epoll->chain = longest + 1;
	return epoll->chain;
}

/* The same upwards. */
static unsigned chain_above(struct epoll *epoll)
{
	unsigned longest = 0;

	if (epoll->walk == walks)
		return epoll->chain;
	for (const struct epoll_item *item = epoll->file->watched; item; item = item->file_next) {
		unsigned chain = chain_above(item->epoll);

		if (chain > longest)
			longest = chain;
	}
	epoll->walk = walks;
	epoll->chain = longest + 1;
	return epoll->chain;
}

static bool may_contain(struct epoll *epoll, struct epoll *inner)
{
	unsigned below, above;

	walks++;
	below = chain_below(inner, epoll);
	walks++;
	above = chain_above(epoll);
	return below + above <= CHAIN_MAX;
}

/* ---- epoll_ctl ---- */

/* What EPOLLEXCLUSIVE can be combined with. */
static bool is_valid_exclusive(int operation, const struct epoll_event *event,
                               const struct epoll *inner)
{
	if (!(event->events & EPOLLEXCLUSIVE) || operation == EPOLL_CTL_DEL)
		return true;
	return operation != EPOLL_CTL_MOD && !inner && !(event->events & ~EXCLUSIVE_BITS);
}

/* The checks in Linux' order, since a program can tell. */
int64_t sys_epoll_ctl(const uint64_t *arg)
{
	int operation = (int)arg[1], fd = (int)arg[2];
	struct epoll_event event = {0};
	struct file *set, *file;
	struct epoll *epoll, *inner;
	struct epoll_item *item;

	if (operation != EPOLL_CTL_DEL && user_read(&event, arg[3], sizeof(event)) < 0)
		return -EFAULT;
	set = file_of_unheld(arg[0]);
	file = file_of_unheld(arg[2]);
	if (!set || !file)
		return -EBADF;
	if (!file->ops->poll)
		return -EPERM;
	epoll = file_epoll(set);
	inner = file_epoll(file);
	if (set == file || !epoll || !is_valid_exclusive(operation, &event, inner))
		return -EINVAL;
	if (operation == EPOLL_CTL_ADD && inner && !may_contain(epoll, inner))
		return -ELOOP;
	item = item_find(epoll, file, fd);
	switch (operation) {
	case EPOLL_CTL_ADD: return item ? -EEXIST : item_add(epoll, file, fd, &event);
	case EPOLL_CTL_MOD:
		if (!item)
			return -ENOENT;
		if (item->events & EPOLLEXCLUSIVE)
			return -EINVAL;
		item_change(item, &event);
		return 0;
	case EPOLL_CTL_DEL:
		if (!item)
			return -ENOENT;
		item_remove(item);
		return 0;
	default: return -EINVAL;
	}
}

/* ---- epoll_wait ---- */

/* Report an item that has events. */
static int item_report(struct epoll_item *item, uint32_t bits, uint64_t user)
{
	const struct epoll_event event = {.events = bits, .data = item->data};

	if (user_write(user, &event, sizeof(event)) < 0)
		return -EFAULT;
	if (item->events & EPOLLONESHOT)
		item->events &= MODE_BITS;
	else if (!(item->events & EPOLLET))
		ready_add(item);
	item->input_reads = shim_console_reads;
	return 0;
}

/* Go once through the ready list. Return: how many events were written, or -EFAULT. */
static int64_t collect(struct epoll *epoll, uint64_t user, int limit)
{
	struct epoll_item *item, *last = epoll->ready_last;
	int64_t count = 0;
	bool is_last = !last;

	while (!is_last && count < limit) {
		uint32_t bits;

		item = epoll->ready_first;
		is_last = item == last;
		ready_remove(item);
		bits = item_look(item);
		if (!bits)
			continue;
		if (item_report(item, bits, user + (uint64_t)count * sizeof(struct epoll_event))) {
			ready_put_back(item);
			return count ? count : -EFAULT;
		}
		count++;
	}
	return count;
}

/* --snapshot-at=listen: the call is about to sleep. */
static bool has_listener(const struct epoll *epoll)
{
	for (const struct epoll_item *item = epoll->items; item; item = item->next)
		if (file_is_idle_listener(item->file))
			return true;
	return false;
}

static int64_t wait_until(const uint64_t *arg, uint64_t deadline)
{
	int limit = (int)arg[2], woken = 0;
	struct file *file = file_of(arg[0]);
	struct epoll *epoll;

	if (!file)
		return -EBADF;
	if (limit <= 0 || (unsigned)limit > EVENTS_MAX)
		return -EINVAL;
	if (arg[1] > MOTE_USER_END - (uint64_t)limit * sizeof(struct epoll_event))
		return -EFAULT;
	epoll = file_epoll(file);
	if (!epoll)
		return -EINVAL;
	for (;;) {
		int64_t count;

		timeouts_serve();
		look_for_input(epoll);
		count = collect(epoll, arg[1], limit);
		if (!count && !deadline && shim_glance())
			count = collect(epoll, arg[1], limit);
		/* What is left is for another thread. */
		if (count && epoll->ready_first)
			wake_sleeper(epoll);
		if (count || !deadline || woken == -ETIMEDOUT)
			return count;
		if (woken == -EINTR)
			return woken;
		if (snapshot_is_wanted(MOTE_SNAPSHOT_LISTEN) && has_listener(epoll) &&
		    snapshot_take(MOTE_SNAPSHOT_LISTEN) > MOTE_SNAPSHOT_NONE)
			continue; /* timers may have expired */
		woken = shim_wait_on(&epoll->sleepers, deadline);
	}
}

static uint64_t deadline_after_ms(uint64_t timeout)
{
	int32_t milliseconds = (int32_t)timeout;

	if (milliseconds < 0)
		return SHIM_FOREVER;
	return milliseconds ? time_deadline_after((uint64_t)milliseconds * NS_PER_MS) : 0;
}

static int64_t set_mask(uint64_t user, uint64_t size)
{
	uint64_t mask;

	if (!user)
		return 0;
	if (size != SIGSET_BYTES)
		return -EINVAL;
	if (user_read(&mask, user, sizeof(mask)) < 0)
		return -EFAULT;
	shim_wait_mask(mask);
	return 0;
}

int64_t sys_epoll_wait(const uint64_t *arg)
{
	return wait_until(arg, deadline_after_ms(arg[3]));
}

int64_t sys_epoll_pwait(const uint64_t *arg)
{
	int64_t result = set_mask(arg[4], arg[5]);

	return result < 0 ? result : wait_until(arg, deadline_after_ms(arg[3]));
}

int64_t sys_epoll_pwait2(const uint64_t *arg)
{
	uint64_t span, deadline = SHIM_FOREVER;
	int64_t result = arg[3] ? time_read_span(arg[3], &span) : 0;

	if (result == 0 && arg[3])
		deadline = span ? time_deadline_after(span) : 0;
	if (result == 0)
		result = set_mask(arg[4], arg[5]);
	return result < 0 ? result : wait_until(arg, deadline);
}
