/* SPDX-License-Identifier: Apache-2.0 */
/* ELF files in memory for tests: a good one, whose every field a test may change. */
#ifndef MOTE_TESTS_ELF_BUILDER_H
#define MOTE_TESTS_ELF_BUILDER_H

#include <elf.h>
#include <string.h>

#include "mote/abi.h"
#include "vmm/elf_image.h"

/* The file as it lies on disk. */
struct test_elf {
	Elf64_Ehdr header;
	Elf64_Phdr programs[ELF_SEGMENTS_MAX + 1];
	unsigned char rest[4096 - sizeof(Elf64_Ehdr) - (ELF_SEGMENTS_MAX + 1) * sizeof(Elf64_Phdr)];
	unsigned char body[3 * 4096]; /* file offset 4096 and up */
};
_Static_assert(sizeof(struct test_elf) == 4 * 4096, "the body starts at a page");

enum { TEST_ELF_TEXT, TEST_ELF_DATA }; /* indices into programs */

#define TEST_ELF_TEXT_VA 0x400000ul
#define TEST_ELF_DATA_VA 0x403010ul

/*
 * A program of two segments: text of 0x1800 bytes from file offset 0, headers included, and data:
 * 0x100 bytes in the file, 0x2000 in memory. Byte n of the body is (n % 251) + 1, never 0.
 */
static inline void test_elf_init(struct test_elf *elf)
{
	memset(elf, 0, sizeof *elf);
	elf->header = (Elf64_Ehdr){
	        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
	        .e_type = ET_EXEC,
	        .e_machine = EM_X86_64,
	        .e_version = EV_CURRENT,
	        .e_entry = TEST_ELF_TEXT_VA + 0x1000,
	        .e_phoff = sizeof(Elf64_Ehdr),
	        .e_ehsize = sizeof(Elf64_Ehdr),
	        .e_phentsize = sizeof(Elf64_Phdr),
	        .e_phnum = 2,
	};
	elf->programs[TEST_ELF_TEXT] = (Elf64_Phdr){.p_type = PT_LOAD,
	                                            .p_flags = PF_R | PF_X,
	                                            .p_offset = 0,
	                                            .p_vaddr = TEST_ELF_TEXT_VA,
	                                            .p_filesz = 0x1800,
	                                            .p_memsz = 0x1800};
	elf->programs[TEST_ELF_DATA] = (Elf64_Phdr){.p_type = PT_LOAD,
	                                            .p_flags = PF_R | PF_W,
	                                            .p_offset = 0x2010,
	                                            .p_vaddr = TEST_ELF_DATA_VA,
	                                            .p_filesz = 0x100,
	                                            .p_memsz = 0x2000};
	for (size_t i = 0; i < sizeof elf->body; i++)
		elf->body[i] = (unsigned char)(i % 251 + 1);
}

static inline struct elf_source test_elf_source(const struct test_elf *elf, uint64_t size)
{
	return (struct elf_source){.name = "prog",
	                           .size = size,
	                           .read = elf_read_bytes,
	                           .fd = -1,
	                           .bytes = (const unsigned char *)elf};
}

#endif
