/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output that nobody takes: calls come back in time, nothing is lost, and a snapshot can be taken.
 * usage: streams GUESTS
 */
#include "check.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define TIME_NS 50000000u
#define BYTES   300000u /* more than a pipe holds */

static char path[4200];
static struct mote_error err;

static double seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Of the guest `cat`: it says what it reads. */
static struct mote_config *config_of_cat(int in, int out, int is_virtio)
{
	struct mote_config *config = config_of(path, NULL);

	CHECK(!mote_config_streams(config, in, out, -1, &err), &err);
	if (is_virtio)
		CHECK(!mote_config_set(config, "console", "virtio", &err), &err);
	return config;
}

static size_t take(int fd)
{
	static char bytes[1 << 16];
	ssize_t got = read(fd, bytes, sizeof bytes);

	return got > 0 ? (size_t)got : 0;
}

/* Run it in pieces, and take some of its output after each. Return: bytes of all. */
static size_t run_slowly(struct mote_vm *vm, int out)
{
	struct mote_event event = {.type = MOTE_EVENT_TIMEOUT};
	unsigned timeouts = 0;
	size_t total = 0;

	while (event.type == MOTE_EVENT_TIMEOUT) {
		double start = seconds();

		if (timeouts++)
			total += take(out);
		CHECK(!mote_run(vm, TIME_NS, &event, &err), &err);
		CHECK(seconds() - start < 1.5, &err);
	}
	CHECK(event.type == MOTE_EVENT_EXITED && event.status == 0, &err);
	CHECK(timeouts > 2, &err);
	return total;
}

static void try(int is_virtio)
{
	static const char input[BYTES];
	struct mote_config *config;
	struct mote_event event;
	struct mote_vm *vm;
	int in[2] = {-1, -1}, out[2] = {-1, -1};
	size_t total, got;

	CHECK(!pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC), &err);
	CHECK(fcntl(in[1], F_SETPIPE_SZ, 1 << 19) >= (int)BYTES, &err);
	CHECK(write(in[1], input, BYTES) == BYTES, &err);
	close(in[1]);
	config = config_of_cat(in[0], out[1], is_virtio);
	vm = mote_create(config, &err);
	mote_config_free(config);
	CHECK(vm, &err);
	CHECK(!mote_run(vm, TIME_NS, &event, &err), &err);
	CHECK(event.type == MOTE_EVENT_TIMEOUT, &err);
	CHECK(!mote_snapshot(vm, "streams.snap", &err), &err);
	total = run_slowly(vm, out[0]);
	mote_close(vm);
	close(out[1]);
	while ((got = take(out[0])))
		total += got;
	CHECK(total == BYTES, &err);
	close(in[0]);
	close(out[0]);
	unlink("streams.snap");
}

int main(int argc, char **argv)
{
	snprintf(path, sizeof path, "%s/cat", argc > 1 ? argv[1] : ".");
	try(0);
	try(1);
	return check_result();
}
