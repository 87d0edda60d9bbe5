/* SPDX-License-Identifier: Apache-2.0 */
/* Gives frames to mapped pages. */
#ifndef MOTE_GUESTKIT_POPULATE_H
#define MOTE_GUESTKIT_POPULATE_H

#include <stdbool.h>
#include <stdint.h>

/* Page-table rights (PTE_WRITABLE, PTE_NO_EXEC) for PROT_* bits. */
uint64_t populate_rights(uint32_t prot);

/**
 * populate_new() - A mapping was made: give its pages frames if they are few.
 * @all: however many they are, as far as memory reaches
 */
void populate_new(uint64_t start, uint64_t end, bool all);

/**
 * populate_plain() - Zeroed frames for what is absent of [start, end), as plain memory: readable
 * and writable. Frames that nobody has touched are not touched by it.
 *
 * Return: false when memory is short; then a part may be there.
 */
bool populate_plain(uint64_t start, uint64_t end);

struct vma;

/**
 * populate_copies() - Copies of their own for pages of a private mapping of a file.
 * @va, @end: of the mapping, and in one page table
 *
 * The file's own frames may be there already, read-only: copies replace them.
 *
 * Return: false when memory is short, or the file ends before the first.
 */
bool populate_copies(const struct vma *vma, uint64_t va, uint64_t end);

/**
 * populate_private_code() - Give a page of code in a private mapping of a file a frame of its own.
 *
 * Return: whether that was done: not where it could be written, or memory is short.
 */
bool populate_private_code(uint64_t address);

#endif
