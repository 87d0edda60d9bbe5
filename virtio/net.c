/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network device (virtio 1.2, section 5.1): queue 0 receives, queue 1 sends.
 *
 * How it works
 *
 * Frames move between the buffers of the guest and the backend without a copy in here. The header
 * of a frame to be sent is copied out, checked, and the copy is what the backend gets. To receive,
 * so many of the driver's buffers are taken as hold the longest frame there can be, and those that
 * it did not need are put back; while the driver has given fewer, frames stay in the backend.
 *
 * When the backend goes, the link goes down: frames to be sent are dropped then, none come.
 */
#include "virtio/net.h"

#include <libfdt.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <string.h>

#define QUEUE_RECEIVE 0u
#define QUEUE_SEND    1u

#define ETHERNET_HEADER 14u
#define ETHERNET_VLAN   4u
#define FRAME_MAX       65550u /* 5.1.6.3.1, without the header; with offloads any frame may be */
#define MTU_STANDARD    1500u

_Static_assert(sizeof(struct virtio_net_hdr_v1) == NET_HEADER_SIZE, "virtio 1.2, 5.1.6");

static struct net *net_of(struct virtio_device *device)
{
	return (struct net *)device;
}

/* The backend has gone, if that is what it says. */
static enum net_result heed(struct net *net, enum net_result result)
{
	char why[256] = "";

	if (result != NET_GONE)
		return result;
	net->backend->ops->explain(net->backend, why, sizeof why);
	net->backend = NULL;
	net->report(why);
	virtio_device_tell_config(&net->device);
	return NET_GONE;
}

/* ---- sending ---- */

/* Bytes of a frame that is no more than one packet. */
static size_t single_frame_max(unsigned mtu)
{
	return mtu + ETHERNET_HEADER + ETHERNET_VLAN;
}

/* A driver that was restored may have sent something before it learns of its new network. */
static bool has_offload(const struct virtio_device *device, unsigned feature)
{
	return (device->driver_features | device->lost_features) & VIRTIO_FEATURE(feature);
}

