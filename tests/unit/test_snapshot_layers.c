/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of snapshots that build on others. */
#define _GNU_SOURCE 1
#include "snapshot_harness.h"

#include "vmm/snapshot_train.h"

TestSuite(snapshot_layers, .init = harness_start, .fini = harness_end, .timeout = 120);

static void begin_layer(void)
{
	memset(candidates, 0, sizeof candidates);
}

/* Write @name on top of @base, read it back and compare. Return: pages stored. */
static uint64_t save_on(const char *name, const char *base)
{
	struct snapshot below, snapshot;
	uint64_t pages;

	cr_assert_eq(load(&below, base), 0, "%s", err.text);
	pages = save(name, &below).pages;
	snapshot_close(&below);
	cr_assert_eq(load(&snapshot, name), 0, "%s", err.text);
	cr_assert_eq(snapshot_verify(&snapshot, &err), 0, "%s", err.text);
	assert_same(&snapshot);
	snapshot_close(&snapshot);
	return pages;
}

static void fill_range(uint64_t from, uint64_t to, unsigned salt)
{
	for (uint64_t frame = from; frame < to; frame++)
		fill(frame, salt);
}

Test(snapshot_layers, only_what_differs_is_stored)
{
	fill_range(10, 1000, 1);
	save("a", NULL);
	begin_layer();
	fill_range(100, 200, 1); /* as it was */
	fill_range(500, 510, 2);
	fill_range(2000, 2001, 2);
	cr_assert_eq(save_on("b", "a"), 11);
}

Test(snapshot_layers, zeros_hide_the_base)
{
	fill_range(10, 1000, 1);
	save("a", NULL);
	begin_layer();
	for (uint64_t frame = 300; frame < 310; frame++)
		clear(frame);
	clear(10);
	clear(999);
	clear(3000); /* was zeros */
	cr_assert_eq(save_on("b", "a"), 0);
}

/* A stored gap has what the base has, be it pages or zeros. */
Test(snapshot_layers, gaps_are_the_base)
{
	struct snapshot snapshot;

	fill_range(0, 4000, 1);
	save("a", NULL);
	begin_layer();
	for (uint64_t frame = 0; frame < 3000; frame++)
		if (frame % 30)
			fill(frame, 2);
	clear(30);
	cr_assert_eq(save_on("b", "a"), 2999);
	cr_assert_eq(load(&snapshot, "b"), 0);
	cr_assert_eq(snapshot.extent_count, 3); /* page 0 of a, the joined ones, the rest of a */
	snapshot_close(&snapshot);
}

Test(snapshot_layers, nothing_differs)
{
	fill_range(10, 100, 1);
	save("a", NULL);
	cr_assert_eq(save_on("b", "a"), 0);
}

/* As many layers as there may be, with what chance will have in them. */
Test(snapshot_layers, deep)
{
	char name[2] = "a", base[2];
	struct snapshot snapshot;

	srand(7);
	fill_range(0, 2000, 1);
	save(name, NULL);
	for (unsigned layer = 1; layer < SNAPSHOT_LAYERS_MAX; layer++) {
		begin_layer();
		for (unsigned run = 0; run < 60; run++) {
			uint64_t start = (unsigned)rand() % (FRAMES - 40), pages = 1 + rand() % 40;
			bool is_cleared = rand() % 3 == 0;

			for (uint64_t frame = start; frame < start + pages; frame++)
				if (is_cleared)
					clear(frame);
				else
					fill(frame, layer);
		}
		base[0] = name[0]++;
		base[1] = '\0';
		save_on(name, base);
	}
	cr_assert_eq(load(&snapshot, name), 0, "%s", err.text);
	cr_assert_eq(snapshot.layer_count, SNAPSHOT_LAYERS_MAX);

	struct snapshot_content what = content(&snapshot);
	struct snapshot_written written;
	int fd = open("more", O_RDWR | O_CREAT, 0600);

	cr_assert_neq(snapshot_write(fd, &what, &written, &err), 0);
	cr_assert(strstr(err.text, "too many others"), "%s", err.text);
	snapshot_close(&snapshot);
}

static void save_three(void)
{
	fill_range(10, 1000, 1);
	save("a", NULL);
	begin_layer();
	fill_range(20, 30, 2);
	save_on("b", "a");
	begin_layer();
	fill_range(25, 35, 3);
	save_on("c", "b");
}

Test(snapshot_layers, base_is_missing)
{
	save_three();
	cr_assert_eq(unlink("a"), 0);
	assert_refused("b", "cannot open its base a");
	assert_refused("c", "cannot use snapshot b: cannot open its base a");
	cr_assert_eq(err.code, MOTE_STATUS_CANNOT_RUN);
}

Test(snapshot_layers, base_is_another)
{
	save_three();
	save("a", NULL);
	assert_refused("b", "its base a is another snapshot");
	assert_refused("c", "its base a is another snapshot");
}

