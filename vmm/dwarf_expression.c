/* SPDX-License-Identifier: Apache-2.0 */
/* DWARF expressions: a stack machine with bounds on depth and steps. */
#include "vmm/dwarf_expression.h"

#define EXPRESSION_DEPTH 32
#define EXPRESSION_STEPS 256

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

static void dereference(struct expression *e, uint8_t size)
{
	uint64_t va = pop(e), value = 0;

	if (e->failed || size == 0 || size > 8 || !unwind_read(e->unwinder, va, &value, size))
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
		a = unwind_register_value(e->regs, op == 0x92 ? cursor_uleb(code) : op - 0x70u,
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

bool dwarf_evaluate(struct unwinder *unwinder, const struct unwind_registers *regs, uint64_t bias,
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
