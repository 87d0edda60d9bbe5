/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TAP interface of the host as a network backend.
 *
 * A TAP takes and gives the header of virtio frames as it is (IFF_VNET_HDR), and segments that are
 * still joined: each write costs microseconds, whatever its length. The kernel copies straight
 * from and to the guest's memory.
 */
#include "virtio/net_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/siphash.h"

static struct net_tap *tap_of(struct net_backend *backend)
{
	return (struct net_tap *)backend;
}

/* ---- frames ---- */

/* #syscalls:net writev */
static enum net_result tap_send(struct net_backend *backend, const struct iovec *vectors,
                                unsigned count)
{
	struct net_tap *tap = tap_of(backend);

	tap->is_full = false;
	if (writev(tap->fd, vectors, (int)count) >= 0)
		return NET_DONE;
	switch (errno) {
	case EAGAIN:
	case EINTR: tap->is_full = true; return NET_LATER;
	case EBADFD: return NET_GONE;
	default: return NET_DONE; /* EIO: the interface is down. Frames are lost on networks. */
	}
}

/* #syscalls:net readv */
static enum net_result tap_receive(struct net_backend *backend, const struct iovec *vectors,
                                   unsigned count, size_t *length)
{
	ssize_t got = readv(tap_of(backend)->fd, vectors, (int)count);

	if (got < 0)
		return errno == EBADFD ? NET_GONE : NET_LATER;
	*length = (size_t)got;
	return got >= NET_HEADER_SIZE ? NET_DONE : NET_LATER;
}

static int tap_poll(const struct net_backend *backend, short *events)
{
	const struct net_tap *tap = (const struct net_tap *)backend;

	*events = tap->is_full ? POLLOUT : 0;
	return tap->fd;
}

static void tap_explain(struct net_backend *backend, char *why, size_t size)
{
	snprintf(why, size, "the interface %s has been removed", tap_of(backend)->name);
}

/* What the guest takes joined or without checksums (GUEST_*): what it sends needs no setting. */
/* #syscalls:net ioctl(TUNSETOFFLOAD) */
static int tap_set_offloads(struct net_backend *backend, uint64_t offloads)
{
	struct net_tap *tap = tap_of(backend);
	unsigned wanted = 0;

	if (offloads >> VIRTIO_NET_F_GUEST_CSUM & 1) {
		wanted |= TUN_F_CSUM;
		if (offloads >> VIRTIO_NET_F_GUEST_TSO4 & 1)
			wanted |= TUN_F_TSO4;
		if (offloads >> VIRTIO_NET_F_GUEST_TSO6 & 1)
			wanted |= TUN_F_TSO6;
	}
	if (wanted != tap->offloads && ioctl(tap->fd, TUNSETOFFLOAD, (unsigned long)wanted))
		return -1;
	tap->offloads = wanted;
	return 0;
}

static const struct net_backend_ops tap_ops = {
        .send = tap_send,
        .receive = tap_receive,
        .set_offloads = tap_set_offloads,
        .poll = tap_poll,
        .explain = tap_explain,
};

/* ---- attaching ---- */

static struct ifreq request_of(const struct net_tap *tap)
{
	struct ifreq request = {.ifr_flags = 0};

	memcpy(request.ifr_name, tap->name, sizeof request.ifr_name);
	return request;
}

/* The same as long as the interface is there, so that the host's neighbours know it again. */
static void choose_mac(struct net_tap *tap, const unsigned char *hardware)
{
	const uint64_t key[2] = {0x6d6f7465, 0x746170};
	unsigned char seed[IFNAMSIZ + NET_MAC_SIZE];
	uint64_t hash[2];

	memcpy(seed, tap->name, IFNAMSIZ);
	memcpy(seed + IFNAMSIZ, hardware, NET_MAC_SIZE);
	siphash_128(key, seed, sizeof seed, hash);
	memcpy(tap->backend.mac, hash, NET_MAC_SIZE);
	tap->backend.mac[0] = (unsigned char)((tap->backend.mac[0] & 0xfc) | 2); /* local, one */
}

/* What there is to know of the interface, which TUNSETIFF would make if it were not there. */
static int look_at_interface(struct net_tap *tap, struct mote_error *err)
{
	struct ifreq mtu = request_of(tap), hardware = mtu;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), failed;

	if (fd < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot look at interfaces");
	failed = ioctl(fd, SIOCGIFMTU, &mtu) || ioctl(fd, SIOCGIFHWADDR, &hardware);
	close(fd);
	if (failed) {
		mote_error_errno(err, MOTE_STATUS_FAILED, "cannot use the interface %s", tap->name);
		return mote_error_hint(err,
		                       "Make it: ip tuntap add dev %s mode tap user NAME; "
		                       "mote doctor says more",
		                       tap->name);
	}
	tap->backend.mtu =
	        mtu.ifr_mtu > 0 && mtu.ifr_mtu < UINT16_MAX ? (uint16_t)mtu.ifr_mtu : UINT16_MAX;
	choose_mac(tap, (const unsigned char *)hardware.ifr_hwaddr.sa_data);
	return 0;
}

static int attach_error(const struct net_tap *tap, struct mote_error *err)
{
	int reason = errno;

	mote_error_errno(err, MOTE_STATUS_FAILED, "cannot use the interface %s", tap->name);
	switch (reason) {
	case EPERM:
		return mote_error_hint(err,
		                       "It is not yours: ip tuntap add dev %s mode tap user "
		                       "NAME gives it to a user",
		                       tap->name);
	case EBUSY: return mote_error_hint(err, "Another program has it open");
	case EINVAL: return mote_error_hint(err, "It must be a TAP of one queue");
	default: return -1;
	}
}

static int attach(struct net_tap *tap, struct mote_error *err)
{
	struct ifreq request = request_of(tap);
	int header = NET_HEADER_SIZE, is_little = 1;

	request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	tap->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap->fd < 0) {
		mote_error_errno(err, MOTE_STATUS_FAILED, "cannot open /dev/net/tun");
		return errno == EACCES || errno == EPERM
		               ? mote_error_hint(err, "Whoever uses a TAP needs the right to open "
		                                      "it: chmod 666 /dev/net/tun is usual")
		               : mote_error_hint(err, "The kernel needs the module tun");
	}
	if (ioctl(tap->fd, TUNSETIFF, &request))
		return attach_error(tap, err);
	if (ioctl(tap->fd, TUNSETVNETHDRSZ, &header) || ioctl(tap->fd, TUNSETVNETLE, &is_little))
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "the interface %s takes no virtio headers", tap->name);
	return 0;
}

int net_tap_open(struct net_tap *tap, const char *name, struct mote_error *err)
{
	*tap = (struct net_tap){.backend = {.ops = &tap_ops, .offloads = NET_OFFLOADS}, .fd = -1};
	snprintf(tap->name, sizeof tap->name, "%s", name);
	if (look_at_interface(tap, err) || attach(tap, err))
		return -1;
	if (tap_set_offloads(&tap->backend, tap->backend.offloads))
		return mote_error_errno(err, MOTE_STATUS_FAILED, "the interface %s has no offloads",
		                        tap->name);
	return 0;
}
