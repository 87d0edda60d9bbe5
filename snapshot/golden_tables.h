/* SPDX-License-Identifier: Apache-2.0 */
/* Which pages of a snapshot are its page tables. */
#ifndef MOTE_SNAPSHOT_GOLDEN_TABLES_H
#define MOTE_SNAPSHOT_GOLDEN_TABLES_H

#include "snapshot/snapshot.h"

/**
 * golden_tables_find() - Walk a snapshot's page tables from CR3.
 * @ram_size: bytes
 * @found: a bit for each page of RAM, set where it is a table of any level
 *
 * The tables are the guest's: what they say is checked, and each is looked into at most once as one
 * of each level.
 */
int golden_tables_find(const struct snapshot *snapshot, uint64_t ram_size, uint64_t *found,
                       struct mote_error *err);

#endif
