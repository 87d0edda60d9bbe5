/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that send and receive messages. */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/time_types.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/socket.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/time_value.h"
#include "guestkit/user.h"

#define NS_PER_SECOND 1000000000ull
#define CONTROL_MAX   131072u /* bytes of control messages: net.core.optmem_max */

/* The flags of a call on an open file. */
static uint32_t flags_with_file(uint64_t flags, const struct file *file)
{
	return (uint32_t)flags | (file->flags & O_NONBLOCK ? MESSAGE_DONT_WAIT : 0);
}

/* A message with one buffer, as sendto and recvfrom have it: 0 or -EFAULT. */
static int single_buffer(struct socket_message *message, uint64_t buffer, uint64_t length)
{
	if (length > VFS_IO_MAX)
		length = VFS_IO_MAX;
	if (buffer > MOTE_USER_END || length > MOTE_USER_END - buffer)
		return -EFAULT;
	*message =
	        (struct socket_message){.data = {.base = buffer, .left = length, .total = length}};
	return 0;
}

/* ---- one message ---- */

int64_t sys_sendto(const uint64_t *arg)
{
	struct socket_message message;
	struct socket_address to;
	struct socket *socket;
	struct file *file;
	int result = single_buffer(&message, arg[1], arg[2]);

	if (!result)
		result = socket_of(arg[0], &socket, &file);
	if (!result && arg[4]) {
		result = socket_address_read(&to, arg[4], (uint32_t)arg[5]);
		message.name = &to;
	}
	if (result)
		return result;
	message.flags = flags_with_file(arg[3], file);
	return socket->ops->send(socket, &message);
}

int64_t sys_recvfrom(const uint64_t *arg)
{
	struct socket_message message;
	struct socket_address from;
	struct socket *socket;
	struct file *file;
	int64_t result = single_buffer(&message, arg[1], arg[2]);

	if (!result)
		result = socket_of(arg[0], &socket, &file);
	if (result)
		return result;
	from.length = 0;
	message.name = arg[4] ? &from : NULL;
	message.flags = flags_with_file(arg[3], file);
	result = socket->ops->receive(socket, &message);
	socket_rights_drop(message.control.rights);
	if (result >= 0 && arg[4]) {
		int given = socket_address_write(&from, arg[4], arg[5]);

		result = given ? given : result;
	}
	return result;
}

/* Read a struct msghdr and the pieces that it names. */
static int header_read(struct message_header *header, struct socket_message *message, uint64_t user)
{
	int result;

	if (user_read(header, user, sizeof(*header)))
		return -EFAULT;
	if (!header->name)
		header->name_length = 0;
	if (header->name_length < 0)
		return -EINVAL;
	if (header->name_length > SOCKET_ADDRESS_SIZE)
		header->name_length = SOCKET_ADDRESS_SIZE;
	if (header->piece_count > MESSAGE_VECTOR_MAX)
		return -EMSGSIZE;
	*message = (struct socket_message){0};
	result = vector_open(&message->data, header->pieces, header->piece_count);
	return result;
}

/* @flags: as flags_with_file() gives them */
static int64_t send_header(struct socket *socket, uint64_t user, uint32_t flags)
{
	struct message_header header;
	struct socket_message message;
	struct socket_extra extra;
	struct socket_address to;
	int64_t result = header_read(&header, &message, user);

	if (!result && header.name_length) {
		result = socket_address_read(&to, header.name, (uint32_t)header.name_length);
		message.name = &to;
	}
	if (!result && header.control_length > CONTROL_MAX)
		result = -ENOBUFS;
	extra.length = 0;
	if (!result)
		result = socket_control_read(&message.control,
		                             socket->ops->has_extra ? &extra : NULL, header.control,
		                             header.control_length);
	if (result)
		return result;
	message.extra = extra.length ? &extra : NULL;
	message.flags = flags;
	result = socket->ops->send(socket, &message);
	socket_rights_drop(message.control.rights);
	return result;
}

