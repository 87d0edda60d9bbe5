/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes hypercalls past the kit. Without an argument: everything wrong that should only be refused.
 * Else: `exit STATUS`, `crash` with a record full of nonsense, `clobber` of the CPU's tables by a
 * hypercall, or a `storm` of a thousand calls.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hostile.h"

static int surprises;

static void expect(const char *what, uint64_t detail, int result, int wanted)
{
	if (result == wanted)
		return;
	printf("%s (%#lx): %d instead of %d\n", what, detail, result, wanted);
	surprises++;
}

static void bad_pointers(void)
{
	const uint64_t end = boot_record()->ram_end;
	const uint64_t pointers[] = {
	        end,        end - 1, end + 4096,     1UL << 40,   1UL << 52,     1UL << 63,
	        UINT64_MAX, -16UL,   MOTE_DIRECT_VA, MOTE_KIT_VA, 0x400000000000};

	for (unsigned i = 0; i < sizeof pointers / sizeof pointers[0]; i++) {
		uint64_t at = pointers[i];

		expect("write", at, hypercall(MOTE_HC_console_write, 1, at, 16), -EFAULT);
		expect("read", at, hypercall(MOTE_HC_console_read, at, 16, 0), -EFAULT);
		expect("random", at, hypercall(MOTE_HC_random, at, 16, 0), -EFAULT);
		expect("discard", at, hypercall(MOTE_HC_discard, at, 1, 0), -EFAULT);
		expect("crash", at, hypercall(MOTE_HC_crash, at, 0, 0), -EFAULT);
		expect("control", at,
		       hypercall(MOTE_HC_console_control, 0, MOTE_CONSOLE_GET_TERMIOS, at),
		       -EFAULT);
		expect("size", at,
		       hypercall(MOTE_HC_console_control, 0, MOTE_CONSOLE_GET_WINDOW_SIZE, at),
		       -EFAULT);
	}
}

static void bad_lengths(void)
{
	const uint64_t near_end = boot_record()->ram_end - 4096;
	const uint64_t lengths[] = {4097, 1UL << 20, 1UL << 32, 1UL << 63, UINT64_MAX, -4096UL};

	for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		uint64_t length = lengths[i];

		expect("write", length, hypercall(MOTE_HC_console_write, 1, near_end, length),
		       -EFAULT);
		expect("read", length, hypercall(MOTE_HC_console_read, near_end, length, 0),
		       -EFAULT);
		expect("discard", length, hypercall(MOTE_HC_discard, near_end, length, 0), -EINVAL);
	}
	/* A random request is served in pieces of 256 bytes: one that long does not fit here. */
	expect("random", 256,
	       hypercall(MOTE_HC_random, boot_record()->ram_end - 255, UINT64_MAX, 0), -EFAULT);
	expect("memory", 1, hypercall(MOTE_HC_memory, boot_record()->ram_end + 1, 0, 0), -EINVAL);
	expect("memory", 2, hypercall(MOTE_HC_memory, UINT64_MAX, 0, 0), -EINVAL);
	expect("discard count", 513, hypercall(MOTE_HC_discard, near_end, 513, 0), -EINVAL);
	expect("discard count", 1UL << 60, hypercall(MOTE_HC_discard, near_end, 1UL << 60, 0),
	       -EINVAL);
}

static void bad_ranges(void)
{
	static struct mote_range range;
	const struct mote_range ranges[] = {
	        {0, 4096},              /* the CPU's tables */
	        {4096, 0},              /* ends before it starts */
	        {0, UINT64_MAX},        /* everything */
	        {1UL << 40, 1UL << 41}, /* where there is no memory */
	        {-4096UL, 4096},        /* around the end of the numbers */
	        {boot_record()->free.start + 1, boot_record()->free.start + 4097}, /* unaligned */
	};

	for (unsigned i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
		range = ranges[i];
		expect("discard range", i, hypercall(MOTE_HC_discard, guest_physical(&range), 1, 0),
		       -EINVAL);
	}
}

static void bad_values(void)
{
	static char text[] = "never seen\n";
	static struct mote_crash crash;
	const uint64_t streams[] = {0, 3, 4, 255, 0x7fffffff, UINT64_MAX};
	uint64_t gpa = guest_physical(text);

	for (unsigned i = 0; i < sizeof streams / sizeof streams[0]; i++)
		expect("stream", streams[i],
		       hypercall(MOTE_HC_console_write, streams[i], gpa, sizeof text - 1), -EBADF);
	expect("control stream", 3,
	       hypercall(MOTE_HC_console_control, 3, MOTE_CONSOLE_GET_READABLE, 0), -EBADF);
	for (uint64_t operation = 8; operation; operation <<= 1)
		expect("operation", operation,
		       hypercall(MOTE_HC_console_control, 1, operation, gpa), -EINVAL);
	for (unsigned bit = 4; bit < 64; bit++)
		expect("events", bit, hypercall(MOTE_HC_wait, 0, 1UL << bit, 0), -EINVAL);
	crash.signal = 0;
	expect("signal", 0, hypercall(MOTE_HC_crash, guest_physical(&crash), 0, 0), -EINVAL);
	crash.signal = 65;
	expect("signal", 65, hypercall(MOTE_HC_crash, guest_physical(&crash), 0, 0), -EINVAL);
	for (uint64_t number = MOTE_HC_LIMIT; number <= 64; number++)
		expect("number", number, hypercall(number, -1, -1, -1), -ENOSYS);
	for (unsigned bit = 7; bit < 64; bit++)
		expect("number", 1UL << bit, hypercall(1UL << bit, 1, gpa, 1), -ENOSYS);
	expect("number", 0, hypercall(0, 0, 0, 0), -ENOSYS);
}

static void nonsense_crash(void)
{
	static struct mote_crash crash;

	memset(&crash, 0xff, sizeof crash);
	crash.signal = 31;
	memset(crash.reason, '\033', sizeof crash.reason);
	memcpy(crash.reason, "first\nmote: second", 18);
	hypercall(MOTE_HC_crash, guest_physical(&crash), 0, 0);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "wrong";

	if (!strcmp(what, "exit")) {
		hypercall(MOTE_HC_exit, argc > 2 ? strtoull(argv[2], NULL, 0) : 0, 0, 0);
	} else if (!strcmp(what, "crash")) {
		nonsense_crash();
	} else if (!strcmp(what, "clobber")) {
		for (uint64_t gpa = 0x1000; gpa < 0x5000; gpa += 256)
			hypercall(MOTE_HC_random, gpa, 256, 0);
		__asm__ volatile("ud2");
	} else if (!strcmp(what, "storm")) {
		for (int i = 0; i < 10000; i++)
			hypercall(i & 1 ? MOTE_HC_clock : 1000, 0, 0, 0);
	} else {
		bad_pointers();
		bad_lengths();
		bad_ranges();
		bad_values();
	}
	printf("%d surprises\n", surprises);
	return surprises != 0;
}
