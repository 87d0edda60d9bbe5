/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewrites system calls into jumps.
 *
 * How it works
 *
 * A `syscall` instruction traps: 30 us and less where CPL 0 is emulated, and a privilege change
 *elsewhere. The kit runs at the application's own level, so a jump would do. When a call traps for
 *the second time from the same place, the five bytes from the `syscall` on become a jump to a stub:
 *
 *	mov $behind, %rcx	where the application would go on: a rewritten call sets it, too
 *	lea 1f(%rip), %r11	where it does go on
 *	jmp patched_entry
 * 1:	mov $behind, %rcx
 *	...			the instructions of which the jump has covered a part
 *	jmp ...			behind them
 *
 * That these bytes are instructions is certain, since they are what runs when the call returns;
 *instruction.c knows those it is safe to move. Whoever jumps to one of them, or comes back to it
 *from a signal handler, finds an invalid opcode there, because the stub is placed so that the
 *jump's distance contains one. The trap leads to the same instruction in the stub
 *(patch_is_middle()). So every address at which the application could stop or go on means what it
 *did before, and a thread may be anywhere when a site is rewritten or put back.
 *
 * Stubs lie in the top 2 GiB, which no mapping of the application's reaches, and which a jump from
 *the bottom 2 GiB does, across the end of the address space. A stub never changes and its place is
 *never used again, since a thread may be asleep in a call that will go on there. Both are written
 *through the direct map.
 */
#include "guestkit/patch.h"

#include <asm/unistd_64.h>
#include <linux/mman.h>

#include "guestkit/instruction.h"
#include "guestkit/memory.h"
#include "guestkit/page_table.h"
#include "guestkit/string.h"
#include "guestkit/user.h"
#include "guestkit/vma.h"

#define SYSCALL_SIZE 2
#define JUMP_SIZE    5
#define MOVED_MAX \
	(JUMP_SIZE - SYSCALL_SIZE) /* instructions behind the call that begin in the jump */
#define BYTES_MAX (JUMP_SIZE - 1 + INSTRUCTION_MAX)

#define STUB_SIZE     64
#define STUBS_IN_PAGE (PAGE_SIZE / STUB_SIZE)
#define STUB_PAGES    64
#define SITES         512
#define STUBS_START   0xffffffff81000000UL /* behind the kit's window */
#define STUBS_END     0xffffffffff000000UL /* before Linux's vsyscall page, which a KVM may mind */
#define REACH_END     0x7f000000UL         /* sites lie below: within a jump of STUBS_START */

#define SEEN     64         /* places remembered, by a hash */
#define HOPELESS 0x80000000 /* marks those that cannot be rewritten: sites lie below */

/* A site into whose middle so much code jumps, at a trap each, that rewriting does not pay. */
#define JUMPS_MAX 1000

#define RFLAGS_TF 0x100u

/* Bytes that are no instruction in 64-bit mode, for the top byte of a distance from low to high
 * addresses; the first does for the others, too. */
static const unsigned char invalid_opcodes[] = {0xea, 0xd6, 0xd4, 0xce, 0x9a, 0x82};
#define INVALID_OPCODE 0x06

enum site_state {
	SITE_WRITTEN,
	SITE_ORIGINAL, /* put back; the stub is kept */
	SITE_REFUSED,  /* put back for good */
	SITE_GONE,     /* other code has come there */
};

/* An instruction behind the call, or (the last) where all goes on: offsets from site and stub. */
struct moved {
	uint8_t at, in_stub;
};

struct site {
	uint64_t start; /* of the call */
	uint64_t stub;
	uint32_t jumps; /* into the middle so far */
	uint8_t state;
	uint8_t moved_count;
	uint8_t original[JUMP_SIZE];
	struct moved moved[MOVED_MAX + 1];
};

struct stub_page {
	uint64_t va, physical;
	uint64_t used; /* a bit for each stub */
};

_Static_assert(STUBS_IN_PAGE == 64, "bits of stub_page.used");

/* entry.S: where stubs lead */
extern const unsigned char patched_entry[];

static struct {
	uint32_t seen[SEEN]; /* low half of the return address of calls that trapped */
	uint32_t site_count, page_count;
	uint64_t low, high; /* all sites that are written lie in between */
} patch;

static KIT_LARGE struct site sites[SITES];
static KIT_LARGE struct stub_page pages[STUB_PAGES];

/* ---- text ---- */

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

