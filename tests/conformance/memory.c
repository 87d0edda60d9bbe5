/* SPDX-License-Identifier: Apache-2.0 */
/* mmap and its relatives, and what accesses to mappings do. */
#include "harness.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define ANONYMOUS  (MAP_PRIVATE | MAP_ANONYMOUS)
#define READ_WRITE (PROT_READ | PROT_WRITE)

static sigjmp_buf back;
static volatile int caught, code;
static void *volatile fault_address;

static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)context;
	caught = number;
	code = info->si_code;
	fault_address = info->si_addr;
	siglongjmp(back, 1);
}

/* Prints what an access of one byte does. */
static void touch(const char *what, volatile char *address, int is_write)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	caught = 0;
	if (!sigsetjmp(back, 1)) {
		char value = *address;

		if (is_write)
			*address = value;
	}
	if (caught)
		say("%s: %s, code %d, address %s", what, signal_name(caught), code,
		    fault_address == address ? "right" : "wrong");
	else
		say("%s: ok", what);
}

#define READS(address)  touch("read " #address, (volatile char *)(address), 0)
#define WRITES(address) touch("write " #address, (volatile char *)(address), 1)

/* ---- mmap ---- */

CASE(mmap_anonymous)
{
	char *p = (char *)CALL_OK(mmap, NULL, 3 * PAGE, READ_WRITE, ANONYMOUS, -1, 0);

	VALUE((uintptr_t)p % PAGE);
	VALUE(p[0] + p[3 * PAGE - 1]);
	WRITES(p + 3 * PAGE - 1);
	CALL(munmap, p, 3 * PAGE);
}

CASE(mmap_sizes)
{
	CALL_OK(mmap, NULL, 0, READ_WRITE, ANONYMOUS, -1, 0);
	CALL_OK(mmap, NULL, 1, READ_WRITE, ANONYMOUS, -1, 0);
	CALL_OK(mmap, NULL, SIZE_MAX, READ_WRITE, ANONYMOUS, -1, 0);
	CALL_OK(mmap, NULL, SIZE_MAX - 4095, READ_WRITE, ANONYMOUS, -1, 0);
	CALL_OK(mmap, NULL, SSIZE_MAX, READ_WRITE, ANONYMOUS, -1, 0);
	CALL_OK(mmap, NULL, 1UL << 47, PROT_NONE, ANONYMOUS | MAP_NORESERVE, -1, 0);
	CALL_OK(mmap, NULL, 1UL << 40, PROT_NONE, ANONYMOUS | MAP_NORESERVE, -1, 0);
}

