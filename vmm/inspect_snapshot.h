/* SPDX-License-Identifier: Apache-2.0 */
/* What `mote inspect` says of a snapshot. */
#ifndef MOTE_VMM_INSPECT_SNAPSHOT_H
#define MOTE_VMM_INSPECT_SNAPSHOT_H

#include <stdbool.h>

#include "vmm/error.h"

/**
 * inspect_snapshot() - Verify a snapshot and print what is in it.
 * @is_json:     one JSON object
 * @lists_pages: every run of pages, too (not with @is_json)
 */
int inspect_snapshot(const char *path, bool is_json, bool lists_pages, struct mote_error *err);

#endif
