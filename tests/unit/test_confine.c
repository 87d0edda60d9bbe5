/* SPDX-License-Identifier: Apache-2.0 */
/* What a confined VMM must not be able to do, one test for each thing and phase; and what it can.
 */
#define _GNU_SOURCE 1
#include "confined_child.h"
#include "vmm/confine.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Killed by SIGSYS in the attempt; and without confinement the same attempt is survived. */
static void assert_killed(enum confinement how, void (*attempt)(void))
{
	enum progress reached;
	int status = in_child(FREE, attempt, &reached);

	if (!WIFEXITED(status))
		cr_skip("this kernel does not let even an unconfined process try");
	cr_assert(reached == ATTEMPTED && WEXITSTATUS(status) == 0,
	          "unconfined attempt: status %#x", status);
	status = in_child(how, attempt, &reached);
	cr_assert(reached == CONFINED, "attempt not reached or survived: %d, status %#x", reached,
	          status);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "status %#x", status);
}

/* The attempts must be harmless where nothing stops them: bad pointers, no change, signal 0. */
#define ATTEMPT(name, ...)               \
	static void attempt_##name(void) \
	{                                \
		__VA_ARGS__;             \
	}

#define FORBIDDEN(name, ...)                         \
	ATTEMPT(name, __VA_ARGS__)                   \
	Test(confine_load, name)                     \
	{                                            \
		assert_killed(LOAD, attempt_##name); \
	}                                            \
	Test(confine_run, name)                      \
	{                                            \
		assert_killed(RUN, attempt_##name);  \
	}

#define FORBIDDEN_IN_RUN(name, ...)                 \
	ATTEMPT(name, __VA_ARGS__)                  \
	Test(confine_run, name)                     \
	{                                           \
		assert_killed(RUN, attempt_##name); \
	}

static const char nowhere[] = "/nonexistent/file";

/* Other processes. */
FORBIDDEN(execve, syscall(SYS_execve, nowhere, NULL, NULL))
FORBIDDEN(execveat, syscall(SYS_execveat, AT_FDCWD, nowhere, NULL, NULL, 0))
FORBIDDEN(fork, if (syscall(SYS_fork) == 0) _exit(0))
FORBIDDEN(vfork, if (vfork() == 0) _exit(0))
FORBIDDEN(clone, if (syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0) _exit(0))
FORBIDDEN(clone_thread, syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0))
FORBIDDEN(clone3, syscall(SYS_clone3, NULL, 0))
FORBIDDEN(ptrace, syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0))
FORBIDDEN(kill_parent, syscall(SYS_kill, getppid(), 0))
FORBIDDEN(tgkill, syscall(SYS_tgkill, 1, 1, 0))
FORBIDDEN(pidfd_open, syscall(SYS_pidfd_open, 1, 0))
FORBIDDEN(process_vm_readv, syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0))
FORBIDDEN(process_vm_writev, syscall(SYS_process_vm_writev, 1, NULL, 0, NULL, 0, 0))

/* The network. */
FORBIDDEN(socket_inet, syscall(SYS_socket, AF_INET, SOCK_STREAM, 0))
FORBIDDEN(socket_unix, syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0))
FORBIDDEN(socket_netlink, syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0))
FORBIDDEN(connect, syscall(SYS_connect, -1, NULL, 0))
FORBIDDEN(bind, syscall(SYS_bind, -1, NULL, 0))

