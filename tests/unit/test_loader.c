/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the loader: opening programs, the kit's version, where segments go and what follows
 * them. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf_builder.h"
#include "vmm/loader.h"

#define SIZE  (4ul << 20)
#define START 0x10000ul /* where the application's segments go */
#define PAGE  MOTE_PAGE_SIZE

static struct test_elf elf;
static struct guest_memory memory;
static struct layout layout;
static struct elf_file file;
static struct mote_error err;

static void start(void)
{
	test_elf_init(&elf);
	cr_assert_eq(guest_memory_create(&memory, SIZE, &err), 0);
	layout = (struct layout){.memory = &memory, .next = START, .copy_limit = UINT64_MAX};
	file.source = test_elf_source(&elf, sizeof elf);
}

TestSuite(loader, .init = start);

/* ---- elf_file_open() ---- */

static void refuse_open(const char *path, int code, const char *text)
{
	cr_assert_lt(elf_file_open(&file, path, &err), 0);
	cr_assert_eq(err.code, code);
	cr_assert_str_eq(err.text, text);
}

Test(loader, files_that_are_not_there)
{
	refuse_open("/nowhere/prog", MOTE_STATUS_NOT_FOUND,
	            "cannot open /nowhere/prog: No such file or directory");
	refuse_open("/dev/null/prog", MOTE_STATUS_NOT_FOUND,
	            "cannot open /dev/null/prog: Not a directory");
	refuse_open("no-such-program", MOTE_STATUS_NOT_FOUND,
	            "cannot open no-such-program: No such file or directory. Give a path, as in "
	            "./no-such-program: PATH is not searched");
}

Test(loader, files_that_are_no_programs)
{
	char path[] = "/tmp/test-loader.XXXXXX", fifo[64], text[128];

	cr_assert(mkdtemp(path));
	snprintf(text, sizeof text, "cannot run %s: it is not a regular file", path);
	refuse_open(path, MOTE_STATUS_CANNOT_RUN, text);
	refuse_open("/dev/null", MOTE_STATUS_CANNOT_RUN,
	            "cannot run /dev/null: it is not a regular file");
	/* Nobody writes to it: opening must not wait. */
	snprintf(fifo, sizeof fifo, "%s/fifo", path);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	snprintf(text, sizeof text, "cannot run %s: it is not a regular file", fifo);
	refuse_open(fifo, MOTE_STATUS_CANNOT_RUN, text);
	unlink(fifo);
	rmdir(path);
}

Test(loader, files_that_may_not_be_read)
{
	char path[] = "/tmp/test-loader.XXXXXX", text[128];
	int fd = mkstemp(path);

	cr_assert_eq(fchmod(fd, 0), 0);
	if (geteuid() == 0)
		cr_assert_eq(seteuid(65534), 0);
	snprintf(text, sizeof text, "cannot open %s: Permission denied", path);
	refuse_open(path, MOTE_STATUS_CANNOT_RUN, text);
	if (getuid() == 0)
		cr_assert_eq(seteuid(0), 0);
	unlink(path);
}

/* Put the test program into a file and open it. */
static void open_file(void)
{
	static char path[] = "/tmp/test-loader.XXXXXX";
	int fd = mkstemp(path);

	cr_assert_eq(write(fd, &elf, sizeof elf), sizeof elf);
	close(fd);
	cr_assert_eq(elf_file_open(&file, path, &err), 0, "%s", err.text);
	unlink(path);
}

Test(loader, opened_file)
{
	open_file();
	cr_assert_eq(file.source.size, sizeof elf);
	cr_assert(file.source.is_mappable);
	cr_assert(fcntl(file.source.fd, F_GETFD) & FD_CLOEXEC);
	cr_assert_eq(elf_image_read(&file.image, &file.source, false, &err), 0);
}

/* ---- placing an application ---- */

static void load(void)
{
	cr_assert_eq(elf_image_read(&file.image, &file.source, false, &err), 0, "%s", err.text);
	cr_assert_eq(application_load(&file, &layout, &err), 0, "%s", err.text);
}

/* [from, to) of guest memory holds the file's bytes from an offset on. */
static void expect_file(uint64_t from, uint64_t to, uint64_t offset)
{
	cr_assert_eq(memcmp(memory.host + from, (unsigned char *)&elf + offset, to - from), 0);
}

