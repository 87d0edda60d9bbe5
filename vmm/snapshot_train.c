/* SPDX-License-Identifier: Apache-2.0 */
/* Rewrites snapshot files for their working sets, in a process of its own. */
#include "vmm/snapshot_train.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "snapshot/snapshot_write.h"
#include "vmm/confine.h"
#include "vmm/lost_page.h"
#include "vmm/new_file.h"

/* In the child, which can reach nothing but the two files. */
static int rewrite(struct snapshot *snapshot, int fd, bool with_working_set, struct mote_error *err)
{
	static const struct confine_needs needs = {.groups = CONFINE_SNAPSHOT};

	if (confine_enter(CONFINE_LOAD, &needs, err) || snapshot_read(snapshot, err) ||
	    snapshot_verify(snapshot, err))
		return -1;
	return snapshot_rewrite(fd, snapshot, with_working_set, err);
}

static int rewrite_in_child(struct snapshot *snapshot, int fd, bool with_working_set,
                            struct mote_error *err)
{
	struct mote_error *told =
	        mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = told == MAP_FAILED ? -1 : fork();
	int status;

	if (child < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot start a process");
	if (child == 0)
		_exit(rewrite(snapshot, fd, with_working_set, told) ? 1 : 0);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	*err = *told;
	munmap(told, sizeof *told);
	if (status == 0)
		return 0;
	if (!WIFEXITED(status) || !err->code)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "the process that rewrites %s ended by signal %d",
		                      snapshot->layers[0].name, WTERMSIG(status));
	return -1;
}

int snapshot_train(const char *path, bool with_working_set, struct mote_error *err)
{
	struct snapshot snapshot;
	struct new_file file = {.fd = -1, .directory = -1};
	int status = -1;

	if (lost_page_init(err))
		return -1;
	if (snapshot_open(&snapshot, path, err) == 0) {
		if (new_file_create(&file, path, err) == 0 &&
		    rewrite_in_child(&snapshot, file.fd, with_working_set, err) == 0)
			status = new_file_keep(&file, err);
		new_file_discard(&file);
	}
	snapshot_close(&snapshot);
	return status;
}
