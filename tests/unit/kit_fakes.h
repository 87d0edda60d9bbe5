/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kit's core for unit tests in an ordinary process: page frames, heap, clock, and user memory
 * that is the process's own. To be included once, before the kit's sources, in a file that defines
 * MOTE_HOSTED.
 */
#ifndef MOTE_TESTS_KIT_FAKES_H
#define MOTE_TESTS_KIT_FAKES_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "guestkit/clock.h"
#include "guestkit/memory.h"
#include "guestkit/user.h"

/* ---- frames: an arena whose first frame is at FAKE_BASE ---- */

#define FAKE_BASE   0x40000000ul
#define FAKE_FRAMES 32768

static unsigned char *fake_arena;
static unsigned char fake_used[FAKE_FRAMES];
static size_t fake_free = FAKE_FRAMES;
static size_t fake_next;
static size_t fake_heap_blocks; /* blocks of the heap in use: finds leaks */

static void fake_init(void)
{
	if (!fake_arena)
		fake_arena = mmap(NULL, FAKE_FRAMES * PAGE_SIZE, PROT_READ | PROT_WRITE,
		                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

void *direct_map(uint64_t physical)
{
	if (physical < FAKE_BASE || physical >= FAKE_BASE + FAKE_FRAMES * PAGE_SIZE)
		abort();
	return fake_arena + (physical - FAKE_BASE);
}

uint64_t direct_physical(const void *address)
{
	return FAKE_BASE + (uint64_t)((const unsigned char *)address - fake_arena);
}

static bool fake_is_free(size_t first, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (first + i >= FAKE_FRAMES || fake_used[first + i])
			return false;
	return true;
}

/* Frames come filled with garbage, so that a missing memset shows. */
uint64_t page_alloc(size_t count)
{
	fake_init();
	for (size_t tries = 0; tries < FAKE_FRAMES; tries++) {
		size_t first = (fake_next + tries) % FAKE_FRAMES;

		if (!fake_is_free(first, count))
			continue;
		memset(fake_used + first, 1, count);
		memset(fake_arena + first * PAGE_SIZE, 0xa5, count * PAGE_SIZE);
		fake_free -= count;
		fake_next = first + count;
		return FAKE_BASE + first * PAGE_SIZE;
	}
	return 0;
}

uint64_t page_alloc_zeroed(size_t count)
{
	uint64_t frames = page_alloc(count);

	if (frames)
		memset(direct_map(frames), 0, count * PAGE_SIZE);
	return frames;
}

void page_free(uint64_t physical, size_t count)
{
	size_t first = (physical - FAKE_BASE) / PAGE_SIZE;

	for (size_t i = first; i < first + count; i++) {
		if (i >= FAKE_FRAMES || !fake_used[i])
			abort(); /* freed twice */
		fake_used[i] = 0;
	}
	memset(direct_map(physical), 0x5a, count * PAGE_SIZE);
	fake_free += count;
}

size_t page_free_count(void)
{
	return fake_free;
}

size_t page_available_count(void)
{
	return fake_free;
}

size_t page_total_count(void)
{
	return FAKE_FRAMES;
}

/* ---- heap ---- */

struct fake_block {
	size_t size;
	size_t unused;
};

void *heap_alloc(size_t size)
{
	struct fake_block *block = calloc(1, sizeof(*block) + size);

	if (!block)
		return NULL;
	block->size = size;
	fake_heap_blocks++;
	return block + 1;
}

void heap_free(void *memory)
{
	if (!memory)
		return;
	fake_heap_blocks--;
	free((struct fake_block *)memory - 1);
}

void *heap_resize(void *old, size_t size)
{
	void *made = heap_alloc(size);

	if (made && old) {
		size_t had = ((struct fake_block *)old - 1)->size;

		memcpy(made, old, had < size ? had : size);
		heap_free(old);
	}
	return made;
}

/* ---- user memory: this process, through calls that report a fault ---- */

size_t user_read_some(void *to, uint64_t from, size_t length)
{
	struct iovec local = {to, length}, remote = {(void *)from, length};
	ssize_t done = length ? process_vm_readv(getpid(), &local, 1, &remote, 1, 0) : 0;

	return done < 0 ? 0 : (size_t)done;
}

size_t user_write_some(uint64_t to, const void *from, size_t length)
{
	struct iovec local = {(void *)(uintptr_t)from, length}, remote = {(void *)to, length};
	ssize_t done = length ? process_vm_writev(getpid(), &local, 1, &remote, 1, 0) : 0;

	return done < 0 ? 0 : (size_t)done;
}

int user_read(void *to, uint64_t from, size_t length)
{
	return user_read_some(to, from, length) == length ? 0 : -EFAULT;
}

int user_write(uint64_t to, const void *from, size_t length)
{
	return user_write_some(to, from, length) == length ? 0 : -EFAULT;
}

int user_zero(uint64_t to, size_t length)
{
	void *zeros = calloc(1, length ? length : 1);
	int result = user_write(to, zeros, length);

	free(zeros);
	return result;
}

int64_t user_read_string(char *to, uint64_t from, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (user_read_some(to + i, from + i, 1) != 1)
			return -EFAULT;
		if (!to[i])
			return (int64_t)i;
	}
	return -ENAMETOOLONG;
}

/* ---- clock ---- */

static uint64_t fake_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic(void)
{
	return fake_clock(CLOCK_MONOTONIC);
}

uint64_t clock_realtime(void)
{
	return fake_clock(CLOCK_REALTIME);
}

uint64_t clock_boottime(void)
{
	return fake_clock(CLOCK_BOOTTIME);
}

#endif
