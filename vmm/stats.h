/* SPDX-License-Identifier: Apache-2.0 */
/* --stats: what a run cost. The keys of the JSON object are documented in docs/stats.md and stay.
 */
#ifndef MOTE_VMM_STATS_H
#define MOTE_VMM_STATS_H

#include "vmm/options.h"
#include "vmm/vm.h"

/* Print to stderr; after the guest is over. */
void stats_print(const struct vm *vm, enum stats_format format);

#endif
