/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink sockets: names, requests that are sent, answers that are received. See netlink.h. */
#include "guestkit/libc-shim/netlink.h"

#include <asm/ioctls.h>
#include <linux/errno.h>
#include <linux/rtnetlink.h>

#include "guestkit/libc-shim/interface.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/memory.h"
#include "guestkit/net/net.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

#define LEVEL_NETLINK 270 /* SOL_NETLINK */
#define FIRST_FREE    (-4097)
#define SEND_OVERHEAD 32u     /* a message is as large as SO_SNDBUF less this */
#define READABLE      0x0041u /* POLLIN | POLLRDNORM */
#define GROUP_WORDS   ((RTNLGRP_MAX + 31) / 32)
#define BIT(option)   (1u << (option))
/* Options that are on or off; NETLINK_PKTINFO, _CAP_ACK and _GET_STRICT_CHK have an effect. */
#define SWITCHES                                                                         \
	(BIT(NETLINK_PKTINFO) | BIT(NETLINK_BROADCAST_ERROR) | BIT(NETLINK_NO_ENOBUFS) | \
	 BIT(NETLINK_CAP_ACK) | BIT(NETLINK_EXT_ACK) | BIT(NETLINK_GET_STRICT_CHK))

struct netlink_socket {
	struct socket socket;                /* first: the two are converted into each other */
	struct netlink_socket *next;         /* in the list of all */
	struct netlink_packet *first, *last; /* to be received */
	size_t queued;                       /* bytes of memory of these */
	bool is_bound, is_connected;
	uint32_t port, peer_port, peer_groups;
	uint32_t groups[GROUP_WORDS]; /* group n is bit n - 1 */
	uint32_t options;             /* BIT(NETLINK_*) */
};

static struct netlink_socket *sockets;

static struct netlink_socket *netlink_of(struct socket *socket)
{
	return (struct netlink_socket *)socket;
}

/* ---- names ---- */

static bool is_taken(uint32_t port)
{
	for (const struct netlink_socket *other = sockets; other; other = other->next)
		if (other->is_bound && other->port == port)
			return true;
	return false;
}

/* The first socket of a process has its number as port; the others get negative ones. */
static void bind_any(struct netlink_socket *socket)
{
	static int32_t next = FIRST_FREE;
	uint32_t port = PROCESS_ID;

	if (socket->is_bound)
		return;
	while (is_taken(port)) {
		port = (uint32_t)next--;
		if (next >= 0 || next == INT32_MIN)
			next = FIRST_FREE;
	}
	socket->port = port;
	socket->is_bound = true;
}

/* Take an address apart: 0, or -EINVAL. */
static int take_name(const struct socket_address *address, struct sockaddr_nl *name)
{
	if (address->length < sizeof(*name) || address->family != SOCKET_FAMILY_NETLINK)
		return -EINVAL;
	memcpy(name, address->bytes, sizeof(*name));
	return 0;
}

static void give_name(struct socket_address *address, uint32_t port, uint32_t groups)
{
	const struct sockaddr_nl name = {
	        .nl_family = SOCKET_FAMILY_NETLINK, .nl_pid = port, .nl_groups = groups};

	memcpy(address->bytes, &name, sizeof(name));
	address->length = sizeof(name);
}

static int netlink_bind(struct socket *base, const struct socket_address *address)
{
	struct netlink_socket *socket = netlink_of(base);
	struct sockaddr_nl name;
	int result = take_name(address, &name);

	if (result)
		return result;
	if (socket->is_bound && name.nl_pid != socket->port)
		return -EINVAL;
	if (!socket->is_bound && name.nl_pid && is_taken(name.nl_pid))
		return -EADDRINUSE;
	if (!socket->is_bound && name.nl_pid) {
		socket->port = name.nl_pid;
		socket->is_bound = true;
	}
	bind_any(socket);
	socket->groups[0] = name.nl_groups;
	return 0;
}

