/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passt as a network backend: frames over a stream socket.
 *
 * The protocol is that of QEMU's stream sockets: in front of each frame its length, 4 bytes,
 * big-endian. What passt sends has complete checksums, since it makes the packets itself, so a
 * guest need not look at them again; what it gets has to have them.
 */
#include "virtio/net_passt.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio/virtqueue.h"

#define PREFIX_SIZE 4u
#define FRAME_MIN   14u                  /* an Ethernet header */
#define FRAME_MAX   (NET_PASST_MTU + 18) /* with a VLAN's tag */
#define IN_SIZE     (256u << 10)
#define OUT_SIZE    (PREFIX_SIZE + 65550u) /* any frame of a driver's: 5.1.6.3.1 */

static struct net_passt *passt_of(struct net_backend *backend)
{
	return (struct net_passt *)backend;
}

static bool is_later(int error)
{
	return error == EAGAIN || error == EINTR;
}

/* ---- sending ---- */

/* #syscalls:net sendmsg */
static ssize_t send_vectors(const struct net_passt *passt, struct iovec *vectors, size_t count)
{
	const struct msghdr message = {.msg_iov = vectors, .msg_iovlen = count};

	return sendmsg(passt->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The rest of a frame that did not go at once. */
static enum net_result passt_flush(struct net_backend *backend)
{
	struct net_passt *passt = passt_of(backend);

	passt->is_full = false;
	while (passt->out_start < passt->out_end) {
		struct iovec rest = {passt->out + passt->out_start,
		                     passt->out_end - passt->out_start};
		ssize_t sent = send_vectors(passt, &rest, 1);

		if (sent < 0) {
			passt->is_full = is_later(errno);
			return passt->is_full ? NET_LATER : NET_GONE;
		}
		passt->out_start += (size_t)sent;
	}
	return NET_DONE;
}

static enum net_result passt_send(struct net_backend *backend, const struct iovec *vectors,
                                  unsigned count)
{
	struct net_passt *passt = passt_of(backend);
	enum net_result result = passt_flush(backend);
	struct iovec all[VIRTQUEUE_SIZE_MAX];
	size_t frame = 0;
	uint32_t prefix;
	ssize_t sent;

	if (result != NET_DONE)
		return result;
	if (count > VIRTQUEUE_SIZE_MAX)
		return NET_DONE; /* dropped */
	for (unsigned i = 1; i < count; i++) {
		all[i] = vectors[i];
		frame += vectors[i].iov_len;
	}
	if (frame + PREFIX_SIZE > OUT_SIZE)
		return NET_DONE;
	prefix = htobe32((uint32_t)frame);
	all[0] = (struct iovec){&prefix, sizeof prefix};
	sent = send_vectors(passt, all, count);
	if (sent < 0) {
		passt->is_full = is_later(errno);
		return passt->is_full ? NET_LATER : NET_GONE;
	}
	passt->out_start = 0;
	passt->out_end = virtqueue_copy_from(all, count, (size_t)sent, passt->out, OUT_SIZE);
	passt->is_full = passt->out_end > 0;
	return NET_DONE;
}

/* ---- receiving ---- */

/* Whether there is a whole frame; NET_GONE: there is something else. */
static enum net_result find_frame(const struct net_passt *passt, uint32_t *length)
{
	size_t there = passt->in_end - passt->in_start;

	if (there < PREFIX_SIZE)
		return NET_LATER;
	memcpy(length, passt->in + passt->in_start, PREFIX_SIZE);
	*length = be32toh(*length);
	if (*length < FRAME_MIN || *length > FRAME_MAX)
		return NET_GONE;
	return there - PREFIX_SIZE >= *length ? NET_DONE : NET_LATER;
}

/* More bytes; those that are left move to the front first, so that any frame has room. */
/* #syscalls:net recvfrom */
static enum net_result read_more(struct net_passt *passt)
{
	size_t there = passt->in_end - passt->in_start;
	ssize_t got;

	memmove(passt->in, passt->in + passt->in_start, there);
	passt->in_start = 0;
	passt->in_end = there;
	got = recv(passt->fd, passt->in + there, IN_SIZE - there, MSG_DONTWAIT);
	if (got <= 0)
		return got < 0 && is_later(errno) ? NET_LATER : NET_GONE;
	passt->in_end += (size_t)got;
	return NET_DONE;
}

static enum net_result passt_receive(struct net_backend *backend, const struct iovec *vectors,
                                     unsigned count, size_t *length)
{
	const struct virtio_net_hdr_v1 header = {.flags = VIRTIO_NET_HDR_F_DATA_VALID};
	struct net_passt *passt = passt_of(backend);
	enum net_result result;
	uint32_t frame = 0;

	while ((result = find_frame(passt, &frame)) == NET_LATER)
		if ((result = read_more(passt)) != NET_DONE)
			return result;
	if (result == NET_GONE) {
		passt->is_wrong = true;
		return NET_GONE;
	}
	virtqueue_copy_to(vectors, count, 0, &header, sizeof header);
	*length =
	        sizeof header + virtqueue_copy_to(vectors, count, sizeof header,
	                                          passt->in + passt->in_start + PREFIX_SIZE, frame);
	passt->in_start += PREFIX_SIZE + frame;
	return NET_DONE;
}

/* ---- the rest ---- */

static int passt_set_offloads(struct net_backend *backend, uint64_t offloads)
{
	(void)backend, (void)offloads;
	return 0;
}

static int passt_poll(const struct net_backend *backend, short *events)
{
	const struct net_passt *passt = (const struct net_passt *)backend;

	*events = passt->is_full ? POLLOUT : 0;
	return passt->fd;
}

/* Lines that passt prints whenever it is run so, which explain nothing. */
static bool is_noise(const char *line)
{
	static const char *const beginnings[] = {"Failed to send ", "Don't run as root"};

	for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
		if (!strncmp(line, beginnings[i], strlen(beginnings[i])))
			return true;
	return !*line;
}

/* The last thing that it said. */
/* #syscalls:net read */
static void passt_explain(struct net_backend *backend, char *why, size_t size)
{
	struct net_passt *passt = passt_of(backend);
	ssize_t length = -1;
	char text[2048], *rest = text;

	if (passt->messages >= 0)
		length = read(passt->messages, text, sizeof text - 1);
	text[length > 0 ? length : 0] = '\0';
	snprintf(why, size,
	         passt->is_wrong ? "passt sent something that is no frame" : "passt has ended");
	for (char *line; (line = strsep(&rest, "\n"));)
		if (!is_noise(line))
			snprintf(why, size, "passt has ended: %.120s", line);
}

static const struct net_backend_ops passt_ops = {
        .send = passt_send,
        .receive = passt_receive,
        .flush = passt_flush,
        .set_offloads = passt_set_offloads,
        .poll = passt_poll,
        .explain = passt_explain,
};

int net_passt_init(struct net_passt *passt, int fd, int messages)
{
	*passt = (struct net_passt){
	        .backend = {.ops = &passt_ops,
	                    .offloads = 1ull << VIRTIO_NET_F_GUEST_CSUM,
	                    .mtu = NET_PASST_MTU,
	                    .mac = {0x02, 0x6d, 0x6f, 0x74, 0x65, 0x01}},
	        .fd = fd,
	        .messages = messages,
	        .in = malloc(IN_SIZE),
	        .out = malloc(OUT_SIZE),
	};
	return passt->in && passt->out ? 0 : -1;
}
