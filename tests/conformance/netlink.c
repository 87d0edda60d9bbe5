/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink sockets and the ioctls on interfaces. What is said of interfaces is of "lo" alone. */
#include "harness.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#define LOOPBACK 1

/* A request of every kind, with room for an attribute. */
struct request {
	struct nlmsghdr header;
	union {
		struct rtgenmsg any;
		struct ifinfomsg link;
		struct ifaddrmsg address;
		struct rtmsg route;
		struct ndmsg neighbour;
	};
	unsigned char attributes[64];
};

static _Alignas(8) unsigned char answer[65536];

static int opened(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	struct sockaddr_nl name = {.nl_family = AF_NETLINK};

	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name))
		say("no socket: %s", error_name(errno));
	return fd;
}

static struct request prepared(unsigned type, unsigned flags, unsigned family, size_t body)
{
	struct request request = {.header = {.nlmsg_len = (unsigned)(NLMSG_HDRLEN + body),
	                                     .nlmsg_type = (unsigned short)type,
	                                     .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | flags),
	                                     .nlmsg_seq = 77},
	                          .any = {(unsigned char)family}};

	return request;
}

static void add(struct request *request, unsigned type, const void *data, size_t size)
{
	struct rtattr *made = (struct rtattr *)((char *)request + request->header.nlmsg_len);

	made->rta_type = (unsigned short)type;
	made->rta_len = (unsigned short)RTA_LENGTH(size);
	memcpy(RTA_DATA(made), data, size);
	request->header.nlmsg_len += (unsigned)RTA_SPACE(size);
}

/* ---- reports of what is received ---- */

static void say_bytes(const char *what, const void *data, size_t size)
{
	char text[256];
	int used = 0;

	for (size_t i = 0; i < size && i < 100; i++)
		used += snprintf(text + used, sizeof text - (size_t)used, "%02x",
		                 ((const unsigned char *)data)[i]);
	text[used] = '\0';
	say("    %s %s", what, text);
}

static void say_attributes(struct rtattr *at, size_t left, uint64_t which)
{
	for (; RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		char name[16];

		if (at->rta_type >= 64 || !(which >> at->rta_type & 1))
			continue;
		snprintf(name, sizeof name, "%d:", at->rta_type);
		say_bytes(name, RTA_DATA(at), RTA_PAYLOAD(at));
	}
}

#define ONE(type) (1ull << (type))

static void say_link(struct nlmsghdr *message)
{
	struct ifinfomsg *link = NLMSG_DATA(message);

	if (link->ifi_index != LOOPBACK)
		return;
	say("  link: family %d type %d index %d flags %x", link->ifi_family, link->ifi_type,
	    link->ifi_index, link->ifi_flags);
	say_attributes(IFLA_RTA(link), IFLA_PAYLOAD(message),
	               ONE(IFLA_IFNAME) | ONE(IFLA_MTU) | ONE(IFLA_TXQLEN) | ONE(IFLA_OPERSTATE) |
	                       ONE(IFLA_LINKMODE) | ONE(IFLA_ADDRESS) | ONE(IFLA_BROADCAST) |
	                       ONE(IFLA_CARRIER) | ONE(IFLA_GROUP) | ONE(IFLA_QDISC));
}

static void say_address(struct nlmsghdr *message)
{
	struct ifaddrmsg *address = NLMSG_DATA(message);

	if (address->ifa_index != LOOPBACK)
		return;
	say("  address: family %d prefix %d flags %x scope %d", address->ifa_family,
	    address->ifa_prefixlen, address->ifa_flags, address->ifa_scope);
	say_attributes(IFA_RTA(address), IFA_PAYLOAD(message),
	               ONE(IFA_ADDRESS) | ONE(IFA_LOCAL) | ONE(IFA_LABEL) | ONE(IFA_BROADCAST) |
	                       ONE(IFA_FLAGS));
}

static bool is_of_loopback(struct nlmsghdr *message)
{
	struct rtmsg *route = NLMSG_DATA(message);
	struct rtattr *at = RTM_RTA(route);
	size_t left = RTM_PAYLOAD(message);

	for (; RTA_OK(at, left); at = RTA_NEXT(at, left))
		if (at->rta_type == RTA_OIF)
			return *(unsigned *)RTA_DATA(at) == LOOPBACK;
	return false;
}