CASE(mmap_flags)
{
	CALL_OK(mmap, NULL, PAGE, READ_WRITE, MAP_ANONYMOUS, -1, 0);
	CALL_OK(mmap, NULL, PAGE, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CALL_OK(mmap, NULL, PAGE, READ_WRITE, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0);
	CALL_OK(mmap, NULL, PAGE, READ_WRITE, ANONYMOUS | MAP_POPULATE, -1, 0);
	CALL_OK(mmap, NULL, PAGE, READ_WRITE, ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	CALL_OK(mmap, NULL, PAGE, READ_WRITE, ANONYMOUS | MAP_LOCKED, -1, 0);
	CALL_OK(mmap, NULL, PAGE, READ_WRITE, ANONYMOUS | MAP_GROWSDOWN, -1, 0);
	CALL_OK(mmap, NULL, PAGE, READ_WRITE, ANONYMOUS, 77, 0);
	CALL_OK(mmap, NULL, PAGE, READ_WRITE, ANONYMOUS, -1, 1);
	CALL_OK(mmap, NULL, PAGE, READ_WRITE, ANONYMOUS, -1, PAGE);
	CALL_OK(mmap, NULL, PAGE, 0x10, ANONYMOUS, -1, 0);
}

CASE(mmap_fixed)
{
	char *p = pages(4);

	memset(p, 'x', 4 * PAGE);
	VALUE(mmap(p + PAGE, PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0) == p + PAGE);
	say("%c %d %c", p[0], p[PAGE], p[2 * PAGE]);
	CALL_OK(mmap, p + 1, PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0);
	CALL_OK(mmap, KIT, PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0);
	CALL_OK(mmap, KERNEL, PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0);
	CALL_OK(mmap, (void *)0x7ffffffff000, PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0);
	CALL_OK(mmap, (void *)0x800000000000, PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0);
	CALL_OK(mmap, p, 1UL << 47, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0);
}

CASE(mmap_fixed_noreplace)
{
	char *p = pages(4);

	CALL_OK(mmap, p + PAGE, PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	munmap(p + PAGE, PAGE);
	CALL_OK(mmap, p + PAGE, PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CALL_OK(mmap, p, 4 * PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

CASE(mmap_hints)
{
	char *p = pages(4);

	munmap(p + PAGE, PAGE);
	VALUE(mmap(p + PAGE, PAGE, READ_WRITE, ANONYMOUS, -1, 0) == p + PAGE);
	VALUE(mmap(p + PAGE, PAGE, READ_WRITE, ANONYMOUS, -1, 0) == p + PAGE);
	CALL_OK(mmap, KIT, PAGE, READ_WRITE, ANONYMOUS, -1, 0);
	CALL_OK(mmap, 1, PAGE, READ_WRITE, ANONYMOUS, -1, 0);
}

CASE(mmap_file_private)
{
	int file = make_file("file", 6000);
	char *p = (char *)CALL_OK(mmap, NULL, 6000, READ_WRITE, MAP_PRIVATE, file, 0), byte;

	say("%c%c%c", p[0], p[25], p[5999]);
	VALUE(p[6000]);
	p[0] = 'X';
	pread(file, &byte, 1, 0);
	say("in the file: %c", byte);
	pwrite(file, "Y", 1, 4096);
	close(file);
	READS(p + 5000);
}

CASE(mmap_file_shared)
{
	int file = make_file("file", 6000);
	char *p = (char *)CALL_OK(mmap, NULL, 8192, READ_WRITE, MAP_SHARED, file, 0), byte;
	char *q = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, PAGE);

	p[PAGE] = 'X';
	pread(file, &byte, 1, PAGE);
	say("in the file: %c, in the other mapping: %c", byte, q[0]);
	pwrite(file, "Y", 1, PAGE + 1);
	say("in the mappings: %c %c", p[PAGE + 1], q[1]);
	CALL(msync, p, 8192, MS_SYNC);
	CALL(close, file);
	p[1] = 'Z';
	file = open("file", O_RDONLY);
	pread(file, &byte, 1, 1);
	say("in the file: %c", byte);
}

CASE(mmap_file_rights)
{
	make_file("file", 100);
	int reader = open("file", O_RDONLY), writer = open("file", O_WRONLY),
	    folder = open(".", O_RDONLY), path = open("file", O_PATH), ends[2];

	pipe(ends);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0);
	CALL_OK(mmap, NULL, PAGE, READ_WRITE, MAP_SHARED, reader, 0);
	CALL_OK(mmap, NULL, PAGE, READ_WRITE, MAP_PRIVATE, reader, 0);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, writer, 0);
	CALL_OK(mmap, NULL, PAGE, PROT_WRITE, MAP_SHARED, writer, 0);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, folder, 0);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, path, 0);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, ends[0], 0);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, 77, 0);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, reader, 100);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, reader, 1UL << 40);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, reader, -PAGE);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, 0, reader, 0);
}

CASE(mmap_behind_the_end)
{
	int file = make_file("file", 100);
	char *p = mmap(NULL, 3 * PAGE, READ_WRITE, MAP_SHARED, file, 0);

	READS(p);
	READS(p + 4000);
	READS(p + PAGE);
	WRITES(p + 2 * PAGE);
	ftruncate(file, 2 * PAGE);
	READS(p + PAGE);
	READS(p + 2 * PAGE);
}

