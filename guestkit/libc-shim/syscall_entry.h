/* SPDX-License-Identifier: Apache-2.0 */
/* One line of the system-call table. */
#ifndef MOTE_LIBC_SHIM_SYSCALL_ENTRY_H
#define MOTE_LIBC_SHIM_SYSCALL_ENTRY_H

#include "guestkit/libc-shim/syscall.h"

struct syscall_entry {
	syscall_handler *handler;
	const char *name;
	const char *arguments; /* letters, see syscall_table.h */
};

#endif
