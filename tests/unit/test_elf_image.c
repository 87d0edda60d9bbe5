/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the ELF reader: what it accepts, every reason to refuse, and files cut anywhere. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "elf_builder.h"

static struct test_elf elf;
static struct elf_image image;
static struct mote_error err;

static void make_elf(void)
{
	test_elf_init(&elf);
}

TestSuite(elf_image, .init = make_elf);

static int read_size(uint64_t size, bool allow_wx)
{
	struct elf_source source = test_elf_source(&elf, size);

	memset(&err, 0, sizeof err);
	return elf_image_read(&image, &source, allow_wx, &err);
}

static void accept(void)
{
	cr_assert_eq(read_size(sizeof elf, false), 0, "%s", err.text);
}

static void expect_refusal(int status, const char *why)
{
	char text[256];

	snprintf(text, sizeof text, "cannot run prog: %s", why);
	cr_assert_lt(status, 0, "accepted, where to be expected: %s", why);
	cr_assert_eq(err.code, MOTE_STATUS_CANNOT_RUN);
	cr_assert_str_eq(err.text, text);
}

static void refuse(const char *why)
{
	expect_refusal(read_size(sizeof elf, false), why);
}

Test(elf_image, good_program)
{
	const struct elf_segment *text = &image.segments[0], *data = &image.segments[1];

	accept();
	cr_assert_str_eq(image.name, "prog");
	cr_assert_not(image.is_position_independent);
	cr_assert_eq(image.entry, TEST_ELF_TEXT_VA + 0x1000);
	cr_assert_eq(image.headers_va, TEST_ELF_TEXT_VA + sizeof(Elf64_Ehdr));
	cr_assert_eq(image.header_count, 2);
	cr_assert_eq(image.start, TEST_ELF_TEXT_VA);
	cr_assert_eq(image.end, 0x406000);
	cr_assert_eq(image.segment_count, 2);
	cr_assert_eq(image.interpreter_size, 0);
	cr_assert_eq(image.note_size, 0);
	cr_assert(text->is_executable && !text->is_writable && !text->is_supervisor);
	cr_assert(!data->is_executable && data->is_writable && !data->is_supervisor);
	cr_assert_eq(data->va, TEST_ELF_DATA_VA);
	cr_assert_eq(data->memory_size, 0x2000);
	cr_assert_eq(data->file_offset, 0x2010);
	cr_assert_eq(data->file_size, 0x100);
}

Test(elf_image, static_pie)
{
	elf.header.e_type = ET_DYN;
	elf.header.e_entry = 0x1000;
	elf.programs[TEST_ELF_TEXT].p_vaddr = 0;
	elf.programs[TEST_ELF_DATA].p_vaddr = 0x3010;
	accept();
	cr_assert(image.is_position_independent);
	cr_assert_eq(image.start, 0);
	cr_assert_eq(image.end, 0x6000);
	cr_assert_eq(image.headers_va, sizeof(Elf64_Ehdr));
}

Test(elf_image, headers_outside_any_segment)
{
	elf.programs[TEST_ELF_TEXT].p_offset = 0x1000;
	elf.programs[TEST_ELF_TEXT].p_filesz = 0x800;
	elf.header.e_entry = TEST_ELF_TEXT_VA;
	accept();
	cr_assert_eq(image.headers_va, 0);
}

Test(elf_image, headers_partly_in_a_segment_are_not_in_memory)
{
	elf.programs[TEST_ELF_TEXT].p_filesz = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr) - 1;
	accept();
	cr_assert_eq(image.headers_va, 0);
	elf.programs[TEST_ELF_TEXT].p_filesz = 2 * sizeof(Elf64_Phdr) - 1;
	accept();
	cr_assert_eq(image.headers_va, 0);
	elf.programs[TEST_ELF_TEXT].p_filesz = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
	accept();
	cr_assert_eq(image.headers_va, TEST_ELF_TEXT_VA + sizeof(Elf64_Ehdr));
}

