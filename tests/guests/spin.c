/* SPDX-License-Identifier: Apache-2.0 */
/* Never ends: `spin` computes, `spin sleep` sleeps, `spin call` makes system calls. GS is
 * 0x1234000. */
#include <asm/prctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile unsigned long counter;

__attribute__((noinline)) static void spin_here(void)
{
	for (;;)
		counter++;
}

__attribute__((noinline)) static void spin_outside(void)
{
	spin_here();
	counter = 0; /* no tail call */
}

int main(int argc, char **argv)
{
	syscall(SYS_arch_prctl, ARCH_SET_GS, 0x1234000);
	puts("started");
	fflush(stdout);
	while (argc > 1 && !strcmp(argv[1], "sleep"))
		pause();
	while (argc > 1 && !strcmp(argv[1], "call"))
		syscall(SYS_getppid);
	spin_outside();
	return 0;
}
