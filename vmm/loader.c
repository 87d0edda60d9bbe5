/* SPDX-License-Identifier: Apache-2.0 */
/* Puts kit.elf and the application into guest memory. */
#include "vmm/loader.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* kit_blob.S: kit.elf inside mote's own executable. */
extern const unsigned char mote_kit_start[], mote_kit_end[];

static uint64_t page_floor(uint64_t value)
{
	return value & ~(MOTE_PAGE_SIZE - 1);
}

static uint64_t page_ceiling(uint64_t value)
{
	return page_floor(value + MOTE_PAGE_SIZE - 1);
}

int elf_file_open(struct elf_file *file, const char *path, struct mote_error *err)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		bool missing = errno == ENOENT || errno == ENOTDIR;

		mote_error_errno(err, missing ? MOTE_STATUS_NOT_FOUND : MOTE_STATUS_CANNOT_RUN,
		                 "cannot open %s", path);
		if (missing && !strchr(path, '/'))
			mote_error_hint(err, "Give a path, as in ./%s: PATH is not searched", path);
		return -1;
	}
	if (fstat(fd, &status) || !S_ISREG(status.st_mode)) {
		close(fd);
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
		                      "cannot run %s: it is not a regular file", path);
	}
	file->source = (struct elf_source){.name = path,
	                                   .size = (uint64_t)status.st_size,
	                                   .read = elf_read_file,
	                                   .is_mappable = true,
	                                   .fd = fd};
	return 0;
}

int kit_open(struct elf_file *file, const char *path, struct mote_error *err)
{
	if (path)
		return elf_file_open(file, path, err);
	file->source = (struct elf_source){.name = "kit.elf",
	                                   .size = (uint64_t)(mote_kit_end - mote_kit_start),
	                                   .read = elf_read_bytes,
	                                   .fd = -1,
	                                   .bytes = mote_kit_start};
	return 0;
}

static int bad_kit(const struct elf_file *kit, const char *why, struct mote_error *err)
{
	return mote_error_set(err, MOTE_STATUS_FAILED, "cannot use the guest kit %s: %s",
	                      kit->source.name, why);
}

static int compare_versions(const struct elf_file *kit, const struct mote_kit_note *note,
                            struct mote_error *err)
{
	if (note->abi_version == MOTE_ABI_VERSION && note->size == sizeof *note)
		return 0;
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "the guest kit %s (version %.31s, ABI %u) is %s than this mote "
	                      "(version %s, ABI %u). Use the kit that was built with it",
	                      kit->source.name, note->version, note->abi_version,
	                      note->abi_version < MOTE_ABI_VERSION ? "older" : "newer",
	                      MOTE_VERSION, MOTE_ABI_VERSION);
}

/* The first note of the file: header, owner padded to four bytes, descriptor (ELF gABI, "Note
 * Section"). */
#define NOTE_OWNER_OFFSET      sizeof(Elf64_Nhdr)
#define NOTE_DESCRIPTOR_OFFSET (NOTE_OWNER_OFFSET + 8)

int kit_read(struct elf_file *kit, struct mote_kit_note *note, struct mote_error *err)
{
	unsigned char bytes[NOTE_DESCRIPTOR_OFFSET + sizeof *note] = {0};
	const struct elf_image *image = &kit->image;
	Elf64_Nhdr header;

	if (elf_image_read(&kit->image, &kit->source, false, err))
		return -1;
	if (image->note_size < NOTE_DESCRIPTOR_OFFSET + 8 ||
	    kit->source.read(&kit->source, image->note_offset, bytes,
	                     image->note_size < sizeof bytes ? (size_t)image->note_size
	                                                     : sizeof bytes))
		return bad_kit(kit, "it has no Mote note", err);
	memcpy(&header, bytes, sizeof header);
	memcpy(note, bytes + NOTE_DESCRIPTOR_OFFSET, sizeof *note);
	if (header.n_namesz != sizeof MOTE_NOTE_OWNER || header.n_type != MOTE_NOTE_KIT ||
	    memcmp(bytes + NOTE_OWNER_OFFSET, MOTE_NOTE_OWNER, sizeof MOTE_NOTE_OWNER))
		return bad_kit(kit, "it has no Mote note", err);
	note->version[sizeof note->version - 1] = '\0';
	if (compare_versions(kit, note, err))
		return -1;
	if (image->start < MOTE_RING0_VA || image->end > MOTE_WINDOW_END)
		return bad_kit(kit, "it is not linked into the kit's window", err);
	return 0;
}

