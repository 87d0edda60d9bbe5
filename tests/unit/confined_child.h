/* SPDX-License-Identifier: Apache-2.0 */
/* Children that confine themselves and then do one thing: for the tests of confinement. */
#ifndef MOTE_TESTS_UNIT_CONFINED_CHILD_H
#define MOTE_TESTS_UNIT_CONFINED_CHILD_H

#include "vmm/confine.h"

#include <criterion/criterion.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* How far a child came; in memory shared with it, so that being killed does not lose it. */
enum progress { STARTED, CONFINED, ATTEMPTED };

/* For a child's body: where it is not met, say so and leave with a status of its own. */
#define EXPECT(condition)                                                       \
	do {                                                                    \
		if (!(condition)) {                                             \
			static const char text[] = "not met: " #condition "\n"; \
			if (write(STDERR_FILENO, text, sizeof text - 1) < 0)    \
				_exit(3);                                       \
			_exit(2);                                               \
		}                                                               \
	} while (0)

/* Of a VM without devices. */
static const struct confine_needs no_needs;

enum confinement { FREE, LOAD, RUN };

static void confine(enum confinement how)
{
	struct mote_error err;

	if (how >= LOAD && confine_enter(CONFINE_LOAD, &no_needs, &err) != 0)
		_exit(4);
	if (how >= RUN && confine_enter(CONFINE_RUN, &no_needs, &err) != 0)
		_exit(5);
}

/* Run @body in a child that is confined so. Return: its wait status. */
static int in_child(enum confinement how, void (*body)(void), enum progress *reached)
{
	volatile enum progress *progress =
	        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t child;

	cr_assert(progress != MAP_FAILED);
	*progress = STARTED;
	child = fork();
	cr_assert(child >= 0);
	if (child == 0) {
		confine(how);
		*progress = CONFINED;
		body();
		*progress = ATTEMPTED;
		_exit(0);
	}
	cr_assert(waitpid(child, &status, 0) == child);
	*reached = *progress;
	return status;
}

/* The whole of @body ran, and every EXPECT in it was met. */
static void assert_works(enum confinement how, void (*body)(void))
{
	enum progress reached;
	int status = in_child(how, body, &reached);

	cr_assert(reached == ATTEMPTED && WIFEXITED(status) && WEXITSTATUS(status) == 0,
	          "progress %d, status %#x", reached, status);
}

/* Skip the test where Landlock is older than ABI version @abi, or not there. */
static void require_landlock(int abi)
{
	if (confine_landlock_abi() < abi)
		cr_skip("this kernel has Landlock ABI %d, the test needs %d",
		        confine_landlock_abi(), abi);
}

#endif
