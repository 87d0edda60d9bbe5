/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of split virtqueues, the device's side: chains right and wrong, notifications, wraps.
 */
#include "ring_driver.h"

#include <stdlib.h>

#define SIZE 8

static struct ring ring;
static struct virtqueue queue;
static struct virtqueue_chain chain;

static void start_with(uint16_t size, bool has_event_index)
{
	memset(ring_ram, 0, sizeof ring_ram);
	ring = (struct ring){.size = size};
	queue = (struct virtqueue){.size_max = VIRTQUEUE_SIZE_MAX,
	                           .has_event_index = has_event_index,
	                           .has_indirect = true};
	ring_place(&ring, &queue);
	cr_assert_eq(virtqueue_enable(&queue), 0);
}

static void start(void)
{
	start_with(SIZE, false);
}

TestSuite(virtqueue, .init = start, .timeout = 20);

/* A chain of one descriptor, made available. */
static void add_one(uint16_t head, uint64_t address, uint32_t length, uint16_t flags)
{
	ring_describe(&ring, head, address, length, flags, 0);
	ring_add(&ring, head);
}

static void expect_broken(void)
{
	cr_assert_eq(virtqueue_next(&queue, &chain), -1);
	cr_assert(queue.is_broken);
	/* And so it stays, until it is reset. */
	cr_assert_eq(virtqueue_next(&queue, &chain), -1);
	cr_assert_not(virtqueue_has_work(&queue));
	cr_assert_not(virtqueue_must_notify(&queue));
	virtqueue_reset(&queue);
	cr_assert_eq(virtqueue_next(&queue, &chain), 0);
	ring_place(&ring, &queue);
	cr_assert_eq(virtqueue_enable(&queue), 0);
}

static void *host(uint64_t address)
{
	return ring_ram + address;
}

/* ---- placing ---- */

static int enable(unsigned size, uint64_t descriptors, uint64_t driver, uint64_t device)
{
	virtqueue_reset(&queue);
	queue.size = (uint16_t)size;
	queue.descriptors.value = descriptors;
	queue.driver_area.value = driver;
	queue.device_area.value = device;
	return virtqueue_enable(&queue);
}

Test(virtqueue, sizes)
{
	for (unsigned size = 1; size <= VIRTQUEUE_SIZE_MAX; size *= 2)
		cr_assert_eq(enable(size, 0, 0x8000, 0x10000), 0);
	cr_assert_eq(enable(0, 0, 0x8000, 0x10000), -1);
	cr_assert(queue.is_broken);
	cr_assert_eq(enable(3, 0, 0x8000, 0x10000), -1);
	cr_assert_eq(enable(2 * VIRTQUEUE_SIZE_MAX, 0, 0x8000, 0x10000), -1);
	cr_assert_eq(enable(0x8000, 0, 0x8000, 0x10000), -1);
	queue.size_max = 16;
	cr_assert_eq(enable(32, 0, 0x8000, 0x10000), -1);
}

Test(virtqueue, areas_have_to_be_in_memory_and_aligned)
{
	const uint64_t end = RING_RAM_SIZE;

	cr_assert_eq(enable(8, end - 128, 0, 0x1000), 0);
	cr_assert_eq(enable(8, end - 112, 0, 0x1000), -1);
	cr_assert_eq(enable(8, 0, end - 22, 0x1000), 0);
	cr_assert_eq(enable(8, 0, end - 20, 0x1000), -1);
	cr_assert_eq(enable(8, 0, 0x1000, end - 72), 0);
	cr_assert_eq(enable(8, 0, 0x1000, end - 68), -1);
	cr_assert_eq(enable(8, UINT64_MAX - 15, 0, 0), -1);
	cr_assert_eq(enable(8, 0, UINT64_MAX - 1, 0), -1);
	cr_assert_eq(enable(8, 0, 0, UINT64_MAX - 3), -1);
	cr_assert_eq(enable(8, 8, 0x1000, 0x2000), -1);
	cr_assert_eq(enable(8, 0, 0x1001, 0x2000), -1);
	cr_assert_eq(enable(8, 0, 0x1000, 0x2002), -1);
}

