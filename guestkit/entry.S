/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways into the kit and out of it, all at CPL 3.
 *
 * syscall_entry: where `syscall` lands (MSR_LSTAR): at CPL 3 on kvm-pvm, at CPL 0 on stock KVM, and there
 * still on the application's stack, below which its red zone lies: nothing is pushed before the switch.
 * trap_entry: where ring0.S sends every trap. preempt_entry: where the VMM sends a thread that it has stopped
 * in application code. All lay out a struct context. They use the running thread's stack in the kit, which is
 * empty while the application runs; a trap of the kit itself (a fault on the application's memory, or a
 * bug) uses the trap stack, so that it may strike inside a system call.
 */
#include "guestkit/context.h"
#include "mote/abi.h"

/* struct trap_frame, from the top of IST1's stack down (ring0.S and the hardware push it). */
#define FRAME_SS     kit_trap_frame_top - 8
#define FRAME_RSP    kit_trap_frame_top - 16
#define FRAME_RFLAGS kit_trap_frame_top - 24
#define FRAME_CS     kit_trap_frame_top - 32
#define FRAME_RIP    kit_trap_frame_top - 40


	.text

	/* rdi: boot record */
	.globl kit_start
	.type kit_start, @function
kit_start:
	mov $kit_stack_top, %rsp
	xor %ebp, %ebp
	call kit_main
	ud2
	.size kit_start, . - kit_start

	.macro push_general_registers
	push %rdi
	push %rsi
	push %rdx
	push %rcx
	push %rax
	push %r8
	push %r9
	push %r10
	push %r11
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	.endm

	.macro pop_general_registers
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rax
	pop %rcx
	pop %rdx
	pop %rsi
	pop %rdi
	.endm

	/* The unwinder sees the interrupted code as the caller: the CFA is the context's end. */
	.macro cfi_context
	.cfi_signal_frame
	.cfi_def_cfa rsp, CONTEXT_SIZE
	.cfi_offset rip, -40
	.cfi_offset rsp, -16
	.cfi_offset rbp, 4 * 8 - CONTEXT_SIZE
	.cfi_offset rbx, 5 * 8 - CONTEXT_SIZE
	.cfi_offset r12, 3 * 8 - CONTEXT_SIZE
	.cfi_offset r13, 2 * 8 - CONTEXT_SIZE
	.cfi_offset r14, 1 * 8 - CONTEXT_SIZE
	.cfi_offset r15, 0 * 8 - CONTEXT_SIZE
	.endm

	.globl syscall_entry
	.type syscall_entry, @function
syscall_entry:
	.cfi_startproc
	cfi_context
	mov %rsp, saved_rsp(%rip)
	mov %rax, saved_rax(%rip)
	mov %cs, %eax
	test $3, %al
	jz 2f
1:	mov thread_stack_end(%rip), %rsp
	push $MOTE_USER_SS
	push saved_rsp(%rip)
	push %r11
	push $MOTE_USER_CS
	push %rcx
	push saved_rax(%rip)
	mov saved_rax(%rip), %rax
	push_general_registers
	mov %rsp, %rdi
	call syscall_dispatch
	test %al, %al
	jnz return_full
4:	/* The short way back: RCX and R11 are lost to a system call anyway. */
	pop_general_registers
	add $8, %rsp
	pop %rcx
	add $8, %rsp
	popfq
	pop %rsp
	jmp *%rcx
	/*
	 * Where the stubs of patch.c jump to: as above, without the trap. RCX has the return address, R11 where
	 * the short way back leads, which is kept above the context. What the processor does on a real system
	 * call is done here: R11 has the flags, and of them DF, TF, NT and AC (MOTE_FMASK) are clear in the kit.
	 */
	.globl patched_entry
patched_entry:
	mov %rsp, saved_rsp(%rip)
	mov thread_stack_end(%rip), %rsp
	mov %r11, (%rsp)
	push $MOTE_USER_SS
	push saved_rsp(%rip)
	pushfq
	mov (%rsp), %r11
	push $MOTE_USER_CS
	push %rcx
	push %rax
	test $MOTE_FMASK, %r11d
	jz 3f
	push $0x202
	popfq
3:	push_general_registers
	mov %rsp, %rdi
	call syscall_from_stub
	test %al, %al
	jnz return_full
	mov CONTEXT_RFLAGS(%rsp), %r11
	test $MOTE_FMASK, %r11d
	jnz 5f
	/* What is left are OF, and SF, ZF, AF, PF and CF: popfq would take as long as all the rest. */
	mov %r11d, %eax
	mov %r11d, %ecx
	shl $8, %eax
	shr $11, %ecx
	and $1, %ecx
	add $0x7f, %cl
	sahf
	/* C code has kept the other registers. */
6:	mov CONTEXT_SIZE(%rsp), %rcx
	mov CONTEXT_R10(%rsp), %r10
	mov CONTEXT_R9(%rsp), %r9
	mov CONTEXT_R8(%rsp), %r8
	mov CONTEXT_RAX(%rsp), %rax
	mov CONTEXT_RDX(%rsp), %rdx
	mov CONTEXT_RSI(%rsp), %rsi
	mov CONTEXT_RDI(%rsp), %rdi
	mov CONTEXT_RSP(%rsp), %rsp
	jmp *%rcx
5:	push CONTEXT_RFLAGS(%rsp)
	popfq
	jmp 6b

2:	/* Stock KVM: drop to CPL 3. Single vCPU, interrupts never taken here. */
	mov thread_stack_end(%rip), %rsp
	push $MOTE_USER_SS
	push thread_stack_end(%rip)
	push $0x202
	push $MOTE_USER_CS
	push $1b
	iretq
	.cfi_endproc
	.size syscall_entry, . - syscall_entry

	.globl trap_entry
	.type trap_entry, @function
