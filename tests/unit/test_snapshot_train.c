/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of working sets that become a run of pages. */
#define _GNU_SOURCE 1
#include "snapshot_harness.h"

#include "vmm/snapshot_train.h"

TestSuite(snapshot_train, .init = harness_start, .fini = harness_end, .timeout = 120);

static const uint32_t frames[] = {8, 9, 10, 500, 501, 2001, FRAMES - 1};
#define COUNT (sizeof frames / sizeof *frames)

static void save_and_record(void)
{
	struct snapshot snapshot;

	for (uint64_t frame = 8; frame < 1300; frame++)
		fill(frame, 1);
	fill(FRAMES - 1, 1);
	save("a", NULL);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	snapshot_record(&snapshot, frames, COUNT);
	snapshot_close(&snapshot);
}

/* "a" has the working set as a run, and is what it was otherwise. */
static void assert_trained(void)
{
	struct snapshot snapshot;
	const struct snapshot_layer *layer = &snapshot.layers[0];

	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	cr_assert_eq(snapshot_verify(&snapshot, &err), 0, "%s", err.text);
	cr_assert_not(snapshot.can_record);
	cr_assert_eq(snapshot.working_set_count, COUNT);
	cr_assert_eq(memcmp(snapshot.working_set, frames, sizeof frames), 0);
	cr_assert_neq(snapshot.working_set_offset, 0);
	for (size_t i = 0; i < COUNT; i++)
		cr_assert_eq(memcmp(layer->bytes + snapshot.working_set_offset + i * PAGE,
		                    memory.host + frames[i] * PAGE, PAGE),
		             0);
	cr_assert_eq(memcmp(snapshot.machine, &machine, sizeof machine), 0);
	assert_same(&snapshot);
	snapshot_close(&snapshot);
}

Test(snapshot_train, run_is_contiguous)
{
	struct stat file;

	save_and_record();
	cr_assert_eq(snapshot_train("a", true, NULL, &err), 0, "%s", err.text);
	assert_trained();
	cr_assert_eq(snapshot_train("a", true, NULL, &err), 0, "%s", err.text);
	assert_trained();
	cr_assert_eq(stat("a", &file), 0);
	cr_assert_eq(file.st_mode, S_IFREG | 0600);
}

/* The run is what fills memory: its pages are there before anything is touched. */
Test(snapshot_train, filled_pages_are_there)
{
	struct snapshot snapshot;
	struct guest_memory restored = {0};
	unsigned char resident;

	save_and_record();
	cr_assert_eq(snapshot_train("a", true, NULL, &err), 0, "%s", err.text);
	cr_assert_eq(load(&snapshot, "a"), 0);
	cr_assert_eq(guest_memory_create(&restored, FRAMES * PAGE, &err), 0);
	cr_assert_eq(snapshot_map(&snapshot, &restored, &err), 0);
	cr_assert_eq(mincore(restored.host + 2001 * PAGE, PAGE, &resident), 0);
	cr_assert_eq(resident & 1, 0);
	cr_assert_eq(snapshot_fill_working_set(&snapshot, &restored, true, &err), 0, "%s",
	             err.text);
	cr_assert_eq(mincore(restored.host + 2001 * PAGE, PAGE, &resident), 0);
	cr_assert_eq(resident & 1, 1);
	snapshot_close(&snapshot);
}

Test(snapshot_train, forget)
{
	struct snapshot snapshot;

	save_and_record();
	cr_assert_eq(snapshot_train("a", true, NULL, &err), 0, "%s", err.text);
	cr_assert_eq(snapshot_train("a", false, NULL, &err), 0, "%s", err.text);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	cr_assert(snapshot.can_record);
	cr_assert_eq(snapshot_verify(&snapshot, &err), 0, "%s", err.text);
	assert_same(&snapshot);
	snapshot_record(&snapshot, frames, COUNT);
	snapshot_close(&snapshot);
	cr_assert_eq(snapshot_train("a", true, NULL, &err), 0, "%s", err.text);
	assert_trained();
}

/* What builds on it does so still, and may be trained itself, with pages of its base. */
Test(snapshot_train, layers)
{
	struct snapshot snapshot;

	save_and_record();
	cr_assert_eq(load(&snapshot, "a"), 0);
	memset(candidates, 0, sizeof candidates);
	fill(9, 2);
	clear(10);
	save("b", &snapshot);
	snapshot_close(&snapshot);
	cr_assert_eq(snapshot_train("a", true, NULL, &err), 0, "%s", err.text);
	cr_assert_eq(load(&snapshot, "b"), 0, "%s", err.text);
	cr_assert_eq(snapshot.working_set_count, 0);
	snapshot_record(&snapshot, frames, COUNT);
	snapshot_close(&snapshot);
	cr_assert_eq(snapshot_train("b", true, NULL, &err), 0, "%s", err.text);
	cr_assert_eq(load(&snapshot, "b"), 0, "%s", err.text);
	cr_assert_eq(snapshot.working_set_count, COUNT);
	assert_same(&snapshot);
	snapshot_close(&snapshot);
}

Test(snapshot_train, nothing_recorded)
{
	save("a", NULL);
	cr_assert_neq(snapshot_train("a", true, NULL, &err), 0);
	cr_assert(strstr(err.text, "has no working set"), "%s", err.text);
}

/* A damaged file must not get fresh checksums. */
Test(snapshot_train, damage_is_not_laundered)
{
	struct stat before, after;
	int fd;

	save_and_record();
	fd = open("a", O_RDWR);
	cr_assert_eq(fstat(fd, &before), 0);
	cr_assert_eq(pwrite(fd, "x", 1, before.st_size - 100), 1);
	close(fd);
	cr_assert_neq(snapshot_train("a", true, NULL, &err), 0);
	cr_assert(strstr(err.text, "are damaged"), "%s", err.text);
	cr_assert_eq(stat("a", &after), 0);
	cr_assert_eq(before.st_ino, after.st_ino);
	cr_assert_neq(snapshot_train("nowhere", true, NULL, &err), 0);
}

/* The list belongs to the run: one that was changed is damage, not a hint. */
Test(snapshot_train, list_of_a_run)
{
	struct snapshot_working_set set;
	int fd;

	save_and_record();
	cr_assert_eq(snapshot_train("a", true, NULL, &err), 0, "%s", err.text);
	fd = open("a", O_RDWR);
	cr_assert_eq(pread(fd, &set, sizeof set, SNAPSHOT_WORKING_SET_OFFSET), sizeof set);
	set.frames[0] = 7;
	set.sum = checksum_64(&set.count, sizeof set - 8);
	cr_assert_eq(pwrite(fd, &set, sizeof set, SNAPSHOT_WORKING_SET_OFFSET), sizeof set);
	assert_refused("a", "its working set is damaged");
	close(fd);
}
