/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls every system call that the kit serves with bad pointers, and numbers that it does not
 * serve. Prints calls that should fail with EFAULT and do not; survives all of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hostile.h"

#define OPEN_FILE 50

static const struct {
	long number;
	const char *name;
	const char *arguments; /* a letter each; see the table */
} calls[] = {
#define SYSCALL(number, name, arguments) {number, #name, arguments},
#include "../../guestkit/libc-shim/syscall_table.h"
};

static const uint64_t bad_pointers[] = {
        1,
        0x10000,
        MOTE_KIT_VA,
        MOTE_KIT_VA + 0x8000,
        MOTE_RING0_VA,
        MOTE_RUN_VA,
        MOTE_DIRECT_VA,
        MOTE_DIRECT_VA + 0x200000,
        MOTE_USER_END - 1,
        0x800000000000,
        0x8000000000000000,
        UINT64_MAX,
        -4096UL,
};

/* These end the program or wait for something, by what they are. */
static int is_left_out(long number)
{
	static const long left_out[] = {SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_pause};

	for (unsigned i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
		if (left_out[i] == number)
			return 1;
	return 0;
}

/* These use their pointer first of all, whatever the other arguments are. */
static int must_fault(const char *name)
{
	static const char list[] =
	        " open stat lstat access uname chdir rename mkdir rmdir unlink "
	        "readlink symlink link chmod truncate creat statfs sysinfo fstat "
	        "clock_gettime gettimeofday nanosleep pipe openat "
	        "mkdirat getrlimit getrusage writev ";
	char word[40];

	snprintf(word, sizeof word, " %s ", name);
	return strstr(list, word) != NULL;
}

static long raw(long number, const uint64_t *a)
{
	register uint64_t r10 __asm__("r10") = a[3];
	register uint64_t r8 __asm__("r8") = a[4];
	register uint64_t r9 __asm__("r9") = a[5];
	long result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return result;
}

static void fill(uint64_t *arguments, const char *letters, uint64_t pointer, uint64_t file,
                 uint64_t number)
{
	memset(arguments, 0, 6 * sizeof *arguments);
	for (int i = 0; i < 6 && letters[i]; i++) {
		switch (letters[i]) {
		case 'p':
		case 's':
		case 'b': arguments[i] = pointer; break;
		case 'f': arguments[i] = file; break;
		case 'a': arguments[i] = (uint64_t)AT_FDCWD; break;
		default: arguments[i] = number;
		}
	}
}

static int try_all(uint64_t file, uint64_t number)
{
	static const char null[] = "/dev/null";
	int surprises = 0;

	for (unsigned i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		for (unsigned j = 0; j < sizeof bad_pointers / sizeof bad_pointers[0]; j++) {
			const uint64_t name[6] = {(uint64_t)null, O_RDWR};
			const uint64_t copy[6] = {(uint64_t)raw(SYS_open, name), OPEN_FILE};
			const uint64_t close[6] = {copy[0]};
			uint64_t arguments[6];
			long result;

			if (is_left_out(calls[i].number))
				continue;
			if (copy[0] != OPEN_FILE) {
				raw(SYS_dup2, copy);
				raw(SYS_close, close);
			}
			fill(arguments, calls[i].arguments, bad_pointers[j], file, number);
			result = raw(calls[i].number, arguments);
			if (!must_fault(calls[i].name) || file != OPEN_FILE || result == -EFAULT)
				continue;
			printf("%s(%#lx): %ld\n", calls[i].name, bad_pointers[j], result);
			surprises++;
		}
	}
	return surprises;
}

static int try_unknown(void)
{
	static const long numbers[] = {480,        511,         1000,      65535, 0x7fffffff,
	                               0x40000000, 0x100000000, INT64_MIN, -1,    -4096};
	const uint64_t arguments[6] = {-1UL, -1UL, -1UL, -1UL, -1UL, -1UL};
	int surprises = 0;

	for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		long result = raw(numbers[i], arguments);

		if (result == -ENOSYS)
			continue;
		printf("number %#lx: %ld\n", numbers[i], result);
		surprises++;
	}
	return surprises;
}

int main(void)
{
	int surprises = 0;

	setvbuf(stdout, NULL, _IONBF, 0);
	for (int number = 1; number < 32; number++)
		signal(number, SIG_IGN); /* kill and alarm are among the calls */
	surprises += try_all(OPEN_FILE, 1);
	surprises += try_all(77, 1); /* not open */
	surprises += try_all(UINT64_MAX, 16);
	surprises += try_unknown();
	printf("%d surprises\n", surprises);
	return surprises != 0;
}
