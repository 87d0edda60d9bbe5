/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of signal frames: their layout as the C library knows it, the way back, hostile frames. */
#include <cpuid.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

#include "guestkit/fpu.c"
#include "guestkit/libc-shim/signal_frame.c"

const unsigned char kit_vdso[PAGE_SIZE];

#define ARENA_SIZE 0x8000u
#define RESTORER   0x401234u
#define HANDLER    0x405678u

/* All of the application's memory. */
static _Alignas(64) unsigned char arena[ARENA_SIZE];

static bool is_in_arena(uint64_t address, size_t length)
{
	uint64_t start = (uint64_t)arena;

	return address >= start && address - start <= ARENA_SIZE &&
	       length <= ARENA_SIZE - (address - start);
}

int user_read(void *to, uint64_t from, size_t length)
{
	if (!is_in_arena(from, length))
		return -EFAULT;
	memcpy(to, (const void *)from, length);
	return 0;
}

int user_write(uint64_t to, const void *from, size_t length)
{
	if (!is_in_arena(to, length))
		return -EFAULT;
	memcpy((void *)to, from, length);
	return 0;
}

static const struct signal_action action = {
        .handler = HANDLER,
        .flags = ACTION_RESTORER,
        .restorer = RESTORER,
};
static const struct signal_action action_on_stack = {
        .handler = HANDLER,
        .flags = ACTION_RESTORER | ACTION_ON_STACK,
        .restorer = RESTORER,
};

static struct context interrupted;
static struct signal_stack stack;

static uint64_t xsave_size(void)
{
	unsigned eax, ebx, ecx, edx;

	if (!__get_cpuid_count(0xd, 0, &eax, &ebx, &ecx, &edx))
		return 0;
	return ebx;
}

static void setup(void)
{
	fpu_init(xsave_size());
	interrupted = (struct context){
	        .r15 = 15,
	        .r14 = 14,
	        .r13 = 13,
	        .r12 = 12,
	        .rbp = 5,
	        .rbx = 3,
	        .r11 = 11,
	        .r10 = 10,
	        .r9 = 9,
	        .r8 = 8,
	        .rax = 1,
	        .rcx = 2,
	        .rdx = 4,
	        .rsi = 6,
	        .rdi = 7,
	        .number = CONTEXT_TRAP,
	        .rip = 0x401000,
	        .cs = MOTE_USER_CS,
	        .rflags = 0x202 | 0x401, /* DF and CF */
	        .rsp = (uint64_t)arena + ARENA_SIZE - 12345,
	        .ss = MOTE_USER_SS,
	};
	stack = (struct signal_stack){.flags = STACK_DISABLED};
}

TestSuite(signal_frame, .init = setup);

static int push(struct context *context, const struct signal_action *with)
{
	const struct signal_frame_request request = {
	        .action = with,
	        .info = {.signal = SIGNAL_SEGV, .code = 1, .address = 0xdead000},
	        .mask = 0x123400000056,
	        .vector = 14,
	        .error = 6,
	        .cr2 = 0xdead000,
	};

	*context = interrupted;
	return signal_frame_push(context, &stack, &request);
}

/* Pops, then makes the FPU usable for compiled code again, whatever was loaded. */
static int pop_then_reset_fpu(struct context *context)
{
	const uint32_t mxcsr = FPU_MXCSR_INITIAL;
	struct signal_stack ignored;
	uint64_t mask;
	int result = signal_frame_pop(context, &ignored, &mask);

	__asm__ volatile("fninit\n\tldmxcsr %0" : : "m"(mxcsr));
	return result;
}

