/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the network device, over a backend that is made of two lists of frames. */
#include "ring_driver.h"

#include <libfdt.h>
#include <stdio.h>

#include "virtio/net.h"
#include "virtio/virtio_state.h"

#define ENTRIES 64
#define FRAME   60u /* bytes of an ordinary one */
#define BUFFER  4096u

static struct net net;
static struct ring receive = {.base = 0, .size = ENTRIES};
static struct ring transmit = {.base = 0x10000, .size = ENTRIES};

/* ---- the backend ---- */

static struct {
	struct net_backend backend; /* first */
	enum net_result result;     /* of what is sent */
	unsigned sent;
	struct virtio_net_hdr_v1 header; /* of the last one */
	unsigned char frame[70000];
	size_t length;
	unsigned arrived; /* frames to be received */
	size_t arrived_length;
	uint64_t offloads;
	unsigned flushed, told;
	short events;
} fake;

static enum net_result fake_send(struct net_backend *backend, const struct iovec *vectors,
                                 unsigned count)
{
	(void)backend;
	if (fake.result != NET_DONE)
		return fake.result;
	cr_assert_eq(vectors[0].iov_len, sizeof fake.header);
	memcpy(&fake.header, vectors[0].iov_base, sizeof fake.header);
	fake.length = virtqueue_copy_from(vectors + 1, count - 1, 0, fake.frame, sizeof fake.frame);
	fake.sent++;
	return NET_DONE;
}

static enum net_result fake_receive(struct net_backend *backend, const struct iovec *vectors,
                                    unsigned count, size_t *length)
{
	struct virtio_net_hdr_v1 header = {.flags = VIRTIO_NET_HDR_F_DATA_VALID};

	(void)backend;
	if (fake.result == NET_GONE)
		return NET_GONE;
	if (!fake.arrived)
		return NET_LATER;
	fake.arrived--;
	virtqueue_copy_to(vectors, count, 0, &header, sizeof header);
	*length = sizeof header +
	          virtqueue_copy_to(vectors, count, sizeof header, fake.frame, fake.arrived_length);
	cr_assert_eq(*length, sizeof header + fake.arrived_length, "too little room");
	return NET_DONE;
}

static enum net_result fake_flush(struct net_backend *backend)
{
	(void)backend;
	fake.flushed++;
	return NET_DONE;
}

static int fake_set_offloads(struct net_backend *backend, uint64_t offloads)
{
	(void)backend;
	fake.offloads = offloads;
	return 0;
}

static int fake_poll(const struct net_backend *backend, short *events)
{
	(void)backend;
	*events = fake.events;
	return 5;
}

static void fake_explain(struct net_backend *backend, char *why, size_t size)
{
	(void)backend;
	snprintf(why, size, "it broke");
}

static const struct net_backend_ops fake_ops = {fake_send,         fake_receive, fake_flush,
                                                fake_set_offloads, fake_poll,    fake_explain};

static void report(const char *why)
{
	cr_assert_str_eq(why, "it broke");
	fake.told++;
}

/* ---- the device ---- */

static void start_with(uint64_t without)
{
	memset(ring_ram, 0, sizeof ring_ram);
	memset(&net, 0, sizeof net);
	memset(&fake, 0, sizeof fake);
	receive.added = receive.seen = transmit.added = transmit.seen = 0;
	fake.backend =
	        (struct net_backend){.ops = &fake_ops, .offloads = NET_OFFLOADS, .mtu = 1500};
	fake.result = NET_DONE;
	fake.arrived_length = FRAME;
	net.backend = &fake.backend;
	net.mtu = 1500;
	memcpy(net.mac, "\2abcde", NET_MAC_SIZE);
	net.report = report;
	net_init(&net, &ring_memory);
	net.device.driver_features = net.device.features & ~without;
	ring_place(&receive, &net.device.queues[0]);
	ring_place(&transmit, &net.device.queues[1]);
	virtio_device_enable_queue(&net.device, 0);
	virtio_device_enable_queue(&net.device, 1);
	cr_assert_eq(virtio_device_prepare(&net.device, net.device.features & ~without), 0);
}

