/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of snapshot files: the input is a header without its tail of zeros, the start of the
 * list of the working set, and what comes behind it. By its first byte, checksums are put right,
 * and there is a base.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "../../snapshot/auth.c"
#include "../../snapshot/checksum.c"
#define is_zero is_zero_page
#include "../../snapshot/page_plan.c"
#undef is_zero
#include "../../snapshot/file_head.c"
#include "../../snapshot/golden_tables.c"
#undef ENTRIES
#include "../../snapshot/index.c"
#include "../../snapshot/map.c"
#include "../../snapshot/open.c"
#include "../../snapshot/page_kinds.c"
#define flush flush_pages
#include "../../snapshot/page_sink.c"
#undef flush
#include "../../snapshot/read.c"
#define make_head make_head_again
#include "../../snapshot/rewrite.c"
#undef make_head
#define run run_check
#include "../../snapshot/verify.c"
#undef run
#include "../../snapshot/write.c"
#include "../../vmm/error.c"
#define copy   copy_lost
#define handle handle_lost
#include "../../vmm/lost_page.c"
#undef copy
#undef handle
#include "../../vmm/guest_memory.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REPAIR    1
#define WITH_BASE 2

#define HEAD_SIZE   offsetof(struct snapshot_header, reserved)
#define SET_SIZE    80
#define FRAMES_MOST 1024 /* that are mapped; as many as the seeds have */

static char path[64], base_path[64], again_path[64];
static uint8_t base_id[16];

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void save_base(void)
{
	static uint64_t candidates[FRAMES_MOST / 64];
	static struct guest_memory memory;
	struct snapshot_machine machine = {.ram_size = FRAMES_MOST * 4096ull};
	struct snapshot_content content = {.memory = &memory, .candidates = candidates};
	struct snapshot_written written;
	struct snapshot_header header;
	struct mote_error err;
	int fd = open(base_path, O_RDWR | O_CREAT, 0600);

	require(guest_memory_create(&memory, machine.ram_size, &err) == 0);
	for (unsigned frame = 3; frame < 40; frame += frame % 5) {
		memory.host[frame * 4096 + 1] = 1;
		candidates[0] |= 1ull << frame;
	}
	content.sections[SNAPSHOT_MACHINE] = (struct snapshot_section){&machine, sizeof machine};
	require(snapshot_write(fd, &content, &written, &err) == 0);
	require(pread(fd, &header, sizeof header, 0) == sizeof header);
	memcpy(base_id, header.id, sizeof base_id);
	close(fd);
}

