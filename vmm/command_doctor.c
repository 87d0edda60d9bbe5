/* SPDX-License-Identifier: Apache-2.0 */
/* `mote doctor`: checks what a run needs of the host, one line a check: ok, or what to do. */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/command.h"
#include "vmm/confine.h"
#include "vmm/doctor.h"
#include "vmm/kvm.h"
#include "vmm/options.h"

/*
 * How it works: check_table lists the checks in the order in which they depend on each other. A
 * check writes one finding: OK with a detail, PROBLEM (no run will work) or ADVICE (something
 * optional is missing) with what to do, or SKIPPED because an earlier check has told the reason.
 */

void found(struct finding *finding, enum verdict verdict, const char *fmt, ...)
{
	va_list args;

	finding->verdict = verdict;
	va_start(args, fmt);
	vsnprintf(finding->text, sizeof finding->text, fmt, args);
	va_end(args);
}

/* What the guest kit and x86-64-v2 need; CPUID leaf, register (EAX, EBX, ECX, EDX) and bit. */
static const struct cpu_feature {
	const char *name;
	uint32_t leaf;
	int reg;
	int bit;
} cpu_features[] = {
        {"SSE4.2", 1, 2, 20},
        {"XSAVE", 1, 2, 26},
        {"FSGSBASE", 7, 1, 0},
};

#define CPU_FEATURE_COUNT (sizeof cpu_features / sizeof cpu_features[0])

static bool has_bit(const uint32_t registers[4], int reg, int bit)
{
	return (registers[reg] >> bit & 1) != 0;
}

static bool cpu_has(uint32_t leaf, int reg, int bit)
{
	uint32_t registers[4] = {0};

	return __get_cpuid_count(leaf, 0, &registers[0], &registers[1], &registers[2],
	                         &registers[3]) != 0 &&
	       has_bit(registers, reg, bit);
}

void doctor_append(char *list, size_t size, const char *name)
{
	size_t used = strlen(list);

	snprintf(list + used, size - used, "%s%s", used != 0 ? ", " : "", name);
}

static void check_processor(struct host *host, struct finding *finding)
{
	char missing[128] = "";

	host->has_vmx = cpu_has(1, 2, 5);
	host->has_svm = cpu_has(0x80000001, 2, 2);
	host->is_virtual = cpu_has(1, 2, 31);
	for (size_t i = 0; i < CPU_FEATURE_COUNT; i++) {
		const struct cpu_feature *feature = &cpu_features[i];

		if (!cpu_has(feature->leaf, feature->reg, feature->bit))
			doctor_append(missing, sizeof missing, feature->name);
	}
	if (missing[0] == '\0')
		found(finding, OK, "x86-64 with SSE4.2, XSAVE and FSGSBASE");
	else if (host->is_virtual)
		found(finding, PROBLEM,
		      "lacks %s. This host is a virtual machine: give it the processor "
		      "model of its own host (QEMU: -cpu host)",
		      missing);
	else
		found(finding, PROBLEM, "lacks %s. Mote needs a newer processor", missing);
}

static void check_tsc(struct host *host, struct finding *finding)
{
	(void)host;
	if (cpu_has(0x80000007, 3, 8))
		found(finding, OK, "constant and nonstop");
	else
		found(finding, ADVICE,
		      "not said to be constant: clocks of guests may drift. In a virtual machine, "
		      "let the outer host pass it on (QEMU: -cpu host,+invtsc)");
}

