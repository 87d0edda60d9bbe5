/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of signals: what is queued, dropped, delivered, restarted, and what ends the guest. */
#include <criterion/criterion.h>
#include <setjmp.h>

#include "tests/unit/thread_fakes.h"

#include "guestkit/fpu.c"
#include "guestkit/libc-shim/signal.c"
#include "guestkit/libc-shim/signal_frame.c"
#include "guestkit/wait_queue.c"

#define HANDLER  0x405678u
#define RESTORER 0x401234u
#define CALL     0x401000u /* address behind the system-call instruction */
#define USR1     10
#define USR2     12

struct process_identity process_identity = {.uid = 1000};

const unsigned char kit_vdso[PAGE_SIZE];

static unsigned timers_taken;

void posix_timer_taken(struct signal_cause *cause)
{
	timers_taken++;
	cause->overrun = 7;
}

static _Alignas(64) unsigned char arena[0x10000]; /* the application's memory */
static jmp_buf ended;
static int ended_by, crashed_by;
static uint32_t crash_vector;

int user_read(void *to, uint64_t from, size_t length)
{
	uint64_t start = (uint64_t)arena;

	if (from < start || from - start > sizeof(arena) - length)
		return -EFAULT;
	memcpy(to, (const void *)from, length);
	return 0;
}

int user_write(uint64_t to, const void *from, size_t length)
{
	uint64_t start = (uint64_t)arena;

	if (to < start || to - start > sizeof(arena) - length)
		return -EFAULT;
	memcpy((void *)to, from, length);
	return 0;
}

#define SIGNALS_PENDING_MAX 100

static long entries; /* of the heap */

void *heap_alloc(size_t size)
{
	entries++;
	return calloc(1, size);
}

void heap_free(void *memory)
{
	entries -= memory != NULL;
	free(memory);
}

const struct process_limit *process_limit(unsigned resource)
{
	static const struct process_limit limit = {SIGNALS_PENDING_MAX, SIGNALS_PENDING_MAX};

	cr_assert_eq(resource, RESOURCE_SIGPENDING);
	return &limit;
}

void process_leave(void)
{
}

void end_by_signal(int signal)
{
	ended_by = signal;
	longjmp(ended, 1);
}

void end_by_crash(const struct context *context, int signal, uint32_t vector, uint64_t error,
                  uint64_t address, const char *reason)
{
	(void)context, (void)error, (void)address, (void)reason;
	crashed_by = signal;
	crash_vector = vector;
	longjmp(ended, 1);
}

void thread_end(void)
{
	longjmp(ended, 2);
}

static struct context context;

/* As at the end of system call @number with @result. */
static void after_call(uint64_t number, int64_t result)
{
	context = (struct context){
	        .number = number,
	        .rax = (uint64_t)result,
	        .rip = CALL,
	        .rsp = (uint64_t)arena + sizeof(arena) - 64,
	        .rflags = 0x202,
	};
}

static void setup(void)
{
	fpu_init(0);
	after_call(__NR_getpid, 1);
}

TestSuite(signal, .init = setup);

static void handle(int signal, uint64_t flags)
{
	const struct signal_action action = {
	        .handler = HANDLER + (uint64_t)signal,
	        .flags = ACTION_RESTORER | flags,
	        .restorer = RESTORER,
	};

	signal_set_action(signal, &action);
}

static const struct signal_frame *frame(void)
{
	return (const struct signal_frame *)context.rsp;
}

/* rt_sigreturn */
static void go_back(void)
{
	struct signal_stack stack;
	uint64_t mask;

	context.rsp += 8;
	cr_assert_eq(signal_frame_pop(&context, &stack, &mask), 0);
	signal_set_mask(mask);
}

/* ---- timers of timer_create(2) ---- */

static bool send_timer(struct thread *thread, int signal, uint32_t timer)
{
	const struct signal_cause cause = {.code = SIGNAL_CODE_TIMER,
	                                   .address = 42,
	                                   .vector = MOTE_CRASH_NO_VECTOR,
	                                   .timer = timer};

	return signal_send_timer(thread, signal, &cause);
}

