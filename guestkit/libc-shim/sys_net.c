/* SPDX-License-Identifier: Apache-2.0 */
/* /sys/class/net: a folder for each interface, with a file for each number. */
#include <linux/errno.h>
#include <linux/magic.h>
#include <linux/stat.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/interface.h"
#include "guestkit/libc-shim/pseudo_fs.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"

/* st_ino, above those of the table: the folder of interface n is FIRST_NUMBER + NUMBERS * n, its
 * files follow. */
#define FIRST_NUMBER 0x10000u
#define NUMBERS      64u
#define STATISTICS   1u /* the folder in it; the files follow in the order of `files` */
#define FIRST_FILE   2u

struct file_entry {
	const char *name;
	bool is_statistic; /* in the folder `statistics` */
	void (*write)(struct text *text, const struct interface *interface);
};

/* A folder of an interface, its folder of counters, or a file in one of these. */
struct net_inode {
	struct inode inode;    /* first: the two are converted into each other */
	struct inode *net_dir; /* /sys/class/net: referenced */
	unsigned index;        /* of the interface */
	bool is_statistics;
	const struct file_entry *entry; /* of a file */
};

static struct net_inode *net_of(struct inode *inode)
{
	return (struct net_inode *)inode;
}

/* ---- what the files say ---- */

static void write_mac(struct text *text, const unsigned char *mac)
{
	for (unsigned i = 0; i < INTERFACE_MAC_SIZE; i++) {
		text_string(text, i ? ":" : "");
		text_hex(text, mac[i], 2);
	}
	text_string(text, "\n");
}

static void write_address(struct text *text, const struct interface *interface)
{
	write_mac(text, interface->mac);
}

