/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile ELF images read in place: bounded cursor, sections, code segments, function names. */
#include "vmm/elf_symbols.h"

#include <elf.h>

/*
 * How it works: nothing is prepared before a crash and nothing is allocated after it. Each question
 * is answered by a scan of the tables as they lie in the file. The number of headers looked at is
 * limited here (a linked program has some dozens), the number of symbols by the caller.
 */
#define SECTIONS_MAX 4096
#define SEGMENTS_MAX 64

/* Compilers pad LEB128 numbers to 5 or 10 bytes, not to megabytes; names have an end as well. */
#define LEB_BYTES_MAX 16
#define STRING_MAX    65536

/* The seven-bit groups of a LEB128 number; *shift becomes the number of bits, at most 70. */
static uint64_t read_leb(struct byte_cursor *cursor, unsigned *shift, uint8_t *last)
{
	uint64_t value = 0;

	*shift = 0;
	for (unsigned i = 0; i < LEB_BYTES_MAX; i++) {
		*last = cursor_u8(cursor);
		if (*shift < 64) {
			value |= (uint64_t)(*last & 0x7f) << *shift;
			*shift += 7;
		}
		if (!(*last & 0x80))
			return value;
	}
	cursor->failed = true;
	cursor->at = cursor->end;
	return 0;
}

uint64_t cursor_uleb(struct byte_cursor *cursor)
{
	unsigned shift;
	uint8_t last;

	return read_leb(cursor, &shift, &last);
}

int64_t cursor_sleb(struct byte_cursor *cursor)
{
	unsigned shift;
	uint8_t last;
	uint64_t value = read_leb(cursor, &shift, &last);

	if (shift < 64 && (last & 0x40))
		value |= ~(uint64_t)0 << shift;
	return (int64_t)value;
}

void cursor_skip(struct byte_cursor *cursor, uint64_t length)
{
	if (length > cursor_left(cursor)) {
		cursor->failed = true;
		cursor->at = cursor->end;
		return;
	}
	cursor->at += length;
}

struct byte_cursor cursor_take(struct byte_cursor *cursor, uint64_t length)
{
	struct byte_cursor taken = {cursor->at, cursor->at, false};

	cursor_skip(cursor, length);
	taken.failed = cursor->failed;
	if (!taken.failed)
		taken.end = cursor->at;
	return taken;
}

struct text_span cursor_string(struct byte_cursor *cursor)
{
	struct text_span text = {NULL, 0};
	const void *nul = NULL;

	size_t longest = cursor_left(cursor) < STRING_MAX ? cursor_left(cursor) : STRING_MAX;

	if (longest > 0)
		nul = memchr(cursor->at, '\0', longest);
	if (!nul) {
		cursor->failed = true;
		cursor->at = cursor->end;
		return text;
	}
	text.data = (const char *)cursor->at;
	text.length = (size_t)((const unsigned char *)nul - cursor->at);
	cursor->at += text.length + 1;
	return text;
}

uint64_t cursor_initial_length(struct byte_cursor *cursor, size_t *offset_size)
{
	uint64_t length = cursor_fixed(cursor, 4);

	*offset_size = 4;
	if (length == 0xffffffff) {
		*offset_size = 8;
		return cursor_fixed(cursor, 8);
	}
	if (length >= 0xfffffff0) {
		cursor->failed = true;
		cursor->at = cursor->end;
	}
	return length;
}

/* size bytes of the file at offset; failed when they are not all there. */
static struct byte_cursor file_bytes(const struct code_image *image, uint64_t offset, uint64_t size)
{
	struct byte_cursor bytes = {image->elf, image->elf + image->size, false};

	cursor_skip(&bytes, offset);
	return cursor_take(&bytes, size);
}

static bool read_file(const struct code_image *image, uint64_t offset, void *copy, size_t size)
{
	struct byte_cursor bytes = file_bytes(image, offset, size);

	if (bytes.failed)
		return false;
	memcpy(copy, bytes.at, size);
	return true;
}

static bool read_header(const struct code_image *image, Elf64_Ehdr *header)
{
	return read_file(image, 0, header, sizeof *header) &&
	       memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	       header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_ident[EI_DATA] == ELFDATA2LSB &&
	       header->e_machine == EM_X86_64;
}

static bool read_section(const struct code_image *image, const Elf64_Ehdr *header, uint64_t index,
                         Elf64_Shdr *section)
{
	if (header->e_shoff == 0 || header->e_shentsize != sizeof *section ||
	    index >= SECTIONS_MAX || header->e_shoff > image->size)
		return false;
	return read_file(image, header->e_shoff + index * sizeof *section, section,
	                 sizeof *section);
}

/* How many section headers there are, and the index of their name table (ELF: e_shnum of 0). */
static uint64_t count_sections(const struct code_image *image, const Elf64_Ehdr *header,
                               uint64_t *names)
{
	uint64_t count = header->e_shnum;
	Elf64_Shdr first;

	*names = header->e_shstrndx;
	if (!read_section(image, header, 0, &first))
		return 0;
	if (count == 0)
		count = first.sh_size;
	if (*names == SHN_XINDEX)
		*names = first.sh_link;
	return count < SECTIONS_MAX ? count : SECTIONS_MAX;
}