Test(signal, timers_queue_beside_a_standard_signal)
{
	struct signal_info info;

	handle(USR1, 0);
	signal_set_mask(signal_bit(USR1));
	signal_send_self(USR1);
	cr_assert(send_timer(NULL, USR1, 3));
	cr_assert(send_timer(NULL, USR1, 9));
	cr_assert_eq(signal_take(~0ull, &info), USR1);
	cr_assert_eq(timers_taken, 0);
	cr_assert_eq(signal_take(~0ull, &info), USR1);
	cr_assert_eq(timers_taken, 1);
	cr_assert_eq(info.code, SIGNAL_CODE_TIMER);
	cr_assert_eq(info.timer.id, 2);
	cr_assert_eq(info.timer.overrun, 7);
	cr_assert_eq(info.timer.value, 42);
	cr_assert_eq(signal_take(~0ull, &info), USR1);
	cr_assert_eq(info.timer.id, 8);
	cr_assert_eq(signal_take(~0ull, &info), 0);
	cr_assert_eq(entries, 0);
}

Test(signal, timer_whose_signal_is_ignored_is_told)
{
	const struct signal_action ignore = {.handler = SIGNAL_IGNORE};

	signal_set_action(USR1, &ignore);
	cr_assert_not(send_timer(NULL, USR1, 1));
	cr_assert_not(send_timer(thread_current, USR1, 1));
	signal_set_mask(signal_bit(USR1));
	cr_assert(send_timer(NULL, USR1, 1), "blocked: its action may change");
	signal_set_action(USR1, &ignore);
	cr_assert_eq(timers_taken, 1, "dropped, and the timer goes on");
	cr_assert_eq(signal_pending(), 0);
}

Test(signal, forgotten_timers)
{
	struct thread *other = fake_thread(2);

	handle(USR1, 0);
	signal_set_mask(signal_bit(USR1));
	other->signal.blocked = signal_bit(USR1);
	cr_assert(send_timer(NULL, USR1, 1));
	cr_assert(send_timer(NULL, USR1, 2));
	cr_assert(send_timer(other, USR1, 3));
	signal_forget_timer(2);
	signal_forget_timer(3);
	cr_assert_eq(other->signal.pending.set, 0);
	cr_assert_eq(signal_pending(), signal_bit(USR1));
	signal_forget_timer(1);
	signal_forget_timer(1);
	cr_assert_eq(signal_pending(), 0);
	cr_assert_eq(timers_taken, 0);
	cr_assert_eq(entries, 0);
	signal_send_self(USR1);
	signal_forget_timer(0);
	cr_assert_eq(signal_pending(), signal_bit(USR1), "0 is no timer");
}

Test(signal, nothing_pending_changes_nothing)
{
	cr_expect_not(signal_is_pending());
	cr_expect_not(signal_deliver(&context));
	cr_expect_eq(context.rip, CALL);
}

Test(signal, handler_runs_with_the_signal_blocked)
{
	handle(USR1, 0);
	signal_send_self(USR1);
	cr_expect(signal_is_pending());
	cr_assert(signal_deliver(&context));
	cr_expect_eq(context.rip, HANDLER + USR1);
	cr_expect_eq(signal_thread->blocked, BIT(USR1));
	cr_expect_eq(frame()->info.sender.pid, PROCESS_ID);
	cr_expect_eq(frame()->info.sender.uid, 1000);
	signal_send_self(USR1);
	cr_expect_not(signal_is_pending());
	go_back();
	cr_expect_eq(context.rip, CALL);
	cr_expect_eq(context.rax, 1);
	cr_expect_eq(signal_thread->blocked, 0);
	cr_expect(signal_is_pending(), "the second one waited");
}

Test(signal, flags_of_the_action)
{
	handle(USR1, ACTION_NO_DEFER | ACTION_RESET_HAND);
	signal_send_self(USR1);
	cr_assert(signal_deliver(&context));
	cr_expect_eq(signal_thread->blocked, 0);
	cr_expect_eq(signal_action(USR1)->handler, SIGNAL_DEFAULT);
}

