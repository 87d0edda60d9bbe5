/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function that looks for what an earlier request has left, and leaves as much as it can.
 *
 * /NAME/NUMBER          a page here and there
 * /NAME/NUMBER/all      all of its memory
 *
 * Answers "clean RANDOM NAME/NUMBER", or what it has found.
 */
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "mote/function.h"

#define HEAP_SIZE (1u << 20)
#define MAP_SIZE  (4u << 20)
#define NEW_SIZE  (1u << 20)
#define LITTLE    (16u << 10)
#define FILES     64

/* What memory is filled with. It is nowhere in memory before: neither as a constant nor on the
 * stack. */
static volatile uint64_t not_mark = ~0x6b72614d746f4d21ull;

static unsigned char scratch[1 << 18];
static unsigned char *heap, *map;
static unsigned requests;
static int first_free;
static void *first_break;
static char found[512];

__attribute__((format(printf, 1, 2))) static void report(const char *format, ...)
{
	size_t length = strlen(found);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(found + length, sizeof found - length, format, arguments);
	va_end(arguments);
}

static void look(const char *name, const void *at, size_t size)
{
	const volatile uint64_t *word = at;

	for (size_t i = 0; i < size / 8; i++)
		if (~word[i] == not_mark) {
			report("mark in %s; ", name);
			return;
		}
}

static void look_for_zeroes(const char *name, const unsigned char *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (at[i]) {
			report("%s is not zero; ", name);
			return;
		}
}

static void mark(void *at, size_t size)
{
	uint64_t *word = at;

	for (size_t i = 0; i < size / 8; i++)
		word[i] = ~not_mark;
}

/* The program's own variables, libc's as well: each page is looked at, and written as it is. */
static int visit(struct dl_phdr_info *info, size_t size, void *is_all)
{
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t start = (info->dlpi_addr + segment->p_vaddr + 4095) & ~4095ul;
		uintptr_t end = (info->dlpi_addr + segment->p_vaddr + segment->p_memsz) & ~4095ul;

		if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_W) || end <= start)
			continue;
		if (!is_all && end - start > LITTLE)
			end = start + LITTLE;
		look("variables", (void *)start, end - start);
		for (uintptr_t page = start; page < end; page += 4096) {
			volatile unsigned char *byte = (volatile unsigned char *)page + 4095;

			*byte = *byte;
		}
	}
	return 0;
}

static __attribute__((noinline)) void use_stack(void)
{
	unsigned char below[32768], *volatile at = below;

	look("stack", at, sizeof below);
	mark(at, sizeof below);
}

static void use_memory(int is_all)
{
	size_t heap_size = is_all ? HEAP_SIZE : LITTLE, map_size = is_all ? MAP_SIZE : LITTLE;
	size_t new_size = is_all ? NEW_SIZE : LITTLE;
	unsigned char *fresh =
	        mmap(NULL, NEW_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *taken = malloc(100000);

	dl_iterate_phdr(visit, is_all ? &requests : NULL);
	use_stack();
	look("the heap", heap, heap_size);
	look("a mapping", map, map_size);
	look("new heap", taken, 100000);
	look_for_zeroes("a new mapping", fresh, new_size);
	mark(heap, heap_size);
	mark(map, map_size);
	mark(taken, 100000);
	mark(fresh, new_size);
	mark(scratch, is_all ? sizeof scratch : LITTLE);
}

static void handler(int number)
{
	(void)number;
}

/* Of the process and of files. */
static void use_state(const char *path)
{
	struct sigaction old;
	char directory[256] = "";
	mode_t mask = umask(0777);

	if (requests++)
		report("variable; ");
	if (getenv("TENANT"))
		report("environment %s; ", getenv("TENANT"));
	if (mask != 022)
		report("umask %o; ", mask);
	if (!getcwd(directory, sizeof directory) || strcmp(directory, "/"))
		report("directory %s; ", directory);
	if (dup(0) != first_free)
		report("open files; ");
	if (sbrk(0) != first_break)
		report("break; ");
	if (access("/tmp/tenant", F_OK) == 0)
		report("file; ");
	sigaction(SIGUSR1, NULL, &old);
	if (old.sa_handler != SIG_DFL)
		report("handler; ");
	if (alarm(1000))
		report("timer; ");
	setenv("TENANT", path, 1);
	signal(SIGUSR1, handler);
	mkdir("/tmp/tenant", 0700);
	close(open("/tmp/tenant/file", O_CREAT | O_WRONLY, 0600));
	sbrk(65536);
	chdir("/tmp");
	for (int i = 0; i < FILES; i++)
		open("/tmp", O_RDONLY);
}

static void answer(struct mote_request *request)
{
	const char *path = mote_path(request);
	uint64_t random[2];

	use_state(path);
	use_memory(strstr(path, "/all") != NULL);
	getrandom(random, sizeof random, 0);
	if (*found)
		mote_print(request, "%s", found);
	else
		mote_print(request, "clean %016llx%016llx %s", (unsigned long long)random[0],
		           (unsigned long long)random[1], path);
}

int main(void)
{
	chdir("/");
	umask(022);
	mkdir("/tmp", 0777);
	heap = malloc(HEAP_SIZE);
	map = mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(map, 1, MAP_SIZE / 2);
	first_free = dup(0);
	close(first_free);
	free(malloc(100000));
	first_break = sbrk(0);
	return mote_serve(answer);
}
