/* SPDX-License-Identifier: Apache-2.0 */
/* The younger calls on files: openat2, close_range, locks, sealing, and their like. */
#include "harness.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static char buffer[65536];

/* ---- openat2 ---- */

static long open_with(const char *path, unsigned long resolve)
{
	struct open_how how = {.flags = O_RDONLY, .resolve = resolve};
	long result = make_call(SYS_openat2,
	                        (const long[]){AT_FDCWD, (long)path, (long)&how, sizeof how, 0, 0});

	say("%s, resolve %#lx: %s", path, resolve, result < 0 ? error_name(errno) : "opened");
	if (result >= 0)
		close((int)result);
	return result;
}

CASE(openat2_arguments)
{
	struct open_how how = {.flags = O_RDONLY};
	struct {
		struct open_how how;
		long more;
	} longer = {.more = 0};

	make_file("file", 10);
	CALL_OK(openat2, AT_FDCWD, "file", &how, sizeof how);
	CALL(openat2, AT_FDCWD, "file", &how, 8);
	CALL(openat2, AT_FDCWD, "file", &how, 5000);
	CALL(openat2, AT_FDCWD, "file", KIT, sizeof how);
	CALL(openat2, AT_FDCWD, KIT, &how, sizeof how);
	CALL(openat2, 77, "file", &how, sizeof how);
	CALL_OK(openat2, AT_FDCWD, "file", &longer, sizeof longer);
	longer.more = 1;
	CALL(openat2, AT_FDCWD, "file", &longer, sizeof longer);
	how.mode = 0600;
	CALL(openat2, AT_FDCWD, "file", &how, sizeof how);
	how.flags = O_CREAT | O_RDWR;
	how.mode = 010000;
	CALL(openat2, AT_FDCWD, "file", &how, sizeof how);
	how.mode = 0600;
	CALL_OK(openat2, AT_FDCWD, "new", &how, sizeof how);
	how.flags = 1UL << 40;
	CALL(openat2, AT_FDCWD, "file", &how, sizeof how);
	how = (struct open_how){.resolve = 0x1000};
	CALL(openat2, AT_FDCWD, "file", &how, sizeof how);
	how.resolve = RESOLVE_BENEATH | RESOLVE_IN_ROOT;
	CALL(openat2, AT_FDCWD, "file", &how, sizeof how);
	how = (struct open_how){.flags = O_PATH | O_RDWR};
	CALL(openat2, AT_FDCWD, "file", &how, sizeof how);
}

CASE(openat2_resolve)
{
	static const unsigned long rules[] = {0,
	                                      RESOLVE_NO_SYMLINKS,
	                                      RESOLVE_NO_MAGICLINKS,
	                                      RESOLVE_BENEATH,
	                                      RESOLVE_IN_ROOT,
	                                      RESOLVE_NO_XDEV};
	static const char *const paths[] = {
	        "file",     "folder/file",     "link",      "folder/up", "folder/../file", "/file",
	        "absolute", "/proc/self/fd/0", "proc/self", "missing"};

	mkdir("folder", 0755);
	make_file("file", 1);
	make_file("folder/file", 1);
	symlink("file", "link");
	symlink("../file", "folder/up");
	symlink("/file", "absolute");
	symlink("/proc", "proc");
	for (size_t i = 0; i < COUNT(rules); i++)
		for (size_t j = 0; j < COUNT(paths); j++)
			open_with(paths[j], rules[i]);
}

/* ---- close_range, dup ---- */

CASE(close_range)
{
	int first = dup(0), last = first;

	for (int i = 0; i < 9; i++)
		last = dup(0);
	CALL(close_range, first + 5, first + 4, 0);
	CALL(close_range, first, last, 0x100);
	CALL(close_range, first + 2, first + 3, 4); /* CLOEXEC */
	CALL(fcntl, first + 2, F_GETFD);
	CALL(fcntl, first + 4, F_GETFD);
	CALL(close_range, first + 1, first + 2, 0);
	for (int fd = first; fd <= last; fd++)
		say("%d: %s", fd - first, fcntl(fd, F_GETFD) < 0 ? error_name(errno) : "open");
	CALL(close_range, first, -1, 0);
	CALL(fcntl, last, F_GETFD);
	CALL(fcntl, 0, F_GETFD);
}

/* ---- locks ---- */

