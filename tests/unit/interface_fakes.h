/* SPDX-License-Identifier: Apache-2.0 */
/* Network interfaces for unit tests: "lo", and a device with addresses and a neighbour. */
#ifndef MOTE_TESTS_INTERFACE_FAKES_H
#define MOTE_TESTS_INTERFACE_FAKES_H

#include "guestkit/libc-shim/interface.h"

void interface_settle(void)
{
}

bool interface_get(unsigned place, struct interface *interface)
{
	static const struct interface all[] = {
	        {.name = "lo",
	         .index = INTERFACE_LOOPBACK,
	         .flags = INTERFACE_UP | INTERFACE_IS_LOOPBACK | INTERFACE_LOWER_UP,
	         .type = 772,
	         .mtu = 65536,
	         .address_count = 2,
	         .addresses = {{.prefix = 8, .bytes = {127, 0, 0, 1}},
	                       {.is_ipv6 = true, .prefix = 128, .bytes = {[15] = 1}}}},
	        {.name = "eth0",
	         .index = 2,
	         .flags = INTERFACE_UP | INTERFACE_BROADCAST | INTERFACE_MULTICAST,
	         .type = 1,
	         .mtu = 1500,
	         .mac = {2, 0, 0, 0, 0, 1},
	         .address_count = 2,
	         .addresses = {{.prefix = 24, .bytes = {10, 0, 2, 15}},
	                       {.is_ipv6 = true, .prefix = 64, .bytes = {0xfe, 0x80, [15] = 9}}},
	         .has_gateway = {true, true},
	         .gateway = {{10, 0, 2, 2}, {0xfe, 0x80, [15] = 2}},
	         .received = {.packets = 3, .bytes = 300}},
	};

	if (place >= sizeof(all) / sizeof(all[0]))
		return false;
	*interface = all[place];
	return true;
}

void interface_neighbours(void (*visit)(const struct interface_neighbour *neighbour, void *context),
                          void *context)
{
	const struct interface_neighbour one = {2, {10, 0, 2, 2}, {2, 0, 0, 0, 0, 2}};

	visit(&one, context);
}

#endif
