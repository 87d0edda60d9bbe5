/* SPDX-License-Identifier: Apache-2.0 */
/* The strict parser for the values of --net. */
#include "vmm/options_net.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/typo.h"

#define WORD_MAX 96 /* bytes of one word between commas, with its final NUL */

__attribute__((format(printf, 2, 3))) static int net_error(struct mote_error *err, const char *fmt,
                                                           ...)
{
	char text[MOTE_ERROR_TEXT - 64];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	return mote_error_set(err, MOTE_STATUS_FAILED, "--net: %s (see mote help run)", text);
}

/* ---- values ---- */

/* A whole decimal number from @min to @max without a sign. */
static bool read_number(const char *text, unsigned long min, unsigned long max,
                        unsigned long *value)
{
	size_t digits = strspn(text, "0123456789");

	if (!digits || digits > 9 || text[digits])
		return false;
	*value = strtoul(text, NULL, 10);
	return *value >= min && *value <= max;
}

static bool read_port(const char *text, uint16_t *port)
{
	unsigned long value;

	if (!read_number(text, 1, UINT16_MAX, &value))
		return false;
	*port = (uint16_t)value;
	return true;
}

static int read_mac(struct net_options *net, char *value, struct mote_error *err)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	bool is_right = strlen(value) == 17;

	for (unsigned i = 0; is_right && i < sizeof net->mac; i++) {
		const char *pair = value + 3 * (size_t)i;

		is_right = strspn(pair, digits) == 2 && pair[2] == (i < 5 ? ':' : '\0');
		net->mac[i] = (unsigned char)strtoul(pair, NULL, 16);
	}
	if (!is_right)
		return net_error(err, "mac=%s is not an address of the form 02:00:00:00:00:01",
		                 value);
	if (net->mac[0] & 1 || !memcmp(net->mac, "\0\0\0\0\0", sizeof net->mac))
		return net_error(err,
		                 "mac=%s is a group's address or zero: the first byte is even, "
		                 "such as 02",
		                 value);
	net->has_mac = true;
	return 0;
}

static int read_mtu(struct net_options *net, char *value, struct mote_error *err)
{
	unsigned long mtu;

	if (!read_number(value, NET_MTU_MIN, NET_MTU_MAX, &mtu))
		return net_error(err, "mtu=%s is not a number of bytes from %u to %u", value,
		                 NET_MTU_MIN, NET_MTU_MAX);
	net->mtu = (uint16_t)mtu;
	return 0;
}

/* ---- publish= ---- */

/* Cuts @text at its last colon outside brackets: what is behind it, or NULL. */
static char *cut_last(char *text)
{
	char *colon = strrchr(text, ':');

	if (!colon || strchr(colon, ']'))
		return NULL;
	*colon = '\0';
	return colon + 1;
}

/* ADDR, or [ADDR] with IPv6. */
static bool read_host_address(struct net_publish *publish, char *text)
{
	unsigned char bytes[16];
	size_t length = strlen(text);

	publish->is_ipv6 = *text == '[';
	if (publish->is_ipv6) {
		if (text[length - 1] != ']')
			return false;
		text[length - 1] = '\0';
		text++;
	}
	length = strlen(text) + 1;
	if (length > sizeof publish->address ||
	    inet_pton(publish->is_ipv6 ? AF_INET6 : AF_INET, text, bytes) != 1)
		return false;
	memcpy(publish->address, text, length);
	return true;
}

static bool is_same_port(const struct net_publish *a, const struct net_publish *b)
{
	return a->is_udp == b->is_udp && a->host_port == b->host_port &&
	       !strcmp(a->address, b->address);
}

