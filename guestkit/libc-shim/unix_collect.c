/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that nobody can reach: those whose file is referenced by packets alone, and all of these
 * packets are in the queues of such sockets.
 *
 * How it works
 *
 * Each socket with a file counts in how many packets the file is. One whose file has more
 * references than that can be reached: by a descriptor, by a call that is being served. What lies
 * in packets in the queue of a socket that can be reached can be reached, too. What is left is
 * garbage, and comes from the program alone, so that it is looked for when a socket is closed, and
 * when many sockets are under way.
 */
#include <linux/errno.h>

#include "guestkit/libc-shim/unix.h"

#define FILES_MAX  16384u /* under way in all */
#define FIRST_LOOK 64u    /* sockets under way */

static struct unix_socket *sockets;
static struct unix_socket *to_look; /* reachable ones whose queue has not been looked at */
static unsigned files_in_flight, sockets_in_flight;
static unsigned next_look = FIRST_LOOK;

void unix_list_add(struct unix_socket *socket)
{
	socket->next = sockets;
	if (sockets)
		sockets->previous = socket;
	sockets = socket;
}

void unix_list_remove(struct unix_socket *socket)
{
	*(socket->previous ? &socket->previous->next : &sockets) = socket->next;
	if (socket->next)
		socket->next->previous = socket->previous;
}

const struct unix_socket *unix_next(const struct unix_socket *previous)
{
	return previous ? previous->next : sockets;
}

static struct unix_socket *file_unix(const struct file *file)
{
	struct socket *socket = file_socket(file);

	return socket && socket->ops == &unix_ops ? unix_of(socket) : NULL;
}

int unix_fly(const struct socket_rights *rights)
{
	unsigned count = rights ? rights->count : 0;

	if (count > FILES_MAX - files_in_flight)
		return -ETOOMANYREFS;
	files_in_flight += count;
	for (unsigned i = 0; i < count; i++) {
		struct unix_socket *socket = file_unix(rights->files[i]);

		if (socket) {
			socket->in_flight++;
			sockets_in_flight++;
		}
	}
	return 0;
}

void unix_land(const struct socket_rights *rights)
{
	unsigned count = rights ? rights->count : 0;

	files_in_flight -= count;
	for (unsigned i = 0; i < count; i++) {
		struct unix_socket *socket = file_unix(rights->files[i]);

		if (socket) {
			socket->in_flight--;
			sockets_in_flight--;
		}
	}
}

static void reach(struct unix_socket *socket)
{
	if (socket->is_reachable)
		return;
	socket->is_reachable = true;
	socket->next_to_look = to_look;
	to_look = socket;
}

/* What lies in a queue can be reached. */
static void look_at_queue(const struct unix_socket *socket)
{
	for (const struct unix_packet *packet = socket->first; packet; packet = packet->next) {
		const struct socket_rights *rights = packet->control.rights;

		for (unsigned i = 0; rights && i < rights->count; i++) {
			struct unix_socket *inside = file_unix(rights->files[i]);

			if (inside)
				reach(inside);
		}
	}
}

static void look_at(const struct unix_socket *socket)
{
	look_at_queue(socket);
	/* A listening socket can give those out that are to be accepted. */
	for (const struct unix_socket *pending = socket->first_pending; pending;
	     pending = pending->next_pending)
		look_at_queue(pending);
}

static void mark(void)
{
	for (struct unix_socket *socket = sockets; socket; socket = socket->next)
		socket->is_reachable = false;
	/* One that has no file is for accept() to give out: see look_at(). */
	for (struct unix_socket *socket = sockets; socket; socket = socket->next)
		if (socket->socket.file && socket->socket.file->references > socket->in_flight)
			reach(socket);
	while (to_look) {
		struct unix_socket *socket = to_look;

		to_look = socket->next_to_look;
		look_at(socket);
	}
}

/* Take the files out of the packets of a queue. */
static void empty_queue(struct unix_socket *socket, struct socket_rights **garbage)
{
	for (struct unix_packet *packet = socket->first; packet; packet = packet->next) {
		struct socket_rights *rights = unix_packet_take_rights(packet);

		if (!rights)
			continue;
		rights->next = *garbage;
		*garbage = rights;
	}
}

void unix_collect(void)
{
	struct socket_rights *garbage = NULL, *rights;

	/* Where one after another is closed, it is done once, behind the last. */
	if (!sockets_in_flight || socket_rights_are_dropping())
		return;
	mark();
	for (struct unix_socket *socket = sockets; socket; socket = socket->next) {
		if (socket->is_reachable || !socket->socket.file)
			continue;
		empty_queue(socket, &garbage);
		for (struct unix_socket *pending = socket->first_pending; pending;
		     pending = pending->next_pending)
			empty_queue(pending, &garbage);
	}
	/* Now nothing is referenced in a circle: the sockets close one by one. */
	while ((rights = garbage)) {
		garbage = rights->next;
		socket_rights_drop(rights);
	}
	next_look = 2 * sockets_in_flight > FIRST_LOOK ? 2 * sockets_in_flight : FIRST_LOOK;
}

void unix_collect_if_many(void)
{
	if (sockets_in_flight >= next_look)
		unix_collect();
}
