/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes, and waiting for files with poll and select. */
#include "harness.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/time.h>

static char buffer[200000];

/* ---- pipes ---- */

CASE(pipe_errors)
{
	int ends[2] = {-7, -7};

	CALL(pipe, KIT);
	CALL(pipe, NULL);
	CALL(pipe, edge(4));
	CALL(pipe2, ends, 0x1234);
	CALL(pipe2, ends, O_APPEND);
	CALL(pipe2, KIT, 0);
	CALL(dup, 0); /* nothing was left open */
	CALL(pipe2, ends, O_CLOEXEC | O_NONBLOCK);
	say("%d %d", ends[0], ends[1]);
	CALL(fcntl, ends[0], F_GETFD);
	say("%x %x", (unsigned)fcntl(ends[0], F_GETFL), (unsigned)fcntl(ends[1], F_GETFL));
	CALL(read, ends[0], buffer, 1);
	CALL(read, ends[1], buffer, 1);
	CALL(write, ends[0], buffer, 1);
	CALL(lseek, ends[0], 0, SEEK_SET);
	CALL(pread64, ends[0], buffer, 1, 0);
	CALL(pwrite64, ends[1], buffer, 1, 0);
	CALL(ftruncate, ends[1], 0);
}

CASE(pipe_reads_and_writes)
{
	int ends[2], available;

	pipe(ends);
	CALL(write, ends[1], "0123456789", 10);
	CALL(ioctl, ends[0], FIONREAD, &available);
	VALUE(available);
	CALL(read, ends[0], buffer, 4);
	CALL(write, ends[1], "abc", 3);
	CALL(read, ends[0], buffer, 100);
	say("%.9s", buffer);
	CALL(write, ends[1], "", 0);
	CALL(write, ends[1], KIT, 5);
	CALL(write, ends[1], "x", 1);
	CALL(read, ends[0], KIT, 5);
	CALL(close, ends[1]);
	CALL(read, ends[0], buffer, 100);
	CALL(read, ends[0], buffer, 100);
}

CASE(pipe_full)
{
	int ends[2];

	pipe2(ends, O_NONBLOCK);
	CALL(write, ends[1], buffer, sizeof buffer);
	CALL(write, ends[1], buffer, 1);
	CALL(write, ends[1], buffer, 0);
	CALL(read, ends[0], buffer, 100);
	CALL(write, ends[1], buffer, 4096);
	CALL(read, ends[0], buffer, 4096);
	CALL(write, ends[1], buffer, 4096);
	CALL(write, ends[1], buffer, 4097);
}

CASE(pipe_without_a_reader)
{
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	pipe(ends);
	CALL(close, ends[0]);
	CALL(write, ends[1], "x", 1);
	CALL(write, ends[1], "x", 0);
	CALL(write, ends[1], KIT, 1);
}

CASE_ALONE(pipe_kills_the_writer)
{
	int ends[2];

	pipe(ends);
	close(ends[0]);
	say("before");
	CALL(write, ends[1], "x", 1);
}

CASE(pipe_size)
{
	int ends[2];

	pipe(ends);
	CALL(fcntl, ends[0], F_GETPIPE_SZ);
	CALL(fcntl, ends[1], F_SETPIPE_SZ, 4096);
	CALL(fcntl, ends[1], F_SETPIPE_SZ, 0);
	CALL(fcntl, ends[1], F_SETPIPE_SZ, -1);
	CALL(fcntl, ends[1], F_GETPIPE_SZ);
	CALL(fcntl, open("/dev/null", O_RDWR), F_GETPIPE_SZ);
}

CASE(pipe_behind_half_a_page)
{
	char *end = edge(10);
	int ends[2];

	pipe(ends);
	memset(end, 'e', 10);
	CALL(write, ends[1], "0123456789abcdef", 16);
	CALL(read, ends[0], end, 5);
	CALL(read, ends[0], buffer, 100);
}

CASE(pipe_ends_duplicated)
{
	int ends[2], copy;

	pipe2(ends, O_NONBLOCK);
	copy = dup(ends[1]);
	close(ends[1]);
	CALL(read, ends[0], buffer, 1);
	CALL(write, copy, "x", 1);
	close(copy);
	CALL(read, ends[0], buffer, 1);
	CALL(read, ends[0], buffer, 1);
}

CASE(vectors_through_a_pipe)
{
	struct {
		void *base;
		size_t length;
	} out[2] = {{"abc", 3}, {"defg", 4}}, in[2] = {{buffer, 2}, {buffer + 100, 50}},
	  bad[2] = {{"hij", 3}, {LOW, 10}};
	int ends[2];

	pipe(ends);
	CALL(writev, ends[1], out, 2);
	CALL(readv, ends[0], in, 2);
	say("%.2s %.5s", buffer, buffer + 100);
	CALL(preadv, ends[0], in, 2, 0, 0);
	CALL(writev, ends[1], bad, 2);
}