/* 5.1.6.2: what the driver may ask for; hdr_len is a hint, num_buffers not looked at. */
static bool is_header_right(const struct virtio_device *device,
                            const struct virtio_net_hdr_v1 *header, size_t frame)
{
	const struct net *net = (const struct net *)device;
	unsigned mtu = net->mtu > net->lost_mtu ? net->mtu : net->lost_mtu;
	unsigned feature = VIRTIO_NET_F_HOST_TSO4;

	if (header->flags & ~VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return false;
	if (header->flags &&
	    (!has_offload(device, VIRTIO_NET_F_CSUM) ||
	     (size_t)header->csum_start + header->csum_offset + sizeof(uint16_t) > frame))
		return false;
	switch (header->gso_type) {
	case VIRTIO_NET_HDR_GSO_NONE: return frame <= single_frame_max(mtu);
	case VIRTIO_NET_HDR_GSO_TCPV6: feature = VIRTIO_NET_F_HOST_TSO6; break;
	case VIRTIO_NET_HDR_GSO_TCPV4: break;
	default: return false;
	}
	return has_offload(device, feature) && header->flags && header->gso_size &&
	       frame <= FRAME_MAX;
}

/* Of before a restore, and more than the network of now can take. */
static bool is_of_another_network(const struct net *net, const struct virtio_net_hdr_v1 *header,
                                  size_t frame)
{
	if (!net->device.lost_features && !net->lost_mtu)
		return false;
	if (header->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return frame > single_frame_max(net->mtu) ||
		       (header->flags && !virtio_device_has(&net->device, VIRTIO_NET_F_CSUM));
	return !virtio_device_has(&net->device, header->gso_type == VIRTIO_NET_HDR_GSO_TCPV6
	                                                ? VIRTIO_NET_F_HOST_TSO6
	                                                : VIRTIO_NET_F_HOST_TSO4);
}

/* NET_GONE: the driver may not do this. */
static enum net_result send_chain(struct net *net, const struct virtqueue_chain *chain)
{
	struct virtio_net_hdr_v1 header;
	enum net_result result = NET_GONE;
	size_t frame;
	unsigned count;

	if (chain->in_count || chain->out_bytes < sizeof header + ETHERNET_HEADER)
		return NET_GONE;
	frame = chain->out_bytes - sizeof header;
	virtqueue_copy_from(chain->vectors, chain->out_count, 0, &header, sizeof header);
	if (!is_header_right(&net->device, &header, frame))
		return NET_GONE;
	header.num_buffers = 0;
	net->vectors[0] = (struct iovec){&header, sizeof header};
	count = 1 + virtqueue_slice(chain->vectors, chain->out_count, sizeof header, frame,
	                            net->vectors + 1);
	if (net->backend && !is_of_another_network(net, &header, frame))
		result = heed(net, net->backend->ops->send(net->backend, net->vectors, count));
	if (result == NET_DONE) {
		net->sent.frames++;
		net->sent.bytes += frame;
	} else if (result == NET_GONE) {
		net->dropped++;
	}
	return result == NET_LATER ? NET_LATER : NET_DONE;
}

static int send_all(struct net *net)
{
	struct virtqueue *queue = &net->device.queues[QUEUE_SEND];
	struct virtqueue_chain *chain = &net->device.chain;
	int status;

	while ((status = virtqueue_next(queue, chain)) > 0) {
		switch (send_chain(net, chain)) {
		case NET_GONE: return -1;
		case NET_LATER: virtqueue_put_back(queue); return 0;
		case NET_DONE: virtqueue_complete(queue, chain->head, 0); break;
		}
	}
	return status;
}

/* ---- receiving ---- */

/* Bytes that any frame fits into, with its header. */
static size_t room_wanted(const struct net *net)
{
	const struct virtio_device *device = &net->device;
	size_t mtu = net->mtu > net->backend->mtu ? net->mtu : net->backend->mtu;

	if (virtio_device_has(device, VIRTIO_NET_F_GUEST_TSO4) ||
	    virtio_device_has(device, VIRTIO_NET_F_GUEST_TSO6))
		return NET_HEADER_SIZE + FRAME_MAX;
	return NET_HEADER_SIZE + single_frame_max(mtu > MTU_STANDARD ? mtu : MTU_STANDARD);
}

static void put_back(struct virtqueue *queue, unsigned count)
{
	while (count--)
		virtqueue_put_back(queue);
}

/*
 * Take chains into net->parts and their buffers into net->vectors until they hold a frame. Without
 * mergeable buffers one chain has to (5.1.6.3.1).
 *
 * Return: how many; 0: there are too few; -1: a chain is not as it should be.
 */
static int gather(struct net *net, unsigned *vector_count)
{
	struct virtqueue *queue = &net->device.queues[QUEUE_RECEIVE];
	struct virtqueue_chain *chain = &net->device.chain;
	bool is_mergeable = virtio_device_has(&net->device, VIRTIO_NET_F_MRG_RXBUF);
	size_t wanted = room_wanted(net), room = 0;
	unsigned count = 0, vectors = 0;
	int status = 0;

	while (room < wanted && count < NET_PARTS_MAX &&
	       (status = virtqueue_next(queue, chain)) > 0) {
		if (chain->out_count || chain->in_bytes < NET_HEADER_SIZE ||
		    (!is_mergeable && chain->in_bytes < wanted) ||
		    vectors + chain->in_count > VIRTQUEUE_SIZE_MAX)
			return -1;
		net->parts[count].head = chain->head;
		net->parts[count++].size = chain->in_bytes;
		room += chain->in_bytes;
		memcpy(net->vectors + vectors, chain->vectors,
		       chain->in_count * sizeof net->vectors[0]);
		vectors += chain->in_count;
	}
	if (status < 0)
		return -1;
	*vector_count = vectors;
	if (room >= wanted && vectors)
		return (int)count;
	put_back(queue, count);
	return 0;
}

/* Give the driver the buffers that a frame of @length bytes took, and put the others back. */
static void give(struct net *net, unsigned count, unsigned vectors, size_t length)
{
	struct virtqueue *queue = &net->device.queues[QUEUE_RECEIVE];
	unsigned used = 0;
	uint8_t no_flags = 0;
	uint16_t buffers;

	for (size_t room = 0; room < length && used < count; used++)
		room += net->parts[used].size;
	buffers = (uint16_t)used;
	virtqueue_copy_to(net->vectors, vectors, offsetof(struct virtio_net_hdr_v1, num_buffers),
	                  &buffers, sizeof buffers);
	if (!virtio_device_has(&net->device, VIRTIO_NET_F_GUEST_CSUM))
		virtqueue_copy_to(net->vectors, vectors, offsetof(struct virtio_net_hdr_v1, flags),
		                  &no_flags, sizeof no_flags);
	put_back(queue, count - used);
	for (unsigned i = 0; i < used; i++) {
		size_t written = length < net->parts[i].size ? length : net->parts[i].size;

		virtqueue_complete(queue, net->parts[i].head, (uint32_t)written);
		length -= written;
	}
}

static int receive_all(struct net *net)
{
	while (net->backend) {
		unsigned vectors;
		size_t length;
		int count = gather(net, &vectors);

		net->lacks_buffers = count <= 0;
		if (count <= 0)
			return count;
		if (heed(net, net->backend->ops->receive(net->backend, net->vectors, vectors,
		                                         &length)) != NET_DONE) {
			put_back(&net->device.queues[QUEUE_RECEIVE], (unsigned)count);
			return 0;
		}
		net->received.frames++;
		net->received.bytes += length - NET_HEADER_SIZE;
		give(net, (unsigned)count, vectors, length);
	}
	return 0;
}

/* ---- the device ---- */

static int serve(struct virtio_device *device, unsigned queue)
{
	return queue == QUEUE_RECEIVE ? receive_all(net_of(device)) : send_all(net_of(device));
}

static int take_offloads(struct virtio_device *device)
{
	struct net_backend *backend = net_of(device)->backend;

	return backend ? backend->ops->set_offloads(backend, device->driver_features & NET_OFFLOADS)
	               : 0;
}

static void reset(struct virtio_device *device)
{
	net_of(device)->lacks_buffers = true;
	net_of(device)->lost_mtu = 0;
}

static void read_config(struct virtio_device *device, size_t offset, void *to, size_t length)
{
	const struct net *net = net_of(device);
	struct virtio_net_config config = {
	        .status = net->backend ? VIRTIO_NET_S_LINK_UP : 0,
	        .max_virtqueue_pairs = 1,
	        .mtu = net->mtu,
	};

	memcpy(config.mac, net->mac, sizeof config.mac);
	memcpy(to, (const char *)&config + offset, length);
}

static unsigned poll_backend(struct virtio_device *device, struct pollfd *polls)
{
	const struct net *net = net_of(device);
	short events = 0;
	int fd;

	if (!net->backend)
		return 0;
	fd = net->backend->ops->poll(net->backend, &events);
	if (!net->lacks_buffers)
		events |= POLLIN;
	*polls = (struct pollfd){.fd = fd, .events = events};
	return 1;
}

static int polled(struct virtio_device *device, const struct pollfd *polls, unsigned count)
{
	struct net *net = net_of(device);

	(void)count;
	if (polls->revents & POLLOUT && net->backend->ops->flush)
		heed(net, net->backend->ops->flush(net->backend));
	if (polls->revents & POLLOUT && send_all(net))
		return -1;
	if (net->backend && net->lacks_buffers && polls->revents & (POLLERR | POLLHUP | POLLNVAL))
		heed(net, NET_GONE);
	return net->lacks_buffers ? 0 : receive_all(net);
}

/* ---- snapshots ---- */

struct net_state {
	uint8_t mac[NET_MAC_SIZE];
	uint16_t mtu;
	uint32_t has_ipv4, has_ipv6;
	uint8_t ipv4[4], ipv4_gateway[4];
	uint8_t ipv6[16], ipv6_gateway[16];
	uint32_t ipv4_prefix, ipv6_prefix;
	uint32_t dns_count, has_addresses; /* that the user had chosen */
	char dns[NET_DNS_MAX][48];
};
_Static_assert(sizeof(struct net_state) == 72 + 3 * 48, "part of the file format");

static size_t save_bound(const struct virtio_device *device)
{
	(void)device;
	return sizeof(struct net_state);
}

static size_t save(const struct virtio_device *device, void *to)
{
	const struct net *net = (const struct net *)device;
	const struct net_addresses *addresses = &net->addresses;
	struct net_state *state = to;

	*state = (struct net_state){.mtu = net->mtu,
	                            .has_ipv4 = addresses->has_ipv4,
	                            .has_ipv6 = addresses->has_ipv6,
	                            .ipv4_prefix = addresses->ipv4_prefix,
	                            .ipv6_prefix = addresses->ipv6_prefix,
	                            .dns_count = addresses->dns_count,
	                            .has_addresses = net->has_chosen_addresses};
	memcpy(state->mac, net->mac, sizeof state->mac);
	memcpy(state->ipv4, addresses->ipv4, sizeof state->ipv4);
	memcpy(state->ipv4_gateway, addresses->ipv4_gateway, sizeof state->ipv4_gateway);
	memcpy(state->ipv6, addresses->ipv6, sizeof state->ipv6);
	memcpy(state->ipv6_gateway, addresses->ipv6_gateway, sizeof state->ipv6_gateway);
	for (unsigned i = 0; i < NET_DNS_MAX; i++)
		memcpy(state->dns[i], addresses->dns[i], NET_ADDRESS_TEXT);
	return sizeof *state;
}

static bool is_state_right(const struct net_state *state)
{
	if (state->has_ipv4 > 1 || state->has_ipv6 > 1 || state->has_addresses > 1 ||
	    state->ipv4_prefix > 32 || state->ipv6_prefix > 128 || state->dns_count > NET_DNS_MAX ||
	    state->mac[0] & 1)
		return false;
	for (unsigned i = 0; i < state->dns_count; i++)
		if (!memchr(state->dns[i], 0, NET_ADDRESS_TEXT))
			return false;
	return true;
}

static void take_addresses(struct net_addresses *addresses, const struct net_state *state)
{
	*addresses = (struct net_addresses){.has_ipv4 = state->has_ipv4,
	                                    .has_ipv6 = state->has_ipv6,
	                                    .ipv4_prefix = state->ipv4_prefix,
	                                    .ipv6_prefix = state->ipv6_prefix,
	                                    .dns_count = state->dns_count};
	memcpy(addresses->ipv4, state->ipv4, sizeof state->ipv4);
	memcpy(addresses->ipv4_gateway, state->ipv4_gateway, sizeof state->ipv4_gateway);
	memcpy(addresses->ipv6, state->ipv6, sizeof state->ipv6);
	memcpy(addresses->ipv6_gateway, state->ipv6_gateway, sizeof state->ipv6_gateway);
	for (unsigned i = 0; i < state->dns_count; i++)
		memcpy(addresses->dns[i], state->dns[i], NET_ADDRESS_TEXT);
}

static int load(struct virtio_device *device, const void *from, size_t size)
{
	struct net *net = net_of(device);
	const struct net_state *state = from;

	if (size != sizeof *state || !is_state_right(state))
		return -1;
	if (net->keeps_mac)
		memcpy(net->mac, state->mac, sizeof net->mac);
	if (net->keeps_addresses && (state->has_addresses || !net->backend))
		take_addresses(&net->addresses, state);
	net->has_chosen_addresses |= net->keeps_addresses && state->has_addresses;
	if (!net->backend)
		net->mtu = state->mtu;
	net->lost_mtu = state->mtu > net->mtu ? state->mtu : 0;
	return 0;
}

/* ---- its node in the device tree (docs/device-tree.md) ---- */

static int describe_ipv4(const struct net_addresses *addresses, void *tree)
{
	const fdt32_t prefix = cpu_to_fdt32(addresses->ipv4_prefix);
	unsigned char value[12];

	memcpy(value, addresses->ipv4, 4);
	memcpy(value + 4, &prefix, 4);
	memcpy(value + 8, addresses->ipv4_gateway, 4);
	return fdt_property(tree, "mote,ipv4", value, sizeof value);
}

static int describe_ipv6(const struct net_addresses *addresses, void *tree)
{
	const fdt32_t prefix = cpu_to_fdt32(addresses->ipv6_prefix);
	unsigned char value[36];

	memcpy(value, addresses->ipv6, 16);
	memcpy(value + 16, &prefix, 4);
	memcpy(value + 20, addresses->ipv6_gateway, 16);
	return fdt_property(tree, "mote,ipv6", value, sizeof value);
}

static int describe_dns(const struct net_addresses *addresses, void *tree)
{
	char list[sizeof addresses->dns];
	size_t length = 0;

	for (unsigned i = 0; i < addresses->dns_count; i++) {
		size_t size = strlen(addresses->dns[i]) + 1;

		memcpy(list + length, addresses->dns[i], size);
		length += size;
	}
	return fdt_property(tree, "mote,dns", list, (int)length);
}

static int describe(const struct virtio_device *device, void *tree)
{
	const struct net_addresses *addresses = &((const struct net *)device)->addresses;
	int status = 0;

	if (addresses->has_ipv4)
		status = describe_ipv4(addresses, tree);
	if (!status && addresses->has_ipv6)
		status = describe_ipv6(addresses, tree);
	if (!status && addresses->dns_count)
		status = describe_dns(addresses, tree);
	return status;
}

static void close_net(struct virtio_device *device)
{
	struct net *net = net_of(device);

	if (net->close)
		net->close(net);
}

static const struct virtio_device_ops net_ops = {
        .name = "net",
        .id = VIRTIO_ID_NET,
        .queue_count = 2,
        .queue_size = {[QUEUE_RECEIVE] = 256, [QUEUE_SEND] = 256},
        .config_size = offsetof(struct virtio_net_config, mtu) + sizeof(uint16_t),
        .serve = serve,
        .start = take_offloads,
        .reset = reset,
        .read_config = read_config,
        .poll = poll_backend,
        .polled = polled,
        .describe = describe,
        .save_bound = save_bound,
        .save = save,
        .load = load,
        .features_that_may_go = NET_OFFLOADS,
        .close = close_net,
};

void net_init(struct net *net, const struct guest_memory *memory)
{
	const uint64_t features =
	        VIRTIO_FEATURE(VIRTIO_NET_F_MAC) | VIRTIO_FEATURE(VIRTIO_NET_F_MTU) |
	        VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) | VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF);

	net->lacks_buffers = true;
	virtio_device_init(&net->device, &net_ops,
	                   features | (net->backend ? net->backend->offloads : 0), memory);
}