CASE(mmap_then_truncate)
{
	int file = make_file("file", 3 * PAGE);
	char *shared = mmap(NULL, 3 * PAGE, READ_WRITE, MAP_SHARED, file, 0);
	char *private = mmap(NULL, 3 * PAGE, READ_WRITE, MAP_PRIVATE, file, 0);

	READS(shared + 2 * PAGE);
	READS(private + 2 * PAGE);
	ftruncate(file, PAGE + 10);
	READS(shared + PAGE);
	READS(shared + 2 * PAGE);
	READS(private + 2 * PAGE);
	VALUE(shared[PAGE + 10]);
	VALUE(shared[PAGE + 9] != 0);
}

CASE(mmap_bus_error_in_a_call)
{
	int file = make_file("file", 100);
	char *p = mmap(NULL, 2 * PAGE, READ_WRITE, MAP_SHARED, file, 0);

	CALL(read, file, p + PAGE, 10);
	CALL(write, file, p + PAGE, 10);
	CALL(open, p + PAGE, O_RDONLY);
	CALL(lseek, file, 0, SEEK_CUR);
}

CASE(mmap_device_zero)
{
	int zero = open("/dev/zero", O_RDWR);
	char *p = (char *)CALL_OK(mmap, NULL, 2 * PAGE, READ_WRITE, MAP_PRIVATE, zero, 0);

	VALUE(p[0] + p[PAGE]);
	WRITES(p + PAGE);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, open("/dev/null", O_RDWR), 0);
}

CASE(mmap_executable)
{
	static const unsigned char code_bytes[] = {0xb8, 42, 0,
	                                           0,    0,  0xc3}; /* mov $42, %eax; ret */
	char *p = pages(1);

	memcpy(p, code_bytes, sizeof code_bytes);
	CALL(mprotect, p, PAGE, PROT_READ | PROT_EXEC);
	VALUE(((int (*)(void))p)());
	WRITES(p);
	CALL(mprotect, p, PAGE, READ_WRITE);
	p[1] = 43;
	CALL(mprotect, p, PAGE, PROT_EXEC);
	VALUE(((int (*)(void))p)());
}

CASE(mmap_shared_validate)
{
	int file = make_file("file", PAGE);

	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, file, 0);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_POPULATE, file, 0);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | 0x2000000, file, 0);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_SHARED | 0x2000000, file, 0);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN, file, 0);
	CALL_OK(mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_DENYWRITE, file, 0);
}

CASE(mmap_below_2_gib)
{
	char *p = (char *)CALL_OK(mmap, NULL, PAGE, READ_WRITE, ANONYMOUS | MAP_32BIT, -1, 0);

	VALUE((uintptr_t)p < 1UL << 31);
	CALL_OK(mmap, NULL, 1UL << 31, PROT_NONE, ANONYMOUS | MAP_32BIT, -1, 0);
}

CASE(mmap_shared_anonymous)
{
	char *p = (char *)CALL_OK(mmap, NULL, 3 * PAGE, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	                          0);

	p[PAGE] = 'x';
	CALL(madvise, p, 3 * PAGE, MADV_DONTNEED);
	say("%c", p[PAGE]);
	CALL(madvise, p, PAGE, MADV_FREE);
	CALL(msync, p, 3 * PAGE, MS_SYNC);
	CALL(munmap, p, 3 * PAGE);
}

CASE_ALONE(mmap_limited)
{
	struct rlimit limit = {64UL << 20, RLIM_INFINITY};
	char *p = pages(1);

	CALL(setrlimit, RLIMIT_AS, &limit);
	CALL_OK(mmap, NULL, 128UL << 20, PROT_NONE, ANONYMOUS, -1, 0);
	CALL_OK(mremap, p, PAGE, 128UL << 20, MREMAP_MAYMOVE);
	CALL_OK(mmap, NULL, 1UL << 20, PROT_NONE, ANONYMOUS, -1, 0);
}

/* ---- accesses ---- */

