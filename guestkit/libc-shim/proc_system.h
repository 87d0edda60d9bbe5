/* SPDX-License-Identifier: Apache-2.0 */
/* The files of /proc that tell of the whole system; entries of the table in procfs.c. */
#ifndef MOTE_LIBC_SHIM_PROC_SYSTEM_H
#define MOTE_LIBC_SHIM_PROC_SYSTEM_H

#include "guestkit/libc-shim/text.h"

void proc_boot_id(struct text *text);
void proc_cpuinfo(struct text *text);
void proc_file_max(struct text *text);
void proc_loadavg(struct text *text);
void proc_meminfo(struct text *text);
void proc_system_stat(struct text *text);
void proc_hostname(struct text *text);
void proc_uptime(struct text *text);
void proc_uuid(struct text *text);

#endif