/* Behind the first 4096 bytes they are read apart. */
Test(elf_image, headers_far_into_the_file)
{
	elf.header.e_phoff = sizeof elf - 2 * sizeof(Elf64_Phdr);
	memcpy((unsigned char *)&elf + elf.header.e_phoff, elf.programs, 2 * sizeof(Elf64_Phdr));
	accept();
	cr_assert_eq(image.segment_count, 2);
	for (uint64_t at = 4096 - 2 * sizeof(Elf64_Phdr) - 1; at <= 4097; at++) {
		elf.header.e_phoff = at;
		memmove((unsigned char *)&elf + at, elf.programs, 2 * sizeof(Elf64_Phdr));
		accept();
		cr_assert_eq(image.end, 0x406000, "headers at %lu", at);
	}
}

Test(elf_image, most_headers)
{
	elf.header.e_phnum = ELF_SEGMENTS_MAX;
	for (uint64_t i = 2; i < ELF_SEGMENTS_MAX; i++)
		elf.programs[i] = (Elf64_Phdr){
		        .p_type = PT_LOAD, .p_vaddr = 0x500000 + i * 4096, .p_memsz = 4096};
	accept();
	cr_assert_eq(image.segment_count, ELF_SEGMENTS_MAX);
	elf.header.e_phnum++;
	refuse("it has more than 64 program headers");
	elf.header.e_phnum = 0xffff;
	refuse("it has more than 64 program headers");
}

Test(elf_image, interpreter_and_note)
{
	elf.header.e_phnum = 5;
	elf.programs[2] = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = 0x1200, .p_filesz = 28};
	elf.programs[3] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = 0x1300, .p_filesz = 36};
	elf.programs[4] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = 0x1400, .p_filesz = 40};
	accept();
	cr_assert_eq(image.interpreter_offset, 0x1200);
	cr_assert_eq(image.interpreter_size, 28);
	cr_assert_eq(image.note_offset, 0x1300, "the first one");
	cr_assert_eq(image.note_size, 36);
}

Test(elf_image, interpreter_and_note_beyond_the_file_are_not_there)
{
	elf.header.e_phnum = 4;
	elf.programs[2] =
	        (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = sizeof elf - 4, .p_filesz = 5};
	elf.programs[3] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = 1, .p_filesz = UINT64_MAX};
	accept();
	cr_assert_eq(image.interpreter_size, 0);
	cr_assert_eq(image.note_size, 0);
}

Test(elf_image, supervisor_segment)
{
	elf.programs[TEST_ELF_TEXT].p_flags |= MOTE_PF_SUPERVISOR;
	accept();
	cr_assert(image.segments[0].is_supervisor);
	cr_assert_not(image.segments[1].is_supervisor);
}

Test(elf_image, not_elf)
{
	memcpy(&elf, "#!/bin/sh\n", 10);
	refuse("it is a script. Run its interpreter, and give the script with --root");
	memcpy(&elf, "GIF89a", 6);
	refuse("not an ELF file");
	expect_refusal(read_size(0, false), "not an ELF file");
	expect_refusal(read_size(1, false), "not an ELF file");
}

Test(elf_image, wrong_class_and_encoding)
{
	elf.header.e_ident[EI_CLASS] = ELFCLASS32;
	refuse("it is a 32-bit program. Build it for x86-64");
	elf.header.e_ident[EI_CLASS] = 3;
	refuse("not a little-endian 64-bit ELF file of version 1");
	elf.header.e_ident[EI_CLASS] = ELFCLASS64;
	elf.header.e_ident[EI_DATA] = ELFDATA2MSB;
	refuse("not a little-endian 64-bit ELF file of version 1");
	elf.header.e_ident[EI_DATA] = ELFDATA2LSB;
	elf.header.e_ident[EI_VERSION] = 0;
	refuse("not a little-endian 64-bit ELF file of version 1");
}

Test(elf_image, wrong_machine_and_type)
{
	elf.header.e_machine = EM_AARCH64;
	refuse("it is for another machine (ELF machine 183, x86-64 is 62)");
	elf.header.e_machine = EM_X86_64;
	elf.header.e_type = ET_REL;
	refuse("it is an object file. Link it");
	elf.header.e_type = ET_CORE;
	refuse("not an executable ELF file");
	elf.header.e_type = ET_NONE;
	refuse("not an executable ELF file");
}

