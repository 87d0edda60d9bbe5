/* SPDX-License-Identifier: Apache-2.0 */
/* Tries to make processes, in every way there is. */
#define _GNU_SOURCE /* syscall() */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void report(const char *how, long result)
{
	if (result >= 0)
		_exit(99);
	printf("%s: %s\n", how, strerror(errno));
}

int main(void)
{
	char *const arguments[] = {"/bin/sh", NULL};
	unsigned long clone_arguments[11] = {0, 0, 0, 0, SIGCHLD};

	for (int i = 0; i < 1000; i++)
		if (fork() >= 0)
			return 99;
	report("fork", fork());
	report("clone", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	report("clone3", syscall(SYS_clone3, clone_arguments, sizeof clone_arguments));
	report("execve", execve(arguments[0], arguments, NULL));
	return 0;
}
