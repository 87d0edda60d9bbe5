/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What restore.c starts again and again:
 *   request PAGES  writes to that many pages and to standard output
 *   request exits  makes exits and nothing else, for ever
 */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mote/abi.h"
#include "mote/guest.h"

#define PAGES_MAX 1024

static unsigned char memory[PAGES_MAX * 4096] __attribute__((aligned(4096)));

/* System calls in places that are rewritten into jumps, since they are made before it counts. */
static __attribute__((noinline)) void mark(const char *name)
{
	__asm__ volatile("mov %0, %%eax; syscall"
	                 :
	                 : "i"(MOTE_SYSCALL), "D"((long)MOTE_CALL_MARK), "S"(name), "d"(0L)
	                 : "rax", "rcx", "r11", "memory");
}

/* One exit. */
static __attribute__((noinline)) void answer(void)
{
	__asm__ volatile("mov $1, %%eax; syscall"
	                 :
	                 : "D"(1), "S"(memory), "d"(1)
	                 : "rax", "rcx", "r11", "memory");
}

int main(int argc, char **argv)
{
	int pages = argc > 1 ? atoi(argv[1]) : 0;
	int only_exits = argc > 1 && !strcmp(argv[1], "exits");

	if (pages > PAGES_MAX)
		return 2;
	memset(memory, 1, sizeof memory);
	for (int i = 0; i < 3; i++)
		answer();
	for (int i = 0; i < 3; i++)
		mark("not this one");
	mark(MOTE_MARK_DEFAULT);
	while (only_exits)
		__asm__ volatile("in %0, %%eax" : : "i"(MOTE_HYPERCALL_PORT), "a"(0) : "memory");
	for (int i = 0; i < pages; i++)
		memory[i * 4096]++;
	answer();
	_exit(0);
}
