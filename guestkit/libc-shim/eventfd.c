/* SPDX-License-Identifier: Apache-2.0 */
/* Event counters: eventfd. */
#include <asm/poll.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <stdbool.h>

#include "guestkit/libc-shim/anon_file.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/memory.h"
#include "guestkit/user.h"

#define EVENTFD_SEMAPHORE 1u               /* EFD_SEMAPHORE */
#define COUNT_MAX         (UINT64_MAX - 1) /* what a counter may reach */

struct eventfd {
	uint64_t count;
	bool is_semaphore;
	struct wait_queue queue;
};

/* Sleep until the counter has changed: 0, -EINTR or -EAGAIN. */
static int eventfd_wait(const struct file *file)
{
	struct eventfd *eventfd = file->private;

	return file->flags & O_NONBLOCK ? -EAGAIN : shim_wait_on(&eventfd->queue, SHIM_FOREVER);
}

static int64_t eventfd_read(struct file *file, uint64_t buffer, size_t length, uint64_t *position)
{
	struct eventfd *eventfd = file->private;
	uint64_t value;

	(void)position;
	if (length < sizeof(value))
		return -EINVAL;
	while (!eventfd->count) {
		int result = eventfd_wait(file);

		if (result < 0)
			return result;
	}
	value = eventfd->is_semaphore ? 1 : eventfd->count;
	eventfd->count -= value;
	wait_queue_wake_for(&eventfd->queue, POLLOUT);
	return user_write(buffer, &value, sizeof(value)) < 0 ? -EFAULT : (int64_t)sizeof(value);
}

static int64_t add(struct file *file, uint64_t value)
{
	struct eventfd *eventfd = file->private;

	if (value > COUNT_MAX)
		return -EINVAL;
	while (value > COUNT_MAX - eventfd->count) {
		int result = eventfd_wait(file);

		if (result < 0)
			return result;
	}
	eventfd->count += value;
	wait_queue_wake_for(&eventfd->queue, POLLIN);
	return sizeof(value);
}

static int64_t eventfd_write(struct file *file, uint64_t buffer, size_t length, uint64_t *position)
{
	uint64_t value;

	(void)position;
	if (length < sizeof(value))
		return -EINVAL;
	return user_read(&value, buffer, sizeof(value)) < 0 ? -EFAULT : add(file, value);
}

static struct poll_state eventfd_poll(struct file *file)
{
	struct eventfd *eventfd = file->private;

	return (struct poll_state){
	        .readable = eventfd->count > 0,
	        .writable = eventfd->count < COUNT_MAX,
	        .queue = &eventfd->queue,
	};
}

static void eventfd_close(struct file *file)
{
	heap_free(file->private);
}

static const struct file_ops eventfd_ops = {
        .read = eventfd_read,
        .write = eventfd_write,
        .poll = eventfd_poll,
        .close = eventfd_close,
        .seek = anon_file_seek,
        .not_seekable = true,
};

int64_t sys_eventfd2(const uint64_t *arg)
{
	uint32_t flags = (uint32_t)arg[1];
	struct eventfd *eventfd;

	if (flags & ~(uint32_t)(EVENTFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	eventfd = heap_alloc(sizeof(*eventfd));
	if (!eventfd)
		return -ENOMEM;
	eventfd->count = (uint32_t)arg[0];
	eventfd->is_semaphore = flags & EVENTFD_SEMAPHORE;
	return anon_file_install("anon_inode:[eventfd]", &eventfd_ops, eventfd,
	                         O_RDWR | (flags & (O_CLOEXEC | O_NONBLOCK)));
}

int64_t sys_eventfd(const uint64_t *arg)
{
	return sys_eventfd2((const uint64_t[]){arg[0], 0});
}