Test(elf_image, bad_program_headers)
{
	elf.header.e_phentsize = 32;
	refuse("it has no program headers that can be read");
	elf.header.e_phentsize = sizeof(Elf64_Phdr);
	elf.header.e_phnum = 0;
	refuse("it has no program headers that can be read");
	elf.header.e_phnum = 2;
	elf.header.e_phoff = sizeof elf - 2 * sizeof(Elf64_Phdr) + 1;
	refuse("the file is cut inside its program headers");
	elf.header.e_phoff = sizeof elf + 1;
	refuse("the file is cut inside its program headers");
	elf.header.e_phoff = UINT64_MAX - 1;
	refuse("the file is cut inside its program headers");
}

Test(elf_image, more_in_the_file_than_in_memory)
{
	elf.programs[TEST_ELF_DATA].p_memsz = 0xff;
	refuse("a segment has more bytes in the file than in memory");
	elf.programs[TEST_ELF_DATA].p_memsz = 0;
	refuse("a segment has more bytes in the file than in memory");
	elf.programs[TEST_ELF_DATA].p_filesz = 0;
	accept();
	cr_assert_eq(image.segment_count, 1, "an empty segment is none");
}

Test(elf_image, segment_beyond_the_file)
{
	static const char why[] = "the file is cut: a segment reaches beyond its end";

	elf.programs[TEST_ELF_DATA].p_memsz = UINT64_MAX / 2;
	elf.programs[TEST_ELF_DATA].p_filesz = sizeof elf - 0x2010 + 1;
	refuse(why);
	elf.programs[TEST_ELF_DATA].p_filesz = 1ul << 40;
	refuse(why);
	elf.programs[TEST_ELF_DATA].p_filesz = 0x100;
	elf.programs[TEST_ELF_DATA].p_offset = sizeof elf + 0x10;
	refuse(why);
	elf.programs[TEST_ELF_DATA].p_offset = UINT64_MAX - 0xfef;
	refuse(why);
}

Test(elf_image, segment_that_wraps)
{
	static const char why[] = "a segment wraps around the end of the address space";
	Elf64_Phdr *data = &elf.programs[TEST_ELF_DATA];

	data->p_memsz = UINT64_MAX;
	refuse(why);
	data->p_memsz = UINT64_MAX - TEST_ELF_DATA_VA + 2;
	refuse(why);
	data->p_memsz = UINT64_MAX - TEST_ELF_DATA_VA + 1;
	refuse(why);
	data->p_vaddr = 0xfffffffffffff010;
	data->p_memsz = 0x100;
	refuse(why); /* its page would end at 2^64 */
	data->p_vaddr = 0xffffffffffffe010;
	accept();
	cr_assert_eq(image.end, 0xfffffffffffff000);
}

Test(elf_image, offset_that_cannot_be_mapped)
{
	elf.programs[TEST_ELF_DATA].p_vaddr++;
	refuse("a segment's address and file offset differ within their page");
	elf.programs[TEST_ELF_DATA].p_filesz = 0;
	accept();
}

Test(elf_image, writable_and_executable)
{
	elf.programs[TEST_ELF_TEXT].p_flags |= PF_W;
	refuse("a segment is both writable and executable. Link it with separate segments, or use "
	       "--allow-wx");
	cr_assert_eq(read_size(sizeof elf, true), 0);
	cr_assert(image.segments[0].is_writable && image.segments[0].is_executable);
}

Test(elf_image, overlap_and_order)
{
	static const char why[] =
	        "its segments overlap, share a page, or are not in order of address";
	Elf64_Phdr *data = &elf.programs[TEST_ELF_DATA];

	data->p_vaddr = 0x401010; /* the text ends at 0x401800 */
	refuse(why);
	data->p_vaddr = 0x400010;
	refuse(why);
	data->p_vaddr = 0x300010;
	refuse(why);
	data->p_vaddr = 0x402010;
	accept();
}

Test(elf_image, nothing_to_load)
{
	elf.programs[TEST_ELF_TEXT].p_type = PT_NULL;
	elf.programs[TEST_ELF_DATA].p_type = PT_TLS;
	refuse("it has no segment to load");
}

Test(elf_image, entry_point)
{
	static const char why[] = "its entry point is not in an executable segment";

	elf.header.e_entry = TEST_ELF_TEXT_VA + 0x17ff;
	accept();
	elf.header.e_entry++;
	refuse(why);
	elf.header.e_entry = TEST_ELF_TEXT_VA - 1;
	refuse(why);
	elf.header.e_entry = TEST_ELF_DATA_VA;
	refuse(why);
	elf.header.e_entry = UINT64_MAX;
	refuse(why);
}

