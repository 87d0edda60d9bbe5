/* SPDX-License-Identifier: Apache-2.0 */
/* The vDSO image inside the kit. */
	.section .vdso, "a", @progbits
	.incbin VDSO_SO
	.section .note.GNU-stack, "", @progbits
