/* SPDX-License-Identifier: Apache-2.0 */
/* The files of /proc/1: what the process is and what it uses. */
#include "guestkit/libc-shim/proc_self.h"

#include <linux/errno.h>
#include <linux/mman.h>

#include "guestkit/libc-shim/capability.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/memory.h"
#include "guestkit/page_table.h"
#include "guestkit/string.h"
#include "guestkit/thread.h"
#include "guestkit/vma.h"
#include "mote/abi.h"

#define KIB              1024
#define MAPS_PATH_COLUMN 73 /* as Linux pads the lines of maps */

static void append(struct text *text, const struct process_bytes *bytes)
{
	text_bytes(text, bytes->data, bytes->length);
}

void proc_auxv(struct text *text)
{
	append(text, &process.auxiliary_vector);
}

void proc_cmdline(struct text *text)
{
	append(text, &process.command_line);
}

void proc_environ(struct text *text)
{
	append(text, &process.environment);
}

void proc_comm(struct text *text)
{
	text_print(text, "%s\n", process.name);
}

void proc_exe(struct text *text)
{
	text_string(text, process.executable_path);
}

void proc_cwd(struct text *text)
{
	const char *path = vfs_working_path();

	text_string(text, path ? path : "(unreachable)");
}

/* ---- maps ---- */

static void append_name(struct text *text, const struct vma *vma, size_t line)
{
	const char *name = NULL;

	if (vma->file)
		name = vma->file->path;
	else if (vma->flags & VMA_STACK)
		name = "[stack]";
	else if (vma->flags & VMA_HEAP)
		name = "[heap]";
	else if (vma->flags & VMA_IMAGE)
		name = process.executable_path;
	if (!name)
		return;
	text_pad(text, line, MAPS_PATH_COLUMN);
	text_string(text, name);
}

static void append_mapping(struct text *text, const struct vma *vma)
{
	const struct inode *inode = vma->file ? vma->file->inode : NULL;
	size_t line = text->length;

	text_hex(text, vma->start, 8);
	text_string(text, "-");
	text_hex(text, vma->end, 8);
	text_print(text, " %c%c%c%c ", vma->prot & PROT_READ ? 'r' : '-',
	           vma->prot & PROT_WRITE ? 'w' : '-', vma->prot & PROT_EXEC ? 'x' : '-',
	           vma->flags & MAP_SHARED ? 's' : 'p');
	text_hex(text, vma->offset, 8);
	text_string(text, " 00:");
	text_hex(text, inode ? inode->fs_id & 0xff : 0, 2);
	text_print(text, " %lu ", inode ? inode->number : 0);
	append_name(text, vma, line);
	text_string(text, "\n");
}

void proc_maps(struct text *text)
{
	for (size_t i = 0; i < vma_count(); i++)
		append_mapping(text, vma_at(i));
}

/* The lines of smaps that programs add up. What is there is what the page tables have. */
static void append_usage(struct text *text, const struct vma *vma)
{
	uint64_t present = 0, private = 0, size;

	for (uint64_t va = vma->start; va < vma->end; va = (va & ~(size - 1)) + size) {
		uint64_t entry = *page_table_look(va, &size);

		if (!(entry & PTE_PRESENT))
			continue;
		present += size / KIB;
		private += (entry & PTE_OWNED) ? size / KIB : 0;
	}
	text_print(text, "Size: %lu kB\nKernelPageSize: 4 kB\nMMUPageSize: 4 kB\n",
	           (vma->end - vma->start) / KIB);
	text_print(text,
	           "Rss: %lu kB\nPss: %lu kB\nShared_Clean: %lu kB\nShared_Dirty: 0 kB\n"
	           "Private_Clean: 0 kB\nPrivate_Dirty: %lu kB\n",
	           present, present, present - private, private);
	text_print(text, "Referenced: %lu kB\nAnonymous: %lu kB\nSwap: 0 kB\nLocked: 0 kB\n",
	           present, private);
}

void proc_smaps(struct text *text)
{
	for (size_t i = 0; i < vma_count(); i++) {
		append_mapping(text, vma_at(i));
		append_usage(text, vma_at(i));
	}
}

/* ---- stat, statm, status ---- */

static void append_zeros(struct text *text, unsigned count)
{
	while (count-- > 0)
		text_string(text, " 0");
}

static uint64_t ticks(uint64_t nanoseconds)
{
	return nanoseconds / (SYSTEM_NANOSECONDS / SYSTEM_TICKS);
}

