/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many VMs in several threads, which use all of libmote at the same time; what they took is given
 * back in the end. usage: many GUESTS [VMS [THREADS [MEMORY-GROWTH-KIB]]]
 *
 * Each thread makes VMs of five kinds in turn, keeps some while it works on others, and hands some
 * to the next thread. With a limit of growth all of it is done twice, and the second time may take
 * no more than that much memory.
 */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 16
#define MOMENT_NS   20000000u

static char guests[4096];
static unsigned vms = 100, threads = 4;
static atomic_uint next_vm, made;

/* A VM that waits for whichever thread comes next. */
static struct mote_vm *parked;
static pthread_mutex_t parking = PTHREAD_MUTEX_INITIALIZER;

static struct mote_config *config_of_guest(const char *name, const char *argument)
{
	char path[5000];

	snprintf(path, sizeof path, "%s/%s", guests, name);
	return config_of(path, argument);
}

/* ---- kinds ---- */

/* A program that runs to its end, with streams of its own. */
static void run_program(unsigned number)
{
	struct mote_error err = {0, ""};
	char status[12], text[256] = "";
	struct mote_config *config;
	struct mote_event event;
	struct mote_vm *vm;
	int out[2];

	snprintf(status, sizeof status, "word-%u", number);
	config = config_of_guest("args", status);
	CHECK(!pipe2(out, O_CLOEXEC), &err);
	CHECK(!mote_config_streams(config, -1, out[1], -1, &err), &err);
	CHECK(!mote_config_set(config, "mem", "16M", &err), &err);
	vm = mote_create(config, &err);
	CHECK(vm, &err);
	mote_config_free(config);
	close(out[1]);
	if (vm) {
		CHECK(!mote_run(vm, MOTE_NO_LIMIT, &event, &err), &err);
		CHECK(event.type == MOTE_EVENT_EXITED && event.status == 0, &err);
		mote_close(vm);
	}
	CHECK(read(out[0], text, sizeof text - 1) > 0 && strstr(text, status), &err);
	close(out[0]);
}

static void ask(struct mote_vm *vm, unsigned number)
{
	struct mote_error err = {0, ""};
	char target[32], wanted[64];
	const struct mote_header header = {"X-Test", "value"};
	struct mote_call_request request = {
	        .method = "POST", .target = target, .headers = &header, .header_count = 1};
	struct mote_call_answer answer;

	snprintf(target, sizeof target, "/vm/%u", number);
	snprintf(wanted, sizeof wanted, "POST /vm/%u value\n", number);
	CHECK(!mote_call(vm, &request, &answer, &err), &err);
	CHECK(err.code || (answer.status == 200 && answer.body_size == strlen(wanted) &&
	                   !memcmp(answer.body, wanted, answer.body_size)),
	      &err);
}

/* A body that takes several pieces each way. */
static void ask_much(struct mote_vm *vm)
{
	static char body[200000];
	struct mote_error err = {0, ""};
	struct mote_call_request request = {
	        .method = "POST", .target = "/echo", .body = body, .body_size = sizeof body};
	struct mote_call_answer answer;

	CHECK(!mote_call(vm, &request, &answer, &err), &err);
	CHECK(err.code ||
	              (answer.body_size == sizeof body && !memcmp(answer.body, body, sizeof body)),
	      &err);
}

/* One that is restored answers, crashes, and is put back; it may go on to another thread. */
static void serve(unsigned number)
{
	struct mote_error err = {0, ""}, crash = {0, ""};
	struct mote_config *config = config_of("unused", NULL);
	struct mote_call_request request = {.method = "GET", .target = "/crash"};
	struct mote_call_answer answer;
	struct mote_vm *vm = mote_restore(config, "many.snap", &err), *other;

	mote_config_free(config);
	CHECK(vm, &err);
	if (!vm)
		return;
	ask(vm, number);
	ask(vm, number + 1);
	CHECK(mote_call(vm, &request, &answer, &crash) < 0 &&
	              crash.code == MOTE_STATUS_SIGNAL_BASE + SIGSEGV,
	      &crash);
	CHECK(!mote_reset(vm, &err), &err);
	ask(vm, number);
	CHECK(!mote_reset(vm, &err), &err);
	ask_much(vm);
	CHECK(!mote_reset(vm, &err), &err);
	pthread_mutex_lock(&parking);
	other = parked;
	parked = vm;
	pthread_mutex_unlock(&parking);
	if (other) {
		struct mote_statistics statistics = {.size = sizeof statistics};

		ask(other, number);
		CHECK(!mote_statistics(other, &statistics, &err) && statistics.resets >= 3 &&
		              statistics.runs >= 6 && statistics.exits >= 6,
		      &err);
	}
	mote_close(other);
}

static void *interrupt_soon(void *vm)
{
	const struct timespec moment = {.tv_nsec = MOMENT_NS};

	nanosleep(&moment, NULL);
	mote_interrupt(vm);
	return NULL;
}

/* A guest that never ends: @how it spins or sleeps. */
static void stop_it(const char *how)
{
	struct mote_error err = {0, ""};
	struct mote_config *config = config_of_guest("spin", how);
	struct mote_vm *vm = mote_create(config, &err);
	struct mote_event event = {0};
	pthread_t thread;

	mote_config_free(config);
	CHECK(vm, &err);
	if (!vm)
		return;
	CHECK(!mote_run(vm, MOMENT_NS, &event, &err), &err);
	CHECK(event.type == MOTE_EVENT_TIMEOUT, &err);
	mote_interrupt(vm);
	CHECK(!mote_run(vm, MOTE_NO_LIMIT, &event, &err), &err);
	CHECK(event.type == MOTE_EVENT_INTERRUPTED, &err);
	CHECK(!pthread_create(&thread, NULL, interrupt_soon, vm), &err);
	CHECK(!mote_run(vm, MOTE_NO_LIMIT, &event, &err), &err);
	CHECK(event.type == MOTE_EVENT_INTERRUPTED, &err);
	pthread_join(thread, NULL);
	mote_close(vm);
}

