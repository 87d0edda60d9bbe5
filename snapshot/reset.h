/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the memory of a VM back to what a snapshot has, in place: docs/snapshots.md, "Reset".
 *
 * How it works. KVM notes in its dirty log which pages the guest writes, the accessor of guest
 * memory which ones the VMM may have written or discarded. A reset makes them equal the snapshot's.
 * A page once written stays writable and stays in the set (a first write costs as much as fifty
 * copies), until it has been found unchanged RESET_AGE times in a row: then it is given back to the
 * host, and KVM is told to watch it anew. So is all of a set that is larger than RESET_COPY_MAX.
 *
 * Pages of page tables are different (docs/decisions/002-page-tables.md): KVM, or the processor's
 * TLB, may hold what they said. They are watched anew after each reset, so that their bits tell of
 * this round alone; if one was written, translations are dropped after its bytes went back, even
 * if these are as they were.
 */
#ifndef MOTE_SNAPSHOT_RESET_H
#define MOTE_SNAPSHOT_RESET_H

#include "snapshot/page_copy.h"
#include "snapshot/snapshot.h"
#include "vmm/kvm.h"

/* Rounds in a row that find a page unchanged before it leaves the set. */
#define RESET_AGE 50
/* Pages of a set that are copied; of a larger one, all are mapped anew. */
#define RESET_COPY_MAX 8192

/* What resets have done so far, for --stats, tests and benchmarks. */
struct reset_counts {
	uint64_t rounds;
	uint64_t pages;    /* looked at */
	uint64_t changed;  /* of these, put back */
	uint64_t aged;     /* left the set by and by */
	uint64_t remapped; /* given back to the host */
	uint64_t flushes;  /* rounds in which a page table was written */
};

struct reset {
	struct kvm *kvm;
	struct guest_memory *memory;
	const struct snapshot *snapshot;
	bool is_shadowing;    /* KVM shadows the guest's page tables */
	uint64_t *dirty;      /* bits of the round; @touched of memory is as long */
	uint64_t touched_end; /* of memory */
	uint64_t *watch;      /* bits that KVM is to watch anew */
	uint64_t *tables;     /* bits: what the snapshot's page tables consist of */
	const void **golden;  /* of each page; NULL: not looked up yet */
	unsigned char *quiet; /* rounds in a row that found it unchanged */
	page_copy_back *copy_back;
	void *flush_page; /* of the slot whose removal drops translations */
	bool has_moved;   /* where that slot is now */
	bool was_flushed; /* by the last round */
	bool is_changed;  /* tables and golden are of another snapshot */
	struct reset_counts counts;
};

/**
 * reset_prepare() - Have everything noted from now on that a reset needs.
 * @kvm: without RAM: what kvm_add_ram() adds from now on has a dirty log
 * @memory: the snapshot's pages are mapped already; gets its bitmap of touched pages
 *
 * For phase load: nothing is allocated later. Errors: a KVM without
 * KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 (Linux before 5.1), memory.
 */
int reset_prepare(struct reset *reset, struct kvm *kvm, struct guest_memory *memory,
                  const struct snapshot *snapshot, struct mote_error *err);

/**
 * reset_memory() - Put all pages back that may have changed since the last call.
 *
 * The vCPU does not run. Clock page and run page are put back, too: the caller writes what the next
 * run needs there. reset->was_flushed tells whether page tables had been written: then the guest
 * may have been at CPL 0, and the vCPU's special registers must be set anew to drop what its TLB
 * has.
 */
int reset_memory(struct reset *reset, struct mote_error *err);

/**
 * reset_change() - All of memory has been mapped anew, from another snapshot of as much RAM.
 *
 * Drops what KVM has made of the page tables before. What resets need of the other snapshot is
 * found at the first one.
 */
int reset_change(struct reset *reset, const struct snapshot *snapshot, struct mote_error *err);

void reset_free(struct reset *reset);

#endif
