/* SPDX-License-Identifier: Apache-2.0 */
/* Does work on hostile files in a process of its own. */
#include "vmm/confined_child.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/confine.h"

int confined_child_run(int (*work)(void *ctx, struct mote_error *err), void *ctx, const char *what,
                       struct mote_error *err)
{
	static const struct confine_needs needs = {.groups = CONFINE_SNAPSHOT};
	struct mote_error *told =
	        mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = told == MAP_FAILED ? -1 : fork();
	int status;

	if (child < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot start a process");
	if (child == 0)
		_exit(confine_enter(CONFINE_LOAD, &needs, told) || work(ctx, told) ? 1 : 0);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	*err = *told;
	/* It wrote the text, and could have been taken over. */
	err->text[sizeof err->text - 1] = '\0';
	munmap(told, sizeof *told);
	if (status == 0)
		return 0;
	if (WIFEXITED(status) && err->code)
		return -1;
	return mote_error_set(err, MOTE_STATUS_FAILED, "the process that %s ended by signal %d",
	                      what, WTERMSIG(status));
}
