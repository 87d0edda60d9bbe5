/* SPDX-License-Identifier: Apache-2.0 */
/* Names that the FUSE client knows: what they lead to, and until when that is good. */
#include "guestkit/clock.h"
#include "guestkit/libc-shim/fuse.h"
#include "guestkit/string.h"

/*
 * How it works
 *
 * A name holds a reference to its inode, so that an inode and its pages stay for as long as the
 * name does. There is a limit to how many there are; the one that was not used for longest goes. An
 * inode that goes takes the names in it with it. A subdirectory refers to its parent, so a
 * directory stays while names below it do.
 */

#define NAME_BUCKETS 8192 /* a power of two */
#define NAMES_LEAST  1024
#define NAMES_MOST   65536
#define NAMES_SHARE  4 /* of the guest's pages: a name and its inode are half a KiB */

static KIT_LARGE struct fuse_name *name_buckets[NAME_BUCKETS];
static struct {
	struct fuse_name *newest, *oldest;
	size_t count;
} all;

static uint32_t name_hash(const struct fuse_inode *dir, const char *name, size_t length)
{
	uint32_t hash = 2166136261u ^ (uint32_t)(dir->node * 0x9e3779b1u); /* FNV-1a */

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	return hash ^ hash >> 15;
}

static size_t limit(void)
{
	size_t share = page_total_count() / NAMES_SHARE;

	return share < NAMES_LEAST ? NAMES_LEAST : share > NAMES_MOST ? NAMES_MOST : share;
}

static void unlink_by_use(struct fuse_name *name)
{
	*(name->newer ? &name->newer->older : &all.newest) = name->older;
	*(name->older ? &name->older->newer : &all.oldest) = name->newer;
}

static void link_newest(struct fuse_name *name)
{
	name->newer = NULL;
	name->older = all.newest;
	*(all.newest ? &all.newest->newer : &all.oldest) = name;
	all.newest = name;
}

struct fuse_name *fuse_name_find(const struct fuse_inode *dir, const char *name, size_t length)
{
	uint32_t hash = name_hash(dir, name, length);
	struct fuse_name *found = name_buckets[hash & (NAME_BUCKETS - 1)];

	while (found && (found->hash != hash || found->dir != dir || found->length != length ||
	                 memcmp(found->name, name, length)))
		found = found->next;
	if (found && found != all.newest) {
		unlink_by_use(found);
		link_newest(found);
	}
	return found;
}

bool fuse_name_is_valid(const struct fuse_name *name)
{
	return clock_monotonic() < name->valid_until &&
	       (!name->inode || fuse_is_valid(name->inode));
}

void fuse_name_drop(struct fuse_name *name)
{
	struct fuse_name **link = &name_buckets[name->hash & (NAME_BUCKETS - 1)];
	struct fuse_inode *inode = name->inode;

	while (*link != name)
		link = &(*link)->next;
	*link = name->next;
	*name->link = name->sibling;
	if (name->sibling)
		name->sibling->link = name->link;
	unlink_by_use(name);
	all.count--;
	heap_free(name);
	if (inode)
		inode_put(&inode->base);
}

void fuse_name_drop_all(struct fuse_inode *dir)
{
	while (dir->directory.names)
		fuse_name_drop(dir->directory.names);
}

void fuse_name_forget_all(void)
{
	while (all.oldest)
		fuse_name_drop(all.oldest);
}

void fuse_name_expire_all(void)
{
	for (struct fuse_name *name = all.newest; name; name = name->older)
		name->valid_until = 0;
}

struct fuse_name *fuse_name_enter(struct fuse_inode *dir, const char *name, size_t length,
                                  struct fuse_inode *inode, uint64_t valid_until)
{
	struct fuse_name *entry = fuse_name_find(dir, name, length), **bucket;
	struct fuse_inode *old;

	if (inode)
		inode_get(&inode->base);
	if (entry) {
		old = entry->inode;
		entry->inode = inode;
		entry->valid_until = valid_until;
		if (old)
			inode_put(&old->base);
		return entry;
	}
	entry = heap_alloc(sizeof(*entry) + length);
	if (!entry) {
		if (inode)
			inode_put(&inode->base);
		return NULL;
	}
	entry->hash = name_hash(dir, name, length);
	bucket = &name_buckets[entry->hash & (NAME_BUCKETS - 1)];
	entry->next = *bucket;
	*bucket = entry;
	entry->dir = dir;
	entry->sibling = dir->directory.names;
	entry->link = &dir->directory.names;
	if (entry->sibling)
		entry->sibling->link = &entry->sibling;
	dir->directory.names = entry;
	entry->inode = inode;
	entry->valid_until = valid_until;
	entry->length = (uint8_t)length;
	memcpy(entry->name, name, length);
	link_newest(entry);
	all.count++;
	while (all.count > limit() && all.oldest != entry)
		fuse_name_drop(all.oldest);
	return entry;
}
