/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is the same, and what is not, behind a point where a snapshot is taken: registers, masks,
 * memory, clocks, timers, threads. The first argument says which. Prints what has to be true, or
 * what the script compares.
 */
#include <errno.h>
#include <fcntl.h>
#include <immintrin.h>
#include <linux/futex.h>
#include <mote/guest.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SECOND      1000000000L
#define MILLISECOND 1000000L

static long now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * SECOND + time.tv_nsec;
}

static void check(const char *what, int is_so)
{
	printf("%s: %s\n", what, is_so ? "yes" : "NO");
}

static void sleep_ms(long milliseconds)
{
	struct timespec time = {milliseconds / 1000, milliseconds % 1000 * MILLISECOND};

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}

/* Quiet before: what is said there comes from the run that takes the snapshot. */
static int point(void)
{
	fflush(stdout);
	return mote_snapshot_point();
}

/* ---- registers, masks ---- */

static _Thread_local int thread_word = 77;

static void *spin(void *argument)
{
	atomic_long *turns = argument;
	double value = 0;

	for (;;) {
		value += 0.5;
		if (value != (double)(long)(value * 2) / 2)
			abort(); /* somebody else's vector registers */
		atomic_fetch_add(turns, 1);
	}
}

/* The mark by hand, between two looks at registers that C code does not keep. */
static long mark_with_vectors(const uint64_t *in, uint64_t *out, uint32_t control)
{
	static const char name[] = MOTE_MARK_DEFAULT;
	long result;

	__asm__ volatile("ldmxcsr %[control]\n\t"
	                 "movdqu (%[in]), %%xmm0\n\t"
	                 "movdqu 16(%[in]), %%xmm9\n\t"
	                 "movdqu 32(%[in]), %%xmm15\n\t"
	                 "fldl 48(%[in])\n\t"
	                 "syscall\n\t"
	                 "fstpl 48(%[out])\n\t"
	                 "movdqu %%xmm0, (%[out])\n\t"
	                 "movdqu %%xmm9, 16(%[out])\n\t"
	                 "movdqu %%xmm15, 32(%[out])\n\t"
	                 "stmxcsr 56(%[out])\n\t"
	                 : "=a"(result)
	                 : "a"((long)MOTE_SYSCALL), "D"((long)MOTE_CALL_MARK),
	                   "S"(name), [in] "r"(in), [out] "r"(out), [control] "m"(control)
	                 : "rcx", "r11", "memory", "xmm0", "xmm9", "xmm15", "st");
	return result;
}

__attribute__((target("avx"))) static int vectors_are_kept(void)
{
	__m256i *kept = aligned_alloc(32, 2 * sizeof(*kept));
	int result;

	/* The upper halves, across the header's own way in. */
	__asm__ volatile("vmovdqu %1, %%ymm7\n\t"
	                 "mov %2, %%eax\n\t"
	                 "xor %%edi, %%edi\n\t"
	                 "lea %3, %%rsi\n\t"
	                 "syscall\n\t"
	                 "vmovdqu %%ymm7, %0\n\t"
	                 : "=m"(kept[0])
	                 : "m"(*(const __m256i *)"0123456789abcdefABCDEFGHIJKLMNOP"),
	                   "i"(MOTE_SYSCALL), "m"(*(const char(*)[6])MOTE_MARK_DEFAULT)
	                 : "rax", "rdi", "rsi", "rcx", "r11", "memory", "xmm7");
	result = !memcmp(&kept[0], "0123456789abcdefABCDEFGHIJKLMNOP", 32);
	free(kept);
	return result;
}

static void test_registers(void)
{
	uint64_t in[8] = {1, 2, 3, 4, 5, 6, 0x400921fb54442d18, 0}, out[8] = {0}, gs = 0;
	const uint32_t control = 0x1f80 | 0x6000; /* rounds to zero */
	long result;

	syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, 0x123456789000);
	fflush(stdout);
	result = mark_with_vectors(in, out, control);
	check("vector and x87 registers", !memcmp(in, out, 7 * sizeof(in[0])));
	check("MXCSR", (uint32_t)out[7] == control);
	syscall(SYS_arch_prctl, 0x1004 /* ARCH_GET_GS */, &gs);
	check("GS", gs == 0x123456789000);
	check("FS", thread_word == 77);
	printf("point %ld\n", result);
}

static void test_avx(void)
{
	fflush(stdout);
	check("upper halves", vectors_are_kept());
}

static void on_signal(int number)
{
	(void)number;
}

