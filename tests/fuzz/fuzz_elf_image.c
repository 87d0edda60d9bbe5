/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target of the program loader: reads the input as an ELF file, places and maps it, checks it
 * all. */
#include <stdlib.h>

#include "../../vmm/elf_image.c"
#include "../../vmm/error.c"
#include "../../vmm/guest_memory.c"
#include "../../vmm/loader.c"
#include "../../vmm/lost_page.c"
#include "../../vmm/page_tables.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stands for kit_blob.S: the kit is not fuzzed through it. */
const unsigned char mote_kit_start[1], mote_kit_end[1];

#define MEMORY_SIZE (1ul << 20)
#define LOAD_AT     (MOTE_KIT_VA - MOTE_WINDOW_VA + 0x40000)

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_image(const struct elf_image *image, size_t size, bool allow_wx)
{
	uint64_t end = 0;

	require(image->segment_count > 0 && image->segment_count <= ELF_SEGMENTS_MAX);
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *at = &image->segments[i];

		require(at->memory_size > 0 && at->file_size <= at->memory_size);
		require(at->va + at->memory_size > at->va && at->va >= end);
		require(at->file_offset <= size && at->file_size <= size - at->file_offset);
		require(allow_wx || !at->is_writable || !at->is_executable);
		end = ((at->va + at->memory_size - 1) | (MOTE_PAGE_SIZE - 1)) + 1;
	}
	require(image->end == end && image->start <= image->segments[0].va);
	require(image->note_offset <= size && image->note_size <= size - image->note_offset);
	require(image->interpreter_offset <= size &&
	        image->interpreter_size <= size - image->interpreter_offset);
}

/* Every byte of a segment is where the program expects it: the file's, then zeros. */
static void check_segment(const struct elf_file *file, const struct layout *layout,
                          const struct elf_segment *segment, const uint8_t *data)
{
	uint64_t root = layout->tables.root, checked = 0;

	while (checked < segment->memory_size) {
		uint64_t va = file->bias + segment->va + checked, flags = 0, span;
		uint64_t gpa = page_tables_translate(layout->memory, root, va, &flags, &span);
		const unsigned char *bytes;

		require(gpa != UINT64_MAX && gpa >= LOAD_AT);
		require(!(flags & PTE_WRITABLE) == !segment->is_writable);
		require(!(flags & PTE_NO_EXEC) == segment->is_executable);
		require(flags & PTE_USER);
		if (span > segment->memory_size - checked)
			span = segment->memory_size - checked;
		bytes = guest_range(layout->memory, (mote_gpa_t){gpa}, span);
		require(bytes);
		if (checked < segment->file_size) {
			if (span > segment->file_size - checked)
				span = segment->file_size - checked;
			require(!memcmp(bytes, data + segment->file_offset + checked, span));
		} else {
			require(bytes[0] == 0 && !memcmp(bytes, bytes + 1, span - 1));
		}
		checked += span;
	}
}

static void load(struct elf_file *file, const uint8_t *data, struct guest_memory *memory)
{
	struct layout layout = {.memory = memory, .next = LOAD_AT, .copy_limit = UINT64_MAX};
	struct mote_error err = {0};

	if (application_load(file, &layout, &err) ||
	    page_tables_create(&layout.tables, memory, &layout.next, &err) ||
	    application_map(file, &layout, &err)) {
		require(err.code && err.text[0]);
	} else {
		for (size_t i = 0; i < file->image.segment_count; i++)
			check_segment(file, &layout, &file->image.segments[i], data);
	}
	madvise(memory->host, memory->size, MADV_DONTNEED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest_memory memory;
	struct mote_error err = {0};
	struct mote_kit_note note;
	struct elf_file file = {
	        .source = {.name = "fuzz", .size = size, .read = elf_read_bytes, .fd = -1}};
	/* A copy of the exact size: a read behind it is seen. */
	uint8_t *copy = malloc(size + !size);

	if (!copy || (!memory.host && guest_memory_create(&memory, MEMORY_SIZE, &err)))
		abort();
	memcpy(copy, data, size);
	file.source.bytes = copy;
	for (int allow_wx = 0; allow_wx <= 1; allow_wx++) {
		if (elf_image_read(&file.image, &file.source, allow_wx, &err)) {
			require(err.code == MOTE_STATUS_CANNOT_RUN && err.text[0]);
			continue;
		}
		check_image(&file.image, size, allow_wx);
		load(&file, copy, &memory);
	}
	if (kit_read(&file, &note, &err))
		require(err.code && err.text[0]);
	free(copy);
	return 0;
}
