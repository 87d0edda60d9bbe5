/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions behind system calls: lengths, jumps, and all that is not to be moved. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "guestkit/instruction.c"

struct sample {
	const char *text;
	unsigned char bytes[INSTRUCTION_MAX + 1];
	uint8_t length; /* 0: not known */
	enum instruction_kind kind;
	uint8_t relative;
	int32_t distance;
};

/* As objdump shows them in programs linked with musl and glibc, and in Go's. */
static const struct sample samples[] = {
        {"cmp $-4095, %rax", {0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff}, 6, 0, 0, 0},
        {"cmp $-4096, %eax", {0x3d, 0x00, 0xf0, 0xff, 0xff}, 5, 0, 0, 0},
        {"mov %rax, %rdi", {0x48, 0x89, 0xc7}, 3, 0, 0, 0},
        {"test %eax, %eax", {0x85, 0xc0}, 2, 0, 0, 0},
        {"mov %eax, 40(%rsp)", {0x89, 0x44, 0x24, 0x28}, 4, 0, 0, 0},
        {"mov 0x1234(%rbp), %r8", {0x4c, 0x8b, 0x85, 0x34, 0x12, 0, 0}, 7, 0, 0, 0},
        {"mov 0x1234, %eax", {0x8b, 0x04, 0x25, 0x34, 0x12, 0, 0}, 7, 0, 0, 0},
        {"mov (%rax,%rbx,4), %ecx", {0x8b, 0x0c, 0x98}, 3, 0, 0, 0},
        {"mov 0x100(%rip), %eax", {0x8b, 0x05, 0x00, 0x01, 0, 0}, 6, 0, 2, 0},
        {"movl $5, 0x100(%rip)", {0xc7, 0x05, 0, 1, 0, 0, 5, 0, 0, 0}, 10, 0, 2, 0},
        {"lea 0x100(%rip), %r9", {0x4c, 0x8d, 0x0d, 0x00, 0x01, 0, 0}, 7, 0, 3, 0},
        {"mov %fs:0x28, %rax", {0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0}, 9, 0, 0, 0},
        {"mov $1, %r32", {0xba, 1, 0, 0, 0}, 5, 0, 0, 0},
        {"mov $1, %r64", {0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8}, 10, 0, 0, 0},
        {"testb $1, (%rbx)", {0xf6, 0x03, 0x01}, 3, 0, 0, 0},
        {"neg %eax", {0xf7, 0xd8}, 2, 0, 0, 0},
        {"test $1, %ecx", {0xf7, 0xc1, 1, 0, 0, 0}, 6, 0, 0, 0},
        {"addl $1, 8(%rdi)", {0x83, 0x47, 0x08, 0x01}, 4, 0, 0, 0},
        {"imul $1000, %rax, %rax", {0x48, 0x69, 0xc0, 0xe8, 3, 0, 0}, 7, 0, 0, 0},
        {"movslq %eax, %rdx", {0x48, 0x63, 0xd0}, 3, 0, 0, 0},
        {"cmove %rdx, %rax", {0x48, 0x0f, 0x44, 0xc2}, 4, 0, 0, 0},
        {"movzbl 8(%rsp), %eax", {0x0f, 0xb6, 0x44, 0x24, 0x08}, 5, 0, 0, 0},
        {"sete %al", {0x0f, 0x94, 0xc0}, 3, 0, 0, 0},
        {"shr $63, %rax", {0x48, 0xc1, 0xe8, 0x3f}, 4, 0, 0, 0},
        {"pop %r12", {0x41, 0x5c}, 2, 0, 0, 0},
        {"nop", {0x90}, 1, INSTRUCTION_NOTHING, 0, 0},
        {"xchg %r8, %rax", {0x49, 0x90}, 2, 0, 0, 0},
        {"xchg %ax, %ax", {0x66, 0x90}, 2, INSTRUCTION_NOTHING, 0, 0},
        {"nopl 0(%rax)", {0x0f, 0x1f, 0x40, 0x00}, 4, INSTRUCTION_NOTHING, 0, 0},
        {"cs nopw", {0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}, 10, INSTRUCTION_NOTHING, 0, 0},
        {"int3", {0xcc}, 1, INSTRUCTION_NOTHING, 0, 0},
        {"ret", {0xc3}, 1, INSTRUCTION_RETURN, 0, 0},
        {"jmp back", {0xeb, 0xf9}, 2, INSTRUCTION_JUMP, 0, -7},
        {"jmp far", {0xe9, 0, 1, 0, 0}, 5, INSTRUCTION_JUMP, 0, 256},
        {"js", {0x78, 0x10}, 2, INSTRUCTION_BRANCH, 0, 16},
        {"jae far", {0x0f, 0x83, 0xf0, 0xff, 0xff, 0xff}, 6, INSTRUCTION_BRANCH, 0, -16},

        {"call", {0xe8, 0, 0, 0, 0}, 0, 0, 0, 0},
        {"call *%rax", {0xff, 0xd0}, 0, 0, 0, 0},
        {"jmp *%rax", {0xff, 0xe0}, 0, 0, 0, 0},
        {"syscall", {0x0f, 0x05}, 0, 0, 0, 0},
        {"ud2", {0x0f, 0x0b}, 0, 0, 0, 0},
        {"hlt", {0xf4}, 0, 0, 0, 0},
        {"in", {0xe5, 0x50}, 0, 0, 0, 0},
        {"int $3", {0xcd, 0x03}, 0, 0, 0, 0},
        {"pushfq", {0x9c}, 0, 0, 0, 0},
        {"popfq", {0x9d}, 0, 0, 0, 0},
        {"iretq", {0x48, 0xcf}, 0, 0, 0, 0},
        {"loop", {0xe2, 0xfe}, 0, 0, 0, 0},
        {"jrcxz", {0xe3, 0xfe}, 0, 0, 0, 0},
        {"ret $8", {0xc2, 8, 0}, 0, 0, 0, 0},
        {"repz ret", {0xf3, 0xc3}, 0, 0, 0, 0},
        {"bnd jmp", {0xf2, 0xeb, 0}, 0, 0, 0, 0},
        {"jmp with a 16-bit operand", {0x66, 0xe9, 0, 0, 0, 0}, 0, 0, 0, 0},
        {"xbegin", {0xc7, 0xf8, 0, 0, 0, 0}, 0, 0, 0, 0},
        {"xabort", {0xc6, 0xf8, 0}, 0, 0, 0, 0},
        {"mov $1, %ax", {0x66, 0xb8, 1, 0}, 0, 0, 0, 0},
        {"addw $1000, (%rax)", {0x66, 0x81, 0x00, 0xe8, 3}, 0, 0, 0, 0},
        {"lock incl (%rax)", {0xf0, 0xff, 0x00}, 0, 0, 0, 0},
        {"mov with a 32-bit address", {0x67, 0x8b, 0x00}, 0, 0, 0, 0},
        {"pusha of other modes", {0x60}, 0, 0, 0, 0},
        {"vex", {0xc5, 0xf8, 0x77}, 0, 0, 0, 0},
        {"two rex", {0x48, 0x48, 0x89, 0xc7}, 0, 0, 0, 0},
};

