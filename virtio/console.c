/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console device (virtio 1.2, section 5.3).
 *
 * How it works. Input is read when the driver has given a buffer for it and stdin has some; a used
 * buffer of length 0 says that it is at its end. Output is written in order, as much as stdout
 * takes; the rest waits in the queue, while the guest goes on. What stdin or stdout answer with an
 * error has no place in the protocol: the device fails, and the guest can ask by hypercalls what
 * the error is.
 */
#include "virtio/console.h"

#include <errno.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mote/abi.h"
#include "vmm/console.h"

#define RECEIVE 0u
#define SEND    1u

#define QUEUE_SIZE 16u /* also the longest chain */

/* What a pipe takes that says it can be written to (PIPE_BUF). */
#define PIECE 4096u

struct console {
	struct virtio_device device; /* first: the two are converted into each other */
	struct virtio_console_config config;
	bool is_file;    /* stdout never makes anybody wait */
	bool is_stalled; /* it takes nothing for now */
	size_t sent;     /* bytes of the chain that is next in the send queue */
};

static struct console *console_of(struct virtio_device *device)
{
	return (struct console *)(void *)device;
}

/* ---- output ---- */

/* #syscalls:run ppoll */
static bool is_stdout_ready(void)
{
	const struct timespec at_once = {0, 0};
	struct pollfd out = {.fd = console_fd(STDOUT_FILENO), .events = POLLOUT};

	return ppoll(&out, 1, &at_once, NULL) > 0;
}

/* Write what is left of a chain: 1; 0 where stdout takes no more for now; -1 at an error. */
static int send_chain(struct console *console, const struct virtqueue_chain *chain, bool may_wait)
{
	while (console->sent < chain->out_bytes) {
		bool is_piece = !console->is_file && !may_wait;
		struct iovec rest[QUEUE_SIZE];
		int64_t written;

		if (is_piece && !is_stdout_ready())
			return 0;
		virtqueue_slice(chain->vectors, chain->out_count, console->sent,
		                chain->out_bytes - console->sent, rest);
		if (is_piece && rest[0].iov_len > PIECE)
			rest[0].iov_len = PIECE;
		written = console_write(STDOUT_FILENO, rest[0].iov_base, rest[0].iov_len);
		if (written == -EINTR)
			return 0;
		if (written < 0)
			return -1;
		console->sent += (size_t)written;
	}
	console->sent = 0;
	return 1;
}

/* Buffers are the driver's to be read only (5.3.6.1). */
static int send(struct console *console, bool may_wait)
{
	struct virtqueue *queue = &console->device.queues[SEND];
	struct virtqueue_chain *chain = &console->device.chain;
	int status;

	while ((status = virtqueue_next(queue, chain)) > 0) {
		if (chain->in_count)
			return -1;
		status = send_chain(console, chain, may_wait);
		console->is_stalled = !status;
		if (status <= 0) {
			virtqueue_put_back(queue);
			break;
		}
		virtqueue_complete(queue, chain->head, 0);
	}
	return status;
}

/* ---- input ---- */

static int receive(struct console *console)
{
	struct virtqueue *queue = &console->device.queues[RECEIVE];
	struct virtqueue_chain *chain = &console->device.chain;
	int status = virtqueue_next(queue, chain);
	int64_t got;

	if (status <= 0)
		return status;
	if (chain->out_count || !chain->in_count)
		return -1;
	got = console_read(chain->vectors[0].iov_base, chain->vectors[0].iov_len, 0);
	if (got < 0) {
		virtqueue_put_back(queue);
		return got == -EAGAIN || got == -EINTR ? 0 : -1;
	}
	virtqueue_complete(queue, chain->head, (uint32_t)got);
	return 0;
}

/* ---- the device ---- */

/* Buffers for input wait until there is some: poll() sees them. */
static int serve(struct virtio_device *device, unsigned queue)
{
	return queue == SEND ? send(console_of(device), false) : 0;
}

static unsigned poll_console(struct virtio_device *device, struct pollfd *polls)
{
	const struct console *console = console_of(device);
	unsigned count = 0;

	if (virtqueue_has_work(&device->queues[RECEIVE]))
		polls[count++] = (struct pollfd){.fd = console_fd(STDIN_FILENO), .events = POLLIN};
	if (console->is_stalled && virtqueue_has_work(&device->queues[SEND]))
		polls[count++] =
		        (struct pollfd){.fd = console_fd(STDOUT_FILENO), .events = POLLOUT};
	return count;
}

