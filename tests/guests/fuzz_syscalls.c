/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random system calls, from a seed, in one thread or several; ../fuzz-syscalls.sh runs it again and
 * again.
 *
 * usage: fuzz_syscalls SEED SECONDS THREADS
 *
 * The numbers are those that the kit serves and a few others; arguments are often valid:
 * descriptors that are open, names that exist, memory of an arena, structures of small numbers and
 * pointers. Calls that would only end or cripple this program are left out (see is_harmful). What
 * it does to itself all the same is no failure: the kit must survive it, not the program. Ends with
 * the number of calls on standard output, status 0, or by a signal.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define ARENA_PAGES 1024
#define PAGE        4096UL
#define WORDS       512 /* of a thread's scratch page */
#define THREADS_MAX 16
#define FIRST_FILE  3 /* what is below is left alone */
#define OPEN_FILES  30
#define HARMFUL     200000 /* of so many harmful calls, one is made */

static const struct {
	long number;
	const char *name;
	const char *arguments; /* a letter each; see the table */
} calls[] = {
#define SYSCALL(number, name, arguments) {number, #name, arguments},
#include "../../guestkit/libc-shim/syscall_table.h"
};

#define CALL_COUNT (sizeof calls / sizeof calls[0])

static const char *const names[] = {
        "a",
        "b",
        "folder",
        "folder/a",
        "folder/../b",
        "link",
        "loop",
        "",
        ".",
        "..",
        "/",
        "/tmp",
        "/dev/null",
        "/dev/zero",
        "/dev/full",
        "/dev/tty",
        "/dev/shm",
        "/proc",
        "/proc/self",
        "/proc/self/maps",
        "/proc/stat",
        "/etc",
        "/etc/passwd",
        "/proc/self/exe",
        "/proc/self/fd/4",
        "missing/x",
        "/dev/fd/5",
        "a/",
        "//tmp//a",
        "/dev/urandom",
};

#define NAME_COUNT (sizeof names / sizeof names[0])

struct fuzzer {
	uint64_t state; /* of the generator */
	uint64_t calls;
	uint64_t *scratch; /* a page of its own, with nothing behind it; NULL: nobody's */
	volatile int id;   /* of the thread, while it runs */
};

static char *arena;
static int64_t end_time;
static unsigned thread_count;
static char long_name[5000];
static struct fuzzer fuzzers[THREADS_MAX];

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" */
static uint64_t next(struct fuzzer *fuzzer)
{
	fuzzer->state ^= fuzzer->state >> 12;
	fuzzer->state ^= fuzzer->state << 25;
	fuzzer->state ^= fuzzer->state >> 27;
	return fuzzer->state * 0x2545f4914f6cdd1dU;
}

static uint64_t below(struct fuzzer *fuzzer, uint64_t limit)
{
	return (next(fuzzer) >> 16) % limit;
}

static int64_t milliseconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static long raw(long number, const uint64_t *a)
{
	long result;

	__asm__ volatile("mov 24(%[a]), %%r10; mov 32(%[a]), %%r8; mov 40(%[a]), %%r9; syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), [a] "b"(a)
	                 : "rcx", "r8", "r9", "r10", "r11", "memory");
	return result;
}

/* ---- arguments ---- */

static uint64_t random_number(struct fuzzer *fuzzer)
{
	static const uint64_t edges[] = {
	        (uint64_t)-1, (uint64_t)-100, INT_MAX,   (uint64_t)INT_MIN,
	        UINT_MAX,     UINT_MAX + 1UL, LONG_MAX,  1UL << 63,
	        4095,         4096,           4097,      65535,
	        65536,        1UL << 20,      1UL << 30, 1UL << 40,
	        1UL << 47,    1000000000,     999999999, 1024,
	        0x80000,      0x800,          1UL << 52, 77,
	};

	switch (below(fuzzer, 8)) {
	case 0:
	case 1:
	case 2: return below(fuzzer, 10);
	case 3: return 1UL << below(fuzzer, 32);
	case 4: return below(fuzzer, 128);
	case 5: return below(fuzzer, 20000);
	case 6: return edges[below(fuzzer, sizeof edges / sizeof edges[0])];
	default: return next(fuzzer) >> below(fuzzer, 64);
	}
}

