/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running programs from files of the guest: at the start, and execve(2).
 *
 * How it works
 *
 * First everything is read that the new program needs: its arguments, out of the memory that will
 * go; its headers, and those of its interpreter. A script is replaced by the program that its first
 * line names, as often as need be. Only when nothing more can be refused, other threads end, the
 * address space is emptied and the new program mapped: what fails then kills the process, as on
 * Linux.
 */
#include "guestkit/libc-shim/exec.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <stdbool.h>

#include "guestkit/address_space.h"
#include "guestkit/console.h"
#include "guestkit/fpu.h"
#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/path.h"
#include "guestkit/libc-shim/posix_timer.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/walk.h"
#include "guestkit/memory.h"
#include "guestkit/patch.h"
#include "guestkit/process_end.h"
#include "guestkit/snapshot.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

#define STRING_MAX   (32 * PAGE_SIZE)  /* MAX_ARG_STRLEN */
#define STRINGS_MAX  (512 * PAGE_SIZE) /* of arguments and environment: a quarter of the stack */
#define SCRIPT_DEPTH 5
#define SCRIPT_LINE  256 /* BINPRM_BUF_SIZE */

/* A program that is about to run. */
struct exec {
	struct start start; /* its lists and its path, as the caller named it, are on the heap */
	char *path;         /* heap: the same, or a script's interpreter */
	struct program_file *program, *interpreter;
};

/* ---- lists of strings ---- */

static void list_free(struct string_list *list)
{
	heap_free((void *)(uintptr_t)list->strings);
	*list = (struct string_list){NULL, 0};
}

static char *copy_string(const char *string)
{
	size_t size = strlen(string) + 1;
	char *copy = heap_alloc(size);

	if (copy)
		memcpy(copy, string, size);
	return copy;
}

/* Replace the first string of a list, if it has one, by @count others. The old list is freed. */
static int list_replace_first(struct string_list *list, const char *const *with, size_t count)
{
	size_t dropped = list->size ? strlen(list->strings) + 1 : 0;
	size_t size = list->size - dropped, at = 0;
	char *made;

	for (size_t i = 0; i < count; i++)
		size += strlen(with[i]) + 1;
	if (size > STRINGS_MAX)
		return -E2BIG;
	made = heap_alloc(size);
	if (!made)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		memcpy(made + at, with[i], strlen(with[i]) + 1);
		at += strlen(with[i]) + 1;
	}
	memcpy(made + at, list->strings + dropped, size - at);
	list_free(list);
	*list = (struct string_list){made, size};
	return 0;
}

static int list_copy(struct string_list *to, const struct string_list *from)
{
	char *made = heap_alloc(from->size + 1);

	if (!made)
		return -ENOMEM;
	memcpy(made, from->strings, from->size);
	*to = (struct string_list){made, from->size};
	return 0;
}

/* Room for @more bytes behind a list that has room for *room: a buffer that doubles. */
static int list_reserve(struct string_list *list, size_t more, size_t *room)
{
	size_t wanted = *room ? *room : 256;
	char *made;

	while (wanted < list->size + more)
		wanted *= 2;
	if (wanted == *room)
		return 0;
	made = heap_resize((void *)(uintptr_t)list->strings, wanted);
	if (!made)
		return -ENOMEM;
	list->strings = made;
	*room = wanted;
	return 0;
}

/* One string of the application behind the list. */
static int list_read_string(struct string_list *list, uint64_t address, size_t *room)
{
	char part[256];
	size_t length = 0;
	int64_t got;

	do {
		got = user_read_string(part, address + length, sizeof(part));
		if (got == -EFAULT)
			return -EFAULT;
		size_t size = got < 0 ? sizeof(part) : (size_t)got + 1;
		int result = list_reserve(list, size, room);

		if (result)
			return result;
		memcpy((char *)(uintptr_t)list->strings + list->size, part, size);
		list->size += size;
		length += size;
		if (length > STRING_MAX || list->size > STRINGS_MAX)
			return -E2BIG;
	} while (got < 0);
	return 0;
}

/* The strings that a NULL-terminated array of the application points to; an address of 0: none. */
static int list_read(struct string_list *list, uint64_t array)
{
	size_t room = 0;
	uint64_t string;
	int result;

	*list = (struct string_list){heap_alloc(1), 0};
	if (!list->strings)
		return -ENOMEM;
	for (; array; array += sizeof(string)) {
		if (user_read(&string, array, sizeof(string)) < 0)
			return -EFAULT;
		if (!string)
			break;
		result = list_read_string(list, string, &room);
		if (result)
			return result;
	}
	return 0;
}