static struct byte_cursor section_bytes(const struct code_image *image, const Elf64_Shdr *section)
{
	struct byte_cursor none = {image->elf, image->elf, true};

	if (section->sh_type == SHT_NULL || section->sh_type == SHT_NOBITS ||
	    (section->sh_flags & SHF_COMPRESSED))
		return none;
	return file_bytes(image, section->sh_offset, section->sh_size);
}

/* Whether the NUL-terminated string at the cursor is exactly name. */
static bool string_is(struct byte_cursor strings, const char *name)
{
	size_t length = strlen(name) + 1;

	return cursor_left(&strings) >= length && memcmp(strings.at, name, length) == 0;
}

bool elf_find_section(const struct code_image *image, const char *name, struct elf_section *section)
{
	Elf64_Ehdr header;
	Elf64_Shdr candidate;
	uint64_t names_index;

	if (!read_header(image, &header))
		return false;

	uint64_t count = count_sections(image, &header, &names_index);

	if (!read_section(image, &header, names_index, &candidate))
		return false;

	struct byte_cursor names = section_bytes(image, &candidate);

	for (uint64_t i = 1; i < count; i++) {
		struct byte_cursor own_name = names;

		if (!read_section(image, &header, i, &candidate))
			return false;
		cursor_skip(&own_name, candidate.sh_name);
		if (!string_is(own_name, name))
			continue;
		section->address = candidate.sh_addr;
		section->bytes = section_bytes(image, &candidate);
		return !section->bytes.failed;
	}
	return false;
}

static bool read_segment(const struct code_image *image, const Elf64_Ehdr *header, unsigned index,
                         Elf64_Phdr *segment)
{
	if (index >= header->e_phnum || index >= SEGMENTS_MAX ||
	    header->e_phentsize != sizeof *segment || header->e_phoff > image->size)
		return false;
	return read_file(image, header->e_phoff + index * sizeof *segment, segment,
	                 sizeof *segment);
}

bool elf_find_eh_frame_header(const struct code_image *image, struct elf_section *header)
{
	Elf64_Ehdr file;
	Elf64_Phdr segment;

	if (!read_header(image, &file))
		return false;
	for (unsigned i = 0; read_segment(image, &file, i, &segment); i++) {
		if (segment.p_type != PT_GNU_EH_FRAME)
			continue;
		header->address = segment.p_vaddr;
		header->bytes = file_bytes(image, segment.p_offset, segment.p_filesz);
		return !header->bytes.failed;
	}
	return false;
}

struct byte_cursor elf_bytes_at(const struct code_image *image, uint64_t address)
{
	struct byte_cursor none = {image->elf, image->elf, true};
	Elf64_Ehdr header;
	Elf64_Phdr segment;

	if (!read_header(image, &header))
		return none;
	for (unsigned i = 0; read_segment(image, &header, i, &segment); i++) {
		if (segment.p_type != PT_LOAD || address < segment.p_vaddr ||
		    address - segment.p_vaddr >= segment.p_filesz)
			continue;

		struct byte_cursor bytes = file_bytes(image, segment.p_offset, segment.p_filesz);

		cursor_skip(&bytes, address - segment.p_vaddr);
		return bytes;
	}
	return none;
}

bool elf_find_code(const struct code_image *image, uint64_t address, struct code_segment *segment)
{
	Elf64_Ehdr header;
	Elf64_Phdr candidate;

	if (!read_header(image, &header))
		return false;
	for (unsigned i = 0; read_segment(image, &header, i, &candidate); i++) {
		if (candidate.p_type != PT_LOAD || !(candidate.p_flags & PF_X) ||
		    candidate.p_memsz > UINT64_MAX - candidate.p_vaddr ||
		    address < candidate.p_vaddr || address - candidate.p_vaddr >= candidate.p_memsz)
			continue;
		segment->start = candidate.p_vaddr;
		segment->end = candidate.p_vaddr + candidate.p_memsz;
		return true;
	}
	return false;
}

size_t location_first(struct code_location *const *sorted, size_t count, uint64_t address)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sorted[middle]->address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The best symbols seen so far for one location. */
struct symbol_match {
	bool is_covered; /* covering is a symbol with a size that covers the address */
	Elf64_Sym covering;
	bool has_label; /* label is the nearest symbol below that has no size */
	Elf64_Sym label;
	uint64_t nearest_sized; /* start of the nearest sized function below; 0: none */
};

struct symbol_scan {
	const struct code_image *image;
	Elf64_Ehdr header;
	struct byte_cursor symbols;
	struct byte_cursor names;
	struct symbol_match matches[LOCATIONS_MAX];
};