static void test_masks(void)
{
	static char stack[65536];
	stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)}, seen;
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	sigset_t blocked, old;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	sigaltstack(&alternate, NULL);
	sigaction(SIGUSR2, &action, NULL);
	raise(SIGUSR1);
	point();
	sigprocmask(SIG_BLOCK, NULL, &old);
	check("mask", sigismember(&old, SIGUSR1) && !sigismember(&old, SIGUSR2));
	sigpending(&old);
	check("pending", sigismember(&old, SIGUSR1));
	sigaltstack(NULL, &seen);
	check("alternate stack", seen.ss_sp == stack && seen.ss_size == sizeof(stack));
	sigaction(SIGUSR2, NULL, &action);
	check("action", action.sa_handler == on_signal && action.sa_flags & SA_ONSTACK);
}

/* ---- threads: some compute, some sleep ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int is_open, passed;

static void *wait_at_gate(void *argument)
{
	(void)argument;
	pthread_mutex_lock(&mutex);
	while (!is_open)
		pthread_cond_wait(&condition, &mutex);
	passed++;
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void *sleep_then_count(void *argument)
{
	sleep_ms(300);
	atomic_fetch_add((atomic_long *)argument, 1);
	return NULL;
}

static void test_threads(void)
{
	static atomic_long turns[2], slept;
	pthread_t spinners[2], waiters[3], sleeper;
	long before[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&spinners[i], NULL, spin, &turns[i]);
	for (int i = 0; i < 3; i++)
		pthread_create(&waiters[i], NULL, wait_at_gate, NULL);
	pthread_create(&sleeper, NULL, sleep_then_count, &slept);
	sleep_ms(50);
	point();
	for (int i = 0; i < 2; i++)
		before[i] = turns[i];
	sleep_ms(100);
	check("both go on", turns[0] > before[0] && turns[1] > before[1]);
	pthread_mutex_lock(&mutex);
	is_open = 1;
	pthread_cond_broadcast(&condition);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < 3; i++)
		pthread_join(waiters[i], NULL);
	pthread_join(sleeper, NULL);
	check("all that slept are awake", passed == 3 && slept == 1);
	fflush(stdout);
	_exit(0);
}

/* ---- clocks and timers ---- */

static void test_clocks(void)
{
	long monotonic = now(CLOCK_MONOTONIC), boot = now(CLOCK_BOOTTIME);
	long process = now(CLOCK_PROCESS_CPUTIME_ID), thread = now(CLOCK_THREAD_CPUTIME_ID);

	point();
	monotonic = now(CLOCK_MONOTONIC) - monotonic;
	boot = now(CLOCK_BOOTTIME) - boot;
	process = now(CLOCK_PROCESS_CPUTIME_ID) - process;
	thread = now(CLOCK_THREAD_CPUTIME_ID) - thread;
	check("CLOCK_MONOTONIC goes on", monotonic >= 0 && monotonic < SECOND);
	check("CPU time goes on",
	      process >= 0 && process < SECOND && thread >= 0 && thread < SECOND);
	printf("boottime %ld\nrealtime %ld\n", boot / MILLISECOND, now(CLOCK_REALTIME));
}

static atomic_long alarms;

static void count_alarm(int number)
{
	(void)number;
	alarms++;
}

static void *sleep_until(void *argument)
{
	long at = *(long *)argument;
	struct timespec time = {at / SECOND, at % SECOND};

	clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time, NULL);
	return (void *)now(CLOCK_REALTIME);
}

static void *wait_until(void *argument)
{
	static int word;
	long at = *(long *)argument;
	struct timespec time = {at / SECOND, at % SECOND};

	while (syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &time, NULL,
	               FUTEX_BITSET_MATCH_ANY) == 0 ||
	       errno != ETIMEDOUT)
		;
	return (void *)now(CLOCK_REALTIME);
}

