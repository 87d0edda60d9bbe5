/* SPDX-License-Identifier: Apache-2.0 */
/* Signals that are read: signalfd. */
#include <asm/poll.h>
#include <linux/errno.h>
#include <linux/signalfd.h>
#include <stdbool.h>
#include <stddef.h>

#include "guestkit/libc-shim/anon_file.h"
#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/memory.h"
#include "guestkit/timeouts.h"
#include "guestkit/user.h"

#define NO_FD (-1) /* make a new one */

struct signalfd {
	uint64_t mask; /* of the signals that it gives */
};

/* ---- a file ---- */

/* As copy_siginfo_to_user() of Linux lays it out: what a signal has depends on its code. */
static struct signalfd_siginfo describe(const struct signal_info *info)
{
	struct signalfd_siginfo record = {
	        .ssi_signo = (uint32_t)info->signal,
	        .ssi_errno = info->error,
	        .ssi_code = info->code,
	};

	if (info->code > 0) {
		record.ssi_addr = info->address;
	} else if (info->code == SIGNAL_CODE_TIMER) {
		record.ssi_tid = info->timer.id;
		record.ssi_overrun = info->timer.overrun;
		record.ssi_ptr = info->timer.value;
		record.ssi_int = (int32_t)info->timer.value;
	} else {
		record.ssi_pid = (uint32_t)info->sender.pid;
		record.ssi_uid = info->sender.uid;
		record.ssi_ptr = info->sender.value;
		record.ssi_int = (int32_t)info->sender.value;
	}
	return record;
}

/* Take a signal: its number, -EAGAIN, or -EINTR by one that has a handler. */
static int take(const struct signalfd *signalfd, bool is_waiting, struct signal_info *info)
{
	int signal, result = 0;

	timeouts_serve();
	while ((signal = signal_take(signalfd->mask, info)) == 0 && result == 0)
		result = is_waiting ? shim_wait_on(&signal_arrival, SHIM_FOREVER) : -EAGAIN;
	return signal ? signal : result;
}

static int64_t signalfd_read(struct file *file, uint64_t buffer, size_t length, uint64_t *position)
{
	bool is_waiting = !(file->flags & O_NONBLOCK);
	size_t done = 0;

	(void)position;
	if (length < sizeof(struct signalfd_siginfo))
		return -EINVAL;
	while (length - done >= sizeof(struct signalfd_siginfo)) {
		struct signal_info info;
		struct signalfd_siginfo record;
		int result = take(file->private, is_waiting && done == 0, &info);

		if (result > 0) {
			record = describe(&info);
			result = user_write(buffer + done, &record, sizeof(record));
		}
		if (result < 0)
			return done ? (int64_t)done : result;
		done += sizeof(record);
	}
	return (int64_t)done;
}

/* As on Linux, what the thread that asks could read: that is what differs between threads. */
static struct poll_state signalfd_poll(struct file *file)
{
	const struct signalfd *signalfd = file->private;

	return (struct poll_state){
	        .readable = signal_pending() & signalfd->mask,
	        .queue = &signal_arrival,
	};
}

static void signalfd_close(struct file *file)
{
	heap_free(file->private);
}

static const struct file_ops signalfd_ops = {
        .read = signalfd_read,
        .poll = signalfd_poll,
        .close = signalfd_close,
        .seek = anon_file_seek,
        .not_seekable = true,
};

/* ---- system calls ---- */

static int64_t make(uint64_t mask, uint32_t flags)
{
	struct signalfd *signalfd = heap_alloc(sizeof(*signalfd));

	if (!signalfd)
		return -ENOMEM;
	signalfd->mask = mask;
	return anon_file_install("anon_inode:[signalfd]", &signalfd_ops, signalfd, O_RDWR | flags);
}

static int64_t change(uint64_t fd, uint64_t mask)
{
	const struct file *file = file_of_unheld(fd);
	struct signalfd *signalfd;

	if (!file)
		return -EBADF;
	if (file->ops != &signalfd_ops)
		return -EINVAL;
	signalfd = file->private;
	signalfd->mask = mask;
	wait_queue_wake_for(&signal_arrival, POLLIN);
	return (int32_t)fd;
}

int64_t sys_signalfd4(const uint64_t *arg)
{
	uint32_t flags = (uint32_t)arg[3];
	uint64_t mask;

	if (arg[2] != SIGNAL_SET_SIZE)
		return -EINVAL;
	if (user_read(&mask, arg[1], sizeof(mask)) < 0)
		return -EFAULT;
	if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	mask &= ~(signal_bit(SIGNAL_KILL) | signal_bit(SIGNAL_STOP));
	return (int32_t)arg[0] == NO_FD ? make(mask, flags) : change(arg[0], mask);
}

int64_t sys_signalfd(const uint64_t *arg)
{
	return sys_signalfd4((const uint64_t[]){arg[0], arg[1], arg[2], 0});
}
