/* SPDX-License-Identifier: Apache-2.0 */
/* The network device that --net asks for: its backend, its addresses. */
#include "vmm/devices_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "virtio/net_tap.h"
#include "vmm/console.h"
#include "vmm/passt.h"

struct network {
	struct net net;     /* first */
	enum net_kind kind; /* NET_NONE: there is no backend */
	union {
		struct net_tap tap;
		struct net_passt passt;
	};
};

static void report(const char *why)
{
	char line[320];
	int length = snprintf(line, sizeof line, "mote: the guest's network is down: %s\n", why);

	console_report(line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

static void close_backend(struct net *net)
{
	struct network *network = (struct network *)(void *)net;

	if (network->kind == NET_TAP && network->tap.fd >= 0)
		close(network->tap.fd);
	if (network->kind == NET_USER)
		passt_stop(&network->passt);
}

static int open_backend(struct network *network, const struct net_options *options,
                        struct mote_error *err)
{
	struct net *net = &network->net;

	if (options->kind == NET_TAP) {
		const struct net_addresses *addresses = &options->addresses;

		net->backend = &network->tap.backend;
		net->addresses = *addresses;
		net->has_chosen_addresses =
		        addresses->has_ipv4 || addresses->has_ipv6 || addresses->dns_count;
		net->keeps_addresses = !net->has_chosen_addresses;
		network->kind = NET_TAP;
		return net_tap_open(&network->tap, options->tap, err);
	}
	net->backend = &network->passt.backend;
	network->kind = NET_USER;
	network->passt.fd = network->passt.messages = -1;
	return passt_start(options, &network->passt, &net->addresses, err);
}

static uint16_t choose_mtu(const struct net_options *options, const struct net_backend *backend)
{
	unsigned mtu = options->mtu ? options->mtu : backend->mtu;

	return (uint16_t)(mtu < NET_MTU_MIN ? NET_MTU_MIN : mtu > NET_MTU_MAX ? NET_MTU_MAX : mtu);
}

static void out_of_memory(struct mote_error *err)
{
	mote_error_set(err, MOTE_STATUS_FAILED, "no memory for the guest's devices");
}

struct net *devices_make_dead_net(const struct guest_memory *memory, struct mote_error *err)
{
	struct network *network = calloc(1, sizeof *network);

	if (!network) {
		out_of_memory(err);
		return NULL;
	}
	network->net.mtu = NET_MTU_MIN;
	network->net.keeps_mac = network->net.keeps_addresses = true;
	network->net.report = report;
	net_init(&network->net, memory);
	return &network->net;
}

struct net *devices_open_net(const struct net_options *options, const struct guest_memory *memory,
                             struct mote_error *err)
{
	struct network *network = calloc(1, sizeof *network);
	struct net *net = &network->net;

	if (!network) {
		out_of_memory(err);
		return NULL;
	}
	if (open_backend(network, options, err)) {
		close_backend(net);
		free(network);
		return NULL;
	}
	net->close = close_backend;
	net->mtu = choose_mtu(options, net->backend);
	memcpy(net->mac, options->has_mac ? options->mac : net->backend->mac, sizeof net->mac);
	net->keeps_mac = !options->has_mac;
	net->report = report;
	net_init(net, memory);
	return net;
}
