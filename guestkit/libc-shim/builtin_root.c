/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in root: the few files that programs expect where no root directory is given. */
#include <linux/magic.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/pseudo_fs.h"

#ifndef MOTE_VERSION
#define MOTE_VERSION "0"
#endif

#define DIRECTORY(name)                                \
	{                                              \
		.path = (name), .mode = S_IFDIR | 0755 \
	}
#define FILE(name, text)                                                  \
	{                                                                 \
		.path = (name), .mode = S_IFREG | 0644, .content = (text) \
	}

/* The directories are those that file systems are mounted on and that the files below name. */
static const struct pseudo_node root_nodes[] = {
        DIRECTORY(""),
        DIRECTORY("dev"),
        DIRECTORY("etc"),
        DIRECTORY("proc"),
        {.path = "root", .mode = S_IFDIR | 0700},
        DIRECTORY("sys"),
        {.path = "tmp", .mode = S_IFDIR | 01777},
        FILE("etc/group", "root:x:0:\n"
                          "tty:x:5:\n"
                          "nogroup:x:65534:\n"),
        FILE("etc/hostname", SYSTEM_NODE "\n"),
        FILE("etc/hosts", "127.0.0.1\tlocalhost\n"
                          "127.0.1.1\t" SYSTEM_NODE "\n"
                          "::1\tlocalhost ip6-localhost ip6-loopback\n"),
        FILE("etc/nsswitch.conf", "passwd: files\n"
                                  "group: files\n"
                                  "shadow: files\n"
                                  "hosts: files dns\n"
                                  "networks: files\n"
                                  "protocols: files\n"
                                  "services: files\n"),
        FILE("etc/os-release", "NAME=\"Mote\"\n"
                               "ID=mote\n"
                               "VERSION_ID=\"" MOTE_VERSION "\"\n"
                               "PRETTY_NAME=\"Mote " MOTE_VERSION "\"\n"),
        FILE("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
                           "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"),
};

struct inode *builtin_root_create(void)
{
	return pseudo_fs_create(root_nodes, sizeof(root_nodes) / sizeof(root_nodes[0]),
	                        RAMFS_MAGIC);
}