/* proc(5): 52 fields; those that nothing here knows are 0. */
void proc_stat(struct text *text)
{
	text_print(text, "%d (%s) R 0 %d %d 0 %d", PROCESS_ID, process.name, PROCESS_ID, PROCESS_ID,
	           PROCESS_ID); /* 1 to 8: pid, comm, state, ppid, pgrp, session, tty, tpgid */
	append_zeros(text, 5);  /* 9 to 13: flags, page faults */
	/* 14 to 21 */
	text_print(text, " %lu 0 0 0 20 0 %u 0", ticks(process_cpu_time()), thread_count);
	text_print(text, " %lu %lu %lu %lu", ticks(process.start_monotonic), vma_total(),
	           process_resident() / PAGE_SIZE,
	           process_limit(RESOURCE_RSS)->soft);      /* 22 to 25 */
	append_zeros(text, 2);                              /* 26, 27: code */
	text_print(text, " %lu", (uint64_t)MOTE_STACK_TOP); /* 28: start of the stack */
	append_zeros(text, 9);                              /* 29 to 37: registers, signals, swap */
	text_string(text, " 17");                           /* 38: SIGCHLD at exit */
	append_zeros(text, 14);                             /* 39 to 52 */
	text_string(text, "\n");
}

void proc_statm(struct text *text)
{
	text_print(text, "%lu %lu 0 0 0 %lu 0\n", vma_total() / PAGE_SIZE,
	           process_resident() / PAGE_SIZE, process_resident() / PAGE_SIZE);
}

static void append_set(struct text *text, const char *name, uint64_t set)
{
	text_print(text, "%s:\t", name);
	text_hex(text, set, 16);
	text_string(text, "\n");
}

/* Masks and what is pending are those of the thread that reads. */
static void append_signals(struct text *text)
{
	uint64_t own = signal_thread->pending.set, ignored = 0, caught = 0;

	for (int signal = 1; signal <= SIGNAL_LAST; signal++) {
		uint64_t handler = signal_action(signal)->handler;

		if (handler == SIGNAL_IGNORE)
			ignored |= signal_bit(signal);
		else if (handler != SIGNAL_DEFAULT)
			caught |= signal_bit(signal);
	}
	append_set(text, "SigPnd", own);
	append_set(text, "ShdPnd", signal_pending() & ~own);
	append_set(text, "SigBlk", signal_thread->blocked);
	append_set(text, "SigIgn", ignored);
	append_set(text, "SigCgt", caught);
}

void proc_status(struct text *text)
{
	const struct process_identity *self = &process_identity;

	text_print(text,
	           "Name:\t%s\nState:\tR (running)\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t0\n"
	           "TracerPid:\t0\n",
	           process.name, PROCESS_ID, PROCESS_ID);
	text_print(text, "Uid:\t%u\t%u\t%u\t%u\n", self->real_uid, self->uid, self->saved_uid,
	           self->file_uid);
	text_print(text, "Gid:\t%u\t%u\t%u\t%u\n", self->real_gid, self->gid, self->saved_gid,
	           self->file_gid);
	text_print(text, "FDSize:\t%u\nGroups:\t", descriptor_limit);
	for (uint32_t i = 0; i < self->group_count; i++)
		text_print(text, "%u ", self->groups[i]);
	text_print(text, "\nVmSize:\t%lu kB\nVmHWM:\t%lu kB\nVmRSS:\t%lu kB\nThreads:\t%u\n",
	           vma_total() / KIB, process_resident_peak() / KIB, process_resident() / KIB,
	           thread_count);
	append_signals(text);
	append_set(text, "CapInh", capability_sets.inheritable);
	append_set(text, "CapPrm", capability_sets.permitted);
	append_set(text, "CapEff", capability_sets.effective);
	append_set(text, "CapBnd", capability_sets.bounding);
	append_set(text, "CapAmb", capability_sets.ambient);
	text_print(text,
	           "NoNewPrivs:\t%u\nSeccomp:\t0\n"
	           "Cpus_allowed:\t1\nCpus_allowed_list:\t0\n"
	           "Mems_allowed:\t1\nMems_allowed_list:\t0\n",
	           process_no_new_privileges());
}

/* ---- what can be set ---- */

int proc_store_comm(const char *text, size_t length)
{
	if (length >= PROCESS_NAME_SIZE)
		length = PROCESS_NAME_SIZE - 1;
	memset(process.name, 0, sizeof(process.name));
	memcpy(process.name, text, length);
	return 0;
}

#define OOM_SCORE_MAX 1000

static int oom_score_adjustment;

void proc_oom_score_adj(struct text *text)
{
	text_print(text, "%d\n", oom_score_adjustment);
}

int proc_store_oom_score_adj(const char *text, size_t length)
{
	bool is_negative = *text == '-';
	const char *digit = text + is_negative;
	int value = 0;

	(void)length;
	if (*digit < '0' || *digit > '9')
		return -EINVAL;
	for (; *digit >= '0' && *digit <= '9'; digit++)
		if ((value = value * 10 + (*digit - '0')) > OOM_SCORE_MAX)
			return -EINVAL;
	if (*digit && *digit != '\n')
		return -EINVAL;
	oom_score_adjustment = is_negative ? -value : value;
	return 0;
}

/* ---- limits ---- */

static void append_limit(struct text *text, uint64_t value, size_t line, size_t width)
{
	if (value == PROCESS_UNLIMITED)
		text_string(text, "unlimited");
	else
		text_decimal(text, value, 1);
	text_pad(text, line, width);
}

