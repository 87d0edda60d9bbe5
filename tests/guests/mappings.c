/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mappings do, step by step: prints what each access and each call gives, to be compared with
 * what Linux gives.
 *
 * usage: mappings TOPIC
 */
#define _GNU_SOURCE /* mremap */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE       4096UL
#define READ_WRITE (PROT_READ | PROT_WRITE)

static sigjmp_buf escape;

static void handler(int number, siginfo_t *info, void *context)
{
	(void)context;
	printf("%s %d\n", number == SIGBUS ? "SIGBUS" : "SIGSEGV", info->si_code);
	siglongjmp(escape, 1);
}

/* Prints the byte there, or the signal that the access gives. */
static void look(const char *what, const volatile char *at)
{
	printf("%s: ", what);
	if (!sigsetjmp(escape, 1))
		printf("%d\n", *at);
}

static void store(const char *what, volatile char *at, char value)
{
	printf("%s: ", what);
	if (!sigsetjmp(escape, 1)) {
		*at = value;
		puts("stored");
	}
}

static char *map(size_t pages, int prot, int flags, int file)
{
	char *at = mmap(NULL, pages * PAGE, prot, flags, file, 0);

	if (at == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return at;
}

/* A file of @pages pages, each full of its number plus 1. */
static int make_file(size_t pages)
{
	char name[] = "/tmp/mappings.XXXXXX", content[PAGE];
	int file = mkstemp(name);

	for (size_t page = 0; page < pages; page++) {
		memset(content, (int)page + 1, PAGE);
		if (write(file, content, PAGE) != (ssize_t)PAGE) {
			perror(name);
			exit(1);
		}
	}
	unlink(name);
	return file;
}

/* A file that gets shorter under its mappings, and longer again. */
static void topic_truncate(void)
{
	int file = make_file(4);
	char *private = map(6, READ_WRITE, MAP_PRIVATE, file);
	char *shared = map(6, READ_WRITE, MAP_SHARED, file);

	private[0] = private[2 * PAGE] = 50;
	look("private, not copied", private + 3 * PAGE);
	shared[PAGE + 1] = 60;
	look("behind the end", private + 4 * PAGE);
	ftruncate(file, PAGE);
	look("copy of what stays", private);
	look("copy of what was cut off", private + 2 * PAGE);
	store("the same, stored to", private + 2 * PAGE, 1);
	look("page that was cut off", private + 3 * PAGE);
	look("shared page that was cut off", shared + PAGE);
	ftruncate(file, 6 * PAGE);
	look("copy, after growing", private + 2 * PAGE);
	look("page, after growing", private + 3 * PAGE);
	look("shared, after growing", shared + PAGE + 1);
	store("copy of a hole", private + 5 * PAGE, 70);
	ftruncate(file, 0);
	look("copy of what stayed until now", private);
	look("copy of a hole that was cut off", private + 5 * PAGE);
}

/* A hole that is made under mappings: private copies stay. */
static void topic_hole(void)
{
	int file = make_file(4);
	char *private = map(4, READ_WRITE, MAP_PRIVATE, file);
	char *shared = map(4, READ_WRITE, MAP_SHARED, file);

	private[PAGE] = 50;
	look("private, not copied", private + 2 * PAGE);
	look("shared", shared + 2 * PAGE);
	if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, 2 * PAGE))
		perror("fallocate");
	look("copy", private + PAGE);
	look("not copied", private + 2 * PAGE);
	look("shared, then", shared + 2 * PAGE);
	look("behind the hole", private + 3 * PAGE);
}

/* Pages that are far apart, each of which needs page tables of its own, and the same ones again. */
static void topic_apart(void)
{
	for (size_t i = 0; i < 20000; i++) {
		void *hint = (void *)((i % 3000 + 16) << 32);
		size_t size = i % 10 ? PAGE : 5000 * PAGE; /* these are unmapped at once */
		char *at = mmap(hint, size, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		                -1, 0);

		if (at != hint || at[i % PAGE]++ || munmap(at, size)) {
			printf("%zu: %p\n", i, (void *)at);
			return;
		}
		if (i % 500 == 0)
			look("unmapped", at);
	}
	puts("done");
}

static const struct {
	const char *name;
	void (*run)(void);
} topics[] = {{"truncate", topic_truncate}, {"hole", topic_hole}, {"apart", topic_apart}};

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++)
		if (argc > 1 && !strcmp(argv[1], topics[i].name)) {
			topics[i].run();
			return 0;
		}
	fprintf(stderr, "usage: mappings TOPIC\n");
	return 2;
}
