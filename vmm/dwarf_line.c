/* SPDX-License-Identifier: Apache-2.0 */
/* Source file and line of code addresses, from .debug_line of DWARF 2 to 5. */
#include "vmm/dwarf_line.h"

/*
 * How it works: each unit's program is run once (DWARF 5, 6.2). Two rows of a sequence that follow
 * each other cover the addresses from the first to the second, and every location between them
 * takes the first row's line. Only then the unit's tables are read for the name of the file.
 */
#define FORMATS_MAX 16 /* descriptions of an entry; version 5 defines five content types */

/* Content types and forms that file tables use (DWARF 5, 6.2.4.1 and 7.5.6). */
enum {
	LNCT_PATH = 1,
	LNCT_DIRECTORY_INDEX = 2,

	FORM_DATA2 = 0x05,
	FORM_DATA4 = 0x06,
	FORM_DATA8 = 0x07,
	FORM_STRING = 0x08,
	FORM_BLOCK = 0x09,
	FORM_DATA1 = 0x0b,
	FORM_SDATA = 0x0d,
	FORM_STRP = 0x0e,
	FORM_UDATA = 0x0f,
	FORM_SEC_OFFSET = 0x17,
	FORM_DATA16 = 0x1e,
	FORM_LINE_STRP = 0x1f,
};

struct line_unit {
	uint16_t version;
	size_t offset_size;
	uint8_t minimum_length;
	int8_t line_base;
	uint8_t line_range;
	uint8_t opcode_base;
	struct byte_cursor opcode_lengths;
	struct byte_cursor tables; /* directories, then files */
	struct byte_cursor program;
};

struct line_lookup {
	struct code_location *const *sorted;
	size_t count;
	uint64_t *steps;
	struct byte_cursor strings;      /* .debug_str */
	struct byte_cursor line_strings; /* .debug_line_str */
};

/* The registers of the line number machine (DWARF 5, 6.2.2) that a line depends on. */
struct line_state {
	uint64_t address;
	uint64_t file;
	uint64_t line;
};

struct line_machine {
	struct line_state now;
	struct line_state row; /* the last row of this sequence */
	bool has_row;
	uint64_t sequence_start;
};

/* Parse the header of the next unit; the section's cursor moves behind the unit. */
static bool read_unit(struct byte_cursor *section, struct line_unit *unit)
{
	uint64_t length = cursor_initial_length(section, &unit->offset_size);
	struct byte_cursor body = cursor_take(section, length);
	bool is_supported = true;

	unit->version = (uint16_t)cursor_fixed(&body, 2);
	if (unit->version < 2 || unit->version > 5)
		return false;
	if (unit->version == 5)
		is_supported = cursor_u8(&body) == 8 && cursor_u8(&body) == 0;
	length = cursor_fixed(&body, unit->offset_size);
	unit->tables = cursor_take(&body, length);
	unit->program = body;
	unit->minimum_length = cursor_u8(&unit->tables);
	if (unit->version >= 4 && cursor_u8(&unit->tables) != 1)
		is_supported = false; /* more than one operation an instruction: not on x86-64 */
	cursor_u8(&unit->tables);     /* default_is_stmt */
	unit->line_base = (int8_t)cursor_u8(&unit->tables);
	unit->line_range = cursor_u8(&unit->tables);
	unit->opcode_base = cursor_u8(&unit->tables);
	if (unit->opcode_base == 0 || unit->line_range == 0)
		return false;
	unit->opcode_lengths = cursor_take(&unit->tables, unit->opcode_base - 1u);
	return is_supported && !unit->tables.failed;
}

/* A string of a string section, at the offset in the table. A bad one fails the table. */
static struct text_span read_string_at(struct byte_cursor strings, const struct line_unit *unit,
                                       struct byte_cursor *table)
{
	cursor_skip(&strings, cursor_fixed(table, unit->offset_size));

	struct text_span text = cursor_string(&strings);

	table->failed |= strings.failed;
	return text;
}