Test(snapshot_layers, swapped)
{
	save_three();
	cr_assert_eq(rename("b", "x"), 0);
	cr_assert_eq(rename("c", "b"), 0);
	cr_assert_eq(rename("x", "c"), 0);
	assert_refused("b", "is another snapshot"); /* b names itself now */
}

Test(snapshot_layers, base_is_cut)
{
	save_three();
	cr_assert_eq(truncate("a", 100000), 0);
	assert_refused("c", "cannot use snapshot a: it is cut off");
}

Test(snapshot_layers, base_of_another_size)
{
	struct snapshot base;
	struct snapshot_content what;
	struct snapshot_written written;
	int fd = open("b", O_RDWR | O_CREAT, 0600);

	save("a", NULL);
	cr_assert_eq(load(&base, "a"), 0);
	what = content(&base);
	memory.size /= 2;
	cr_assert_neq(snapshot_write(fd, &what, &written, &err), 0);
	cr_assert(strstr(err.text, "another size of memory"), "%s", err.text);
}

/* Names are those of a folder: it can be moved, and entered from elsewhere. */
Test(snapshot_layers, folder_is_moved)
{
	struct snapshot snapshot;

	cr_assert_eq(mkdir("d", 0700), 0);
	fill_range(1, 10, 1);
	save("d/a", NULL);
	begin_layer();
	fill_range(5, 6, 2);
	save_on("d/b", "d/a");
	cr_assert_eq(rename("d", "e"), 0);
	cr_assert_eq(load(&snapshot, "e/b"), 0, "%s", err.text);
	assert_same(&snapshot);
	cr_assert_eq(snapshot_check_folder(&snapshot, "e/c", &err), 0, "%s", err.text);
	cr_assert_eq(snapshot_check_folder(&snapshot, "./e/../e/c", &err), 0, "%s", err.text);
	cr_assert_neq(snapshot_check_folder(&snapshot, "c", &err), 0);
	cr_assert(strstr(err.text, "same folder"), "%s", err.text);
	cr_assert_neq(snapshot_check_folder(&snapshot, "none/c", &err), 0);
	snapshot_close(&snapshot);
}

/* The working set is the topmost layer's. */
Test(snapshot_layers, working_set)
{
	static const uint32_t frames[] = {1, 2};
	struct snapshot snapshot;

	save_three();
	cr_assert_eq(load(&snapshot, "a"), 0);
	snapshot_record(&snapshot, frames, 2);
	snapshot_close(&snapshot);
	cr_assert_eq(load(&snapshot, "b"), 0);
	cr_assert_eq(snapshot.working_set_count, 0);
	cr_assert(snapshot.can_record);
	snapshot_close(&snapshot);
}

/* Most of 2 MiB in a working set: all of it comes at once, from whatever layer has it. */
static void dense_layers(void)
{
	uint32_t frames[520];
	struct snapshot below, snapshot;

	for (uint32_t i = 0; i < 520; i++)
		frames[i] = i < 500 ? 600 + i : 2000 + 3 * i;
	fill_range(10, 1000, 1);
	fill_range(2100, 2200, 1);
	save("a", NULL);
	begin_layer();
	fill_range(500, 520, 2);
	fill_range(1020, 1030, 2);
	for (uint64_t frame = 700; frame < 710; frame++)
		clear(frame);
	cr_assert_eq(load(&below, "a"), 0, "%s", err.text);
	save("b", &below);
	snapshot_close(&below);
	cr_assert_eq(load(&snapshot, "b"), 0, "%s", err.text);
	snapshot_record(&snapshot, frames, 520);
	snapshot_close(&snapshot);
}

Test(snapshot_layers, dense_working_sets_come_at_once)
{
	struct snapshot snapshot;

	dense_layers();
	cr_assert_eq(load(&snapshot, "b"), 0, "%s", err.text);
	cr_assert_eq(snapshot.working_set_count, 520);
	assert_same(&snapshot);
	snapshot_close(&snapshot);
	cr_assert_eq(snapshot_train("b", true, NULL, &err), 0, "%s", err.text);
	cr_assert_eq(load(&snapshot, "b"), 0, "%s", err.text);
	cr_assert_neq(snapshot.working_set_offset, 0);
	assert_same(&snapshot);
	snapshot_close(&snapshot);
}

Test(snapshot_layers, dense_working_set_of_a_file_that_is_cut)
{
	struct guest_memory restored = {0};
	struct snapshot snapshot;

	dense_layers();
	cr_assert_eq(load(&snapshot, "b"), 0, "%s", err.text);
	cr_assert_eq(guest_memory_create(&restored, FRAMES * PAGE, &err), 0);
	cr_assert_eq(snapshot_map(&snapshot, &restored, &err), 0, "%s", err.text);
	cr_assert_eq(truncate("a", 100 * PAGE), 0);
	cr_assert_eq(snapshot_fill_working_set(&snapshot, &restored, true, &err), -1);
	cr_assert_str_eq(err.text, "cannot read the working set of a");
	snapshot_close(&snapshot);
}