/* Copy the file part of a segment to @gpa (page of its start), from the start of its first page. */
static int copy_segment(const struct elf_file *file, const struct elf_segment *segment,
                        uint64_t gpa, struct layout *layout, struct mote_error *err)
{
	uint64_t lead = segment->va % MOTE_PAGE_SIZE;
	void *to = guest_range(layout->memory, (mote_gpa_t){gpa}, lead + segment->file_size);

	if (!to || file->source.read(&file->source, segment->file_offset - lead, to,
	                             lead + segment->file_size))
		return mote_error_errno(err, MOTE_STATUS_CANNOT_RUN, "cannot read %s",
		                        file->source.name);
	return 0;
}

/* Map the file part of a segment at @gpa and clear what follows it in its last page. */
static int map_segment(const struct elf_file *file, const struct elf_segment *segment, uint64_t gpa,
                       struct layout *layout, struct mote_error *err)
{
	uint64_t lead = segment->va % MOTE_PAGE_SIZE;
	uint64_t length = lead + segment->file_size;

	if (guest_memory_map_file(layout->memory, (mote_gpa_t){gpa}, length, file->source.fd,
	                          file->source.start + segment->file_offset - lead,
	                          file->source.name, err))
		return -1;
	if (segment->memory_size > segment->file_size && length % MOTE_PAGE_SIZE)
		memset(layout->memory->host + gpa + length, 0, page_ceiling(length) - length);
	return 0;
}

/*
 * A page that is copied in beforehand costs well under a microsecond, one that the guest faults in
 * from a mapping 1 us on hardware and 30 us and more under kvm-pvm, which also brings in eight at
 * once if they are writable memory of our own. Mapping pays for what is large: it shares the page
 * cache.
 */
static int place_segment(const struct elf_file *file, const struct elf_segment *segment,
                         uint64_t gpa, struct layout *layout, struct mote_error *err)
{
	if (!segment->file_size)
		return 0;
	if (segment->file_size <= layout->copy_limit || !file->source.is_mappable)
		return copy_segment(file, segment, gpa, layout, err);
	return map_segment(file, segment, gpa, layout, err);
}

struct mote_range kit_copied(const struct elf_file *kit)
{
	uint64_t start = kit->image.entry - kit->image.entry % KIT_GROUP;

	return (struct mote_range){start, start + KIT_COPIED_GROUPS * KIT_GROUP};
}

/*
 * Map the rest of the constant part, if it lies in a row in the file, too: of this a program uses a
 * few pages, and many use none. Mapped, such a page costs a fault; copied, each of them costs each
 * start, and its end, some 1.7 us. *@limit: where what is left to copy ends.
 */
static int map_rest(const struct elf_file *kit, struct layout *layout, uint64_t *limit,
                    struct mote_error *err)
{
	uint64_t start = kit_copied(kit).end, end = 0, distance = 0;
	int result;

	*limit = UINT64_MAX;
	for (size_t i = 0; i < kit->image.segment_count; i++) {
		const struct elf_segment *segment = &kit->image.segments[i];

		if (!segment->file_size || segment->va + segment->file_size <= start)
			continue;
		if (segment->is_writable || (end && segment->va - segment->file_offset != distance))
			return 0;
		distance = segment->va - segment->file_offset;
		end = page_ceiling(segment->va + segment->file_size);
	}
	if (!end || !kit->source.bytes)
		return 0;
	result = guest_memory_map_own(layout->memory, (mote_gpa_t){start - MOTE_WINDOW_VA},
	                              end - start, kit->source.bytes + (start - distance), err);
	if (!result)
		*limit = start;
	return result < 0 ? -1 : 0;
}