/* One attribute of an entry: a string goes to *text, a number to *number, the rest is skipped. */
static void read_form(struct line_lookup *lookup, const struct line_unit *unit, uint64_t form,
                      struct byte_cursor *table, struct text_span *text, uint64_t *number)
{
	switch (form) {
	case FORM_STRING: *text = cursor_string(table); break;
	case FORM_STRP: *text = read_string_at(lookup->strings, unit, table); break;
	case FORM_LINE_STRP: *text = read_string_at(lookup->line_strings, unit, table); break;
	case FORM_UDATA: *number = cursor_uleb(table); break;
	case FORM_SDATA: cursor_sleb(table); break;
	case FORM_DATA1: *number = cursor_fixed(table, 1); break;
	case FORM_DATA2: *number = cursor_fixed(table, 2); break;
	case FORM_DATA4: *number = cursor_fixed(table, 4); break;
	case FORM_DATA8: *number = cursor_fixed(table, 8); break;
	case FORM_DATA16: cursor_skip(table, 16); break;
	case FORM_BLOCK: cursor_skip(table, cursor_uleb(table)); break;
	case FORM_SEC_OFFSET: cursor_skip(table, unit->offset_size); break;
	default: table->failed = true;
	}
	spend_steps(lookup->steps, 1 + text->length / 64);
}

/*
 * A version 5 table of directories or files, read to its end so that the next one can follow; entry
 * `wanted` is stored.
 */
static void read_table5(struct line_lookup *lookup, const struct line_unit *unit,
                        struct byte_cursor *table, uint64_t wanted, struct text_span *name,
                        uint64_t *directory)
{
	uint64_t types[FORMATS_MAX], forms[FORMATS_MAX];
	unsigned formats = cursor_u8(table);

	if (formats > FORMATS_MAX) {
		table->failed = true;
		return;
	}
	for (unsigned i = 0; i < formats; i++) {
		types[i] = cursor_uleb(table);
		forms[i] = cursor_uleb(table);
	}

	uint64_t entries = cursor_uleb(table);

	for (uint64_t entry = 0; formats > 0 && entry < entries; entry++) {
		for (unsigned i = 0; i < formats; i++) {
			struct text_span text = {NULL, 0};
			uint64_t number = 0;

			read_form(lookup, unit, forms[i], table, &text, &number);
			if (entry == wanted && types[i] == LNCT_PATH)
				*name = text;
			if (entry == wanted && types[i] == LNCT_DIRECTORY_INDEX)
				*directory = number;
		}
		if (table->failed || *lookup->steps == 0)
			return;
	}
}

/* Entry `wanted` of a list of strings that ends with an empty one (version 2 to 4; from 1). */
static void read_directories2(struct line_lookup *lookup, struct byte_cursor *table,
                              uint64_t wanted, struct text_span *name)
{
	for (uint64_t entry = 1; !table->failed; entry++) {
		struct text_span text = cursor_string(table);

		if (text.length == 0 || !spend_steps(lookup->steps, 1 + text.length / 64))
			return;
		if (entry == wanted)
			*name = text;
	}
}

static void read_files2(struct line_lookup *lookup, struct byte_cursor *table, uint64_t wanted,
                        struct text_span *name, uint64_t *directory)
{
	for (uint64_t entry = 1; !table->failed; entry++) {
		struct text_span text = cursor_string(table);

		if (text.length == 0 || !spend_steps(lookup->steps, 1 + text.length / 64))
			return;

		uint64_t index = cursor_uleb(table);

		cursor_uleb(table); /* time of last change */
		cursor_uleb(table); /* length in bytes */
		if (entry == wanted) {
			*name = text;
			*directory = index;
			return;
		}
	}
}

/* Read a unit's tables for file `wanted` and, once its directory's index is known, again for that.
 */
static void name_file(struct line_lookup *lookup, const struct line_unit *unit, uint64_t wanted,
                      struct code_location *location)
{
	struct text_span file = {NULL, 0}, directory = {NULL, 0}, ignored = {NULL, 0};
	uint64_t index = 0, unused = 0;
	struct byte_cursor table = unit->tables, again = unit->tables;

	if (unit->version == 5) {
		read_table5(lookup, unit, &table, UINT64_MAX, &ignored, &unused);
		read_table5(lookup, unit, &table, wanted, &file, &index);
		read_table5(lookup, unit, &again, index, &directory, &unused);
	} else {
		read_directories2(lookup, &table, 0, &ignored);
		read_files2(lookup, &table, wanted, &file, &index);
		read_directories2(lookup, &again, index, &directory);
	}
	location->file = file;
	if (file.length == 0)
		location->file.data = NULL;
	else if (file.data[0] != '/' && directory.length > 0 && directory.data[0] != '/')
		location->directory = directory;
}

/*
 * Give the last row's line to the locations below the new address. A sequence of code that the
 * linker dropped starts at 0, or anywhere outside the location's segment: it says nothing.
 */
