/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes its snapshot with a known value in every register that CPL 3 has. Each start looks at all
 * of them by the first instructions that it executes, then fills them with a secret and ends.
 * Prints nothing but "FAILED: ...", and a line for each kind of registers when the snapshot is
 * taken.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mote/guest.h"

#define AREA_SIZE   16384
#define HEADER      512 /* Intel SDM vol. 1, 13.4: behind the legacy region */
#define MXCSR       24
#define FEATURES    0xe7ull /* x87, SSE, AVX, opmask, ZMM */
#define FEATURE_PKU (1ull << 9)
#define SECRET      0x5ec7e75ec7e75ec7ull

#define FIELDS 24 /* of struct plain, in this order */
static const char *const names[FIELDS] = {"rbx", "rdx",    "rsi",     "rdi",     "rbp",  "rsp",
                                          "r8",  "r9",     "r10",     "r12",     "r13",  "r14",
                                          "r15", "ds",     "es",      "fs",      "gs",   "ss",
                                          "cs",  "rflags", "fs base", "gs base", "pkru", "rax"};

static unsigned char golden[AREA_SIZE], found[AREA_SIZE],
        secret[AREA_SIZE] __attribute__((aligned(64)));
uint64_t plain_golden[FIELDS], plain_found[FIELDS];
unsigned char *area;
uint64_t features;
const char mark[] = MOTE_MARK_DEFAULT;
static bool has_pku;

static uint64_t read_xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

/* Stores all that can be read into an array; leaves RAX, RCX, R11 and the flags changed. */
#define STORE_PLAIN(to)                                                                           \
	"mov %%rbx, " to "(%%rip); mov %%rdx, " to "+8(%%rip); mov %%rsi, " to "+16(%%rip)\n"     \
	"mov %%rdi, " to "+24(%%rip); mov %%rbp, " to "+32(%%rip); mov %%rsp, " to "+40(%%rip)\n" \
	"mov %%r8, " to "+48(%%rip); mov %%r9, " to "+56(%%rip); mov %%r10, " to "+64(%%rip)\n"   \
	"mov %%r12, " to "+72(%%rip); mov %%r13, " to "+80(%%rip); mov %%r14, " to "+88(%%rip)\n" \
	"mov %%r15, " to "+96(%%rip)\n"                                                           \
	"pushf; pop %%rax; mov %%rax, " to "+152(%%rip)\n"                                        \
	"mov %%ds, %%eax; mov %%rax, " to "+104(%%rip); mov %%es, %%eax; mov %%rax, " to          \
	"+112(%%rip)\n"                                                                           \
	"mov %%fs, %%eax; mov %%rax, " to "+120(%%rip); mov %%gs, %%eax; mov %%rax, " to          \
	"+128(%%rip)\n"                                                                           \
	"mov %%ss, %%eax; mov %%rax, " to "+136(%%rip); mov %%cs, %%eax; mov %%rax, " to          \
	"+144(%%rip)\n"                                                                           \
	"rdfsbase %%rax; mov %%rax, " to "+160(%%rip)\n"                                          \
	"rdgsbase %%rax; mov %%rax, " to "+168(%%rip)\n"

static void __attribute__((noinline)) take_snapshot(void)
{
	/* Known values, the system call, and a look before anything else; no call in between. */
	__asm__ volatile(
	        "mov $0x1111, %%rbx; mov $0x2222, %%rdx; mov $0x3333, %%r8; mov $0x4444, %%r9\n"
	        "mov $0x5555, %%r10; mov $0x6666, %%r12; mov $0x7777, %%r13; mov $0x8888, %%r14\n"
	        "mov $0x9999, %%r15; xor %%edi, %%edi; lea mark(%%rip), %%rsi\n"
	        "mov $%c[number], %%eax; cmp %%eax, %%eax\n" STORE_PLAIN(
	                "plain_golden") "mov $%c[number], %%eax; cmp %%eax, %%eax\n"
	                                "syscall\n"
	                                "mov %%rax, plain_found+184(%%rip)\n" STORE_PLAIN(
	                                        "plain_found") "mov area(%%rip), %%rbx; mov "
	                                                       "features(%%rip), %%rax; mov "
	                                                       "features+4(%%rip), %%edx\n"
	                                                       "xsave64 (%%rbx)\n"
	        :
	        : [number] "i"(MOTE_SYSCALL)
	        : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
	          "r14", "r15", "memory", "cc");
}

