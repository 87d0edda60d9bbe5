/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that make, name and connect sockets. */
#include <linux/errno.h>
#include <linux/fcntl.h>

#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/socket.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/snapshot.h"
#include "guestkit/user.h"

#define TYPE_FLAGS (SOCKET_NONBLOCK | SOCKET_CLOSE_ON_EXEC)

/* The socket behind a descriptor, as file_of() gives files: 0, -EBADF, -ENOTSOCK. */
int socket_of(uint64_t fd, struct socket **socket, struct file **file)
{
	*file = file_of(fd);
	*socket = *file ? file_socket(*file) : NULL;
	if (!*file)
		return -EBADF;
	return *socket ? 0 : -ENOTSOCK;
}

static uint32_t call_flags(const struct file *file)
{
	return file->flags & O_NONBLOCK ? MESSAGE_DONT_WAIT : 0;
}

/* ---- addresses ---- */

int socket_address_read(struct socket_address *address, uint64_t user, uint32_t length)
{
	if (length > SOCKET_ADDRESS_SIZE)
		return -EINVAL;
	address->family = SOCKET_FAMILY_NONE;
	address->length = length;
	return length ? user_read(address->bytes, user, length) : 0;
}

int socket_address_write(const struct socket_address *address, uint64_t user, uint64_t user_length)
{
	int32_t room;

	if (user_read(&room, user_length, sizeof(room)))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if ((uint32_t)room > address->length)
		room = (int32_t)address->length;
	if (user_write(user, address->bytes, (uint32_t)room))
		return -EFAULT;
	return user_write(user_length, &address->length, sizeof(address->length));
}

/* ---- making ---- */

static int make(uint64_t family, uint32_t type, uint64_t protocol, struct socket **made)
{
	if (family >= SOCKET_FAMILIES)
		return -EAFNOSUPPORT;
	if (type >= SOCKET_TYPES)
		return -EINVAL;
	switch (family) {
	case SOCKET_FAMILY_UNIX: return unix_create(type, (int)protocol, made);
	case SOCKET_FAMILY_INET:
	case SOCKET_FAMILY_INET6: return inet_create((unsigned)family, type, (int)protocol, made);
	case SOCKET_FAMILY_VSOCK: return vsock_create(type, (int)protocol, made);
	case SOCKET_FAMILY_NETLINK: return netlink_create(type, (int)protocol, made);
	default: return -EAFNOSUPPORT;
	}
}

/* Open a socket and give it a descriptor; its reference is taken over, also on failure. */
static int install(struct socket *socket, uint32_t flags)
{
	struct file *file;
	int fd = socket_open(socket, flags, &file);

	if (fd)
		return fd;
	fd = descriptor_install(file, 0, flags & SOCKET_CLOSE_ON_EXEC);
	if (fd < 0)
		file_put(file);
	return fd;
}

int64_t sys_socket(const uint64_t *arg)
{
	uint32_t type = (uint32_t)arg[1] & SOCKET_TYPE_MASK;
	uint32_t flags = (uint32_t)arg[1] & ~(uint32_t)SOCKET_TYPE_MASK;
	struct socket *socket;
	int result;

	if (flags & ~TYPE_FLAGS)
		return -EINVAL;
	result = make((uint32_t)arg[0], type, arg[2], &socket);
	return result ? result : install(socket, flags);
}

static int make_pair(const uint64_t *arg, uint32_t flags, int *fds)
{
	uint32_t type = (uint32_t)arg[1] & SOCKET_TYPE_MASK;
	struct socket *first, *second;
	int result = make((uint32_t)arg[0], type, arg[2], &first);

	if (result)
		return result;
	result = first->family == SOCKET_FAMILY_UNIX ? make((uint32_t)arg[0], type, arg[2], &second)
	                                             : -EOPNOTSUPP;
	if (result) {
		first->ops->close(first);
		inode_put(&first->inode);
		return result;
	}
	unix_pair(first, second);
	fds[0] = install(first, flags);
	fds[1] = install(second, flags);
	if (fds[0] >= 0 && fds[1] >= 0)
		return 0;
	descriptor_close(fds[0]);
	descriptor_close(fds[1]);
	return fds[0] < 0 ? fds[0] : fds[1];
}

