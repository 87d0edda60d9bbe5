/* SPDX-License-Identifier: Apache-2.0 */
/* Split virtqueues, the device's side; the header has the rules. */
#include "virtio/virtqueue.h"

#include <linux/virtio_ring.h>
#include <string.h>

/* Most that one chain may hold, so that its length fits the 32 bits of a used entry. */
#define CHAIN_BYTES_MAX (1ull << 30)

_Static_assert(sizeof(struct vring_desc) == 16, "virtio 1.2, 2.7.5");

size_t virtqueue_descriptors_size(unsigned size)
{
	return size * sizeof(struct vring_desc);
}

size_t virtqueue_driver_size(unsigned size)
{
	return 6 + 2 * (size_t)size;
}

size_t virtqueue_device_size(unsigned size)
{
	return 6 + sizeof(struct vring_used_elem) * size;
}

void virtqueue_reset(struct virtqueue *queue)
{
	*queue = (struct virtqueue){.memory = queue->memory, .size_max = queue->size_max};
}

/* ---- the areas, whose places virtqueue_enable() has checked; RAM does not move ---- */

static const volatile struct vring_desc *descriptors(const struct virtqueue *queue)
{
	return guest_range(queue->memory, queue->descriptors,
	                   virtqueue_descriptors_size(queue->size));
}

/* flags, idx, ring[size], used_event */
static const volatile uint16_t *driver_area(const struct virtqueue *queue)
{
	return guest_range(queue->memory, queue->driver_area, virtqueue_driver_size(queue->size));
}

/* flags, idx, struct vring_used_elem ring[size], avail_event */
static volatile uint16_t *device_area(const struct virtqueue *queue)
{
	return guest_range(queue->memory, queue->device_area, virtqueue_device_size(queue->size));
}

static uint16_t available_index(const struct virtqueue *queue)
{
	return __atomic_load_n(&driver_area(queue)[1], __ATOMIC_ACQUIRE);
}

static bool has_area(const struct virtqueue *queue, mote_gpa_t area, size_t size, unsigned align)
{
	return area.value % align == 0 && guest_range(queue->memory, area, size);
}

int virtqueue_enable(struct virtqueue *queue)
{
	unsigned size = queue->size;

	if (!size || size > queue->size_max || (size & (size - 1)) ||
	    !has_area(queue, queue->descriptors, virtqueue_descriptors_size(size), 16) ||
	    !has_area(queue, queue->driver_area, virtqueue_driver_size(size), 2) ||
	    !has_area(queue, queue->device_area, virtqueue_device_size(size), 4)) {
		queue->is_broken = true;
		return -1;
	}
	queue->is_ready = true;
	return 0;
}

/* ---- taking ---- */

static int broken(struct virtqueue *queue)
{
	queue->is_broken = true;
	return -1;
}

bool virtqueue_has_work(const struct virtqueue *queue)
{
	return queue->is_ready && !queue->is_broken &&
	       available_index(queue) != queue->next_available;
}

/* Ask to be told of the chain after those seen; then look again, since it may have come. */
static bool is_empty(struct virtqueue *queue)
{
	if (available_index(queue) != queue->next_available)
		return false;
	if (!queue->has_event_index)
		return true;
	device_area(queue)[2 + 4 * (size_t)queue->size] = queue->next_available;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return available_index(queue) == queue->next_available;
}

static struct vring_desc read_descriptor(const volatile struct vring_desc *descriptor)
{
	return (struct vring_desc){.addr = descriptor->addr,
	                           .len = descriptor->len,
	                           .flags = descriptor->flags,
	                           .next = descriptor->next};
}

/* A device-readable descriptor may not follow a writable one (2.7.4.2). */
static int add_vector(struct virtqueue *queue, struct virtqueue_chain *chain,
                      const struct vring_desc *descriptor)
{
	void *at = guest_range(queue->memory, (mote_gpa_t){descriptor->addr}, descriptor->len);
	unsigned count = chain->out_count + chain->in_count;

	if (!at || chain->out_bytes + chain->in_bytes + descriptor->len > CHAIN_BYTES_MAX)
		return broken(queue);
	if (!(descriptor->flags & VRING_DESC_F_WRITE) && chain->in_count)
		return broken(queue);
	if (!descriptor->len)
		return 0;
	chain->vectors[count] = (struct iovec){at, descriptor->len};
	if (descriptor->flags & VRING_DESC_F_WRITE) {
		chain->in_count++;
		chain->in_bytes += descriptor->len;
	} else {
		chain->out_count++;
		chain->out_bytes += descriptor->len;
	}
	return 0;
}

