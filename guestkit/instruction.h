/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the x86-64 instructions that compilers put behind a system call, to move them elsewhere. */
#ifndef MOTE_GUESTKIT_INSTRUCTION_H
#define MOTE_GUESTKIT_INSTRUCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INSTRUCTION_MAX 15 /* bytes: SDM vol. 2, 2.3.11 */

enum instruction_kind {
	INSTRUCTION_PLAIN,   /* goes on behind itself, and does not know where it stands */
	INSTRUCTION_NOTHING, /* the same, and fills space between functions: nop, int3 */
	INSTRUCTION_BRANCH,  /* conditional, to a known place */
	INSTRUCTION_JUMP,    /* to a known place */
	INSTRUCTION_RETURN,
};

struct instruction {
	enum instruction_kind kind;
	uint8_t length;    /* bytes */
	uint8_t condition; /* of a branch: the low four bits of its opcode */
	uint8_t relative;  /* where it has a 32-bit distance from its end to data; 0: nowhere */
	int32_t distance;  /* of a branch or jump, from its end */
};

/**
 * instruction_read() - Read one instruction.
 * @size: bytes there are
 *
 * Knows plain general-purpose instructions, and nothing that depends on its own address or
 * leaves user mode except as the kinds above tell.
 *
 * Return: whether it is known and complete.
 */
bool instruction_read(const unsigned char *bytes, size_t size, struct instruction *instruction);

#endif
