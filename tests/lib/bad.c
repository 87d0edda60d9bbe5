/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bad input for each function of libmote: NULL, wrong orders, what is over or was never there,
 * snapshots that are none. usage: bad config | bad vm GUESTS
 *
 * `config` makes no VM. After each error there is a code and one line of text.
 */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static struct mote_error err;
static char path[4096];

static void expect_text(const char *text, int line)
{
	CHECK(err.code && err.text[0] && !strchr(err.text, '\n'), &err);
	if (!strstr(err.text, text)) {
		printf("line %d: ", line);
		CHECK(!"the error says why", &err);
	}
	err.code = 0;
	err.text[0] = '\0';
}

/* An expression that fails, for a reason that its text names. */
#define FAILS(expression, text)                \
	do {                                   \
		CHECK((expression) < 0, &err); \
		expect_text(text, __LINE__);   \
	} while (0)
#define IS_NULL(expression, text)            \
	do {                                 \
		CHECK(!(expression), &err);  \
		expect_text(text, __LINE__); \
	} while (0)

/* ---- configurations ---- */

static void test_options(void)
{
	static const char *const of_program[] = {
	        "snapshot", "snapshot-continue", "count", "timeout",
	        "stats",    "serve-on",          "name",  "label"};
	struct mote_config *config = mote_config_new();

	FAILS(mote_config_set(NULL, "mem", "64M", &err), "config is NULL");
	FAILS(mote_config_set(config, NULL, "64M", &err), "option is NULL");
	CHECK(mote_config_set(config, NULL, NULL, NULL) < 0, &err);
	FAILS(mote_config_set(config, "", NULL, &err), "no option ''");
	FAILS(mote_config_set(config, "memm", "64M", &err), "Is it 'mem'?");
	FAILS(mote_config_set(config, "--mem", "64M", &err), "no option");
	FAILS(mote_config_set(config, "mem=64M", NULL, &err), "no option");
	FAILS(mote_config_set(config, "help", NULL, &err), "no option");
	FAILS(mote_config_set(config, "mem", NULL, &err), "needs a value");
	FAILS(mote_config_set(config, "mem", "", &err), "empty value");
	FAILS(mote_config_set(config, "mem", "1", &err), "less than 4M");
	FAILS(mote_config_set(config, "mem", "much", &err), "not a size");
	FAILS(mote_config_set(config, "mem", "64M\n--root=/", &err), "not a size");
	FAILS(mote_config_set(config, "entropy", "yes", &err), "takes no value");
	FAILS(mote_config_set(config, "confine", "yes", &err), "takes no value");
	FAILS(mote_config_set(config, "no-reset", "", &err), "takes no value");
	FAILS(mote_config_set(config, "env", "=value", &err), "no name");
	FAILS(mote_config_set(config, "env", "THERE_IS_NO_SUCH_VARIABLE", &err), "is not set");
	FAILS(mote_config_set(config, "share", "nothing", &err), "share");
	for (size_t i = 0; i < sizeof of_program / sizeof of_program[0]; i++)
		FAILS(mote_config_set(config, of_program[i], "1", &err), "program's alone");
	CHECK(!mote_config_set(config, "mem", "64M", &err), &err);
	CHECK(!mote_config_set(config, "env", "PATH", &err), &err);
	CHECK(mote_config_set(config, "stats", NULL, NULL) < 0, &err);
	mote_config_free(config);
	mote_config_free(NULL);
}

static void test_arguments(void)
{
	static const char *const words[] = {"program", NULL}, *const empty[] = {""};
	static const char *many[5000];
	struct mote_config *config = mote_config_new();

	for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
		many[i] = "word";
	FAILS(mote_config_arguments(NULL, 1, words, &err), "config is NULL");
	FAILS(mote_config_arguments(config, 1, NULL, &err), "argv is NULL");
	FAILS(mote_config_arguments(config, 0, words, &err), "from 1");
	FAILS(mote_config_arguments(config, -1, words, &err), "from 1");
	FAILS(mote_config_arguments(config, 2, words, &err), "string of argv is NULL");
	FAILS(mote_config_arguments(config, 1, empty, &err), "empty");
	FAILS(mote_config_arguments(config, 5000, many, &err), "5000 arguments");
	CHECK(mote_config_arguments(config, 1, NULL, NULL) < 0, &err);
	CHECK(!mote_config_arguments(config, 1, words, &err), &err);
	mote_config_free(config);
}

