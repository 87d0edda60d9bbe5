/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewrites system calls into jumps.
 *
 * How it works
 *
 * A `syscall` instruction traps: 30 us and less where CPL 0 is emulated, and a privilege change
 * elsewhere. The kit runs at the application's own level, so a jump would do. When a call traps for
 * the second time from the same place, the five bytes from there on become a jump to a stub:
 *
 *	mov $behind, %rcx	where the application would go on: a rewritten call sets it, too
 *	lea 1f(%rip), %r11	where it does go on
 *	jmp patched_entry
 * 1:	mov $behind, %rcx
 *	...			the instructions of which the jump has covered a part
 *	jmp ...			behind them
 *
 * That these bytes are instructions is certain, since they are what runs when the call returns;
 * instruction.c knows those it is safe to move. Whoever jumps to one of them, or comes back to it
 * from a signal handler, finds an invalid opcode there, because the stub is placed so that the
 * jump's distance contains one. The trap leads to the same instruction in the stub
 * (patch_is_middle()). So every address at which the application could stop or go on means what it
 * did before, and a thread may be anywhere when a site is rewritten or put back.
 *
 * Stubs lie in the top 2 GiB, which no mapping of the application's reaches, and which a jump from
 * the bottom 2 GiB does, across the end of the address space. A stub never changes and its place is
 * never used again, since a thread may be asleep in a call that will go on there. Sites and stubs
 * are written through the direct map.
 *
 * A guest that is started from a snapshot may be one request, after which all is put back: then to
 * rewrite does not pay, and the less since it may write page tables, which a reset has to pay
 *dearly for. So before a snapshot what has trapped once is rewritten, and after it what traps
 *often.
 */
#include "guestkit/patch.h"

#include <asm/unistd_64.h>

#include "guestkit/memory.h"
#include "guestkit/page_table.h"
#include "guestkit/populate.h"
#include "guestkit/snapshot.h"
#include "guestkit/string.h"
#include "guestkit/stub.h"
#include "guestkit/user.h"

#define SITES    512
#define SEEN     64         /* places remembered: 2 to the power of 32 - 26 */
#define OFTEN    64         /* traps of a place in a guest that was started from a snapshot */
#define HOPELESS 0x80000000 /* marks those that cannot be rewritten: sites lie below */

/* A site into whose middle so much code jumps, at a trap each, that rewriting does not pay. */
#define JUMPS_MAX 1000

#define LOOP_MAX 16 /* bytes that an endless loop around a call has */

#define RFLAGS_TF 0x100u

static struct {
	uint32_t seen[SEEN]; /* return address of calls that trapped */
	uint8_t traps[SEEN]; /* of them, if one is not enough */
	uint32_t random;     /* the last number of a generator: its upper bits are good */
	uint32_t site_count;
	uint64_t low, high; /* all sites that are written lie in between */
} patch;

uint32_t patch_changes;

static KIT_LARGE struct site sites[SITES];

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

