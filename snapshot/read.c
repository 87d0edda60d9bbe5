/* SPDX-License-Identifier: Apache-2.0 */
/* Checks everything of a snapshot's files but their pages, and makes the index of these. */

/*
 * How it works. Headers were copied and checked by snapshot_open(). The parts of a file are copied
 * in one read, so that nobody can change what has been checked; then each is held against its sum
 * and against the rest: sections by kind, extents in order and inside RAM and file, sizes adding up
 * to the file's. Only pages stay in the file: they are mapped, and are the guest's business.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "snapshot/auth.h"
#include "snapshot/checksum.h"
#include "snapshot/index.h"
#include "snapshot/verify.h"

/* Always -1; @fmt says what is wrong with the file. */
static int __attribute__((format(printf, 3, 4)))
bad(const struct snapshot_layer *layer, struct mote_error *err, const char *fmt, ...)
{
	char problem[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(problem, sizeof problem, fmt, args);
	va_end(args);
	return mote_error_set(err, MOTE_STATUS_CANNOT_RUN, "cannot use snapshot %s: %s",
	                      layer->name, problem);
}

static bool is_zero(const void *bytes, size_t size)
{
	const unsigned char *byte = bytes;

	while (size && *byte == 0)
		byte++, size--;
	return size == 0;
}

/* What the header says of itself, and of the size of the file. */
static int check_header(const struct snapshot_layer *layer, struct mote_error *err)
{
	const struct snapshot_header *header = layer->header;
	uint64_t pages;

	if (header->page_size != SNAPSHOT_PAGE || header->chunk_pages != SNAPSHOT_CHUNK_PAGES ||
	    header->working_set_capacity != SNAPSHOT_WORKING_SET_FRAMES ||
	    !is_zero(header->reserved, sizeof header->reserved) ||
	    (!(header->flags & SNAPSHOT_FLAG_KEYED) && !is_zero(header->code, sizeof header->code)))
		return bad(layer, err, "its header is of no known kind");
	if (!memchr(header->base_name, '\0', sizeof header->base_name) ||
	    !header->base_name[0] != is_zero(header->base_id, sizeof header->base_id) ||
	    is_zero(header->id, sizeof header->id))
		return bad(layer, err, "its header contradicts itself about its base");
	if (header->frames == 0 || header->frames > SNAPSHOT_FRAMES_MAX)
		return bad(layer, err, "it is of a machine without memory, or of too much");
	if (header->pages_offset % SNAPSHOT_PAGE || header->pages_offset < SNAPSHOT_PARTS_OFFSET ||
	    header->pages_offset > SNAPSHOT_PARTS_OFFSET + SNAPSHOT_PARTS_MAX ||
	    header->run_pages > SNAPSHOT_WORKING_SET_FRAMES ||
	    header->extent_pages > SNAPSHOT_FRAMES_MAX)
		return bad(layer, err, "its header has impossible sizes");
	pages = header->run_pages + header->extent_pages;
	if (header->file_size != header->pages_offset + pages * SNAPSHOT_PAGE)
		return bad(layer, err, "the sizes in its header do not add up");
	if (layer->size != header->file_size)
		return bad(layer, err, "it is %s: it has %llu bytes, and should have %llu",
		           layer->size < header->file_size ? "cut off" : "too long",
		           (unsigned long long)layer->size, (unsigned long long)header->file_size);
	return 0;
}

/* Copy the parts, and check that each lies inside them and is what was written. */
/* #syscalls:load pread64 */
static int read_parts(struct snapshot_layer *layer, struct mote_error *err)
{
	const struct snapshot_header *header = layer->header;
	size_t size = header->pages_offset - SNAPSHOT_PARTS_OFFSET, done = 0;

	layer->parts = aligned_alloc(16, size + 16);
	if (!layer->parts)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for the index of %s",
		                      layer->name);
	while (done < size) {
		ssize_t got = pread(layer->fd, layer->parts + done, size - done,
		                    (off_t)(SNAPSHOT_PARTS_OFFSET + done));

		if (got < 0)
			return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot read %s",
			                        layer->name);
		if (got == 0)
			return bad(layer, err, "it is cut off");
		done += (size_t)got;
	}
	for (unsigned kind = 0; kind < SNAPSHOT_PARTS; kind++) {
		const struct snapshot_part *part = &header->parts[kind];

		if (part->size == 0)
			continue;
		if (part->offset % 16 || part->offset < SNAPSHOT_PARTS_OFFSET ||
		    part->offset > header->pages_offset ||
		    part->size > header->pages_offset - part->offset)
			return bad(layer, err, "part %u lies outside its place", kind);
		if (checksum_64(layer_part(layer, kind), part->size) != part->sum)
			return bad(layer, err, "part %u is damaged (wrong checksum)", kind);
	}
	return 0;
}