CASE(accesses_by_protection)
{
	char *p = pages(4);

	mprotect(p, PAGE, PROT_READ);
	mprotect(p + PAGE, PAGE, PROT_NONE);
	mprotect(p + 2 * PAGE, PAGE, PROT_WRITE);
	READS(p);
	WRITES(p);
	READS(p + PAGE);
	WRITES(p + PAGE);
	READS(p + 2 * PAGE);
	WRITES(p + 2 * PAGE);
	WRITES(p + 3 * PAGE);
	READS(p + 4 * PAGE);
	READS(p - 1);
}

CASE(accesses_anywhere)
{
	READS(NULL);
	WRITES(LOW);
	READS(KERNEL);
	READS(KIT);
	WRITES(KIT);
	READS(KIT_DATA);
	READS(TOP);
	READS(0x7ffffffff000);
	READS(unmapped());
}

CASE(access_noncanonical)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &action, NULL);
	if (!sigsetjmp(back, 1))
		(void)*(volatile char *)NONCANONICAL;
	say("%s, code %d, address %lx", signal_name(caught), code, (long)fault_address);
}

/* ---- munmap ---- */

CASE(munmap_errors)
{
	char *p = pages(2);

	CALL(munmap, p, 0);
	CALL(munmap, p + 1, PAGE);
	CALL(munmap, p, PAGE);
	CALL(munmap, p, PAGE);
	CALL(munmap, p, SIZE_MAX);
	CALL(munmap, KIT, PAGE);
	CALL(munmap, KERNEL, PAGE);
	CALL(munmap, NULL, PAGE);
	CALL(munmap, (void *)0x7ffffffff000, PAGE);
	CALL(munmap, p + PAGE, 1);
}

CASE(munmap_in_the_middle)
{
	size_t size = 4UL << 20;
	char *p = mmap(NULL, 3 * size, READ_WRITE, ANONYMOUS, -1, 0);

	memset(p, 'x', 3 * size);
	CALL(munmap, p + size, size);
	READS(p + size - 1);
	READS(p + size);
	READS(p + 2 * size - 1);
	READS(p + 2 * size);
	CALL(munmap, p, 3 * size);
	READS(p);
}

/* ---- mprotect ---- */

CASE(mprotect_errors)
{
	char *p = pages(2);

	CALL(mprotect, p + 1, PAGE, PROT_READ);
	CALL(mprotect, p, 0, PROT_READ);
	CALL(mprotect, p, 2 * PAGE, 0x100);
	CALL(mprotect, unmapped(), PAGE, PROT_READ);
	CALL(mprotect, KIT, PAGE, PROT_READ);
	CALL(mprotect, NULL, PAGE, PROT_READ);
	CALL(mprotect, p, SIZE_MAX, PROT_READ);
	CALL(mprotect, p, 0, 0x1000);
	CALL(mprotect, p, 1, PROT_READ);
	WRITES(p + PAGE - 1);
	WRITES(p + PAGE);
}

CASE(mprotect_up_to_a_hole)
{
	size_t size = 4UL << 20;
	char *p = mmap(NULL, 3 * size, READ_WRITE, ANONYMOUS, -1, 0);

	munmap(p + size, size);
	CALL(mprotect, p, 3 * size, PROT_READ);
	WRITES(p);
	WRITES(p + 2 * size);
}

CASE(mprotect_up_to_a_refusal)
{
	make_file("file", PAGE);
	char *p = pages(3);

	mmap(p + PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, open("file", O_RDONLY), 0);
	mprotect(p, PAGE, PROT_READ);
	CALL(mprotect, p, 3 * PAGE, PROT_WRITE);
	WRITES(p);
	WRITES(p + PAGE);
	CALL(mprotect, p, 3 * PAGE, PROT_NONE);
	READS(p + 2 * PAGE);
}

CASE(mprotect_of_what_grows)
{
	char *p = pages(2);

	CALL(mprotect, p, PAGE, PROT_READ | PROT_GROWSDOWN);
	CALL(mprotect, p, PAGE, PROT_READ | PROT_GROWSUP);
	CALL(mprotect, p, PAGE, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP);
	WRITES(p);
}

