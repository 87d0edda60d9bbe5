/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: actions, masks, delivery, waiting for them, and what they interrupt. */
#include "harness.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

/* The kernel's own layout, for calls past the library. */
struct kernel_action {
	void *handler;
	unsigned long flags;
	void *restorer;
	unsigned long mask;
};

#define MASK(number) (1UL << ((number)-1))
#define QUEUE        34 /* the first real-time signal that no library uses is higher */
#define REAL_TIME    (QUEUE + 6)

static volatile sig_atomic_t count, last;

static void note(int number)
{
	count++;
	last = number;
}

static volatile siginfo_t seen;

static void note_info(int number, siginfo_t *info, void *context)
{
	(void)context;
	count++;
	last = number;
	seen = *info;
}

static void handle(int number, int flags)
{
	struct sigaction action = {.sa_flags = flags};

	if (flags & SA_SIGINFO)
		action.sa_sigaction = note_info;
	else
		action.sa_handler = note;
	sigaction(number, &action, NULL);
	count = last = 0;
}

/* Once more later, in case the machine was so slow that nothing was there to be interrupted. */
static void fire_in(unsigned milliseconds)
{
	struct itimerval timer = {{0, 300000}, {0, (long)milliseconds * 1000}};

	setitimer(ITIMER_REAL, &timer, NULL);
}