Test(signal_frame, handler_starts_as_after_a_call)
{
	struct context context;

	cr_assert_eq(push(&context, &action), 0);
	cr_expect_eq(context.rip, HANDLER);
	cr_expect_eq(context.rdi, SIGNAL_SEGV);
	cr_expect_eq(context.rax, 0);
	cr_expect_eq((context.rsp + 8) % 16, 0);
	cr_expect_eq(*(uint64_t *)context.rsp, RESTORER);
	cr_expect_eq(context.rflags, 0x203, "DF is clear, CF as it was");
	cr_expect_lt(context.rsp, interrupted.rsp - RED_ZONE);
	cr_expect_geq(context.rsp + signal_frame_size() + RED_ZONE, interrupted.rsp);
}

Test(signal_frame, registers_are_where_the_c_library_looks)
{
	struct context context;
	const ucontext_t *user;
	const greg_t *gregs;

	cr_assert_eq(push(&context, &action), 0);
	user = (const ucontext_t *)context.rdx;
	gregs = user->uc_mcontext.gregs;
	cr_expect_eq(gregs[REG_R8], 8);
	cr_expect_eq(gregs[REG_R9], 9);
	cr_expect_eq(gregs[REG_R10], 10);
	cr_expect_eq(gregs[REG_R11], 11);
	cr_expect_eq(gregs[REG_R12], 12);
	cr_expect_eq(gregs[REG_R13], 13);
	cr_expect_eq(gregs[REG_R14], 14);
	cr_expect_eq(gregs[REG_R15], 15);
	cr_expect_eq(gregs[REG_RDI], 7);
	cr_expect_eq(gregs[REG_RSI], 6);
	cr_expect_eq(gregs[REG_RBP], 5);
	cr_expect_eq(gregs[REG_RBX], 3);
	cr_expect_eq(gregs[REG_RDX], 4);
	cr_expect_eq(gregs[REG_RAX], 1);
	cr_expect_eq(gregs[REG_RCX], 2);
	cr_expect_eq((uint64_t)gregs[REG_RSP], interrupted.rsp);
	cr_expect_eq((uint64_t)gregs[REG_RIP], interrupted.rip);
	cr_expect_eq((uint64_t)gregs[REG_EFL], interrupted.rflags);
	cr_expect_eq(gregs[REG_CSGSFS], (long long)MOTE_USER_SS << 48 | MOTE_USER_CS);
	cr_expect_eq(gregs[REG_ERR], 6);
	cr_expect_eq(gregs[REG_TRAPNO], 14);
	cr_expect_eq(gregs[REG_CR2], 0xdead000);
	cr_expect_eq((uint64_t)gregs[REG_OLDMASK], 0x123400000056);
	cr_expect_eq(*(const uint64_t *)&user->uc_sigmask, 0x123400000056);
	cr_expect_eq(user->uc_stack.ss_flags, SS_DISABLE);
	cr_expect_null(user->uc_link);
}

Test(signal_frame, info_is_where_the_c_library_looks)
{
	struct signal_info from_kill = {.signal = 10,
	                                .sender = {.pid = 77, .uid = 88, .value = 99}};
	siginfo_t sent;
	struct context context;
	const siginfo_t *info;

	cr_assert_eq(push(&context, &action), 0);
	info = (const siginfo_t *)context.rsi;
	cr_expect_eq(info->si_signo, SIGSEGV);
	cr_expect_eq(info->si_errno, 0);
	cr_expect_eq(info->si_code, SEGV_MAPERR);
	cr_expect_eq((uint64_t)info->si_addr, 0xdead000);
	cr_expect_eq(sizeof(*info), sizeof(from_kill));
	memcpy(&sent, &from_kill, sizeof(sent));
	cr_expect_eq(sent.si_pid, 77);
	cr_expect_eq(sent.si_uid, 88);
	cr_expect_eq((uint64_t)sent.si_value.sival_ptr, 99);
}

