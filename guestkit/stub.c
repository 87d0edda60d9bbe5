/* SPDX-License-Identifier: Apache-2.0 */
/* Stubs of rewritten system calls (patch.c): where they lie and what is in them. */
#include "guestkit/stub.h"

#include "guestkit/memory.h"
#include "guestkit/page_table.h"
#include "guestkit/string.h"

#define STUBS_IN_PAGE (PAGE_SIZE / STUB_SIZE)
#define STUB_PAGES    64
#define STUBS_START   0xffffffff81000000UL /* behind the kit's window */
#define STUBS_END     0xffffffffff000000UL /* before Linux's vsyscall page, which a KVM may mind */

struct stub_page {
	uint64_t va, physical;
	uint64_t used; /* a bit for each stub */
};

_Static_assert(STUBS_IN_PAGE == 64, "bits of stub_page.used");

/* Bytes that are no instruction in 64-bit mode. The first are for the top byte of a distance from
 * low to high addresses, the one behind them for the others where there is a choice. */
static const unsigned char invalid_opcodes[] = {0xea, 0xd6, 0xd4, 0xce, 0x9a, 0x82,
                                                0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e,
                                                0x1f, 0x27, 0x2f, 0x37, 0x3f};
#define TOP_BYTES   6
#define OTHER_BYTES 0x06

/* entry.S: where stubs lead */
#ifndef MOTE_HOSTED /* unit tests bring their own */
extern const unsigned char patched_entry[];
#endif

static KIT_LARGE struct stub_page pages[STUB_PAGES];
static size_t page_count;

void stub_write_jump(unsigned char *jump, uint64_t at, uint64_t to)
{
	uint32_t distance = (uint32_t)(to - (at + JUMP_SIZE));

	jump[0] = 0xe9;
	memcpy(jump + 1, &distance, sizeof distance);
}

/* ---- where they lie ---- */

static bool is_invalid_opcode(unsigned char byte)
{
	for (size_t i = 0; i < sizeof invalid_opcodes; i++)
		if (byte == invalid_opcodes[i])
			return true;
	return false;
}

/* Does the jump from @site to a stub at @stub trap wherever a moved instruction began? */
static bool is_fit(const struct site *site, uint64_t stub)
{
	unsigned char jump[JUMP_SIZE];
	int64_t distance = (int64_t)(stub - (site->start + JUMP_SIZE));

	if (distance != (int32_t)distance)
		return false;
	stub_write_jump(jump, site->start, stub);
	for (size_t i = 0; i < site->moved_count; i++)
		if (!is_invalid_opcode(jump[site->moved[i].at]))
			return false;
	return true;
}

/* A free stub in a page that fits; 0: none. */
static uint64_t stub_in(struct stub_page *page, const struct site *site)
{
	for (size_t i = 0; i < STUBS_IN_PAGE; i++) {
		uint64_t stub = page->va + i * STUB_SIZE;

		if (!(page->used >> i & 1) && is_fit(site, stub)) {
			page->used |= 1UL << i;
			return stub;
		}
	}
	return 0;
}

static struct stub_page *page_at(uint64_t va)
{
	for (size_t i = 0; i < page_count; i++)
		if (pages[i].va == va)
			return &pages[i];
	return NULL;
}

static struct stub_page *new_page(uint64_t va)
{
	struct stub_page *page = &pages[page_count];
	uint64_t *entry;

	if (page_count == STUB_PAGES || va < STUBS_START || va >= STUBS_END)
		return NULL;
	entry = page_table_entry(va, true);
	page->physical = entry ? page_alloc_zeroed(1) : 0;
	if (!page->physical)
		return NULL;
	*entry = page->physical | PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY;
	page->va = va;
	page->used = 0;
	page_count++;
	return page;
}

uint64_t stub_place(const struct site *site)
{
	uint64_t stub = 0;

	for (size_t i = 0; i < page_count && !stub; i++)
		stub = stub_in(&pages[i], site);
	for (size_t i = 0; i < TOP_BYTES && !stub; i++) {
		uint32_t distance = (uint32_t)invalid_opcodes[i] << 24 | OTHER_BYTES << 16 |
		                    OTHER_BYTES << 8 | 0x80;
		uint64_t va = (site->start + JUMP_SIZE + (uint64_t)(int32_t)distance) & PAGE_MASK;
		struct stub_page *page = page_at(va) ? NULL : new_page(va);

		stub = page ? stub_in(page, site) : 0;
	}
	return stub;
}

