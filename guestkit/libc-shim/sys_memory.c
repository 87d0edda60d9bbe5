/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: mmap, munmap, mremap, mprotect, brk, madvise, msync, mincore, mlock. */
#include <asm/fcntl.h>
#include <linux/errno.h>
#include <linux/mman.h>

#include "guestkit/address_space.h"
#include "guestkit/libc-shim/memfd.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/memory.h"
#include "guestkit/page_table.h"
#include "guestkit/user.h"
#include "guestkit/vma.h"
#include "guestkit/write_back.h"

int64_t sys_mmap(const uint64_t *arg)
{
	uint32_t flags = (uint32_t)arg[3];
	struct file *file = NULL;

	if (arg[5] % PAGE_SIZE)
		return -EINVAL;
	if (!(flags & MAP_ANONYMOUS)) {
		file = descriptor_file((int)arg[4]);
		if (!file || file->flags & O_PATH)
			return -EBADF;
		if (memfd_check_mapping(file, (flags & MAP_TYPE) != MAP_PRIVATE,
		                        arg[2] & PROT_WRITE))
			return -EPERM;
	}
	return address_space_map(arg[0], arg[1], (uint32_t)arg[2], flags, file, arg[5]);
}

int64_t sys_munmap(const uint64_t *arg)
{
	return address_space_unmap(arg[0], arg[1]);
}

int64_t sys_mprotect(const uint64_t *arg)
{
	return address_space_protect(arg[0], arg[1], (uint32_t)arg[2]);
}

int64_t sys_mremap(const uint64_t *arg)
{
	return address_space_remap(arg[0], arg[1], arg[2], (uint32_t)arg[3], arg[4]);
}

int64_t sys_brk(const uint64_t *arg)
{
	return (int64_t)address_space_break(arg[0]);
}

int64_t sys_madvise(const uint64_t *arg)
{
	return address_space_advise(arg[0], arg[1], (int)arg[2]);
}

/* MS_SYNC: what was written is on the disk afterwards. */
static int sync_mapped(uint64_t start, uint64_t end)
{
	int result = 0;

	for (size_t i = vma_index(start); i < vma_count() && vma_at(i)->start < end; i++) {
		const struct vma *vma = vma_at(i);
		int status = 0;

		if (write_back_is_for(vma) && vma->file->inode->ops->sync)
			status = vma->file->inode->ops->sync(vma->file->inode, vma->file, true);
		result = result ? result : status;
	}
	return result;
}

/* Most shared mappings are the file's own frames, with nothing to write back. */
int64_t sys_msync(const uint64_t *arg)
{
	uint64_t length = page_round_up(arg[1]);
	uint64_t flags = arg[2];

	if (arg[0] % PAGE_SIZE || flags & ~(uint64_t)(MS_ASYNC | MS_INVALIDATE | MS_SYNC) ||
	    (flags & MS_ASYNC && flags & MS_SYNC))
		return -EINVAL;
	if (arg[0] + length < arg[0])
		return -ENOMEM;
	if (!vma_covers(arg[0], arg[0] + length))
		return -ENOMEM;
	return flags & MS_SYNC ? sync_mapped(arg[0], arg[0] + length)
	                       : write_back_range(arg[0], arg[0] + length);
}

int64_t sys_mincore(const uint64_t *arg)
{
	uint64_t start = arg[0], to = arg[2], end;

	if (start % PAGE_SIZE)
		return -EINVAL;
	if (arg[1] > MOTE_USER_END || start > MOTE_USER_END - page_round_up(arg[1]))
		return -ENOMEM;
	end = start + page_round_up(arg[1]);
	if (!vma_covers(start, end))
		return -ENOMEM;
	for (; start < end; start += PAGE_SIZE) {
		uint64_t size;
		unsigned char is_present = *page_table_look(start, &size) & PTE_PRESENT;

		if (user_write(to++, &is_present, 1))
			return -EFAULT;
	}
	return 0;
}

/* Root may lock as much as it likes; of others, each call is held against the limit by itself. */
static int64_t lock(uint64_t start, uint64_t length, bool populate)
{
	uint64_t limit = process_limit(RESOURCE_MEMLOCK)->soft;

	if (process_identity.uid && !limit)
		return -EPERM;
	if (process_identity.uid && page_round_up(length + start % PAGE_SIZE) > limit)
		return -ENOMEM;
	return address_space_lock(start, length, populate);
}

int64_t sys_mlock(const uint64_t *arg)
{
	return lock(arg[0], arg[1], true);
}

int64_t sys_mlock2(const uint64_t *arg)
{
	if (arg[2] & ~(uint64_t)MLOCK_ONFAULT)
		return -EINVAL;
	return lock(arg[0], arg[1], !(arg[2] & MLOCK_ONFAULT));
}

int64_t sys_munlock(const uint64_t *arg)
{
	return address_space_lock(arg[0], arg[1], false);
}

/* The system's memory is locked as it is: mappings get their frames as without it. */
int64_t sys_mlockall(const uint64_t *arg)
{
	uint32_t flags = (uint32_t)arg[0];

	if (!flags || flags & ~(uint32_t)(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) ||
	    flags == MCL_ONFAULT)
		return -EINVAL;
	if (!process_identity.uid)
		return 0;
	if (!process_limit(RESOURCE_MEMLOCK)->soft)
		return -EPERM;
	return flags & MCL_CURRENT && vma_total() > process_limit(RESOURCE_MEMLOCK)->soft ? -ENOMEM
	                                                                                  : 0;
}

int64_t sys_munlockall(const uint64_t *arg)
{
	(void)arg;
	return 0;
}
