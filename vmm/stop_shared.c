/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping a guest in a program that holds several, and whose signals are its own. */
#include "vmm/stop_shared.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/clock_page.h"
#include "vmm/devices.h"

#ifndef sigev_notify_thread_id /* glibc */
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define NS_PER_S   1000000000ull
#define KERNEL_SET 8 /* bytes of a set of signals as the kernel has it */
#define POLL_MAX   (DEVICES_POLL_MAX + 1)

int stop_kick_signal(void)
{
	return SIGRTMIN + 6;
}

/* What the thread has blocked: the kick, and what writing raises (EPIPE and EFBIG tell it, too). */
static void ours(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, stop_kick_signal());
	sigaddset(set, SIGPIPE);
	sigaddset(set, SIGXFSZ);
}

int stop_shared_open(struct stop *stop, struct mote_error *err)
{
	stop->vcpu = -1;
	stop->is_shared = true;
	stop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return stop->wake < 0 ? mote_error_errno(err, MOTE_STATUS_FAILED, "cannot make an eventfd")
	                      : 0;
}

void stop_shared_close(struct stop *stop)
{
	if (stop->is_shared && stop->wake >= 0)
		close(stop->wake);
	stop->wake = -1;
}

void stop_shared_attach(struct stop *stop, struct kvm_run *run, int vcpu)
{
	stop->run = run;
	stop->vcpu = vcpu;
}

/* ---- the thread ---- */

static void set_run_mask(const struct stop *stop)
{
	struct {
		struct kvm_signal_mask head;
		unsigned char set[KERNEL_SET];
	} mask = {.head = {.len = KERNEL_SET}};
	sigset_t during = stop->mask;

	sigaddset(&during, SIGPIPE);
	sigaddset(&during, SIGXFSZ);
	sigdelset(&during, stop_kick_signal());
	memcpy(mask.head.sigset, &during, KERNEL_SET);
	ioctl(stop->vcpu, KVM_SET_SIGNAL_MASK, &mask);
}

static bool make_tick(struct stop *stop)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
	                         .sigev_signo = stop_kick_signal()};

	event.sigev_notify_thread_id = stop->thread;
	return timer_create(CLOCK_MONOTONIC, &event, &stop->tick) == 0;
}

void stop_shared_enter(struct stop *stop)
{
	sigset_t blocked;

	ours(&blocked);
	sigpending(&stop->pended);
	pthread_sigmask(SIG_BLOCK, &blocked, &stop->mask);
	if (stop->vcpu < 0)
		return;
	set_run_mask(stop);
	atomic_store(&stop->thread, (int)syscall(SYS_gettid));
	stop->has_tick = make_tick(stop);
}

/* Take what came of the signals in @set. Return: whether a timer's was among them. */
static bool consume(const sigset_t *set)
{
	const struct timespec at_once = {0, 0};
	bool has_ticked = false;
	siginfo_t info;
	int number;

	while ((number = sigtimedwait(set, &info, &at_once)) > 0 || errno == EINTR)
		has_ticked |= number > 0 && info.si_code == SI_TIMER;
	return has_ticked;
}

void stop_shared_leave(struct stop *stop)
{
	int saved = errno;
	sigset_t set;

	atomic_store(&stop->thread, 0);
	while (atomic_load(&stop->callers))
		sched_yield();
	if (stop->has_tick)
		timer_delete(stop->tick);
	stop->has_tick = false;
	ours(&set);
	/* What was pending for the program itself stays so. */
	if (sigismember(&stop->pended, SIGPIPE))
		sigdelset(&set, SIGPIPE);
	if (sigismember(&stop->pended, SIGXFSZ))
		sigdelset(&set, SIGXFSZ);
	consume(&set);
	/* A VM that was left for this one may have been meant, too. */
	if (stop->outer)
		stop->outer->ticked = 1;
	pthread_sigmask(SIG_SETMASK, &stop->mask, NULL);
	errno = saved;
}

/* ---- kicks ---- */

/*
 * While it counts among the callers the thread cannot leave, and so has the signal blocked. Where
 * one interruption waits to be seen, another one is the same.
 */
void stop_shared_interrupt(struct stop *stop)
{
	const uint64_t one = 1;
	int saved = errno, thread;

	if (atomic_exchange(&stop->interrupted, true))
		return;
	atomic_fetch_add(&stop->callers, 1);
	thread = atomic_load(&stop->thread);
	if (thread)
		syscall(SYS_tgkill, getpid(), thread, stop_kick_signal());
	atomic_fetch_sub(&stop->callers, 1);
	(void)!write(stop->wake, &one, sizeof one);
	errno = saved;
}

void stop_shared_collect(struct stop *stop)
{
	sigset_t kick;

	sigemptyset(&kick);
	sigaddset(&kick, stop_kick_signal());
	if (consume(&kick))
		stop->ticked = 1;
}

/* ---- polls ---- */

static int poll_until(struct pollfd *fds, nfds_t count, uint64_t end)
{
	uint64_t present = clock_host_ns(CLOCK_MONOTONIC), left = end > present ? end - present : 0;
	struct timespec timeout = {.tv_sec = (time_t)(left / NS_PER_S),
	                           .tv_nsec = (long)(left % NS_PER_S)};

	return ppoll(fds, count, end == UINT64_MAX ? NULL : &timeout, NULL);
}

int stop_shared_poll(struct stop *stop, struct pollfd *fds, nfds_t count, uint64_t timeout_ns)
{
	uint64_t start = clock_host_ns(CLOCK_MONOTONIC), end, ignored;
	struct pollfd all[POLL_MAX + 1];
	int status;

	if (count > POLL_MAX) {
		errno = EINVAL;
		return -1;
	}
	end = timeout_ns < UINT64_MAX - start ? start + timeout_ns : UINT64_MAX;
	if (count)
		memcpy(all, fds, count * sizeof *fds);
	all[count] = (struct pollfd){.fd = stop->wake, .events = POLLIN};
	for (;;) {
		uint64_t due = stop->deadline && stop->deadline < end ? stop->deadline : end;

		if (stop->reason || stop_is_due()) {
			errno = EINTR;
			return -1;
		}
		status = poll_until(all, count + 1, due);
		if (status < 0 && errno != EINTR)
			return -1;
		if (status > 0 && all[count].revents) {
			status--;
			if (!stop->interrupted)
				(void)!read(stop->wake, &ignored, sizeof ignored);
		}
		if (status > 0 || (status == 0 && clock_host_ns(CLOCK_MONOTONIC) >= end))
			break;
	}
	for (nfds_t i = 0; i < count; i++)
		fds[i].revents = all[i].revents;
	return status;
}
