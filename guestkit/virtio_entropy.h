/* SPDX-License-Identifier: Apache-2.0 */
/* Driver of the entropy device (virtio 1.2, section 5.4): /dev/hwrng. */
#ifndef MOTE_GUESTKIT_VIRTIO_ENTROPY_H
#define MOTE_GUESTKIT_VIRTIO_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

/**
 * entropy_read() - Random bytes of the host's: one exit.
 * @to: in the kit's heap or any other memory of the direct map
 *
 * Return: how many came, at most @length; -ENODEV without a device, -EIO where it has failed.
 */
int64_t entropy_read(void *to, size_t length);

#endif
