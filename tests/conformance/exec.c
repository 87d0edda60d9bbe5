/* SPDX-License-Identifier: Apache-2.0 */
/* execve: this program runs itself again, and the new one looks at what is left of the old. */
#include "harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>

#define SELF "/proc/self/exe"

extern char **environ;

/* ---- the new program ---- */

static void show_arguments(int count, char **arguments)
{
	for (int i = 0; i < count; i++)
		say("argument [%s]", arguments[i]);
	for (char **variable = environ; *variable; variable++)
		say("variable [%s]", *variable);
}

static void show_process(void)
{
	char name[17] = "", folder[4096];
	struct itimerval timer;
	unsigned long mask;
	stack_t stack;

	CALL(fcntl, 10, F_GETFD);
	CALL(fcntl, 11, F_GETFD);
	CALL(fcntl, 12, F_GETFD);
	CALL(lseek, 10, 0, SEEK_CUR);
	CALL(prctl, PR_GET_NAME, name);
	CALL(umask, 0);
	say("in %s", strrchr(getcwd(folder, sizeof folder), '/'));
	CALL(rt_sigprocmask, 0, NULL, &mask, 8);
	say("mask %lx", mask);
	CALL(rt_sigpending, &mask, 8);
	say("pending %lx", mask);
	CALL(sigaltstack, NULL, &stack);
	VALUE(stack.ss_flags);
	for (int number = 1; number < 32; number++) {
		struct sigaction action;

		sigaction(number, NULL, &action);
		if (action.sa_handler != SIG_DFL)
			say("%s is %s", signal_name(number),
			    action.sa_handler == SIG_IGN ? "ignored" : "handled");
	}
	CALL(getitimer, ITIMER_REAL, &timer);
	VALUE(timer.it_value.tv_sec > 50);
	VALUE(make_call(SYS_gettid, (const long[6]){0}) == getpid());
}

int child_main(int count, char **arguments)
{
	if (!strcmp(arguments[2], "arguments"))
		show_arguments(count, arguments);
	else if (!strcmp(arguments[2], "process"))
		show_process();
	else if (!strcmp(arguments[2], "pid"))
		say("same number: %d", getpid() == atoi(arguments[3]));
	else if (!strcmp(arguments[2], "again") && arguments[3][0] != '0')
		execl(SELF, "x", "child", "again", (char[]){(char)(arguments[3][0] - 1), 0},
		      (char *)NULL);
	else
		say("the last");
	return 7;
}

/* ---- the old one ---- */

CASE_ALONE(arguments)
{
	char *const arguments[] = {"name", "child", "arguments", "", "two words", "\377\001", NULL};
	char *const variables[] = {"A=1", "", "EMPTY=", "no equals sign", NULL};

	CALL(execve, SELF, arguments, variables);
}

CASE_ALONE(no_variables)
{
	char *const arguments[] = {"", "child", "arguments", NULL};

	CALL(execve, SELF, arguments, NULL);
}

static void note(int number)
{
	(void)number;
}

static char stack_memory[65536];

CASE_ALONE(what_is_kept)
{
	const struct itimerval timer = {{0, 0}, {100, 0}};
	const stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory};
	char *const arguments[] = {"name", "child", "process", NULL};
	int file = make_file("file", 100);
	sigset_t set;

	dup2(file, 10);
	lseek(10, 42, SEEK_SET);
	dup3(file, 11, O_CLOEXEC);
	dup2(file, 12);
	fcntl(12, F_SETFD, FD_CLOEXEC);
	mkdir("folder", 0755);
	chdir("folder");
	umask(0123);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, note);
	signal(SIGCHLD, SIG_IGN);
	sigaltstack(&stack, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTERM);
	setitimer(ITIMER_REAL, &timer, NULL);
	prctl(PR_SET_NAME, "old name");
	CALL(execve, SELF, arguments, NULL);
}

