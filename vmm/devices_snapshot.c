/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio devices of a snapshot: saved, compared with those that were given, and restored. */
#include "vmm/devices_snapshot.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/balloon.h"
#include "virtio/block.h"
#include "virtio/console.h"
#include "virtio/entropy.h"
#include "virtio/fs.h"
#include "virtio/net.h"
#include "virtio/virtio_state.h"
#include "vmm/devices_net.h"

#define STATE_VERSION 1u

struct devices_state {
	uint32_t version, count;
	uint64_t size; /* of the section, with this */
};
_Static_assert(sizeof(struct devices_state) == 16, "part of the file format");
_Static_assert(sizeof(struct virtio_device_state) % 8 == 0, "each device's is aligned");

static size_t round_up(size_t size)
{
	return (size + 15) & ~(size_t)15;
}

/* ---- saving ---- */

size_t devices_save_bound(const struct devices *devices)
{
	size_t bound = sizeof(struct devices_state);

	for (unsigned i = 0; i < devices->count; i++)
		bound += virtio_device_save_bound(devices->list[i]);
	return round_up(bound);
}

int devices_save(struct devices *devices, void *buffer, size_t size, size_t *used,
                 struct mote_error *err)
{
	struct devices_state *state = buffer;
	char *start = buffer;
	size_t at = sizeof *state;

	if (size < at)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "no room for the state of the guest's devices");
	for (unsigned i = 0; i < devices->count; i++) {
		size_t part = virtio_device_save(devices->list[i], start + at, size - at);

		if (!part)
			return mote_error_set(err, MOTE_STATUS_FAILED,
			                      "no room for the state of the guest's %s device",
			                      devices->list[i]->ops->name);
		at += part;
	}
	if (round_up(at) > size)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "no room for the state of the guest's devices");
	memset(start + at, 0, round_up(at) - at);
	*used = round_up(at);
	*state = (struct devices_state){
	        .version = STATE_VERSION, .count = devices->count, .size = *used};
	return 0;
}

size_t devices_report_ties(const struct devices *devices, char *text, size_t size)
{
	size_t used = 0;

	for (unsigned i = 0; i < devices->count; i++)
		if (devices->list[i]->ops->id == VIRTIO_ID_FS)
			used += fs_report_ties(devices->list[i], text + used, size - used);
	return used;
}

/* ---- reading ---- */

static int malformed(struct mote_error *err)
{
	return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
	                      "the snapshot's devices are not as they should be: the file is "
	                      "damaged");
}

struct states {
	unsigned count;
	const struct virtio_device_state *list[MOTE_DEVICES_MAX];
};

/* Where each device's state lies: their sizes fill the section, but for its last few bytes. */
static int find_states(const void *bytes, size_t size, struct states *states,
                       struct mote_error *err)
{
	const struct devices_state *header = bytes;
	const char *start = bytes;
	size_t at = sizeof *header;

	if (size < at || size % 16 || header->size != size)
		return malformed(err);
	if (header->version != STATE_VERSION)
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
		                      "the snapshot's devices have version %u, this mote knows %u",
		                      header->version, STATE_VERSION);
	if (header->count > MOTE_DEVICES_MAX)
		return malformed(err);
	states->count = header->count;
	for (unsigned i = 0; i < header->count; i++) {
		const struct virtio_device_state *state = (const void *)(start + at);

		if (size - at < sizeof *state || state->specific_size % 8 ||
		    size - at - sizeof *state < state->specific_size)
			return malformed(err);
		states->list[i] = state;
		at += sizeof *state + state->specific_size;
	}
	return round_up(at) == size ? 0 : malformed(err);
}

/* ---- finding those that were given ---- */

struct search {
	struct virtio_device *given[MOTE_DEVICES_MAX]; /* NULL: taken */
	unsigned count;
	const struct run_options *options;
	const struct guest_memory *memory;
};

static struct virtio_device *take(struct search *search, unsigned index)
{
	struct virtio_device *device = search->given[index];

	search->given[index] = NULL;
	return device;
}

static struct virtio_device *take_kind(struct search *search, uint32_t id)
{
	for (unsigned i = 0; i < search->count; i++)
		if (search->given[i] && search->given[i]->ops->id == id)
			return take(search, i);
	return NULL;
}

struct size_text {
	char text[24];
};

