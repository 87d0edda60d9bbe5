/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of call frame information: how each register of the caller is found at one address. */
#ifndef MOTE_VMM_CFI_ROW_H
#define MOTE_VMM_CFI_ROW_H

#include "vmm/cfi_table.h"
#include "vmm/unwind.h"

#define CFI_RULES (UNWIND_RIP + 1) /* the registers that are unwound */

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
	struct cfi_rule rules[CFI_RULES];
};

/**
 * cfi_find_row() - Execute the instructions of a CIE and its FDE up to an address.
 * @address: linked; the FDE covers it
 * @row:     filled; its expressions refer to the image's bytes
 * @steps:   work left; one step an instruction
 */
bool cfi_find_row(const struct fde *fde, uint64_t address, struct cfi_row *row, uint64_t *steps);

/**
 * cfi_apply_row() - Turn a frame's registers into its caller's.
 * @bias: of the image that the row is from
 *
 * Return: false, and @regs as it was, when the row has no caller or memory it needs is unmapped.
 */
bool cfi_apply_row(struct unwinder *unwinder, struct unwind_registers *regs, uint64_t bias,
                   const struct cfi_row *row);

#endif
