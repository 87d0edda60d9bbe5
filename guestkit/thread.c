/* SPDX-License-Identifier: Apache-2.0 */
/* Threads: making and ending them. */
#include "guestkit/thread.h"

#include <stddef.h>

#include "guestkit/fpu.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/memory.h"
#include "guestkit/pages.h"
#include "guestkit/string.h"

/* A thread is one block of frames: struct thread, vector registers, and the stack down to them. */
#define BLOCK_PAGES     4
#define BLOCK_SIZE      (BLOCK_PAGES * PAGE_SIZE)
#define FPU_OFFSET      512
#define BLOCKS_KEPT     64         /* of ended threads, for the next ones */
#define SAVED_BY_SWITCH 6          /* registers */
#define ID_MAX          0x3fffffff /* FUTEX_TID_MASK */

_Static_assert(sizeof(struct thread) <= FPU_OFFSET, "vector registers follow it");
_Static_assert(FPU_OFFSET % FPU_ALIGNMENT == 0, "as XSAVE wants it");

/* entry.S */
extern const unsigned char thread_begin[];
/* kit.lds: the stack that the kit starts on */
extern unsigned char kit_stack_top[];

static KIT_LARGE _Alignas(FPU_ALIGNMENT) unsigned char first_fpu[FPU_SIZE_MAX];

static struct thread first_thread = {
        .id = PROCESS_ID,
        .stack_end = (uint64_t)kit_stack_top - 8,
        .fpu = first_fpu,
        .state = THREAD_RUNNABLE,
        .signal.stack.flags = STACK_DISABLED,
        .canary = THREAD_CANARY,
};

struct thread *thread_current = &first_thread;
struct thread *thread_first = &first_thread;
static struct thread *thread_last = &first_thread;
unsigned thread_count = 1;
struct signal_thread *signal_thread = &first_thread.signal;

static struct thread *free_blocks; /* by run_next; the last that ended may still stand on its */
static unsigned free_block_count;

static int32_t new_id(void)
{
	static int32_t last = PROCESS_ID;

	do
		last = last < ID_MAX ? last + 1 : PROCESS_ID + 1;
	while (thread_find(last));
	return last;
}

static struct thread *take_block(void)
{
	struct thread *thread = free_blocks;
	uint64_t physical;

	if (thread) {
		free_blocks = thread->run_next;
		free_block_count--;
		return thread;
	}
	physical = page_alloc_aligned(BLOCK_PAGES, BLOCK_PAGES);
	return physical ? direct_map(physical) : NULL;
}

static void keep_block(struct thread *thread)
{
	/* Not of the running thread: its stack is in use until the switch. */
	while (free_blocks && free_block_count >= BLOCKS_KEPT) {
		struct thread *old = free_blocks;

		free_blocks = old->run_next;
		free_block_count--;
		page_free(direct_physical(old), BLOCK_PAGES);
	}
	thread->run_next = free_blocks;
	free_blocks = thread;
	free_block_count++;
}

/* What thread_switch_stack() finds on the stack of a thread that has not run yet. */
static void prepare_stack(struct thread *thread)
{
	uint64_t *rsp = (uint64_t *)thread_context(thread);

	*--rsp = (uint64_t)thread_begin;
	for (unsigned i = 0; i < SAVED_BY_SWITCH; i++)
		*--rsp = 0;
	thread->kit_rsp = (uint64_t)rsp;
}

struct thread *thread_create(void)
{
	const struct thread *parent = thread_current;
	struct thread *thread = take_block();

	if (!thread)
		return NULL;
	*thread = (struct thread){
	        .stack_end = (uint64_t)thread + BLOCK_SIZE - 8,
	        .fpu = (unsigned char *)thread + FPU_OFFSET,
	        .id = new_id(),
	        .state = THREAD_SLEEPING,
	        .signal = {.blocked = parent->signal.blocked, .stack.flags = STACK_DISABLED},
	        .wishes = parent->wishes,
	        .previous = thread_last,
	        .canary = THREAD_CANARY,
	};
	memcpy(thread->name, parent->name[0] ? parent->name : process.name, sizeof thread->name);
	*thread_context(thread) = *thread_context(parent);
	thread_context(thread)->rax = 0;
	prepare_stack(thread);
	fpu_area_init(thread->fpu);
	fpu_save(thread->fpu);
	__asm__ volatile("rdfsbase %0" : "=r"(thread->fs_base));
	__asm__ volatile("rdgsbase %0" : "=r"(thread->gs_base));
	thread_last->next = thread;
	thread_last = thread;
	thread_count++;
	return thread;
}

static void remove(struct thread *thread)
{
	*(thread->previous ? &thread->previous->next : &thread_first) = thread->next;
	*(thread->next ? &thread->next->previous : &thread_last) = thread->previous;
	thread_count--;
	thread->state = THREAD_ENDED;
	signal_thread_end(&thread->signal);
	if (thread != &first_thread)
		keep_block(thread);
}

void thread_discard(struct thread *thread)
{
	remove(thread);
}

void thread_end(void)
{
	remove(thread_current);
	thread_switch_for_good();
}

void thread_end_others(void)
{
	for (struct thread *thread = thread_first; thread; thread = thread->next) {
		if (thread == thread_current)
			continue;
		thread->is_dying = true;
		thread_wake(thread);
	}
	while (thread_count > 1)
		thread_yield();
	thread_current->id = PROCESS_ID;
}

struct thread *thread_find(int32_t id)
{
	struct thread *thread = thread_first;

	while (thread && thread->id != id)
		thread = thread->next;
	return thread;
}
