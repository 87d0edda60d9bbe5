/* SPDX-License-Identifier: Apache-2.0 */
/* What goes along with the data of messages: open files, who sent them, what a family has to say.
 */
#include <asm/socket.h>
#include <linux/errno.h>

#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/socket.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/thread.h"
#include "guestkit/user.h"

#define CONTROL_HEADER sizeof(struct control_header)
#define FEW            4     /* files that rights have room for at first */
#define NOBODY         65534 /* overflowuid */
#define ALIGN(size)    (((size) + 7) & ~7ull)

struct socket_credentials socket_sender_credentials(void)
{
	return (struct socket_credentials){PROCESS_ID, process_identity.real_uid,
	                                   process_identity.real_gid};
}

struct socket_credentials socket_peer_credentials(void)
{
	return (struct socket_credentials){PROCESS_ID, process_identity.uid, process_identity.gid};
}

/* ---- open files on their way ---- */

/* Those that are being dropped: one may be a socket with more of them, and so on. */
static struct socket_rights *doomed;
static bool is_dropping;

void socket_rights_drop(struct socket_rights *rights)
{
	if (!rights)
		return;
	rights->next = doomed;
	doomed = rights;
	if (is_dropping)
		return;
	is_dropping = true;
	while ((rights = doomed)) {
		doomed = rights->next;
		for (unsigned i = 0; i < rights->count; i++)
			file_put(rights->files[i]);
		heap_free(rights);
	}
	is_dropping = false;
}

bool socket_rights_are_dropping(void)
{
	return is_dropping;
}

static struct socket_rights *rights_resize(struct socket_rights *old, unsigned room)
{
	struct socket_rights *rights =
	        heap_resize(old, sizeof(*rights) + room * sizeof(struct file *));

	if (rights)
		rights->room = room;
	return rights;
}

struct socket_rights *socket_rights_copy(const struct socket_rights *rights)
{
	struct socket_rights *copy = rights_resize(NULL, rights->count);

	if (!copy)
		return NULL;
	for (unsigned i = 0; i < rights->count; i++)
		copy->files[i] = file_get(rights->files[i]);
	copy->count = rights->count;
	return copy;
}

/* Add an open file, by its descriptor. */
static int rights_add(struct socket_rights **rights, int fd)
{
	struct file *file = descriptor_file(fd);
	struct socket_rights *grown = *rights;

	if (!file)
		return -EBADF;
	if (!grown || grown->count == grown->room)
		grown = rights_resize(grown, grown ? 2 * grown->room : FEW);
	if (!grown)
		return -ENOMEM;
	grown->files[grown->count++] = file_get(file);
	*rights = grown;
	return 0;
}

/* ---- messages of a family's own ---- */

void socket_extra_add(struct socket_extra *extra, int level, int type, const void *data,
                      size_t size)
{
	const struct control_header header = {CONTROL_HEADER + size, level, type};

	if (!extra || ALIGN(header.length) > SOCKET_EXTRA_SIZE - extra->length)
		return;
	memcpy(extra->bytes + extra->length, &header, CONTROL_HEADER);
	memcpy(extra->bytes + extra->length + CONTROL_HEADER, data, size);
	extra->length += ALIGN(header.length);
}

const struct control_header *socket_extra_next(const struct socket_extra *extra,
                                               const struct control_header *previous)
{
	size_t at = 0;

	if (previous)
		at = (size_t)((const unsigned char *)previous - extra->bytes) +
		     ALIGN(previous->length);
	return at < extra->length ? (const struct control_header *)(extra->bytes + at) : NULL;
}

/* ---- from the application ---- */

/* @size: bytes of data of the control message */
static int read_rights(struct socket_control *control, uint64_t user, uint64_t size)
{
	uint64_t count = size / sizeof(int), before = control->rights ? control->rights->count : 0;
	int result = count + before > MESSAGE_RIGHTS_MAX ? -EINVAL : 0;

	for (uint64_t i = 0; !result && i < count; i++) {
		int fd;

		result = user_read(&fd, user + i * sizeof(fd), sizeof(fd));
		if (!result)
			result = rights_add(&control->rights, fd);
	}
	return result;
}

/* Is it what the process may call itself? Root may be anyone. */
static bool is_own(const struct socket_credentials *said)
{
	const struct process_identity *own = &process_identity;

	if (!own->uid)
		return true;
	return said->pid == PROCESS_ID &&
	       (said->uid == own->uid || said->uid == own->real_uid ||
	        said->uid == own->saved_uid) &&
	       (said->gid == own->gid || said->gid == own->real_gid || said->gid == own->saved_gid);
}

/* Who the process says that it is. */
static int read_sender(struct socket_control *control, uint64_t user, uint64_t size)
{
	struct socket_credentials said;

	if (size != sizeof(said))
		return -EINVAL;
	if (user_read(&said, user, sizeof(said)))
		return -EFAULT;
	if (!is_own(&said))
		return -EPERM;
	if (said.pid != PROCESS_ID && !thread_find(said.pid))
		return -ESRCH;
	if (said.uid == UINT32_MAX || said.gid == UINT32_MAX)
		return -EINVAL;
	control->sender = said;
	control->has_sender = true;
	return 0;
}

