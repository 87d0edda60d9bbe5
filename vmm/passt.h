/* SPDX-License-Identifier: Apache-2.0 */
/* Starts passt, which gives a guest the host's network without privileges. */
#ifndef MOTE_VMM_PASST_H
#define MOTE_VMM_PASST_H

#include "virtio/net_addresses.h"
#include "virtio/net_passt.h"
#include "vmm/error.h"
#include "vmm/options_net.h"

/**
 * passt_start() - Start passt for a network, and do not wait for it.
 * @passt: filled
 * @addresses: filled with what the guest is to use
 *
 * It ends when the socket is closed, so in whatever way this process ends. To be called before
 * confinement.
 */
int passt_start(const struct net_options *net, struct net_passt *passt,
                struct net_addresses *addresses, struct mote_error *err);

/* Give back what passt_start() has got, in full or in part: returns when passt has ended. */
void passt_stop(struct net_passt *passt);

#endif
