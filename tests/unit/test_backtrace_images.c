/* SPDX-License-Identifier: Apache-2.0 */
/* Backtraces through images that never ran: two at once, hostile tables; and how frames are
 * printed. */
#include "backtrace_crash.h"

/* Stack words as one array, for images that never ran. */
struct words {
	uint64_t va;
	const uint64_t *values;
	size_t count;
};

static int read_words(void *ctx, uint64_t va, void *buffer, size_t length)
{
	const struct words *words = ctx;

	if (va < words->va || length > words->count * 8 ||
	    va - words->va > words->count * 8 - length)
		return -1;
	memcpy(buffer, (const char *)words->values + (va - words->va), length);
	return 0;
}

/* The linked value of a symbol, and the address behind the first direct call after it. */
static uint64_t symbol_value(const char *directory, const char *name)
{
	char line[256];
	unsigned long value = 0;

	snprintf(line, sizeof line, "nm %s/prog | awk '$3 == \"%s\" { print $1 }'", directory,
	         name);

	FILE *nm = popen(line, "r");

	cr_assert_eq(fscanf(nm, "%lx", &value), 1);
	pclose(nm);
	return value;
}

static uint64_t behind_call(const struct code_image *image, uint64_t start)
{
	struct byte_cursor code = elf_bytes_at(image, start);

	for (uint64_t i = 0; i < cursor_left(&code); i++)
		if (code.at[i] == 0xe8)
			return start + i + 5;
	cr_assert(false, "no call");
	return 0;
}

/* A kernel-like image at the top of the address space, called from an application's function. */
Test(backtrace, two_images)
{
	static const char kit[] =
	        "extern volatile int sink; volatile int sink;\n"
	        "__attribute__((noinline)) int kit_inner(int n) { return sink + n; }\n"
	        "int kit_outer(int n) { return kit_inner(n) + sink; /*outer*/ }\n";
	char directory[] = "/tmp/test-backtrace.XXXXXX", line[BACKTRACE_LINE_MAX];
	struct backtrace_frame frames[BACKTRACE_MAX];
	struct code_image images[2];

	cr_assert(mkdtemp(directory));
	write_text(directory, "prog.c", program);
	shell(directory, "gcc -static -g -O2 prog.c -o prog");
	images[0] = map_image(directory, "prog");
	images[0].name = "app";

	uint64_t in_main = behind_call(&images[0], symbol_value(directory, "middle"));

	write_text(directory, "prog.c", kit);
	shell(directory, "gcc -g -O1 -ffreestanding -nostdlib -static -mcmodel=kernel -fno-pic "
	                 "-fno-asynchronous-unwind-tables -Wl,-e,kit_outer -Wl,--build-id=none "
	                 "-Wl,-Ttext-segment=0xffffffff80000000 prog.c -o prog");
	images[1] = map_image(directory, "prog");
	images[1].name = "kit";

	uint64_t inner = symbol_value(directory, "kit_inner");
	uint64_t outer = behind_call(&images[1], symbol_value(directory, "kit_outer"));
	/* At the start of kit_inner. How much kit_outer saves is the compiler's choice. */
	const uint64_t stack[] = {outer, in_main, in_main, in_main, 0, 0};
	struct words words = {0x7000, stack, 6};
	struct guest_reader reader = {read_words, &words};
	struct unwind_registers regs = {.rip = inner, .gpr[UNWIND_RSP] = words.va};
	size_t count = backtrace_collect(images, 2, &regs, &reader, frames, BACKTRACE_MAX);

	cr_assert_geq(count, 3);
	cr_assert(is_named(&frames[0], "kit_inner") && frames[0].image == &images[1]);
	cr_assert_eq(frames[0].where.line, 2);
	cr_assert(is_named(&frames[1], "kit_outer") && frames[1].where.line == 3);
	cr_assert(is_named(&frames[2], "middle") && frames[2].image == &images[0]);
	cr_assert_eq(frames[2].where.line, line_of("/*middle*/"));
	backtrace_format_frame(0, &frames[0], line, sizeof line);
	cr_assert(strstr(line, " in kit_inner+0x0 at prog.c:2  (kit)"), "%s", line);
	shell(directory, "rm prog prog.c && rmdir $PWD");
}

static void fill(unsigned char *at, size_t size, const void *pattern, size_t length)
{
	for (size_t i = 0; i + length <= size; i += length)
		memcpy(at + i, pattern, length);
}

#ifdef __SANITIZE_ADDRESS__
#define SECONDS_MAX 5.0
#else
#define SECONDS_MAX 1.0
#endif

