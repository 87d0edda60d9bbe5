/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execve(2): what a program that replaces itself keeps, loses, and is told. The program lies in the
 * root as /exec; the argument names the test. What is printed is the same as on Linux.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FD_KEPT   20
#define FD_CLOSED 21

extern char **environ;

static void run(const char *path, char *const *arguments)
{
	char *const environment[] = {"FIRST=1", "SECOND=two words", NULL};

	fflush(stdout);
	execve(path, arguments, environment);
	printf("%s: %s\n", path, strerror(errno));
}

static void handler(int signal)
{
	(void)signal;
}

/* ---- what the new program sees ---- */

static uint32_t mxcsr(void)
{
	uint32_t value;

	__asm__ volatile("stmxcsr %0" : "=m"(value));
	return value;
}

static int show(int argc, char **argv)
{
	struct sigaction action;
	sigset_t mask, pending;
	char name[16];

	for (int i = 0; i < argc; i++)
		printf("argv[%d] '%s'\n", i, argv[i]);
	for (char **variable = environ; *variable; variable++)
		printf("environ '%s'\n", *variable);
	printf("execfn '%s'\n", (const char *)getauxval(AT_EXECFN));
	prctl(PR_GET_NAME, name);
	printf("name '%s'\n", name);
	sigaction(SIGUSR1, NULL, &action);
	printf("handler forgotten: %d\n", action.sa_handler == SIG_DFL);
	sigaction(SIGUSR2, NULL, &action);
	printf("ignored stays: %d\n", action.sa_handler == SIG_IGN);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	sigpending(&pending);
	printf("mask %d, pending %d\n", sigismember(&mask, SIGTERM),
	       sigismember(&pending, SIGTERM));
	printf("descriptors %d %d\n", fcntl(FD_KEPT, F_GETFD), fcntl(FD_CLOSED, F_GETFD));
	printf("mxcsr %x\n", mxcsr());
	printf("pid is tid: %d\n", getpid() == (int)syscall(SYS_gettid));
	return 42;
}

/* ---- what the old one does ---- */

static void prepare(void)
{
	uint32_t rounding = 0x7f80;
	sigset_t mask;
	int fd = open("/dev/null", O_RDONLY);

	dup2(fd, FD_KEPT);
	dup3(fd, FD_CLOSED, O_CLOEXEC);
	signal(SIGUSR1, handler);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	raise(SIGTERM);
	__asm__ volatile("ldmxcsr %0" : : "m"(rounding));
}

static void self(void)
{
	char *const arguments[] = {"new name", "show", "two words", "", NULL};

	prepare();
	run("/exec", arguments);
}

static void script(void)
{
	char *const arguments[] = {"forgotten", "kept", NULL};

	run("/script", arguments);
}

static void descriptor(void)
{
	char *const arguments[] = {"by descriptor", "show", NULL};
	char *const environment[] = {NULL};
	int fd = open("/exec", O_RDONLY);

	syscall(SYS_execveat, fd, "", arguments, environment, AT_EMPTY_PATH);
	printf("execveat: %s\n", strerror(errno));
}

static void no_arguments(void)
{
	char *const arguments[] = {NULL};

	run("/exec", arguments);
}

/* A string that is too long, an array that ends nowhere, a bad pointer in it. */
static void bad_arguments(void)
{
	static char *many[600000];
	char *longest = malloc(200000);
	char *const long_argument[] = {"x", longest, NULL}, *const bad_pointer[] = {"x", (char *)16,
	                                                                            NULL};

	memset(longest, 'x', 199999);
	longest[199999] = '\0';
	run("/exec", long_argument);
	for (size_t i = 0; i < sizeof many / sizeof many[0] - 1; i++)
		many[i] = "12345";
	run("/exec", many);
	run("/exec", bad_pointer);
	run("/exec", (char *const *)16);
	run((const char *)16, bad_pointer);
}

static void bad_files(void)
{
	static const char *const paths[] = {
	        "",
	        "/",
	        "/none",
	        "/exec/behind",
	        "/plain",
	        "/empty",
	        "/text",
	        "/cut",
	        "/no-interpreter",
	        "/loop-script",
	        "/dev/null",
	        "/interpreter-is-text",
	        "/long-script",
	};
	char *const arguments[] = {"x", "show", NULL};
	char name[5000];

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		run(paths[i], arguments);
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	execve(name, arguments, environ);
	printf("long name: %s\n", strerror(errno));
}

static void *spin(void *argument)
{
	for (;;)
		if (!argument)
			pause();
	return NULL;
}

static void *run_from_thread(void *argument)
{
	char *const arguments[] = {"from a thread", "show", NULL};

	run("/exec", arguments);
	return argument;
}

/* A thread that is not the first one replaces the program while others spin, sleep and wait. */
static void threads(void)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_t thread;

	pthread_create(&thread, NULL, spin, &mutex);
	pthread_create(&thread, NULL, spin, NULL);
	usleep(1000);
	pthread_create(&thread, NULL, run_from_thread, NULL);
	pthread_mutex_lock(&mutex);
	pthread_mutex_lock(&mutex);
}

/* Again and again: nothing of the old programs stays behind. */
static void again(int turns)
{
	char number[16];
	char *const arguments[] = {"again", "again", number, NULL};
	char *memory =
	        mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		printf("no memory with %d turns to go\n", turns);
		return;
	}
	memset(memory, 1, 4 << 20);
	if (!turns) {
		printf("the last turn\n");
		return;
	}
	snprintf(number, sizeof number, "%d", turns - 1);
	run("/exec", arguments);
}

int main(int argc, char **argv)
{
	const char *test = argc > 1 ? argv[1] : "show";

	if (!strcmp(test, "self"))
		self();
	else if (!strcmp(test, "script"))
		script();
	else if (!strcmp(test, "descriptor"))
		descriptor();
	else if (!strcmp(test, "no_arguments"))
		no_arguments();
	else if (!strcmp(test, "bad_arguments"))
		bad_arguments();
	else if (!strcmp(test, "bad_files"))
		bad_files();
	else if (!strcmp(test, "threads"))
		threads();
	else if (!strcmp(test, "again"))
		again(argc > 2 ? atoi(argv[2]) : 200);
	else
		return show(argc, argv);
	return 0;
}
