/* SPDX-License-Identifier: Apache-2.0 */
/* Options of internet sockets that are the same for all protocols: levels IPPROTO_IP and IPV6. */
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/in6.h>

#include "guestkit/libc-shim/inet.h"
#include "guestkit/string.h"
#include "guestkit/user.h"
#include "lwip/opt.h"

#define BIT(option)    (1ull << (option))
#define ECN_MASK       3u
#define HOPS_MAX       255
#define PMTU_MAX       IP_PMTUDISC_OMIT
#define PMTU_INIT      IP_PMTUDISC_WANT
#define MULTICAST_HOPS 1

/* Options that are on or off: recorded, and told. */
#define SWITCHES4                                                                       \
	(BIT(IP_HDRINCL) | BIT(IP_RECVOPTS) | BIT(IP_RETOPTS) | BIT(IP_PKTINFO) |       \
	 BIT(IP_RECVERR) | BIT(IP_RECVTTL) | BIT(IP_RECVTOS) | BIT(IP_FREEBIND) |       \
	 BIT(IP_TRANSPARENT) | BIT(IP_RECVORIGDSTADDR) | BIT(IP_BIND_ADDRESS_NO_PORT) | \
	 BIT(IP_RECVFRAGSIZE))

static const uint8_t switches6[] = {IPV6_RECVPKTINFO,   IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS,
                                    IPV6_RECVERR,       IPV6_DONTFRAG,     IPV6_FREEBIND,
                                    IPV6_AUTOFLOWLABEL, IPV6_TRANSPARENT,  IPV6_RECVRTHDR,
                                    IPV6_RECVHOPOPTS,   IPV6_RECVDSTOPTS,  IPV6_FLOWINFO_SEND,
                                    IPV6_RECVPATHMTU,   IPV6_RECVFRAGSIZE, IPV6_RECVORIGDSTADDR,
                                    IPV6_2292PKTINFO,   IPV6_2292HOPLIMIT};

static bool is_switch4(unsigned option)
{
	return option < 64 && SWITCHES4 & BIT(option);
}

static bool is_switch6(unsigned option)
{
	return option && option <= UINT8_MAX && memchr(switches6, (int)option, sizeof(switches6));
}

static void set_switch(uint64_t *switches, unsigned option, int value)
{
	uint64_t bit = BIT(option % 64);

	switches += option / 64;
	*switches = value ? *switches | bit : *switches & ~bit;
}

uint8_t inet_tos(const struct inet_socket *socket, bool is_v6)
{
	return is_v6 ? socket->options.traffic_class : socket->options.tos;
}

uint8_t inet_ttl(const struct inet_socket *socket, bool is_v6)
{
	int said = is_v6 ? socket->options.hop_limit : socket->options.ttl;

	return said < 0 ? IP_DEFAULT_TTL : (uint8_t)said;
}

/* ---- setting ---- */

/* The value of an option of IPPROTO_IP may be one byte long. */
static int read_value4(uint64_t user, uint32_t length, int *value)
{
	uint8_t byte;

	*value = 0;
	if (length >= sizeof(*value))
		return user_read(value, user, sizeof(*value));
	if (!length)
		return 0;
	if (user_read(&byte, user, sizeof(byte)))
		return -EFAULT;
	*value = byte;
	return 0;
}

static int set_option4(struct inet_socket *socket, unsigned option, uint64_t user, uint32_t length)
{
	struct inet_options *options = &socket->options;
	bool is_stream = socket->socket.type == SOCKET_STREAM;
	int value, result = read_value4(user, length, &value);

	if (result)
		return result;
	if (is_switch4(option)) {
		if (option == IP_HDRINCL && socket->socket.type != SOCKET_RAW)
			return -ENOPROTOOPT;
		if (!length && option == IP_FREEBIND)
			return -EINVAL;
		set_switch(&options->switches, option, value);
		return 0;
	}
	switch (option) {
	case IP_TOS:
		if (is_stream) /* these bits are TCP's own */
			value = (value & ~(int)ECN_MASK) | (options->tos & (int)ECN_MASK);
		options->tos = (uint8_t)value;
		return 0;
	case IP_TTL:
		if (!length || (value != -1 && (value < 1 || value > HOPS_MAX)))
			return -EINVAL;
		options->ttl = (int16_t)value;
		return 0;
	case IP_MTU_DISCOVER:
		if (value < 0 || value > PMTU_MAX)
			return -EINVAL;
		options->mtu_discover = value + 1;
		return 0;
	default: return -ENOPROTOOPT;
	}
}

