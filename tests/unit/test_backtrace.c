/* SPDX-License-Identifier: Apache-2.0 */
/* Backtraces of real crashes of programs from several compilers, and of hostile images. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* process_vm_readv */
#endif
#include <criterion/criterion.h>
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vmm/backtrace.h"

/* The program that crashes; its argument says how. Lines are found by their comments. */
static const char program[] =
        "#include <signal.h>\n"
        "#include <stdlib.h>\n"
        "#include <string.h>\n"
        "#define APART __attribute__((noinline))\n"
        "int *volatile nowhere;\n"
        "int (*volatile no_function)(int);\n"
        "volatile int sink;\n"
        "APART int crash_here(int n)\n"
        "{\n"
        "\t*nowhere = n; /*crash*/\n"
        "\treturn sink + 1;\n"
        "}\n"
        "APART int middle(int n)\n"
        "{\n"
        "\treturn crash_here(n + 1) * 2 + sink; /*middle*/\n"
        "}\n"
        "APART int call_null(int n)\n"
        "{\n"
        "\treturn no_function(n) + sink; /*null*/\n"
        "}\n"
        "APART void handler(int n)\n"
        "{\n"
        "\tsink = n;\n"
        "\t__asm__ volatile(\"ud2\"); /*handler*/\n"
        "\tsink = n;\n"
        "}\n"
        "APART int recurse(int n)\n"
        "{\n"
        "\tvolatile char room[4096];\n"
        "\troom[n & 4095] = 1;\n"
        "\treturn recurse(n + 1) + room[(n + 1) & 4095]; /*recurse*/\n"
        "}\n"
        "APART int compare(const void *a, const void *b)\n"
        "{\n"
        "\tsink = *(const int *)a - *(const int *)b;\n"
        "\treturn middle(sink) + sink; /*compare*/\n"
        "}\n"
        "APART int give_up(int n)\n"
        "{\n"
        "\tif (n)\n"
        "\t\tabort(); /*abort*/\n"
        "\treturn sink;\n"
        "}\n"
        "APART int with_handler(int flags)\n"
        "{\n"
        "\tstatic char space[65536];\n"
        "\tstack_t stack = {.ss_sp = space, .ss_size = sizeof space};\n"
        "\tstruct sigaction action;\n"
        "\tmemset(&action, 0, sizeof action);\n"
        "\taction.sa_handler = handler;\n"
        "\taction.sa_flags = flags;\n"
        "\tsigaltstack(&stack, 0);\n"
        "\tsigaction(SIGSEGV, &action, 0);\n"
        "\treturn middle(1) + sink; /*with*/\n"
        "}\n"
        /* CFA = rsp + 16 * 3, rbx at CFA - 16 */
        "__asm__(\".globl by_expression; .type by_expression, @function; by_expression:\"\n"
        "\t\".cfi_startproc; push %rbx; sub $32, %rsp;\"\n"
        "\t\".cfi_escape 0x0f, 6, 0x77, 0, 0x40, 0x33, 0x1e, 0x22;\"\n"
        "\t\".cfi_escape 0x10, 3, 2, 0x40, 0x1c;\"\n"
        "\t\"call middle; add $32, %rsp; pop %rbx; ret; .cfi_endproc;\"\n"
        "\t\".size by_expression, . - by_expression\");\n"
        "int by_expression(int n);\n"
        "int main(int argc, char **argv)\n"
        "{\n"
        "\tint numbers[] = {3, 1, 2};\n"
        "\tswitch (argv[1][0]) {\n"
        "\tcase 'c': return middle(argc) + sink; /*main*/\n"
        "\tcase 'e': return by_expression(argc) + sink; /*main-expression*/\n"
        "\tcase 'n': return call_null(argc) + sink; /*main-null*/\n"
        "\tcase 's': return with_handler(0) + sink; /*main-signal*/\n"
        "\tcase 'a': return with_handler(SA_ONSTACK) + sink;\n"
        "\tcase 'q': qsort(numbers, 3, sizeof numbers[0], compare); break;\n"
        "\tcase 'r': return recurse(0) + sink;\n"
        "\tcase 'g': return give_up(argc) + sink; /*main-abort*/\n"
        "\t}\n"
        "\treturn numbers[0] + sink;\n"
        "}\n";

