/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio devices of one microVM. docs/devices.md says how a guest finds and reaches them. */
#include "vmm/devices.h"

#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "virtio/balloon.h"
#include "virtio/block.h"
#include "virtio/console.h"
#include "virtio/entropy.h"
#include "virtio/fs.h"
#include "virtio/virtio_mmio.h"
#include "virtio/vsock.h"
#include "vmm/devices_net.h"
#include "vmm/disk.h"

#define NODE_BOUND \
	1024 /* bytes of the device tree that a device takes at most, but for its config */

/* ---- making them ---- */

static int out_of_memory(struct mote_error *err)
{
	return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for the guest's devices");
}

static int add(struct devices *devices, struct virtio_device *device, struct mote_error *err)
{
	if (devices->count == MOTE_DEVICES_MAX) {
		virtio_device_close(device);
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "a microVM has at most %d devices; leave some out",
		                      MOTE_DEVICES_MAX);
	}
	devices->list[devices->count++] = device;
	return 0;
}

static int open_entropy(struct devices *devices, const struct guest_memory *memory,
                        struct mote_error *err)
{
	struct virtio_device *device = calloc(1, sizeof *device);

	if (!device)
		return out_of_memory(err);
	entropy_init(device, memory);
	return add(devices, device, err);
}

static int open_console(struct devices *devices, const struct guest_memory *memory,
                        struct mote_error *err)
{
	devices->console = virtio_console_create(memory);
	return devices->console ? add(devices, devices->console, err) : out_of_memory(err);
}

static int open_balloon(struct devices *devices, uint64_t target, const struct guest_memory *memory,
                        struct mote_error *err)
{
	struct virtio_device *device = balloon_open(target, memory);

	return device ? add(devices, device, err) : out_of_memory(err);
}

static int open_vsock(struct devices *devices, const char *path, const struct guest_memory *memory,
                      struct mote_error *err)
{
	struct virtio_device *device = vsock_open(path, memory, err);

	if (!device)
		return -1;
	devices->needs.groups |= CONFINE_VSOCK;
	devices->needs.files += VSOCK_CONNECTIONS + 1;
	return add(devices, device, err);
}

static int open_net(struct devices *devices, const struct net_options *options,
                    const struct guest_memory *memory, struct mote_error *err)
{
	struct net *net = devices_open_net(options, memory, err);

	if (!net)
		return -1;
	devices->net = net;
	devices->needs.groups |= CONFINE_NET;
	return add(devices, &net->device, err);
}

_Static_assert(SHARES_MAX <= CONFINE_DIRECTORIES_MAX, "each share is within reach");

static int open_shares(struct devices *devices, const struct share_options *options,
                       const struct guest_memory *memory, struct mote_error *err)
{
	struct confine_needs *needs = &devices->needs;

	for (unsigned int i = 0; i < options->count; i++) {
		const struct fs_share *share = &options->list[i];
		struct virtio_device *device = fs_open(share, i, memory, err);

		if (!device || add(devices, device, err))
			return -1;
		needs->groups |= CONFINE_SHARE;
		needs->files += FS_DESCRIPTORS_MAX;
		needs->directories[needs->directory_count++] = (struct confine_directory){
		        .fd = fs_directory(device), .is_read_only = share->is_read_only};
	}
	return 0;
}

static int open_disks(struct devices *devices, const struct disk_options *options,
                      const struct guest_memory *memory, struct mote_error *err)
{
	for (unsigned i = 0; i < options->count; i++) {
		struct virtio_device *device;
		struct block_backing backing;

		if (disk_open(&options->list[i], &backing, err))
			return -1;
		device = block_create(&backing, memory);
		if (!device) {
			close(backing.file);
			return out_of_memory(err);
		}
		devices->needs.groups |= CONFINE_DISK;
		if (add(devices, device, err))
			return -1;
	}
	return 0;
}

int devices_open(struct devices *devices, const struct run_options *options,
                 const struct guest_memory *memory, struct mote_error *err)
{
	if ((options->entropy && open_entropy(devices, memory, err)) ||
	    (options->virtio_console && open_console(devices, memory, err)) ||
	    (options->balloon && open_balloon(devices, options->balloon_bytes, memory, err)) ||
	    open_disks(devices, &options->disks, memory, err) ||
	    open_shares(devices, &options->shares, memory, err) ||
	    (options->vsock_path && open_vsock(devices, options->vsock_path, memory, err)) ||
	    (options->net.kind != NET_NONE && open_net(devices, &options->net, memory, err)))
		return -1;
	if (!devices->count)
		return 0;
	devices->polls = calloc(DEVICES_POLL_MAX, sizeof *devices->polls);
	return devices->polls ? 0 : out_of_memory(err);
}

