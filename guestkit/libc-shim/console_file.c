/* SPDX-License-Identifier: Apache-2.0 */
/* Files on the VMM's stdin, stdout and stderr, and on the terminal behind them. */
#include "guestkit/libc-shim/console_file.h"

#include "guestkit/machine.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "guestkit/clock.h"
#include "guestkit/console.h"
#include "guestkit/libc-shim/console_device.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/snapshot.h"
#include "guestkit/string.h"
#include "guestkit/thread.h"
#include "guestkit/timeouts.h"
#include "guestkit/user.h"
#include "guestkit/virtio.h"
#include "mote/abi.h"

/*
 * How it works. There are three inodes, one for each stream. What a stream is on the host (pipe,
 * file, terminal) is in the device tree. A terminal is one device however it is reached: where it
 * is both stdin and stdout, descriptor 0 can be written and descriptor 1 read, as natively.
 * /dev/tty is the terminal by itself.
 */

#define STREAMS      3
#define STREAM_TTY   STREAMS /* /dev/tty and /dev/console: whatever stream is a terminal */
#define STREAM_NONE  (-1)
#define STREAM_OUT   1
#define RETRY_NS     2000000 /* between two tries to write where the host's stream is full */
#define SIGNAL_PIPE  13
#define TERMIOS_SIZE 36 /* struct termios of the kernel */
#define WINSIZE_SIZE 8

struct stream {
	struct inode inode;
};

static struct stream streams[STREAMS];
static struct inode terminal; /* what console_terminal_identity() told; no references */

static const struct inode_ops stream_inode_ops;

static int stream_of(const struct inode *inode)
{
	return inode->ops == &stream_inode_ops
	               ? (int)((const struct stream *)(const void *)inode - streams)
	               : STREAM_TTY;
}

/* ---- what a stream is ---- */

static bool is_terminal(int stream)
{
	return machine.console[stream] & MOTE_CONSOLE_IS_TERMINAL;
}

/* The first stream from @first on that is a terminal. */
static int first_terminal(int first)
{
	for (int stream = first; stream < STREAMS; stream++) {
		if (is_terminal(stream))
			return stream;
	}
	return STREAM_NONE;
}

/* Where reading a file reads: stdin, or a negative errno. */
static int input_of(const struct file *file)
{
	int stream = stream_of(file->inode);

	if (stream == 0)
		return 0;
	if (stream == STREAM_TTY)
		return is_terminal(0) ? 0 : -EIO;
	return is_terminal(stream) && is_terminal(0) ? 0 : -EBADF;
}

/* Where writing to a file writes: 1 or 2, or a negative errno. */
static int output_of(const struct file *file)
{
	int stream = stream_of(file->inode);
	int output;

	if (stream == 1 || stream == 2)
		return stream;
	if (stream == 0 && !is_terminal(0))
		return -EBADF;
	output = first_terminal(1);
	if (output != STREAM_NONE)
		return output;
	return stream == 0 ? -EBADF : -EIO;
}

/* The stream whose terminal a file is, or STREAM_NONE. */
static int control_of(const struct file *file)
{
	int stream = stream_of(file->inode);

	if (stream == STREAM_TTY)
		return first_terminal(0);
	return is_terminal(stream) ? stream : STREAM_NONE;
}

static void become_terminal(struct inode *inode)
{
	inode->mode = S_IFCHR | 0620;
	inode->device = terminal.device;
	inode->number = terminal.number;
	inode->fs_id = terminal.fs_id;
}

bool console_file_is_terminal(const struct inode *inode)
{
	int stream = stream_of(inode);

	return stream != STREAM_TTY && is_terminal(stream);
}

void console_terminal_identity(const struct inode *inode)
{
	terminal = *inode;
}

/* ---- reading ---- */

