/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target of netlink requests: what is answered is well-formed, and bounded. */
#define MOTE_HOSTED
#include "../unit/interface_fakes.h"
#include "../unit/kit_fakes.h"

#include "../../guestkit/libc-shim/interface.c"
#include "../../guestkit/libc-shim/netlink_link.c"
#include "../../guestkit/libc-shim/netlink_message.c"
#include "../../guestkit/libc-shim/netlink_request.c"
#include "../../guestkit/libc-shim/netlink_route.c"

#define ROOM (64u * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* Messages fill a packet, and each has an end that the next begins at. */
static void check_packet(const struct netlink_packet *packet)
{
	size_t at = 0;

	require(packet->length && packet->length <= packet->room);
	while (at < packet->length) {
		const struct nlmsghdr *message = (const struct nlmsghdr *)(packet->data + at);

		require(packet->length - at >= NLMSG_HDRLEN);
		require(message->nlmsg_len >= NLMSG_HDRLEN);
		require(message->nlmsg_len <= packet->length - at);
		at += NLMSG_ALIGN(message->nlmsg_len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct netlink_answer answer = {
	        .left = ROOM,
	        .is_strict = size & 1,
	        .is_capped = size & 2,
	};
	unsigned char *request = heap_alloc(size); /* aligned, as the kit's are */
	size_t total = 0;

	memcpy(request, data, size);
	netlink_answer(&answer, request, size);
	for (const struct netlink_packet *packet = answer.first; packet; packet = packet->next) {
		if (!answer.has_failed)
			check_packet(packet);
		total += packet->length;
	}
	require(total <= ROOM + PACKET_ROOM);
	netlink_drop(&answer);
	heap_free(request);
	require(!fake_heap_blocks);
	return 0;
}
