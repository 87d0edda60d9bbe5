/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kit's file system calls on a share, in an ordinary process: the FUSE client, connected to the
 * server that the VMM has (virtio/fs_server.h). SAME() of vfs_harness.h then compares with Linux.
 * To be included once, first.
 */
#ifndef MOTE_TESTS_SHARE_HARNESS_H
#define MOTE_TESTS_SHARE_HARNESS_H

#include "tests/unit/vfs_harness.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#define flock uapi_flock
#include "guestkit/libc-shim/fuse.c"
#include "guestkit/libc-shim/fuse_change.c"
#include "guestkit/libc-shim/fuse_directory.c"
#include "guestkit/libc-shim/fuse_file.c"
#include "guestkit/libc-shim/fuse_inode.c"
#include "guestkit/libc-shim/fuse_lock.c"
#include "guestkit/libc-shim/fuse_name.c"
#include "guestkit/libc-shim/fuse_pages.c"
#include "guestkit/libc-shim/fuse_write.c"
#undef flock

#include "virtio/fs_server.h"

/* ---- what the rest of the kit provides ---- */

struct process_identity process_identity;
static uint64_t calls; /* each system call has to be told apart */
static bool is_mapped;

uint64_t fuse_system_call(void)
{
	return calls;
}

bool memory_file_is_mapped(const struct inode *inode)
{
	(void)inode;
	return is_mapped;
}

int memory_file_write_back(struct inode *inode)
{
	(void)inode;
	return 0;
}

int memory_write_back_all(void)
{
	return 0;
}

/* ---- the transport ---- */

static struct fs_server server;
static unsigned exits;       /* how often the client went to the server */
static unsigned opcodes[64]; /* requests by kind */
static int broken;           /* errno: nothing comes through */

/* As the VMM does it: each part is memory of the guest. */
static int serve_all(struct fuse_transport *transport, struct fuse_request *const *requests,
                     size_t count)
{
	(void)transport;
	exits++;
	if (broken)
		return -broken;
	for (size_t i = 0; i < count; i++) {
		struct fuse_request *request = requests[i];
		struct iovec in[FUSE_IN_PARTS], out[FUSE_OUT_PARTS];

		for (unsigned k = 0; k < request->in_count; k++)
			in[k] = (struct iovec){(void *)(uintptr_t)request->in_parts[k].address,
			                       request->in_parts[k].length};
		for (unsigned k = 0; k < request->out_count; k++)
			out[k] = (struct iovec){request->out_parts[k].address,
			                        request->out_parts[k].length};
		opcodes[request->in.opcode % 64]++;
		fs_serve(&server, in, request->in_count, out, request->out_count);
	}
	return 0;
}

static struct fuse_transport transport = {.exchange = serve_all};
static char host_directory[64]; /* what the guest sees as /share */

/* A system call of the kit, counted. */
#undef KIT
#define KIT(name, ...) (calls++, sys_##name((const uint64_t[6]){__VA_ARGS__}))

/* How many times the client goes to the server during this. */
#define EXITS(statement)                  \
	({                                \
		unsigned before_ = exits; \
		statement;                \
		exits - before_;          \
	})

/*
 * Linux's calls are made by a thread with descriptors of its own, so that those of the server do
 * not come between.
 */
static struct {
	pthread_t thread;
	sem_t asked, done;
	long number, result;
	long arguments[6];
} native;

static void *make_native_calls(void *argument)
{
	const long *a = native.arguments;

	(void)argument;
	if (unshare(CLONE_FILES))
		abort();
	for (;;) {
		sem_post(&native.done);
		sem_wait(&native.asked);
		native.result = syscall(native.number, a[0], a[1], a[2], a[3], a[4], a[5]);
		native.result = native.result < 0 ? -errno : native.result;
	}
	return NULL;
}

static int64_t native_call(long number, const long *arguments)
{
	native.number = number;
	memcpy(native.arguments, arguments, sizeof(native.arguments));
	sem_post(&native.asked);
	sem_wait(&native.done);
	return native.result;
}

#undef LINUX
#define LINUX(name, ...) native_call(SYS_##name, (const long[6]){__VA_ARGS__})

static void start_share(enum fs_cache cache, bool read_only)
{
	struct mote_error err = {0};

	start();
	/* Linux's calls work beside it, in a directory of the same file system. */
	snprintf(host_directory, sizeof(host_directory), "%s/share", native_directory);
	cr_assert_eq(mkdir(host_directory, 0755), 0);
	cr_assert(!sem_init(&native.asked, 0, 0) && !sem_init(&native.done, 0, 0));
	cr_assert_eq(pthread_create(&native.thread, NULL, make_native_calls, NULL), 0);
	sem_wait(&native.done);
	cr_assert_eq(fs_server_open(&server, host_directory, read_only, cache, &err), 0);
	cr_assert_eq(vfs_mount_made("/share", fuse_create(&transport, read_only)), 0);
	cr_assert_eq(exits, 0, "nothing is sent before somebody looks");
	cr_assert_eq(KIT(chdir, P("/share")), 0);
}

static void start_cached(void)
{
	start_share(FS_CACHE_AUTO, false);
}

static void stop_share(void)
{
	fs_server_close(&server);
	stop();
}

TestSuite(share, .init = start_cached, .fini = stop_share);

/* Path of a file of the share on the host; static. */
static const char *host(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", host_directory, name);
	return path;
}

/* What a host process does to a file of the share. */
__attribute__((unused)) static void host_write(const char *name, const char *content)
{
	FILE *file = fopen(host(name), "w");

	cr_assert_not_null(file);
	cr_assert(fputs(content, file) >= 0 && !fclose(file));
}

__attribute__((unused)) static void expect_host(const char *name, const char *content)
{
	char buffer[4096] = "";
	FILE *file = fopen(host(name), "r");

	cr_assert_not_null(file, "%s is not there", name);
	cr_assert_lt(fread(buffer, 1, sizeof(buffer) - 1, file), sizeof(buffer));
	fclose(file);
	cr_assert_str_eq(buffer, content);
}

/* More time than the server's answers live. */
__attribute__((unused)) static void age(void)
{
	usleep(1050000);
}

#endif
