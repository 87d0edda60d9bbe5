/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before a snapshot: memory is made small, and complete without the host.
 *
 * What a file on the host has, the snapshot needs not have: pages of shares are written back and
 * dropped but for those that are mapped, and what was read of disks in advance is forgotten, since
 * both may be others at a restore. Free frames go back to the host, so that they are zeros, which a
 * snapshot has none of. System calls that were made once are rewritten, so that no request has to.
 */
#include "guestkit/address_space.h"
#include "guestkit/gather.h"
#include "guestkit/libc-shim/block_cache.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/pages.h"
#include "guestkit/patch.h"
#include "guestkit/snapshot.h"
#include "guestkit/string.h"

/* A kit without devices has nothing to name. */
#pragma weak snapshot_lint
#pragma weak snapshot_settle_devices

KIT_LARGE char snapshot_problems[MOTE_SNAPSHOT_PROBLEM_MAX];
static size_t problems_length;

void snapshot_problem(const char *line)
{
	size_t length = strlen(line);

	if (length + 1 > sizeof snapshot_problems - problems_length)
		return;
	memcpy(snapshot_problems + problems_length, line, length);
	problems_length += length;
	snapshot_problems[problems_length++] = '\n';
}

static void drop_caches(void)
{
	struct block_disk *disk;

	memory_write_back_all();
	if (snapshot_settle_devices)
		snapshot_settle_devices();
	memory_reclaim_cache();
	for (unsigned i = 0; i < block_disk_count(); i++)
		if ((disk = block_disk(i)))
			block_cache_drop(disk);
}

size_t snapshot_prepare(bool is_running)
{
	problems_length = 0;
	patch_ahead();
	drop_caches();
	memory_reclaim();
	gather_memory(is_running);
	pages_give_back(SIZE_MAX);
	pages_collect(true);
	if (is_running)
		address_space_map_ahead();
	pages_keep();
	((volatile struct mote_run *)MOTE_RUN_VA)->usable = (uint32_t)pages_trim();
	if (snapshot_lint)
		snapshot_lint();
	return problems_length;
}
