/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps KVM's answer about CPU features between runs, for one boot of one host. */
#ifndef MOTE_VMM_CPUID_CACHE_H
#define MOTE_VMM_CPUID_CACHE_H

#include <stdbool.h>

#include "vmm/cpuid.h"

/* What an entry is valid for: compared as a whole. */
struct cpuid_cache_key {
	char boot_id[40];        /* this boot of this kernel; zeros where device_time tells it */
	uint64_t device_time[2]; /* /dev/kvm's ctime: changes when the KVM module is loaded anew */
	uint32_t cpu[8];         /* leaves 1 and 7: a machine that moved to another host */
};

struct cpuid_cache {
	bool is_usable; /* there is a directory to keep it in */
	struct cpuid_cache_key key;
};

/* Where the cache file is; false when the user has no cache directory. Used by confine options. */
bool cpuid_cache_directory(char *path, size_t size);

/**
 * cpuid_cache_load() - Look the answer up.
 * @cache:  filled for cpuid_cache_store()
 * @system: /dev/kvm
 *
 * The file is hostile: owner and mode are checked, its size is exact, its content is bounded.
 * Return: whether @cpuid was filled.
 */
bool cpuid_cache_load(struct cpuid_cache *cache, int system, struct cpuid *cpuid);

/* Keep an answer. Failing to do so is no error: the next run asks KVM again. */
void cpuid_cache_store(const struct cpuid_cache *cache, const struct cpuid *cpuid);

#endif
