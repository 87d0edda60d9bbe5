/* SPDX-License-Identifier: Apache-2.0 */
/* /etc/resolv.conf, /etc/hosts and /etc/hostname. See name_files.h. */
#include "guestkit/libc-shim/name_files.h"

#include <linux/fcntl.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/net_config.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/text.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/machine.h"
#include "guestkit/string.h"

static void write_hosts(struct text *text)
{
	const char *name = system_host_name();

	text_string(text, "127.0.0.1\tlocalhost\n");
	if (strcmp(name, "localhost") != 0)
		text_print(text, "127.0.1.1\t%s\n", name);
	text_string(text, "::1\tlocalhost ip6-localhost ip6-loopback\n"
	                  "ff02::1\tip6-allnodes\n"
	                  "ff02::2\tip6-allrouters\n");
}

static void write_hostname(struct text *text)
{
	text_print(text, "%s\n", system_host_name());
}

static struct name_file {
	const char *name;
	void (*write)(struct text *text);
	bool needs_device; /* without one there is nothing to say */
	bool is_done;
} files[] = {
        {"hosts", write_hosts, false, false},
        {"hostname", write_hostname, false, false},
        {"resolv.conf", net_config_write_resolver, true, false},
};

#define FILES (sizeof(files) / sizeof(files[0]))

static struct name_file *find(const char *name, size_t length)
{
	for (struct name_file *file = files; file < files + FILES; file++)
		if (!file->is_done && strlen(file->name) == length &&
		    !memcmp(file->name, name, length))
			return file;
	return NULL;
}

static bool is_etc(struct inode *dir)
{
	struct inode *etc;
	bool is_same;

	if (!vfs_root->ops->lookup || vfs_root->ops->lookup(vfs_root, "etc", 3, &etc))
		return false;
	is_same = inode_is_same(etc, dir);
	inode_put(etc);
	return is_same;
}

static bool is_there(struct inode *dir, const struct name_file *file)
{
	struct inode *found;

	if (dir->ops->lookup(dir, file->name, strlen(file->name), &found))
		return false;
	inode_put(found);
	return true;
}

/* Put the content into a file of its own, in place of what has the name. */
static void put_file(struct inode *dir, const struct name_file *wanted, const struct text *text)
{
	size_t length = strlen(wanted->name);
	struct inode *made;
	struct file *file;
	uint64_t position = 0;

	if (dir->ops->unlink)
		dir->ops->unlink(dir, wanted->name, length, false);
	if (!dir->ops->create ||
	    dir->ops->create(dir, wanted->name, length, S_IFREG | 0644, 0, &made))
		return;
	if (file_open_inode(made, O_WRONLY, NULL, &file))
		return;
	if (file->ops->write_kit)
		file->ops->write_kit(file, text->data, text->length, &position);
	file_put(file);
}

void name_files_look(struct inode *dir, const char *name, size_t length)
{
	struct name_file *file = find(name, length);
	struct text text = {0};
	bool is_wanted;

	if (!file || !is_etc(dir))
		return;
	file->is_done = true; /* before a sleep: others go on with what there is */
	is_wanted = net_config_has_device() ||
	            (!file->needs_device && (machine.hostname || !is_there(dir, file)));
	if (!is_wanted)
		return;
	inode_get(dir);
	file->write(&text);
	if (!text.has_failed && text.data)
		put_file(dir, file, &text);
	text_free(&text);
	inode_put(dir);
}

void name_files_renew(bool is_other_name)
{
	for (struct name_file *file = files; file < files + FILES; file++)
		if (file->needs_device || is_other_name)
			file->is_done = false;
}
