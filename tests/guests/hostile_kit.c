/* SPDX-License-Identifier: Apache-2.0 */
/* Jumps into the kit at MOTE_KIT_VA + OFFSET, with registers that are all a hostile value. */
#include <stdint.h>
#include <stdlib.h>

#include "hostile.h"

int main(int argc, char **argv)
{
	uint64_t to = MOTE_KIT_VA + (argc > 1 ? strtoull(argv[1], NULL, 0) : 0);
	uint64_t value = argc > 2 ? parse_address(argv[2]) : UINT64_MAX;

	__asm__ volatile(
	        "mov %1, %%rbx; mov %1, %%rcx; mov %1, %%rdx; mov %1, %%rsi; mov %1, %%rdi;"
	        "mov %1, %%r8; mov %1, %%r9; mov %1, %%r10; mov %1, %%r12; mov %1, %%r13;"
	        "mov %1, %%r14; mov %1, %%r15; jmp *%0"
	        :
	        : "a"(to), "r"(value)
	        : "rbx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r12", "r13", "r14", "r15",
	          "memory");
	return 0;
}
