/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes memory, uses all of it, and gives it back: `release HOW AFTERWARDS MIB`, where HOW is
 * munmap, pieces, dontneed, malloc or file, and AFTERWARDS is sleep or compute. Prints "ready"
 * before, goes on when a line is read, and prints "released".
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PIECE (64UL << 10)
#define BLOCK (1UL << 20)

static size_t size;

static void need(int is_ok, const char *what)
{
	if (is_ok)
		return;
	perror(what);
	exit(1);
}

static char *take(void)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(memory != MAP_FAILED, "mmap");
	memset(memory, 0x5a, size);
	return memory;
}

static void by_munmap(void)
{
	munmap(take(), size);
}

static void by_pieces(void)
{
	char *memory = take();

	for (size_t at = 0; at < size; at += PIECE)
		munmap(memory + at, PIECE);
}

static void by_dontneed(void)
{
	madvise(take(), size, MADV_DONTNEED);
}

static void by_malloc(void)
{
	size_t count = size / BLOCK;
	char **blocks = calloc(count, sizeof *blocks);

	for (size_t i = 0; i < count; i++) {
		blocks[i] = malloc(BLOCK);
		need(blocks[i] != NULL, "malloc");
		memset(blocks[i], 0x5a, BLOCK);
	}
	for (size_t i = 0; i < count; i++)
		free(blocks[i]);
	free(blocks);
}

static void by_file(void)
{
	static char content[PIECE];
	int file = open("/tmp/release", O_CREAT | O_RDWR, 0600);

	memset(content, 0x5a, sizeof content);
	for (size_t done = 0; done < size; done += PIECE)
		need(write(file, content, PIECE) == (ssize_t)PIECE, "write");
	close(file);
	unlink("/tmp/release");
}

static const struct {
	const char *name;
	void (*run)(void);
} ways[] = {{"munmap", by_munmap},
            {"pieces", by_pieces},
            {"dontneed", by_dontneed},
            {"malloc", by_malloc},
            {"file", by_file}};

int main(int argc, char **argv)
{
	char line[8];
	time_t end;

	if (argc != 4)
		return 2;
	size = strtoul(argv[3], NULL, 0) << 20;
	puts("ready");
	fflush(stdout);
	fgets(line, sizeof line, stdin);
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
		if (!strcmp(argv[1], ways[i].name))
			ways[i].run();
	puts("released");
	fflush(stdout);
	if (!strcmp(argv[2], "sleep"))
		sleep(3);
	for (end = time(NULL) + 4; time(NULL) < end && strcmp(argv[2], "sleep");)
		;
	return 0;
}