static void expect_zeros(uint64_t from, uint64_t to)
{
	for (uint64_t at = from; at < to; at++)
		cr_assert_eq(memory.host[at], 0, "at 0x%lx", at);
}

/* Text of two pages, then data of three: 0x10 bytes into its first page, 0x100 long, then zeros. */
static void expect_placed(void)
{
	load();
	cr_assert_eq(file.gpa, START);
	cr_assert_eq(file.bias, 0);
	cr_assert_eq(layout.next, START + 5 * PAGE);
	expect_file(START, START + 0x1800, 0);
	expect_file(START + 2 * PAGE + 0x10, START + 2 * PAGE + 0x110, 0x2010);
	expect_zeros(START + 2 * PAGE + 0x110, START + 6 * PAGE);
}

Test(loader, copied_from_memory)
{
	expect_placed();
	expect_zeros(START + 0x1800, START + 2 * PAGE);
}

Test(loader, copied_from_a_file)
{
	open_file();
	expect_placed();
	expect_zeros(START + 0x1800, START + 2 * PAGE);
}

Test(loader, mapped_from_a_file)
{
	open_file();
	layout.copy_limit = 0;
	expect_placed();
	memory.host[START] ^= 1; /* ours, not the file's */
	cr_assert_eq(elf_image_read(&file.image, &file.source, false, &err), 0);
}

Test(loader, what_cannot_be_mapped_is_copied)
{
	layout.copy_limit = 0;
	expect_placed();
}

Test(loader, copied_up_to_the_limit)
{
	struct stat before, after;
	int ends[2];

	/* Data is small enough, text is not: only the latter needs the descriptor to be a file. */
	open_file();
	cr_assert_eq(elf_image_read(&file.image, &file.source, false, &err), 0);
	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(fstat(ends[0], &before), 0);
	file.source.fd = ends[0];
	file.source.read = elf_read_bytes;
	file.source.bytes = (unsigned char *)&elf;
	layout.copy_limit = 0x1800;
	cr_assert_eq(application_load(&file, &layout, &err), 0, "%s", err.text);
	layout.copy_limit = 0x17ff;
	layout.next = START;
	cr_assert_lt(application_load(&file, &layout, &err), 0);
	cr_assert_eq(fstat(ends[0], &after), 0);
	cr_assert(strstr(err.text, "cannot map "), "%s", err.text);
}

Test(loader, bss_alone)
{
	elf.programs[TEST_ELF_DATA].p_filesz = 0;
	load();
	expect_zeros(START + 2 * PAGE, START + 5 * PAGE);
}

Test(loader, data_that_fills_its_page_needs_no_clearing)
{
	elf.programs[TEST_ELF_DATA].p_filesz = 0x1000 - 0x10;
	open_file();
	layout.copy_limit = 0;
	load();
	expect_file(START + 2 * PAGE + 0x10, START + 3 * PAGE, 0x2010);
	expect_zeros(START + 3 * PAGE, START + 5 * PAGE);
}

static void make_pie(void)
{
	elf.header.e_type = ET_DYN;
	elf.header.e_entry = 0x1000;
	elf.programs[TEST_ELF_TEXT].p_vaddr = 0;
	elf.programs[TEST_ELF_DATA].p_vaddr = 0x3010;
}

Test(loader, pie_gets_a_bias)
{
	make_pie();
	load();
	cr_assert_eq(file.bias, MOTE_PIE_BASE);
	cr_assert_eq(file.gpa, START);
}

static void refuse_load(const char *text)
{
	cr_assert_eq(elf_image_read(&file.image, &file.source, false, &err), 0, "%s", err.text);
	cr_assert_lt(application_load(&file, &layout, &err), 0);
	cr_assert_eq(err.code, MOTE_STATUS_CANNOT_RUN);
	cr_assert_str_eq(err.text, text);
	cr_assert_eq(layout.next, START, "nothing was placed");
}

Test(loader, page_0_stays_unmapped)
{
	elf.header.e_entry = 0x1000;
	elf.programs[TEST_ELF_TEXT].p_vaddr = 0;
	refuse_load("cannot run prog: a segment covers address 0, which stays unmapped");
}