static void block(int number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void unblock(int number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- sigaction ---- */

CASE(sigaction_errors)
{
	struct kernel_action action = {.handler = SIG_IGN}, old;

	CALL(rt_sigaction, 0, &action, NULL, 8);
	CALL(rt_sigaction, -1, &action, NULL, 8);
	CALL(rt_sigaction, 65, &action, NULL, 8);
	CALL(rt_sigaction, SIGKILL, &action, NULL, 8);
	CALL(rt_sigaction, SIGSTOP, &action, NULL, 8);
	CALL(rt_sigaction, SIGKILL, NULL, &old, 8);
	CALL(rt_sigaction, SIGUSR1, &action, NULL, 4);
	CALL(rt_sigaction, SIGUSR1, &action, NULL, 16);
	CALL(rt_sigaction, SIGUSR1, KIT, NULL, 8);
	CALL(rt_sigaction, SIGUSR1, NULL, KIT, 8);
	CALL(rt_sigaction, 64, &action, &old, 8);
	CALL(rt_sigaction, 64, NULL, &old, 8);
	VALUE(old.handler == SIG_IGN);
}

CASE(sigaction_gives_back)
{
	struct kernel_action action = {.handler = SIG_IGN, .flags = SA_RESTART | SA_NODEFER}, old;

	action.mask = MASK(SIGUSR2) | MASK(SIGKILL) | MASK(SIGSTOP);
	CALL(rt_sigaction, SIGUSR1, &action, &old, 8);
	VALUE(old.handler == SIG_DFL);
	CALL(rt_sigaction, SIGUSR1, NULL, &old, 8);
	say("%lx %lx", old.flags & ~0x04000000UL, old.mask);
	action.flags = 0xffffffffUL & ~0x04000000UL;
	CALL(rt_sigaction, SIGUSR1, &action, NULL, 8);
	CALL(rt_sigaction, SIGUSR1, NULL, &old, 8);
	say("%lx", old.flags & ~0x04000000UL);
}

CASE(sa_resethand)
{
	struct sigaction old;

	handle(SIGUSR1, SA_RESETHAND);
	raise(SIGUSR1);
	VALUE(count);
	sigaction(SIGUSR1, NULL, &old);
	VALUE(old.sa_handler == SIG_DFL);
}

static volatile int depth, deepest;

static void nest(int number)
{
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (count++ < 3)
		raise(number);
	depth--;
}

CASE(sa_nodefer)
{
	struct sigaction action = {.sa_handler = nest};

	count = depth = deepest = 0;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	say("%d times, %d deep", (int)count, deepest);
	action.sa_flags = SA_NODEFER;
	count = depth = deepest = 0;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	say("%d times, %d deep", (int)count, deepest);
}

static unsigned long mask_in_handler;

static void note_mask(int number)
{
	(void)number;
	make_call(SYS_rt_sigprocmask, (const long[]){0, 0, (long)&mask_in_handler, 8, 0, 0});
}

CASE(mask_in_a_handler)
{
	struct sigaction action = {.sa_handler = note_mask};
	unsigned long after;

	sigaddset(&action.sa_mask, SIGUSR2);
	sigaddset(&action.sa_mask, SIGKILL);
	sigaction(SIGUSR1, &action, NULL);
	block(SIGHUP);
	raise(SIGUSR1);
	say("%lx", mask_in_handler);
	CALL(rt_sigprocmask, 0, NULL, &after, 8);
	say("%lx", after);
}

CASE(siginfo_of_kill)
{
	handle(SIGUSR1, SA_SIGINFO);
	SHOW(kill(getpid(), SIGUSR1));
	say("%s %d code %d", signal_name(seen.si_signo), seen.si_errno, seen.si_code);
	VALUE(seen.si_pid == getpid());
	VALUE(seen.si_uid);
	make_call(SYS_tkill,
	          (const long[]){make_call(SYS_gettid, (const long[6]){0}), SIGUSR1, 0, 0, 0, 0});
	say("%s code %d", signal_name(seen.si_signo), seen.si_code);
	raise(SIGUSR1);
	say("code %d", seen.si_code);
}

CASE(ignored_signals_vanish)
{
	signal(SIGUSR1, SIG_IGN);
	block(SIGUSR1);
	raise(SIGUSR1);
	handle(SIGUSR1, 0);
	unblock(SIGUSR1);
	VALUE(count);
	block(SIGUSR1);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN); /* takes the pending one away */
	handle(SIGUSR1, 0);
	unblock(SIGUSR1);
	VALUE(count);
	raise(SIGCHLD);
	raise(SIGURG);
	raise(SIGWINCH);
	raise(SIGCONT);
	say("still here");
}

/* ---- masks ---- */

CASE(sigprocmask_errors)
{
	unsigned long set = MASK(SIGUSR1), old = 77;

	CALL(rt_sigprocmask, SIG_BLOCK, &set, &old, 8);
	say("%lx", old);
	CALL(rt_sigprocmask, 9, &set, &old, 8);
	CALL(rt_sigprocmask, 9, NULL, &old, 8);
	say("%lx", old);
	CALL(rt_sigprocmask, SIG_BLOCK, &set, &old, 4);
	CALL(rt_sigprocmask, SIG_BLOCK, KIT, &old, 8);
	CALL(rt_sigprocmask, SIG_BLOCK, NULL, KIT, 8);
	set = ~0UL;
	CALL(rt_sigprocmask, SIG_SETMASK, &set, NULL, 8);
	CALL(rt_sigprocmask, SIG_UNBLOCK, &set, &old, 8);
	say("%lx", old); /* without SIGKILL and SIGSTOP */
	CALL(rt_sigprocmask, SIG_BLOCK, NULL, &old, 8);
	say("%lx", old);
}

CASE(blocked_until_unblocked)
{
	unsigned long pending;

	handle(SIGUSR1, 0);
	handle(SIGUSR2, 0);
	block(SIGUSR1);
	block(SIGUSR2);
	raise(SIGUSR1);
	raise(SIGUSR1);
	raise(SIGUSR2);
	VALUE(count);
	CALL(rt_sigpending, &pending, 8);
	say("%lx", pending);
	unblock(SIGUSR1);
	say("%d, last %s", (int)count, signal_name(last));
	unblock(SIGUSR2);
	say("%d, last %s", (int)count, signal_name(last));
	CALL(rt_sigpending, &pending, 8);
	say("%lx", pending);
	CALL(rt_sigpending, KIT, 8);
	CALL(rt_sigpending, &pending, 16);
	CALL(rt_sigpending, edge(4), 4);
}

static volatile int order[10], ordered;

static void note_order(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (ordered < 10)
		order[ordered++] = number * 100 + info->si_value.sival_int;
}

CASE(real_time_signals_queue_in_order)
{
	struct sigaction action = {.sa_sigaction = note_order, .sa_flags = SA_SIGINFO};
	union sigval value;

	sigfillset(&action.sa_mask);
	for (int i = 0; i < 2; i++) {
		sigaction(REAL_TIME + i, &action, NULL);
		block(REAL_TIME + i);
	}
	ordered = 0;
	for (value.sival_int = 1; value.sival_int <= 3; value.sival_int++) {
		SHOW(sigqueue(getpid(), REAL_TIME + 1, value));
		SHOW(sigqueue(getpid(), REAL_TIME, value));
	}
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int i = 0; i < ordered; i++)
		VALUE(order[i]);
}

