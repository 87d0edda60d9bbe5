/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application's address space: mmap and its relatives.
 *
 * How it works
 *
 * The list of mappings (vma.c) says what may be where; page tables hold what is there. Small
 * mappings get their frames at once, as entries in the page tables cost nanoseconds and a page
 * fault 20 to 30 us; the host still backs each frame only when it is touched. Large ones get frames
 * as they are touched, a window at a time (populate.c). munmap takes entries out and flushes before
 * the frames are free.
 */
#include "guestkit/address_space.h"

#include <linux/errno.h>
#include <linux/mman.h>

#include "guestkit/console.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/memory.h"
#include "guestkit/page_table.h"
#include "guestkit/patch.h"
#include "guestkit/populate.h"
#include "guestkit/retired.h"
#include "guestkit/write_back.h"

/* What MAP_SHARED_VALIDATE does not refuse: LEGACY_MAP_MASK of Linux. */
#define KNOWN_FLAGS                                                                      \
	(MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE |         \
	 MAP_UNINITIALIZED | MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | \
	 MAP_NONBLOCK | MAP_STACK | MAP_32BIT | MAP_FIXED_NOREPLACE)
#define STACK_GUARD (256 * PAGE_SIZE)
#define LARGE_IMAGE (4UL << 20)
#define STACK_BEGIN (4 * PAGE_SIZE) /* what a thread's stack gets at once */
#define CODE_MAX    (64UL << 20)    /* of a file's mapping that is taken for a library's */

/* Before a snapshot */
#define AHEAD_MOST  (512 * PAGE_SIZE)
#define AHEAD_SHARE 16 /* of free memory, no more than that */
#define AHEAD_STACK (32 * PAGE_SIZE)

static struct {
	bool allow_wx;
	bool has_said_wx;
	uint64_t map_limit; /* mappings without a hint end below */
	uint64_t heap_start, heap_break;
} space;

void address_space_init(bool allow_wx)
{
	space.allow_wx = allow_wx;
	space.map_limit = MOTE_STACK_TOP;
}

bool address_space_allows_wx(void)
{
	return space.allow_wx;
}

int address_space_clear(void)
{
	int status = address_space_unmap(PAGE_SIZE, MOTE_USER_END - PAGE_SIZE);

	space.map_limit = MOTE_STACK_TOP;
	retired_purge(); /* nothing of the old program is left for the new one */
	retired_drop_ahead();
	return status;
}

int address_space_add_image(uint64_t start, uint64_t end, uint32_t prot)
{
	struct vma vma = {.start = start & PAGE_MASK,
	                  .end = page_round_up(end),
	                  .prot = prot,
	                  .flags = MAP_PRIVATE | VMA_IMAGE};

	return vma_insert(&vma);
}

int address_space_add_stack(uint64_t top, uint64_t size)
{
	struct vma vma = {.start = top - size,
	                  .end = top,
	                  .prot = PROT_READ | PROT_WRITE,
	                  .flags = MAP_PRIVATE | VMA_STACK};

	space.map_limit = (vma.start - STACK_GUARD) & ~(HUGE_SIZE - 1);
	return vma_insert(&vma);
}

/* A range of whole pages below MOTE_USER_END: 0, or @error. */
static int check_range(uint64_t start, uint64_t *length, int error)
{
	if (start % PAGE_SIZE)
		return -EINVAL;
	if (*length > MOTE_USER_END)
		return error;
	*length = page_round_up(*length);
	return start > MOTE_USER_END - *length ? error : 0;
}

/* Writable and executable at once is refused, aloud the first time. */
static int check_wx(uint32_t prot)
{
	if (space.allow_wx || (prot & (PROT_WRITE | PROT_EXEC)) != (PROT_WRITE | PROT_EXEC))
		return 0;
	if (!space.has_said_wx)
		kit_print("mote: guest: refused memory that is writable and executable; "
		          "--allow-wx permits it\n");
	space.has_said_wx = true;
	return -EACCES;
}

static int check_file(const struct file *file, uint32_t prot, uint32_t flags)
{
	uint32_t access = file->flags & 3;

	if ((file->inode->mode & 0170000) == 0040000) /* a folder */
		return -ENODEV;
	if (access == 1) /* O_WRONLY */
		return -EACCES;
	if ((flags & MAP_TYPE) != MAP_PRIVATE && prot & PROT_WRITE && access != 2)
		return -EACCES;
	return file->ops->page ? 0 : -ENODEV;
}