void devices_close(struct devices *devices)
{
	for (unsigned i = 0; i < devices->count; i++)
		virtio_device_close(devices->list[i]);
	free(devices->polls);
	*devices = (struct devices){.count = 0};
}

/* ---- describing them ---- */

static uint64_t page_up(uint64_t value)
{
	return (value + MOTE_PAGE_SIZE - 1) & ~(MOTE_PAGE_SIZE - 1);
}

/* The three areas of a queue one behind the other, aligned as 2.7 asks; at most its own pages. */
static uint64_t driver_offset(unsigned size)
{
	return virtqueue_descriptors_size(size);
}

static uint64_t device_offset(unsigned size)
{
	return (driver_offset(size) + virtqueue_driver_size(size) + 3) & ~3ull;
}

static uint64_t queue_size(unsigned size)
{
	return (device_offset(size) + virtqueue_device_size(size) + 15) & ~15ull;
}

static uint64_t queues_size(const struct virtio_device_ops *ops)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < ops->queue_count; i++)
		size += queue_size(ops->queue_size[i]);
	return page_up(size);
}

static uint64_t rings_size(const struct virtio_device *device)
{
	return queues_size(device->ops) + device->shared_size;
}

uint64_t devices_rings_size(const struct devices *devices)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < devices->count; i++)
		size += rings_size(devices->list[i]);
	return size;
}

static int prepare(struct virtio_device *device, uint64_t gpa)
{
	device->driver_features = device->features;
	if (device->shared_size)
		device->shared.value = gpa + queues_size(device->ops);
	for (unsigned i = 0; i < device->ops->queue_count; i++) {
		struct virtqueue *queue = &device->queues[i];

		queue->size = device->ops->queue_size[i];
		queue->descriptors.value = gpa;
		queue->driver_area.value = gpa + driver_offset(queue->size);
		queue->device_area.value = gpa + device_offset(queue->size);
		gpa += queue_size(queue->size);
		virtio_device_enable_queue(device, i);
	}
	return virtio_device_prepare(device, device->features);
}

int devices_place(struct devices *devices, uint64_t gpa, struct mote_error *err)
{
	for (unsigned i = 0; i < devices->count; i++) {
		struct virtio_device *device = devices->list[i];

		if (prepare(device, gpa))
			return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
			                      "the guest's memory has no room for the queues of "
			                      "its %s device. Give it more with --mem",
			                      device->ops->name);
		gpa += rings_size(device);
	}
	return 0;
}

int devices_map(const struct devices *devices, struct page_tables *tables, struct mote_error *err)
{
	return devices->count ? page_tables_map(tables, MOTE_DEVICES_VA, MOTE_DEVICES_GPA,
	                                        devices->count * MOTE_PAGE_SIZE,
	                                        PTE_USER | PTE_WRITABLE | PTE_NO_EXEC, err)
	                      : 0;
}

size_t devices_describe_bound(const struct devices *devices)
{
	size_t bound = 0;

	for (unsigned i = 0; i < devices->count; i++)
		bound += NODE_BOUND + devices->list[i]->ops->config_size;
	return bound;
}

/* A triple a queue: entries, and where its descriptors are; the other areas follow
 * (device-tree.md). */
static int put_queues(const struct virtio_device *device, void *tree)
{
	fdt32_t cells[VIRTIO_QUEUES_MAX][3];

	for (unsigned i = 0; i < device->ops->queue_count; i++) {
		const struct virtqueue *queue = &device->queues[i];

		cells[i][0] = cpu_to_fdt32(queue->size);
		cells[i][1] = cpu_to_fdt32((uint32_t)(queue->descriptors.value >> 32));
		cells[i][2] = cpu_to_fdt32((uint32_t)queue->descriptors.value);
	}
	return fdt_property(tree, "mote,queues", cells,
	                    (int)(device->ops->queue_count * sizeof cells[0]));
}

static int put_config(struct virtio_device *device, void *tree)
{
	size_t size = device->ops->config_size;
	void *at;
	int status;

	if (!size)
		return 0;
	status = fdt_property_placeholder(tree, "mote,config", (int)size, &at);
	if (!status)
		device->ops->read_config(device, 0, at, size);
	return status;
}

