/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of tmpfs: names by hash and by cookie. */
#include "guestkit/libc-shim/tmpfs.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"

#define FIRST_COOKIE 2 /* "." and ".." are 0 and 1 */
#define FIRST_SIZE   8

static uint32_t hash_name(const char *name, size_t length)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	return hash;
}

struct tmpfs_entry *tmpfs_entry_find(const struct tmpfs_directory *dir, const char *name,
                                     size_t length)
{
	struct tmpfs_entry *entry;
	uint32_t hash;

	if (!dir->bucket_count)
		return NULL;
	hash = hash_name(name, length);
	entry = dir->buckets[hash & (dir->bucket_count - 1)];
	while (entry && (entry->hash != hash || entry->length != length ||
	                 memcmp(entry->name, name, length)))
		entry = entry->next;
	return entry;
}

static bool grow_buckets(struct tmpfs_directory *dir)
{
	uint32_t count = dir->bucket_count ? 2 * dir->bucket_count : FIRST_SIZE;
	struct tmpfs_entry **buckets = heap_alloc(count * sizeof(struct tmpfs_entry *));

	if (!buckets)
		return false;
	for (uint32_t i = 0; i < dir->bucket_count; i++) {
		struct tmpfs_entry *entry = dir->buckets[i];

		while (entry) {
			struct tmpfs_entry *next = entry->next;
			struct tmpfs_entry **head = &buckets[entry->hash & (count - 1)];

			entry->next = *head;
			*head = entry;
			entry = next;
		}
	}
	heap_free(dir->buckets);
	dir->buckets = buckets;
	dir->bucket_count = count;
	return true;
}

static bool grow_order(struct tmpfs_directory *dir)
{
	uint32_t size = dir->order_size ? 2 * dir->order_size : FIRST_SIZE;
	struct tmpfs_slot *order = heap_resize(dir->order, size * sizeof(*order));

	if (!order)
		return false;
	dir->order = order;
	dir->order_size = size;
	return true;
}

/* Close the gaps of removed entries. */
static void compact_order(struct tmpfs_directory *dir)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < dir->order_used; i++)
		if (dir->order[i].entry)
			dir->order[used++] = dir->order[i];
	dir->order_used = used;
}

struct tmpfs_entry *tmpfs_entry_add(struct tmpfs_directory *dir, const char *name, size_t length,
                                    struct tmpfs_inode *inode)
{
	struct tmpfs_entry *entry, **head;

	if ((dir->count >= dir->bucket_count && !grow_buckets(dir)) ||
	    (dir->order_used == dir->order_size && !grow_order(dir)))
		return NULL;
	entry = heap_alloc(sizeof(*entry) + length);
	if (!entry)
		return NULL;
	if (dir->next_cookie < FIRST_COOKIE)
		dir->next_cookie = FIRST_COOKIE;
	entry->inode = inode;
	entry->cookie = dir->next_cookie++;
	entry->hash = hash_name(name, length);
	entry->length = (uint8_t)length;
	memcpy(entry->name, name, length);

	head = &dir->buckets[entry->hash & (dir->bucket_count - 1)];
	entry->next = *head;
	*head = entry;
	dir->order[dir->order_used++] = (struct tmpfs_slot){entry->cookie, entry};
	dir->count++;
	return entry;
}

/* Index of the first slot whose cookie is at least @cookie. */
static uint32_t order_index(const struct tmpfs_directory *dir, uint64_t cookie)
{
	uint32_t low = 0, high = dir->order_used;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (dir->order[middle].cookie < cookie)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void tmpfs_entry_remove(struct tmpfs_directory *dir, struct tmpfs_entry *entry)
{
	struct tmpfs_entry **link = &dir->buckets[entry->hash & (dir->bucket_count - 1)];

	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	dir->order[order_index(dir, entry->cookie)].entry = NULL;
	dir->count--;
	if (dir->order_used > 2 * dir->count + FIRST_SIZE)
		compact_order(dir);
	heap_free(entry);
}

struct tmpfs_entry *tmpfs_entry_from(const struct tmpfs_directory *dir, uint64_t cookie)
{
	for (uint32_t i = order_index(dir, cookie); i < dir->order_used; i++)
		if (dir->order[i].entry && dir->order[i].entry->inode)
			return dir->order[i].entry;
	return NULL;
}

void tmpfs_directory_free(struct tmpfs_directory *dir)
{
	for (uint32_t i = 0; i < dir->order_used; i++)
		heap_free(dir->order[i].entry); /* those that say that a name is gone */
	heap_free(dir->buckets);
	heap_free(dir->order);
}