/* Whatever is missing, the copy of exactly that many bytes is refused with a reason, never read
 * beyond. */
Test(elf_image, cut_at_every_byte)
{
	const uint64_t needed = 0x2010 + 0x100;

	for (uint64_t size = 0; size <= sizeof elf; size++) {
		unsigned char *copy = malloc(size + 1);
		struct elf_source source = test_elf_source(&elf, size);

		cr_assert(copy);
		memcpy(copy, &elf, size);
		source.bytes = copy;
		memset(&err, 0, sizeof err);

		int status = elf_image_read(&image, &source, false, &err);

		free(copy);
		if (size >= needed)
			cr_assert_eq(status, 0, "%lu bytes: %s", size, err.text);
		else if (size < SELFMAG)
			expect_refusal(status, "not an ELF file");
		else if (size < sizeof(Elf64_Ehdr))
			expect_refusal(status, "the file is cut inside its ELF header");
		else if (size < sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr))
			expect_refusal(status, "the file is cut inside its program headers");
		else
			expect_refusal(status, "the file is cut: a segment reaches beyond its end");
	}
}

/* Any one byte may have any value: the reader ends, and what it accepts keeps its promises. */
Test(elf_image, any_byte_changed)
{
	const size_t bytes = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);

	for (size_t i = 0; i < bytes; i++) {
		for (unsigned value = 0; value < 256; value++) {
			make_elf();
			((unsigned char *)&elf)[i] = (unsigned char)value;
			if (read_size(sizeof elf, false))
				continue;
			for (size_t s = 0; s < image.segment_count; s++) {
				const struct elf_segment *at = &image.segments[s];

				cr_assert_leq(at->file_size, at->memory_size);
				cr_assert_leq(at->file_offset + at->file_size, sizeof elf);
				cr_assert_geq(at->va + at->memory_size, at->va);
				cr_assert_leq(at->va + at->memory_size, image.end);
				cr_assert_not(at->is_writable && at->is_executable);
			}
		}
	}
}

static int fail_behind_the_head(const struct elf_source *source, uint64_t offset, void *buffer,
                                size_t length)
{
	errno = EIO;
	return offset ? -1 : elf_read_bytes(source, offset, buffer, length);
}

static int fail(const struct elf_source *source, uint64_t offset, void *buffer, size_t length)
{
	(void)source, (void)offset, (void)buffer, (void)length;
	errno = EACCES;
	return -1;
}

Test(elf_image, read_errors)
{
	struct elf_source source = test_elf_source(&elf, sizeof elf);

	source.read = fail;
	cr_assert_lt(elf_image_read(&image, &source, false, &err), 0);
	cr_assert_str_eq(err.text, "cannot read prog: Permission denied");
	source.read = fail_behind_the_head;
	elf.header.e_phoff = 8192;
	cr_assert_lt(elf_image_read(&image, &source, false, &err), 0);
	cr_assert_str_eq(err.text, "cannot read prog: Input/output error");
}

Test(elf_image, read_from_a_file)
{
	char path[] = "/tmp/test-elf-image.XXXXXX";
	struct elf_source source = {.name = path, .size = sizeof elf, .read = elf_read_file};
	unsigned char byte;

	source.fd = mkstemp(path);
	cr_assert_eq(write(source.fd, &elf, sizeof elf), sizeof elf);
	unlink(path);
	cr_assert_eq(elf_image_read(&image, &source, false, &err), 0);
	cr_assert_eq(image.segment_count, 2);
	/* A file that has shrunk since its size was asked. */
	cr_assert_eq(ftruncate(source.fd, 10), 0);
	cr_assert_lt(elf_image_read(&image, &source, false, &err), 0);
	cr_assert_eq(errno, EIO);
	cr_assert_eq(elf_read_file(&source, 9, &byte, 1), 0);
	cr_assert_eq(elf_read_file(&source, 10, &byte, 1), -1);
	close(source.fd);
	cr_assert_eq(elf_read_file(&source, 0, &byte, 1), -1);
	cr_assert_eq(errno, EBADF);
}
