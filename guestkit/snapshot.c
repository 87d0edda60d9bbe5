/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: getting ready, the hypercall, and what a start from one begins with.
 *
 * How it works
 *
 * The hypercall is the one place from which a guest starts again. What the kit itself never
 * touches, vector registers and the bases of FS and GS, is kept in memory across it: so memory and
 * general registers are all that the VMM must put back to begin a request anew.
 */
#include "guestkit/snapshot.h"

#include <linux/errno.h>
#include <stddef.h>

#include "guestkit/fpu.h"
#include "guestkit/hypercall.h"
#include "guestkit/machine.h"
#include "guestkit/memory.h"
#include "guestkit/random.h"
#include "guestkit/string.h"
#include "guestkit/user.h"
#include "mote/guest.h"

#define MARK_MAX 64

static KIT_LARGE struct {
	_Alignas(FPU_ALIGNMENT) unsigned char fpu[FPU_SIZE_MAX];
	uint64_t fs_base, gs_base;
} kept;

/* The seed first: until then nothing random is given out. */
static void begin_generation(void)
{
	struct mote_generation *generation = &((struct mote_run *)MOTE_RUN_VA)->generation;

	random_seed(generation->seed, sizeof generation->seed);
	memset(generation->seed, 0, sizeof generation->seed);
	memcpy(machine.console, generation->console, sizeof machine.console);
	memcpy(generation->taken, generation->id, sizeof generation->taken);
}

static int64_t call(enum mote_snapshot_point point)
{
	int64_t result;

	fpu_area_init(kept.fpu);
	fpu_save(kept.fpu);
	__asm__ volatile("rdfsbase %0" : "=r"(kept.fs_base));
	__asm__ volatile("rdgsbase %0" : "=r"(kept.gs_base));
	result = hypercall(MOTE_HC_snapshot, point, 0, 0);
	fpu_load(kept.fpu);
	__asm__ volatile("wrfsbase %0" : : "r"(kept.fs_base));
	__asm__ volatile("wrgsbase %0" : : "r"(kept.gs_base));
	return result;
}

int64_t snapshot_take(enum mote_snapshot_point point)
{
	int64_t result;

	if (!snapshot_is_wanted(point))
		return MOTE_SNAPSHOT_NONE;
	result = call(point);
	if (result == MOTE_SNAPSHOT_RESTORED)
		begin_generation();
	return result;
}

/* A mark without a name is called "point". */
static bool is_wanted_mark(uint64_t address)
{
	const char *wanted = machine.snapshot_mark ? machine.snapshot_mark : MOTE_MARK_DEFAULT;
	char name[MARK_MAX] = MOTE_MARK_DEFAULT;

	if (address && user_read_string(name, address, sizeof name) < 0)
		return false;
	return !strcmp(name, wanted);
}

int64_t snapshot_syscall(const uint64_t *arg)
{
	switch (arg[0]) {
	case MOTE_CALL_MARK:
		return snapshot_is_wanted(MOTE_SNAPSHOT_MARK) && is_wanted_mark(arg[1])
		               ? snapshot_take(MOTE_SNAPSHOT_MARK)
		               : MOTE_SNAPSHOT_NONE;
	default: return -EINVAL;
	}
}
