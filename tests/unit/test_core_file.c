/* SPDX-License-Identifier: Apache-2.0 */
/* Core files: what gdb makes of a real crash, holes, and what is refused. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* process_vm_readv */
#endif
#include <criterion/criterion.h>
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/core_file.h"

#define SEGMENTS 32
#define XSAVE    16384

static const char program[] = "int *volatile nowhere; volatile int sink;\n"
                              "__attribute__((noinline)) int crash_here(int n)\n"
                              "{\n"
                              "\t*nowhere = n;\n"
                              "\treturn sink;\n"
                              "}\n"
                              "__attribute__((noinline)) int middle(int n)\n"
                              "{\n"
                              "\treturn crash_here(n + 1) + sink;\n"
                              "}\n"
                              "int main(int argc, char **argv)\n"
                              "{\n"
                              "\t(void)argv;\n"
                              "\treturn middle(argc) + sink;\n"
                              "}\n";

/* A process stopped at SIGSEGV, copied out. */
struct capture {
	char directory[32];
	struct core_description core;
	struct core_segment segments[SEGMENTS];
	size_t count;
	unsigned char auxv[1024];
	unsigned char xsave[XSAVE];
};

static void shell(const char *directory, const char *command)
{
	char line[512];

	snprintf(line, sizeof line, "cd %s && %s", directory, command);
	cr_assert_eq(system(line), 0, "failed: %s", line);
}

static int open_core(const char *directory)
{
	char path[64];

	snprintf(path, sizeof path, "%s/core", directory);
	return open(path, O_RDWR | O_CREAT, 0600);
}

/* Copy every mapping but the kernel's own. */
static void copy_memory(struct capture *capture, pid_t pid)
{
	char path[64], line[512], mode[8];
	unsigned long start, end;

	snprintf(path, sizeof path, "/proc/%d/maps", pid);

	FILE *maps = fopen(path, "r");

	while (fgets(line, sizeof line, maps)) {
		cr_assert_eq(sscanf(line, "%lx-%lx %7s", &start, &end, mode), 3);
		if (strstr(line, "[v"))
			continue; /* vvar, vdso, vsyscall */
		cr_assert_lt(capture->count, (size_t)SEGMENTS);

		void *copy = mmap(NULL, end - start, PROT_READ | PROT_WRITE,
		                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct iovec local = {copy, end - start}, remote = {(void *)start, end - start};

		cr_assert_eq(process_vm_readv(pid, &local, 1, &remote, 1, 0),
		             (ssize_t)(end - start));
		capture->segments[capture->count++] = (struct core_segment){
		        start, end - start,
		        (mode[0] == 'r' ? PROT_READ : 0) | (mode[1] == 'w' ? PROT_WRITE : 0) |
		                (mode[2] == 'x' ? PROT_EXEC : 0),
		        copy};
	}
	fclose(maps);
}

static void copy_registers(struct capture *capture, pid_t pid)
{
	struct core_description *core = &capture->core;
	struct user_regs_struct r;
	struct iovec xsave = {capture->xsave, sizeof capture->xsave};

	cr_assert_eq(ptrace(PTRACE_GETREGS, pid, NULL, &r), 0);
	cr_assert_eq(ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &xsave), 0);
	*core = (struct core_description){
	        .registers = {{r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9,
	                       r.r10, r.r11, r.r12, r.r13, r.r14, r.r15},
	                      r.rip},
	        .rflags = r.eflags,
	        .fs_base = r.fs_base,
	        .gs_base = r.gs_base,
	        .cs = (uint16_t)r.cs,
	        .ss = (uint16_t)r.ss,
	        .orig_rax = UINT64_MAX,
	        .signal = SIGSEGV,
	        .signal_code = SEGV_MAPERR,
	        .fault_address = 0x123450,
	        .pid = pid,
	        .program = "prog-with-a-name-of-many-characters",
	        .arguments = "prog one two",
	        .xsave = capture->xsave,
	        .xsave_size = xsave.iov_len,
	};
	memcpy(&core->xcr0, capture->xsave + 464, sizeof core->xcr0);
	memset(capture->xsave + 464, 0, sizeof core->xcr0); /* the writer has to put it back */
}

static void copy_auxv(struct capture *capture, pid_t pid)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/auxv", pid);

	FILE *auxv = fopen(path, "r");

	capture->core.auxv = capture->auxv;
	capture->core.auxv_size = fread(capture->auxv, 1, sizeof capture->auxv, auxv);
	fclose(auxv);
}

