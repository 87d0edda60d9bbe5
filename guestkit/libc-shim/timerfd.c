/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers that are read: timerfd.
 *
 * A repeating timer that nobody reads costs nothing: it expires once, and turns that passed since
 * are counted when it is read or asked for.
 */
#include <asm/poll.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/time.h>
#include <linux/timerfd.h>

#include "guestkit/libc-shim/anon_file.h"
#include "guestkit/libc-shim/clock_timer.h"
#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/timerfd.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/memory.h"
#include "guestkit/user.h"

struct timerfd {
	struct clock_timer timer; /* first: the two are converted into each other */
	uint64_t ticks;           /* since the last read */
	bool has_expired;         /* and is not armed, though it may repeat */
	bool is_cancelled;        /* the clock was set, and nobody has been told */
	struct wait_queue queue;
	struct timerfd *next_cancelled_on_set;
};

/* Those with TFD_TIMER_CANCEL_ON_SET. */
static struct timerfd *cancelled_on_set;

static void timerfd_expire(struct clock_timer *timer)
{
	struct timerfd *timerfd = (struct timerfd *)timer;

	timerfd->has_expired = true;
	timerfd->ticks++;
	wait_queue_wake_for(&timerfd->queue, POLLIN);
}

/* Count the turns that have passed since the first. */
static void catch_up(struct timerfd *timerfd)
{
	uint64_t turns;

	if (!timerfd->has_expired || !timerfd->timer.interval)
		return;
	turns = clock_timer_forward(&timerfd->timer);
	timerfd->ticks += turns ? turns - 1 : 0;
	timerfd->has_expired = false;
	clock_timer_arm(&timerfd->timer);
}

static void leave_list(struct timerfd *timerfd)
{
	struct timerfd **link = &cancelled_on_set;

	while (*link && *link != timerfd)
		link = &(*link)->next_cancelled_on_set;
	if (*link)
		*link = timerfd->next_cancelled_on_set;
}

void timerfd_clock_was_set(void)
{
	for (struct timerfd *timerfd = cancelled_on_set; timerfd;
	     timerfd = timerfd->next_cancelled_on_set) {
		timerfd->is_cancelled = true;
		wait_queue_wake_for(&timerfd->queue, POLLIN);
	}
}

/* timerfd_create(2): read() tells once that the clock was set, in place of the expiries. */
static bool take_cancellation(struct timerfd *timerfd)
{
	bool was_cancelled = timerfd->is_cancelled;

	if (was_cancelled)
		timerfd->ticks = 0;
	timerfd->is_cancelled = false;
	return was_cancelled;
}

static int64_t timerfd_read(struct file *file, uint64_t buffer, size_t length, uint64_t *position)
{
	struct timerfd *timerfd = file->private;
	uint64_t ticks;

	(void)position;
	if (length < sizeof(ticks))
		return -EINVAL;
	timeouts_serve();
	while (!timerfd->ticks && !timerfd->is_cancelled) {
		int result = -EAGAIN;

		if (!(file->flags & O_NONBLOCK))
			result = shim_wait_on(&timerfd->queue, SHIM_FOREVER);
		if (result < 0)
			return result;
	}
	catch_up(timerfd);
	if (take_cancellation(timerfd))
		return -ECANCELED;
	ticks = timerfd->ticks;
	timerfd->ticks = 0;
	return user_write(buffer, &ticks, sizeof(ticks)) < 0 ? -EFAULT : (int64_t)sizeof(ticks);
}

static struct poll_state timerfd_poll(struct file *file)
{
	struct timerfd *timerfd = file->private;

	return (struct poll_state){.readable = timerfd->ticks > 0 || timerfd->is_cancelled,
	                           .queue = &timerfd->queue};
}

static void timerfd_close(struct file *file)
{
	struct timerfd *timerfd = file->private;

	clock_timer_disarm(&timerfd->timer);
	leave_list(timerfd);
	heap_free(timerfd);
}

static const struct file_ops timerfd_ops = {
        .read = timerfd_read,
        .poll = timerfd_poll,
        .close = timerfd_close,
        .seek = anon_file_seek,
        .not_seekable = true,
};

static bool is_clock(int32_t id)
{
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM: return true;
	default: return false;
	}
}

int64_t sys_timerfd_create(const uint64_t *arg)
{
	uint32_t flags = (uint32_t)arg[1];
	struct timerfd *timerfd;

	if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK) || !is_clock((int32_t)arg[0]))
		return -EINVAL;
	timerfd = heap_alloc(sizeof(*timerfd));
	if (!timerfd)
		return -ENOMEM;
	timerfd->timer.clock = (int32_t)arg[0];
	timerfd->timer.expire = timerfd_expire;
	return anon_file_install("anon_inode:[timerfd]", &timerfd_ops, timerfd, O_RDWR | flags);
}

static int find(uint64_t fd, struct timerfd **found)
{
	const struct file *file = file_of_unheld(fd);

	if (!file)
		return -EBADF;
	*found = file->private;
	return file->ops == &timerfd_ops ? 0 : -EINVAL;
}

/* What is left of the turn, and the interval. */
static struct clock_timer_value remaining(struct timerfd *timerfd)
{
	const struct clock_timer *timer = &timerfd->timer;
	struct clock_timer_value value = {.interval = timer->interval};
	uint64_t now;

	timeouts_serve();
	catch_up(timerfd);
	now = clock_timer_now(timer);
	if (timer->due > now)
		value.value = timer->due - now;
	return value;
}

int64_t sys_timerfd_gettime(const uint64_t *arg)
{
	struct timerfd *timerfd;
	struct clock_timer_value value;
	int result = find(arg[0], &timerfd);

	if (result < 0)
		return result;
	value = remaining(timerfd);
	return clock_timer_write(arg[1], &value);
}

static bool is_realtime(const struct timerfd *timerfd)
{
	return timerfd->timer.clock == CLOCK_REALTIME ||
	       timerfd->timer.clock == CLOCK_REALTIME_ALARM;
}

/* TFD_TIMER_CANCEL_ON_SET: nobody in a guest sets its clock, but a start from a snapshot does. */
static void set_cancellation(struct timerfd *timerfd, uint32_t flags)
{
	const uint32_t both = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;

	leave_list(timerfd);
	timerfd->is_cancelled = false;
	if ((flags & both) != both || !is_realtime(timerfd))
		return;
	timerfd->next_cancelled_on_set = cancelled_on_set;
	cancelled_on_set = timerfd;
}

int64_t sys_timerfd_settime(const uint64_t *arg)
{
	uint32_t flags = (uint32_t)arg[1];
	struct clock_timer_value value, old;
	struct timerfd *timerfd;
	int result = clock_timer_read(arg[2], &value);

	if (result < 0)
		return result;
	if (flags & ~(uint32_t)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
		return -EINVAL;
	result = find(arg[0], &timerfd);
	if (result < 0)
		return result;
	old = remaining(timerfd);
	timerfd->ticks = 0;
	timerfd->has_expired = false;
	set_cancellation(timerfd, flags);
	clock_timer_set(&timerfd->timer, &value, flags & TFD_TIMER_ABSTIME);
	if (value.value)
		clock_timer_arm(&timerfd->timer);
	timeouts_serve(); /* it may be due already */
	return arg[3] ? clock_timer_write(arg[3], &old) : 0;
}
