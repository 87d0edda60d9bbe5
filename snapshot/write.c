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

#include "snapshot/file_head.h"
#include "snapshot/page_plan.h"
#include "snapshot/page_sink.h"
#include "vmm/lost_page.h"

struct writer {
	struct page_sink sink;
	const struct snapshot_content *content;
	struct page_plan plan;
	struct file_head head;
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

static void scan(void *ctx)
{
	struct writer *writer = ctx;

	page_plan_scan(&writer->plan, writer->content);
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
	memcpy(header->base_name, name, strlen(name) + 1);
	memcpy(header->base_id, base->layers[0].header->id, sizeof header->base_id);
	return 0;
}

/* Everything before the pages but the sums, and where each extent will lie. */
static int make_head(struct writer *writer, struct mote_error *err)
{
	const struct snapshot_content *content = writer->content;
	struct file_head *head = &writer->head;
	uint64_t offset;

	writer->extent_count = page_plan_extents(&writer->plan, NULL, &writer->pages);
	if (file_head_make(head, content->sections, writer->extent_count, 0, writer->pages,
	                   content->key != NULL, err))
		return -1;
	page_plan_extents(&writer->plan, head->extents, &writer->pages);
	offset = head->size;
	for (size_t i = 0; i < writer->extent_count; i++) {
		if (head->extents[i].offset == 0)
			continue;
		head->extents[i].offset = offset;
		offset += (uint64_t)head->extents[i].pages * SNAPSHOT_PAGE;
	}
	head->header->frames = writer->plan.frames;
	/* #syscalls:snapshot getrandom */
	if (getrandom(head->header->id, sizeof head->header->id, 0) != sizeof head->header->id)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "no random numbers");
	return content->base ? name_base(head->header, content->base, err) : 0;
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
		if (writer->head.extents[i].offset &&
		    write_extent(writer, &writer->head.extents[i])) {
			writer->error = errno;
			return;
		}
	}
	if (page_sink_finish(&writer->sink))
		writer->error = errno;
}

static int cannot_write(int error, struct mote_error *err)
{
	errno = error;
	return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot write the snapshot");
}

static int write_all(struct writer *writer, int fd, struct mote_error *err)
{
	if (lost_page_guard(scan, writer))
		return lost_page_error(err, "the guest's memory");
	if (make_head(writer, err))
		return -1;
	page_sink_start(&writer->sink, fd, writer->head.size, writer->head.sums,
	                writer->head.digests);
	if (lost_page_guard(write_pages, writer) || writer->error == EFAULT)
		return lost_page_error(err, "the guest's memory");
	if (writer->error)
		return cannot_write(writer->error, err);
	return file_head_write(&writer->head, fd, writer->content->key) ? cannot_write(errno, err)
	                                                                : 0;
}

/* #syscalls:snapshot fsync mmap munmap */
int snapshot_write(int fd, const struct snapshot_content *content, struct snapshot_written *written,
                   struct mote_error *err)
{
	struct writer writer = {
	        .content = content,
	        .plan = {.frames = content->memory->size / SNAPSHOT_PAGE},
	};
	size_t words = page_plan_words(writer.plan.frames);
	uint64_t start = now_ns(), end;
	uint64_t *bits;
	int status = -1;

	if (content->base && content->base->layers[0].header->frames != writer.plan.frames)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "cannot build on %s: it has another size of memory",
		                      content->base->layers[0].name);
	bits = mmap(NULL, 2 * words * sizeof *bits, PROT_READ | PROT_WRITE,
	            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bits == MAP_FAILED)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "no memory for a snapshot");
	writer.plan.stored = bits;
	writer.plan.hidden = content->base ? bits + words : NULL;
	if (write_all(&writer, fd, err))
		goto out;
	end = now_ns();
	if (fsync(fd)) {
		cannot_write(errno, err);
		goto out;
	}
	*written = (struct snapshot_written){
	        .pages = writer.pages,
	        .bytes = writer.head.header->file_size,
	        .write_ns = end - start,
	        .sync_ns = now_ns() - end,
	};
	status = 0;
out:
	file_head_free(&writer.head);
	munmap(bits, 2 * words * sizeof *bits);
	return status;
}
