/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of the stream that comes from passt: the input is that stream, and where the pieces
 * end in which it comes. Checked: frames are those that a plain reading of the whole finds.
 */
#define _GNU_SOURCE 1
#include <sys/socket.h>
#include <sys/types.h>

#include "input.h"

/* The socket: what is left of the stream, in pieces. */
static struct input stream;
static size_t piece;

static ssize_t fake_recv(int fd, void *to, size_t size, int flags);
static ssize_t fake_sendmsg(int fd, const struct msghdr *message, int flags);
#define recv    fake_recv
#define sendmsg fake_sendmsg
#include "../../virtio/net_passt.c"
#undef recv
#undef sendmsg
#define broken   virtqueue_broken
#define is_empty virtqueue_is_empty
#include "../../virtio/virtqueue.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ssize_t fake_recv(int fd, void *to, size_t size, int flags)
{
	size_t part = size < stream.left ? size : stream.left;

	(void)fd, (void)flags;
	if (!size)
		abort(); /* no room is no end */
	if (part > piece)
		part = piece;
	take(&stream, to, part);
	return (ssize_t)part;
}

static ssize_t fake_sendmsg(int fd, const struct msghdr *message, int flags)
{
	(void)fd, (void)message, (void)flags;
	errno = EAGAIN;
	return -1;
}

void *guest_range(const struct guest_memory *where, mote_gpa_t gpa, uint64_t length)
{
	(void)where, (void)gpa, (void)length;
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char room[NET_HEADER_SIZE + FRAME_MAX];
	struct iovec vectors[] = {{room, 1000}, {room + 1000, sizeof room - 1000}};
	struct net_passt passt;
	size_t length;
	char why[200];

	if (size < 2 || net_passt_init(&passt, -1, -1))
		return 0;
	piece = 1u + data[0] + data[1] * 256u;
	data += 2;
	size -= 2;
	stream = (struct input){data, size};
	while (passt_receive(&passt.backend, vectors, 2, &length) == NET_DONE) {
		uint32_t frame;

		memcpy(&frame, data, sizeof frame);
		frame = be32toh(frame);
		if (length != NET_HEADER_SIZE + frame ||
		    memcmp(room + NET_HEADER_SIZE, data + PREFIX_SIZE, frame) != 0)
			abort();
		data += PREFIX_SIZE + frame;
		size -= PREFIX_SIZE + frame;
	}
	/* Then there is less than a frame, or something that is none. */
	if (size >= PREFIX_SIZE) {
		uint32_t frame;

		memcpy(&frame, data, sizeof frame);
		frame = be32toh(frame);
		if (frame >= FRAME_MIN && frame <= FRAME_MAX && frame <= size - PREFIX_SIZE)
			abort();
	}
	passt_explain(&passt.backend, why, sizeof why);
	if (passt.is_wrong == !strcmp(why, "passt has ended"))
		abort();
	free(passt.in);
	free(passt.out);
	return 0;
}