static void capture_crash(struct capture *capture, const char *compile)
{
	char path[64];
	int status;

	memset(capture, 0, sizeof *capture);
	strcpy(capture->directory, "/tmp/test-core.XXXXXX");
	cr_assert(mkdtemp(capture->directory));
	snprintf(path, sizeof path, "%s/prog.c", capture->directory);

	FILE *file = fopen(path, "w");

	cr_assert(file && fputs(program, file) >= 0 && fclose(file) == 0);
	shell(capture->directory, compile);
	snprintf(path, sizeof path, "%s/prog", capture->directory);

	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execl(path, path, NULL);
		_exit(127);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(ptrace(PTRACE_CONT, pid, NULL, 0), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSEGV);
	copy_registers(capture, pid);
	copy_memory(capture, pid);
	copy_auxv(capture, pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Everything gdb says about prog and core. */
static void ask_gdb(const char *directory, const char *commands, char *answer, size_t size)
{
	char line[512];

	snprintf(line, sizeof line, "cd %s && gdb -nx -batch %s prog core 2>&1", directory,
	         commands);

	FILE *gdb = popen(line, "r");
	size_t length = fread(answer, 1, size - 1, gdb);

	answer[length] = '\0';
	pclose(gdb);
}

static void check_gdb(const char *compile)
{
	static struct capture capture;
	static char answer[65536];
	struct mote_error err = {0};
	char expected[64];

	if (system("command -v gdb >/dev/null") != 0)
		cr_skip_test("gdb is not installed");
	capture_crash(&capture, compile);

	int fd = open_core(capture.directory);

	cr_assert_eq(core_file_write(fd, &capture.core, capture.segments, capture.count, &err), 0,
	             "%s", err.text);
	close(fd);
	ask_gdb(capture.directory,
	        "-ex bt -ex 'info registers rip mxcsr' -ex 'p "
	        "$_siginfo._sifields._sigfault.si_addr' "
	        "-ex 'p $ymm0' -ex 'info auxv'",
	        answer, sizeof answer);
	cr_assert(strstr(answer, "crash_here (n=") && strstr(answer, "prog.c:4"), "%s", answer);
	cr_assert(strstr(answer, " in middle (") && strstr(answer, "prog.c:9"), "%s", answer);
	cr_assert(strstr(answer, " in main ("), "%s", answer);
	cr_assert(strstr(answer, "terminated with signal SIGSEGV"), "%s", answer);
	cr_assert(strstr(answer, "generated by `prog one two'"), "%s", answer);
	cr_assert(strstr(answer, "0x123450"), "%s", answer);
	cr_assert(strstr(answer, "0x1f80"), "%s", answer);
	cr_assert(strstr(answer, "AT_ENTRY"), "%s", answer);
	cr_assert(strstr(answer, "v8_int32") || !(capture.core.xcr0 & 4), "%s", answer);
	cr_assert(!strstr(answer, "unexpected size"), "%s", answer);
	snprintf(expected, sizeof expected, "0x%lx", (unsigned long)capture.core.registers.rip);
	cr_assert(strstr(answer, expected), "%s", answer);
	shell(capture.directory, "rm prog prog.c core && rmdir $PWD");
}

Test(core_file, gdb_shows_a_static_program)
{
	check_gdb("gcc -static -g -O2 prog.c -o prog");
}

Test(core_file, gdb_shows_a_musl_program)
{
	check_gdb("musl-gcc -static -g -O2 prog.c -o prog");
}

Test(core_file, gdb_places_a_static_pie)
{
	check_gdb("gcc -static-pie -fPIE -g -O2 prog.c -o prog");
}

/* Registers of nothing, for tests of the file alone. */
static const struct core_description blank = {.signal = SIGILL, .pid = 1};

static Elf64_Phdr read_header(int fd, unsigned index)
{
	Elf64_Phdr header;

	cr_assert_eq(pread(fd, &header, sizeof header,
	                   (off_t)(sizeof(Elf64_Ehdr) + index * sizeof header)),
	             (ssize_t)sizeof header);
	return header;
}

Test(core_file, zero_pages_are_holes)
{
	enum { LENGTH = 64 << 20 };
	FILE *file = tmpfile();
	int fd = fileno(file);
	char *memory =
	        mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct core_segment segments[] = {
	        {0x10000, 4096, PROT_READ | PROT_EXEC, NULL},
	        {0xffffffff80000000, LENGTH, PROT_READ | PROT_WRITE, memory}};
	struct mote_error err = {0};
	struct stat status;
	char read_back[4096] = {0};

	/* What was in the file must not show through the holes. */
	memset(read_back, 'x', sizeof read_back);
	for (int i = 0; i < 64; i++)
		cr_assert_eq(write(fd, read_back, sizeof read_back), (ssize_t)sizeof read_back);
	memory[5 * 4096 + 4095] = 'a';
	cr_assert_eq(core_file_write(fd, &blank, segments, 2, &err), 0, "%s", err.text);

	Elf64_Phdr empty = read_header(fd, 1), full = read_header(fd, 2);

	cr_assert_eq(empty.p_filesz, 0);
	cr_assert_eq(empty.p_memsz, 4096);
	cr_assert_eq(empty.p_flags, (unsigned)(PF_R | PF_X));
	cr_assert_eq(full.p_vaddr, 0xffffffff80000000);
	cr_assert_eq(full.p_flags, (unsigned)(PF_R | PF_W));
	cr_assert_eq(fstat(fd, &status), 0);
	cr_assert_eq(status.st_size, (off_t)(full.p_offset + LENGTH));
	cr_assert_lt(status.st_blocks, 256);
	for (unsigned i = 0; i < 64; i++) {
		cr_assert_eq(pread(fd, read_back, 4096, (off_t)(full.p_offset + i * 4096)), 4096);
		cr_assert_eq(memcmp(read_back, memory + i * 4096, 4096), 0, "page %u", i);
	}
	fclose(file);
}

Test(core_file, a_pipe_gets_the_same_bytes)
{
	char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct core_segment segment = {0x10000, 8192, PROT_READ, memory};
	struct mote_error err = {0};
	FILE *file = tmpfile();
	static char from_file[65536], from_pipe[65536];
	int ends[2];

	memory[4096] = 'b';
	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(core_file_write(fileno(file), &blank, &segment, 1, &err), 0);
	cr_assert_eq(core_file_write(ends[1], &blank, &segment, 1, &err), 0);

	ssize_t size = pread(fileno(file), from_file, sizeof from_file, 0);

	cr_assert_eq(read(ends[0], from_pipe, sizeof from_pipe), size);
	cr_assert_eq(memcmp(from_file, from_pipe, (size_t)size), 0);
	fclose(file);
}

Test(core_file, a_full_disk_is_told)
{
	char memory[4096] = "c";
	struct core_segment segment = {0x10000, 4096, PROT_READ, memory};
	struct mote_error err = {0};
	int fd = open("/dev/full", O_WRONLY);

	cr_assert_geq(fd, 0);
	cr_assert_eq(core_file_write(fd, &blank, &segment, 1, &err), -1);
	cr_assert_eq(err.code, MOTE_STATUS_FAILED);
	cr_assert(strstr(err.text, "core file") && strstr(err.text, "No space left"), "%s",
	          err.text);
}

Test(core_file, a_bad_descriptor_is_told)
{
	char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct core_segment segment = {0x10000, 4096, PROT_READ, memory};
	struct mote_error err = {0};

	memory[0] = 1;
	cr_assert_eq(core_file_write(-1, &blank, &segment, 1, &err), -1);
	cr_assert(strstr(err.text, "Bad file descriptor"), "%s", err.text);
}

static void expect_refusal(const struct core_description *core, struct core_segment segment,
                           size_t count, const char *text)
{
	struct mote_error err = {0};
	FILE *file = tmpfile();

	cr_assert_eq(core_file_write(fileno(file), core, &segment, count, &err), -1);
	cr_assert(strstr(err.text, text), "%s", err.text);
	fclose(file);
}

Test(core_file, bad_descriptions_are_refused)
{
	static char page[4096];
	struct core_description short_xsave = blank;

	short_xsave.xsave = page;
	short_xsave.xsave_size = 100;
	expect_refusal(&blank, (struct core_segment){0x10001, 4096, 0, page}, 1, "bad range");
	expect_refusal(&blank, (struct core_segment){0x10000, 100, 0, page}, 1, "bad range");
	expect_refusal(&blank, (struct core_segment){UINT64_MAX - 4095, 8192, 0, page}, 1,
	               "bad range");
	expect_refusal(&blank, (struct core_segment){0, (uint64_t)1 << 62, 0, page}, 1,
	               "bad range");
	expect_refusal(&blank, (struct core_segment){0}, 65535, "65535 mapped ranges");
	expect_refusal(&short_xsave, (struct core_segment){0}, 0, "100 bytes");
}
