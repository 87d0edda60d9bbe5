/* SPDX-License-Identifier: Apache-2.0 */
/* ioctl() on sockets: what programs ask of network interfaces (netdevice(7)). */
#include <linux/errno.h>
#include <linux/sockios.h>

#include "guestkit/libc-shim/interface.h"
#include "guestkit/libc-shim/socket.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

/* struct ifreq: a name, and what it is about */
struct interface_request {
	char name[INTERFACE_NAME_SIZE];
	union {
		int32_t number;
		int16_t flags;
		struct {
			uint16_t family;
			unsigned char bytes[14];
		} address; /* struct sockaddr */
		struct {
			uint64_t memory_start, memory_end;
			uint16_t base;
			unsigned char interrupt, channel, port, unused[3];
		} map; /* struct ifmap */
	};
};
_Static_assert(sizeof(struct interface_request) == 40, "as programs have it");

/* struct ifconf */
struct interface_list {
	int32_t length, unused;
	uint64_t buffer;
};

#define IPV4_OFFSET 2 /* of the address in a struct sockaddr_in, behind the family */

static void put_ipv4(struct interface_request *request, const unsigned char *address)
{
	memset(&request->address, 0, sizeof(request->address));
	request->address.family = SOCKET_FAMILY_INET;
	memcpy(request->address.bytes + IPV4_OFFSET, address, 4);
}

/* SIOCGIFCONF: all that have an IPv4 address, as many as there is room for. */
static int64_t list_all(uint64_t argument)
{
	struct interface_list list;
	struct interface interface;
	int32_t used = 0;

	if (user_read(&list, argument, sizeof(list)))
		return -EFAULT;
	for (unsigned i = 0; interface_get(i, &interface); i++) {
		const struct interface_address *address = interface_ipv4(&interface);
		struct interface_request entry = {{0}, {0}};

		if (!address)
			continue;
		memcpy(entry.name, interface.name, sizeof(entry.name));
		put_ipv4(&entry, address->bytes);
		if (list.buffer) {
			if (list.length - used < (int32_t)sizeof(entry))
				break;
			if (user_write(list.buffer + (uint32_t)used, &entry, sizeof(entry)))
				return -EFAULT;
		}
		used += (int32_t)sizeof(entry);
	}
	list.length = used;
	return user_write(argument, &list.length, sizeof(list.length));
}

/* Requests about an IPv4 address, which sockets of AF_INET alone know. */
static int get_address(const struct interface *interface, unsigned what,
                       struct interface_request *request)
{
	const struct interface_address *address = interface_ipv4(interface);
	unsigned char bytes[4] = {0};

	if (!address)
		return -EADDRNOTAVAIL;
	if (what == SIOCGIFADDR || what == SIOCGIFDSTADDR)
		memcpy(bytes, address->bytes, sizeof(bytes));
	else if (what == SIOCGIFNETMASK)
		interface_mask(address->prefix, bytes, sizeof(bytes));
	else
		interface_broadcast(interface, address, bytes);
	put_ipv4(request, bytes);
	return 0;
}

/* What is asked of one: 0, or -ENOTTY for what nobody knows. */
static int get_one(const struct interface *interface, unsigned family, unsigned what,
                   struct interface_request *request)
{
	switch (what) {
	case SIOCGIFFLAGS: request->flags = (int16_t)interface->flags; return 0;
	case SIOCGIFMETRIC: request->number = 0; return 0;
	case SIOCGIFMTU: request->number = (int32_t)interface->mtu; return 0;
	case SIOCGIFINDEX: request->number = (int32_t)interface->index; return 0;
	case SIOCGIFTXQLEN: request->number = INTERFACE_QUEUE_LENGTH; return 0;
	case SIOCGIFMAP: memset(&request->map, 0, sizeof(request->map)); return 0;
	case SIOCGIFHWADDR:
		request->address.family = interface->type;
		memcpy(request->address.bytes, interface->mac, sizeof(interface->mac));
		return 0;
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFNETMASK:
		if (family == SOCKET_FAMILY_INET)
			return get_address(interface, what, request);
		__attribute__((fallthrough));
	default: return -ENOTTY;
	}
}

static bool is_known(unsigned family, unsigned what)
{
	const struct interface nothing = {.index = 0};
	struct interface_request request;

	return what == SIOCGIFNAME || get_one(&nothing, family, what, &request) != -ENOTTY;
}

/* What would change an interface, a route or a table of neighbours. */
static bool is_change(unsigned what)
{
	switch (what) {
	case SIOCADDRT:
	case SIOCDELRT:
	case SIOCSIFLINK:
	case SIOCSIFFLAGS:
	case SIOCSIFADDR:
	case SIOCSIFDSTADDR:
	case SIOCSIFBRDADDR:
	case SIOCSIFNETMASK:
	case SIOCSIFMETRIC:
	case SIOCSIFMTU:
	case SIOCSIFNAME:
	case SIOCSIFHWADDR:
	case SIOCADDMULTI:
	case SIOCDELMULTI:
	case SIOCSIFTXQLEN:
	case SIOCSIFMAP:
	case SIOCDARP:
	case SIOCSARP: return true;
	default: return false;
	}
}

int64_t interface_ioctl(unsigned family, unsigned request, uint64_t argument)
{
	struct interface_request asked;
	struct interface interface;
	char *alias;
	int result;

	if (is_change(request))
		return -EPERM;
	if (request != SIOCGIFCONF && !is_known(family, request))
		return -ENOTTY;
	interface_settle();
	if (request == SIOCGIFCONF)
		return list_all(argument);
	if (user_read(&asked, argument, sizeof(asked)))
		return -EFAULT;
	if (request == SIOCGIFNAME) {
		if (!interface_find((unsigned)asked.number, &interface))
			return -ENODEV;
		memcpy(asked.name, interface.name, sizeof(asked.name));
		return user_write(argument, &asked, sizeof(asked));
	}
	asked.name[INTERFACE_NAME_SIZE - 1] = '\0';
	alias = strchr(asked.name, ':');
	if (alias)
		*alias = '\0'; /* "eth0:1" names a second address; there is none */
	if (!interface_find_name(asked.name, &interface))
		return -ENODEV;
	result = get_one(&interface, family, request, &asked);
	if (alias)
		*alias = ':';
	return result ? result : user_write(argument, &asked, sizeof(asked));
}
