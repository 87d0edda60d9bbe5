/* SPDX-License-Identifier: Apache-2.0 */
/* Writes to files that were there at the start, in the working directory; prints what comes of it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

static long checked(const char *what, long result)
{
	if (result < 0)
		printf("%s: %s\n", what, strerror(errno));
	return result;
}
#define CHECKED(call) checked(#call, (long)(call))

static unsigned sum(const char *bytes, size_t length)
{
	unsigned sum = 0;

	while (length--)
		sum = sum * 31 + (unsigned char)*bytes++;
	return sum;
}

static void show(const char *name)
{
	static char content[10 * PAGE];
	struct stat status;
	int file = open(name, O_RDONLY);
	ssize_t length;

	if (file < 0 || fstat(file, &status)) {
		printf("%s: %s\n", name, strerror(errno));
		return;
	}
	length = read(file, content, sizeof(content));
	printf("%s: mode %o links %u size %ld read %zd sum %u\n", name, status.st_mode,
	       (unsigned)status.st_nlink, (long)status.st_size, length,
	       sum(content, length > 0 ? (size_t)length : 0));
	close(file);
}

/* Everything that sees a file before it is written to sees the same file afterwards. */
static void views(void)
{
	int before = open("pages", O_RDONLY), writer = open("pages", O_RDWR);
	char *private = mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE, before, 0);
	char *copied = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, before, 0);
	char *shared = mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, before, 0);
	char *writable = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0);
	char *widened = mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, writer, 0);
	struct stat first, last;
	char bytes[4] = "";

	fstat(before, &first);
	printf("%u %u %u\n", sum(private, 2 * PAGE + 100), sum(shared, 2 * PAGE + 100),
	       sum(widened, 2 * PAGE + 100));
	copied[0] = '!';
	CHECKED(pwrite(writer, "one", 3, 0));
	printf("%.3s %.3s %.3s %.3s %.3s\n", private, shared, copied, writable, widened);
	memcpy(writable + PAGE, "two", 3);
	printf("%.3s %.3s\n", private + PAGE, shared + PAGE);
	CHECKED(mprotect(widened, 3 * PAGE, PROT_READ | PROT_WRITE));
	memcpy(widened + 2 * PAGE, "six", 3);
	CHECKED(pread(before, bytes, 3, 2 * PAGE));
	printf("%s %.3s %.3s\n", bytes, shared + 2 * PAGE, private + 2 * PAGE);
	fstat(before, &last);
	printf("same file: %d\n", first.st_ino == last.st_ino && first.st_dev == last.st_dev);
	CHECKED(unlink("pages"));
	printf("%.3s %u\n", shared, sum(private + 3, PAGE));
	show("pages");
	CHECKED(ftruncate(writer, PAGE + 1));
	printf("%.3s %d %d\n", shared + PAGE, private[PAGE + 1], shared[2 * PAGE - 1]);
}

static void sizes(void)
{
	int file = open("pages", O_RDWR);

	CHECKED(ftruncate(file, PAGE + 7));
	show("pages");
	CHECKED(ftruncate(file, 3 * PAGE));
	show("pages");
	CHECKED(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10, 100));
	show("pages");
	CHECKED(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	show("pages");
	CHECKED(pwrite(file, "end", 3, 5 * PAGE));
	show("pages");
	file = open("short", O_RDWR | O_APPEND);
	CHECKED(write(file, " more", 5));
	show("short");
	CHECKED(open("linked", O_WRONLY | O_TRUNC));
	show("linked");
	show("second");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	char *names[400];
	size_t count = 0;

	if (!dir) {
		printf("%s: %s\n", folder, strerror(errno));
		return;
	}
	while ((entry = readdir(dir)) && count < 400)
		names[count++] = strdup(entry->d_name);
	closedir(dir);
	qsort(names, count, sizeof(names[0]), by_name);
	printf("%s:", folder);
	for (size_t i = 0; i < count; i++)
		printf(" %s", names[i]);
	printf("\n");
}

static void names(void)
{
	char path[64];

	CHECKED(mkdir("new", 0700));
	CHECKED(rename("short", "new/short"));
	CHECKED(rename("deep", "new/deep"));
	show("new/short");
	show("new/deep/below/file");
	list("new/deep");
	list(".");
	CHECKED(chdir("new/deep/below"));
	CHECKED(access("../../short", F_OK));
	CHECKED(chdir("../../.."));
	CHECKED(rmdir("new/deep/below"));
	CHECKED(unlink("new/deep/below/file"));
	CHECKED(rmdir("new/deep/below"));
	CHECKED(mkdir("new/deep/below", 0750));
	list("new/deep/below");
	CHECKED(rename("new/deep/below", "empty"));
	CHECKED(link("second", "third"));
	CHECKED(unlink("linked"));
	show("third");
	CHECKED(symlink("third", "linked"));
	show("linked");
	CHECKED(chmod("third", 0611));
	CHECKED(rename("third", "second"));
	show("second");
	list(".");
	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), "many/file-%d", i);
		if (i % 3 == 0)
			CHECKED(unlink(path));
		else if (i % 3 == 1)
			CHECKED(chmod(path, 0600));
	}
	list("many");
	CHECKED(rmdir("many"));
	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), "many/file-%d", i);
		if (i % 3)
			CHECKED(unlink(path));
	}
	CHECKED(rmdir("many"));
	list("many");
}

/* The root that mote brings along. */
static void builtin(void)
{
	int file = open("/etc/hostname", O_WRONLY | O_TRUNC);

	CHECKED(write(file, "mine", 4));
	show("/etc/hostname");
	CHECKED(unlink("/etc/hosts"));
	CHECKED(mkdir("/srv", 0755));
	CHECKED(rename("/etc/passwd", "/srv/passwd"));
	list("/etc");
	list("/srv");
	list("/");
}

/* Until the file system is full, and then again. */
static void full(void)
{
	static char block[65536];
	int file = open("/etc/big", O_WRONLY | O_CREAT, 0600), blocks = 0;

	while (write(file, block, sizeof(block)) > 0)
		blocks++;
	CHECKED(write(file, block, sizeof(block)));
	CHECKED(open("/etc/hostname", O_WRONLY | O_APPEND));
	CHECKED(mkdir("/another", 0700));
	close(file);
	CHECKED(unlink("/etc/big"));
	CHECKED(mkdir("/another", 0700));
	file = open("/big", O_WRONLY | O_CREAT, 0600);
	for (int i = 0; i < blocks; i++)
		CHECKED(write(file, block, sizeof(block)));
	printf("%s\n", blocks > 100 ? "enough" : "too few");
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "views"))
			views();
		else if (!strcmp(argv[i], "sizes"))
			sizes();
		else if (!strcmp(argv[i], "names"))
			names();
		else if (!strcmp(argv[i], "builtin"))
			builtin();
		else if (!strcmp(argv[i], "full"))
			full();
	}
	return 0;
}