/* One exit where nothing but input, or a signal from the host, can end the wait. */
static int64_t read_blocking(size_t length)
{
	for (;;) {
		bool is_alone = thread_count == 1 && timeouts_next() == MOTE_WAIT_FOREVER &&
		                !virtio_events();
		uint64_t before = clock_monotonic();
		int64_t result = console_read_buffer(length, is_alone ? MOTE_CONSOLE_BLOCK : 0);

		if (is_alone)
			process.waited += clock_monotonic() - before;
		if (result == -EINTR) {
			shim_look_at_host();
			snapshot_take(MOTE_SNAPSHOT_OUTSIDE);
		} else if (result != -EAGAIN) {
			return result;
		}
		if (signal_is_pending())
			return -EINTR;
		if (result == -EAGAIN && shim_wait_on(&shim_console_input, SHIM_FOREVER) == -EINTR)
			return -EINTR;
	}
}

/* Reads into console_buffer; time asleep in the host is no CPU time. */
static int64_t fill_buffer(const struct file *file, size_t length)
{
	int input = input_of(file);

	if (input < 0)
		return input;
	if (length == 0)
		return 0;
	if (length > CONSOLE_BUFFER)
		length = CONSOLE_BUFFER;
	shim_console_reads++;
	if (virtio_console_works() || virtio_console_has_input())
		return console_device_read(file, length);
	return file->flags & O_NONBLOCK ? console_read_buffer(length, 0) : read_blocking(length);
}

static int64_t console_read(struct file *file, uint64_t user_buffer, size_t length,
                            uint64_t *position)
{
	int64_t result = fill_buffer(file, length);
	size_t copied;

	(void)position;
	if (result <= 0)
		return result;
	copied = user_write_some(user_buffer, console_buffer, (size_t)result);
	return copied > 0 ? (int64_t)copied : -EFAULT;
}

static int64_t console_read_kit(struct file *file, void *buffer, size_t length, uint64_t *position)
{
	int64_t result = fill_buffer(file, length);

	(void)position;
	if (result > 0)
		memcpy(buffer, console_buffer, (size_t)result);
	return result;
}

/* ---- writing ---- */

/* Writes the buffer's first bytes; waits where the host's stream is full, if the file blocks. */
static int64_t flush_buffer(const struct file *file, int output, size_t length)
{
	if (output == STREAM_OUT && virtio_console_works())
		return console_device_write(file, length);
	for (;;) {
		int64_t result = console_write_buffer(output, length);

		if (result != -EAGAIN || (file->flags & O_NONBLOCK))
			return result;
		if (shim_wait(clock_monotonic() + RETRY_NS) == -EINTR)
			return -EINTR;
	}
}

/* What goes through the device leaves in order, and what does not comes behind it. */
static int64_t wait_for_device(const struct file *file, int output)
{
	if (!virtio_console_works())
		return 0;
	if (output == STREAM_OUT)
		return console_device_reserve(file);
	console_device_settle();
	return 0;
}

/* Next part of what is written into console_buffer: its length, 0 before a bad pointer. */
typedef size_t next_part(void *source, size_t done, size_t length);

/* What all writes share: parts of the size of the buffer until all is written or one is short. */
static int64_t write_parts(struct file *file, next_part *next, void *source, size_t length)
{
	int output = output_of(file);
	int64_t result = 0;
	size_t done = 0;

	if (output < 0)
		return output;
	while (done < length) {
		size_t want = length - done < CONSOLE_BUFFER ? length - done : CONSOLE_BUFFER;
		size_t part;

		result = wait_for_device(file, output);
		if (result < 0)
			break;
		part = next(source, done, want);
		result = part > 0 ? flush_buffer(file, output, part) : -EFAULT;
		if (result < 0)
			break;
		done += (size_t)result;
		if ((size_t)result < want)
			break;
	}
	if (done > 0 || length == 0)
		return (int64_t)done;
	if (result == -EPIPE)
		signal_send_self(SIGNAL_PIPE);
	return result;
}

static size_t next_of_user(void *source, size_t done, size_t length)
{
	const uint64_t *address = source;

	return user_read_some(console_buffer, *address + done, length);
}

static size_t next_of_vector(void *source, size_t done, size_t length)
{
	(void)done;
	return vector_read(source, console_buffer, length);
}

