/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the functions and objects that pages of a snapshot belong to. */
#include "vmm/page_names.h"

#include <elf.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/loader.h"
#include "vmm/vm_save.h"

#define SYMBOLS_MOST 4000000u
#define SEGMENTS_MAX 64

static void add(struct page_names *names, uint64_t start, uint64_t size, struct text_span name)
{
	if (names->count == names->room) {
		size_t room = names->room ? 2 * names->room : 1024;
		struct page_symbol *more = realloc(names->symbols, room * sizeof *more);

		if (!more)
			return;
		names->symbols = more;
		names->room = room;
	}
	names->symbols[names->count++] = (struct page_symbol){start, start + size, name};
}

static void read_symbols(struct page_names *names, const struct code_image *image)
{
	struct elf_section symbols, strings;

	if (!(elf_find_section(image, ".symtab", &symbols) &&
	      elf_find_section(image, ".strtab", &strings)) &&
	    !(elf_find_section(image, ".dynsym", &symbols) &&
	      elf_find_section(image, ".dynstr", &strings)))
		return;
	while (cursor_left(&symbols.bytes) >= sizeof(Elf64_Sym) && names->count < SYMBOLS_MOST) {
		struct byte_cursor name = strings.bytes;
		struct text_span text;
		Elf64_Sym symbol;
		unsigned type;

		memcpy(&symbol, symbols.bytes.at, sizeof symbol);
		cursor_skip(&symbols.bytes, sizeof symbol);
		type = ELF64_ST_TYPE(symbol.st_info);
		if ((type != STT_FUNC && type != STT_OBJECT) || symbol.st_shndx == SHN_UNDEF ||
		    symbol.st_size == 0 || symbol.st_size > UINT64_MAX - symbol.st_value)
			continue;
		cursor_skip(&name, symbol.st_name);
		text = cursor_string(&name);
		if (text.data && text.length)
			add(names, symbol.st_value + image->bias, symbol.st_size, text);
	}
}

/* From the first loaded byte of the program to its last. */
static struct page_program find_range(const struct code_image *image)
{
	struct page_program range = {UINT64_MAX, 0};
	struct byte_cursor file = {image->elf, image->elf + image->size, false};
	Elf64_Ehdr header;

	if (image->size < sizeof header)
		return (struct page_program){0, 0};
	memcpy(&header, image->elf, sizeof header);
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_phentsize != sizeof(Elf64_Phdr))
		return (struct page_program){0, 0};
	cursor_skip(&file, header.e_phoff);
	for (unsigned i = 0; i < header.e_phnum && i < SEGMENTS_MAX; i++) {
		Elf64_Phdr segment;

		if (cursor_left(&file) < sizeof segment)
			break;
		memcpy(&segment, file.at, sizeof segment);
		cursor_skip(&file, sizeof segment);
		if (segment.p_type != PT_LOAD || segment.p_memsz > UINT64_MAX - segment.p_vaddr)
			continue;
		if (segment.p_vaddr < range.start)
			range.start = segment.p_vaddr;
		if (segment.p_vaddr + segment.p_memsz > range.end)
			range.end = segment.p_vaddr + segment.p_memsz;
	}
	if (range.end <= range.start)
		return (struct page_program){0, 0};
	return (struct page_program){range.start + image->bias, range.end + image->bias};
}

static void load_application(struct page_names *names, const struct snapshot *snapshot)
{
	const char *path = snapshot->sections[SNAPSHOT_APPLICATION].bytes;
	struct code_image image = {.bias = snapshot->machine->application_bias};
	struct mote_error unused;
	struct elf_file file;
	void *bytes;

	if (!path || !*path || elf_file_open(&file, path, &unused))
		return;
	bytes = mmap(NULL, file.source.size, PROT_READ, MAP_PRIVATE, file.source.fd, 0);
	close(file.source.fd);
	if (bytes == MAP_FAILED)
		return;
	image.elf = bytes;
	image.size = file.source.size;
	names->program = find_range(&image);
	read_symbols(names, &image);
}

/* The kit in this mote, if it is the snapshot's: the others are not at hand. */
static void load_kit(struct page_names *names, const struct snapshot *snapshot)
{
	struct code_image image = {.bias = 0};
	struct mote_error unused;
	struct elf_file kit;
	uint8_t id[16];

	if (kit_open(&kit, NULL, &unused))
		return;
	vm_identify(kit.source.bytes, kit.source.size, id);
	if (memcmp(id, snapshot->machine->kit_id, sizeof id) != 0)
		return;
	image.elf = kit.source.bytes;
	image.size = kit.source.size;
	read_symbols(names, &image);
}

static int compare(const void *a, const void *b)
{
	const struct page_symbol *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

void page_names_load(struct page_names *names, const struct snapshot *snapshot)
{
	memset(names, 0, sizeof *names);
	load_application(names, snapshot);
	load_kit(names, snapshot);
	if (names->count)
		qsort(names->symbols, names->count, sizeof *names->symbols, compare);
}

const struct page_symbol *page_names_find(const struct page_names *names, uint64_t va)
{
	size_t low = 0, high = names->count;

	/* The first one that starts behind the page's first byte. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (names->symbols[middle].start <= va)
			low = middle + 1;
		else
			high = middle;
	}
	if (low > 0 && names->symbols[low - 1].end > va)
		return &names->symbols[low - 1];
	if (low < names->count && names->symbols[low].start < va + MOTE_PAGE_SIZE)
		return &names->symbols[low];
	return NULL;
}
