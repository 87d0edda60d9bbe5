/* SPDX-License-Identifier: Apache-2.0 */
/* /proc: what a process can read about itself and the system. */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

static char buffer[200000];

/* The content of a file, as text. */
static const char *content(const char *name)
{
	int file = open(name, O_RDONLY);
	size_t length = 0;
	ssize_t part;

	if (file < 0) {
		say("%s: %s", name, error_name(errno));
		return "";
	}
	while ((part = read(file, buffer + length, sizeof buffer - 1 - length)) > 0)
		length += (size_t)part;
	close(file);
	buffer[length] = '\0';
	return buffer;
}

/* Prints a line of a file that begins with @key. */
static void show_line(const char *name, const char *key)
{
	const char *text = content(name);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, strlen(key))) {
			say("%.*s", (int)strcspn(line, "\n"), line);
			return;
		}
	}
	say("%s: no %s", name, key);
}

static void has(const char *name, const char *text)
{
	say("%s: %s %s", name, strstr(content(name), text) ? "has" : "lacks", text);
}

CASE(self_is_a_link)
{
	char target[100] = "", expected[100];

	SHOW(readlink("/proc/self", target, sizeof target) > 0);
	snprintf(expected, sizeof expected, "%d", getpid());
	VALUE(strcmp(target, expected));
	SHOW(readlink("/proc/thread-self", target, sizeof target) > 0);
	snprintf(expected, sizeof expected, "/proc/%d/status", getpid());
	CALL(access, expected, R_OK);
	CALL(access, "/proc/999999", F_OK);
	CALL(access, "/proc/self/missing", F_OK);
}

CASE(links_of_the_process)
{
	char target[4096] = "", here[4096];

	SHOW(readlink("/proc/self/exe", target, sizeof target) > 0);
	say("%s", strrchr(target, '/'));
	memset(target, 0, sizeof target);
	SHOW(readlink("/proc/self/cwd", target, sizeof target) > 0);
	VALUE(strcmp(target, getcwd(here, sizeof here)));
	memset(target, 0, sizeof target);
	CALL(readlink, "/proc/self/root", target, sizeof target);
	say("%s", target);
	CALL(readlink, "/proc/self/exe", target, 0);
}

CASE(command_line_and_name)
{
	const char *text = content("/proc/self/cmdline");

	say("%s", strrchr(text, '/') ? strrchr(text, '/') : text);
	prctl(PR_SET_NAME, "a name");
	say("%s", content("/proc/self/comm"));
	show_line("/proc/self/status", "Name:");
	say("%d", strstr(content("/proc/self/stat"), " (a name) R ") != NULL);
}

CASE(status_of_signals)
{
	sigset_t set;

	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, _exit);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, 40);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTERM);
	show_line("/proc/self/status", "SigBlk:");
	show_line("/proc/self/status", "SigIgn:");
	show_line("/proc/self/status", "SigCgt:");
}

CASE(status_of_the_process)
{
	char line[100];

	snprintf(line, sizeof line, "\nPid:\t%d\n", getpid());
	VALUE(strstr(content("/proc/self/status"), line) != NULL);
	snprintf(line, sizeof line, "\nTgid:\t%d\n", getpid());
	VALUE(strstr(content("/proc/self/status"), line) != NULL);
	show_line("/proc/self/status", "State:");
	show_line("/proc/self/status", "TracerPid:");
	show_line("/proc/self/status", "Uid:");
	show_line("/proc/self/status", "Gid:");
	show_line("/proc/self/status", "Threads:");
	show_line("/proc/self/status", "NoNewPrivs:");
	has("/proc/self/status", "\nVmRSS:");
	has("/proc/self/status", "\nVmSize:");
	has("/proc/self/status", "\nVmHWM:");
}

static volatile int stop;

static void *wait_to_stop(void *argument)
{
	(void)argument;
	while (!stop)
		pause_for(1);
	return NULL;
}

CASE(threads_are_counted)
{
	pthread_t threads[3];
	DIR *folder;
	int count = 0;

	stop = 0;
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, wait_to_stop, NULL);
	show_line("/proc/self/status", "Threads:");
	folder = opendir("/proc/self/task");
	while (folder && readdir(folder))
		count++;
	if (folder)
		closedir(folder);
	VALUE(count);
	stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

/* What a descriptor is called, without the numbers of its inode. */
static void show_link(int file)
{
	char name[50], target[4096] = "", here[4096];
	ssize_t length;

	snprintf(name, sizeof name, "/proc/self/fd/%d", file);
	length = readlink(name, target, sizeof target - 1);
	if (length < 0) {
		say("%s", error_name(errno));
		return;
	}
	getcwd(here, sizeof here);
	if (!strncmp(target, here, strlen(here)))
		say("here%s", target + strlen(here));
	else
		say("%.*s", (int)strcspn(target, "0123456789"), target);
}

CASE(descriptors)
{
	int file = make_file("file", 10), ends[2];

	pipe(ends);
	show_link(file);
	show_link(ends[0]);
	show_link(open("/dev/null", O_RDONLY));
	show_link(eventfd(0, 0));
	show_link(epoll_create1(0));
	show_link(timerfd_create(CLOCK_MONOTONIC, 0));
	show_link(memfd_create("name", 0));
	show_link(77);
	unlink("file");
	show_link(file);
	CALL(open, "/proc/self/fd/77", O_RDONLY);
	CALL(open, "/proc/self/fd/x", O_RDONLY);
}

