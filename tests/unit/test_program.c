/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the kit's program loader: what is refused, and where what is not comes to lie. */
#define MOTE_HOSTED
#define _LINUX_ELF_H /* <elf.h> of libc has the same */
#include <criterion/criterion.h>
#include <errno.h>

#include "tests/unit/elf_builder.h"
#include "tests/unit/program_fakes.h"

#include "guestkit/libc-shim/program.c"

static struct test_elf elf;
static struct program_file *program;
static struct program mapped;

static void setup(void)
{
	test_elf_init(&elf);
}

TestSuite(program, .init = setup);

static int read_elf(void)
{
	int result = program_read(fake_open(&elf, sizeof elf), false, &program);

	if (result) {
		cr_assert_null(program);
		cr_assert_eq(fake_open_files, 0);
		cr_assert_eq(fake_blocks, 0);
	}
	return result;
}

Test(program, fixed)
{
	cr_assert_eq(read_elf(), 0);
	cr_assert_null(program->interpreter);
	cr_assert_eq(program_map(program, MOTE_PIE_BASE, &mapped), 0);
	cr_assert_eq(mapped.base, 0);
	cr_assert_eq(mapped.entry, elf.header.e_entry);
	cr_assert_eq(mapped.headers, TEST_ELF_TEXT_VA + sizeof elf.header);
	cr_assert_eq(mapped.header_count, 2);
	cr_assert_eq(mapped.end, 0x406000);
	/* All of it, the text, the data, and its zeros. */
	cr_assert_eq(fake_mapping_count, 4);
	cr_assert_eq(fake_mappings[0].prot, PROT_NONE);
	cr_assert_eq(fake_mappings[0].start, 0x400000);
	cr_assert_eq(fake_mappings[0].end, 0x406000);
	cr_assert_eq(fake_mappings[1].prot, PROT_READ | PROT_EXEC);
	cr_assert_eq(fake_mappings[2].prot, PROT_READ | PROT_WRITE);
	cr_assert_eq(fake_mappings[2].start, 0x403000);
	cr_assert_eq(fake_mappings[2].offset, 0x2000);
	cr_assert(fake_mappings[2].is_of_file);
	cr_assert_eq(fake_zeroed, TEST_ELF_DATA_VA + 0x100);
	cr_assert_eq(fake_mappings[3].start, 0x404000);
	cr_assert_not(fake_mappings[3].is_of_file);
	program_close(program);
	cr_assert_eq(fake_open_files, 0);
	cr_assert_eq(fake_blocks, 0);
}

Test(program, movable)
{
	elf.header.e_type = ET_DYN;
	cr_assert_eq(read_elf(), 0);
	cr_assert_eq(program_map(program, MOTE_PIE_BASE, &mapped), 0);
	cr_assert_eq(mapped.base + TEST_ELF_TEXT_VA, MOTE_PIE_BASE);
	cr_assert_eq(mapped.entry, MOTE_PIE_BASE + 0x1000);
	fake_mapping_count = 0;
	cr_assert_eq(program_map(program, 0, &mapped), 0);
	cr_assert_eq(fake_mappings[0].start, FAKE_LOW);
}

Test(program, interpreter)
{
	static const char name[] = "/lib/ld-musl-x86_64.so.1";

	elf.header.e_phnum = 3;
	elf.programs[2] =
	        (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = 4096, .p_filesz = sizeof name};
	memcpy(elf.body, name, sizeof name);
	cr_assert_eq(read_elf(), 0);
	cr_assert_str_eq(program->interpreter, name);
	program_close(program);
	elf.programs[2].p_filesz = sizeof name - 1;
	cr_assert_eq(read_elf(), -ENOEXEC, "no zero byte at its end");
	elf.programs[2].p_filesz = 1;
	cr_assert_eq(read_elf(), -ENOEXEC);
	elf.programs[2].p_filesz = UINT64_MAX;
	cr_assert_eq(read_elf(), -ENOEXEC);
	elf.programs[2] =
	        (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = UINT64_MAX - 8, .p_filesz = 16};
	cr_assert_eq(read_elf(), -ENOEXEC);
}

