/* SPDX-License-Identifier: Apache-2.0 */
/* setsockopt and getsockopt: the options that mean the same to all families. */
#include <asm/socket.h>
#include <linux/errno.h>

#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/socket.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

#define NS_PER_SECOND 1000000000ull
#define NS_PER_US     1000u
#define BIT(option)   (1ull << (option))

/* Options that are on or off: recorded, and told; SO_PASSCRED has an effect as well. */
#define SWITCHES                                                                        \
	(BIT(SO_DEBUG) | BIT(SO_REUSEADDR) | BIT(SO_DONTROUTE) | BIT(SO_BROADCAST) |    \
	 BIT(SO_KEEPALIVE) | BIT(SO_OOBINLINE) | BIT(SO_NO_CHECK) | BIT(SO_REUSEPORT) | \
	 BIT(SO_PASSCRED) | BIT(SO_PASSSEC) | BIT(SO_RXQ_OVFL) | BIT(SO_WIFI_STATUS) |  \
	 BIT(SO_NOFCS) | BIT(SO_LOCK_FILTER) | BIT(SO_SELECT_ERR_QUEUE))

#define PRIORITY_MAX 6 /* for others than root */

static bool is_switch(uint32_t option)
{
	return option < 64 && (SWITCHES & BIT(option));
}

bool socket_wants_sender(const struct socket *socket)
{
	return socket_has_option(socket, SO_PASSCRED);
}

void socket_inherit(struct socket *made, const struct socket *listener)
{
	made->switches = listener->switches & (BIT(SO_PASSCRED) | BIT(SO_PASSSEC));
}

void socket_inherit_all(struct socket *made, const struct socket *listener)
{
	made->switches = listener->switches;
	made->send_limit = listener->send_limit;
	made->receive_limit = listener->receive_limit;
	made->has_send_limit = listener->has_send_limit;
	made->has_receive_limit = listener->has_receive_limit;
	made->send_timeout = listener->send_timeout;
	made->receive_timeout = listener->receive_timeout;
	made->receive_low = listener->receive_low;
	made->priority = listener->priority;
	made->mark = listener->mark;
	memcpy(made->linger, listener->linger, sizeof(made->linger));
}

/* ---- for families ---- */

int socket_option_take(int *value, uint64_t user, uint32_t length)
{
	if (length < sizeof(*value))
		return -EINVAL;
	return user_read(value, user, sizeof(*value));
}

int socket_option_give(const void *value, size_t size, uint64_t user, uint64_t user_length)
{
	int room;

	if (user_read(&room, user_length, sizeof(room)))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (size < (size_t)room)
		room = (int)size;
	if (user_write(user, value, (size_t)room))
		return -EFAULT;
	return user_write(user_length, &room, sizeof(room));
}

/* ---- timeouts ---- */

static int set_timeout(uint64_t *timeout, uint64_t user, uint32_t length)
{
	int64_t time[2]; /* struct timeval */
	uint64_t span;

	if (length < sizeof(time))
		return -EINVAL;
	if (user_read(time, user, sizeof(time)))
		return -EFAULT;
	if (time[1] < 0 || time[1] >= 1000000)
		return -EDOM;
	if (time[0] < 0)
		*timeout = 0; /* as Linux has it: do not wait at all */
	else if (!time[0] && !time[1])
		*timeout = SHIM_FOREVER;
	else if (__builtin_mul_overflow((uint64_t)time[0], NS_PER_SECOND, &span) ||
	         __builtin_add_overflow(span, (uint64_t)time[1] * NS_PER_US, &span))
		*timeout = SHIM_FOREVER;
	else
		*timeout = span;
	return 0;
}

static void tell_timeout(uint64_t timeout, int64_t *time)
{
	if (timeout == SHIM_FOREVER)
		timeout = 0;
	time[0] = (int64_t)(timeout / NS_PER_SECOND);
	time[1] = (int64_t)(timeout % NS_PER_SECOND / NS_PER_US);
}

/* ---- setsockopt ---- */

/* The limit that Linux makes of a number of bytes: twice it, for what bytes cost beside themselves.
 */
static uint32_t buffer_limit(int value, bool is_forced, uint32_t least)
{
	uint32_t bytes = (uint32_t)value;

	if (is_forced)
		bytes = value < 0 ? 0 : (uint32_t)value;
	else if (bytes > SOCKET_BUFFER)
		bytes = SOCKET_BUFFER;
	if (bytes > INT32_MAX / 2)
		bytes = INT32_MAX / 2;
	return 2 * bytes > least ? 2 * bytes : least;
}

static int set_linger(struct socket *socket, uint64_t user, uint32_t length)
{
	int32_t said[2]; /* struct linger */

	if (length < sizeof(said))
		return -EINVAL;
	if (user_read(said, user, sizeof(said)))
		return -EFAULT;
	socket->linger[0] = said[0] != 0;
	if (said[0])
		socket->linger[1] = said[1];
	return 0;
}