trap_entry:
	.cfi_startproc
	cfi_context
	cmpq $kit_text_start, FRAME_RIP
	jb 1f
	cmpq $kit_text_end, FRAME_RIP
	jae 1f
	push FRAME_SS
	push FRAME_RSP
	push FRAME_RFLAGS
	push FRAME_CS
	push FRAME_RIP
	push $-1
	push_general_registers
	mov %rsp, %rdi
	call trap_from_kit
	jmp return_full
1:	mov thread_stack_end(%rip), %rsp
	push FRAME_SS
	push FRAME_RSP
	push FRAME_RFLAGS
	push FRAME_CS
	push FRAME_RIP
	push $-1
	push_general_registers
	mov %rsp, %rdi
	call trap_from_application
	jmp return_full

	/*
	 * The VMM has stopped the thread in application code, put RIP, RSP and RFLAGS into the run page and led
	 * the vCPU here; all other registers are the application's.
	 */
	.globl preempt_entry
preempt_entry:
	mov thread_stack_end(%rip), %rsp
	push $MOTE_USER_SS
	push MOTE_RUN_VA + MOTE_RUN_PREEMPTED_RSP
	push MOTE_RUN_VA + MOTE_RUN_PREEMPTED_RFLAGS
	push $MOTE_USER_CS
	push MOTE_RUN_VA + MOTE_RUN_PREEMPTED_RIP
	push $-1
	push_general_registers
	mov %rsp, %rdi
	call preempt_from_vmm
	jmp return_full

	/* Where a new thread starts, on its own stack, with RSP at its context. */
	.globl thread_begin
thread_begin:
	mov %rsp, %rdi
	call thread_started
return_full:
	pop_general_registers
	add $8, %rsp
	iretq
	.cfi_endproc
	.size trap_entry, . - trap_entry

	/* void context_resume(const struct context *): go on there; does not return */
	.globl context_resume
	.type context_resume, @function
context_resume:
	mov %rdi, %rsp
	jmp return_full
	.size context_resume, . - context_resume

	/* void thread_switch_stack(uint64_t *rsp_of_old, uint64_t rsp_of_new) */
	.globl thread_switch_stack
	.type thread_switch_stack, @function
thread_switch_stack:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, (%rdi)
	mov %rsi, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
	.size thread_switch_stack, . - thread_switch_stack

	/* void tlb_gate(void): flush the TLB through ring 0 */
	.globl tlb_gate, tlb_gate_return
	.type tlb_gate, @function
tlb_gate:
	int3
tlb_gate_return:
	ret
	.size tlb_gate, . - tlb_gate

	/*
	 * size_t user_copy(void *to, const void *from, size_t length)
	 * size_t user_clear(void *to, size_t length)
	 * Return how many bytes were not reached because of a fault. Between user_access_start and
	 * user_access_end a fault continues at user_access_fault, with RCX the bytes left.
	 */
	.globl user_copy, user_clear, user_access_start, user_access_end, user_access_fault
	.type user_copy, @function
	.type user_clear, @function
user_copy:
	mov %rdx, %rcx
	jmp 1f
user_clear:
	mov %rsi, %rcx
	xor %eax, %eax
	jmp 2f
user_access_start:
1:	rep movsb
	mov %rcx, %rax
	ret
2:	rep stosb
user_access_end:
user_access_fault:
	mov %rcx, %rax
	ret
	.size user_copy, . - user_copy

	/* int64_t hypercall_turn(number, a, b, c): guestkit/hypercall.h */
	.globl hypercall_turn
	.type hypercall_turn, @function
hypercall_turn:
	mov %rdi, %rax
	mov %rsi, %rdi
	mov %rdx, %rsi
	mov %rcx, %rdx
	mov %eax, %r9d
	cmp %eax, %eax
	in $MOTE_HYPERCALL_PORT, %eax
	/*
	 * A start from a snapshot, perhaps after one that has locked all memory by protection keys, which
	 * KVM may leave in the processor (guestkit/selectors.h): nothing is touched before they are open.
	 */
	cmp $MOTE_HC_SNAPSHOT, %r9d
	jne 1f
	mov %eax, %r8d
	xor %ecx, %ecx
	xgetbv
	test $0x200, %eax /* XCR0.PKRU */
	jz 2f
	xor %eax, %eax
	xor %edx, %edx
	wrpkru
2:	mov %r8d, %eax
1:	cltq
	ret
	.size hypercall_turn, . - hypercall_turn

	/*
	 * Where contexts of the running thread end, on its stack in the kit: RSP below one is a multiple of 16, as
	 * C code expects of its caller. The eight bytes above are patched_entry's.
	 */
	.data
	.balign 8
	.globl thread_stack_end
thread_stack_end:
	.quad kit_stack_top - 8

	.bss
	.balign 8
saved_rsp:
	.quad 0
saved_rax:
	.quad 0

	/* The note by which the VMM knows this kit: struct mote_kit_note. */
	.section .note.mote, "a", @note
	.balign 4
	.long 2f - 1f
	.long 4f - 3f
	.long MOTE_NOTE_KIT
1:	.asciz MOTE_NOTE_OWNER
2:	.balign 4
3:	.long MOTE_ABI_VERSION
	.long 4f - 3b
	.quad syscall_entry
	.quad kit_trap_frame_top
	.quad preempt_entry
	.quad kit_text_start
	.quad kit_text_end
5:	.ascii MOTE_VERSION
	.fill 32 - (. - 5b), 1, 0
4:
	.section .note.GNU-stack, "", @progbits
