/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a snapshot file. */

/*
 * How it works. The guest stands still meanwhile, so its memory can be looked at twice: first to
 * find the pages to store (page_plan.c), from which the places of everything in the file follow;
 * then each chunk of pages is summed up and written while it is in the cache (page_sink.c). The
 * header and the parts, which need the sums, come last and in one go. Beside guest memory there are
 * two bits for each page of RAM and what is in the file before the pages.
 */
#include "snapshot/snapshot_write.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "snapshot/page_plan.h"
#include "snapshot/page_sink.h"
#include "vmm/lost_page.h"

struct writer {
	int fd;
	const struct snapshot_content *content;
	struct page_plan plan;
	struct page_sink sink;
	/* The start of the file, up to the pages. */
	unsigned char *head;
	size_t head_size;
	struct snapshot_header *header;
	struct snapshot_file_extent *extents;
	size_t extent_count;
	uint64_t pages; /* stored, gaps included */
	int error;      /* errno of what a guarded function did */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Zeroed. NULL: no memory. */
/* #syscalls:snapshot mmap munmap */
static void *get_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void give_back(void *memory, size_t size)
{
	if (memory)
		munmap(memory, size);
}

static void scan(void *ctx)
{
	struct writer *writer = ctx;

	page_plan_scan(&writer->plan, writer->content);
}

/* The place of one part behind the others. */
static void *place_part(struct writer *writer, unsigned kind, uint64_t *end, uint64_t size)
{
	struct snapshot_part *part = &writer->header->parts[kind];

	if (size == 0)
		return NULL;
	*part = (struct snapshot_part){.offset = *end, .size = size};
	*end = (*end + size + 15) & ~15ull;
	return writer->head + part->offset;
}

static uint64_t round_16(uint64_t size)
{
	return (size + 15) & ~15ull;
}

static uint64_t head_size(const struct writer *writer)
{
	uint64_t size = SNAPSHOT_PARTS_OFFSET;

	for (unsigned kind = 0; kind < SNAPSHOT_SECTIONS; kind++)
		size += round_16(writer->content->sections[kind].size);
	size += writer->extent_count * sizeof(struct snapshot_file_extent);
	size += round_16(snapshot_chunks(writer->pages) * sizeof(uint64_t));
	return (size + SNAPSHOT_PAGE - 1) & ~(uint64_t)(SNAPSHOT_PAGE - 1);
}

/* Everything before the pages but the sums, and where each extent will lie. */
static int make_head(struct writer *writer, struct mote_error *err)
{
	uint64_t end = SNAPSHOT_PARTS_OFFSET, offset;

	writer->extent_count = page_plan_extents(&writer->plan, NULL, &writer->pages);
	writer->head_size = head_size(writer);
	writer->head = get_memory(writer->head_size);
	if (!writer->head)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "no memory for a snapshot");
	writer->header = (void *)writer->head;
	for (unsigned kind = 0; kind < SNAPSHOT_SECTIONS; kind++) {
		const struct snapshot_section *section = &writer->content->sections[kind];
		void *to = place_part(writer, kind, &end, section->size);

		if (to)
			memcpy(to, section->bytes, section->size);
	}
	writer->extents = place_part(writer, SNAPSHOT_PART_EXTENTS, &end,
	                             writer->extent_count * sizeof *writer->extents);
	page_sink_start(&writer->sink, writer->fd, writer->head_size,
	                place_part(writer, SNAPSHOT_PART_SUMS, &end,
	                           snapshot_chunks(writer->pages) * sizeof(uint64_t)));
	page_plan_extents(&writer->plan, writer->extents, &writer->pages);
	offset = writer->head_size;
	for (size_t i = 0; i < writer->extent_count; i++) {
		if (writer->extents[i].offset == 0)
			continue;
		writer->extents[i].offset = offset;
		offset += (uint64_t)writer->extents[i].pages * SNAPSHOT_PAGE;
	}
	return 0;
}

/* Where the bytes of a page are: what is no candidate is as it was before. */
static const unsigned char *page_of(const struct writer *writer, uint64_t frame)
{
	static const unsigned char zeros[SNAPSHOT_PAGE] __attribute__((aligned(SNAPSHOT_PAGE)));
	const struct snapshot_content *content = writer->content;

	if (content->candidates[frame / 64] >> frame % 64 & 1)
		return content->memory->host + frame * SNAPSHOT_PAGE;
	return content->base ? snapshot_page(content->base, frame) : zeros;
}

static int write_extent(struct writer *writer, const struct snapshot_file_extent *extent)
{
	uint64_t frame = extent->frame, end = frame + extent->pages;

	while (frame < end) {
		const unsigned char *from = page_of(writer, frame);
		uint64_t pages = 1;

		while (frame + pages < end &&
		       page_of(writer, frame + pages) == from + pages * SNAPSHOT_PAGE)
			pages++;
		if (page_sink_add(&writer->sink, from, pages))
			return -1;
		frame += pages;
	}
	return 0;
}