static uint64_t bad_pointer(struct fuzzer *fuzzer)
{
	static const uint64_t bad[] = {
	        0,
	        1,
	        4095,
	        0x10000,
	        0xffffffff80000000,
	        0xffffffff80001000,
	        0xffffffff80004ff8,
	        0xffffffff80100000,
	        0xffff800000000000,
	        0xffffffc000000000,
	        0x7fffffffefff,
	        0x7ffffffff000,
	        0x800000000000,
	        0x8000000000000000,
	        UINT64_MAX,
	        UINT64_MAX - 4095,
	        0x7fff00000000,
	};

	return bad[below(fuzzer, sizeof bad / sizeof bad[0])];
}

static uint64_t arena_pointer(struct fuzzer *fuzzer)
{
	uint64_t at = (uint64_t)arena + below(fuzzer, ARENA_PAGES) * PAGE;

	return below(fuzzer, 3) ? at : at + below(fuzzer, PAGE);
}

/* A page of words that pass for structures: small numbers, times, descriptors, pointers. */
static void fill_scratch(struct fuzzer *fuzzer)
{
	for (unsigned i = 0; i < 8; i++) {
		unsigned at = (unsigned)below(fuzzer, WORDS);
		uint64_t value;

		switch (below(fuzzer, 6)) {
		case 0: value = (uint64_t)fuzzer->scratch + below(fuzzer, WORDS) * 8; break;
		case 1: value = arena_pointer(fuzzer); break;
		case 2: value = random_number(fuzzer); break;
		case 3: value = FIRST_FILE + below(fuzzer, 20) + (below(fuzzer, 5) << 32); break;
		default: value = below(fuzzer, 20);
		}
		fuzzer->scratch[at] = value;
	}
}

static uint64_t random_pointer(struct fuzzer *fuzzer)
{
	switch (below(fuzzer, 16)) {
	case 0: return 0;
	case 1: return bad_pointer(fuzzer);
	case 2: return (uint64_t)fuzzer->scratch + PAGE - below(fuzzer, 40);
	case 3: return next(fuzzer) >> below(fuzzer, 64);
	case 4:
	case 5:
	case 6: return arena_pointer(fuzzer);
	default: return (uint64_t)fuzzer->scratch + below(fuzzer, WORDS - 32) * 8;
	}
}

static uint64_t random_name(struct fuzzer *fuzzer)
{
	switch (below(fuzzer, 20)) {
	case 0: return random_pointer(fuzzer);
	case 1: return (uint64_t)long_name + below(fuzzer, sizeof long_name);
	default: return (uint64_t)names[below(fuzzer, NAME_COUNT)];
	}
}

static uint64_t random_file(struct fuzzer *fuzzer)
{
	switch (below(fuzzer, 20)) {
	case 0: return random_number(fuzzer);
	case 1: return UINT64_MAX;
	default: return FIRST_FILE + below(fuzzer, 30);
	}
}

static uint64_t random_argument(struct fuzzer *fuzzer, char letter)
{
	switch (letter) {
	case 'p':
	case 'b': return random_pointer(fuzzer);
	case 's': return random_name(fuzzer);
	case 'f': return random_file(fuzzer);
	case 'a': return below(fuzzer, 3) ? (uint64_t)AT_FDCWD : random_file(fuzzer);
	case 'm': return below(fuzzer, 8);
	case 'o': return below(fuzzer, 010000);
	default: return random_number(fuzzer);
	}
}

/* ---- what is left out ---- */

static int is_in_arena(uint64_t address, uint64_t length)
{
	uint64_t start = (uint64_t)arena, size = ARENA_PAGES * PAGE;

	return address >= start && address - start <= size && length <= size - (address - start);
}

/* Signals that cannot be handled, or have a meaning here. */
static int is_lethal(uint64_t number)
{
	return (int)number == SIGKILL || (int)number == SIGSTOP || (int)number == SIGSEGV ||
	       ((int)number >= 32 && (int)number <= 34); /* the C library's own */
}

static int is_standard_file(uint64_t file)
{
	return (unsigned)file < FIRST_FILE;
}

