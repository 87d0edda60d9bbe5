/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes system calls for --strace, between writes of "begin" and "end": `traced` some that do the
 * same on Linux, `traced bad` with pointers to nowhere, `traced
 * long` with too much to show, `traced threads` in two threads, `traced
 * crash` dies.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define NOWHERE ((void *)8)
#define PAGE    4096

static void files(void)
{
	struct stat status;
	char buffer[64];
	int ends[2];

	syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC | O_APPEND);
	syscall(SYS_fstat, 3, &status);
	syscall(SYS_fcntl, 3, F_GETFD, 7);
	syscall(SYS_fcntl, 3, F_SETFD, 0);
	syscall(SYS_fcntl, 3, F_SETFL, O_NONBLOCK);
	syscall(SYS_fcntl, 3, F_DUPFD_CLOEXEC, 5);
	syscall(SYS_dup3, 3, 4, O_CLOEXEC);
	syscall(SYS_lseek, 3, -1, SEEK_CUR);
	syscall(SYS_write, 3, "a line\n\ttab \"quoted\" back\\slash \1\0012", 33);
	syscall(SYS_write, 3, "of 32 bytes exactly, not one more", 32);
	syscall(SYS_write, 3, "", 0);
	syscall(SYS_read, 3, buffer, sizeof buffer);
	syscall(SYS_close, 9);
	syscall(SYS_openat, AT_FDCWD, "/no/such/file", O_RDONLY);
	syscall(SYS_openat, AT_FDCWD, "/dev/null/below", O_WRONLY | O_CREAT | O_TRUNC, 0640);
	syscall(SYS_newfstatat, AT_FDCWD, "/dev/zero", &status, AT_SYMLINK_NOFOLLOW);
	syscall(SYS_faccessat, AT_FDCWD, "/dev/null", R_OK | W_OK);
	syscall(SYS_readlink, "/dev/null", buffer, sizeof buffer);
	syscall(SYS_pipe2, ends, O_NONBLOCK);
	syscall(SYS_umask, 027);
	syscall(SYS_ioctl, 3, 0x5413, buffer);
	syscall(SYS_getcwd, buffer, 1);
	close(ends[0]);
	close(ends[1]);
}

static void vectors(void)
{
	char first[4], second[40];
	struct iovec out[] = {{"ab\n", 3}, {"cdefg", 5}};
	struct iovec in[] = {{first, sizeof first}, {second, sizeof second}};
	struct pollfd fds[2] = {{.events = POLLIN | POLLPRI}, {.events = POLLOUT}};
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 77}, events[2];
	int ends[2], epoll;

	if (pipe(ends))
		return;
	fds[0].fd = ends[0];
	fds[1].fd = ends[1];
	syscall(SYS_poll, fds, 1, 0);
	syscall(SYS_writev, ends[1], out, 2);
	syscall(SYS_poll, fds, 2, -1);
	epoll = (int)syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
	syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, ends[0], &event);
	syscall(SYS_epoll_wait, epoll, events, 2, 0);
	syscall(SYS_readv, ends[0], in, 2);
}

static void sockets(void)
{
	struct sockaddr_un nobody = {AF_UNIX, "/no/such/socket"}, got;
	struct iovec part = {"abcd", 4};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int ends[2], one = 1;
	socklen_t length = sizeof one;
	char buffer[8];

	if (syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return;
	syscall(SYS_setsockopt, ends[0], SOL_SOCKET, SO_REUSEADDR, &one, 0);
	syscall(SYS_getsockopt, ends[0], SOL_SOCKET, SO_TYPE, &one, &length);
	syscall(SYS_sendto, ends[0], "text", 4, MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);
	syscall(SYS_recvfrom, ends[1], buffer, 8, MSG_DONTWAIT, NULL, NULL);
	syscall(SYS_sendmsg, ends[0], &message, MSG_NOSIGNAL);
	part = (struct iovec){buffer, sizeof buffer};
	syscall(SYS_recvmsg, ends[1], &message, MSG_PEEK);
	syscall(SYS_shutdown, ends[0], SHUT_WR);
	syscall(SYS_socket, AF_UNIX, SOCK_DGRAM, 0);
	syscall(SYS_connect, ends[1] + 1, &nobody, sizeof nobody);
	syscall(SYS_bind, ends[1] + 1, 8, sizeof nobody);
	length = sizeof got;
	syscall(SYS_getsockname, ends[1] + 1, &got, &length);
}

static void memory_and_time(void)
{
	const struct timespec moment = {.tv_nsec = 1000};
	struct timespec now;
	const struct itimerspec once = {.it_value = {.tv_sec = 2, .tv_nsec = 3}};
	struct itimerval never = {{0, 0}, {0, 0}}, period = {{0, 7}, {1000, 0}};
	struct rlimit limit = {.rlim_cur = 100, .rlim_max = 65536};
	unsigned word = 1;
	void *at = (void *)syscall(SYS_mmap, NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
	                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	syscall(SYS_mprotect, at, PAGE, PROT_NONE);
	syscall(SYS_madvise, at, 2 * PAGE, MADV_DONTNEED);
	syscall(SYS_mremap, at, 2 * PAGE, PAGE, 0);
	syscall(SYS_munmap, at, PAGE);
	syscall(SYS_nanosleep, &moment, NULL);
	syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, NULL);
	syscall(SYS_clock_gettime, 1234, &now);
	syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, NULL);
	syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
	syscall(SYS_futex, &word, FUTEX_WAIT, 1, &moment, NULL, 0);
	syscall(SYS_prctl, 15, "a name", 0, 0, 0);
	syscall(SYS_setitimer, ITIMER_REAL, &period, NULL);
	syscall(SYS_setitimer, ITIMER_REAL, &never, NULL);
	syscall(SYS_getitimer, ITIMER_REAL, &period);
	syscall(SYS_timerfd_settime, -1, 0, &once, NULL);
	syscall(SYS_utimensat, AT_FDCWD, "/no/such/file", &once, 0);
}

