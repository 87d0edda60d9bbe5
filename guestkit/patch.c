/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewrites system calls into jumps.
 *
 * How it works
 *
 * A `syscall` instruction traps: 30 us and less where CPL 0 is emulated, and a privilege change
 *elsewhere. The kit runs at the application's own level, so a jump would do. When a call traps for
 *the second time from the same place, and the instruction before it is of a known form, that one
 *and the call become `jmp rel32` (e9, five bytes) to a stub, which executes the displaced
 *instruction, loads the return address into RCX and goes to patched_entry. The forms are those that
 *compilers put there:
 *
 *	mov $imm32, %r32	b8+r imm32          five bytes: the jump takes their place, and the
 *	mov 8(%rsp), %r9	4c 8b 4c 24 08      `syscall` behind it stays for whoever jumps to
 *it mov %reg, %reg		REX 89 /r           three bytes: the jump covers the `syscall`
 *
 * Bytes that only look like one of them are told apart by the registers, which have just been seen
 *to hold what the instruction would have put there, and by prefixes before. In the last form the
 *stub is placed so that the fourth byte of the jump is 0x06, which is no instruction in 64-bit
 *mode: code that jumps straight to the old `syscall` traps there and is served (patch_is_middle()).
 *Stubs lie in pages that the application may not write, 1.5 GiB above its text; both are written
 *through the direct map.
 */
#include "guestkit/patch.h"

#include <linux/mman.h>

#include "guestkit/memory.h"
#include "guestkit/page_table.h"
#include "guestkit/retired.h"
#include "guestkit/string.h"
#include "guestkit/user.h"
#include "guestkit/vma.h"

#define SYSCALL_SIZE   2
#define JUMP_SIZE      5
#define LOOK_BACK      12 /* bytes before a call that tell its form: a prefix and two instructions */
#define STUB_SIZE      32
#define STUBS_IN_PAGE  (PAGE_SIZE / STUB_SIZE)
#define STUB_PAGES     16
#define SEEN           64 /* places remembered, by a hash */
#define INVALID_OPCODE 0x06
/* Distance of stub pages from the site, in steps of 16 MiB; within reach of a signed 32-bit jump.
 */
#define STEP_FIRST 0x60u
#define STEP_LAST  0x7eu

struct stub_page {
	uint64_t va, physical;
	uint32_t used;
};

/* entry.S: where stubs go, and a pointer to it in the top 2 GiB, where an absolute jump can find
 * it. */
extern const unsigned char patched_entry[];
extern const uint64_t patched_entry_pointer;
const uint64_t patched_entry_pointer = (uint64_t)patched_entry;

static struct {
	uint32_t seen[SEEN]; /* low half of the return address of calls that trapped */
	size_t page_count;
	struct stub_page pages[STUB_PAGES];
} patch;

/* ---- what stands before a system call ---- */

/* Register by its number in the instruction set; 0 in *is_known for those a system call changes. */
static uint64_t register_value(const struct context *c, unsigned number, bool *is_known)
{
	const uint64_t values[16] = {c->number, 0,      c->rdx, c->rbx, c->rsp, c->rbp,
	                             c->rsi,    c->rdi, c->r8,  c->r9,  c->r10, 0,
	                             c->r12,    c->r13, c->r14, c->r15};

	*is_known = *is_known && number != 1 && number != 11; /* RCX, R11 */
	return values[number];
}

static bool is_operand_prefix(unsigned char byte)
{
	return byte == 0x66 || byte == 0xf2 || byte == 0xf3;
}

static bool is_rex(unsigned char byte)
{
	return (byte & 0xf0) == 0x40;
}

/*
 * Whether the bytes before could be an instruction with a 32-bit constant (mov, group 1, imul,
 * group 3) whose displacement or SIB byte looks like the opcode at @at: `movl $39, -72(%rsp)` ends
 * like `mov $39, %eax`.
 */
static bool is_tail(const unsigned char *at)
{
	for (int i = -6; i <= -2; i++)
		if (at[i] == 0xc7 || at[i] == 0x81 || at[i] == 0x69 || at[i] == 0xf7)
			return true;
	return false;
}

