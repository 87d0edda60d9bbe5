/* SPDX-License-Identifier: Apache-2.0 */
/* Unusual flags and segment state across system calls: `flags df|nt|ac|tf|segments|gs`. */
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

static const char text[] = "still here\n";

/* write() with flags set just before: nothing between may use string instructions. */
static long write_with_flags(uint64_t flags)
{
	long result;

	__asm__ volatile("pushfq; orq %[flags], (%%rsp); popfq; syscall; cld;"
	                 "pushfq; andq $~0x44100, (%%rsp); popfq"
	                 : "=a"(result)
	                 : "a"(SYS_write), "D"(1), "S"(text),
	                   "d"(sizeof text - 1), [flags] "r"(flags)
	                 : "rcx", "r11", "memory", "cc");
	return result;
}

static void exit_now(int status)
{
	__asm__ volatile("syscall" ::"a"(SYS_exit_group), "D"(status) : "rcx", "r11", "memory");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	uint64_t flags = 0;

	if (!strcmp(what, "df"))
		flags = 1 << 10;
	else if (!strcmp(what, "nt"))
		flags = 1 << 14;
	else if (!strcmp(what, "ac"))
		flags = 1 << 18;
	else if (!strcmp(what, "tf"))
		flags = 1 << 8;
	else if (!strcmp(what, "segments"))
		__asm__ volatile("movl %0, %%ds; movl %0, %%es" ::"r"(0));
	else if (!strcmp(what, "gs"))
		__asm__ volatile("movl %0, %%fs; movl %0, %%gs" ::"r"(0));
	for (int i = 0; i < 2; i++)
		if (write_with_flags(flags) != sizeof text - 1)
			exit_now(1);
	exit_now(0);
}