int kit_load(const struct elf_file *kit, struct layout *layout, struct mote_error *err)
{
	uint64_t end = kit->image.end - MOTE_WINDOW_VA, limit;

	if (end >= layout->memory->size)
		return bad_kit(kit, "the guest's memory is too small for it. Use --mem", err);
	if (map_rest(kit, layout, &limit, err))
		return -1;
	for (size_t i = 0; i < kit->image.segment_count; i++) {
		struct elf_segment part = kit->image.segments[i];

		if (!part.file_size || part.va >= limit)
			continue;
		if (part.file_size > limit - part.va)
			part.file_size = limit - part.va;
		if (copy_segment(kit, &part, page_floor(part.va) - MOTE_WINDOW_VA, layout, err))
			return -1;
	}
	layout->next = end;
	return 0;
}

static uint64_t segment_flags(const struct elf_segment *segment)
{
	return (segment->is_writable ? PTE_WRITABLE : 0) |
	       (segment->is_executable ? 0 : PTE_NO_EXEC) | (segment->is_supervisor ? 0 : PTE_USER);
}

static uint64_t segment_pages(const struct elf_segment *segment)
{
	return page_ceiling(segment->va + segment->memory_size) - page_floor(segment->va);
}

int kit_map(const struct elf_file *kit, struct layout *layout, struct mote_error *err)
{
	for (size_t i = 0; i < kit->image.segment_count; i++) {
		const struct elf_segment *segment = &kit->image.segments[i];
		uint64_t va = page_floor(segment->va);

		if (page_tables_map(&layout->tables, va, va - MOTE_WINDOW_VA,
		                    segment_pages(segment), segment_flags(segment), err))
			return -1;
	}
	return 0;
}

static int check_addresses(struct elf_file *application, const struct layout *layout,
                           struct mote_error *err)
{
	const struct elf_image *image = &application->image;
	uint64_t free = layout->memory->size - layout->next;
	uint64_t needed = 0;

	application->bias = image->is_position_independent ? MOTE_PIE_BASE : 0;
	if (image->start < MOTE_PAGE_SIZE && !image->is_position_independent)
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
		                      "cannot run %s: a segment covers address 0, which stays "
		                      "unmapped",
		                      image->name);
	for (size_t i = 0; i < image->segment_count; i++) {
		if (image->segments[i].memory_size > free ||
		    (needed += segment_pages(&image->segments[i])) > free)
			return mote_error_set(
			        err, MOTE_STATUS_CANNOT_RUN,
			        "cannot run %s: its segments take more than the %llu KiB of guest "
			        "memory that are free. Give it more with --mem",
			        image->name, (unsigned long long)(free >> 10));
	}
	if (image->end > MOTE_STACK_TOP / 2)
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
		                      "cannot run %s: a segment lies above address 0x%lx",
		                      image->name, MOTE_STACK_TOP / 2);
	return 0;
}

int application_load(struct elf_file *application, struct layout *layout, struct mote_error *err)
{
	const struct elf_image *image = &application->image;

	if (check_addresses(application, layout, err))
		return -1;
	application->gpa = layout->next;
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *segment = &image->segments[i];

		if (place_segment(application, segment, layout->next, layout, err))
			return -1;
		layout->next += segment_pages(segment);
	}
	return 0;
}

int application_map(const struct elf_file *application, struct layout *layout,
                    struct mote_error *err)
{
	const struct elf_image *image = &application->image;
	uint64_t gpa = application->gpa;

	for (size_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *segment = &image->segments[i];

		if (page_tables_map(&layout->tables, page_floor(segment->va) + application->bias,
		                    gpa, segment_pages(segment),
		                    segment_flags(segment) | PTE_USER | MOTE_PTE_IMAGE, err))
			return -1;
		gpa += segment_pages(segment);
	}
	return 0;
}
