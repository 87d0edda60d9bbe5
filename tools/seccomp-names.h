/* SPDX-License-Identifier: Apache-2.0 */
/* The names that #syscalls comments may use, with their values; part of tools/seccomp-gen.c. */
#ifndef MOTE_TOOLS_SECCOMP_NAMES_H
#define MOTE_TOOLS_SECCOMP_NAMES_H

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <termios.h>

/*
 * Calls that do very different things by one of their arguments: which one that is (from 0), and
 * which of its bits must be clear where an annotation names no values. With 0 it has to name them.
 */
struct selector {
	const char *call;
	unsigned int argument;
	uint32_t default_lacks;
};

static const struct selector selectors[] = {
        {"fcntl", 1, 0},
        {"ioctl", 1, 0},
        {"madvise", 2, 0},
        {"mmap", 2, PROT_EXEC},
        {"mprotect", 2, PROT_EXEC},
        {"mremap", 3, 0},
        {"prctl", 0, 0},
        {"seccomp", 0, 0},
};

#define SELECTOR_COUNT (sizeof selectors / sizeof *selectors)

/* Calls that only the group `share` may have: they take paths (Landlock says which). */
static const char *const share_only[] = {"fchmodat", "openat", "openat2"};

#define SHARE_ONLY_COUNT (sizeof share_only / sizeof *share_only)

/*
 * Calls that no annotation may name: a slip in a comment must not open the sandbox. Files are
 * opened before the first phase.
 */
static const char *const never[] = {
        "add_key",
        "bpf",
        "chmod",
        "chown",
        "chroot",
        "clone",
        "clone3",
        "connect",
        "creat",
        "execve",
        "execveat",
        "fchownat",
        "finit_module",
        "fork",
        "fsopen",
        "init_module",
        "io_uring_enter",
        "io_uring_register",
        "io_uring_setup",
        "ioperm",
        "iopl",
        "kexec_file_load",
        "kexec_load",
        "keyctl",
        "kill",
        "modify_ldt",
        "mount",
        "move_mount",
        "open",
        "open_by_handle_at",
        "open_tree",
        "perf_event_open",
        "personality",
        "pidfd_getfd",
        "pidfd_open",
        "pidfd_send_signal",
        "pivot_root",
        "pkey_mprotect",
        "process_madvise",
        "process_vm_readv",
        "process_vm_writev",
        "ptrace",
        "request_key",
        "rt_sigqueueinfo",
        "rt_tgsigqueueinfo",
        "setgid",
        "setgroups",
        "setns",
        "setregid",
        "setresgid",
        "setresuid",
        "setreuid",
        "setuid",
        "socket",
        "tgkill",
        "tkill",
        "umount2",
        "unshare",
        "userfaultfd",
        "vfork",
};

#define NEVER_COUNT (sizeof never / sizeof *never)

/* Values are compared as 32 bits: see add_to_filter(). */
struct constant {
	const char *name;
	uint32_t value;
};

/* clang-format off */
#define CONSTANT(name) {#name, (uint32_t)(name)}

