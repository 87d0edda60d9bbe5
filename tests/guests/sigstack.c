/* SPDX-License-Identifier: Apache-2.0 */
/* Overflows its stack and lives to tell, on an alternate signal stack; several times. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static sigjmp_buf escape;
static char stack[65536];
static volatile int on_stack;

static void handler(int number)
{
	char here;

	(void)number;
	on_stack = &here >= stack && &here < stack + sizeof stack;
	siglongjmp(escape, 1);
}

__attribute__((noinline)) static int overflow(int depth)
{
	volatile char frame[1024];

	frame[0] = (char)depth;
	return (depth >= 0 ? overflow(depth + 1) : 0) + frame[0];
}

int main(void)
{
	stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack}, old;
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};

	sigaltstack(&alternate, NULL);
	sigaction(SIGSEGV, &action, NULL);
	for (int round = 0; round < 3; round++) {
		if (!sigsetjmp(escape, 1))
			return overflow(0);
		sigaltstack(NULL, &old);
		printf("round %d: on the alternate stack: %d, flags %d\n", round, on_stack,
		       old.ss_flags);
	}
	return 0;
}