/* Where a mapping goes: an address, or a negative errno. */
static int64_t choose_address(uint64_t hint, uint64_t length, uint32_t flags, bool may_be_code)
{
	uint64_t limit = flags & MAP_32BIT ? 1UL << 31 : space.map_limit;
	uint64_t align = length >= HUGE_SIZE ? HUGE_SIZE : PAGE_SIZE;
	uint64_t found = 0;

	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (hint % PAGE_SIZE)
			return -EINVAL;
		if (hint < PAGE_SIZE)
			return -EPERM;
		if (hint > MOTE_USER_END - length)
			return -ENOMEM;
		if (flags & MAP_FIXED_NOREPLACE && vma_overlaps(hint, hint + length))
			return -EEXIST;
		return (int64_t)hint;
	}
	hint &= PAGE_MASK;
	if (hint >= 16 * PAGE_SIZE && hint <= MOTE_USER_END - length &&
	    !vma_overlaps(hint, hint + length))
		return (int64_t)hint;
	if (may_be_code)
		found = vma_find_free(length, PATCH_REACH, PAGE_SIZE);
	if (!found)
		found = vma_find_free(length, limit, align);
	if (!found && !(flags & MAP_32BIT))
		found = vma_find_free(length, MOTE_USER_END, PAGE_SIZE);
	return found ? (int64_t)found : -ENOMEM;
}

/* Private, anonymous, readable and writable: memory like any other of its kind. */
static bool is_plain(const struct vma *vma)
{
	return !vma->file && (vma->flags & (MAP_PRIVATE | VMA_IMAGE | VMA_STACK)) == MAP_PRIVATE &&
	       vma->prot == (PROT_READ | PROT_WRITE);
}

/* The same without any access. */
static bool is_inaccessible(const struct vma *vma)
{
	return !vma->file && (vma->flags & (MAP_PRIVATE | VMA_IMAGE | VMA_STACK)) == MAP_PRIVATE &&
	       vma->prot == PROT_NONE;
}

/* Whether all of memory is too small for that much more: the one thing that Linux's heuristic
 * overcommit refuses. */
static bool is_overcommitted(uint64_t length, uint32_t prot, uint32_t flags)
{
	return (flags & (MAP_PRIVATE | VMA_UNRESERVED)) == MAP_PRIVATE && prot & PROT_WRITE &&
	       length / PAGE_SIZE > page_total_count();
}

/* Whether that much more is beyond RLIMIT_AS. */
static bool is_limited(uint64_t length)
{
	uint64_t limit = process_limit(RESOURCE_AS)->soft;

	return limit != PROCESS_UNLIMITED && (length > limit || vma_total() > limit - length);
}

/* Enter a new mapping into the list (after vma_reserve(1)), and give it frames if it is small; what
 * was unmapped there lately serves again or goes. */
static void insert_mapping(const struct vma *vma, bool is_for_stack, bool all)
{
	uint64_t start = vma->start, end = vma->end, served = 0;

	if (is_for_stack)
		retired_reserve(start, end);
	else
		served = retired_claim(start, end, is_plain(vma));
	vma_insert(vma);
	write_back_mapped(vma);
	/* What the last mapping here had no use for, this one will not need soon. */
	if (all || served < (end - start) / 2)
		populate_new(start, end, all);
}

int64_t address_space_map(uint64_t hint, uint64_t length, uint32_t prot, uint32_t flags,
                          struct file *file, uint64_t offset)
{
	uint32_t type = flags & MAP_TYPE;
	struct vma vma = {.prot = prot & (PROT_READ | PROT_WRITE | PROT_EXEC), .offset = offset};
	int64_t at;
	int status;

