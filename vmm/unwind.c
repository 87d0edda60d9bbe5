/* SPDX-License-Identifier: Apache-2.0 */
/* One step up a guest's stack: call frame information, then verified guesses, then a stop. */
#include "vmm/unwind.h"

#include "vmm/cfi_row.h"

/*
 * How it works: cfi_find_fde() looks for the frame description entry that covers the pc,
 * cfi_find_row() executes its instructions up to the pc and yields a row: one rule a register
 * (DWARF 5, 6.4; LSB 5.0, 10.6). cfi_apply_row() turns the row into the caller's registers.
 *
 * Code without such information (musl's library has none) is unwound by what its bytes prove: a
 * prologue that sets up a frame pointer, or a word on the stack that follows a direct call to the
 * very function that is running. A frame pointer that merely looks right comes last.
 */
#define SCAN_BYTES           16384 /* how far up a frame without CFI may reach */
#define SCAN_CHUNK           512   /* aligned, so that a chunk never straddles a page */
#define RT_SIGFRAME_MCONTEXT 40    /* from RSP in the trampoline: uc_flags, uc_link, uc_stack */

bool unwind_read(const struct unwinder *unwinder, uint64_t va, void *buffer, size_t length)
{
	return length <= UINT64_MAX - va &&
	       unwinder->reader->read(unwinder->reader->ctx, va, buffer, length) == 0;
}

uint64_t unwind_register_value(const struct unwind_registers *regs, uint64_t number, bool *failed)
{
	if (number < UNWIND_GPR_COUNT)
		return regs->gpr[number];
	if (number != UNWIND_RIP)
		*failed = true;
	return number == UNWIND_RIP ? regs->rip : 0;
}

const struct code_image *unwind_find_image(const struct code_image *images, size_t count,
                                           uint64_t pc, struct code_segment *segment)
{
	for (size_t i = 0; i < count; i++)
		if (elf_find_code(&images[i], pc - images[i].bias, segment))
			return &images[i];
	return NULL;
}

/* What is known about the place a frame is at. */
struct place {
	const struct code_image *image;
	struct code_segment segment;
	uint64_t pc;      /* linked address */
	uint64_t address; /* what to look up: pc, or inside the call instruction before it */
	bool is_exact;
};

/* size bytes of code that start at a linked address; NULL when the segment does not hold them. */
static const unsigned char *code_at(const struct place *place, uint64_t address, size_t size)
{
	if (address < place->segment.start || address >= place->segment.end)
		return NULL;

	struct byte_cursor bytes = elf_bytes_at(place->image, address);

	return !bytes.failed && cursor_left(&bytes) >= size ? bytes.at : NULL;
}

/*
 * The trampoline that returns from a signal handler, `mov $15, %eax; syscall` in either encoding: a
 * library without CFI (musl) is recognised by it, as debuggers do. The registers are in the
 * ucontext that the handler's return address was popped off from (Linux: struct rt_sigframe).
 */
static bool is_sigreturn(const struct place *place)
{
	static const unsigned char wide[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05};
	static const unsigned char narrow[] = {0xb8, 15, 0, 0, 0, 0x0f, 0x05};
	const unsigned char *code = code_at(place, place->pc, sizeof wide);

	return code &&
	       (memcmp(code, wide, sizeof wide) == 0 || memcmp(code, narrow, sizeof narrow) == 0);
}

static bool restore_from_sigframe(struct unwinder *unwinder, struct unwind_registers *regs)
{
	/* Linux: struct sigcontext, in the order of its members. */
	static const unsigned char order[] = {UNWIND_R8,  UNWIND_R9,  UNWIND_R10, UNWIND_R11,
	                                      UNWIND_R12, UNWIND_R13, UNWIND_R14, UNWIND_R15,
	                                      UNWIND_RDI, UNWIND_RSI, UNWIND_RBP, UNWIND_RBX,
	                                      UNWIND_RDX, UNWIND_RAX, UNWIND_RCX, UNWIND_RSP};
	uint64_t saved[UNWIND_GPR_COUNT + 1];

	if (!unwind_read(unwinder, regs->gpr[UNWIND_RSP] + RT_SIGFRAME_MCONTEXT, saved,
	                 sizeof saved))
		return false;
	for (size_t i = 0; i < sizeof order; i++)
		regs->gpr[order[i]] = saved[i];
	regs->rip = saved[UNWIND_GPR_COUNT];
	return true;
}

/* Take the return address at a stack slot and drop everything up to it. */
static bool return_through(struct unwinder *unwinder, struct unwind_registers *regs, uint64_t slot)
{
	if (slot < regs->gpr[UNWIND_RSP] || slot > UINT64_MAX - 8 ||
	    !unwind_read(unwinder, slot, &regs->rip, sizeof regs->rip))
		return false;
	regs->gpr[UNWIND_RSP] = slot + 8;
	return true;
}

/* Whether the instruction before a return address is a call: e8 rel32, or ff /2 in 2 to 7 bytes. */
static bool follows_call(const struct place *place, uint64_t return_address)
{
	const unsigned char *code = code_at(place, return_address - 7, 7);

	if (!code)
		return false;
	if (code[2] == 0xe8)
		return true;
	for (unsigned i = 0; i <= 5; i++)
		if (code[i] == 0xff && (code[i + 1] >> 3 & 7) == 2)
			return true;
	return false;
}

/* Whether the instruction before a return address is a direct call of the function at target. */
static bool follows_call_of(const struct place *place, uint64_t return_address, uint64_t target)
{
	const unsigned char *code = code_at(place, return_address - 5, 5);
	uint32_t distance;

	if (!code || code[0] != 0xe8)
		return false;
	memcpy(&distance, code + 1, sizeof distance);
	return return_address + (uint64_t)sign_extend(distance, 4) == target;
}

