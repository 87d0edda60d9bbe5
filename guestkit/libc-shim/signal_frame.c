/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame that a signal handler of x86-64 Linux finds on its stack: building it and taking it
 * apart.
 *
 * How it works
 *
 * From high to low addresses: the red zone of the interrupted code, which is skipped; the FPU's
 * state as XSAVE lays it out in the standard format, 64-byte aligned, with a note of its size in
 * bytes that the CPU leaves to software and a second magic number behind it; siginfo_t; struct
 * ucontext; the address of sa_restorer, where the handler's return leads and which calls
 * rt_sigreturn. At the handler's first instruction RSP + 8 is a multiple of 16, as after a call.
 *
 * The kit itself is built without FPU instructions, so the registers hold the application's state
 * all the time: XSAVE and XRSTOR move it to and from a buffer here, and ordinary copies that
 * survive bad pointers do the rest. What comes back is not trusted: XRSTOR faults on reserved
 * bits of its header and of MXCSR, and they are cleared before.
 */
#include "guestkit/libc-shim/signal_frame.h"

#include <linux/errno.h>
#include <stdbool.h>

#include "guestkit/fpu.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/user.h"
#include "mote/abi.h"

#define RED_ZONE        128 /* System V ABI, 3.2.2 */
#define FRAME_ALIGNMENT 16

/* uc_flags: an XSAVE area; SS is saved and is to be restored as it is */
#define CONTEXT_HAS_XSAVE 1
#define CONTEXT_HAS_SS    2
#define CONTEXT_STRICT_SS 4

#define FLAGS_FIXED      0x202    /* IF, and the bit that is always set */
#define FLAGS_CHANGEABLE 0x254dd5 /* ID, AC, RF, NT, OF, DF, TF, SF, ZF, AF, PF, CF */
#define FLAGS_NOT_KEPT   0x10500  /* RF, DF, TF: clear when a handler starts */

#define FPU_NOTE          464
#define FEATURES_LEGACY   3ull    /* x87, SSE */
#define MXCSR_MASK_OLDEST 0xffbfu /* where the CPU gives none: SDM vol. 1, 11.6.6 */

_Static_assert(sizeof(struct signal_registers) == 256, "struct sigcontext");
_Static_assert(sizeof(struct signal_context) == 304, "struct ucontext");
_Static_assert(sizeof(struct signal_frame) == 440, "struct rt_sigframe");
extern const unsigned char kit_vdso[]; /* kit.lds: one page */

_Static_assert(sizeof(struct signal_fpu_note) == FPU_LEGACY_SIZE - FPU_NOTE, "sw_reserved");

/* The application's FPU state on its way to or from its stack; the magic number may follow it. */
static KIT_LARGE _Alignas(FPU_ALIGNMENT) unsigned char fpu_area[FPU_SIZE_MAX + sizeof(uint32_t)];

/* Which MXCSR bits this CPU has: asked when the first frame comes back, so that a start pays
 * nothing. */
static uint32_t mxcsr_mask(void)
{
	static uint32_t known;

	if (!known) {
		struct {
			_Alignas(16) unsigned char bytes[FPU_LEGACY_SIZE];
		} area;

		memset(&area, 0, sizeof(area));
		__asm__ volatile("fxsave64 %0" : "=m"(area));
		memcpy(&known, area.bytes + FPU_MXCSR_MASK, sizeof(known));
		if (!known)
			known = MXCSR_MASK_OLDEST;
	}
	return known;
}

/* Bytes from the FPU's state to what lies above it, without alignment. */
static uint32_t fpu_extended_size(void)
{
	return fpu_features ? fpu_size + (uint32_t)sizeof(uint32_t) : fpu_size;
}

uint64_t signal_frame_size(void)
{
	return sizeof(struct signal_frame) + FRAME_ALIGNMENT + fpu_extended_size() + FPU_ALIGNMENT;
}

/* ---- alternate stack ---- */

static bool is_inside(const struct signal_stack *stack, uint64_t rsp)
{
	return rsp > stack->base && rsp - stack->base <= stack->size;
}

uint32_t signal_stack_state(const struct signal_stack *stack, uint64_t rsp)
{
	if (!stack->size)
		return STACK_DISABLED;
	/* A stack that disarms itself is never in use while it is known. */
	if (stack->flags & STACK_AUTODISARM)
		return 0;
	return is_inside(stack, rsp) ? STACK_ON : 0;
}

/* ---- building ---- */

/* Where the frame goes, or 0: it would overrun the alternate stack. *fpu: where the FPU's state
 * goes. */