/* Calls that do nothing to the kit but end this program, or leave nothing of it to go on with. */
static int is_harmful(long number, const uint64_t *a)
{
	switch (number) {
	case SYS_exit:
	case SYS_exit_group:
	case SYS_rt_sigreturn:
	case SYS_brk:
	case SYS_alarm:
	case SYS_execve:
	case SYS_execveat:
	case SYS_rt_sigsuspend:
	case SYS_clone: /* a thread without a stack: see start_thread */
	case SYS_clone3:
	case SYS_set_tid_address: return 1; /* the library gives a lock back by it */
	case SYS_mmap: return a[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE) && !is_in_arena(a[0], a[1]);
	case SYS_munmap:
	case SYS_mprotect:
	case SYS_madvise: return !is_in_arena(a[0], a[1]);
	case SYS_mremap:
		return !is_in_arena(a[0], a[1]) ||
		       (a[3] & MREMAP_FIXED && !is_in_arena(a[4], a[2]));
	case SYS_read:
	case SYS_pread64:
	case SYS_write:
	case SYS_close:
	case SYS_close_range:
	case SYS_fcntl:
	case SYS_ioctl: return is_standard_file(a[0]);
	case SYS_dup2:
	case SYS_dup3: return is_standard_file(a[1]);
	case SYS_rt_sigaction: return a[1] != 0;
	case SYS_rt_sigprocmask: return a[1] != 0 && (int)a[0] != SIG_UNBLOCK;
	case SYS_setitimer: return (int)a[0] == ITIMER_REAL;
	case SYS_kill:
	case SYS_tkill: return is_lethal(a[1]);
	case SYS_rt_sigqueueinfo: return is_lethal(a[1]);
	case SYS_tgkill:
	case SYS_rt_tgsigqueueinfo: return is_lethal(a[2]);
	case SYS_arch_prctl: return (int)a[0] == 0x1002; /* ARCH_SET_FS: the library's own */
	}
	return 0;
}

/* ---- running ---- */

static void forward(int number)
{
	(void)number;
	for (unsigned i = 0; i < THREADS_MAX; i++)
		if (fuzzers[i].id)
			syscall(SYS_tgkill, getpid(), fuzzers[i].id, SIGUSR1);
}

static void ignore(int number)
{
	(void)number;
}

/* A real fault, not one that was sent: the program has hit itself. */
static void give_up(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	if (info->si_code > 0)
		_exit(0);
}