int64_t sys_socketpair(const uint64_t *arg)
{
	uint32_t flags = (uint32_t)arg[1] & ~(uint32_t)SOCKET_TYPE_MASK;
	int fds[2], result;

	if (flags & ~TYPE_FLAGS)
		return -EINVAL;
	/* Linux takes and tells the descriptors before it looks at the rest. */
	fds[0] = descriptor_available(0);
	fds[1] = fds[0] < 0 ? fds[0] : descriptor_available(fds[0] + 1);
	if (fds[1] < 0)
		return fds[1];
	if (user_write(arg[3], fds, sizeof(fds)))
		return -EFAULT;
	result = make_pair(arg, flags, fds);
	if (!result && user_write(arg[3], fds, sizeof(fds))) {
		descriptor_close(fds[0]);
		descriptor_close(fds[1]);
		result = -EFAULT;
	}
	return result;
}

/* ---- naming and connecting ---- */

int64_t sys_bind(const uint64_t *arg)
{
	struct socket_address address;
	struct socket *socket;
	struct file *file;
	int result = socket_of(arg[0], &socket, &file);

	if (!result)
		result = socket_address_read(&address, arg[1], (uint32_t)arg[2]);
	return result ? result : socket->ops->bind(socket, &address);
}

int64_t sys_connect(const uint64_t *arg)
{
	struct socket_address address;
	struct socket *socket;
	struct file *file = file_of(arg[0]);
	int result = file ? socket_address_read(&address, arg[1], (uint32_t)arg[2]) : -EBADF;

	if (!result)
		result = socket_of(arg[0], &socket, &file);
	return result ? result : socket->ops->connect(socket, &address, call_flags(file));
}

int64_t sys_listen(const uint64_t *arg)
{
	uint32_t backlog = (uint32_t)arg[1];
	struct socket *socket;
	struct file *file;
	int result = socket_of(arg[0], &socket, &file);

	if (backlog > MESSAGE_BACKLOG_MAX)
		backlog = MESSAGE_BACKLOG_MAX;
	return result ? result : socket->ops->listen(socket, backlog);
}

static int64_t accept_with(const uint64_t *arg, uint32_t flags)
{
	struct socket_address address;
	struct socket *socket, *accepted;
	struct file *file = file_of(arg[0]);
	int result = file ? 0 : -EBADF, fd;

	if (!result && (flags & ~TYPE_FLAGS))
		result = -EINVAL;
	if (!result && descriptor_available(0) < 0)
		result = -EMFILE;
	if (!result)
		result = socket_of(arg[0], &socket, &file);
	if (!result && snapshot_is_wanted(MOTE_SNAPSHOT_LISTEN) && !(file->flags & O_NONBLOCK) &&
	    file_is_idle_listener(file))
		snapshot_take(MOTE_SNAPSHOT_LISTEN);
	if (!result)
		result = socket->ops->accept(socket, call_flags(file), &accepted);
	if (result)
		return result;
	result = accepted->ops->get_name(accepted, true, &address);
	fd = install(accepted, flags);
	if (fd < 0 || !arg[1])
		return fd;
	result = result ? -ECONNABORTED : socket_address_write(&address, arg[1], arg[2]);
	if (!result)
		return fd;
	descriptor_close(fd);
	return result;
}

int64_t sys_accept(const uint64_t *arg)
{
	return accept_with(arg, 0);
}

int64_t sys_accept4(const uint64_t *arg)
{
	return accept_with(arg, (uint32_t)arg[3]);
}

int64_t sys_shutdown(const uint64_t *arg)
{
	uint32_t how = (uint32_t)arg[1];
	struct socket *socket;
	struct file *file;
	int result = socket_of(arg[0], &socket, &file);

	if (!result && how >= SOCKET_CLOSED_BOTH)
		result = -EINVAL;
	return result ? result : socket->ops->shutdown(socket, how + 1);
}

static int64_t give_name(const uint64_t *arg, bool peer)
{
	struct socket_address address;
	struct socket *socket;
	struct file *file;
	int result = socket_of(arg[0], &socket, &file);

	if (!result)
		result = socket->ops->get_name(socket, peer, &address);
	return result ? result : socket_address_write(&address, arg[1], arg[2]);
}

int64_t sys_getsockname(const uint64_t *arg)
{
	return give_name(arg, false);
}

int64_t sys_getpeername(const uint64_t *arg)
{
	return give_name(arg, true);
}
