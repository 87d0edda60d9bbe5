/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs in files of the guest: reading their headers and mapping them.
 *
 * A file may be hostile. Its headers are read once, into the kit's memory, and checked there: what
 * a segment takes of the file and of memory, their order, and that nothing wraps. What a file has
 * less than its headers promise shows when it is touched, as SIGBUS of the program.
 */
#include "guestkit/libc-shim/program.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/stat.h>

#include "guestkit/address_space.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

#define EXECUTE_BITS 0111u

bool program_may_run(const struct file *file)
{
	uint32_t mode = file->inode->mode;

	return S_ISREG(mode) && mode & EXECUTE_BITS && file->ops->read_kit;
}

int program_open(const char *path, struct file **file)
{
	int result = file_open(AT_FDCWD, path, O_RDONLY, 0, file);

	if (result < 0 || program_may_run(*file))
		return result < 0 ? result : 0;
	file_put(*file);
	return -EACCES;
}

/* Whether all of @length bytes at @offset could be read. */
static bool read_exactly(struct file *file, uint64_t offset, void *to, size_t length)
{
	size_t done = 0;

	while (done < length) {
		int64_t got = file->ops->read_kit(file, (unsigned char *)to + done, length - done,
		                                  &offset);

		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

static bool is_for_this_machine(const Elf64_Ehdr *header)
{
	return !memcmp(header->e_ident, ELFMAG, SELFMAG) &&
	       header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_ident[EI_DATA] == ELFDATA2LSB &&
	       header->e_machine == EM_X86_64 &&
	       (header->e_type == ET_EXEC || header->e_type == ET_DYN) &&
	       header->e_phentsize == sizeof(Elf64_Phdr) && header->e_phnum > 0 &&
	       header->e_phnum <= PROGRAM_HEADERS_MAX;
}

static bool is_loaded(const Elf64_Phdr *segment)
{
	return segment->p_type == PT_LOAD && segment->p_memsz;
}

/* A segment that begins in or behind the page in which the one before ends. */
static bool is_sound_segment(const Elf64_Phdr *segment, uint64_t end_before)
{
	uint64_t end, file_end;

	return !__builtin_add_overflow(segment->p_vaddr, segment->p_memsz, &end) &&
	       !__builtin_add_overflow(segment->p_offset, segment->p_filesz, &file_end) &&
	       file_end <= INT64_MAX && end <= MOTE_USER_END &&
	       segment->p_filesz <= segment->p_memsz &&
	       segment->p_vaddr % PAGE_SIZE == segment->p_offset % PAGE_SIZE &&
	       (segment->p_vaddr & PAGE_MASK) >= end_before;
}

static bool is_writable_code(const Elf64_Phdr *segment)
{
	return (segment->p_flags & (PF_W | PF_X)) == (PF_W | PF_X);
}

static int check_segments(const struct program_file *program)
{
	uint64_t end = 0;
	bool is_any = false;

	for (unsigned i = 0; i < program->header.e_phnum; i++) {
		const Elf64_Phdr *segment = &program->segments[i];

		if (!is_loaded(segment))
			continue;
		if (!is_sound_segment(segment, end))
			return -ENOEXEC;
		if (is_writable_code(segment) && !address_space_allows_wx())
			return -EACCES;
		end = page_round_up(segment->p_vaddr + segment->p_memsz);
		is_any = true;
	}
	return is_any ? 0 : -ENOEXEC;
}

static int read_interpreter(struct program_file *program)
{
	const Elf64_Phdr *segment = NULL;

	for (unsigned i = 0; i < program->header.e_phnum && !segment; i++)
		if (program->segments[i].p_type == PT_INTERP)
			segment = &program->segments[i];
	if (!segment)
		return 0;
	if (segment->p_filesz < 2 || segment->p_filesz > VFS_PATH_MAX)
		return -ENOEXEC;
	program->interpreter = heap_alloc(segment->p_filesz);
	if (!program->interpreter)
		return -ENOMEM;
	if (!read_exactly(program->file, segment->p_offset, program->interpreter,
	                  segment->p_filesz) ||
	    program->interpreter[segment->p_filesz - 1])
		return -ENOEXEC;
	return 0;
}

static int read_headers(struct program_file *program)
{
	int result;

	if (!read_exactly(program->file, 0, &program->header, sizeof(program->header)) ||
	    !is_for_this_machine(&program->header) || program->header.e_phoff > INT64_MAX ||
	    !read_exactly(program->file, program->header.e_phoff, program->segments,
	                  program->header.e_phnum * sizeof(Elf64_Phdr)))
		return -ENOEXEC;
	result = check_segments(program);
	return result ? result : read_interpreter(program);
}

int program_read(struct file *file, bool is_interpreter, struct program_file **out)
{
	struct program_file *program = heap_alloc(sizeof(*program));
	int result = -ENOMEM;

	*out = program;
	if (program) {
		program->file = file;
		result = read_headers(program);
	} else {
		file_put(file);
	}
	if (!result)
		return 0;
	program_close(program);
	*out = NULL;
	return is_interpreter && result == -ENOEXEC ? -ELIBBAD : result;
}

void program_close(struct program_file *program)
{
	if (!program)
		return;
	file_put(program->file);
	heap_free(program->interpreter);
	heap_free(program);
}

/* ---- mapping ---- */

static uint32_t segment_prot(const Elf64_Phdr *segment)
{
	return (segment->p_flags & PF_R ? PROT_READ : 0u) |
	       (segment->p_flags & PF_W ? PROT_WRITE : 0u) |
	       (segment->p_flags & PF_X ? PROT_EXEC : 0u);
}

static int map_at(uint64_t start, uint64_t end, uint32_t prot, struct file *file, uint64_t offset)
{
	uint32_t flags = MAP_PRIVATE | MAP_FIXED | (file ? 0u : MAP_ANONYMOUS);
	int64_t at;

	if (start >= end)
		return 0;
	at = address_space_map(start, end - start, prot, flags, file, offset);
	return at < 0 ? (int)at : 0;
}

/* The part from the file, zeros behind it in its last page, and zeros in pages of their own. */
static int map_segment(const struct program_file *program, const Elf64_Phdr *segment, uint64_t base)
{
	uint64_t start = base + (segment->p_vaddr & PAGE_MASK);
	uint64_t file_end = base + segment->p_vaddr + segment->p_filesz;
	uint64_t end = page_round_up(base + segment->p_vaddr + segment->p_memsz);
	uint32_t prot = segment_prot(segment);
	int result;

	if (!segment->p_filesz)
		return map_at(start, end, prot, NULL, 0);
	result = map_at(start, page_round_up(file_end), prot, program->file,
	                segment->p_offset & PAGE_MASK);
	if (result)
		return result;
	if (segment->p_memsz > segment->p_filesz && prot & PROT_WRITE &&
	    user_zero(file_end, page_round_up(file_end) - file_end))
		return -EFAULT;
	return map_at(page_round_up(file_end), end, prot, NULL, 0);
}

/* First and last page of all segments. */
static void find_extent(const struct program_file *program, uint64_t *start, uint64_t *end)
{
	*start = UINT64_MAX;
	*end = 0;
	for (unsigned i = 0; i < program->header.e_phnum; i++) {
		const Elf64_Phdr *segment = &program->segments[i];

		if (!is_loaded(segment))
			continue;
		if (*start == UINT64_MAX)
			*start = segment->p_vaddr & PAGE_MASK;
		*end = page_round_up(segment->p_vaddr + segment->p_memsz);
	}
}

/* Where the program's headers lie in memory, if a segment has them. */
static uint64_t find_headers(const struct program_file *program)
{
	uint64_t offset = program->header.e_phoff;
	uint64_t size = program->header.e_phnum * sizeof(Elf64_Phdr);

	for (unsigned i = 0; i < program->header.e_phnum; i++) {
		const Elf64_Phdr *segment = &program->segments[i];

		if (is_loaded(segment) && segment->p_offset <= offset &&
		    offset - segment->p_offset <= segment->p_filesz &&
		    size <= segment->p_filesz - (offset - segment->p_offset))
			return segment->p_vaddr + (offset - segment->p_offset);
	}
	return 0;
}

int program_map(const struct program_file *program, uint64_t hint, struct program *out)
{
	bool is_movable = program->header.e_type == ET_DYN;
	uint64_t start, end, headers = find_headers(program);
	int64_t at;
	int result = 0;

	find_extent(program, &start, &end);
	/* All of the range is taken first, so that no other mapping comes into a gap. */
	at = address_space_map(is_movable ? hint : start, end - start, PROT_NONE,
	                       MAP_PRIVATE | (is_movable ? 0u : MAP_FIXED), program->file, 0);
	if (at < 0)
		return (int)at;
	out->base = (uint64_t)at - start;
	for (unsigned i = 0; i < program->header.e_phnum && !result; i++)
		if (is_loaded(&program->segments[i]))
			result = map_segment(program, &program->segments[i], out->base);
	out->entry = program->header.e_entry + out->base;
	out->headers = headers ? headers + out->base : 0;
	out->header_count = program->header.e_phnum;
	out->end = end + out->base;
	return result || out->entry < MOTE_USER_END ? result : -ENOEXEC;
}
