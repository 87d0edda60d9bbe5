/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls: how a family of them plugs in.
 *
 * A handler takes the six raw arguments and returns what the application finds in RAX: a result or
 * a negative errno. Handlers are named sys_NAME and listed once, in syscall_table.h, from which
 * numbers, names, --strace and the documented coverage come.
 */
#ifndef MOTE_LIBC_SHIM_SYSCALL_H
#define MOTE_LIBC_SHIM_SYSCALL_H

#include <stdbool.h>
#include <stdint.h>

#include "guestkit/context.h"

typedef int64_t syscall_handler(const uint64_t *arg);

/* Declares every handler. */
#define SYSCALL(number, name, arguments) syscall_handler sys_##name;
#include "guestkit/libc-shim/syscall_table.h"
#undef SYSCALL

/*
 * The context of the system call being served is thread_context(thread_current), for the few calls
 * that change registers. A handler that has replaced it (rt_sigreturn), so that its RAX is the
 * application's, sets thread_current->is_context_replaced.
 */

/**
 * syscall_dispatch() - Serve one system call; called by entry.S.
 *
 * Return: whether every register must be restored from the context, RCX and R11 too.
 */
bool syscall_dispatch(struct context *context);

/* The same for a call that came through a stub of patch.c; called by entry.S. */
bool syscall_from_stub(struct context *context);

#endif
