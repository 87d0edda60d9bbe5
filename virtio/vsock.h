/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket device (virtio 1.2, section 5.10): streams between programs of the guest and Unix
 * sockets of the host, by the convention that Firecracker's users know.
 *
 * A program of the host connects to PATH and writes "CONNECT PORT\n"; once the guest has accepted,
 * it reads "OK PORT\n" with the port that its end has got. A program of the guest that connects to
 * port N of the host (VMADDR_CID_HOST) reaches whoever listens on PATH_N.
 */
#ifndef MOTE_VIRTIO_VSOCK_H
#define MOTE_VIRTIO_VSOCK_H

#include "virtio/virtio_device.h"

#define VSOCK_GUEST_CID 3u
/* All connections, those included that are still being made. */
#define VSOCK_CONNECTIONS 64u
/* What the guest may send on a connection before the host has taken it: bytes, a power of two. */
#define VSOCK_BUFFER 65536u

/**
 * vsock_open() - Make a device.
 * @path: of the Unix socket to listen on; a stale one is removed
 * @memory: of the guest
 *
 * Starts a process that makes the connections to the host's sockets (vsock_host.h). To be called
 * before confinement.
 *
 * Return: NULL with @err set.
 */
struct virtio_device *vsock_open(const char *path, const struct guest_memory *memory,
                                 struct mote_error *err);

/* Connections that the guest knows of. */
unsigned vsock_connections(const struct virtio_device *device);

struct vsock_host;

/* The same on a host's side that is there already; for tests. NULL when memory is short. */
struct virtio_device *vsock_create(const struct vsock_host *host,
                                   const struct guest_memory *memory);

#endif
