/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of snapshot files: what is written is what is read, and nothing else is. */
#define _GNU_SOURCE 1
#include "snapshot_harness.h"

#include <sys/wait.h>

#include "vmm/confine.h"

TestSuite(snapshot_file, .init = harness_start, .fini = harness_end, .timeout = 60);

/* Apply @change to the header of @name, and give it a right checksum again. */
static void edit(const char *name, void (*change)(struct snapshot_header *header))
{
	struct snapshot_header header;
	int fd = open(name, O_RDWR);

	cr_assert_eq(pread(fd, &header, sizeof header, 0), sizeof header);
	change(&header);
	header.sum = checksum_64(&header, offsetof(struct snapshot_header, sum));
	cr_assert_eq(pwrite(fd, &header, sizeof header, 0), sizeof header);
	close(fd);
}

static void flip(const char *name, uint64_t offset)
{
	unsigned char byte;
	int fd = open(name, O_RDWR);

	cr_assert_eq(pread(fd, &byte, 1, (off_t)offset), 1);
	byte ^= 4;
	cr_assert_eq(pwrite(fd, &byte, 1, (off_t)offset), 1);
	close(fd);
}

/* A few runs of pages, some of them one page apart. */
static void fill_some(void)
{
	for (uint64_t frame = 8; frame < 300; frame++)
		fill(frame, 1);
	for (uint64_t frame = 1000; frame < 1100; frame += 2)
		fill(frame, 1);
	fill(FRAMES - 1, 1);
	clear(2000);
}

Test(snapshot_file, what_is_written_is_read)
{
	struct snapshot snapshot;
	struct snapshot_written written;
	struct stat stat_of;

	fill_some();
	written = save("a", NULL);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	cr_assert_eq(stat("a", &stat_of), 0);
	cr_assert_eq((uint64_t)stat_of.st_size, written.bytes);
	cr_assert_eq(memcmp(snapshot.machine, &machine, sizeof machine), 0);
	cr_assert_eq(snapshot.sections[SNAPSHOT_XSAVE].size, 10);
	cr_assert_eq(memcmp(snapshot.sections[SNAPSHOT_XSAVE].bytes, "xsave area", 10), 0);
	cr_assert_null(snapshot.sections[SNAPSHOT_ROOT].bytes);
	cr_assert_eq(snapshot_verify(&snapshot, &err), 0, "%s", err.text);
	assert_same(&snapshot);
	snapshot_close(&snapshot);
}

Test(snapshot_file, zero_pages_are_absent)
{
	for (uint64_t frame = 0; frame < FRAMES; frame++)
		clear(frame);
	fill(77, 3);
	cr_assert_eq(save("a", NULL).pages, 1);
}

Test(snapshot_file, machine_without_a_page)
{
	struct snapshot snapshot;

	cr_assert_eq(save("a", NULL).pages, 0);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	cr_assert_eq(snapshot_verify(&snapshot, &err), 0);
	assert_same(&snapshot);
	snapshot_close(&snapshot);
}

/* What is no candidate is not looked at, even where a gap is stored. */
Test(snapshot_file, gaps_are_zeros)
{
	struct snapshot snapshot;

	for (uint64_t frame = 0; frame < 2600; frame++)
		if (frame % 26)
			fill(frame, 5);
	memset(memory.host + 26 * PAGE, 0xee, PAGE);
	cr_assert_eq(save("a", NULL).pages, 2599);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	cr_assert_eq(snapshot.extent_count, 1);
	memset(memory.host + 26 * PAGE, 0, PAGE);
	assert_same(&snapshot);
	snapshot_close(&snapshot);
}

Test(snapshot_file, gaps_cost_little)
{
	struct snapshot snapshot;

	for (uint64_t frame = 0; frame < 2000; frame += 2)
		fill(frame, 5);
	cr_assert_eq(save("a", NULL).pages, 1000);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	cr_assert_eq(snapshot.extent_count, 1000);
	assert_same(&snapshot);
	snapshot_close(&snapshot);
}

Test(snapshot_file, working_set_is_recorded_once)
{
	static const uint32_t frames[] = {8, 9, 10, 2001, FRAMES - 1};
	struct snapshot snapshot;

	fill_some();
	save("a", NULL);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	cr_assert(snapshot.can_record);
	cr_assert_eq(snapshot.working_set_count, 0);
	snapshot_record(&snapshot, frames, 5);
	snapshot_close(&snapshot);

	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	cr_assert_not(snapshot.can_record);
	cr_assert_eq(snapshot.working_set_count, 5);
	cr_assert_eq(memcmp(snapshot.working_set, frames, sizeof frames), 0);
	cr_assert_eq(snapshot_verify(&snapshot, &err), 0);
	assert_same(&snapshot);
	snapshot_close(&snapshot);
}

