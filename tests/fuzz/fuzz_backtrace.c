/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes backtraces: registers, a stack and an ELF image, all from the input. */
#include "../../vmm/backtrace.c"
#include "../../vmm/cfi_row.c"
#include "../../vmm/cfi_table.c"
#include "../../vmm/dwarf_expression.c"
#include "../../vmm/dwarf_line.c"
#include "../../vmm/elf_symbols.c"
#include "../../vmm/unwind.c"

#include <stdlib.h>

/*
 * Input: rip and the 16 registers (8 bytes each, little-endian, DWARF's order), STACK_SIZE bytes of
 * stack, the image. seed-backtrace.sh writes the same layout.
 */
#define STACK_BASE 0x7ffff000
#define STACK_SIZE 512
#define KIT_BIAS   0xffffffff80000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_stack(void *ctx, uint64_t va, void *buffer, size_t length)
{
	if (va < STACK_BASE || length > STACK_SIZE || va - STACK_BASE > STACK_SIZE - length)
		return -1;
	memcpy(buffer, (const uint8_t *)ctx + (va - STACK_BASE), length);
	return 0;
}

static void check_line(void *ctx, const char *line, size_t length)
{
	(void)ctx;
	if (strlen(line) != length || line[length - 1] != '\n')
		abort();
	for (size_t i = 0; i < length - 1; i++)
		if (line[i] < 0x20 || line[i] > 0x7e)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct backtrace_frame frames[BACKTRACE_MAX];
	struct unwind_registers regs;
	uint8_t stack[STACK_SIZE];
	size_t header = sizeof regs + sizeof stack;

	if (size <= header)
		return 0;
	memcpy(&regs.rip, data, sizeof regs.rip);
	memcpy(regs.gpr, data + sizeof regs.rip, sizeof regs.gpr);
	memcpy(stack, data + sizeof regs, sizeof stack);

	/* A copy of the exact size: a read behind the image is seen. */
	uint8_t *elf = malloc(size - header);

	if (!elf)
		return 0;
	memcpy(elf, data + header, size - header);

	struct code_image images[2] = {{elf, size - header, 0, "fuzz\x1b"},
	                               {elf, size - header, KIT_BIAS, "kit"}};
	struct guest_reader reader = {read_stack, stack};
	size_t count = backtrace_collect(images, 2, &regs, &reader, frames, BACKTRACE_MAX);

	if (count == 0 || count > BACKTRACE_MAX || frames[0].pc != regs.rip)
		abort();
	backtrace_print(frames, count, check_line, NULL);
	free(elf);
	return 0;
}
