/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets of the family AF_UNIX inside.
 *
 * How it works
 *
 * Data lie in packets, in the queue of the socket that is to receive them. A packet is one
 * datagram, or some bytes of a stream: small writes to a stream join the last packet where that
 * changes nothing for the reader. What a packet occupies is charged to its sender until it has been
 * read: who has as much under way as SO_SNDBUF says has to wait. A socket that datagrams are sent
 * to from any side takes DATAGRAM_BACKLOG of them besides. Files in a packet are a barrier: a read
 * stops behind it.
 *
 * connect() to a listening socket makes the other end at once, without a file, and leaves it to
 * accept(); data may arrive there before. A socket that is closed is dead; others that know it as
 * their peer, or whose packets it sent, keep the structure. A bound socket is in the list of names;
 * those that accept() gives have the name, too, but are not in it.
 *
 * A socket may be in a packet in its own queue, or in that of a socket for which the same holds:
 * out of reach, but referenced. unix_collect() finds such sockets and empties their queues.
 */
#ifndef MOTE_LIBC_SHIM_UNIX_H
#define MOTE_LIBC_SHIM_UNIX_H

#include "guestkit/libc-shim/socket.h"

#define DATAGRAM_BACKLOG 10u /* net.unix.max_dgram_qlen */

/* POLL* bits, for wakes. */
#define UNIX_READABLE 0x0041u /* POLLIN | POLLRDNORM */
#define UNIX_WRITABLE 0x0304u /* POLLOUT | POLLWRNORM | POLLWRBAND */

/* A name, shared by a listening socket and those that come from it. */
struct unix_name {
	unsigned references;
	struct socket_address address; /* with the NUL that ends a path */
};

struct unix_packet {
	struct unix_packet *next;
	struct unix_socket *sender; /* referenced */
	struct socket_control control;
	uint32_t start, end; /* of the data that are left */
	uint32_t size;       /* bytes of `data` */
	uint32_t frames;     /* that it occupies; 0: it is on the heap */
	unsigned char data[];
};

enum unix_state { UNIX_UNCONNECTED, UNIX_LISTENING, UNIX_CONNECTED };

struct unix_socket {
	struct socket socket; /* first: the two are converted into each other */
	enum unix_state state;
	bool is_dead;
	bool is_pending;          /* nobody has accepted it yet */
	unsigned closed;          /* SOCKET_CLOSED_* */
	struct unix_socket *peer; /* referenced; may be dead */
	struct socket_credentials peer_credentials;

	struct unix_packet *first, *last; /* received */
	unsigned packets;
	size_t charged;          /* bytes of packets sent and not yet read */
	struct wait_queue room;  /* woken when others may send or connect to it again */
	struct waiter peer_room; /* in peer->room, for those who poll this socket */

	unsigned backlog,
	        pending; /* connections to be accepted: how many more than this, and now */
	struct unix_socket *first_pending, *last_pending, *next_pending; /* referenced */

	struct unix_name *name; /* NULL: unnamed */
	struct inode *path;     /* referenced; of a bound socket with a name in a file system */
	bool is_bound;          /* in the list of names */
	struct unix_socket *next_bound;

	struct unix_socket *next, *previous; /* in the list of all that are not dead */
	unsigned in_flight;                  /* how often its file is in a packet */
	bool is_reachable;                   /* unix_collect.c */
	struct unix_socket *next_to_look;
};

static inline struct unix_socket *unix_of(struct socket *socket)
{
	return (struct unix_socket *)socket;
}

static inline bool unix_is_connecting(const struct unix_socket *socket)
{
	return socket->socket.type != SOCKET_DATAGRAM;
}

/* Do they say the same of who sent? Else a read stops between them. */
static inline bool unix_is_same_sender(const struct socket_control *a,
                                       const struct socket_control *b)
{
	if (a->has_sender != b->has_sender)
		return false;
	return !a->has_sender || (a->sender.pid == b->sender.pid &&
	                          a->sender.uid == b->sender.uid && a->sender.gid == b->sender.gid);
}

static inline struct unix_socket *unix_get(struct unix_socket *socket)
{
	inode_get(&socket->socket.inode);
	return socket;
}