static int describe(struct virtio_device *device, unsigned index, void *tree)
{
	uint64_t gpa = MOTE_DEVICES_GPA + index * MOTE_PAGE_SIZE;
	fdt64_t reg[2] = {cpu_to_fdt64(gpa), cpu_to_fdt64(VIRTIO_MMIO_SIZE)};
	char name[32];

	snprintf(name, sizeof name, "virtio@%llx", (unsigned long long)gpa);
	return fdt_begin_node(tree, name) ||
	       fdt_property_string(tree, "compatible", "virtio,mmio") ||
	       fdt_property(tree, "reg", reg, sizeof reg) ||
	       fdt_property_u32(tree, "mote,device", device->ops->id) ||
	       fdt_property_u64(tree, "mote,features", device->driver_features) ||
	       put_queues(device, tree) || put_config(device, tree) ||
	       (device->ops->describe && device->ops->describe(device, tree)) || fdt_end_node(tree);
}

int devices_describe(const struct devices *devices, void *tree)
{
	int status = 0;

	for (unsigned i = 0; !status && i < devices->count; i++)
		status = describe(devices->list[i], i, tree);
	return status;
}

/* ---- serving them ---- */

bool devices_access(struct devices *devices, uint64_t gpa, bool is_write, void *data, size_t length)
{
	uint64_t index = (gpa - MOTE_DEVICES_GPA) / MOTE_PAGE_SIZE, offset = gpa % MOTE_PAGE_SIZE;

	if (gpa < MOTE_DEVICES_GPA || index >= devices->count)
		return false;
	if (is_write)
		virtio_mmio_write(devices->list[index], offset, data, length);
	else
		virtio_mmio_read(devices->list[index], offset, data, length);
	return true;
}

void devices_serve(struct devices *devices, bool goes_on)
{
	for (unsigned i = 0; i < devices->count; i++) {
		devices->list[i]->goes_on = goes_on;
		virtio_device_serve(devices->list[i]);
		devices->list[i]->goes_on = false;
	}
}

void devices_finish(struct devices *devices)
{
	for (unsigned i = 0; i < devices->count; i++)
		virtio_device_finish(devices->list[i]);
}

unsigned devices_poll(struct devices *devices, unsigned first)
{
	unsigned next = first;

	devices->polled_count = 0;
	for (unsigned i = 0; i < devices->count; i++) {
		struct virtio_device *device = devices->list[i];
		unsigned count;

		if (!device->ops->poll || !virtio_device_is_live(device) ||
		    next + VIRTIO_POLL_MAX > DEVICES_POLL_MAX)
			continue;
		count = device->ops->poll(device, devices->polls + next);
		if (!count)
			continue;
		devices->polled[devices->polled_count].device = device;
		devices->polled[devices->polled_count].first = next;
		devices->polled[devices->polled_count++].count = count;
		next += count;
	}
	return next - first;
}

static bool is_any_ready(const struct pollfd *polls, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (polls[i].revents)
			return true;
	return false;
}

void devices_polled(struct devices *devices)
{
	for (unsigned i = 0; i < devices->polled_count; i++) {
		const struct pollfd *polls = devices->polls + devices->polled[i].first;
		unsigned count = devices->polled[i].count;

		if (is_any_ready(polls, count))
			virtio_device_polled(devices->polled[i].device, polls, count);
	}
}

/* #syscalls:run ppoll */
void devices_look(struct devices *devices)
{
	const struct timespec at_once = {0, 0};
	unsigned count;

	devices_serve(devices, false);
	count = devices_poll(devices, 0);
	if (count && ppoll(devices->polls, count, &at_once, NULL) > 0)
		devices_polled(devices);
}

bool devices_drain(struct devices *devices)
{
	bool has_more = false;

	for (unsigned i = 0; i < devices->count; i++) {
		struct virtio_device *device = devices->list[i];

		if (device->ops->drain && virtio_device_is_live(device))
			has_more |= device->ops->drain(device);
	}
	return has_more;
}

bool devices_have_events(const struct devices *devices)
{
	for (unsigned i = 0; i < devices->count; i++)
		if (devices->list[i]->untold)
			return true;
	return false;
}

uint64_t devices_take_events(struct devices *devices, uint64_t events)
{
	uint64_t happened = 0;

	for (unsigned i = 0; i < devices->count; i++) {
		struct virtio_device *device = devices->list[i];

		if (events & MOTE_EVENT_DEVICE && device->untold & VIRTIO_INTERRUPT_USED) {
			device->untold &= ~VIRTIO_INTERRUPT_USED;
			happened |= MOTE_EVENT_DEVICE;
		}
		if (events & MOTE_EVENT_CONFIG && device->untold & VIRTIO_INTERRUPT_CONFIG) {
			device->untold &= ~VIRTIO_INTERRUPT_CONFIG;
			happened |= MOTE_EVENT_CONFIG;
		}
	}
	return happened;
}