static int netlink_connect(struct socket *base, const struct socket_address *address,
                           uint32_t flags)
{
	struct netlink_socket *socket = netlink_of(base);
	struct sockaddr_nl name;
	int result;

	(void)flags;
	if (address->length < sizeof(address->family))
		return -EINVAL;
	if (address->family == SOCKET_FAMILY_NONE) {
		socket->is_connected = false;
		socket->peer_port = socket->peer_groups = 0;
		return 0;
	}
	result = take_name(address, &name);
	if (result)
		return result;
	bind_any(socket);
	socket->is_connected = true;
	socket->peer_port = name.nl_pid;
	socket->peer_groups = name.nl_groups & -name.nl_groups; /* the first of them */
	return 0;
}

static int netlink_get_name(const struct socket *base, bool peer, struct socket_address *address)
{
	const struct netlink_socket *socket = (const struct netlink_socket *)base;

	give_name(address, peer ? socket->peer_port : socket->port,
	          peer ? socket->peer_groups : socket->groups[0]);
	return 0;
}

/* ---- sending ---- */

static size_t cost(const struct netlink_packet *packet)
{
	return sizeof(*packet) + packet->room;
}

/* Put answers into the queue; what there is no room for is lost, and the reader is told so. */
static void queue_answers(struct netlink_socket *socket, struct netlink_answer *answer,
                          uint32_t groups)
{
	struct netlink_packet *packet;
	bool is_full = answer->has_failed;

	while ((packet = answer->first)) {
		struct netlink_packet *cut;

		answer->first = packet->next;
		cut = heap_resize(packet, sizeof(*packet) + packet->length);
		if (cut) {
			packet = cut;
			packet->room = packet->length;
		}
		if (is_full || socket->queued > socket->socket.receive_limit) {
			is_full = true;
			heap_free(packet);
			continue;
		}
		packet->next = NULL;
		packet->groups = groups;
		*(socket->last ? &socket->last->next : &socket->first) = packet;
		socket->last = packet;
		socket->queued += cost(packet);
	}
	if (is_full)
		socket->socket.error = ENOBUFS;
	wait_queue_wake_for(&socket->socket.queue, is_full ? UINT32_MAX : READABLE);
}

/* Where a message goes: 0, or a negative errno. There is nobody but the kernel. */
static int check_receiver(const struct netlink_socket *socket, const struct socket_message *message)
{
	struct sockaddr_nl name = {.nl_pid = socket->peer_port, .nl_groups = socket->peer_groups};

	if (message->name && message->name->length) {
		int result = take_name(message->name, &name);

		if (result)
			return result;
	}
	return name.nl_pid ? -ECONNREFUSED : 0;
}

static int64_t netlink_send(struct socket *base, struct socket_message *message)
{
	struct netlink_socket *socket = netlink_of(base);
	size_t length = message->data.total;
	struct netlink_answer answer = {
	        .left = base->receive_limit + (size_t)base->send_limit,
	        .is_strict = socket->options & BIT(NETLINK_GET_STRICT_CHK),
	        .is_capped = socket->options & BIT(NETLINK_CAP_ACK),
	};
	unsigned char *request;
	int result;

	if (message->flags & MESSAGE_OUT_OF_BAND)
		return -EOPNOTSUPP;
	if (!length)
		return -ENODATA;
	result = check_receiver(socket, message);
	if (result && result != -ECONNREFUSED)
		return result;
	bind_any(socket);
	answer.request.nlmsg_pid = socket->port;
	if (length > base->send_limit - SEND_OVERHEAD)
		return -EMSGSIZE;
	request = heap_alloc(length);
	if (!request)
		return -ENOBUFS;
	if (message_take(message, request, length) < length)
		result = -EFAULT;
	if (!result) {
		interface_settle();
		netlink_answer(&answer, request, length);
		queue_answers(socket, &answer, 0);
	}
	heap_free(request);
	return result ? result : (int64_t)length;
}

/* ---- telling those who have joined a group ---- */

static void tell_gone(struct netlink_socket *socket, unsigned group, const struct interface *before)
{
	struct netlink_answer answer = {.left = socket->socket.receive_limit};
	uint32_t groups = 1u << (group - 1);

	if (!(socket->groups[0] & groups))
		return;
	netlink_write_gone(&answer, before, group == RTNLGRP_IPV6_IFADDR);
	if (answer.first || answer.has_failed)
		queue_answers(socket, &answer, groups);
}