static void start(void)
{
	start_with(0);
}

TestSuite(net, .init = start, .timeout = 20);

static bool has_failed(void)
{
	return net.device.status & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* The driver sends a frame of @length bytes, counted up, its header in front. */
static void send(struct virtio_net_hdr_v1 header, size_t length)
{
	unsigned char *at = ring_ram + RING_BUFFERS;

	memcpy(at, &header, sizeof header);
	for (size_t i = 0; i < length; i++)
		at[sizeof header + i] = (unsigned char)i;
	ring_describe(&transmit, 0, RING_BUFFERS, (uint32_t)(sizeof header + length), 0, 0);
	ring_add(&transmit, 0);
	virtio_device_serve(&net.device);
}

/* The driver gives @count buffers of @size bytes. */
static void give_buffers(unsigned count, uint32_t size)
{
	for (unsigned i = 0; i < count; i++) {
		uint16_t head = (uint16_t)(receive.added % ENTRIES);

		ring_describe(&receive, head, RING_BUFFERS + (uint64_t)head * BUFFER % 0x1e000,
		              size, VRING_DESC_F_WRITE, 0);
		ring_add(&receive, head);
	}
	virtio_device_serve(&net.device);
}

static unsigned poll_device(struct pollfd *polls)
{
	return net.device.ops->poll(&net.device, polls);
}

/* ---- sending ---- */

Test(net, frame_and_header_go_through)
{
	struct vring_used_elem element;

	send((struct virtio_net_hdr_v1){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                                .csum_start = 34,
	                                .csum_offset = 16,
	                                .num_buffers = 7},
	     FRAME);
	cr_assert_eq(fake.sent, 1);
	cr_assert_eq(fake.length, FRAME);
	cr_assert_eq(fake.frame[59], 59);
	cr_assert_eq(fake.header.csum_start, 34);
	cr_assert_eq(fake.header.num_buffers, 0);
	cr_assert(ring_take(&transmit, &element));
	cr_assert_eq(element.len, 0);
	cr_assert_eq(net.sent.frames, 1);
	cr_assert_eq(net.sent.bytes, FRAME);
}

Test(net, header_in_pieces)
{
	ring_ram[RING_BUFFERS + 12] = 0x55;
	ring_describe(&transmit, 0, RING_BUFFERS, 5, VRING_DESC_F_NEXT, 1);
	ring_describe(&transmit, 1, RING_BUFFERS + 5, 20, VRING_DESC_F_NEXT, 2);
	ring_describe(&transmit, 2, RING_BUFFERS + 25, 47, 0, 0);
	ring_add(&transmit, 0);
	virtio_device_serve(&net.device);
	cr_assert_eq(fake.length, FRAME);
	cr_assert_eq(fake.frame[0], 0x55);
}

Test(net, segments)
{
	send((struct virtio_net_hdr_v1){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                                .gso_type = VIRTIO_NET_HDR_GSO_TCPV6,
	                                .gso_size = 1440,
	                                .hdr_len = 74,
	                                .csum_start = 54,
	                                .csum_offset = 16},
	     65000);
	cr_assert_eq(fake.length, 65000);
	cr_assert_eq(fake.header.gso_size, 1440);
}

/* What 5.1.6.2 forbids, or what was not negotiated. */
static const struct {
	const char *what;
	struct virtio_net_hdr_v1 header;
	size_t length;
	uint64_t without;
} wrong[] = {
        {"flags", {.flags = VIRTIO_NET_HDR_F_DATA_VALID}, FRAME, 0},
        {"checksum outside", {.flags = 1, .csum_start = 50, .csum_offset = 9}, FRAME, 0},
        {"no CSUM", {.flags = 1, .csum_start = 34}, FRAME, VIRTIO_FEATURE(VIRTIO_NET_F_CSUM)},
        {"segments without checksum", {.gso_type = 1, .gso_size = 1000}, FRAME, 0},
        {"segments of 0", {.flags = 1, .gso_type = 1}, FRAME, 0},
        {"UFO", {.flags = 1, .gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 9}, FRAME, 0},
        {"ECN", {.flags = 1, .gso_type = 0x81, .gso_size = 9}, FRAME, 0},
        {"no TSO",
         {.flags = 1, .gso_type = 1, .gso_size = 9},
         FRAME,
         VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4)},
        {"longer than the MTU", {.flags = 0}, 1519, 0},
        {"longer than anything", {.flags = 1, .gso_type = 1, .gso_size = 9}, 65551, 0},
        {"shorter than Ethernet", {.flags = 0}, 13, 0},
};

