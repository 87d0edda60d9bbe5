/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that repeat, which the kit rewrites into jumps, in all the ways that could tell:
 * `rewritten WHAT`. But for `text`, `turns` and `exec`, each says the same on Linux.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define LOW       ((char *)0x20000000)
#define HIGH      ((char *)0x7000000000)
#define PAGE      4096
#define RFLAGS_TF 0x100

/* The forms of code behind a call: what a jump in its place covers, whole or in part. */
long call_compare(long number, long a, long b, long c);
long call_test(long number, long a, long b, long c);
long call_return(long number, long a, long b, long c);
long call_jump(long number, long a, long b, long c);
long call_branch(long number, long a, long b, long c);
long call_load(long number, long a, long b, long c);
long call_pop(long number, long a, long b, long c);
long call_cancel(long number, long a, long b, long c);
extern const char site_compare[], site_test[], site_return[], site_jump[], site_branch[],
        site_load[], site_pop[], site_cancel[];
/* They enter the calls above at the first and second instruction behind the `syscall`. */
long enter_compare(long value);
long enter_test(long value);
long enter_test_2(long value);
long enter_return(long value);
long enter_pop_2(long value);

__asm__(".text\n"
        ".macro arguments\n"
        "mov %rdi, %rax\n"
        "mov %rsi, %rdi\n"
        "mov %rdx, %rsi\n"
        "mov %rcx, %rdx\n"
        ".endm\n"
        ".globl site_compare, site_test, site_return, site_jump, site_branch, site_load\n"
        ".globl site_pop, site_cancel\n"

        "call_compare: arguments\n"
        "site_compare: syscall\n"
        "1: cmp $-4095, %rax\n"
        "jae 2f\n"
        "ret\n"
        "2: mov $-1, %rax\n"
        "ret\n"
        "enter_compare: mov %rdi, %rax\n"
        "jmp 1b\n"

        "call_test: arguments\n"
        "site_test: syscall\n"
        "1: test %eax, %eax\n"
        "2: mov $7, %ecx\n"
        "js 3f\n"
        "ret\n"
        "3: mov $-1, %rax\n"
        "ret\n"
        "enter_test: mov %rdi, %rax\n"
        "jmp 1b\n"
        "enter_test_2: mov %rdi, %rax\n"
        "cmp %rax, %rax\n" /* not negative, whatever RAX is */
        "jmp 2b\n"

        "call_return: arguments\n"
        "site_return: syscall\n"
        "1: ret\n"
        "nopw 0(%rax, %rax)\n"
        "enter_return: mov %rdi, %rax\n"
        "jmp 1b\n"

        "call_jump: arguments\n"
        "site_jump: syscall\n"
        "jmp 1f\n"
        "nopl 0(%rax)\n"
        "1: ret\n"

        "call_branch: arguments\n"
        "cmp %rax, %rax\n" /* flags outlive a call */
        "site_branch: syscall\n"
        "je 1f\n"
        "add $1000000, %rax\n"
        "1: mov %rax, %rax\n"
        "ret\n"

        "call_load: arguments\n"
        "site_load: syscall\n"
        "mov value(%rip), %rcx\n"
        "lea (%rax, %rcx), %rax\n"
        "ret\n"
        ".section .rodata\n"
        "value: .quad 42000000\n"
        ".text\n"

        "call_pop: push %rbx\n"
        "push %rbp\n"
        "arguments\n"
        "site_pop: syscall\n"
        "pop %rbp\n"
        "1: pop %rbx\n"
        "add $0, %rax\n"
        "ret\n"
        "enter_pop_2: push %rbx\n"
        "mov %rdi, %rax\n"
        "jmp 1b\n"

        "call_cancel: sub $24, %rsp\n"
        "arguments\n"
        "mov %r11, 8(%rsp)\n"
        "call 1f\n"
        "add $24, %rsp\n"
        "ret\n"
        "1: mov %r11, 8(%rsp)\n"
        "site_cancel: syscall\n"
        "ret\n"
        "jmp call_compare\n");

typedef long call_function(long number, long a, long b, long c);

static const struct form {
	const char *name;
	call_function *call;
	const char *site;
} forms[] = {
        {"compare", call_compare, site_compare},
        {"test", call_test, site_test},
        {"return", call_return, site_return},
        {"jump", call_jump, site_jump},
        {"branch", call_branch, site_branch},
        {"load", call_load, site_load},
        {"pop", call_pop, site_pop},
        {"cancel", call_cancel, site_cancel},
};
#define FORMS (sizeof forms / sizeof forms[0])

static volatile sig_atomic_t count;