static uint64_t place_frame(const struct context *context, const struct signal_stack *stack,
                            const struct signal_action *action, uint64_t *fpu)
{
	bool is_bounded = signal_stack_state(stack, context->rsp) == STACK_ON;
	uint64_t top = context->rsp - RED_ZONE;
	uint64_t frame;

	if ((action->flags & ACTION_ON_STACK) && signal_stack_state(stack, top) == 0) {
		top = stack->base + stack->size;
		is_bounded = true;
	}
	/* A wrap below 0 ends above MOTE_USER_END, where the copy refuses it. */
	*fpu = (top - fpu_extended_size()) & ~(uint64_t)(FPU_ALIGNMENT - 1);
	frame = ((*fpu - sizeof(struct signal_frame)) & ~(uint64_t)(FRAME_ALIGNMENT - 1)) - 8;
	return is_bounded && !is_inside(stack, frame) ? 0 : frame;
}

static int write_fpu(uint64_t to)
{
	struct signal_fpu_note note = {
	        .magic = SIGNAL_FPU_MAGIC_1,
	        .extended_size = fpu_extended_size(),
	        .features = fpu_features,
	        .size = fpu_size,
	};
	const uint32_t magic = SIGNAL_FPU_MAGIC_2;

	memset(fpu_area, 0, sizeof(fpu_area));
	fpu_save(fpu_area);
	if (fpu_features) {
		uint64_t features;

		/* Programs that know FXSAVE only edit these parts without telling the header. */
		memcpy(&features, fpu_area + FPU_FEATURES, sizeof(features));
		features |= FEATURES_LEGACY;
		memcpy(fpu_area + FPU_FEATURES, &features, sizeof(features));
		memcpy(fpu_area + FPU_NOTE, &note, sizeof(note));
		memcpy(fpu_area + fpu_size, &magic, sizeof(magic));
	}
	return user_write(to, fpu_area, fpu_extended_size());
}

static void fill_registers(struct signal_registers *to, const struct context *from)
{
	*to = (struct signal_registers){
	        .r8 = from->r8,
	        .r9 = from->r9,
	        .r10 = from->r10,
	        .r11 = from->r11,
	        .r12 = from->r12,
	        .r13 = from->r13,
	        .r14 = from->r14,
	        .r15 = from->r15,
	        .rdi = from->rdi,
	        .rsi = from->rsi,
	        .rbp = from->rbp,
	        .rbx = from->rbx,
	        .rdx = from->rdx,
	        .rax = from->rax,
	        .rcx = from->rcx,
	        .rsp = from->rsp,
	        .rip = from->rip,
	        .rflags = from->rflags,
	        .cs = MOTE_USER_CS,
	        .ss = MOTE_USER_SS,
	};
}

static void start_handler(struct context *context, uint64_t frame,
                          const struct signal_frame_request *request)
{
	context->rdi = (uint64_t)request->info.signal;
	context->rsi = frame + offsetof(struct signal_frame, info);
	context->rdx = frame + offsetof(struct signal_frame, context);
	context->rax = 0; /* no vector registers hold arguments, should the handler be variadic */
	context->rsp = frame;
	context->rip = request->action->handler;
	context->rflags &= ~(uint64_t)FLAGS_NOT_KEPT;
	context->cs = MOTE_USER_CS;
	context->ss = MOTE_USER_SS;
	context->number = CONTEXT_TRAP; /* no system call is to be finished any more */
}

int signal_frame_push(struct context *context, struct signal_stack *stack,
                      const struct signal_frame_request *request)
{
	const struct signal_action *action = request->action;
	struct signal_frame frame = {
	        .return_address = action->restorer,
	        .context.flags =
	                CONTEXT_HAS_SS | CONTEXT_STRICT_SS | (fpu_features ? CONTEXT_HAS_XSAVE : 0),
	        .context.stack = *stack,
	        .context.mask = request->mask,
	        .info = request->info,
	};
	uint64_t fpu, address;

	/* An iretq to an address that is not canonical would fault in the kit. */
	if (!(action->flags & ACTION_RESTORER) || action->handler >= MOTE_USER_END)
		return -EFAULT;
	address = place_frame(context, stack, action, &fpu);
	if (!address)
		return -EFAULT;
	fill_registers(&frame.context.registers, context);
	frame.context.registers.fpu = fpu;
	frame.context.registers.vector = request->vector;
	frame.context.registers.error = request->error;
	frame.context.registers.cr2 = request->cr2;
	frame.context.registers.old_mask = request->mask;
	if (write_fpu(fpu) < 0 || user_write(address, &frame, sizeof(frame)) < 0)
		return -EFAULT;
	if (stack->flags & STACK_AUTODISARM)
		*stack = (struct signal_stack){.flags = STACK_DISABLED};
	start_handler(context, address, request);
	return 0;
}