static void test_streams(void)
{
	struct mote_config *config = mote_config_new();
	int before = dup(0), after;

	close(before);
	FAILS(mote_config_streams(NULL, 0, 1, 2, &err), "config is NULL");
	FAILS(mote_config_streams(config, 1000, 1, 2, &err), "descriptor 1000");
	FAILS(mote_config_streams(config, 0, 1, -2, &err), "descriptor -2");
	CHECK(mote_config_streams(config, -3, 1, 2, NULL) < 0, &err);
	CHECK(!mote_config_streams(config, -1, -1, -1, &err), &err);
	CHECK(!mote_config_streams(config, 0, 1, 2, &err), &err);
	mote_config_free(config);
	after = dup(0);
	close(after);
	CHECK(before == after, &err);
}

/* A VM needs a program, and files that are there. */
static void test_no_vm(void)
{
	struct mote_config *config = mote_config_new();
	static const char *const none[] = {"/nowhere/program"}, *const self[] = {"/proc/self/exe"};
	struct mote_statistics statistics = {.size = sizeof statistics};
	struct mote_call_request request = {.method = "GET", .target = "/"};
	struct mote_call_answer answer;
	struct mote_event event;

	IS_NULL(mote_create(NULL, &err), "config is NULL");
	IS_NULL(mote_create(config, &err), "names no program");
	CHECK(!mote_create(NULL, NULL), &err);
	CHECK(!mote_config_arguments(config, 1, none, &err), &err);
	IS_NULL(mote_create(config, &err), "/nowhere/program");
	/* A dynamic program without a root: the VM is made half. */
	CHECK(!mote_config_arguments(config, 1, self, &err), &err);
	IS_NULL(mote_create(config, &err), "");
	CHECK(!mote_config_arguments(config, 1, none, &err), &err);
	IS_NULL(mote_restore(NULL, NULL, &err), "snapshot is NULL");
	IS_NULL(mote_restore(config, "", &err), "empty");
	IS_NULL(mote_restore(config, "/nowhere/snapshot", &err), "/nowhere/snapshot");
	CHECK(!mote_restore(NULL, "/nowhere", NULL), &err);
	CHECK(!mote_config_set(config, "trace", "/nowhere/trace", &err), &err);
	IS_NULL(mote_create(config, &err), "/nowhere/trace");
	CHECK(!mote_config_set(config, "strace", NULL, &err), &err);
	IS_NULL(mote_create(config, &err), "at the same time");
	mote_config_free(config);

	FAILS(mote_run(NULL, 0, &event, &err), "vm is NULL");
	FAILS(mote_snapshot(NULL, "x", &err), "vm is NULL");
	FAILS(mote_reset(NULL, &err), "vm is NULL");
	FAILS(mote_call(NULL, &request, &answer, &err), "vm is NULL");
	FAILS(mote_statistics(NULL, &statistics, &err), "vm is NULL");
	CHECK(mote_run(NULL, 0, NULL, NULL) < 0 && mote_snapshot(NULL, NULL, NULL) < 0 &&
	              mote_reset(NULL, NULL) < 0 && mote_call(NULL, NULL, NULL, NULL) < 0 &&
	              mote_statistics(NULL, NULL, NULL) < 0,
	      &err);
	mote_interrupt(NULL);
	mote_close(NULL);
	mote_recover(NULL);
	CHECK(mote_kick_signal() > 31, &err);
	CHECK(strlen(mote_version()) > 4, &err);
}

/* ---- VMs ---- */