static void repeat(call_function *call)
{
	for (int i = 0; i < 3; i++)
		call(SYS_getppid, 0, 0, 0);
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	sigaction(signal, &action, NULL);
}

/* Results, errors, arguments in and data out. */
static int results(void)
{
	char path[64];

	for (size_t i = 0; i < FORMS; i++) {
		for (int j = 0; j < 5; j++) {
			long bad = forms[i].call(SYS_close, -1, 0, 0);
			long size = forms[i].call(SYS_getcwd, (long)path, sizeof path, 0);
			long written = forms[i].call(SYS_write, 1, (long)"..\n", 3);

			printf("%s %ld %d %ld\n", forms[i].name, bad, size > 0, written);
			fflush(stdout);
		}
	}
	return 0;
}

/* RCX, which a system call changes, after a jump to what is behind one: @value as it was. */
static long rcx_behind(long value)
{
	long rcx = value, rax;

	__asm__ volatile("call enter_return"
	                 : "+c"(rcx), "=a"(rax)
	                 : "D"(value)
	                 : "r11", "memory", "cc");
	return rcx;
}

/* Jumps to the instructions behind calls, more often than the kit puts up with. */
static int middle(void)
{
	long sum = 0;

	for (size_t i = 0; i < FORMS; i++)
		repeat(forms[i].call);
	printf("rcx %ld %ld\n", rcx_behind(5), rcx_behind(-5));
	for (long i = 0; i < 1500; i++) {
		sum += enter_compare(i) + enter_test(i) + enter_test_2(-i) + enter_return(i) +
		       enter_pop_2(i);
		if (i % 500 == 0)
			printf("%ld %ld %ld %ld %ld\n", enter_compare(-i), enter_test(-i),
			       enter_test_2(-i), enter_return(-i), enter_pop_2(-i));
	}
	for (size_t i = 0; i < FORMS; i++)
		printf("%ld ", forms[i].call(SYS_close, -1, 0, 0));
	printf("%ld\n", sum);
	return 0;
}

static uint64_t trail[64];
static unsigned trail_length;

static void on_step(int signal, siginfo_t *info, void *argument)
{
	const ucontext_t *context = argument;

	(void)signal, (void)info;
	if (trail_length < 64)
		trail[trail_length++] = (uint64_t)context->uc_mcontext.gregs[REG_RIP];
}

__attribute__((noinline)) static long stepped(call_function *call)
{
	long result;

	__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; call *%[call];"
	                 "pushfq; andq $~0x100, (%%rsp); popfq"
	                 : "=a"(result)
	                 : [call] "b"(call), "D"(SYS_close), "S"(-1), "d"(0), "c"(0)
	                 : "r11", "memory", "cc");
	return result;
}

/* A program that single-steps itself sees each instruction where it is. */
static int step(void)
{
	handle(SIGTRAP, on_step);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < FORMS; i++) {
			long result;

			repeat(forms[i].call);
			trail_length = 0;
			result = stepped(forms[i].call);
			printf("%s %ld:", forms[i].name, result);
			for (unsigned j = 0; j < trail_length; j++)
				printf(" %ld", (long)(trail[j] - (uint64_t)forms[i].site));
			printf("\n");
		}
	}
	return 0;
}

static const char *interrupted_site;
static int interrupted_pipe[2];

static void on_alarm(int signal, siginfo_t *info, void *argument)
{
	const ucontext_t *context = argument;

	(void)signal, (void)info;
	printf("in the handler: %ld, RCX %ld, RAX %lld\n",
	       (long)(context->uc_mcontext.gregs[REG_RIP] - (long)interrupted_site),
	       (long)(context->uc_mcontext.gregs[REG_RCX] - (long)interrupted_site),
	       context->uc_mcontext.gregs[REG_RAX]);
	if (write(interrupted_pipe[1], "x", 1) != 1)
		_exit(1);
}

/* A handler finds the registers of a call that it interrupted as on Linux, and leads back behind
 * the call, or to it. */
static int interrupt(void)
{
	const struct itimerval soon = {.it_value.tv_usec = 20000};
	struct timespec minute = {.tv_sec = 60};
	struct sigaction action = {.sa_sigaction = on_alarm};
	char byte;

	if (pipe(interrupted_pipe))
		return 1;
	for (size_t i = 0; i < FORMS; i++) {
		interrupted_site = forms[i].site;
		repeat(forms[i].call);
		action.sa_flags = SA_SIGINFO;
		sigaction(SIGALRM, &action, NULL);
		setitimer(ITIMER_REAL, &soon, NULL);
		printf("%ld\n", forms[i].call(SYS_nanosleep, (long)&minute, 0, 0));
		printf("%ld\n", forms[i].call(SYS_read, interrupted_pipe[0], (long)&byte, 1));
		action.sa_flags = SA_SIGINFO | SA_RESTART;
		sigaction(SIGALRM, &action, NULL);
		setitimer(ITIMER_REAL, &soon, NULL);
		printf("%ld\n", forms[i].call(SYS_read, interrupted_pipe[0], (long)&byte, 1));
	}
	return 0;
}