static int set_option6(struct inet_socket *socket, unsigned option, uint64_t user, uint32_t length)
{
	struct inet_options *options = &socket->options;
	int value = 0;

	if (length >= sizeof(value) && user_read(&value, user, sizeof(value)))
		return -EFAULT;
	if (is_switch6(option)) {
		if (length < sizeof(value))
			return -EINVAL;
		set_switch(options->switches6, option, value);
		return 0;
	}
	switch (option) {
	case IPV6_V6ONLY:
		if (length < sizeof(value) || socket->local.port)
			return -EINVAL;
		options->is_v6only = value;
		socket->local.ip = inet_any(socket);
		return 0;
	case IPV6_UNICAST_HOPS:
		if (length < sizeof(value) || value < -1 || value > HOPS_MAX)
			return -EINVAL;
		options->hop_limit = (int16_t)value;
		return 0;
	case IPV6_TCLASS:
		if (length < sizeof(value) || value < -1 || value > UINT8_MAX)
			return -EINVAL;
		options->traffic_class = (uint8_t)(value < 0 ? 0 : value);
		return 0;
	case IPV6_MTU_DISCOVER:
		if (length < sizeof(value) || value < 0 || value > PMTU_MAX)
			return -EINVAL;
		options->mtu_discover6 = value + 1;
		return 0;
	default: return -ENOPROTOOPT;
	}
}

int inet_set_option(struct socket *base, int level, unsigned option, uint64_t user, uint32_t length)
{
	struct inet_socket *socket = inet_of(base);

	if (level == INET_IP)
		return set_option4(socket, option, user, length);
	if (level == INET_IPV6 && base->family == SOCKET_FAMILY_INET6)
		return set_option6(socket, option, user, length);
	return -ENOPROTOOPT;
}

/* ---- getting ---- */

/* The MTU of the way to the other end, of IPv4 or IPv6. */
static int get_mtu(const struct inet_socket *socket, bool is_v6)
{
	const struct netif *netif =
	        socket->remote.port ? inet_route(&socket->local.ip, &socket->remote.ip) : NULL;

	if (!netif)
		return -ENOTCONN;
	return netif == net_loopback && is_v6 ? NET_LOOPBACK_MTU : netif->mtu;
}

static int get_option4(const struct inet_socket *socket, unsigned option, int *value)
{
	const struct inet_options *options = &socket->options;

	if (is_switch4(option)) {
		if (option == IP_HDRINCL && socket->socket.type != SOCKET_RAW)
			return -ENOPROTOOPT;
		*value = !!(options->switches & BIT(option));
		return 0;
	}
	switch (option) {
	case IP_TOS: *value = options->tos; return 0;
	case IP_TTL: *value = inet_ttl(socket, false); return 0;
	case IP_MTU_DISCOVER:
		*value = options->mtu_discover ? options->mtu_discover - 1 : PMTU_INIT;
		return 0;
	case IP_MTU: *value = get_mtu(socket, false); return *value < 0 ? *value : 0;
	default: return -ENOPROTOOPT;
	}
}

static int get_option6(const struct inet_socket *socket, unsigned option, int *value)
{
	const struct inet_options *options = &socket->options;

	if (is_switch6(option)) {
		*value = (int)(options->switches6[option / 64] >> option % 64 & 1);
		return 0;
	}
	switch (option) {
	case IPV6_V6ONLY: *value = options->is_v6only; return 0;
	case IPV6_UNICAST_HOPS: *value = inet_ttl(socket, true); return 0;
	case IPV6_TCLASS: *value = options->traffic_class; return 0;
	case IPV6_MTU_DISCOVER:
		*value = options->mtu_discover6 ? options->mtu_discover6 - 1 : PMTU_INIT;
		return 0;
	case IPV6_MTU: *value = get_mtu(socket, true); return *value < 0 ? *value : 0;
	default: return -ENOPROTOOPT;
	}
}

int inet_get_option(struct socket *base, int level, unsigned option, uint64_t user,
                    uint64_t user_length)
{
	const struct inet_socket *socket = inet_of(base);
	int room = 0, value = 0;
	int result = base->family == SOCKET_FAMILY_INET ? -EOPNOTSUPP : -ENOPROTOOPT;
	size_t size = sizeof(value);

	if (level == INET_IP)
		result = get_option4(socket, option, &value);
	else if (level == INET_IPV6 && base->family == SOCKET_FAMILY_INET6)
		result = get_option6(socket, option, &value);
	if (!result && user_read(&room, user_length, sizeof(room)))
		result = -EFAULT;
	if (result)
		return result;
	/* In a room that is too small for an int, IPv4 tells a byte. */
	if (level == INET_IP && room > 0 && room < (int)sizeof(value))
		size = 1;
	return socket_option_give(&value, size, user, user_length);
}
