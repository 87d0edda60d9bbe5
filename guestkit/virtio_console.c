/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of the console device (virtio 1.2, section 5.3).
 *
 * One buffer of output is with the device at a time, and one for input, which is there only once
 * somebody has wanted to read: what nobody reads stays with the host.
 */
#include "guestkit/virtio_console.h"

#include <linux/errno.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>

#include "guestkit/hypercall.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/virtio.h"

#define RECEIVE 0
#define SEND    1

struct wait_queue virtio_console_sent, virtio_console_input;

static struct {
	const struct machine_device *device; /* NULL: none, or it has failed */
	bool is_known;                       /* whether there is one */
	bool is_open;
	struct virtio_queue queues[2];
	uint64_t size; /* of the window, as the configuration has it */

	unsigned char *output; /* CONSOLE_BUFFER bytes */
	size_t output_length;  /* not 0: with the device */

	unsigned char *input; /* CONSOLE_BUFFER bytes */
	size_t input_start, input_end;
	bool is_input_posted, is_input_ended;
} console;

static void fail(void)
{
	console.device = NULL;
	wait_queue_wake(&virtio_console_sent);
	wait_queue_wake(&virtio_console_input);
}

/* Take what the device has given back. */
static void collect(void)
{
	uint32_t written;

	if (virtio_queue_take(&console.queues[SEND], NULL)) {
		console.output_length = 0;
		wait_queue_wake(&virtio_console_sent);
	}
	if (virtio_queue_take(&console.queues[RECEIVE], &written)) {
		console.is_input_posted = false;
		console.is_input_ended = !written;
		console.input_start = 0;
		console.input_end = written < CONSOLE_BUFFER ? written : CONSOLE_BUFFER;
		wait_queue_wake(&virtio_console_input);
	}
}

static void poll_console(struct virtio_driver *driver)
{
	(void)driver;
	if (console.is_open)
		collect();
}

static uint64_t window_size(void)
{
	return virtio_config_now(console.device, 0, 4);
}

/* Something about some device has changed: is it our window, or has ours failed? */
static void configure(struct virtio_driver *driver)
{
	uint64_t size;

	(void)driver;
	if (!console.device)
		return;
	if (virtio_has_failed(console.device)) {
		fail();
		return;
	}
	size = window_size();
	if (size == console.size)
		return;
	console.size = size;
	virtio_console_window_changed();
}

static void open_device(void)
{
	static struct virtio_driver driver = {.poll = poll_console, .config = configure};

	console.output = heap_alloc(CONSOLE_BUFFER);
	console.input = heap_alloc(CONSOLE_BUFFER);
	if (!console.output || !console.input ||
	    virtio_queue_open(&console.queues[RECEIVE], console.device, RECEIVE) ||
	    virtio_queue_open(&console.queues[SEND], console.device, SEND)) {
		fail();
		return;
	}
	console.size = virtio_config(console.device, 0, 4);
	console.is_open = true;
	virtio_driver_add(&driver);
}

bool virtio_console_works(void)
{
	if (!console.is_known) {
		console.is_known = true;
		console.device = virtio_find(VIRTIO_ID_CONSOLE, 0);
		if (console.device)
			open_device();
	}
	return console.device;
}

bool virtio_console_tells_window(void)
{
	return console.is_open && console.device;
}

/* ---- output ---- */

int virtio_console_send(size_t length)
{
	const struct virtio_buffer buffer = {kit_physical(console.output), (uint32_t)length};
	int status;

	memcpy(console.output, console_buffer, length);
	status = virtio_queue_add(&console.queues[SEND], &buffer, 1, 0, &console);
	if (status)
		return status;
	console.output_length = length;
	virtio_notify();
	collect();
	if (console.output_length && virtio_has_failed(console.device)) {
		fail();
		return -EIO;
	}
	return 0;
}

bool virtio_console_is_sending(void)
{
	if (console.is_open && console.output_length && virtio_queue_listen(&console.queues[SEND]))
		collect();
	return console.output_length;
}

size_t virtio_console_unsent(void)
{
	size_t length = console.output_length;

	memcpy(console_buffer, console.output, length);
	console.output_length = 0;
	return length;
}

/* ---- input ---- */

static int post(size_t length)
{
	const struct virtio_buffer buffer = {
	        kit_physical(console.input),
	        (uint32_t)(length < CONSOLE_BUFFER ? length : CONSOLE_BUFFER)};
	int status = virtio_queue_add(&console.queues[RECEIVE], &buffer, 0, 1, &console);

	console.is_input_posted = !status;
	return status;
}

int64_t virtio_console_receive(void *to, size_t length)
{
	size_t there;
	int status = 0;

	collect();
	there = console.input_end - console.input_start;
	if (there) {
		length = length < there ? length : there;
		memcpy(to, console.input + console.input_start, length);
		console.input_start += length;
		return (int64_t)length;
	}
	if (console.is_input_ended) {
		console.is_input_ended = false;
		return 0;
	}
	if (!console.device)
		return -EIO;
	if (!console.is_input_posted)
		status = post(length);
	if (!status)
		virtio_queue_listen(&console.queues[RECEIVE]);
	return status ? status : -EAGAIN;
}

bool virtio_console_has_input(void)
{
	if (console.is_open)
		collect();
	return console.input_end > console.input_start || console.is_input_ended;
}

size_t virtio_console_buffered(void)
{
	return virtio_console_has_input() ? console.input_end - console.input_start : 0;
}

void virtio_console_forget_input(void)
{
	if (console.is_open)
		collect();
	console.input_start = console.input_end = 0;
	console.is_input_ended = false;
}