static void say_route(struct nlmsghdr *message)
{
	struct rtmsg *route = NLMSG_DATA(message);

	if (!is_of_loopback(message))
		return;
	say("  route: family %d to %d table %d protocol %d scope %d type %d flags %x",
	    route->rtm_family, route->rtm_dst_len, route->rtm_table, route->rtm_protocol,
	    route->rtm_scope, route->rtm_type, route->rtm_flags);
	say_attributes(RTM_RTA(route), RTM_PAYLOAD(message),
	               ONE(RTA_TABLE) | ONE(RTA_DST) | ONE(RTA_PREFSRC) | ONE(RTA_OIF) |
	                       ONE(RTA_GATEWAY) | ONE(RTA_PRIORITY));
}

/* Returns whether more is to come. */
static bool say_message(struct nlmsghdr *message)
{
	static const char *const dumped[] = {"", " multi"};
	const struct nlmsgerr *error = NLMSG_DATA(message);

	switch (message->nlmsg_type) {
	case RTM_NEWLINK: say_link(message); break;
	case RTM_NEWADDR: say_address(message); break;
	case RTM_NEWROUTE: say_route(message); break;
	case NLMSG_ERROR:
		say("  error: %s of %u bytes type %d seq %u flags %x length %u",
		    error_name(-error->error), error->msg.nlmsg_len, error->msg.nlmsg_type,
		    error->msg.nlmsg_seq, message->nlmsg_flags, message->nlmsg_len);
		return false;
	case NLMSG_DONE:
		say("  done%s seq %u", dumped[message->nlmsg_flags & NLM_F_MULTI ? 1 : 0],
		    message->nlmsg_seq);
		return false;
	default: break;
	}
	return message->nlmsg_flags & NLM_F_MULTI;
}

/* Receives until there is no more: of a dump until its end. */
static void say_answer(int fd)
{
	bool more = true;

	while (more) {
		long length = recv(fd, answer, sizeof answer, MSG_DONTWAIT);
		struct nlmsghdr *message = (struct nlmsghdr *)answer;

		if (length < 0) {
			say("  recv: %s", error_name(errno));
			return;
		}
		for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length))
			more = say_message(message);
	}
}

static void ask(int fd, const struct request *request)
{
	long result = send(fd, request, request->header.nlmsg_len, 0);

	say("type %d flags %x family %d: %s", request->header.nlmsg_type,
	    request->header.nlmsg_flags, request->any.rtgen_family,
	    result < 0                            ? error_name(errno)
	    : result == request->header.nlmsg_len ? "sent"
	                                          : "?");
	say_answer(fd);
}

/* ---- names ---- */

static void say_name(int fd, int (*get)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_nl name;
	socklen_t length = sizeof name;
	int result = get(fd, (struct sockaddr *)&name, &length);

	if (result)
		say("name: %s", error_name(errno));
	else
		say("name: length %d family %d port %s groups %x", (int)length, name.nl_family,
		    name.nl_pid == (unsigned)getpid() ? "of the process"
		    : (int)name.nl_pid < -4096        ? "negative"
		    : name.nl_pid                     ? "another"
		                                      : "none",
		    name.nl_groups);
}

