/* SPDX-License-Identifier: Apache-2.0 */
/* A shared directory and its FUSE server, and requests to it: for the tests of virtio/fs_*.c. */
#ifndef MOTE_TESTS_UNIT_FS_HARNESS_H
#define MOTE_TESTS_UNIT_FS_HARNESS_H

#include "virtio/fs_server.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

/* base/ holds share/ and, beside it, secret: what no request may read, change or name. */
static char base[64], share[80];
static struct fs_server server;
static unsigned char answer[1u << 20]; /* the last answer's body */
static size_t answer_size;

UNUSED static const char *host_path(const char *name)
{
	static char paths[4][256];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof *paths, "%s/%s", share, name);
	return path;
}

UNUSED static void host_write(const char *name, const char *content)
{
	int fd = open(host_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	cr_assert(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content));
	close(fd);
}

UNUSED static const char *host_read(const char *name)
{
	static char content[4096];
	int fd = open(host_path(name), O_RDONLY);
	ssize_t length;

	cr_assert(fd >= 0, "%s: %s", name, strerror(errno));
	length = read(fd, content, sizeof content - 1);
	cr_assert(length >= 0);
	content[length] = '\0';
	close(fd);
	return content;
}

UNUSED static void open_server(bool read_only, enum fs_cache cache)
{
	struct mote_error err;

	cr_assert(fs_server_open(&server, share, read_only, cache, &err) == 0, "%s", err.text);
}

static void make_share(void)
{
	umask(022);
	strcpy(base, "/tmp/mote-test-fs-XXXXXX");
	cr_assert(mkdtemp(base) != NULL);
	snprintf(share, sizeof share, "%s/share", base);
	cr_assert(mkdir(share, 0755) == 0);
	host_write("../secret", "secret");
	host_write("file", "content of file");
	cr_assert(mkdir(host_path("dir"), 0755) == 0);
	host_write("dir/inner", "inner");
}

UNUSED static void setup(void)
{
	make_share();
	open_server(false, FS_CACHE_NONE);
}

UNUSED static void setup_read_only(void)
{
	make_share();
	open_server(true, FS_CACHE_NONE);
}

UNUSED static void teardown(void)
{
	char command[128];

	cr_assert_str_eq(host_read("../secret"), "secret");
	fs_server_close(&server);
	snprintf(command, sizeof command, "rm -rf '%s'", base);
	cr_assert(system(command) == 0);
}

/* A request with arguments and what follows them; the answer's body gets `room` bytes. */
UNUSED static int request_with_room(uint32_t opcode, uint64_t node, const void *args,
                                    size_t args_size, const void *more, size_t more_size,
                                    size_t room)
{
	struct fuse_in_header in = {
	        .len = (uint32_t)(sizeof in + args_size + more_size),
	        .opcode = opcode,
	        .unique = 0x1234567890,
	        .nodeid = node,
	};
	struct fuse_out_header out = {0};
	char *args_copy = malloc(args_size + 1), *more_copy = malloc(more_size + 1);
	struct iovec question[3] = {
	        {&in, sizeof in}, {args_copy, args_size}, {more_copy, more_size}};
	struct iovec reply[2] = {{&out, sizeof out}, {answer, room}};
	size_t written;

	/* Copies on the heap, so that the sanitiser or valgrind sees what is read beyond them. */
	if (args_size)
		memcpy(args_copy, args, args_size);
	if (more_size)
		memcpy(more_copy, more, more_size);
	memset(answer, 0xaa, room);
	written = fs_serve(&server, question, 3, reply, 2);
	free(args_copy);
	free(more_copy);
	if (opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET) {
		cr_assert_eq(written, 0);
		return 0;
	}
	cr_assert_eq(out.len, written);
	cr_assert_eq(out.unique, in.unique);
	cr_assert(out.error <= 0 && out.error > -4096);
	cr_assert(written >= sizeof out && written <= sizeof out + room);
	cr_assert(out.error == 0 || written == sizeof out);
	answer_size = written - sizeof out;
	return out.error;
}

UNUSED static int request(uint32_t opcode, uint64_t node, const void *args, size_t args_size,
                          const char *name)
{
	return request_with_room(opcode, node, args, args_size, name, name ? strlen(name) + 1 : 0,
	                         sizeof answer);
}

/* Return: error of LOOKUP; its answer is in *entry. */
UNUSED static int lookup(uint64_t parent, const char *name, struct fuse_entry_out *entry)
{
	int result = request(FUSE_LOOKUP, parent, NULL, 0, name);

	*entry = (struct fuse_entry_out){0};
	if (result == 0) {
		cr_assert_eq(answer_size, sizeof *entry);
		memcpy(entry, answer, sizeof *entry);
	}
	return result;
}

/* The node of a path that is there. */
UNUSED static uint64_t node_at(const char *path)
{
	char copy[256], *rest = NULL;
	uint64_t node = FUSE_ROOT_ID;

	snprintf(copy, sizeof copy, "%s", path);
	for (char *name = strtok_r(copy, "/", &rest); name; name = strtok_r(NULL, "/", &rest)) {
		struct fuse_entry_out entry;

		cr_assert_eq(lookup(node, name, &entry), 0);
		cr_assert(entry.nodeid != 0);
		node = entry.nodeid;
	}
	return node;
}

UNUSED static int open_file(uint64_t node, uint32_t flags, uint64_t *fh)
{
	struct fuse_open_in in = {.flags = flags};
	int result = request(FUSE_OPEN, node, &in, sizeof in, NULL);

	*fh = 0;
	if (result == 0) {
		cr_assert_eq(answer_size, sizeof(struct fuse_open_out));
		*fh = ((struct fuse_open_out *)(void *)answer)->fh;
		cr_assert(*fh != 0);
	}
	return result;
}

UNUSED static int release_file(uint64_t node, uint64_t fh)
{
	struct fuse_release_in in = {.fh = fh};

	return request(FUSE_RELEASE, node, &in, sizeof in, NULL);
}

/* Return: bytes, or the error. */
UNUSED static int read_file(uint64_t node, uint64_t fh, uint64_t offset, uint32_t size)
{
	struct fuse_read_in in = {.fh = fh, .offset = offset, .size = size};
	int result = request(FUSE_READ, node, &in, sizeof in, NULL);

	return result ? result : (int)answer_size;
}

UNUSED static int get_attributes(uint64_t node, struct fuse_attr *attributes)
{
	struct fuse_getattr_in in = {0};
	int result = request(FUSE_GETATTR, node, &in, sizeof in, NULL);

	if (result == 0) {
		cr_assert_eq(answer_size, sizeof(struct fuse_attr_out));
		*attributes = ((struct fuse_attr_out *)(void *)answer)->attr;
	}
	return result;
}

UNUSED static void forget(uint64_t node, uint64_t lookups)
{
	struct fuse_forget_in in = {lookups};

	request(FUSE_FORGET, node, &in, sizeof in, NULL);
}

#endif
