/* SPDX-License-Identifier: Apache-2.0 */
/* /proc: the table of its files. */
#include <linux/magic.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/block_file.h"
#include "guestkit/libc-shim/proc_net.h"
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

#define STORED(name, function, storing)                                                            \
	{                                                                                          \
		.path = (name), .mode = S_IFREG | 0644, .generate = (function), .store = (storing) \
	}
#define STRING_OF(value)  #value
#define DECIMAL_OF(value) STRING_OF(value)

static const struct pseudo_node proc_nodes[] = {
        DIRECTORY(""),
        DIRECTORY("1"),
        MADE("1/auxv", proc_auxv),
        TEXT("1/cgroup", "0::/\n"),
        MADE("1/cmdline", proc_cmdline),
        STORED("1/comm", proc_comm, proc_store_comm),
        MADE_LINK("1/cwd", proc_cwd),
        MADE("1/environ", proc_environ),
        MADE_LINK("1/exe", proc_exe),
        {.path = "1/fd", .mode = S_IFDIR | 0500, .ops = &proc_fd_ops},
        {.path = "1/fdinfo", .mode = S_IFDIR | 0555, .ops = &proc_fdinfo_ops},
        TEXT("1/gid_map", "         0          0 4294967295\n"),
        MADE("1/limits", proc_limits),
        TEXT("1/loginuid", "4294967295"),
        MADE("1/maps", proc_maps),
        MADE("1/mountinfo", proc_mountinfo),
        MADE("1/mounts", proc_mounts),
        DIRECTORY("1/net"),
        MADE("1/net/arp", proc_net_arp),
        MADE("1/net/dev", proc_net_dev),
        MADE("1/net/if_inet6", proc_net_if_inet6),
        MADE("1/net/ipv6_route", proc_net_ipv6_route),
        TEXT("1/net/netlink",
             "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks"
             "    Drops    Inode\n"),
        TEXT("1/net/packet", "sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n"),
        MADE("1/net/raw", proc_net_raw),
        MADE("1/net/raw6", proc_net_raw6),
        MADE("1/net/route", proc_net_route),
        MADE("1/net/sockstat", proc_net_sockstat),
        MADE("1/net/sockstat6", proc_net_sockstat6),
        MADE("1/net/tcp", proc_net_tcp),
        MADE("1/net/tcp6", proc_net_tcp6),
        MADE("1/net/udp", proc_net_udp),
        MADE("1/net/udp6", proc_net_udp6),
        MADE("1/net/unix", proc_net_unix),
        TEXT("1/oom_score", "0\n"),
        STORED("1/oom_score_adj", proc_oom_score_adj, proc_store_oom_score_adj),
        TEXT("1/personality", "00000000\n"),
        LINK("1/root", "/"),
        TEXT("1/setgroups", "allow\n"),
        MADE("1/smaps", proc_smaps),
        MADE("1/stat", proc_stat),
        MADE("1/statm", proc_statm),
        MADE("1/status", proc_status),
        {.path = "1/task", .mode = S_IFDIR | 0555, .ops = &proc_task_ops},
        TEXT("1/uid_map", "         0          0 4294967295\n"),
        TEXT("1/wchan", "0"),
        TEXT("cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"),
        TEXT("cmdline", "\n"),
        MADE("cpuinfo", proc_cpuinfo),
        MADE("diskstats", proc_diskstats),
        TEXT("filesystems",
             "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\toverlay\n\terofs\n"),
        MADE("loadavg", proc_loadavg),
        MADE("meminfo", proc_meminfo),
        TEXT("modules", ""),
        LINK("mounts", "self/mounts"),
        LINK("net", "self/net"),
        MADE("partitions", proc_partitions),
        LINK("self", DECIMAL_OF(PROCESS_ID)),
        MADE("stat", proc_system_stat),
        TEXT("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
        DIRECTORY("sys"),
        DIRECTORY("sys/fs"),
        DIRECTORY("sys/fs/epoll"),
        TEXT("sys/fs/epoll/max_user_watches", "1048576\n"),
        MADE("sys/fs/file-max", proc_file_max),
        MADE("sys/fs/nr_open", proc_file_max),
        TEXT("sys/fs/pipe-max-size", "1048576\n"),
        DIRECTORY("sys/kernel"),
        TEXT("sys/kernel/cap_last_cap", DECIMAL_OF(SYSTEM_LAST_CAP) "\n"),
        TEXT("sys/kernel/core_pattern", "core\n"),
        TEXT("sys/kernel/core_uses_pid", "0\n"),
        TEXT("sys/kernel/domainname", SYSTEM_DOMAIN "\n"),
        MADE("sys/kernel/hostname", proc_hostname),
        TEXT("sys/kernel/ngroups_max", DECIMAL_OF(SYSTEM_GROUPS_MAX) "\n"),
        TEXT("sys/kernel/osrelease", SYSTEM_RELEASE "\n"),
        TEXT("sys/kernel/ostype", SYSTEM_NAME "\n"),
        TEXT("sys/kernel/perf_event_paranoid", "4\n"),
        TEXT("sys/kernel/pid_max", "32768\n"),
        DIRECTORY("sys/kernel/random"),
        MADE("sys/kernel/random/boot_id", proc_boot_id),
        TEXT("sys/kernel/random/entropy_avail", "256\n"),
        TEXT("sys/kernel/random/poolsize", "256\n"),
        MADE("sys/kernel/random/uuid", proc_uuid),
        TEXT("sys/kernel/randomize_va_space", "0\n"),
        TEXT("sys/kernel/threads-max", "32768\n"),
        TEXT("sys/kernel/version", SYSTEM_VERSION "\n"),
        DIRECTORY("sys/net"),
        DIRECTORY("sys/net/core"),
        TEXT("sys/net/core/default_qdisc", "noqueue\n"),
        TEXT("sys/net/core/netdev_max_backlog", "1000\n"),
        TEXT("sys/net/core/optmem_max", "131072\n"),
        TEXT("sys/net/core/rmem_default", "212992\n"),
        TEXT("sys/net/core/rmem_max", "212992\n"),
        TEXT("sys/net/core/somaxconn", "4096\n"),
        TEXT("sys/net/core/wmem_default", "212992\n"),
        TEXT("sys/net/core/wmem_max", "212992\n"),
        DIRECTORY("sys/net/ipv4"),
        TEXT("sys/net/ipv4/icmp_echo_ignore_all", "0\n"),
        TEXT("sys/net/ipv4/ip_default_ttl", "64\n"),
        TEXT("sys/net/ipv4/ip_forward", "0\n"),
        TEXT("sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
        TEXT("sys/net/ipv4/ip_local_reserved_ports", "\n"),
        TEXT("sys/net/ipv4/ip_nonlocal_bind", "0\n"),
        TEXT("sys/net/ipv4/ip_unprivileged_port_start", "1024\n"),
        TEXT("sys/net/ipv4/ping_group_range", "0\t2147483647\n"),
        TEXT("sys/net/ipv4/tcp_allowed_congestion_control", "reno\n"),
        TEXT("sys/net/ipv4/tcp_available_congestion_control", "reno\n"),
        TEXT("sys/net/ipv4/tcp_congestion_control", "reno\n"),
        TEXT("sys/net/ipv4/tcp_fastopen", "0\n"),
        TEXT("sys/net/ipv4/tcp_fin_timeout", "60\n"),
        TEXT("sys/net/ipv4/tcp_keepalive_intvl", "75\n"),
        TEXT("sys/net/ipv4/tcp_keepalive_probes", "9\n"),
        TEXT("sys/net/ipv4/tcp_keepalive_time", "7200\n"),
        TEXT("sys/net/ipv4/tcp_max_syn_backlog", "4096\n"),
        TEXT("sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n"),
        TEXT("sys/net/ipv4/tcp_sack", "1\n"),
        TEXT("sys/net/ipv4/tcp_syncookies", "0\n"),
        TEXT("sys/net/ipv4/tcp_timestamps", "0\n"),
        TEXT("sys/net/ipv4/tcp_tw_reuse", "0\n"),
        TEXT("sys/net/ipv4/tcp_window_scaling", "1\n"),
        TEXT("sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304\n"),
        DIRECTORY("sys/net/ipv6"),
        TEXT("sys/net/ipv6/bindv6only", "0\n"),
        DIRECTORY("sys/net/ipv6/conf"),
        DIRECTORY("sys/net/ipv6/conf/all"),
        TEXT("sys/net/ipv6/conf/all/disable_ipv6", "0\n"),
        TEXT("sys/net/ipv6/conf/all/forwarding", "0\n"),
        DIRECTORY("sys/net/ipv6/conf/default"),
        TEXT("sys/net/ipv6/conf/default/disable_ipv6", "0\n"),
        DIRECTORY("sys/net/ipv6/conf/lo"),
        TEXT("sys/net/ipv6/conf/lo/disable_ipv6", "0\n"),
        DIRECTORY("sys/vm"),
        TEXT("sys/vm/max_map_count", "65530\n"),
        TEXT("sys/vm/mmap_min_addr", "4096\n"),
        TEXT("sys/vm/nr_hugepages", "0\n"),
        TEXT("sys/vm/overcommit_memory", "0\n"),
        TEXT("sys/vm/overcommit_ratio", "50\n"),
        TEXT("sys/vm/swappiness", "60\n"),
        MADE_LINK("thread-self", proc_thread_self),
        MADE("uptime", proc_uptime),
        TEXT("version", SYSTEM_NAME " version " SYSTEM_RELEASE " (mote@mote) " SYSTEM_VERSION "\n"),
};

struct inode *procfs_create(void)
{
	return pseudo_fs_create(proc_nodes, sizeof(proc_nodes) / sizeof(proc_nodes[0]),
	                        PROC_SUPER_MAGIC);
}