static int64_t receive_header(struct socket *socket, uint64_t user, uint32_t flags)
{
	struct message_header header;
	struct socket_message message;
	struct socket_extra extra;
	struct socket_address from;
	int64_t result = header_read(&header, &message, user);

	if (result)
		return result;
	extra.length = 0;
	message.extra = &extra;
	from.length = 0;
	message.name = header.name ? &from : NULL;
	message.flags = flags;
	result = socket->ops->receive(socket, &message);
	if (result < 0) {
		socket_rights_drop(message.control.rights);
		return result;
	}
	socket_control_write(socket, &message, header.control, &header.control_length);
	if (header.name &&
	    socket_address_write(&from, header.name,
	                         user + offsetof(struct message_header, name_length)))
		return -EFAULT;
	header.flags = message.result | (flags & MESSAGE_CLOSE_ON_EXEC);
	if (user_write(user + offsetof(struct message_header, flags), &header.flags,
	               sizeof(header.flags)) ||
	    user_write(user + offsetof(struct message_header, control_length),
	               &header.control_length, sizeof(header.control_length)))
		return -EFAULT;
	return result;
}

int64_t sys_sendmsg(const uint64_t *arg)
{
	struct socket *socket;
	struct file *file;
	int result = socket_of(arg[0], &socket, &file);

	return result ? result : send_header(socket, arg[1], flags_with_file(arg[2], file));
}

int64_t sys_recvmsg(const uint64_t *arg)
{
	struct socket *socket;
	struct file *file;
	int result = socket_of(arg[0], &socket, &file);

	return result ? result : receive_header(socket, arg[1], flags_with_file(arg[2], file));
}

/* ---- many messages ---- */

static uint32_t clamp_count(uint64_t count)
{
	return (uint32_t)count < MESSAGE_VECTOR_MAX ? (uint32_t)count : MESSAGE_VECTOR_MAX;
}

/* Note how long a message of a struct mmsghdr array was. */
static int give_length(uint64_t user, int64_t length)
{
	uint32_t value = (uint32_t)length;

	return user_write(user + offsetof(struct message_header_of_many, length), &value,
	                  sizeof(value));
}

int64_t sys_sendmmsg(const uint64_t *arg)
{
	uint32_t count = clamp_count(arg[2]), done = 0;
	struct socket *socket;
	struct file *file;
	int64_t result = socket_of(arg[0], &socket, &file);

	while (!result && done < count) {
		uint64_t user = arg[1] + done * sizeof(struct message_header_of_many);

		result = send_header(socket, user, flags_with_file(arg[3], file));
		if (result >= 0)
			result = give_length(user, result);
		if (!result)
			done++;
	}
	return done ? done : result;
}

static int64_t receive_many(struct socket *socket, const uint64_t *arg, uint32_t flags,
                            uint64_t deadline)
{
	uint32_t count = clamp_count(arg[2]), done = 0;
	int64_t result = socket_take_error(socket);

	while (!result && done < count) {
		uint64_t user = arg[1] + done * sizeof(struct message_header_of_many);

		result = receive_header(socket, user, flags & ~MESSAGE_WAIT_FOR_ONE);
		if (result >= 0)
			result = give_length(user, result);
		if (result)
			break;
		done++;
		if (flags & MESSAGE_WAIT_FOR_ONE)
			flags |= MESSAGE_DONT_WAIT;
		/* The time is only looked at behind a message, as on Linux. */
		if (deadline != SHIM_FOREVER && clock_monotonic() >= deadline)
			break;
	}
	if (!done)
		return result;
	/* What stopped it is told next time. */
	if (result && result != -EAGAIN && result != -EINTR)
		socket->error = (int)-result;
	return done;
}

int64_t sys_recvmmsg(const uint64_t *arg)
{
	uint64_t deadline;
	struct socket *socket;
	struct file *file;
	int64_t result = time_read_timeout(arg[4], &deadline);

	if (!result)
		result = socket_of(arg[0], &socket, &file);
	if (result)
		return result;
	result = receive_many(socket, arg, flags_with_file(arg[3], file), deadline);
	if (result > 0 && deadline != SHIM_FOREVER) {
		uint64_t now = clock_monotonic();
		uint64_t left = deadline > now ? deadline - now : 0;
		const struct time_value value = {(int64_t)(left / NS_PER_SECOND),
		                                 (int64_t)(left % NS_PER_SECOND)};

		if (user_write(arg[4], &value, sizeof(value)))
			return -EFAULT;
	}
	return result;
}
