/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of the socket device: the Unix socket that programs of the host connect to, and a
 * process that connects to theirs.
 *
 * A VMM that may call connect() could reach every Unix socket of the machine once its guest had
 * taken it over. So it may not: the connector, a process forked before confinement, does that for
 * it. It takes port numbers, connects to PATH_PORT and nothing else, and hands descriptors back. It
 * ends, and removes the socket, when the VMM has ended, however that came about.
 */
#ifndef MOTE_VIRTIO_VSOCK_HOST_H
#define MOTE_VIRTIO_VSOCK_HOST_H

#include <stdint.h>

#include "vmm/error.h"

struct vsock_host {
	int listener;  /* non-blocking */
	int connector; /* non-blocking */
	int child;     /* process of the connector */
};

/* Listen on @path, with mode 0600, and start the connector. */
int vsock_host_open(struct vsock_host *host, const char *path, struct mote_error *err);

/* The connector ends, and removes the socket: returns when it has. */
void vsock_host_close(struct vsock_host *host);

/* A connection of the host's, non-blocking; -1: there is none. */
int vsock_host_accept(const struct vsock_host *host);

/**
 * vsock_host_connect() - Ask for a connection.
 * @token: comes back with the answer
 *
 * Return: 0, or -1 when the connector is gone or has too much to do.
 */
int vsock_host_connect(const struct vsock_host *host, uint32_t port, uint32_t token);

/**
 * vsock_host_connected() - Take an answer.
 * @token: of the question
 * @fd: the connection, non-blocking; -1 where nobody listens
 *
 * Return: 1, 0 when there is no answer yet, -1 when the connector is gone.
 */
int vsock_host_connected(const struct vsock_host *host, uint32_t *token, int *fd);

#endif
