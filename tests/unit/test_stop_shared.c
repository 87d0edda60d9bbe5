/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of stop requests in programs that hold several VMs: no handler, and nothing stays. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vmm/console.h"
#include "vmm/stop_shared.h"

static struct stop stop;
static struct console_streams streams = {.fd = {0, 1, 2}};
static struct kvm_run run;
static struct mote_error err;
static sigset_t before;

static void start(void)
{
	cr_assert_eq(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
	cr_assert_eq(stop_shared_open(&stop, &err), 0);
	/* No vCPU: its signal mask cannot be set, and all else is as with one. */
	stop_shared_attach(&stop, &run, open("/dev/null", O_RDONLY));
	console_enter(&streams);
}

TestSuite(stop_shared, .init = start, .timeout = 20);

static void check_thread_is_as_before(void)
{
	sigset_t after, pending;

	cr_assert_eq(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
	cr_assert_eq(sigpending(&pending), 0);
	for (int number = 1; number <= SIGRTMAX; number++) {
		cr_assert_eq(sigismember(&before, number), sigismember(&after, number), "%d",
		             number);
		cr_assert_neq(sigismember(&pending, number), 1, "%d", number);
	}
}

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static bool is_kick_pending(void)
{
	sigset_t pending;

	sigpending(&pending);
	return sigismember(&pending, stop_kick_signal()) == 1;
}

Test(stop_shared, thread_is_left_as_it_was)
{
	stop_enter(&stop);
	stop_set_tick(1);
	usleep(2000);
	cr_assert(is_kick_pending());
	stop_leave(&stop);
	check_thread_is_as_before();
	usleep(2000);
	check_thread_is_as_before();
}

Test(stop_shared, tick_is_told_once)
{
	stop_enter(&stop);
	stop_set_tick(1);
	usleep(2000);
	cr_assert_not(stop_take_tick(), "nobody has looked");
	stop_interrupted_run();
	cr_assert(stop_take_tick());
	cr_assert_not(stop_take_tick());
	cr_assert_not(stop_is_due());
	stop_leave(&stop);
}

Test(stop_shared, interruption_is_pending_until_it_is_taken)
{
	stop_interrupt(&stop);
	stop_interrupt(&stop);
	stop_enter(&stop);
	cr_assert(stop_is_due());
	cr_assert_eq(stop_poll(NULL, 0, UINT64_MAX, false), -1);
	cr_assert_eq(errno, EINTR);
	cr_assert(stop_take_interrupt());
	cr_assert_not(stop_take_interrupt());
	cr_assert_not(stop_is_due());
	cr_assert_eq(stop_poll(NULL, 0, 1000000, false), 0, "the eventfd is empty again");
	stop_leave(&stop);
	check_thread_is_as_before();
}

Test(stop_shared, interruption_kicks_the_thread)
{
	stop_enter(&stop);
	stop_interrupt(&stop);
	cr_assert(is_kick_pending());
	stop_interrupted_run();
	cr_assert_not(is_kick_pending());
	cr_assert(stop_is_due());
	cr_assert_not(stop_take_tick());
	stop_leave(&stop);
	check_thread_is_as_before();
}

Test(stop_shared, deadline)
{
	uint64_t start_ns = now_ns();

	stop_enter(&stop);
	cr_assert_eq(stop_deadline_due(), UINT64_MAX);
	stop_set_deadline(20000000);
	cr_assert_not(stop_is_due());
	cr_assert_leq(stop_deadline_due(), 20000000);
	cr_assert_eq(stop_poll(NULL, 0, 1000000, false), 0, "another time is over before it");
	cr_assert_eq(stop_poll(NULL, 0, UINT64_MAX, false), -1);
	cr_assert_eq(errno, EINTR);
	cr_assert_geq(now_ns() - start_ns, 20000000);
	cr_assert(stop_is_due());
	cr_assert_not(stop_take_interrupt());
	stop_set_deadline(UINT64_MAX);
	cr_assert_not(stop_is_due());
	stop_set_deadline(0);
	cr_assert(stop_is_due());
	stop_leave(&stop);
}

Test(stop_shared, poll_tells_what_is_ready)
{
	struct pollfd fds[2] = {{.fd = -1}};
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	fds[1] = (struct pollfd){.fd = ends[0], .events = POLLIN};
	stop_enter(&stop);
	cr_assert_eq(stop_poll(fds, 2, UINT64_MAX, false), 1);
	cr_assert_eq(fds[0].revents, 0);
	cr_assert_eq(fds[1].revents, POLLIN);
	cr_assert_eq(stop_poll(fds, 5000, 0, false), -1);
	cr_assert_eq(errno, EINVAL);
	stop_leave(&stop);
}

/* The program's own handlers run, and the wait goes on. */
static volatile sig_atomic_t handled;

static void handle(int number)
{
	(void)number;
	handled++;
}

Test(stop_shared, signals_of_the_program_are_its_own)
{
	struct sigaction action = {.sa_handler = handle};
	struct itimerspec soon = {.it_value = {.tv_nsec = 5000000}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	timer_t timer;

	cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
	cr_assert_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	cr_assert_eq(timer_settime(timer, 0, &soon, NULL), 0);
	stop_enter(&stop);
	cr_assert_eq(stop_poll(NULL, 0, 20000000, false), 0);
	stop_leave(&stop);
	cr_assert_eq(handled, 1);
}

Test(stop_shared, closed_pipe_does_not_kill)
{
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	close(ends[0]);
	stop_enter(&stop);
	cr_assert_eq(write(ends[1], "x", 1), -1);
	cr_assert_eq(errno, EPIPE);
	stop_leave(&stop);
	check_thread_is_as_before();
}

/* What the program has blocked, and was pending for it, still is. */
Test(stop_shared, pending_signals_of_the_program_stay)
{
	sigset_t set, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	raise(SIGPIPE);
	stop_enter(&stop);
	stop_leave(&stop);
	sigpending(&pending);
	cr_assert_eq(sigismember(&pending, SIGPIPE), 1);
}

/* The callback of one VM may run another. */
Test(stop_shared, one_inside_another)
{
	struct stop inner = {.run = NULL};

	cr_assert_eq(stop_shared_open(&inner, &err), 0);
	stop_shared_attach(&inner, &run, open("/dev/null", O_RDONLY));
	stop_enter(&stop);
	stop_enter(&inner);
	stop_interrupt(&stop);
	cr_assert_not(stop_is_due(), "the outer one was meant");
	stop_leave(&inner);
	cr_assert(stop_is_due());
	cr_assert(stop_take_tick(), "it looks what it may have missed");
	stop_leave(&stop);
	stop_shared_close(&inner);
	check_thread_is_as_before();
}

/* Another thread interrupts at random moments: each wait ends, and no signal is left over. */
static volatile bool is_over;

static void *interrupt_often(void *unused)
{
	(void)unused;
	while (!is_over) {
		stop_interrupt(&stop);
		usleep(50);
	}
	return NULL;
}

Test(stop_shared, interruptions_of_another_thread)
{
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, interrupt_often, NULL), 0);
	for (int i = 0; i < 2000; i++) {
		stop_enter(&stop);
		cr_assert_eq(stop_poll(NULL, 0, UINT64_MAX, false), -1);
		cr_assert(stop_take_interrupt());
		stop_leave(&stop);
	}
	is_over = true;
	pthread_join(thread, NULL);
	check_thread_is_as_before();
}

/* ---- the console ---- */

Test(stop_shared, console_has_descriptors_of_its_own)
{
	int in[2], out[2];
	char text[8] = "";

	cr_assert_eq(pipe(in), 0);
	cr_assert_eq(pipe(out), 0);
	streams.fd[0] = in[0];
	streams.fd[1] = streams.fd[2] = out[1];
	stop_enter(&stop);
	cr_assert_eq(console_write(1, "hello", 5), 5);
	console_report("!", 1);
	cr_assert_eq(read(out[0], text, sizeof text), 6);
	cr_assert_str_eq(text, "hello!");
	cr_assert_eq(write(in[1], "x", 1), 1);
	cr_assert_eq(console_read(text, 1, 0), 1);
	cr_assert_eq(console_read(text, 1, 0), -EAGAIN);
	cr_assert_eq(console_kind(0), 1 /* S_IFIFO >> 12 */);
	stop_leave(&stop);
}

/* No handler ends a write that blocks: there is none. */
Test(stop_shared, write_to_a_full_pipe_can_be_interrupted)
{
	static char block[1 << 16];
	int64_t written, total = 0;
	int out[2];

	cr_assert_eq(pipe(out), 0);
	streams.fd[1] = out[1];
	stop_enter(&stop);
	stop_set_deadline(100000000);
	while ((written = console_write(1, block, sizeof block)) > 0)
		total += written;
	cr_assert_eq(written, -EINTR);
	cr_assert_eq(total, 1 << 16);
	stop_leave(&stop);
}
