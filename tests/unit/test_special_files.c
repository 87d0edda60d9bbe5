/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of /dev and of files on the console, against a console of the test's own. */
/* The VMM, which tests are linked with, has a function of this name too. */
#define console_control          kit_console_control
#define MOTE_GUESTKIT_SNAPSHOT_H /* nobody wants one here */
#define snapshot_take(point)     ((void)(point))

#include "tests/unit/special_fakes.h"
#include "tests/unit/thread_fakes.h"

#include "guestkit/libc-shim/console_file.c"
#include "guestkit/libc-shim/devfs.c"
#include "guestkit/libc-shim/pseudo_fs.c"
#include "guestkit/libc-shim/text.c"

/* ---- the console that the tests talk to ---- */

static unsigned questions; /* console_control() calls */
static const char *input;  /* what stdin gives; NULL: nothing yet */
static char output[3][200000];
static size_t output_length[3];
static int64_t write_limit = INT64_MAX; /* bytes a write takes, or a negative errno */
static unsigned writes, refusals, waits, last_operation;
static int last_signal;
static unsigned last_read_flags;

unsigned char console_buffer[CONSOLE_BUFFER];
struct process process;
struct machine machine; /* console: what the streams are */

int64_t console_write_buffer(int stream, size_t length)
{
	writes++;
	if (refusals > 0) {
		refusals--;
		return -EAGAIN;
	}
	if (write_limit < 0)
		return write_limit;
	if ((int64_t)length > write_limit)
		length = (size_t)write_limit;
	memcpy(output[stream] + output_length[stream], console_buffer, length);
	output_length[stream] += length;
	return (int64_t)length;
}

int64_t console_read_buffer(size_t length, unsigned flags)
{
	size_t part;

	last_read_flags = flags;
	fake_now += 1000;
	if (!input)
		return -EAGAIN;
	part = strlen(input) < length ? strlen(input) : length;
	memcpy(console_buffer, input, part);
	input += part;
	return (int64_t)part;
}

int64_t console_control(int stream, unsigned operation, void *block, size_t size)
{
	questions++;
	last_operation = operation;
	if (operation == MOTE_CONSOLE_GET_READABLE)
		return input ? (int64_t)strlen(input) : 0;
	if (!(machine.console[stream] & MOTE_CONSOLE_IS_TERMINAL))
		return -ENOTTY;
	if (operation == MOTE_CONSOLE_GET_TERMIOS || operation == MOTE_CONSOLE_GET_WINDOW_SIZE)
		memset(block, (int)('a' + operation), size);
	return 0;
}

struct wait_queue shim_console_input;
uint64_t shim_console_reads;

int shim_wait(uint64_t deadline)
{
	waits++;
	fake_now = deadline;
	return -ETIMEDOUT;
}

int shim_wait_on(struct wait_queue *queue, uint64_t deadline)
{
	cr_assert_eq(queue, &shim_console_input);
	cr_assert_eq(deadline, SHIM_FOREVER);
	waits++;
	return 0;
}

void shim_look_at_host(void)
{
}

static struct machine_device entropy_device;
static bool has_entropy;

const struct machine_device *virtio_find(uint32_t id, unsigned index)
{
	return has_entropy && id == VIRTIO_ID_RNG && !index ? &entropy_device : NULL;
}

int64_t entropy_read(void *to, size_t length)
{
	memset(to, 0x5a, length);
	return (int64_t)length;
}

/* There is no console device. */
uint64_t virtio_events(void)
{
	return 0;
}

struct wait_queue virtio_console_sent;

bool virtio_console_is_sending(void)
{
	return false;
}

bool virtio_console_works(void)
{
	return false;
}

bool virtio_console_has_input(void)
{
	return false;
}

size_t virtio_console_buffered(void)
{
	return 0;
}

void virtio_console_forget_input(void)
{
}

int64_t console_device_read(const struct file *file, size_t length)
{
	(void)file;
	(void)length;
	cr_assert_fail("nobody reads from what is not there");
	return -EIO;
}

int console_device_reserve(const struct file *file)
{
	(void)file;
	return -EIO;
}

int64_t console_device_write(const struct file *file, size_t length)
{
	return console_device_read(file, length);
}

