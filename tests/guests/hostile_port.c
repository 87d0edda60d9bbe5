/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uses I/O ports: `hostile_port in|out|wide|byte|string PORT`, or `scan`, which tries thousands and
 * counts those that did not fault.
 */
#define _GNU_SOURCE /* REG_RIP */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "hostile.h"

static volatile int faults;

static void skip(int number, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)number;
	(void)info;
	faults++;
	uc->uc_mcontext.gregs[REG_RIP]++; /* in (%dx),%al and its like are one byte */
}

static unsigned char in(unsigned port)
{
	unsigned char value;

	__asm__ volatile("inb %%dx, %%al" : "=a"(value) : "d"(port));
	return value;
}

static void scan(void)
{
	struct sigaction action = {.sa_sigaction = skip, .sa_flags = SA_SIGINFO};
	int tried = 0;

	sigaction(SIGSEGV, &action, NULL);
	for (unsigned port = 0; port < 65536; port += port < 1024 ? 1 : 61) {
		if ((port & ~3u) == MOTE_HYPERCALL_PORT)
			continue;
		in(port);
		tried++;
	}
	printf("%d ports let through\n", tried - faults);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "scan";
	unsigned port = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 0;
	static unsigned char buffer[4096];
	void *to = buffer;
	uint64_t count = 1000;

	if (!strcmp(how, "scan"))
		scan();
	else if (!strcmp(how, "in"))
		__asm__ volatile("inl %%dx, %%eax" ::"d"(port) : "eax");
	else if (!strcmp(how, "byte"))
		in(port);
	else if (!strcmp(how, "out"))
		__asm__ volatile("outl %%eax, %%dx" ::"d"(port), "a"(0));
	else if (!strcmp(how, "string"))
		__asm__ volatile("rep insl" : "+D"(to), "+c"(count) : "d"(port) : "memory");
	puts("done");
	return 0;
}