CASE(splice_and_tee)
{
	int one[2], two[2], file = make_file("file", 100);
	long place = 10;

	pipe2(one, O_NONBLOCK);
	pipe2(two, O_NONBLOCK);
	CALL(splice, file, &place, one[1], NULL, 20, 0);
	VALUE(place);
	CALL(tee, one[0], two[1], 5, 0);
	CALL(splice, one[0], NULL, two[1], NULL, 5, 0);
	CALL(read, two[0], buffer, 100);
	CALL(splice, file, NULL, file, NULL, 5, 0);
	CALL(splice, 77, NULL, one[1], NULL, 5, 0);
	CALL(splice, one[0], &place, two[1], NULL, 5, 0);
	CALL(tee, file, two[1], 5, 0);
	CALL(vmsplice, file, NULL, 0, 0);
}

/* ---- poll ---- */

static void show_poll(int file, short events)
{
	struct pollfd entry = {file, events, -1};
	int result = poll(&entry, 1, 0);

	say("%d, events %x", result, (unsigned short)entry.revents);
}

#define EVERY (POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM | POLLRDBAND)

CASE(poll_of_pipes)
{
	int ends[2];

	pipe(ends);
	show_poll(ends[0], EVERY);
	show_poll(ends[1], EVERY);
	write(ends[1], "x", 1);
	show_poll(ends[0], EVERY);
	show_poll(ends[0], 0);
	show_poll(ends[0], POLLOUT);
	show_poll(ends[1], POLLIN);
	close(ends[1]);
	show_poll(ends[0], EVERY);
	read(ends[0], buffer, 1);
	show_poll(ends[0], EVERY);
	show_poll(ends[0], 0);
}

CASE(poll_of_a_full_pipe)
{
	int ends[2];

	pipe2(ends, O_NONBLOCK);
	write(ends[1], buffer, 100000);
	show_poll(ends[1], POLLOUT);
	read(ends[0], buffer, 100);
	show_poll(ends[1], POLLOUT);
	read(ends[0], buffer, 4096);
	show_poll(ends[1], POLLOUT);
	close(ends[0]);
	show_poll(ends[1], POLLOUT);
	show_poll(ends[1], 0);
}

CASE(poll_of_files)
{
	int file = make_file("file", 10), folder = open(".", O_RDONLY);

	show_poll(file, EVERY);
	show_poll(folder, EVERY);
	show_poll(open("/dev/null", O_RDWR), EVERY);
	show_poll(open("/dev/zero", O_RDWR), EVERY);
	show_poll(open("/dev/full", O_RDWR), EVERY);
	show_poll(77, EVERY);
	show_poll(77, 0);
	show_poll(-1, EVERY);
	show_poll(INT_MIN, EVERY);
}

CASE(poll_errors)
{
	struct pollfd entry = {0, POLLIN, 0};

	CALL(poll, NULL, 0, 0);
	CALL(poll, NULL, 1, 0);
	CALL(poll, KIT, 1, 0);
	CALL(poll, &entry, 5000000, 0);
	CALL(poll, edge(4), 1, 0);
	CALL(poll, &entry, -1, 0);
	CALL(poll, NULL, 0, 1);
}

CASE(poll_time)
{
	int ends[2];
	struct pollfd entry;
	long start = now();

	pipe(ends);
	entry = (struct pollfd){ends[0], POLLIN, 0};
	CALL(poll, &entry, 1, 5);
	VALUE(now() - start >= 5);
	VALUE(entry.revents);
	write(ends[1], "x", 1);
	CALL(poll, &entry, 1, -1);
	CALL(poll, &entry, 1, -5);
}

CASE(poll_counts_files)
{
	int ends[2];
	struct pollfd entries[4];

	pipe(ends);
	write(ends[1], "x", 1);
	entries[0] = (struct pollfd){ends[0], POLLIN, 0};
	entries[1] = (struct pollfd){77, POLLIN, 0};
	entries[2] = (struct pollfd){-5, POLLIN, 99};
	entries[3] = (struct pollfd){ends[1], POLLOUT, 0};
	CALL(poll, entries, 4, 1000);
	for (int i = 0; i < 4; i++)
		VALUE(entries[i].revents);
}