Test(program, of_an_interpreter_that_is_none)
{
	elf.header.e_machine = EM_386;
	cr_assert_eq(program_read(fake_open(&elf, sizeof elf), true, &program), -ELIBBAD);
}

Test(program, writable_and_executable)
{
	elf.programs[TEST_ELF_DATA].p_flags |= PF_X;
	cr_assert_eq(read_elf(), -EACCES);
	fake_allows_wx = true;
	cr_assert_eq(read_elf(), 0);
}

#define REFUSED(change)                                            \
	do {                                                       \
		test_elf_init(&elf);                               \
		change;                                            \
		cr_expect_eq(read_elf(), -ENOEXEC, "%s", #change); \
	} while (0)

Test(program, headers_that_make_no_sense)
{
	Elf64_Phdr *text = &elf.programs[TEST_ELF_TEXT], *data = &elf.programs[TEST_ELF_DATA];

	REFUSED(elf.header.e_ident[0] = 0);
	REFUSED(elf.header.e_ident[EI_CLASS] = ELFCLASS32);
	REFUSED(elf.header.e_ident[EI_DATA] = ELFDATA2MSB);
	REFUSED(elf.header.e_type = ET_REL);
	REFUSED(elf.header.e_phnum = 0);
	REFUSED(elf.header.e_phnum = 65);
	REFUSED(elf.header.e_phentsize = 55);
	REFUSED(elf.header.e_phoff = UINT64_MAX);
	REFUSED(elf.header.e_phoff = sizeof elf - 1);
	REFUSED(data->p_vaddr = text->p_vaddr + 16);
	REFUSED(data->p_vaddr += 1);
	REFUSED(data->p_filesz = data->p_memsz + 1);
	REFUSED(data->p_memsz = UINT64_MAX);
	REFUSED(data->p_vaddr = MOTE_USER_END + 0x10);
	REFUSED(data->p_vaddr = 0xffffffff80000010);
	REFUSED(data->p_offset = UINT64_MAX - 0xfef);
	REFUSED(text->p_type = data->p_type = PT_NOTE);
}

/* It is not looked at, and has no program headers. */
Test(program, segment_without_memory)
{
	elf.header.e_phnum = 3;
	elf.programs[2] = elf.programs[TEST_ELF_DATA];
	elf.programs[TEST_ELF_TEXT].p_offset = 0x1000;
	elf.programs[TEST_ELF_DATA] = (Elf64_Phdr){
	        .p_type = PT_LOAD, .p_vaddr = 0x5100000000000000, .p_filesz = INT64_MAX};
	cr_assert_eq(read_elf(), 0);
	cr_assert_eq(program_map(program, 0, &mapped), 0);
	cr_assert_eq(mapped.headers, 0);
}

/* Its first instruction would be the kit's: an iretq to an address that is not canonical. */
Test(program, entry_outside)
{
	elf.header.e_entry = 0x8000000000000000;
	cr_assert_eq(read_elf(), 0);
	cr_assert_eq(program_map(program, 0, &mapped), -ENOEXEC);
}

Test(program, cut_anywhere)
{
	for (size_t size = 0; size < sizeof elf.header + 2 * sizeof(Elf64_Phdr); size++)
		cr_assert_eq(program_read(fake_open(&elf, size), false, &program), -ENOEXEC);
}

Test(program, may_run)
{
	fake_inode.mode = S_IFREG | 0644;
	cr_assert_not(program_may_run(&fake_file));
	fake_inode.mode = S_IFREG | 0010;
	cr_assert(program_may_run(&fake_file));
	fake_inode.mode = S_IFCHR | 0777;
	cr_assert_not(program_may_run(&fake_file));
}