CASE(standard_signals_do_not_queue)
{
	union sigval value = {.sival_int = 5};

	handle(SIGUSR1, SA_SIGINFO);
	block(SIGUSR1);
	SHOW(sigqueue(getpid(), SIGUSR1, value));
	value.sival_int = 6;
	SHOW(sigqueue(getpid(), SIGUSR1, value));
	unblock(SIGUSR1);
	VALUE(count);
	VALUE(seen.si_value.sival_int);
	say("code %d", seen.si_code);
}

/* ---- kill ---- */

CASE(kill_errors)
{
	int self = getpid();

	CALL(kill, self, 0);
	CALL(kill, self, 65);
	CALL(kill, self, -1);
	CALL(kill, 999999, 0);
	CALL(kill, 999999, SIGTERM);
	CALL(kill, INT_MIN, SIGTERM);
	CALL(kill, -999999, 0);
	CALL(tkill, self, 0);
	CALL(tkill, 0, 0);
	CALL(tkill, -1, 0);
	CALL(tkill, 999999, 0);
	CALL(tgkill, self, self, 0);
	CALL(tgkill, self, 999999, 0);
	CALL(tgkill, 999999, self, 0);
	CALL(tgkill, 0, self, 0);
	CALL(tgkill, self, 0, 0);
	CALL(tgkill, self, self, 65);
	signal(SIGUSR1, SIG_IGN);
	CALL(kill, 0, SIGUSR1);
	CALL(kill, -self, SIGUSR1);
}

CASE(sigqueueinfo_errors)
{
	siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
	int self = getpid();

	handle(SIGUSR1, SA_SIGINFO);
	CALL(rt_sigqueueinfo, self, SIGUSR1, &info);
	VALUE(count);
	CALL(rt_sigqueueinfo, self, 0, &info);
	CALL(rt_sigqueueinfo, self, 65, &info);
	CALL(rt_sigqueueinfo, 999999, SIGUSR1, &info);
	CALL(rt_sigqueueinfo, self, SIGUSR1, KIT);
	CALL(rt_tgsigqueueinfo, self, self, SIGUSR1, &info);
	CALL(rt_tgsigqueueinfo, self, 999999, SIGUSR1, &info);
	VALUE(count);
}

/* ---- ends of the process ---- */

#define DIES(name, number)           \
	CASE_ALONE(dies_of_##name)   \
	{                            \
		say("before");       \
		SHOW(raise(number)); \
		say("not dead");     \
	}

DIES(sighup, SIGHUP)
DIES(sigint, SIGINT)
DIES(sigquit, SIGQUIT)
DIES(sigkill, SIGKILL)
DIES(sigterm, SIGTERM)
DIES(sigusr1, SIGUSR1)
DIES(sigpipe, SIGPIPE)
DIES(sigalrm, SIGALRM)
DIES(sigabrt, SIGABRT)
DIES(real_time_signal, 64)

CASE_ALONE(dies_when_unblocked)
{
	block(SIGTERM);
	raise(SIGTERM);
	say("blocked");
	unblock(SIGTERM);
	say("not dead");
}

CASE_ALONE(dies_of_a_blocked_fault)
{
	signal(SIGSEGV, SIG_IGN);
	block(SIGSEGV);
	say("before");
	*(volatile char *)LOW = 1;
	say("not dead");
}

CASE_ALONE(dies_of_a_fault_in_its_handler)
{
	struct sigaction action = {.sa_handler = (void (*)(int))LOW};

	sigaction(SIGSEGV, &action, NULL);
	say("before");
	*(volatile char *)LOW = 1;
}

CASE_ALONE(aborts)
{
	signal(SIGABRT, SIG_IGN);
	say("before");
	abort();
}

/* ---- faults ---- */

static sigjmp_buf back;

static void leave(int number, siginfo_t *info, void *context)
{
	note_info(number, info, context);
	siglongjmp(back, 1);
}

static void fault(const char *what, int number, void (*act)(void))
{
	struct sigaction action = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO};

	sigaction(number, &action, NULL);
	if (!sigsetjmp(back, 1)) {
		act();
		say("%s: nothing", what);
		return;
	}
	say("%s: %s code %d", what, signal_name(seen.si_signo), seen.si_code);
}

