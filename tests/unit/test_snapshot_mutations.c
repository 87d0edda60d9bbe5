/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshot files that chance has changed: each is refused with one line, or holds what it held. Two
 * layers, 100,000 changes: bits, bytes, ends, other files.
 */
#define _GNU_SOURCE 1
#include "snapshot_harness.h"

#define ROUNDS 100000
#define PAGES  40 /* with something in them, from frame 0 on */

static const char *const names[] = {"a", "b"}; /* b builds on a */
static uint8_t *whole[2];
static size_t sizes[2];
static uint64_t refused, taken;

static void start(void)
{
	strcpy(folder, "/dev/shm/mote-mutation-XXXXXX");
	harness_start();
}

TestSuite(snapshot_mutations, .init = start, .fini = harness_end, .timeout = 300);

static void put(unsigned file, size_t size)
{
	int fd = open(names[file], O_RDWR | O_CREAT | O_TRUNC, 0600);

	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, whole[file], size), (ssize_t)size);
	close(fd);
}

static void keep(unsigned file)
{
	struct stat stat_of;
	int fd = open(names[file], O_RDONLY);

	cr_assert_eq(fstat(fd, &stat_of), 0);
	sizes[file] = (size_t)stat_of.st_size;
	whole[file] = malloc(sizes[file]);
	cr_assert_eq(read(fd, whole[file], sizes[file]), (ssize_t)sizes[file]);
	close(fd);
}

static void make_files(void)
{
	static const uint32_t frames[] = {1, 2, 30};
	struct snapshot base;

	for (uint64_t frame = 0; frame < PAGES; frame += frame % 7 == 3 ? 2 : 1)
		fill(frame, 1);
	save("a", NULL);
	cr_assert_eq(load(&base, "a"), 0, "%s", err.text);
	memset(candidates, 0, sizeof candidates);
	for (uint64_t frame = 10; frame < 20; frame += 3)
		fill(frame, 2);
	clear(30);
	save("b", &base);
	snapshot_close(&base);
	cr_assert_eq(load(&base, "b"), 0);
	snapshot_record(&base, frames, 3);
	snapshot_close(&base);
	keep(0);
	keep(1);
}

/* b is refused with one line, or is what it was. */
static void look(unsigned round)
{
	struct snapshot snapshot;

	memset(&err, 0, sizeof err);
	if (load(&snapshot, "b") || snapshot_verify(&snapshot, &err)) {
		cr_assert(err.code && err.text[0] && !strchr(err.text, '\n'), "round %u: \"%s\"",
		          round, err.text);
		refused++;
	} else {
		for (uint64_t frame = 0; frame < PAGES; frame++)
			cr_assert_eq(memcmp(snapshot_page(&snapshot, frame),
			                    memory.host + frame * PAGE, PAGE),
			             0, "round %u, page %llu", round, (unsigned long long)frame);
		cr_assert_eq(memcmp(snapshot.machine, &machine, sizeof machine), 0);
		taken++;
	}
	snapshot_close(&snapshot);
}

static size_t somewhere(unsigned file)
{
	/* Most of what can go wrong lies in front of the pages. */
	return rand() % 2   ? (size_t)rand() % sizes[file]
	       : rand() % 2 ? (size_t)rand() % 752
	                    : SNAPSHOT_PARTS_OFFSET + (size_t)rand() % (2 * (size_t)PAGE);
}

static void change_bytes(unsigned file, unsigned round)
{
	size_t at = somewhere(file), length = 1 + (size_t)rand() % 16;
	uint8_t changed[16], *old;
	int fd = open(names[file], O_RDWR);

	if (length > sizes[file] - at)
		length = sizes[file] - at;
	old = whole[file] + at;
	memcpy(changed, old, length);
	if (rand() % 2)
		changed[rand() % (int)length] ^= (uint8_t)(1 << rand() % 8);
	else
		for (size_t i = 0; i < length; i++)
			changed[i] = (uint8_t)(rand() % 3 ? rand() : 255 * (rand() % 2));
	cr_assert_eq(pwrite(fd, changed, length, (off_t)at), (ssize_t)length);
	look(round);
	cr_assert_eq(pwrite(fd, old, length, (off_t)at), (ssize_t)length);
	close(fd);
}

static void change_end(unsigned file, unsigned round)
{
	uint64_t before = refused;

	cr_assert_eq(truncate(names[file], (off_t)((size_t)rand() % (sizes[file] + 5000))), 0);
	look(round);
	cr_assert_eq(refused, before + 1);
	put(file, sizes[file]);
}

static void swap(unsigned round)
{
	uint64_t before = refused;

	cr_assert_eq(rename("a", "c"), 0);
	if (rand() % 2)
		cr_assert_eq(rename("b", "a"), 0);
	look(round);
	cr_assert_eq(refused, before + 1);
	put(0, sizes[0]);
	put(1, sizes[1]);
}

Test(snapshot_mutations, all)
{
	srand(20);
	make_files();
	look(0);
	cr_assert_eq(taken, 1);
	for (unsigned round = 1; round <= ROUNDS; round++) {
		unsigned kind = (unsigned)rand() % 16;

		if (kind == 0)
			swap(round);
		else if (kind < 4)
			change_end(kind % 2, round);
		else
			change_bytes(kind % 2, round);
	}
	/* Only what no sum covers may be changed unseen: the list of the working set, and gaps. */
	cr_assert_gt(refused, ROUNDS / 2);
	look(0);
	cr_assert_eq(refused + taken, ROUNDS + 2);
}

/* A write that the power cut off, at each chunk: none of these files is one. */
Test(snapshot_mutations, power_cut)
{
	struct snapshot snapshot;
	struct stat stat_of;
	uint64_t pages_offset;

	for (uint64_t frame = 0; frame < 1000; frame++)
		fill(frame, 1);
	save("a", NULL);
	cr_assert_eq(stat("a", &stat_of), 0);
	cr_assert_eq(load(&snapshot, "a"), 0);
	pages_offset = snapshot.layers[0].header->pages_offset;
	snapshot_close(&snapshot);
	for (uint64_t size = (uint64_t)stat_of.st_size - 1; size > pages_offset;
	     size -= size > pages_offset + SNAPSHOT_CHUNK_PAGES * PAGE ? SNAPSHOT_CHUNK_PAGES * PAGE
	                                                               : size - pages_offset) {
		cr_assert_eq(truncate("a", (off_t)size), 0);
		assert_refused("a", "cut off");
	}
	/* The head comes last: pages without one. */
	cr_assert_eq(truncate("a", 0), 0);
	cr_assert_eq(truncate("a", stat_of.st_size), 0);
	assert_refused("a", "it is not a snapshot");
}