/* Search the stack for the return address of a direct call of the function at start. */
static bool scan_for_caller(struct unwinder *unwinder, const struct place *place, uint64_t start,
                            struct unwind_registers *regs)
{
	uint64_t slot = (regs->gpr[UNWIND_RSP] + 7) & ~(uint64_t)7;
	uint64_t words[SCAN_CHUNK / 8];

	for (uint64_t scanned = 0; scanned < SCAN_BYTES;) {
		size_t size = SCAN_CHUNK - slot % SCAN_CHUNK;

		if (!spend_steps(&unwinder->steps, size) ||
		    !unwind_read(unwinder, slot, words, size))
			return false;
		for (size_t i = 0; i < size / 8; i++)
			if (follows_call_of(place, words[i] - place->image->bias, start))
				return return_through(unwinder, regs, slot + 8 * i);
		slot += size;
		scanned += size;
	}
	return false;
}

/* push %rbp; mov %rsp,%rbp at a function's start: the linked address behind the push, or 0. */
static uint64_t frame_pointer_pushed(const struct place *place, uint64_t start)
{
	static const unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	const unsigned char *code = code_at(place, start, 8);
	size_t skipped = 0;

	if (!code)
		return 0;
	if (memcmp(code, endbr64, sizeof endbr64) == 0)
		skipped = sizeof endbr64;
	code += skipped;
	if (code[0] != 0x55 || code[1] != 0x48 ||
	    !((code[2] == 0x89 && code[3] == 0xe5) || (code[2] == 0x8b && code[3] == 0xec)))
		return 0;
	return start + skipped + 1;
}

static bool step_by_frame_pointer(struct unwinder *unwinder, const struct place *place,
                                  struct unwind_registers *regs)
{
	uint64_t frame[2]; /* the caller's RBP, the return address */
	uint64_t rbp = regs->gpr[UNWIND_RBP];

	if (rbp % 8 != 0 || rbp < regs->gpr[UNWIND_RSP] || rbp > UINT64_MAX - sizeof frame ||
	    !unwind_read(unwinder, rbp, frame, sizeof frame) ||
	    !follows_call(place, frame[1] - place->image->bias))
		return false;
	regs->gpr[UNWIND_RBP] = frame[0];
	regs->gpr[UNWIND_RSP] = rbp + sizeof frame;
	regs->rip = frame[1];
	return true;
}

/* One step in code without call frame information. */
static bool step_by_code(struct unwinder *unwinder, const struct place *place,
                         struct unwind_registers *regs)
{
	struct code_location location = {.address = place->address,
	                                 .segment_start = place->segment.start};
	struct code_location *sorted[] = {&location};

	elf_lookup_symbols(place->image, sorted, 1, &unwinder->steps);
	if (!location.symbol.data)
		return step_by_frame_pointer(unwinder, place, regs);

	uint64_t start = location.symbol_start;
	uint64_t pushed = frame_pointer_pushed(place, start);

	if (place->is_exact && place->pc == start)
		return return_through(unwinder, regs, regs->gpr[UNWIND_RSP]);
	if (place->is_exact && pushed != 0 && place->pc <= pushed)
		return return_through(unwinder, regs,
		                      regs->gpr[UNWIND_RSP] + (place->pc == pushed ? 8 : 0));
	if (pushed != 0 && step_by_frame_pointer(unwinder, place, regs))
		return true;
	return scan_for_caller(unwinder, place, start, regs) ||
	       step_by_frame_pointer(unwinder, place, regs);
}

/* A call or jump to an address without code: the return address is still on top of the stack. */
static bool step_from_nowhere(struct unwinder *unwinder, struct unwind_registers *regs)
{
	struct code_segment segment;

	return return_through(unwinder, regs, regs->gpr[UNWIND_RSP]) &&
	       unwind_find_image(unwinder->images, unwinder->image_count, regs->rip - 1, &segment);
}

enum unwind_result unwind_step(struct unwinder *unwinder, struct unwind_registers *regs,
                               bool is_exact)
{
	struct unwind_registers caller = *regs;
	struct place place = {.is_exact = is_exact};
	struct fde fde;
	struct cfi_row row;
	bool is_signal = false, is_known;

	place.image = unwind_find_image(unwinder->images, unwinder->image_count,
	                                regs->rip - (is_exact ? 0 : 1), &place.segment);
	if (!place.image) {
		is_known = is_exact && step_from_nowhere(unwinder, &caller);
	} else {
		place.pc = regs->rip - place.image->bias;
		place.address = place.pc - (is_exact ? 0 : 1);
		if (is_sigreturn(&place)) {
			is_signal = true;
			is_known = restore_from_sigframe(unwinder, &caller);
		} else if (cfi_find_fde(place.image, place.address, &fde, &unwinder->steps)) {
			is_signal = fde.cie.is_signal;
			is_known = cfi_find_row(&fde, place.address, &row, &unwinder->steps) &&
			           cfi_apply_row(unwinder, &caller, place.image->bias, &row);
		} else {
			is_known = step_by_code(unwinder, &place, &caller);
		}
	}
	if (!is_known || caller.rip == 0 ||
	    (!is_signal && caller.gpr[UNWIND_RSP] <= regs->gpr[UNWIND_RSP]))
		return UNWIND_STOP;
	*regs = caller;
	return is_signal ? UNWIND_INTERRUPTED : UNWIND_CALLER;
}