static const char *guest_of(const char *folder, const char *name)
{
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void test_bad_request(struct mote_vm *vm)
{
	static const struct mote_header bad_name = {"a b", "c"}, bad_value = {"a", "b\r\nc: d"},
	                                no_value = {"a", NULL};
	static struct mote_header many[3000];
	struct mote_call_request request = {.method = "GET", .target = "/"};
	struct mote_call_answer answer;

	FAILS(mote_call(vm, NULL, &answer, &err), "request is NULL");
	FAILS(mote_call(vm, &request, NULL, &err), "answer is NULL");
	request.method = NULL;
	FAILS(mote_call(vm, &request, &answer, &err), "method is NULL");
	request.method = "GET / HTTP";
	FAILS(mote_call(vm, &request, &answer, &err), "the method");
	request = (struct mote_call_request){.method = "GET"};
	FAILS(mote_call(vm, &request, &answer, &err), "target is NULL");
	request.target = "/ x";
	FAILS(mote_call(vm, &request, &answer, &err), "the target");
	request = (struct mote_call_request){.method = "GET", .target = "/", .header_count = 1};
	FAILS(mote_call(vm, &request, &answer, &err), "headers is NULL");
	request.headers = &bad_name;
	FAILS(mote_call(vm, &request, &answer, &err), "no token");
	request.headers = &bad_value;
	FAILS(mote_call(vm, &request, &answer, &err), "control character");
	request.headers = &no_value;
	FAILS(mote_call(vm, &request, &answer, &err), "a header is NULL");
	for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
		many[i] = (struct mote_header){"Name-of-a-header", "value"};
	request.headers = many;
	request.header_count = sizeof many / sizeof many[0];
	FAILS(mote_call(vm, &request, &answer, &err), "longer than 32 KiB");
	request = (struct mote_call_request){.method = "GET", .target = "/", .body_size = 1};
	FAILS(mote_call(vm, &request, &answer, &err), "body is NULL");
	request = (struct mote_call_request){.method = "GET", .target = "/", .reserved = {1}};
	FAILS(mote_call(vm, &request, &answer, &err), "reserved");
	/* None of these has harmed it. */
	request.reserved[0] = 0;
	CHECK(!mote_call(vm, &request, &answer, &err) && answer.status == 200, &err);
}

/* What a function may do in place of answering. */
static void test_bad_answers(struct mote_vm *vm)
{
	static const struct {
		const char *target;
		int code;
		const char *text;
	} cases[] = {
	        {"/crash", MOTE_STATUS_SIGNAL_BASE + 11, "signal 11"},
	        {"/exit", MOTE_STATUS_CANNOT_RUN, "status 3"},
	        {"/spin", MOTE_STATUS_TIMEOUT, "too long"},
	        {"/sleep", MOTE_STATUS_TIMEOUT, "too long"},
	        {"/exhaust", MOTE_STATUS_OUT_OF_MEMORY, "all of its memory"},
	        {"/garbage", MOTE_STATUS_CANNOT_RUN, "is none"},
	        {"/much/100", MOTE_STATUS_CANNOT_RUN, "larger than"},
	        {"/begin/crash", MOTE_STATUS_SIGNAL_BASE + 11, "signal 11"},
	};
	struct mote_call_answer answer;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct mote_call_request request = {
		        .method = "GET", .target = cases[i].target, .answer_max = 1 << 20};

		if (cases[i].code == MOTE_STATUS_TIMEOUT)
			request.timeout_ns = 100000000;
		CHECK(!mote_reset(vm, &err), &err);
		CHECK(mote_call(vm, &request, &answer, &err) < 0 && err.code == cases[i].code,
		      &err);
		expect_text(cases[i].text, __LINE__);
		FAILS(mote_call(vm, &request, &answer, &err), "mote_reset()");
		CHECK(!mote_reset(vm, &err), &err);
		request.target = "/fine";
		CHECK(!mote_call(vm, &request, &answer, &err) && answer.status == 200, &err);
	}
}

static void test_order(const char *guests)
{
	struct mote_config *config = config_of(guest_of(guests, "status"), "7");
	struct mote_statistics statistics = {.size = 8};
	struct mote_call_request request = {.method = "GET", .target = "/"};
	struct mote_call_answer answer;
	struct mote_event event;
	struct mote_vm *vm = mote_create(config, &err);

	CHECK(vm, &err);
	if (!vm)
		return;
	FAILS(mote_run(vm, 0, NULL, &err), "event is NULL");
	FAILS(mote_call(vm, &request, &answer, &err), "not where a function");
	FAILS(mote_reset(vm, &err), "mote_restore()");
	FAILS(mote_snapshot(vm, NULL, &err), "path is NULL");
	FAILS(mote_snapshot(vm, "/nowhere/snapshot", &err), "/nowhere/snapshot");
	FAILS(mote_statistics(vm, NULL, &err), "statistics is NULL");
	FAILS(mote_statistics(vm, &statistics, &err), "size is 8");
	CHECK(!mote_run(vm, MOTE_NO_LIMIT, &event, &err) && event.type == MOTE_EVENT_EXITED &&
	              event.status == 7,
	      &err);
	FAILS(mote_run(vm, 0, &event, &err), "is over");
	FAILS(mote_snapshot(vm, "over.snap", &err), "is over");
	FAILS(mote_call(vm, &request, &answer, &err), "is over");
	CHECK(access("over.snap", F_OK) < 0, &err);
	mote_close(vm);
	/* Options of the other kind of start. */
	CHECK(!mote_config_set(config, "mem", "64M", &err), &err);
	IS_NULL(mote_restore(config, "/nowhere", &err), "--mem");
	mote_config_free(config);
	config = config_of(guest_of(guests, "status"), NULL);
	CHECK(!mote_config_set(config, "symbols", "x", &err), &err);
	IS_NULL(mote_create(config, &err), "--symbols");
	mote_config_free(config);
}