void console_device_settle(void)
{
}

size_t block_dev_room(void)
{
	return 0;
}

const struct pseudo_node *block_dev_nodes(const struct pseudo_node *nodes, size_t *count)
{
	(void)count;
	return nodes;
}

bool shim_console_is_readable(void)
{
	return input;
}

/* The timeout that is set; MOTE_WAIT_FOREVER: none. */
static uint64_t timer = MOTE_WAIT_FOREVER;
static bool has_signal;

uint64_t timeouts_next(void)
{
	return timer;
}

bool signal_is_pending(void)
{
	return has_signal;
}

void signal_send_self(int signal)
{
	last_signal = signal;
}

size_t vector_read(struct vector *vector, void *to, size_t length)
{
	size_t part = vector->total < length ? vector->total : length;

	memcpy(to, (const void *)vector->base, part);
	vector->base += part;
	vector->total -= part;
	return part;
}

static struct file *open_stream(int stream)
{
	struct file *file = NULL;

	cr_assert_eq(console_file_open(stream, &file), 0);
	return file;
}

/* What a stream is; said before it is opened. */
static void be(int stream, uint32_t type, uint32_t flags)
{
	machine.console[stream] = type >> 12 | flags;
}

static void be_terminal(int stream)
{
	be(stream, S_IFCHR, MOTE_CONSOLE_IS_TERMINAL);
}

static int64_t write_text(struct file *file, const char *text)
{
	return file->ops->write(file, (uint64_t)text, strlen(text), &file->position);
}

/* ---- /dev ---- */

static struct inode *dev;

static void make_dev(void)
{
	for (int i = 0; i < STREAMS; i++)
		be(i, S_IFIFO, 0);
	dev = devfs_create();
	cr_assert_not_null(dev);
}

TestSuite(dev, .init = make_dev);
TestSuite(console, .init = make_dev);

Test(dev, list)
{
	cr_assert_str_eq(fake_list(dev),
	                 ". .. console fd full hwrng null random shm stderr stdin stdout "
	                 "tty urandom zero ");
}

Test(dev, numbers)
{
	static const struct {
		const char *name;
		uint64_t device;
	} expected[] = {{"null", 0x103},    {"zero", 0x105}, {"full", 0x107},   {"random", 0x108},
	                {"urandom", 0x109}, {"tty", 0x500},  {"console", 0x501}};

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		struct inode *inode = fake_find(dev, expected[i].name);

		cr_assert(S_ISCHR(inode->mode));
		cr_assert_eq(inode->device, expected[i].device, "%s", expected[i].name);
		inode_put(inode);
	}
}

Test(dev, same_inode_each_time)
{
	struct inode *first = fake_find(dev, "null");

	cr_assert_eq(fake_find(dev, "null"), first);
	cr_assert_null(fake_find(dev, "ptmx"));
	cr_assert_null(fake_find(dev, "nul"));
	cr_assert_null(fake_find(dev, "null/x"));
}

Test(dev, links)
{
	cr_assert_str_eq(fake_target(dev, "stdin"), "/proc/self/fd/0");
	cr_assert_str_eq(fake_target(dev, "stderr"), "/proc/self/fd/2");
	cr_assert_str_eq(fake_target(dev, "fd"), "/proc/self/fd");
}

Test(dev, readlink_is_cut)
{
	struct inode *link = fake_find(dev, "fd");
	char buffer[5] = "....";

	cr_assert_eq(link->ops->readlink(link, buffer, 3), 13);
	cr_assert_str_eq(buffer, "/pr.");
}

Test(dev, null)
{
	struct file *file = fake_open(dev, "null");
	char byte = 'x';

	cr_assert_eq(fake_read(file, &byte, 1), 0);
	cr_assert_eq(write_text(file, "gone"), 4);
	cr_assert_eq(file->ops->seek(file, 7, 0), 0);
	file_put(file);
}

