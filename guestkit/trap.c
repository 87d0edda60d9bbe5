/* SPDX-License-Identifier: Apache-2.0 */
/* Traps: page faults that give memory, and faults that become signals. */
#include "guestkit/trap.h"

#include <asm/siginfo.h>
#include <asm/signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "guestkit/address_space.h"
#include "guestkit/clock.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/patch.h"
#include "guestkit/thread.h"
#include "guestkit/trace_ring.h"

/* Exceptions (SDM vol. 3, 6.3.1) */
enum {
	VECTOR_DE = 0,
	VECTOR_DB = 1,
	VECTOR_BP = 3,
	VECTOR_UD = 6,
	VECTOR_NM = 7,
	VECTOR_SS = 12,
	VECTOR_PF = 14,
	VECTOR_MF = 16,
	VECTOR_AC = 17,
	VECTOR_XM = 19,
};

_Static_assert(offsetof(struct context, rip) == CONTEXT_RIP &&
                       offsetof(struct context, rsp) == CONTEXT_RSP &&
                       offsetof(struct context, rax) == CONTEXT_RAX,
               "entry.S uses these");

/* kit.lds: the frame of the last trap */
extern const struct trap_frame kit_trap_frame;
/* entry.S: instructions that touch the application's memory, and where to go on when they cannot */
extern const unsigned char user_access_start[], user_access_end[], user_access_fault[];

static int fault_signal(enum fault_result result, struct signal_cause *cause)
{
	cause->code = result == FAULT_NOT_MAPPED  ? SEGV_MAPERR
	              : result == FAULT_PROTECTED ? SEGV_ACCERR
	                                          : BUS_ADRERR;
	return result == FAULT_BEYOND_FILE ? SIGBUS : SIGSEGV;
}

/* Which floating-point exception struck: the unmasked flags of MXCSR or of the x87 status word. */
static int float_code(uint64_t vector)
{
	uint16_t control, status;
	uint32_t mxcsr, flags;

	if (vector == VECTOR_XM) {
		__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
		flags = mxcsr & ~(mxcsr >> 7);
	} else {
		__asm__ volatile("fnstcw %0" : "=m"(control));
		__asm__ volatile("fnstsw %0" : "=m"(status));
		flags = status & ~(uint32_t)control;
	}
	return flags & 1    ? FPE_FLTINV
	       : flags & 4  ? FPE_FLTDIV
	       : flags & 8  ? FPE_FLTOVF
	       : flags & 18 ? FPE_FLTUND
	       : flags & 32 ? FPE_FLTRES
	                    : FPE_FLTINV;
}

/* Signals of the other exceptions, as Linux has them (arch/x86/kernel/traps.c). */
static int trap_signal(uint64_t vector, uint64_t rip, struct signal_cause *cause)
{
	cause->address = rip;
	switch (vector) {
	case VECTOR_DE: cause->code = FPE_INTDIV; return SIGFPE;
	case VECTOR_MF:
	case VECTOR_XM: cause->code = float_code(vector); return SIGFPE;
	case VECTOR_UD: cause->code = ILL_ILLOPN; return SIGILL;
	case VECTOR_DB: cause->code = TRAP_TRACE; return SIGTRAP;
	case VECTOR_BP:
		cause->code = SI_KERNEL;
		cause->address = 0;
		return SIGTRAP;
	case VECTOR_AC: cause->code = BUS_ADRALN; return SIGBUS;
	case VECTOR_SS:
		cause->code = SI_KERNEL;
		cause->address = 0;
		return SIGBUS;
	default:
		cause->code = SI_KERNEL;
		cause->address = 0;
		return SIGSEGV;
	}
}

/* A program that faults again and again is preempted, too. */
static void leave_after_fault(struct context *context)
{
	const volatile struct mote_run *run = (const volatile struct mote_run *)MOTE_RUN_VA;

	if (!run->preempt_wanted)
		return;
	patch_leave_stub(context);
	thread_leave_kit_slowly();
	signal_deliver(context);
}

static enum fault_result give_page(const struct context *context, uint64_t address, uint64_t error)
{
	uint64_t start = trace_ring_is_on() ? clock_tsc() : 0;
	enum fault_result result = address_space_fault(address, error);

	if (start)
		trace_ring_add(MOTE_TRACE_FAULT | (uint32_t)(error & 0xffff), start, clock_tsc(),
		               address, context->rip);
	return result;
}

void trap_from_application(struct context *context)
{
	struct trap_frame frame = kit_trap_frame;
	struct signal_cause cause = {
	        .vector = (uint32_t)frame.vector, .error = frame.error, .address = frame.cr2};
	enum fault_result result;
	int signal;

	if ((frame.vector == VECTOR_UD && patch_is_middle(context)) ||
	    (frame.vector == VECTOR_DB && patch_is_step(context)))
		return;
	if (frame.vector == VECTOR_PF) {
		result = give_page(context, frame.cr2, frame.error);
		if (result == FAULT_RESOLVED) {
			leave_after_fault(context);
			return;
		}
		patch_leave_stub(context);
		signal = fault_signal(result, &cause);
	} else {
		patch_leave_stub(context);
		signal = trap_signal(frame.vector, context->rip, &cause);
	}
	signal_force(context, signal, &cause);
}

void trap_from_kit(struct context *context)
{
	static bool is_busy;
	const struct trap_frame *frame = &kit_trap_frame;
	uint64_t vector = frame->vector, error = frame->error, address = frame->cr2;
	bool is_user_access = context->rip >= (uint64_t)user_access_start &&
	                      context->rip <= (uint64_t)user_access_end;

	if (is_busy || !is_user_access || vector != VECTOR_PF)
		end_kit_crash(context, (uint32_t)vector, error, address);
	is_busy = true;
	if (give_page(context, address, error) != FAULT_RESOLVED)
		context->rip = (uint64_t)user_access_fault;
	is_busy = false;
}