static struct size_text size_text(uint64_t bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	struct size_text size;
	unsigned unit = 0;

	while (unit < 4 && bytes >= 1024 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	snprintf(size.text, sizeof size.text, "%llu %s", (unsigned long long)bytes, units[unit]);
	return size;
}

/* "disk `data' (1 GiB)" or "disk 2 (1 GiB), which has no name" */
struct disk_text {
	char text[96];
};

static struct disk_text disk_text(const struct block_identity *disk)
{
	struct size_text size = size_text(disk->sectors * BLOCK_SECTOR);
	struct disk_text text;

	if (*disk->id)
		snprintf(text.text, sizeof text.text, "disk `%s' (%s)", disk->id, size.text);
	else
		snprintf(text.text, sizeof text.text, "a disk without a name (%s)", size.text);
	return text;
}

static int missing_disk(const struct block_identity *disk, bool is_read_only,
                        struct mote_error *err)
{
	return mote_error_set(
	        err, MOTE_STATUS_FAILED, "the snapshot has %s: give it with --disk FILE%s%s%s",
	        disk_text(disk).text, *disk->id ? ",id=" : "", disk->id, is_read_only ? ",ro" : "");
}

static int check_disk(const struct block_identity *disk, const struct block_identity *given,
                      bool is_read_only, bool is_given_read_only, struct mote_error *err)
{
	if (given->sectors < disk->sectors)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "the snapshot has %s, the one given is smaller (%s)",
		                      disk_text(disk).text,
		                      size_text(given->sectors * BLOCK_SECTOR).text);
	if (is_read_only != is_given_read_only)
		return mote_error_set(
		        err, MOTE_STATUS_FAILED, "the snapshot has %s, which is %s: give it %s ,ro",
		        disk_text(disk).text, is_read_only ? "only read" : "written to",
		        is_read_only ? "with" : "without");
	return 0;
}

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
			return false;
	return true;
}

static int find_disk(struct search *search, const struct virtio_device_state *state,
                     struct virtio_device **found, struct mote_error *err)
{
	bool is_read_only = state->driver_features & VIRTIO_FEATURE(VIRTIO_BLK_F_RO);
	struct block_identity disk;

	if (!block_read_state(state + 1, state->specific_size, &disk) || !is_printable(disk.id))
		return malformed(err);
	for (unsigned i = 0; i < search->count; i++) {
		struct virtio_device *device = search->given[i];
		struct block_identity given;

		if (!device || device->ops->id != VIRTIO_ID_BLOCK)
			continue;
		given = block_identity(device);
		if (strcmp(given.id, disk.id) != 0)
			continue;
		*found = take(search, i);
		return check_disk(&disk, &given, is_read_only,
		                  device->features & VIRTIO_FEATURE(VIRTIO_BLK_F_RO), err);
	}
	return missing_disk(&disk, is_read_only, err);
}

static int find_share(struct search *search, const struct virtio_device_state *state,
                      struct virtio_device **found, struct mote_error *err)
{
	const char *place = fs_read_state(state + 1, state->specific_size);

	if (!place || !is_printable(place))
		return malformed(err);
	for (unsigned i = 0; i < search->count; i++)
		if (search->given[i] && search->given[i]->ops->id == VIRTIO_ID_FS &&
		    strcmp(fs_mount_point(search->given[i]), place) == 0) {
			*found = take(search, i);
			return 0;
		}
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "the snapshot has a share at %s: give it with --share HOSTDIR:%s",
	                      place, place);
}

/* --net none: the user says so. */
static int make_dead_net(const struct search *search, struct virtio_device **found,
                         struct mote_error *err)
{
	struct net *net = devices_make_dead_net(search->memory, err);

	if (!net)
		return -1;
	*found = &net->device;
	return 0;
}

/* What reaches nothing of the host is made where it is missing; the rest has to be given. */
static int find_one(struct search *search, const struct virtio_device_state *state,
                    struct virtio_device **found, struct mote_error *err)
{
	if (state->id == VIRTIO_ID_BLOCK)
		return find_disk(search, state, found, err);
	if (state->id == VIRTIO_ID_FS)
		return find_share(search, state, found, err);
	*found = take_kind(search, state->id);
	if (*found)
		return 0;
	switch (state->id) {
	case VIRTIO_ID_RNG:
		*found = calloc(1, sizeof **found);
		if (*found)
			entropy_init(*found, search->memory);
		break;
	case VIRTIO_ID_CONSOLE: *found = virtio_console_create(search->memory); break;
	case VIRTIO_ID_BALLOON: *found = balloon_open(0, search->memory); break;
	case VIRTIO_ID_NET:
		if (search->options->net.is_given)
			return make_dead_net(search, found, err);
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "the snapshot has a network: give it with --net user or "
		                      "--net tap=NAME, or leave it without one by --net none");
	case VIRTIO_ID_VSOCK:
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "the snapshot has sockets to the host: give them with "
		                      "--vsock PATH");
	default: return malformed(err);
	}
	return *found ? 0
	              : mote_error_set(err, MOTE_STATUS_FAILED,
	                               "no memory for the guest's devices");
}

