/* SPDX-License-Identifier: Apache-2.0 */
/* Survives SIGBUS for pages of a mapped file that the file no longer has. */
#include "vmm/lost_page.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static _Thread_local sigjmp_buf *innermost;

/* Not by the end of the handler, which would unblock the signal: hence SA_NODEFER. */
static void handle(int signal_number, siginfo_t *info, void *context)
{
	(void)signal_number;
	(void)context;
	if (info->si_code <= 0)
		return; /* somebody sent it */
	lost_page_recover();
	_exit(MOTE_STATUS_FAILED);
}

void lost_page_recover(void)
{
	if (innermost)
		siglongjmp(*innermost, 1);
}

/* #syscalls:load rt_sigaction */
int lost_page_init(struct mote_error *err)
{
	struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_NODEFER};

	if (sigaction(SIGBUS, &action, NULL))
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot watch for signal %d",
		                        SIGBUS);
	return 0;
}

int lost_page_guard(void (*work)(void *ctx), void *ctx)
{
	sigjmp_buf *outer = innermost;
	sigjmp_buf here;
	int status = 0;

	if (sigsetjmp(here, 0) == 0) {
		innermost = &here;
		work(ctx);
	} else {
		status = -1;
	}
	innermost = outer;
	return status;
}

struct copy {
	void *to;
	const void *from;
	size_t length;
};

static void copy(void *ctx)
{
	const struct copy *what = ctx;

	memcpy(what->to, what->from, what->length);
}

int lost_page_copy(void *to, const void *from, size_t length)
{
	return lost_page_guard(copy, &(struct copy){to, from, length});
}

int lost_page_error(struct mote_error *err, const char *name)
{
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "cannot read a page of %s: the file was cut while it ran, or memory "
	                      "is short",
	                      name);
}