Test(dev, zero_and_full)
{
	struct file *zero = fake_open(dev, "zero"), *full = fake_open(dev, "full");
	uint64_t physical = 7;
	char bytes[] = "xxxx";

	cr_assert_eq(fake_read(zero, bytes, 3), 3);
	cr_assert_arr_eq(bytes, "\0\0\0x", 4);
	cr_assert_eq(zero->ops->page(zero, 1000, false, &physical), 0);
	cr_assert_eq(physical, 0);
	cr_assert_eq(zero->ops->page(zero, 0, true, &physical), -ENODEV);
	cr_assert_eq(write_text(zero, "gone"), 4);
	cr_assert_eq(write_text(full, "no"), -ENOSPC);
	cr_assert_eq(write_text(full, ""), -ENOSPC, "as on Linux");
	cr_assert_eq(fake_read(full, bytes, 4), 4);
	fake_fault_at = (uint64_t)bytes + 2;
	cr_assert_eq(fake_read(zero, bytes, 4), -EFAULT);
}

static unsigned char random_byte;
static size_t seeded;

void random_fill(void *buffer, size_t length)
{
	memset(buffer, ++random_byte, length);
}

void random_seed(const void *seed, size_t length)
{
	(void)seed;
	seeded += length;
}

Test(dev, hwrng)
{
	struct inode *inode = fake_find(dev, "hwrng");
	unsigned char bytes[8] = {0};
	struct file *file;

	cr_assert_eq(file_open_inode(inode_get(inode), 0, NULL, &file), -ENODEV);
	has_entropy = true;
	cr_assert_eq(file_open_inode(inode, 0, NULL, &file), 0);
	cr_assert_eq(file->ops->read(file, (uint64_t)bytes, sizeof bytes, &file->position), 8);
	cr_assert_eq(bytes[7], 0x5a);
	cr_assert_eq(file->ops->read(file, 8, 8, &file->position), -EFAULT);
	file_put(file);
}

Test(dev, urandom)
{
	struct file *file = fake_open(dev, "urandom");
	unsigned char bytes[1000] = {0};
	int32_t bits = 0;

	cr_assert_eq(fake_read(file, bytes, 999), 999);
	cr_assert_eq(bytes[0], 1);
	cr_assert_eq(bytes[998], 4, "the fourth chunk is fresh");
	cr_assert_eq(bytes[999], 0);
	cr_assert_eq(write_text(file, "entropy"), 7);
	cr_assert_eq(seeded, 7);
	cr_assert_eq(file->ops->ioctl(file, RNDGETENTCNT, (uint64_t)&bits), 0);
	cr_assert_eq(bits, 256);
	fake_fault_at = (uint64_t)bytes + 300;
	cr_assert_eq(fake_read(file, bytes, 999), 300, "short before a bad pointer");
	fake_fault_at = (uint64_t)bytes;
	cr_assert_eq(fake_read(file, bytes, 999), -EFAULT);
}

Test(dev, tty_without_terminal)
{
	struct file *file;

	cr_assert_eq(file_open_inode(fake_find(dev, "tty"), 2, NULL, &file), -ENXIO);
}

Test(dev, tty)
{
	struct file *file;
	char bytes[8];

	be_terminal(2);
	file = fake_open(dev, "tty");
	cr_assert_eq(write_text(file, "hi"), 2);
	cr_assert_eq(output_length[2], 2, "written where the terminal is");
	cr_assert_eq(fake_read(file, bytes, 8), -EIO, "stdin is no terminal");
	file_put(file);
}

Test(dev, memory_is_short)
{
	struct inode *found;

	fake_memory_is_short = true;
	cr_assert_eq(dev->ops->lookup(dev, "null", 4, &found), -ENOMEM);
	cr_assert_null(devfs_create());
}

/* ---- the console ---- */

Test(console, write_is_one_exit)
{
	struct file *file = open_stream(1);

	cr_assert_eq(write_text(file, "hello"), 5);
	cr_assert_eq(writes, 1);
	cr_assert_eq(questions, 0, "nothing else is asked");
	cr_assert_arr_eq(output[1], "hello", 5);
}

Test(console, vector_is_one_exit)
{
	struct file *file = open_stream(2);
	static const char text[] = "0123456789";
	struct vector vector = {.base = (uint64_t)text, .total = 10};

	cr_assert_eq(file->ops->write_vector(file, &vector, &file->position), 10);
	cr_assert_arr_eq(output[2], text, 10);
	cr_assert_eq(writes, 1);
}

