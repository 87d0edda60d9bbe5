/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict reader of ELF headers (System V ABI, AMD64 supplement).
 *
 * It accepts what Linux would run and a bit less: segments are in ascending order, no two share a
 * page, and none is both writable and executable unless the user asked for that. After it, the
 * arithmetic on segments cannot overflow.
 */
#include "vmm/elf_image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mote/abi.h"

/* #syscalls:load pread64 */
int elf_read_file(const struct elf_source *source, uint64_t offset, void *buffer, size_t length)
{
	unsigned char *to = buffer;

	while (length) {
		ssize_t got = pread(source->fd, to, length, (off_t)(source->start + offset));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got ? errno : EIO;
			return -1;
		}
		to += got;
		offset += (uint64_t)got;
		length -= (size_t)got;
	}
	return 0;
}

int elf_read_bytes(const struct elf_source *source, uint64_t offset, void *buffer, size_t length)
{
	memcpy(buffer, source->bytes + offset, length);
	return 0;
}

static int refuse(struct mote_error *err, const struct elf_source *source, const char *why)
{
	return mote_error_set(err, MOTE_STATUS_CANNOT_RUN, "cannot run %s: %s", source->name, why);
}

static int check_identity(const Elf64_Ehdr *header, uint64_t size, const struct elf_source *source,
                          struct mote_error *err)
{
	if (size >= 2 && !memcmp(header->e_ident, "#!", 2))
		return refuse(
		        err, source,
		        "it is a script. Run its interpreter, and give the script with --root");
	if (size < SELFMAG || memcmp(header->e_ident, ELFMAG, SELFMAG))
		return refuse(err, source, "not an ELF file");
	if (size < sizeof *header)
		return refuse(err, source, "the file is cut inside its ELF header");
	if (header->e_ident[EI_CLASS] == ELFCLASS32)
		return refuse(err, source, "it is a 32-bit program. Build it for x86-64");
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
	    header->e_ident[EI_VERSION] != EV_CURRENT)
		return refuse(err, source, "not a little-endian 64-bit ELF file of version 1");
	if (header->e_machine != EM_X86_64)
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
		                      "cannot run %s: it is for another machine (ELF machine %u, "
		                      "x86-64 is %u)",
		                      source->name, header->e_machine, EM_X86_64);
	if (header->e_type == ET_REL)
		return refuse(err, source, "it is an object file. Link it");
	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return refuse(err, source, "not an executable ELF file");
	if (header->e_phentsize != sizeof(Elf64_Phdr) || !header->e_phnum)
		return refuse(err, source, "it has no program headers that can be read");
	if (header->e_phnum > ELF_SEGMENTS_MAX)
		return refuse(err, source, "it has more than 64 program headers");
	if (header->e_phoff > source->size ||
	    header->e_phnum * sizeof(Elf64_Phdr) > source->size - header->e_phoff)
		return refuse(err, source, "the file is cut inside its program headers");
	return 0;
}

/* Add a PT_LOAD segment; the checks here are what the rest of the loader relies on. */
static int add_segment(struct elf_image *image, const Elf64_Phdr *header, bool allow_wx,
                       const struct elf_source *source, struct mote_error *err)
{
	struct elf_segment *segment = &image->segments[image->segment_count];
	/* The kit lives in the upper half; whether an address suits an application, vm_load checks.
	 */
	uint64_t last = header->p_vaddr + header->p_memsz - 1;

	if (!header->p_memsz)
		return header->p_filesz ? refuse(err, source,
		                                 "a segment has more bytes in the file "
		                                 "than in memory")
		                        : 0;
	if (header->p_filesz > header->p_memsz)
		return refuse(err, source, "a segment has more bytes in the file than in memory");
	if (header->p_offset > source->size || header->p_filesz > source->size - header->p_offset)
		return refuse(err, source, "the file is cut: a segment reaches beyond its end");
	if (last < header->p_vaddr || last > UINT64_MAX - MOTE_PAGE_SIZE)
		return refuse(err, source, "a segment wraps around the end of the address space");
	if (header->p_filesz && (header->p_vaddr ^ header->p_offset) % MOTE_PAGE_SIZE)
		return refuse(err, source,
		              "a segment's address and file offset differ within their page");
	if (header->p_flags & PF_W && header->p_flags & PF_X && !allow_wx)
		return refuse(err, source,
		              "a segment is both writable and executable. Link it with separate "
		              "segments, or use --allow-wx");
	if (image->segment_count && header->p_vaddr / MOTE_PAGE_SIZE * MOTE_PAGE_SIZE < image->end)
		return refuse(err, source,
		              "its segments overlap, share a page, or are not in order of address");
	segment->va = header->p_vaddr;
	segment->memory_size = header->p_memsz;
	segment->file_offset = header->p_offset;
	segment->file_size = header->p_filesz;
	segment->is_writable = header->p_flags & PF_W;
	segment->is_executable = header->p_flags & PF_X;
	segment->is_supervisor = header->p_flags & MOTE_PF_SUPERVISOR;
	if (!image->segment_count++)
		image->start = segment->va & ~(MOTE_PAGE_SIZE - 1);
	image->end = (last | (MOTE_PAGE_SIZE - 1)) + 1;
	return 0;
}