/* The descriptors of one table, from @index on. No chain is longer than its table, or the queue. */
static int walk_table(struct virtqueue *queue, struct virtqueue_chain *chain,
                      const volatile struct vring_desc *table, unsigned table_size, unsigned index,
                      bool is_indirect)
{
	for (unsigned length = 0; length < table_size && length < queue->size; length++) {
		struct vring_desc descriptor;

		if (index >= table_size)
			return broken(queue);
		descriptor = read_descriptor(&table[index]);
		if (descriptor.flags & VRING_DESC_F_INDIRECT) {
			unsigned entries = descriptor.len / sizeof descriptor;

			/* Alone in its chain: 2.7.5.3.1 allows others before it, of which no
			 * driver makes use. */
			if (is_indirect || length || !queue->has_indirect ||
			    descriptor.flags & VRING_DESC_F_NEXT || !entries ||
			    descriptor.len % sizeof descriptor || entries > queue->size)
				return broken(queue);
			table = guest_range(queue->memory, (mote_gpa_t){descriptor.addr},
			                    descriptor.len);
			return table ? walk_table(queue, chain, table, entries, 0, true)
			             : broken(queue);
		}
		if (add_vector(queue, chain, &descriptor))
			return -1;
		if (!(descriptor.flags & VRING_DESC_F_NEXT))
			return 0;
		index = descriptor.next;
	}
	return broken(queue);
}

int virtqueue_next(struct virtqueue *queue, struct virtqueue_chain *chain)
{
	if (!queue->is_ready || queue->is_broken)
		return queue->is_broken ? -1 : 0;
	if (is_empty(queue))
		return 0;
	if ((uint16_t)(available_index(queue) - queue->next_available) > queue->size ||
	    queue->in_flight >= queue->size)
		return broken(queue);
	chain->head = driver_area(queue)[2 + queue->next_available % queue->size];
	chain->out_count = chain->in_count = 0;
	chain->out_bytes = chain->in_bytes = 0;
	if (walk_table(queue, chain, descriptors(queue), queue->size, chain->head, false))
		return -1;
	queue->next_available++;
	queue->in_flight++;
	return 1;
}

void virtqueue_put_back(struct virtqueue *queue)
{
	queue->next_available--;
	queue->in_flight--;
}

/* ---- giving back ---- */

void virtqueue_complete(struct virtqueue *queue, uint16_t head, uint32_t written)
{
	volatile uint16_t *area;
	volatile struct vring_used_elem *element;

	if (!queue->is_ready || queue->is_broken)
		return;
	area = device_area(queue);
	element = (volatile struct vring_used_elem *)(area + 2) + queue->next_used % queue->size;
	element->id = head;
	element->len = written;
	queue->next_used++;
	queue->in_flight--;
	__atomic_store_n(&area[1], queue->next_used, __ATOMIC_RELEASE);
}

bool virtqueue_must_notify(struct virtqueue *queue)
{
	uint16_t told = queue->told_used, used = queue->next_used, wanted;

	if (!queue->is_ready || queue->is_broken || told == used)
		return false;
	queue->told_used = used;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!queue->has_event_index)
		return !(driver_area(queue)[0] & VRING_AVAIL_F_NO_INTERRUPT);
	wanted = driver_area(queue)[2 + (size_t)queue->size];
	return vring_need_event(wanted, used, told);
}

/* ---- vectors ---- */

/* The part at @offset of the vectors from @index on that lies in one of them; 0 at their end. */
static size_t next_part(const struct iovec *vectors, unsigned count, unsigned *index,
                        size_t *offset, char **part)
{
	while (*index < count && *offset >= vectors[*index].iov_len)
		*offset -= vectors[(*index)++].iov_len;
	if (*index == count)
		return 0;
	*part = (char *)vectors[*index].iov_base + *offset;
	return vectors[*index].iov_len - *offset;
}

size_t virtqueue_copy_from(const struct iovec *vectors, unsigned count, size_t offset, void *to,
                           size_t length)
{
	unsigned index = 0;
	size_t done = 0, size;
	char *part;

	while (done < length && (size = next_part(vectors, count, &index, &offset, &part))) {
		if (size > length - done)
			size = length - done;
		memcpy((char *)to + done, part, size);
		done += size;
		offset += size;
	}
	return done;
}

size_t virtqueue_copy_to(const struct iovec *vectors, unsigned count, size_t offset,
                         const void *from, size_t length)
{
	unsigned index = 0;
	size_t done = 0, size;
	char *part;

	while (done < length && (size = next_part(vectors, count, &index, &offset, &part))) {
		if (size > length - done)
			size = length - done;
		memcpy(part, (const char *)from + done, size);
		done += size;
		offset += size;
	}
	return done;
}

unsigned virtqueue_slice(const struct iovec *vectors, unsigned count, size_t offset, size_t length,
                         struct iovec *slice)
{
	unsigned index = 0, made = 0;
	size_t size;
	char *part;

	while (length && (size = next_part(vectors, count, &index, &offset, &part))) {
		if (size > length)
			size = length;
		slice[made++] = (struct iovec){part, size};
		length -= size;
		offset += size;
	}
	return made;
}
