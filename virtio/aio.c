/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux asynchronous I/O, io_submit(2), for one read at a time.
 *
 * How it works
 *
 * The kernel appends the end of each operation to a ring that is mapped into this process, from the
 * interrupt of the disk where the read goes past the page cache. So nobody has to be woken: the
 * thread looks at the ring for some time. If the read is not over then it sleeps in
 * io_getevents(2), and the next ones are left to preadv(2), the more the more often that happens: a
 * slow disk is not worth a processor.
 *
 * The ring can be moved into the guest's memory, so that the guest looks at it, and runs on
 * meanwhile. Then its contents are the guest's word. That a read is over is known from an eventfd;
 * the kernel keeps its own indices and believes none in the ring.
 */
#define _GNU_SOURCE 1
#include "virtio/aio.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "mote/abi.h"

#ifndef AWAKE_NS
#define AWAKE_NS 60000u /* being put to sleep and woken costs a tenth of that */
#endif
#define LOOKS      32u  /* at the ring between those at the clock */
#define ASLEEP_MAX 255u /* reads, after many that took longer */

/* The ring's layout is the kernel's (fs/aio.c), and fixed for this magic number. */
#define RING_MAGIC 0xa10a10a1u

struct aio_ring {
	uint32_t id;
	uint32_t count;
	uint32_t head; /* ours to move on */
	uint32_t tail;
	uint32_t magic;
	uint32_t compatible_features;
	uint32_t incompatible_features;
	uint32_t header_length;
	struct io_event events[];
};

static aio_context_t context_of(const struct aio *aio)
{
	return (aio_context_t)(uintptr_t)aio->ring;
}

static bool is_known(const struct aio_ring *ring)
{
	return ring->magic == RING_MAGIC && !ring->incompatible_features &&
	       ring->header_length == sizeof *ring && ring->count;
}

/* Whether to try asynchronous I/O this time, and with what. */
/* #syscalls:disk io_setup */
static bool is_ready(struct aio *aio)
{
	aio_context_t context = 0;

	if (aio->reads_asleep) {
		aio->reads_asleep--;
		return false;
	}
	if (aio->ring || aio->is_refused)
		return aio->ring;
	if (!syscall(SYS_io_setup, 1, &context) && is_known((struct aio_ring *)context))
		aio->ring = (struct aio_ring *)context;
	aio->is_refused = !aio->ring;
	return aio->ring;
}

/* The address of a request is in its event: one of the thread's own storage says nothing of where
 * the heap and the stack are. */
/* #syscalls:disk io_submit */
static bool submit(struct aio *aio, int file, const struct iovec *parts, int count, off_t offset,
                   uint64_t token)
{
	static _Thread_local struct iocb request;
	struct iocb *requests[] = {&request};

	request = (struct iocb){.aio_data = token,
	                        .aio_lio_opcode = IOCB_CMD_PREADV,
	                        .aio_fildes = (uint32_t)file,
	                        .aio_buf = (uintptr_t)parts,
	                        .aio_nbytes = (uint64_t)count,
	                        .aio_offset = offset,
	                        .aio_flags = aio->ended ? IOCB_FLAG_RESFD : 0,
	                        .aio_resfd = (uint32_t)aio->ended};
	if (syscall(SYS_io_submit, context_of(aio), 1, requests) == 1)
		return true;
	aio->ring = NULL;
	aio->is_refused = true;
	return false;
}

static void was_quick(struct aio *aio)
{
	aio->patience /= 2;
}

static void was_slow(struct aio *aio)
{
	aio->patience = aio->patience < ASLEEP_MAX ? 2 * aio->patience + 1 : ASLEEP_MAX;
	aio->reads_asleep = aio->patience;
}

/* ---- a ring of our own ---- */

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Take the event of the one operation, if it is there. */
static bool take(struct aio_ring *ring, struct io_event *event)
{
	uint32_t head = ring->head;

	if (__atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) == head)
		return false;
	*event = ring->events[head % ring->count];
	__atomic_store_n(&ring->head, (head + 1) % ring->count, __ATOMIC_RELEASE);
	return true;
}

static bool take_awake(struct aio_ring *ring, struct io_event *event)
{
	uint64_t end = 0;

	for (;;) {
		for (unsigned i = 0; i < LOOKS; i++) {
			if (take(ring, event))
				return true;
			__builtin_ia32_pause();
		}
		if (!end)
			end = now() + AWAKE_NS;
		else if (now() >= end)
			return false;
	}
}

/* The read may not be left behind: it writes to the guest's memory. */
/* #syscalls:disk io_getevents */
static ssize_t end_read(struct aio *aio)
{
	struct io_event event;

	if (take_awake(aio->ring, &event)) {
		was_quick(aio);
	} else {
		was_slow(aio);
		while (syscall(SYS_io_getevents, context_of(aio), 1, 1, &event, NULL) != 1)
			continue;
	}
	if (event.res >= 0)
		return (ssize_t)event.res;
	errno = (int)-event.res;
	return -1;
}

/* #syscalls:disk preadv */
ssize_t aio_read(struct aio *aio, int file, const struct iovec *parts, int count, off_t offset)
{
	if (!aio->ended && is_ready(aio) && submit(aio, file, parts, count, offset, 0))
		return end_read(aio);
	return preadv(file, parts, count, offset);
}

/* ---- a ring that the guest sees ---- */

static size_t ring_size(const struct aio_ring *ring)
{
	size_t size = sizeof *ring + ring->count * sizeof ring->events[0];

	return (size + MOTE_PAGE_SIZE - 1) & ~(MOTE_PAGE_SIZE - 1);
}

/* #syscalls:disk eventfd2 mremap(MREMAP_MAYMOVE|MREMAP_FIXED) */
static bool share(struct aio *aio, void *place)
{
	size_t size = ring_size(aio->ring);
	uint32_t count = aio->ring->count, next = aio->ring->tail;
	int ended;

	if (aio->ended)
		return true;
	ended = size <= AIO_SHARED_SIZE ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	if (ended < 0 ||
	    mremap(aio->ring, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place) == MAP_FAILED) {
		aio->is_unshared = true;
		return false;
	}
	aio->ring = place;
	aio->ended = ended;
	aio->count = count;
	aio->next = next;
	return true;
}

bool aio_begin(struct aio *aio, void *place, int file, const struct iovec *parts, int count,
               off_t offset, uint64_t token)
{
	return !aio->is_unshared && is_ready(aio) && share(aio, place) &&
	       submit(aio, file, parts, count, offset, token);
}

/* #syscalls:disk read ppoll */
int64_t aio_end(struct aio *aio)
{
	struct pollfd poll = {.fd = aio->ended, .events = POLLIN};
	const struct io_event *event = &aio->ring->events[aio->next];
	uint64_t ended;

	if (read(aio->ended, &ended, sizeof ended) == sizeof ended) {
		was_quick(aio);
	} else {
		was_slow(aio);
		do
			ppoll(&poll, 1, NULL, NULL);
		while (read(aio->ended, &ended, sizeof ended) != sizeof ended);
	}
	aio->next = (aio->next + 1) % aio->count;
	__atomic_store_n(&aio->ring->head, aio->next, __ATOMIC_RELEASE);
	return __atomic_load_n(&event->res, __ATOMIC_ACQUIRE);
}

void aio_close(struct aio *aio)
{
	if (aio->ring)
		syscall(SYS_io_destroy, context_of(aio));
	if (aio->ended)
		close(aio->ended);
	*aio = (struct aio){0};
}