/* Tables of 32 MiB each that match nothing or everything, under a stack that never ends. */
Test(backtrace, huge_hostile_tables_take_under_a_second)
{
	enum { REGION = 32 << 20, SYMBOL = 24 };
	static const char names[] = "\0.eh_frame\0.symtab\0.debug_line\0";
	static const unsigned char cie[] = {12, 0,   0,   0, 0, 0,    0,  0,
	                                    1,  'z', 'R', 0, 1, 0x78, 16, 1};
	static const unsigned char line_header[] = {0xff, 0xff, 0xff, 1, 4, 0, 8, 0, 0,
	                                            0,    1,    1,    1, 0, 1, 1, 0, 0};
	static const unsigned char rows[] = {0, 9, 2, 0, 2, 0, 0, 0, 0, 0, 0, 1, 2, 127, 1};
	size_t size = 4096 + 3 * (size_t)REGION;
	unsigned char *elf =
	        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	Elf64_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB},
	                     .e_machine = EM_X86_64,
	                     .e_phoff = 64,
	                     .e_phentsize = 56,
	                     .e_phnum = 1,
	                     .e_shoff = 128,
	                     .e_shentsize = 64,
	                     .e_shnum = 5,
	                     .e_shstrndx = 4};
	Elf64_Phdr load = {.p_type = PT_LOAD,
	                   .p_flags = PF_X,
	                   .p_vaddr = 0x100,
	                   .p_filesz = size,
	                   .p_memsz = 1 << 30};
	Elf64_Shdr sections[5] = {
	        {.sh_flags = 0},
	        {1, 1, SHF_EXECINSTR, 0, 4096, REGION, 0, 0, 0, 0},
	        {11, SHT_SYMTAB, 0, 0, 4096 + REGION, REGION, 4, 0, 8, SYMBOL},
	        {19, 1, 0, 0, 4096 + 2 * (size_t)REGION, REGION, 0, 0, 0, 0},
	        {1, SHT_STRTAB, 0, 0, 1024, sizeof names, 0, 0, 0, 0},
	};
	Elf64_Sym symbol = {1, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, 0x100, 1 << 30};
	uint32_t fde[] = {12, 0, 0x7fffffff, 1};
	uint64_t stack[512];
	struct words words = {0x10000, stack, 512};
	struct guest_reader reader = {read_words, &words};
	struct code_image image = {elf, size, 0, "hostile"};
	struct unwind_registers regs = {
	        .rip = 0x5000, .gpr[UNWIND_RSP] = words.va, .gpr[UNWIND_RBP] = words.va};
	struct backtrace_frame frames[BACKTRACE_MAX];
	struct timespec before, after;

	cr_assert(elf != MAP_FAILED);
	memcpy(elf, &header, sizeof header);
	memcpy(elf + 64, &load, sizeof load);
	memcpy(elf + 128, sections, sizeof sections);
	memcpy(elf + 1024, names, sizeof names);
	memcpy(elf + 4096, cie, sizeof cie);
	for (size_t i = sizeof cie; i < REGION; i += sizeof fde) {
		fde[1] = (uint32_t)i + 4;
		memcpy(elf + 4096 + i, fde, sizeof fde);
	}
	fill(elf + 4096 + REGION, REGION, &symbol, sizeof symbol);
	fill(elf + 4096 + 2 * (size_t)REGION + sizeof line_header, REGION - sizeof line_header,
	     rows, sizeof rows);
	memcpy(elf + 4096 + 2 * (size_t)REGION, line_header, sizeof line_header);
	for (size_t i = 0; i < 512; i++)
		stack[i] = i % 2 ? 0x6000 + 16 * i : words.va + 8 * (i + 2);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	cr_assert_geq(backtrace_collect(&image, 1, &regs, &reader, frames, BACKTRACE_MAX), 1);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);

	double seconds = (double)(after.tv_sec - before.tv_sec) +
	                 1e-9 * (double)(after.tv_nsec - before.tv_nsec);

	cr_assert_lt(seconds, SECONDS_MAX, "took %f s", seconds);
	cr_assert_eq(frames[0].where.symbol.length, strlen(".eh_frame"));
}

Test(backtrace, format)
{
	struct code_image image = {NULL, 0, 0x1000, "we\nird"};
	struct backtrace_frame frame = {.pc = 0x2016, .image = &image};
	char line[BACKTRACE_LINE_MAX], small[12];

	frame.where = (struct code_location){.symbol = {"f\033[31m\\\x9b", 8},
	                                     .symbol_start = 0x1000,
	                                     .file = {"a.c", 3},
	                                     .line = 7};
	backtrace_format_frame(12, &frame, line, sizeof line);
	cr_assert_str_eq(line, "#12 0x0000000000002016 in f\\x1b[31m\\x5c\\x9b+0x16 at a.c:7  "
	                       "(we\\x0aird)");
	frame.where.line = 0;
	frame.where.symbol.length = 1;
	cr_assert_eq(backtrace_format_frame(0, &frame, line, sizeof line), strlen(line));
	cr_assert_str_eq(line, "#0  0x0000000000002016 in f+0x16 (we\\x0aird)");
	cr_assert_eq(backtrace_format_frame(0, &frame, small, sizeof small), 11);
	cr_assert_str_eq(small, "#0  0x00000");
}

Test(backtrace, longest_line_fits)
{
	char bytes[400], line[BACKTRACE_LINE_MAX];

	memset(bytes, 1, sizeof bytes);
	bytes[sizeof bytes - 1] = '\0';

	struct code_image image = {NULL, 0, 1, bytes};
	struct text_span longest = {bytes, sizeof bytes - 1};
	struct backtrace_frame frame = {.pc = UINT64_MAX, .image = &image};

	frame.where = (struct code_location){.symbol = longest,
	                                     .symbol_start = UINT64_MAX,
	                                     .directory = longest,
	                                     .file = longest,
	                                     .line = UINT32_MAX};

	size_t length = backtrace_format_frame(BACKTRACE_MAX, &frame, line, sizeof line);

	cr_assert_lt(length, sizeof line - 1);
	cr_assert_str_eq(line + length - 4, "...)");
}