static int read_publish(struct net_options *net, char *value, struct mote_error *err)
{
	struct net_publish publish = {.address = NET_PUBLISH_ADDRESS};
	char text[WORD_MAX], *protocol, *guest_port, *host_port;

	snprintf(text, sizeof text, "%s", value);
	protocol = strrchr(text, '/');
	if (protocol)
		*protocol++ = '\0';
	publish.is_udp = protocol && !strcmp(protocol, "udp");
	guest_port = cut_last(text);
	host_port = guest_port ? cut_last(text) : NULL;
	if ((protocol && !publish.is_udp && strcmp(protocol, "tcp") != 0) || !guest_port ||
	    !read_port(guest_port, &publish.guest_port) ||
	    !read_port(host_port ? host_port : text, &publish.host_port))
		return net_error(err,
		                 "publish=%s does not say which ports: write HOSTPORT:GUESTPORT, "
		                 "such as 8080:80, with ADDRESS: before it or /udp behind it",
		                 value);
	if (host_port && !read_host_address(&publish, text))
		return net_error(err,
		                 "publish=%s does not begin with an address of the host, such as "
		                 "0.0.0.0: or [::1]:",
		                 value);
	for (unsigned i = 0; i < net->publish_count; i++)
		if (is_same_port(&net->publish[i], &publish))
			return net_error(err, "publish=%s: port %u of %s is published already",
			                 value, publish.host_port, publish.address);
	if (net->publish_count == NET_PUBLISH_MAX)
		return net_error(err, "more than %d published ports", NET_PUBLISH_MAX);
	net->publish[net->publish_count++] = publish;
	return 0;
}

/* ---- ip=, gateway=, dns= ---- */

static int read_ip(struct net_options *net, char *value, struct mote_error *err)
{
	struct net_addresses *addresses = &net->addresses;
	char text[WORD_MAX], *length;
	unsigned long bits;

	snprintf(text, sizeof text, "%s", value);
	length = strchr(text, '/');
	if (length)
		*length++ = '\0';
	if (length && inet_pton(AF_INET, text, addresses->ipv4) == 1 &&
	    read_number(length, 1, 32, &bits)) {
		addresses->has_ipv4 = true;
		addresses->ipv4_prefix = (uint32_t)bits;
		return 0;
	}
	if (length && inet_pton(AF_INET6, text, addresses->ipv6) == 1 &&
	    read_number(length, 1, 128, &bits)) {
		addresses->has_ipv6 = true;
		addresses->ipv6_prefix = (uint32_t)bits;
		return 0;
	}
	return net_error(err, "ip=%s is not an address and a prefix length, such as 192.0.2.2/24",
	                 value);
}

static int read_gateway(struct net_options *net, char *value, struct mote_error *err)
{
	if (inet_pton(AF_INET, value, net->addresses.ipv4_gateway) == 1 ||
	    inet_pton(AF_INET6, value, net->addresses.ipv6_gateway) == 1)
		return 0;
	return net_error(err, "gateway=%s is not an address", value);
}

static int read_dns(struct net_options *net, char *value, struct mote_error *err)
{
	struct net_addresses *addresses = &net->addresses;
	unsigned char bytes[16];

	if (inet_pton(AF_INET, value, bytes) != 1 && inet_pton(AF_INET6, value, bytes) != 1)
		return net_error(err, "dns=%s is not an address", value);
	if (addresses->dns_count == NET_DNS_MAX)
		return net_error(err, "more than %d name servers", NET_DNS_MAX);
	snprintf(addresses->dns[addresses->dns_count++], NET_ADDRESS_TEXT, "%.45s", value);
	return 0;
}

static bool is_zero(const unsigned char *bytes, size_t size)
{
	while (size && !*bytes)
		bytes++, size--;
	return !size;
}

/* Whether the first @bits of two addresses are the same. */
static bool is_same_network(const unsigned char *a, const unsigned char *b, uint32_t bits)
{
	unsigned rest = bits % 8;

	return !memcmp(a, b, bits / 8) && (!rest || !((a[bits / 8] ^ b[bits / 8]) >> (8 - rest)));
}

