/* SPDX-License-Identifier: Apache-2.0 */
/* Serves system calls: from the table to the handler, and back through pending signals. */
#include "guestkit/libc-shim/syscall.h"

#include <asm/unistd_64.h>
#include <linux/errno.h>
#include <stddef.h>

#include "guestkit/console.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/strace.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/machine.h"
#include "guestkit/patch.h"
#include "guestkit/retired.h"
#include "guestkit/thread.h"

#define SYSCALL_LIMIT 512
#define RFLAGS_TF     0x100u

/* Dense, and an index by number that is 0 for calls not served: few pages. */
enum syscall_index {
	SYSCALL_NOT_SERVED,
#define SYSCALL(number, name, arguments) SYSCALL_##name,
#include "guestkit/libc-shim/syscall_table.h"
#undef SYSCALL
};

static const uint8_t index_of[SYSCALL_LIMIT] = {
#define SYSCALL(number, name, arguments) [number] = SYSCALL_##name,
#include "guestkit/libc-shim/syscall_table.h"
#undef SYSCALL
};

static syscall_handler *const handlers[] = {
#define SYSCALL(number, name, arguments) [SYSCALL_##name] = sys_##name,
#include "guestkit/libc-shim/syscall_table.h"
#undef SYSCALL
};

/* Named once on stderr, so that a program that lives without the call is not drowned. */
static int64_t unknown(uint64_t number)
{
	static uint64_t said[SYSCALL_LIMIT / 64];

	if (number >= SYSCALL_LIMIT) {
		static bool has_said_large;

		if (!has_said_large)
			kit_print("mote: guest: system call %lu is not served (ENOSYS)\n", number);
		has_said_large = true;
	} else if (!(said[number / 64] >> number % 64 & 1)) {
		said[number / 64] |= 1UL << number % 64;
		kit_print("mote: guest: system call %lu is not served (ENOSYS); see "
		          "docs/syscalls.md\n",
		          number);
	}
	return -ENOSYS;
}

static int64_t call(uint64_t number, const uint64_t *arg)
{
	return number < SYSCALL_LIMIT && index_of[number] ? handlers[index_of[number]](arg)
	                                                  : unknown(number);
}

/* Serve the call that @context holds; true when every register must come from it afterwards. */
static bool serve(struct context *context)
{
	const uint64_t arg[6] = {context->rdi, context->rsi, context->rdx,
	                         context->r10, context->r8,  context->r9};
	int64_t result;

	((struct mote_run *)MOTE_RUN_VA)->syscalls++;
	thread_current->is_context_replaced = false;
	if (retired_is_reserved && context->number != __NR_mprotect)
		retired_settle();
	result = machine.strace ? strace_call(context->number, arg, call)
	                        : call(context->number, arg);
	if (!thread_current->is_context_replaced)
		context->rax = (uint64_t)result;
	if (thread_current->held_count)
		file_release_held();
	thread_leave_kit();
	if (signal_deliver(context))
		return true;
	return thread_current->is_context_replaced || context->rflags & RFLAGS_TF;
}

bool syscall_from_stub(struct context *context)
{
	bool is_full = serve(context);

	if (is_full)
		patch_resume(context);
	return is_full;
}

bool syscall_dispatch(struct context *context)
{
	uint32_t changes = patch_changes;
	bool is_full;

	patch_consider(context);
	is_full = serve(context) || changes != patch_changes;
	if (is_full)
		patch_resume(context);
	return is_full;
}