/* Files. */
FORBIDDEN(open_to_write, syscall(SYS_open, nowhere, O_WRONLY))
FORBIDDEN(open_to_read_and_write, syscall(SYS_openat, AT_FDCWD, nowhere, O_RDWR | O_CLOEXEC))
FORBIDDEN(open_to_create, syscall(SYS_openat, AT_FDCWD, nowhere, O_RDONLY | O_CREAT, 0600))
FORBIDDEN(open_to_truncate, syscall(SYS_open, nowhere, O_RDONLY | O_TRUNC))
FORBIDDEN(openat2, syscall(SYS_openat2, AT_FDCWD, nowhere, NULL, 0))
FORBIDDEN(creat, syscall(SYS_creat, nowhere, 0600))
FORBIDDEN(unlink, syscall(SYS_unlink, nowhere))
FORBIDDEN(unlinkat, syscall(SYS_unlinkat, AT_FDCWD, nowhere, 0))
FORBIDDEN(rename, syscall(SYS_rename, nowhere, nowhere))
FORBIDDEN(mkdir, syscall(SYS_mkdir, nowhere, 0700))
FORBIDDEN(symlink, syscall(SYS_symlink, nowhere, nowhere))
FORBIDDEN(chmod, syscall(SYS_chmod, nowhere, 0777))
FORBIDDEN(fchmod, syscall(SYS_fchmod, -1, 0777))
FORBIDDEN(chown, syscall(SYS_chown, nowhere, 0, 0))
FORBIDDEN(truncate, syscall(SYS_truncate, nowhere, 0))
FORBIDDEN(open_to_read, syscall(SYS_open, "/dev/null", O_RDONLY))
FORBIDDEN(openat_to_read, syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC))
FORBIDDEN(stat, syscall(SYS_stat, nowhere, NULL))
FORBIDDEN(newfstatat, syscall(SYS_newfstatat, AT_FDCWD, nowhere, NULL, 0))
FORBIDDEN(access, syscall(SYS_access, nowhere, F_OK))
FORBIDDEN(readlink, syscall(SYS_readlink, nowhere, NULL, 0))
FORBIDDEN(getdents, syscall(SYS_getdents64, -1, NULL, 0))
FORBIDDEN(dup, syscall(SYS_dup, -1))
FORBIDDEN(fcntl, fcntl(-1, F_GETFD))
FORBIDDEN(sendfile, syscall(SYS_sendfile, -1, -1, NULL, 0))
FORBIDDEN(open_by_handle_at, syscall(SYS_open_by_handle_at, -1, NULL, 0))

/* Code: nothing that was not executable at the start ever is. In run, the address space stays. */
FORBIDDEN(mmap_exec, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
FORBIDDEN(mprotect_exec, mprotect(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC))
FORBIDDEN_IN_RUN(mprotect_read, mprotect(NULL, 0, PROT_READ))
FORBIDDEN_IN_RUN(munmap, munmap(NULL, 0))
FORBIDDEN(mremap, syscall(SYS_mremap, NULL, 0, 0, 0, NULL))
FORBIDDEN_IN_RUN(brk, syscall(SYS_brk, NULL))
FORBIDDEN_IN_RUN(mmap, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
FORBIDDEN_IN_RUN(mmap_shared, mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, -1, 0))
FORBIDDEN(pkey_mprotect, syscall(SYS_pkey_mprotect, NULL, 4096, PROT_EXEC, -1))
FORBIDDEN(shmat, syscall(SYS_shmat, -1, NULL, SHM_EXEC))
FORBIDDEN(memfd_create, syscall(SYS_memfd_create, "x", MFD_CLOEXEC))
FORBIDDEN(personality, syscall(SYS_personality, 0xffffffff))

/* Privileges, and parts of the kernel that have no business here. */
FORBIDDEN(setuid, syscall(SYS_setuid, getuid()))
FORBIDDEN(setresgid, syscall(SYS_setresgid, -1, -1, -1))
FORBIDDEN(capset, syscall(SYS_capset, NULL, NULL))
FORBIDDEN(mount, syscall(SYS_mount, NULL, nowhere, NULL, 0, NULL))
FORBIDDEN(umount2, syscall(SYS_umount2, nowhere, 0))
FORBIDDEN(chroot, syscall(SYS_chroot, nowhere))
FORBIDDEN(pivot_root, syscall(SYS_pivot_root, nowhere, nowhere))
FORBIDDEN(unshare, syscall(SYS_unshare, 0))
FORBIDDEN(setns, syscall(SYS_setns, -1, 0))
FORBIDDEN(bpf, syscall(SYS_bpf, -1, NULL, 0))
FORBIDDEN(perf_event_open, syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0))
FORBIDDEN(io_uring_setup, syscall(SYS_io_uring_setup, 0, NULL))
FORBIDDEN(keyctl, syscall(SYS_keyctl, -1, 0, 0, 0, 0))
FORBIDDEN(add_key, syscall(SYS_add_key, NULL, NULL, NULL, 0, 0))
FORBIDDEN(userfaultfd, syscall(SYS_userfaultfd, -1))
FORBIDDEN(modify_ldt, syscall(SYS_modify_ldt, -1, NULL, 0))
FORBIDDEN(init_module, syscall(SYS_init_module, NULL, 0, NULL))
FORBIDDEN(reboot, syscall(SYS_reboot, 0, 0, 0, NULL))
FORBIDDEN(prlimit, syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, NULL))
FORBIDDEN(prctl_dumpable, prctl(PR_GET_DUMPABLE))
FORBIDDEN(seccomp_query, syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, NULL))
FORBIDDEN_IN_RUN(no_new_privs, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
FORBIDDEN_IN_RUN(sigaction, syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 8))
FORBIDDEN_IN_RUN(setitimer, syscall(SYS_setitimer, -1, NULL, NULL))
FORBIDDEN_IN_RUN(seccomp, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL))

