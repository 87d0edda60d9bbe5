/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the parser for --net. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "vmm/options_net.h"

static struct net_options net;
static struct mote_error err;

static int parse(const char *value)
{
	return net_options_parse(&net, value, &err);
}

static void refuse(const char *value, const char *piece)
{
	memset(&net, 0, sizeof net);
	cr_assert_lt(parse(value), 0, "%s", value);
	cr_assert_eq(err.code, MOTE_STATUS_FAILED);
	cr_assert_not_null(strstr(err.text, piece), "%s: no '%s' in: %s", value, piece, err.text);
	cr_assert_not_null(strstr(err.text, " (see mote help run)"));
}

Test(options_net, kinds)
{
	cr_assert_eq(parse("none"), 0);
	cr_assert_eq(net.kind, NET_NONE);
	cr_assert_eq(parse("user"), 0);
	cr_assert_eq(net.kind, NET_USER);
	cr_assert_eq(parse("none"), 0);
	cr_assert_eq(parse("tap=mote0"), 0);
	cr_assert_eq(net.kind, NET_TAP);
	cr_assert_str_eq(net.tap, "mote0");
	cr_assert_not(net.has_mac);
	cr_assert_eq(net.mtu, 0);
}

Test(options_net, wrong_kinds)
{
	refuse("bridge", "is no network");
	refuse("", "is no network");
	refuse("user=1", "is no network");
	refuse("tap", "is no network");
	refuse("tap=", "is not the name of an interface");
	refuse("tap=sixteen-letters-", "is not the name of an interface");
	refuse("tap=a/b", "is not the name of an interface");
	refuse(",user", "is no network");
}

Test(options_net, one_network)
{
	cr_assert_eq(parse("user,publish=1:1"), 0);
	cr_assert_eq(parse("user,publish=2:2,mtu=1500"), 0);
	cr_assert_eq(net.publish_count, 2);
	cr_assert_lt(parse("tap=a"), 0);
	cr_assert_not_null(strstr(err.text, "one network"));
	cr_assert_eq(parse("none"), 0);
	cr_assert_eq(net.publish_count, 0);
	cr_assert_eq(parse("tap=a"), 0);
	cr_assert_lt(parse("tap=b"), 0);
}

Test(options_net, publish)
{
	cr_assert_eq(parse("user,publish=8080:80,publish=0.0.0.0:53:5353/udp,"
	                   "publish=[::1]:65535:1/tcp"),
	             0);
	cr_assert_eq(net.publish_count, 3);
	cr_assert_str_eq(net.publish[0].address, "127.0.0.1");
	cr_assert_eq(net.publish[0].host_port, 8080);
	cr_assert_eq(net.publish[0].guest_port, 80);
	cr_assert_not(net.publish[0].is_udp);
	cr_assert_str_eq(net.publish[1].address, "0.0.0.0");
	cr_assert(net.publish[1].is_udp);
	cr_assert_str_eq(net.publish[2].address, "::1");
	cr_assert(net.publish[2].is_ipv6);
	cr_assert_eq(net.publish[2].host_port, 65535);
}

Test(options_net, wrong_publish)
{
	static const char *const ports[] = {"80",       "80:",     ":80",      "0:80",
	                                    "80:0",     "65536:1", "1:65536",  "-1:1",
	                                    "1:+1",     "1:1/",    "1:1/sctp", "a:1",
	                                    "1:1/udp/", "1 :1",    "[::1]:80", "1:1111111111"};
	static const char *const addresses[] = {"host:1:1",   "127.0.0:1:1", "[127.0.0.1]:1:1",
	                                        "::1:1:1",    "[::1:1:1",    "[]:1:1",
	                                        "[::1]x:1:1", ":1:1",        "[:1:1"};
	char word[64];

	for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
		snprintf(word, sizeof word, "user,publish=%s", ports[i]);
		refuse(word, "does not say which ports");
	}
	for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
		snprintf(word, sizeof word, "user,publish=%s", addresses[i]);
		refuse(word, "publish=");
	}
	refuse("user,publish=1:1,publish=1:2", "is published already");
	refuse("user,publish=", "needs a value");
	refuse("tap=a,publish=1:1", "nothing for a tap network");
}

