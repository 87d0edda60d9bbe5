/* SPDX-License-Identifier: Apache-2.0 */
/* Rewrites snapshot files for their working sets, in a process of its own. */
#include "vmm/snapshot_train.h"

#include "snapshot/snapshot_write.h"
#include "vmm/confined_child.h"
#include "vmm/lost_page.h"
#include "vmm/new_file.h"

struct training {
	struct snapshot snapshot;
	struct new_file file;
	bool with_working_set;
};

static int rewrite(void *ctx, struct mote_error *err)
{
	struct training *training = ctx;

	if (snapshot_read(&training->snapshot, err) || snapshot_verify(&training->snapshot, err))
		return -1;
	return snapshot_rewrite(training->file.fd, &training->snapshot, training->with_working_set,
	                        err);
}

int snapshot_train(const char *path, bool with_working_set, const struct snapshot_key *key,
                   struct mote_error *err)
{
	struct training training = {.with_working_set = with_working_set};
	int status = -1;

	if (lost_page_init(err))
		return -1;
	if (snapshot_open(&training.snapshot, path, err) == 0 &&
	    new_file_create(&training.file, path, err) == 0) {
		training.snapshot.key = key;
		if (confined_child_run(rewrite, &training, "rewrites the snapshot", err) == 0)
			status = new_file_keep(&training.file, err);
		new_file_discard(&training.file);
	}
	snapshot_close(&training.snapshot);
	return status;
}