/* Nonsense, but the driver's own. */
Test(virtqueue, areas_may_overlap)
{
	cr_assert_eq(enable(8, 0, 0, 0), 0);
	ring_add(&ring, 1);
	for (int i = 0; i < 20; i++) {
		int status = virtqueue_next(&queue, &chain);

		if (status > 0)
			virtqueue_complete(&queue, chain.head, UINT32_MAX);
	}
}

/* Giving a chain back makes the next one: as many as there are places are taken, and no more. */
Test(virtqueue, rings_that_feed_each_other_end)
{
	unsigned taken = 0;

	cr_assert_eq(enable(SIZE, 0, 0x1000, 0x1000), 0);
	queue.left = SIZE + 1;
	*(uint16_t *)host(0x1002) = 1;
	while (taken < 100 && virtqueue_next(&queue, &chain) > 0) {
		virtqueue_complete(&queue, 0, 0);
		*(uint16_t *)host(0x1002) = (uint16_t)(queue.next_used + 1);
		taken++;
	}
	cr_assert_eq(taken, SIZE);
	cr_assert(queue.is_broken);
}

/* One that is put back is not counted. */
Test(virtqueue, a_chain_that_is_put_back_can_be_taken_again)
{
	add_one(0, 0x1000, 10, 0);
	queue.left = 2;
	for (int i = 0; i < 10; i++) {
		cr_assert_eq(virtqueue_next(&queue, &chain), 1);
		virtqueue_put_back(&queue);
	}
	cr_assert_eq(virtqueue_next(&queue, &chain), 1);
	cr_assert_eq(virtqueue_next(&queue, &chain), 0);
}

/* ---- chains ---- */

Test(virtqueue, nothing_to_take)
{
	cr_assert_not(virtqueue_has_work(&queue));
	cr_assert_eq(virtqueue_next(&queue, &chain), 0);
	queue.is_ready = false;
	ring_add(&ring, 0);
	cr_assert_not(virtqueue_has_work(&queue));
	cr_assert_eq(virtqueue_next(&queue, &chain), 0);
}

Test(virtqueue, readable_then_writable)
{
	ring_describe(&ring, 5, 0x1000, 10, VRING_DESC_F_NEXT, 2);
	ring_describe(&ring, 2, 0x2000, 20, VRING_DESC_F_NEXT, 7);
	ring_describe(&ring, 7, 0x3000, 30, VRING_DESC_F_WRITE, 7);
	ring_add(&ring, 5);
	cr_assert(virtqueue_has_work(&queue));
	cr_assert_eq(virtqueue_next(&queue, &chain), 1);
	cr_assert_eq(chain.head, 5);
	cr_assert_eq(chain.out_count, 2);
	cr_assert_eq(chain.in_count, 1);
	cr_assert_eq(chain.out_bytes, 30);
	cr_assert_eq(chain.in_bytes, 30);
	cr_assert_eq(chain.vectors[1].iov_base, host(0x2000));
	cr_assert_eq(virtqueue_in(&chain)->iov_base, host(0x3000));
	cr_assert_eq(virtqueue_in(&chain)->iov_len, 30);
	cr_assert_eq(virtqueue_next(&queue, &chain), 0);
	virtqueue_complete(&queue, 5, 17);
	cr_assert_eq(ring_used(&ring)[1], 1);
	cr_assert_eq(ring_used_element(&ring, 0)->id, 5);
	cr_assert_eq(ring_used_element(&ring, 0)->len, 17);
}