Test(net, wrong_headers_fail_the_device)
{
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		start_with(wrong[i].without);
		send(wrong[i].header, wrong[i].length);
		cr_assert(has_failed(), "%s", wrong[i].what);
		cr_assert_eq(fake.sent, 0, "%s", wrong[i].what);
	}
}

Test(net, longest_plain_frame)
{
	send((struct virtio_net_hdr_v1){.flags = 0}, 1518);
	cr_assert_not(has_failed());
	cr_assert_eq(fake.sent, 1);
}

Test(net, writable_chain_to_send)
{
	ring_describe(&transmit, 0, RING_BUFFERS, 72, VRING_DESC_F_WRITE, 0);
	ring_add(&transmit, 0);
	virtio_device_serve(&net.device);
	cr_assert(has_failed());
}

Test(net, backend_takes_it_later)
{
	struct vring_used_elem element;
	struct pollfd polls[1];

	fake.result = NET_LATER;
	fake.events = POLLOUT;
	send((struct virtio_net_hdr_v1){.flags = 0}, FRAME);
	cr_assert_not(ring_take(&transmit, &element));
	cr_assert_eq(poll_device(polls), 1);
	cr_assert_eq(polls[0].events, POLLOUT);
	fake.result = NET_DONE;
	polls[0].revents = POLLOUT;
	virtio_device_polled(&net.device, polls, 1);
	cr_assert_eq(fake.sent, 1);
	cr_assert_eq(fake.flushed, 1);
	cr_assert(ring_take(&transmit, &element));
}

/* ---- the backend goes ---- */

Test(net, link_goes_down)
{
	struct vring_used_elem element;
	struct pollfd polls[1];
	uint16_t status;

	fake.result = NET_GONE;
	for (int i = 0; i < 3; i++) {
		send((struct virtio_net_hdr_v1){.flags = 0}, FRAME);
		cr_assert(ring_take(&transmit, &element));
	}
	cr_assert_eq(fake.told, 1);
	cr_assert_eq(net.dropped, 3);
	cr_assert_not(has_failed());
	cr_assert(net.device.untold & VIRTIO_INTERRUPT_CONFIG);
	net.device.ops->read_config(&net.device, 6, &status, sizeof status);
	cr_assert_eq(status, 0);
	cr_assert_eq(poll_device(polls), 0);
}

Test(net, hangup_without_buffers)
{
	struct pollfd polls[1];

	cr_assert_eq(poll_device(polls), 1);
	cr_assert_eq(polls[0].events, 0);
	polls[0].revents = POLLHUP;
	virtio_device_polled(&net.device, polls, 1);
	cr_assert_eq(fake.told, 1);
	cr_assert_eq(poll_device(polls), 0);
}

/* ---- receiving ---- */

Test(net, frame_over_several_buffers)
{
	struct virtio_net_hdr_v1 header;
	struct vring_used_elem element;
	size_t length = 0;
	unsigned count = 0;

	for (size_t i = 0; i < 9000; i++)
		fake.frame[i] = (unsigned char)(i * 7);
	fake.arrived = 1;
	fake.arrived_length = 9000;
	give_buffers(17, BUFFER);
	memcpy(&header, ring_ram + RING_BUFFERS, sizeof header);
	cr_assert_eq(header.num_buffers, 3);
	cr_assert_eq(header.flags, VIRTIO_NET_HDR_F_DATA_VALID);
	for (; ring_take(&receive, &element); count++) {
		cr_assert_eq(element.id, count);
		length += element.len;
	}
	cr_assert_eq(count, 3);
	cr_assert_eq(length, 9012);
	cr_assert_arr_eq(ring_ram + RING_BUFFERS + 12, fake.frame, 9000);
	/* Fourteen are still there for later ones, and three more make it enough. */
	cr_assert(net.lacks_buffers);
	fake.arrived = 1;
	give_buffers(3, BUFFER);
	cr_assert(ring_take(&receive, &element));
	cr_assert_eq(element.id, 3);
}

