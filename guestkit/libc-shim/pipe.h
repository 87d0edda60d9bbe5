/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes, for those who do more with them than read and write: named ones, splice, fcntl. */
#ifndef MOTE_LIBC_SHIM_PIPE_H
#define MOTE_LIBC_SHIM_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file;
struct inode;
struct pipe;

extern const struct file_ops pipe_file_ops;

/**
 * pipe_open_named() - inode_ops.open of a FIFO.
 * @slot: where the inode keeps its pipe: NULL while nobody has it open
 *
 * Sleeps until the other end is open, too, as fifo(7) has it.
 */
int pipe_open_named(struct pipe **slot, struct file *file);

/* The pipe behind an open file, or NULL. */
struct pipe *pipe_of(const struct file *file);

/* Bytes that are in it: up to *length of them in a row, @skip bytes behind the first. */
const void *pipe_peek(const struct pipe *pipe, size_t skip, size_t *length);
/* That many were taken out. */
void pipe_consume(struct pipe *pipe, size_t length);

/* Room in it: up to *length bytes in a row, which may be 0. */
void *pipe_room(const struct pipe *pipe, size_t *length);
/* That many were put there. */
void pipe_produce(struct pipe *pipe, size_t length);

/**
 * pipe_wait_data(), pipe_wait_room() - Wait until there is something to take or room to put.
 * @waits: sleep; else -EAGAIN
 *
 * Return: 1; 0: no data and no writer; -EPIPE (and SIGPIPE was sent): no reader; -EAGAIN, -EINTR.
 */
int pipe_wait_data(struct pipe *pipe, bool waits);
int pipe_wait_room(struct pipe *pipe, size_t needed, bool waits);

/* F_GETPIPE_SZ and F_SETPIPE_SZ. Return: bytes; -EBADF (no pipe), -EINVAL, -EBUSY, -ENOMEM. */
int64_t pipe_size(const struct file *file);
int64_t pipe_resize(const struct file *file, uint32_t size);

#endif