/* Ways round the filter: other ABIs and unknown numbers. */
FORBIDDEN(x32_getpid, syscall(0x40000000 | SYS_getpid))
FORBIDDEN(unknown_number, syscall(4095))

static void attempt_int80_getpid(void)
{
	long result = 20; /* getpid in the 32-bit table, writev in the 64-bit one */

	__asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
}

Test(confine_load, int80_getpid)
{
	assert_killed(LOAD, attempt_int80_getpid);
}

Test(confine_run, int80_getpid)
{
	assert_killed(RUN, attempt_int80_getpid);
}

/* Requests. A filter sees them before the kernel looks at the descriptor: -1 will do. */
FORBIDDEN(ioctl_tiocsti, ioctl(-1, TIOCSTI, NULL))
FORBIDDEN(kvm_create_device, ioctl(-1, KVM_CREATE_DEVICE, NULL))
FORBIDDEN(kvm_create_irqchip, ioctl(-1, KVM_CREATE_IRQCHIP, NULL))
FORBIDDEN(kvm_set_gsi_routing, ioctl(-1, KVM_SET_GSI_ROUTING, NULL))
FORBIDDEN_IN_RUN(kvm_enable_cap, ioctl(-1, KVM_ENABLE_CAP, NULL))
FORBIDDEN(kvm_irqfd, ioctl(-1, KVM_IRQFD, NULL))
FORBIDDEN(kvm_ioeventfd, ioctl(-1, KVM_IOEVENTFD, NULL))
FORBIDDEN(kvm_get_stats_fd, ioctl(-1, KVM_GET_STATS_FD, NULL))
FORBIDDEN(kvm_set_regs, ioctl(-1, KVM_SET_REGS, NULL))
FORBIDDEN(kvm_interrupt, ioctl(-1, KVM_INTERRUPT, NULL))
FORBIDDEN_IN_RUN(kvm_create_vm, ioctl(-1, KVM_CREATE_VM, 0))
FORBIDDEN_IN_RUN(kvm_create_vcpu, ioctl(-1, KVM_CREATE_VCPU, 0))
FORBIDDEN_IN_RUN(kvm_set_cpuid2, ioctl(-1, KVM_SET_CPUID2, NULL))
FORBIDDEN_IN_RUN(kvm_set_sregs, ioctl(-1, KVM_SET_SREGS, NULL))
FORBIDDEN_IN_RUN(kvm_set_xcrs, ioctl(-1, KVM_SET_XCRS, NULL))
FORBIDDEN(kvm_set_vcpu_events, ioctl(-1, KVM_SET_VCPU_EVENTS, NULL))
FORBIDDEN_IN_RUN(kvm_get_msrs, ioctl(-1, KVM_GET_MSRS, NULL))
FORBIDDEN_IN_RUN(kvm_get_vcpu_mmap_size, ioctl(-1, KVM_GET_VCPU_MMAP_SIZE, NULL))
FORBIDDEN_IN_RUN(kvm_set_msrs, ioctl(-1, KVM_SET_MSRS, NULL))
FORBIDDEN_IN_RUN(madvise_populate, madvise(NULL, 0, MADV_POPULATE_WRITE))

/* Set before confinement: two pages that may be discarded. */
static char *pages;