Test(signal, default_actions)
{
	signal_send_self(SIGNAL_WINCH);
	signal_send_self(SIGNAL_TSTP);
	cr_expect_eq(signal_pending(), 0, "ignored");
	if (!setjmp(ended)) {
		signal_send_self(USR1);
		signal_deliver(&context);
	}
	cr_expect_eq(ended_by, USR1);
	if (!setjmp(ended)) {
		signal_send_self(SIGNAL_ABRT);
		signal_deliver(&context);
	}
	cr_expect_eq(crashed_by, SIGNAL_ABRT);
	cr_expect_eq(crash_vector, MOTE_CRASH_NO_VECTOR);
	if (!setjmp(ended)) {
		signal_set_mask(UINT64_MAX);
		signal_send_self(SIGNAL_KILL);
		signal_deliver(&context);
	}
	cr_expect_eq(ended_by, SIGNAL_KILL);
}

Test(signal, blocked_signal_waits_even_if_ignored)
{
	signal_set_mask(BIT(SIGNAL_CHLD));
	signal_send_self(SIGNAL_CHLD);
	cr_expect_eq(signal_pending(), BIT(SIGNAL_CHLD));
	signal_set_mask(0);
	cr_expect_not(signal_is_pending(), "it would do nothing");
	cr_expect_not(signal_deliver(&context));
	cr_expect_eq(signal_pending(), 0);
}

Test(signal, ignoring_drops_what_is_pending)
{
	const struct signal_action ignore = {.handler = SIGNAL_IGNORE};

	signal_set_mask(BIT(USR1) | BIT(40));
	signal_send_self(USR1);
	signal_send_self(40);
	signal_send_self(40);
	signal_set_action(USR1, &ignore);
	signal_set_action(40, &ignore);
	cr_expect_eq(signal_pending(), 0);
	cr_expect_eq(entries, 0);
}

Test(signal, realtime_signals_queue_and_leave_room)
{
	struct signal_info info;
	int taken = 0;

	signal_set_mask(UINT64_MAX);
	for (int i = 0; i < 1000; i++)
		cr_expect_eq(signal_send(40, &(struct signal_cause){.code = SIGNAL_CODE_QUEUE,
		                                                    .address = (uint64_t)i}),
		             i < SIGNALS_PENDING_MAX ? 0 : -EAGAIN);
	for (int signal = 1; signal < SIGNAL_REALTIME; signal++) {
		signal_send_self(signal);
		signal_send_self(signal);
		cr_expect_neq(is_in(signal_pending(), signal), signal == SIGNAL_STOP, "%d", signal);
	}
	while (signal_take(BIT(40), &info))
		cr_assert_eq(info.sender.value, (uint64_t)taken++);
	cr_expect_eq(taken, SIGNALS_PENDING_MAX);
	cr_expect_eq(signal_take(BIT(USR1), &info), USR1);
	cr_expect_eq(signal_take(BIT(USR1), &info), 0, "once");
}

Test(signal, handlers_nest_faults_first)
{
	handle(USR1, 0);
	handle(SIGNAL_SEGV, 0);
	signal_send_self(USR1);
	signal_send_self(SIGNAL_SEGV);
	cr_assert(signal_deliver(&context));
	cr_expect_eq(context.rip, HANDLER + USR1);
	go_back();
	cr_expect_eq(context.rip, HANDLER + SIGNAL_SEGV);
	go_back();
	cr_expect_eq(context.rip, CALL);
}

static void interrupt(uint64_t number, uint64_t flags, uint64_t timeout)
{
	signal_set_mask(0);
	handle(USR1, flags);
	after_call(number, -EINTR);
	context.r10 = timeout;
	signal_send_self(USR1);
	cr_assert(signal_deliver(&context));
	go_back();
}

Test(signal, restart)
{
	interrupt(__NR_read, ACTION_RESTART, 0);
	cr_expect_eq(context.rip, CALL - 2);
	cr_expect_eq(context.rax, __NR_read);
	interrupt(__NR_read, 0, 0);
	cr_expect_eq(context.rip, CALL);
	cr_expect_eq((int64_t)context.rax, -EINTR);
	interrupt(__NR_poll, ACTION_RESTART, 0);
	cr_expect_eq(context.rip, CALL);
	interrupt(__NR_futex, ACTION_RESTART, 0);
	cr_expect_eq(context.rip, CALL - 2);
	interrupt(__NR_futex, ACTION_RESTART, 0x1000);
	cr_expect_eq(context.rip, CALL);
	/* After a trap RAX is the application's. */
	interrupt(CONTEXT_TRAP, ACTION_RESTART, 0);
	cr_expect_eq(context.rip, CALL);
}