static void divide(void)
{
	__asm__ volatile("xor %%edx, %%edx; xor %%ecx, %%ecx; mov $1, %%eax; div %%ecx" ::
	                         : "eax", "ecx", "edx");
}

static void undefined(void)
{
	__asm__ volatile("ud2");
}

static void breakpoint(void)
{
	__asm__ volatile("int3");
}

static void privileged(void)
{
	__asm__ volatile("hlt");
}

static void store(void)
{
	*(volatile char *)LOW = 1;
}

CASE(faults)
{
	fault("divide", SIGFPE, divide);
	fault("ud2", SIGILL, undefined);
	fault("int3", SIGTRAP, breakpoint);
	fault("hlt", SIGSEGV, privileged);
	fault("store", SIGSEGV, store);
	VALUE(seen.si_addr == LOW);
}

static void skip_two(int number, siginfo_t *info, void *context)
{
	ucontext_t *where = context;

	note_info(number, info, context);
	where->uc_mcontext.gregs[REG_RIP] += 2;
	where->uc_mcontext.gregs[REG_RBX] = 4711;
}

CASE(handler_changes_registers)
{
	struct sigaction action = {.sa_sigaction = skip_two, .sa_flags = SA_SIGINFO};
	long value = 0;

	sigaction(SIGILL, &action, NULL);
	__asm__ volatile("mov $1, %%rbx; ud2; mov %%rbx, %0" : "=r"(value)::"rbx");
	VALUE(value);
}

/* ---- alternate stacks ---- */

static char stack_memory[65536];
static volatile int on_stack;

static void note_stack(int number)
{
	char here;

	(void)number;
	on_stack = &here >= stack_memory && &here < stack_memory + sizeof stack_memory;
	count++;
}

CASE(sigaltstack)
{
	stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory}, old;
	struct sigaction action = {.sa_handler = note_stack, .sa_flags = SA_ONSTACK};

	CALL(sigaltstack, NULL, &old);
	VALUE(old.ss_flags);
	CALL(sigaltstack, &stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	VALUE(on_stack);
	action.sa_flags = 0;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	VALUE(on_stack);
	CALL(sigaltstack, NULL, &old);
	VALUE(old.ss_size);
	VALUE(old.ss_flags);
	stack.ss_size = 100;
	CALL(sigaltstack, &stack, NULL);
	stack.ss_flags = 99;
	CALL(sigaltstack, &stack, NULL);
	CALL(sigaltstack, KIT, NULL);
	CALL(sigaltstack, NULL, KIT);
	stack = (stack_t){.ss_flags = SS_DISABLE};
	CALL(sigaltstack, &stack, &old);
	VALUE(old.ss_flags);
}

static void change_stack(int number)
{
	stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory}, old;

	(void)number;
	CALL(sigaltstack, &stack, NULL);
	CALL(sigaltstack, NULL, &old);
	VALUE(old.ss_flags);
}

CASE(sigaltstack_in_its_handler)
{
	stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory};
	struct sigaction action = {.sa_handler = change_stack, .sa_flags = SA_ONSTACK};

	CALL(sigaltstack, &stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
}

static void show_stack(int number)
{
	stack_t old;

	(void)number;
	CALL(sigaltstack, NULL, &old);
	say("%x", (unsigned)old.ss_flags);
}