static uint32_t read_pkru(void)
{
	uint32_t value, high;

	__asm__ volatile("rdpkru" : "=a"(value), "=d"(high) : "c"(0));
	return value;
}

static void write_pkru(uint32_t value)
{
	__asm__ volatile("wrpkru" : : "a"(value), "c"(0), "d"(0));
}

static sigjmp_buf after_trap;

static void trapped(int number)
{
	siglongjmp(after_trap, number);
}

static bool can_use_pku(void)
{
	volatile bool works = false;

	signal(SIGILL, trapped);
	if (!sigsetjmp(after_trap, 1)) {
		read_pkru();
		works = true;
	}
	signal(SIGILL, SIG_DFL);
	return works;
}

static void load(const unsigned char *from)
{
	__asm__ volatile("xrstor64 (%0)"
	                 :
	                 : "r"(from), "a"((uint32_t)features), "d"((uint32_t)(features >> 32))
	                 : "memory");
}

static void fill(unsigned char *to, unsigned char byte, uint32_t mxcsr)
{
	uint64_t header[8] = {features};

	memset(to, byte, AREA_SIZE);
	to[0] = 0x7f, to[1] = 0x03; /* FCW */
	to[2] = to[3] = to[5] = 0;  /* FSW; reserved */
	memcpy(to + MXCSR, &mxcsr, sizeof mxcsr);
	memset(to + 416, 0, HEADER - 416);
	memcpy(to + HEADER, header, sizeof header);
}

static _Noreturn void failed(const char *what, uint64_t is, uint64_t was)
{
	printf("FAILED: %s is %llx and was %llx\n", what, (unsigned long long)is,
	       (unsigned long long)was);
	fflush(stdout);
	_exit(9);
}

static void check(void)
{
	for (int i = 0; i < FIELDS - 1; i++)
		if (plain_found[i] != plain_golden[i] && strcmp(names[i], "pkru") != 0)
			failed(names[i], plain_found[i], plain_golden[i]);
	for (int i = 0; i < AREA_SIZE; i++)
		if ((i < 416 || i >= HEADER + 64) && (i < MXCSR + 4 || i >= MXCSR + 8) &&
		    found[i] != golden[i])
			failed(i < 160   ? "x87"
			       : i < 416 ? "xmm"
			                 : "ymm, k or zmm",
			       (uint64_t)i, found[i]);
	if (has_pku && read_pkru() != plain_golden[22])
		failed("pkru", read_pkru(), plain_golden[22]);
}

static _Noreturn void leave_secrets(void)
{
	if (has_pku)
		write_pkru(0xfffffff0);
	load(secret);
	__asm__ volatile("mov %0, %%rbx; mov %%rbx, %%rdx; mov %%rbx, %%rsi; mov %%rbx, %%r8\n"
	                 "mov %%rbx, %%r9; mov %%rbx, %%r10; mov %%rbx, %%r12; mov %%rbx, %%r13\n"
	                 "mov %%rbx, %%r14; mov %%rbx, %%r15; mov %%rbx, %%rbp\n"
	                 "mov $0x23, %%eax; mov $0, %%ecx; mov %%ecx, %%ds; mov %%ecx, %%fs\n"
	                 "mov $0x2b, %%eax; mov %%eax, %%es; mov $0x23, %%ecx\n"
	                 "mov $0x7ec7e75ec7e0, %%rax; wrfsbase %%rax; wrgsbase %%rax\n"
	                 "push $0x200cd7; popf; xor %%edi, %%edi; mov $231, %%eax; syscall; ud2"
	                 :
	                 : "i"(SECRET)
	                 : "memory");
	__builtin_unreachable();
}

int main(void)
{
	uint64_t xcr0 = read_xcr0();

	features = xcr0 & FEATURES;
	has_pku = can_use_pku();
	printf("xcr0 %llx%s\n", (unsigned long long)xcr0, has_pku ? " pku" : "");
	fflush(stdout);
	fill(golden, 0x3c, 0x1f80);
	fill(secret, 0xa5, 0x1fbf);
	area = golden;
	load(golden);
	memset(golden, 0, sizeof golden);
	__asm__ volatile("xsave64 (%0)"
	                 :
	                 : "r"(golden), "a"((uint32_t)features), "d"((uint32_t)(features >> 32))
	                 : "memory");
	plain_golden[22] = has_pku ? read_pkru() : 0;
	area = found;
	load(golden);
	take_snapshot();
	check();
	leave_secrets();
}