Test(snapshot_file, torn_record_is_none)
{
	static const uint32_t frames[] = {8, 9, 10};
	struct snapshot snapshot;

	fill_some();
	save("a", NULL);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	snapshot_record(&snapshot, frames, 3);
	snapshot_close(&snapshot);
	flip("a", SNAPSHOT_WORKING_SET_OFFSET + 20);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	cr_assert_eq(snapshot.working_set_count, 0);
	cr_assert(snapshot.can_record);
	snapshot_close(&snapshot);
}

Test(snapshot_file, working_set_too_large_is_cut)
{
	static uint32_t frames[SNAPSHOT_WORKING_SET_FRAMES + 4];
	struct snapshot snapshot;

	for (uint32_t i = 0; i < sizeof frames / sizeof *frames; i++)
		frames[i] = i;
	save("a", NULL);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	snapshot_record(&snapshot, frames, sizeof frames / sizeof *frames);
	snapshot_close(&snapshot);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	cr_assert_eq(snapshot.working_set_count, SNAPSHOT_WORKING_SET_FRAMES);
	snapshot_close(&snapshot);
}

Test(snapshot_file, no_file)
{
	assert_refused("nowhere", "cannot open nowhere");
	cr_assert_eq(err.code, MOTE_STATUS_NOT_FOUND);
}

Test(snapshot_file, other_files)
{
	int fd = open("text", O_RDWR | O_CREAT, 0600);

	cr_assert_eq(write(fd, "hello", 5), 5);
	assert_refused("text", "it is not a snapshot");
	cr_assert_eq(ftruncate(fd, 100000), 0);
	assert_refused("text", "it is not a snapshot");
	assert_refused(".", "not a regular file");
	cr_assert_eq(mkfifo("fifo", 0600), 0);
	assert_refused("fifo", "not a regular file");
	close(fd);
}

Test(snapshot_file, cut_anywhere)
{
	struct snapshot_written written;
	static const uint64_t before[] = {9, 4095, 4096, 20479, 20480, 21000};

	fill_some();
	written = save("a", NULL);
	for (uint64_t size = written.bytes - 1; size > 65536; size -= 65536 + 13) {
		cr_assert_eq(truncate("a", (off_t)size), 0);
		assert_refused("a", "cut off");
	}
	for (size_t i = sizeof before / sizeof *before; i-- > 0;) {
		cr_assert_eq(truncate("a", (off_t)before[i]), 0);
		assert_refused("a", "cut off");
	}
}

Test(snapshot_file, too_long)
{
	fill_some();
	cr_assert_eq(truncate("a", (off_t)save("a", NULL).bytes + 1), 0);
	assert_refused("a", "too long");
}

Test(snapshot_file, damage_outside_the_pages)
{
	struct snapshot snapshot;
	uint64_t offset;

	fill_some();
	save("a", NULL);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	offset = snapshot.layers[0].header->parts[SNAPSHOT_MACHINE].offset;
	snapshot_close(&snapshot);
	flip("a", offset + 5);
	assert_refused("a", "part 0 is damaged");
	flip("a", offset + 5);
	flip("a", 4000);
	assert_refused("a", "its header is damaged");
}

Test(snapshot_file, damaged_page)
{
	struct snapshot snapshot;
	uint64_t offset;

	fill_some();
	save("a", NULL);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	offset = snapshot.layers[0].header->pages_offset;
	snapshot_close(&snapshot);
	flip("a", offset + 290 * PAGE);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	cr_assert_neq(snapshot_verify(&snapshot, &err), 0);
	cr_assert(strstr(err.text, "are damaged"), "%s", err.text);
	snapshot_close(&snapshot);
}

static void from_the_future(struct snapshot_header *header)
{
	header->version = SNAPSHOT_VERSION + 1;
}

static void unknown_flag(struct snapshot_header *header)
{
	header->flags = 0x80000000;
}

static void endless_index(struct snapshot_header *header)
{
	header->parts[SNAPSHOT_PART_EXTENTS].size = UINT64_MAX - 100;
}

static void pages_elsewhere(struct snapshot_header *header)
{
	header->pages_offset += PAGE;
	header->extent_pages--;
}

static void huge(struct snapshot_header *header)
{
	header->frames = UINT64_MAX;
}

static void base_elsewhere(struct snapshot_header *header)
{
	strcpy(header->base_name, "../a");
	header->base_id[0] = 1;
}

