/* SPDX-License-Identifier: Apache-2.0 */
/* Guest RAM and the one checked way to it. */
#include "vmm/guest_memory.h"

#include <errno.h>
#include <sys/mman.h>

#include "vmm/lost_page.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_POPULATE_WRITE /* musl 1.2.3 */
#define MADV_POPULATE_WRITE 23
#endif

/* #syscalls:load mmap */
int guest_memory_create(struct guest_memory *memory, uint64_t size, struct mote_error *err)
{
	/* Aligned like guest-physical memory, so that a huge page of the host can be one of the
	 * guest. */
	uint64_t room = size > MOTE_HUGE_PAGE_SIZE ? MOTE_HUGE_PAGE_SIZE : 0;
	unsigned char *host = mmap(NULL, size + room, PROT_READ | PROT_WRITE,
	                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (host == MAP_FAILED)
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot reserve %llu MiB of guest memory",
		                        (unsigned long long)(size >> 20));
	*memory = (struct guest_memory){.size = size, .mapping = host, .mapping_size = size + room};
	memory->host = room ? host + (-(uint64_t)host & (MOTE_HUGE_PAGE_SIZE - 1)) : host;
	return 0;
}

void guest_memory_close(struct guest_memory *memory)
{
	if (memory->mapping)
		munmap(memory->mapping, memory->mapping_size);
	*memory = (struct guest_memory){0};
}

static void note_touched(const struct guest_memory *memory, uint64_t first, uint64_t last)
{
	for (uint64_t frame = first; frame <= last; frame++)
		memory->touched[frame / 64] |= 1ull << frame % 64;
	if (*memory->touched_end <= last / 64)
		*memory->touched_end = last / 64 + 1;
}

void *guest_range(const struct guest_memory *memory, mote_gpa_t gpa, uint64_t length)
{
	if (gpa.value > memory->size || length > memory->size - gpa.value)
		return NULL;
	if (memory->touched && length)
		note_touched(memory, gpa.value / MOTE_PAGE_SIZE,
		             (gpa.value + length - 1) / MOTE_PAGE_SIZE);
	return memory->host + gpa.value;
}

int guest_read(const struct guest_memory *memory, mote_gpa_t gpa, void *buffer, size_t length)
{
	const void *from = guest_range(memory, gpa, length);

	return from ? lost_page_copy(buffer, from, length) : -1;
}

int guest_write(const struct guest_memory *memory, mote_gpa_t gpa, const void *buffer,
                size_t length)
{
	void *to = guest_range(memory, gpa, length);

	return to ? lost_page_copy(to, buffer, length) : -1;
}

/* Files are mapped from the bottom up: the last range is the one to join to. */
static void note_backed(struct guest_memory *memory, uint64_t start, uint64_t end)
{
	struct mote_range *last = &memory->backed[GUEST_MEMORY_BACKED_MAX - 1];

	if (memory->backed_count == GUEST_MEMORY_BACKED_MAX) {
		last->end = end > last->end ? end : last->end;
		last->start = start < last->start ? start : last->start;
		return;
	}
	memory->backed[memory->backed_count++] = (struct mote_range){start, end};
}

/* #syscalls:load mmap */
int guest_memory_map_file(struct guest_memory *memory, mote_gpa_t gpa, uint64_t length, int fd,
                          uint64_t offset, const char *name, struct mote_error *err)
{
	void *at = guest_range(memory, gpa, length);

	if (!at || gpa.value % MOTE_PAGE_SIZE || offset % MOTE_PAGE_SIZE)
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
		                      "cannot map %s: it does not fit the guest's memory", name);
	if (!length)
		return 0;
	if (mmap(at, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd,
	         (off_t)offset) == MAP_FAILED)
		return mote_error_errno(err, MOTE_STATUS_CANNOT_RUN, "cannot map %s", name);
	note_backed(memory, gpa.value, gpa.value + length);
	return 0;
}

/* #syscalls:load mmap mremap(MREMAP_MAYMOVE|MREMAP_FIXED|MREMAP_DONTUNMAP) */
int guest_memory_map_own(struct guest_memory *memory, mote_gpa_t gpa, uint64_t length,
                         const void *from, struct mote_error *err)
{
	void *at = guest_range(memory, gpa, length);

	if (!at || (gpa.value | length | (uint64_t)from) % MOTE_PAGE_SIZE)
		return 1;
	if (mremap((void *)(uintptr_t)from, length, length,
	           MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, at) != MAP_FAILED) {
		note_backed(memory, gpa.value, gpa.value + length);
		return 0;
	}
	/* What was there may be gone. */
	if (mmap(at, length, PROT_READ | PROT_WRITE,
	         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot map guest memory");
	return 1;
}

/* #syscalls:load madvise(MADV_POPULATE_WRITE) */
int guest_memory_populate(const struct guest_memory *memory, mote_gpa_t gpa, uint64_t length,
                          struct mote_error *err)
{
	if (gpa.value > memory->size || !length)
		return 0;
	if (length > memory->size - gpa.value)
		length = memory->size - gpa.value;
	/* Linux before 5.14 has no such advice, and then populates page by page. */
	if (madvise(memory->host + gpa.value, length, MADV_POPULATE_WRITE) && errno != EINVAL)
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot get %llu KiB of memory for the guest",
		                        (unsigned long long)(length >> 10));
	return 0;
}

/* #syscalls:load mmap madvise(MADV_HUGEPAGE) */
int guest_memory_map_huge(const struct guest_memory *memory, mote_gpa_t gpa, struct mote_error *err)
{
	void *at = guest_range(memory, gpa, MOTE_HUGE_PAGE_SIZE);

	if (!at || gpa.value % MOTE_HUGE_PAGE_SIZE ||
	    mmap(at, MOTE_HUGE_PAGE_SIZE, PROT_READ | PROT_WRITE,
	         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot get 2 MiB of memory for the guest");
	madvise(at, MOTE_HUGE_PAGE_SIZE, MADV_HUGEPAGE);
	return 0;
}

/* #syscalls:run madvise(MADV_HUGEPAGE) */
void guest_memory_prefer_huge(const struct guest_memory *memory, uint64_t end)
{
	if (end > MOTE_HUGE_PAGE_SIZE && end <= memory->size)
		madvise(memory->host + MOTE_HUGE_PAGE_SIZE, end - MOTE_HUGE_PAGE_SIZE,
		        MADV_HUGEPAGE);
}

/* #syscalls:run madvise(MADV_DONTNEED) */
int guest_memory_discard(const struct guest_memory *memory, mote_gpa_t gpa, uint64_t length)
{
	void *at = guest_range(memory, gpa, length);

	if (!at || (gpa.value | length) % MOTE_PAGE_SIZE || gpa.value < memory->free.start ||
	    gpa.value + length > memory->free.end)
		return -1;
	return length ? madvise(at, length, MADV_DONTNEED) : 0;
}
