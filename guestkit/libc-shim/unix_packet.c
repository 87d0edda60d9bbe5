/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of AF_UNIX sockets: memory, queues, what is under way. */
#include <linux/errno.h>

#include "guestkit/libc-shim/unix.h"
#include "guestkit/memory.h"

#define PACKET_HEADER sizeof(struct unix_packet)
#define HEAP_MAX      2032u /* larger ones are frames of their own */
#define PIECE_PAGES   8u    /* of a stream */
#define PIECE_MAX     (PIECE_PAGES * PAGE_SIZE - PACKET_HEADER)
#define MARGIN        64u /* two pieces fit into what may be under way */

static size_t cost(const struct unix_packet *packet)
{
	return packet->frames ? packet->frames * PAGE_SIZE : PACKET_HEADER + packet->size;
}

bool unix_has_room(const struct unix_socket *socket)
{
	return socket->charged < socket->socket.send_limit;
}

bool unix_is_writable(const struct unix_socket *socket)
{
	return socket->charged * 4 <= socket->socket.send_limit;
}

static struct unix_packet *allocate(size_t size)
{
	size_t frames = (PACKET_HEADER + size + PAGE_SIZE - 1) / PAGE_SIZE;
	struct unix_packet *packet;
	uint64_t physical;

	if (PACKET_HEADER + size <= HEAP_MAX) {
		packet = heap_alloc(PACKET_HEADER + size);
		if (packet)
			packet->size = (uint32_t)size;
		return packet;
	}
	physical = page_alloc(frames);
	if (!physical)
		return NULL;
	packet = direct_map(physical);
	*packet = (struct unix_packet){.size = (uint32_t)(frames * PAGE_SIZE - PACKET_HEADER),
	                               .frames = (uint32_t)frames};
	return packet;
}

struct unix_packet *unix_packet_make(struct unix_socket *sender, size_t size)
{
	struct unix_packet *packet = allocate(size);

	if (!packet)
		return NULL;
	packet->sender = unix_get(sender);
	sender->charged += cost(packet);
	return packet;
}

struct unix_packet *unix_packet_make_piece(struct unix_socket *sender, size_t left, bool is_first)
{
	size_t half = sender->socket.send_limit / 2 - MARGIN;
	size_t most = half < PIECE_MAX ? half : PIECE_MAX;
	struct unix_packet *packet;

	if (left > most)
		left = most;
	/* Where packets pile up, the next small writes are to join this one. */
	if (!is_first && left < PAGE_SIZE - PACKET_HEADER && most >= PAGE_SIZE)
		left = PAGE_SIZE - PACKET_HEADER;
	packet = unix_packet_make(sender, left);
	if (!packet && left > PAGE_SIZE - PACKET_HEADER)
		packet = unix_packet_make(sender, PAGE_SIZE - PACKET_HEADER);
	return packet;
}

void unix_packet_free(struct unix_packet *packet)
{
	struct unix_socket *sender = packet->sender;
	bool was_writable = unix_is_writable(sender);

	socket_rights_drop(packet->control.rights);
	sender->charged -= cost(packet);
	if (packet->frames)
		page_free(direct_physical(packet), packet->frames);
	else
		heap_free(packet);
	if (!was_writable && unix_is_writable(sender))
		wait_queue_wake_for(&sender->socket.queue, UNIX_WRITABLE);
	unix_put(sender);
}

void unix_packet_queue(struct unix_socket *to, struct unix_packet *packet)
{
	packet->next = NULL;
	*(to->last ? &to->last->next : &to->first) = packet;
	to->last = packet;
	to->packets++;
	wait_queue_wake_for(&to->socket.queue, UNIX_READABLE);
}

struct unix_packet *unix_packet_take(struct unix_socket *from)
{
	struct unix_packet *packet = from->first;
	bool was_full = unix_is_full(from);

	from->first = packet->next;
	if (!from->first)
		from->last = NULL;
	from->packets--;
	if (was_full && !unix_is_full(from))
		wait_queue_wake_for(&from->room, UNIX_WRITABLE);
	return packet;
}

struct socket_rights *unix_packet_take_rights(struct unix_packet *packet)
{
	struct socket_rights *rights = packet->control.rights;

	unix_land(rights);
	packet->control.rights = NULL;
	return rights;
}

void unix_packet_drop_all(struct unix_socket *socket)
{
	while (socket->first) {
		struct unix_packet *packet = unix_packet_take(socket);

		socket_rights_drop(unix_packet_take_rights(packet));
		unix_packet_free(packet);
	}
}