/* Options whose value is an int. */
static int set_value(struct socket *socket, uint32_t option, int value)
{
	bool is_root = !process_identity.uid;

	if (is_switch(option)) {
		if (option == SO_DEBUG && value && !is_root)
			return -EACCES;
		socket->switches &= ~BIT(option);
		socket->switches |= value ? BIT(option) : 0;
		return 0;
	}
	switch (option) {
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
		if (!is_root)
			return -EPERM;
		__attribute__((fallthrough));
	case SO_SNDBUF:
	case SO_RCVBUF:
		if (option == SO_SNDBUF || option == SO_SNDBUFFORCE) {
			socket->send_limit =
			        buffer_limit(value, option == SO_SNDBUFFORCE, SOCKET_SEND_MIN);
			socket->has_send_limit = true;
		} else {
			socket->receive_limit =
			        buffer_limit(value, option == SO_RCVBUFFORCE, SOCKET_RECEIVE_MIN);
			socket->has_receive_limit = true;
		}
		wait_queue_wake(&socket->queue);
		return 0;
	case SO_PRIORITY:
		if (!is_root && (value < 0 || value > PRIORITY_MAX))
			return -EPERM;
		socket->priority = value;
		return 0;
	case SO_MARK:
		if (!is_root)
			return -EPERM;
		socket->mark = value;
		return 0;
	case SO_RCVLOWAT: socket->receive_low = value < 0 ? INT32_MAX : value ? value : 1; return 0;
	case SO_BSDCOMPAT: return 0;
	case SO_DETACH_FILTER: return -ENOENT; /* there is none */
	default: return -ENOPROTOOPT;
	}
}

static int set_option(struct socket *socket, uint32_t option, uint64_t user, uint32_t length)
{
	int value;

	if (option == SO_BINDTODEVICE)
		return -ENOPROTOOPT;
	if (length < sizeof(value))
		return -EINVAL;
	if (user_read(&value, user, sizeof(value)))
		return -EFAULT;
	switch (option) {
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW: return set_timeout(&socket->receive_timeout, user, length);
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW: return set_timeout(&socket->send_timeout, user, length);
	case SO_LINGER: return set_linger(socket, user, length);
	default: return set_value(socket, option, value);
	}
}

int64_t sys_setsockopt(const uint64_t *arg)
{
	struct socket *socket;
	struct file *file;
	int result = socket_of(arg[0], &socket, &file);

	if (result)
		return result;
	if ((int)arg[4] < 0)
		return -EINVAL;
	if ((int)arg[1] != SOL_SOCKET)
		return socket->ops->set_option
		               ? socket->ops->set_option(socket, (int)arg[1], (uint32_t)arg[2],
		                                         arg[3], (uint32_t)arg[4])
		               : -EOPNOTSUPP;
	result = set_option(socket, (uint32_t)arg[2], arg[3], (uint32_t)arg[4]);
	if (!result && socket->ops->option_changed)
		socket->ops->option_changed(socket, (uint32_t)arg[2]);
	return result;
}

/* ---- getsockopt ---- */

/* What there is to be told of an option. */
union option_value {
	int number;
	uint64_t large;
	int64_t time[2];
	int32_t linger[2];
	struct socket_credentials peer;
};

/* Options whose value is an int: 0 or -ENOPROTOOPT. */
static int get_number(struct socket *socket, uint32_t option, int *number)
{
	switch (option) {
	case SO_TYPE: *number = socket->type; return 0;
	case SO_DOMAIN: *number = socket->family; return 0;
	case SO_PROTOCOL: *number = socket->protocol; return 0;
	case SO_ERROR: *number = -socket_take_error(socket); return 0;
	case SO_ACCEPTCONN: *number = socket->ops->is_listening(socket); return 0;
	case SO_SNDBUF: *number = (int)socket->send_limit; return 0;
	case SO_RCVBUF: *number = (int)socket->receive_limit; return 0;
	case SO_PRIORITY: *number = socket->priority; return 0;
	case SO_MARK: *number = socket->mark; return 0;
	case SO_RCVLOWAT: *number = socket->receive_low; return 0;
	case SO_SNDLOWAT: *number = 1; return 0;
	case SO_BSDCOMPAT: *number = 0; return 0;
	default:
		*number = is_switch(option) && (socket->switches & BIT(option));
		return is_switch(option) ? 0 : -ENOPROTOOPT;
	}
}

/* Return: size of the value, or a negative errno. */
static int get_option(struct socket *socket, uint32_t option, union option_value *value)
{
	int result;

	switch (option) {
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
		tell_timeout(socket->receive_timeout, value->time);
		return sizeof(value->time);
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
		tell_timeout(socket->send_timeout, value->time);
		return sizeof(value->time);
	case SO_LINGER:
		memcpy(value->linger, socket->linger, sizeof(value->linger));
		return sizeof(value->linger);
	case SO_PEERCRED: socket->ops->get_peer(socket, &value->peer); return sizeof(value->peer);
	default: result = get_number(socket, option, &value->number);
	}
	return result ? result : (int)sizeof(value->number);
}

/* The name of the other end: unlike other values it must fit. */
static int64_t get_peer_name(const struct socket *socket, uint64_t user, uint64_t user_length,
                             uint32_t room)
{
	struct socket_address address;
	int result = socket->ops->get_name(socket, true, &address);

	if (result)
		return result;
	if (address.length < room)
		return -EINVAL;
	if (user_write(user, address.bytes, room))
		return -EFAULT;
	return user_write(user_length, &room, sizeof(room));
}

int64_t sys_getsockopt(const uint64_t *arg)
{
	union option_value value = {0};
	struct socket *socket;
	struct file *file;
	int room = 0, size = socket_of(arg[0], &socket, &file);
	bool is_shared = (int)arg[1] == SOL_SOCKET;

	if (!size && !is_shared && !socket->ops->get_option)
		size = -EOPNOTSUPP;
	if (!size && user_read(&room, arg[4], sizeof(room)))
		size = -EFAULT;
	if (!size && room < 0)
		size = -EINVAL;
	if (!size && !is_shared)
		return socket->ops->get_option(socket, (int)arg[1], (uint32_t)arg[2], arg[3],
		                               arg[4]);
	if (!size && (uint32_t)arg[2] == SO_PEERNAME)
		return get_peer_name(socket, arg[3], arg[4], (uint32_t)room);
	if (!size)
		size = get_option(socket, (uint32_t)arg[2], &value);
	return size < 0 ? size : socket_option_give(&value, (size_t)size, arg[3], arg[4]);
}
