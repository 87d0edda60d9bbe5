/* SPDX-License-Identifier: Apache-2.0 */
/* The KVM file descriptors of one microVM. */
#include "vmm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOCAL_APIC_PAGE 0xfee00000u

int kvm_open(struct kvm *kvm, struct mote_error *err)
{
	kvm->system = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm->system < 0) {
		int why = errno;

		mote_error_errno(err, MOTE_STATUS_FAILED, "cannot open /dev/kvm");
		if (why == EACCES || why == EPERM)
			return mote_error_hint(err, "Add your user to group kvm (see mote doctor)");
		return mote_error_hint(err, "Is KVM enabled on this machine? (see mote doctor)");
	}
	if (ioctl(kvm->system, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "cannot use /dev/kvm: it does not speak KVM API version %d",
		                      KVM_API_VERSION);
	return 0;
}

static int failed(struct mote_error *err, const char *step)
{
	return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot make a virtual machine: %s", step);
}

/* #syscalls:load ioctl(KVM_CREATE_VM) ioctl(KVM_CREATE_VCPU) ioctl(KVM_ENABLE_CAP) */
/* #syscalls:load ioctl(KVM_GET_VCPU_MMAP_SIZE) mmap */
int kvm_create(struct kvm *kvm, uint64_t ram_size, bool is_native, struct mote_error *err)
{
	struct kvm_enable_cap local_apic = {.cap = KVM_CAP_SPLIT_IRQCHIP};
	int size;

	kvm->vm = ioctl(kvm->system, KVM_CREATE_VM, 0);
	if (kvm->vm < 0)
		return failed(err, "KVM_CREATE_VM");
	/*
	 * The guest has no interrupt controller. Yet a vCPU without KVM's local APIC costs: KVM
	 * then flips a static key, which stops every CPU of the host several times at creation and
	 * again at the end (docs/decisions/007-no-irqchip.md). A KVM that cannot do without is as
	 * good.
	 */
	/*
	 * Hardware that virtualises the APIC has KVM put a page of its own at its address, where
	 * more RAM than this would lie. There is none such where KVM runs CPL 3 as it is.
	 */
	if (ram_size <= LOCAL_APIC_PAGE || is_native)
		ioctl(kvm->vm, KVM_ENABLE_CAP, &local_apic);
	kvm->vcpu = ioctl(kvm->vm, KVM_CREATE_VCPU, 0);
	if (kvm->vcpu < 0)
		return failed(err, "KVM_CREATE_VCPU");
	size = ioctl(kvm->system, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof *kvm->run)
		return failed(err, "KVM_GET_VCPU_MMAP_SIZE");
	kvm->run_size = (size_t)size;
	kvm->run = mmap(NULL, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, kvm->vcpu, 0);
	if (kvm->run == MAP_FAILED)
		return failed(err, "mapping the vCPU");
	return 0;
}

/* #syscalls:run ioctl(KVM_SET_USER_MEMORY_REGION) */
int kvm_add_ram(struct kvm *kvm, const struct guest_memory *memory, uint64_t end,
                struct mote_error *err)
{
	struct kvm_userspace_memory_region slot = {
	        .slot = kvm->ram_slots,
	        .flags = kvm->is_logging ? KVM_MEM_LOG_DIRTY_PAGES : 0,
	        .guest_phys_addr = kvm->ram_end,
	        .userspace_addr = (uint64_t)memory->host + kvm->ram_end,
	};

	if (end < memory->size)
		end = (end + MOTE_HUGE_PAGE_SIZE - 1) & ~(MOTE_HUGE_PAGE_SIZE - 1);
	if (end > memory->size)
		end = memory->size;
	slot.memory_size = end - kvm->ram_end;
	if (kvm->ram_slots == KVM_RAM_SLOTS_MAX)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "a guest with too many pieces of RAM");
	if (ioctl(kvm->vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return failed(err, "KVM_SET_USER_MEMORY_REGION");
	kvm->ram_slot[kvm->ram_slots++] = kvm->ram_end;
	kvm->ram_end = end;
	return 0;
}

/* #syscalls:load ioctl(KVM_SET_USER_MEMORY_REGION) */
int kvm_add_read_only_slot(const struct kvm *kvm, unsigned slot, uint64_t gpa, const void *host,
                           uint64_t length, struct mote_error *err)
{
	struct kvm_userspace_memory_region region = {
	        .slot = slot,
	        .flags = KVM_MEM_READONLY,
	        .guest_phys_addr = gpa,
	        .memory_size = length,
	        .userspace_addr = (uint64_t)host,
	};

	if (ioctl(kvm->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return failed(err, "KVM_SET_USER_MEMORY_REGION of a read-only slot");
	return 0;
}

enum kvm_backend kvm_backend(void)
{
	static const char *const modules[] = {"/sys/module/kvm_intel", "/sys/module/kvm_amd",
	                                      "/sys/module/kvm_pvm"};

	for (unsigned i = 0; i < KVM_BACKEND_OTHER; i++)
		if (access(modules[i], F_OK) == 0)
			return i;
	return KVM_BACKEND_OTHER;
}

bool kvm_is_shadowing(enum kvm_backend backend)
{
	static const char *const parameters[] = {"/sys/module/kvm_intel/parameters/ept",
	                                         "/sys/module/kvm_amd/parameters/npt"};
	char value = 'N';
	int fd;

	if (backend > KVM_BACKEND_AMD)
		return true;
	fd = open(parameters[backend], O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, &value, 1) != 1)
		value = 'N';
	if (fd >= 0)
		close(fd);
	return value != 'Y' && value != '1';
}

const char *kvm_backend_name(enum kvm_backend backend)
{
	static const char *const names[] = {"kvm-intel", "kvm-amd", "kvm-pvm", "kvm"};

	return names[backend];
}