Test(signal, only_one_handler_restarts)
{
	handle(USR1, ACTION_RESTART);
	handle(USR2, ACTION_RESTART);
	after_call(__NR_read, -EINTR);
	signal_send_self(USR1);
	signal_send_self(USR2);
	cr_assert(signal_deliver(&context));
	go_back();
	go_back();
	cr_expect_eq(context.rip, CALL - 2);
}

Test(signal, mask_for_a_call)
{
	handle(USR1, 0);
	signal_set_mask(BIT(USR1) | BIT(USR2));
	signal_send_self(USR1);
	/* It ended without being interrupted: the old mask is back first. */
	signal_set_mask_for_call(0);
	after_call(__NR_ppoll, 1);
	cr_expect_not(signal_deliver(&context));
	cr_expect_eq(signal_thread->blocked, BIT(USR1) | BIT(USR2));
	/* Interrupted: the handler runs and returns to the old mask. */
	signal_set_mask_for_call(0);
	cr_expect(signal_is_pending());
	after_call(__NR_ppoll, -EINTR);
	cr_assert(signal_deliver(&context));
	cr_expect_eq(frame()->context.mask, BIT(USR1) | BIT(USR2));
	cr_expect_eq(signal_thread->blocked, BIT(USR1),
	             "the mask of the call holds in the handler");
	go_back();
	cr_expect_eq(signal_thread->blocked, BIT(USR1) | BIT(USR2));
	cr_expect_not(signal_thread->has_saved_mask);
}

Test(signal, awaited_signal_is_kept_and_wakes)
{
	signal_thread->awaited = BIT(SIGNAL_CHLD);
	signal_send_self(SIGNAL_CHLD);
	cr_expect(signal_is_pending());
}

/* ---- threads ---- */

static const struct signal_cause sent = {.code = SIGNAL_CODE_USER, .vector = MOTE_CRASH_NO_VECTOR};

Test(signal, of_the_process_wakes_a_thread_that_can_take_it)
{
	struct thread *blocks = fake_thread(2), *takes = fake_thread(3);

	signal_set_mask(BIT(USR1));
	blocks->signal.blocked = BIT(USR1);
	handle(USR1, 0);
	cr_expect_eq(signal_send(USR1, &sent), 0);
	cr_expect_eq(blocks->state, THREAD_SLEEPING);
	cr_expect_eq(takes->state, THREAD_RUNNABLE);
	cr_expect_not(signal_is_pending());
	fake_run(takes);
	cr_expect(signal_is_pending());
	cr_expect(signal_deliver(&context));
	cr_expect_eq(signal_pending(), 0);
	cr_expect_eq(entries, 0);
}

Test(signal, of_a_thread_is_its_own)
{
	struct thread *other = fake_thread(2);

	handle(USR1, 0);
	signal_send_to(other, USR1, &sent);
	signal_send_to(other, USR1, &sent);
	cr_expect_eq(other->state, THREAD_RUNNABLE);
	cr_expect_not(signal_is_pending());
	cr_expect_not(signal_deliver(&context));
	fake_run(other);
	cr_expect(signal_deliver(&context));
	cr_expect_eq(context.rip, HANDLER + USR1);
	cr_expect_eq(entries, 0, "once");
}

Test(signal, of_a_thread_that_ends_are_dropped_and_others_go_on)
{
	struct thread *ends = fake_thread(2), *stays = fake_thread(3);

	signal_set_mask(BIT(USR1) | BIT(USR2));
	handle(USR1, 0);
	handle(USR2, 0);
	signal_send_to(ends, USR2, &sent);
	fake_run(ends);
	ends->state = THREAD_RUNNABLE;
	signal_send(USR1, &sent);
	cr_expect_eq(stays->state, THREAD_SLEEPING);
	ends->state = THREAD_ENDED;
	thread_first->next = stays;
	signal_thread_end(&ends->signal);
	cr_expect_eq(entries, 1);
	cr_expect_eq(stays->state, THREAD_RUNNABLE,
	             "what the other would have taken is still there");
}