/* Both ends of a jump would be in pages that may be rewritten. */
static bool is_text(uint64_t start)
{
	return text_frame(start) && text_frame(start + JUMP_SIZE - 1);
}

static void read_text(unsigned char *bytes, uint64_t address)
{
	for (size_t i = 0; i < JUMP_SIZE; i++)
		bytes[i] = *(const unsigned char *)direct_map(text_frame(address + i));
}

static void write_text(uint64_t address, const unsigned char *bytes)
{
	for (size_t i = 0; i < JUMP_SIZE; i++)
		*(unsigned char *)direct_map(text_frame(address + i)) = bytes[i];
}

static void make_jump(unsigned char *jump, uint64_t at, uint64_t to)
{
	uint32_t distance = (uint32_t)(to - (at + JUMP_SIZE));

	jump[0] = 0xe9;
	memcpy(jump + 1, &distance, sizeof distance);
}

/* ---- stubs: where they lie ---- */

static bool is_invalid_opcode(unsigned char byte)
{
	for (size_t i = 0; i < sizeof invalid_opcodes; i++)
		if (byte == invalid_opcodes[i])
			return true;
	return byte == INVALID_OPCODE;
}

/* Does the jump from @site to a stub at @stub trap wherever a moved instruction began? */
static bool is_fit(const struct site *site, uint64_t stub)
{
	unsigned char jump[JUMP_SIZE];
	int64_t distance = (int64_t)(stub - (site->start + JUMP_SIZE));

	if (distance != (int32_t)distance)
		return false;
	make_jump(jump, site->start, stub);
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
	for (size_t i = 0; i < patch.page_count; i++)
		if (pages[i].va == va)
			return &pages[i];
	return NULL;
}

static struct stub_page *new_page(uint64_t va)
{
	struct stub_page *page = &pages[patch.page_count];
	uint64_t *entry;

	if (patch.page_count == STUB_PAGES || va < STUBS_START || va >= STUBS_END)
		return NULL;
	entry = page_table_entry(va, true);
	page->physical = entry ? page_alloc_zeroed(1) : 0;
	if (!page->physical)
		return NULL;
	*entry = page->physical | PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY;
	page->va = va;
	page->used = 0;
	patch.page_count++;
	return page;
}

/* A place for a site's stub; 0: none. */
static uint64_t new_stub(const struct site *site)
{
	uint64_t stub = 0;

	for (size_t i = 0; i < patch.page_count && !stub; i++)
		stub = stub_in(&pages[i], site);
	for (size_t i = 0; i < sizeof invalid_opcodes && !stub; i++) {
		uint32_t distance = (uint32_t)invalid_opcodes[i] << 24 | INVALID_OPCODE << 16 |
		                    INVALID_OPCODE << 8 | 0x80;
		uint64_t va = (site->start + JUMP_SIZE + (uint64_t)(int32_t)distance) & PAGE_MASK;
		struct stub_page *page = page_at(va) ? NULL : new_page(va);

		stub = page ? stub_in(page, site) : 0;
	}
	return stub;
}

static unsigned char *stub_bytes(uint64_t stub)
{
	return direct_map(page_at(stub & PAGE_MASK)->physical + stub % PAGE_SIZE);
}

/* ---- stubs: what is in them ---- */