/* The script leaves the snapshot alone for three seconds: less than that from now is over then. */
static void test_timers(void)
{
	long soon = now(CLOCK_REALTIME) + 2 * SECOND, start, rest;
	struct itimerspec relative = {.it_value = {0, 400 * MILLISECOND}};
	struct itimerspec far = {.it_value = {1L << 33, 0}};
	struct itimerspec once = {.it_value = {soon / SECOND, soon % SECOND}};
	int timer = timerfd_create(CLOCK_MONOTONIC, 0);
	int cancelled = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
	pthread_t sleeper, waiter;
	uint64_t turns;
	timer_t alarm_timer;
	void *woken[2];
	int result;

	signal(SIGALRM, count_alarm);
	timer_create(CLOCK_REALTIME, &event, &alarm_timer);
	timer_settime(alarm_timer, TIMER_ABSTIME, &once, NULL);
	timerfd_settime(cancelled, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL);
	pthread_create(&sleeper, NULL, sleep_until, &soon);
	pthread_create(&waiter, NULL, wait_until, &soon);
	timerfd_settime(timer, 0, &relative, NULL);
	start = now(CLOCK_MONOTONIC);
	result = point();
	pthread_join(sleeper, &woken[0]);
	pthread_join(waiter, &woken[1]);
	if (result == MOTE_POINT_RESTORED) {
		check("sleepers of CLOCK_REALTIME wake at once",
		      now(CLOCK_MONOTONIC) - start < 300 * MILLISECOND);
		check("reading tells that the clock was set",
		      read(cancelled, &turns, sizeof(turns)) == -1 && errno == ECANCELED);
	}
	check("none too early", (long)woken[0] >= soon && (long)woken[1] >= soon);
	check("told once", read(cancelled, &turns, sizeof(turns)) == -1 && errno == EAGAIN);
	sleep_ms(20);
	check("a timer that is due fires once", alarms == 1);
	result = (int)read(timer, &turns, sizeof(turns));
	rest = now(CLOCK_MONOTONIC) - start;
	check("a relative timer goes on",
	      result == sizeof(turns) && turns == 1 && rest >= 400 * MILLISECOND);
}

/* --snapshot-clock advance: all that falls due while it lies there is one expiry a timer. */
static void test_advance(void)
{
	struct itimerval repeating = {{0, 500000}, {0, 500000}};
	struct itimerspec once = {.it_value = {1, 0}};
	int timer = timerfd_create(CLOCK_MONOTONIC, 0);
	long start, cpu, monotonic;
	uint64_t turns = 0;

	signal(SIGALRM, count_alarm);
	timerfd_settime(timer, 0, &once, NULL);
	setitimer(ITIMER_REAL, &repeating, NULL);
	start = now(CLOCK_MONOTONIC);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	if (point() != MOTE_POINT_RESTORED)
		return;
	monotonic = now(CLOCK_MONOTONIC) - start;
	check("CLOCK_MONOTONIC counts the time", monotonic >= 2 * SECOND);
	check("CPU time does not", now(CLOCK_PROCESS_CPUTIME_ID) - cpu < SECOND);
	check("one turn is told", alarms == 1);
	check("a timer is due at once",
	      read(timer, &turns, sizeof(turns)) == sizeof(turns) &&
	              now(CLOCK_MONOTONIC) - start < monotonic + SECOND / 4);
	check("it fires once", turns == 1);
	sleep_ms(600);
	check("and goes on", alarms >= 2 && alarms <= 4);
}

/* ---- listen ---- */

static struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0mote-test"};

static void *connect_later(void *argument)
{
	int family = *(int *)argument, fd;
	struct sockaddr_in local = {.sin_family = AF_INET,
	                            .sin_port = htons(7777),
	                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	sleep_ms(200);
	fd = socket(family, SOCK_STREAM, 0);
	if (connect(fd, family == AF_UNIX ? (struct sockaddr *)&name : (struct sockaddr *)&local,
	            family == AF_UNIX ? sizeof(name) : sizeof(local)) ||
	    write(fd, "hello", 5) != 5)
		perror("connect");
	return NULL;
}

static int listen_on(int family, int flags)
{
	struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(7777)};
	int fd = socket(family, SOCK_STREAM | flags, 0);

	if (bind(fd, family == AF_UNIX ? (struct sockaddr *)&name : (struct sockaddr *)&local,
	         family == AF_UNIX ? sizeof(name) : sizeof(local)) ||
	    listen(fd, 5))
		perror("listen");
	return fd;
}

/* The callback's signal interrupts these, as any signal does. */
static int wait_for_connection(int fd, const char *how)
{
	struct pollfd entry = {.fd = fd, .events = POLLIN};
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(0);
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	if (!strcmp(how, "poll"))
		return poll(&entry, 1, 10000);
	if (!strcmp(how, "select"))
		return select(fd + 1, &set, NULL, NULL, NULL);
	if (!strcmp(how, "epoll"))
		return epoll_wait(epoll, &event, 1, -1);
	return 1;
}