/* Extents ascend, lie in RAM and in the file, and the sums are of as many chunks as there are. */
static int check_index(const struct snapshot_layer *layer, struct mote_error *err)
{
	const struct snapshot_header *header = layer->header;
	const struct snapshot_file_extent *extents = layer_part(layer, SNAPSHOT_PART_EXTENTS);
	uint64_t size = header->parts[SNAPSHOT_PART_EXTENTS].size;
	uint64_t chunks = snapshot_chunks(header->run_pages + header->extent_pages);
	uint64_t start = header->pages_offset + header->run_pages * SNAPSHOT_PAGE;
	bool is_keyed = header->flags & SNAPSHOT_FLAG_KEYED;
	uint64_t next = 0;

	if (size % sizeof *extents)
		return bad(layer, err, "its index of pages has an impossible size");
	for (size_t i = 0; i < size / sizeof *extents; i++) {
		const struct snapshot_file_extent *extent = &extents[i];

		if (extent->frame < next || extent->pages == 0 ||
		    extent->frame + (uint64_t)extent->pages > header->frames)
			return bad(layer, err, "its index of pages is out of order");
		next = extent->frame + (uint64_t)extent->pages;
		if (extent->offset == 0)
			continue;
		if (extent->offset % SNAPSHOT_PAGE || extent->offset < start ||
		    extent->offset > header->file_size ||
		    extent->pages > (header->file_size - extent->offset) / SNAPSHOT_PAGE)
			return bad(layer, err, "its index has pages that it does not have");
	}
	if (header->parts[SNAPSHOT_PART_SUMS].size != chunks * sizeof(uint64_t) ||
	    header->parts[SNAPSHOT_PART_DIGESTS].size != (is_keyed ? chunks * 32 : 0))
		return bad(layer, err, "it has too few or too many checksums");
	return 0;
}

static bool is_text(const struct snapshot_section *section)
{
	return section->size && memchr(section->bytes, '\0', section->size) ==
	                                (const char *)section->bytes + section->size - 1;
}

/* Sections of the snapshot itself; those of its base are of no use to anyone. */
static int take_sections(struct snapshot *snapshot, struct mote_error *err)
{
	const struct snapshot_layer *layer = &snapshot->layers[0];
	const struct snapshot_machine *machine;

	for (unsigned kind = 0; kind < SNAPSHOT_SECTIONS; kind++)
		snapshot->sections[kind] = (struct snapshot_section){
		        .bytes = layer_part(layer, kind),
		        .size = layer->header->parts[kind].size,
		};
	for (unsigned kind = SNAPSHOT_SECTIONS; kind < SNAPSHOT_PART_EXTENTS; kind++)
		if (layer->header->parts[kind].size)
			return bad(layer, err, "it has a part of no known kind");
	if (snapshot->sections[SNAPSHOT_MACHINE].size != sizeof *machine)
		return bad(layer, err, "it does not say of which machine it is");
	machine = snapshot->sections[SNAPSHOT_MACHINE].bytes;
	if (machine->ram_size / SNAPSHOT_PAGE != layer->header->frames ||
	    machine->ram_size % SNAPSHOT_PAGE || machine->ram_end % SNAPSHOT_PAGE ||
	    machine->ram_end > machine->ram_size || machine->free.start > machine->free.end ||
	    machine->free.end > machine->ram_size || machine->free.start % SNAPSHOT_PAGE ||
	    machine->free.end % SNAPSHOT_PAGE || machine->page_table >= machine->ram_size ||
	    !memchr(machine->vmm_version, '\0', sizeof machine->vmm_version) ||
	    !memchr(machine->kit.version, '\0', sizeof machine->kit.version))
		return bad(layer, err, "what it says of its machine is impossible");
	for (unsigned kind = SNAPSHOT_APPLICATION; kind <= SNAPSHOT_ROOT; kind++)
		if (snapshot->sections[kind].bytes && !is_text(&snapshot->sections[kind]))
			return bad(layer, err, "it has a path that is none");
	snapshot->machine = machine;
	return 0;
}

static bool is_ascending(const uint32_t *frames, size_t count, uint64_t limit)
{
	for (size_t i = 0; i < count; i++)
		if (frames[i] >= limit || (i && frames[i] <= frames[i - 1]))
			return false;
	return true;
}