/* A program stopped at the signal that would end it, and the file it runs. */
struct crash {
	char directory[32];
	pid_t pid;
	struct unwind_registers regs;
	struct guest_reader reader;
	struct code_image image;
	struct backtrace_frame frames[BACKTRACE_MAX];
	size_t count;
};

static int read_child(void *ctx, uint64_t va, void *buffer, size_t length)
{
	const struct crash *crash = ctx;
	struct iovec local = {buffer, length};
	struct iovec remote;

	memcpy(&remote.iov_base, &va, sizeof va);
	remote.iov_len = length;
	return process_vm_readv(crash->pid, &local, 1, &remote, 1, 0) == (ssize_t)length ? 0 : -1;
}

static void write_text(const char *directory, const char *name, const char *text)
{
	char path[64];

	snprintf(path, sizeof path, "%s/%s", directory, name);

	FILE *file = fopen(path, "w");

	cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void shell(const char *directory, const char *command)
{
	char line[512];

	snprintf(line, sizeof line, "cd %s && %s", directory, command);
	cr_assert_eq(system(line), 0, "failed: %s", line);
}

static void require_tool(const char *name)
{
	char line[64];

	snprintf(line, sizeof line, "command -v %s >/dev/null", name);
	if (system(line) != 0)
		cr_skip_test("%s is not installed", name);
}

static struct code_image map_image(const char *directory, const char *name)
{
	char path[64];
	struct stat status;

	snprintf(path, sizeof path, "%s/%s", directory, name);

	int fd = open(path, O_RDONLY);

	cr_assert(fd >= 0 && fstat(fd, &status) == 0);

	unsigned char *elf =
	        mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	cr_assert(elf != MAP_FAILED);
	close(fd);
	return (struct code_image){elf, (size_t)status.st_size, 0, "prog"};
}

/* Where the kernel put the first segment of a position-independent program. */
static uint64_t first_mapping(pid_t pid, const char *path)
{
	char name[64], line[512];
	unsigned long start = 0;

	snprintf(name, sizeof name, "/proc/%d/maps", pid);

	FILE *maps = fopen(name, "r");

	while (fgets(line, sizeof line, maps))
		if (strstr(line, path) && sscanf(line, "%lx-", &start) == 1)
			break;
	fclose(maps);
	return start;
}

static void take_registers(struct crash *crash)
{
	struct user_regs_struct r;

	cr_assert_eq(ptrace(PTRACE_GETREGS, crash->pid, NULL, &r), 0);
	crash->regs =
	        (struct unwind_registers){{r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp,
	                                   r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15},
	                                  r.rip};
}

/* Run directory/prog under ptrace until the signal is about to be delivered. */
static void run_to_signal(struct crash *crash, const char *how, int signal)
{
	char path[64];
	int status, pending = 0;

	snprintf(path, sizeof path, "%s/prog", crash->directory);
	crash->pid = fork();
	if (crash->pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execl(path, path, how, NULL);
		_exit(127);
	}
	cr_assert_eq(waitpid(crash->pid, &status, 0), crash->pid);
	ptrace(PTRACE_SETOPTIONS, crash->pid, NULL, PTRACE_O_EXITKILL);
	do {
		cr_assert_eq(ptrace(PTRACE_CONT, crash->pid, NULL, pending), 0);
		cr_assert_eq(waitpid(crash->pid, &status, 0), crash->pid);
		cr_assert(WIFSTOPPED(status), "ended without signal %d", signal);
		pending = WSTOPSIG(status);
	} while (pending != signal);
	take_registers(crash);
	crash->image = map_image(crash->directory, "prog");
	if (((const Elf64_Ehdr *)crash->image.elf)->e_type == ET_DYN)
		crash->image.bias = first_mapping(crash->pid, path);
	crash->reader = (struct guest_reader){read_child, crash};
}

static void collect(struct crash *crash)
{
	crash->count = backtrace_collect(&crash->image, 1, &crash->regs, &crash->reader,
	                                 crash->frames, BACKTRACE_MAX);
}

/* Compile prog.c with a command, crash it and collect. */
static void crash_program(struct crash *crash, const char *compile, const char *how, int signal)
{
	char compiler[32];

	sscanf(compile, "%31s", compiler);
	require_tool(compiler);
	memset(crash, 0, sizeof *crash);
	strcpy(crash->directory, "/tmp/test-backtrace.XXXXXX");
	cr_assert(mkdtemp(crash->directory));
	write_text(crash->directory, "prog.c", program);
	shell(crash->directory, compile);
	run_to_signal(crash, how, signal);
	collect(crash);
}

static void end_crash(struct crash *crash)
{
	kill(crash->pid, SIGKILL);
	waitpid(crash->pid, NULL, 0);
	shell(crash->directory, "rm prog prog.c && rmdir $PWD");
}

static void print_line(void *ctx, const char *line, size_t length)
{
	(void)ctx;
	fwrite(line, 1, length, stderr);
}

static unsigned line_of(const char *marker)
{
	const char *end = strstr(program, marker);
	unsigned line = 1;

	for (const char *p = program; p < end; p++)
		line += *p == '\n';
	return line;
}

static bool is_named(const struct backtrace_frame *frame, const char *name)
{
	return frame->where.symbol.data && frame->where.symbol.length == strlen(name) &&
	       memcmp(frame->where.symbol.data, name, strlen(name)) == 0;
}

/* Frame i is in function name, at the line of the marker (NULL: no line expected). */
static void expect_frame(const struct crash *crash, size_t i, const char *name, const char *marker)
{
	const struct code_location *where = &crash->frames[i].where;
	bool is_right = i < crash->count && is_named(&crash->frames[i], name);

	if (is_right && marker)
		is_right = where->line == line_of(marker) && where->file.length == 6 &&
		           memcmp(where->file.data, "prog.c", 6) == 0;
	else if (is_right)
		is_right = where->line == 0;
	if (!is_right)
		backtrace_print(crash->frames, crash->count, print_line, NULL);
	cr_assert(is_right, "frame %zu is not %s at line %u", i, name,
	          marker ? line_of(marker) : 0);
}

static void expect_crash_frames(const struct crash *crash, bool has_lines)
{
	expect_frame(crash, 0, "crash_here", has_lines ? "/*crash*/" : NULL);
	expect_frame(crash, 1, "middle", has_lines ? "/*middle*/" : NULL);
	expect_frame(crash, 2, "main", has_lines ? "/*main*/" : NULL);
}

static void check_compiler(const char *compile, bool has_lines)
{
	struct crash crash;

	crash_program(&crash, compile, "crash", SIGSEGV);
	expect_crash_frames(&crash, has_lines);
	end_crash(&crash);
}

Test(backtrace, musl)
{
	check_compiler("musl-gcc -static -g -O2 prog.c -o prog", true);
}

Test(backtrace, glibc_up_to_start)
{
	struct crash crash;

	crash_program(&crash, "gcc -static -g -O2 prog.c -o prog", "crash", SIGSEGV);
	expect_crash_frames(&crash, true);
	cr_assert(is_named(&crash.frames[crash.count - 1], "_start"));
	end_crash(&crash);
}

Test(backtrace, static_pie)
{
	struct crash crash;

	crash_program(&crash, "gcc -static-pie -fPIE -g -O2 prog.c -o prog", "crash", SIGSEGV);
	cr_assert_neq(crash.image.bias, 0);
	expect_crash_frames(&crash, true);
	cr_assert(is_named(&crash.frames[crash.count - 1], "_start"));
	end_crash(&crash);
}

Test(backtrace, not_optimised)
{
	check_compiler("gcc -static -g -O0 prog.c -o prog", true);
}

Test(backtrace, dwarf2)
{
	check_compiler("gcc -static -gdwarf-2 -gstrict-dwarf -O2 prog.c -o prog", true);
}

Test(backtrace, dwarf3)
{
	check_compiler("musl-gcc -static -gdwarf-3 -gstrict-dwarf -O2 prog.c -o prog", true);
}

Test(backtrace, dwarf4)
{
	check_compiler("gcc -static -gdwarf-4 -O2 prog.c -o prog", true);
}

Test(backtrace, dwarf5)
{
	check_compiler("gcc -static -gdwarf-5 -O2 prog.c -o prog", true);
}

Test(backtrace, dwarf64)
{
	check_compiler("gcc -static -gdwarf-5 -gdwarf64 -O2 prog.c -o prog", true);
}

Test(backtrace, clang_dwarf4)
{
	check_compiler("clang -static -gdwarf-4 -O2 prog.c -o prog", true);
}

Test(backtrace, clang_dwarf5)
{
	check_compiler("clang -static -gdwarf-5 -O2 prog.c -o prog", true);
}

Test(backtrace, compressed_debug_sections_are_absent)
{
	check_compiler("gcc -static -g -gz=zlib -O2 prog.c -o prog", false);
}

Test(backtrace, debug_frame_alone)
{
	check_compiler("musl-gcc -static -g -O2 -fno-asynchronous-unwind-tables "
	               "-fomit-frame-pointer prog.c -o prog",
	               true);
}

Test(backtrace, frame_pointers_alone)
{
	check_compiler("musl-gcc -static -g0 -O2 -fno-asynchronous-unwind-tables "
	               "-fno-omit-frame-pointer prog.c -o prog",
	               false);
}

Test(backtrace, call_sites_alone)
{
	check_compiler("musl-gcc -static -g0 -O2 -fno-asynchronous-unwind-tables "
	               "-fomit-frame-pointer prog.c -o prog",
	               false);
}

/* Without symbols the addresses have to be the same; only names and lines are gone. */
Test(backtrace, no_section_headers)
{
	struct crash crash;
	struct backtrace_frame with_sections[BACKTRACE_MAX];
	char line[BACKTRACE_LINE_MAX], expected[64];

	crash_program(&crash, "gcc -static -g -O2 -Wl,--eh-frame-hdr prog.c -o prog", "crash",
	              SIGSEGV);
	memcpy(with_sections, crash.frames, sizeof with_sections);

	size_t count = crash.count;
	Elf64_Ehdr header;

	memcpy(&header, crash.image.elf, sizeof header);
	header.e_shoff = 0;
	header.e_shnum = 0;
	memcpy((void *)(uintptr_t)crash.image.elf, &header, sizeof header);
	collect(&crash);
	cr_assert_eq(crash.count, count);
	for (size_t i = 0; i < count; i++) {
		cr_assert_eq(crash.frames[i].pc, with_sections[i].pc);
		cr_assert_null(crash.frames[i].where.symbol.data);
		cr_assert_eq(crash.frames[i].where.line, 0);
	}
	backtrace_format_frame(0, &crash.frames[0], line, sizeof line);
	snprintf(expected, sizeof expected, "#0  0x%016lx in ?? (prog+0x%lx)",
	         (unsigned long)crash.regs.rip, (unsigned long)crash.regs.rip);
	cr_assert_str_eq(line, expected);
	end_crash(&crash);
}

static void check_null_call(const char *compile)
{
	struct crash crash;
	char line[BACKTRACE_LINE_MAX];

	crash_program(&crash, compile, "null", SIGSEGV);
	cr_assert_eq(crash.frames[0].pc, 0);
	expect_frame(&crash, 1, "call_null", "/*null*/");
	expect_frame(&crash, 2, "main", "/*main-null*/");
	backtrace_format_frame(0, &crash.frames[0], line, sizeof line);
	cr_assert_str_eq(line, "#0  0x0000000000000000 in ??");
	end_crash(&crash);
}

Test(backtrace, call_through_null)
{
	check_null_call("gcc -static -g -O2 prog.c -o prog");
	check_null_call("musl-gcc -static -g -O2 prog.c -o prog");
}

/* The handler, the trampoline, the interrupted instruction (not the one before), its callers. */
static void check_handler(const char *compile, const char *how, const char *trampoline)
{
	struct crash crash;

	crash_program(&crash, compile, how, SIGILL);
	expect_frame(&crash, 0, "handler", "/*handler*/");
	cr_assert(is_named(&crash.frames[1], trampoline));
	cr_assert(crash.frames[1].is_exact && crash.frames[2].is_exact);
	expect_frame(&crash, 2, "crash_here", "/*crash*/");
	expect_frame(&crash, 3, "middle", "/*middle*/");
	expect_frame(&crash, 4, "with_handler", "/*with*/");
	end_crash(&crash);
}

Test(backtrace, signal_handler_glibc)
{
	check_handler("gcc -static -g -O2 prog.c -o prog", "signal", "__restore_rt");
	check_handler("gcc -static -g -O2 prog.c -o prog", "altstack", "__restore_rt");
}

Test(backtrace, signal_handler_musl)
{
	check_handler("musl-gcc -static -g -O2 prog.c -o prog", "signal", "__restore_rt");
	check_handler("musl-gcc -static -g -O2 prog.c -o prog", "altstack", "__restore_rt");
}

/* musl's own functions have neither CFI nor frame pointers. */
Test(backtrace, abort_in_musl)
{
	struct crash crash;
	size_t i = 0;

	crash_program(&crash,
	              "musl-gcc -static -g -O2 -fno-reorder-blocks-and-partition prog.c -o prog",
	              "give up", SIGABRT);
	while (i < crash.count && !is_named(&crash.frames[i], "abort"))
		i++;
	expect_frame(&crash, i + 1, "give_up", "/*abort*/");
	expect_frame(&crash, i + 2, "main", "/*main-abort*/");
	end_crash(&crash);
}

static void check_callback(const char *compile)
{
	struct crash crash;

	crash_program(&crash, compile, "qsort", SIGSEGV);
	expect_frame(&crash, 0, "crash_here", "/*crash*/");
	expect_frame(&crash, 1, "middle", "/*middle*/");
	expect_frame(&crash, 2, "compare", "/*compare*/");
	cr_assert(is_named(&crash.frames[crash.count - 1], "_start") || strstr(compile, "musl"));
	cr_assert_geq(crash.count, 5);
	end_crash(&crash);
}

Test(backtrace, callback_from_the_library)
{
	check_callback("gcc -static -g -O2 prog.c -o prog");
	check_callback("musl-gcc -static -g -O2 prog.c -o prog");
}

Test(backtrace, stack_overflow_is_cut)
{
	struct crash crash;

	crash_program(&crash, "gcc -static -g -O2 -fno-optimize-sibling-calls prog.c -o prog",
	              "recurse", SIGSEGV);
	cr_assert_eq(crash.count, BACKTRACE_MAX);
	for (size_t i = 1; i < crash.count; i++)
		expect_frame(&crash, i, "recurse", "/*recurse*/");
	end_crash(&crash);
}

Test(backtrace, path_of_a_subdirectory)
{
	struct crash crash;
	char line[BACKTRACE_LINE_MAX];

	crash_program(&crash,
	              "gcc --version >/dev/null && mkdir -p sub && cp prog.c sub/ && gcc -static "
	              "-g -O2 sub/prog.c -o prog && "
	              "rm -r sub",
	              "crash", SIGSEGV);
	backtrace_format_frame(0, &crash.frames[0], line, sizeof line);
	cr_assert(strstr(line, " at sub/prog.c:"), "%s", line);
	end_crash(&crash);
}

Test(backtrace, cfi_expressions)
{
	struct crash crash;

	crash_program(&crash, "gcc -static -g -O2 prog.c -o prog", "expression", SIGSEGV);
	expect_frame(&crash, 1, "middle", "/*middle*/");
	expect_frame(&crash, 2, "by_expression", NULL);
	expect_frame(&crash, 3, "main", "/*main-expression*/");
	cr_assert(is_named(&crash.frames[crash.count - 1], "_start"));
	end_crash(&crash);
}

/* Whatever a cut file says, collecting ends and the first frame is the crash's. */
Test(backtrace, truncated_image)
{
	struct crash crash;

	crash_program(&crash, "musl-gcc -static -g -O2 prog.c -o prog", "crash", SIGSEGV);

	size_t size = crash.image.size;

	for (size_t cut = 0; cut < size; cut += 61) {
		unsigned char *copy = malloc(cut + 1);

		cr_assert(copy);
		memcpy(copy, crash.image.elf, cut);
		crash.image.size = cut;

		struct code_image whole = crash.image;

		crash.image.elf = copy;
		collect(&crash);
		crash.image = whole;
		free(copy);
		cr_assert_geq(crash.count, 1);
		cr_assert_eq(crash.frames[0].pc, crash.regs.rip);
	}
	end_crash(&crash);
}

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