static void test_listen(const char *how, int family)
{
	int fd = listen_on(family, strcmp(how, "accept") ? SOCK_NONBLOCK : 0), client;
	pthread_t connector;
	char text[6] = "";

	pthread_create(&connector, NULL, connect_later, &family);
	puts("about to listen");
	fflush(stdout);
	while (wait_for_connection(fd, how) < 0 && errno == EINTR)
		;
	client = accept(fd, NULL, NULL);
	if (client < 0 || read(client, text, 5) != 5)
		printf("%d: %s\n", client, strerror(errno));
	check("a connection came", !strcmp(text, "hello"));
	printf("restores %ld\n", mote_restores(NULL));
	pthread_join(connector, NULL);
}

/* A callback by the signal: the snapshot is not taken at a mark. */
static atomic_int called;

static void call(void *argument)
{
	called += *(int *)argument;
}

/* ---- outside: whatever the program does ---- */

static void tell_restored(void *argument)
{
	static const char text[] = "restored\n";

	(void)argument;
	(void)!write(1, text, sizeof(text) - 1);
	_exit(0);
}

static void *sleep_forever(void *argument)
{
	static int word;

	for (;;)
		syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
	return argument;
}

static void compute(int with_calls)
{
	static atomic_long turns;
	double value = 1;

	while (!mote_is_restored()) {
		for (int i = 0; i < 100000; i++)
			value = value * 1.0000001 + 1e-9;
		turns++;
		if (with_calls)
			getppid();
	}
	check("computes", value > 1 && turns > 0);
}

/* The kit has no call of its own here for as long as it takes. */
static void spin_without_calls(void)
{
	volatile long turns = 0;
	time_t end = time(NULL) + 1;

	/* time() is the vDSO's: the clock jumps, or the second is over, in the guest that goes on.
	 */
	while (time(NULL) <= end + 1)
		turns++;
	check("computed", turns > 1000);
	printf("restores %ld\n", mote_restores(NULL));
}

static void test_outside(const char *how)
{
	char line[80] = "";
	pthread_t threads[3];
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(0);

	puts("ready");
	fflush(stdout);
	if (!strcmp(how, "calls") || !strcmp(how, "compute")) {
		compute(!strcmp(how, "calls"));
	} else if (!strcmp(how, "spin")) {
		spin_without_calls();
	} else if (!strcmp(how, "sleep")) {
		while (!mote_is_restored())
			sleep_ms(150);
		puts("restored");
	} else if (!strcmp(how, "stdin")) {
		if (fgets(line, sizeof(line), stdin))
			printf("line %s", line);
	} else {
		mote_on_restore(tell_restored, NULL);
		for (int i = 0; !strcmp(how, "threads") && i < 3; i++)
			pthread_create(&threads[i], NULL, i ? sleep_forever : spin,
			               &(atomic_long){0});
		if (!strcmp(how, "epoll")) {
			epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event);
			epoll_wait(epoll, &event, 1, -1);
		}
		sleep_forever(NULL);
	}
}

/* ---- memory ---- */

#define AREA (24L << 20)

/* What is unmapped, given back to the host and mapped again reads as zeros, restored or not. */
static void test_memory(void)
{
	unsigned char *area =
	        mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long wrong = 0;

	memset(area, 0xa5, AREA);
	point();
	for (int turn = 0; turn < 3; turn++) {
		check("kept", area[AREA - 1] == (turn ? 0x5a : 0xa5));
		munmap(area, AREA);
		sleep_ms(60); /* much that is free goes back to the host before a sleep */
		area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (long i = 0; i < AREA; i++)
			wrong += area[i] != 0;
		memset(area, 0x5a, AREA);
	}
	check("zeros", wrong == 0);
}

#define PIECE  (256L << 10)
#define PIECES 32L
#define PAGE   4096L

/* How many of the pages [first, end) do not begin with their stamp of this turn. */
static long wrong_pages(const unsigned char *area, long first, long end, int turn)
{
	long wrong = 0;

	for (long page = first; page < end; page++)
		wrong += area[page * PAGE] != (unsigned char)(page * 7 + turn);
	return wrong;
}

static void stamp_pages(unsigned char *area, int turn)
{
	for (long page = 0; page < PIECES * PIECE / PAGE; page++)
		area[page * PAGE] = (unsigned char)(page * 7 + turn);
}