	if (!length || offset % PAGE_SIZE || flags & MAP_HUGETLB ||
	    (type != MAP_PRIVATE && type != MAP_SHARED && (type != MAP_SHARED_VALIDATE || !file)) ||
	    (file && flags & MAP_GROWSDOWN))
		return -EINVAL;
	if (type == MAP_SHARED_VALIDATE && flags & ~(uint32_t)KNOWN_FLAGS)
		return -EOPNOTSUPP;
	if (length > MOTE_USER_END)
		return -ENOMEM;
	length = page_round_up(length);
	if (offset + length < offset)
		return -EOVERFLOW;
	vma.flags = (type == MAP_PRIVATE ? MAP_PRIVATE : MAP_SHARED) |
	            (flags & MAP_NORESERVE ? VMA_UNRESERVED : 0);
	status = check_wx(prot);
	if (!status && file)
		status = check_file(file, prot, flags);
	if (status)
		return status;
	if (is_overcommitted(length, vma.prot, vma.flags) || is_limited(length))
		return -ENOMEM;
	at = choose_address(hint, length, flags,
	                    file && type == MAP_PRIVATE && !(prot & PROT_WRITE) &&
	                            length <= CODE_MAX);
	if (at < 0)
		return at;
	vma.start = (uint64_t)at;
	vma.end = vma.start + length;
	vma.file = file;
	if (vma_reserve(3) || (flags & MAP_FIXED && address_space_unmap(vma.start, length)))
		return -ENOMEM;
	if (file)
		file_get(file);
	insert_mapping(&vma, !hint && !(flags & MAP_FIXED) && is_inaccessible(&vma),
	               flags & (MAP_POPULATE | MAP_LOCKED));
	return at;
}

/* Make borders at both ends of a range, in the list and in the page tables, so that what comes next
 * cannot fail. False: no memory, nothing has changed. */
static bool cut(uint64_t start, uint64_t end)
{
	if (vma_reserve(2) || !page_table_cut(start) || !page_table_cut(end))
		return false;
	vma_split(start);
	vma_split(end);
	return true;
}

/* Plain memory in [start, end), whose borders are cut, is kept for use again; the rest is cleared.
 */
static void retire(uint64_t start, uint64_t end)
{
	for (size_t i = vma_index(start); i < vma_count() && vma_at(i)->start < end; i++) {
		const struct vma *vma = vma_at(i);

		if (!is_plain(vma) || !retired_take(vma->start, vma->end))
			continue;
		page_table_clear(start, vma->start);
		start = vma->end;
	}
	page_table_clear(start, end);
}

int address_space_unmap(uint64_t start, uint64_t length)
{
	int status = check_range(start, &length, -EINVAL);

	if (status || !length)
		return status ? status : -EINVAL;
	if (!vma_overlaps(start, start + length))
		return 0;
	if (!cut(start, start + length))
		return -ENOMEM;
	(void)write_back_range(start, start + length); /* errors are for who asks by msync() */
	patch_forget(start, start + length);
	retire(start, start + length);
	vma_remove(start, start + length);
	return 0;
}

/* Whether @vma may get the rights: 0 or a negative errno. */
static int check_protect(const struct vma *vma, uint64_t start, uint64_t end, uint32_t prot)
{
	start = vma->start > start ? vma->start : start;
	end = vma->end < end ? vma->end : end;
	if (!(prot & PROT_WRITE))
		return 0;
	if (vma->file && vma->flags & MAP_SHARED && (vma->file->flags & 3) != 2)
		return -EACCES;
	/* What becomes writable begins to count. */
	return !(vma->prot & PROT_WRITE) && is_overcommitted(end - start, prot, vma->flags)
	               ? -ENOMEM
	               : 0;
}

/* Change the rights of [start, end), which is mapped: 0 or -ENOMEM. */
static int protect(uint64_t start, uint64_t end, uint32_t prot)
{
	bool is_new = is_inaccessible(vma_find(start)) && prot == (PROT_READ | PROT_WRITE);
	bool is_stack = false;

	if (!cut(start, end))
		return -ENOMEM;
	patch_forget(start, end);
	if (is_new)
		is_stack = retired_commit(start, end);
	else if (retired_is_reserved)
		retired_settle();
	page_table_protect(start, end, prot, populate_rights(prot));
	vma_set_prot(start, end, prot);
	/* A stack is used from its end. */
	if (is_new)
		populate_new(is_stack && end - start > STACK_BEGIN ? end - STACK_BEGIN : start, end,
		             false);
	return 0;
}

int address_space_protect(uint64_t start, uint64_t length, uint32_t prot)
{
	const uint32_t rights = PROT_READ | PROT_WRITE | PROT_EXEC;
	const uint32_t grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
	uint64_t at, end = start + page_round_up(length);
	const struct vma *vma;
	int status;

	prot &= ~grows;
	if (grows == (PROT_GROWSDOWN | PROT_GROWSUP) || start % PAGE_SIZE)
		return -EINVAL;
	if (!length)
		return 0;
	if (end <= start)
		return -ENOMEM;
	if (prot & ~(rights | PROT_SEM))
		return -EINVAL;
	prot &= rights;
	status = check_wx(prot);
	vma = vma_find(start);
	if (!vma || status)
		return vma ? status : -ENOMEM;
	if (grows && !(grows == PROT_GROWSDOWN && vma->flags & VMA_STACK))
		return -EINVAL;
	if (grows)
		start = vma->start;
	/* Up to the first hole or mapping that may not have the rights, as Linux does. */
	for (at = start; at < end && !status; at = status ? at : vma->end) {
		vma = vma_find(at);
		status = vma ? check_protect(vma, start, end, prot) : -ENOMEM;
	}
	at = at < end ? at : end;
	if (at > start && protect(start, at, prot))
		return -ENOMEM;
	return status;
}

