/* SPDX-License-Identifier: Apache-2.0 */
/* Stubs of rewritten system calls: where they lie and what is in them. Used by patch.c alone. */
#ifndef MOTE_GUESTKIT_STUB_H
#define MOTE_GUESTKIT_STUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guestkit/instruction.h"

#define SYSCALL_SIZE 2
#define JUMP_SIZE    5
/* Instructions behind a call that begin in the jump; bytes that they may have with the call. */
#define MOVED_MAX (JUMP_SIZE - SYSCALL_SIZE)
#define BYTES_MAX (JUMP_SIZE - 1 + INSTRUCTION_MAX)
#define STUB_SIZE 64
/* What stands before the first moved instruction, for who comes from the call: RCX is loaded. */
#define STUB_LOAD_SIZE 7

/* An instruction behind the call, or (the last) where all goes on: offsets from site and stub. */
struct moved {
	uint8_t at, in_stub;
};

enum site_state {
	SITE_WRITTEN,
	SITE_ORIGINAL, /* put back; the stub is kept */
	SITE_REFUSED,  /* put back for good */
	SITE_GONE,     /* other code has come there */
};

struct site {
	uint64_t start; /* of the call */
	uint64_t stub;  /* its address */
	uint32_t jumps; /* into the middle so far */
	uint8_t state;
	uint8_t moved_count;
	uint8_t original[JUMP_SIZE];
	struct moved moved[MOVED_MAX + 1];
};

/* The jump at @at to @to, which is in reach. */
void stub_write_jump(unsigned char *jump, uint64_t at, uint64_t to);

/**
 * stub_place() - Find a place for a site's stub.
 * @site: start and what is moved are known
 *
 * Return: its address, whose jump traps wherever a moved instruction began; 0: there is none.
 */
uint64_t stub_place(const struct site *site);

/**
 * stub_make() - Make the stub of a site.
 * @code:  its bytes; room for STUB_SIZE
 * @site:  where its stub lies is known; set is where the moved instructions are in it
 * @bytes: what was at the site, BYTES_MAX
 *
 * Return: length; 0: it would have to reach farther than 2 GiB.
 */
size_t stub_make(unsigned char *code, struct site *site, const unsigned char *bytes);

/* A stub's bytes in the direct map. */
unsigned char *stub_bytes(uint64_t stub);

/* All places are free again. */
void stub_free_all(void);

#endif