CASE(mprotect_after_a_reservation)
{
	for (int i = 0; i < 100; i++) {
		char *p = mmap(NULL, 36 * PAGE, PROT_NONE, ANONYMOUS, -1, 0);

		if (i % 20 == 19) {
			READS(p + 35 * PAGE);
			READS(p + 8 * PAGE);
		}
		mprotect(p + 2 * PAGE, 34 * PAGE, READ_WRITE);
		if (p[36 * PAGE - 1] || p[8 * PAGE])
			say("old contents in round %d", i);
		memset(p + 2 * PAGE, 'x', 34 * PAGE);
		munmap(p, 36 * PAGE);
	}
}

CASE(mprotect_of_a_shared_file)
{
	make_file("file", 100);
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, open("file", O_RDONLY), 0);

	CALL(mprotect, p, PAGE, READ_WRITE);
	CALL(mprotect, p, PAGE, PROT_NONE);
	CALL(mprotect, p, PAGE, PROT_READ);
	READS(p);
}

CASE(mprotect_keeps_content)
{
	char *p = pages(3);

	memset(p, 'x', 3 * PAGE);
	mprotect(p + PAGE, PAGE, PROT_NONE);
	CALL(write, open("/dev/null", O_WRONLY), p + PAGE, 10);
	mprotect(p + PAGE, PAGE, READ_WRITE);
	say("%c%c", p[PAGE], p[2 * PAGE - 1]);
}

/* ---- brk ---- */

CASE(brk)
{
	char *end = (char *)make_call(SYS_brk, (const long[]){0, 0, 0, 0, 0, 0});

	VALUE(make_call(SYS_brk, (const long[]){(long)(end + 10000), 0, 0, 0, 0, 0}) ==
	      (long)end + 10000);
	VALUE(end[9999]);
	WRITES(end + 9999);
	VALUE(make_call(SYS_brk, (const long[]){1, 0, 0, 0, 0, 0}) == (long)end + 10000);
	VALUE(make_call(SYS_brk, (const long[]){(long)KIT, 0, 0, 0, 0, 0}) == (long)end + 10000);
	VALUE(make_call(SYS_brk, (const long[]){(long)end, 0, 0, 0, 0, 0}) == (long)end);
	VALUE(make_call(SYS_brk, (const long[]){(long)(end + 10000), 0, 0, 0, 0, 0}) ==
	      (long)end + 10000);
	VALUE(end[9999]);
	make_call(SYS_brk, (const long[]){(long)end, 0, 0, 0, 0, 0});
}

/* ---- mremap ---- */

CASE(mremap_shrinks_and_grows)
{
	size_t size = 4UL << 20;
	char *p = mmap(NULL, 2 * size, READ_WRITE, ANONYMOUS, -1, 0);

	p[0] = 'a';
	p[size - 1] = 'b';
	VALUE(mremap(p, 2 * size, size, 0) == p);
	READS(p + size);
	VALUE(mremap(p, size, 2 * size, 0) == p);
	say("%c%c%d", p[0], p[size - 1], p[size]);
	p = mremap(p, 2 * size, 8 * size, MREMAP_MAYMOVE);
	say("%c%c%d", p[0], p[size - 1], p[8 * size - 1]);
}

