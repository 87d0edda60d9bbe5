/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals of the application: actions, masks, pending signals, delivery.
 *
 * How it works
 *
 * A signal that is sent joins the queue of a thread or that of the process, unless it is ignored:
 * once for each standard signal, as often as there is room for a real-time one. signal_deliver(),
 * on the way out of every system call, takes from the running thread's queue and from that of the
 * process what the thread does not block, and changes the context so that it goes on in the
 * handler; several handlers nest, the last one taken runs first. A fault does not join a queue but
 * enters its handler at once (signal_force()), or ends the guest.
 *
 * A signal wakes one thread that can take it. A sleep that a signal ends makes its system call
 * return -EINTR. It only ends for a signal that will run a handler or end the guest, so what is
 * left to decide is whether the handler asked for SA_RESTART and signal(7) counts the call among
 * those that are restarted: then the context is put back to the system-call instruction. No call
 * needs a code of its own for this.
 *
 * There is one process and nobody outside who could continue it: signals that stop a process by
 * default are ignored. Init's protection is not granted: signals end process 1 too.
 */
#include "guestkit/libc-shim/signal.h"

#include <asm/unistd_64.h>
#include <linux/errno.h>
#include <stddef.h>

#include "guestkit/libc-shim/posix_timer.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/process_leave.h"
#include "guestkit/libc-shim/signal_frame.h"
#include "guestkit/memory.h"
#include "guestkit/process_end.h"
#include "guestkit/thread.h"
#include "mote/abi.h"

#define BIT(signal) (1ull << ((signal)-1))

/* Signals that cannot be caught, blocked or ignored. */
#define UNBLOCKABLE (BIT(SIGNAL_KILL) | BIT(SIGNAL_STOP))
/* Default actions; what is in neither set ends the guest without a report. */
#define IGNORED_BY_DEFAULT                                                           \
	(BIT(SIGNAL_CHLD) | BIT(SIGNAL_URG) | BIT(SIGNAL_WINCH) | BIT(SIGNAL_CONT) | \
	 BIT(SIGNAL_STOP) | BIT(SIGNAL_TSTP) | BIT(SIGNAL_TTIN) | BIT(SIGNAL_TTOU))
#define REPORTED_BY_DEFAULT \
	(FAULTS | BIT(SIGNAL_QUIT) | BIT(SIGNAL_ABRT) | BIT(SIGNAL_XCPU) | BIT(SIGNAL_XFSZ))
/* Delivered before others, as on Linux: most likely a fault of the interrupted instruction. */
#define FAULTS                                                                     \
	(BIT(SIGNAL_SEGV) | BIT(SIGNAL_BUS) | BIT(SIGNAL_ILL) | BIT(SIGNAL_TRAP) | \
	 BIT(SIGNAL_FPE) | BIT(SIGNAL_SYS))

#define SYSCALL_LENGTH 2 /* bytes of the instruction */
#define VECTOR_PF      14

struct pending_signal {
	struct pending_signal *next;
	int signal;
	struct signal_cause cause;
};

/* Of the process, shared by its threads. */
static KIT_LARGE struct signal_action actions[SIGNAL_LAST + 1];
static struct signal_queue process_queue;
static uint64_t queued; /* entries in all queues */

struct wait_queue signal_arrival;

/* ---- actions and masks ---- */

static bool is_in(uint64_t set, int signal)
{
	return set & signal_bit(signal);
}

static bool is_ignored(int signal)
{
	uint64_t handler = actions[signal].handler;

	return handler == SIGNAL_IGNORE ||
	       (handler == SIGNAL_DEFAULT && is_in(IGNORED_BY_DEFAULT, signal));
}

const struct signal_action *signal_action(int signal)
{
	return &actions[signal];
}

void signal_set_mask(uint64_t mask)
{
	signal_thread->blocked = mask & ~UNBLOCKABLE;
}

void signal_set_mask_for_call(uint64_t mask)
{
	signal_thread->saved_mask = signal_thread->blocked;
	signal_thread->has_saved_mask = true;
	signal_set_mask(mask);
}

static void restore_mask(void)
{
	if (signal_thread->has_saved_mask)
		signal_thread->blocked = signal_thread->saved_mask;
	signal_thread->has_saved_mask = false;
}

int signal_set_stack(const struct signal_stack *stack, uint64_t rsp)
{
	uint32_t mode = stack->flags & ~STACK_AUTODISARM;

	if (signal_stack_state(&signal_thread->stack, rsp) == STACK_ON)
		return -EPERM;
	if (mode != 0 && mode != STACK_ON && mode != STACK_DISABLED)
		return -EINVAL;
	if (mode == STACK_DISABLED) {
		signal_thread->stack = (struct signal_stack){.flags = stack->flags};
		return 0;
	}
	if (stack->size < STACK_SIZE_MIN)
		return -ENOMEM;
	signal_thread->stack = *stack;
	signal_thread->stack.reserved = 0;
	return 0;
}

