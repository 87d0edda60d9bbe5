/* SPDX-License-Identifier: Apache-2.0 */
/* One step up a guest's stack: call frame information, then verified guesses, then a stop. */
#include "vmm/unwind.h"

/*
 * How it works: find_fde() looks for the frame description entry that covers the pc, in .eh_frame,
 * .debug_frame or what PT_GNU_EH_FRAME points to, by a linear scan (an index would have to be
 * trusted). run_program() executes the CIE's and the FDE's instructions up to the pc and yields a
 * row: one rule a register (DWARF 5, 6.4; LSB 5.0, 10.6). apply_row() turns the row into the
 * caller's registers.
 *
 * Code without such information (musl's library has none) is unwound by what its bytes prove: a
 * prologue that sets up a frame pointer, or a word on the stack that follows a direct call to the
 * very function that is running. A frame pointer that merely looks right comes last.
 */
#define RETURN_ADDRESS       16 /* DWARF's register number of rip */
#define RULES                17
#define AUGMENTATION_MAX     16 /* bytes of the string, with its NUL */
#define STATE_DEPTH          8  /* DW_CFA_remember_state; compilers nest one deep */
#define EXPRESSION_DEPTH     32
#define EXPRESSION_STEPS     256
#define SCAN_BYTES           16384 /* how far up a frame without CFI may reach */
#define SCAN_CHUNK           512   /* aligned, so that a chunk never straddles a page */
#define RT_SIGFRAME_MCONTEXT 40    /* from RSP in the trampoline: uc_flags, uc_link, uc_stack */

enum rule_kind {
	RULE_SAME, /* also: nothing was said */
	RULE_UNDEFINED,
	RULE_OFFSET,         /* saved at CFA + value */
	RULE_VAL_OFFSET,     /* is CFA + value */
	RULE_REGISTER,       /* is in register value */
	RULE_EXPRESSION,     /* saved where the expression says */
	RULE_VAL_EXPRESSION, /* is what the expression says */
};

struct cfi_rule {
	enum rule_kind kind;
	int64_t value;
	struct byte_cursor expression;
};

struct cfi_row {
	struct cfi_rule cfa; /* RULE_SAME, RULE_VAL_EXPRESSION, or RULE_REGISTER plus cfa_offset */
	int64_t cfa_offset;
	struct cfi_rule rules[RULES];
};

/* .eh_frame or .debug_frame. */
struct cfi_table {
	const unsigned char *data;
	size_t size;
	uint64_t address; /* linked address of data: the base of DW_EH_PE_pcrel */
	bool is_eh;
	bool stops_at_zero; /* the size is a guess: a zero length ends the table */
};

struct cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t return_register;
	uint8_t fde_encoding;
	bool has_augmentation_data;
	bool is_signal;
	struct byte_cursor program;
};

struct fde {
	struct cfi_table table; /* where it was found */
	uint64_t start;         /* linked address */
	struct cie cie;
	struct byte_cursor program;
};

static bool read_guest(const struct unwinder *unwinder, uint64_t va, void *buffer, size_t length)
{
	return length <= UINT64_MAX - va &&
	       unwinder->reader->read(unwinder->reader->ctx, va, buffer, length) == 0;
}

const struct code_image *unwind_find_image(const struct code_image *images, size_t count,
                                           uint64_t pc, struct code_segment *segment)
{
	for (size_t i = 0; i < count; i++)
		if (elf_find_code(&images[i], pc - images[i].bias, segment))
			return &images[i];
	return NULL;
}

/*
 * A pointer as DW_EH_PE_* says (LSB 5.0, 10.5.1). address is the linked address of the cursor.
 * Indirect, aligned and text- or function-relative pointers do not occur for code: the cursor
 * fails.
 */
static uint64_t read_encoded(struct byte_cursor *cursor, uint8_t encoding, uint64_t address)
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

static uint64_t cursor_address(const struct cfi_table *table, const struct byte_cursor *cursor)
{
	return table->address + (uint64_t)(cursor->at - table->data);
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
			read_encoded(&data, encoding & 0x0f, 0);
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
	fde->start = read_encoded(&entry, fde->cie.fde_encoding, cursor_address(table, &entry));

	uint64_t length = read_encoded(&entry, fde->cie.fde_encoding & 0x0f, 0);

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

	uint64_t address = read_encoded(&cursor, encoding, header.address + 4);
	struct byte_cursor bytes = elf_bytes_at(image, address);

	*table = (struct cfi_table){bytes.at, cursor_left(&bytes), address, true, true};
	return version == 1 && !cursor.failed && !bytes.failed;
}

