/* SPDX-License-Identifier: Apache-2.0 */
/* Call frame information as it lies in a file: tables, CIEs and FDEs. */
#ifndef MOTE_VMM_CFI_TABLE_H
#define MOTE_VMM_CFI_TABLE_H

#include "vmm/elf_symbols.h"

/* .eh_frame or .debug_frame. */
struct cfi_table {
	const unsigned char *data;
	size_t size;
	uint64_t address; /* linked address of data: the base of DW_EH_PE_pcrel */
	bool is_eh;
	bool stops_at_zero; /* the size is a guess: a zero length ends the table */
};

struct cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t return_register;
	uint8_t fde_encoding;
	bool has_augmentation_data;
	bool is_signal;
	struct byte_cursor program;
};

struct fde {
	struct cfi_table table; /* where it was found */
	uint64_t start;         /* linked address */
	struct cie cie;
	struct byte_cursor program;
};

/* The linked address of a cursor into a table's data. */
static inline uint64_t cfi_cursor_address(const struct cfi_table *table,
                                          const struct byte_cursor *cursor)
{
	return table->address + (uint64_t)(cursor->at - table->data);
}

/**
 * cfi_read_encoded() - Read a pointer as DW_EH_PE_* says (LSB 5.0, 10.5.1).
 * @address: linked address of the cursor
 *
 * Indirect, aligned and text- or function-relative pointers do not occur for code: the cursor
 * fails.
 */
uint64_t cfi_read_encoded(struct byte_cursor *cursor, uint8_t encoding, uint64_t address);

/**
 * cfi_find_fde() - Find the frame description entry that covers a linked address.
 * @fde:   filled; refers to the image's bytes
 * @steps: work left; one step an entry
 *
 * Looks into .eh_frame, .debug_frame, and without the former what PT_GNU_EH_FRAME points to, by a
 * linear scan: an index would have to be trusted.
 */
bool cfi_find_fde(const struct code_image *image, uint64_t address, struct fde *fde,
                  uint64_t *steps);

#endif
