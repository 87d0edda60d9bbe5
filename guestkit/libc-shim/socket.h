/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets: what all families of them share.
 *
 * How it works
 *
 * A socket is an inode of a file system that is mounted nowhere, and has one open file at most.
 * Whoever stores a pointer to one holds a reference to the inode; when the file's last reference
 * goes, ops->close ends the socket, though others (a peer, messages on their way) may keep the
 * memory a while. What an address, a connection and a message are is the business of the family
 * (unix.c), a table of operations. The system calls (sys_socket.c, sys_message.c) take apart what
 * the application passes, and socket_control.c what goes along with data: open files and the
 * sender's identity. Options that mean the same to all families are in socket_options.c.
 *
 * An operation that has to wait looks at the socket's state, sleeps in socket_wait() on a queue,
 * and looks again. The calling thread holds the socket's open file meanwhile.
 */
#ifndef MOTE_LIBC_SHIM_SOCKET_H
#define MOTE_LIBC_SHIM_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "guestkit/libc-shim/socket_abi.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/libc-shim/wait.h"

/* A name of a socket, as programs pass it. */
struct socket_address {
	uint32_t length; /* 0: there is none */
	union {
		uint16_t family;
		unsigned char bytes[SOCKET_ADDRESS_SIZE];
	};
};

/* Open files that go along with data. */
struct socket_rights {
	struct socket_rights *next; /* of those that wait to be dropped */
	unsigned count, room;
	struct file *files[]; /* referenced */
};

/* What goes along with data. */
struct socket_control {
	struct socket_rights *rights; /* owned; heap; NULL: none */
	struct socket_credentials sender;
	bool has_sender; /* or nobody asked for it */
};

#define SOCKET_EXTRA_SIZE 512

/* Control messages of a family's own levels, laid out as the application has them: a struct
 * control_header each, its data, and the next one at a multiple of 8 bytes. */
struct socket_extra {
	size_t length;
	_Alignas(8) unsigned char bytes[SOCKET_EXTRA_SIZE];
};

/* A message on its way between the application and a family. */
struct socket_message {
	struct vector data;            /* of the application */
	const unsigned char *kit_data; /* to be sent instead, as many bytes; NULL: the vector's */
	uint32_t flags;                /* MESSAGE_*; DONT_WAIT for files with O_NONBLOCK, too */
	uint32_t result;               /* what recvmsg tells: DATA_CUT, CONTROL_CUT */
	struct socket_address *name; /* send: where to; receive: set to where from; NULL: neither */
	struct socket_control control; /* receive: filled, and the caller's to drop */
	/* What else goes along; receive: filled by the family. NULL: nothing, nobody asks for it */
	struct socket_extra *extra;
	bool is_nobody; /* receive: there was no message: nobody is told to have sent it */
};

struct socket;

/* Operations of a family; results are as of the system calls. */
struct socket_ops {
	int (*bind)(struct socket *socket, const struct socket_address *address);
	int (*listen)(struct socket *socket, unsigned backlog);
	/* *accepted is a socket without a file whose reference goes to the caller. */
	int (*accept)(struct socket *socket, uint32_t flags, struct socket **accepted);
	int (*connect)(struct socket *socket, const struct socket_address *address, uint32_t flags);
	/* @ends: SOCKET_CLOSED_* */
	int (*shutdown)(struct socket *socket, unsigned ends);
	int (*get_name)(const struct socket *socket, bool peer, struct socket_address *address);
	/* The control is still the caller's afterwards, but what was sent of it is NULL in it. */
	int64_t (*send)(struct socket *socket, struct socket_message *message);
	int64_t (*receive)(struct socket *socket, struct socket_message *message);
	struct poll_state (*poll)(struct socket *socket);
	int64_t (*ioctl)(struct socket *socket, unsigned request, uint64_t argument);
	/* Options of levels other than SOL_SOCKET, raw arguments; @length and what is at
	 * @user_length are not negative [-EOPNOTSUPP] */
	int (*set_option)(struct socket *socket, int level, unsigned option, uint64_t user,
	                  uint32_t length);
	int (*get_option)(struct socket *socket, int level, unsigned option, uint64_t user,
	                  uint64_t user_length);
	/* An option of SOL_SOCKET has a new value; optional */
	void (*option_changed)(struct socket *socket, unsigned option);
	/* Whether connections are accepted; who is at the other end. */
	bool (*is_listening)(const struct socket *socket);
	void (*get_peer)(const struct socket *socket, struct socket_credentials *peer);
	/* The file is gone: nobody will call again but for release. */
	void (*close)(struct socket *socket);
	/* The last reference is gone: free what the family has, not the structure. */
	void (*release)(struct socket *socket);
	bool has_extra; /* control messages of levels of its own may be sent */
};

struct socket {
	struct inode inode; /* first: the two are converted into each other */
	const struct socket_ops *ops;
	struct wait_queue queue; /* woken when anything that poll(2) shows may have changed */
	uint16_t family, type;   /* SOCKET_FAMILY_*, SOCKET_STREAM... */
	int protocol;            /* SO_PROTOCOL */
	bool was_opened;
	bool has_send_limit, has_receive_limit; /* by SO_SNDBUF, SO_RCVBUF */
	struct file *file;                      /* not referenced; NULL while it has none */
	int error;                              /* errno, positive, told once: SO_ERROR */
	uint64_t switches;                      /* socket_options.c: on and off by number */
	uint32_t send_limit, receive_limit;     /* SO_SNDBUF, SO_RCVBUF: bytes */
	uint64_t send_timeout, receive_timeout; /* ns; SHIM_FOREVER: none; 0: do not wait */
	int receive_low;                        /* SO_RCVLOWAT */
	int32_t priority, mark, linger[2];
};

