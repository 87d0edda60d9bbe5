/* SPDX-License-Identifier: Apache-2.0 */
/* passt as a network backend: frames over a stream socket. */
#ifndef MOTE_VIRTIO_NET_PASST_H
#define MOTE_VIRTIO_NET_PASST_H

#include "virtio/net_backend.h"

/* The largest that IPv4 has, in words of 4 bytes; what passt likes best. */
#define NET_PASST_MTU 65520u

struct net_passt {
	struct net_backend backend; /* first */
	int fd;                     /* connected stream socket */
	int child;                  /* process that is passt; 0: none of ours */
	int messages;               /* read end of a pipe that is passt's stderr; -1: none */
	bool is_wrong;              /* what came is not what passt sends */
	bool is_full;               /* it took no more: poll for output */
	unsigned char *in;          /* bytes that came: [in_start, in_end) */
	size_t in_start, in_end;
	unsigned char *out; /* rest of a frame that went in part: [out_start, out_end) */
	size_t out_start, out_end;
};

/**
 * net_passt_init() - Begin a backend over a connected socket.
 * @messages: what passt's stderr is read from when it ends; -1: nothing
 *
 * Return: 0, or -1: no memory.
 */
int net_passt_init(struct net_passt *passt, int fd, int messages);

#endif