Test(signal_frame, fpu_area_is_described)
{
	struct context context;
	const ucontext_t *user;
	const unsigned char *area;
	struct signal_fpu_note note;
	uint32_t magic;

	if (!xsave_size())
		cr_skip("no XSAVE");
	cr_assert_eq(push(&context, &action), 0);
	user = (const ucontext_t *)context.rdx;
	area = (const unsigned char *)user->uc_mcontext.fpregs;
	cr_expect_eq((uint64_t)area % 64, 0);
	cr_expect_eq(user->uc_flags, 7ul);
	memcpy(&note, area + 464, sizeof(note));
	cr_expect_eq(note.magic, 0x46505853u);
	cr_expect_eq(note.extended_size, note.size + 4);
	memcpy(&magic, area + note.size, sizeof(magic));
	cr_expect_eq(magic, 0x46505845u);
	cr_expect_leq((uint64_t)area + note.extended_size, interrupted.rsp - RED_ZONE);
	cr_expect_eq(user->uc_mcontext.fpregs->mxcsr, FPU_MXCSR_INITIAL);
	cr_expect_eq(user->uc_mcontext.fpregs->cwd, FPU_CONTROL_INITIAL);
}

Test(signal_frame, all_comes_back)
{
	struct signal_stack back;
	struct context context;
	uint64_t mask;

	interrupted.rflags = 0x203;
	cr_assert_eq(push(&context, &action), 0);
	context.rsp += 8; /* the handler's ret */
	context.rbx = context.r15 = 0;
	cr_assert_eq(signal_frame_pop(&context, &back, &mask), 0);
	cr_expect_arr_eq(&context, &interrupted, sizeof(context));
	cr_expect_eq(mask, 0x123400000056);
	cr_expect_eq(back.flags, STACK_DISABLED);
}

Test(signal_frame, vector_registers_come_back)
{
	const uint64_t value[2] = {0x1122334455667788, 0x99aabbccddeeff00};
	uint64_t seen[2];
	struct context context;
	struct signal_stack back;
	uint64_t mask;
	const ucontext_t *user;

	__asm__ volatile("movdqu %0, %%xmm15" : : "m"(value) : "xmm15");
	cr_assert_eq(push(&context, &action), 0);
	user = (const ucontext_t *)context.rdx;
	cr_expect_arr_eq(&user->uc_mcontext.fpregs->_xmm[15], value, sizeof(value));
	__asm__ volatile("pxor %%xmm15, %%xmm15" : : : "xmm15");
	context.rsp += 8;
	mask = (uint64_t)signal_frame_pop(&context, &back, &mask);
	__asm__ volatile("movdqu %%xmm15, %0" : "=m"(seen));
	cr_assert_eq(mask, 0);
	cr_expect_arr_eq(seen, value, sizeof(value));
}

Test(signal_frame, handler_may_change_upper_halves)
{
	const uint64_t value[2] = {0x0123456789abcdef, 0xfedcba9876543210};
	uint64_t seen[4];
	struct context context;
	struct signal_stack back;
	unsigned char *area;
	uint64_t mask, features;

	if (!__builtin_cpu_supports("avx"))
		cr_skip("no AVX");
	cr_assert_eq(push(&context, &action), 0);
	area = (unsigned char *)((ucontext_t *)context.rdx)->uc_mcontext.fpregs;
	memcpy(&features, area + 512, sizeof(features));
	features |= 4;
	memcpy(area + 512, &features, sizeof(features));
	memcpy(area + 576 + 15 * 16, value, sizeof(value));
	context.rsp += 8;
	mask = (uint64_t)signal_frame_pop(&context, &back, &mask);
	__asm__ volatile("vmovdqu %%ymm15, %0" : "=m"(seen));
	cr_assert_eq(mask, 0);
	cr_expect_arr_eq(seen + 2, value, sizeof(value));
}

Test(signal_frame, without_fpu_state_the_initial_one)
{
	struct context context;
	struct signal_stack back;
	uint32_t mxcsr = 0x3f80; /* round down */
	uint64_t mask;

	cr_assert_eq(push(&context, &action), 0);
	((ucontext_t *)context.rdx)->uc_mcontext.fpregs = NULL;
	context.rsp += 8;
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	cr_assert_eq(signal_frame_pop(&context, &back, &mask), 0);
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	cr_expect_eq(mxcsr, FPU_MXCSR_INITIAL);
}

