/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile ELF images read in place: bounded cursor, sections, code segments, function names. */
#ifndef MOTE_VMM_ELF_SYMBOLS_H
#define MOTE_VMM_ELF_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * One ELF file the guest runs code from, mapped read-only as a whole. Nothing in it is trusted. The
 * bytes may even change while they are read (the file belongs to somebody else), so every value is
 * copied once and checked in the copy.
 */
struct code_image {
	const unsigned char *elf;
	size_t size;
	uint64_t bias;    /* guest-virtual address = linked address + bias (modulo 2^64) */
	const char *name; /* for display; escaped when printed */
};

/* Bytes inside an image: not NUL-terminated. data is NULL where nothing is known. */
struct text_span {
	const char *data;
	size_t length;
};

/* A linked address to look up, and what the tables of its image say about it. */
struct code_location {
	uint64_t address;       /* in: linked address (guest-virtual address - bias) */
	uint64_t segment_start; /* in: linked start of the code segment that holds it */
	struct text_span symbol;
	uint64_t symbol_start; /* linked address; meaningful when symbol.data is set */
	struct text_span directory;
	struct text_span file;
	uint32_t line; /* 0: unknown */
};

/*
 * A bounded reader. A read past the end sets failed, returns 0 and leaves the cursor at its end, so
 * that loops over a cursor end and callers may check once, after several reads.
 */
struct byte_cursor {
	const unsigned char *at;
	const unsigned char *end;
	bool failed;
};

struct elf_section {
	uint64_t address; /* linked address; 0 for sections that are not loaded */
	struct byte_cursor bytes;
};

/* Linked addresses [start, end) of an executable PT_LOAD. */
struct code_segment {
	uint64_t start;
	uint64_t end;
};

static inline size_t cursor_left(const struct byte_cursor *cursor)
{
	return (size_t)(cursor->end - cursor->at);
}

/* Read size (1 to 8) bytes, little-endian, zero-extended. */
static inline uint64_t cursor_fixed(struct byte_cursor *cursor, size_t size)
{
	uint64_t value = 0;

	if (cursor_left(cursor) < size) {
		cursor->failed = true;
		cursor->at = cursor->end;
		return 0;
	}
	memcpy(&value, cursor->at, size);
	cursor->at += size;
	return value;
}

static inline uint8_t cursor_u8(struct byte_cursor *cursor)
{
	return (uint8_t)cursor_fixed(cursor, 1);
}

/* Sign-extend the low size (1 to 8) bytes of value. */
static inline int64_t sign_extend(uint64_t value, size_t size)
{
	unsigned shift = (unsigned)(64 - 8 * size);

	return (int64_t)(value << shift) >> shift;
}

/* Take cost off the work that is left. Returns whether there is any left. */
static inline bool spend_steps(uint64_t *steps, uint64_t cost)
{
	*steps -= cost < *steps ? cost : *steps;
	return *steps > 0;
}

/* LEB128 (DWARF 5, 7.6). Bits beyond 64 are dropped; more than 16 bytes fail the cursor. */
uint64_t cursor_uleb(struct byte_cursor *cursor);
int64_t cursor_sleb(struct byte_cursor *cursor);

/* Advance by length bytes; the cursor fails if they are not there. */
void cursor_skip(struct byte_cursor *cursor, uint64_t length);

/* A cursor over the next length bytes, which are skipped. Both fail if they are not there. */
struct byte_cursor cursor_take(struct byte_cursor *cursor, uint64_t length);

/* A NUL-terminated string. Without a NUL in 64 KiB, its data is NULL and the cursor fails. */
struct text_span cursor_string(struct byte_cursor *cursor);

/*
 * The initial length of a DWARF unit (DWARF 5, 7.4). *offset_size becomes 4 or 8. Reserved values
 * fail the cursor.
 */
uint64_t cursor_initial_length(struct byte_cursor *cursor, size_t *offset_size);

/**
 * elf_find_section() - Find a section by name.
 * @image:   any bytes
 * @name:    for example ".eh_frame"
 * @section: filled on success
 *
 * A section without bytes in the file, a compressed one (SHF_COMPRESSED) and one that reaches
 * beyond the file count as absent, as does every section of a file that is not an x86-64 ELF.
 *
 * Return: whether it was found.
 */
bool elf_find_section(const struct code_image *image, const char *name,
                      struct elf_section *section);

/**
 * elf_find_eh_frame_header() - The bytes of PT_GNU_EH_FRAME, for images without section headers.
 *
 * Return: whether there is one.
 */
bool elf_find_eh_frame_header(const struct code_image *image, struct elf_section *header);

/**
 * elf_bytes_at() - The file's bytes from a linked address to the end of its segment in the file.
 *
 * Return: the bytes, or an empty cursor with failed set.
 */
struct byte_cursor elf_bytes_at(const struct code_image *image, uint64_t address);

/**
 * elf_find_code() - The executable segment that holds a linked address.
 *
 * Return: whether there is one; @segment is filled then.
 */
bool elf_find_code(const struct code_image *image, uint64_t address, struct code_segment *segment);

/**
 * location_first() - The first location at or above an address.
 * @sorted: by ascending address
 *
 * Return: its index; count when there is none.
 */
size_t location_first(struct code_location *const *sorted, size_t count, uint64_t address);

/**
 * elf_lookup_symbols() - Name the functions that hold some addresses.
 * @image:  any bytes
 * @sorted: locations by ascending address; symbol and symbol_start are filled where known
 * @count:  at most LOCATIONS_MAX
 * @steps:  work left (one step a symbol); reduced, and the search ends when it reaches 0
 *
 * One pass over .symtab, or over .dynsym where there is no .symtab. Functions with a size win; an
 * assembly label without a size is taken when no sized function covers the address or starts
 * between the two.
 */
void elf_lookup_symbols(const struct code_image *image, struct code_location *const *sorted,
                        size_t count, uint64_t *steps);

#define LOCATIONS_MAX 64

#endif