/* ---- scripts ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cut "#! interpreter [argument]" up in place: @argument is NULL where there is none. */
static int parse_script(char *line, char **interpreter, char **argument)
{
	char *at = line + 2, *end;

	for (end = at; *end && *end != '\n'; end++)
		;
	while (end > at && is_blank(end[-1]))
		end--;
	*end = '\0';
	while (is_blank(*at))
		at++;
	if (!*at)
		return -ENOEXEC;
	*interpreter = at;
	while (*at && !is_blank(*at))
		at++;
	*argument = NULL;
	if (*at) {
		*at++ = '\0';
		while (is_blank(*at))
			at++;
		*argument = at;
	}
	return 0;
}

/* If the file is a script, make @exec run its interpreter: 1; 0: it is none. */
static int follow_script(struct exec *exec, struct file *file)
{
	char line[SCRIPT_LINE + 1] = {0}, *interpreter, *argument, *copy;
	const char *arguments[3];
	uint64_t position = 0;
	size_t count = 0;
	int64_t got = file->ops->read_kit(file, line, SCRIPT_LINE, &position);
	int result;

	if (got < 2 || line[0] != '#' || line[1] != '!')
		return 0;
	/* A line that is cut may not run a program of which it has a part of the name only. */
	if (got == SCRIPT_LINE && !strchr(line, '\n'))
		return -ENOEXEC;
	result = parse_script(line, &interpreter, &argument);
	if (result)
		return result;
	arguments[count++] = interpreter;
	if (argument)
		arguments[count++] = argument;
	arguments[count++] = exec->path;
	result = list_replace_first(&exec->start.arguments, arguments, count);
	copy = result ? NULL : copy_string(interpreter);
	if (!copy)
		return result ? result : -ENOMEM;
	heap_free(exec->path);
	exec->path = copy;
	return 1;
}

/* ---- loading ---- */

static void exec_close(struct exec *exec)
{
	program_close(exec->program);
	program_close(exec->interpreter);
	heap_free(exec->path);
}

static void exec_free(struct exec *exec)
{
	list_free(&exec->start.arguments);
	list_free(&exec->start.environment);
	heap_free((char *)(uintptr_t)exec->start.path);
	exec_close(exec);
}

/* @path: as the caller named it; the lists are still to be filled. */
static int exec_init(struct exec *exec, const char *path)
{
	*exec = (struct exec){.path = copy_string(path), .start.path = copy_string(path)};
	return exec->path && exec->start.path ? 0 : -ENOMEM;
}

static int read_interpreter(const char *path, struct program_file **interpreter)
{
	struct file *file;
	int result = program_open(path, &file);

	return result ? result : program_read(file, true, interpreter);
}

/*
 * Read what is to run: exec->path and what it names.
 * @file: the one to begin with, its reference is taken over; NULL: that of exec->path
 */
static int exec_read(struct exec *exec, struct file *file)
{
	int result = 0;

	for (unsigned depth = 0; !result; depth++) {
		if (depth > SCRIPT_DEPTH)
			return -ELOOP;
		if (!file)
			result = program_open(exec->path, &file);
		if (result)
			return result;
		result = follow_script(exec, file);
		if (result <= 0)
			break;
		file_put(file);
		file = NULL;
		result = 0;
	}
	if (result < 0) {
		file_put(file);
		return result;
	}
	result = program_read(file, false, &exec->program);
	if (!result && exec->program->interpreter)
		result = read_interpreter(exec->program->interpreter, &exec->interpreter);
	return result;
}

/* Map what was read into an empty address space. */
static int exec_map(const struct program_file *program, const struct program_file *interpreter,
                    struct start *start)
{
	struct program loader;
	int result = program ? program_map(program, MOTE_PIE_BASE, &start->program) : 0;

	if (result)
		return result;
	if (program)
		address_space_set_break(start->program.end);
	start->entry = start->program.entry;
	start->interpreter_base = 0;
	if (!interpreter)
		return 0;
	result = program_map(interpreter, 0, &loader);
	start->entry = loader.entry;
	start->interpreter_base = loader.base;
	return result;
}

/* What /proc tells of the process is of this program from now on; what was of the last is freed. */
static void exec_describe(const struct exec *exec)
{
	static struct exec last;
	static char *last_executable;
	const char *opened = exec->program->file->path;
	char *executable = copy_string(opened ? opened : exec->path);

	start_describe(&exec->start, executable ? executable : exec->start.path);
	heap_free(last_executable);
	last_executable = executable;
	exec_free(&last);
	last = (struct exec){.start = exec->start};
}

/* ---- the start ---- */

