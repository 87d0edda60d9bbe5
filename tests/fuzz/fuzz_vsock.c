/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets of a hostile guest to the socket device, between which a host's program connects, sends,
 * reads and goes away. A command a byte, with what it needs behind it.
 */
#define vsock_host_accept    fake_accept
#define vsock_host_connect   fake_connect
#define vsock_host_connected fake_connected
#define vsock_host_open      fake_open
#define vsock_host_close     fake_close

#include "tests/fuzz/input.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "virtio/virtio_device.c"
#include "virtio/virtqueue.c"
#include "virtio/vsock.c"
#include "virtio/vsock_connection.c"

#include "vmm/error.c"

#define RAM     (1u << 20)
#define AREA    0x4000u /* of each queue */
#define BUFFERS 0x80000u
#define BUFFER  0x2000u
#define ENDS    8

static unsigned char *ram;
static int ends[ENDS]; /* of the host's programs; -1: none */
static uint32_t asked;
static bool is_asked;

void *guest_range(const struct guest_memory *memory, mote_gpa_t gpa, uint64_t length)
{
	if (gpa.value > memory->size || length > memory->size - gpa.value)
		return NULL;
	return memory->host + gpa.value;
}

static int make_end(void)
{
	int pair[2];

	for (int i = 0; i < ENDS; i++) {
		if (ends[i] >= 0)
			continue;
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
			return -1;
		ends[i] = pair[0];
		return pair[1];
	}
	return -1;
}

int fake_accept(const struct vsock_host *host)
{
	(void)host;
	return make_end();
}

int fake_connect(const struct vsock_host *host, uint32_t port, uint32_t token)
{
	(void)host;
	asked = token;
	is_asked = true;
	return port == 13 ? -1 : 0;
}

int fake_connected(const struct vsock_host *host, uint32_t *token, int *fd)
{
	(void)host;
	if (!is_asked)
		return 0;
	is_asked = false;
	*token = asked;
	*fd = make_end();
	return 1;
}

void fake_close(struct vsock_host *host)
{
	(void)host;
}

int fake_open(struct vsock_host *host, const char *path, struct mote_error *err)
{
	(void)host;
	(void)path;
	(void)err;
	return -1;
}

static uint16_t added[QUEUES];

/* Make one buffer available to the device. */
static void give(unsigned queue, uint32_t length, bool is_in)
{
	unsigned char *area = ram + AREA * queue;
	uint16_t slot = added[queue]++ % 64;
	struct vring_desc *descriptors = (struct vring_desc *)area;
	uint16_t *ring = (uint16_t *)(area + 1024);

	descriptors[slot] =
	        (struct vring_desc){.addr = BUFFERS + queue * 64 * BUFFER / 4 + slot * 2048u,
	                            .len = length,
	                            .flags = is_in ? VRING_DESC_F_WRITE : 0};
	ring[2 + slot] = slot;
	ring[1] = added[queue];
}

static void send_packet(struct input *input)
{
	struct virtio_vsock_hdr header;
	uint16_t slot = added[QUEUE_SEND] % 64;
	unsigned char *at = ram + BUFFERS + QUEUE_SEND * 64 * BUFFER / 4 + slot * 2048u;
	uint8_t kind = take_byte(input);

	header = (struct virtio_vsock_hdr){.src_cid = VSOCK_GUEST_CID,
	                                   .dst_cid = HOST_CID,
	                                   .src_port = take_byte(input) & 3,
	                                   .dst_port = take_byte(input) & 15,
	                                   .type = VIRTIO_VSOCK_TYPE_STREAM,
	                                   .op = kind & 15,
	                                   .len = kind & 16   ? 100
	                                          : kind & 32 ? 1500
	                                                      : 0,
	                                   .flags = take_byte(input),
	                                   .buf_alloc = take_byte(input) * 256u,
	                                   .fwd_cnt = take_byte(input) * 16u};
	if (kind & 64)
		header.dst_port = FIRST_PORT | header.dst_port;
	memcpy(at, &header, sizeof header);
	if (kind & 128)
		take(input, at, sizeof header);
	give(QUEUE_SEND, (uint32_t)sizeof header + (kind & 16 ? 100 : kind & 32 ? 1500 : 0), false);
}

static void host_acts(struct input *input)
{
	int *end = &ends[take_byte(input) % ENDS];
	uint8_t action = take_byte(input);
	char bytes[300];

	if (*end < 0)
		return;
	switch (action & 3) {
	case 0: (void)!write(*end, "CONNECT 2\n", 10); break;
	case 1:
		take(input, bytes, action);
		(void)!write(*end, bytes, action);
		break;
	case 2: (void)!read(*end, bytes, sizeof bytes); break;
	case 3:
		close(*end);
		*end = -1;
		break;
	}
}

static void poll_all(struct virtio_device *device)
{
	static struct pollfd polls[VIRTIO_POLL_MAX];
	unsigned count;

	if (!virtio_device_is_live(device))
		return;
	count = device->ops->poll(device, polls);
	for (unsigned i = 0; i < count; i++)
		polls[i].revents = polls[i].fd == -2 || polls[i].fd == -3 ? POLLIN : 0;
	for (unsigned i = 0; i < count; i++) {
		if (polls[i].fd >= 0)
			poll(&polls[i], 1, 0);
	}
	virtio_device_polled(device, polls, count);
}

static struct virtio_device *make_device(const struct guest_memory *memory)
{
	const struct vsock_host host = {.listener = -2, .connector = -3};
	struct virtio_device *device = vsock_create(&host, memory);

	device->driver_features = device->features & ~VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX);
	for (unsigned i = 0; i < QUEUES; i++) {
		device->queues[i].size = vsock_ops.queue_size[i];
		device->queues[i].descriptors.value = AREA * i;
		device->queues[i].driver_area.value = AREA * i + 1024;
		device->queues[i].device_area.value = AREA * i + 2048;
		virtio_device_enable_queue(device, i);
		added[i] = 0;
	}
	virtio_device_prepare(device, device->driver_features);
	return device;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest_memory memory;
	struct input input = {data, size};
	struct virtio_device *device;

	if (!ram) {
		ram = calloc(1, RAM);
		memory = (struct guest_memory){.host = ram, .size = RAM};
		signal(SIGPIPE, SIG_IGN);
	}
	memset(ram, 0, 3 * AREA);
	for (int i = 0; i < ENDS; i++)
		ends[i] = -1;
	is_asked = false;
	device = make_device(&memory);
	while (input.left) {
		switch (take_byte(&input) % 6) {
		case 0: send_packet(&input); break;
		case 1: give(QUEUE_RECEIVE, 1 + take_byte(&input) * 8u, true); break;
		case 2: host_acts(&input); break;
		case 3: virtio_device_serve(device); break;
		case 4: poll_all(device); break;
		case 5: vsock_drain(device); break;
		}
	}
	for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++) {
		const struct vsock_connection *connection = &vsock_of(device)->connections[i];

		if (connection->received - connection->taken > VSOCK_BUFFER)
			abort();
	}
	vsock_reset(device);
	for (int i = 0; i < ENDS; i++)
		if (ends[i] >= 0)
			close(ends[i]);
	free(vsock_of(device)->connections[0].ring);
	free(device);
	return 0;
}