Test(virtqueue, readable_after_writable)
{
	ring_describe(&ring, 0, 0x1000, 10, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	ring_describe(&ring, 1, 0x2000, 10, 0, 0);
	ring_add(&ring, 0);
	expect_broken();
}

Test(virtqueue, addresses)
{
	add_one(0, RING_RAM_SIZE - 4, 4, 0);
	cr_assert_eq(virtqueue_next(&queue, &chain), 1);
	add_one(1, RING_RAM_SIZE - 4, 5, 0);
	expect_broken();
	for (unsigned i = 0; i < 3; i++) {
		static const struct {
			uint64_t address;
			uint32_t length;
		} bad[] = {{UINT64_MAX, 2}, {RING_RAM_SIZE, 1}, {0x1000, UINT32_MAX}};

		start();
		add_one(0, bad[i].address, bad[i].length, VRING_DESC_F_WRITE);
		expect_broken();
	}
}

Test(virtqueue, empty_descriptors_are_passed_over)
{
	ring_describe(&ring, 0, 0x1000, 0, VRING_DESC_F_NEXT, 1);
	ring_describe(&ring, 1, 0x2000, 1, VRING_DESC_F_NEXT, 2);
	ring_describe(&ring, 2, 0x3000, 0, VRING_DESC_F_WRITE, 0);
	ring_add(&ring, 0);
	cr_assert_eq(virtqueue_next(&queue, &chain), 1);
	cr_assert_eq(chain.out_count, 1);
	cr_assert_eq(chain.in_count, 0);
	cr_assert_eq(chain.vectors[0].iov_len, 1);
}

Test(virtqueue, loops)
{
	ring_describe(&ring, 0, 0x1000, 1, VRING_DESC_F_NEXT, 0);
	ring_add(&ring, 0);
	expect_broken();
	start();
	ring_describe(&ring, 0, 0x1000, 0, VRING_DESC_F_NEXT, 1);
	ring_describe(&ring, 1, 0x1000, 0, VRING_DESC_F_NEXT, 0);
	ring_add(&ring, 0);
	expect_broken();
}

Test(virtqueue, as_long_as_the_queue)
{
	for (unsigned i = 0; i < SIZE; i++)
		ring_describe(&ring, i, 0x1000, 1, i + 1 < SIZE ? VRING_DESC_F_NEXT : 0,
		              (uint16_t)(i + 1));
	ring_add(&ring, 0);
	cr_assert_eq(virtqueue_next(&queue, &chain), 1);
	cr_assert_eq(chain.out_count, SIZE);
}

Test(virtqueue, indices_out_of_the_table)
{
	ring_add(&ring, SIZE);
	expect_broken();
	start();
	ring_add(&ring, 0xffff);
	expect_broken();
	start();
	ring_describe(&ring, 0, 0x1000, 1, VRING_DESC_F_NEXT, SIZE);
	ring_add(&ring, 0);
	expect_broken();
}

Test(virtqueue, as_much_as_a_chain_may_hold)
{
	struct guest_memory large = {.host = ring_ram, .size = 1ull << 40};

	queue.memory = &large; /* nothing of it is touched but the ring */
	ring_describe(&ring, 0, 0, 1u << 29, VRING_DESC_F_NEXT, 1);
	ring_describe(&ring, 1, 0, 1u << 29, VRING_DESC_F_WRITE, 0);
	ring_add(&ring, 0);
	cr_assert_eq(virtqueue_next(&queue, &chain), 1);
	ring_describe(&ring, 2, 0, 1u << 30, VRING_DESC_F_NEXT, 3);
	ring_describe(&ring, 3, 0, 1, VRING_DESC_F_WRITE, 0);
	ring_add(&ring, 2);
	cr_assert_eq(virtqueue_next(&queue, &chain), -1);
}

/* ---- indirect ---- */

static struct vring_desc *table_at(uint64_t address)
{
	return host(address);
}

Test(virtqueue, indirect)
{
	struct vring_desc *table = table_at(0x30000);

	table[0] = (struct vring_desc){0x1000, 1, VRING_DESC_F_NEXT, 2};
	table[2] = (struct vring_desc){0x2000, 2, VRING_DESC_F_WRITE, 0};
	add_one(3, 0x30000, 3 * sizeof *table, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE);
	cr_assert_eq(virtqueue_next(&queue, &chain), 1);
	cr_assert_eq(chain.head, 3);
	cr_assert_eq(chain.out_bytes, 1);
	cr_assert_eq(chain.in_bytes, 2);
}

Test(virtqueue, indirect_at_any_address)
{
	const struct vring_desc entry = {0x1000, 77, 0, 0};

	memcpy(host(0x30003), &entry, sizeof entry);
	add_one(0, 0x30003, sizeof entry, VRING_DESC_F_INDIRECT);
	cr_assert_eq(virtqueue_next(&queue, &chain), 1);
	cr_assert_eq(chain.out_bytes, 77);
}

/* 2.7.5.3.2: normal descriptors, then one indirect. */
Test(virtqueue, indirect_behind_others)
{
	table_at(0x30000)[0] = (struct vring_desc){0x2000, 2, VRING_DESC_F_WRITE, 0};
	ring_describe(&ring, 0, 0x1000, 1, VRING_DESC_F_NEXT, 1);
	ring_describe(&ring, 1, 0x30000, 16, VRING_DESC_F_INDIRECT, 0);
	ring_add(&ring, 0);
	cr_assert_eq(virtqueue_next(&queue, &chain), 1);
	cr_assert_eq(chain.out_bytes, 1);
	cr_assert_eq(chain.in_bytes, 2);
}

static void expect_bad_indirect(uint64_t address, uint32_t length, uint16_t flags)
{
	start();
	table_at(0x30000)[0] = (struct vring_desc){0x1000, 1, 0, 0};
	table_at(0x30000)[1] = (struct vring_desc){0x30000, 16, VRING_DESC_F_INDIRECT, 0};
	table_at(0x30000)[2] = (struct vring_desc){0x1000, 1, VRING_DESC_F_NEXT, 3};
	add_one(0, address, length, VRING_DESC_F_INDIRECT | flags);
	expect_broken();
}

Test(virtqueue, indirect_that_is_wrong)
{
	expect_bad_indirect(0x30000, 0, 0);
	expect_bad_indirect(0x30000, 15, 0);
	expect_bad_indirect(0x30000, 17, 0);
	expect_bad_indirect(0x30000, 16, VRING_DESC_F_NEXT);
	expect_bad_indirect(0x30010, 16, 0); /* leads to another one */
	expect_bad_indirect(0x30020, 16, 0); /* goes on behind its end */
	expect_bad_indirect(RING_RAM_SIZE - 16, 32, 0);
	expect_bad_indirect(UINT64_MAX - 15, 16, 0);
	expect_bad_indirect(0x30000, 0xfffffff0, 0);
	start();
	queue.has_indirect = false;
	table_at(0x30000)[0] = (struct vring_desc){0x1000, 1, 0, 0};
	add_one(0, 0x30000, 16, VRING_DESC_F_INDIRECT);
	expect_broken();
}

static void add_long_table(unsigned entries, unsigned in_use)
{
	for (unsigned i = 0; i < in_use; i++)
		table_at(0x30000)[i] = (struct vring_desc){
		        0x1000, 1, i + 1 < in_use ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1)};
	add_one(0, 0x30000, entries * 16, VRING_DESC_F_INDIRECT);
}