static struct flock record(int type, long start, long length)
{
	return (struct flock){
	        .l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
}

static void look(int file, int command, int type, long start, long length)
{
	struct flock lock = record(type, start, length);
	long result = fcntl(file, command, &lock);

	if (result)
		say("%ld+%ld: %s", start, length, error_name(errno));
	else if (lock.l_type == F_UNLCK)
		say("%ld+%ld: free", start, length);
	else
		say("%ld+%ld: %s lock of %ld+%ld, %s", start, length,
		    lock.l_type == F_RDLCK ? "read" : "write", (long)lock.l_start, (long)lock.l_len,
		    lock.l_pid == -1 ? "of a file" : "of a process");
}

CASE(locks_of_descriptions)
{
	int one = make_file("file", 100), other = open("file", O_RDWR),
	    reader = open("file", O_RDONLY);
	struct flock lock = record(F_WRLCK, 10, 20);

	CALL(fcntl, one, F_OFD_SETLK, &lock);
	look(other, F_OFD_GETLK, F_WRLCK, 0, 10);
	look(other, F_OFD_GETLK, F_RDLCK, 5, 10);
	look(one, F_OFD_GETLK, F_WRLCK, 0, 0);
	CALL(fcntl, other, F_OFD_SETLK, &lock);
	lock = record(F_UNLCK, 15, 5);
	CALL(fcntl, one, F_OFD_SETLK, &lock);
	look(other, F_OFD_GETLK, F_WRLCK, 0, 0);
	look(other, F_OFD_GETLK, F_WRLCK, 15, 5);
	look(other, F_OFD_GETLK, F_WRLCK, 20, 5);
	lock = record(F_RDLCK, 0, 0);
	CALL(fcntl, one, F_OFD_SETLK, &lock);
	look(other, F_OFD_GETLK, F_WRLCK, 50, 1);
	CALL(fcntl, other, F_OFD_SETLK, &lock);
	CALL(fcntl, reader, F_OFD_SETLK, &lock);
	lock = record(F_WRLCK, 0, 1);
	CALL(fcntl, reader, F_OFD_SETLK, &lock);
	CALL(fcntl, other, F_OFD_SETLK, &lock);
	CALL(close, one);
	CALL(close, reader);
	CALL(fcntl, other, F_OFD_SETLK, &lock);
	lock.l_pid = 5;
	CALL(fcntl, other, F_OFD_SETLK, &lock);
}

CASE(locks_of_the_process)
{
	int one = make_file("file", 100), other = open("file", O_RDWR);
	struct flock lock = record(F_WRLCK, 0, 50);

	CALL(fcntl, one, F_SETLK, &lock);
	CALL(fcntl, other, F_SETLK, &lock);
	look(other, F_GETLK, F_WRLCK, 0, 0);
	look(other, F_OFD_GETLK, F_WRLCK, 0, 0);
	lock = record(F_WRLCK, 40, 50);
	CALL(fcntl, other, F_OFD_SETLK, &lock);
	lock = record(F_WRLCK, 60, 50);
	CALL(fcntl, other, F_OFD_SETLK, &lock);
	look(one, F_GETLK, F_RDLCK, 0, 0);
	close(dup(one));
	look(other, F_OFD_GETLK, F_WRLCK, 0, 10);
}

CASE(lock_errors)
{
	int file = make_file("file", 100), reader = open("file", O_RDONLY);
	struct flock lock = record(F_WRLCK, 0, 1);

	CALL(fcntl, file, F_SETLK, KIT);
	CALL(fcntl, reader, F_SETLK, &lock);
	lock = record(9, 0, 1);
	CALL(fcntl, file, F_SETLK, &lock);
	lock = record(F_WRLCK, -1, 1);
	CALL(fcntl, file, F_SETLK, &lock);
	lock = record(F_WRLCK, 0, -1);
	CALL(fcntl, file, F_SETLK, &lock);
	lock = record(F_WRLCK, 10, -10);
	CALL(fcntl, file, F_SETLK, &lock);
	lock = record(F_WRLCK, 0x7fffffffffffffff, 2);
	CALL(fcntl, file, F_SETLK, &lock);
	lock = record(F_WRLCK, 0, 1);
	lock.l_whence = 7;
	CALL(fcntl, file, F_SETLK, &lock);
	lock.l_whence = SEEK_END;
	lock.l_start = 0x7fffffffffffffff;
	CALL(fcntl, file, F_SETLK, &lock);
	lock.l_start = -200;
	CALL(fcntl, file, F_SETLK, &lock);
	lock.l_start = -20;
	CALL(fcntl, file, F_SETLK, &lock);
	CALL(fcntl, open("file", O_PATH), F_SETLK, &lock);
	CALL(fcntl, 77, F_SETLK, &lock);
}

CASE(flock_changes)
{
	int one = make_file("file", 1), other = open("file", O_RDWR), copy = dup(one);

	CALL(flock, one, LOCK_SH);
	CALL(flock, other, LOCK_SH);
	CALL(flock, one, LOCK_EX | LOCK_NB);
	CALL(flock, other, LOCK_EX | LOCK_NB);
	CALL(flock, copy, LOCK_SH | LOCK_NB);
	CALL(flock, other, LOCK_UN);
	CALL(flock, copy, LOCK_SH | LOCK_NB);
	CALL(close, one);
	CALL(flock, other, LOCK_EX | LOCK_NB);
	CALL(close, copy);
	CALL(flock, other, LOCK_EX | LOCK_NB);
	CALL(flock, open("file", O_PATH), LOCK_SH);
	CALL(flock, open(".", O_RDONLY), LOCK_EX | LOCK_NB);
}

/* ---- files without names ---- */

CASE(tmpfile_gets_a_name)
{
	int file = (int)CALL_OK(openat, AT_FDCWD, ".", O_RDWR | O_TMPFILE, 0640), exclusive;
	struct stat status;

	write(file, "text", 4);
	CALL(linkat, file, "", AT_FDCWD, "named", AT_EMPTY_PATH);
	fstat(file, &status);
	VALUE(status.st_nlink);
	say("%o", status.st_mode);
	CALL(access, "named", F_OK);
	CALL(unlink, "named");
	CALL(linkat, file, "", AT_FDCWD, "again", AT_EMPTY_PATH);
	exclusive = open(".", O_RDWR | O_TMPFILE | O_EXCL, 0640);
	CALL(linkat, exclusive, "", AT_FDCWD, "exclusive", AT_EMPTY_PATH);
	make_file("file", 1);
	CALL(openat, AT_FDCWD, "file", O_RDWR | O_TMPFILE, 0600);
	CALL(openat, AT_FDCWD, "missing", O_RDWR | O_TMPFILE, 0600);
	CALL(openat, AT_FDCWD, ".", O_RDWR | O_TMPFILE | O_CREAT, 0600);
	CALL(openat, AT_FDCWD, ".", O_RDWR | (O_TMPFILE & ~O_DIRECTORY), 0600);
}

CASE(memfd_mappings)
{
	int file = memfd_create("name", MFD_ALLOW_SEALING);
	char *shared;

	ftruncate(file, 8192);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	CALL(fcntl, file, F_ADD_SEALS, F_SEAL_WRITE);
	strcpy(shared, "text");
	CALL(read, file, buffer, 5);
	say("%.5s", buffer);
	munmap(shared, 4096);
	CALL(fcntl, file, F_ADD_SEALS, F_SEAL_WRITE);
	CALL_OK(mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	CALL_OK(mmap, NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
	CALL_OK(mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	CALL(fallocate, file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
	CALL(fcntl, file, F_ADD_SEALS, 0x1000);
	CALL(fcntl, 0, F_GET_SEALS);
	CALL(fcntl, open("/proc/self/status", O_RDONLY), F_GET_SEALS);
}

/* ---- the rest ---- */

CASE(sync_file_range)
{
	int file = make_file("file", 100), ends[2];

	pipe(ends);
	CALL(sync_file_range, file, 0, 0, 7);
	CALL(sync_file_range, file, 0, 10, 8);
	CALL(sync_file_range, file, -1, 10, 0);
	CALL(sync_file_range, file, 0, -1, 0);
	CALL(sync_file_range, ends[0], 0, 10, 0);
	CALL(sync_file_range, 77, 0, 10, 0);
}

CASE(fchmodat2)
{
	struct stat status;

	if (make_call(SYS_fchmodat2, (const long[]){AT_FDCWD, (long)"missing", 0600, 0, 0, 0}) <
	            0 &&
	    errno == ENOSYS)
		return; /* Linux before 6.6 */
	make_file("file", 1);
	symlink("file", "link");
	CALL(fchmodat2, AT_FDCWD, "link", 0600, 0);
	stat("file", &status);
	say("%o", status.st_mode);
	CALL(fchmodat2, AT_FDCWD, "file", 0600, AT_SYMLINK_FOLLOW);
	CALL(fchmodat2, AT_FDCWD, "link", 0644, AT_SYMLINK_NOFOLLOW);
	CALL(fchmodat2, open("file", O_PATH), "", 0640, AT_EMPTY_PATH);
	stat("file", &status);
	say("%o", status.st_mode);
}

CASE_ALONE(chroot)
{
	char path[100];

	mkdir("top", 0755);
	mkdir("top/below", 0755);
	make_file("top/file", 1);
	symlink("/file", "top/link");
	CALL(chroot, "top");
	CALL(access, "/file", F_OK);
	CALL(access, "/link", F_OK);
	CALL(access, "/below/../../../file", F_OK);
	CALL(access, "top/file", F_OK);
	CALL(chdir, "/below");
	CALL(getcwd, path, sizeof path);
	say("%s", path);
	CALL(rename, "/below", "/moved");
	CALL(getcwd, path, sizeof path);
	say("%s", path);
	CALL(access, "/proc", F_OK);
}

CASE(data_and_holes)
{
	int file = open("file", O_RDWR | O_CREAT, 0644);

	CALL(ftruncate, file, 1 << 20);
	CALL(lseek, file, 0, SEEK_DATA);
	CALL(lseek, file, 5, SEEK_HOLE);
	CALL(pwrite64, file, "x", 1, 500000);
	CALL(lseek, file, 0, SEEK_DATA);
	CALL(lseek, file, 499999, SEEK_DATA);
	CALL(lseek, file, 500000, SEEK_HOLE);
	CALL(lseek, file, 600000, SEEK_DATA);
	CALL(fallocate, file, 0, 0, 8192);
	CALL(lseek, file, 1 << 20, SEEK_HOLE);
	CALL(ftruncate, file, 1L << 50);
	CALL(lseek, file, 1 << 20, SEEK_DATA);
	CALL(lseek, file, 1L << 49, SEEK_HOLE);
}

/* ---- pipes with names ---- */

static void *open_later(void *name)
{
	pause_for(30);
	return (void *)(long)open(name, O_WRONLY);
}

CASE(named_pipe_waits_for_the_other_end)
{
	pthread_t thread;
	void *writer;
	int reader;

	CALL(mknod, "pipe", S_IFIFO | 0644, 0);
	pthread_create(&thread, NULL, open_later, "pipe");
	reader = (int)SHOW_OK(open("pipe", O_RDONLY));
	pthread_join(thread, &writer);
	CALL(write, (int)(long)writer, "text", 4);
	CALL(unlink, "pipe");
	CALL(read, reader, buffer, 10);
	CALL(close, (int)(long)writer);
	CALL(read, reader, buffer, 10);
}

CASE(named_pipe_errors)
{
	struct stat status;
	int both;

	mknod("pipe", S_IFIFO | 0644, 0);
	CALL(open, "pipe", O_WRONLY | O_NONBLOCK);
	CALL(open, "pipe", O_RDONLY | O_DIRECTORY);
	CALL(truncate, "pipe", 0);
	both = (int)SHOW_OK(open("pipe", O_RDWR));
	CALL(write, both, "text", 4);
	CALL(read, both, buffer, 10);
	CALL(lseek, both, 0, SEEK_SET);
	CALL(pread64, both, buffer, 1, 0);
	fstat(both, &status);
	say("%o %ld", status.st_mode, (long)status.st_size);
	CALL(ftruncate, both, 0);
	CALL(fallocate, both, 0, 0, 10);
	CALL(fcntl, both, F_GETPIPE_SZ);
	CALL(write, both, "left", 4);
	CALL(close, both);
	both = open("pipe", O_RDWR | O_NONBLOCK);
	CALL(read, both, buffer, 10);
	CALL(mknod, "device", S_IFCHR | 0600, 0x103);
	CALL(open, "device/", O_RDONLY);
}

CASE(splice_errors)
{
	int ends[2], file = make_file("file", 100);
	long bad = -5;

	pipe2(ends, O_NONBLOCK);
	CALL(splice, ends[0], NULL, file, NULL, 10, 0);
	CALL(splice, ends[0], NULL, ends[1], NULL, 10, 0);
	CALL(splice, file, NULL, ends[1], NULL, 10, 0x100);
	CALL(splice, file, &bad, ends[1], NULL, 10, 0);
	CALL(splice, file, KIT, ends[1], NULL, 10, 0);
	CALL(splice, file, NULL, ends[0], NULL, 10, 0);
	CALL(splice, file, NULL, ends[1], NULL, 0, 0);
	CALL(splice, file, NULL, ends[1], NULL, 1000, 0);
	CALL(splice, file, NULL, ends[1], NULL, 1000, 0);
	CALL(splice, ends[0], NULL, open("other", O_WRONLY | O_CREAT | O_APPEND, 0600), NULL, 10,
	     0);
	CALL(splice, ends[0], NULL, open("other", O_WRONLY), NULL, 10, 0);
	CALL(tee, ends[0], ends[1], 10, 0);
	close(ends[0]);
	signal(SIGPIPE, SIG_IGN);
	lseek(file, 0, SEEK_SET);
	CALL(splice, file, NULL, ends[1], NULL, 10, 0);
}

CASE(pipe_sizes)
{
	int ends[2];

	pipe2(ends, O_NONBLOCK);
	CALL(fcntl, ends[0], F_SETPIPE_SZ, 5000);
	CALL(write, ends[1], buffer, sizeof buffer);
	CALL(fcntl, ends[0], F_SETPIPE_SZ, 4096);
	CALL(fcntl, ends[0], F_SETPIPE_SZ, 1 << 18);
	CALL(write, ends[1], buffer, sizeof buffer);
	CALL(read, ends[0], buffer, sizeof buffer);
	CALL(fcntl, ends[0], F_SETPIPE_SZ, 0x80000001);
}
