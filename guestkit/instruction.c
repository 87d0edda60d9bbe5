/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the x86-64 instructions that compilers put behind a system call, to move them elsewhere.
 *
 * Strict rather than complete: what is not in the lists below is not known. Opcodes and their
 * operands: SDM vol. 2, appendix A.
 */
#include "guestkit/instruction.h"

#include "guestkit/string.h"

/* What follows an opcode. */
enum operands {
	UNKNOWN,
	NONE,
	BYTE,       /* an 8-bit constant */
	CONSTANT,   /* a 32-bit constant */
	MODRM,      /* a ModRM byte with what belongs to it */
	MODRM_BYTE, /* and a constant behind that */
	MODRM_CONSTANT,
};

struct reader {
	const unsigned char *bytes;
	size_t size, at;
	bool is_short; /* it ends before the instruction does */
};

static unsigned next(struct reader *reader)
{
	if (reader->at >= reader->size) {
		reader->is_short = true;
		return 0;
	}
	return reader->bytes[reader->at++];
}

static void skip(struct reader *reader, size_t count)
{
	reader->at += count;
	reader->is_short |= reader->at > reader->size;
}

/* @rm: the ModRM byte that comes next, for opcodes of which it is a part */
static enum operands operands_of(unsigned opcode, unsigned rm)
{
	unsigned part = rm >> 3 & 7;

	if (opcode < 0x40) { /* add, or, adc, sbb, and, sub, xor, cmp in six forms each */
		static const enum operands forms[8] = {MODRM, MODRM, MODRM, MODRM, BYTE, CONSTANT};

		return forms[opcode & 7];
	}
	if (opcode >= 0x50 && opcode < 0x60) /* push, pop */
		return NONE;
	if (opcode >= 0xb0 && opcode < 0xb8) /* mov to a byte register */
		return BYTE;
	if (opcode >= 0xb8 && opcode < 0xc0)
		return CONSTANT;
	switch (opcode) {
	case 0x63: /* movslq */
	case 0x84: /* test */
	case 0x85:
	case 0x88: /* mov */
	case 0x89:
	case 0x8a:
	case 0x8b:
	case 0x8d: /* lea */
	case 0xd0: /* shifts */
	case 0xd1:
	case 0xd2:
	case 0xd3: return MODRM;
	case 0x69: return MODRM_CONSTANT; /* imul */
	case 0x6b: return MODRM_BYTE;
	case 0x80: /* add to cmp */
	case 0x83:
	case 0xc0: /* shifts */
	case 0xc1: return MODRM_BYTE;
	case 0x81: return MODRM_CONSTANT;
	case 0x90: /* nop */
	case 0x98: /* cltq */
	case 0x99: /* cqto */
	case 0xc3: /* ret */
	case 0xc9: /* leave */
	case 0xcc: /* int3 */ return NONE;
	case 0xa8: return BYTE; /* test */
	case 0xa9: return CONSTANT;
	case 0xc6: return part == 0 ? MODRM_BYTE : UNKNOWN; /* mov */
	case 0xc7: return part == 0 ? MODRM_CONSTANT : UNKNOWN;
	case 0xf6: return part == 0 ? MODRM_BYTE : part >= 2 ? MODRM : UNKNOWN; /* test to idiv */
	case 0xf7: return part == 0 ? MODRM_CONSTANT : part >= 2 ? MODRM : UNKNOWN;
	case 0xfe:
	case 0xff: return part <= 1 ? MODRM : UNKNOWN; /* inc, dec */
	default: return UNKNOWN;
	}
}

/* The same for opcodes behind 0x0f. */
static enum operands operands_of_long(unsigned opcode)
{
	if ((opcode >= 0x40 && opcode < 0x50) || (opcode >= 0x90 && opcode < 0xa0))
		return MODRM; /* cmov, set */
	switch (opcode) {
	case 0x1f: /* nop */
	case 0xaf: /* imul */
	case 0xb6: /* movz, movs */
	case 0xb7:
	case 0xbe:
	case 0xbf: return MODRM;
	default: return UNKNOWN;
	}
}