/* The table may have more entries than the queue, the chain may not (2.7.5.3.1). */
Test(virtqueue, long_indirect)
{
	add_long_table(100, SIZE);
	cr_assert_eq(virtqueue_next(&queue, &chain), 1);
	cr_assert_eq(chain.out_count, SIZE);
	start();
	add_long_table(100, SIZE + 1);
	expect_broken();
}

Test(virtqueue, loop_in_an_indirect_table)
{
	table_at(0x30000)[0] = (struct vring_desc){0x1000, 1, VRING_DESC_F_NEXT, 0};
	add_one(0, 0x30000, 16, VRING_DESC_F_INDIRECT);
	expect_broken();
}

/* ---- the available index ---- */

Test(virtqueue, full)
{
	for (uint16_t i = 0; i < SIZE; i++)
		add_one(i, 0x1000, 1, 0);
	for (uint16_t i = 0; i < SIZE; i++)
		cr_assert_eq(virtqueue_next(&queue, &chain), 1);
	cr_assert_eq(virtqueue_next(&queue, &chain), 0);
	cr_assert_eq(queue.in_flight, SIZE);
}

Test(virtqueue, more_than_there_can_be)
{
	ring_available(&ring)[1] = SIZE + 1;
	expect_broken();
	start();
	ring_available(&ring)[1] = 0xffff;
	expect_broken();
	/* One of the heads is in flight. */
	start();
	add_one(0, 0x1000, 1, 0);
	cr_assert_eq(virtqueue_next(&queue, &chain), 1);
	ring_available(&ring)[1] = SIZE + 1;
	expect_broken();
}