void netlink_tell_gone(const struct interface *before)
{
	for (struct netlink_socket *socket = sockets; socket; socket = socket->next) {
		tell_gone(socket, RTNLGRP_IPV4_IFADDR, before);
		tell_gone(socket, RTNLGRP_IPV6_IFADDR, before);
	}
}

static void tell(struct netlink_socket *socket, unsigned group, unsigned index)
{
	struct netlink_answer answer = {.left = socket->socket.receive_limit};
	uint32_t groups = 1u << (group - 1);

	if (!(socket->groups[0] & groups))
		return;
	if (group == RTNLGRP_LINK)
		netlink_write_link(&answer, index);
	else
		netlink_write_addresses(&answer, index, group == RTNLGRP_IPV6_IFADDR);
	if (answer.first || answer.has_failed)
		queue_answers(socket, &answer, groups);
}

void netlink_tell_link(struct net_device *device)
{
	for (struct netlink_socket *socket = sockets; socket; socket = socket->next)
		tell(socket, RTNLGRP_LINK, netif_get_index(&device->netif));
}

void netlink_tell_addresses(struct net_device *device)
{
	for (struct netlink_socket *socket = sockets; socket; socket = socket->next) {
		tell(socket, RTNLGRP_IPV4_IFADDR, netif_get_index(&device->netif));
		tell(socket, RTNLGRP_IPV6_IFADDR, netif_get_index(&device->netif));
	}
}

/* ---- receiving ---- */

static int wait_for_packet(struct netlink_socket *socket, uint64_t deadline)
{
	for (;;) {
		int result = socket_take_error(&socket->socket);

		if (result || socket->first)
			return result;
		result = socket_wait(&socket->socket.queue, deadline);
		if (result)
			return result;
	}
}

static void drop_first(struct netlink_socket *socket)
{
	struct netlink_packet *packet = socket->first;

	socket->first = packet->next;
	if (!socket->first)
		socket->last = NULL;
	socket->queued -= cost(packet);
	heap_free(packet);
}

static int64_t netlink_receive(struct socket *base, struct socket_message *message)
{
	struct netlink_socket *socket = netlink_of(base);
	uint64_t deadline = socket_deadline(base->receive_timeout, message->flags);
	struct nl_pktinfo group = {0};
	const struct netlink_packet *packet;
	size_t length, part;
	int64_t result;

	if (message->flags & MESSAGE_OUT_OF_BAND)
		return -EOPNOTSUPP;
	result = wait_for_packet(socket, deadline);
	if (result)
		return result;
	packet = socket->first;
	length = packet->length;
	part = length < message->data.total ? length : message->data.total;
	if (part < length)
		message->result |= MESSAGE_DATA_CUT;
	result = (int64_t)(message->flags & MESSAGE_DATA_CUT ? length : part);
	if (vector_write(&message->data, packet->data, part) < part)
		result = -EFAULT;
	if (message->name)
		give_name(message->name, 0, packet->groups);
	group.group = packet->groups ? (uint32_t)__builtin_ctz(packet->groups) + 1 : 0;
	if (socket->options & BIT(NETLINK_PKTINFO))
		socket_extra_add(message->extra, LEVEL_NETLINK, NETLINK_PKTINFO, &group,
		                 sizeof(group));
	message->control.has_sender = true; /* the kernel: all zeros */
	if (!(message->flags & MESSAGE_PEEK))
		drop_first(socket);
	return result;
}

/* ---- options ---- */

static int netlink_set_option(struct socket *base, int level, unsigned option, uint64_t user,
                              uint32_t length)
{
	struct netlink_socket *socket = netlink_of(base);
	uint32_t value = 0;

	if (level != LEVEL_NETLINK)
		return -ENOPROTOOPT;
	if (length >= sizeof(value) && user_read(&value, user, sizeof(value)))
		return -EFAULT;
	if (option == NETLINK_ADD_MEMBERSHIP || option == NETLINK_DROP_MEMBERSHIP) {
		uint32_t *word, bit;

		if (!value || value - 1 >= GROUP_WORDS * 32)
			return -EINVAL;
		word = &socket->groups[(value - 1) / 32];
		bit = 1u << (value - 1) % 32;
		*word = option == NETLINK_ADD_MEMBERSHIP ? *word | bit : *word & ~bit;
		return 0;
	}
	if (option >= 32 || !(SWITCHES & BIT(option)))
		return -ENOPROTOOPT;
	socket->options &= ~BIT(option);
	socket->options |= value ? BIT(option) : 0;
	return 0;
}