struct code {
	unsigned char bytes[STUB_SIZE];
	uint64_t va; /* where it will run */
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

/* All of a site's stub; sets where the moved instructions lie in it. */
static bool make_stub(struct code *code, struct site *site, const unsigned char *bytes)
{
	static const unsigned char lea[] = {0x4c, 0x8d, 0x1d}; /* lea distance(%rip), %r11 */

	emit_load_rcx(code, site->start + SYSCALL_SIZE);
	emit(code, lea, sizeof lea);
	emit_distance(code, code_end(code) + 4 + JUMP_SIZE);
	emit_jump(code, (uint64_t)patched_entry);
	for (size_t i = 0; i < site->moved_count; i++) {
		struct moved *moved = &site->moved[i];
		struct instruction instruction;

		instruction_read(bytes + moved->at, BYTES_MAX - moved->at, &instruction);
		moved->in_stub = (uint8_t)code->length;
		if (i == 0)
			emit_load_rcx(code, site->start + SYSCALL_SIZE);
		emit_moved(code, &instruction, bytes + moved->at, site->start + moved->at);
	}
	site->moved[site->moved_count].in_stub = (uint8_t)code->length;
	emit_jump(code, site->start + site->moved[site->moved_count].at);
	return code->is_near;
}

/* ---- sites ---- */

/* mov %r11, 8(%rsp): stands before the call in musl's __syscall_cp_asm and glibc's
 * __syscall_cancel_arch, behind which a return and a jump follow. */
static const unsigned char cancellable[5] = {0x4c, 0x89, 0x5c, 0x24, 0x08};

/*
 * Find the instructions behind the call of which the jump covers a part. Behind a return or a jump
 * only what fills space is taken for code, and the jump in the functions named above.
 */
static bool find_moved(struct site *site, const unsigned char *bytes, size_t size,
                       bool is_cancellable)
{
	size_t at = SYSCALL_SIZE;
	bool has_ended = false;

	site->moved_count = 0;
	while (at < JUMP_SIZE) {
		struct instruction instruction;

		if (!instruction_read(bytes + at, size - at, &instruction))
			return false;
		if (has_ended && instruction.kind != INSTRUCTION_NOTHING &&
		    !(is_cancellable && instruction.kind == INSTRUCTION_JUMP))
			return false;
		has_ended |= instruction.kind == INSTRUCTION_RETURN ||
		             instruction.kind == INSTRUCTION_JUMP;
		site->moved[site->moved_count++].at = (uint8_t)at;
		at += instruction.length;
	}
	site->moved[site->moved_count].at = (uint8_t)at;
	return true;
}

static void write_site(struct site *site)
{
	unsigned char jump[JUMP_SIZE];

	make_jump(jump, site->start, site->stub);
	write_text(site->start, jump);
	site->state = SITE_WRITTEN;
	if (!patch.high || site->start < patch.low)
		patch.low = site->start;
	if (site->start + JUMP_SIZE > patch.high)
		patch.high = site->start + JUMP_SIZE;
}

/* The original code again, unless something else has come there. */
static void put_back(struct site *site)
{
	unsigned char jump[JUMP_SIZE], now[JUMP_SIZE];

	site->state = SITE_ORIGINAL;
	if (!is_text(site->start))
		return;
	make_jump(jump, site->start, site->stub);
	read_text(now, site->start);
	if (!memcmp(now, jump, sizeof now))
		write_text(site->start, site->original);
}

/* The site that is rewritten at @address, or NULL. */
static struct site *find_written(uint64_t address)
{
	if (address < patch.low || address >= patch.high)
		return NULL;
	for (size_t i = 0; i < patch.site_count; i++)
		if (sites[i].state == SITE_WRITTEN && address - sites[i].start < JUMP_SIZE)
			return &sites[i];
	return NULL;
}

/* The site whose stub @address is in, or NULL. */
static struct site *find_by_stub(uint64_t address)
{
	for (size_t i = 0; i < patch.site_count; i++)
		if (address - sites[i].stub < STUB_SIZE)
			return &sites[i];
	return NULL;
}

/* The site that was put back at @start, if it is to be written again: its stub is as it would be
 * made now. */
static struct site *find_original(const struct site *wanted, const unsigned char *bytes)
{
	for (size_t i = 0; i < patch.site_count; i++) {
		struct site *site = &sites[i];
		struct code code = {.va = site->stub, .is_near = true};

		if (site->start != wanted->start || site->state == SITE_GONE)
			continue;
		if (site->state == SITE_REFUSED)
			return site;
		if (!memcmp(site->original, wanted->original, JUMP_SIZE) &&
		    site->moved_count == wanted->moved_count && make_stub(&code, site, bytes) &&
		    !memcmp(code.bytes, stub_bytes(site->stub), code.length))
			return site;
		site->state = SITE_GONE;
	}
	return NULL;
}

static struct site *new_site(const struct site *wanted, const unsigned char *bytes)
{
	struct site *site = &sites[patch.site_count];
	struct code code = {.is_near = true};