unsigned char *stub_bytes(uint64_t stub)
{
	return direct_map(page_at(stub & PAGE_MASK)->physical + stub % PAGE_SIZE);
}

void stub_free_all(void)
{
	for (size_t i = 0; i < page_count; i++)
		pages[i].used = 0;
}

/* ---- what is in them ---- */

struct code {
	unsigned char *bytes; /* STUB_SIZE */
	uint64_t va;          /* where it will run */
	size_t length;
	bool is_near; /* every distance fits */
};

static uint64_t code_end(const struct code *code)
{
	return code->va + code->length;
}

static void emit(struct code *code, const void *bytes, size_t length)
{
	memcpy(code->bytes + code->length, bytes, length);
	code->length += length;
}

/* The last four bytes of an instruction that ends with its distance to @to. */
static void emit_distance(struct code *code, uint64_t to)
{
	int64_t distance = (int64_t)(to - (code_end(code) + 4));

	code->is_near &= distance == (int32_t)distance;
	emit(code, &distance, 4);
}

/* mov $value, %rcx, of a value that is 32 bits long */
static void emit_load_rcx(struct code *code, uint64_t value)
{
	static const unsigned char mov[] = {0x48, 0xc7, 0xc1};

	emit(code, mov, sizeof mov);
	emit(code, &value, 4);
}

static void emit_jump(struct code *code, uint64_t to)
{
	emit(code, &(const unsigned char){0xe9}, 1);
	emit_distance(code, to);
}

/* An instruction from the site, which stood at @from there. */
static void emit_moved(struct code *code, const struct instruction *instruction,
                       const unsigned char *bytes, uint64_t from)
{
	uint64_t old_end = from + instruction->length;
	uint64_t target = old_end + (uint64_t)(int64_t)instruction->distance;

	if (instruction->kind == INSTRUCTION_JUMP) {
		emit_jump(code, target);
	} else if (instruction->kind == INSTRUCTION_BRANCH) {
		const unsigned char branch[] = {0x0f, 0x80 | instruction->condition};

		emit(code, branch, sizeof branch);
		emit_distance(code, target);
	} else {
		unsigned char *copy = code->bytes + code->length;
		int64_t distance;
		int32_t old;

		emit(code, bytes, instruction->length);
		if (!instruction->relative)
			return;
		memcpy(&old, copy + instruction->relative, sizeof old);
		distance = (int64_t)(old_end + (uint64_t)(int64_t)old - code_end(code));
		code->is_near &= distance == (int32_t)distance;
		memcpy(copy + instruction->relative, &distance, sizeof old);
	}
}

size_t stub_make(unsigned char *to, struct site *site, const unsigned char *bytes)
{
	static const unsigned char lea[] = {0x4c, 0x8d, 0x1d}; /* lea distance(%rip), %r11 */
	struct code code = {.bytes = to, .va = site->stub, .is_near = true};

	emit_load_rcx(&code, site->start + SYSCALL_SIZE);
	emit(&code, lea, sizeof lea);
	emit_distance(&code, code_end(&code) + 4 + JUMP_SIZE);
	emit_jump(&code, (uint64_t)patched_entry);
	for (size_t i = 0; i < site->moved_count; i++) {
		struct moved *moved = &site->moved[i];
		struct instruction instruction;

		instruction_read(bytes + moved->at, BYTES_MAX - moved->at, &instruction);
		/* Behind a call RCX is its return address. Who jumps there has an RCX of his own.
		 */
		if (i == 0)
			emit_load_rcx(&code, site->start + SYSCALL_SIZE);
		moved->in_stub = (uint8_t)code.length;
		emit_moved(&code, &instruction, bytes + moved->at, site->start + moved->at);
	}
	site->moved[site->moved_count].in_stub = (uint8_t)code.length;
	emit_jump(&code, site->start + site->moved[site->moved_count].at);
	return code.is_near ? code.length : 0;
}
