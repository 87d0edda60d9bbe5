/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device tree of a start from a snapshot: that of the snapshot (section RESOURCES), with what
 * whoever restores it has replaced. docs/snapshots.md
 */
#ifndef MOTE_VMM_START_TREE_H
#define MOTE_VMM_START_TREE_H

#include "vmm/devices.h"
#include "vmm/options.h"

/**
 * start_tree_keep() - Copy the tree that a guest starts with, for a later snapshot.
 *
 * Its seed is not in the copy. Return: NULL when memory is short.
 */
void *start_tree_keep(const void *tree, size_t size);

/**
 * start_tree_build() - Build the tree of a start.
 * @old, @old_size: section RESOURCES; hostile
 * @devices:        restored
 * @tree:           set to the tree, which is the caller's to free, or to NULL: it is the old one
 *
 * Arguments, environment and host name are replaced where @options have any, and all devices.
 */
int start_tree_build(const void *old, size_t old_size, const struct run_options *options,
                     const struct devices *devices, void **tree, size_t *size,
                     struct mote_error *err);

#endif
