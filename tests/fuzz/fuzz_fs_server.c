/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of the FUSE server: the input is a stream of requests to a small tree.
 *
 * Nodes and handles in requests are those of earlier answers, by index, so that streams come far;
 * the rest is the input's. After each input nothing beside the shared directory may have changed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../virtio/fs_directories.c"
#include "../../virtio/fs_files.c"
#include "../../virtio/fs_host.c"
#include "../../virtio/fs_locks.c"
#include "../../virtio/fs_lookup.c"
#include "../../virtio/fs_names.c"
#include "../../virtio/fs_nodes.c"
#undef BATCH
#include "../../virtio/fs_server.c"
#include "../../virtio/fs_setattr.c"
#include "../../virtio/fs_xattr.c"
#include "../../vmm/error.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KNOWN       16
#define REQUESTS    60
#define SIZE_MAX_KB 64 /* of the tree's files */

void console_report(const char *text, size_t length)
{
	if (!memchr(text, '\n', length))
		abort();
}

static char base[64];
static int base_fd = -1, secret_fd = -1;

struct stream {
	const uint8_t *at, *end;
	uint64_t nodes[KNOWN], handles[KNOWN];
	unsigned int node_count, handle_count;
};

static unsigned int take(struct stream *stream)
{
	return stream->at < stream->end ? *stream->at++ : 0;
}

/* ---- the tree ---- */

static void put(const char *path, const char *content)
{
	int fd = openat(base_fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, content, strlen(content)) < 0)
		abort();
	close(fd);
}

static void remove_tree(int parent, const char *name);

/* Remove what is in a directory, from which the guest may have taken all rights. */
static void empty_directory(int parent, const char *name)
{
	struct dirent *entry;
	DIR *directory;
	int fd;

	if (fchmodat(parent, name, 0755, 0))
		abort();
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY);
	directory = fdopendir(fd);
	if (!directory)
		abort();
	while ((entry = readdir(directory)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			remove_tree(fd, entry->d_name);
	}
	closedir(directory);
}

static void remove_tree(int parent, const char *name)
{
	if (unlinkat(parent, name, 0) == 0)
		return;
	if (errno != EISDIR)
		abort();
	empty_directory(parent, name);
	if (unlinkat(parent, name, AT_REMOVEDIR))
		abort();
}

static void remove_base(void)
{
	remove_tree(AT_FDCWD, base);
}

static void make_base(void)
{
	strcpy(base, "/tmp/mote-fuzz-fs-XXXXXX");
	if (!mkdtemp(base))
		abort();
	base_fd = open(base, O_RDONLY | O_DIRECTORY);
	put("secret", "secret");
	secret_fd = openat(base_fd, "secret", O_RDONLY);
	atexit(remove_base);
}

static void make_share(void)
{
	if (mkdirat(base_fd, "share/d", 0755) || symlinkat("../secret", base_fd, "share/l") ||
	    mkfifoat(base_fd, "share/p", 0600))
		abort();
	put("share/a", "content");
	put("share/d/b", "more content");
}

/* Nothing but `secret` is beside the share, and it is as it was. */
static void check_outside(void)
{
	struct stat by_name, by_file;
	char content[16];

	if (fstatat(base_fd, "secret", &by_name, AT_SYMLINK_NOFOLLOW) || fstat(secret_fd, &by_file))
		abort();
	if (by_name.st_ino != by_file.st_ino || by_file.st_nlink != 1 ||
	    (by_file.st_mode & 07777) != 0644)
		abort();
	if (pread(secret_fd, content, sizeof content, 0) != 6 || memcmp(content, "secret", 6))
		abort();
	if (fstat(base_fd, &by_file) || by_file.st_nlink != 3)
		abort();
}

/* The server keeps no descriptor beyond a reset. */
static int open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 400; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* ---- requests ---- */

static uint64_t some_node(struct stream *stream)
{
	unsigned int which = take(stream);

	if (which >= 0xf0)
		return (uint64_t)which << 24 | take(stream);
	return stream->nodes[which % stream->node_count];
}

static uint64_t some_handle(struct stream *stream)
{
	unsigned int which = take(stream);

	if (which >= 0xf0)
		return (uint64_t)which << 24 | take(stream);
	return which % 4 == 0 || !stream->handle_count
	               ? 0
	               : stream->handles[which % stream->handle_count];
}

/* Small numbers more often than large ones. */
static uint64_t some_number(struct stream *stream)
{
	unsigned int shift = take(stream);

	return (uint64_t)take(stream) << (shift < 0xe0 ? shift % 12 : shift % 64);
}

static size_t some_name(struct stream *stream, char *to)
{
	static const char *const names[] = {"a",  "b", "d", "l",   "p",         "n",
	                                    "..", ".", "",  "a/b", "../secret", "user.x"};
	const char *name = names[take(stream) % (sizeof names / sizeof *names)];

	return (size_t)(stpcpy(to, name) - to) + 1;
}

