/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server of a share knows, in a snapshot: the nodes and the open files of its guest.
 *
 * A node is carried by its place: it is looked for there again, beneath the directory that is given
 * at the restore, and where there is nothing of its type any more it is stale (ESTALE). Open files
 * are opened again by their nodes. What has no place, as a file that was removed while it was open,
 * cannot be carried, nor can locks.
 */
#ifndef MOTE_VIRTIO_FS_SNAPSHOT_H
#define MOTE_VIRTIO_FS_SNAPSHOT_H

#include "virtio/fs_server.h"

/* Bytes that fs_server_save() writes at most. */
size_t fs_server_save_bound(const struct fs_server *server);

/**
 * fs_server_save() - Write down what the server knows.
 * @to: of fs_server_save_bound() bytes, aligned to 8
 *
 * Return: bytes. Of what the guest knows, the first 16384 nodes are carried.
 */
size_t fs_server_save(const struct fs_server *server, void *to);

/**
 * fs_server_load() - Let a server that has been reset know what one knew.
 * @from: hostile
 * @size: may be up to 7 bytes more than were saved
 *
 * The first time that something is not found again, there is a line on stderr.
 *
 * Return: 0; -1 where the bytes are nothing that was saved.
 */
int fs_server_load(struct fs_server *server, const void *from, size_t size);

/**
 * fs_server_report_ties() - Name what cannot be carried.
 * @place: where the guest has the share
 * @text: filled: a line for each
 *
 * Return: bytes of text, at most @size.
 */
size_t fs_server_report_ties(const struct fs_server *server, const char *place, char *text,
                             size_t size);

#endif