Test(virtqueue, indices_wrap)
{
	struct vring_used_elem element;

	for (unsigned i = 0; i < 3 * 65536 + 5; i++) {
		add_one((uint16_t)(i % SIZE), 0x1000, 1, 0);
		cr_assert_eq(virtqueue_next(&queue, &chain), 1);
		cr_assert_eq(chain.head, i % SIZE);
		virtqueue_complete(&queue, chain.head, i);
		cr_assert(ring_take(&ring, &element));
		cr_assert_eq(element.id, i % SIZE);
		cr_assert_eq(element.len, i);
	}
	cr_assert_eq(queue.in_flight, 0);
	cr_assert_not(queue.is_broken);
}

Test(virtqueue, put_back)
{
	for (unsigned i = 0; i < 70000; i++) {
		add_one((uint16_t)(i % SIZE), 0x1000, i % 1000 + 1, 0);
		for (unsigned times = 0; times < 2; times++) {
			cr_assert_eq(virtqueue_next(&queue, &chain), 1);
			cr_assert_eq(chain.out_bytes, i % 1000 + 1);
			virtqueue_put_back(&queue);
			cr_assert_eq(queue.in_flight, 0);
			cr_assert(virtqueue_has_work(&queue));
		}
		cr_assert_eq(virtqueue_next(&queue, &chain), 1);
		virtqueue_complete(&queue, chain.head, 0);
	}
}

/* ---- giving back ---- */

Test(virtqueue, out_of_order)
{
	struct vring_used_elem element;

	for (uint16_t i = 0; i < 3; i++) {
		add_one(i, 0x1000, 1, 0);
		cr_assert_eq(virtqueue_next(&queue, &chain), 1);
	}
	virtqueue_complete(&queue, 2, 2);
	virtqueue_complete(&queue, 0, 0);
	virtqueue_complete(&queue, 1, 1);
	for (unsigned i = 0; i < 3; i++) {
		static const uint32_t order[] = {2, 0, 1};

		cr_assert(ring_take(&ring, &element));
		cr_assert_eq(element.id, order[i]);
	}
}

Test(virtqueue, chains_of_an_earlier_life)
{
	add_one(0, 0x1000, 1, 0);
	cr_assert_eq(virtqueue_next(&queue, &chain), 1);
	virtqueue_reset(&queue);
	virtqueue_complete(&queue, 0, 0);
	cr_assert_eq(ring_used(&ring)[1], 0);
	ring_place(&ring, &queue);
	cr_assert_eq(virtqueue_enable(&queue), 0);
	virtqueue_complete(&queue, 0, 0);
	cr_assert_eq(ring_used(&ring)[1], 0);
	cr_assert(queue.is_broken);
}

/* ---- notifications ---- */

static void serve(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		add_one((uint16_t)i, 0x1000, 1, 0);
		cr_assert_eq(virtqueue_next(&queue, &chain), 1);
		virtqueue_complete(&queue, chain.head, 0);
	}
}

Test(virtqueue, notification_by_flag)
{
	cr_assert_not(virtqueue_must_notify(&queue));
	serve(2);
	cr_assert(virtqueue_must_notify(&queue));
	cr_assert_not(virtqueue_must_notify(&queue));
	ring_available(&ring)[0] = VRING_AVAIL_F_NO_INTERRUPT;
	serve(1);
	cr_assert_not(virtqueue_must_notify(&queue));
	ring_available(&ring)[0] = 0;
	cr_assert_not(virtqueue_must_notify(&queue));
	serve(1);
	cr_assert(virtqueue_must_notify(&queue));
}