static size_t next_of_kit(void *source, size_t done, size_t length)
{
	const unsigned char *const *bytes = source;

	memcpy(console_buffer, *bytes + done, length);
	return length;
}

static int64_t console_write(struct file *file, uint64_t user_buffer, size_t length,
                             uint64_t *position)
{
	(void)position;
	return write_parts(file, next_of_user, &user_buffer, length);
}

static int64_t console_write_vector(struct file *file, struct vector *vector, uint64_t *position)
{
	(void)position;
	return write_parts(file, next_of_vector, vector, vector->total);
}

static int64_t console_write_kit(struct file *file, const void *buffer, size_t length,
                                 uint64_t *position)
{
	(void)position;
	return write_parts(file, next_of_kit, &buffer, length);
}

/* ---- terminal control ---- */

static int64_t get_block(int stream, unsigned operation, uint64_t argument, size_t size)
{
	unsigned char block[TERMIOS_SIZE];
	int64_t result = console_control(stream, operation, block, size);

	if (result < 0)
		return result;
	return user_write(argument, block, size);
}

static int64_t set_termios(int stream, unsigned operation, uint64_t argument)
{
	unsigned char block[TERMIOS_SIZE];

	if (user_read(block, argument, sizeof(block)) < 0)
		return -EFAULT;
	if (operation == MOTE_CONSOLE_SET_TERMIOS_FLUSH)
		virtio_console_forget_input();
	return console_control(stream, operation, block, sizeof(block));
}

/* Drops input that nobody has read: the attributes stay what they are. */
static int64_t flush_input(int stream, uint64_t queue)
{
	unsigned char block[TERMIOS_SIZE];
	int64_t result;

	if (queue > TCIOFLUSH)
		return -EINVAL;
	if (queue == TCOFLUSH)
		return 0; /* output is with the host already */
	virtio_console_forget_input();
	result = console_control(stream, MOTE_CONSOLE_GET_TERMIOS, block, sizeof(block));
	if (result < 0)
		return result;
	return console_control(stream, MOTE_CONSOLE_SET_TERMIOS_FLUSH, block, sizeof(block));
}

static int64_t set_foreground_group(uint64_t argument)
{
	int32_t group;

	if (user_read(&group, argument, sizeof(group)) < 0)
		return -EFAULT;
	if (group < 0)
		return -EINVAL;
	return group == PROCESS_ID ? 0 : -ESRCH;
}

static int64_t put_int(uint64_t argument, int32_t value)
{
	return user_write(argument, &value, sizeof(value));
}

static int64_t terminal_ioctl(int stream, unsigned request, uint64_t argument)
{
	switch (request) {
	case TCGETS: return get_block(stream, MOTE_CONSOLE_GET_TERMIOS, argument, TERMIOS_SIZE);
	case TCSETS: return set_termios(stream, MOTE_CONSOLE_SET_TERMIOS, argument);
	case TCSETSW: return set_termios(stream, MOTE_CONSOLE_SET_TERMIOS_DRAIN, argument);
	case TCSETSF: return set_termios(stream, MOTE_CONSOLE_SET_TERMIOS_FLUSH, argument);
	case TIOCGWINSZ:
		return get_block(stream, MOTE_CONSOLE_GET_WINDOW_SIZE, argument, WINSIZE_SIZE);
	/* The rest is answered here. */
	case TIOCGPGRP:
	case TIOCGSID: return put_int(argument, PROCESS_ID);
	case TIOCSPGRP: return set_foreground_group(argument);
	case TIOCSCTTY:
	case TIOCNOTTY:
	case TCSBRK: /* tcdrain(): writes are with the host before they return */
	case TCSBRKP: return 0;
	case TIOCOUTQ: return put_int(argument, 0);
	case TCFLSH: return flush_input(stream, argument);
	}
	return -ENOTTY;
}

static int64_t count_readable(const struct file *file, uint64_t argument)
{
	int input = input_of(file);
	int64_t readable;

	if (input < 0)
		return -ENOTTY;
	readable = console_control(input, MOTE_CONSOLE_GET_READABLE, NULL, 0);
	if (readable < 0)
		return readable;
	return put_int(argument, (int32_t)readable + (int32_t)virtio_console_buffered());
}

