/* SPDX-License-Identifier: Apache-2.0 */
/* The registers by which a driver reaches a device: virtio over MMIO (virtio 1.2, section 4.2). */
#ifndef MOTE_VIRTIO_VIRTIO_MMIO_H
#define MOTE_VIRTIO_VIRTIO_MMIO_H

#include "virtio/virtio_device.h"

/* Registers, then 256 bytes of configuration space. */
#define VIRTIO_MMIO_SIZE 0x200u

/**
 * virtio_mmio_read() - The guest reads registers or configuration space.
 * @offset, @length: any; what no register answers reads as zeros
 * @data: @length bytes
 *
 * Registers are read by 4 aligned bytes (4.2.2.2), configuration space by any.
 */
void virtio_mmio_read(struct virtio_device *device, uint64_t offset, void *data, size_t length);

/* The guest writes; what no register takes is ignored. */
void virtio_mmio_write(struct virtio_device *device, uint64_t offset, const void *data,
                       size_t length);

#endif
