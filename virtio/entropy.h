/* SPDX-License-Identifier: Apache-2.0 */
/* The entropy device (virtio 1.2, section 5.4). */
#ifndef MOTE_VIRTIO_ENTROPY_H
#define MOTE_VIRTIO_ENTROPY_H

#include "virtio/virtio_device.h"

/* Begin one. @device: zeroed */
void entropy_init(struct virtio_device *device, const struct guest_memory *memory);

#endif
