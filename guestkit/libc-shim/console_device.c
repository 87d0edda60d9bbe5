/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing the console through its virtio device. */
#include "guestkit/libc-shim/console_device.h"

#include <linux/errno.h>
#include <linux/fcntl.h>

#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/virtio.h"

#define STDOUT 1

void virtio_console_window_changed(void)
{
	const struct signal_cause resized = {.code = SIGNAL_CODE_KERNEL,
	                                     .vector = MOTE_CRASH_NO_VECTOR};

	signal_send(SIGNAL_WINCH, &resized);
}

int64_t console_device_read(const struct file *file, size_t length)
{
	bool is_blocking = !(file->flags & O_NONBLOCK);

	for (bool has_asked = false;; has_asked = true) {
		int64_t got = virtio_console_receive(console_buffer, length);

		if (got == -EIO)
			return console_read_buffer(length, is_blocking ? MOTE_CONSOLE_BLOCK : 0);
		if (got != -EAGAIN || (has_asked && !is_blocking))
			return got;
		if (!is_blocking)
			virtio_kick();
		else if (shim_wait_on(&virtio_console_input, SHIM_FOREVER) == -EINTR)
			return -EINTR;
	}
}

int console_device_reserve(const struct file *file)
{
	while (virtio_console_works() && virtio_console_is_sending()) {
		if (file->flags & O_NONBLOCK) {
			virtio_kick();
			if (virtio_console_is_sending())
				return -EAGAIN;
		} else if (shim_wait_on(&virtio_console_sent, SHIM_FOREVER) == -EINTR) {
			return -EINTR;
		}
	}
	return 0;
}

int64_t console_device_write(const struct file *file, size_t length)
{
	int status = virtio_console_works() ? virtio_console_send(length) : -EIO;

	if (status == -ENOMEM)
		return status;
	/* What a signal leaves behind is on its way all the same. */
	while (!status && !(file->flags & O_NONBLOCK) && virtio_console_is_sending()) {
		if (!virtio_console_works())
			status = -EIO;
		else if (shim_wait_on(&virtio_console_sent, SHIM_FOREVER) == -EINTR)
			break;
	}
	if (status != -EIO)
		return (int64_t)length;
	virtio_console_unsent();
	return console_write_buffer(STDOUT, length);
}

void console_device_settle(void)
{
	while (virtio_console_works() && virtio_console_is_sending())
		shim_wait_for_host(SHIM_FOREVER);
}