/* All the way: boot, point, snapshot, on; and a start from that. */
static void snapshot(unsigned number)
{
	struct mote_error err = {0, ""};
	char file[32];
	struct mote_config *config = config_of_guest("function_faults", NULL);
	struct mote_event event = {0};
	struct mote_vm *vm;

	snprintf(file, sizeof file, "many-%u.snap", number);
	CHECK(!mote_config_set(config, "snapshot-at", "serve", &err), &err);
	CHECK(!mote_config_set(config, "mem", "32M", &err), &err);
	vm = mote_create(config, &err);
	mote_config_free(config);
	CHECK(vm && !mote_run(vm, MOTE_NO_LIMIT, &event, &err), &err);
	CHECK(event.type == MOTE_EVENT_POINT, &err);
	CHECK(vm && !mote_snapshot(vm, file, &err), &err);
	if (vm)
		ask(vm, number);
	mote_close(vm);
	config = config_of("unused", NULL);
	vm = mote_restore(config, file, &err);
	mote_config_free(config);
	CHECK(vm, &err);
	unlink(file);
	if (vm)
		ask(vm, number);
	mote_close(vm);
}

/* ---- threads ---- */

static void *work(void *unused)
{
	unsigned number;

	while ((number = atomic_fetch_add(&next_vm, 1)) < vms) {
		switch (number % 5) {
		case 0: run_program(number); break;
		case 1: serve(number); break;
		case 2: stop_it("spin"); break;
		case 3: snapshot(number); break;
		case 4: stop_it("sleep"); break;
		}
		atomic_fetch_add(&made, 1);
	}
	return unused;
}

static void round_of_all(void)
{
	pthread_t all[THREADS_MAX];

	atomic_store(&next_vm, 0);
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&all[i], NULL, work, NULL))
			exit(1);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(all[i], NULL);
	mote_close(parked);
	parked = NULL;
}

/* ---- what is left ---- */

static unsigned count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static unsigned long status_of(const char *key)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];
	unsigned long value = 0;

	while (fgets(line, sizeof line, status))
		if (!strncmp(line, key, strlen(key)))
			value = strtoul(line + strlen(key), NULL, 10);
	fclose(status);
	return value;
}

/* What a process has of signals. */
struct signals {
	sigset_t mask;
	struct sigaction actions[64];
};

static void look_at_signals(struct signals *signals)
{
	memset(signals, 0, sizeof *signals);
	pthread_sigmask(SIG_SETMASK, NULL, &signals->mask);
	for (int i = 1; i < 64; i++)
		sigaction(i, NULL, &signals->actions[i]);
}

static bool is_untouched(const struct signals *before)
{
	struct signals present;
	sigset_t pending;

	look_at_signals(&present);
	for (int i = 1; i < 64; i++)
		if (sigismember(&before->mask, i) != sigismember(&present.mask, i) ||
		    before->actions[i].sa_handler != present.actions[i].sa_handler)
			return false;
	sigpending(&pending);
	return !sigismember(&pending, mote_kick_signal()) && !sigismember(&pending, SIGPIPE);
}

static void *begin(void *unused)
{
	return unused;
}

int main(int argc, char **argv)
{
	struct mote_error err = {0, ""};
	struct mote_config *config;
	struct mote_event event = {0};
	struct mote_vm *vm;
	unsigned long growth = argc > 4 ? strtoul(argv[4], NULL, 10) : 0, before;
	unsigned long before_threads, mappings;
	pthread_t first;
	unsigned descriptors;
	struct signals signals;

	if (argc < 2)
		return 2;
	snprintf(guests, sizeof guests, "%s", argv[1]);
	vms = argc > 2 ? (unsigned)atoi(argv[2]) : vms;
	threads = argc > 3 ? (unsigned)atoi(argv[3]) : threads;
	look_at_signals(&signals);
	descriptors = count_descriptors();
	/* A sanitizer makes its own thread with the program's first. */
	CHECK(!pthread_create(&first, NULL, begin, NULL), &err);
	pthread_join(first, NULL);
	before_threads = status_of("Threads:");

	config = config_of_guest("function_faults", NULL);
	CHECK(!mote_config_set(config, "snapshot-at", "serve", &err), &err);
	CHECK(!mote_config_set(config, "mem", "32M", &err), &err);
	vm = mote_create(config, &err);
	CHECK(vm && !mote_run(vm, MOTE_NO_LIMIT, &event, &err) && event.type == MOTE_EVENT_POINT &&
	              !mote_snapshot(vm, "many.snap", &err),
	      &err);
	mote_close(vm);
	mote_config_free(config);

	round_of_all();
	before = status_of("VmRSS:");
	mappings = status_of("VmSize:");
	if (growth) {
		round_of_all();
		printf("memory: %lu KiB after one round, %lu after two\n", before,
		       status_of("VmRSS:"));
		CHECK(status_of("VmRSS:") <= before + growth, &err);
		/* Less than a few guests have; the C library may take a heap for each thread. */
		CHECK(status_of("VmSize:") <= mappings + (256 << 10), &err);
	}
	printf("%u VMs in %u threads\n", made, threads);
	CHECK(count_descriptors() == descriptors, &err);
	CHECK(status_of("Threads:") == before_threads, &err);
	CHECK(is_untouched(&signals), &err);
	unlink("many.snap");
	return check_result();
}