CASE(sigaltstack_autodisarm)
{
	stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory}, old;
	struct sigaction action = {.sa_handler = show_stack, .sa_flags = SA_ONSTACK};

	stack.ss_flags = (int)(1U << 31);
	CALL(sigaltstack, &stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	CALL(sigaltstack, NULL, &old);
	say("%x", (unsigned)old.ss_flags);
}

/* ---- waiting for signals ---- */

CASE(sigsuspend)
{
	unsigned long none = 0, all = ~0UL, mask;

	handle(SIGUSR1, 0);
	handle(SIGALRM, 0);
	block(SIGUSR1);
	raise(SIGUSR1);
	CALL(rt_sigsuspend, &none, 8);
	say("%d, last %s", (int)count, signal_name(last));
	CALL(rt_sigprocmask, 0, NULL, &mask, 8);
	say("%lx", mask);
	fire_in(3);
	none = MASK(SIGUSR1);
	CALL(rt_sigsuspend, &none, 8);
	say("%d, last %s", (int)count, signal_name(last));
	CALL(rt_sigsuspend, &all, 4);
	CALL(rt_sigsuspend, KIT, 8);
}

CASE(sigtimedwait)
{
	unsigned long set = MASK(SIGUSR1) | MASK(SIGUSR2);
	struct timespec none = {0, 0}, soon = {0, 3000000};
	siginfo_t info;

	block(SIGUSR1);
	block(SIGUSR2);
	CALL(rt_sigtimedwait, &set, &info, &none, 8);
	CALL(rt_sigtimedwait, &set, &info, &soon, 8);
	raise(SIGUSR2);
	raise(SIGUSR1);
	CALL(rt_sigtimedwait, &set, &info, &none, 8);
	say("%s code %d", signal_name(info.si_signo), info.si_code);
	CALL(rt_sigtimedwait, &set, NULL, NULL, 8);
	soon.tv_nsec = -1;
	CALL(rt_sigtimedwait, &set, &info, &soon, 8);
	soon.tv_nsec = 1000000000;
	CALL(rt_sigtimedwait, &set, &info, &soon, 8);
	CALL(rt_sigtimedwait, &set, &info, &none, 4);
	CALL(rt_sigtimedwait, KIT, &info, &none, 8);
	CALL(rt_sigtimedwait, &set, &info, KIT, 8);
	raise(SIGUSR1);
	CALL(rt_sigtimedwait, &set, KIT, &none, 8);
	CALL(rt_sigtimedwait, &set, &info, &none, 8);
}

CASE(sigtimedwait_interrupted)
{
	unsigned long set = MASK(SIGUSR1);
	struct timespec long_time = {5, 0};

	handle(SIGALRM, SA_RESTART);
	block(SIGUSR1);
	fire_in(3);
	CALL(rt_sigtimedwait, &set, NULL, &long_time, 8);
	VALUE(count >= 1);
}

CASE(sigtimedwait_queue)
{
	unsigned long set = MASK(REAL_TIME);
	struct timespec none = {0, 0};
	siginfo_t info;

	block(REAL_TIME);
	for (int i = 1; i <= 3; i++)
		sigqueue(getpid(), REAL_TIME, (union sigval){.sival_int = i});
	for (int i = 1; i <= 4; i++) {
		if (CALL(rt_sigtimedwait, &set, &info, &none, 8) > 0)
			VALUE(info.si_value.sival_int);
	}
}

CASE(signalfd)
{
	unsigned long set = MASK(SIGUSR1);
	char data[300];
	int file = (int)CALL(signalfd4, -1, &set, 8, O_NONBLOCK | O_CLOEXEC), number;
	struct pollfd poll_file = {file, POLLIN, 0};

	CALL(read, file, data, sizeof data);
	CALL(fcntl, file, F_GETFD);
	block(SIGUSR1);
	SHOW(poll(&poll_file, 1, 0));
	sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 9});
	SHOW(poll(&poll_file, 1, 0));
	CALL(read, file, data, 100);
	CALL(read, file, data, sizeof data);
	memcpy(&number, data, 4);
	say("%s", signal_name(number));
	CALL(read, file, data, sizeof data);
	CALL(write, file, data, 128);
	set = MASK(SIGUSR2);
	CALL(signalfd4, file, &set, 8, 0);
	raise(SIGUSR1);
	CALL(read, file, data, sizeof data);
	block(SIGUSR2);
	raise(SIGUSR2);
	CALL(read, file, data, sizeof data);
}

