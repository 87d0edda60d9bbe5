/* SPDX-License-Identifier: Apache-2.0 */
/* Where the application's memory is, for devices that read or write it. */
#ifndef MOTE_GUESTKIT_USER_FRAMES_H
#define MOTE_GUESTKIT_USER_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guestkit/virtio.h"

/**
 * user_frames() - Describe a piece of the application's memory to a device.
 * @address, @length: the application's; checked here
 * @is_written:       the device writes there: pages are made the application's own first
 * @buffers:          filled; what is contiguous is one buffer
 * @most:             room in @buffers
 * @covered:          set to the bytes from @address on that they have
 *
 * Absent pages get their frames. It ends early before memory that the application may not touch so,
 * and before frames that are not RAM (of the root image), which no device reaches. The description
 * holds until the caller sleeps.
 *
 * Return: how many buffers.
 */
unsigned user_frames(uint64_t address, size_t length, bool is_written,
                     struct virtio_buffer *buffers, unsigned most, size_t *covered);

#endif