static bool find_fde(struct unwinder *unwinder, const struct code_image *image, uint64_t address,
                     struct fde *fde)
{
	struct elf_section section;
	struct cfi_table table;
	bool has_eh_section = elf_find_section(image, ".eh_frame", &section);

	if (has_eh_section) {
		table = (struct cfi_table){section.bytes.at, cursor_left(&section.bytes),
		                           section.address, true, false};
		if (find_fde_in_table(&table, address, fde, &unwinder->steps))
			return true;
	}
	if (elf_find_section(image, ".debug_frame", &section)) {
		table = (struct cfi_table){section.bytes.at, cursor_left(&section.bytes), 0, false,
		                           false};
		if (find_fde_in_table(&table, address, fde, &unwinder->steps))
			return true;
	}
	return !has_eh_section && find_eh_frame_by_segment(image, &table) &&
	       find_fde_in_table(&table, address, fde, &unwinder->steps);
}

/* The stack machine of DWARF 5, 2.5, limited to what call frame information may use. */
struct expression {
	struct unwinder *unwinder;
	const struct unwind_registers *regs;
	uint64_t bias; /* DW_OP_addr gives linked addresses */
	uint64_t stack[EXPRESSION_DEPTH];
	unsigned depth;
	bool failed;
};

static void push(struct expression *e, uint64_t value)
{
	if (e->depth == EXPRESSION_DEPTH)
		e->failed = true;
	else
		e->stack[e->depth++] = value;
}

/* The value at index from the top (0), without taking it off. */
static uint64_t pick(struct expression *e, unsigned index)
{
	if (index < e->depth)
		return e->stack[e->depth - 1 - index];
	e->failed = true;
	return 0;
}

static uint64_t pop(struct expression *e)
{
	uint64_t value = pick(e, 0);

	e->depth -= e->depth > 0;
	return value;
}

static uint64_t register_value(const struct unwind_registers *regs, uint64_t number, bool *failed)
{
	if (number < UNWIND_GPR_COUNT)
		return regs->gpr[number];
	if (number != RETURN_ADDRESS)
		*failed = true;
	return number == RETURN_ADDRESS ? regs->rip : 0;
}

static void dereference(struct expression *e, uint8_t size)
{
	uint64_t va = pop(e), value = 0;

	if (e->failed || size == 0 || size > 8 || !read_guest(e->unwinder, va, &value, size))
		e->failed = true;
	push(e, value);
}

/* DW_OP_rot: the top goes below the next two. */
static void rotate(struct expression *e)
{
	uint64_t a = pop(e), b = pop(e), c = pop(e);

	push(e, a);
	push(e, c);
	push(e, b);
}

static void swap(struct expression *e)
{
	uint64_t a = pop(e), b = pop(e);

	push(e, a);
	push(e, b);
}

/* Operators that take two values, except the shifts and comparisons below. */
static uint64_t binary(struct expression *e, uint8_t op, uint64_t a, uint64_t b)
{
	int64_t sa = (int64_t)a, sb = (int64_t)b;

	switch (op) {
	case 0x1a: return a & b;
	case 0x1b: /* div: signed; INT64_MIN / -1 overflows in C */
		if (b == 0)
			break;
		return sb == -1 ? 0 - a : (uint64_t)(sa / sb);
	case 0x1c: return a - b;
	case 0x1d: /* mod: unsigned */
		if (b == 0)
			break;
		return a % b;
	case 0x1e: return a * b;
	case 0x21: return a | b;
	case 0x22: return a + b;
	case 0x24: return b < 64 ? a << b : 0;
	case 0x25: return b < 64 ? a >> b : 0;
	case 0x26: /* shra, without C's implementation-defined shift of negative numbers */
		b = b < 64 ? b : 63;
		return sa < 0 ? ~(~a >> b) : a >> b;
	case 0x27: return a ^ b;
	case 0x29: return sa == sb;
	case 0x2a: return sa >= sb;
	case 0x2b: return sa > sb;
	case 0x2c: return sa <= sb;
	case 0x2d: return sa < sb;
	case 0x2e: return sa != sb;
	default: break;
	}
	e->failed = true;
	return 0;
}

/* Constants: DW_OP_addr, DW_OP_const1u (8) to DW_OP_consts (11). */
static uint64_t read_constant(struct byte_cursor *code, uint8_t op)
{
	size_t size = (size_t)1 << ((op - 0x08) / 2 & 3);

	if (op == 0x10)
		return cursor_uleb(code);
	if (op == 0x11)
		return (uint64_t)cursor_sleb(code);

	uint64_t value = cursor_fixed(code, size);

	return op & 1 ? (uint64_t)sign_extend(value, size) : value;
}