/* Skip a ModRM byte, its SIB byte and displacement (SDM vol. 2, 2.1.5). */
static void read_modrm(struct reader *reader, struct instruction *instruction)
{
	unsigned modrm = next(reader), mode = modrm >> 6, rm = modrm & 7;

	if (mode == 3)
		return;
	if (rm == 4 && (next(reader) & 7) == 5 && mode == 0)
		skip(reader, 4);
	if (mode == 0 && rm == 5) { /* from the end of the instruction: 2.2.1.6 */
		instruction->relative = (uint8_t)reader->at;
		skip(reader, 4);
	}
	skip(reader, mode == 1 ? 1 : mode == 2 ? 4 : 0);
}

/* Jumps and branches; false: it is neither. */
static bool read_jump(struct reader *reader, unsigned opcode, bool is_long,
                      struct instruction *instruction)
{
	bool is_wide = is_long || opcode == 0xe9;

	if (!is_long && (opcode == 0xe9 || opcode == 0xeb))
		instruction->kind = INSTRUCTION_JUMP;
	else if ((opcode & 0xf0) == (is_long ? 0x80 : 0x70))
		instruction->kind = INSTRUCTION_BRANCH;
	else
		return false;
	instruction->condition = opcode & 15;
	skip(reader, is_wide ? 4 : 1);
	if (reader->is_short)
		return true;
	if (is_wide)
		memcpy(&instruction->distance, reader->bytes + reader->at - 4, 4);
	else
		instruction->distance = (reader->bytes[reader->at - 1] ^ 0x80) - 0x80; /* signed */
	return true;
}

static bool read_operands(struct reader *reader, enum operands operands,
                          struct instruction *instruction)
{
	switch (operands) {
	case UNKNOWN: return false;
	case NONE: break;
	case BYTE: skip(reader, 1); break;
	case CONSTANT: skip(reader, 4); break;
	case MODRM: read_modrm(reader, instruction); break;
	case MODRM_BYTE:
		read_modrm(reader, instruction);
		skip(reader, 1);
		break;
	case MODRM_CONSTANT:
		read_modrm(reader, instruction);
		skip(reader, 4);
		break;
	}
	return true;
}

static bool is_nothing(unsigned opcode, bool is_long, unsigned rex)
{
	return is_long ? opcode == 0x1f : opcode == 0xcc || (opcode == 0x90 && !(rex & 1));
}

bool instruction_read(const unsigned char *bytes, size_t size, struct instruction *instruction)
{
	struct reader reader = {bytes, size < INSTRUCTION_MAX ? size : INSTRUCTION_MAX, 0, false};
	unsigned opcode = next(&reader), rex = 0;
	bool is_16_bit = false, is_prefixed = false, is_long;
	enum operands operands;

	*instruction = (struct instruction){.kind = INSTRUCTION_PLAIN};
	/* Operand size; segments, which padding and thread-local variables have */
	for (; opcode == 0x66 || opcode == 0x2e || opcode == 0x64; opcode = next(&reader)) {
		is_16_bit |= opcode == 0x66;
		is_prefixed = true;
	}
	if ((opcode & 0xf0) == 0x40) {
		rex = opcode;
		opcode = next(&reader);
	}
	is_long = opcode == 0x0f;
	if (is_long)
		opcode = next(&reader);
	/* Branches with a prefix: Intel and AMD differ. */
	if (!is_prefixed && !rex && read_jump(&reader, opcode, is_long, instruction)) {
		instruction->length = (uint8_t)reader.at;
		return !reader.is_short;
	}
	operands = is_long ? operands_of_long(opcode)
	                   : operands_of(opcode, reader.at < size ? bytes[reader.at] : 0);
	if (!is_long && (opcode & 0xf8) == 0xb8 && rex & 8)
		skip(&reader, 4); /* a 64-bit constant */
	/* A 16-bit constant is none of those known here. */
	if (is_16_bit && (operands == CONSTANT || operands == MODRM_CONSTANT))
		return false;
	if (!read_operands(&reader, operands, instruction) || reader.is_short)
		return false;
	if (!is_long && opcode == 0xc3 && (is_prefixed || rex))
		return false;
	if (!is_long && opcode == 0xc3)
		instruction->kind = INSTRUCTION_RETURN;
	else if (is_nothing(opcode, is_long, rex))
		instruction->kind = INSTRUCTION_NOTHING;
	instruction->length = (uint8_t)reader.at;
	return true;
}