/* A call that the filter lets pass; what the kernel says of its arguments does not matter. */
static void body_run_calls(void)
{
	struct pollfd poll_fd = {.fd = -1};
	struct timespec at_once = {0};
	sigset_t none;
	char byte = 'x';

	/* musl sign-extends the request, glibc does not. */
	EXPECT(syscall(SYS_ioctl, -1, (unsigned long)KVM_GET_XSAVE, NULL) == -1 && errno == EBADF);
	EXPECT(syscall(SYS_ioctl, -1, (long)(int)KVM_GET_XSAVE, NULL) == -1 && errno == EBADF);
	EXPECT(ioctl(-1, KVM_RUN, 0) == -1 && errno == EBADF);
	EXPECT(ioctl(-1, TIOCGWINSZ, NULL) == -1 && errno == EBADF);
	EXPECT(ioctl(-1, TCGETS, NULL) == -1 && errno == EBADF);
	EXPECT(ioctl(-1, TCSETSW, NULL) == -1 && errno == EBADF);
	EXPECT(read(-1, &byte, 1) == -1 && errno == EBADF);
	EXPECT(write(-1, &byte, 1) == -1 && errno == EBADF);
	EXPECT(pread(-1, &byte, 1, 0) == -1 && errno == EBADF);
	EXPECT(lseek(-1, 0, SEEK_SET) == -1 && errno == EBADF);
	EXPECT(ftruncate(-1, 0) == -1 && errno == EBADF);
	EXPECT(syscall(SYS_fstat, -1, NULL) == -1 && errno == EBADF);
	EXPECT(sigemptyset(&none) == 0 && sigprocmask(SIG_BLOCK, &none, NULL) == 0);
	EXPECT(ppoll(&poll_fd, 1, &at_once, &none) == 0);
	EXPECT(syscall(SYS_getrandom, &byte, 1, 0) == 1);
	EXPECT(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &at_once) == 0);
	EXPECT(madvise(pages, 8192, MADV_DONTNEED) == 0 && pages[0] == 0);
}

Test(confine_run, calls_of_the_run_loop_pass)
{
	pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert(pages != MAP_FAILED);
	pages[0] = 1;
	assert_works(RUN, body_run_calls);
}

/* A signal handler returns, in the phase that is under attack: rt_sigreturn. */
static volatile sig_atomic_t handled;

static void handle(int signal_number)
{
	handled = signal_number;
}

static void body_signal(void)
{
	struct sigaction action = {.sa_handler = handle};
	struct itimerval timer = {.it_value = {.tv_usec = 1}};
	struct timespec second = {.tv_sec = 1};
	struct mote_error err;
	sigset_t alarm, none;

	EXPECT(sigemptyset(&none) == 0 && sigemptyset(&alarm) == 0);
	EXPECT(sigaddset(&alarm, SIGALRM) == 0 && sigprocmask(SIG_BLOCK, &alarm, NULL) == 0);
	EXPECT(sigaction(SIGALRM, &action, NULL) == 0);
	EXPECT(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	EXPECT(confine_enter(CONFINE_RUN, &no_needs, &err) == 0);
	EXPECT(ppoll(NULL, 0, &second, &none) == -1 && errno == EINTR && handled == SIGALRM);
}

Test(confine_load, sets_a_handler_that_returns_in_run)
{
	assert_works(LOAD, body_signal);
}

/* /dev/kvm must be open before; then a VM can be made, and run enters the vCPU. */
static int kvm_fd;

static void body_make_vm(void)
{
	struct kvm_userspace_memory_region slot = {.memory_size = 1 << 20};
	struct mote_error err;
	struct kvm_run *run;
	int vm, vcpu, size;

	EXPECT((vm = ioctl(kvm_fd, KVM_CREATE_VM, 0)) >= 0);
	slot.userspace_addr = (uintptr_t)mmap(NULL, slot.memory_size, PROT_READ | PROT_WRITE,
	                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot) == 0);
	EXPECT((vcpu = ioctl(vm, KVM_CREATE_VCPU, 0)) >= 0);
	EXPECT((size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0)) > 0);
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	EXPECT(run != MAP_FAILED);
	EXPECT(confine_enter(CONFINE_RUN, &no_needs, &err) == 0);
	/* A running guest may get more memory. */
	slot.slot = 1;
	slot.guest_phys_addr = slot.memory_size;
	EXPECT(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot) == 0);
	run->immediate_exit = 1;
	EXPECT(ioctl(vcpu, KVM_RUN, 0) == -1 && errno == EINTR);
}

Test(confine_load, makes_a_vm_then_runs_it)
{
	kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm_fd < 0)
		cr_skip("no /dev/kvm here");
	assert_works(LOAD, body_make_vm);
}

/* A file that was opened before is read and mapped, as the application is. */
static int file_fd;

static void body_reads_a_file(void)
{
	char byte;
	char *memory;

	EXPECT(pread(file_fd, &byte, 1, 0) == 1);
	memory = mmap(NULL, 1, PROT_READ, MAP_PRIVATE, file_fd, 0);
	EXPECT(memory != MAP_FAILED && memory[0] == byte);
}