/* Whether a symbol can name code: a function or a label, defined in an executable section. */
static bool is_code_symbol(const struct symbol_scan *scan, const Elf64_Sym *symbol)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);
	Elf64_Shdr section;

	if (type != STT_FUNC && type != STT_NOTYPE && type != STT_GNU_IFUNC)
		return false;
	return symbol->st_shndx != SHN_UNDEF && symbol->st_shndx < SHN_LORESERVE &&
	       symbol->st_name != 0 &&
	       read_section(scan->image, &scan->header, symbol->st_shndx, &section) &&
	       (section.sh_flags & SHF_EXECINSTR);
}

/* Functions before labels, then public names before private ones. */
static unsigned symbol_rank(const Elf64_Sym *symbol)
{
	static const unsigned char binding_rank[] = {
	        [STB_LOCAL] = 0, [STB_WEAK] = 1, [STB_GLOBAL] = 2};
	unsigned binding = ELF64_ST_BIND(symbol->st_info);
	unsigned rank = ELF64_ST_TYPE(symbol->st_info) == STT_NOTYPE ? 0 : 4;

	return rank + (binding < sizeof binding_rank ? binding_rank[binding] : 0);
}

/* Whether a tells more about an address that both cover: the inner one, then the better rank. */
static bool is_better(const Elf64_Sym *a, const Elf64_Sym *b)
{
	if (a->st_value != b->st_value)
		return a->st_value > b->st_value;
	return symbol_rank(a) > symbol_rank(b);
}

/* Returns how many locations were looked at. */
static size_t consider_symbol(struct symbol_scan *scan, struct code_location *const *sorted,
                              size_t count, const Elf64_Sym *symbol)
{
	size_t first = location_first(sorted, count, symbol->st_value);
	size_t i = first;

	if (first == count || !is_code_symbol(scan, symbol))
		return 0;
	if (symbol->st_size == 0) {
		struct symbol_match *match = &scan->matches[first];

		if (!match->has_label || is_better(symbol, &match->label))
			match->label = *symbol;
		match->has_label = true;
		return 1;
	}
	if (symbol->st_value > scan->matches[first].nearest_sized)
		scan->matches[first].nearest_sized = symbol->st_value;
	for (; i < count && sorted[i]->address - symbol->st_value < symbol->st_size; i++) {
		struct symbol_match *match = &scan->matches[i];

		if (!match->is_covered || is_better(symbol, &match->covering))
			match->covering = *symbol;
		match->is_covered = true;
	}
	return i - first;
}

static void name_location(const struct symbol_scan *scan, const Elf64_Sym *symbol,
                          struct code_location *location)
{
	struct byte_cursor name = scan->names;

	cursor_skip(&name, symbol->st_name);
	location->symbol = cursor_string(&name);
	if (location->symbol.length == 0)
		location->symbol.data = NULL;
	location->symbol_start = symbol->st_value;
}

/*
 * Labels and starts were noted at the first location above them only: carry them upwards, then
 * choose. A label below another function's start says nothing about what lies behind that function.
 */
static void choose_symbols(struct symbol_scan *scan, struct code_location *const *sorted,
                           size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct symbol_match *match = &scan->matches[i];
		const struct symbol_match *below = i > 0 ? match - 1 : NULL;

		if (below && below->nearest_sized > match->nearest_sized)
			match->nearest_sized = below->nearest_sized;
		if (below && below->has_label && !match->has_label) {
			match->label = below->label;
			match->has_label = true;
		}
		if (match->is_covered)
			name_location(scan, &match->covering, sorted[i]);
		else if (match->has_label && match->label.st_value >= match->nearest_sized &&
		         match->label.st_value >= sorted[i]->segment_start)
			name_location(scan, &match->label, sorted[i]);
	}
}

/* The symbol table of a type and its strings. */
static bool find_symbols(struct symbol_scan *scan, uint32_t type)
{
	uint64_t names_index;
	uint64_t count = count_sections(scan->image, &scan->header, &names_index);
	Elf64_Shdr table, strings;

	for (uint64_t i = 1; i < count; i++) {
		if (!read_section(scan->image, &scan->header, i, &table))
			return false;
		if (table.sh_type != type || table.sh_entsize != sizeof(Elf64_Sym) ||
		    !read_section(scan->image, &scan->header, table.sh_link, &strings))
			continue;
		scan->symbols = section_bytes(scan->image, &table);
		scan->names = section_bytes(scan->image, &strings);
		return !scan->symbols.failed && !scan->names.failed;
	}
	return false;
}

void elf_lookup_symbols(const struct code_image *image, struct code_location *const *sorted,
                        size_t count, uint64_t *steps)
{
	struct symbol_scan scan = {.image = image};

	if (count == 0 || count > LOCATIONS_MAX || !read_header(image, &scan.header) ||
	    (!find_symbols(&scan, SHT_SYMTAB) && !find_symbols(&scan, SHT_DYNSYM)))
		return;
	while (cursor_left(&scan.symbols) >= sizeof(Elf64_Sym) && *steps > 0) {
		Elf64_Sym symbol;

		memcpy(&symbol, scan.symbols.at, sizeof symbol);
		scan.symbols.at += sizeof symbol;
		spend_steps(steps, 1 + consider_symbol(&scan, sorted, count, &symbol));
	}
	choose_symbols(&scan, sorted, count);
}
