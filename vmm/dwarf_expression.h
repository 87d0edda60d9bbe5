/* SPDX-License-Identifier: Apache-2.0 */
/* DWARF expressions: the stack machine of DWARF 5, 2.5, as call frame information uses it. */
#ifndef MOTE_VMM_DWARF_EXPRESSION_H
#define MOTE_VMM_DWARF_EXPRESSION_H

#include "vmm/unwind.h"

/**
 * dwarf_evaluate() - Evaluate an expression.
 * @unwinder: memory to dereference, and the work left: each operation takes a step
 * @regs:     what DW_OP_breg* refer to
 * @bias:     added to the operand of DW_OP_addr, which is a linked address
 * @code:     the expression; hostile
 * @initial:  on the stack at the start; NULL: nothing
 * @result:   set to the value on top of the stack at the end
 *
 * Return: false when it is malformed, unsupported or too long, or reads unmapped memory.
 */
bool dwarf_evaluate(struct unwinder *unwinder, const struct unwind_registers *regs, uint64_t bias,
                    struct byte_cursor code, const uint64_t *initial, uint64_t *result);

#endif
