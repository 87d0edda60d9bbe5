/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and messages of sockets, for --strace. */
#include "guestkit/libc-shim/strace_line.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

#define UNIX_PATH 108

struct socket_address {
	uint16_t family;
	union {
		struct {
			uint16_t port; /* network byte order */
			uint8_t address[4];
		} inet;
		char path[UNIX_PATH];
	};
};

/* struct msghdr of sendmsg(2) */
struct message {
	uint64_t name;
	uint32_t name_length, padding;
	uint64_t vector, count;
	uint64_t control, control_length;
	uint32_t flags;
};

void strace_append_socket_address(struct strace_line *line, uint64_t address, uint64_t length)
{
	struct socket_address socket = {.family = 0};
	size_t size = length < sizeof socket ? length : sizeof socket;

	if (!address || length < sizeof socket.family || user_read(&socket, address, size)) {
		strace_append_pointer(line, address);
		return;
	}
	strace_append(line, "{sa_family=");
	strace_append_value(line, 'D', socket.family);
	if (socket.family == 1 && size > sizeof socket.family) {
		strace_append(line, socket.path[0] ? ", sun_path=\"" : ", sun_path=@\"");
		strace_append_bytes(line, (const unsigned char *)socket.path + !socket.path[0],
		                    socket.path[0]
		                            ? strnlen(socket.path, size - sizeof socket.family)
		                            : size - sizeof socket.family - 1);
		strace_append(line, "\"}");
	} else if (socket.family == 2 && size >= 8) {
		strace_append(line, ", sin_port=htons(%u), sin_addr=inet_addr(\"%u.%u.%u.%u\")}",
		              __builtin_bswap16(socket.inet.port), socket.inet.address[0],
		              socket.inet.address[1], socket.inet.address[2],
		              socket.inet.address[3]);
	} else {
		strace_append(line, size > sizeof socket.family ? ", ...}" : "}");
	}
}

void strace_append_message(struct strace_line *line, uint64_t address, uint64_t filled)
{
	struct message message;

	if (!address || user_read(&message, address, sizeof message)) {
		strace_append_pointer(line, address);
		return;
	}
	strace_append(line, "{msg_name=");
	strace_append_socket_address(line, message.name, message.name_length);
	strace_append(line, ", msg_namelen=%u, msg_iov=", message.name_length);
	strace_append_vector(line, message.vector, message.count, filled);
	strace_append(line, ", msg_iovlen=%lu", message.count);
	if (message.control_length) {
		strace_append(line, ", msg_control=");
		strace_append_pointer(line, message.control);
	}
	strace_append(line, ", msg_controllen=%lu, msg_flags=", message.control_length);
	strace_append_value(line, '&', message.flags);
	strace_append(line, "}");
}
