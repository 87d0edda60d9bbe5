/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/1/task: a folder for each thread. */
#include <linux/errno.h>
#include <linux/magic.h>
#include <linux/stat.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/proc_self.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/pseudo_fs.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/thread.h"

#define FIRST_NUMBER 0x20000 /* st_ino of the folders, above those of descriptors */
#define FILES        2       /* numbers for each thread: its folder, its comm */

/* A thread's folder, or its comm. */
struct task_inode {
	struct inode inode;     /* first: the two are converted into each other */
	struct inode *task_dir; /* /proc/1/task: referenced */
	int32_t id;
};

static struct task_inode *task_of(struct inode *inode)
{
	return (struct task_inode *)inode;
}

void proc_thread_self(struct text *text)
{
	text_print(text, "%d/task/%d", PROCESS_ID, thread_current->id);
}

static void task_release(struct inode *inode)
{
	inode_put(task_of(inode)->task_dir);
	heap_free(inode);
}

static void task_statistics(struct inode *inode, struct vfs_statistics *out)
{
	(void)inode;
	out->magic = PROC_SUPER_MAGIC;
}

static int make(struct inode *task_dir, int32_t id, const struct inode_ops *ops, uint32_t mode,
                struct inode **found)
{
	struct task_inode *made = heap_alloc(sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->task_dir = inode_get(task_dir);
	made->id = id;
	made->inode = (struct inode){
	        .ops = ops,
	        .references = 1,
	        .mode = mode,
	        .links = S_ISDIR(mode) ? 2 : 1,
	        .number = FIRST_NUMBER + FILES * (uint64_t)id + !S_ISDIR(mode),
	        .fs_id = task_dir->fs_id,
	        .mtime = clock_realtime(),
	};
	made->inode.atime = made->inode.ctime = made->inode.mtime;
	*found = &made->inode;
	return 0;
}

/* ---- comm ---- */

static int comm_open(struct inode *inode, struct file *file)
{
	const struct thread *thread = thread_find(task_of(inode)->id);
	struct text *text = thread ? heap_alloc(sizeof(*text)) : NULL;

	if (!text)
		return thread ? -ENOMEM : -ESRCH;
	text_print(text, "%s\n", thread->name[0] ? thread->name : process.name);
	file->private = text;
	return 0;
}

static const struct inode_ops comm_ops = {
        .open = comm_open,
        .statistics = task_statistics,
        .release = task_release,
        .file_ops = &pseudo_text_ops,
};

/* ---- the folder of a thread: what the process's has, but for the name ---- */

static bool is_name(const char *name, size_t length, const char *wanted)
{
	return length == strlen(wanted) && !memcmp(name, wanted, length);
}

static int thread_lookup(struct inode *dir, const char *name, size_t length, struct inode **found)
{
	struct task_inode *task = task_of(dir);
	struct inode *process_dir;
	int result;

	if (is_name(name, length, "..")) {
		*found = inode_get(task->task_dir);
		return 0;
	}
	if (is_name(name, length, "task") || is_name(name, length, "."))
		return -ENOENT;
	if (is_name(name, length, "comm"))
		return make(task->task_dir, task->id, &comm_ops, S_IFREG | 0444, found);
	result = pseudo_fs_parent(task->task_dir, &process_dir);
	if (result)
		return result;
	result = process_dir->ops->lookup(process_dir, name, length, found);
	inode_put(process_dir);
	return result;
}

static int thread_readdir(struct inode *dir, uint64_t *cookie, struct dir_entry *entry)
{
	struct inode *process_dir;
	int result = pseudo_fs_parent(task_of(dir)->task_dir, &process_dir);

	if (result)
		return result;
	do
		result = process_dir->ops->readdir(process_dir, cookie, entry);
	while (result > 0 && is_name(entry->name, entry->length, "task"));
	inode_put(process_dir);
	if (result > 0 && is_name(entry->name, entry->length, "."))
		entry->number = dir->number;
	if (result > 0 && is_name(entry->name, entry->length, ".."))
		entry->number = task_of(dir)->task_dir->number;
	return result;
}

static const struct inode_ops thread_ops = {
        .lookup = thread_lookup,
        .readdir = thread_readdir,
        .statistics = task_statistics,
        .release = task_release,
};

/* ---- /proc/1/task ---- */

static int task_lookup(struct inode *dir, const char *name, size_t length, struct inode **found)
{
	int32_t id = 0;

	if (is_name(name, length, ".."))
		return pseudo_fs_parent(dir, found);
	if (!length || length > 9 || name[0] == '0')
		return -ENOENT;
	for (size_t i = 0; i < length; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -ENOENT;
		id = id * 10 + (name[i] - '0');
	}
	return thread_find(id) ? make(dir, id, &thread_ops, S_IFDIR | 0555, found) : -ENOENT;
}

/* Cookies: 0 and 1 for "." and "..", then the number of the next thread plus 1: numbers grow. */
static int task_readdir(struct inode *dir, uint64_t *cookie, struct dir_entry *entry)
{
	const struct thread *next = NULL;

	if (*cookie < 2)
		return pseudo_fs_dots(dir, cookie, entry);
	for (const struct thread *thread = thread_first; thread; thread = thread->next)
		if ((uint64_t)thread->id + 1 >= *cookie && (!next || thread->id < next->id))
			next = thread;
	if (!next)
		return 0;
	entry->number = FIRST_NUMBER + FILES * (uint64_t)next->id;
	entry->type = S_IFDIR >> 12;
	entry->length = (uint8_t)kit_format(entry->name, sizeof(entry->name), "%d", next->id);
	*cookie = (uint64_t)next->id + 2;
	return 1;
}

const struct inode_ops proc_task_ops = {
        .lookup = task_lookup,
        .readdir = task_readdir,
        .statistics = task_statistics,
};