CASE(making)
{
	CALL(socket, AF_NETLINK, SOCK_STREAM, 0);
	CALL(socket, AF_NETLINK, SOCK_SEQPACKET, 0);
	CALL(socket, AF_NETLINK, SOCK_RAW, -1);
	CALL(socket, AF_NETLINK, SOCK_RAW, 32);
	CALL(socket, AF_NETLINK, SOCK_RAW, 31);
	CALL(socketpair, AF_NETLINK, SOCK_RAW, 0, answer);
	CALL(socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	CALL(socket, AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	CALL(listen, 3, 1);
	CALL(accept, 3, NULL, NULL);
	CALL(shutdown, 3, SHUT_RDWR);
}

CASE(names)
{
	struct sockaddr_nl name = {.nl_family = AF_NETLINK};
	int first = socket(AF_NETLINK, SOCK_RAW, 0), second = socket(AF_NETLINK, SOCK_RAW, 0);
	int third = socket(AF_NETLINK, SOCK_RAW, 0);

	say_name(first, getsockname);
	say_name(first, getpeername);
	CALL(bind, first, &name, 11);
	CALL(bind, first, &name, 2);
	CALL(bind, first, LOW, sizeof name);
	name.nl_family = AF_UNIX;
	CALL(bind, first, &name, sizeof name);
	name.nl_family = AF_NETLINK;
	CALL(bind, first, &name, sizeof name);
	say_name(first, getsockname);
	name.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR;
	CALL(bind, first, &name, sizeof name);
	name.nl_pid = (unsigned)getpid();
	CALL(bind, first, &name, sizeof name);
	say_name(first, getsockname);
	name.nl_pid = 123456789;
	CALL(bind, first, &name, sizeof name);
	name.nl_pid = (unsigned)getpid();
	CALL(bind, second, &name, sizeof name);
	name.nl_pid = 0;
	CALL(bind, second, &name, sizeof name);
	say_name(second, getsockname);
	name.nl_pid = 123456789;
	CALL(bind, third, &name, 32);
	say_name(third, getsockname);
	close(third);
	CALL(bind, second, &name, sizeof name);
}

CASE(connecting)
{
	struct sockaddr_nl name = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW, 0);

	CALL(connect, fd, &name, 1);
	CALL(connect, fd, &name, 11);
	name.nl_pid = 99;
	name.nl_groups = 6;
	CALL(connect, fd, &name, sizeof name);
	say_name(fd, getpeername);
	say_name(fd, getsockname);
	CALL(write, fd, answer, 20);
	name.nl_family = AF_UNSPEC;
	CALL(connect, fd, &name, 2);
	say_name(fd, getpeername);
	name.nl_family = AF_INET;
	CALL(connect, fd, &name, sizeof name);
}

/* ---- dumps ---- */

CASE(links)
{
	int fd = opened();
	struct request request = prepared(RTM_GETLINK, NLM_F_DUMP, AF_UNSPEC, 16);

	ask(fd, &request);
	request = prepared(RTM_GETLINK, NLM_F_DUMP, AF_UNSPEC, 1);
	ask(fd, &request);
	request = prepared(RTM_GETLINK, NLM_F_DUMP | NLM_F_ACK, AF_PACKET, 16);
	ask(fd, &request);
}

CASE(addresses)
{
	static const int families[] = {AF_UNSPEC, AF_INET, AF_INET6};
	int fd = opened();

	for (size_t i = 0; i < COUNT(families); i++) {
		struct request request =
		        prepared(RTM_GETADDR, NLM_F_DUMP, (unsigned)families[i], 8);

		ask(fd, &request);
		request = prepared(RTM_GETADDR, NLM_F_ROOT, (unsigned)families[i], 1);
		request.header.nlmsg_flags |= NLM_F_MATCH;
		ask(fd, &request);
	}
}

CASE(routes)
{
	static const int families[] = {AF_INET, AF_INET6};
	int fd = opened();

	for (size_t i = 0; i < COUNT(families); i++) {
		struct request request =
		        prepared(RTM_GETROUTE, NLM_F_DUMP, (unsigned)families[i], 12);

		ask(fd, &request);
	}
}

/* ---- single ones ---- */

CASE(one_link)
{
	int fd = opened();
	struct request request = prepared(RTM_GETLINK, 0, AF_UNSPEC, 16);

	ask(fd, &request);
	request.link.ifi_index = LOOPBACK;
	ask(fd, &request);
	request.header.nlmsg_flags |= NLM_F_ACK;
	ask(fd, &request);
	say_answer(fd);
	request.link.ifi_index = 31337;
	ask(fd, &request);
	request = prepared(RTM_GETLINK, 0, AF_UNSPEC, 16);
	add(&request, IFLA_IFNAME, "lo", 3);
	ask(fd, &request);
	request = prepared(RTM_GETLINK, 0, AF_UNSPEC, 16);
	add(&request, IFLA_IFNAME, "nothing", 8);
	ask(fd, &request);
	request = prepared(RTM_GETLINK, 0, AF_UNSPEC, 8);
	ask(fd, &request);
}

CASE(one_address)
{
	int fd = opened();
	struct request request = prepared(RTM_GETADDR, 0, AF_INET6, 8);

	add(&request, IFA_ADDRESS, &in6addr_loopback, 16);
	ask(fd, &request);
	request = prepared(RTM_GETADDR, 0, AF_INET6, 8);
	add(&request, IFA_ADDRESS, &in6addr_any, 16);
	ask(fd, &request);
	request = prepared(RTM_GETADDR, 0, AF_INET, 8);
	ask(fd, &request);
}

CASE(one_route)
{
	static const unsigned char loopback[4] = {127, 0, 0, 1}, other[4] = {127, 9, 8, 7};
	int fd = opened();
	struct request request = prepared(RTM_GETROUTE, 0, AF_INET, 12);

	request.route.rtm_dst_len = 32;
	add(&request, RTA_DST, loopback, 4);
	ask(fd, &request);
	request = prepared(RTM_GETROUTE, 0, AF_INET, 12);
	request.route.rtm_dst_len = 32;
	add(&request, RTA_DST, other, 4);
	ask(fd, &request);
	request = prepared(RTM_GETROUTE, 0, AF_INET6, 12);
	request.route.rtm_dst_len = 128;
	add(&request, RTA_DST, &in6addr_loopback, 16);
	ask(fd, &request);
}

/* ---- errors ---- */

CASE(refused)
{
	int fd = opened();
	struct request request = prepared(RTM_GETLINK + 1000, 0, AF_UNSPEC, 16);

	ask(fd, &request);
	request = prepared(NLMSG_NOOP, NLM_F_ACK, 0, 4);
	ask(fd, &request);
	request = prepared(RTM_GETLINK, NLM_F_ACK, 0, 16);
	request.header.nlmsg_flags = NLM_F_ACK;
	ask(fd, &request);
	request = prepared(RTM_GETLINK, NLM_F_DUMP, 0, 16);
	request.header.nlmsg_flags &= ~NLM_F_REQUEST;
	ask(fd, &request);
	request = prepared(RTM_GETLINK, NLM_F_ACK, 0, 0);
	ask(fd, &request);
}

CASE(broken)
{
	struct request request = prepared(RTM_GETLINK, NLM_F_DUMP, 0, 16);
	int fd = opened();

	CALL(write, fd, &request, 0);
	CALL(write, fd, &request, 15);
	CALL(write, fd, &request, 31);
	CALL(write, fd, unmapped(), 32);
	request.header.nlmsg_len = 15;
	CALL(write, fd, &request, 32);
	request.header.nlmsg_len = 0xffffffff;
	CALL(write, fd, &request, 32);
	CALL(sendto, fd, &request, 32, MSG_OOB, NULL, 0);
	CALL(sendto, fd, &request, 32, 0, &(struct sockaddr_nl){.nl_family = AF_NETLINK}, 11);
	CALL(sendto, fd, &request, 32, 0, &(struct sockaddr_nl){.nl_family = AF_INET}, 12);
	CALL(recvfrom, fd, answer, 100, MSG_DONTWAIT, NULL, NULL);
	CALL(recvfrom, fd, answer, 100, MSG_OOB, NULL, NULL);
	CALL(sendto, fd, answer, 10000000, 0, NULL, 0);
	CALL(setsockopt, fd, SOL_SOCKET, SO_SNDBUF, &(int){1}, 4);
	CALL(sendto, fd, answer, 4608 - 31, 0, NULL, 0);
	CALL(sendto, fd, answer, 4608 - 32, 0, NULL, 0);
}

CASE(several_at_once)
{
	struct request both[2];
	unsigned char bytes[256];
	size_t used = 0;
	int fd = opened();

	both[0] = prepared(RTM_GETLINK, 0, AF_UNSPEC, 16);
	both[0].link.ifi_index = LOOPBACK;
	both[1] = prepared(RTM_GETLINK, NLM_F_ACK, AF_UNSPEC, 16);
	both[1].link.ifi_index = 31337;
	for (size_t i = 0; i < 2; i++) {
		memcpy(bytes + used, &both[i], both[i].header.nlmsg_len);
		used += both[i].header.nlmsg_len;
	}
	CALL(write, fd, bytes, used);
	say_answer(fd);
	say_answer(fd);
	say_answer(fd);
}

/* ---- receiving ---- */

CASE(peeking)
{
	struct request request = prepared(RTM_GETLINK, NLM_F_ACK, AF_UNSPEC, 16);
	struct sockaddr_nl from;
	struct iovec piece = {answer, 8};
	char control[64];
	struct msghdr header = {.msg_name = &from,
	                        .msg_namelen = sizeof from,
	                        .msg_iov = &piece,
	                        .msg_iovlen = 1,
	                        .msg_control = control,
	                        .msg_controllen = sizeof control};
	struct pollfd entry;
	int fd = opened();

	entry = (struct pollfd){fd, POLLIN | POLLOUT, 0};
	VALUE(poll(&entry, 1, 0));
	VALUE(entry.revents);
	request.link.ifi_index = 31337;
	CALL(write, fd, &request, 32);
	VALUE(poll(&entry, 1, 0));
	VALUE(entry.revents);
	CALL(recvfrom, fd, answer, 8, MSG_PEEK, NULL, NULL);
	CALL(recvfrom, fd, answer, 8, MSG_PEEK | MSG_TRUNC, NULL, NULL);
	CALL(recvfrom, fd, NULL, 0, MSG_PEEK | MSG_TRUNC, NULL, NULL);
	CALL(setsockopt, fd, SOL_NETLINK, NETLINK_PKTINFO, &(int){1}, 4);
	CALL(setsockopt, fd, SOL_SOCKET, SO_PASSCRED, &(int){1}, 4);
	CALL(recvmsg, fd, &header, MSG_TRUNC);
	say("flags %x name %d: %d %u %u control %d", header.msg_flags, (int)header.msg_namelen,
	    from.nl_family, from.nl_pid, from.nl_groups, (int)header.msg_controllen);
	for (struct cmsghdr *at = CMSG_FIRSTHDR(&header); at; at = CMSG_NXTHDR(&header, at))
		say("control %d %d %d: %u", at->cmsg_level, at->cmsg_type, (int)at->cmsg_len,
		    *(unsigned *)CMSG_DATA(at));
	CALL(recvfrom, fd, answer, 8, MSG_DONTWAIT, NULL, NULL);
}

CASE(capped_errors)
{
	struct request request = prepared(RTM_GETLINK, NLM_F_ACK, AF_UNSPEC, 16);
	int fd = opened();

	request.link.ifi_index = 31337;
	CALL(setsockopt, fd, SOL_NETLINK, NETLINK_CAP_ACK, &(int){1}, 4);
	ask(fd, &request);
}

CASE(options)
{
	unsigned value[8] = {0};
	socklen_t length = 4;
	int fd = opened();

	CALL(getsockopt, fd, SOL_SOCKET, SO_TYPE, value, &length);
	VALUE(value[0]);
	CALL(getsockopt, fd, SOL_SOCKET, SO_DOMAIN, value, &length);
	VALUE(value[0]);
	CALL(getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, value, &length);
	VALUE(value[0]);
	CALL(setsockopt, fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &(int){0}, 4);
	CALL(setsockopt, fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &(int){RTNLGRP_LINK}, 4);
	CALL(setsockopt, fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &(int){5000}, 4);
	say_name(fd, getsockname);
	CALL(setsockopt, fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &(int){RTNLGRP_LINK}, 4);
	say_name(fd, getsockname);
	CALL(setsockopt, fd, SOL_NETLINK, NETLINK_EXT_ACK, &(int){1}, 4);
	CALL(getsockopt, fd, SOL_NETLINK, NETLINK_EXT_ACK, value, &length);
	VALUE(value[0]);
	CALL(getsockopt, fd, SOL_NETLINK, NETLINK_CAP_ACK, value, &length);
	VALUE(value[0]);
	length = 3;
	CALL(getsockopt, fd, SOL_NETLINK, NETLINK_CAP_ACK, value, &length);
	CALL(setsockopt, fd, SOL_NETLINK, NETLINK_CAP_ACK, LOW, 4);
	CALL(setsockopt, fd, SOL_NETLINK, 99, &(int){1}, 4);
	CALL(getsockopt, fd, SOL_NETLINK, 99, value, &length);
	CALL(setsockopt, fd, IPPROTO_IP, 1, &(int){1}, 4);
}

/* ---- ioctls ---- */

static void say_request(int fd, unsigned long what, const char *name)
{
	struct ifreq request;

	memset(&request, 0x55, sizeof request);
	strcpy(request.ifr_name, name);
	say("ioctl(%lx, \"%s\") = %s", what, name,
	    ioctl(fd, what, &request) ? error_name(errno) : "0");
	if (what == SIOCGIFFLAGS)
		say("  %x", request.ifr_flags);
	else if (what == SIOCGIFHWADDR || what == SIOCGIFADDR || what == SIOCGIFNETMASK ||
	         what == SIOCGIFBRDADDR || what == SIOCGIFDSTADDR)
		say_bytes("address", &request.ifr_addr, sizeof request.ifr_addr);
	else
		say("  %x", (unsigned)request.ifr_ifindex);
}

CASE(interface_requests)
{
	static const unsigned long requests[] = {
	        SIOCGIFINDEX, SIOCGIFFLAGS,  SIOCGIFMTU,     SIOCGIFMETRIC,  SIOCGIFTXQLEN,
	        SIOCGIFADDR,  SIOCGIFHWADDR, SIOCGIFNETMASK, SIOCGIFDSTADDR, SIOCGIFBRDADDR};
	int fds[] = {socket(AF_UNIX, SOCK_DGRAM, 0), socket(AF_NETLINK, SOCK_RAW, 0)};
	struct ifreq request = {.ifr_ifindex = LOOPBACK};

	for (size_t i = 0; i < COUNT(fds); i++) {
		for (size_t j = 0; j < COUNT(requests); j++) {
			say_request(fds[i], requests[j], "lo");
			say_request(fds[i], requests[j], "nothing");
		}
		say_request(fds[i], SIOCGIFINDEX, "lo:1");
		say_request(fds[i], SIOCGIFINDEX, "");
	}
	CALL(ioctl, fds[0], SIOCGIFNAME, &request);
	say("%s", request.ifr_name);
	request.ifr_ifindex = 31337;
	CALL(ioctl, fds[0], SIOCGIFNAME, &request);
	CALL(ioctl, fds[0], SIOCGIFINDEX, LOW);
	CALL(ioctl, fds[0], SIOCGIFCONF, LOW);
	CALL(ioctl, fds[0], 0x89ee, &request);
	CALL(ioctl, 0, SIOCGIFINDEX, &request);
}

CASE(interface_list)
{
	struct ifreq *entries = edge(sizeof *entries);
	struct ifconf list = {.ifc_len = sizeof *entries, .ifc_req = entries};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	CALL(ioctl, fd, SIOCGIFCONF, &list);
	VALUE(list.ifc_len);
	say("%s", entries->ifr_name);
	say_bytes("address", &entries->ifr_addr, sizeof entries->ifr_addr);
	list.ifc_len = sizeof *entries - 1;
	CALL(ioctl, fd, SIOCGIFCONF, &list);
	VALUE(list.ifc_len);
	list.ifc_len = -1;
	CALL(ioctl, fd, SIOCGIFCONF, &list);
	list = (struct ifconf){.ifc_len = sizeof *entries, .ifc_req = LOW};
	CALL(ioctl, fd, SIOCGIFCONF, &list);
	list = (struct ifconf){.ifc_len = 0};
	CALL(ioctl, fd, SIOCGIFCONF, &list);
	VALUE(list.ifc_len >= (int)sizeof *entries && list.ifc_len % (int)sizeof *entries == 0);
}

/* ---- what C libraries make of it ---- */

CASE(library)
{
	struct if_nameindex *names = if_nameindex();
	char name[IF_NAMESIZE] = "";
	struct ifaddrs *list = NULL;

	VALUE(if_nametoindex("lo"));
	VALUE(if_nametoindex("nothing"));
	say("%s", if_indextoname(1, name) ? name : error_name(errno));
	say("%s", if_indextoname(31337, name) ? name : error_name(errno));
	if (names)
		say("%u %s", names[0].if_index, names[0].if_name);
	if_freenameindex(names);
	SHOW(getifaddrs(&list));
	for (struct ifaddrs *at = list; at; at = at->ifa_next) {
		if (strcmp(at->ifa_name, "lo") != 0)
			continue;
		say("flags %x", at->ifa_flags);
		if (at->ifa_addr && at->ifa_addr->sa_family != AF_PACKET) {
			say_bytes("address", at->ifa_addr, 16);
			say_bytes("mask", at->ifa_netmask, 16);
		} else if (at->ifa_addr) {
			say_bytes("link", at->ifa_addr, 12);
		}
	}
	freeifaddrs(list);
}
