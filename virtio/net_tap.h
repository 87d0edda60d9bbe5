/* SPDX-License-Identifier: Apache-2.0 */
/* A TAP interface of the host as a network backend. */
#ifndef MOTE_VIRTIO_NET_TAP_H
#define MOTE_VIRTIO_NET_TAP_H

#include <net/if.h>

#include "virtio/net_backend.h"
#include "vmm/error.h"

struct net_tap {
	struct net_backend backend; /* first */
	char name[IFNAMSIZ];
	int fd;
	bool is_full;      /* it took no more: poll for output */
	unsigned offloads; /* TUN_F_* that are set */
};

/**
 * net_tap_open() - Attach to an interface that is there.
 * @tap: filled
 * @name: at most IFNAMSIZ - 1 bytes
 *
 * Needs no privileges where the interface belongs to the user. To be called before confinement.
 */
int net_tap_open(struct net_tap *tap, const char *name, struct mote_error *err);

#endif
