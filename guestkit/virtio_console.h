/* SPDX-License-Identifier: Apache-2.0 */
/* Driver of the console device (virtio 1.2, section 5.3): stdin and stdout. */
#ifndef MOTE_GUESTKIT_VIRTIO_CONSOLE_H
#define MOTE_GUESTKIT_VIRTIO_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guestkit/console.h"
#include "guestkit/wait_queue.h"

/*
 * Whether there is such a device, and it works: then stdin and stdout go through it. One that has
 * failed, because stdin or stdout did, leaves them to the hypercalls, which tell the error.
 */
bool virtio_console_works(void);

/* Woken when what was sent is with the host; when there is input; both when the device fails. */
extern struct wait_queue virtio_console_sent, virtio_console_input;

/**
 * virtio_console_send() - Write console_buffer[0..length) to stdout.
 * @length: at most CONSOLE_BUFFER
 *
 * To be called while virtio_console_is_sending() is false. One exit, after which most often all is
 * with the host.
 *
 * Return: 0; -ENOMEM; -EIO: the device has failed.
 */
int virtio_console_send(size_t length);

/* Whether some of it has yet to be taken; asks to hear of that. */
bool virtio_console_is_sending(void);

/* The device has failed while it was sending: put what that was back into console_buffer, and
 * return its length. */
size_t virtio_console_unsent(void);

/**
 * virtio_console_receive() - Take input into @to.
 *
 * Return: bytes; 0 at the end of input; -EAGAIN: none is there yet, and the device now waits for up
 * to @length bytes; -ENOMEM; -EIO: the device has failed.
 */
int64_t virtio_console_receive(void *to, size_t length);

/* Input that is in the guest already, or its end. */
bool virtio_console_has_input(void);
size_t virtio_console_buffered(void);

/* Drop it. */
void virtio_console_forget_input(void);

/* Whether a change of the window's size is told by the device, because the driver is in use. */
bool virtio_console_tells_window(void);

/* Provided by the terminal's files: its window has another size. */
void virtio_console_window_changed(void);

#endif
