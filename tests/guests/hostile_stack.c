/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traps with a stack pointer that is good for nothing: `hostile_stack overflow`, or an address, to
 * which RSP is set before a ud2; with `handler` behind it, a handler has been installed.
 */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostile.h"

static void handler(int number)
{
	_exit(100 + number);
}

__attribute__((noinline)) static int overflow(int depth)
{
	volatile char frame[4000];

	frame[0] = (char)depth;
	return (depth >= 0 ? overflow(depth + 1) : 0) + frame[0];
}

int main(int argc, char **argv)
{
	if (argc > 2)
		signal(SIGILL, handler);
	if (argc < 2 || !strcmp(argv[1], "overflow"))
		return overflow(0);
	__asm__ volatile("mov %0, %%rsp; ud2" ::"r"(parse_address(argv[1])) : "memory");
	return 0;
}
