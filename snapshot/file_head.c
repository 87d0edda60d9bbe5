/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the beginning of a snapshot file: header, place of the working set, parts. */
#include "snapshot/file_head.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "snapshot/auth.h"
#include "snapshot/checksum.h"

static uint64_t round_up(uint64_t size, uint64_t unit)
{
	return (size + unit - 1) & ~(unit - 1);
}

/* Give a part its place behind the others. Return: where to put it. */
static void *place(struct file_head *head, unsigned kind, uint64_t *end, uint64_t size)
{
	if (size == 0)
		return NULL;
	head->header->parts[kind] = (struct snapshot_part){.offset = *end, .size = size};
	*end = round_up(*end + size, 16);
	return head->bytes + head->header->parts[kind].offset;
}

static void fill_header(struct file_head *head, uint64_t run_pages, uint64_t extent_pages)
{
	struct snapshot_header *header = head->header;

	memcpy(header->magic, SNAPSHOT_MAGIC, sizeof header->magic);
	header->version = SNAPSHOT_VERSION;
	header->header_size = SNAPSHOT_HEADER_SIZE;
	header->page_size = SNAPSHOT_PAGE;
	header->chunk_pages = SNAPSHOT_CHUNK_PAGES;
	header->working_set_capacity = SNAPSHOT_WORKING_SET_FRAMES;
	header->pages_offset = head->size;
	header->run_pages = run_pages;
	header->extent_pages = extent_pages;
	header->file_size = head->size + (run_pages + extent_pages) * SNAPSHOT_PAGE;
}

/* #syscalls:snapshot mmap munmap */
int file_head_make(struct file_head *head, const struct snapshot_section *sections,
                   size_t extent_count, uint64_t run_pages, uint64_t extent_pages, bool is_keyed,
                   struct mote_error *err)
{
	uint64_t extents_size = extent_count * sizeof *head->extents;
	uint64_t chunks = snapshot_chunks(run_pages + extent_pages);
	uint64_t sums_size = chunks * sizeof *head->sums;
	uint64_t digests_size = is_keyed ? chunks * sizeof *head->digests : 0;
	uint64_t end = SNAPSHOT_PARTS_OFFSET + round_up(extents_size, 16) +
	               round_up(sums_size, 16) + digests_size;
	void *bytes;

	for (unsigned kind = 0; kind < SNAPSHOT_SECTIONS; kind++)
		end += round_up(sections[kind].size, 16);
	if (end - SNAPSHOT_PARTS_OFFSET > SNAPSHOT_PARTS_MAX)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "the guest's memory is too scattered for a snapshot");
	end = round_up(end, SNAPSHOT_PAGE);
	bytes = mmap(NULL, end, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
	             -1, 0);
	if (bytes == MAP_FAILED)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "no memory for a snapshot");
	head->bytes = bytes;
	head->size = end;
	head->header = bytes;
	head->working_set = (void *)(head->bytes + SNAPSHOT_WORKING_SET_OFFSET);
	fill_header(head, run_pages, extent_pages);
	end = SNAPSHOT_PARTS_OFFSET;
	for (unsigned kind = 0; kind < SNAPSHOT_SECTIONS; kind++) {
		void *to = place(head, kind, &end, sections[kind].size);

		if (to)
			memcpy(to, sections[kind].bytes, sections[kind].size);
	}
	head->extents = place(head, SNAPSHOT_PART_EXTENTS, &end, extents_size);
	head->sums = place(head, SNAPSHOT_PART_SUMS, &end, sums_size);
	head->digests = place(head, SNAPSHOT_PART_DIGESTS, &end, digests_size);
	head->header->flags = is_keyed ? SNAPSHOT_FLAG_KEYED : 0;
	return 0;
}

static void sum_up(struct file_head *head, const struct snapshot_key *key)
{
	struct snapshot_header *header = head->header;

	if (header->run_pages) {
		struct snapshot_working_set *set = head->working_set;

		set->sum = checksum_64(&set->count,
		                       sizeof *set - offsetof(struct snapshot_working_set, count));
		header->run_list_sum = set->sum;
	}
	for (unsigned kind = 0; kind < SNAPSHOT_PARTS; kind++) {
		struct snapshot_part *part = &header->parts[kind];

		if (part->size)
			part->sum = checksum_64(head->bytes + part->offset, part->size);
	}
	if (key)
		auth_code(key, header, header->run_pages ? head->working_set : NULL,
		          head->bytes + SNAPSHOT_PARTS_OFFSET, head->size - SNAPSHOT_PARTS_OFFSET,
		          header->code);
	header->sum = checksum_64(header, offsetof(struct snapshot_header, sum));
}

/* #syscalls:snapshot pwrite64 */
int file_head_write(struct file_head *head, int fd, const struct snapshot_key *key)
{
	size_t done = 0;

	sum_up(head, key);
	while (done < head->size) {
		ssize_t now = pwrite(fd, head->bytes + done, head->size - done, (off_t)done);

		if (now < 0 && errno == EINTR)
			continue;
		if (now <= 0) {
			errno = now ? errno : ENOSPC;
			return -1;
		}
		done += (size_t)now;
	}
	return 0;
}

void file_head_free(struct file_head *head)
{
	if (head->bytes)
		munmap(head->bytes, head->size);
	head->bytes = NULL;
}