static void signals(void)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		unsigned long mask;
	} action = {SIG_IGN, SA_RESTART | SA_NODEFER, NULL, 1ul << (SIGINT - 1) | 1ul << 33};
	stack_t stack;
	unsigned long some = 1ul << (SIGUSR1 - 1) | 1ul << (SIGCHLD - 1), most = ~some, old;

	syscall(SYS_rt_sigaction, SIGUSR2, &action, NULL, 8);
	syscall(SYS_rt_sigaction, SIGUSR2, NULL, &action, 8);
	syscall(SYS_rt_sigaction, SIGKILL, &action, NULL, 8);
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &some, NULL, 8);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &most, &old, 8);
	syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &most, &old, 8);
	syscall(SYS_tgkill, -1, -1, SIGTERM);
	syscall(SYS_sigaltstack, NULL, &stack);
	stack.ss_size = 1;
	stack.ss_flags = 0;
	syscall(SYS_sigaltstack, &stack, NULL);
}

/* A string and a buffer of which the last byte that can be read is no NUL, and addresses of
 * nothing. */
static void bad_pointers(void)
{
	char *page =
	        mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *tail = page + PAGE - 5;

	munmap(page + PAGE, PAGE);
	memset(tail, 'x', 5);
	syscall(SYS_openat, AT_FDCWD, tail, O_RDONLY);
	syscall(SYS_write, 3, tail, 10);
	syscall(SYS_openat, AT_FDCWD, NULL, O_RDONLY);
	syscall(SYS_openat, AT_FDCWD, NOWHERE, O_RDONLY);
	syscall(SYS_unlink, 0xffff800000000000);
	syscall(SYS_write, 1, NOWHERE, 5);
	syscall(SYS_writev, 1, NOWHERE, 2);
	syscall(SYS_read, 0, NULL, 5);
	syscall(SYS_newfstatat, AT_FDCWD, "/dev/null", NOWHERE, 0);
	syscall(SYS_nanosleep, NOWHERE, NULL);
	syscall(SYS_rt_sigaction, SIGUSR1, NOWHERE, NULL, 8);
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NOWHERE, NULL, 8);
	syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NOWHERE, NULL);
	syscall(SYS_poll, NOWHERE, 3, 0);
	syscall(SYS_pipe2, NOWHERE, 0);
	syscall(SYS_uname, NOWHERE);
}

/* Arguments that are longer than any line; the path of 300 bytes is not. */
static void long_arguments(void)
{
	static char path[8000], text[40] = "0123456789012345678901234567890123456789";
	struct iovec out[100];

	memset(path, 'x', sizeof path - 1);
	syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
	syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, path, 0);
	memset(path, '\1', sizeof path - 1);
	syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
	memset(path, 'y', 300);
	path[300] = '\0';
	syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
	for (int i = 0; i < 100; i++)
		out[i] = (struct iovec){text, sizeof text};
	syscall(SYS_writev, -1, out, 100);
}

static void *thread(void *unused)
{
	const struct timespec moment = {.tv_nsec = 1000000};

	for (int i = 0; i < 20; i++) {
		syscall(SYS_nanosleep, &moment, NULL);
		syscall(SYS_faccessat, AT_FDCWD, "/a/path/of/some/length/for/a/line/of/its/own",
		        R_OK);
	}
	return unused;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	pthread_t other;

	for (int fd = 3; fd < 64; fd++) /* numbers do not depend on who started us */
		close(fd);
	syscall(SYS_write, 1, "begin\n", 6);
	if (!strcmp(how, "bad")) {
		bad_pointers();
	} else if (!strcmp(how, "long")) {
		long_arguments();
	} else if (!strcmp(how, "threads")) {
		pthread_create(&other, NULL, thread, NULL);
		thread(NULL);
		pthread_join(other, NULL);
	} else if (!strcmp(how, "crash")) {
		*(volatile int *)NOWHERE = 0;
	} else {
		files();
		vectors();
		sockets();
		memory_and_time();
		signals();
	}
	syscall(SYS_write, 1, "end\n", 4);
	syscall(SYS_exit_group, 3);
	return 0;
}