/* A message of a family's own: -EINVAL where there is no room for it. */
static int read_extra(struct socket_extra *extra, const struct control_header *header,
                      uint64_t user)
{
	if (ALIGN(header->length) > SOCKET_EXTRA_SIZE - extra->length)
		return -EINVAL;
	memcpy(extra->bytes + extra->length, header, CONTROL_HEADER);
	if (user_read(extra->bytes + extra->length + CONTROL_HEADER, user,
	              header->length - CONTROL_HEADER))
		return -EFAULT;
	extra->length += ALIGN(header->length);
	return 0;
}

static int read_one(struct socket_control *control, struct socket_extra *extra,
                    const struct control_header *header, uint64_t user)
{
	if (header->level != SOL_SOCKET)
		return extra ? read_extra(extra, header, user) : 0;
	switch (header->type) {
	case MESSAGE_CONTROL_RIGHTS:
		return read_rights(control, user, header->length - CONTROL_HEADER);
	case MESSAGE_CONTROL_SENDER:
		return read_sender(control, user, header->length - CONTROL_HEADER);
	default: return -EINVAL;
	}
}

int socket_control_read(struct socket_control *control, struct socket_extra *extra, uint64_t user,
                        uint64_t length)
{
	uint64_t at = 0;
	int result = 0;

	*control = (struct socket_control){0};
	while (!result && length - at >= CONTROL_HEADER) {
		struct control_header header;

		if (user_read(&header, user + at, sizeof(header)))
			result = -EFAULT;
		else if (header.length < CONTROL_HEADER || header.length > length - at)
			result = -EINVAL;
		else
			result = read_one(control, extra, &header, user + at + CONTROL_HEADER);
		if (result || ALIGN(header.length) > length - at)
			break;
		at += ALIGN(header.length);
	}
	if (result) {
		socket_rights_drop(control->rights);
		control->rights = NULL;
	}
	return result;
}

/* ---- to the application ---- */

/* Where the next control message goes. */
struct control_room {
	uint64_t user; /* 0: nowhere */
	uint64_t left; /* bytes */
};

static void room_take(struct control_room *room, uint64_t size)
{
	uint64_t part = ALIGN(size) < room->left ? ALIGN(size) : room->left;

	room->user += part;
	room->left -= part;
}

/* A control message, cut to the room there is. Return: whether it was cut. */
static bool put(struct control_room *room, int level, int type, const void *data, size_t size)
{
	struct control_header header = {CONTROL_HEADER + size, level, type};

	if (room->left < CONTROL_HEADER)
		return true;
	if (room->left < header.length)
		header.length = room->left;
	/* A bad pointer loses the message, and nothing else, as on Linux. */
	if (user_write(room->user, &header, CONTROL_HEADER) ||
	    user_write(room->user + CONTROL_HEADER, data, header.length - CONTROL_HEADER))
		return false;
	room_take(room, header.length);
	return header.length < CONTROL_HEADER + size;
}

/* Give descriptors to open files, as many as there is room for. Return: whether all got one. */
static bool put_rights(struct control_room *room, const struct socket_rights *rights,
                       bool close_on_exec)
{
	struct control_header header = {CONTROL_HEADER, SOL_SOCKET, MESSAGE_CONTROL_RIGHTS};
	unsigned done = 0;

	while (done < rights->count && room->left >= header.length + sizeof(int)) {
		int fd = descriptor_available(0);

		if (fd < 0 || user_write(room->user + header.length, &fd, sizeof(fd)))
			break;
		descriptor_install(file_get(rights->files[done++]), 0, close_on_exec);
		header.length += sizeof(fd);
	}
	if (done && !user_write(room->user, &header, CONTROL_HEADER))
		room_take(room, header.length);
	return done == rights->count;
}

void socket_control_write(const struct socket *socket, struct socket_message *message,
                          uint64_t user, uint64_t *length)
{
	struct socket_control *control = &message->control;
	struct control_room room = {user, user ? *length : 0};
	bool is_cut = false;

	for (const struct control_header *one = NULL;
	     message->extra && (one = socket_extra_next(message->extra, one));)
		is_cut |= put(&room, one->level, one->type, one + 1, one->length - CONTROL_HEADER);
	if (socket_wants_sender(socket) && !message->is_nobody) {
		const struct socket_credentials unknown = {0, NOBODY, NOBODY};

		is_cut |= put(&room, SOL_SOCKET, MESSAGE_CONTROL_SENDER,
		              control->has_sender ? &control->sender : &unknown, sizeof(unknown));
	}
	if (control->rights)
		is_cut |=
		        !put_rights(&room, control->rights, message->flags & MESSAGE_CLOSE_ON_EXEC);
	socket_rights_drop(control->rights);
	control->rights = NULL;
	if (is_cut)
		message->result |= MESSAGE_CONTROL_CUT;
	*length = user ? room.user - user : 0;
}
