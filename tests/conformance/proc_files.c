/* SPDX-License-Identifier: Apache-2.0 */
/* /proc and /sys: what programs read there, as far as it is the same on every machine. */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

static char buffer[65536];

static const char *content(const char *path)
{
	int file = open(path, O_RDONLY);
	ssize_t length = 0, part = file;

	for (; part >= 0 && length < (ssize_t)sizeof buffer - 1; length += part) {
		part = read(file, buffer + length, sizeof buffer - 1 - (size_t)length);
		if (part <= 0)
			break;
	}
	close(file);
	buffer[length] = '\0';
	return part < 0 ? error_name(errno) : buffer;
}

/* Prints the lines of a file that begin with one of the words, which end with NULL. */
static void lines(const char *path, const char *const *words)
{
	content(path);
	for (char *line = strtok(buffer, "\n"); line; line = strtok(NULL, "\n"))
		for (const char *const *word = words; *word; word++)
			if (!strncmp(line, *word, strlen(*word)))
				say("%s", line);
}

CASE(comm)
{
	say("%s", content("/proc/self/comm"));
	prctl(PR_SET_NAME, "by prctl");
	say("%s", content("/proc/self/comm"));
	int file = (int)SHOW_OK(open("/proc/self/comm", O_WRONLY));
	CALL(write, file, "a name that is too long\n", 24);
	say("%s", content("/proc/self/comm"));
	CALL(write, file, "short\n", 6);
	say("%s", content("/proc/thread-self/comm"));
	prctl(PR_GET_NAME, buffer);
	say("%s", buffer);
}

CASE(oom_score_adj)
{
	int file = open("/proc/self/oom_score_adj", O_RDWR);

	CALL(write, file, "17\n", 3);
	say("%s", content("/proc/self/oom_score_adj"));
	CALL(write, file, "1001", 4);
	CALL(write, file, "x", 1);
	CALL(write, file, "1x", 2);
	CALL(write, file, KIT, 2);
	CALL(write, file, "0", 1);
}

CASE(fdinfo)
{
	static const char *const words[] = {"pos:", "flags:", NULL};
	char path[64];
	int file = open("file", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	write(file, "text", 4);
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", file);
	lines(path, words);
	fcntl(file, F_SETFD, 0);
	fcntl(file, F_SETFL, O_NONBLOCK);
	lseek(file, 2, SEEK_SET);
	lines(path, words);
	CALL(open, "/proc/self/fdinfo/77", O_RDONLY);
	CALL(open, "/proc/self/fdinfo/x", O_RDONLY);
	CALL(access, "/proc/self/fdinfo/0", R_OK);
	close(file);
	CALL(open, path, O_RDONLY);
}

static void *named(void *argument)
{
	(void)argument;
	prctl(PR_SET_NAME, "second");
	say("%s", content("/proc/thread-self/comm"));
	for (;;)
		pause();
	return NULL;
}

static int count(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int found = 0;

	while (dir && (entry = readdir(dir)))
		found += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return found;
}

CASE_ALONE(tasks)
{
	static const char *const words[] = {"Threads:", NULL};
	struct stat status;
	pthread_t thread;
	char path[64];

	say("%d", count("/proc/self/task"));
	prctl(PR_SET_NAME, "first");
	pthread_create(&thread, NULL, named, NULL);
	pause_for(30);
	say("%d", count("/proc/self/task"));
	lines("/proc/self/status", words);
	say("%s", content("/proc/thread-self/comm"));
	snprintf(path, sizeof path, "/proc/self/task/%d/comm", (int)getpid());
	say("%s", content(path));
	CALL(stat, "/proc/self/task", &status);
	say("%o", status.st_mode);
	CALL(open, "/proc/self/task/999999", O_RDONLY);
	CALL(open, "/proc/self/task/x", O_RDONLY);
	CALL(open, "/proc/self/task/0", O_RDONLY);
	snprintf(path, sizeof path, "/proc/self/task/%d/task", (int)getpid());
	CALL(open, path, O_RDONLY);
}

CASE(smaps)
{
	char *memory =
	        mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long rss = 0;

	memset(memory, 1, 1 << 20);
	content("/proc/self/smaps");
	for (char *line = strtok(buffer, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, "Rss:", 4))
			rss += atol(line + 4);
	say("%s", rss >= 1024 ? "counts what is used" : "too little");
}

CASE(small_files)
{
	static const char *const paths[] = {"/proc/self/uid_map",
	                                    "/proc/sys/kernel/ostype",
	                                    "/proc/sys/vm/overcommit_ratio",
	                                    "/proc/sys/kernel/random/poolsize",
	                                    "/proc/self/personality",
	                                    "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"};

	for (size_t i = 0; i < COUNT(paths); i++)
		say("%s: %s", paths[i], content(paths[i]));
}

CASE(names_that_there_are)
{
	static const char *const paths[] = {"/sys/devices/system/cpu/online",
	                                    "/sys/devices/system/cpu/possible",
	                                    "/sys/devices/system/node",
	                                    "/sys/fs/cgroup",
	                                    "/sys/kernel/mm/transparent_hugepage/enabled",
	                                    "/proc/self/cgroup",
	                                    "/proc/self/oom_score",
	                                    "/proc/self/smaps",
	                                    "/proc/self/wchan",
	                                    "/proc/swaps",
	                                    "/proc/cmdline",
	                                    "/proc/sys/kernel/threads-max",
	                                    "/proc/sys/fs/epoll/max_user_watches",
	                                    "/proc/sys/kernel/core_pattern",
	                                    "/proc/thread-self",
	                                    "/proc/self/nothing",
	                                    "/sys/nothing"};

	for (size_t i = 0; i < COUNT(paths); i++)
		say("%s: %s", paths[i], access(paths[i], F_OK) ? error_name(errno) : "is there");
}

CASE(deleted_files)
{
	char path[64], target[200];
	int file = open("file", O_RDWR | O_CREAT, 0644);
	ssize_t length;

	unlink("file");
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	length = readlink(path, target, sizeof target - 1);
	target[length > 0 ? length : 0] = '\0';
	say("%s", strrchr(target, '/'));
	write(file, "text", 4);
	say("%s", content(path));
	file = memfd_create("name", 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	length = readlink(path, target, sizeof target - 1);
	target[length > 0 ? length : 0] = '\0';
	say("%s", target);
}