static void write_broadcast(struct text *text, const struct interface *interface)
{
	static const unsigned char all[INTERFACE_MAC_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	write_mac(text, interface->flags & INTERFACE_IS_LOOPBACK ? interface->mac : all);
}

static void write_state(struct text *text, const struct interface *interface)
{
	text_string(text, interface->flags & INTERFACE_IS_LOOPBACK ? "unknown\n"
	                  : interface->flags & INTERFACE_LOWER_UP  ? "up\n"
	                                                           : "down\n");
}

static void write_flags(struct text *text, const struct interface *interface)
{
	/* Without those that are found out when somebody asks (netdevice(7)). */
	text_print(text, "0x%x\n", interface->flags & ~(INTERFACE_RUNNING | INTERFACE_LOWER_UP));
}

#define NUMBER(name, value)                                                            \
	static void write_##name(struct text *text, const struct interface *interface) \
	{                                                                              \
		(void)interface;                                                       \
		text_print(text, "%lu\n", (unsigned long)(value));                     \
	}
NUMBER(carrier, interface->flags &INTERFACE_LOWER_UP ? 1 : 0)
NUMBER(index, interface->index)
NUMBER(mtu, interface->mtu)
NUMBER(type, interface->type)
NUMBER(queue, INTERFACE_QUEUE_LENGTH)
NUMBER(mac_size, INTERFACE_MAC_SIZE)
NUMBER(zero, 0)
NUMBER(received_bytes, interface->received.bytes)
NUMBER(received_packets, interface->received.packets)
NUMBER(received_dropped, interface->received.dropped)
NUMBER(sent_bytes, interface->sent.bytes)
NUMBER(sent_packets, interface->sent.packets)
NUMBER(sent_dropped, interface->sent.dropped)

static const struct file_entry files[] = {
        {"addr_assign_type", false, write_zero},
        {"addr_len", false, write_mac_size},
        {"address", false, write_address},
        {"broadcast", false, write_broadcast},
        {"carrier", false, write_carrier},
        {"dev_id", false, write_zero},
        {"flags", false, write_flags},
        {"ifindex", false, write_index},
        {"iflink", false, write_index},
        {"link_mode", false, write_zero},
        {"mtu", false, write_mtu},
        {"operstate", false, write_state},
        {"tx_queue_len", false, write_queue},
        {"type", false, write_type},
        {"collisions", true, write_zero},
        {"multicast", true, write_zero},
        {"rx_bytes", true, write_received_bytes},
        {"rx_dropped", true, write_received_dropped},
        {"rx_errors", true, write_zero},
        {"rx_packets", true, write_received_packets},
        {"tx_bytes", true, write_sent_bytes},
        {"tx_dropped", true, write_sent_dropped},
        {"tx_errors", true, write_zero},
        {"tx_packets", true, write_sent_packets},
};
#define FILES (sizeof(files) / sizeof(files[0]))
_Static_assert(FIRST_FILE + FILES <= NUMBERS, "numbers of inodes");

/* ---- files ---- */

static int file_open_text(struct inode *inode, struct file *file)
{
	const struct file_entry *entry = net_of(inode)->entry;
	struct interface interface;
	struct text *text;

	interface_settle();
	if (!interface_find(net_of(inode)->index, &interface))
		return -ENODEV;
	text = heap_alloc(sizeof(*text));
	if (!text)
		return -ENOMEM;
	entry->write(text, &interface);
	file->private = text;
	return 0;
}

static void net_statistics(struct inode *inode, struct vfs_statistics *out)
{
	(void)inode;
	out->magic = SYSFS_MAGIC;
}

static void net_release(struct inode *inode)
{
	inode_put(net_of(inode)->net_dir);
	heap_free(inode);
}

static const struct inode_ops file_inode_ops = {
        .open = file_open_text,
        .statistics = net_statistics,
        .release = net_release,
        .file_ops = &pseudo_text_ops,
};

static uint64_t number_of(unsigned index, unsigned which)
{
	return FIRST_NUMBER + (uint64_t)NUMBERS * index + which;
}

/* Make an inode; *found is referenced. */
static int make(struct inode *net_dir, const struct net_inode *like, const struct inode_ops *ops,
                unsigned which, struct inode **found)
{
	struct net_inode *made = heap_alloc(sizeof(*made));

	if (!made)
		return -ENOMEM;
	*made = *like;
	made->net_dir = inode_get(net_dir);
	made->inode = (struct inode){
	        .ops = ops,
	        .references = 1,
	        .mode = like->entry ? S_IFREG | 0444 : S_IFDIR | 0755,
	        .links = like->entry ? 1 : 2,
	        .number = number_of(like->index, which),
	        .fs_id = net_dir->fs_id,
	        .size = PAGE_SIZE, /* as Linux has it, whatever there is */
	        .mtime = clock_realtime(),
	};
	if (!like->entry)
		made->inode.size = 0;
	made->inode.atime = made->inode.ctime = made->inode.mtime;
	*found = &made->inode;
	return 0;
}

/* ---- the folder of an interface ---- */

static bool is_name(const char *name, size_t length, const char *wanted)
{
	return length == strlen(wanted) && !memcmp(name, wanted, length);
}

static const struct inode_ops folder_ops;

static int folder_lookup(struct inode *dir, const char *name, size_t length, struct inode **found)
{
	struct net_inode *folder = net_of(dir);
	struct net_inode like = {.index = folder->index};

	if (is_name(name, length, "..") && !folder->is_statistics) {
		*found = inode_get(folder->net_dir);
		return 0;
	}
	if (is_name(name, length, ".."))
		return make(folder->net_dir, &like, &folder_ops, 0, found);
	if (is_name(name, length, "statistics") && !folder->is_statistics) {
		like.is_statistics = true;
		return make(folder->net_dir, &like, &folder_ops, STATISTICS, found);
	}
	for (unsigned i = 0; i < FILES; i++) {
		if (files[i].is_statistic != folder->is_statistics ||
		    !is_name(name, length, files[i].name))
			continue;
		like.entry = &files[i];
		return make(folder->net_dir, &like, &file_inode_ops, FIRST_FILE + i, found);
	}
	return -ENOENT;
}

static int give(struct dir_entry *entry, uint64_t number, uint32_t mode, const char *name)
{
	entry->number = number;
	entry->type = (unsigned char)(mode >> 12);
	entry->length = (uint8_t)strlen(name);
	memcpy(entry->name, name, (size_t)entry->length + 1);
	return 1;
}

/* Cookies: 0 to 2 for ".", ".." and the folder of counters, then the number of a file plus 3. */
static int folder_readdir(struct inode *dir, uint64_t *cookie, struct dir_entry *entry)
{
	const struct net_inode *folder = net_of(dir);

	while (*cookie < FILES + 3) {
		uint64_t at = (*cookie)++;

		if (at == 0)
			return give(entry, dir->number, S_IFDIR, ".");
		if (at == 1)
			return give(entry,
			            folder->is_statistics ? number_of(folder->index, 0)
			                                  : folder->net_dir->number,
			            S_IFDIR, "..");
		if (at == 2 && !folder->is_statistics)
			return give(entry, number_of(folder->index, STATISTICS), S_IFDIR,
			            "statistics");
		if (at > 2 && files[at - 3].is_statistic == folder->is_statistics)
			return give(entry, number_of(folder->index, FIRST_FILE + (unsigned)at - 3),
			            S_IFREG, files[at - 3].name);
	}
	return 0;
}

static const struct inode_ops folder_ops = {
        .lookup = folder_lookup,
        .readdir = folder_readdir,
        .statistics = net_statistics,
        .release = net_release,
};

/* ---- /sys/class/net ---- */

static int net_lookup(struct inode *dir, const char *name, size_t length, struct inode **found)
{
	struct net_inode like = {.index = 0};
	struct interface interface;

	if (is_name(name, length, ".."))
		return pseudo_fs_parent(dir, found);
	interface_settle();
	for (unsigned i = 0; interface_get(i, &interface); i++) {
		if (!is_name(name, length, interface.name))
			continue;
		like.index = interface.index;
		return make(dir, &like, &folder_ops, 0, found);
	}
	return -ENOENT;
}

/* Cookies: 0 and 1 for "." and "..", then the place of an interface plus 2. */
static int net_readdir(struct inode *dir, uint64_t *cookie, struct dir_entry *entry)
{
	struct interface interface;

	if (*cookie < 2)
		return pseudo_fs_dots(dir, cookie, entry);
	interface_settle();
	if (!interface_get((unsigned)(*cookie - 2), &interface))
		return 0;
	(*cookie)++;
	return give(entry, number_of(interface.index, 0), S_IFDIR, interface.name);
}

const struct inode_ops sys_net_ops = {
        .lookup = net_lookup,
        .readdir = net_readdir,
        .statistics = net_statistics,
};
