/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio devices of one microVM: made, described to the guest, and served. */
#ifndef MOTE_VMM_DEVICES_H
#define MOTE_VMM_DEVICES_H

#include <poll.h>
#include <stdbool.h>

#include "virtio/virtio_device.h"
#include "vmm/confine.h"
#include "vmm/options.h"
#include "vmm/page_tables.h"

#define DEVICES_POLL_MAX 512 /* descriptors of all devices */

struct net;

struct devices {
	struct virtio_device *list[MOTE_DEVICES_MAX];
	unsigned count;
	const struct net *net; /* one of them; NULL: none */
	struct virtio_device *console;
	struct confine_needs needs; /* of all of them */
	bool sets_balloon;          /* of a restored VM: its balloon gets a new target, in bytes */
	uint64_t balloon_target;
	/* filled by devices_poll() */
	struct pollfd *polls;
	struct {
		struct virtio_device *device;
		unsigned first, count; /* in polls */
	} polled[MOTE_DEVICES_MAX];
	unsigned polled_count;
};

/**
 * devices_open() - Make the devices that the options ask for.
 * @memory: of the guest; may be without memory still
 *
 * To be called before confinement: opens what they need on the host.
 */
int devices_open(struct devices *devices, const struct run_options *options,
                 const struct guest_memory *memory, struct mote_error *err);

/* Close and free them all. */
void devices_close(struct devices *devices);

/* Bytes that devices_place() takes: whole pages. */
uint64_t devices_rings_size(const struct devices *devices);

/**
 * devices_place() - Put all queues into guest memory and take the driver's part of the handshake.
 * @gpa: page-aligned, of devices_rings_size() bytes that are zero
 */
int devices_place(struct devices *devices, uint64_t gpa, struct mote_error *err);

/* Map the registers for the guest. */
int devices_map(const struct devices *devices, struct page_tables *tables, struct mote_error *err);

/* Write the devices' nodes (libfdt's sequential writing): 0 or an error of libfdt's. */
int devices_describe(const struct devices *devices, void *tree);
/* Bytes that they take at most. */
size_t devices_describe_bound(const struct devices *devices);

/* Serve an access to a register: whether there is a device at @gpa. @data: @length bytes, 1 to 8 */
bool devices_access(struct devices *devices, uint64_t gpa, bool is_write, void *data,
                    size_t length);

/**
 * devices_serve() - Serve all queues that have work.
 * @goes_on: the guest does at once, so that it can see the end of what is begun here
 */
void devices_serve(struct devices *devices, bool goes_on);

/* End what the guest went on beside. To be called whenever it has stopped running: nothing that the
 * VMM does otherwise happens while a device still writes to guest memory. */
void devices_finish(struct devices *devices);

/**
 * devices_poll() - What all devices wait for on the host, in devices->polls from @first on.
 * @first: how many entries are left free in front, for the caller's own
 *
 * Return: how many there are behind them.
 */
unsigned devices_poll(struct devices *devices, unsigned first);

/* The same entries now have their revents: serve what is ready. */
void devices_polled(struct devices *devices);

/* Serve what is ready, without waiting. */
void devices_look(struct devices *devices);

/* The guest has ended: pass on what it has given. Whether some is left, for later. */
bool devices_drain(struct devices *devices);

/* MOTE_EVENT_* among @events that drivers have not been told of; forgets them. */
uint64_t devices_take_events(struct devices *devices, uint64_t events);
/* The same, without forgetting. */
bool devices_have_events(const struct devices *devices);

#endif
