/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets as open files, whatever their family. */
#include "guestkit/libc-shim/socket.h"

#include <asm/ioctls.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/interface.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/time_value.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"

#define SOCKET_FS_MAGIC 0x534f434bul /* SOCKFS_MAGIC */

static const struct inode_ops socket_inode_ops;

static struct socket *inode_socket(struct inode *inode)
{
	return (struct socket *)inode;
}

struct socket *file_socket(const struct file *file)
{
	return file->inode->ops == &socket_inode_ops && !(file->flags & O_PATH)
	               ? inode_socket(file->inode)
	               : NULL;
}

bool file_is_idle_listener(const struct file *file)
{
	struct socket *socket = file_socket(file);

	return socket && socket->ops->is_listening(socket) && !socket->ops->poll(socket).readable;
}

int socket_take_error(struct socket *socket)
{
	int error = socket->error;

	socket->error = 0;
	return -error;
}

/* ---- waiting ---- */

uint64_t socket_deadline(uint64_t timeout, uint32_t flags)
{
	if ((flags & MESSAGE_DONT_WAIT) || !timeout)
		return 0;
	return timeout == SHIM_FOREVER ? SHIM_FOREVER : time_deadline_after(timeout);
}

int socket_wait(struct wait_queue *queue, uint64_t deadline)
{
	int result;

	if (!deadline)
		return shim_glance() ? 0 : -EAGAIN;
	result = shim_wait_on(queue, deadline);
	if (result == -EINTR && deadline != SHIM_FOREVER)
		signal_thread->is_final = true; /* the time limit would begin anew */
	return result == -ETIMEDOUT ? -EAGAIN : result;
}

size_t message_take(struct socket_message *message, void *to, size_t length)
{
	if (!message->kit_data)
		return vector_read(&message->data, to, length);
	memcpy(to, message->kit_data, length);
	message->kit_data += length;
	message->data.total -= length;
	return length;
}

/* ---- the open file ---- */

static uint32_t message_flags(const struct file *file)
{
	return file->flags & O_NONBLOCK ? MESSAGE_DONT_WAIT : 0;
}

static int64_t socket_read_vector(struct file *file, struct vector *vector, uint64_t *position)
{
	struct socket *socket = inode_socket(file->inode);
	struct socket_message message = {.data = *vector, .flags = message_flags(file)};
	int64_t result;

	(void)position;
	if (!vector->total)
		return 0;
	result = socket->ops->receive(socket, &message);
	socket_rights_drop(message.control.rights);
	return result;
}

static int64_t socket_read(struct file *file, uint64_t buffer, size_t length, uint64_t *position)
{
	struct vector vector = {.base = buffer, .left = length, .total = length};

	return socket_read_vector(file, &vector, position);
}

static int64_t send_all(struct file *file, const struct vector *vector, const void *kit_data)
{
	struct socket *socket = inode_socket(file->inode);
	struct socket_message message = {
	        .data = *vector, .kit_data = kit_data, .flags = message_flags(file)};

	return socket->ops->send(socket, &message);
}

static int64_t socket_write_vector(struct file *file, struct vector *vector, uint64_t *position)
{
	(void)position;
	return send_all(file, vector, NULL);
}

static int64_t socket_write(struct file *file, uint64_t buffer, size_t length, uint64_t *position)
{
	const struct vector vector = {.base = buffer, .left = length, .total = length};

	(void)position;
	return send_all(file, &vector, NULL);
}

static int64_t socket_write_kit(struct file *file, const void *buffer, size_t length,
                                uint64_t *position)
{
	const struct vector vector = {.total = length};

	(void)position;
	return send_all(file, &vector, buffer);
}

static int64_t socket_ioctl(struct file *file, unsigned request, uint64_t argument)
{
	struct socket *socket = inode_socket(file->inode);
	int64_t result = socket->ops->ioctl(socket, request, argument);

	return result == -ENOTTY ? interface_ioctl(socket->family, request, argument) : result;
}

static struct poll_state socket_poll(struct file *file)
{
	struct socket *socket = inode_socket(file->inode);
	struct poll_state state = socket->ops->poll(socket);

	state.queue = &socket->queue;
	return state;
}

static void socket_close(struct file *file)
{
	struct socket *socket = inode_socket(file->inode);

	socket->file = NULL;
	socket->ops->close(socket);
}

static const struct file_ops socket_file_ops = {
        .read = socket_read,
        .write = socket_write,
        .read_vector = socket_read_vector,
        .write_vector = socket_write_vector,
        .write_kit = socket_write_kit,
        .ioctl = socket_ioctl,
        .poll = socket_poll,
        .close = socket_close,
        .not_seekable = true,
};

/* ---- the inode ---- */

/* A path to it (/proc/self/fd) opens nothing. */
static int socket_open_inode(struct inode *inode, struct file *file)
{
	struct socket *socket = inode_socket(inode);

	if (socket->was_opened)
		return -ENXIO;
	socket->was_opened = true;
	socket->file = file;
	return 0;
}

static int socket_set_attributes(struct inode *inode)
{
	(void)inode; /* they live in the structure alone */
	return 0;
}

static void socket_statistics(struct inode *inode, struct vfs_statistics *out)
{
	(void)inode;
	out->magic = SOCKET_FS_MAGIC;
}

static void socket_release(struct inode *inode)
{
	struct socket *socket = inode_socket(inode);

	socket->ops->release(socket);
	heap_free(socket);
}

static const struct inode_ops socket_inode_ops = {
        .open = socket_open_inode,
        .set_attributes = socket_set_attributes,
        .statistics = socket_statistics,
        .release = socket_release,
        .file_ops = &socket_file_ops,
};

void socket_init(struct socket *socket, const struct socket_ops *ops, unsigned family,
                 unsigned type)
{
	static uint64_t fs_id, last_number;

	if (!fs_id)
		fs_id = vfs_new_fs_id();
	socket->inode.ops = &socket_inode_ops;
	socket->inode.references = 1;
	socket->inode.mode = S_IFSOCK | 0777;
	socket->inode.links = 1;
	socket->inode.uid = process_identity.file_uid;
	socket->inode.gid = process_identity.file_gid;
	socket->inode.number = ++last_number;
	socket->inode.fs_id = fs_id;
	socket->inode.atime = socket->inode.mtime = socket->inode.ctime = clock_realtime();
	socket->ops = ops;
	socket->family = (uint16_t)family;
	socket->type = (uint16_t)type;
	socket->send_limit = socket->receive_limit = SOCKET_BUFFER;
	socket->send_timeout = socket->receive_timeout = SHIM_FOREVER;
	socket->receive_low = 1;
}

int socket_open(struct socket *socket, uint32_t flags, struct file **opened)
{
	int result;

	inode_get(&socket->inode);
	result = file_open_inode(&socket->inode, O_RDWR | (flags & SOCKET_NONBLOCK), NULL, opened);
	if (result)
		socket->ops->close(socket);
	inode_put(&socket->inode);
	return result;
}