/* Why is there no /dev/kvm? Depends on the processor and on which modules are loaded. */
static void explain_no_kvm(const struct host *host, struct finding *finding)
{
	const char *module = host->has_vmx ? "kvm_intel" : "kvm_amd";

	if (kvm_backend() != KVM_BACKEND_OTHER)
		found(finding, PROBLEM,
		      "missing, though the kernel has KVM. In a container, start it with "
		      "--device /dev/kvm; else: sudo mknod -m 660 /dev/kvm c 10 232 && "
		      "sudo chgrp kvm /dev/kvm");
	else if (host->has_vmx || host->has_svm)
		found(finding, PROBLEM,
		      "missing. Load the module: sudo modprobe %s; if that fails, see sudo dmesg: "
		      "virtualisation may be off in the firmware setup (%s)",
		      module, host->has_vmx ? "VT-x" : "SVM");
	else if (host->is_virtual)
		found(finding, PROBLEM,
		      "missing. This host is a virtual machine without nested virtualisation: turn "
		      "it on at the outer host (kvm_intel or kvm_amd with nested=1 and a processor "
		      "model that has vmx or svm), or boot a kernel with kvm-pvm and: "
		      "sudo modprobe kvm_pvm");
	else
		found(finding, PROBLEM,
		      "missing, and the processor shows neither VT-x nor AMD-V: turn "
		      "virtualisation on in the firmware setup (BIOS)");
}

static void explain_no_permission(struct finding *finding)
{
	struct stat status;

	if (stat("/dev/kvm", &status) < 0) {
		found(finding, PROBLEM, "no permission to look at it: %s", strerror(errno));
		return;
	}
	if ((status.st_mode & 060) == 060 && status.st_gid != 0)
		found(finding, PROBLEM,
		      "no permission. Join its group, mostly kvm: sudo usermod -aG "
		      "$(stat -c %%G /dev/kvm) $USER, then log out and in again");
	else
		found(finding, PROBLEM,
		      "no permission, and no group has it (mode %03o). Give it to group kvm: "
		      "sudo chgrp kvm /dev/kvm && sudo chmod 660 /dev/kvm && "
		      "sudo usermod -aG kvm $USER, then log out and in again",
		      (unsigned int)status.st_mode & 0777);
}

static void check_device(struct host *host, struct finding *finding)
{
	host->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (host->kvm >= 0)
		found(finding, OK, "can be opened");
	else if (errno == ENOENT)
		explain_no_kvm(host, finding);
	else if (errno == EACCES || errno == EPERM)
		explain_no_permission(finding);
	else if (errno == ENODEV || errno == ENXIO)
		found(finding, PROBLEM, "there is a device node, and no KVM behind it. %s",
		      "Load the module: sudo modprobe kvm_intel (or kvm_amd, kvm_pvm)");
	else
		found(finding, PROBLEM, "cannot be opened: %s", strerror(errno));
}