/* Grow in place if nothing is in the way. */
static bool grow_in_place(const struct vma *vma, uint64_t old_end, uint64_t growth)
{
	struct vma more = *vma;

	if (vma->end != old_end || old_end > MOTE_USER_END - growth ||
	    vma_overlaps(old_end, old_end + growth) || vma_reserve(1))
		return false;
	more.start = old_end;
	more.end = old_end + growth;
	more.offset += vma->file ? old_end - vma->start : 0;
	if (more.file)
		file_get(more.file);
	insert_mapping(&more, false, false);
	return true;
}

/*
 * The part of the list's @from that is [old, old + old_length) goes to @to, all or nothing, and is
 * no shorter there. With @keep, the old mapping stays, empty.
 */
static int64_t move_mapping(const struct vma *from, uint64_t old, uint64_t old_length,
                            uint64_t new_length, uint64_t to, bool keep)
{
	struct vma vma = *from;

	vma.offset += vma.file ? old - from->start : 0;
	vma.start = to;
	vma.end = to + new_length;
	vma.flags &= ~(VMA_STACK | VMA_HEAP);
	if (!cut(old, old + old_length) || vma_reserve(1))
		return -ENOMEM;
	retired_claim(to, to + new_length, false);
	patch_forget(old, old + old_length);
	if (!page_table_move(old, to, old_length))
		return -ENOMEM;
	if (vma.file)
		file_get(vma.file);
	if (!keep)
		vma_remove(old, old + old_length);
	vma_insert(&vma);
	populate_new(to, to + new_length, false);
	return (int64_t)to;
}

/* Arguments of mremap(2) by themselves, in Linux's order. */
static bool is_remap_sane(uint64_t old, uint64_t old_length, uint64_t new_length, uint32_t flags,
                          uint64_t to)
{
	if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP) || old % PAGE_SIZE ||
	    !new_length || new_length > MOTE_USER_END)
		return false;
	if (!(flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)))
		return true;
	return to <= MOTE_USER_END - new_length && to % PAGE_SIZE == 0 && flags & MREMAP_MAYMOVE &&
	       (!(flags & MREMAP_DONTUNMAP) || old_length == new_length) &&
	       (to >= old + old_length || old >= to + new_length);
}

