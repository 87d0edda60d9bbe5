/* SPDX-License-Identifier: Apache-2.0 */
/* /sys: the few files that programs read to learn of processors and memory. */
#include <linux/magic.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/block_file.h"
#include "guestkit/libc-shim/pseudo_fs.h"
#include "guestkit/libc-shim/sys_net.h"

#define DIRECTORY(name)                                \
	{                                              \
		.path = (name), .mode = S_IFDIR | 0555 \
	}
#define TEXT(name, text)                                                  \
	{                                                                 \
		.path = (name), .mode = S_IFREG | 0444, .content = (text) \
	}

/* One processor on one node; huge pages come by themselves (guestkit/populate.c). */
static const struct pseudo_node sys_nodes[] = {
        DIRECTORY(""),
        DIRECTORY("block"),
        DIRECTORY("class"),
        {.path = "class/net", .mode = S_IFDIR | 0755, .ops = &sys_net_ops},
        DIRECTORY("devices"),
        DIRECTORY("devices/system"),
        DIRECTORY("devices/system/cpu"),
        DIRECTORY("devices/system/cpu/cpu0"),
        DIRECTORY("devices/system/cpu/cpu0/topology"),
        TEXT("devices/system/cpu/cpu0/topology/core_id", "0\n"),
        TEXT("devices/system/cpu/cpu0/topology/core_siblings", "1\n"),
        TEXT("devices/system/cpu/cpu0/topology/core_siblings_list", "0\n"),
        TEXT("devices/system/cpu/cpu0/topology/physical_package_id", "0\n"),
        TEXT("devices/system/cpu/cpu0/topology/thread_siblings", "1\n"),
        TEXT("devices/system/cpu/cpu0/topology/thread_siblings_list", "0\n"),
        TEXT("devices/system/cpu/isolated", "\n"),
        TEXT("devices/system/cpu/kernel_max", "0\n"),
        TEXT("devices/system/cpu/offline", "\n"),
        TEXT("devices/system/cpu/online", "0\n"),
        TEXT("devices/system/cpu/possible", "0\n"),
        TEXT("devices/system/cpu/present", "0\n"),
        DIRECTORY("devices/system/node"),
        DIRECTORY("devices/system/node/node0"),
        TEXT("devices/system/node/node0/cpulist", "0\n"),
        TEXT("devices/system/node/node0/cpumap", "1\n"),
        TEXT("devices/system/node/node0/distance", "10\n"),
        TEXT("devices/system/node/online", "0\n"),
        TEXT("devices/system/node/possible", "0\n"),
        DIRECTORY("fs"),
        DIRECTORY("fs/cgroup"),
        DIRECTORY("kernel"),
        DIRECTORY("kernel/mm"),
        DIRECTORY("kernel/mm/hugepages"),
        DIRECTORY("kernel/mm/transparent_hugepage"),
        TEXT("kernel/mm/transparent_hugepage/defrag",
             "[always] defer defer+madvise madvise never\n"),
        TEXT("kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"),
        TEXT("kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n"),
        TEXT("kernel/mm/transparent_hugepage/shmem_enabled",
             "always within_size advise [never] deny force\n"),
        DIRECTORY("module"),
};

struct inode *sysfs_create(void)
{
	size_t count = sizeof(sys_nodes) / sizeof(sys_nodes[0]);
	const struct pseudo_node *nodes = block_sys_nodes(sys_nodes, &count);

	return pseudo_fs_create(nodes, count, SYSFS_MAGIC);
}
