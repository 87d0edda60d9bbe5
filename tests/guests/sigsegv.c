/* SPDX-License-Identifier: Apache-2.0 */
/* Survives bad accesses: SIGSEGV handlers that look at the fault, mend it, or jump out. */
#define _GNU_SOURCE /* REG_RIP */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

static sigjmp_buf escape;
static volatile sig_atomic_t code;
static void *volatile address;
static char *guarded;

static void jump_out(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	code = info->si_code;
	address = info->si_addr;
	siglongjmp(escape, 1);
}

static void mend(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	if (info->si_addr != guarded + 5)
		_Exit(9);
	mprotect(guarded, 4096, PROT_READ | PROT_WRITE);
}

static void skip_instruction(int number, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)number;
	(void)info;
	uc->uc_mcontext.gregs[REG_RIP] += 2; /* mov (%rax),%al */
	uc->uc_mcontext.gregs[REG_RAX] = 42;
}

static void handle(void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &action, NULL);
}

static void touch(const char *what, volatile char *at, int write)
{
	code = 0;
	if (!sigsetjmp(escape, 1)) {
		if (write)
			*at = 1;
		else
			(void)*at;
		printf("%s: no fault\n", what);
		return;
	}
	printf("%s: code %d, address %s\n", what, (int)code, address == at ? "right" : "wrong");
}

static void execute_data(void)
{
	static volatile unsigned char data[] = {0xc3}; /* ret */
	void (*volatile function)(void) = (void (*)(void))(uintptr_t)data;

	if (!sigsetjmp(escape, 1))
		function();
	printf("execution of data: code %d, address %s\n", (int)code,
	       address == data ? "right" : "wrong");
}

int main(void)
{
	long value = 0x10;

	guarded = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	handle(jump_out);
	for (int round = 0; round < 3; round++) {
		touch("read of page 0", (char *)0x123, 0);
		touch("write to page 0", (char *)0x10, 1);
	}
	touch("write to text", (char *)(uintptr_t)main, 1);
	touch("write to a read-only page", guarded + 7, 1);
	touch("read of a read-only page", guarded + 7, 0);
	munmap(guarded + 4096, 4096);
	touch("read of an unmapped page", guarded + 4096, 0);
	mprotect(guarded, 4096, PROT_NONE);
	touch("read of a page without access", guarded, 0);
	if (!sigsetjmp(escape, 1))
		(void)*(volatile char *)0x8000000000000000;
	printf("non-canonical: code %d, address %p\n", (int)code, address);
	execute_data();

	handle(mend);
	mprotect(guarded, 4096, PROT_READ);
	guarded[5] = 'm';
	printf("mended: %c\n", guarded[5]);

	handle(skip_instruction);
	__asm__ volatile("movb (%%rax), %%al" : "+a"(value));
	printf("skipped: %d\n", (int)(value & 0xff));
	return 0;
}
