/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network stack of the kit: lwIP, what drives it, and what drivers of network devices see of
 * it.
 *
 * How it works
 *
 * The stack starts with the first socket that needs it, net_start(): lwIP, the loopback interface,
 * then the drivers, which add their devices. It runs on the thread that calls it: a system call
 * that sends, a driver that has received, a timeout. Whoever called into lwIP ends with
 * net_finish(), which feeds back what was sent to the loopback interface, tells drivers that they
 * will get no more frames for now, and sets the one timeout that lwIP's timers need (net_timers.c).
 * Nothing in here sleeps. Whoever runs out of pbufs or memory drops frames, as networks do.
 *
 * A driver includes this and lwip/pbuf.h; it fills a struct net_device and calls net_add(). lwIP
 * computes checksums itself where a device does not say that it does.
 */
#ifndef MOTE_GUESTKIT_NET_NET_H
#define MOTE_GUESTKIT_NET_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "lwip/netif.h"
#include "lwip/pbuf.h"

#define NET_MAC_SIZE  6
#define NET_FRAME_MAX 65535u /* with the Ethernet header: what a struct pbuf can count */

struct net_device;

/* A frame to be sent. The fields but `data` are those of struct virtio_net_hdr, virtio 1.2, 5.1.6.
 */
struct net_frame {
	/* A chain of buffers; the Ethernet header begins the first. It lies in the kit's direct
	 * map: direct_physical(p->payload) is its address for a device; a buffer may cross pages.
	 */
	struct pbuf *data;
	/* Where the device is to put the checksum of everything from `checksum_start` on, the sum
	 * of the pseudo header being there already: NEEDS_CSUM. Both 0: nothing to do. */
	uint16_t checksum_start;  /* csum_start, from the start of the frame */
	uint16_t checksum_offset; /* csum_offset, from checksum_start */
	/* TCP payload of each of the segments to cut the frame into: gso_size; 0: a single frame,
	 * which fits the MTU. */
	uint16_t segment_size;
	uint16_t header_size; /* hdr_len: Ethernet, IP and TCP headers; valid with segment_size */
	bool is_ipv6;         /* GSO_TCPV6, else GSO_TCPV4 */
};

struct net_device_ops {
	/**
	 * send() - Take a frame.
	 *
	 * The buffers are the stack's: a driver that gives them to the device keeps a reference
	 * (pbuf_ref(frame->data)) until it has got them back, then pbuf_free(). It must not write
	 * to them. lwIP writes again to buffers that it sends again (TCP headers of a
	 * retransmission) only when nobody else has a reference, and puts the retransmission off
	 * otherwise: so used buffers are to be collected before each send, and by collect().
	 *
	 * Return: 0, or -ENOBUFS: there is no room, the frame is dropped.
	 */
	int (*send)(struct net_device *device, const struct net_frame *frame);
	/**
	 * flush() - No more frames will follow for now: make what was sent known to the device.
	 *
	 * Called once behind one or more send(). A driver may put the exit off until the guest is
	 * about to wait anyway, which tells the device.
	 */
	void (*flush)(struct net_device *device);
	/* collect() - Free the buffers that the device has sent: something may be sent again. */
	void (*collect)(struct net_device *device);
};

/* What went through an interface. */
struct net_counters {
	uint64_t packets, bytes, dropped;
};

/* A device as its driver describes it; it lives for ever. What the driver fills comes first. */
struct net_device {
	const struct net_device_ops *ops;
	unsigned char mac[NET_MAC_SIZE];
	uint16_t mtu;           /* of IP packets; 1280 to 65521 */
	bool has_checksum;      /* computes checksums as struct net_frame asks for: F_CSUM */
	bool has_segmentation4; /* cuts segments: F_HOST_TSO4 (needs has_checksum) */
	bool has_segmentation6; /* F_HOST_TSO6 (the same) */
	bool is_link_up;        /* at first; later net_set_link() */
	/* Bytes that others may have under way to a connection, where more would be lost; 0: as
	 * many as they like. One with frames of 10 KB and more has a socket behind it, and a limit.
	 */
	uint32_t window_max;

	struct netif
	        netif;   /* zero at first; the stack's from net_add() on. netif.state: the device */
	bool has_frames; /* sent since the last flush() */
	struct net_counters received, sent;
	struct net_device *next;
};