Test(loader, addresses_that_belong_to_the_stack_and_above)
{
	static const char text[] = "cannot run prog: a segment lies above address 0x3ffffff800";
	const uint64_t half = MOTE_STACK_TOP / 2;

	elf.programs[TEST_ELF_DATA].p_vaddr = (half & ~0xfffl) + 0x10;
	elf.programs[TEST_ELF_DATA].p_memsz = 0x100;
	refuse_load(text);
	elf.programs[TEST_ELF_DATA].p_vaddr = MOTE_WINDOW_VA + 0x10;
	refuse_load(text);
	elf.programs[TEST_ELF_DATA].p_vaddr = (half & ~0xfffl) - PAGE + 0x10;
	load();
}

Test(loader, more_than_the_memory_that_is_free)
{
	static const char text[] = "cannot run prog: its segments take more than the 4032 KiB of "
	                           "guest memory that are free. Give it more with --mem";
	Elf64_Phdr *data = &elf.programs[TEST_ELF_DATA];

	data->p_memsz = 1ul << 40;
	refuse_load(text);
	data->p_memsz = SIZE - START - 2 * PAGE - 0x10 + 1;
	refuse_load(text);
	data->p_memsz--;
	load();
	cr_assert_eq(layout.next, SIZE);
}

Test(loader, segments_that_fit_only_one_by_one)
{
	elf.header.e_phnum = 4;
	elf.programs[2] =
	        (Elf64_Phdr){.p_type = PT_LOAD, .p_vaddr = 0x1000000, .p_memsz = SIZE / 2};
	elf.programs[3] =
	        (Elf64_Phdr){.p_type = PT_LOAD, .p_vaddr = 0x2000000, .p_memsz = SIZE / 2};
	refuse_load(
	        "cannot run prog: its segments take more than the 4032 KiB of guest memory that "
	        "are free. Give it more with --mem");
}

/* ---- mapping it ---- */

static uint64_t flags_of(uint64_t va, uint64_t *gpa)
{
	uint64_t flags = 0, span;

	*gpa = page_tables_translate(&memory, layout.tables.root, va, &flags, &span);
	return flags;
}

Test(loader, mapped_with_the_segments_permissions)
{
	uint64_t gpa;

	make_pie();
	load();
	cr_assert_eq(page_tables_create(&layout.tables, &memory, &layout.next, &err), 0);
	cr_assert_eq(application_map(&file, &layout, &err), 0, "%s", err.text);
	cr_assert_eq(flags_of(MOTE_PIE_BASE + 0x1234, &gpa), PTE_PRESENT | PTE_USER);
	cr_assert_eq(gpa, START + 0x1234);
	cr_assert_eq(flags_of(MOTE_PIE_BASE + 0x3010, &gpa),
	             PTE_PRESENT | PTE_USER | PTE_WRITABLE | PTE_NO_EXEC);
	cr_assert_eq(gpa, START + 0x2010);
	cr_assert_eq(flags_of(MOTE_PIE_BASE + 0x5fff, &gpa),
	             PTE_PRESENT | PTE_USER | PTE_WRITABLE | PTE_NO_EXEC);
	flags_of(MOTE_PIE_BASE + 0x2000, &gpa);
	cr_assert_eq(gpa, UINT64_MAX, "the gap between the segments");
	flags_of(MOTE_PIE_BASE + 0x6000, &gpa);
	cr_assert_eq(gpa, UINT64_MAX);
	flags_of(MOTE_PIE_BASE - 1, &gpa);
	cr_assert_eq(gpa, UINT64_MAX);
}

/* ---- the kit ---- */

#define NOTE 0x1200ul /* file offset */

/* Turn the test program into a kit: linked into the window, with a note. */
static struct mote_kit_note *make_kit(void)
{
	unsigned char *note = (unsigned char *)&elf + NOTE;
	Elf64_Nhdr header = {.n_namesz = sizeof MOTE_NOTE_OWNER,
	                     .n_descsz = sizeof(struct mote_kit_note),
	                     .n_type = MOTE_NOTE_KIT};
	struct mote_kit_note content = {.abi_version = MOTE_ABI_VERSION,
	                                .size = sizeof content,
	                                .syscall_entry = MOTE_KIT_VA + 0x100,
	                                .version = "9.8.7"};