static int refuse_left_over(const struct search *search, struct mote_error *err)
{
	for (unsigned i = 0; i < search->count; i++) {
		const struct virtio_device *device = search->given[i];

		if (!device)
			continue;
		if (device->ops->id == VIRTIO_ID_FS)
			return mote_error_set(err, MOTE_STATUS_FAILED,
			                      "the snapshot has no share at %s: leave it out",
			                      fs_mount_point(device));
		if (device->ops->id == VIRTIO_ID_BLOCK) {
			struct block_identity disk = block_identity(device);

			return mote_error_set(err, MOTE_STATUS_FAILED,
			                      "the snapshot does not have %s: leave it out",
			                      disk_text(&disk).text);
		}
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "the snapshot has no %s device: leave it out",
		                      device->ops->name);
	}
	return 0;
}

/* For devices_close(). */
static void keep_left_over(struct devices *devices, const struct search *search)
{
	for (unsigned i = 0; i < search->count; i++) {
		if (devices->count < MOTE_DEVICES_MAX && search->given[i])
			devices->list[devices->count++] = search->given[i];
		else
			virtio_device_close(search->given[i]);
	}
}

/* In the order of the snapshot; what is left of @search afterwards is in nobody's hands. */
static int adopt(struct devices *devices, struct search *search, const struct states *states,
                 struct mote_error *err)
{
	devices->count = 0;
	for (unsigned i = 0; i < states->count; i++) {
		struct virtio_device *device = NULL;

		if (find_one(search, states->list[i], &device, err) || !device)
			return -1;
		devices->list[devices->count++] = device;
		if (device->ops->id == VIRTIO_ID_CONSOLE)
			devices->console = device;
		if (device->ops->id == VIRTIO_ID_NET)
			devices->net = (const struct net *)device;
	}
	return refuse_left_over(search, err);
}

int devices_adopt(struct devices *devices, const struct run_options *options,
                  const struct guest_memory *memory, const void *bytes, size_t size,
                  struct mote_error *err)
{
	struct search search = {.count = devices->count, .options = options, .memory = memory};
	struct states states = {.count = 0};

	if (find_states(bytes, size, &states, err))
		return -1;
	memcpy(search.given, devices->list, sizeof search.given);
	if (adopt(devices, &search, &states, err)) {
		keep_left_over(devices, &search);
		return -1;
	}
	devices->sets_balloon = options->balloon;
	devices->balloon_target = options->balloon_bytes;
	if (devices->count && !devices->polls)
		devices->polls = calloc(DEVICES_POLL_MAX, sizeof *devices->polls);
	return devices->count && !devices->polls
	               ? mote_error_set(err, MOTE_STATUS_FAILED,
	                                "no memory for the guest's devices")
	               : 0;
}

/* ---- restoring ---- */

int devices_restore(struct devices *devices, const void *bytes, size_t size, struct mote_error *err)
{
	struct states states = {.count = 0};

	if (find_states(bytes, size, &states, err))
		return -1;
	if (states.count != devices->count)
		return malformed(err);
	for (unsigned i = 0; i < states.count; i++) {
		struct virtio_device *device = devices->list[i];

		if (virtio_device_load(device, states.list[i]))
			return mote_error_set(
			        err, MOTE_STATUS_CANNOT_RUN,
			        "the %s device cannot take up the state that it has in the "
			        "snapshot: the file is damaged, or of a mote with other devices",
			        device->ops->name);
		if (device->ops->id == VIRTIO_ID_BALLOON && devices->sets_balloon &&
		    devices->balloon_target != balloon_target(device))
			balloon_set_target(device, devices->balloon_target);
	}
	return 0;
}

/* What the snapshot remembers of a network is of another one, in each start from it. */
uint32_t devices_generation_flags(const struct devices *devices)
{
	uint32_t flags = devices->net ? MOTE_GENERATION_NEW_NETWORK : 0;

	for (unsigned i = 0; i < devices->count; i++)
		if (devices->list[i]->ops->id == VIRTIO_ID_FS && fs_is_other(devices->list[i]))
			flags |= MOTE_GENERATION_OTHER_SHARES;
	return flags;
}
