/* SPDX-License-Identifier: Apache-2.0 */
/* Finds call frame information in .eh_frame and .debug_frame (DWARF 5, 6.4.1; LSB 5.0, 10.6). */
#include "vmm/cfi_table.h"

#define AUGMENTATION_MAX 16 /* bytes of the string, with its NUL */

uint64_t cfi_read_encoded(struct byte_cursor *cursor, uint8_t encoding, uint64_t address)
{
	uint64_t value = 0;
	bool is_supported = true;

	switch (encoding & 0x0f) {
	case 0x0: /* absptr */
	case 0x4: /* udata8 */
	case 0xc: /* sdata8 */ value = cursor_fixed(cursor, 8); break;
	case 0x1: /* uleb128 */ value = cursor_uleb(cursor); break;
	case 0x2: /* udata2 */ value = cursor_fixed(cursor, 2); break;
	case 0x3: /* udata4 */ value = cursor_fixed(cursor, 4); break;
	case 0x9: /* sleb128 */ value = (uint64_t)cursor_sleb(cursor); break;
	case 0xa: /* sdata2 */ value = (uint64_t)sign_extend(cursor_fixed(cursor, 2), 2); break;
	case 0xb: /* sdata4 */ value = (uint64_t)sign_extend(cursor_fixed(cursor, 4), 4); break;
	default: is_supported = false;
	}
	switch (encoding & 0xf0) {
	case 0x00: /* absolute */ break;
	case 0x10: /* pcrel */ value += address; break;
	default: is_supported = false;
	}
	if (!is_supported)
		cursor->failed = true;
	return value;
}

/* The augmentation string "zLPRS..." and its data (LSB 5.0, 10.6.1.1.1). */
static void read_augmentation(struct byte_cursor *entry, struct text_span letters, struct cie *cie)
{
	if (letters.length == 0)
		return;
	if (letters.data[0] != 'z') {
		entry->failed = true; /* unknown data of unknown size follows */
		return;
	}

	struct byte_cursor data = cursor_take(entry, cursor_uleb(entry));

	cie->has_augmentation_data = true;
	for (size_t i = 1; i < letters.length && !data.failed; i++) {
		uint8_t encoding;

		switch (letters.data[i]) {
		case 'R': cie->fde_encoding = cursor_u8(&data); break;
		case 'S': cie->is_signal = true; break;
		case 'L': cursor_u8(&data); break;
		case 'P':
			encoding = cursor_u8(&data);
			cfi_read_encoded(&data, encoding & 0x0f, 0);
			break;
		default: return; /* the rest is skipped: its size is known */
		}
	}
}

/* Parse the CIE at an offset of the table. */
static bool read_cie(const struct cfi_table *table, uint64_t offset, struct cie *cie)
{
	struct byte_cursor entry = {table->data, table->data + table->size, false};
	size_t offset_size;

	memset(cie, 0, sizeof *cie);
	cursor_skip(&entry, offset);

	uint64_t length = cursor_initial_length(&entry, &offset_size);

	entry = cursor_take(&entry, length);

	uint64_t id = cursor_fixed(&entry, table->is_eh ? 4 : offset_size);
	uint8_t version = cursor_u8(&entry);
	struct byte_cursor start = entry;
	struct text_span letters;

	if (cursor_left(&start) > AUGMENTATION_MAX)
		start.end = start.at + AUGMENTATION_MAX;
	letters = cursor_string(&start);
	cursor_skip(&entry, letters.length + 1);
	if (entry.failed || start.failed ||
	    id != (table->is_eh       ? 0
	           : offset_size == 8 ? UINT64_MAX
	                              : UINT32_MAX) ||
	    (version != 1 && version != 3 && version != 4))
		return false;
	if (version == 4 && (cursor_u8(&entry) != 8 || cursor_u8(&entry) != 0))
		return false; /* address and segment selector size */
	cie->code_align = cursor_uleb(&entry);
	cie->data_align = cursor_sleb(&entry);
	cie->return_register = version == 1 ? cursor_u8(&entry) : cursor_uleb(&entry);
	read_augmentation(&entry, letters, cie);
	cie->program = entry;
	return !entry.failed;
}

