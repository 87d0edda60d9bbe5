/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the conformance programs share: cases, and reports of what a call gave.
 *
 * A program is a list of cases, functions that call the system and print what came of it in lines
 * that are the same in every run: results and names of errors, never addresses, process numbers or
 * times. run.sh runs each program on Linux and in a microVM and compares case by case.
 *
 *     CASE(dup_of_a_closed_file)
 *     {
 *             CALL(dup, 77);          prints "dup(77) = -1 EBADF"
 *     }
 *
 * Cases run one after the other in one process, from an empty folder, with the descriptors 0 to 2,
 * every signal at its default, no timers, and umask 022: what a case leaves behind is cleared. What
 * cannot be cleared (credentials, limits, the end of the process) belongs into a CASE_ALONE, which
 * has a process to itself.
 */
#ifndef MOTE_CONFORMANCE_HARNESS_H
#define MOTE_CONFORMANCE_HARNESS_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096UL

struct test_case {
	const char *name;
	void (*run)(void);
	int is_alone;
};

#define CASE(name)       DEFINE_CASE(name, 0)
#define CASE_ALONE(name) DEFINE_CASE(name, 1)
#define DEFINE_CASE(name, alone)                                                  \
	static void case_##name(void);                                            \
	static const struct test_case entry_##name = {#name, case_##name, alone}; \
	static const struct test_case *const in_order_##name                      \
	        __attribute__((section("cases"), used)) = &entry_##name;          \
	static void case_##name(void)

/*
 * Makes a system call, past the C library, and prints it as it is written, with its result. CALL_OK
 * is for results that differ from run to run: it prints "ok" or the error. Both give the result, -1
 * with errno when it failed.
 */
#define CALL(name, ...)                    \
	report(#name "(" #__VA_ARGS__ ")", \
	       make_call(SYS_##name, (const long[]){MAP(__VA_ARGS__) 0, 0, 0, 0, 0, 0}))
#define CALL_OK(name, ...)                    \
	report_ok(#name "(" #__VA_ARGS__ ")", \
	          make_call(SYS_##name, (const long[]){MAP(__VA_ARGS__) 0, 0, 0, 0, 0, 0}))

/* The same for functions of the C library, or anything else that sets errno and returns a number.
 */
#define SHOW(expression)    report(#expression, (errno = 0, (long)(expression)))
#define SHOW_OK(expression) report_ok(#expression, (errno = 0, (long)(expression)))

/* For what returns an error number itself, as the pthread functions. */
#define SHOW_ERROR(expression) report_error(#expression, (expression))

/* Prints a value that is no result: no error is looked for. */
#define VALUE(expression) say("%s: %lld", #expression, (long long)(expression))

#define MAP(...) \
	PICK(_, ##__VA_ARGS__, MAP_6, MAP_5, MAP_4, MAP_3, MAP_2, MAP_1, MAP_0)(__VA_ARGS__)
#define PICK(_0, _1, _2, _3, _4, _5, _6, name, ...) name
#define MAP_0()
#define MAP_1(a)                (long)(a),
#define MAP_2(a, b)             MAP_1(a) MAP_1(b)
#define MAP_3(a, b, c)          MAP_2(a, b) MAP_1(c)
#define MAP_4(a, b, c, d)       MAP_3(a, b, c) MAP_1(d)
#define MAP_5(a, b, c, d, e)    MAP_4(a, b, c, d) MAP_1(e)
#define MAP_6(a, b, c, d, e, f) MAP_5(a, b, c, d, e) MAP_1(f)

/* A program that executes itself has one: what the second does, when its first argument is "child".
 */
int child_main(int count, char **arguments) __attribute__((weak));

long make_call(long number, const long *arguments);
long report(const char *what, long result);
long report_ok(const char *what, long result);
int report_error(const char *what, int error);

/* Prints a line. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The name of an error number ("EBADF"), "0" for 0. */
const char *error_name(int error);

/* The name of a signal ("SIGSEGV"). */
const char *signal_name(int number);

/* Pointers that no call may follow. KIT is where a microVM has its guest kit. */
#define LOW          ((void *)8)
#define NONCANONICAL ((void *)0x8000000000000000UL)
#define KERNEL       ((void *)0xffff888000001000UL)
#define KIT          ((void *)0xffffffff80001000UL)
#define KIT_DATA     ((void *)0xffffffff80200000UL)
#define TOP          ((void *)-1L)
#define LAST_USER    ((void *)0x7fffffffefffUL)

/* A page that nothing is mapped at, its neighbours included. */
void *unmapped(void);

/* A page full of @byte that can only be read. */
void *read_only(int byte);

/* Pages that can be read and written, between two that cannot be accessed. */
void *pages(size_t count);

/* The last @count bytes of a page, behind which nothing can be accessed. */
void *edge(size_t count);

/* Waits until @milliseconds have passed. */
void pause_for(unsigned milliseconds);

/* Milliseconds on CLOCK_MONOTONIC. */
long now(void);

/* Makes a file of @size bytes, of which byte n is 'a' + n % 26, and opens it O_RDWR. */
int make_file(const char *name, size_t size);

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
