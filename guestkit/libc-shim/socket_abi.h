/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets as x86-64 Linux programs see them: numbers, flags and structures in memory. */
#ifndef MOTE_LIBC_SHIM_SOCKET_ABI_H
#define MOTE_LIBC_SHIM_SOCKET_ABI_H

#include <stddef.h>
#include <stdint.h>

/* Names of our own: libc headers, where there are any, claim theirs. Values as in socket(2). */
enum {
	SOCKET_FAMILY_NONE = 0,     /* AF_UNSPEC */
	SOCKET_FAMILY_UNIX = 1,     /* AF_UNIX */
	SOCKET_FAMILY_INET = 2,     /* AF_INET */
	SOCKET_FAMILY_INET6 = 10,   /* AF_INET6 */
	SOCKET_FAMILY_NETLINK = 16, /* AF_NETLINK */
	SOCKET_FAMILY_VSOCK = 40,   /* AF_VSOCK */
	SOCKET_FAMILIES = 46,       /* AF_MAX */
};

enum {
	SOCKET_STREAM = 1,
	SOCKET_DATAGRAM = 2,
	SOCKET_RAW = 3,
	SOCKET_SEQUENCED = 5, /* SOCK_SEQPACKET */
	SOCKET_TYPES = 11,    /* SOCK_MAX */
	SOCKET_TYPE_MASK = 0xf,
};

/* Flags beside the type; of accept4, too. */
#define SOCKET_NONBLOCK      04000u
#define SOCKET_CLOSE_ON_EXEC 02000000u

/* Flags of messages: MSG_*. */
#define MESSAGE_OUT_OF_BAND    0x1u
#define MESSAGE_PEEK           0x2u
#define MESSAGE_CONTROL_CUT    0x8u  /* MSG_CTRUNC */
#define MESSAGE_DATA_CUT       0x20u /* MSG_TRUNC */
#define MESSAGE_DONT_WAIT      0x40u
#define MESSAGE_END_OF_RECORD  0x80u
#define MESSAGE_WAIT_FOR_ALL   0x100u
#define MESSAGE_ERROR_QUEUE    0x2000u
#define MESSAGE_NO_SIGNAL      0x4000u
#define MESSAGE_MORE           0x8000u
#define MESSAGE_WAIT_FOR_ONE   0x10000u
#define MESSAGE_FAST_OPEN      0x20000000u
#define MESSAGE_CLOSE_ON_EXEC  0x40000000u /* MSG_CMSG_CLOEXEC */
#define MESSAGE_VECTOR_MAX     1024        /* messages of sendmmsg; pieces of one: UIO_MAXIOV */
#define MESSAGE_BACKLOG_MAX    4096        /* net.core.somaxconn */
#define MESSAGE_CONTROL_RIGHTS 1           /* SCM_RIGHTS */
#define MESSAGE_CONTROL_SENDER 2           /* SCM_CREDENTIALS */
#define MESSAGE_RIGHTS_MAX     253         /* SCM_MAX_FD */

/* How shutdown(2) closes, plus one: what is closed. */
enum {
	SOCKET_CLOSED_READ = 1,
	SOCKET_CLOSED_WRITE = 2,
	SOCKET_CLOSED_BOTH = 3,
};

#define SOCKET_ADDRESS_SIZE 128 /* of a struct sockaddr_storage */

/* struct msghdr */
struct message_header {
	uint64_t name;
	int32_t name_length, unused_1;
	uint64_t pieces, piece_count;
	uint64_t control, control_length;
	uint32_t flags, unused_2;
};
_Static_assert(sizeof(struct message_header) == 56, "as programs have it");

/* struct mmsghdr */
struct message_header_of_many {
	struct message_header header;
	uint32_t length, unused;
};
_Static_assert(sizeof(struct message_header_of_many) == 64, "as programs have it");

/* struct cmsghdr: the data follow it, and the next one at a multiple of 8 bytes */
struct control_header {
	uint64_t length; /* of it and the data */
	int32_t level, type;
};
_Static_assert(sizeof(struct control_header) == 16, "as programs have it");

/* struct ucred */
struct socket_credentials {
	int32_t pid;
	uint32_t uid, gid;
};

#endif