/* ---- socket.c ---- */

/**
 * socket_init() - Begin a socket.
 * @socket: zeroed, from heap_alloc(), the first field of the family's structure; has one reference
 */
void socket_init(struct socket *socket, const struct socket_ops *ops, unsigned family,
                 unsigned type);

/**
 * socket_open() - Make the open file of a socket.
 * @socket: the reference is taken over, also on failure
 * @flags:  SOCKET_NONBLOCK and others that are not looked at
 */
int socket_open(struct socket *socket, uint32_t flags, struct file **opened);

/* The socket of an open file, or NULL (-ENOTSOCK). */
struct socket *file_socket(const struct file *file);

/* Is this a socket that waits for connections, and has none yet? */
bool file_is_idle_listener(const struct file *file);

/* The error to be told, a negative errno or 0; it is told once. */
int socket_take_error(struct socket *socket);

/* Until when a call may sleep: @timeout ns from now, not at all (0) with MESSAGE_DONT_WAIT. */
uint64_t socket_deadline(uint64_t timeout, uint32_t flags);

/* Sleep until a queue is woken: 0, -EAGAIN (not any longer), -EINTR. */
int socket_wait(struct wait_queue *queue, uint64_t deadline);

/* Copy the next @length bytes that are to be sent; fewer before a bad pointer. */
size_t message_take(struct socket_message *message, void *to, size_t length);

/* ---- sys_socket.c ---- */

/**
 * socket_of() - The socket behind a descriptor.
 * @file: its open file, which lives until the system call ends
 *
 * Return: 0, -EBADF, -ENOTSOCK.
 */
int socket_of(uint64_t fd, struct socket **socket, struct file **file);

/* Take an address from the application: 0, -EINVAL for a bad length, -EFAULT. */
int socket_address_read(struct socket_address *address, uint64_t user, uint32_t length);

/* Give one, cut to the length that is at @user_length, which becomes the full one. */
int socket_address_write(const struct socket_address *address, uint64_t user, uint64_t user_length);

/* ---- socket_options.c ---- */

#define SOCKET_BUFFER      212992u /* net.core.wmem_default and rmem_default */
#define SOCKET_SEND_MIN    4608u
#define SOCKET_RECEIVE_MIN 2304u

/* Does the receiver want to know who sent? SO_PASSCRED. */
bool socket_wants_sender(const struct socket *socket);

/* Is an option set that is on or off? @option: SO_*, below 64 */
static inline bool socket_has_option(const struct socket *socket, unsigned option)
{
	return socket->switches >> option & 1;
}

/* For set_option: the int that an option is, or -EINVAL, -EFAULT. */
int socket_option_take(int *value, uint64_t user, uint32_t length);

/* For get_option: give a value, cut to the room that there is; its length is told. */
int socket_option_give(const void *value, size_t size, uint64_t user, uint64_t user_length);

/* Give a socket the options that an AF_UNIX one has from the listening one it comes from; all. */
void socket_inherit(struct socket *made, const struct socket *listener);
void socket_inherit_all(struct socket *made, const struct socket *listener);

/* ---- socket_control.c ---- */

/* Who the process is: to those who receive from it, and to those at the other end. */
struct socket_credentials socket_sender_credentials(void);
struct socket_credentials socket_peer_credentials(void);

/* Take control messages from the application (sendmsg); @control is filled, empty on failure, and
 * those of other levels than SOL_SOCKET are in @extra (NULL: they are passed over). */
int socket_control_read(struct socket_control *control, struct socket_extra *extra, uint64_t user,
                        uint64_t length);

/* Put a control message behind the others, where somebody wants to know (NULL) and it fits. */
void socket_extra_add(struct socket_extra *extra, int level, int type, const void *data,
                      size_t size);

/* The next of the control messages, or NULL; @previous: NULL for the first. Its data lie behind it;
 * its length fits. */
const struct control_header *socket_extra_next(const struct socket_extra *extra,
                                               const struct control_header *previous);

/**
 * socket_control_write() - Give control messages to the application (recvmsg), and drop the rest.
 * @user:   where to; 0: nowhere
 * @length: room there; what was filled of it on return
 */
void socket_control_write(const struct socket *socket, struct socket_message *message,
                          uint64_t user, uint64_t *length);

/* Another set of references to the same files, or NULL when memory is short. */
struct socket_rights *socket_rights_copy(const struct socket_rights *rights);

/* Drop files on their way (NULL is allowed): each may be a socket with more of them in it. */
void socket_rights_drop(struct socket_rights *rights);

/* Is that going on? Then more sockets are about to be closed. */
bool socket_rights_are_dropping(void);

/* ---- families: each makes a socket without a file ---- */

/* unix.c. @type: SOCKET_* (-ESOCKTNOSUPPORT) */
int unix_create(unsigned type, int protocol, struct socket **made);
/* vsock.c. The same, and -EAFNOSUPPORT without a device. */
int vsock_create(unsigned type, int protocol, struct socket **made);
/* Two that are connected to each other. */
void unix_pair(struct socket *first, struct socket *second);

/* inet.c. @family: SOCKET_FAMILY_INET, SOCKET_FAMILY_INET6 */
int inet_create(unsigned family, unsigned type, int protocol, struct socket **made);

/* netlink.c. @protocol: NETLINK_ROUTE (-EPROTONOSUPPORT) */
int netlink_create(unsigned type, int protocol, struct socket **made);

#endif