static void end(void)
{
	unlink(path);
	unlink(base_path);
	unlink(again_path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

static void start(void)
{
	char folder[] = "/dev/shm/fuzz-snapshot-XXXXXX";
	struct mote_error err;

	require(mkdtemp(folder) && lost_page_init(&err) == 0);
	snprintf(path, sizeof path, "%s/a", folder);
	snprintf(base_path, sizeof base_path, "%s/base", folder);
	snprintf(again_path, sizeof again_path, "%s/again", folder);
	save_base();
	atexit(end);
}

static void repair_sums(uint8_t *file, size_t size)
{
	const struct snapshot_header *header = (void *)file;
	const struct snapshot_part *part = &header->parts[SNAPSHOT_PART_SUMS];
	const size_t chunk = SNAPSHOT_CHUNK_PAGES * SNAPSHOT_PAGE;

	if (part->offset % 8 || part->offset >= size || part->size > size - part->offset)
		return;
	for (size_t i = 0; i < part->size / 8; i++) {
		uint64_t at = header->pages_offset + i * chunk, sum;

		if (at >= size)
			return;
		sum = checksum_64(file + at, size - at < chunk ? size - at : chunk);
		memcpy(file + part->offset + i * 8, &sum, 8);
	}
}

/* Nobody guesses checksums. */
static void repair(uint8_t *file, size_t size, bool with_base)
{
	struct snapshot_header *header = (void *)file;
	struct snapshot_working_set *set = (void *)(file + SNAPSHOT_WORKING_SET_OFFSET);

	memcpy(header->magic, SNAPSHOT_MAGIC, 8);
	header->version = SNAPSHOT_VERSION;
	memset(header->base_name, 0, sizeof header->base_name);
	memset(header->base_id, 0, sizeof header->base_id);
	if (with_base) {
		strcpy(header->base_name, "base");
		memcpy(header->base_id, base_id, sizeof base_id);
	}
	set->sum = checksum_64(&set->count, sizeof *set - 8);
	if (header->run_pages)
		header->run_list_sum = set->sum;
	repair_sums(file, size);
	for (unsigned kind = 0; kind < SNAPSHOT_PARTS; kind++) {
		struct snapshot_part *part = &header->parts[kind];

		if (part->offset < size && part->size <= size - part->offset)
			part->sum = checksum_64(file + part->offset, part->size);
	}
	header->sum = checksum_64(header, offsetof(struct snapshot_header, sum));
}

/* What snapshot_read() promises of what it takes. */
static void check(const struct snapshot *snapshot)
{
	uint64_t next = 0;

	require(snapshot->machine && snapshot->layer_count >= 1);
	require(snapshot->machine->ram_end <= snapshot->machine->ram_size);
	for (size_t i = 0; i < snapshot->extent_count; i++) {
		const struct snapshot_extent *extent = &snapshot->extents[i];
		const struct snapshot_layer *layer = &snapshot->layers[extent->layer];

		require(extent->gpa >= next && extent->pages && extent->offset);
		next = extent->gpa + extent->pages * SNAPSHOT_PAGE;
		require(next <= snapshot->machine->ram_size && next % SNAPSHOT_PAGE == 0);
		require(extent->offset % SNAPSHOT_PAGE == 0 &&
		        extent->offset + extent->pages * SNAPSHOT_PAGE <= layer->size);
	}
	for (size_t i = 0; i < snapshot->working_set_count; i++)
		require(snapshot->working_set[i] < snapshot->machine->ram_size / SNAPSHOT_PAGE);
	for (unsigned kind = SNAPSHOT_APPLICATION; kind <= SNAPSHOT_ROOT; kind++)
		if (snapshot->sections[kind].bytes)
			require(strlen(snapshot->sections[kind].bytes) + 1 ==
			        snapshot->sections[kind].size);
}

/* Whatever the page tables in it are. */
static void check_kinds(const struct snapshot *snapshot, uint64_t frames)
{
	static struct page_use uses[FRAMES_MOST];
	struct page_program program = {0x400000, 0x500000};
	struct mote_error err;

	memset(uses, 0, sizeof uses);
	require(page_kinds_find(snapshot, &program, uses, &err) == 0);
	for (uint64_t frame = 0; frame < frames; frame++)
		require(uses[frame].kind < PAGE_KIND_COUNT && uses[frame].va % 4096 == 0);
}

/* Memory has what snapshot_page() says, and a file that is written anew holds the same. */
static void use(const struct snapshot *snapshot)
{
	uint64_t frames = snapshot->machine->ram_size / SNAPSHOT_PAGE;
	struct guest_memory memory = {0};
	struct snapshot again;
	struct mote_error err;
	int fd;

	if (frames > FRAMES_MOST || snapshot_verify(snapshot, &err))
		return;
	require(guest_memory_create(&memory, snapshot->machine->ram_size, &err) == 0);
	require(snapshot_map(snapshot, &memory, &err) == 0);
	for (size_t i = 0; i < snapshot->extent_count; i++) {
		uint64_t gpa = snapshot->extents[i].gpa;

		require(!memcmp(memory.host + gpa, snapshot_page(snapshot, gpa / SNAPSHOT_PAGE),
		                SNAPSHOT_PAGE));
	}
	check_kinds(snapshot, frames);
	require(snapshot_fill_working_set(snapshot, &memory, true, &err) == 0);
	munmap(memory.host, memory.size);
	fd = open(again_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	require(snapshot_rewrite(fd, snapshot, snapshot->working_set_count != 0, &err) == 0);
	close(fd);
	require(snapshot_open(&again, again_path, &err) == 0);
	require(snapshot_read(&again, &err) == 0 && snapshot_verify(&again, &err) == 0);
	require(again.extent_count == snapshot->extent_count);
	snapshot_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[1 << 20];
	struct snapshot snapshot;
	struct mote_error err = {0};
	size_t file_size;
	int fd;

	if (!*path)
		start();
	if (size < 1 + HEAD_SIZE + SET_SIZE || size > sizeof file / 2)
		return 0;
	memset(file, 0, SNAPSHOT_PARTS_OFFSET);
	memcpy(file, data + 1, HEAD_SIZE);
	memcpy(file + SNAPSHOT_WORKING_SET_OFFSET, data + 1 + HEAD_SIZE, SET_SIZE);
	file_size = SNAPSHOT_PARTS_OFFSET + size - (1 + HEAD_SIZE + SET_SIZE);
	memcpy(file + SNAPSHOT_PARTS_OFFSET, data + 1 + HEAD_SIZE + SET_SIZE,
	       file_size - SNAPSHOT_PARTS_OFFSET);
	if (data[0] & REPAIR)
		repair(file, file_size, data[0] & WITH_BASE);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	require(fd >= 0 && write(fd, file, file_size) == (ssize_t)file_size);
	close(fd);
	if (snapshot_open(&snapshot, path, &err) || snapshot_read(&snapshot, &err)) {
		require(err.code && err.text[0] && !strchr(err.text, '\n'));
	} else {
		check(&snapshot);
		use(&snapshot);
	}
	snapshot_close(&snapshot);
	return 0;
}