int64_t address_space_remap(uint64_t old, uint64_t old_length, uint64_t new_length, uint32_t flags,
                            uint64_t new_address)
{
	uint64_t growth;
	const struct vma *vma;
	int64_t to;
	int status;

	old_length = page_round_up(old_length);
	new_length = page_round_up(new_length);
	growth = new_length > old_length ? new_length - old_length : 0;
	if (!is_remap_sane(old, old_length, new_length, flags, new_address))
		return -EINVAL;
	vma = vma_find(old);
	if (!vma)
		return -EFAULT;
	if (!(flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && new_length <= old_length) {
		if (new_length < old_length)
			status = address_space_unmap(old + new_length, old_length - new_length);
		else
			status = 0;
		return status ? status : (int64_t)old;
	}
	/* Shared memory would have to be in two places. */
	if (!old_length || (flags & MREMAP_DONTUNMAP && vma->flags & MAP_SHARED && !vma->file))
		return -EINVAL;
	if (old_length > vma->end - old)
		return -EFAULT;
	if (is_overcommitted(growth, vma->prot, vma->flags) || is_limited(growth))
		return -ENOMEM;
	if (!(flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) &&
	    grow_in_place(vma, old + old_length, growth))
		return (int64_t)old;
	if (!(flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	to = choose_address(flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) ? new_address : 0, new_length,
	                    flags & MREMAP_FIXED ? MAP_FIXED : 0, false);
	if (to < 0)
		return to;
	if (flags & MREMAP_FIXED) {
		status = address_space_unmap((uint64_t)to, new_length);
		if (!status && new_length < old_length)
			status = address_space_unmap(old + new_length, old_length - new_length);
		if (status)
			return status;
		old_length = old_length < new_length ? old_length : new_length;
	}
	return move_mapping(vma_find(old), old, old_length, new_length, (uint64_t)to,
	                    flags & MREMAP_DONTUNMAP);
}

void address_space_set_break(uint64_t start)
{
	/* A large program has a large heap, which is to have 2 MiB pages one day (gather.c). */
	if (vma_count() && start - vma_at(0)->start >= LARGE_IMAGE)
		start = (start + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);
	space.heap_start = space.heap_break = start;
}

uint64_t address_space_break(uint64_t wanted)
{
	uint64_t old_end = page_round_up(space.heap_break);
	uint64_t new_end;
	struct vma vma = {.prot = PROT_READ | PROT_WRITE, .flags = MAP_PRIVATE | VMA_HEAP};

	if (wanted < space.heap_start || wanted > space.map_limit)
		return space.heap_break;
	new_end = page_round_up(wanted);
	if (new_end > old_end) {
		vma.start = old_end;
		vma.end = new_end;
		if ((new_end - space.heap_start) / PAGE_SIZE > page_total_count() ||
		    is_limited(new_end - old_end) || vma_overlaps(old_end, new_end) ||
		    vma_reserve(1))
			return space.heap_break;
		insert_mapping(&vma, false, false);
	} else if (new_end < old_end && address_space_unmap(new_end, old_end - new_end)) {
		return space.heap_break;
	}
	space.heap_break = wanted;
	return wanted;
}

void memory_file_unmap(struct inode *inode, uint64_t first, uint64_t end, bool with_copies)
{
	for (size_t i = 0; i < vma_count(); i++) {
		const struct vma *vma = vma_at(i);
		uint64_t from, to, start = vma->offset / PAGE_SIZE;
		uint64_t count = (vma->end - vma->start) / PAGE_SIZE;

		if (!vma->file || vma->file->inode != inode || start >= end ||
		    start + count <= first)
			continue;
		from = first > start ? first - start : 0;
		to = end - start < count ? end - start : count;
		from = vma->start + from * PAGE_SIZE;
		to = vma->start + to * PAGE_SIZE;
		patch_forget(from, to);
		if (with_copies)
			page_table_clear(from, to);
		else
			page_table_clear_shared(from, to);
	}
}

/* ---- before a snapshot ---- */

static void map_ahead(size_t index, uint64_t start, uint64_t end)
{
	if (populate_plain(start, end))
		retired_note_ahead(index, start, end);
	else
		page_table_clear(start, end);
}

/* Where the heap grows to. */
static void map_heap_ahead(uint64_t length)
{
	uint64_t start = page_round_up(space.heap_break), end = start + length;
	size_t next = vma_index(start);

	if (next < vma_count() && vma_at(next)->start < end)
		end = vma_at(next)->start;
	if (start < end)
		map_ahead(0, start, end);
}

/* The highest gaps, as vma_find_free() looks for them, down to a large one. */
static void map_gaps_ahead(uint64_t length)
{
	uint64_t top = space.map_limit;
	size_t below = vma_index(top - 1);

	for (size_t index = 1; index < RETIRED_AHEAD && length; below--) {
		uint64_t bottom = below ? vma_at(below - 1)->end : MOTE_PIE_BASE;

		if (below < vma_count() && vma_at(below)->start < top)
			top = vma_at(below)->start;
		if (top > bottom) {
			uint64_t size = top - bottom < length ? top - bottom : length;

			map_ahead(index++, top - size, top);
			length -= size;
		}
		if (!below)
			break;
	}
}

/* What is there of plain memory and of the stack, where that is not much. */
static void fill_ahead(uint64_t most)
{
	for (size_t i = 0; i < vma_count() && most; i++) {
		const struct vma *vma = vma_at(i);
		uint64_t start = vma->start, size;

		if (vma->flags & VMA_STACK)
			start = vma->end - AHEAD_STACK;
		else if (!is_plain(vma))
			continue;
		size = vma->end - start;
		if (size > most || !populate_plain(start, vma->end))
			continue;
		most -= size;
	}
}

void address_space_map_ahead(void)
{
	uint64_t spare = page_free_count() / AHEAD_SHARE * PAGE_SIZE;

	retired_drop_ahead();
	if (spare > AHEAD_MOST)
		spare = AHEAD_MOST;
	fill_ahead(spare);
	map_heap_ahead(spare / 4);
	map_gaps_ahead(spare);
}