Test(virtqueue, notification_by_event_index)
{
	start_with(SIZE, true);
	ring_available(&ring)[0] = VRING_AVAIL_F_NO_INTERRUPT; /* to be ignored (2.7.7.2) */
	serve(1);
	cr_assert(virtqueue_must_notify(&queue));
	*ring_used_event(&ring) = 3;
	serve(2);
	cr_assert_not(virtqueue_must_notify(&queue)); /* three were used: the fourth is wanted */
	serve(1);
	cr_assert(virtqueue_must_notify(&queue));
	serve(3);
	cr_assert_not(virtqueue_must_notify(&queue));
	*ring_used_event(&ring) = 8;
	serve(5);
	cr_assert(virtqueue_must_notify(&queue));
}

/* Whatever the index is: each chain is told of when used_event says so, and only then. */
Test(virtqueue, event_index_wraps)
{
	start_with(SIZE, true);
	for (unsigned i = 0; i < 66000; i++) {
		bool is_wanted = i % 7 == 0;

		*ring_used_event(&ring) = (uint16_t)(is_wanted ? i : i - 1);
		serve(1);
		cr_assert_eq(virtqueue_must_notify(&queue), is_wanted, "at %u", i);
	}
}

Test(virtqueue, available_event_asks_for_the_next)
{
	start_with(SIZE, true);
	*ring_available_event(&ring) = 0x1234;
	add_one(0, 0x1000, 1, 0);
	add_one(1, 0x1000, 1, 0);
	cr_assert_eq(virtqueue_next(&queue, &chain), 1);
	cr_assert_eq(virtqueue_next(&queue, &chain), 1);
	cr_assert_eq(*ring_available_event(&ring), 0x1234); /* more may be there */
	cr_assert_eq(virtqueue_next(&queue, &chain), 0);
	cr_assert_eq(*ring_available_event(&ring), 2);
}

Test(virtqueue, no_event_index_no_write)
{
	*ring_available_event(&ring) = 0x1234;
	serve(1);
	cr_assert_eq(virtqueue_next(&queue, &chain), 0);
	cr_assert_eq(*ring_available_event(&ring), 0x1234);
}

/* ---- vectors ---- */

static char first[] = "abc", second[] = "defgh", third[] = "i";
static struct iovec vectors[] = {{first, 3}, {second, 5}, {third, 1}};

Test(virtqueue, copy_from)
{
	char got[16] = "";

	cr_assert_eq(virtqueue_copy_from(vectors, 3, 0, got, sizeof got), 9);
	cr_assert_str_eq(got, "abcdefghi");
	memset(got, 0, sizeof got);
	cr_assert_eq(virtqueue_copy_from(vectors, 3, 2, got, 4), 4);
	cr_assert_str_eq(got, "cdef");
	cr_assert_eq(virtqueue_copy_from(vectors, 3, 8, got, 4), 1);
	cr_assert_eq(virtqueue_copy_from(vectors, 3, 9, got, 4), 0);
	cr_assert_eq(virtqueue_copy_from(vectors, 3, 1000, got, 4), 0);
	cr_assert_eq(virtqueue_copy_from(vectors, 0, 0, got, 4), 0);
}

Test(virtqueue, copy_to)
{
	cr_assert_eq(virtqueue_copy_to(vectors, 3, 1, "1234567", 7), 7);
	cr_assert_str_eq(first, "a12");
	cr_assert_str_eq(second, "34567");
	cr_assert_eq(virtqueue_copy_to(vectors, 3, 7, "xyz", 3), 2);
	cr_assert_str_eq(second, "3456x");
	cr_assert_str_eq(third, "y");
}

Test(virtqueue, slice)
{
	struct iovec slice[3];

	cr_assert_eq(virtqueue_slice(vectors, 3, 0, SIZE_MAX, slice), 3);
	cr_assert_eq(virtqueue_slice(vectors, 3, 4, 2, slice), 1);
	cr_assert_eq(slice[0].iov_base, second + 1);
	cr_assert_eq(slice[0].iov_len, 2);
	cr_assert_eq(virtqueue_slice(vectors, 3, 2, 7, slice), 3);
	cr_assert_eq(slice[2].iov_len, 1);
	cr_assert_eq(virtqueue_slice(vectors, 3, 9, 1, slice), 0);
	cr_assert_eq(virtqueue_slice(vectors, 3, 0, 0, slice), 0);
}
