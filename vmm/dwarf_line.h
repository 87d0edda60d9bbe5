/* SPDX-License-Identifier: Apache-2.0 */
/* Source file and line of code addresses, from .debug_line of DWARF 2 to 5. */
#ifndef MOTE_VMM_DWARF_LINE_H
#define MOTE_VMM_DWARF_LINE_H

#include "vmm/elf_symbols.h"

/**
 * dwarf_lookup_lines() - Find the source lines of some addresses.
 * @image:  any bytes
 * @sorted: locations by ascending address, with segment_start set; directory, file and line are
 *          filled where known. directory is relative, or empty.
 * @count:  number of locations
 * @steps:  work left (one step an instruction of the line programs); reduced, and the search ends
 *          when it reaches 0
 *
 * One pass over all line programs. The line is that of the innermost inlined function.
 */
void dwarf_lookup_lines(const struct code_image *image, struct code_location *const *sorted,
                        size_t count, uint64_t *steps);

#endif
