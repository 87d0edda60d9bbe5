/* SPDX-License-Identifier: Apache-2.0 */
/* /sys/class/net: an entry of the table in sysfs.c. */
#ifndef MOTE_LIBC_SHIM_SYS_NET_H
#define MOTE_LIBC_SHIM_SYS_NET_H

#include "guestkit/libc-shim/vfs.h"

extern const struct inode_ops sys_net_ops;

#endif
