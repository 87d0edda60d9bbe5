/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of the FUSE client: whatever a server answers, nothing is read or written beyond its
 * place, and all memory comes back.
 */
#define MOTE_HOSTED
#include "../unit/kit_fakes.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* The kit is written to <linux/fcntl.h>, whose structures have the names of glibc's. */
#define flock      uapi_flock
#define flock64    uapi_flock64
#define f_owner_ex uapi_f_owner_ex

#include "../../guestkit/libc-shim/fuse.c"
#include "../../guestkit/libc-shim/fuse_change.c"
#include "../../guestkit/libc-shim/fuse_directory.c"
#include "../../guestkit/libc-shim/fuse_file.c"
#include "../../guestkit/libc-shim/fuse_inode.c"
#include "../../guestkit/libc-shim/fuse_lock.c"
#include "../../guestkit/libc-shim/fuse_name.c"
#include "../../guestkit/libc-shim/fuse_pages.c"
#include "../../guestkit/libc-shim/fuse_write.c"
#include "../../guestkit/libc-shim/page_tree.c"
#include "input.h"

#define INODES 6
#define FILES  3
#define STEPS  64
#define NAMES  4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- what the rest of the kit provides ---- */

struct process_identity process_identity;
const struct file_ops pipe_file_ops;
static uint64_t calls;

uint64_t fuse_system_call(void)
{
	return calls;
}

uint64_t vfs_new_fs_id(void)
{
	return 7;
}

struct inode *inode_get(struct inode *inode)
{
	inode->references++;
	return inode;
}

void inode_put(struct inode *inode)
{
	if (inode && !--inode->references)
		inode->ops->release(inode);
}

int pipe_open_named(struct pipe **slot, struct file *file)
{
	(void)slot;
	(void)file;
	return -ENXIO;
}

size_t vector_read(struct vector *vector, void *to, size_t length)
{
	(void)vector;
	(void)to;
	(void)length;
	abort();
}

bool memory_file_is_mapped(const struct inode *inode)
{
	return inode->number & 1;
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

void memory_file_unmap(struct inode *inode, uint64_t first, uint64_t end, bool with_copies)
{
	(void)inode;
	(void)first;
	(void)end;
	(void)with_copies;
}

/* ---- the server ---- */

static struct input *input;

static const uint32_t types[] = {S_IFREG, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, 0, 0xf000};

/* Mostly what a server could say: few nodes, sizes near pages, a short life. */
static void make_attributes(struct fuse_attr *attributes)
{
	uint8_t shape = take_byte(input);

	take(input, attributes, shape & 0x80 ? sizeof(*attributes) : 0);
	attributes->ino = shape & 7;
	attributes->mode = types[shape >> 3 & 7] | 0755;
	if (!(shape & 0x40))
		attributes->size = take_short(input);
	attributes->mtime = take_byte(input);
	attributes->nlink = 1;
}

static void make_entry(struct fuse_entry_out *entry)
{
	*entry = (struct fuse_entry_out){.entry_valid = take_byte(input) & 1, .attr_valid = 1};
	make_attributes(&entry->attr);
	entry->nodeid = take_byte(input) % 8;
}

/* Records of a directory, of which the last may be cut. */
static size_t make_records(unsigned char *to, size_t room)
{
	size_t at = 0;
	unsigned count = take_byte(input) % 8;

	while (count-- && room - at > sizeof(struct fuse_direntplus) + 300) {
		struct fuse_direntplus *record = (void *)(to + at);
		uint8_t length = take_byte(input);

		make_entry(&record->entry_out);
		record->dirent = (struct fuse_dirent){
		        .ino = 1, .off = take_byte(input), .namelen = length, .type = 8};
		memset(record->dirent.name, 'a' + length % 3, length);
		if (length == 99)
			record->dirent.name[50] = '/';
		if (length == 98)
			record->dirent.namelen = take_word(input);
		at += FUSE_REC_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + length);
	}
	return at < room ? at : room;
}

static void answer(struct fuse_request *request)
{
	size_t fixed = request->out_parts[0].length, body = fixed - sizeof(request->out);
	struct fuse_out_part *data = &request->out_parts[1];
	uint8_t shape = take_byte(input);

	/* All that it was told of is there to be read. */
	for (unsigned i = 0; i < request->in_count; i++) {
		const volatile unsigned char *bytes = request->in_parts[i].address;

		if (request->in_parts[i].length)
			(void)bytes[request->in_parts[i].length - 1];
	}
	if (!request->out_count)
		return;
	request->out.len = (uint32_t)fixed;
	memset(&request->result, 0, body);
	switch (request->in.opcode) {
	case FUSE_INIT:
		request->result.init.major = FUSE_KERNEL_VERSION;
		request->result.init.flags = FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS;
		request->result.init.max_write = shape & 1 ? take_word(input) : 65536;
		break;
	case FUSE_LOOKUP:
	case FUSE_MKDIR:
	case FUSE_MKNOD:
	case FUSE_SYMLINK:
	case FUSE_LINK:
	case FUSE_CREATE: make_entry(&request->result.entry); break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		request->result.attributes.attr_valid = 1;
		make_attributes(&request->result.attributes.attr);
		break;
	default: take(input, &request->result, body < 8 ? body : 8); break;
	}
	if (request->out_count > 1) {
		size_t given = request->in.opcode == FUSE_READDIRPLUS
		                       ? make_records(data->address, data->length)
		                       : take_short(input) % (data->length + 1);

		request->out.len += (uint32_t)given;
	}
	if (shape & 0x40)
		request->out.len = take_word(input);
	if (shape & 0x80)
		request->out.error = shape & 0x20 ? (int32_t)take_word(input) : -ENOENT;
}