CASE(descriptors_are_opened_again)
{
	char name[50], byte;
	int file = make_file("file", 26), again, ends[2];

	lseek(file, 5, SEEK_SET);
	snprintf(name, sizeof name, "/proc/self/fd/%d", file);
	again = (int)CALL(open, name, O_RDONLY);
	CALL(lseek, again, 0, SEEK_CUR);
	CALL(read, again, &byte, 1);
	CALL(write, again, "x", 1);
	unlink("file");
	CALL(open, name, O_RDWR);
	pipe(ends);
	snprintf(name, sizeof name, "/proc/self/fd/%d", ends[0]);
	CALL(open, name, O_WRONLY);
	CALL(access, "/dev/fd/0", F_OK);
	CALL(access, "/dev/stdout", F_OK);
}

CASE(descriptors_are_listed)
{
	DIR *folder;
	struct dirent *entry;
	int count = 0;

	dup2(0, 20);
	dup2(0, 33);
	folder = opendir("/proc/self/fd");
	while (folder && (entry = readdir(folder)))
		if (entry->d_name[0] != '.' && atoi(entry->d_name) >= 20) {
			say("%s", entry->d_name);
			count++;
		}
	VALUE(count);
	if (folder)
		closedir(folder);
}

CASE(mappings)
{
	int file = make_file("mapped file", 5000);
	char *shared = mmap(NULL, 8192, PROT_READ, MAP_SHARED, file, 4096), line[200];

	has("/proc/self/maps", "[stack]");
	has("/proc/self/maps", "[vdso]");
	has("/proc/self/maps", "/mapped\\040file");
	has("/proc/self/maps", "/mapped file\n");
	has("/proc/self/maps", " r-xp ");
	snprintf(line, sizeof line, "%lx-%lx r--s 00001000 ", (long)shared, (long)shared + 8192);
	VALUE(strstr(content("/proc/self/maps"), line) != NULL);
	munmap(shared, 8192);
	VALUE(strstr(content("/proc/self/maps"), line) == NULL);
}

CASE(limits)
{
	show_line("/proc/self/limits", "Max open files");
	has("/proc/self/limits", "Limit                     Soft Limit");
}

CASE(files_of_the_process)
{
	static const char *const names[] = {
	        "/proc/self/auxv",          "/proc/self/environ", "/proc/self/mounts",
	        "/proc/self/mountinfo",     "/proc/self/smaps",   "/proc/self/stat",
	        "/proc/self/statm",         "/proc/self/fdinfo",  "/proc/self/task",
	        "/proc/self/oom_score_adj", "/proc/self/mem",
	};

	for (size_t i = 0; i < COUNT(names); i++)
		say("%s: %s", names[i], access(names[i], F_OK) ? error_name(errno) : "is there");
}

CASE(files_of_the_system)
{
	static const char *const names[] = {
	        "/proc/cpuinfo", "/proc/meminfo",    "/proc/stat",        "/proc/uptime",
	        "/proc/loadavg", "/proc/version",    "/proc/filesystems", "/proc/mounts",
	        "/proc/sys",     "/proc/sys/kernel",
	};

	for (size_t i = 0; i < COUNT(names); i++)
		say("%s: %s", names[i], access(names[i], F_OK) ? error_name(errno) : "is there");
}

CASE(formats)
{
	double uptime, idle, load[3];
	long size, resident;
	int running, all, last;

	VALUE(sscanf(content("/proc/uptime"), "%lf %lf", &uptime, &idle));
	VALUE(sscanf(content("/proc/loadavg"), "%lf %lf %lf %d/%d %d", &load[0], &load[1], &load[2],
	             &running, &all, &last));
	VALUE(sscanf(content("/proc/self/statm"), "%ld %ld", &size, &resident));
	VALUE(size >= resident);
	VALUE(strncmp(content("/proc/stat"), "cpu  ", 5));
	has("/proc/stat", "\ncpu0 ");
	has("/proc/stat", "\nbtime ");
	has("/proc/meminfo", "MemTotal:");
	has("/proc/meminfo", "\nMemAvailable:");
	has("/proc/cpuinfo", "\nmodel name\t: ");
	has("/proc/cpuinfo", "\nflags\t\t: fpu ");
	VALUE(strncmp(content("/proc/version"), "Linux version ", 14));
	say("%s", content("/proc/sys/kernel/ostype"));
}

CASE(stat_has_all_fields)
{
	const char *text = content("/proc/self/stat");
	int spaces = 0;

	text = strrchr(text, ')');
	for (; text && *text; text++)
		spaces += *text == ' ';
	VALUE(spaces);
}

CASE(reads_in_pieces)
{
	int file = open("/proc/self/status", O_RDONLY);
	char piece[100];

	CALL(read, file, piece, 5);
	say("%.5s", piece);
	CALL(lseek, file, 0, SEEK_CUR);
	CALL(lseek, file, 1, SEEK_SET);
	CALL(read, file, piece, 4);
	say("%.4s", piece);
	CALL(pread64, file, piece, 4, 0);
	CALL(read, file, KIT, 10);
	CALL(lseek, file, 100000, SEEK_SET);
	CALL(read, file, piece, 10);
}

CASE(changes_are_refused)
{
	CALL(open, "/proc/self/status", O_WRONLY | O_TRUNC);
	CALL(open, "/proc/new", O_RDWR | O_CREAT, 0644);
	CALL(mkdir, "/proc/new", 0755);
	CALL(unlink, "/proc/version");
	CALL(rmdir, "/proc/self/fd");
	CALL(symlink, "x", "/proc/new");
	CALL(open, "/proc", O_RDWR);
}

CASE(modes)
{
	static const char *const names[] = {"/proc", "/proc/self/fd", "/proc/self/status",
	                                    "/proc/version", "/proc/sys"};
	struct stat status;

	for (size_t i = 0; i < COUNT(names); i++) {
		memset(&status, 0, sizeof status);
		stat(names[i], &status);
		say("%s: %o", names[i], status.st_mode);
	}
}
