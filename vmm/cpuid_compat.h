/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a guest that has begun on one CPU can go on on another. */
#ifndef MOTE_VMM_CPUID_COMPAT_H
#define MOTE_VMM_CPUID_COMPAT_H

#include "vmm/cpuid.h"

/* This host's CPU: 12 bytes of vendor (leaf 0), and family, model and stepping (leaf 1, EAX). */
void cpuid_identify(char vendor[12], uint32_t *signature);

/**
 * cpuid_check_compatible() - Check that this host can give all features that a guest has seen.
 * @wanted: of the guest: hostile
 * @host:   filtered for the same model of CPU
 * @model:  of CPU_BASELINE the vendor does not count: it has no features of one vendor alone
 * @name:   of the snapshot, for messages
 */
int cpuid_check_compatible(struct cpuid *wanted, struct cpuid *host, enum cpu_model model,
                           const char *name, struct mote_error *err);

#endif