static void *spin(void *argument)
{
	(void)argument;
	for (;;)
		;
	return NULL;
}

static void *sleep_on(void *argument)
{
	(void)argument;
	for (;;)
		pause();
	return NULL;
}

static char number[32];

static void *execute(void *argument)
{
	char *const arguments[] = {"name", "child", "pid", number, NULL};

	(void)argument;
	CALL(execve, SELF, arguments, NULL);
	return NULL;
}

CASE_ALONE(other_threads_end)
{
	pthread_t thread;

	snprintf(number, sizeof number, "%d", getpid());
	pthread_create(&thread, NULL, spin, NULL);
	pthread_create(&thread, NULL, sleep_on, NULL);
	pause_for(2);
	execute(NULL);
}

CASE_ALONE(from_another_thread)
{
	pthread_t thread;

	snprintf(number, sizeof number, "%d", getpid());
	pthread_create(&thread, NULL, execute, NULL);
	pthread_join(thread, NULL);
	say("still here");
}

CASE_ALONE(again_and_again)
{
	char *const arguments[] = {"name", "child", "again", "9", NULL};

	CALL(execve, SELF, arguments, NULL);
}

CASE_ALONE(memory_is_new)
{
	char *const arguments[] = {"name", "child", "again", "0", NULL};
	size_t size = 64UL << 20;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(memory, 'x', 1UL << 20);
	mlock(memory, PAGE);
	CALL(execve, SELF, arguments, NULL);
}

CASE_ALONE(scripts)
{
	int file = open("script", O_WRONLY | O_CREAT, 0755);
	char *const arguments[] = {"ignored", "pid", "x", NULL};

	dprintf(file, "#!  %s   child  \nrest\n", SELF);
	close(file);
	CALL(execve, "./script", arguments, NULL); /* the program, "child", "./script", ... */
	say("not run");
}

CASE_ALONE(by_descriptor)
{
	char *const arguments[] = {"name", "child", "again", "0", NULL};
	int file = open(SELF, O_RDONLY | O_CLOEXEC);

	CALL(execveat, file, "", arguments, NULL, 0);
	CALL(execveat, 77, "", arguments, NULL, AT_EMPTY_PATH);
	CALL(execveat, file, "", arguments, NULL, AT_EMPTY_PATH);
}

CASE(errors_leave_all_as_it_was)
{
	char *const arguments[] = {"name", NULL};
	char *const bad[] = {"name", LOW, NULL};
	int file = open("text", O_WRONLY | O_CREAT, 0755);

	dprintf(file, "no program\n");
	close(file);
	signal(SIGUSR1, note);
	CALL(execve, "text", arguments, NULL);
	CALL(execve, SELF, bad, NULL);
	CALL(execve, SELF, arguments, bad);
	CALL(execve, "/dev/null", arguments, NULL);
	CALL(execve, "/", arguments, NULL);
	file = open("nobody", O_WRONLY | O_CREAT, 0755);
	dprintf(file, "#!/missing/interpreter\n");
	close(file);
	CALL(execve, "nobody", arguments, NULL);
	file = open("half", O_WRONLY | O_CREAT, 0755);
	dprintf(file, "\177ELF\2\1\1");
	close(file);
	CALL(execve, "half", arguments, NULL);
	VALUE(raise(SIGUSR1));
}

CASE(too_many_arguments)
{
	size_t length = 200000, count = 100;
	char *long_text = malloc(length);
	char **arguments = calloc(count + 1, sizeof *arguments);

	memset(long_text, 'x', length - 1);
	long_text[length - 1] = 0;
	arguments[0] = long_text; /* above MAX_ARG_STRLEN */
	CALL(execve, SELF, arguments, NULL);
	long_text[100000] = 0;
	for (size_t i = 0; i < count; i++)
		arguments[i] = long_text; /* 10 MB in all */
	CALL(execve, SELF, arguments, NULL);
}