static void on_fault(int signal, siginfo_t *info, void *argument)
{
	ucontext_t *context = argument;

	(void)info;
	printf("signal %d at %ld\n", signal,
	       (long)(context->uc_mcontext.gregs[REG_RIP] - (long)interrupted_site));
	context->uc_mcontext.gregs[REG_RBX] = (long)&count;
}

long call_store(long number, long where);
extern const char site_store[];
__asm__("call_store: push %rbx\n"
        "mov %rdi, %rax\n"
        "mov %rsi, %rbx\n"
        "site_store: syscall\n"
        "movl $5, (%rbx)\n"
        "pop %rbx\n"
        "ret\n");

/* A fault of an instruction that was moved is reported where it came from. */
static int fault(void)
{
	int good = 0;

	handle(SIGSEGV, on_fault);
	interrupted_site = site_store;
	for (int i = 0; i < 3; i++)
		call_store(SYS_getppid, (long)&good);
	for (int i = 0; i < 3; i++)
		call_store(SYS_getppid, 8);
	printf("%d %d\n", good, count);
	return 0;
}

/* ---- code that comes and goes ---- */

/* mov $NUMBER, %eax; syscall; cmp $-4095, %rax; ret */
static void write_code(char *to, int number)
{
	static const unsigned char code[] = {0xb8, 0,    0,    0,    0,    0x0f, 0x05,
	                                     0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0xc3};

	memcpy(to, code, sizeof code);
	memcpy(to + 1, &number, sizeof number);
}

static long run_code(char *code, long argument)
{
	long (*call)(long) = (long (*)(long))code;
	long result = 0;

	for (int i = 0; i < 4; i++)
		result = call(argument);
	return result;
}

static char *new_code(char *at, int number)
{
	char *code = mmap(at, 2 * PAGE, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (code != at) {
		printf("mmap: %s\n", strerror(errno));
		_exit(1);
	}
	write_code(code + PAGE - 7, number); /* across the border of two pages */
	mprotect(code, 2 * PAGE, PROT_READ | PROT_EXEC);
	return code + PAGE - 7;
}

static int is_original(const char *code, int number)
{
	char expected[14];

	write_code(expected, number);
	return !memcmp(code, expected, sizeof expected);
}

/* Everything that changes mappings, done to rewritten code. */
static int remap_at(char *base)
{
	char *code = new_code(base, SYS_umask), *moved;

	umask(0123);
	printf("%ld\n", run_code(code, 0123));
	/* other code in its place */
	mprotect(base, 2 * PAGE, PROT_READ | PROT_WRITE);
	printf("original: %d\n", is_original(code, SYS_umask));
	write_code(code, SYS_close);
	mprotect(base, 2 * PAGE, PROT_READ | PROT_EXEC);
	printf("%ld\n", run_code(code, -1));
	/* the half of it that is in the first page only */
	mprotect(base, PAGE, PROT_READ | PROT_WRITE);
	printf("original: %d\n", is_original(code, SYS_close));
	mprotect(base, PAGE, PROT_READ | PROT_EXEC);
	printf("%ld\n", run_code(code, -1));
	/* locked and opened again */
	mprotect(base, 2 * PAGE, PROT_NONE);
	mprotect(base, 2 * PAGE, PROT_READ | PROT_EXEC);
	printf("%ld\n", run_code(code, -1));
	/* moved away */
	moved = mremap(base, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base + 16 * PAGE);
	printf("moved: %d, original: %d\n", moved == base + 16 * PAGE,
	       is_original(moved + PAGE - 7, SYS_close));
	printf("%ld\n", run_code(moved + PAGE - 7, -1));
	/* new code where it was, by munmap, by MAP_FIXED, by madvise */
	code = new_code(base, SYS_umask);
	printf("%ld\n", run_code(code, 0123));
	code = new_code(base, SYS_close);
	printf("%ld\n", run_code(code, -1));
	munmap(base, 2 * PAGE);
	code = new_code(base, SYS_umask);
	printf("%ld\n", run_code(code, 0123));
	madvise(base, 2 * PAGE, MADV_DONTNEED);
	printf("empty: %d\n", code[0] == 0 && code[7] == 0);
	mprotect(base, 2 * PAGE, PROT_READ | PROT_WRITE);
	write_code(code, SYS_close);
	mprotect(base, 2 * PAGE, PROT_READ | PROT_EXEC);
	printf("%ld\n", run_code(code, -1));
	/* a range far larger than what is in it */
	munmap(base - 16 * PAGE, 1 << 24);
	code = new_code(base, SYS_umask);
	printf("%ld\n", run_code(code, 0123));
	return 0;
}

static int remap(void)
{
	return remap_at(LOW) || remap_at(HIGH); /* too high to be rewritten */
}

/* Code in a file, as a library is mapped, and the file itself, which must not change. */
static char *map_file(int *fd, char **shared)
{
	static char page[PAGE];
	char *code;

	*fd = open("/tmp/rewritten-code", O_RDWR | O_CREAT | O_TRUNC, 0700);
	write_code(page + 100, SYS_umask);
	if (*fd < 0 || write(*fd, page, PAGE) != PAGE)
		_exit(1);
	unlink("/tmp/rewritten-code");
	*shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	code = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, *fd, 0);
	if (*shared == MAP_FAILED || code == MAP_FAILED)
		_exit(1);
	umask(0123);
	return code + 100;
}