CASE(signalfd_errors)
{
	unsigned long set = MASK(SIGUSR1);

	CALL(signalfd4, -1, &set, 4, 0);
	CALL(signalfd4, -1, KIT, 8, 0);
	CALL(signalfd4, -1, &set, 8, 1);
	CALL(signalfd4, 77, &set, 8, 0);
	CALL(signalfd4, 0, &set, 8, 0);
	CALL(signalfd, -1, &set, 8);
	CALL(signalfd, 77, &set, 8);
}

/* ---- what signals interrupt ---- */

CASE(read_interrupted)
{
	int ends[2];
	char byte;

	pipe(ends);
	handle(SIGALRM, 0);
	fire_in(3);
	CALL(read, ends[0], &byte, 1);
	VALUE(count >= 1);
}

static int write_end;

static void write_one(int number)
{
	(void)number;
	count++;
	if (count == 2)
		write(write_end, "x", 1);
	else
		fire_in(3);
}

CASE(read_restarted)
{
	struct sigaction action = {.sa_handler = write_one, .sa_flags = SA_RESTART};
	int ends[2];
	char byte;

	pipe(ends);
	write_end = ends[1];
	count = 0;
	sigaction(SIGALRM, &action, NULL);
	fire_in(3);
	CALL(read, ends[0], &byte, 1);
	VALUE(count);
}

CASE(write_interrupted)
{
	static char big[70000];
	int ends[2];

	pipe(ends);
	handle(SIGALRM, 0);
	fire_in(3);
	CALL(write, ends[1], big, sizeof big);
	fire_in(3);
	CALL(write, ends[1], big, 1);
	VALUE(count >= 2);
}

CASE(poll_and_select_interrupted)
{
	struct pollfd file = {-1, POLLIN, 0};
	struct timeval time = {5, 0};
	struct timespec precise = {5, 0};
	unsigned long none = 0;
	struct {
		const void *set;
		size_t size;
	} mask = {&none, 8};

	handle(SIGALRM, SA_RESTART);
	fire_in(2);
	CALL(poll, &file, 1, 5000);
	fire_in(2);
	CALL(poll, NULL, 0, -1);
	fire_in(2);
	CALL(select, 0, NULL, NULL, NULL, &time);
	fire_in(2);
	CALL(select, 0, NULL, NULL, NULL, NULL);
	fire_in(2);
	CALL(ppoll, &file, 1, &precise, NULL, 8);
	fire_in(2);
	CALL(ppoll, &file, 1, NULL, &none, 8);
	fire_in(2);
	CALL(pselect6, 0, NULL, NULL, NULL, &precise, &mask);
	VALUE(count >= 7);
}

CASE(ignored_signals_interrupt_nothing)
{
	struct timespec time = {0, 20000000}, left;
	int ends[2];
	struct pollfd file;

	pipe(ends);
	file = (struct pollfd){ends[0], POLLIN, 0};
	signal(SIGALRM, SIG_IGN);
	fire_in(2);
	CALL(nanosleep, &time, &left);
	fire_in(2);
	CALL(poll, &file, 1, 20);
	signal(SIGALRM, SIG_DFL);
	block(SIGALRM);
	fire_in(2);
	CALL(nanosleep, &time, &left);
}

CASE(ppoll_and_pselect_masks)
{
	unsigned long none = 0, old;
	struct {
		const void *set;
		size_t size;
	} mask = {&none, 8};
	struct timespec time = {5, 0};

	handle(SIGUSR1, 0);
	block(SIGUSR1);
	raise(SIGUSR1);
	CALL(ppoll, NULL, 0, &time, &none, 8);
	VALUE(count);
	raise(SIGUSR1);
	CALL(pselect6, 0, NULL, NULL, NULL, &time, &mask);
	VALUE(count);
	CALL(rt_sigprocmask, 0, NULL, &old, 8);
	say("%lx", old);
}