static int polled(struct virtio_device *device, const struct pollfd *polls, unsigned count)
{
	struct console *console = console_of(device);
	int status = 0;

	for (unsigned i = 0; i < count && !status; i++) {
		if (polls[i].revents)
			status = polls[i].events & POLLIN ? receive(console) : send(console, false);
	}
	return status;
}

/* Output of a guest that has ended: as that of a process, it is waited for. */
static bool drain(struct virtio_device *device)
{
	struct console *console = console_of(device);

	return send(console, true) == 0 && console->is_stalled;
}

static void reset(struct virtio_device *device)
{
	console_of(device)->sent = 0;
	console_of(device)->is_stalled = false;
}

static void read_config(struct virtio_device *device, size_t offset, void *to, size_t length)
{
	memcpy(to, (const char *)&console_of(device)->config + offset, length);
}

/* Emergency write (5.3.5): a byte, at any time. */
static void write_config(struct virtio_device *device, size_t offset, const void *from,
                         size_t length)
{
	(void)device;
	if (offset == offsetof(struct virtio_console_config, emerg_wr) && length)
		console_write(STDOUT_FILENO, from, 1);
}

/* In a snapshot. */
struct console_state {
	uint64_t sent; /* bytes of the chain that is next in the send queue */
	uint16_t columns, rows;
	uint32_t reserved;
};
_Static_assert(sizeof(struct console_state) == 16, "part of the file format");

static size_t save_bound(const struct virtio_device *device)
{
	(void)device;
	return sizeof(struct console_state);
}

static size_t save(const struct virtio_device *device, void *to)
{
	const struct console *console = (const struct console *)(const void *)device;

	*(struct console_state *)to = (struct console_state){
	        .sent = console->sent,
	        .columns = console->config.cols,
	        .rows = console->config.rows,
	};
	return sizeof(struct console_state);
}

/* Where the driver was promised the size of a terminal, and there is none now, the last one stays.
 */
static int load(struct virtio_device *device, const void *from, size_t size)
{
	struct console *console = console_of(device);
	const struct console_state *state = from;

	if (size != sizeof *state || state->reserved)
		return -1;
	console->sent = state->sent;
	console->is_stalled = virtqueue_has_work(&device->queues[SEND]);
	if (device->lost_features) {
		console->config.cols = state->columns;
		console->config.rows = state->rows;
	} else if (console->config.cols != state->columns || console->config.rows != state->rows) {
		virtio_device_tell_config(device);
	}
	return 0;
}

static const struct virtio_device_ops console_ops = {
        .name = "console",
        .id = VIRTIO_ID_CONSOLE,
        .queue_count = 2,
        .queue_size = {QUEUE_SIZE, QUEUE_SIZE},
        .config_size = sizeof(struct virtio_console_config),
        .serve = serve,
        .reset = reset,
        .read_config = read_config,
        .write_config = write_config,
        .poll = poll_console,
        .polled = polled,
        .drain = drain,
        .save_bound = save_bound,
        .save = save,
        .load = load,
        .features_that_may_go = VIRTIO_FEATURE(VIRTIO_CONSOLE_F_SIZE),
};

/* The size of the first stream that is a terminal: whether there is one. */
static bool measure(struct virtio_console_config *config)
{
	unsigned char block[64] = {0};
	struct winsize size;

	for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
		if (console_control(stream, MOTE_CONSOLE_GET_WINDOW_SIZE, block))
			continue;
		memcpy(&size, block, sizeof size);
		config->cols = size.ws_col;
		config->rows = size.ws_row;
		return true;
	}
	return false;
}

void virtio_console_resized(struct virtio_device *device)
{
	struct console *console = console_of(device);
	struct virtio_console_config before = console->config;

	if (measure(&console->config) &&
	    (before.cols != console->config.cols || before.rows != console->config.rows))
		virtio_device_tell_config(device);
}

struct virtio_device *virtio_console_create(const struct guest_memory *memory)
{
	struct console *console = calloc(1, sizeof *console);
	uint64_t features = VIRTIO_FEATURE(VIRTIO_CONSOLE_F_EMERG_WRITE);
	struct stat status;

	if (!console)
		return NULL;
	console->is_file = !fstat(console_fd(STDOUT_FILENO), &status) && S_ISREG(status.st_mode);
	console->config.max_nr_ports = 1;
	if (measure(&console->config))
		features |= VIRTIO_FEATURE(VIRTIO_CONSOLE_F_SIZE);
	virtio_device_init(&console->device, &console_ops, features, memory);
	return &console->device;
}
