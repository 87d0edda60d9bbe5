/* SPDX-License-Identifier: Apache-2.0 */
/* The bare KVM floor: the least a program can do to make a VM, take one exit from it and leave. */

/*
 * What `mote run` is measured against: 64 MiB in one slot, one vCPU with the CPUID that KVM
 * supports, started at CPL 3 in 64-bit mode, one `out` instruction, process exit. There is no kit,
 * no application and no confinement, and nothing is cached between runs. Link it statically with
 * musl: a dynamic glibc program of the same text takes about a third longer.
 *
 * With the argument `idle` it stays, with its VM, until a signal ends it: for what that costs in
 * memory (clones.sh).
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM_SIZE (64UL << 20)
#define PAGE_2M  (2UL << 20)

/* Guest-physical layout; the guest runs on the identity mapping. */
#define GDT_ADDR  0x500
#define PML4_ADDR 0x1000
#define PDPT_ADDR 0x2000
#define PD_ADDR   0x3000
#define RSP0_ADDR 0x7000
#define TSS_ADDR  0xa000
#define CODE_ADDR 0x100000

/* Intel SDM vol. 3, 4.5: present, writable, user, accessed, dirty, page size. */
#define PTE_TABLE 0x27
#define PTE_2M    0xe7

/* Linux's selectors: kernel code 0x10, user data 0x2b, user code 0x33; the TSS follows. */
#define USER_DS   0x2b
#define USER_CS   0x33
#define TSS_SEL   0x40
#define TSS_LIMIT 0x20ff /* 104 bytes of TSS, then a bitmap that allows all 65536 ports */

#define CR0_PE_MP_ET_NE_WP_AM_PG  0x80050033
#define CR4_PAE_OSFXSR_OSXMMEXCPT 0x620
#define EFER_SCE_LME_LMA_NXE      0xd01
#define RFLAGS_IF                 0x202 /* with bit 1, which is always set */

#define EXIT_PORT  0x502
#define EXIT_VALUE 0x2a
#define MAX_CPUID  256

struct cpuid {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[MAX_CPUID];
};

static int fail(const char *what)
{
	perror(what);
	return 1;
}

/* Page tables, descriptors and the program: mov al, EXIT_VALUE; mov dx, EXIT_PORT; out dx, al; jmp.
 */
static void fill_ram(uint8_t *ram)
{
	static const uint8_t code[] = {0xb0,           EXIT_VALUE, 0x66, 0xba, EXIT_PORT & 0xff,
	                               EXIT_PORT >> 8, 0xee,       0xeb, 0xfe};
	uint64_t *pml4 = (uint64_t *)(ram + PML4_ADDR);
	uint64_t *pdpt = (uint64_t *)(ram + PDPT_ADDR);
	uint64_t *pd = (uint64_t *)(ram + PD_ADDR);
	uint64_t *gdt = (uint64_t *)(ram + GDT_ADDR);
	uint64_t rsp0 = RSP0_ADDR;
	uint16_t bitmap = 104;

	pml4[0] = PDPT_ADDR | PTE_TABLE;
	pdpt[0] = PD_ADDR | PTE_TABLE;
	for (uint64_t i = 0; i < RAM_SIZE / PAGE_2M; i++)
		pd[i] = (i * PAGE_2M) | PTE_2M;
	gdt[2] = 0x00af9b000000ffff;
	gdt[3] = 0x00cf93000000ffff;
	gdt[4] = 0x00cffb000000ffff;
	gdt[5] = 0x00cff3000000ffff;
	gdt[6] = 0x00affb000000ffff;
	gdt[8] = TSS_LIMIT | ((uint64_t)TSS_ADDR << 16) | (0x8bULL << 40);
	memcpy(ram + TSS_ADDR + 4, &rsp0, sizeof rsp0);
	memcpy(ram + TSS_ADDR + 102, &bitmap, sizeof bitmap);
	memcpy(ram + CODE_ADDR, code, sizeof code);
}

static struct kvm_segment user_segment(uint16_t selector, uint8_t type, uint8_t is_code)
{
	return (struct kvm_segment){
	        .selector = selector,
	        .limit = 0xffffffff,
	        .type = type,
	        .present = 1,
	        .dpl = 3,
	        .s = 1,
	        .l = is_code,
	        .db = !is_code,
	        .g = 1,
	};
}

/* 64-bit mode at CPL 3 without any ring-0 boot code. */
static int set_registers(int vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = {.rip = CODE_ADDR, .rflags = RFLAGS_IF};

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -1;
	sregs.cr0 = CR0_PE_MP_ET_NE_WP_AM_PG;
	sregs.cr3 = PML4_ADDR;
	sregs.cr4 = CR4_PAE_OSFXSR_OSXMMEXCPT;
	sregs.efer = EFER_SCE_LME_LMA_NXE;
	sregs.cs = user_segment(USER_CS, 0xb, 1);
	sregs.ss = user_segment(USER_DS, 0x3, 0);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss;
	sregs.gdt.base = GDT_ADDR;
	sregs.gdt.limit = 127;
	sregs.tr = (struct kvm_segment){
	        .selector = TSS_SEL,
	        .base = TSS_ADDR,
	        .limit = TSS_LIMIT,
	        .type = 0xb,
	        .present = 1,
	};
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0)
		return -1;
	return ioctl(vcpu, KVM_SET_REGS, &regs);
}

static int set_cpuid(int kvm, int vcpu)
{
	static struct cpuid cpuid = {.head.nent = MAX_CPUID};

	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) < 0)
		return -1;
	return ioctl(vcpu, KVM_SET_CPUID2, &cpuid);
}

int main(int argc, char **argv)
{
	bool is_idle = argc == 2 && !strcmp(argv[1], "idle");
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		return fail("/dev/kvm");
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0)
		return fail("KVM_CREATE_VM");
	uint8_t *ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (ram == MAP_FAILED)
		return fail("mmap of guest memory");
	fill_ram(ram);
	struct kvm_userspace_memory_region slot = {
	        .memory_size = RAM_SIZE,
	        .userspace_addr = (uint64_t)ram,
	};

	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return fail("KVM_SET_USER_MEMORY_REGION");
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);

	if (vcpu < 0)
		return fail("KVM_CREATE_VCPU");
	int run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (run_size < 0)
		return fail("KVM_GET_VCPU_MMAP_SIZE");
	struct kvm_run *run =
	        mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

	if (run == MAP_FAILED)
		return fail("mmap of kvm_run");
	if (set_cpuid(kvm, vcpu) < 0)
		return fail("KVM_SET_CPUID2");
	if (set_registers(vcpu) < 0)
		return fail("registers");
	if (ioctl(vcpu, KVM_RUN, 0) < 0)
		return fail("KVM_RUN");

	const uint8_t *value = (const uint8_t *)run + run->io.data_offset;

	if (run->exit_reason != KVM_EXIT_IO || run->io.port != EXIT_PORT || *value != EXIT_VALUE) {
		fprintf(stderr, "unexpected exit %u\n", run->exit_reason);
		return 1;
	}
	if (write(STDOUT_FILENO, "floor\n", 6) != 6)
		return fail("stdout");
	if (is_idle)
		pause();
	_exit(0);
}