static inline void unix_put(struct unix_socket *socket)
{
	if (socket)
		inode_put(&socket->socket.inode);
}

/* ---- unix.c ---- */

extern const struct socket_ops unix_ops;

/* A socket without a file. @type: SOCKET_STREAM, SOCKET_DATAGRAM, SOCKET_SEQUENCED */
struct unix_socket *unix_make(unsigned type);

/* It is closed, and so are connections to it. */
void unix_close(struct unix_socket *socket);

/* ---- unix_name.c ---- */

/* Is it the address of a socket? 0 or -EINVAL. */
int unix_address_check(const struct socket_address *address);

/**
 * unix_find() - Find the socket that has a name.
 * @address: that unix_address_check() took
 * @found:   referenced
 *
 * Return: 0, -ECONNREFUSED, -EPROTOTYPE, or what the walk says.
 */
int unix_find(const struct socket_address *address, unsigned type, struct unix_socket **found);

int unix_bind(struct socket *socket, const struct socket_address *address);
/* Give a socket an abstract name, if it has none. */
int unix_bind_any(struct unix_socket *socket);
/* Before a name is needed for a reply: where the sender is to be told, it gets one. */
int unix_bind_sender(struct unix_socket *socket);

void unix_name_put(struct unix_name *name);
/* The socket is closed: others may have its name. It keeps it for the packets on their way. */
void unix_unbind(struct unix_socket *socket);

/* The name as getsockname tells it; an unnamed one is the family alone. */
void unix_name_tell(const struct unix_socket *socket, struct socket_address *address);

/* ---- unix_connect.c ---- */

int unix_listen(struct socket *socket, unsigned backlog);
int unix_accept(struct socket *socket, uint32_t flags, struct socket **accepted);
int unix_connect(struct socket *socket, const struct socket_address *address, uint32_t flags);

/* Let go of the peer, if there is one. */
void unix_forget_peer(struct unix_socket *socket);

/* Does it make a sender wait, because too much waits to be received or accepted? */
bool unix_is_full(const struct unix_socket *socket);

/* ---- unix_packet.c ---- */

/**
 * unix_packet_make() - A packet without data.
 * @size: bytes of data that are to fit
 *
 * Return: NULL when memory is short.
 */
struct unix_packet *unix_packet_make(struct unix_socket *sender, size_t size);

/* Room for a piece of a stream of which @left bytes remain: at least one byte, or NULL. */
struct unix_packet *unix_packet_make_piece(struct unix_socket *sender, size_t left, bool is_first);

/* Free one that is in no queue, with its files, and let its sender go on. */
void unix_packet_free(struct unix_packet *packet);

/* Put one into a queue and wake who waits there. */
void unix_packet_queue(struct unix_socket *to, struct unix_packet *packet);
/* Take the first one out of a queue. */
struct unix_packet *unix_packet_take(struct unix_socket *from);
/* Take the files out of a packet that is in a queue. */
struct socket_rights *unix_packet_take_rights(struct unix_packet *packet);
/* Empty a queue. */
void unix_packet_drop_all(struct unix_socket *socket);

/* May a sender have more packets under way? Does poll(2) say so? */
bool unix_has_room(const struct unix_socket *socket);
bool unix_is_writable(const struct unix_socket *socket);

/* ---- unix_send.c, unix_receive.c ---- */

int64_t unix_send(struct socket *socket, struct socket_message *message);
int64_t unix_receive(struct socket *socket, struct socket_message *message);

/* ---- unix_collect.c ---- */

/* A socket is made, or dead. */
void unix_list_add(struct unix_socket *socket);
void unix_list_remove(struct unix_socket *socket);

/* The next in that list; NULL behind the last. @previous: NULL for the first */
const struct unix_socket *unix_next(const struct unix_socket *previous);

/* Files get into a packet in a queue (0 or -ETOOMANYREFS), or out of it. */
int unix_fly(const struct socket_rights *rights);
void unix_land(const struct socket_rights *rights);

/* Empty the queues of sockets that nobody can reach any more. */
void unix_collect(void);
/* The same where there may be many by now: before more get under way. */
void unix_collect_if_many(void);

#endif
