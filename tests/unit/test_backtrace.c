/* SPDX-License-Identifier: Apache-2.0 */
/* Backtraces of real crashes of programs from several compilers, and of cut files. */
#include "backtrace_crash.h"

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
