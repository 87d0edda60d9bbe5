/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls made again and again from the same places, which the kit rewrites into jumps:
 * results, registers and flags are as of a system call, also for code that jumps straight to the
 * old `syscall` instruction.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROUNDS    20000
#define REGISTERS 12       /* that a system call must not change */
#define FLAGS     0x240cd5 /* ID, AC, OF, DF, SF, ZF, AF, PF, CF */
#define NUMBER    0x12345678

struct outcome {
	uint64_t rax, rcx, r11, flags;
	uint64_t registers[REGISTERS];
};

/* Calls @code with RAX and flags as given and the rest from @given; what comes of it goes to
 * @outcome. */
void invoke(const char *code, uint64_t rax, uint64_t flags);

uint64_t given[REGISTERS];
struct outcome outcome;
uint64_t invoked;

__asm__(".text\n"
        "by_constant: mov $39, %eax\n" /* getpid */
        "	syscall\n"
        "after_constant: ret\n"
        "	nopw 0(%rax, %rax)\n"
        "by_register: mov %r12, %rax\n"
        "inside: syscall\n"
        "after_register: ret\n"
        "	nopw 0(%rax, %rax)\n"

        "invoke: push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "	mov %rdi, invoked(%rip); mov %rsi, %rax; push %rdx\n"
        "	lea given(%rip), %rcx\n"
        "	mov (%rcx), %rbx; mov 8(%rcx), %rbp; mov 16(%rcx), %rdx; mov 24(%rcx), %rsi\n"
        "	mov 32(%rcx), %rdi; mov 40(%rcx), %r8; mov 48(%rcx), %r9; mov 56(%rcx), %r10\n"
        "	mov 64(%rcx), %r12; mov 72(%rcx), %r13; mov 80(%rcx), %r14; mov 88(%rcx), %r15\n"
        "	popfq; call *invoked(%rip); pushfq; push $0x202; popfq\n"
        "	mov %rax, outcome(%rip); lea outcome(%rip), %rax\n"
        "	mov %rcx, 8(%rax); mov %r11, 16(%rax); pop 24(%rax)\n"
        "	mov %rbx, 32(%rax); mov %rbp, 40(%rax); mov %rdx, 48(%rax); mov %rsi, 56(%rax)\n"
        "	mov %rdi, 64(%rax); mov %r8, 72(%rax); mov %r9, 80(%rax); mov %r10, 88(%rax)\n"
        "	mov %r12, 96(%rax); mov %r13, 104(%rax); mov %r14, 112(%rax); mov %r15, 120(%rax)\n"
        "	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n");
extern const char by_constant[], after_constant[], by_register[], inside[], after_register[];

static void need(int is_ok, const char *what, int round)
{
	if (is_ok)
		return;
	printf("round %d: %s\n", round, what);
	exit(1);
}

static void check_site(const char *code, const char *after, const char *name)
{
	long pid = getpid();

	for (int i = 0; i < 1000; i++) {
		uint64_t flags =
		        2 | (((uint64_t)i * 2654435761U ^ (uint64_t)i * 40503 << 8) & FLAGS);

		for (unsigned n = 0; n < REGISTERS; n++)
			given[n] = 0x1111111111111111U * (n + 1);
		given[8] = SYS_getpid; /* R12, which by_register loads */
		invoke(code, code == inside ? SYS_getpid : NUMBER, flags);
		need((long)outcome.rax == pid, name, i);
		need(outcome.rcx == (uint64_t)after, "RCX is not the return address", i);
		need((outcome.flags & FLAGS) == (flags & FLAGS), "flags changed", i);
		need((outcome.r11 & FLAGS) == (flags & FLAGS), "R11 is not the flags", i);
		need(!memcmp(given, outcome.registers, sizeof given), "a register changed", i);
	}
	printf("%s: as a system call\n", name);
}

int main(void)
{
	int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
	char buffer[16];
	long pid = getpid();

	need(zero >= 0 && null >= 0, "open", 0);
	for (int i = 0; i < ROUNDS; i++) {
		memset(buffer, 0xff, sizeof buffer);
		need(getpid() == pid, "getpid", i);
		need(read(zero, buffer, sizeof buffer) == sizeof buffer && !buffer[0] &&
		             !buffer[15],
		     "read", i);
		need(write(null, buffer, sizeof buffer) == sizeof buffer, "write", i);
		need(write(-1, buffer, 1) == -1, "write to no file", i);
		need(syscall(SYS_lseek, null, 0, 9) == -1, "lseek", i);
	}
	puts("loops: ok");
	check_site(by_constant, after_constant, "constant");
	check_site(by_register, after_register, "register");
	check_site(inside, after_register, "jump into the middle");
	check_site(by_register, after_register, "register again");
	return 0;
}