static void write_pages(void *ctx)
{
	struct writer *writer = ctx;

	for (size_t i = 0; i < writer->extent_count; i++) {
		if (writer->extents[i].offset && write_extent(writer, &writer->extents[i])) {
			writer->error = errno;
			return;
		}
	}
	if (page_sink_finish(&writer->sink))
		writer->error = errno;
}

static int name_base(struct snapshot_header *header, const struct snapshot *base,
                     struct mote_error *err)
{
	const char *path = base->layers[0].name, *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (base->layer_count == SNAPSHOT_LAYERS_MAX)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "cannot build on %s: it builds on too many others", path);
	if (strlen(name) >= sizeof header->base_name)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "cannot build on %s: its name is too long", path);
	strcpy(header->base_name, name);
	memcpy(header->base_id, base->layers[0].header->id, sizeof header->base_id);
	return 0;
}

static int fill_header(struct writer *writer, struct mote_error *err)
{
	struct snapshot_header *header = writer->header;

	memcpy(header->magic, SNAPSHOT_MAGIC, sizeof header->magic);
	header->version = SNAPSHOT_VERSION;
	header->header_size = SNAPSHOT_HEADER_SIZE;
	header->file_size = writer->head_size + writer->pages * SNAPSHOT_PAGE;
	header->page_size = SNAPSHOT_PAGE;
	header->chunk_pages = SNAPSHOT_CHUNK_PAGES;
	header->working_set_capacity = SNAPSHOT_WORKING_SET_FRAMES;
	header->frames = writer->plan.frames;
	header->pages_offset = writer->head_size;
	header->extent_pages = writer->pages;
	/* #syscalls:snapshot getrandom */
	if (getrandom(header->id, sizeof header->id, 0) != sizeof header->id)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "no random numbers");
	if (writer->content->base && name_base(header, writer->content->base, err))
		return -1;
	for (unsigned kind = 0; kind < SNAPSHOT_PARTS; kind++) {
		struct snapshot_part *part = &header->parts[kind];

		if (part->size)
			part->sum = checksum_64(writer->head + part->offset, part->size);
	}
	header->sum = checksum_64(header, offsetof(struct snapshot_header, sum));
	return 0;
}

/* #syscalls:snapshot pwrite64 */
static int write_head(struct writer *writer)
{
	size_t done = 0;

	while (done < writer->head_size) {
		ssize_t now = pwrite(writer->fd, writer->head + done, writer->head_size - done,
		                     (off_t)done);

		if (now < 0 && errno == EINTR)
			continue;
		if (now <= 0)
			return -1;
		done += (size_t)now;
	}
	return 0;
}

static int cannot_write(int error, struct mote_error *err)
{
	errno = error;
	return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot write the snapshot");
}

static int write_all(struct writer *writer, struct mote_error *err)
{
	if (lost_page_guard(scan, writer))
		return lost_page_error(err, "the guest's memory");
	if (make_head(writer, err))
		return -1;
	if (lost_page_guard(write_pages, writer) || writer->error == EFAULT)
		return lost_page_error(err, "the guest's memory");
	if (writer->error)
		return cannot_write(writer->error, err);
	if (fill_header(writer, err))
		return -1;
	return write_head(writer) ? cannot_write(errno, err) : 0;
}

/* #syscalls:snapshot fsync */
int snapshot_write(int fd, const struct snapshot_content *content, struct snapshot_written *written,
                   struct mote_error *err)
{
	struct writer writer = {
	        .fd = fd,
	        .content = content,
	        .plan = {.frames = content->memory->size / SNAPSHOT_PAGE},
	};
	size_t bits = page_plan_words(writer.plan.frames) * sizeof(uint64_t);
	uint64_t start = now_ns(), end;
	int status = -1;

	if (content->base && content->base->layers[0].header->frames != writer.plan.frames)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "cannot build on %s: it has another size of memory",
		                      content->base->layers[0].name);
	writer.plan.stored = get_memory(2 * bits);
	if (!writer.plan.stored)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "no memory for a snapshot");
	if (content->base)
		writer.plan.hidden = writer.plan.stored + bits / sizeof(uint64_t);
	if (write_all(&writer, err))
		goto out;
	end = now_ns();
	if (fsync(fd)) {
		cannot_write(errno, err);
		goto out;
	}
	*written = (struct snapshot_written){
	        .pages = writer.pages,
	        .bytes = writer.header->file_size,
	        .write_ns = end - start,
	        .sync_ns = now_ns() - end,
	};
	status = 0;
out:
	give_back(writer.head, writer.head_size);
	give_back(writer.plan.stored, 2 * bits);
	return status;
}