/* mov $imm32, %r32; @at[-1] is the byte before */
static bool is_load_constant(const unsigned char *at, const struct context *context)
{
	bool is_known = (at[0] & 0xf8) == 0xb8 && !is_rex(at[-1]) && !is_operand_prefix(at[-1]);
	uint64_t value = register_value(context, at[0] & 7, &is_known);
	uint32_t constant;

	memcpy(&constant, at + 1, sizeof constant);
	return is_known && value == constant && !is_tail(at);
}

static bool is_load_r9(const unsigned char *at, const struct context *context)
{
	static const unsigned char form[5] = {0x4c, 0x8b, 0x4c, 0x24, 0x08};
	uint64_t value;

	return !memcmp(at, form, sizeof form) && !is_operand_prefix(at[-1]) &&
	       user_read(&value, context->rsp + 8, sizeof value) == 0 && value == context->r9;
}

/*
 * mov %rcx, %rdx: RCX cannot be checked, since the call has changed it, but in the generic calls of
 * musl the instruction before can.
 */
static bool is_move_from_rcx(const unsigned char *at, const struct context *context)
{
	static const unsigned char form[3] = {0x48, 0x89, 0xca};

	return !memcmp(at, form, sizeof form) && is_load_r9(at - 5, context);
}

/* mov %reg, %reg with a REX prefix */
static bool is_move(const unsigned char *at, const struct context *context)
{
	bool is_known =
	        is_rex(at[0]) && at[1] == 0x89 && at[2] >= 0xc0 && !is_operand_prefix(at[-1]);
	uint64_t to = register_value(context, (at[2] & 7) | (at[0] & 1) << 3, &is_known);
	uint64_t from = register_value(context, (at[2] >> 3 & 7) | (at[0] & 4) << 1, &is_known);

	return is_known && to == (at[0] & 8 ? from : (uint32_t)from);
}

/* Length of the instruction before the call that may be displaced, or 0. @call: the syscall's bytes
 */
static unsigned displaceable(const unsigned char *call, const struct context *context)
{
	if (call[0] != 0x0f || call[1] != 0x05)
		return 0;
	if (is_load_constant(call - 5, context) || is_load_r9(call - 5, context))
		return 5;
	return is_move(call - 3, context) || is_move_from_rcx(call - 3, context) ? 3 : 0;
}

/* ---- stubs ---- */

/* Physical address of a byte of the application's text that may be rewritten, or 0. */
static uint64_t text_frame(uint64_t address)
{
	uint64_t size;
	uint64_t entry = *page_table_look(address, &size);

	if (!(entry & PTE_PRESENT) || entry & (PTE_NO_EXEC | PTE_WRITABLE) ||
	    !(entry & (PTE_OWNED | MOTE_PTE_IMAGE)))
		return 0;
	return (entry & PTE_ADDRESS & ~(size - 1)) + address % size;
}

/* Can a jump that ends at @jump_end lead to @stub, and where it must, by way of the invalid opcode?
 */
static bool is_reachable(uint64_t jump_end, uint64_t stub, bool needs_invalid)
{
	int64_t distance = (int64_t)(stub - jump_end);

	return distance == (int32_t)distance &&
	       (!needs_invalid || (distance >> 16 & 0xff) == INVALID_OPCODE);
}

static struct stub_page *new_page(uint64_t jump_end)
{
	struct stub_page *page = &patch.pages[patch.page_count];
	uint64_t *entry;

	if (patch.page_count == STUB_PAGES)
		return NULL;
	for (uint64_t step = STEP_FIRST; step <= STEP_LAST; step++) {
		/* In the middle of the 64 KiB that serve this site, so that its neighbours may use
		 * it, too. */
		uint64_t va =
		        (jump_end + (step << 24) + (INVALID_OPCODE << 16) + 0x8000) & PAGE_MASK;
		struct vma vma = {.start = va,
		                  .end = va + PAGE_SIZE,
		                  .prot = PROT_READ | PROT_EXEC,
		                  .flags = MAP_PRIVATE | VMA_IMAGE};

		if (va >= MOTE_USER_END - PAGE_SIZE || vma_overlaps(va, va + PAGE_SIZE))
			continue;
		retired_claim(va, va + PAGE_SIZE, false);
		entry = page_table_entry(va, true);
		page->physical = entry ? page_alloc_zeroed(1) : 0;
		if (!page->physical || vma_insert(&vma))
			return NULL;
		*entry = page->physical | PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY;
		page->va = va;
		patch.page_count++;
		return page;
	}
	return NULL;
}