CASE(ppoll_errors)
{
	struct pollfd entry = {77, POLLIN, 0};
	struct timespec time = {0, 0};
	unsigned long none = 0;

	CALL(ppoll, &entry, 1, &time, &none, 8);
	CALL(ppoll, &entry, 1, &time, &none, 4);
	CALL(ppoll, &entry, 1, &time, KIT, 8);
	CALL(ppoll, &entry, 1, KIT, NULL, 8);
	time.tv_nsec = 1000000000;
	CALL(ppoll, &entry, 1, &time, NULL, 8);
	time = (struct timespec){-1, 0};
	CALL(ppoll, &entry, 1, &time, NULL, 8);
}

CASE(ppoll_updates_the_time)
{
	struct timespec time = {0, 3000000};

	CALL(ppoll, NULL, 0, &time, NULL, 8);
	say("%ld %ld", (long)time.tv_sec, time.tv_nsec);
}

/* ---- select ---- */

CASE(select_of_pipes)
{
	struct timeval time = {1, 0};
	fd_set in, out, other;
	int ends[2];

	pipe(ends);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&other);
	FD_SET(ends[0], &in);
	FD_SET(ends[1], &out);
	FD_SET(ends[0], &other);
	CALL(select, 10, &in, &out, &other, &time);
	say("%d %d %d", FD_ISSET(ends[0], &in), FD_ISSET(ends[1], &out), FD_ISSET(ends[0], &other));
	write(ends[1], "x", 1);
	FD_SET(ends[0], &in);
	CALL(select, 10, &in, &out, NULL, &time);
	say("%d %d", FD_ISSET(ends[0], &in), FD_ISSET(ends[1], &out));
	CALL(select, ends[0], &in, &out, NULL, &time);
	say("%d", FD_ISSET(ends[0], &in));
}

CASE(select_errors)
{
	struct timeval time = {0, 0};
	fd_set set;

	/* Below the least size that Linux gives a table of descriptors: it looks no further. */
	close(43);
	FD_ZERO(&set);
	FD_SET(43, &set);
	CALL(select, 44, &set, NULL, NULL, &time);
	CALL(select, 43, &set, NULL, NULL, &time);
	CALL(select, -1, NULL, NULL, NULL, &time);
	CALL(select, 0, NULL, NULL, NULL, &time);
	CALL(select, INT_MAX, NULL, NULL, NULL, &time);
	CALL(select, 10, KIT, NULL, NULL, &time);
	CALL(select, 0, KIT, NULL, NULL, &time);
	CALL(select, 0, NULL, NULL, NULL, KIT);
	time.tv_usec = -1;
	CALL(select, 0, NULL, NULL, NULL, &time);
	time = (struct timeval){-1, 0};
	CALL(select, 0, NULL, NULL, NULL, &time);
	time = (struct timeval){0, 1000000};
	CALL(select, -1, NULL, NULL, NULL, &time);
}

CASE(select_updates_the_time)
{
	struct timeval time = {0, 3000};
	fd_set set;
	int ends[2];

	pipe(ends);
	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	CALL(select, 10, &set, NULL, NULL, &time);
	say("%ld %ld %d", (long)time.tv_sec, (long)time.tv_usec, FD_ISSET(ends[0], &set));
	time = (struct timeval){100, 0};
	FD_SET(ends[1], &set);
	write(ends[1], "x", 1);
	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	CALL(select, 10, &set, NULL, NULL, &time);
	VALUE(time.tv_sec >= 99);
}

CASE(select_of_files)
{
	struct timeval time = {0, 0};
	fd_set in, out, other;
	int file = make_file("file", 1);

	FD_ZERO(&in);
	FD_SET(file, &in);
	out = other = in;
	CALL(select, file + 1, &in, &out, &other, &time);
	say("%d %d %d", FD_ISSET(file, &in), FD_ISSET(file, &out), FD_ISSET(file, &other));
}

CASE(pselect_errors)
{
	struct timespec time = {0, 0};
	unsigned long none = 0;
	struct {
		const void *set;
		size_t size;
	} good = {&none, 8}, wrong = {&none, 4}, bad = {KIT, 8}, nothing = {NULL, 0};

	CALL(pselect6, 0, NULL, NULL, NULL, &time, &good);
	CALL(pselect6, 0, NULL, NULL, NULL, &time, &wrong);
	CALL(pselect6, 0, NULL, NULL, NULL, &time, &bad);
	CALL(pselect6, 0, NULL, NULL, NULL, &time, &nothing);
	CALL(pselect6, 0, NULL, NULL, NULL, &time, KIT);
	CALL(pselect6, 0, NULL, NULL, NULL, KIT, NULL);
	CALL(pselect6, -1, NULL, NULL, NULL, &time, NULL);
	time.tv_nsec = -1;
	CALL(pselect6, 0, NULL, NULL, NULL, &time, NULL);
}
