/* SPDX-License-Identifier: Apache-2.0 */
/* The application's address space: mappings, and the frames behind them. */
#ifndef MOTE_GUESTKIT_ADDRESS_SPACE_H
#define MOTE_GUESTKIT_ADDRESS_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guestkit/vma.h"

/* @allow_wx: mappings may be writable and executable at once (--allow-wx). */
void address_space_init(bool allow_wx);

bool address_space_allows_wx(void);

/* Unmap everything, for another program: 0, or -ENOMEM and nothing has changed. */
int address_space_clear(void);

/* Record a segment of the application that the VMM has loaded and mapped. */
int address_space_add_image(uint64_t start, uint64_t end, uint32_t prot);

/* Make the stack below @top, @size bytes with a guard gap below: 0 or -ENOMEM. */
int address_space_add_stack(uint64_t top, uint64_t size);

/* mmap(2) and its relatives: result or negative errno. @file is referenced by the call as needed.
 */
int64_t address_space_map(uint64_t hint, uint64_t length, uint32_t prot, uint32_t flags,
                          struct file *file, uint64_t offset);
int address_space_unmap(uint64_t start, uint64_t length);
int address_space_protect(uint64_t start, uint64_t length, uint32_t prot);
int64_t address_space_remap(uint64_t old, uint64_t old_length, uint64_t new_length, uint32_t flags,
                            uint64_t new_address);
int address_space_advise(uint64_t start, uint64_t length, int advice);

/* mlock(2): nothing is ever paged out, so it is a matter of errors and, with @populate, of frames.
 */
int address_space_lock(uint64_t start, uint64_t length, bool populate);

/* Before a snapshot: give frames to what the program will map and touch next, as far as there are
 * plenty, so that those who start from it need not write page tables. */
void address_space_map_ahead(void);

/* The program break (brk.c): brk(2); returns the break as it is afterwards. */
void address_space_set_break(uint64_t start);
uint64_t address_space_break(uint64_t wanted);

enum fault_result {
	FAULT_RESOLVED,
	FAULT_NOT_MAPPED,  /* SIGSEGV, SEGV_MAPERR */
	FAULT_PROTECTED,   /* SIGSEGV, SEGV_ACCERR */
	FAULT_BEYOND_FILE, /* SIGBUS, BUS_ADRERR */
};

/**
 * address_space_fault() - Give a page that was touched its frame.
 * @address: that was touched
 * @error:   the page fault's error code (SDM vol. 3, 4.7)
 *
 * Does not return when memory is used up.
 */
enum fault_result address_space_fault(uint64_t address, uint64_t error);

#endif