static int64_t console_ioctl(struct file *file, unsigned request, uint64_t argument)
{
	int stream;

	if (request == FIONREAD)
		return count_readable(file, argument);
	stream = control_of(file);
	return stream == STREAM_NONE ? -ENOTTY : terminal_ioctl(stream, request, argument);
}

/* Bytes that wait are an answer; none may mean end of file, which a wait that is over tells. */
static struct poll_state console_poll(struct file *file)
{
	struct poll_state state = {.writable = true};

	int stream = stream_of(file->inode);

	if (stream == STREAM_OUT && virtio_console_works()) {
		state.writable = !virtio_console_is_sending();
		state.queue = &virtio_console_sent;
	}
	if ((stream == 1 || stream == 2) && !is_terminal(stream))
		return state;
	if (input_of(file) < 0)
		return state;
	state.queue = &shim_console_input;
	state.readable = virtio_console_has_input() ||
	                 console_control(0, MOTE_CONSOLE_GET_READABLE, NULL, 0) > 0 ||
	                 shim_console_is_readable();
	return state;
}

/* ---- inodes ---- */

static const struct file_ops stream_file_ops = {
        .read = console_read,
        .write = console_write,
        .write_vector = console_write_vector,
        .read_kit = console_read_kit,
        .write_kit = console_write_kit,
        .ioctl = console_ioctl,
        .poll = console_poll,
        .not_seekable = true,
};

/* O_TRUNC of a shell's ">/dev/stdout": the host has opened the stream as it should be. */
static int stream_truncate(struct inode *inode, uint64_t size)
{
	(void)inode;
	return size == 0 ? 0 : -EINVAL;
}

/* fchmod() and the like change what fstat() shows, and nothing on the host. */
static int stream_set_attributes(struct inode *inode)
{
	(void)inode;
	return 0;
}

static const struct inode_ops stream_inode_ops = {
        .truncate = stream_truncate,
        .set_attributes = stream_set_attributes,
        .file_ops = &stream_file_ops,
};

/*
 * The file type of a stream is that of the host's file, but for a regular file, which shows as a
 * pipe: its size and position stay on the host, and who sees a regular file takes them for granted
 * (a compiler reads st_size bytes).
 */
static uint32_t stream_type(int stream)
{
	uint32_t type = (machine.console[stream] << 12) & S_IFMT;

	return type == S_IFREG ? S_IFIFO : type;
}

/* In a start from a snapshot the streams may be something else. */
void console_files_renew(const uint32_t *kinds)
{
	for (int stream = 0; stream < STREAMS; stream++) {
		struct inode *inode = &streams[stream].inode;

		if (machine.console[stream] == kinds[stream])
			continue;
		machine.console[stream] = kinds[stream];
		if (!inode->ops)
			continue;
		inode->mode = stream_type(stream) | 0600;
		inode->number = (uint64_t)stream + 1;
		inode->device = 0;
		inode->fs_id = vfs_new_fs_id();
		if (is_terminal(stream))
			become_terminal(inode);
	}
}

int console_file_open(int stream, struct file **opened)
{
	struct inode *inode = &streams[stream].inode;

	if (!inode->ops) {
		uint64_t now = clock_realtime();

		*inode = (struct inode){
		        .ops = &stream_inode_ops,
		        .references = 1, /* never released */
		        .mode = stream_type(stream) | 0600,
		        .links = 1,
		        .number = (uint64_t)stream + 1,
		        .fs_id = vfs_new_fs_id(),
		        .atime = now,
		        .mtime = now,
		        .ctime = now,
		};
		if (is_terminal(stream))
			become_terminal(inode);
	}
	return file_open_inode(inode_get(inode), O_RDWR, NULL, opened);
}

int console_terminal_open(struct inode *inode, struct file *file)
{
	(void)inode;
	if (first_terminal(0) == STREAM_NONE)
		return -ENXIO;
	file->ops = &stream_file_ops;
	return 0;
}