	elf.header.e_entry = MOTE_RING0_VA + 0x1000;
	elf.programs[TEST_ELF_TEXT].p_vaddr = MOTE_RING0_VA;
	elf.programs[TEST_ELF_DATA].p_vaddr = MOTE_KIT_VA + 0x10;
	elf.header.e_phnum = 3;
	elf.programs[2] =
	        (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = NOTE, .p_filesz = 20 + sizeof content};
	memcpy(note, &header, sizeof header);
	memset(note + sizeof header, 0, 8);
	memcpy(note + sizeof header, MOTE_NOTE_OWNER, sizeof MOTE_NOTE_OWNER);
	memcpy(note + sizeof header + 8, &content, sizeof content);
	file.source.name = "a-kit";
	return (struct mote_kit_note *)(void *)(note + sizeof header + 8);
}

static void refuse_kit(const char *text)
{
	struct mote_kit_note note;

	cr_assert_lt(kit_read(&file, &note, &err), 0);
	cr_assert_eq(err.code, MOTE_STATUS_FAILED);
	cr_assert_str_eq(err.text, text);
}

Test(loader, kit_of_this_version)
{
	struct mote_kit_note note;

	make_kit();
	cr_assert_eq(kit_read(&file, &note, &err), 0, "%s", err.text);
	cr_assert_eq(note.syscall_entry, MOTE_KIT_VA + 0x100);
	cr_assert_str_eq(note.version, "9.8.7");
}

Test(loader, kit_inside_the_program)
{
	struct mote_kit_note note;

	cr_assert_eq(kit_open(&file, NULL, &err), 0);
	cr_assert_str_eq(file.source.name, "kit.elf");
	cr_assert_eq(kit_read(&file, &note, &err), 0, "%s", err.text);
	cr_assert_str_eq(note.version, MOTE_VERSION);
	cr_assert_geq(note.syscall_entry, MOTE_KIT_VA);
	cr_assert_lt(note.syscall_entry, MOTE_WINDOW_END);
}

Test(loader, kit_that_is_not_there)
{
	cr_assert_lt(kit_open(&file, "/nowhere/kit.elf", &err), 0);
	cr_assert_eq(err.code, MOTE_STATUS_NOT_FOUND);
}

Test(loader, older_and_newer_kits)
{
	struct mote_kit_note *note = make_kit();
	char text[256];

	note->abi_version = MOTE_ABI_VERSION - 1;
	snprintf(text, sizeof text,
	         "the guest kit a-kit (version 9.8.7, ABI %u) is older than this mote (version %s, "
	         "ABI %u). Use the kit that was built with it",
	         MOTE_ABI_VERSION - 1, MOTE_VERSION, MOTE_ABI_VERSION);
	refuse_kit(text);
	note->abi_version = UINT32_MAX;
	snprintf(text, sizeof text,
	         "the guest kit a-kit (version 9.8.7, ABI %u) is newer than this mote (version %s, "
	         "ABI %u). Use the kit that was built with it",
	         UINT32_MAX, MOTE_VERSION, MOTE_ABI_VERSION);
	refuse_kit(text);
}

Test(loader, version_text_without_an_end)
{
	struct mote_kit_note *note = make_kit();

	note->abi_version = MOTE_ABI_VERSION + 1;
	memset(note->version, 'v', sizeof note->version);
	cr_assert_lt(kit_read(&file, &(struct mote_kit_note){0}, &err), 0);
	cr_assert(strstr(err.text, "(version vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv, ABI"), "%s",
	          err.text);
}

Test(loader, kits_without_a_note)
{
	static const char text[] = "cannot use the guest kit a-kit: it has no Mote note";
	Elf64_Nhdr *header = (Elf64_Nhdr *)(void *)((unsigned char *)&elf + NOTE);

	make_kit();
	elf.programs[2].p_type = PT_NULL;
	refuse_kit(text);
	elf.programs[2].p_type = PT_NOTE;
	elf.programs[2].p_filesz = 27;
	refuse_kit(text);
	elf.programs[2].p_filesz = 20 + sizeof(struct mote_kit_note);
	header->n_type++;
	refuse_kit(text);
	header->n_type--;
	header->n_namesz++;
	refuse_kit(text);
	header->n_namesz--;
	memcpy(header + 1, "mote", 4);
	refuse_kit(text);
	memcpy(header + 1, "Mote", 4);
	cr_assert_eq(kit_read(&file, &(struct mote_kit_note){0}, &err), 0);
}