static int netlink_get_option(struct socket *base, int level, unsigned option, uint64_t user,
                              uint64_t user_length)
{
	const struct netlink_socket *socket = netlink_of(base);
	int value, room;

	if (level != LEVEL_NETLINK)
		return -ENOPROTOOPT;
	if (option == NETLINK_LIST_MEMBERSHIPS) {
		room = (int)sizeof(socket->groups);
		value = socket_option_give(socket->groups, sizeof(socket->groups), user,
		                           user_length);
		return value ? value : user_write(user_length, &room, sizeof(room));
	}
	if (option >= 32 || !(SWITCHES & BIT(option)))
		return -ENOPROTOOPT;
	if (user_read(&room, user_length, sizeof(room)))
		return -EFAULT;
	if (room < (int)sizeof(value))
		return -EINVAL;
	value = socket->options & BIT(option) ? 1 : 0;
	return socket_option_give(&value, sizeof(value), user, user_length);
}

/* ---- the rest ---- */

static int netlink_listen(struct socket *base, unsigned backlog)
{
	(void)base;
	(void)backlog;
	return -EOPNOTSUPP;
}

static int netlink_accept(struct socket *base, uint32_t flags, struct socket **accepted)
{
	(void)base;
	(void)flags;
	(void)accepted;
	return -EOPNOTSUPP;
}

static int netlink_shutdown(struct socket *base, unsigned ends)
{
	(void)base;
	(void)ends;
	return -EOPNOTSUPP;
}

static struct poll_state netlink_poll(struct socket *base)
{
	return (struct poll_state){
	        .readable = netlink_of(base)->first,
	        .writable = true,
	        .error = base->error,
	        .has_bands = true,
	};
}

static int64_t netlink_ioctl(struct socket *base, unsigned request, uint64_t argument)
{
	(void)base;
	(void)request;
	(void)argument;
	return -ENOTTY;
}

static bool netlink_is_listening(const struct socket *base)
{
	(void)base;
	return false;
}

static void netlink_get_peer(const struct socket *base, struct socket_credentials *peer)
{
	(void)base;
	*peer = (struct socket_credentials){0, UINT32_MAX, UINT32_MAX};
}

static void netlink_close(struct socket *base)
{
	struct netlink_socket *socket = netlink_of(base), **link = &sockets;

	while (*link != socket)
		link = &(*link)->next;
	*link = socket->next;
	while (socket->first)
		drop_first(socket);
}

static void netlink_release(struct socket *base)
{
	(void)base; /* closing has freed all */
}

static const struct socket_ops netlink_ops = {
        .bind = netlink_bind,
        .listen = netlink_listen,
        .accept = netlink_accept,
        .connect = netlink_connect,
        .shutdown = netlink_shutdown,
        .get_name = netlink_get_name,
        .send = netlink_send,
        .receive = netlink_receive,
        .poll = netlink_poll,
        .ioctl = netlink_ioctl,
        .set_option = netlink_set_option,
        .get_option = netlink_get_option,
        .is_listening = netlink_is_listening,
        .get_peer = netlink_get_peer,
        .close = netlink_close,
        .release = netlink_release,
};

int netlink_create(unsigned type, int protocol, struct socket **made)
{
	struct netlink_socket *socket;

	if (type != SOCKET_RAW && type != SOCKET_DATAGRAM)
		return -ESOCKTNOSUPPORT;
	if (protocol != NETLINK_ROUTE)
		return -EPROTONOSUPPORT;
	socket = heap_alloc(sizeof(*socket));
	if (!socket)
		return -ENOMEM;
	socket_init(&socket->socket, &netlink_ops, SOCKET_FAMILY_NETLINK, type);
	socket->next = sockets;
	sockets = socket;
	*made = &socket->socket;
	return 0;
}