/* ---- for drivers ---- */

/**
 * net_add() - Make a device an interface: "eth0", "eth1" and so on in the order of calls.
 *
 * Return: 0, -EINVAL (MTU), -ENOSPC (more than NET_DEVICES_MAX).
 */
#define NET_DEVICES_MAX 4
int net_add(struct net_device *device);

/* The link goes up or down, as the device's configuration says. */
void net_set_link(struct net_device *device, bool is_up);

/**
 * net_restart() - The device is another one by now, as its driver has described it anew: what is
 * known of its network does not hold any more. Its link goes down, and up again if @is_up.
 */
void net_restart(struct net_device *device, bool is_up);

/**
 * net_receive() - Give the stack a received frame.
 * @frame:       Ethernet header in the first buffer, whole; at most NET_FRAME_MAX bytes; segments
 *               that the host has joined (GUEST_TSO4, GUEST_TSO6) are welcome. The reference goes
 *               to the stack, which frees it at once or when an application has read the data.
 * @is_verified: the host says that the checksum is right or never left the machine: DATA_VALID,
 *               NEEDS_CSUM
 *
 * For frames that lie in the device's buffers, without copying: a structure of the driver's begins
 * with struct pbuf_custom (lwip/pbuf.h); its custom_free_function gives the buffer back to the
 * device; pbuf_alloced_custom(PBUF_RAW, length, PBUF_REF, &buffer->custom, memory, room) makes a
 * pbuf of it, pbuf_cat(first, next) a frame of several (mergeable buffers). A slow reader may keep
 * such buffers as long as it likes, a socket up to its receive window: a driver with few left
 * copies small frames (pbuf_alloc(PBUF_RAW, length, PBUF_RAM), pbuf_take()) or posts others. What
 * is received is written to (headers are turned into host order in place).
 *
 * Nothing is sent to the device before net_finish().
 */
void net_receive(struct net_device *device, struct pbuf *frame, bool is_verified);

/* Behind the last of several frames received: answers leave. Those that wait have been woken. */
void net_finish(void);

/* ---- provided by drivers and configuration; called once by net_start() ---- */

/* guestkit/virtio_net.c: find the devices and net_add() each. Never waits. */
void virtio_net_start(void) __attribute__((weak));

/* guestkit/libc-shim/net_config.c: a device was added, or is in another network: give it addresses
 * (DHCP or options). */
void net_config_add(struct net_device *device) __attribute__((weak));
void net_config_restart(struct net_device *device) __attribute__((weak));

/* guestkit/libc-shim/netlink.c: programs that want to know are told of its link, or addresses. */
void netlink_tell_link(struct net_device *device) __attribute__((weak));
void netlink_tell_addresses(struct net_device *device) __attribute__((weak));
struct interface; /* as it was before (interface.h) */
void netlink_tell_gone(const struct interface *before) __attribute__((weak));

/* ---- for sockets ---- */

/* Start the stack; costs a look when it runs already. 0 or -ENOMEM. */
int net_start(void);

/* Before a call into lwIP: its clock is put right. net_receive() does it itself. */
void net_enter(void);

#define NET_LOOPBACK_MTU 65536 /* as programs are told; lwIP counts to one less */

/* Does the listening socket of a control block have no room for a connection? inet_tcp_connect.c,
 * asked by lwIP (lwipopts.h). */
struct tcp_pcb;
bool net_tcp_refuses(const struct tcp_pcb *pcb);

/* Name servers that DHCP (0 on) or routers have told of; the wildcard: none. */
#define NET_NAME_SERVERS 3
extern ip_addr_t net_name_servers[NET_NAME_SERVERS];
void dns_setserver(u8_t number, const ip_addr_t *server);
const ip_addr_t *dns_getserver(u8_t number);

/* The loopback interface; the first of the devices (next: NULL behind the last). */
extern struct netif *net_loopback;
extern struct net_counters net_loopback_counters; /* sent, which is received */
extern struct net_device *net_devices;

/* The device of an interface, or NULL (loopback). */
struct net_device *net_device_of(const struct netif *netif);

/* Is what packets may take nearly used up? Then no more should be sent before others have gone. */
bool net_memory_is_short(void);

/* lwIP's errors as errno values, negative; 0 for ERR_OK. */
int net_errno(err_t error);

#endif