static void open_a_file(void)
{
	file_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	cr_assert(file_fd >= 0);
}

Test(confine_load, reads_a_file_that_is_open)
{
	open_a_file();
	assert_works(LOAD, body_reads_a_file);
}

static void body_unprivileged(void)
{
	struct mote_error err;

	if (geteuid() == 0)
		EXPECT(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	EXPECT(confine_enter(CONFINE_LOAD, &no_needs, &err) == 0);
	body_reads_a_file();
	EXPECT(confine_enter(CONFINE_RUN, &no_needs, &err) == 0);
}

Test(confine, works_without_privileges)
{
	open_a_file();
	assert_works(FREE, body_unprivileged);
}

/* Limits and flags, as /proc shows them to the outside. */
static void expect_line(pid_t child, const char *file, const char *start, const char *value)
{
	char path[64], line[256];
	bool found = false;
	FILE *stream;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)child, file);
	stream = fopen(path, "r");
	cr_assert(stream != NULL);
	while (!found && fgets(line, sizeof line, stream))
		found = strncmp(line, start, strlen(start)) == 0;
	fclose(stream);
	cr_assert(found && strstr(line + strlen(start), value), "%s in %s", start, path);
}

Test(confine, sets_flags_and_limits)
{
	int to_child[2], to_parent[2];
	char byte = 'x';
	pid_t child;

	cr_assert(pipe(to_child) == 0 && pipe(to_parent) == 0);
	child = fork();
	if (child == 0) {
		close(to_child[1]);
		confine(RUN);
		_exit(write(to_parent[1], &byte, 1) != 1 || read(to_child[0], &byte, 1) != 0);
	}
	close(to_parent[1]);
	cr_assert(read(to_parent[0], &byte, 1) == 1);
	expect_line(child, "status", "NoNewPrivs:", "1");
	expect_line(child, "status", "Seccomp:", "2");
	expect_line(child, "limits", "Max core file size", " 1 ");
	expect_line(child, "limits", "Max open files", " 256 ");
	close(to_child[1]);
	cr_assert(waitpid(child, NULL, 0) == child);
}

/* Kernels that lack something, played by a filter that answers one call with an error. */
static void refuse(unsigned int call, unsigned int error)
{
	struct sock_filter insns[] = {
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof insns / sizeof *insns, insns};

	EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	EXPECT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
}

static void body_without_landlock(void)
{
	struct mote_error err;

	refuse(SYS_landlock_create_ruleset, ENOSYS);
	EXPECT(confine_landlock_abi() == 0);
	EXPECT(confine_enter(CONFINE_LOAD, &no_needs, &err) == 0);
}

Test(confine, goes_on_without_landlock)
{
	assert_works(FREE, body_without_landlock);
}

/* A kernel that has Landlock but does not enforce it is not one that lacks it. */
static void body_landlock_fails(void)
{
	struct mote_error err;

	refuse(SYS_landlock_restrict_self, EPERM);
	EXPECT(confine_enter(CONFINE_LOAD, &no_needs, &err) == -1);
	EXPECT(err.code == MOTE_STATUS_FAILED && strstr(err.text, "Landlock"));
}

Test(confine, fails_without_landlock_that_the_kernel_has)
{
	require_landlock(1);
	assert_works(FREE, body_landlock_fails);
}

static void body_without_seccomp(void)
{
	struct mote_error err;

	refuse(SYS_seccomp, EINVAL);
	EXPECT(confine_enter(CONFINE_LOAD, &no_needs, &err) == -1);
	EXPECT(err.code == MOTE_STATUS_FAILED && strstr(err.text, "CONFIG_SECCOMP_FILTER"));
	EXPECT(confine_enter(CONFINE_RUN, &no_needs, &err) == -1);
}

Test(confine, fails_without_seccomp)
{
	assert_works(FREE, body_without_seccomp);
}

static void body_without_no_new_privs(void)
{
	struct mote_error err;

	refuse(SYS_prctl, EINVAL);
	EXPECT(confine_enter(CONFINE_LOAD, &no_needs, &err) == -1);
	EXPECT(strstr(err.text, "no_new_privs"));
}

Test(confine, fails_without_no_new_privs)
{
	assert_works(FREE, body_without_no_new_privs);
}