Test(options_net, same_port_twice)
{
	cr_assert_eq(parse("user,publish=1:1,publish=1:1/udp,publish=[::1]:1:1"), 0);
	cr_assert_eq(net.publish_count, 3);
}

Test(options_net, too_many_ports)
{
	char word[64];

	for (int i = 1; i <= NET_PUBLISH_MAX; i++) {
		snprintf(word, sizeof word, "user,publish=%d:1", i);
		cr_assert_eq(parse(word), 0);
	}
	cr_assert_lt(parse("user,publish=1000:1"), 0);
	cr_assert_not_null(strstr(err.text, "more than 32"));
}

Test(options_net, mac_and_mtu)
{
	cr_assert_eq(parse("user,mac=02:00:00:00:aB:01,mtu=1280"), 0);
	cr_assert(net.has_mac);
	cr_assert_arr_eq(net.mac, "\2\0\0\0\xab\1", 6);
	cr_assert_eq(net.mtu, 1280);
	refuse("user,mac=02:00:00:00:00", "is not an address");
	refuse("user,mac=02:00:00:00:00:0g", "is not an address");
	refuse("user,mac=02:00:00:00:00:011", "is not an address");
	refuse("user,mac=02-00-00-00-00-01", "is not an address");
	refuse("user,mac=01:00:00:00:00:01", "group");
	refuse("user,mac=00:00:00:00:00:00", "group");
	refuse("user,mtu=1279", "1280 to 65520");
	refuse("user,mtu=65521", "1280 to 65520");
	refuse("user,mtu=1500x", "1280 to 65520");
}

Test(options_net, addresses)
{
	const struct net_addresses *addresses = &net.addresses;

	cr_assert_eq(parse("tap=a,ip=192.0.2.130/25,gateway=192.0.2.129,ip=fd00::2/64,"
	                   "gateway=fe80::1,dns=192.0.2.3,dns=fd00::3"),
	             0);
	cr_assert(addresses->has_ipv4 && addresses->has_ipv6);
	cr_assert_arr_eq(addresses->ipv4, "\xc0\0\2\x82", 4);
	cr_assert_eq(addresses->ipv4_prefix, 25);
	cr_assert_arr_eq(addresses->ipv4_gateway, "\xc0\0\2\x81", 4);
	cr_assert_eq(addresses->ipv6_prefix, 64);
	cr_assert_eq(addresses->dns_count, 2);
	cr_assert_str_eq(addresses->dns[1], "fd00::3");
}

Test(options_net, wrong_addresses)
{
	refuse("tap=a,ip=192.0.2.2", "is not an address and a prefix");
	refuse("tap=a,ip=192.0.2.2/33", "is not an address and a prefix");
	refuse("tap=a,ip=192.0.2.2/0", "is not an address and a prefix");
	refuse("tap=a,ip=fd00::1/129", "is not an address and a prefix");
	refuse("tap=a,ip=host/24", "is not an address and a prefix");
	refuse("tap=a,gateway=192.0.2.1", "not in the network");
	refuse("tap=a,ip=192.0.2.2/25,gateway=192.0.2.129", "not in the network");
	refuse("tap=a,ip=fd00::2/64,gateway=fd01::1", "not in the network");
	refuse("tap=a,gateway=router", "is not an address");
	refuse("tap=a,dns=router", "is not an address");
	refuse("tap=a,dns=192.0.2.1,dns=192.0.2.2,dns=192.0.2.3,dns=192.0.2.4", "more than 3");
	refuse("user,ip=192.0.2.2/24", "nothing for a user network");
}

Test(options_net, words)
{
	refuse("user,publsh=1:1", "did you mean publish=");
	refuse("user,", "unknown word");
	refuse("user,,mtu=1500", "unknown word");
	refuse("user,mtu", "needs a value");
	refuse("user,mtu=", "needs a value");
	refuse("none,mtu=1500", "nothing for a missing network");
	refuse("user,publish="
	       "1111111111111111111111111111111111111111111111111111111111111111111111111"
	       "111111111111111111111111111111111111",
	       "is too long");
}