static int file(void)
{
	char *shared, byte[14];
	int fd;
	char *code = map_file(&fd, &shared);

	printf("%ld\n", run_code(code, 0123));
	printf("file: %d\n", is_original(shared + 100, SYS_umask) &&
	                             pread(fd, byte, sizeof byte, 100) == sizeof byte &&
	                             is_original(byte, SYS_umask));
	madvise(code - 100, PAGE, MADV_DONTNEED);
	printf("read again: %d\n", is_original(code, SYS_umask));
	write_code(shared + 100, SYS_close);
	madvise(code - 100, PAGE, MADV_DONTNEED);
	printf("%ld\n", run_code(code, -1));
	munmap(code - 100, PAGE);
	printf("file: %d\n", is_original(shared + 100, SYS_close));
	/* A shared mapping is the file, and stays as it is. */
	code = mmap(LOW, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	printf("%ld\n", run_code(code + 100, -1));
	printf("file: %d\n", is_original(shared + 100, SYS_close));
	return 0;
}

/* More sites than the kit keeps, and all go on working. */
static int many(void)
{
	char *code = mmap(LOW, 1 << 20, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	long sum = 0;

	if (code != LOW)
		return 1;
	for (int i = 0; i < 2000; i++)
		write_code(code + i * 500, i % 2 ? SYS_close : SYS_umask);
	mprotect(code, 1 << 20, PROT_READ | PROT_EXEC);
	umask(0);
	for (int i = 0; i < 2000; i++)
		sum += run_code(code + i * 500, i % 2 ? -1 : 1);
	printf("%ld\n", sum);
	munmap(code, 1 << 20);
	return 0;
}

/* Which sites are rewritten by now; only here does Linux say something else. */
static int text(void)
{
	char *code, *shared;
	int fd;

	for (size_t i = 0; i < FORMS; i++) {
		repeat(forms[i].call);
		printf("%s %02x\n", forms[i].name, (unsigned char)forms[i].site[0]);
	}
	code = map_file(&fd, &shared);
	run_code(code, 0);
	printf("file %02x\n", (unsigned char)code[5]);
	return 0;
}

/* More sites than the kit remembers having seen, which take turns. */
static int turns_at(char *base)
{
	char *code = mmap(base, 1 << 20, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	int rewritten = 0;

	if (code != base)
		return 1;
	for (int i = 0; i < 100; i++)
		write_code(code + i * 4160, SYS_getppid);
	mprotect(code, 1 << 20, PROT_READ | PROT_EXEC);
	for (int round = 0; round < 100; round++)
		for (int i = 0; i < 100; i++)
			((long (*)(void))(code + i * 4160))();
	for (int i = 0; i < 100; i++)
		rewritten += (unsigned char)code[i * 4160 + 5] == 0xe9;
	printf("%d of 100\n", rewritten);
	return 0;
}

/* Program after program with sites of its own: `rewritten exec xxx`, an x for each. */
static int exec_again(const char *left)
{
	char *arguments[] = {"rewritten", "exec", strdup(left + 1), NULL};

	if (turns_at(LOW + (strlen(left) << 21)) || fflush(stdout))
		return 1;
	if (!left[1])
		return 0;
	execv("/proc/self/exe", arguments);
	return 1;
}

static int turns(void)
{
	return turns_at(LOW);
}

/* ---- threads ---- */

static volatile long wrong, strayed;
static volatile int is_over;

/* Strikes anywhere, in stubs, too, and must not see them. */
static void on_tick(int signal, siginfo_t *info, void *argument)
{
	const ucontext_t *context = argument;

	(void)signal, (void)info;
	strayed += (uint64_t)context->uc_mcontext.gregs[REG_RIP] > 0x800000000000;
}

static void *work(void *argument)
{
	long parent = getppid();

	while (!is_over)
		for (size_t i = 0; i < FORMS; i++)
			wrong += forms[i].call(SYS_getppid, 0, 0, 0) !=
			         parent + (forms[i].call == call_load ? 42000000 : 0);
	return argument;
}

static void *wait_in_code(void *argument)
{
	long (*call)(long, char *, long) = (long (*)(long, char *, long))argument;
	char byte;

	for (int i = 0; i < 4; i++) /* from a fresh site, a rewritten one, one that was put back */
		wrong += call(interrupted_pipe[0], &byte, 1) != 1;
	return NULL;
}

/* Threads are preempted anywhere, and asleep in calls while their sites are put back. */
static int threads(void)
{
	const struct itimerval often = {.it_interval.tv_usec = 2000, .it_value.tv_usec = 2000};
	const struct timespec while_away = {.tv_nsec = 20000000};
	const struct sigaction action = {.sa_sigaction = on_tick,
	                                 .sa_flags = SA_SIGINFO | SA_RESTART};
	char *code = new_code(LOW, SYS_read);
	pthread_t workers[3], waiters[3];
	sigset_t alarms;

	if (pipe(interrupted_pipe))
		return 1;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 3; i++) {
		pthread_create(&workers[i], NULL, work, NULL);
		pthread_create(&waiters[i], NULL, wait_in_code, code);
	}
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarms, NULL);
	for (int i = 0; i < 12; i++) {
		clock_nanosleep(CLOCK_MONOTONIC, 0, &while_away, NULL);
		mprotect(LOW, 2 * PAGE, PROT_READ | PROT_WRITE);
		wrong += !is_original(code, SYS_read);
		mprotect(LOW, 2 * PAGE, PROT_READ | PROT_EXEC);
		wrong += write(interrupted_pipe[1], "x", 1) != 1;
	}
	is_over = 1;
	for (int i = 0; i < 3; i++) {
		pthread_join(workers[i], NULL);
		pthread_join(waiters[i], NULL);
	}
	printf("%ld wrong, %ld strayed\n", wrong, strayed);
	return 0;
}

/* ---- a call that comes back twice, and one that does not ---- */

static volatile int born;
void on_birth(void);
__asm__("on_birth: lock incl born(%rip)\n"
        "mov $60, %eax\n" /* exit */
        "xor %edi, %edi\n"
        "syscall\n");

/* A new thread starts behind the call, in all forms of it. */
static int clones(void)
{
	static uint64_t stacks[FORMS][64];
	const long flags =
	        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

	for (size_t i = 0; i < FORMS; i++) {
		uint64_t *stack = &stacks[i][32];

		repeat(forms[i].call);
		/* Whatever the form takes off before it returns. */
		for (int j = 0; j < 8; j++)
			stack[j] = (uint64_t)on_birth;
		printf("%s %d\n", forms[i].name,
		       forms[i].call(SYS_clone, flags, (long)stack, 0) > 0);
		while (born <= (int)i)
			sched_yield();
	}
	return 0;
}

static void *read_for_ever(void *argument)
{
	char byte;

	while (read(interrupted_pipe[0], &byte, 1) == 1)
		;
	return argument;
}

/* A thread is cancelled in a call, which the C library knows by its address. */
static int cancel(void)
{
	const struct timespec moment = {.tv_nsec = 30000000};
	static char bytes[10];
	pthread_t thread;
	void *result;

	if (pipe(interrupted_pipe) || pthread_create(&thread, NULL, read_for_ever, NULL) ||
	    write(interrupted_pipe[1], bytes, sizeof bytes) != sizeof bytes)
		return 1;
	nanosleep(&moment, NULL);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	printf("cancelled: %d\n", result == PTHREAD_CANCELED);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} modes[] = {
        {"text", text},       {"turns", turns},         {"results", results}, {"middle", middle},
        {"step", step},       {"fault", fault},         {"remap", remap},     {"many", many},
        {"file", file},       {"interrupt", interrupt}, {"clones", clones},   {"cancel", cancel},
        {"threads", threads},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof modes / sizeof modes[0]; i++)
		if (!strcmp(argv[1], modes[i].name))
			return modes[i].run();
	if (argc > 2 && !strcmp(argv[1], "exec") && *argv[2])
		return exec_again(argv[2]);
	return 2;
}