/* DW_OP_skip and DW_OP_bra: move inside [start, end). */
static void jump(struct expression *e, struct byte_cursor *code, const unsigned char *start,
                 bool is_taken)
{
	int64_t distance = sign_extend(cursor_fixed(code, 2), 2);

	if (!is_taken || code->failed)
		return;
	if (distance < start - code->at || distance > code->end - code->at)
		e->failed = true;
	else
		code->at += distance;
}

static void evaluate_one(struct expression *e, struct byte_cursor *code, const unsigned char *start)
{
	uint8_t op = cursor_u8(code);
	uint64_t a, b;

	if (op >= 0x30 && op <= 0x4f) { /* lit0-lit31 */
		push(e, op - 0x30);
		return;
	}
	if ((op >= 0x70 && op <= 0x8f) || op == 0x92) { /* breg0-breg31, bregx */
		a = register_value(e->regs, op == 0x92 ? cursor_uleb(code) : op - 0x70u,
		                   &e->failed);
		push(e, a + (uint64_t)cursor_sleb(code));
		return;
	}
	if (op >= 0x08 && op <= 0x11) {
		push(e, read_constant(code, op));
		return;
	}
	switch (op) {
	case 0x03: push(e, cursor_fixed(code, 8) + e->bias); break; /* addr */
	case 0x06: dereference(e, 8); break;
	case 0x12: push(e, pick(e, 0)); break; /* dup */
	case 0x13: pop(e); break;
	case 0x14: push(e, pick(e, 1)); break; /* over */
	case 0x15: push(e, pick(e, cursor_u8(code))); break;
	case 0x16: swap(e); break;
	case 0x17: rotate(e); break;
	case 0x19: /* abs */
		a = pop(e);
		push(e, (int64_t)a < 0 ? 0 - a : a);
		break;
	case 0x1f: push(e, 0 - pop(e)); break;
	case 0x20: push(e, ~pop(e)); break;
	case 0x23: push(e, pop(e) + cursor_uleb(code)); break; /* plus_uconst */
	case 0x28: jump(e, code, start, pop(e) != 0); break;
	case 0x2f: jump(e, code, start, true); break;
	case 0x94: dereference(e, cursor_u8(code)); break;
	case 0x96: break; /* nop */
	default:
		b = pop(e);
		a = pop(e);
		push(e, binary(e, op, a, b));
	}
}

/* Evaluate an expression; *initial, where given, is on the stack at the start. */
static bool evaluate(struct unwinder *unwinder, const struct unwind_registers *regs, uint64_t bias,
                     struct byte_cursor code, const uint64_t *initial, uint64_t *result)
{
	struct expression e = {.unwinder = unwinder, .regs = regs, .bias = bias};
	const unsigned char *start = code.at;

	if (initial)
		push(&e, *initial);
	for (unsigned i = 0; cursor_left(&code) > 0; i++) {
		if (i == EXPRESSION_STEPS || !spend_steps(&unwinder->steps, 1))
			return false;
		evaluate_one(&e, &code, start);
		if (e.failed || code.failed)
			return false;
	}
	*result = pop(&e);
	return !e.failed;
}

/* The state of the machine that executes call frame instructions (DWARF 5, 6.4.2). */
struct cfi_machine {
	const struct cie *cie;
	const struct cfi_table *table; /* the base of pcrel pointers in the instructions */
	uint64_t location;             /* linked address where the row in the making starts */
	uint64_t target;               /* stop before a row that starts above */
	struct cfi_row row;
	struct cfi_row initial; /* after the CIE's instructions; what DW_CFA_restore goes back to */
	struct cfi_row saved[STATE_DEPTH];
	unsigned saved_count;
	bool failed;
};

/* Rules of registers that are not unwound (vectors, x87) are parsed and dropped. */
static void set_rule(struct cfi_machine *m, uint64_t number, enum rule_kind kind, int64_t value)
{
	if (number < RULES)
		m->row.rules[number] = (struct cfi_rule){.kind = kind, .value = value};
}

static void set_expression(struct cfi_machine *m, uint64_t number, enum rule_kind kind,
                           struct byte_cursor *code)
{
	struct byte_cursor expression = cursor_take(code, cursor_uleb(code));

	if (number < RULES)
		m->row.rules[number] = (struct cfi_rule){.kind = kind, .expression = expression};
}