/* What was taken in small pieces, and moves for a snapshot, is as it was, and like any other. */
static void test_pieces(void)
{
	const long pages = PIECES * PIECE / PAGE;
	unsigned char *area = NULL;
	long wrong = 0;

	for (long i = 0; i < PIECES; i++)
		area = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		            0);
	stamp_pages(area, 0);
	point();
	check("kept", wrong_pages(area, 0, pages, 0) == 0);
	stamp_pages(area, 1);
	check("written", wrong_pages(area, 0, pages, 1) == 0);
	check("dropped", !madvise(area + 600 * PAGE, 10 * PAGE, MADV_DONTNEED));
	check("unmapped", !munmap(area + 1100 * PAGE, 300 * PAGE));
	check("protected", !mprotect(area + 1500 * PAGE, 3 * PAGE, PROT_READ));
	check("mapped again",
	      mmap(area + 1100 * PAGE, 300 * PAGE, PROT_READ | PROT_WRITE,
	           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == area + 1100 * PAGE);
	for (long i = 0; i < 300 * PAGE; i++)
		wrong += area[1100 * PAGE + i] != 0;
	for (long i = 0; i < 10 * PAGE; i++)
		wrong += area[600 * PAGE + i] != 0;
	check("zeros", wrong == 0);
	check("the rest", wrong_pages(area, 0, 600, 1) + wrong_pages(area, 610, 1100, 1) +
	                                  wrong_pages(area, 1400, pages, 1) ==
	                          0);
}

/* ---- main ---- */

static void test_arguments(int argc, char **argv)
{
	const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
	char given[256];
	long length = mote_arguments(given, sizeof(given));

	for (int i = 0; i < argc; i++)
		printf("argument %s\n", argv[i]);
	printf("variable %s\n", getenv("VARIABLE") ? getenv("VARIABLE") : "none");
	for (int i = 0; i < 16; i++)
		printf("%02x", random[i]);
	putchar('\n');
	for (long i = 0; i < length && i < (long)sizeof(given); i += (long)strlen(given + i) + 1)
		printf("given %s\n", given + i);
}

/* A mark that is passed: for the arguments that come later. */
static void test_arguments_at_mark(void)
{
	char given[256];
	long length;

	point();
	length = mote_arguments(given, sizeof(given));
	for (long i = 0; i < length; i += (long)strlen(given + i) + 1)
		printf("given %s\n", given + i);
	length = mote_environment(given, sizeof(given));
	for (long i = 0; i < length; i += (long)strlen(given + i) + 1)
		printf("variable %s\n", given + i);
}

static void test_marks(void)
{
	fflush(stdout);
	printf("one %d\n", mote_snapshot_mark("one"));
	printf("two %d\n", mote_snapshot_mark("two"));
	printf("point %d\n", mote_snapshot_point());
}

static void test_bad_calls(void)
{
	char name[200];

	memset(name, 'x', sizeof(name));
	name[199] = 0;
	printf("operation: %s\n", mote_call(99, NULL, 0) < 0 ? "refused" : "taken");
	printf("signal: %s\n",
	       mote_call(MOTE_CALL_SIGNAL, (void *)65, 0) < 0 ? "refused" : "taken");
	printf("id: %s\n", mote_call(MOTE_CALL_GENERATION, (void *)8, 0) < 0 ? "refused" : "taken");
	printf("buffer: %s\n",
	       mote_call(MOTE_CALL_ARGUMENTS, (void *)8, 9) < 0 ? "refused" : "taken");
	printf("name: %s\n", mote_call(MOTE_CALL_MARK, (void *)8, 0) < 0 ? "refused" : "passed");
	printf("long name: %s\n", mote_snapshot_mark(name) < 0 ? "refused" : "passed");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int one = 1;

	if (!strcmp(what, "registers"))
		test_registers();
	else if (!strcmp(what, "avx"))
		test_avx();
	else if (!strcmp(what, "masks"))
		test_masks();
	else if (!strcmp(what, "threads"))
		test_threads();
	else if (!strcmp(what, "clocks"))
		test_clocks();
	else if (!strcmp(what, "timers"))
		test_timers();
	else if (!strcmp(what, "advance"))
		test_advance();
	else if (!strcmp(what, "memory"))
		test_memory();
	else if (!strcmp(what, "pieces"))
		test_pieces();
	else if (!strcmp(what, "marks"))
		test_marks();
	else if (!strcmp(what, "bad"))
		test_bad_calls();
	else if (!strcmp(what, "outside") && argc > 2)
		test_outside(argv[2]);
	else if (!strcmp(what, "given"))
		test_arguments_at_mark();
	else if (!strcmp(what, "listen") && argc > 3) {
		mote_on_restore(call, &one);
		test_listen(argv[2], strcmp(argv[3], "unix") ? AF_INET : AF_UNIX);
		printf("callbacks %d\n", called);
	} else {
		test_arguments(argc, argv);
	}
	return 0;
}