Test(loader, kits_outside_the_window)
{
	static const char text[] =
	        "cannot use the guest kit a-kit: it is not linked into the kit's window";

	make_kit();
	elf.programs[TEST_ELF_TEXT].p_vaddr -= PAGE;
	elf.header.e_entry -= PAGE;
	refuse_kit(text);
	make_kit();
	elf.programs[TEST_ELF_DATA].p_memsz = MOTE_WINDOW_END - MOTE_KIT_VA - 0x10 + 1;
	refuse_kit(text);
	elf.programs[TEST_ELF_DATA].p_memsz--;
	cr_assert_eq(kit_read(&file, &(struct mote_kit_note){0}, &err), 0);
}

Test(loader, kit_is_placed_and_mapped_at_its_window)
{
	const uint64_t text = MOTE_RING0_VA - MOTE_WINDOW_VA, data = MOTE_KIT_VA - MOTE_WINDOW_VA;
	uint64_t gpa;

	make_kit();
	elf.programs[TEST_ELF_TEXT].p_flags |= MOTE_PF_SUPERVISOR;
	cr_assert_eq(kit_read(&file, &(struct mote_kit_note){0}, &err), 0);
	cr_assert_eq(kit_load(&file, &layout, &err), 0, "%s", err.text);
	cr_assert_eq(layout.next, data + 3 * PAGE);
	expect_file(text, text + 0x1800, 0);
	expect_file(data + 0x10, data + 0x110, 0x2010);
	expect_zeros(data + 0x110, data + 3 * PAGE);
	cr_assert_eq(page_tables_create(&layout.tables, &memory, &layout.next, &err), 0);
	cr_assert_eq(kit_map(&file, &layout, &err), 0, "%s", err.text);
	cr_assert_eq(flags_of(MOTE_RING0_VA, &gpa), PTE_PRESENT, "for CPL 0 alone");
	cr_assert_eq(gpa, text);
	cr_assert_eq(flags_of(MOTE_KIT_VA, &gpa),
	             PTE_PRESENT | PTE_USER | PTE_WRITABLE | PTE_NO_EXEC);
	cr_assert_eq(gpa, data);
}

/* Each page of the kit, copied or mapped, has the bytes of the file. */
static void expect_kit(void)
{
	for (size_t i = 0; i < file.image.segment_count; i++) {
		const struct elf_segment *segment = &file.image.segments[i];

		cr_assert_eq(memcmp(memory.host + segment->va - MOTE_WINDOW_VA,
		                    file.source.bytes + segment->file_offset, segment->file_size),
		             0, "segment %zu", i);
	}
}

static void open_real_kit(void)
{
	cr_assert_eq(guest_memory_create(&memory, 4ul << 20, &err), 0);
	cr_assert_eq(kit_open(&file, NULL, &err), 0);
	cr_assert_eq(kit_read(&file, &(struct mote_kit_note){0}, &err), 0, "%s", err.text);
}

Test(loader, what_starts_do_not_need_of_the_kit_is_mapped)
{
	struct mote_range copied;

	open_real_kit();
	copied = kit_copied(&file);
	cr_assert_eq(kit_load(&file, &layout, &err), 0, "%s", err.text);
	expect_kit();
	cr_assert_eq(memory.backed_count, 1);
	cr_assert_eq(memory.backed[0].start, copied.end - MOTE_WINDOW_VA);
	cr_assert_gt(memory.backed[0].end - memory.backed[0].start, copied.end - copied.start);
	cr_assert_lt(memory.backed[0].end, layout.next);
}

Test(loader, kit_that_cannot_be_mapped_is_copied)
{
	unsigned char *bytes;

	open_real_kit();
	bytes = malloc(file.source.size + 1);
	file.source.bytes = memcpy(bytes + 1, file.source.bytes, file.source.size);
	cr_assert_eq(kit_load(&file, &layout, &err), 0, "%s", err.text);
	expect_kit();
	cr_assert_eq(memory.backed_count, 0);
}

Test(loader, kit_in_too_little_memory)
{
	make_kit();
	cr_assert_eq(kit_read(&file, &(struct mote_kit_note){0}, &err), 0);
	memory.size = MOTE_KIT_VA - MOTE_WINDOW_VA + 3 * PAGE;
	cr_assert_lt(kit_load(&file, &layout, &err), 0);
	cr_assert_str_eq(err.text,
	                 "cannot use the guest kit a-kit: the guest's memory is too small "
	                 "for it. Use --mem");
}