/* The capabilities a run uses; all are in the kernels of the last years. */
static const struct kvm_capability {
	int number;
	const char *name;
} kvm_capabilities[] = {
        {KVM_CAP_USER_MEMORY, "USER_MEMORY"},
        {KVM_CAP_READONLY_MEM, "READONLY_MEM"},
        {KVM_CAP_EXT_CPUID, "EXT_CPUID"},
        {KVM_CAP_SYNC_REGS, "SYNC_REGS"},
        {KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT"},
        {KVM_CAP_VCPU_EVENTS, "VCPU_EVENTS"},
        {KVM_CAP_XSAVE, "XSAVE"},
        {KVM_CAP_XCRS, "XCRS"},
        {KVM_CAP_GET_TSC_KHZ, "GET_TSC_KHZ"},
};

#define KVM_CAPABILITY_COUNT (sizeof kvm_capabilities / sizeof kvm_capabilities[0])

static void check_interface(struct host *host, struct finding *finding)
{
	char missing[160] = "";
	int version;

	if (host->kvm < 0)
		return;
	version = ioctl(host->kvm, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION) {
		found(finding, PROBLEM,
		      "/dev/kvm does not speak version %d of the KVM API: it is not the "
		      "kernel's KVM",
		      KVM_API_VERSION);
		close(host->kvm);
		host->kvm = -1; /* and no more of its answers */
		return;
	}
	for (size_t i = 0; i < KVM_CAPABILITY_COUNT; i++) {
		if (ioctl(host->kvm, KVM_CHECK_EXTENSION, kvm_capabilities[i].number) <= 0)
			doctor_append(missing, sizeof missing, kvm_capabilities[i].name);
	}
	if (missing[0] != '\0')
		found(finding, PROBLEM, "KVM lacks %s: install a newer kernel (5.10 or later)",
		      missing);
	else
		found(finding, OK, "version %d with all %zu capabilities needed", version,
		      KVM_CAPABILITY_COUNT);
}

static void check_flavour(struct host *host, struct finding *finding)
{
	enum kvm_backend backend = kvm_backend();

	if (host->kvm < 0)
		return;
	host->is_pvm = backend == KVM_BACKEND_PVM ||
	               (backend == KVM_BACKEND_OTHER && !host->has_vmx && !host->has_svm);
	if (host->is_pvm)
		found(finding, OK, "kvm-pvm: no hardware virtualisation, exits cost more");
	else
		found(finding, OK, "%s", kvm_backend_name(backend));
}

#define CPUID_ENTRIES 256 /* of KVM_GET_SUPPORTED_CPUID; the kernel has fewer */

/*
 * KVM may hide from guests what the processor has. Under kvm-pvm, user code runs on the processor
 * as it is and KVM_GET_SUPPORTED_CPUID leaves out even what works, so there it is no evidence.
 */
static void check_guest_cpu(struct host *host, struct finding *finding)
{
	struct kvm_cpuid2 *cpuid;
	char missing[128] = "";

	if (host->kvm < 0)
		return;
	if (host->is_pvm) {
		found(finding, OK, "guests run on the host's as it is");
		return;
	}
	cpuid = calloc(1, sizeof *cpuid + CPUID_ENTRIES * sizeof cpuid->entries[0]);
	if (cpuid == NULL) {
		found(finding, PROBLEM, "%s", strerror(errno));
		return;
	}
	cpuid->nent = CPUID_ENTRIES;
	if (ioctl(host->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) < 0) {
		found(finding, PROBLEM, "KVM does not say what guests may use: %s",
		      strerror(errno));
		free(cpuid);
		return;
	}
	for (size_t i = 0; i < CPU_FEATURE_COUNT; i++) {
		const struct cpu_feature *feature = &cpu_features[i];
		bool is_offered = false;

		for (uint32_t j = 0; j < cpuid->nent && j < CPUID_ENTRIES; j++) {
			const struct kvm_cpuid_entry2 *entry = &cpuid->entries[j];
			const uint32_t registers[4] = {entry->eax, entry->ebx, entry->ecx,
			                               entry->edx};

			if (entry->function == feature->leaf && entry->index == 0)
				is_offered = has_bit(registers, feature->reg, feature->bit);
		}
		if (!is_offered)
			doctor_append(missing, sizeof missing, feature->name);
	}
	free(cpuid);
	if (missing[0] != '\0')
		found(finding, PROBLEM, "KVM hides %s from guests: install a newer kernel",
		      missing);
	else
		found(finding, OK, "KVM passes these features on");
}

static void check_machine(struct host *host, struct finding *finding)
{
	int machine;
	int vcpu;

	if (host->kvm < 0)
		return;
	machine = ioctl(host->kvm, KVM_CREATE_VM, 0);
	if (machine < 0) {
		found(finding, PROBLEM, "cannot be created: %s. %s", strerror(errno),
		      errno == EBUSY ? "Another hypervisor has the processor: end it"
		                     : "See sudo dmesg for the kernel's reason");
		return;
	}
	vcpu = ioctl(machine, KVM_CREATE_VCPU, 0);
	if (vcpu < 0) {
		found(finding, PROBLEM, "its vCPU cannot be created: %s. See sudo dmesg",
		      strerror(errno));
	} else {
		found(finding, OK, "created and closed again");
		close(vcpu);
	}
	close(machine);
}

static void check_memory(struct host *host, struct finding *finding)
{
	void *memory = mmap(NULL, RUN_MEMORY_DEFAULT, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)host;
	if (memory == MAP_FAILED) {
		found(finding, PROBLEM,
		      "a guest's %llu MiB cannot be mapped: %s. See ulimit -v and "
		      "/proc/sys/vm/overcommit_memory, or run with a smaller --mem",
		      RUN_MEMORY_DEFAULT >> 20, strerror(errno));
		return;
	}
	munmap(memory, RUN_MEMORY_DEFAULT);
	found(finding, OK, "a guest's %llu MiB can be mapped", RUN_MEMORY_DEFAULT >> 20);
}

static void check_seccomp(struct host *host, struct finding *finding)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	(void)host;
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
		found(finding, OK, "filters are there");
	else
		found(finding, PROBLEM,
		      "not there (%s), and mote confines itself with it: use a kernel with "
		      "CONFIG_SECCOMP_FILTER, 4.14 or later",
		      strerror(errno));
}