Test(console, long_write_in_parts)
{
	struct file *file = open_stream(1);
	static char text[150000];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7 >> 3);
	cr_assert_eq(file->ops->write(file, (uint64_t)text, sizeof(text), &file->position), 150000);
	cr_assert_eq(writes, 3);
	cr_assert_arr_eq(output[1], text, sizeof(text));
}

Test(console, short_write)
{
	struct file *file = open_stream(1);

	write_limit = 3;
	cr_assert_eq(write_text(file, "hello"), 3);
	cr_assert_eq(writes, 1, "a short write is told, not repeated");
}

Test(console, bad_pointer)
{
	struct file *file = open_stream(1);
	static char text[100];

	fake_fault_at = (uint64_t)text + 40;
	cr_assert_eq(file->ops->write(file, (uint64_t)text, 100, &file->position), 40);
	fake_fault_at = (uint64_t)text;
	cr_assert_eq(file->ops->write(file, (uint64_t)text, 100, &file->position), -EFAULT);
	cr_assert_eq(file->ops->write(file, (uint64_t)text, 0, &file->position), 0);
}

Test(console, broken_pipe)
{
	struct file *file = open_stream(1);

	write_limit = -EPIPE;
	cr_assert_eq(write_text(file, "hello"), -EPIPE);
	cr_assert_eq(last_signal, 13);
}

Test(console, full_stream)
{
	struct file *file = open_stream(1);

	refusals = 2;
	cr_assert_eq(write_text(file, "hello"), 5, "a blocking write waits");
	cr_assert_eq(waits, 2);
	refusals = 1;
	file->flags |= O_NONBLOCK;
	cr_assert_eq(write_text(file, "hello"), -EAGAIN);
	cr_assert_eq(waits, 2);
}

Test(console, read)
{
	struct file *file = open_stream(0);
	char bytes[16] = "";

	input = "line";
	cr_assert_eq(fake_read(file, bytes, 3), 3);
	cr_assert_eq(fake_read(file, bytes + 3, 13), 1);
	cr_assert_str_eq(bytes, "line");
	cr_assert_eq(last_read_flags, MOTE_CONSOLE_BLOCK);
	cr_assert_eq(process.waited, 2000, "time asleep is counted");
	cr_assert_eq(fake_read(file, bytes, 16), 0, "end of file");
	file->flags |= O_NONBLOCK;
	input = NULL;
	cr_assert_eq(fake_read(file, bytes, 16), -EAGAIN);
	cr_assert_eq(last_read_flags, 0);
}

/* The host sleeps where nothing but input can end it; a timer needs a wait that it can end, too. */
Test(console, blocking_read_with_a_timer)
{
	struct file *file = open_stream(0);
	char bytes[8];

	timer = fake_now + 1000000;
	input = "x";
	cr_assert_eq(fake_read(file, bytes, 8), 1);
	cr_assert_eq(last_read_flags, 0);
	cr_assert_eq(waits, 0, "what is there needs no wait");
	input = NULL;
	has_signal = true;
	cr_assert_eq(fake_read(file, bytes, 8), -EINTR);
	cr_assert_eq(waits, 0, "a signal that is pending comes first");
}

Test(console, wrong_direction)
{
	struct file *in = open_stream(0), *out = open_stream(1);
	char byte;

	cr_assert_eq(write_text(in, "x"), -EBADF);
	cr_assert_eq(fake_read(out, &byte, 1), -EBADF);
}

Test(console, terminal_is_both_ways)
{
	struct file *in, *error;
	char byte;

	be_terminal(0);
	be_terminal(2);
	in = open_stream(0);
	error = open_stream(2);
	input = "x";
	cr_assert_eq(write_text(in, "prompt"), 6);
	cr_assert_eq(output_length[2], 6);
	cr_assert_eq(fake_read(error, &byte, 1), 1);
	cr_assert_eq(byte, 'x');
}

Test(console, kind_is_known_without_asking)
{
	struct file *file;

	be(1, S_IFREG, 0);
	file = open_stream(1);
	cr_assert(S_ISFIFO(file->inode->mode), "its size and position are not known");
	cr_assert_eq(file->ops->ioctl(file, TCGETS, 0), -ENOTTY);
	cr_assert_not(console_file_is_terminal(file->inode));
	cr_assert_eq(questions, 0);
}

