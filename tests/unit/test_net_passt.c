/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the stream that passt speaks: whole frames and pieces, wrong lengths, its end. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio/net_passt.h"

#define HEADER NET_HEADER_SIZE

static struct net_passt passt;
static int theirs;
static int messages[2];
static unsigned char room[HEADER + 65550], frame[65534];
static size_t length;

static void start(void)
{
	int ends[2], small = 4096;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	cr_assert_eq(pipe2(messages, O_NONBLOCK), 0);
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	theirs = ends[1];
	cr_assert_eq(net_passt_init(&passt, ends[0], messages[0]), 0);
	for (size_t i = 0; i < sizeof frame; i++)
		frame[i] = (unsigned char)(i * 11 >> 3);
}

TestSuite(net_passt, .init = start, .timeout = 20);

static void they_write(const void *bytes, size_t size)
{
	cr_assert_eq(write(theirs, bytes, size), (ssize_t)size);
}

static void they_send(uint32_t size)
{
	unsigned char prefix[4] = {(unsigned char)(size >> 24), (unsigned char)(size >> 16),
	                           (unsigned char)(size >> 8), (unsigned char)size};

	they_write(prefix, sizeof prefix);
	they_write(frame, size < sizeof frame ? size : sizeof frame);
}

static enum net_result receive(void)
{
	struct iovec vectors[] = {{room, 100}, {room + 100, sizeof room - 100}};

	return passt.backend.ops->receive(&passt.backend, vectors, 2, &length);
}

static enum net_result send_frame(size_t size)
{
	static unsigned char header[HEADER];
	struct iovec vectors[] = {{header, HEADER}, {frame, 10}, {frame + 10, size - 10}};

	return passt.backend.ops->send(&passt.backend, vectors, 3);
}

static void expect_frame(size_t size)
{
	cr_assert_eq(receive(), NET_DONE);
	cr_assert_eq(length, HEADER + size);
	cr_assert_eq(room[0], VIRTIO_NET_HDR_F_DATA_VALID);
	cr_assert_arr_eq(room + HEADER, frame, size);
}

static void expect_gone(const char *why)
{
	char text[256];

	cr_assert_eq(receive(), NET_GONE);
	passt.backend.ops->explain(&passt.backend, text, sizeof text);
	cr_assert_str_eq(text, why);
}

Test(net_passt, several_frames_at_once)
{
	they_send(60);
	they_send(14);
	they_send(1514);
	expect_frame(60);
	expect_frame(14);
	expect_frame(1514);
	cr_assert_eq(receive(), NET_LATER);
}

Test(net_passt, byte_by_byte)
{
	unsigned char bytes[4 + 20] = {0, 0, 0, 20};

	memcpy(bytes + 4, frame, 20);
	for (size_t i = 0; i < sizeof bytes; i++) {
		cr_assert_eq(receive(), NET_LATER);
		they_write(bytes + i, 1);
	}
	expect_frame(20);
}

/* More than the buffer holds, in pieces that end anywhere. */
Test(net_passt, many_large_frames)
{
	for (int i = 0; i < 40; i++) {
		they_send(65534);
		they_send(33);
		expect_frame(65534);
		expect_frame(33);
	}
}

Test(net_passt, wrong_lengths)
{
	static const uint32_t wrong[] = {0, 13, 65539, 0xffffffff};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		start();
		they_send(20);
		they_send(wrong[i]);
		expect_frame(20);
		expect_gone("passt sent something that is no frame");
	}
}

Test(net_passt, end)
{
	static const char said[] = "Failed to send 9 bytes to syslog\nDon't run as root. Changing "
	                           "to nobody...\nsomething is wrong\n\n";

	they_send(20);
	they_write("\0\0", 2);
	cr_assert_eq(write(messages[1], said, sizeof said - 1), (ssize_t)sizeof said - 1);
	close(theirs);
	expect_frame(20);
	expect_gone("passt has ended: something is wrong");
}

Test(net_passt, end_without_a_word)
{
	close(theirs);
	expect_gone("passt has ended");
}

Test(net_passt, frames_are_sent_behind_their_length)
{
	unsigned char got[100];

	cr_assert_eq(send_frame(60), NET_DONE);
	cr_assert_eq(read(theirs, got, sizeof got), 64);
	cr_assert_arr_eq(got, "\0\0\0\x3c", 4);
	cr_assert_arr_eq(got + 4, frame, 60);
}

/* The socket takes less than a frame: the rest goes when it can, before any other. */
Test(net_passt, frames_in_pieces)
{
	static unsigned char got[2 * 65538 + 1];
	size_t there = 0;
	short events;

	cr_assert_eq(send_frame(65534), NET_DONE);
	cr_assert_eq(send_frame(60), NET_LATER);
	cr_assert_eq(passt.backend.ops->poll(&passt.backend, &events), passt.fd);
	cr_assert_eq(events, POLLOUT);
	while (there < 65538) {
		ssize_t size = recv(theirs, got + there, sizeof got - there, MSG_DONTWAIT);

		if (size > 0)
			there += (size_t)size;
		cr_assert_neq(passt.backend.ops->flush(&passt.backend), NET_GONE);
	}
	cr_assert_eq(there, 65538);
	cr_assert_arr_eq(got + 4, frame, 65534);
	cr_assert_eq(send_frame(60), NET_DONE);
	cr_assert_eq(read(theirs, got, sizeof got), 64);
}

Test(net_passt, nobody_to_send_to)
{
	close(theirs);
	cr_assert_eq(send_frame(60), NET_GONE);
}