static int serve(struct fuse_transport *transport, struct fuse_request *const *requests,
                 size_t count)
{
	(void)transport;
	for (size_t i = 0; i < count; i++)
		answer(requests[i]);
	return take_byte(input) == 0xff && input->left ? -EIO : 0;
}

/* ---- the program ---- */

static struct inode *inodes[INODES]; /* the first is the root */
static struct file files[FILES];

static void keep(struct inode *inode)
{
	struct inode **slot = &inodes[1 + take_byte(input) % (INODES - 1)];

	inode_put(*slot);
	*slot = inode;
}

static void close_slot(struct file *file)
{
	if (!file->inode)
		return;
	if (file->ops && file->ops->close && S_ISREG(file->inode->mode))
		file->ops->close(file);
	inode_put(file->inode);
	*file = (struct file){0};
}

static void open_slot(struct file *file, struct inode *inode, uint32_t flags)
{
	close_slot(file);
	if (!S_ISREG(inode->mode))
		return;
	*file = (struct file){
	        .ops = inode->ops->file_ops, .inode = inode_get(inode), .flags = flags};
	if (!inode->ops->open(inode, file))
		return;
	inode_put(inode);
	*file = (struct file){0};
}

static void use_directory(struct inode *dir, uint8_t operation)
{
	static const char *const names[NAMES] = {"a", "bb", "aaaa", "cccccccccccccccc"};
	const char *name = names[take_byte(input) % NAMES],
	           *other = names[take_byte(input) % NAMES];
	struct inode *made = NULL, *target = inodes[take_byte(input) % INODES];
	struct dir_entry entry;
	uint64_t cookie = take_byte(input) & 15;

	switch (operation) {
	case 0: fuse_lookup(dir, name, strlen(name), &made); break;
	case 1: fuse_make(dir, name, strlen(name), S_IFREG | 0644, 0, &made); break;
	case 2: fuse_make(dir, name, strlen(name), S_IFDIR | 0755, 0, &made); break;
	case 3: fuse_symlink(dir, name, strlen(name), "target"); break;
	case 4: fuse_unlink(dir, name, strlen(name), cookie & 1); break;
	case 5:
		if (target && S_ISDIR(target->mode))
			fuse_rename(dir, name, strlen(name), target, other, strlen(other),
			            cookie & 1 ? RENAME_EXCHANGE : 0);
		break;
	case 6:
		if (target && !S_ISDIR(target->mode))
			fuse_link(dir, name, strlen(name), target);
		break;
	default:
		for (int i = 0; i < 20 && fuse_readdir(dir, &cookie, &entry) > 0; i++)
			if (entry.name[entry.length] || strchr(entry.name, '/'))
				abort();
	}
	if (made)
		keep(made);
}

static void use_file(struct file *file, uint8_t operation)
{
	static unsigned char buffer[3 * PAGE_SIZE];
	uint64_t at = take_short(input), frame;
	size_t length = take_short(input) % sizeof(buffer);
	struct file_lock_request lock = {.type = F_WRLCK, .is_question = at & 1};

	switch (operation) {
	case 0: file->ops->read_kit(file, buffer, length, &at); break;
	case 1: file->ops->write_kit(file, buffer, length, &at); break;
	case 2: file->ops->page(file, at / PAGE_SIZE, false, &frame); break;
	case 3: file->ops->allocate(file, at & 3, at, length + 1); break;
	case 4: file->ops->extent(file, at, length & 1); break;
	case 5: file->ops->lock(file, &lock); break;
	case 6: fuse_sync(file->inode, file, length & 1); break;
	case 7: fuse_truncate(file->inode, at); break;
	default: fuse_write_back(file, at / PAGE_SIZE, length % 4); break;
	}
}

static void use_inode(struct inode *inode, uint8_t operation)
{
	char target[64];
	struct vfs_statistics known;

	switch (operation) {
	case 0: fuse_refresh(inode); break;
	case 1:
		if (inode->ops->readlink)
			inode->ops->readlink(inode, target, sizeof(target));
		break;
	case 2:
		inode->mtime = take_word(input);
		inode->ops->set_attributes(inode);
		break;
	case 3: inode->ops->statistics(inode, &known); break;
	default: memory_reclaim_cache(); break;
	}
}

static void step(void)
{
	uint8_t what = take_byte(input), operation = take_byte(input);
	struct inode *inode = inodes[what % INODES];
	struct file *file = &files[what % FILES];

	calls += operation >> 7;
	if (!inode)
		inode = inodes[0];
	if (what & 0x80 && file->inode)
		use_file(file, operation % 9);
	else if (what & 0x40)
		use_inode(inode, operation % 5);
	else if (what & 0x20)
		open_slot(file, inode, operation & 3);
	else if (S_ISDIR(inode->mode))
		use_directory(inode, operation % 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input all_input = {data, size};
	struct fuse_transport transport = {.exchange = serve};
	struct fuse_share *share;
	size_t frames = fake_free;

	input = &all_input;
	inodes[0] = fuse_create(&transport, false);
	share = fuse_inode(inodes[0])->share;
	for (int i = 0; i < STEPS && input->left; i++)
		step();
	for (int i = 0; i < FILES; i++)
		close_slot(&files[i]);
	while (all.oldest)
		fuse_name_drop(all.oldest);
	for (int i = INODES; i-- > 0;) {
		inode_put(inodes[i]);
		inodes[i] = NULL;
	}
	free_releases(share->releases);
	heap_free(share->forgets);
	heap_free(share);
	if (fake_heap_blocks || fake_free != frames) {
		fprintf(stderr, "%zu blocks, %zu frames\n", fake_heap_blocks, frames - fake_free);
		abort();
	}
	return 0;
}