Test(net, frames_wait_for_buffers)
{
	struct vring_used_elem element;
	struct pollfd polls[1];

	fake.arrived = 2;
	give_buffers(16, BUFFER);
	cr_assert_not(ring_take(&receive, &element));
	poll_device(polls);
	cr_assert_eq(polls[0].events, 0);
	give_buffers(2, BUFFER);
	cr_assert(ring_take(&receive, &element));
	cr_assert(ring_take(&receive, &element));
	cr_assert_not(ring_take(&receive, &element));
	cr_assert_eq(net.received.frames, 2);
}

Test(net, input_is_polled_for)
{
	struct vring_used_elem element;
	struct pollfd polls[1];

	give_buffers(20, BUFFER);
	cr_assert_eq(poll_device(polls), 1);
	cr_assert_eq(polls[0].events, POLLIN);
	fake.arrived = 1;
	polls[0].revents = POLLIN;
	virtio_device_polled(&net.device, polls, 1);
	cr_assert(ring_take(&receive, &element));
	cr_assert_eq(element.len, 12 + FRAME);
}

Test(net, no_flags_without_guest_csum)
{
	start_with(VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM));
	fake.arrived = 1;
	give_buffers(17, BUFFER);
	cr_assert_eq(net.received.frames, 1);
	cr_assert_eq(ring_ram[RING_BUFFERS], 0);
}

Test(net, whole_buffers_without_merging)
{
	const uint64_t plain = VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) |
	                       VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) |
	                       VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6);

	start_with(plain);
	fake.arrived = 1;
	give_buffers(1, 1530);
	cr_assert_eq(net.received.frames, 1);
	start_with(plain);
	give_buffers(1, 1529);
	cr_assert(has_failed());
}

Test(net, wrong_buffers_fail_the_device)
{
	give_buffers(1, 11);
	cr_assert(has_failed());
	start();
	ring_describe(&receive, 0, RING_BUFFERS, BUFFER, 0, 0);
	ring_add(&receive, 0);
	virtio_device_serve(&net.device);
	cr_assert(has_failed());
}

/* ---- what the driver is told ---- */

Test(net, configuration)
{
	unsigned char config[12];

	net.device.ops->read_config(&net.device, 0, config, sizeof config);
	cr_assert_arr_eq(config, "\2abcde\1\0\1\0\xdc\5", 12);
	net.device.ops->read_config(&net.device, 10, config, 2);
	cr_assert_arr_eq(config, "\xdc\5", 2);
}

Test(net, backend_hears_of_offloads)
{
	cr_assert_eq(fake.offloads, NET_OFFLOADS);
	start_with(VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6));
	cr_assert_eq(fake.offloads, NET_OFFLOADS & ~VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6));
}

Test(net, addresses_in_the_device_tree)
{
	static char tree[1024];
	const unsigned char *value;
	int length;

	net.addresses = (struct net_addresses){.has_ipv4 = true,
	                                       .ipv4 = {192, 0, 2, 9},
	                                       .ipv4_prefix = 24,
	                                       .ipv4_gateway = {192, 0, 2, 1},
	                                       .has_ipv6 = true,
	                                       .ipv6 = {0xfd, [15] = 9},
	                                       .ipv6_prefix = 64,
	                                       .ipv6_gateway = {0xfd, [15] = 1},
	                                       .dns_count = 2,
	                                       .dns = {"192.0.2.3", "fd00::3"}};
	cr_assert_eq(fdt_create(tree, sizeof tree) || fdt_finish_reservemap(tree) ||
	                     fdt_begin_node(tree, ""),
	             0);
	cr_assert_eq(net.device.ops->describe(&net.device, tree), 0);
	cr_assert_eq(fdt_end_node(tree) || fdt_finish(tree), 0);
	value = fdt_getprop(tree, 0, "mote,ipv4", &length);
	cr_assert_eq(length, 12);
	cr_assert_arr_eq(value, "\xc0\0\2\x9\0\0\0\x18\xc0\0\2\1", 12);
	value = fdt_getprop(tree, 0, "mote,ipv6", &length);
	cr_assert_eq(length, 36);
	cr_assert_eq(value[15], 9);
	cr_assert_eq(value[19], 64);
	cr_assert_eq(value[35], 1);
	value = fdt_getprop(tree, 0, "mote,dns", &length);
	cr_assert_eq(length, 18);
	cr_assert_arr_eq(value, "192.0.2.3\0fd00::3", 18);
}

