/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Physical memory of the guest: page frames, the direct map, and the kit's heap.
 *
 * Frames are named by their guest-physical address; 0 is no frame. Everything the allocator hands
 * out lies in the direct map. Frames that were used once are given back to the host in batches.
 */
#ifndef MOTE_GUESTKIT_MEMORY_H
#define MOTE_GUESTKIT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mote/abi.h"

/* A large zeroed object of which a start touches nothing: kept apart from what it does touch. */
#ifdef MOTE_HOSTED
#define KIT_LARGE
#define KIT_FIRST(order)
#else
#define KIT_LARGE        __attribute__((section(".lbss")))
/* The same for one of which a start touches the beginning; placed by @order. */
#define KIT_FIRST(order) __attribute__((section(".lbss.first." #order)))
#endif

#define PAGE_SIZE MOTE_PAGE_SIZE
#define PAGE_MASK (~(PAGE_SIZE - 1))

static inline uint64_t page_round_up(uint64_t value)
{
	return (value + PAGE_SIZE - 1) & PAGE_MASK;
}

/**
 * direct_map() - Address of physical memory in the kit's direct map.
 * @physical: guest-physical address in RAM, at or above mote_boot.direct_start
 */
#ifdef MOTE_HOSTED /* unit tests bring their own */
void *direct_map(uint64_t physical);
uint64_t direct_physical(const void *address);
#else
static inline void *direct_map(uint64_t physical)
{
	return (void *)(MOTE_DIRECT_VA + physical);
}

/* Inverse of direct_map(). */
static inline uint64_t direct_physical(const void *address)
{
	return (uint64_t)address - MOTE_DIRECT_VA;
}
#endif

/**
 * page_alloc() - Take @count physically contiguous frames; their content is undefined.
 * page_alloc_zeroed() - The same, reading as zeros. Frames never used before cost no touch.
 *
 * Return: guest-physical address of the first, or 0 when memory is short.
 */
uint64_t page_alloc(size_t count);
uint64_t page_alloc_zeroed(size_t count);

/* Give frames back; any part of an earlier allocation may be freed by itself. */
void page_free(uint64_t physical, size_t count);

/* Frames now free; with those that the host has for now, and gives back when memory is short;
 * frames in all (free at boot). */
size_t page_free_count(void);
size_t page_available_count(void);
size_t page_total_count(void);

/**
 * heap_alloc() - Allocate from the kit's heap: zeroed, aligned to 16 bytes.
 *
 * Return: memory to be given to heap_free(), or NULL when memory is short.
 */
void *heap_alloc(size_t size);

/* Resize, keeping content; new bytes are zero. On failure returns NULL and leaves @old alone. */
void *heap_resize(void *old, size_t size);

/* Free; NULL is allowed. */
void heap_free(void *memory);

#endif
