/* SPDX-License-Identifier: Apache-2.0 */
/* Driver of the file system device (virtio 1.2, section 5.11). */
#ifndef MOTE_GUESTKIT_VIRTIO_FS_H
#define MOTE_GUESTKIT_VIRTIO_FS_H

/* Mount all there are where the device tree says (docs/device-tree.md); no exit is made for that.
 * Return: 0 or a negative errno; *path is then which could not be. */
int virtio_fs_mount(const char **path);

#endif