static void base_missing(struct snapshot_header *header)
{
	strcpy(header->base_name, "b");
	header->base_id[0] = 1;
}

static void base_itself(struct snapshot_header *header)
{
	strcpy(header->base_name, "a");
	memcpy(header->base_id, header->id, sizeof header->id);
}

static void other_ram(struct snapshot_header *header)
{
	header->frames--;
}

static void run_without_list(struct snapshot_header *header)
{
	header->run_pages = 1;
	header->extent_pages--;
}

static void no_pages_of_its_index(struct snapshot_header *header)
{
	header->parts[SNAPSHOT_PART_SUMS].size -= 8;
}

Test(snapshot_file, headers_that_lie)
{
	static const struct {
		void (*change)(struct snapshot_header *header);
		const char *words;
	} cases[] = {
	        {from_the_future, "newer version of mote"},
	        {unknown_flag, "newer version of mote"},
	        {endless_index, "lies outside its place"},
	        {pages_elsewhere, "cannot use snapshot"},
	        {huge, "too much"},
	        {base_elsewhere, "not a file of its folder"},
	        {base_missing, "cannot open its base b"},
	        {base_itself, "builds on too many"},
	        {other_ram, "impossible"},
	        {run_without_list, "cannot use snapshot"},
	        {no_pages_of_its_index, "damaged"},
	};

	for (uint64_t frame = 8; frame < 300; frame++)
		fill(frame, 1);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		save("a", NULL);
		edit("a", cases[i].change);
		assert_refused("a", cases[i].words);
	}
}

/* Written in phase run, by a VM that may. */
Test(snapshot_file, is_written_confined)
{
	static const struct confine_needs needs = {.groups = CONFINE_SNAPSHOT};
	struct snapshot_content what = content(NULL);
	struct snapshot snapshot;
	int status, fd = open("a", O_RDWR | O_CREAT, 0600);
	pid_t child;

	fill_some();
	child = fork();
	if (child == 0) {
		struct snapshot_written written;

		if (confine_enter(CONFINE_LOAD, &needs, &err) ||
		    confine_enter(CONFINE_RUN, &needs, &err))
			_exit(2);
		_exit(snapshot_write(fd, &what, &written, &err) ? 3 : 0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0, "%#x", (unsigned)status);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	assert_same(&snapshot);
	snapshot_close(&snapshot);
}

/* Read in phase load, recorded in phase run. */
Test(snapshot_file, is_read_confined)
{
	static const uint32_t frames[] = {8, 300};
	static const struct confine_needs needs = {0};
	struct snapshot snapshot;
	int status;
	pid_t child;

	fill_some();
	save("a", NULL);
	child = fork();
	if (child == 0) {
		if (snapshot_open(&snapshot, "a", &err) ||
		    confine_enter(CONFINE_LOAD, &needs, &err))
			_exit(2);
		if (snapshot_read(&snapshot, &err) || snapshot_map(&snapshot, &memory, &err) ||
		    snapshot_fill_working_set(&snapshot, &memory, true, &err))
			_exit(3);
		if (confine_enter(CONFINE_RUN, &needs, &err))
			_exit(4);
		snapshot_record(&snapshot, frames, 2);
		_exit(0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0, "%#x", (unsigned)status);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	cr_assert_eq(snapshot.working_set_count, 2);
	snapshot_close(&snapshot);
}

/* A file that is cut after it was mapped: a lost page, not a crash. */
Test(snapshot_file, cut_while_in_use)
{
	struct snapshot snapshot;
	struct guest_memory restored = {0};
	char byte;

	fill_some();
	save("a", NULL);
	cr_assert_eq(load(&snapshot, "a"), 0, "%s", err.text);
	cr_assert_eq(guest_memory_create(&restored, FRAMES * PAGE, &err), 0);
	cr_assert_eq(snapshot_map(&snapshot, &restored, &err), 0);
	cr_assert_eq(truncate("a", 4096), 0);
	cr_assert_eq(guest_read(&restored, (mote_gpa_t){200 * PAGE}, &byte, 1), -1);
	cr_assert_neq(snapshot_verify(&snapshot, &err), 0);
	cr_assert(strstr(err.text, "was cut"), "%s", err.text);
	snapshot_close(&snapshot);
}

Test(snapshot_file, disk_full)
{
	struct snapshot_content what = content(NULL);
	struct snapshot_written written;
	int fd = open("/dev/full", O_RDWR);

	fill_some();
	cr_assert_neq(snapshot_write(fd, &what, &written, &err), 0);
	cr_assert(strstr(err.text, "cannot write the snapshot"), "%s", err.text);
	close(fd);
}
