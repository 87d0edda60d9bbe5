/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink: requests, whole and broken, and what sockets make of them; files that tell the same. */
#include <criterion/criterion.h>

#define MOTE_HOSTED
#include "interface_fakes.h"
#include "kit_fakes.h"

#include <linux/rtnetlink.h>

#include "guestkit/libc-shim/interface.c"
#include "guestkit/libc-shim/netlink_link.c"
#include "guestkit/libc-shim/netlink_message.c"
#include "guestkit/libc-shim/netlink_request.c"
#include "guestkit/libc-shim/netlink_route.c"

#define ROOM (64u * 1024)

static _Alignas(8) unsigned char request[4096];
static size_t request_length;

/* Begin a request, with @body bytes of zeros behind its header. */
static void begin(unsigned type, unsigned flags, size_t body)
{
	memset(request, 0, sizeof request);
	request_length = NLMSG_HDRLEN + body;
	*(struct nlmsghdr *)request =
	        (struct nlmsghdr){.nlmsg_len = (uint32_t)request_length,
	                          .nlmsg_type = (uint16_t)type,
	                          .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
	                          .nlmsg_seq = 5};
}

static void add(unsigned type, const void *data, size_t size, size_t said)
{
	struct nlattr header = {(uint16_t)(NLA_HDRLEN + said), (uint16_t)type};

	memcpy(request + request_length, &header, sizeof header);
	memcpy(request + request_length + NLA_HDRLEN, data, size);
	request_length += NLA_HDRLEN + NLA_ALIGN(size);
	((struct nlmsghdr *)request)->nlmsg_len = (uint32_t)request_length;
}

static struct netlink_answer ask_with(size_t room)
{
	struct netlink_answer answer = {.left = room};

	answer.request.nlmsg_pid = 77;
	netlink_answer(&answer, request, request_length);
	return answer;
}

static const struct nlmsghdr *first_of(const struct netlink_answer *answer)
{
	cr_assert_not_null(answer->first);
	return (const struct nlmsghdr *)answer->first->data;
}

/* The error that a request gives; 0: an acknowledgement. */
static int error_of_request(void)
{
	struct netlink_answer answer = ask_with(ROOM);
	const struct nlmsghdr *message = first_of(&answer);
	int error;

	cr_assert_eq(message->nlmsg_type, NLMSG_ERROR);
	cr_assert_eq(message->nlmsg_seq, 5);
	cr_assert_eq(message->nlmsg_pid, 77);
	memcpy(&error, NLMSG_DATA(message), sizeof error);
	netlink_drop(&answer);
	cr_assert_eq(fake_heap_blocks, 0);
	return error;
}

/* How many messages of a type a dump gives; it ends with NLMSG_DONE. */
static unsigned count_of(unsigned type)
{
	struct netlink_answer answer = ask_with(ROOM);
	unsigned count = 0, last = 0;

	for (const struct netlink_packet *packet = answer.first; packet; packet = packet->next) {
		cr_assert_leq(packet->length, 4096u);
		for (size_t at = 0; at < packet->length;) {
			const struct nlmsghdr *message = (const void *)(packet->data + at);

			cr_assert(message->nlmsg_flags & NLM_F_MULTI);
			count += message->nlmsg_type == type;
			last = message->nlmsg_type;
			at += NLMSG_ALIGN(message->nlmsg_len);
		}
	}
	cr_assert_eq(last, NLMSG_DONE);
	netlink_drop(&answer);
	cr_assert_eq(fake_heap_blocks, 0);
	return count;
}

Test(netlink, dumps_have_all)
{
	begin(RTM_GETLINK, NLM_F_DUMP, sizeof(struct ifinfomsg));
	cr_assert_eq(count_of(RTM_NEWLINK), 2);
	begin(RTM_GETADDR, NLM_F_DUMP, sizeof(struct ifaddrmsg));
	cr_assert_eq(count_of(RTM_NEWADDR), 4);
	request[NLMSG_HDRLEN] = SOCKET_FAMILY_INET6;
	cr_assert_eq(count_of(RTM_NEWADDR), 2);
	begin(RTM_GETNEIGH, NLM_F_DUMP, sizeof(struct ndmsg));
	cr_assert_eq(count_of(RTM_NEWNEIGH), 1);
	begin(RTM_GETROUTE, NLM_F_DUMP, sizeof(struct rtmsg));
	request[NLMSG_HDRLEN] = SOCKET_FAMILY_INET;
	cr_assert_eq(count_of(RTM_NEWROUTE), 7,
	             "lo has 3, eth0 its network and itself and all, and out");
}

Test(netlink, default_route)
{
	static const unsigned char out[4] = {192, 0, 2, 1}, near[4] = {10, 0, 2, 99};
	struct interface_route route;

	cr_assert(interface_route_to(false, out, &route));
	cr_assert(route.has_gateway);
	cr_assert_arr_eq(route.gateway, ((unsigned char[]){10, 0, 2, 2}), 4);
	cr_assert_arr_eq(route.source, ((unsigned char[]){10, 0, 2, 15}), 4);
	cr_assert(interface_route_to(false, near, &route));
	cr_assert_not(route.has_gateway);
	cr_assert_eq(route.index, 2);
	cr_assert_eq(route.prefix, 24);
}