static _Noreturn void refuse(const char *path, const char *what, int error)
{
	kit_print("mote: guest: cannot run %s: %s%s\n", path, what,
	          error == -ENOENT    ? "there is no such file in the root"
	          : error == -EACCES  ? "it may not be executed (permissions, or a segment that is "
	                                "writable and executable)"
	          : error == -ENOEXEC ? "not a program or script for this machine"
	          : error == -ELIBBAD ? "not a loader for this machine"
	          : error == -ENOMEM  ? "not enough memory. Give it more with --mem"
	                              : "it cannot be read");
	end_exit(error == -ENOENT ? 127 : 126);
}

void exec_first(struct start *start)
{
	struct exec exec;
	int result = exec_init(&exec, machine.program);

	if (!result)
		result = list_copy(&exec.start.arguments, &start->arguments);
	if (!result)
		result = list_copy(&exec.start.environment, &start->environment);
	if (!result)
		result = exec_read(&exec, NULL);
	if (result && exec.program)
		refuse(exec.program->interpreter, "", result);
	if (!result)
		result = exec_map(exec.program, exec.interpreter, &exec.start);
	if (result)
		refuse(exec.path, "", result);
	exec_describe(&exec);
	*start = exec.start;
	exec_close(&exec);
}

void exec_interpreter(const char *path, struct start *start)
{
	struct program_file *interpreter = NULL;
	int result = read_interpreter(path, &interpreter);

	if (!result)
		result = exec_map(NULL, interpreter, start);
	if (result == -ENOENT) {
		kit_print("mote: guest: cannot run %s: it is dynamically linked, and the root has "
		          "no %s. "
		          "Name a root that has it with --root\n",
		          start->path, path);
		end_exit(126);
	}
	if (result)
		refuse(path, "", result);
	program_close(interpreter);
}

/* ---- execve ---- */

/* No way back: what the old program was is gone after this. */
static void replace_program(struct exec *exec)
{
	struct context *context = thread_context(thread_current);

	thread_end_others();
	patch_forget_all();
	if (address_space_clear() || exec_map(exec->program, exec->interpreter, &exec->start) ||
	    start_prepare(&exec->start, context))
		end_by_signal(SIGNAL_KILL);
	exec_describe(exec);
	exec_close(exec);
	signal_reset();
	descriptors_close_on_exec();
	posix_timers_delete();
	snapshot_set_signal(0);
	thread_current->clear_at_exit = thread_current->robust_list = 0;
	thread_current->name[0] = '\0';
	fpu_reset(thread_current->fpu);
	__asm__ volatile("wrfsbase %0" : : "r"(0ul));
	__asm__ volatile("wrgsbase %0" : : "r"(0ul));
	thread_current->is_context_replaced = true;
}

/* @path: kit memory, copied; @file: see exec_read() */
static int64_t execute(const char *path, struct file *file, uint64_t arguments,
                       uint64_t environment)
{
	static const char *const no_name[] = {""};
	struct exec exec;
	int result = exec_init(&exec, path);

	if (!result)
		result = list_read(&exec.start.arguments, arguments);
	if (!result)
		result = list_read(&exec.start.environment, environment);
	/* Since version 5.18 Linux gives a program without arguments an empty one. */
	if (!result && !exec.start.arguments.size)
		result = list_replace_first(&exec.start.arguments, no_name, 1);
	if (!result)
		result = exec_read(&exec, file);
	else if (file)
		file_put(file);
	if (result) {
		exec_free(&exec);
		return result;
	}
	replace_program(&exec);
	return 0;
}

int64_t sys_execve(const uint64_t *arg)
{
	char *path;
	int result = path_read(0, arg[0], &path);

	if (result)
		return result;
	return *path ? execute(path, NULL, arg[1], arg[2]) : -ENOENT;
}

/* A descriptor and a path behind it, or with AT_EMPTY_PATH the descriptor's file itself. */
int64_t sys_execveat(const uint64_t *arg)
{
	uint32_t flags = (uint32_t)arg[4];
	uint32_t open_flags = O_RDONLY | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0);
	struct file *file;
	char name[32 + VFS_NAME_MAX], *path;
	int result = path_read(0, arg[1], &path);

	if (result)
		return result;
	if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if ((int)arg[0] == AT_FDCWD && *path && !(flags & AT_SYMLINK_NOFOLLOW))
		return execute(path, NULL, arg[2], arg[3]);
	if (!*path && !(flags & AT_EMPTY_PATH))
		return -ENOENT;
	if (*path) {
		result = file_open((int)arg[0], path, open_flags, 0, &file);
	} else {
		struct inode *inode;

		result = descriptor_inode(arg[0], true, &inode);
		if (!result)
			result = file_open_inode(inode_get(inode), O_RDONLY, NULL, &file);
	}
	if (result)
		return result;
	if (!program_may_run(file)) {
		file_put(file);
		return -EACCES;
	}
	kit_format(name, sizeof(name), "/dev/fd/%d", (int)arg[0]);
	return execute(*path == '/' ? path : name, file, arg[2], arg[3]);
}