/* ---- snapshots ---- */

static _Alignas(16) unsigned char saved[2048];

static struct virtio_device_state *save(void)
{
	cr_assert_neq(virtio_device_save(&net.device, saved, sizeof saved), 0);
	return (struct virtio_device_state *)saved;
}

/* What a driver that knows of all offloads has put into the queue before it learns better. */
Test(net, a_backend_with_fewer_offloads)
{
	const struct virtio_net_hdr_v1 segments = {.flags = 1,
	                                           .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	                                           .gso_size = 1440,
	                                           .csum_start = 34,
	                                           .csum_offset = 16};
	struct virtio_device_state *state = save();

	net.device.features &= ~NET_OFFLOADS;
	cr_assert_eq(virtio_device_load(&net.device, state), 0);
	cr_assert_eq(net.device.driver_features & NET_OFFLOADS, 0);
	cr_assert_eq(fake.offloads, 0);
	send(segments, 9000);
	send((struct virtio_net_hdr_v1){.flags = 1, .csum_start = 34, .csum_offset = 16}, FRAME);
	cr_assert_eq(net.dropped, 2);
	cr_assert_eq(fake.sent, 0);
	cr_assert_not(has_failed());
	send((struct virtio_net_hdr_v1){.flags = 0}, FRAME);
	cr_assert_eq(fake.sent, 1);
	/* A snapshot of this one may go back to where there are offloads. */
	save();
	net.device.features |= NET_OFFLOADS;
	cr_assert_eq(virtio_device_load(&net.device, state), 0);
	cr_assert_eq(fake.offloads, NET_OFFLOADS);
}

Test(net, a_smaller_mtu)
{
	struct virtio_device_state *state;

	net.mtu = 9000;
	state = save();
	net.mtu = 1500;
	cr_assert_eq(virtio_device_load(&net.device, state), 0);
	send((struct virtio_net_hdr_v1){.flags = 0}, 9014);
	cr_assert_eq(net.dropped, 1);
	cr_assert_not(has_failed());
	send((struct virtio_net_hdr_v1){.flags = 0}, 9019);
	cr_assert(has_failed());
}

Test(net, chosen_mac_and_addresses_stay)
{
	struct virtio_device_state *state;

	net.has_chosen_addresses = true;
	net.addresses = (struct net_addresses){
	        .has_ipv4 = true, .ipv4 = {10, 1, 2, 3}, .dns_count = 1, .dns = {"10.1.2.4"}};
	state = save();
	memcpy(net.mac, "\2other", NET_MAC_SIZE);
	net.has_chosen_addresses = false;
	net.addresses = (struct net_addresses){.has_ipv4 = false};
	cr_assert_eq(virtio_device_load(&net.device, state), 0);
	cr_assert_arr_eq(net.mac, "\2other", NET_MAC_SIZE);
	cr_assert_not(net.addresses.has_ipv4);
	net.keeps_mac = net.keeps_addresses = true;
	cr_assert_eq(virtio_device_load(&net.device, state), 0);
	cr_assert_arr_eq(net.mac, "\2abcde", NET_MAC_SIZE);
	cr_assert(net.addresses.has_ipv4 && net.addresses.ipv4[3] == 3);
	cr_assert_str_eq(net.addresses.dns[0], "10.1.2.4");
}