#define LANDLOCK_ABI_REFER 2 /* the version that can permit renames between directories */

static void check_landlock(struct host *host, struct finding *finding)
{
	int version = confine_landlock_abi();

	(void)host;
	if (version >= LANDLOCK_ABI_REFER)
		found(finding, OK, "ABI %d", version);
	else if (version > 0)
		found(finding, ADVICE,
		      "ABI %d: guests with --share cannot move files from one directory to "
		      "another; a kernel of 5.19 or later lets them",
		      version);
	else
		found(finding, ADVICE,
		      "not there (%s): mote does without. For this second line of defence, boot "
		      "with lsm=landlock,... on a kernel with CONFIG_SECURITY_LANDLOCK",
		      strerror(errno));
}

static const struct check {
	const char *name;
	void (*run)(struct host *host, struct finding *finding);
} check_table[] = {
        {"processor", check_processor},
        {"time stamp counter", check_tsc},
        {"/dev/kvm", check_device},
        {"KVM interface", check_interface},
        {"KVM flavour", check_flavour},
        {"guest processor", check_guest_cpu},
        {"virtual machine", check_machine},
        {"memory", check_memory},
        {"seccomp", check_seccomp},
        {"Landlock", check_landlock},
        {"open files", doctor_check_files},
        {"shared directories", doctor_check_shares},
        {"control sockets", doctor_check_control},
        {"passt", doctor_check_passt},
        {"/dev/net/tun", doctor_check_tun},
        {"TAP interface", doctor_check_tap},
        {"mkfs.erofs", doctor_check_mkfs},
        {"musl-gcc", doctor_check_compiler},
};

int command_doctor(int argc, char **argv, struct mote_error *err)
{
	static const char *const words[] = {
	        [OK] = "ok",
	        [ADVICE] = "optional",
	        [PROBLEM] = "PROBLEM",
	};
	struct host host = {.kvm = -1};
	int problems = 0;

	if (command_takes_none(argc, argv, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof check_table / sizeof check_table[0]; i++) {
		struct finding finding = {.verdict = SKIPPED};

		check_table[i].run(&host, &finding);
		if (finding.verdict == SKIPPED)
			continue;
		printf("%-9s %-19s %s\n", words[finding.verdict], check_table[i].name,
		       finding.text);
		problems += finding.verdict == PROBLEM;
	}
	if (host.kvm >= 0)
		close(host.kvm);
	if (problems == 0)
		printf("\nThis host can run microVMs.\n");
	else
		printf("\nThis host cannot run microVMs yet: see PROBLEM above.\n");
	return problems == 0 ? 0 : 1;
}

void command_doctor_help(void)
{
	printf("Usage: mote doctor\n\n"
	       "Checks what mote run needs of this host and prints a line for each: ok,\n"
	       "optional, or PROBLEM with what to do. The exit status is 0 when runs will work,\n"
	       "else 1.\n");
}
