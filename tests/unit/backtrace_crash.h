/* SPDX-License-Identifier: Apache-2.0 */
/* A program that crashes in many ways, run under ptrace up to its crash, for tests of backtraces.
 */
#ifndef MOTE_TESTS_BACKTRACE_CRASH_H
#define MOTE_TESTS_BACKTRACE_CRASH_H

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

static inline int read_child(void *ctx, uint64_t va, void *buffer, size_t length)
{
	const struct crash *crash = ctx;
	struct iovec local = {buffer, length};
	struct iovec remote;

	memcpy(&remote.iov_base, &va, sizeof va);
	remote.iov_len = length;
	return process_vm_readv(crash->pid, &local, 1, &remote, 1, 0) == (ssize_t)length ? 0 : -1;
}

static inline void write_text(const char *directory, const char *name, const char *text)
{
	char path[64];

	snprintf(path, sizeof path, "%s/%s", directory, name);

	FILE *file = fopen(path, "w");

	cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static inline void shell(const char *directory, const char *command)
{
	char line[512];

	snprintf(line, sizeof line, "cd %s && %s", directory, command);
	cr_assert_eq(system(line), 0, "failed: %s", line);
}

static inline void require_tool(const char *name)
{
	char line[64];

	snprintf(line, sizeof line, "command -v %s >/dev/null", name);
	if (system(line) != 0)
		cr_skip_test("%s is not installed", name);
}

static inline struct code_image map_image(const char *directory, const char *name)
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
static inline uint64_t first_mapping(pid_t pid, const char *path)
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

static inline void take_registers(struct crash *crash)
{
	struct user_regs_struct r;

	cr_assert_eq(ptrace(PTRACE_GETREGS, crash->pid, NULL, &r), 0);
	crash->regs =
	        (struct unwind_registers){{r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp,
	                                   r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15},
	                                  r.rip};
}

/* Run directory/prog under ptrace until the signal is about to be delivered. */
static inline void run_to_signal(struct crash *crash, const char *how, int signal)
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

static inline void collect(struct crash *crash)
{
	crash->count = backtrace_collect(&crash->image, 1, &crash->regs, &crash->reader,
	                                 crash->frames, BACKTRACE_MAX);
}

/* Compile prog.c with a command, crash it and collect. */
static inline void crash_program(struct crash *crash, const char *compile, const char *how,
                                 int signal)
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

static inline void end_crash(struct crash *crash)
{
	kill(crash->pid, SIGKILL);
	waitpid(crash->pid, NULL, 0);
	shell(crash->directory, "rm prog prog.c && rmdir $PWD");
}

static inline void print_line(void *ctx, const char *line, size_t length)
{
	(void)ctx;
	fwrite(line, 1, length, stderr);
}

static inline unsigned line_of(const char *marker)
{
	const char *end = strstr(program, marker);
	unsigned line = 1;

	for (const char *p = program; p < end; p++)
		line += *p == '\n';
	return line;
}

static inline bool is_named(const struct backtrace_frame *frame, const char *name)
{
	return frame->where.symbol.data && frame->where.symbol.length == strlen(name) &&
	       memcmp(frame->where.symbol.data, name, strlen(name)) == 0;
}

/* Frame i is in function name, at the line of the marker (NULL: no line expected). */
static inline void expect_frame(const struct crash *crash, size_t i, const char *name,
                                const char *marker)
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

static inline void expect_crash_frames(const struct crash *crash, bool has_lines)
{
	expect_frame(crash, 0, "crash_here", has_lines ? "/*crash*/" : NULL);
	expect_frame(crash, 1, "middle", has_lines ? "/*middle*/" : NULL);
	expect_frame(crash, 2, "main", has_lines ? "/*main*/" : NULL);
}

#endif