/* ---- queues ---- */

/* @before: the one before @entry in the queue, or NULL */
static void entry_unlink(struct signal_queue *queue, struct pending_signal *before,
                         struct pending_signal *entry)
{
	*(before ? &before->next : &queue->first) = entry->next;
	if (!entry->next)
		queue->last = before;
	heap_free(entry);
	queued--;
}

/* Take the oldest signal of a number out of a queue that has it in its set. */
static void queue_remove(struct signal_queue *queue, int signal, struct signal_cause *cause)
{
	struct pending_signal *before = NULL, *entry = queue->first, *other;

	while (entry && entry->signal != signal) {
		before = entry;
		entry = entry->next;
	}
	other = entry ? entry->next : NULL;
	while (other && other->signal != signal)
		other = other->next;
	if (!other)
		queue->set &= ~signal_bit(signal);
	if (!entry) {
		*cause = (struct signal_cause){.code = SIGNAL_CODE_USER,
		                               .vector = MOTE_CRASH_NO_VECTOR};
		return;
	}
	*cause = entry->cause;
	entry_unlink(queue, before, entry);
	if (cause->timer)
		posix_timer_taken(cause);
}

/* Take the most urgent signal of a set. Return: its number, 0: there was none. */
static int queue_take(struct signal_queue *queue, uint64_t set, struct signal_cause *cause)
{
	uint64_t ready = queue->set & set;
	int signal;

	if (!ready)
		return 0;
	signal = __builtin_ctzll(ready & FAULTS ? ready & FAULTS : ready) + 1;
	queue_remove(queue, signal, cause);
	return signal;
}

/* The running thread's own signals go first. */
static int take(uint64_t set, struct signal_cause *cause)
{
	int signal = queue_take(&thread_current->signal.pending, set, cause);

	return signal ? signal : queue_take(&process_queue, set, cause);
}

static int queue_add(struct signal_queue *queue, int signal, const struct signal_cause *cause)
{
	bool is_standard = signal < SIGNAL_REALTIME;
	struct pending_signal *entry = NULL;

	if (is_standard && is_in(queue->set, signal) && !cause->timer)
		return 0;
	if (is_standard || queued < process_limit(RESOURCE_SIGPENDING)->soft)
		entry = heap_alloc(sizeof *entry);
	if (!entry && (!is_standard || cause->timer))
		return -EAGAIN;
	queue->set |= signal_bit(signal);
	if (!entry)
		return 0; /* it is told without its cause */
	*entry = (struct pending_signal){NULL, signal, *cause};
	*(queue->first ? &queue->last->next : &queue->first) = entry;
	queue->last = entry;
	queued++;
	return 0;
}

static void queue_drop(struct signal_queue *queue, uint64_t set)
{
	struct signal_cause cause;

	while (queue_take(queue, set, &cause))
		;
}

void signal_set_action(int signal, const struct signal_action *action)
{
	actions[signal] = *action;
	actions[signal].flags &= ACTION_FLAGS;
	actions[signal].mask &= ~UNBLOCKABLE;
	if (!is_ignored(signal))
		return;
	queue_drop(&process_queue, signal_bit(signal));
	for (struct thread *thread = thread_first; thread; thread = thread->next)
		queue_drop(&thread->signal.pending, signal_bit(signal));
}

void signal_reset(void)
{
	for (int signal = 1; signal <= SIGNAL_LAST; signal++) {
		const struct signal_action action = {
		        .handler = actions[signal].handler == SIGNAL_IGNORE ? SIGNAL_IGNORE
		                                                            : SIGNAL_DEFAULT};

		signal_set_action(signal, &action);
	}
	signal_thread->stack = (struct signal_stack){.flags = STACK_DISABLED};
	restore_mask();
}

/* ---- sending ---- */

/* Would a thread take the signal now, or is it waiting for it? */
static bool can_take(const struct thread *thread, int signal)
{
	return !is_in(thread->signal.blocked, signal) || is_in(thread->signal.awaited, signal);
}

/* Wake a thread for a signal of the process, unless the running one takes it anyway. */
static void wake_any(int signal)
{
	struct thread *thread = thread_first;

	if (can_take(thread_current, signal) && thread_current->state == THREAD_RUNNABLE)
		return;
	while (thread && !can_take(thread, signal))
		thread = thread->next;
	if (thread)
		thread_wake(thread);
}

int signal_send_to(struct thread *thread, int signal, const struct signal_cause *cause)
{
	int result;

	/* A blocked signal waits: its action may be another one by the time it is unblocked. */
	if (is_ignored(signal) && !is_in(thread->signal.blocked | thread->signal.awaited, signal))
		return 0;
	result = queue_add(&thread->signal.pending, signal, cause);
	if (can_take(thread, signal))
		thread_wake(thread);
	wait_queue_wake(&signal_arrival);
	return result;
}

