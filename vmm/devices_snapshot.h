/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio devices of a snapshot (section DEVICES): their state saved, and taken up by the
 * devices that whoever restores it has given.
 *
 * A restore opens devices from its own options, by devices_open() before confinement, as a first
 * start does: a snapshot's maker does not choose files, directories, sockets or networks of the
 * host (docs/decisions/021-restored-resources.md). Once the file has been read, devices_adopt()
 * compares them with what the snapshot had, and devices_restore() gives them their state.
 */
#ifndef MOTE_VMM_DEVICES_SNAPSHOT_H
#define MOTE_VMM_DEVICES_SNAPSHOT_H

#include "vmm/devices.h"

/* Bytes that devices_save() takes at most; for shares mostly address space that is never touched.
 */
size_t devices_save_bound(const struct devices *devices);

/**
 * devices_save() - Write the state of all devices down.
 * @buffer: of devices_save_bound() bytes, aligned to 16, made before confinement
 * @used:   set to the bytes written, a multiple of 16
 *
 * Before a snapshot, devices_look() serves what drivers have asked for and can be served; the rest
 * stays in the queues. Allowed in phase run.
 *
 * Return: 0, or -1 with @err.
 */
int devices_save(struct devices *devices, void *buffer, size_t size, size_t *used,
                 struct mote_error *err);

/**
 * devices_report_ties() - Name what ties a guest to this host and cannot be carried, beyond what
 * the kit names itself.
 * @text: filled: a line for each
 *
 * Return: bytes of text, at most @size.
 */
size_t devices_report_ties(const struct devices *devices, char *text, size_t size);

/**
 * devices_adopt() - Bring the devices that were opened into the order of a snapshot's.
 * @options: what they were opened from
 * @memory:  of the guest; may be without memory still
 * @bytes:   section DEVICES, aligned to 16; hostile
 *
 * Each device that the snapshot has must be there, of its kind and, where it has one, by its name;
 * those that reach nothing of the host (entropy, console, balloon) are made if they were not asked
 * for. None may be left over. To be called in phase load.
 */
int devices_adopt(struct devices *devices, const struct run_options *options,
                  const struct guest_memory *memory, const void *bytes, size_t size,
                  struct mote_error *err);

/**
 * devices_restore() - Give the devices the state of the snapshot.
 * @devices: that devices_adopt() has ordered, or that the snapshot was made of (a reset in place)
 * @bytes:   hostile, as before
 *
 * Guest memory is there and has the snapshot's bytes. Allowed in phase run.
 */
int devices_restore(struct devices *devices, const void *bytes, size_t size,
                    struct mote_error *err);

/* What a start with these devices is told of them: MOTE_GENERATION_*. After devices_restore(). */
uint32_t devices_generation_flags(const struct devices *devices);

#endif