static const struct constant constants[] = {
	/* fcntl */
	CONSTANT(F_GETFD), CONSTANT(F_GETFL), CONSTANT(F_SETFL), CONSTANT(F_SETFD), CONSTANT(F_DUPFD_CLOEXEC),
	CONSTANT(F_OFD_GETLK), CONSTANT(F_OFD_SETLK),
	/* mmap, mprotect, madvise */
	CONSTANT(PROT_EXEC), CONSTANT(PROT_NONE), CONSTANT(PROT_READ), CONSTANT(PROT_WRITE),
	CONSTANT(MADV_DONTDUMP), CONSTANT(MADV_DONTFORK), CONSTANT(MADV_DONTNEED),
	CONSTANT(MADV_FREE), CONSTANT(MADV_HUGEPAGE), CONSTANT(MADV_NOHUGEPAGE),
	CONSTANT(MADV_POPULATE_READ), CONSTANT(MADV_POPULATE_WRITE), CONSTANT(MADV_RANDOM),
	CONSTANT(MADV_SEQUENTIAL), CONSTANT(MADV_WILLNEED),
	/* mremap */
	CONSTANT(MREMAP_DONTUNMAP), CONSTANT(MREMAP_FIXED), CONSTANT(MREMAP_MAYMOVE),
	/* prctl, seccomp */
	CONSTANT(PR_SET_NAME), CONSTANT(PR_SET_NO_NEW_PRIVS), CONSTANT(PR_SET_PDEATHSIG),
	CONSTANT(PR_SET_TIMERSLACK), CONSTANT(SECCOMP_SET_MODE_FILTER),
	/* ioctl on terminals and other descriptors; TIOCSTI is left out on purpose */
	CONSTANT(FIONBIO), CONSTANT(FIONREAD), CONSTANT(TCGETS), CONSTANT(TCSETS),
	CONSTANT(TCSETSF), CONSTANT(TCSETSW), CONSTANT(TIOCGWINSZ),
	/* ioctl on a TAP */
	CONSTANT(TUNSETOFFLOAD),
	/* ioctl on /dev/kvm */
	CONSTANT(KVM_CHECK_EXTENSION), CONSTANT(KVM_CREATE_VM), CONSTANT(KVM_GET_API_VERSION),
	CONSTANT(KVM_GET_MSR_INDEX_LIST), CONSTANT(KVM_GET_SUPPORTED_CPUID),
	CONSTANT(KVM_GET_VCPU_MMAP_SIZE),
	/* ioctl on a VM */
	CONSTANT(KVM_CLEAR_DIRTY_LOG), CONSTANT(KVM_CREATE_VCPU), CONSTANT(KVM_ENABLE_CAP),
	CONSTANT(KVM_GET_CLOCK), CONSTANT(KVM_GET_DIRTY_LOG), CONSTANT(KVM_GET_STATS_FD),
	CONSTANT(KVM_IOEVENTFD), CONSTANT(KVM_IRQFD), CONSTANT(KVM_SET_CLOCK),
	CONSTANT(KVM_SET_IDENTITY_MAP_ADDR), CONSTANT(KVM_SET_TSS_ADDR),
	CONSTANT(KVM_SET_USER_MEMORY_REGION), CONSTANT(KVM_X86_SET_MSR_FILTER),
	/* ioctl on a vCPU */
	CONSTANT(KVM_GET_CPUID2), CONSTANT(KVM_GET_DEBUGREGS), CONSTANT(KVM_GET_FPU),
	CONSTANT(KVM_GET_LAPIC), CONSTANT(KVM_SET_LAPIC),
	CONSTANT(KVM_GET_MP_STATE), CONSTANT(KVM_GET_MSRS), CONSTANT(KVM_GET_REGS),
	CONSTANT(KVM_GET_SREGS), CONSTANT(KVM_GET_SREGS2), CONSTANT(KVM_GET_TSC_KHZ),
	CONSTANT(KVM_GET_VCPU_EVENTS), CONSTANT(KVM_GET_XCRS), CONSTANT(KVM_GET_XSAVE),
	CONSTANT(KVM_GET_XSAVE2), CONSTANT(KVM_INTERRUPT), CONSTANT(KVM_KVMCLOCK_CTRL),
	CONSTANT(KVM_NMI), CONSTANT(KVM_RUN), CONSTANT(KVM_SET_CPUID2),
	CONSTANT(KVM_SET_DEBUGREGS), CONSTANT(KVM_SET_FPU), CONSTANT(KVM_SET_GUEST_DEBUG),
	CONSTANT(KVM_SET_MP_STATE), CONSTANT(KVM_SET_MSRS), CONSTANT(KVM_SET_REGS),
	CONSTANT(KVM_SET_SIGNAL_MASK), CONSTANT(KVM_SET_SREGS), CONSTANT(KVM_SET_SREGS2),
	CONSTANT(KVM_SET_TSC_KHZ), CONSTANT(KVM_SET_VCPU_EVENTS), CONSTANT(KVM_SET_XCRS),
	CONSTANT(KVM_SET_XSAVE), CONSTANT(KVM_TRANSLATE),
};
/* clang-format on */

#define CONSTANT_COUNT (sizeof constants / sizeof *constants)

#endif
