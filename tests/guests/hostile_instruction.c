/* SPDX-License-Identifier: Apache-2.0 */
/* Executes an instruction that only a kernel may: `hostile_instruction NAME`. */
#include <stdio.h>
#include <string.h>

/* X(name, instructions) */
#define INSTRUCTIONS(X)                                                                            \
	X(hlt, "hlt")                                                                              \
	X(cli, "cli")                                                                              \
	X(sti, "sti")                                                                              \
	X(read_cr0, "mov %cr0, %rax")                                                              \
	X(read_cr3, "mov %cr3, %rax")                                                              \
	X(write_cr3, "xor %eax, %eax; mov %rax, %cr3")                                             \
	X(write_cr4, "xor %eax, %eax; mov %rax, %cr4")                                             \
	X(write_cr8, "xor %eax, %eax; mov %rax, %cr8")                                             \
	X(write_dr7, "mov $0x401, %eax; mov %rax, %dr7")                                           \
	X(rdmsr, "mov $0xc0000080, %ecx; rdmsr")                                                   \
	X(wrmsr, "mov $0xc0000082, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr")                   \
	X(xsetbv, "xor %ecx, %ecx; mov $1, %eax; xor %edx, %edx; xsetbv")                          \
	X(lgdt, "lgdt (%rsp)")                                                                     \
	X(lidt, "lidt (%rsp)")                                                                     \
	X(lldt, "mov $0x40, %eax; lldt %ax")                                                       \
	X(ltr, "mov $0x40, %eax; ltr %ax")                                                         \
	X(lmsw, "xor %eax, %eax; lmsw %ax")                                                        \
	X(clts, "clts")                                                                            \
	X(invlpg, "invlpg (%rsp)")                                                                 \
	X(invd, "invd")                                                                            \
	X(wbinvd, "wbinvd")                                                                        \
	X(swapgs, "swapgs")                                                                        \
	X(sysret, "sysretq")                                                                       \
	X(sysexit, "sysexitq")                                                                     \
	X(iret_to_ring_0,                                                                          \
	  "mov %rsp, %rcx; push $0x18; push %rcx; push $0x202; push $0x10; lea 1f(%rip), %rax;"    \
	  "push %rax; iretq; 1: hlt")                                                              \
	X(iret_to_nonsense, "push $-1; push $-1; push $-1; push $-1; push $-1; iretq")             \
	X(far_return_to_ring_0, "push $0x10; lea 1f(%rip), %rax; push %rax; lretq; 1: hlt")        \
	X(load_kernel_ds, "mov $0x18, %eax; mov %eax, %ds")                                        \
	X(load_tss_as_ss, "mov $0x40, %eax; mov %eax, %ss")                                        \
	X(vmcall, "vmcall")                                                                        \
	X(vmmcall, "vmmcall")                                                                      \
	X(vmxoff, "vmxoff")                                                                        \
	X(vmrun, "vmrun")                                                                          \
	X(int_14, "int $14")                                                                       \
	X(int_8, "int $8")                                                                         \
	X(int_80, "mov $1, %eax; int $0x80")                                                       \
	X(int1, ".byte 0xf1")                                                                      \
	X(sysenter, "sysenter")                                                                    \
	X(monitor, "xor %ecx, %ecx; xor %edx, %edx; mov %rsp, %rax; monitor")                      \
	X(compatibility_mode,                                                                      \
	  "push $0x23; lea 1f(%rip), %rax; push %rax; lretq; 1: .byte 0x40; ud2")                  \
	X(ud0, ".byte 0x0f, 0xff, 0xc0")                                                           \
	X(too_long,                                                                                \
	  ".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90") \
	X(lock_nop, ".byte 0xf0, 0x90")

#define FUNCTION(name, instructions)                       \
	__attribute__((naked)) static void do_##name(void) \
	{                                                  \
		__asm__(instructions "; ret");             \
	}
INSTRUCTIONS(FUNCTION)

#define ENTRY(name, instructions) {#name, do_##name},
static const struct {
	const char *name;
	void (*function)(void);
} table[] = {INSTRUCTIONS(ENTRY)};

/* Without a name, prints them all. */
int main(int argc, char **argv)
{
	for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
		if (argc < 2) {
			puts(table[i].name);
		} else if (!strcmp(argv[1], table[i].name)) {
			table[i].function();
			puts("executed");
		}
	}
	return 0;
}