/* Whatever blocks is interrupted in time, in each thread, and every signal is survived. */
static void renew(void)
{
	const struct itimerval often = {{0, 5000}, {0, 5000}};
	struct sigaction action = {.sa_handler = ignore};
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		if (!is_lethal((uint64_t)number))
			sigaction(number, &action, NULL);
	action.sa_flags = SA_ONSTACK;
	sigaction(SIGUSR2, &action, NULL);
	action.sa_flags = 0;
	action.sa_handler = forward;
	sigaction(SIGALRM, &action, NULL);
	action.sa_flags = SA_SIGINFO;
	action.sa_sigaction = give_up;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

static int open_some(unsigned kind, int *ends)
{
	switch (kind) {
	case 0: return pipe(ends);
	case 1: return socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	case 2: return socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
	case 3: ends[0] = epoll_create1(0); break;
	case 4: ends[0] = eventfd(0, 0); break;
	case 5: ends[0] = timerfd_create(CLOCK_MONOTONIC, 0); break;
	case 6: ends[0] = open("folder", O_RDONLY); break;
	case 7: ends[0] = open("/dev/zero", O_RDWR); break;
	case 8: ends[0] = open("/proc/self/maps", O_RDONLY); break;
	default: ends[0] = open("a", O_RDWR | O_CREAT, 0644);
	}
	ends[1] = open("b", O_RDWR | O_CREAT, 0644);
	return 0;
}

/* Files of each kind, where descriptors have been closed; and the arena as it was. */
static void renew_files(void)
{
	int ends[2];

	for (int file = FIRST_FILE + OPEN_FILES; file < 200; file++)
		close(file);
	truncate("a", 10000);
	truncate("b", 10000);
	mkdir("folder", 0755);
	symlink("folder", "link");
	symlink("loop", "loop");
	for (unsigned kind = 0; kind < OPEN_FILES / 2; kind++)
		if (open_some(kind % 10, ends) || ends[0] >= FIRST_FILE + OPEN_FILES)
			break;
	mmap(arena, ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void one_call(struct fuzzer *fuzzer)
{
	unsigned which = (unsigned)below(fuzzer, CALL_COUNT + 1);
	long number = which < CALL_COUNT ? calls[which].number : (long)below(fuzzer, 512);
	const char *letters = which < CALL_COUNT ? calls[which].arguments : "xpxpxp";
	uint64_t arguments[6] = {0};

	fill_scratch(fuzzer);
	for (unsigned i = 0; i < 6 && letters[i]; i++)
		arguments[i] = random_argument(fuzzer, letters[i]);
	if (is_harmful(number, arguments) && below(fuzzer, HARMFUL))
		return;
	fuzzer->calls++;
	raw(number, arguments);
}

static void *run_short(void *argument)
{
	struct fuzzer *fuzzer = argument;

	fuzzer->id = (int)syscall(SYS_gettid);
	for (int i = 0; i < 200; i++)
		one_call(fuzzer);
	fuzzer->id = 0;
	munmap(fuzzer->scratch, PAGE);
	fuzzer->scratch = NULL; /* the place is free */
	return NULL;
}

static int prepare(struct fuzzer *fuzzer, uint64_t seed)
{
	char *memory =
	        mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -1;
	munmap(memory + PAGE, PAGE);
	*fuzzer = (struct fuzzer){.state = seed * 2 + 1, .scratch = (uint64_t *)memory};
	return 0;
}

/* A thread that comes and goes, in a place that none has. */
static void start_thread(struct fuzzer *fuzzer)
{
	struct fuzzer *place = &fuzzers[below(fuzzer, THREADS_MAX)];
	pthread_t thread;

	if (place->scratch || prepare(place, next(fuzzer)))
		return;
	if (pthread_create(&thread, NULL, run_short, place))
		place->scratch = NULL;
	else
		pthread_detach(thread);
}

/* Goes on as a new program, with all that is open. */
static void start_again(uint64_t seed)
{
	char numbers[3][32];

	snprintf(numbers[0], sizeof numbers[0], "%llu", (unsigned long long)seed);
	snprintf(numbers[1], sizeof numbers[1], "@%lld", (long long)end_time);
	snprintf(numbers[2], sizeof numbers[2], "%u", thread_count);
	execl("/proc/self/exe", "fuzz_syscalls", numbers[0], numbers[1], numbers[2], (char *)NULL);
}

static void *run(void *argument)
{
	struct fuzzer *fuzzer = argument;

	fuzzer->id = (int)syscall(SYS_gettid);
	for (uint64_t i = 0; milliseconds() < end_time; i++) {
		if (i % 64 == 0)
			renew();
		if (i % 8192 == 8191 && fuzzer == &fuzzers[0] && !below(fuzzer, 8))
			start_again(next(fuzzer) >> 8);
		if (i % 1024 == 0 && fuzzer == &fuzzers[0])
			renew_files();
		if (thread_count > 1 && below(fuzzer, 500) == 0)
			start_thread(fuzzer);
		one_call(fuzzer);
	}
	return NULL;
}

int main(int count, char **arguments)
{
	uint64_t seed, total = 0;
	pthread_t thread;

	if (count != 4) {
		fprintf(stderr, "usage: %s SEED SECONDS THREADS\n", arguments[0]);
		return 2;
	}
	seed = strtoull(arguments[1], NULL, 10);
	thread_count = (unsigned)strtoul(arguments[3], NULL, 10);
	if (arguments[2][0] == '@')
		end_time = strtoll(arguments[2] + 1, NULL, 10);
	else
		end_time = milliseconds() + (int64_t)(strtod(arguments[2], NULL) * 1000);
	if (chdir("/tmp") || thread_count > THREADS_MAX / 2)
		return 2;
	memset(long_name, 'n', sizeof long_name - 1);
	arena = mmap(NULL, ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	             -1, 0);
	for (unsigned i = 0; i < thread_count; i++)
		if (prepare(&fuzzers[i], seed * THREADS_MAX + i))
			return 2;
	for (unsigned i = 1; i < thread_count; i++)
		pthread_create(&thread, NULL, run, &fuzzers[i]);
	run(&fuzzers[0]);
	for (unsigned i = 0; i < THREADS_MAX; i++)
		total += fuzzers[i].calls;
	/* Others may sleep for good. */
	dprintf(STDOUT_FILENO, "%llu calls\n", (unsigned long long)total);
	_exit(0);
}