/* The same for one end; a page of a file that still is the file's own is copied. */
static bool own_text(uint64_t address)
{
	return text_frame(address) || (populate_private_code(address) && text_frame(address));
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

/* ---- sites ---- */

/* mov %r11, 8(%rsp): stands before the call in musl's __syscall_cp_asm and glibc's
 * __syscall_cancel_arch, behind which a return and a jump follow. */
static const unsigned char cancellable[5] = {0x4c, 0x89, 0x5c, 0x24, 0x08};

/* What surrounds a call, as far as it says what is code behind a return or a jump. */
enum surroundings {
	SURROUNDINGS_ANY,
	SURROUNDINGS_CANCELLABLE,
	SURROUNDINGS_EXIT, /* the end of a thread, which C libraries call in an endless loop */
};

/* Does an exit's loop end here, so that other code of the function follows? */
static bool is_loop(const struct instruction *instruction)
{
	return instruction->kind == INSTRUCTION_JUMP && instruction->distance < 0 &&
	       instruction->distance >= -LOOP_MAX;
}

/*
 * Find the instructions behind the call of which the jump covers a part. Behind a return or a jump
 * only what fills space is taken for code, and what the surroundings say.
 */
static bool find_moved(struct site *site, const unsigned char *bytes, size_t size,
                       enum surroundings surroundings)
{
	size_t at = SYSCALL_SIZE;
	bool has_ended = false, has_looped = false;

	site->moved_count = 0;
	while (at < JUMP_SIZE) {
		struct instruction instruction;

		if (!instruction_read(bytes + at, size - at, &instruction))
			return false;
		/* Nothing is behind an exit but its loop, or another function. */
		if (surroundings == SURROUNDINGS_EXIT && !has_looped && !is_loop(&instruction))
			return false;
		if (has_ended && instruction.kind != INSTRUCTION_NOTHING && !has_looped &&
		    !(surroundings == SURROUNDINGS_CANCELLABLE &&
		      instruction.kind == INSTRUCTION_JUMP))
			return false;
		has_looped |= surroundings == SURROUNDINGS_EXIT && is_loop(&instruction);
		has_ended |= instruction.kind == INSTRUCTION_RETURN ||
		             instruction.kind == INSTRUCTION_JUMP;
		site->moved[site->moved_count++].at = (uint8_t)at;
		at += instruction.length;
	}
	site->moved[site->moved_count].at = (uint8_t)at;
	return true;
}

/* Behind the last instruction that was moved. */
static uint64_t site_end(const struct site *site)
{
	return site->start + site->moved[site->moved_count].at;
}

/* A site that is rewritten and has part in [start, end), from *@index on; NULL: there is none. */
static struct site *next_written(size_t *index, uint64_t start, uint64_t end)
{
	if (start >= patch.high || end <= patch.low)
		return NULL;
	while (*index < patch.site_count) {
		struct site *site = &sites[(*index)++];

		if (site->state == SITE_WRITTEN && site->start < end && site_end(site) > start)
			return site;
	}
	return NULL;
}

static void write_site(struct site *site)
{
	unsigned char jump[JUMP_SIZE];

	stub_write_jump(jump, site->start, site->stub);
	write_text(site->start, jump);
	site->state = SITE_WRITTEN;
	patch_changes++;
	if (!patch.high || site->start < patch.low)
		patch.low = site->start;
	if (site_end(site) > patch.high)
		patch.high = site_end(site);
}

/* The original code again, unless something else has come there. */
static void put_back(struct site *site)
{
	unsigned char jump[JUMP_SIZE], now[JUMP_SIZE];

	site->state = SITE_ORIGINAL;
	if (!is_text(site->start))
		return;
	stub_write_jump(jump, site->start, site->stub);
	read_text(now, site->start);
	if (!memcmp(now, jump, sizeof now))
		write_text(site->start, site->original);
}

/* The site whose jump @address is in, or NULL. */
static struct site *find_written(uint64_t address)
{
	size_t index = 0;
	struct site *site = next_written(&index, address, address + 1);

	return site && address - site->start < JUMP_SIZE ? site : NULL;
}

/* The site whose stub @address is in, or NULL. */
static struct site *find_by_stub(uint64_t address)
{
	for (size_t i = 0; i < patch.site_count; i++)
		if (address - sites[i].stub < STUB_SIZE)
			return &sites[i];
	return NULL;
}

/* The site that was put back where @wanted is, if its stub is what would be made now. */
static struct site *find_original(const struct site *wanted, const unsigned char *bytes)
{
	for (size_t i = 0; i < patch.site_count; i++) {
		struct site *site = &sites[i], again = *wanted;
		unsigned char code[STUB_SIZE];
		size_t length;

		if (site->start != wanted->start || site->state == SITE_GONE)
			continue;
		if (site->state == SITE_REFUSED)
			return site;
		again.stub = site->stub;
		length = stub_make(code, &again, bytes);
		if (length && !memcmp(site->original, wanted->original, JUMP_SIZE) &&
		    !memcmp(code, stub_bytes(site->stub), length))
			return site;
		site->state = SITE_GONE;
	}
	return NULL;
}

static struct site *new_site(const struct site *wanted, const unsigned char *bytes)
{
	struct site *site = &sites[patch.site_count];

	if (patch.site_count == SITES)
		return NULL;
	*site = *wanted;
	site->stub = stub_place(site);
	if (!site->stub || !stub_make(stub_bytes(site->stub), site, bytes))
		return NULL;
	patch.site_count++;
	return site;
}

/* Apart from patch_consider(), which every start executes, so that it stays out of the pages of a
 * start (kit.lds). */
static __attribute__((noinline)) bool rewrite(uint64_t start, bool is_exit)
{
	unsigned char bytes[BYTES_MAX] = {0}, before[5] = {0};
	struct site wanted = {.start = start}, *site;
	enum surroundings surroundings = is_exit ? SURROUNDINGS_EXIT : SURROUNDINGS_ANY;
	size_t size, index = 0;

	size = user_read_some(bytes, start, sizeof bytes);
	user_read(before, start - sizeof before, sizeof before);
	if (!memcmp(before, cancellable, sizeof before))
		surroundings = SURROUNDINGS_CANCELLABLE;
	memcpy(wanted.original, bytes, JUMP_SIZE);
	if (bytes[0] != 0x0f || bytes[1] != 0x05 ||
	    !find_moved(&wanted, bytes, size, surroundings) ||
	    next_written(&index, start, site_end(&wanted)) || !own_text(start) ||
	    !own_text(start + JUMP_SIZE - 1))
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

/* Calls behind which it may not go on, or elsewhere. A new thread goes on behind its clone.
 * Unwinders know the signal return by its bytes. */
static bool is_left_alone(const struct context *context)
{
	switch (context->number) {
	case __NR_rt_sigreturn:
	case __NR_fork:
	case __NR_vfork:
	case __NR_execve:
	case __NR_exit_group:
	case __NR_execveat:
	case __NR_clone3: return true;
	default: return context->rflags & RFLAGS_TF; /* each step is to be seen */
	}
}

/* The place was seen before: is it worth it by now? */
static bool is_often(size_t index)
{
	return !snapshot_starts || ++patch.traps[index] >= OFTEN;
}

void patch_consider(const struct context *context)
{
	uint32_t end = (uint32_t)context->rip;

	if (is_left_alone(context) || context->rip >= PATCH_REACH)
		return;
	for (size_t i = 0; i < SEEN; i++) {
		if (patch.seen[i] == (end | HOPELESS))
			return;
		if (patch.seen[i] != end)
			continue;
		if (is_often(i) && !rewrite(end - SYSCALL_SIZE, context->number == __NR_exit))
			patch.seen[i] |= HOPELESS;
		return;
	}
	/* Which one gives way is random: places in turn would drive each other out otherwise. */
	patch.random = patch.random * 1664525 + 1013904223;
	patch.seen[patch.random >> 26] = end;
	patch.traps[patch.random >> 26] = 0;
}

void patch_ahead(void)
{
	for (size_t i = 0; i < SEEN; i++)
		if (patch.seen[i] && !(patch.seen[i] & HOPELESS) &&
		    !find_written(patch.seen[i] - SYSCALL_SIZE))
			rewrite(patch.seen[i] - SYSCALL_SIZE, false);
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
	if (offset + STUB_LOAD_SIZE >= site->moved[0].in_stub)
		context->rip = site->start + site->moved[0].at;
	for (i = 1; i <= site->moved_count && offset >= site->moved[i].in_stub; i++)
		context->rip = site->start + site->moved[i].at;
}

void patch_forget(uint64_t start, uint64_t end)
{
	size_t index = 0;
	struct site *site = next_written(&index, start, end);

	/* What comes there is other code: it has not trapped yet. */
	for (size_t i = 0; start < PATCH_REACH && i < SEEN; i++)
		if ((patch.seen[i] & ~HOPELESS) >= start && (patch.seen[i] & ~HOPELESS) < end)
			patch.seen[i] = 0;
	if (!site)
		return;
	for (; site; site = next_written(&index, start, end))
		put_back(site);
	memset(patch.seen, 0, sizeof patch.seen);
	page_table_flush(); /* ends with an iretq, which serialises */
}

void patch_forget_all(void)
{
	stub_free_all();
	patch.site_count = 0;
	patch.low = patch.high = 0;
	memset(patch.seen, 0, sizeof patch.seen);
}