Test(instruction, samples)
{
	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		const struct sample *sample = &samples[i];
		struct instruction read;
		bool is_known = instruction_read(sample->bytes, sizeof sample->bytes, &read);

		cr_assert_eq(is_known, sample->length != 0, "%s", sample->text);
		if (!is_known)
			continue;
		cr_assert_eq(read.length, sample->length, "%s: %d bytes", sample->text,
		             read.length);
		cr_assert_eq(read.kind, sample->kind, "%s: kind %d", sample->text, read.kind);
		cr_assert_eq(read.relative, sample->relative, "%s", sample->text);
		cr_assert_eq(read.distance, sample->distance, "%s", sample->text);
	}
}

/* What is cut short is not known, and nothing behind the end is looked at. */
Test(instruction, cut_short)
{
	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		for (size_t size = 0; size < samples[i].length; size++) {
			unsigned char *bytes = malloc(size ? size : 1);
			struct instruction read;

			memcpy(bytes, samples[i].bytes, size);
			cr_assert_not(instruction_read(bytes, size, &read), "%s, %zu bytes",
			              samples[i].text, size);
			free(bytes);
		}
	}
}

/* No length is beyond what there is or what a processor takes, whatever the bytes. */
Test(instruction, any_bytes)
{
	uint64_t state = 88172645463325252;

	for (int i = 0; i < 1000000; i++) {
		unsigned char bytes[2 * INSTRUCTION_MAX];
		size_t size = (size_t)i % sizeof bytes;
		struct instruction read;

		for (size_t j = 0; j < sizeof bytes; j += 6) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			memcpy(bytes + j, &state, 6);
		}
		if (!instruction_read(bytes, size, &read))
			continue;
		cr_assert(read.length > 0 && read.length <= size && read.length <= INSTRUCTION_MAX);
		cr_assert(!read.relative || read.relative + 4 <= read.length);
	}
}
