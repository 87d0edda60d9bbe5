/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a snapshot anew with its working set as one run of pages, or without one. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "snapshot/file_head.h"
#include "snapshot/index.h"
#include "snapshot/page_sink.h"
#include "snapshot/snapshot_write.h"
#include "vmm/lost_page.h"

struct rewriter {
	struct page_sink sink;
	const struct snapshot *snapshot;
	const struct snapshot_layer *layer; /* the topmost, which is rewritten */
	struct file_head head;
	int error; /* errno */
};

/* The run: pages of whatever layer has them. Then the layer's own pages, as they are. */
static void copy_pages(void *ctx)
{
	struct rewriter *rewriter = ctx;
	const struct snapshot *snapshot = rewriter->snapshot;
	const struct snapshot_header *old = rewriter->layer->header;
	uint64_t start = old->pages_offset + old->run_pages * SNAPSHOT_PAGE;

	for (uint64_t i = 0; i < rewriter->head.header->run_pages; i++)
		if (page_sink_add(&rewriter->sink,
		                  snapshot_page(snapshot, snapshot->working_set[i]), 1))
			goto failed;
	if (page_sink_add(&rewriter->sink, rewriter->layer->bytes + start, old->extent_pages) ||
	    page_sink_finish(&rewriter->sink))
		goto failed;
	return;
failed:
	rewriter->error = errno;
}

static int make_head(struct rewriter *rewriter, uint64_t run_pages, struct mote_error *err)
{
	const struct snapshot *snapshot = rewriter->snapshot;
	const struct snapshot_header *old = rewriter->layer->header;
	const struct snapshot_file_extent *extents =
	        layer_part(rewriter->layer, SNAPSHOT_PART_EXTENTS);
	size_t count = old->parts[SNAPSHOT_PART_EXTENTS].size / sizeof *extents;
	struct file_head *head = &rewriter->head;
	struct snapshot_header *header;

	if (file_head_make(head, snapshot->sections, count, run_pages, old->extent_pages,
	                   snapshot->key != NULL, err))
		return -1;
	header = head->header;
	header->frames = old->frames;
	memcpy(header->id, old->id, sizeof header->id);
	memcpy(header->base_id, old->base_id, sizeof header->base_id);
	memcpy(header->base_name, old->base_name, sizeof header->base_name);
	for (size_t i = 0; i < count; i++) {
		head->extents[i] = extents[i];
		if (extents[i].offset)
			head->extents[i].offset =
			        extents[i].offset -
			        (old->pages_offset + old->run_pages * SNAPSHOT_PAGE) +
			        (head->size + run_pages * SNAPSHOT_PAGE);
	}
	if (run_pages) {
		head->working_set->count = (uint32_t)run_pages;
		memcpy(head->working_set->frames, snapshot->working_set,
		       run_pages * sizeof *snapshot->working_set);
	}
	return 0;
}

int snapshot_rewrite(int fd, const struct snapshot *snapshot, bool with_working_set,
                     struct mote_error *err)
{
	struct rewriter rewriter = {.snapshot = snapshot, .layer = &snapshot->layers[0]};
	const char *name = rewriter.layer->name;
	int status = -1;

	if (with_working_set && !snapshot->working_set_count)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "%s has no working set yet: the first restore records it",
		                      name);
	if (make_head(&rewriter, with_working_set ? snapshot->working_set_count : 0, err))
		goto out;
	page_sink_start(&rewriter.sink, fd, rewriter.head.size, rewriter.head.sums,
	                rewriter.head.digests);
	if (lost_page_guard(copy_pages, &rewriter) || rewriter.error == EFAULT) {
		lost_page_error(err, name);
		goto out;
	}
	errno = rewriter.error;
	if (errno || file_head_write(&rewriter.head, fd, snapshot->key) || fsync(fd)) {
		mote_error_errno(err, MOTE_STATUS_FAILED, "cannot write %s anew", name);
		goto out;
	}
	status = 0;
out:
	file_head_free(&rewriter.head);
	return status;
}
