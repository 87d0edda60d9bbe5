/* SPDX-License-Identifier: Apache-2.0 */
/* Which processors threads and workers run on. */
#include "serve/processors.h"

#include <sched.h>
#include <stdbool.h>

static struct {
	cpu_set_t allowed;
	bool binds;
	unsigned next; /* thread's turn */
} state;

static _Thread_local int own = PROCESSORS_ANY;

unsigned processors_count(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);

	return count > 0 ? (unsigned)count : 1;
}

void processors_learn(unsigned threads)
{
	state.binds = !sched_getaffinity(0, sizeof state.allowed, &state.allowed) &&
	              threads <= (unsigned)CPU_COUNT(&state.allowed);
}

/* The @index-th that is allowed. */
static int choose(unsigned index)
{
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &state.allowed) && !index--)
			return i;
	return PROCESSORS_ANY;
}

void processors_bind_thread(void)
{
	cpu_set_t set;
	int processor;

	if (!state.binds || own != PROCESSORS_ANY)
		return;
	processor = choose(__atomic_fetch_add(&state.next, 1, __ATOMIC_RELAXED) %
	                   (unsigned)CPU_COUNT(&state.allowed));
	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	if (!sched_setaffinity(0, sizeof set, &set))
		own = processor;
}

int processors_own(void)
{
	return own;
}

void processors_bind_process(pid_t pid, int processor)
{
	cpu_set_t set = state.allowed;

	if (processor != PROCESSORS_ANY) {
		CPU_ZERO(&set);
		CPU_SET(processor, &set);
	}
	sched_setaffinity(pid, sizeof set, &set);
}