static void cover(struct line_lookup *lookup, const struct line_unit *unit,
                  const struct line_machine *machine)
{
	const struct line_state *row = &machine->row;
	size_t i;

	if (!machine->has_row || row->line == 0 || row->line > UINT32_MAX ||
	    machine->sequence_start == 0)
		return;
	for (i = location_first(lookup->sorted, lookup->count, row->address);
	     i < lookup->count && lookup->sorted[i]->address < machine->now.address; i++) {
		struct code_location *location = lookup->sorted[i];

		if (!spend_steps(lookup->steps, 1))
			return;
		if (location->line != 0 || machine->sequence_start < location->segment_start ||
		    machine->sequence_start > location->address)
			continue;
		location->line = (uint32_t)row->line;
		name_file(lookup, unit, row->file, location);
	}
}

static void append_row(struct line_lookup *lookup, const struct line_unit *unit,
                       struct line_machine *machine)
{
	if (!machine->has_row)
		machine->sequence_start = machine->now.address;
	cover(lookup, unit, machine);
	machine->row = machine->now;
	machine->has_row = true;
}

static void start_sequence(struct line_machine *machine)
{
	*machine = (struct line_machine){.now = {.file = 1, .line = 1}};
}

/* DW_LNE_*; what is unknown is skipped, since its length is known. */
static void execute_extended(struct line_lookup *lookup, const struct line_unit *unit,
                             struct line_machine *machine, struct byte_cursor *code)
{
	struct byte_cursor operands = cursor_take(code, cursor_uleb(code));

	switch (cursor_u8(&operands)) {
	case 1: /* end_sequence */
		append_row(lookup, unit, machine);
		start_sequence(machine);
		break;
	case 2: /* set_address */
		if (cursor_left(&operands) <= 8)
			machine->now.address = cursor_fixed(&operands, cursor_left(&operands));
		break;
	default: break;
	}
}

static void execute_standard(struct line_lookup *lookup, const struct line_unit *unit, uint8_t op,
                             struct line_machine *machine, struct byte_cursor *code)
{
	switch (op) {
	case 1: append_row(lookup, unit, machine); break; /* copy */
	case 2: machine->now.address += cursor_uleb(code) * unit->minimum_length; break;
	case 3: machine->now.line += (uint64_t)cursor_sleb(code); break;
	case 4: machine->now.file = cursor_uleb(code); break;
	case 8: /* const_add_pc */
		machine->now.address +=
		        (255u - unit->opcode_base) / unit->line_range * unit->minimum_length;
		break;
	case 9: machine->now.address += cursor_fixed(code, 2); break; /* fixed_advance_pc */
	default: /* set_column, set_isa, unknown: the header says how many operands */
		for (unsigned i = unit->opcode_lengths.at[op - 1]; i > 0; i--)
			cursor_uleb(code);
	}
}

static void execute_special(struct line_lookup *lookup, const struct line_unit *unit, uint8_t op,
                            struct line_machine *machine)
{
	unsigned adjusted = (unsigned)op - unit->opcode_base;

	machine->now.address += adjusted / unit->line_range * unit->minimum_length;
	machine->now.line +=
	        (uint64_t)(int64_t)(unit->line_base + (int)(adjusted % unit->line_range));
	append_row(lookup, unit, machine);
}

static void run_unit(struct line_lookup *lookup, const struct line_unit *unit)
{
	struct byte_cursor code = unit->program;
	struct line_machine machine;

	start_sequence(&machine);
	while (cursor_left(&code) > 0 && spend_steps(lookup->steps, 1)) {
		uint8_t op = cursor_u8(&code);

		if (op >= unit->opcode_base)
			execute_special(lookup, unit, op, &machine);
		else if (op == 0)
			execute_extended(lookup, unit, &machine, &code);
		else
			execute_standard(lookup, unit, op, &machine, &code);
	}
}

void dwarf_lookup_lines(const struct code_image *image, struct code_location *const *sorted,
                        size_t count, uint64_t *steps)
{
	const struct byte_cursor none = {image->elf, image->elf, false};
	struct line_lookup lookup = {sorted, count, steps, none, none};
	struct elf_section lines, strings;

	if (count == 0 || !elf_find_section(image, ".debug_line", &lines))
		return;
	if (elf_find_section(image, ".debug_str", &strings))
		lookup.strings = strings.bytes;
	if (elf_find_section(image, ".debug_line_str", &strings))
		lookup.line_strings = strings.bytes;
	while (cursor_left(&lines.bytes) > 0 && *steps > 0) {
		struct line_unit unit;

		if (read_unit(&lines.bytes, &unit))
			run_unit(&lookup, &unit);
		spend_steps(lookup.steps, 1);
	}
}
