/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing the console through its virtio device: what console_file.c does otherwise by
 * hypercalls. */
#ifndef MOTE_LIBC_SHIM_CONSOLE_DEVICE_H
#define MOTE_LIBC_SHIM_CONSOLE_DEVICE_H

#include "guestkit/libc-shim/vfs.h"
#include "guestkit/virtio_console.h"

/**
 * console_device_read() - Read from stdin into console_buffer.
 * @length: 1 to CONSOLE_BUFFER
 *
 * Return: bytes, 0 at the end, -EAGAIN (O_NONBLOCK), -EINTR, or what the hypercall says.
 */
int64_t console_device_read(const struct file *file, size_t length);

/* Wait until there is room for output, before console_buffer is filled: 0, -EAGAIN, -EINTR. */
int console_device_reserve(const struct file *file);

/* Write console_buffer[0..length) to stdout: bytes, or a negative errno. After
 * console_device_reserve(), without a sleep in between. */
int64_t console_device_write(const struct file *file, size_t length);

/* What goes another way now comes behind what was written to stdout before: wait for that. */
void console_device_settle(void);

#endif