/* Each gateway is a neighbour. */
static int check_gateways(const struct net_addresses *addresses, struct mote_error *err)
{
	static const unsigned char link_local[] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0};

	if (!is_zero(addresses->ipv4_gateway, 4) &&
	    (!addresses->has_ipv4 ||
	     !is_same_network(addresses->ipv4, addresses->ipv4_gateway, addresses->ipv4_prefix)))
		return net_error(err, "the IPv4 gateway is not in the network of ip=");
	if (!is_zero(addresses->ipv6_gateway, 16) &&
	    (!addresses->has_ipv6 ||
	     (!is_same_network(addresses->ipv6, addresses->ipv6_gateway, addresses->ipv6_prefix) &&
	      !is_same_network(addresses->ipv6_gateway, link_local, 64))))
		return net_error(err, "the IPv6 gateway is not in the network of ip=");
	return 0;
}

/* ---- the whole ---- */

/* Words behind the first, and the kinds of network that know them. */
static const struct key {
	const char *name;
	unsigned kinds; /* bits by enum net_kind */
	int (*read)(struct net_options *net, char *value, struct mote_error *err);
} keys[] = {
        {"mac", 1u << NET_USER | 1u << NET_TAP, read_mac},
        {"mtu", 1u << NET_USER | 1u << NET_TAP, read_mtu},
        {"publish", 1u << NET_USER, read_publish},
        {"ip", 1u << NET_TAP, read_ip},
        {"gateway", 1u << NET_TAP, read_gateway},
        {"dns", 1u << NET_TAP, read_dns},
};

#define KEYS (sizeof keys / sizeof keys[0])

static int unknown_word(const char *word, struct mote_error *err)
{
	unsigned int best = UINT_MAX;
	const char *nearest = NULL;

	for (size_t i = 0; i < KEYS; i++)
		if (is_likely_typo(word, strcspn(word, "="), keys[i].name, &best))
			nearest = keys[i].name;
	return nearest ? net_error(err, "unknown word '%s', did you mean %s=?", word, nearest)
	               : net_error(err, "unknown word '%s'", word);
}

static int read_word(struct net_options *net, char *word, struct mote_error *err)
{
	size_t length = strcspn(word, "=");

	for (size_t i = 0; i < KEYS; i++) {
		if (strlen(keys[i].name) != length || strncmp(word, keys[i].name, length) != 0)
			continue;
		if (!(keys[i].kinds >> net->kind & 1))
			return net_error(err, "%s= is nothing for a %s network", keys[i].name,
			                 net->kind == NET_TAP    ? "tap"
			                 : net->kind == NET_USER ? "user"
			                                         : "missing");
		if (!word[length] || !word[length + 1])
			return net_error(err, "%s= needs a value", keys[i].name);
		return keys[i].read(net, word + length + 1, err);
	}
	return unknown_word(word, err);
}

/* The first word: which network. */
static int read_kind(struct net_options *net, const char *word, struct mote_error *err)
{
	struct net_options now = {.kind = NET_NONE, .is_given = true};

	if (!strcmp(word, "none")) {
		*net = now;
		return 0;
	}
	if (!strcmp(word, "user")) {
		now.kind = NET_USER;
	} else if (!strncmp(word, "tap=", 4)) {
		if (!word[4] || strlen(word + 4) >= NET_TAP_NAME || strchr(word + 4, '/'))
			return net_error(err, "%s is not the name of an interface", word);
		now.kind = NET_TAP;
		snprintf(now.tap, sizeof now.tap, "%s", word + 4);
	} else {
		return net_error(err, "'%s' is no network: write user, tap=NAME or none", word);
	}
	if (net->kind == NET_NONE)
		*net = now;
	if (net->kind != now.kind || strcmp(net->tap, now.tap) != 0)
		return net_error(err, "a microVM has one network, and two are named");
	return 0;
}

int net_options_parse(struct net_options *net, const char *value, struct mote_error *err)
{
	bool is_first = true;

	for (;;) {
		size_t length = strcspn(value, ",");
		char word[WORD_MAX];

		if (length >= sizeof word)
			return net_error(err, "'%.40s...' is too long", value);
		memcpy(word, value, length);
		word[length] = '\0';
		if (is_first ? read_kind(net, word, err) : read_word(net, word, err))
			return -1;
		is_first = false;
		if (!value[length])
			return check_gateways(&net->addresses, err);
		value += length + 1;
	}
}