static void set_cfa(struct cfi_machine *m, uint64_t number, int64_t offset)
{
	m->row.cfa = (struct cfi_rule){.kind = RULE_REGISTER, .value = (int64_t)number};
	m->row.cfa_offset = offset;
}

static int64_t factored(const struct cfi_machine *m, int64_t value)
{
	return (int64_t)((uint64_t)value * (uint64_t)m->cie->data_align);
}

static void restore_rule(struct cfi_machine *m, uint64_t number)
{
	if (number < RULES)
		m->row.rules[number] = m->initial.rules[number];
}

static void remember_state(struct cfi_machine *m)
{
	if (m->saved_count == STATE_DEPTH)
		m->failed = true;
	else
		m->saved[m->saved_count++] = m->row;
}

static void restore_state(struct cfi_machine *m)
{
	if (m->saved_count == 0)
		m->failed = true;
	else
		m->row = m->saved[--m->saved_count];
}

/* Instructions that define the CFA. Returns false for any other. */
static bool execute_cfa(struct cfi_machine *m, uint8_t op, struct byte_cursor *code)
{
	uint64_t number;

	switch (op) {
	case 0x0c: /* def_cfa */
		number = cursor_uleb(code);
		set_cfa(m, number, (int64_t)cursor_uleb(code));
		return true;
	case 0x0d: /* def_cfa_register */
		set_cfa(m, cursor_uleb(code), m->row.cfa_offset);
		return true;
	case 0x0e: /* def_cfa_offset */ m->row.cfa_offset = (int64_t)cursor_uleb(code); return true;
	case 0x0f: /* def_cfa_expression */
		m->row.cfa.kind = RULE_VAL_EXPRESSION;
		m->row.cfa.expression = cursor_take(code, cursor_uleb(code));
		return true;
	case 0x12: /* def_cfa_sf */
		number = cursor_uleb(code);
		set_cfa(m, number, factored(m, cursor_sleb(code)));
		return true;
	case 0x13: /* def_cfa_offset_sf */
		m->row.cfa_offset = factored(m, cursor_sleb(code));
		return true;
	default: return false;
	}
}

/* Instructions that give a register a rule. Unknown ones fail: their operands are unknown too. */
static void execute_rule(struct cfi_machine *m, uint8_t op, struct byte_cursor *code)
{
	uint64_t number = cursor_uleb(code);

	switch (op) {
	case 0x05: /* offset_extended */
		set_rule(m, number, RULE_OFFSET, factored(m, (int64_t)cursor_uleb(code)));
		break;
	case 0x06: restore_rule(m, number); break;
	case 0x07: set_rule(m, number, RULE_UNDEFINED, 0); break;
	case 0x08: set_rule(m, number, RULE_SAME, 0); break;
	case 0x09: set_rule(m, number, RULE_REGISTER, (int64_t)cursor_uleb(code)); break;
	case 0x10: set_expression(m, number, RULE_EXPRESSION, code); break;
	case 0x11: /* offset_extended_sf */
		set_rule(m, number, RULE_OFFSET, factored(m, cursor_sleb(code)));
		break;
	case 0x14: /* val_offset */
		set_rule(m, number, RULE_VAL_OFFSET, factored(m, (int64_t)cursor_uleb(code)));
		break;
	case 0x15: /* val_offset_sf */
		set_rule(m, number, RULE_VAL_OFFSET, factored(m, cursor_sleb(code)));
		break;
	case 0x16: set_expression(m, number, RULE_VAL_EXPRESSION, code); break;
	case 0x2e: break; /* GNU_args_size: its operand was read above */
	case 0x2f:        /* GNU_negative_offset_extended */
		set_rule(m, number, RULE_OFFSET, factored(m, (int64_t)(0 - cursor_uleb(code))));
		break;
	default: m->failed = true;
	}
}

static void execute_one(struct cfi_machine *m, struct byte_cursor *code)
{
	uint8_t op = cursor_u8(code);
	uint8_t low = op & 0x3f;

	switch (op & 0xc0) {
	case 0x40: m->location += low * m->cie->code_align; return;
	case 0x80: set_rule(m, low, RULE_OFFSET, factored(m, (int64_t)cursor_uleb(code))); return;
	case 0xc0: restore_rule(m, low); return;
	default: break;
	}
	switch (op) {
	case 0x00: return; /* nop */
	case 0x01:         /* set_loc */
		m->location =
		        read_encoded(code, m->cie->fde_encoding, cursor_address(m->table, code));
		return;
	case 0x02: m->location += cursor_fixed(code, 1) * m->cie->code_align; return;
	case 0x03: m->location += cursor_fixed(code, 2) * m->cie->code_align; return;
	case 0x04: m->location += cursor_fixed(code, 4) * m->cie->code_align; return;
	case 0x0a: remember_state(m); return;
	case 0x0b: restore_state(m); return;
	default: break;
	}
	if (!execute_cfa(m, op, code))
		execute_rule(m, op, code);
}