Test(signal_frame, cpu_without_xsave)
{
	struct context context;
	const ucontext_t *user;

	fpu_init(0);
	cr_assert_eq(push(&context, &action), 0);
	user = (const ucontext_t *)context.rdx;
	cr_expect_eq(user->uc_flags, 6ul);
	context.rsp += 8;
	cr_expect_eq(pop_then_reset_fpu(&context), 0);
	cr_expect_eq(context.rip, interrupted.rip);
}

Test(signal_frame, bad_stack_changes_nothing)
{
	const uint64_t bad[] = {0, 100, (uint64_t)arena + 100, MOTE_USER_END, UINT64_MAX};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct context context;

		interrupted.rsp = bad[i];
		cr_expect_eq(push(&context, &action), -EFAULT, "%lx", bad[i]);
		cr_expect_arr_eq(&context, &interrupted, sizeof(context));
	}
}

Test(signal_frame, needs_restorer_and_handler)
{
	struct signal_action bad = action;
	struct context context;

	bad.flags = 0;
	cr_expect_eq(push(&context, &bad), -EFAULT);
	bad = action;
	bad.handler = 0x8000000000000000;
	cr_expect_eq(push(&context, &bad), -EFAULT);
}

Test(signal_frame, alternate_stack)
{
	struct context context;
	const ucontext_t *user;

	stack = (struct signal_stack){.base = (uint64_t)arena + 64, .size = 8192};
	cr_assert_eq(push(&context, &action), 0);
	cr_expect_gt(context.rsp, stack.base + stack.size, "only if the action asks for it");
	cr_assert_eq(push(&context, &action_on_stack), 0);
	cr_expect(context.rsp > stack.base && context.rsp < stack.base + stack.size);
	user = (const ucontext_t *)context.rdx;
	cr_expect_eq((uint64_t)user->uc_stack.ss_sp, stack.base);
	cr_expect_eq(user->uc_stack.ss_size, 8192u);
	/* A second one goes below the first. */
	interrupted.rsp = context.rsp;
	cr_assert_eq(push(&context, &action_on_stack), 0);
	cr_expect_lt(context.rsp, interrupted.rsp - RED_ZONE);
}

Test(signal_frame, alternate_stack_is_not_overrun)
{
	struct context context;

	stack = (struct signal_stack){.base = (uint64_t)arena + 16384, .size = 512};
	cr_expect_eq(push(&context, &action_on_stack), -EFAULT);
	/* Nor from a handler that is on it already, whether or not this one asks for it. */
	stack.size = 8192;
	interrupted.rsp = stack.base + 400;
	cr_expect_eq(push(&context, &action_on_stack), -EFAULT);
	cr_expect_eq(push(&context, &action), -EFAULT);
}

Test(signal_frame, alternate_stack_disarms_itself)
{
	const uint32_t flags = STACK_AUTODISARM;
	struct signal_stack back;
	struct context context;
	uint64_t mask;

	stack = (struct signal_stack){.base = (uint64_t)arena + 64, .flags = flags, .size = 8192};
	cr_assert_eq(push(&context, &action_on_stack), 0);
	cr_expect_eq(stack.flags, STACK_DISABLED);
	cr_expect_eq(stack.size, 0);
	context.rsp += 8;
	cr_assert_eq(signal_frame_pop(&context, &back, &mask), 0);
	cr_expect_eq(back.flags, flags);
	cr_expect_eq(back.size, 8192);
}

