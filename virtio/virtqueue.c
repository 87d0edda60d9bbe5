/* SPDX-License-Identifier: Apache-2.0 */
/* Split virtqueues, the device's side; the header has the rules. */
#include "virtio/virtqueue.h"

#include <linux/virtio_ring.h>
#include <string.h>

/* Most that one chain may hold: its length has to fit what a system call moves, and a used entry.
 */
#define CHAIN_BYTES_MAX (1ull << 30)

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

/* struct vring_desc at any address: 2.7.5.3 asks for no alignment of indirect tables. */
struct descriptor {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
} __attribute__((packed));

_Static_assert(sizeof(struct descriptor) == sizeof(struct vring_desc), "virtio 1.2, 2.7.5");

static const volatile struct descriptor *descriptors(const struct virtqueue *queue)
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

	if (!size || size > queue->size_max || size > VIRTQUEUE_SIZE_MAX || (size & (size - 1)) ||
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

/* How many chains there are to take. Where there is none, ask to be told of the next; then look
 * again, since it may have come. */
static uint16_t waiting(const struct virtqueue *queue)
{
	uint16_t count = (uint16_t)(available_index(queue) - queue->next_available);

	if (count || !queue->has_event_index)
		return count;
	device_area(queue)[2 + 4 * (size_t)queue->size] = queue->next_available;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return (uint16_t)(available_index(queue) - queue->next_available);
}

/* The descriptors of a table that a chain goes through. */
struct table {
	const volatile struct descriptor *at; /* NULL: not in guest memory */
	unsigned size;
	bool is_indirect;
};

static struct descriptor read_descriptor(const volatile struct descriptor *descriptor)
{
	return (struct descriptor){.addr = descriptor->addr,
	                           .len = descriptor->len,
	                           .flags = descriptor->flags,
	                           .next = descriptor->next};
}

/* A device-readable descriptor may not follow a writable one (2.7.4.2). */
static int add_vector(const struct virtqueue *queue, struct virtqueue_chain *chain,
                      const struct descriptor *descriptor)
{
	void *at = guest_range(queue->memory, (mote_gpa_t){descriptor->addr}, descriptor->len);
	unsigned count = chain->out_count + chain->in_count;
	bool is_in = descriptor->flags & VRING_DESC_F_WRITE;

	if (!at || chain->out_bytes + chain->in_bytes + descriptor->len > CHAIN_BYTES_MAX ||
	    (!is_in && chain->in_count))
		return -1;
	if (!descriptor->len)
		return 0;
	chain->vectors[count] = (struct iovec){at, descriptor->len};
	*(is_in ? &chain->in_count : &chain->out_count) += 1;
	*(is_in ? &chain->in_bytes : &chain->out_bytes) += descriptor->len;
	return 0;
}

/* The table that a descriptor stands for; it is the last of the queue's own (2.7.5.3). */
static int enter_table(const struct virtqueue *queue, const struct descriptor *descriptor,
                       struct table *table)
{
	if (table->is_indirect || !queue->has_indirect || descriptor->flags & VRING_DESC_F_NEXT ||
	    !descriptor->len || descriptor->len % sizeof *descriptor)
		return -1;
	table->at = guest_range(queue->memory, (mote_gpa_t){descriptor->addr}, descriptor->len);
	table->size = descriptor->len / sizeof *descriptor;
	table->is_indirect = true;
	return table->at ? 0 : -1;
}

/* No chain is longer than the queue (2.7.5.3.1), so that one with a loop is too long. */
static int walk(const struct virtqueue *queue, struct virtqueue_chain *chain)
{
	struct table table = {.at = descriptors(queue), .size = queue->size};
	unsigned index = chain->head, length = 0;

	while (index < table.size && length < queue->size) {
		struct descriptor descriptor = read_descriptor(&table.at[index]);

		if (descriptor.flags & VRING_DESC_F_INDIRECT) {
			if (enter_table(queue, &descriptor, &table))
				return -1;
			index = 0;
			continue;
		}
		if (add_vector(queue, chain, &descriptor))
			return -1;
		if (!(descriptor.flags & VRING_DESC_F_NEXT))
			return 0;
		index = descriptor.next;
		length++;
	}
	return -1;
}

int virtqueue_next(struct virtqueue *queue, struct virtqueue_chain *chain)
{
	unsigned count;

	if (!queue->is_ready || queue->is_broken)
		return queue->is_broken ? -1 : 0;
	count = waiting(queue);
	if (!count)
		return 0;
	/* Each chain that is waiting or in flight has a head of its own. */
	if (count + queue->in_flight > queue->size || queue->left == 1)
		return broken(queue);
	chain->head = driver_area(queue)[2 + queue->next_available % queue->size];
	chain->out_count = chain->in_count = 0;
	chain->out_bytes = chain->in_bytes = 0;
	if (walk(queue, chain))
		return broken(queue);
	queue->next_available++;
	queue->in_flight++;
	queue->left -= queue->left > 0;
	return 1;
}

void virtqueue_put_back(struct virtqueue *queue)
{
	queue->next_available--;
	queue->in_flight--;
	queue->left += queue->left > 0;
}

/* ---- giving back ---- */

void virtqueue_complete(struct virtqueue *queue, uint16_t head, uint32_t written)
{
	volatile uint16_t *area;
	volatile struct vring_used_elem *element;

	if (!queue->is_ready || queue->is_broken)
		return;
	if (!queue->in_flight) { /* of a life of the queue that is over */
		queue->is_broken = true;
		return;
	}
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