CASE(mremap_errors)
{
	char *p = pages(4);

	CALL_OK(mremap, p + 1, PAGE, PAGE, 0);
	CALL_OK(mremap, p, PAGE, 0, 0);
	CALL_OK(mremap, p, PAGE, 2 * PAGE, 0);
	CALL_OK(mremap, p, PAGE, 2 * PAGE, 8);
	CALL_OK(mremap, p, PAGE, PAGE, MREMAP_FIXED, p + PAGE);
	CALL_OK(mremap, p, 2 * PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, p + PAGE);
	CALL_OK(mremap, p, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, p + PAGE + 1);
	CALL_OK(mremap, unmapped(), PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	CALL_OK(mremap, KIT, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	CALL_OK(mremap, p, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, KIT);
	CALL_OK(mremap, p, PAGE, SIZE_MAX, MREMAP_MAYMOVE);
	CALL_OK(mremap, p, 0, PAGE, MREMAP_MAYMOVE);
}

CASE(mremap_fixed)
{
	char *p = pages(2), *q = pages(2);

	strcpy(p, "text");
	strcpy(q, "other");
	VALUE(mremap(p, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, q) == q);
	say("%s", q);
	READS(p);
	READS(p + PAGE);
}

CASE(mremap_of_a_file)
{
	int file = make_file("file", 3 * PAGE);
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, PAGE);
	char first = p[0];

	p = mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	VALUE(p[0] == first);
	READS(p + PAGE);
	ftruncate(file, 2 * PAGE);
	READS(p + PAGE);
}

CASE(mremap_errors_of_targets)
{
	char *p = pages(4);

	CALL_OK(mremap, p, PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	CALL_OK(mremap, p, PAGE, PAGE, MREMAP_DONTUNMAP);
	CALL_OK(mremap, p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED, p);
	CALL_OK(mremap, p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (char *)TOP - 1);
	CALL_OK(mremap, p, PAGE, 1UL << 47, MREMAP_MAYMOVE);
	CALL_OK(mremap, p, 5 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
	CALL_OK(mremap, p, 5 * PAGE, PAGE, 0);
	CALL(msync, p, PAGE, MS_ASYNC);
	CALL(msync, p + PAGE, PAGE, MS_ASYNC);
}

CASE(mremap_dontunmap)
{
	char *p = pages(1), *q;

	strcpy(p, "text");
	q = mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | 4);
	say("%s", q == MAP_FAILED ? error_name(errno) : q);
	if (q != MAP_FAILED)
		VALUE(p[0]);
}

/* ---- madvise, msync, mincore, mlock ---- */

CASE(madvise_dontneed)
{
	char *p = pages(3);
	int file = make_file("file", PAGE);
	char *private = mmap(NULL, PAGE, READ_WRITE, MAP_PRIVATE, file, 0);

	memset(p, 'x', 3 * PAGE);
	CALL(madvise, p + PAGE, PAGE, MADV_DONTNEED);
	say("%c %d %c", p[0], p[PAGE], p[2 * PAGE]);
	private[0] = 'X';
	CALL(madvise, private, PAGE, MADV_DONTNEED);
	say("%c", private[0]);
}

CASE(madvise_over_a_hole)
{
	char *p = pages(3);

	memset(p, 'x', 3 * PAGE);
	munmap(p + PAGE, PAGE);
	CALL(madvise, p, 3 * PAGE, MADV_DONTNEED);
	VALUE(p[0]);
	VALUE(p[2 * PAGE]);
	CALL(madvise, p, 3 * PAGE, MADV_WILLNEED);
	CALL(madvise, p, 3 * PAGE, 22);
}

CASE(madvise_of_a_file)
{
	int file = make_file("file", PAGE);
	char *p = mmap(NULL, PAGE, READ_WRITE, MAP_PRIVATE, file, 0);

	CALL(madvise, p, PAGE, MADV_FREE);
	CALL(madvise, p, PAGE, 18); /* MADV_WIPEONFORK */
	CALL(madvise, p, PAGE, 19);
	CALL(madvise, p, PAGE, MADV_HUGEPAGE);
	CALL(madvise, p, PAGE, MADV_NOHUGEPAGE);
	CALL(madvise, pages(1), PAGE, 18);
}

CASE(madvise_errors)
{
	char *p = pages(2);

	CALL(madvise, p + 1, PAGE, MADV_DONTNEED);
	CALL(madvise, p, 0, MADV_DONTNEED);
	CALL(madvise, p, PAGE, 12345);
	CALL(madvise, p, PAGE, -1);
	CALL(madvise, unmapped(), PAGE, MADV_DONTNEED);
	CALL(madvise, unmapped(), PAGE, MADV_NORMAL);
	CALL(madvise, KIT, PAGE, MADV_DONTNEED);
	CALL(madvise, p, SIZE_MAX, MADV_DONTNEED);
	CALL(madvise, NULL, 0, MADV_NORMAL);
	CALL(madvise, p, 1, MADV_WILLNEED);
	CALL(madvise, p, PAGE, MADV_RANDOM);
	CALL(madvise, p, PAGE, MADV_SEQUENTIAL);
	CALL(madvise, p, PAGE, MADV_FREE);
	CALL(madvise, p, PAGE, MADV_DONTFORK);
	CALL(madvise, p, PAGE, MADV_DONTDUMP);
	CALL(madvise, p, PAGE, MADV_COLD);
}

CASE(madvise_populate)
{
	char *p = pages(2);

	CALL(madvise, p, 2 * PAGE, 22); /* MADV_POPULATE_READ */
	CALL(madvise, p, 2 * PAGE, 23); /* MADV_POPULATE_WRITE */
	mprotect(p, PAGE, PROT_READ);
	CALL(madvise, p, 2 * PAGE, 23);
	CALL(madvise, unmapped(), PAGE, 22);
}

CASE(msync_errors)
{
	char *p = pages(2);

	CALL(msync, p, PAGE, MS_SYNC);
	CALL(msync, p, PAGE, MS_ASYNC);
	CALL(msync, p, PAGE, MS_SYNC | MS_INVALIDATE);
	CALL(msync, p, PAGE, MS_SYNC | MS_ASYNC);
	CALL(msync, p, PAGE, 8);
	CALL(msync, p + 1, PAGE, MS_SYNC);
	CALL(msync, p, 0, MS_SYNC);
	CALL(msync, unmapped(), PAGE, MS_SYNC);
	CALL(msync, KIT, PAGE, MS_SYNC);
	CALL(msync, p, SIZE_MAX, MS_SYNC);
}

CASE(mincore)
{
	char *p = pages(4);
	unsigned char present[4] = {9, 9, 9, 9};

	p[0] = p[2 * PAGE] = 1;
	CALL(mincore, p, 4 * PAGE, present);
	say("%d %d %d %d", present[0], present[1], present[2], present[3]);
	CALL(mincore, p + 1, PAGE, present);
	CALL(mincore, p, PAGE, KIT);
	CALL(mincore, unmapped(), PAGE, present);
	CALL(mincore, KIT, PAGE, present);
	CALL(mincore, p, 0, present);
	CALL(mincore, p, SIZE_MAX, present);
}

CASE(mlock)
{
	char *p = pages(2);

	CALL(mlock, p, PAGE);
	CALL(mlock, p + 1, 1);
	CALL(munlock, p, PAGE);
	CALL(mlock, unmapped(), PAGE);
	CALL(munlock, unmapped(), PAGE);
	CALL(mlock, p, 0);
	CALL(mlock2, p, PAGE, 1);
	CALL(mlock2, p, PAGE, 2);
	CALL(mlockall, 0);
	CALL(mlockall, 8);
	CALL(munlockall);
}

CASE(write_and_execute_is_two_steps)
{
	char *p = pages(1);

	CALL(mprotect, p, PAGE, READ_WRITE);
	CALL(mprotect, p, PAGE, PROT_READ | PROT_EXEC);
	CALL(mprotect, p, PAGE, PROT_NONE);
	READS(p);
}

/* ---- the stack ---- */

static int use_stack(int depth)
{
	volatile char frame[16 * PAGE];

	frame[0] = (char)depth;
	return depth ? use_stack(depth - 1) + frame[0] : 0;
}

CASE(stack_grows)
{
	VALUE(use_stack(100) > 0); /* 6.4 of 8 MiB */
}

static char handler_stack[64 * 1024];

__attribute__((noinline)) static long overflow(long depth)
{
	volatile char frame[PAGE];

	frame[depth % PAGE] = 1;
	return depth < 0 ? 0 : overflow(depth + 1) + frame[0];
}

CASE(stack_overflow_is_caught)
{
	stack_t stack = {.ss_sp = handler_stack, .ss_size = sizeof handler_stack};
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	SHOW(sigaltstack(&stack, NULL));
	sigaction(SIGSEGV, &action, NULL);
	if (!sigsetjmp(back, 1))
		overflow(0);
	say("%s", signal_name(caught));
}