/*
 * The working set: where its pages are a run in the file, its list is as much a part of the file as
 * any other; else it is a hint, and one that makes no sense is not there.
 */
static int take_working_set(struct snapshot *snapshot, struct mote_error *err)
{
	struct snapshot_layer *layer = &snapshot->layers[0];
	const struct snapshot_header *header = layer->header;
	const struct snapshot_working_set *set = snapshot->working_set_bytes;
	size_t list_size;

	if (!set)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for the working set");
	list_size = sizeof *set - offsetof(struct snapshot_working_set, count);
	if (checksum_64(&set->count, list_size) == set->sum && set->count != 0 &&
	    set->count <= SNAPSHOT_WORKING_SET_FRAMES &&
	    is_ascending(set->frames, set->count, header->frames)) {
		snapshot->working_set = set->frames;
		snapshot->working_set_count = set->count;
	}
	if (header->run_pages) {
		if (snapshot->working_set_count != header->run_pages ||
		    header->run_list_sum != set->sum)
			return bad(layer, err, "its working set is damaged (wrong checksum)");
		snapshot->working_set_offset = header->pages_offset;
	}
	snapshot->can_record = snapshot->record && !snapshot->working_set_count;
	return 0;
}

/* That the layer below is of the same machine; snapshot_open() has compared ids. */
static int check_base(const struct snapshot *snapshot, unsigned layer, struct mote_error *err)
{
	const struct snapshot_layer *above = &snapshot->layers[layer];
	const struct snapshot_layer *base = above + 1;

	if (above->header->frames != base->header->frames)
		return bad(above, err, "its base %s has another size of memory", base->name);
	return 0;
}

/* The list of a layer's run: of the topmost one what take_working_set() will look at. */
static const struct snapshot_working_set *read_list(const struct snapshot *snapshot,
                                                    const struct snapshot_layer *layer,
                                                    struct snapshot_working_set *copy)
{
	if (layer == &snapshot->layers[0])
		return snapshot->working_set_bytes;
	return pread(layer->fd, copy, sizeof *copy, SNAPSHOT_WORKING_SET_OFFSET) == sizeof *copy
	               ? copy
	               : NULL;
}

/* With a key: that the file, its pages included, was written by somebody who has it. */
static int check_authentication(const struct snapshot *snapshot, struct snapshot_layer *layer,
                                struct mote_error *err)
{
	const struct snapshot_header *header = layer->header;
	const struct snapshot_working_set *set = NULL;
	struct snapshot_working_set copy;
	uint8_t code[32];

	if (!(header->flags & SNAPSHOT_FLAG_KEYED))
		return snapshot->key ? bad(layer, err, "it was not written with a key") : 0;
	if (!snapshot->key)
		return snapshot->is_only_looked_at
		               ? 0
		               : bad(layer, err,
		                     "it was written with a key: give the same by --key-file");
	if (header->run_pages) {
		set = read_list(snapshot, layer, &copy);
		if (!set)
			return bad(layer, err, "it is cut off");
	}
	auth_code(snapshot->key, header, set, layer->parts,
	          header->pages_offset - SNAPSHOT_PARTS_OFFSET, code);
	if (!auth_is_equal(code, header->code))
		return bad(layer, err, "it was written with another key, or changed since");
	return verify_digests(layer, err);
}

/* #syscalls:load mmap */
static int read_layer(struct snapshot *snapshot, unsigned number, struct mote_error *err)
{
	struct snapshot_layer *layer = &snapshot->layers[number];
	void *bytes;

	if (check_header(layer, err) || read_parts(layer, err) || check_index(layer, err))
		return -1;
	if (number + 1 < snapshot->layer_count && check_base(snapshot, number, err))
		return -1;
	bytes = mmap(NULL, layer->size, PROT_READ, MAP_SHARED, layer->fd, 0);
	if (bytes == MAP_FAILED)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot map %s", layer->name);
	layer->bytes = bytes;
	if (check_authentication(snapshot, layer, err))
		return -1;
	if (index_add_layer(snapshot, number, layer_part(layer, SNAPSHOT_PART_EXTENTS),
	                    layer->header->parts[SNAPSHOT_PART_EXTENTS].size /
	                            sizeof(struct snapshot_file_extent)))
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for the index of %s",
		                      layer->name);
	return 0;
}

int snapshot_read(struct snapshot *snapshot, struct mote_error *err)
{
	for (unsigned i = 0; i < snapshot->layer_count; i++)
		if (read_layer(snapshot, i, err))
			return -1;
	index_drop_zeros(snapshot);
	if (take_sections(snapshot, err))
		return -1;
	return take_working_set(snapshot, err);
}
