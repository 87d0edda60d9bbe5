/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that holds microVMs: it boots a function, takes a snapshot where that asks for
 * requests, and answers each request from the snapshot. usage: embed FUNCTION SNAPSHOT
 */
#include <mote/mote.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct mote_error err;

/* A library returns; what an error is worth, the program decides. */
static void fail(const char *what)
{
	fprintf(stderr, "embed: %s: %s\n", what, err.text);
	exit(1);
}

/* Boot the function up to where it asks for a request, and keep that. */
static void take_snapshot(const char *function, const char *path)
{
	struct mote_config *config = mote_config_new();
	struct mote_event event;
	struct mote_vm *vm;

	if (!config || mote_config_arguments(config, 1, &function, &err) ||
	    mote_config_set(config, "mem", "32M", &err) ||
	    mote_config_set(config, "snapshot-at", "serve", &err))
		fail("configuration");
	vm = mote_create(config, &err);
	mote_config_free(config);
	if (!vm)
		fail("create");
	if (mote_run(vm, 10000000000, &event, &err))
		fail("run");
	if (event.type != MOTE_EVENT_POINT) {
		fprintf(stderr, "embed: the guest ended (%d) before it asked for a request\n",
		        event.status);
		exit(1);
	}
	if (mote_snapshot(vm, path, &err))
		fail("snapshot");
	mote_close(vm);
}

static int call(struct mote_vm *vm, const char *target)
{
	const struct mote_call_request request = {.method = "GET", .target = target};
	struct mote_call_answer answer;

	if (mote_call(vm, &request, &answer, &err))
		return -1;
	printf("%u: %.*s", answer.status, (int)answer.body_size, (const char *)answer.body);
	return 0;
}

/* Another thread has had enough of waiting. */
static void *interrupt(void *vm)
{
	const struct timespec moment = {.tv_nsec = 50000000};

	nanosleep(&moment, NULL);
	mote_interrupt(vm);
	return NULL;
}

static void serve(const char *snapshot)
{
	struct mote_statistics statistics = {.size = sizeof statistics};
	struct mote_vm *vm = mote_restore(NULL, snapshot, &err);
	pthread_t thread;

	if (!vm)
		fail("restore");
	/* Without a reset the function goes on with what it has. */
	if (call(vm, "/one") || call(vm, "/two"))
		fail("call");
	/* With one, each request meets a function that has seen no other. */
	if (mote_reset(vm, &err) || call(vm, "/three"))
		fail("reset");
	if (pthread_create(&thread, NULL, interrupt, vm))
		fail("thread");
	if (!call(vm, "/spin") || err.code != MOTE_STATUS_INTERRUPTED)
		fail("interrupt");
	printf("interrupted: %s\n", err.text);
	pthread_join(thread, NULL);
	if (mote_reset(vm, &err) || call(vm, "/four") || mote_statistics(vm, &statistics, &err))
		fail("reset");
	printf("%llu exits, %llu resets\n", (unsigned long long)statistics.exits,
	       (unsigned long long)statistics.resets);
	mote_close(vm);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: embed FUNCTION SNAPSHOT\n");
		return 2;
	}
	take_snapshot(argv[1], argv[2]);
	serve(argv[2]);
	return 0;
}