/* ---- taking apart ---- */

/* Does the area at @from, whose first 512 bytes are in fpu_area, have more that this CPU can load?
 */
static bool has_xsave(uint64_t from, struct signal_fpu_note *note)
{
	uint32_t magic;

	memcpy(note, fpu_area + FPU_NOTE, sizeof(*note));
	if (!fpu_features || note->magic != SIGNAL_FPU_MAGIC_1 || note->size < FPU_EXTENDED ||
	    note->size > fpu_size || note->extended_size < note->size)
		return false;
	return user_read(&magic, from + note->size, sizeof(magic)) == 0 &&
	       magic == SIGNAL_FPU_MAGIC_2;
}

/* Make what fpu_area holds safe to load: @features and nothing else that can fault. */
static void clean_fpu_area(uint64_t features)
{
	uint64_t held;
	uint32_t mxcsr;

	memcpy(&mxcsr, fpu_area + FPU_MXCSR, sizeof(mxcsr));
	mxcsr &= mxcsr_mask();
	memcpy(fpu_area + FPU_MXCSR, &mxcsr, sizeof(mxcsr));
	memcpy(&held, fpu_area + FPU_FEATURES, sizeof(held));
	held &= features & fpu_features;
	memset(fpu_area + FPU_FEATURES, 0, FPU_HEADER_SIZE);
	memcpy(fpu_area + FPU_FEATURES, &held, sizeof(held));
}

/* The state of a new program, for a frame without any. */
static void initial_fpu_area(void)
{
	const uint16_t control = FPU_CONTROL_INITIAL;
	const uint32_t mxcsr = FPU_MXCSR_INITIAL;

	memcpy(fpu_area, &control, sizeof(control));
	memcpy(fpu_area + FPU_MXCSR, &mxcsr, sizeof(mxcsr));
}

/* Fill fpu_area with what the frame holds, safe to load; @from 0: the initial state. */
static int read_fpu(uint64_t from)
{
	uint64_t features = FEATURES_LEGACY;
	struct signal_fpu_note note;

	memset(fpu_area, 0, sizeof(fpu_area));
	if (!from) {
		initial_fpu_area();
		return 0;
	}
	if (user_read(fpu_area, from, FPU_LEGACY_SIZE) < 0)
		return -EFAULT;
	if (has_xsave(from, &note)) {
		features = note.features;
		if (user_read(fpu_area + FPU_LEGACY_SIZE, from + FPU_LEGACY_SIZE,
		              note.size - FPU_LEGACY_SIZE) < 0)
			return -EFAULT;
	} else {
		memcpy(fpu_area + FPU_FEATURES, &features, sizeof(features));
	}
	clean_fpu_area(features);
	return 0;
}

static void take_registers(struct context *to, const struct signal_registers *from)
{
	*to = (struct context){
	        .r8 = from->r8,
	        .r9 = from->r9,
	        .r10 = from->r10,
	        .r11 = from->r11,
	        .r12 = from->r12,
	        .r13 = from->r13,
	        .r14 = from->r14,
	        .r15 = from->r15,
	        .rdi = from->rdi,
	        .rsi = from->rsi,
	        .rbp = from->rbp,
	        .rbx = from->rbx,
	        .rdx = from->rdx,
	        .rax = from->rax,
	        .rcx = from->rcx,
	        .rsp = from->rsp,
	        .rip = from->rip,
	        .rflags = FLAGS_FIXED | (from->rflags & FLAGS_CHANGEABLE),
	        .cs = MOTE_USER_CS,
	        .ss = MOTE_USER_SS,
	        .number = CONTEXT_TRAP,
	};
}

/* A thread that reads a clock may have been stopped in the vDSO. */
static bool is_application_code(uint64_t rip)
{
	return rip < MOTE_USER_END || rip - (uint64_t)kit_vdso < PAGE_SIZE;
}

int signal_frame_pop(struct context *context, struct signal_stack *stack, uint64_t *mask)
{
	struct signal_frame frame;

	/* The handler's return has taken the return address off. */
	if (user_read(&frame, context->rsp - sizeof(frame.return_address),
	              offsetof(struct signal_frame, info)) < 0)
		return -EFAULT;
	if (!is_application_code(frame.context.registers.rip))
		return -EFAULT;
	if (read_fpu(frame.context.registers.fpu) < 0)
		return -EFAULT;
	fpu_load(fpu_area);
	take_registers(context, &frame.context.registers);
	*stack = frame.context.stack;
	*mask = frame.context.mask;
	return 0;
}
