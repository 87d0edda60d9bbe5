/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink messages: writing them into packets, and finding attributes in those of others. */
#include "guestkit/libc-shim/netlink.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"

#define PACKET_ROOM 3584u /* with its header less than a page, which the smallest readers have */

/* A packet for a message of up to @size bytes: the last one of a dump, while that has room. */
static struct netlink_packet *packet_for(struct netlink_answer *answer, size_t size)
{
	struct netlink_packet *packet = answer->shared;
	size_t room = answer->is_dump ? PACKET_ROOM : size;

	if (packet && packet->room - packet->length >= size)
		return packet;
	if (answer->left < size)
		return NULL;
	packet = heap_alloc(sizeof(*packet) + room);
	if (!packet)
		return NULL;
	answer->left -= room < answer->left ? room : answer->left;
	packet->room = (uint32_t)room;
	*(answer->last ? &answer->last->next : &answer->first) = packet;
	answer->last = packet;
	answer->shared = answer->is_dump ? packet : NULL;
	return packet;
}

void *netlink_begin(struct netlink_answer *answer, uint16_t type, size_t header)
{
	size_t size = NLMSG_ALIGN(NLMSG_HDRLEN + header);
	struct netlink_packet *packet;
	struct nlmsghdr *message;

	if (answer->has_failed)
		return NULL;
	packet = packet_for(answer, size > NETLINK_MESSAGE_MAX ? size : NETLINK_MESSAGE_MAX);
	if (!packet) {
		answer->has_failed = true;
		return NULL;
	}
	answer->message = packet->length;
	message = (struct nlmsghdr *)(packet->data + packet->length);
	*message = (struct nlmsghdr){
	        .nlmsg_len = (uint32_t)(NLMSG_HDRLEN + header),
	        .nlmsg_type = type,
	        .nlmsg_flags = answer->is_dump ? NLM_F_MULTI : 0,
	        .nlmsg_seq = answer->request.nlmsg_seq,
	        .nlmsg_pid = answer->request.nlmsg_pid,
	};
	packet->length += (uint32_t)size;
	return packet->data + answer->message + NLMSG_HDRLEN;
}

void netlink_put(struct netlink_answer *answer, uint16_t type, const void *data, size_t size)
{
	const struct nlattr header = {(uint16_t)(NLA_HDRLEN + size), type};
	struct netlink_packet *packet = answer->last;

	if (answer->has_failed)
		return;
	if (NLA_ALIGN((size_t)header.nla_len) > packet->room - packet->length) {
		answer->has_failed = true;
		return;
	}
	memcpy(packet->data + packet->length, &header, NLA_HDRLEN);
	memcpy(packet->data + packet->length + NLA_HDRLEN, data, size);
	packet->length += NLA_ALIGN(header.nla_len);
}

void netlink_put_u8(struct netlink_answer *answer, uint16_t type, uint8_t value)
{
	netlink_put(answer, type, &value, sizeof(value));
}

void netlink_put_u32(struct netlink_answer *answer, uint16_t type, uint32_t value)
{
	netlink_put(answer, type, &value, sizeof(value));
}

void netlink_put_string(struct netlink_answer *answer, uint16_t type, const char *string)
{
	netlink_put(answer, type, string, strlen(string) + 1);
}

void netlink_end(struct netlink_answer *answer)
{
	struct netlink_packet *packet = answer->last;
	struct nlmsghdr *message;

	if (answer->has_failed)
		return;
	message = (struct nlmsghdr *)(packet->data + answer->message);
	message->nlmsg_len = packet->length - answer->message;
}

void netlink_drop(struct netlink_answer *answer)
{
	struct netlink_packet *packet;

	while ((packet = answer->first)) {
		answer->first = packet->next;
		heap_free(packet);
	}
	answer->last = answer->shared = NULL;
}

const void *netlink_attribute(const unsigned char *attributes, size_t length, uint16_t type,
                              size_t *size)
{
	size_t at = 0;

	while (at < length && length - at >= NLA_HDRLEN) {
		struct nlattr header;

		memcpy(&header, attributes + at, sizeof(header));
		if (header.nla_len < NLA_HDRLEN || header.nla_len > length - at)
			return NULL;
		if ((header.nla_type & NLA_TYPE_MASK) == type) {
			*size = header.nla_len - (size_t)NLA_HDRLEN;
			return attributes + at + NLA_HDRLEN;
		}
		at += NLA_ALIGN(header.nla_len);
	}
	return NULL;
}