/* Where the program headers are in memory, for AT_PHDR. */
static void find_headers_va(struct elf_image *image, const Elf64_Ehdr *header)
{
	uint64_t size = header->e_phnum * sizeof(Elf64_Phdr);

	for (size_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *segment = &image->segments[i];

		if (header->e_phoff >= segment->file_offset && segment->file_size >= size &&
		    header->e_phoff - segment->file_offset <= segment->file_size - size) {
			image->headers_va = segment->va + header->e_phoff - segment->file_offset;
			return;
		}
	}
}

static bool entry_is_executable(const struct elf_image *image)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct elf_segment *segment = &image->segments[i];

		if (segment->is_executable && image->entry >= segment->va &&
		    image->entry - segment->va < segment->memory_size)
			return true;
	}
	return false;
}

int elf_image_read(struct elf_image *image, const struct elf_source *source, bool allow_wx,
                   struct mote_error *err)
{
	unsigned char head[ELF_HEAD];
	size_t head_size = source->size < sizeof head ? (size_t)source->size : sizeof head;
	Elf64_Ehdr header = {0};
	Elf64_Phdr headers[ELF_SEGMENTS_MAX];
	size_t headers_size;

	memset(image, 0, sizeof *image);
	image->name = source->name;
	if (source->read(source, 0, head, head_size))
		return mote_error_errno(err, MOTE_STATUS_CANNOT_RUN, "cannot read %s",
		                        source->name);
	memcpy(&header, head, head_size < sizeof header ? head_size : sizeof header);
	if (check_identity(&header, source->size, source, err))
		return -1;

	headers_size = header.e_phnum * sizeof headers[0];
	if (header.e_phoff + headers_size <= head_size)
		memcpy(headers, head + header.e_phoff, headers_size);
	else if (source->read(source, header.e_phoff, headers, headers_size))
		return mote_error_errno(err, MOTE_STATUS_CANNOT_RUN, "cannot read %s",
		                        source->name);

	image->is_position_independent = header.e_type == ET_DYN;
	image->entry = header.e_entry;
	image->header_count = header.e_phnum;
	for (size_t i = 0; i < header.e_phnum; i++) {
		const Elf64_Phdr *at = &headers[i];
		bool in_file =
		        at->p_offset <= source->size && at->p_filesz <= source->size - at->p_offset;

		if (at->p_type == PT_LOAD && add_segment(image, at, allow_wx, source, err))
			return -1;
		if (at->p_type == PT_INTERP && in_file) {
			image->interpreter_offset = at->p_offset;
			image->interpreter_size = at->p_filesz;
		}
		if (at->p_type == PT_NOTE && in_file && !image->note_size) {
			image->note_offset = at->p_offset;
			image->note_size = at->p_filesz;
		}
	}
	if (!image->segment_count)
		return refuse(err, source, "it has no segment to load");
	if (!entry_is_executable(image))
		return refuse(err, source, "its entry point is not in an executable segment");
	find_headers_va(image, &header);
	return 0;
}
