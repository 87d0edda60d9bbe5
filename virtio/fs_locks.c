/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE requests for locks: POSIX locks and flock(2), seen by the host's processes, too. */
#include "virtio/fs_internal.h"

#include <unistd.h>

void fs_locks_drop(struct fs_server *server, uint64_t node, uint64_t owner, bool all)
{
	for (size_t i = 0; i < FS_LOCKS_MAX; i++) {
		struct fs_lock_holder *holder = &server->state->locks[i];

		if (holder->node != node || (holder->owner != owner && !all) || !node)
			continue;
		close(holder->fd);
		*holder = (struct fs_lock_holder){0};
	}
}

void fs_locks_reset(struct fs_server *server)
{
	for (size_t i = 0; i < FS_LOCKS_MAX; i++)
		fs_locks_drop(server, server->state->locks[i].node, 0, true);
}
