/* SPDX-License-Identifier: Apache-2.0 */
/* kit.elf inside mote's own executable: page-aligned, so that guests map it from the page cache. */
	.section .rodata.kit, "a", @progbits
	.balign 4096
	.globl mote_kit_start, mote_kit_end
mote_kit_start:
	.incbin KIT_ELF
mote_kit_end:
	.balign 4096
	.section .note.GNU-stack, "", @progbits
