/* SPDX-License-Identifier: Apache-2.0 */
/* A function that does what its path says: for the tests of mote serve. */
#include <fcntl.h>
#include <sys/mman.h>

#include "mote/function.h"

static char secret[4096] = "clean";
static volatile int *const nowhere = (volatile int *)8;

/* Allocates until there is no more, as a leak does. */
static void exhaust(void)
{
	static void *kept[1 << 16];

	for (unsigned i = 0;; i++)
		memset(kept[i % (1 << 16)] = malloc(1 << 20), 1, 1 << 20);
}

/* All that a program can leave behind it; says what it finds of an earlier request. */
static void leave_traces(struct mote_request *request)
{
	int is_file = access("/tmp/trace", F_OK) == 0;
	const char *variable = getenv("TRACE");

	mote_print(request, "%s %d %s\n", secret, is_file, variable ? variable : "-");
	strcpy(secret, mote_path(request));
	setenv("TRACE", mote_path(request), 1);
	close(open("/tmp/trace", O_CREAT | O_WRONLY, 0600));
	mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1,
	     0);
	chdir("/tmp");
}

static void write_much(struct mote_request *request)
{
	static char block[65536];
	long count = atol(strrchr(mote_path(request), '/') + 1);

	memset(block, 'x', sizeof block);
	while (count-- && !mote_write(request, block, sizeof block))
		;
}

/* /slowly/COUNT/MILLISECONDS: lines, each sent as it is made. */
static void write_slowly(struct mote_request *request)
{
	long count = 0, pause = 0;

	sscanf(mote_path(request), "/slowly/%ld/%ld", &count, &pause);
	mote_set_header(request, "X-Begun", "yes");
	for (long i = 0; i < count && !mote_flush(request); i++) {
		usleep((unsigned)pause * 1000);
		mote_print(request, "line %ld\n", i);
	}
}

static void echo(struct mote_request *request)
{
	static char more[MOTE_FUNCTION_BUFFER];
	size_t size;
	const void *body = mote_body(request, &size);
	long part;

	mote_write(request, body, size);
	if (size < mote_body_size(request))
		while ((part = mote_read_body(request, more)) > 0)
			mote_write(request, more, (size_t)part);
}

static void garbage(void)
{
	struct mote_function_call call = {MOTE_FUNCTION_NEXT, (uint64_t) "garbage without a head",
	                                  22, 0};

	mote_call(MOTE_CALL_SERVE, &call, 0);
}

/* Calls that go on for ever: pieces without bytes, and a body that ended long ago. */
static void pieces(void)
{
	for (;;)
		mote_function_call(MOTE_FUNCTION_MORE, mote_given, 0, NULL);
}

static void hungry(void)
{
	static char more[MOTE_FUNCTION_BUFFER];

	for (;;)
		mote_function_call(MOTE_FUNCTION_BODY, NULL, 0, more);
}

/* A head that announces another length than the body has: 10 bytes, of which COUNT come. */
static void announce(struct mote_request *request)
{
	request->answer->body_size = 10;
	mote_flush_answer(request);
	usleep(20000);
	mote_write(request, "0123456789ABCDEF", (size_t)atol(mote_path(request) + 10));
}

static void answer(struct mote_request *request)
{
	const char *path = mote_path(request);

	if (!strcmp(path, "/crash"))
		*nowhere = 1;
	else if (!strcmp(path, "/exit"))
		exit(3);
	else if (!strcmp(path, "/spin"))
		for (;;)
			;
	else if (!strcmp(path, "/sleep"))
		sleep(1000);
	else if (!strcmp(path, "/exhaust"))
		exhaust();
	else if (!strcmp(path, "/garbage"))
		garbage();
	else if (!strncmp(path, "/trace", 6))
		leave_traces(request);
	else if (!strncmp(path, "/much/", 6))
		write_much(request);
	else if (!strcmp(path, "/pieces"))
		pieces();
	else if (!strcmp(path, "/hungry"))
		hungry();
	else if (!strncmp(path, "/announce/", 10))
		announce(request);
	else if (!strcmp(path, "/say")) {
		printf("to stdout\n");
		fflush(stdout);
		fprintf(stderr, "to stderr, \033[31mred\a \"quoted\"\n");
		for (int i = 0; i < 10000; i++)
			putc('l', stderr);
	} else if (!strncmp(path, "/slowly/", 8))
		write_slowly(request);
	else if (!strncmp(path, "/begin/", 7)) {
		mote_print(request, "the beginning\n");
		mote_flush(request);
		usleep(100000);
		if (!strcmp(path, "/begin/crash"))
			*nowhere = 1;
		for (;;) /* /begin/spin */
			;
	} else if (!strcmp(path, "/echo"))
		echo(request);
	else if (!strcmp(path, "/status"))
		mote_status(request, 418);
	else
		mote_print(request, "%s %s %s\n", mote_method(request), path,
		           mote_header(request, "X-Test") ? mote_header(request, "X-Test") : "-");
}

int main(void)
{
	return mote_serve(answer);
}