Test(netlink, masks)
{
	unsigned char mask[4];

	for (unsigned prefix = 0; prefix <= 40; prefix++) {
		uint32_t expected = prefix ? UINT32_MAX << (32 - (prefix < 32 ? prefix : 32)) : 0;

		interface_mask(prefix, mask, sizeof mask);
		cr_assert_eq((uint32_t)mask[0] << 24 | (uint32_t)mask[1] << 16 |
		                     (uint32_t)mask[2] << 8 | mask[3],
		             expected, "/%u", prefix);
	}
}

Test(netlink, refusals)
{
	begin(RTM_NEWADDR, 0, sizeof(struct ifaddrmsg));
	cr_assert_eq(error_of_request(), -EPERM);
	begin(RTM_DELROUTE, NLM_F_DUMP, sizeof(struct rtmsg));
	cr_assert_eq(error_of_request(), -EPERM);
	begin(RTM_GETQDISC, NLM_F_DUMP, 20);
	cr_assert_eq(error_of_request(), -EOPNOTSUPP);
	begin(0xffff, 0, 20);
	cr_assert_eq(error_of_request(), -EOPNOTSUPP);
	begin(RTM_GETLINK, 0, 3);
	cr_assert_eq(error_of_request(), -EINVAL);
	begin(RTM_GETROUTE, 0, 4);
	request[NLMSG_HDRLEN] = SOCKET_FAMILY_INET;
	cr_assert_eq(error_of_request(), -EINVAL);
	begin(RTM_GETLINK, NLM_F_ACK, 0);
	cr_assert_eq(error_of_request(), 0);
}

/* Names and addresses that are too long, too short, or end outside of the message. */
Test(netlink, attributes_that_lie)
{
	char name[64];

	memset(name, 'x', sizeof name);
	begin(RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	add(IFLA_IFNAME, name, 16, 16);
	cr_assert_eq(error_of_request(), -ERANGE);
	begin(RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	add(IFLA_IFNAME, "lo", 3, 60000);
	cr_assert_eq(error_of_request(), -EINVAL);
	begin(RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	add(99, name, 8, 0xffff - NLA_HDRLEN + 1); /* nla_len 0 */
	add(IFLA_IFNAME, "lo", 3, 3);
	cr_assert_eq(error_of_request(), -EINVAL);
	begin(RTM_GETROUTE, 0, sizeof(struct rtmsg));
	request[NLMSG_HDRLEN] = SOCKET_FAMILY_INET6;
	add(RTA_DST, name, 15, 15);
	cr_assert_eq(error_of_request(), -EINVAL);
	begin(RTM_GETADDR, 0, sizeof(struct ifaddrmsg));
	request[NLMSG_HDRLEN] = SOCKET_FAMILY_INET6;
	add(IFA_ADDRESS, name, 17, 17);
	cr_assert_eq(error_of_request(), -EINVAL);
}

Test(netlink, lengths_that_lie)
{
	static const uint32_t lengths[] = {0, 1, 15, 33, 1000, 0x7fffffff, 0xffffffff};

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		struct netlink_answer answer;

		begin(RTM_GETLINK, NLM_F_DUMP, sizeof(struct ifinfomsg));
		((struct nlmsghdr *)request)->nlmsg_len = lengths[i];
		answer = ask_with(ROOM);
		cr_assert_null(answer.first, "length %u is answered", lengths[i]);
	}
}

/* A request that is refused comes back whole, however long it is, or not at all. */
Test(netlink, long_requests_come_back)
{
	struct netlink_answer answer;

	begin(RTM_NEWLINK, 0, sizeof request - NLMSG_HDRLEN);
	answer = ask_with(ROOM);
	cr_assert_eq(first_of(&answer)->nlmsg_len, NLMSG_HDRLEN + 4 + sizeof request);
	netlink_drop(&answer);
	answer = ask_with(1000);
	cr_assert(answer.has_failed);
	cr_assert_null(answer.first);
}

/* Many requests at once cannot make the kit hold more than it is willing to. */
Test(netlink, answers_are_bounded)
{
	struct netlink_answer answer;
	size_t held = 0;

	begin(RTM_GETLINK, NLM_F_DUMP, 1);
	for (size_t at = 20; at + 20 <= sizeof request; at += 20)
		memcpy(request + at, request, 17);
	request_length = sizeof request / 20 * 20;
	answer = ask_with(ROOM);
	cr_assert(answer.has_failed);
	for (const struct netlink_packet *packet = answer.first; packet; packet = packet->next)
		held += packet->room;
	cr_assert_leq(held, ROOM + PACKET_ROOM);
	netlink_drop(&answer);
	cr_assert_eq(fake_heap_blocks, 0);
}