/* Does a thread keep the signal from being taken, or wait for it? */
static bool is_kept(int signal)
{
	for (const struct thread *thread = thread_first; thread; thread = thread->next)
		if (is_in(thread->signal.blocked | thread->signal.awaited, signal))
			return true;
	return false;
}

int signal_send(int signal, const struct signal_cause *cause)
{
	int result;

	if (is_ignored(signal) && !is_kept(signal))
		return 0;
	result = queue_add(&process_queue, signal, cause);
	wake_any(signal);
	wait_queue_wake(&signal_arrival);
	return result;
}

bool signal_send_timer(struct thread *thread, int signal, const struct signal_cause *cause)
{
	uint64_t kept = thread ? thread->signal.blocked | thread->signal.awaited : 0;

	if (is_ignored(signal) && !(thread ? is_in(kept, signal) : is_kept(signal)))
		return false;
	return (thread ? signal_send_to(thread, signal, cause) : signal_send(signal, cause)) == 0;
}

static void forget_timer(struct signal_queue *queue, uint32_t timer)
{
	struct pending_signal *before = NULL, *entry = timer ? queue->first : NULL, *other;

	while (entry && entry->cause.timer != timer) {
		before = entry;
		entry = entry->next;
	}
	if (!entry)
		return;
	for (other = queue->first; other; other = other->next)
		if (other != entry && other->signal == entry->signal)
			break;
	if (!other)
		queue->set &= ~signal_bit(entry->signal);
	entry_unlink(queue, before, entry);
}

void signal_forget_timer(uint32_t timer)
{
	forget_timer(&process_queue, timer);
	for (struct thread *thread = thread_first; thread; thread = thread->next)
		forget_timer(&thread->signal.pending, timer);
}

void signal_send_self(int signal)
{
	signal_send_to(
	        thread_current, signal,
	        &(struct signal_cause){.code = SIGNAL_CODE_USER, .vector = MOTE_CRASH_NO_VECTOR});
}

void signal_thread_end(struct signal_thread *thread)
{
	queue_drop(&thread->pending, ~0ull);
	for (uint64_t set = process_queue.set; set; set &= set - 1)
		wake_any(__builtin_ctzll(set) + 1);
}

uint64_t signal_pending(void)
{
	return thread_current->signal.pending.set | process_queue.set;
}

bool signal_is_pending(void)
{
	uint64_t pending = signal_pending();
	uint64_t ready = pending & ~signal_thread->blocked;

	if (thread_current->is_dying || pending & signal_thread->awaited)
		return true;
	for (; ready; ready &= ready - 1)
		if (!is_ignored(__builtin_ctzll(ready) + 1))
			return true;
	return false;
}

static void fill_info(struct signal_info *info, int signal, const struct signal_cause *cause)
{
	*info = (struct signal_info){.signal = signal, .code = cause->code};
	if (cause->code > 0) {
		info->address = cause->address;
		return;
	}
	if (cause->timer) {
		info->timer.id = cause->timer - 1;
		info->timer.overrun = cause->overrun;
		info->timer.value = cause->address;
		return;
	}
	info->sender.pid = PROCESS_ID;
	info->sender.uid = process_identity.uid;
	info->sender.value = cause->address;
}

int signal_take(uint64_t set, struct signal_info *info)
{
	struct signal_cause cause;
	int signal = take(set, &cause);

	if (signal)
		fill_info(info, signal, &cause);
	return signal;
}

/* ---- delivery ---- */

static _Noreturn void crash(const struct context *context, int signal,
                            const struct signal_cause *cause, const char *reason)
{
	end_by_crash(context, signal, cause->vector, cause->error, cause->address, reason);
}

/* The default action of a signal that is not ignored. */
static _Noreturn void act_by_default(const struct context *context, int signal,
                                     const struct signal_cause *cause)
{
	process_leave();
	if (is_in(REPORTED_BY_DEFAULT, signal))
		crash(context, signal, cause, NULL);
	end_by_signal(signal);
}

/* Change the context to enter a handler; -EFAULT when the stack cannot take its frame. */
static int enter_handler(struct context *context, int signal, const struct signal_cause *cause)
{
	struct signal_thread *thread = signal_thread;
	struct signal_action action = actions[signal];
	struct signal_frame_request request = {
	        .action = &action,
	        .mask = thread->has_saved_mask ? thread->saved_mask : thread->blocked,
	};

	fill_info(&request.info, signal, cause);
	if (cause->vector != MOTE_CRASH_NO_VECTOR) {
		request.vector = cause->vector;
		request.error = cause->error;
		request.cr2 = cause->vector == VECTOR_PF ? cause->address : 0;
	}
	if (action.flags & ACTION_RESET_HAND)
		actions[signal].handler = SIGNAL_DEFAULT;
	if (signal_frame_push(context, &thread->stack, &request) < 0)
		return -EFAULT;
	thread->has_saved_mask = false;
	thread->blocked |= action.mask;
	if (!(action.flags & ACTION_NO_DEFER))
		thread->blocked |= signal_bit(signal);
	return 0;
}