Test(signal, a_dying_thread_is_interrupted_and_ends)
{
	thread_current->is_dying = true;
	cr_expect(signal_is_pending());
	if (!setjmp(ended)) {
		signal_deliver(&context);
		cr_assert_fail("it went back to the application");
	}
}

Test(signal, reset_forgets_handlers_only)
{
	const struct signal_action ignore = {.handler = SIGNAL_IGNORE};

	handle(USR1, 0);
	signal_set_action(USR2, &ignore);
	signal_set_mask(BIT(USR1));
	signal_send_self(USR1);
	signal_reset();
	cr_expect_eq(signal_action(USR1)->handler, SIGNAL_DEFAULT);
	cr_expect_eq(signal_action(USR2)->handler, SIGNAL_IGNORE);
	cr_expect_eq(signal_pending(), BIT(USR1));
	cr_expect_eq(signal_thread->blocked, BIT(USR1));
}

Test(signal, that_one_thread_blocks_is_kept_though_ignored)
{
	struct thread *other = fake_thread(2);

	other->signal.blocked = BIT(SIGNAL_CHLD);
	signal_send(SIGNAL_CHLD, &sent);
	cr_expect_eq(signal_pending(), BIT(SIGNAL_CHLD));
	cr_expect_not(signal_is_pending());
}

static const struct signal_cause fault = {
        .code = 1, .address = 0x1234, .vector = VECTOR_PF, .error = 6};

Test(signal, fault_enters_its_handler)
{
	handle(SIGNAL_SEGV, 0);
	after_call(CONTEXT_TRAP, -EINTR);
	signal_force(&context, SIGNAL_SEGV, &fault);
	cr_expect_eq(context.rip, HANDLER + SIGNAL_SEGV);
	cr_expect_eq(frame()->info.address, 0x1234);
	cr_expect_eq(frame()->context.registers.cr2, 0x1234);
	cr_expect_eq(frame()->context.registers.vector, VECTOR_PF);
}

Test(signal, fault_without_handler_or_blocked_crashes)
{
	if (!setjmp(ended))
		signal_force(&context, SIGNAL_SEGV, &fault);
	cr_expect_eq(crashed_by, SIGNAL_SEGV);
	cr_expect_eq(crash_vector, VECTOR_PF);
	crashed_by = 0;
	handle(SIGNAL_FPE, 0);
	signal_set_mask(BIT(SIGNAL_FPE));
	if (!setjmp(ended))
		signal_force(&context, SIGNAL_FPE, &fault);
	cr_expect_eq(crashed_by, SIGNAL_FPE);
}

Test(signal, no_room_for_the_frame)
{
	const struct signal_stack stack = {.base = (uint64_t)arena + 64, .size = 8192};

	handle(SIGNAL_FPE, 0);
	handle(SIGNAL_SEGV, ACTION_ON_STACK);
	context.rsp = 16;
	cr_assert_eq(signal_set_stack(&stack, context.rsp), 0);
	/* The handler of SIGSEGV has a stack to tell of it. */
	signal_force(&context, SIGNAL_FPE, &fault);
	cr_expect_eq(context.rip, HANDLER + SIGNAL_SEGV);
	cr_expect_eq(signal_set_stack(&stack, context.rsp), -EPERM);
	/* Where there is none, the guest ends. */
	handle(SIGNAL_SEGV, 0);
	signal_set_mask(0);
	context.rsp = 16;
	if (!setjmp(ended))
		signal_force(&context, SIGNAL_FPE, &fault);
	cr_expect_eq(crashed_by, SIGNAL_SEGV);
}

Test(signal, bad_alternate_stacks)
{
	struct signal_stack stack = {.base = (uint64_t)arena, .size = STACK_SIZE_MIN - 1};

	cr_expect_eq(signal_set_stack(&stack, 0), -ENOMEM);
	stack.size = STACK_SIZE_MIN;
	stack.flags = 4;
	cr_expect_eq(signal_set_stack(&stack, 0), -EINVAL);
	stack.flags = STACK_AUTODISARM | STACK_ON;
	cr_expect_eq(signal_set_stack(&stack, 0), 0);
}
