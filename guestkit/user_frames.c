/* SPDX-License-Identifier: Apache-2.0 */
/* Where the application's memory is, for devices that read or write it. */
#include "guestkit/user_frames.h"

#include "guestkit/address_space.h"
#include "guestkit/machine.h"
#include "guestkit/page_table.h"

/* Page-fault error code bits (SDM vol. 3, 4.7). */
#define ERROR_PRESENT 1u
#define ERROR_WRITE   2u
#define ERROR_USER    4u

#define BUFFER_MAX (1u << 30)

/* The guest-physical address behind @address, or 0: it may not be touched, or is no RAM. */
static uint64_t frame_of(uint64_t address, bool is_written)
{
	const uint64_t wanted = PTE_PRESENT | PTE_USER | (is_written ? PTE_WRITABLE : 0);

	/* A second try behind a fault: the first may have made a huge page, or a shared one. */
	for (int tries = 0; tries < 3; tries++) {
		uint64_t size, error, physical;
		uint64_t *at = (uint64_t *)(size_t)page_table_look(address, &size), entry = *at;

		if ((entry & wanted) == wanted) {
			/* As the CPU marks what it writes to: write_back.c looks for that. */
			if (is_written && !(entry & PTE_DIRTY))
				__atomic_fetch_or(at, PTE_DIRTY, __ATOMIC_RELAXED);
			physical = (entry & PTE_ADDRESS & ~(size - 1)) + (address & (size - 1));
			return physical < machine.ram_end ? physical : 0;
		}
		error = ERROR_USER | (is_written ? ERROR_WRITE : 0) |
		        (entry & PTE_PRESENT ? ERROR_PRESENT : 0);
		if (address_space_fault(address, error) != FAULT_RESOLVED)
			return 0;
	}
	return 0;
}

unsigned user_frames(uint64_t address, size_t length, bool is_written,
                     struct virtio_buffer *buffers, unsigned most, size_t *covered)
{
	unsigned count = 0;

	*covered = 0;
	while (*covered < length && address < MOTE_USER_END) {
		size_t part = PAGE_SIZE - address % PAGE_SIZE;
		uint64_t physical = frame_of(address, is_written);
		struct virtio_buffer *last = count ? &buffers[count - 1] : NULL;

		if (!physical)
			break;
		if (part > length - *covered)
			part = length - *covered;
		if (last && last->physical + last->length == physical &&
		    last->length + part <= BUFFER_MAX)
			last->length += (uint32_t)part;
		else if (count < most)
			buffers[count++] = (struct virtio_buffer){physical, (uint32_t)part};
		else
			break;
		*covered += part;
		address += part;
	}
	return count;
}