/* No frame for a signal's handler: SIGSEGV, whose handler may have a stack of its own. */
static void force_after_failure(struct context *context, int signal,
                                const struct signal_cause *cause)
{
	const struct signal_cause overflow = {
	        .code = SIGNAL_CODE_KERNEL, .vector = cause->vector, .error = cause->error};

	if (signal == SIGNAL_SEGV)
		crash(context, signal, cause,
		      cause->vector == MOTE_CRASH_NO_VECTOR ? "no stack for a signal handler"
		                                            : NULL);
	signal_force(context, SIGNAL_SEGV, &overflow);
}

void signal_force(struct context *context, int signal, const struct signal_cause *cause)
{
	if (is_in(signal_thread->blocked, signal) || actions[signal].handler <= SIGNAL_IGNORE)
		crash(context, signal, cause, NULL);
	if (enter_handler(context, signal, cause) < 0)
		force_after_failure(context, signal, cause);
}

/* Calls that a handler with SA_RESTART does not end, though it interrupts them: signal(7). */
static bool is_restartable(const struct context *context)
{
	switch (context->number) {
	case __NR_read:
	case __NR_write:
	case __NR_readv:
	case __NR_writev:
	case __NR_pread64:
	case __NR_pwrite64:
	case __NR_preadv:
	case __NR_pwritev:
	case __NR_sendfile:
	case __NR_copy_file_range:
	case __NR_ioctl:
	case __NR_open:
	case __NR_openat:
	case __NR_creat:
	case __NR_fcntl:
	case __NR_flock:
	case __NR_wait4:
	case __NR_waitid:
	case __NR_accept:
	case __NR_accept4:
	case __NR_connect:
	case __NR_sendto:
	case __NR_sendmsg:
	case __NR_sendmmsg:
	case __NR_recvfrom:
	case __NR_recvmsg:
	case __NR_recvmmsg:
	case __NR_getrandom: return true;
	case __NR_futex: return context->r10 == 0; /* a relative timeout would start anew */
	default: return false;
	}
}

static bool is_interrupted(const struct context *context)
{
	return context->number != CONTEXT_TRAP && (int64_t)context->rax == -EINTR;
}

static void restart_call(struct context *context)
{
	context->rax = context->number;
	context->rip -= SYSCALL_LENGTH;
}

/* Do what a signal asks for. Return: whether the context was changed. */
static bool act(struct context *context, int signal, const struct signal_cause *cause)
{
	const struct signal_action *action = &actions[signal];

	if (is_ignored(signal))
		return false;
	if (action->handler == SIGNAL_DEFAULT)
		act_by_default(context, signal, cause);
	if ((action->flags & ACTION_RESTART) && is_interrupted(context) &&
	    is_restartable(context) && !signal_thread->is_final)
		restart_call(context);
	if (enter_handler(context, signal, cause) < 0)
		force_after_failure(context, signal, cause);
	return true;
}

/* Act on all that the running thread does not block. */
static bool act_on_all(struct context *context)
{
	struct signal_cause cause;
	bool is_changed = false;
	int signal;

	while ((signal = take(~signal_thread->blocked, &cause)))
		is_changed |= act(context, signal, &cause);
	return is_changed;
}

/* Apart from signal_deliver(), which every system call executes. */
static __attribute__((noinline)) bool deliver(struct context *context)
{
	bool is_changed;

	if (thread_current->is_dying)
		thread_end();
	if (!is_interrupted(context))
		restore_mask();
	is_changed = act_on_all(context);
	signal_thread->is_final = false;
	if (!signal_thread->has_saved_mask)
		return is_changed;
	/* Nothing ran: the mask of before may let other signals through. */
	restore_mask();
	return act_on_all(context) || is_changed;
}

/* A sleep ended for a signal that another thread has taken meanwhile: nobody is to hear of it. */
static __attribute__((noinline)) bool sleep_on(struct context *context)
{
	if (!is_restartable(context) || signal_thread->is_final)
		return false;
	restart_call(context);
	return true;
}

bool signal_deliver(struct context *context)
{
	if (!(signal_pending() & ~signal_thread->blocked) && !signal_thread->has_saved_mask &&
	    !thread_current->is_dying)
		return is_interrupted(context) && sleep_on(context);
	return deliver(context);
}