/* A place for the stub of a jump: *va where it runs, returned where it is written. NULL: none. */
static unsigned char *new_stub(uint64_t jump_end, bool needs_invalid, uint64_t *va)
{
	struct stub_page *page = NULL;

	for (size_t i = 0; i < patch.page_count && !page; i++) {
		struct stub_page *at = &patch.pages[i];

		if (at->used < STUBS_IN_PAGE &&
		    is_reachable(jump_end, at->va + at->used * STUB_SIZE, needs_invalid))
			page = at;
	}
	if (!page)
		page = new_page(jump_end);
	if (!page || !is_reachable(jump_end, page->va + page->used * STUB_SIZE, needs_invalid))
		return NULL;
	*va = page->va + page->used * STUB_SIZE;
	return direct_map(page->physical + page->used++ * STUB_SIZE);
}

static void write_stub(unsigned char *code, const unsigned char *displaced, unsigned length,
                       uint64_t return_address)
{
	uint32_t pointer = (uint32_t)(uint64_t)&patched_entry_pointer;

	memcpy(code, displaced, length);
	code += length;
	*code++ = 0x48; /* mov $return_address, %rcx */
	*code++ = 0xb9;
	memcpy(code, &return_address, sizeof return_address);
	code += sizeof return_address;
	*code++ = 0xff; /* jmp *patched_entry_pointer */
	*code++ = 0x24;
	*code++ = 0x25;
	memcpy(code, &pointer, sizeof pointer);
}

static void write_text(uint64_t address, const unsigned char *bytes, size_t length)
{
	while (length--)
		*(unsigned char *)direct_map(text_frame(address++)) = *bytes++;
}

/* Apart from patch_consider(), which every start executes, so that it stays out of the pages of a
 * start (kit.lds). */
static __attribute__((noinline)) bool rewrite(const struct context *context)
{
	unsigned char bytes[LOOK_BACK + SYSCALL_SIZE];
	unsigned char jump[JUMP_SIZE] = {0xe9};
	uint64_t end = context->rip, first = end - sizeof bytes, start, stub_va;
	unsigned char *stub;
	unsigned length;
	int32_t distance;

	if (first >= MOTE_USER_END - sizeof bytes || !text_frame(first) || !text_frame(end - 1) ||
	    user_read(bytes, first, sizeof bytes))
		return false;
	length = displaceable(bytes + sizeof bytes - SYSCALL_SIZE, context);
	if (!length)
		return false;
	start = end - SYSCALL_SIZE - length;
	stub = new_stub(start + JUMP_SIZE, length == 3, &stub_va);
	if (!stub)
		return false;
	write_stub(stub, bytes + sizeof bytes - SYSCALL_SIZE - length, length, end);
	distance = (int32_t)(stub_va - (start + JUMP_SIZE));
	memcpy(jump + 1, &distance, sizeof distance);
	write_text(start, jump, sizeof jump);
	return true;
}

bool patch_consider(const struct context *context)
{
	uint64_t end = context->rip;
	uint32_t *seen = &patch.seen[(end ^ end >> 6) % SEEN];

	if (*seen == (uint32_t)end)
		return rewrite(context);
	*seen = (uint32_t)end;
	return false;
}

bool patch_is_middle(const struct context *context)
{
	uint64_t start = context->rip - 3, stub;
	unsigned char jump[JUMP_SIZE];
	int32_t distance;

	if (start >= MOTE_USER_END - JUMP_SIZE || user_read(jump, start, sizeof jump) ||
	    jump[0] != 0xe9)
		return false;
	memcpy(&distance, jump + 1, sizeof distance);
	stub = start + JUMP_SIZE + (uint64_t)(int64_t)distance;
	for (size_t i = 0; i < patch.page_count; i++) {
		const struct stub_page *page = &patch.pages[i];
		uint64_t return_address;

		if (stub < page->va || stub >= page->va + page->used * STUB_SIZE)
			continue;
		memcpy(&return_address,
		       (const unsigned char *)direct_map(page->physical) + (stub - page->va) + 3 +
		               2,
		       sizeof return_address);
		return return_address == context->rip + SYSCALL_SIZE;
	}
	return false;
}
