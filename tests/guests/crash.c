/* SPDX-License-Identifier: Apache-2.0 */
/* Dies in a nested function, in the way it is told to. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile int zero;
static int *volatile nowhere = (int *)0x10;
static void (*volatile nothing)(void);

__attribute__((noinline)) static void innermost(const char *how)
{
	if (!strcmp(how, "read"))
		zero = *nowhere;
	else if (!strcmp(how, "write"))
		*nowhere = 1;
	else if (!strcmp(how, "call"))
		nothing();
	else if (!strcmp(how, "divide"))
		__asm__ volatile("xorl %%ecx, %%ecx; cltd; divl %%ecx" ::: "eax", "ecx", "edx");
	else if (!strcmp(how, "ud2"))
		__asm__ volatile("ud2");
	else if (!strcmp(how, "int3"))
		__asm__ volatile("int3");
	else if (!strcmp(how, "noncanonical"))
		zero = *(volatile int *)0x8000000000000000;
	else if (!strcmp(how, "stack"))
		__asm__ volatile("xchg %0, %%rsp; push %%rax; xchg %0, %%rsp"
		                 :
		                 : "r"(0x8000000000000000)
		                 : "memory");
	else if (!strcmp(how, "abort"))
		abort();
	else
		raise(atoi(how));
	zero = 1; /* no tail call */
}

__attribute__((noinline)) static void outer(const char *how)
{
	innermost(how);
	zero = 2;
}

int main(int argc, char **argv)
{
	printf("before\n");
	fflush(stdout);
	outer(argc > 1 ? argv[1] : "write");
	printf("after\n");
	return 0;
}
