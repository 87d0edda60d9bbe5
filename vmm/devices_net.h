/* SPDX-License-Identifier: Apache-2.0 */
/* The network device that --net asks for. */
#ifndef MOTE_VMM_DEVICES_NET_H
#define MOTE_VMM_DEVICES_NET_H

#include "virtio/net.h"
#include "vmm/options_net.h"

/**
 * devices_open_net() - Make it, with what it needs on the host.
 * @options: of a kind that is not NET_NONE
 *
 * To be called before confinement. Return: NULL and @err, or the device, for ever.
 */
struct net *devices_open_net(const struct net_options *options, const struct guest_memory *memory,
                             struct mote_error *err);

/* One whose link is down, for a restored guest that is to have no network any more. */
struct net *devices_make_dead_net(const struct guest_memory *memory, struct mote_error *err);

#endif
