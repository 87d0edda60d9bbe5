/* SPDX-License-Identifier: Apache-2.0 */
/* Names of AF_UNIX sockets: in the file system, abstract ones, none. */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/path.h"
#include "guestkit/libc-shim/unix.h"
#include "guestkit/libc-shim/walk.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"

#define FAMILY_SIZE  2   /* where the path starts in an address */
#define PATH_SIZE    108 /* of sun_path */
#define ANY_DIGITS   5   /* hexadecimal, of a name that is made up */
#define ANY_NAMES    (1u << (4 * ANY_DIGITS))
#define ADDRESS_SIZE (FAMILY_SIZE + PATH_SIZE)

static struct unix_socket *names; /* the list of names */

int unix_address_check(const struct socket_address *address)
{
	if (address->length <= FAMILY_SIZE || address->length > ADDRESS_SIZE ||
	    address->family != SOCKET_FAMILY_UNIX)
		return -EINVAL;
	return 0;
}

static bool is_abstract(const struct socket_address *address)
{
	return !address->bytes[FAMILY_SIZE];
}

/* The path of an address, which has a NUL behind it then. @address: one that was checked */
static const char *path_of(struct socket_address *address)
{
	address->bytes[address->length] = '\0';
	return (const char *)address->bytes + FAMILY_SIZE;
}

/* ---- finding ---- */

/* Abstract names of different types of sockets are different. */
static struct unix_socket *find_abstract(const struct socket_address *address, unsigned type)
{
	struct unix_socket *socket = names;

	while (socket &&
	       (socket->socket.type != type || socket->name->address.length != address->length ||
	        memcmp(socket->name->address.bytes, address->bytes, address->length)))
		socket = socket->next_bound;
	return socket;
}

static struct unix_socket *find_inode(const struct inode *inode)
{
	struct unix_socket *socket = names;

	while (socket && !(socket->path && inode_is_same(socket->path, inode)))
		socket = socket->next_bound;
	return socket;
}

static int find_path(const struct socket_address *address, unsigned type,
                     struct unix_socket **found)
{
	struct socket_address copy = *address;
	struct unix_socket *socket;
	struct inode *inode;
	int result = vfs_walk(AT_FDCWD, path_of(&copy), 0, &inode);

	if (result)
		return result;
	socket = S_ISSOCK(inode->mode) ? find_inode(inode) : NULL;
	if (!socket)
		result = -ECONNREFUSED;
	else if (socket->socket.type != type)
		result = -EPROTOTYPE;
	else
		inode_accessed(inode);
	inode_put(inode);
	if (!result)
		*found = unix_get(socket);
	return result;
}

int unix_find(const struct socket_address *address, unsigned type, struct unix_socket **found)
{
	struct unix_socket *socket;

	if (!is_abstract(address))
		return find_path(address, type, found);
	socket = find_abstract(address, type);
	if (!socket)
		return -ECONNREFUSED;
	*found = unix_get(socket);
	return 0;
}

/* ---- binding ---- */

static struct unix_name *name_make(const struct socket_address *address)
{
	struct unix_name *name = heap_alloc(sizeof(*name));

	if (!name)
		return NULL;
	name->references = 1;
	name->address = *address;
	return name;
}

void unix_name_put(struct unix_name *name)
{
	if (name && !--name->references)
		heap_free(name);
}

static void enter(struct unix_socket *socket, struct unix_name *name, struct inode *path)
{
	socket->name = name;
	socket->path = path;
	socket->is_bound = true;
	socket->next_bound = names;
	names = socket;
}

void unix_unbind(struct unix_socket *socket)
{
	struct unix_socket **link = &names;

	if (!socket->is_bound)
		return;
	while (*link != socket)
		link = &(*link)->next_bound;
	*link = socket->next_bound;
	socket->is_bound = false;
	inode_put(socket->path);
	socket->path = NULL;
}

static int bind_abstract(struct unix_socket *socket, const struct socket_address *address)
{
	struct unix_name *name;

	if (socket->name)
		return -EINVAL;
	if (find_abstract(address, socket->socket.type))
		return -EADDRINUSE;
	name = name_make(address);
	if (!name)
		return -ENOMEM;
	enter(socket, name, NULL);
	return 0;
}

/* Make the socket's file; *made is referenced. */
static int make_file(const struct unix_socket *socket, const char *path, struct inode **made)
{
	uint32_t mode = socket->socket.inode.mode & ~file_creation_mask;
	struct walk walk;
	int result = walk_new_name(&walk, AT_FDCWD, path, false);

	if (!result && socket->name)
		result = -EINVAL; /* later than errors of the path, as on Linux */
	if (!result)
		result = walk.dir->ops->create(walk.dir, walk.last, walk.length, mode, 0, made);
	walk_end(&walk);
	return result == -EEXIST ? -EADDRINUSE : result;
}

static int bind_path(struct unix_socket *socket, const struct socket_address *address)
{
	struct socket_address copy = *address;
	const char *path = path_of(&copy);
	struct unix_name *name;
	struct inode *made;
	int result;

	copy.length = FAMILY_SIZE + (uint32_t)strlen(path) + 1;
	name = name_make(&copy);
	if (!name)
		return -ENOMEM;
	result = make_file(socket, path, &made);
	if (result) {
		unix_name_put(name);
		return result;
	}
	enter(socket, name, made);
	return 0;
}

int unix_bind_any(struct unix_socket *socket)
{
	static const char digits[] = "0123456789abcdef";
	static uint32_t last;
	struct socket_address address = {.length = FAMILY_SIZE + 1 + ANY_DIGITS,
	                                 .family = SOCKET_FAMILY_UNIX};

	if (socket->name)
		return 0;
	for (uint32_t tries = 0; tries < ANY_NAMES; tries++) {
		uint32_t number = last++;

		for (unsigned i = ANY_DIGITS; i--; number /= 16)
			address.bytes[FAMILY_SIZE + 1 + i] = (unsigned char)digits[number % 16];
		if (!find_abstract(&address, socket->socket.type))
			return bind_abstract(socket, &address);
	}
	return -ENOSPC;
}

int unix_bind_sender(struct unix_socket *socket)
{
	return socket_wants_sender(&socket->socket) ? unix_bind_any(socket) : 0;
}

int unix_bind(struct socket *socket, const struct socket_address *address)
{
	int result;

	if (address->length == FAMILY_SIZE && address->family == SOCKET_FAMILY_UNIX)
		return unix_bind_any(unix_of(socket));
	result = unix_address_check(address);
	if (result)
		return result;
	return is_abstract(address) ? bind_abstract(unix_of(socket), address)
	                            : bind_path(unix_of(socket), address);
}

void unix_name_tell(const struct unix_socket *socket, struct socket_address *address)
{
	if (socket->name) {
		*address = socket->name->address;
		return;
	}
	address->length = FAMILY_SIZE;
	address->family = SOCKET_FAMILY_UNIX;
}
