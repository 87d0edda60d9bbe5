/* SPDX-License-Identifier: Apache-2.0 */
/* Files that tell of disks: entries of /dev and /sys, /proc/partitions, /proc/diskstats. */
#include <linux/stat.h>

#include "guestkit/libc-shim/block_file.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/virtio_block.h"

#define DEV_NODES  2 /* of each disk: itself, a link */
#define SYS_NODES  10
#define STRING_MAX 48
#define NS_PER_MS  1000000u

void block_name(unsigned index, char name[BLOCK_NAME_MAX])
{
	memcpy(name, "vda", BLOCK_NAME_MAX);
	name[2] = (char)(name[2] + index);
}

/* ---- tables under construction ---- */

struct table {
	struct pseudo_node *nodes;
	size_t count;
	char *strings; /* room for what is made */
};

/* A copy with room for @more, or nodes NULL. */
static struct table copy_table(const struct pseudo_node *nodes, size_t count, size_t more)
{
	struct table table = {.count = count};

	table.nodes = heap_alloc((count + more) * sizeof *nodes + more * 2 * STRING_MAX);
	if (!table.nodes)
		return table;
	memcpy(table.nodes, nodes, count * sizeof *nodes);
	table.strings = (char *)(table.nodes + count + more);
	return table;
}

#define MAKE(table, ...) make_string((table), kit_format((table)->strings, STRING_MAX, __VA_ARGS__))

static const char *make_string(struct table *table, size_t length)
{
	const char *string = table->strings;

	(void)length;
	table->strings += STRING_MAX;
	return string;
}

static struct pseudo_node *add(struct table *table, const char *path, uint32_t mode)
{
	struct pseudo_node *node = &table->nodes[table->count++];

	*node = (struct pseudo_node){.path = path, .mode = mode};
	return node;
}

/* ---- /dev ---- */

size_t block_dev_room(void)
{
	unsigned disks = block_disk_count();

	return disks ? disks * DEV_NODES + 2 : 0;
}

const struct pseudo_node *block_dev_nodes(const struct pseudo_node *nodes, size_t *count)
{
	unsigned disks = block_disk_count();
	struct table table;

	if (!disks)
		return nodes;
	table = copy_table(nodes, *count, block_dev_room());
	if (!table.nodes)
		return nodes;
	add(&table, "disk", S_IFDIR | 0755);
	add(&table, "disk/by-id", S_IFDIR | 0755);
	for (unsigned i = 0; i < disks; i++) {
		const struct block_disk *disk = block_disk(i);
		struct pseudo_node *node;
		char name[BLOCK_NAME_MAX];
		const char *target;

		block_name(i, name);
		node = add(&table, MAKE(&table, "%s", name), S_IFBLK | 0660);
		node->device = PSEUDO_DEVICE(BLOCK_MAJOR, i * BLOCK_MINORS);
		node->ops = &block_inode_ops;
		if (!disk || !*disk->id)
			continue;
		target = MAKE(&table, "../../%s", name);
		node = add(&table, MAKE(&table, "disk/by-id/virtio-%s", disk->id), S_IFLNK | 0777);
		node->content = target;
	}
	*count = table.count;
	return table.nodes;
}

/* ---- /sys/block ---- */

static void add_text(struct table *table, const char *name, const char *file, const char *content)
{
	struct pseudo_node *node =
	        add(table, MAKE(table, "block/%s/%s", name, file), S_IFREG | 0444);

	node->content = content;
}

static void add_number(struct table *table, const char *name, const char *file, uint64_t value)
{
	const char *content = MAKE(table, "%lu\n", value);

	add_text(table, name, file, content);
}

static void add_disk(struct table *table, const struct block_disk *disk)
{
	const char *number = MAKE(table, "%d:%u\n", BLOCK_MAJOR, disk->index * BLOCK_MINORS);
	char name[BLOCK_NAME_MAX];

	block_name(disk->index, name);
	add(table, MAKE(table, "block/%s", name), S_IFDIR | 0555);
	add_text(table, name, "dev", number);
	add_text(table, name, "serial", disk->id);
	add_number(table, name, "removable", 0);
	add_number(table, name, "ro", disk->is_read_only);
	add_number(table, name, "size", disk->sectors);
	add(table, MAKE(table, "block/%s/queue", name), S_IFDIR | 0555);
	add_number(table, name, "queue/logical_block_size", disk->logical_size);
	add_number(table, name, "queue/physical_block_size", disk->physical_size);
	add_number(table, name, "queue/rotational", 0);
}

const struct pseudo_node *block_sys_nodes(const struct pseudo_node *nodes, size_t *count)
{
	unsigned disks = block_disk_count();
	struct table table;

	if (!disks)
		return nodes;
	table = copy_table(nodes, *count, disks * SYS_NODES);
	if (!table.nodes)
		return nodes;
	for (unsigned i = 0; i < disks; i++)
		if (block_disk(i))
			add_disk(&table, block_disk(i));
	*count = table.count;
	return table.nodes;
}

/* ---- /proc ---- */

void proc_partitions(struct text *text)
{
	const struct block_disk *disk;
	char name[BLOCK_NAME_MAX];

	text_string(text, "major minor  #blocks  name\n\n");
	for (unsigned i = 0; (disk = block_disk(i)); i++) {
		block_name(i, name);
		text_print(text, "%4d  %7d %10lu %s\n", BLOCK_MAJOR, i * BLOCK_MINORS,
		           disk->sectors / 2, name);
	}
}

/* Documentation/admin-guide/iostats.rst of Linux: nothing is merged, and nothing is in flight while
 * somebody reads. */
void proc_diskstats(struct text *text)
{
	const struct block_disk *disk;
	char name[BLOCK_NAME_MAX];

	for (unsigned i = 0; (disk = block_disk(i)); i++) {
		uint64_t milliseconds[BLOCK_KINDS], all = 0;

		for (unsigned kind = 0; kind < BLOCK_KINDS; kind++) {
			milliseconds[kind] = disk->done[kind].nanoseconds / NS_PER_MS;
			all += milliseconds[kind];
		}
		block_name(i, name);
		text_print(text, "%4d %7d %s", BLOCK_MAJOR, i * BLOCK_MINORS, name);
		for (unsigned kind = BLOCK_READ; kind <= BLOCK_WRITE; kind++)
			text_print(text, " %lu 0 %lu %lu", disk->done[kind].requests,
			           disk->done[kind].sectors, milliseconds[kind]);
		text_print(text, " 0 %lu %lu %lu 0 %lu %lu %lu %lu\n", all, all,
		           disk->done[BLOCK_DISCARD].requests, disk->done[BLOCK_DISCARD].sectors,
		           milliseconds[BLOCK_DISCARD], disk->done[BLOCK_FLUSH].requests,
		           milliseconds[BLOCK_FLUSH]);
	}
}