	if (patch.site_count == SITES)
		return NULL;
	*site = *wanted;
	site->stub = code.va = new_stub(site);
	if (!site->stub || !make_stub(&code, site, bytes))
		return NULL;
	memcpy(stub_bytes(site->stub), code.bytes, code.length);
	patch.site_count++;
	return site;
}

/* Apart from patch_consider(), which every start executes, so that it stays out of the pages of a
 * start (kit.lds). */
static __attribute__((noinline)) bool rewrite(uint64_t start)
{
	unsigned char bytes[BYTES_MAX] = {0}, before[5] = {0};
	struct site wanted = {.start = start}, *site;
	size_t size;

	if (start >= REACH_END || !is_text(start))
		return false;
	size = user_read_some(bytes, start, sizeof bytes);
	user_read(before, start - sizeof before, sizeof before);
	memcpy(wanted.original, bytes, JUMP_SIZE);
	if (bytes[0] != 0x0f || bytes[1] != 0x05 ||
	    !find_moved(&wanted, bytes, size, !memcmp(before, cancellable, sizeof before)))
		return false;
	site = find_original(&wanted, bytes);
	if (!site)
		site = new_site(&wanted, bytes);
	if (!site || site->state == SITE_REFUSED)
		return false;
	write_site(site);
	return true;
}

/* ---- what the rest of the kit calls ---- */

/* Calls behind which it may not go on, or elsewhere or for somebody else as well. Unwinders know
 * the signal return by its bytes. */
static bool is_left_alone(const struct context *context)
{
	switch (context->number) {
	case __NR_rt_sigreturn:
	case __NR_clone:
	case __NR_fork:
	case __NR_vfork:
	case __NR_execve:
	case __NR_exit:
	case __NR_exit_group:
	case __NR_execveat:
	case __NR_clone3: return true;
	default: return context->rflags & RFLAGS_TF; /* each step is to be seen */
	}
}

bool patch_consider(const struct context *context)
{
	uint64_t end = context->rip;
	uint32_t *seen = &patch.seen[(end ^ end >> 6) % SEEN];

	if (*seen == ((uint32_t)end | HOPELESS) || is_left_alone(context))
		return false;
	if (*seen != (uint32_t)end) {
		*seen = (uint32_t)end;
		return false;
	}
	if (rewrite(end - SYSCALL_SIZE))
		return true;
	*seen |= HOPELESS;
	return false;
}

/* Go on in the stub, or in the original code if each step is to be seen. */
static void enter_stub(struct site *site, struct context *context)
{
	uint64_t offset = context->rip - site->start;

	if (context->rflags & RFLAGS_TF) {
		put_back(site);
		return;
	}
	for (size_t i = 0; i < site->moved_count; i++)
		if (site->moved[i].at == offset)
			context->rip = site->stub + site->moved[i].in_stub;
}

void patch_resume(struct context *context)
{
	struct site *site = find_written(context->rip);

	if (site && context->rip != site->start)
		enter_stub(site, context);
}

bool patch_is_middle(struct context *context)
{
	uint64_t at = context->rip;
	struct site *site = find_written(at);

	if (!site)
		return false;
	if (++site->jumps < JUMPS_MAX) {
		enter_stub(site, context);
		return context->rip != at || site->state != SITE_WRITTEN;
	}
	put_back(site);
	site->state = SITE_REFUSED;
	return true;
}

bool patch_is_step(struct context *context)
{
	struct site *site = find_by_stub(context->rip);

	if (!site || context->rip != site->stub)
		return false;
	if (site->state == SITE_WRITTEN)
		put_back(site);
	context->rip = site->start;
	return true;
}

void patch_leave_stub(struct context *context)
{
	struct site *site = find_by_stub(context->rip);
	uint64_t offset;
	size_t i;

	if (!site)
		return;
	offset = context->rip - site->stub;
	context->rip = site->start;
	for (i = 0; i <= site->moved_count && offset >= site->moved[i].in_stub; i++)
		context->rip = site->start + site->moved[i].at;
}

void patch_forget(uint64_t start, uint64_t end)
{
	bool is_changed = false;

	if (start >= patch.high || end <= patch.low)
		return;
	for (size_t i = 0; i < patch.site_count; i++) {
		struct site *site = &sites[i];

		if (site->state != SITE_WRITTEN || site->start >= end ||
		    site->start + JUMP_SIZE <= start)
			continue;
		put_back(site);
		is_changed = true;
	}
	if (!is_changed)
		return;
	memset(patch.seen, 0, sizeof patch.seen);
	page_table_flush(); /* ends with an iretq, which serialises */
}

void patch_forget_all(void)
{
	for (size_t i = 0; i < patch.page_count; i++)
		pages[i].used = 0;
	patch.site_count = 0;
	patch.low = patch.high = 0;
	memset(patch.seen, 0, sizeof patch.seen);
}