/* Run instructions until the row for the target is complete: those that advance change no rule. */
static bool execute(struct cfi_machine *m, struct byte_cursor code, uint64_t *steps)
{
	while (cursor_left(&code) > 0 && !m->failed && !code.failed) {
		if (!spend_steps(steps, 1))
			return false;
		execute_one(m, &code);
		if (m->location > m->target)
			break;
	}
	return !m->failed && !code.failed;
}

/* The row of an address that the FDE covers. */
static bool find_row(const struct fde *fde, uint64_t address, struct cfi_row *row, uint64_t *steps)
{
	struct cfi_machine m = {
	        .cie = &fde->cie, .table = &fde->table, .location = fde->start, .target = address};

	if (fde->cie.return_register != RETURN_ADDRESS || !execute(&m, fde->cie.program, steps))
		return false;
	m.initial = m.row;
	if (!execute(&m, fde->program, steps))
		return false;
	*row = m.row;
	return true;
}

/* What a rule makes of a register that had the value old in the frame below. */
static bool apply_rule(struct unwinder *unwinder, const struct unwind_registers *regs,
                       uint64_t bias, const struct cfi_rule *rule, uint64_t cfa, uint64_t *value)
{
	bool failed = false;

	switch (rule->kind) {
	case RULE_SAME:
	case RULE_UNDEFINED: return true;
	case RULE_OFFSET:
		return read_guest(unwinder, cfa + (uint64_t)rule->value, value, sizeof *value);
	case RULE_VAL_OFFSET: *value = cfa + (uint64_t)rule->value; return true;
	case RULE_REGISTER:
		*value = register_value(regs, (uint64_t)rule->value, &failed);
		return !failed;
	case RULE_EXPRESSION:
	case RULE_VAL_EXPRESSION:
		if (!evaluate(unwinder, regs, bias, rule->expression, &cfa, value))
			return false;
		return rule->kind == RULE_VAL_EXPRESSION ||
		       read_guest(unwinder, *value, value, sizeof *value);
	}
	return false;
}

/* Turn the registers into the caller's. */
static bool apply_row(struct unwinder *unwinder, struct unwind_registers *regs, uint64_t bias,
                      const struct cfi_row *row)
{
	struct unwind_registers caller = *regs;
	bool failed = false;
	uint64_t cfa;

	if (row->cfa.kind == RULE_VAL_EXPRESSION)
		failed = !evaluate(unwinder, regs, bias, row->cfa.expression, NULL, &cfa);
	else if (row->cfa.kind == RULE_REGISTER)
		cfa = register_value(regs, (uint64_t)row->cfa.value, &failed) +
		      (uint64_t)row->cfa_offset;
	else
		failed = true;
	if (failed || row->rules[RETURN_ADDRESS].kind == RULE_SAME ||
	    row->rules[RETURN_ADDRESS].kind == RULE_UNDEFINED)
		return false; /* no caller: so crt1 marks _start */
	caller.gpr[UNWIND_RSP] = cfa;
	for (unsigned i = 0; i < UNWIND_GPR_COUNT; i++)
		if (!apply_rule(unwinder, regs, bias, &row->rules[i], cfa, &caller.gpr[i]))
			return false;
	if (!apply_rule(unwinder, regs, bias, &row->rules[RETURN_ADDRESS], cfa, &caller.rip))
		return false;
	*regs = caller;
	return true;
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

	if (!read_guest(unwinder, regs->gpr[UNWIND_RSP] + RT_SIGFRAME_MCONTEXT, saved,
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
	    !read_guest(unwinder, slot, &regs->rip, sizeof regs->rip))
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
		    !read_guest(unwinder, slot, words, size))
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
	    !read_guest(unwinder, rbp, frame, sizeof frame) ||
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
		} else if (find_fde(unwinder, place.image, place.address, &fde)) {
			is_signal = fde.cie.is_signal;
			is_known = find_row(&fde, place.address, &row, &unwinder->steps) &&
			           apply_row(unwinder, &caller, place.image->bias, &row);
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
