/* SPDX-License-Identifier: Apache-2.0 */
/* Executes call frame instructions (DWARF 5, 6.4.2) and applies the row they make. */
#include "vmm/cfi_row.h"

#include "vmm/dwarf_expression.h"

#define STATE_DEPTH 8 /* DW_CFA_remember_state; compilers nest one deep */

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
	if (number < CFI_RULES)
		m->row.rules[number] = (struct cfi_rule){.kind = kind, .value = value};
}

static void set_expression(struct cfi_machine *m, uint64_t number, enum rule_kind kind,
                           struct byte_cursor *code)
{
	struct byte_cursor expression = cursor_take(code, cursor_uleb(code));

	if (number < CFI_RULES)
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
	if (number < CFI_RULES)
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
		m->location = cfi_read_encoded(code, m->cie->fde_encoding,
		                               cfi_cursor_address(m->table, code));
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

bool cfi_find_row(const struct fde *fde, uint64_t address, struct cfi_row *row, uint64_t *steps)
{
	struct cfi_machine m = {
	        .cie = &fde->cie, .table = &fde->table, .location = fde->start, .target = address};

	if (fde->cie.return_register != UNWIND_RIP || !execute(&m, fde->cie.program, steps))
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
		return unwind_read(unwinder, cfa + (uint64_t)rule->value, value, sizeof *value);
	case RULE_VAL_OFFSET: *value = cfa + (uint64_t)rule->value; return true;
	case RULE_REGISTER:
		*value = unwind_register_value(regs, (uint64_t)rule->value, &failed);
		return !failed;
	case RULE_EXPRESSION:
	case RULE_VAL_EXPRESSION:
		if (!dwarf_evaluate(unwinder, regs, bias, rule->expression, &cfa, value))
			return false;
		return rule->kind == RULE_VAL_EXPRESSION ||
		       unwind_read(unwinder, *value, value, sizeof *value);
	}
	return false;
}

bool cfi_apply_row(struct unwinder *unwinder, struct unwind_registers *regs, uint64_t bias,
                   const struct cfi_row *row)
{
	struct unwind_registers caller = *regs;
	bool failed = false;
	uint64_t cfa;

	if (row->cfa.kind == RULE_VAL_EXPRESSION)
		failed = !dwarf_evaluate(unwinder, regs, bias, row->cfa.expression, NULL, &cfa);
	else if (row->cfa.kind == RULE_REGISTER)
		cfa = unwind_register_value(regs, (uint64_t)row->cfa.value, &failed) +
		      (uint64_t)row->cfa_offset;
	else
		failed = true;
	if (failed || row->rules[UNWIND_RIP].kind == RULE_SAME ||
	    row->rules[UNWIND_RIP].kind == RULE_UNDEFINED)
		return false; /* no caller: so crt1 marks _start */
	caller.gpr[UNWIND_RSP] = cfa;
	for (unsigned i = 0; i < UNWIND_GPR_COUNT; i++)
		if (!apply_rule(unwinder, regs, bias, &row->rules[i], cfa, &caller.gpr[i]))
			return false;
	if (!apply_rule(unwinder, regs, bias, &row->rules[UNWIND_RIP], cfa, &caller.rip))
		return false;
	*regs = caller;
	return true;
}