void proc_limits(struct text *text)
{
	static const struct {
		const char *name;
		const char *unit;
	} names[PROCESS_LIMITS] = {
	        {"Max cpu time", "seconds"},     {"Max file size", "bytes"},
	        {"Max data size", "bytes"},      {"Max stack size", "bytes"},
	        {"Max core file size", "bytes"}, {"Max resident set", "bytes"},
	        {"Max processes", "processes"},  {"Max open files", "files"},
	        {"Max locked memory", "bytes"},  {"Max address space", "bytes"},
	        {"Max file locks", "locks"},     {"Max pending signals", "signals"},
	        {"Max msgqueue size", "bytes"},  {"Max nice priority", ""},
	        {"Max realtime priority", ""},   {"Max realtime timeout", "us"},
	};

	text_string(text, "Limit                     Soft Limit           Hard Limit           "
	                  "Units     \n");
	for (unsigned i = 0; i < PROCESS_LIMITS; i++) {
		size_t line = text->length;

		text_string(text, names[i].name);
		text_pad(text, line, 26);
		append_limit(text, process_limit(i)->soft, line, 47);
		append_limit(text, process_limit(i)->hard, line, 68);
		text_string(text, names[i].unit);
		text_pad(text, line, 78);
		text_string(text, "\n");
	}
}

/* ---- mounts ---- */

struct mount_line {
	const char *path;
	const char *type;
	const char *options;
	unsigned parent; /* number of the mount it is on: index plus one; 0 for the root */
};

/* All there can be; whether one is there shows in its file system's number. */
static const struct mount_line mount_lines[] = {
        {"/", "overlay", "rw,relatime", 0},     {"/tmp", "tmpfs", "rw,relatime", 1},
        {"/dev", "devtmpfs", "ro,relatime", 1}, {"/dev/shm", "tmpfs", "rw,relatime", 3},
        {"/proc", "proc", "rw,relatime", 1},    {"/sys", "sysfs", "ro,relatime", 1},
};

#define MOUNT_LINES (sizeof(mount_lines) / sizeof(mount_lines[0]))

/* Is something mounted there, and as which file system? */
static bool find_mount(size_t index, uint64_t *fs_id)
{
	struct inode *found;
	char parent[] = "/dev"; /* the only mount with a mount below it */
	bool is_mounted;

	if (vfs_walk(-1, mount_lines[index].path, WALK_DIRECTORY, &found) < 0)
		return false;
	*fs_id = found->fs_id;
	inode_put(found);
	if (index == 0)
		return true;
	if (strncmp(mount_lines[index].path, "/dev/", 5) != 0)
		parent[1] = '\0';
	if (vfs_walk(-1, parent, WALK_DIRECTORY, &found) < 0)
		return false;
	is_mounted = found->fs_id != *fs_id;
	inode_put(found);
	return is_mounted;
}

/* A path as these files have it: what separates fields is written in octal. */
static void append_path(struct text *text, const char *path)
{
	for (; *path; path++) {
		const char byte[2] = {*path};

		if (*path == ' ' || *path == '\t' || *path == '\n' || *path == '\\')
			text_print(text, "\\%u%u%u", (unsigned)*path >> 6 & 7,
			           (unsigned)*path >> 3 & 7, (unsigned)*path & 7);
		else
			text_string(text, byte);
	}
}

static const char *options_of(const struct inode *root)
{
	return root->ops->set_attributes ? "rw,relatime" : "ro,relatime";
}

void proc_mounts(struct text *text)
{
	const char *path;
	struct inode *root;

	for (size_t i = 0; i < MOUNT_LINES; i++) {
		const char *type = mount_lines[i].type;
		uint64_t fs_id;

		if (find_mount(i, &fs_id))
			text_print(text, "%s %s %s %s 0 0\n", type, mount_lines[i].path, type,
			           mount_lines[i].options);
	}
	for (unsigned i = 0; (path = vfs_mounted(i, &root)) != NULL; i++) {
		text_print(text, "share%u ", i);
		append_path(text, path);
		text_print(text, " virtiofs %s 0 0\n", options_of(root));
	}
}

void proc_mountinfo(struct text *text)
{
	const char *path;
	struct inode *root;

	for (size_t i = 0; i < MOUNT_LINES; i++) {
		const char *type = mount_lines[i].type;
		uint64_t fs_id;

		if (find_mount(i, &fs_id))
			text_print(text, "%lu %u 0:%lu / %s %s - %s %s %s\n", (uint64_t)i + 1,
			           mount_lines[i].parent, fs_id, mount_lines[i].path,
			           mount_lines[i].options, type, type, mount_lines[i].options);
	}
	for (unsigned i = 0; (path = vfs_mounted(i, &root)) != NULL; i++) {
		text_print(text, "%lu 1 0:%lu / ", (uint64_t)MOUNT_LINES + i + 1, root->fs_id);
		append_path(text, path);
		text_print(text, " %s - virtiofs share%u %s\n", options_of(root), i,
		           options_of(root));
	}
}
