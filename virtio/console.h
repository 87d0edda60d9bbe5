/* SPDX-License-Identifier: Apache-2.0 */
/* The console device (virtio 1.2, section 5.3): stdin and stdout of mote as its port 0. */
#ifndef MOTE_VIRTIO_CONSOLE_H
#define MOTE_VIRTIO_CONSOLE_H

#include "virtio/virtio_device.h"

/**
 * virtio_console_create() - Make the device, before confinement.
 *
 * Return: NULL when there is no memory.
 */
struct virtio_device *virtio_console_create(const struct guest_memory *memory);

/* The terminal may have another size: the driver is told if it has. */
void virtio_console_resized(struct virtio_device *device);

#endif