/* A file that begins like the snapshot and is cut, or has other bytes from some place on. */
static void test_bad_snapshots(const char *snapshot, const char *guests)
{
	static unsigned char bytes[1 << 16], other[sizeof bytes];
	int from = open(snapshot, O_RDONLY);
	ssize_t size = read(from, bytes, sizeof bytes);

	close(from);
	IS_NULL(mote_restore(NULL, guest_of(guests, "status"), &err), "status");
	IS_NULL(mote_restore(NULL, "/dev/null", &err), "/dev/null");
	IS_NULL(mote_restore(NULL, "/", &err), "/");
	for (size_t cut = 0; cut < 4096; cut += 37) {
		int to = open("bad.snap", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		size_t length = cut % 2 ? (size_t)size : cut;
		struct mote_vm *vm;

		memcpy(other, bytes, cut);
		memset(other + cut, (int)cut, sizeof other - cut);
		CHECK(write(to, other, length) == (ssize_t)length, &err);
		close(to);
		vm = mote_restore(NULL, "bad.snap", &err);
		CHECK(!vm && err.code && strstr(err.text, "bad.snap"), &err);
		mote_close(vm);
	}
	unlink("bad.snap");
}

static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
	(void)context;
	mote_recover(info);
	signal(signal_number, SIG_DFL);
}

/* A snapshot that is cut under its VM, twice: the signal is not blocked by the first time. */
static void test_cut(void)
{
	const struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
	const struct mote_call_request request = {.method = "GET", .target = "/trace"};
	struct mote_config *config = config_of("unused", NULL);
	struct mote_call_answer answer;
	struct mote_event event;

	sigaction(SIGBUS, &action, NULL);
	for (int i = 0; i < 2; i++) {
		struct mote_vm *vm;

		CHECK(!system("cp good.snap cut.snap"), &err);
		vm = mote_restore(config, "cut.snap", &err);
		CHECK(vm && !mote_call(vm, &request, &answer, &err), &err);
		CHECK(!truncate("cut.snap", 4096), &err);
		FAILS(mote_reset(vm, &err), "cut");
		FAILS(mote_reset(vm, &err), "broken");
		FAILS(mote_run(vm, 0, &event, &err), "broken");
		FAILS(mote_call(vm, &request, &answer, &err), "broken");
		FAILS(mote_snapshot(vm, "broken.snap", &err), "broken");
		mote_close(vm);
	}
	signal(SIGBUS, SIG_DFL);
	mote_config_free(config);
	unlink("cut.snap");
}

static void test_function(const char *guests)
{
	struct mote_config *config = config_of(guest_of(guests, "function_faults"), NULL);
	struct mote_event event;
	struct mote_vm *vm;

	CHECK(!mote_config_set(config, "snapshot-at", "serve", &err), &err);
	vm = mote_create(config, &err);
	mote_config_free(config);
	CHECK(vm && !mote_run(vm, MOTE_NO_LIMIT, &event, &err) && event.type == MOTE_EVENT_POINT &&
	              event.point == MOTE_POINT_MARK && !mote_snapshot(vm, "good.snap", &err),
	      &err);
	FAILS(mote_reset(vm, &err), "mote_restore()");
	mote_close(vm);
	test_bad_snapshots("good.snap", guests);
	config = config_of("unused", NULL);
	vm = mote_restore(config, "good.snap", &err);
	CHECK(vm, &err);
	if (vm) {
		test_bad_request(vm);
		test_bad_answers(vm);
	}
	mote_close(vm);
	CHECK(!mote_config_set(config, "no-reset", NULL, &err), &err);
	vm = mote_restore(config, "good.snap", &err);
	CHECK(vm, &err);
	FAILS(mote_reset(vm, &err), "no-reset");
	mote_close(vm);
	test_cut();
	mote_config_free(config);
	unlink("good.snap");
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "config")) {
		test_options();
		test_arguments();
		test_streams();
		test_no_vm();
	} else if (argc == 3 && !strcmp(argv[1], "vm")) {
		test_order(argv[2]);
		test_function(argv[2]);
	} else {
		printf("usage: bad config | bad vm GUESTS\n");
		return 2;
	}
	return check_result();
}