Test(signal_frame, privileged_bits_do_not_come_back)
{
	struct context context;
	greg_t *gregs;

	cr_assert_eq(push(&context, &action), 0);
	gregs = ((ucontext_t *)context.rdx)->uc_mcontext.gregs;
	gregs[REG_EFL] = -1;
	gregs[REG_CSGSFS] = 0x0018000000000010; /* ring 0 */
	context.rsp += 8;
	cr_assert_eq(pop_then_reset_fpu(&context), 0);
	cr_expect_eq(context.rflags, 0x254fd7);
	cr_expect_eq(context.cs, MOTE_USER_CS);
	cr_expect_eq(context.ss, MOTE_USER_SS);
	cr_expect_eq(context.number, CONTEXT_TRAP);
}

Test(signal_frame, bad_frames_change_nothing)
{
	struct context context, before;

	cr_assert_eq(push(&context, &action), 0);
	context.rsp += 8;
	before = context;
	((ucontext_t *)context.rdx)->uc_mcontext.gregs[REG_RIP] = (greg_t)0x8000000000000000;
	cr_expect_eq(pop_then_reset_fpu(&context), -EFAULT);
	cr_expect_arr_eq(&context, &before, sizeof(context));
	((ucontext_t *)context.rdx)->uc_mcontext.gregs[REG_RIP] = 0x401000;
	((ucontext_t *)context.rdx)->uc_mcontext.fpregs = (void *)8;
	cr_expect_eq(pop_then_reset_fpu(&context), -EFAULT);
	cr_expect_arr_eq(&context, &before, sizeof(context));
	context.rsp = 16;
	cr_expect_eq(pop_then_reset_fpu(&context), -EFAULT);
}

/* Random FPU states, most with a note and header that make it past the first checks, must not
 * fault. */
Test(signal_frame, hostile_fpu_state_does_not_fault)
{
	srandom(1);
	for (int round = 0; round < 20000; round++) {
		struct context context;
		struct signal_fpu_note note;
		unsigned char *area;
		uint32_t size;

		cr_assert_eq(push(&context, &action), 0);
		area = (unsigned char *)((ucontext_t *)context.rdx)->uc_mcontext.fpregs;
		memcpy(&note, area + FPU_NOTE, sizeof(note));
		size = note.size;
		if (round % 3 == 0) /* else the data alone is damaged */
			((uint32_t *)&note)[random() % 6] = (uint32_t)random();
		for (uint32_t i = 0; i + 4 <= size; i += 4)
			if (round % 2 || i >= FPU_LEGACY_SIZE || i == FPU_MXCSR)
				*(uint32_t *)(area + i) = (uint32_t)random() * 2654435761u;
		memcpy(area + FPU_NOTE, &note, sizeof(note));
		context.rsp += 8;
		cr_assert_eq(pop_then_reset_fpu(&context), 0, "round %d", round);
	}
}

/* Whole frames of random bytes. */
Test(signal_frame, hostile_frames_do_not_fault)
{
	int taken = 0;

	srandom(2);
	for (int round = 0; round < 2000; round++) {
		struct context context;
		ucontext_t *user;

		cr_assert_eq(push(&context, &action), 0);
		for (uint64_t at = context.rsp; at < interrupted.rsp; at++)
			*(unsigned char *)at = (unsigned char)random();
		user = (ucontext_t *)context.rdx;
		if (round % 2) {
			user->uc_mcontext.gregs[REG_RIP] = random();
			user->uc_mcontext.fpregs = (void *)(arena + random() % ARENA_SIZE);
		}
		context.rsp += 8;
		taken += pop_then_reset_fpu(&context) == 0;
		cr_assert_eq(context.cs, MOTE_USER_CS);
		cr_assert_eq(context.rflags & ~(uint64_t)FLAGS_CHANGEABLE,
		             FLAGS_FIXED & ~(uint64_t)FLAGS_CHANGEABLE);
		cr_assert_lt(context.rip, MOTE_USER_END);
	}
	cr_expect_gt(taken, 500, "%d", taken);
}