/* Arguments: fields of 32 or 64 bits, some of them nodes or handles, and names. */
static size_t fill_args(struct stream *stream, const struct operation *operation, uint32_t opcode,
                        char *args)
{
	size_t fixed = operation ? operation->args : take(stream);
	size_t at = 0;

	memset(args, 0, fixed + 8);
	for (; at < fixed; at += 8) {
		uint64_t value;

		if (at == 0 &&
		    (opcode == FUSE_RENAME || opcode == FUSE_RENAME2 || opcode == FUSE_LINK))
			value = some_node(stream);
		else if (at == 0 && opcode != FUSE_OPEN && opcode != FUSE_CREATE)
			value = some_handle(stream);
		else
			value = some_number(stream);
		/* Files of many gigabytes are the host's worry, so not those. */
		if (opcode == FUSE_SETATTR || opcode == FUSE_WRITE || opcode == FUSE_FALLOCATE ||
		    opcode == FUSE_COPY_FILE_RANGE)
			if (at > 0 && value > SIZE_MAX_KB << 10 && value < 1ull << 62)
				value %= SIZE_MAX_KB << 10;
		memcpy(args + at, &value, 8);
	}
	at = fixed;
	for (unsigned int names = take(stream) % 4; names; names--)
		at += some_name(stream, args + at);
	return at;
}

static void remember(struct stream *stream, uint32_t opcode, const unsigned char *answer,
                     size_t size)
{
	const struct fuse_entry_out *entry =
	        (const void *)(answer + sizeof(struct fuse_out_header));
	const struct fuse_open_out *open = (const void *)entry;

	if (size >= sizeof(struct fuse_out_header) + sizeof *entry && opcode != FUSE_READ &&
	    opcode != FUSE_READDIR && opcode != FUSE_READDIRPLUS) {
		stream->nodes[stream->node_count++ % KNOWN] = entry->nodeid;
		open = (const void *)(entry + 1);
		size -= sizeof *entry;
	}
	if (stream->node_count > KNOWN)
		stream->node_count = KNOWN;
	if (size != sizeof(struct fuse_out_header) + sizeof *open ||
	    (opcode != FUSE_OPEN && opcode != FUSE_OPENDIR && opcode != FUSE_CREATE))
		return;
	stream->handles[stream->handle_count++ % KNOWN] = open->fh;
	if (stream->handle_count > KNOWN)
		stream->handle_count = KNOWN;
}

static void one_request(struct fs_server *server, struct stream *stream)
{
	static char in[8192];
	static unsigned char out[16384];
	struct fuse_in_header header = {.opcode = take(stream) % 53, .unique = 7};
	const struct operation *operation =
	        header.opcode < OPERATION_COUNT && operations[header.opcode].serve
	                ? &operations[header.opcode]
	                : NULL;
	struct fuse_out_header answer;
	struct iovec question[3], reply[2];
	unsigned int shape = take(stream);
	size_t size, room, written;

	header.nodeid = some_node(stream);
	size = sizeof header + fill_args(stream, operation, header.opcode, in + sizeof header);
	header.len = (uint32_t)size + (shape % 16 == 0 ? take(stream) - 128 : 0);
	memcpy(in, &header, sizeof header);
	question[0] = (struct iovec){in, shape % 3 ? sizeof header : 10};
	question[1] = (struct iovec){in + question[0].iov_len, 0};
	question[2] = (struct iovec){in + question[0].iov_len, size - question[0].iov_len};
	room = shape % 8 ? sizeof out : take(stream);
	reply[0] = (struct iovec){out, room < 16 ? room : 16};
	reply[1] = (struct iovec){out + reply[0].iov_len, room - reply[0].iov_len};
	written = fs_serve(server, question, 3, reply, 2);
	if (written > room || (written && written < sizeof answer))
		abort();
	if (!written)
		return;
	memcpy(&answer, out, sizeof answer);
	if (answer.len != written || answer.unique != 7 || answer.error > 0 ||
	    answer.error <= -512 || (answer.error && written != sizeof answer))
		abort();
	remember(stream, header.opcode, out, written);
}

/* One server for all inputs: a reset must forget whatever came before. */
static void open_server(struct fs_server *server)
{
	static char path[80];
	struct mote_error err;

	make_base();
	snprintf(path, sizeof path, "%s/share", base);
	if (mkdirat(base_fd, "share", 0755) ||
	    fs_server_open(server, path, false, FS_CACHE_NONE, &err))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fs_server server;
	struct stream stream = {.at = data, .end = data + size, .nodes = {1}, .node_count = 1};
	unsigned int how;
	int open_before;

	if (base_fd < 0)
		open_server(&server);
	make_share();
	open_before = open_descriptors();
	how = take(&stream);
	server.is_read_only = how % 4 == 0;
	server.cache = how & 4 ? FS_CACHE_AUTO : FS_CACHE_NONE;
	for (int i = 0; i < REQUESTS && stream.at < stream.end; i++)
		one_request(&server, &stream);
	fs_server_reset(&server);
	if (open_descriptors() != open_before || server.state->nodes.table[FS_NODE_ROOT].children)
		abort();
	check_outside();
	empty_directory(base_fd, "share");
	return 0;
}
