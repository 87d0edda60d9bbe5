/* SPDX-License-Identifier: Apache-2.0 */
/* Records which pages the first run from a snapshot writes, in the snapshot. */
#include "vmm/working_set.h"

#include <fcntl.h>
#include <unistd.h>

#include "snapshot/snapshot.h"

#define CHUNK           512 /* pagemap entries read at once */
#define FRAMES_MAX      4096
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_FILE    (1ull << 61) /* still the file's own page, or of shared memory */

void working_set_prepare(struct vm *vm)
{
	vm->record_pagemap = -1;
	if (vm->snapshot->record)
		vm->record_pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

/* Pages of the guest that are its own. Return: how many; those beyond @room are left out. */
/* #syscalls:run pread64 */
static size_t find_written(const struct vm *vm, uint32_t *frames, size_t room)
{
	uint64_t first = (uint64_t)vm->memory.host / MOTE_PAGE_SIZE;
	uint64_t end = vm->kvm.ram_end / MOTE_PAGE_SIZE, entries[CHUNK];
	size_t found = 0;

	for (uint64_t frame = 0; frame < end; frame += CHUNK) {
		size_t count = end - frame < CHUNK ? end - frame : CHUNK;

		if (pread(vm->record_pagemap, entries, count * 8, (off_t)((first + frame) * 8)) !=
		    (ssize_t)(count * 8))
			break;
		for (size_t i = 0; i < count && found < room; i++)
			if ((entries[i] & (PAGEMAP_PRESENT | PAGEMAP_FILE)) == PAGEMAP_PRESENT)
				frames[found++] = (uint32_t)(frame + i);
	}
	return found;
}

void working_set_watch(struct vm *vm, bool is_over)
{
	static uint32_t frames[FRAMES_MAX];

	if (!vm->snapshot || vm->record_pagemap < 0)
		return;
	if (!is_over && clock_microseconds(&vm->clock, vm->moment[VM_MOMENT_RUN],
	                                   clock_host_tsc()) < WORKING_SET_US)
		return;
	snapshot_record(vm->snapshot, frames, find_written(vm, frames, FRAMES_MAX));
	vm->record_pagemap = -1; /* stays open: the end of the process is quicker */
}
