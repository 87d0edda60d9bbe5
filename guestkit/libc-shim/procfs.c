/* SPDX-License-Identifier: Apache-2.0 */
/* /proc: the table of its files. */
#include <linux/magic.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/proc_self.h"
#include "guestkit/libc-shim/proc_system.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/pseudo_fs.h"

#define DIRECTORY(name)                                \
	{                                              \
		.path = (name), .mode = S_IFDIR | 0555 \
	}
#define MADE(name, function)                                                   \
	{                                                                      \
		.path = (name), .mode = S_IFREG | 0444, .generate = (function) \
	}
#define TEXT(name, text)                                                  \
	{                                                                 \
		.path = (name), .mode = S_IFREG | 0444, .content = (text) \
	}
#define LINK(name, target)                                                  \
	{                                                                   \
		.path = (name), .mode = S_IFLNK | 0777, .content = (target) \
	}
#define MADE_LINK(name, function)                                              \
	{                                                                      \
		.path = (name), .mode = S_IFLNK | 0777, .generate = (function) \
	}

#define STRING_OF(value)  #value
#define DECIMAL_OF(value) STRING_OF(value)

static const struct pseudo_node proc_nodes[] = {
        DIRECTORY(""),
        DIRECTORY("1"),
        MADE("1/auxv", proc_auxv),
        MADE("1/cmdline", proc_cmdline),
        MADE("1/comm", proc_comm),
        MADE_LINK("1/cwd", proc_cwd),
        MADE("1/environ", proc_environ),
        MADE_LINK("1/exe", proc_exe),
        {.path = "1/fd", .mode = S_IFDIR | 0500, .ops = &proc_fd_ops},
        MADE("1/limits", proc_limits),
        MADE("1/maps", proc_maps),
        MADE("1/mountinfo", proc_mountinfo),
        MADE("1/mounts", proc_mounts),
        TEXT("1/oom_score_adj", "0\n"),
        LINK("1/root", "/"),
        MADE("1/stat", proc_stat),
        MADE("1/statm", proc_statm),
        MADE("1/status", proc_status),
        MADE("cpuinfo", proc_cpuinfo),
        TEXT("filesystems", "nodev\tproc\nnodev\ttmpfs\nnodev\tdevtmpfs\nnodev\tramfs\n\terofs\n"),
        MADE("loadavg", proc_loadavg),
        MADE("meminfo", proc_meminfo),
        LINK("mounts", "self/mounts"),
        LINK("self", DECIMAL_OF(PROCESS_ID)),
        MADE("stat", proc_system_stat),
        DIRECTORY("sys"),
        DIRECTORY("sys/fs"),
        MADE("sys/fs/file-max", proc_file_max),
        MADE("sys/fs/nr_open", proc_file_max),
        TEXT("sys/fs/pipe-max-size", "1048576\n"),
        DIRECTORY("sys/kernel"),
        TEXT("sys/kernel/cap_last_cap", DECIMAL_OF(SYSTEM_LAST_CAP) "\n"),
        MADE("sys/kernel/hostname", proc_hostname),
        TEXT("sys/kernel/ngroups_max", DECIMAL_OF(SYSTEM_GROUPS_MAX) "\n"),
        TEXT("sys/kernel/osrelease", SYSTEM_RELEASE "\n"),
        TEXT("sys/kernel/ostype", SYSTEM_NAME "\n"),
        TEXT("sys/kernel/pid_max", "32768\n"),
        DIRECTORY("sys/kernel/random"),
        MADE("sys/kernel/random/boot_id", proc_boot_id),
        TEXT("sys/kernel/random/entropy_avail", "256\n"),
        MADE("sys/kernel/random/uuid", proc_uuid),
        TEXT("sys/kernel/version", SYSTEM_VERSION "\n"),
        DIRECTORY("sys/net"),
        DIRECTORY("sys/net/core"),
        TEXT("sys/net/core/somaxconn", "4096\n"),
        DIRECTORY("sys/vm"),
        TEXT("sys/vm/max_map_count", "65530\n"),
        TEXT("sys/vm/overcommit_memory", "0\n"),
        MADE("uptime", proc_uptime),
        TEXT("version", SYSTEM_NAME " version " SYSTEM_RELEASE " (mote@mote) " SYSTEM_VERSION "\n"),
};

struct inode *procfs_create(void)
{
	return pseudo_fs_create(proc_nodes, sizeof(proc_nodes) / sizeof(proc_nodes[0]),
	                        PROC_SUPER_MAGIC);
}
