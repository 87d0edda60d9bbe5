/* SPDX-License-Identifier: Apache-2.0 */
/* Takes a snapshot of a VM. docs/snapshots.md */
#ifndef MOTE_VMM_VM_SAVE_H
#define MOTE_VMM_VM_SAVE_H

#include "snapshot/snapshot_write.h"
#include "vmm/new_file.h"
#include "vmm/vm.h"

/**
 * vm_save_prepare() - Get everything that taking a snapshot needs, before confinement.
 *
 * For a VM whose options ask for a snapshot or for a control socket; nothing is done for others.
 * Sets vm->save.
 */
int vm_save_prepare(struct vm *vm, struct mote_error *err);

/**
 * vm_save_keep_start() - The devices and the tree that the guest starts with are there: keep what a
 * snapshot has of them. Nothing is done where none may be wanted.
 */
int vm_save_keep_start(struct vm *vm, const void *tree, size_t size, struct mote_error *err);

/* Whether somebody outside wants one at the guest's next safe moment. */
bool vm_wants_snapshot(const struct vm *vm);

/**
 * vm_save_want() - Tell the guest at which points a snapshot is wanted: those of the options, until
 * it was taken, and outside of them where vm_wants_snapshot().
 */
void vm_save_want(struct vm *vm);

/* What a snapshot cannot carry, a line each; text of the guest. */
struct vm_problems {
	char *text;
	size_t of_guest; /* bytes: what the guest can cut */
	size_t length;   /* in all: what devices leave behind stands at the end */
};

/* What the guest, in its call, and the devices name. Return: 0 or -EFAULT. */
int vm_save_problems(struct vm *vm, mote_gpa_t gpa, uint64_t length, struct vm_problems *problems);

/* Before confinement: read the key of snapshots, where the options name one. */
int vm_save_read_key(struct vm *vm, struct mote_error *err);

/**
 * vm_save_point() - Serve the hypercall `snapshot`.
 * @point:  enum mote_snapshot_point; hostile, as all arguments
 * @gpa, @length: text that names what cannot be carried
 *
 * Return: what the hypercall returns (mote/abi.h).
 */
int64_t vm_save_point(struct vm *vm, uint64_t point, mote_gpa_t gpa, uint64_t length);

/**
 * vm_save_new() - Write one to a file of its own, of a VM that stands at VM_PAUSE_POINT.
 * @file: of new_file_create()
 *
 * Return: 0; 1: the guest cuts what cannot be carried, and comes back to this point; -1 with @err:
 * there is none, and the guest can go on.
 */
int vm_save_new(struct vm *vm, const struct new_file *file, struct mote_error *err);

/* Give back what vm_save_prepare() has got. */
void vm_save_close(struct vm *vm);

/**
 * vm_save_write() - Write a snapshot of a VM that stands at the hypercall `snapshot`.
 * @fd:   see snapshot_write()
 * @base: NULL: a full one
 *
 * The vCPU is behind the hypercall afterwards, whose result is then MOTE_SNAPSHOT_TAKEN.
 */
int vm_save_write(struct vm *vm, int fd, enum mote_snapshot_point point,
                  const struct snapshot *base, struct snapshot_written *written,
                  struct mote_error *err);

/**
 * vm_save_finish() - The guest has ended: what became of the snapshot that the options ask for.
 *
 * Return: 0, or -1 with @err where there is none.
 */
int vm_save_finish(struct vm *vm, struct mote_error *err);

/**
 * vm_identify() - What a snapshot tells a file by.
 * @bytes: NULL: all zeros
 *
 * Identity only: what it guards against is a mistake (docs/snapshot-format.md).
 */
void vm_identify(const void *bytes, size_t size, uint8_t id[16]);

/* The same of the root image: of its first page, which has its superblock. */
void vm_identify_root(const struct vm *vm, uint8_t id[16]);

#endif
