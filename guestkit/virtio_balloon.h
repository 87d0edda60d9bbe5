/* SPDX-License-Identifier: Apache-2.0 */
/* Driver of the memory balloon (virtio 1.2, section 5.5). */
#ifndef MOTE_GUESTKIT_VIRTIO_BALLOON_H
#define MOTE_GUESTKIT_VIRTIO_BALLOON_H

/* Where there is a balloon, keep to what it asks for from now on. Before the application starts. */
void balloon_start(void);

#endif