/*
 * Whether the FDE whose body is entry covers the address. The CIE is read again only when it is not
 * the one before it: a linker puts all FDEs behind their common CIE.
 */
static bool read_fde(const struct cfi_table *table, struct byte_cursor entry, uint64_t cie_offset,
                     uint64_t *last_cie, uint64_t address, struct fde *fde)
{
	if (cie_offset != *last_cie) {
		*last_cie = UINT64_MAX;
		if (!read_cie(table, cie_offset, &fde->cie))
			return false;
		*last_cie = cie_offset;
	}
	fde->start =
	        cfi_read_encoded(&entry, fde->cie.fde_encoding, cfi_cursor_address(table, &entry));

	uint64_t length = cfi_read_encoded(&entry, fde->cie.fde_encoding & 0x0f, 0);

	if (entry.failed || fde->start == 0 || address - fde->start >= length)
		return false;
	if (fde->cie.has_augmentation_data)
		cursor_skip(&entry, cursor_uleb(&entry));
	fde->program = entry;
	fde->table = *table;
	return !entry.failed;
}

static bool find_fde_in_table(const struct cfi_table *table, uint64_t address, struct fde *fde,
                              uint64_t *steps)
{
	struct byte_cursor all = {table->data, table->data + table->size, false};
	uint64_t last_cie = UINT64_MAX;

	while (cursor_left(&all) > 0 && spend_steps(steps, 1)) {
		size_t offset_size;
		uint64_t length = cursor_initial_length(&all, &offset_size);
		struct byte_cursor entry = cursor_take(&all, length);
		uint64_t id_offset = (uint64_t)(entry.at - table->data);

		if (length == 0 && table->stops_at_zero)
			return false;
		if (length == 0 || entry.failed)
			continue;

		uint64_t id = cursor_fixed(&entry, table->is_eh ? 4 : offset_size);

		if (id == (table->is_eh ? 0 : offset_size == 8 ? UINT64_MAX : UINT32_MAX))
			continue; /* a CIE */
		if (read_fde(table, entry, table->is_eh ? id_offset - id : id, &last_cie, address,
		             fde))
			return true;
	}
	return false;
}

/* The table PT_GNU_EH_FRAME points to (LSB 5.0, 10.6.2); its size is not recorded anywhere. */
static bool find_eh_frame_by_segment(const struct code_image *image, struct cfi_table *table)
{
	struct elf_section header;

	if (!elf_find_eh_frame_header(image, &header))
		return false;

	struct byte_cursor cursor = header.bytes;
	uint8_t version = cursor_u8(&cursor);
	uint8_t encoding = cursor_u8(&cursor);

	cursor_skip(&cursor, 2); /* encodings of the search table, which is not used */

	uint64_t address = cfi_read_encoded(&cursor, encoding, header.address + 4);
	struct byte_cursor bytes = elf_bytes_at(image, address);

	*table = (struct cfi_table){bytes.at, cursor_left(&bytes), address, true, true};
	return version == 1 && !cursor.failed && !bytes.failed;
}

bool cfi_find_fde(const struct code_image *image, uint64_t address, struct fde *fde,
                  uint64_t *steps)
{
	struct elf_section section;
	struct cfi_table table;
	bool has_eh_section = elf_find_section(image, ".eh_frame", &section);

	if (has_eh_section) {
		table = (struct cfi_table){section.bytes.at, cursor_left(&section.bytes),
		                           section.address, true, false};
		if (find_fde_in_table(&table, address, fde, steps))
			return true;
	}
	if (elf_find_section(image, ".debug_frame", &section)) {
		table = (struct cfi_table){section.bytes.at, cursor_left(&section.bytes), 0, false,
		                           false};
		if (find_fde_in_table(&table, address, fde, steps))
			return true;
	}
	return !has_eh_section && find_eh_frame_by_segment(image, &table) &&
	       find_fde_in_table(&table, address, fde, steps);
}