Test(console, terminal_has_one_identity)
{
	struct inode *node = fake_find(dev, "console");
	struct file *file;

	be_terminal(0);
	file = open_stream(0);
	cr_assert(S_ISCHR(file->inode->mode));
	cr_assert_eq(file->inode->number, node->number, "so that ttyname() finds it");
	cr_assert_eq(file->inode->fs_id, node->fs_id);
	cr_assert_eq(file->inode->device, node->device);
	cr_assert(console_file_is_terminal(file->inode));
	cr_assert_not(console_file_is_terminal(dev), "other inodes are none");
}

Test(console, null_device_is_no_terminal)
{
	struct file *file;

	be(0, S_IFCHR, 0);
	file = open_stream(0);
	cr_assert(S_ISCHR(file->inode->mode));
	cr_assert_not(console_file_is_terminal(file->inode));
	cr_assert_eq(file->ops->ioctl(file, TIOCGPGRP, 0), -ENOTTY);
}

Test(console, window_size_of_a_pipe_costs_no_exit)
{
	struct file *file = open_stream(1);
	char size[8];

	cr_assert_eq(file->ops->ioctl(file, TIOCGWINSZ, (uint64_t)size), -ENOTTY);
	cr_assert_eq(questions, 0);
}

Test(console, terminal_control)
{
	struct file *file = open_stream(1);
	char block[40] = {0};
	int32_t group = 0;
	const int32_t one = 1, two = 2;

	be_terminal(1);
	cr_assert_eq(file->ops->ioctl(file, TCGETS, (uint64_t)block), 0);
	cr_assert_eq(block[35], 'b');
	cr_assert_eq(block[36], 0, "36 bytes");
	cr_assert_eq(file->ops->ioctl(file, TIOCGWINSZ, (uint64_t)block), 0);
	cr_assert_eq(block[7], 'f');
	cr_assert_eq(block[8], 'b', "8 bytes");
	cr_assert_eq(file->ops->ioctl(file, TCSETSF, (uint64_t)block), 0);
	cr_assert_eq(last_operation, MOTE_CONSOLE_SET_TERMIOS_FLUSH);
	cr_assert_eq(file->ops->ioctl(file, TCSETSW, 16), -EFAULT);
	cr_assert_eq(file->ops->ioctl(file, TIOCGPGRP, (uint64_t)&group), 0);
	cr_assert_eq(group, 1);
	cr_assert_eq(file->ops->ioctl(file, TIOCSPGRP, (uint64_t)&one), 0);
	cr_assert_eq(file->ops->ioctl(file, TIOCSPGRP, (uint64_t)&two), -ESRCH);
	cr_assert_eq(file->ops->ioctl(file, TCFLSH, TCIFLUSH), 0);
	cr_assert_eq(last_operation, MOTE_CONSOLE_SET_TERMIOS_FLUSH);
	cr_assert_eq(file->ops->ioctl(file, TCFLSH, 9), -EINVAL);
	cr_assert_eq(file->ops->ioctl(file, 0xdead, 0), -ENOTTY);
}

Test(console, readable)
{
	struct file *in = open_stream(0), *out = open_stream(1);
	int32_t count = -1;

	cr_assert_not(in->ops->poll(in).readable);
	cr_assert(in->ops->poll(in).writable);
	input = "four";
	cr_assert(in->ops->poll(in).readable);
	cr_assert_eq(in->ops->ioctl(in, FIONREAD, (uint64_t)&count), 0);
	cr_assert_eq(count, 4);
	input = "";
	cr_assert(in->ops->poll(in).readable, "the end of a file is readable");
	waits = 0;
	cr_assert(out->ops->poll(out).writable);
	cr_assert_not(out->ops->poll(out).readable);
	cr_assert_eq(waits, 0);
}

Test(console, truncation)
{
	struct file *file = open_stream(1);

	cr_assert_eq(file->inode->ops->truncate(file->inode, 0), 0);
	cr_assert_eq(file->inode->ops->truncate(file->inode, 1), -EINVAL);
	cr_assert(file->ops->not_seekable);
}
