/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts the application: the initial stack (System V ABI for x86-64, 3.4.1) and the jump.
 *
 * From the top of the stack down: strings, random bytes, then aligned to 16 the auxiliary vector,
 * the environment's pointers, the arguments' pointers, and argc, where RSP points.
 */
#include "guestkit/libc-shim/start.h"

#include <linux/auxvec.h>
#include <linux/errno.h>
#include <stdbool.h>

#include "guestkit/address_space.h"
#include "guestkit/clock.h"
#include "guestkit/console.h"
#include "guestkit/libc-shim/exec.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/machine.h"
#include "guestkit/memory.h"
#include "guestkit/process_end.h"
#include "guestkit/random.h"
#include "guestkit/snapshot.h"
#include "guestkit/string.h"
#include "guestkit/thread.h"
#include "guestkit/user.h"

#define STACK_SIZE       0x800000UL /* RLIMIT_STACK's default */
#define PHDR_SIZE        56
#define RANDOM_BYTES     16
#define MIN_SIGNAL_STACK 1024 /* beside the XSAVE area: siginfo, ucontext, alignment */
#define AUX_MAX          24

extern const unsigned char kit_vdso[];
/* entry.S */
_Noreturn void context_resume(const struct context *context);

static struct {
	uint64_t pair[AUX_MAX][2];
	size_t count;
} aux;

static void add_aux(uint64_t type, uint64_t value)
{
	aux.pair[aux.count][0] = type;
	aux.pair[aux.count++][1] = value;
}

static void fill_aux(const struct start *start, uint64_t random, uint64_t platform, uint64_t path)
{
	aux.count = 0;
	add_aux(AT_SYSINFO_EHDR, (uint64_t)kit_vdso);
	add_aux(AT_HWCAP, machine.hwcap);
	add_aux(AT_HWCAP2, machine.hwcap2);
	add_aux(AT_PAGESZ, PAGE_SIZE);
	add_aux(AT_CLKTCK, SYSTEM_TICKS);
	if (start->program.headers) {
		add_aux(AT_PHDR, start->program.headers);
		add_aux(AT_PHENT, PHDR_SIZE);
		add_aux(AT_PHNUM, start->program.header_count);
	}
	add_aux(AT_BASE, start->interpreter_base);
	add_aux(AT_FLAGS, 0);
	add_aux(AT_ENTRY, start->program.entry);
	add_aux(AT_UID, process_identity.real_uid);
	add_aux(AT_EUID, process_identity.uid);
	add_aux(AT_GID, process_identity.real_gid);
	add_aux(AT_EGID, process_identity.gid);
	add_aux(AT_SECURE, 0);
	add_aux(AT_RANDOM, random);
	add_aux(AT_EXECFN, path);
	add_aux(AT_PLATFORM, platform);
	add_aux(AT_MINSIGSTKSZ, machine.xsave_size + MIN_SIGNAL_STACK);
	add_aux(AT_NULL, 0);
}

/* The stack as it grows down. */
static uint64_t stack;
static bool is_full;

static uint64_t push(const void *data, size_t size)
{
	stack -= size;
	is_full |= user_write(stack, data, size) < 0;
	return stack;
}

static size_t count_strings(const struct string_list *list)
{
	size_t count = 0;

	for (size_t i = 0; i < list->size; i++)
		count += !list->strings[i];
	return count;
}

/* Pointers to the strings of a list that lies at @address in the application, and a NULL: written
 * at @to. */
static uint64_t put_pointers(uint64_t to, const struct string_list *list, uint64_t address)
{
	uint64_t pointer;

	for (size_t i = 0; i < list->size; i += strlen(list->strings + i) + 1) {
		pointer = address + i;
		is_full |= user_write(to, &pointer, sizeof pointer) < 0;
		to += sizeof pointer;
	}
	pointer = 0;
	is_full |= user_write(to, &pointer, sizeof pointer) < 0;
	return to + sizeof pointer;
}

static void build_stack(const struct start *start)
{
	static const char platform[] = "x86_64";
	uint64_t argc = count_strings(&start->arguments);
	size_t pointers = 1 + argc + 1 + count_strings(&start->environment) + 1;
	unsigned char random[RANDOM_BYTES];
	uint64_t zero = 0, argument_strings, environment_strings, path, at;

	stack = MOTE_STACK_TOP;
	is_full = false;
	push(&zero, sizeof zero);
	environment_strings = push(start->environment.strings, start->environment.size);
	argument_strings = push(start->arguments.strings, start->arguments.size);
	path = argument_strings;
	if (start->path != start->arguments.strings)
		path = push(start->path, strlen(start->path) + 1);
	random_fill(random, sizeof random);
	stack &= ~15UL;
	at = push(random, sizeof random);
	fill_aux(start, at, push(platform, sizeof platform), path);
	stack &= ~15UL;
	stack -= (pointers % 2) * 8; /* so that RSP is a multiple of 16 at argc */
	push(aux.pair, aux.count * sizeof aux.pair[0]);
	stack -= pointers * 8;
	at = put_pointers(stack + 8, &start->arguments, argument_strings);
	put_pointers(at, &start->environment, environment_strings);
	is_full |= user_write(stack, &argc, sizeof argc) < 0;
}

int start_prepare(const struct start *start, struct context *context)
{
	if (address_space_add_stack(MOTE_STACK_TOP, STACK_SIZE))
		return -ENOMEM;
	build_stack(start);
	*context = (struct context){
	        .rsp = stack,
	        .rip = start->entry,
	        .cs = MOTE_USER_CS,
	        .ss = MOTE_USER_SS,
	        .rflags = 0x202,
	        .number = CONTEXT_TRAP,
	};
	return is_full ? -ENOMEM : 0;
}

static _Noreturn void no_memory(void)
{
	kit_print("mote: guest: no memory for the initial stack. Give it more with --mem\n");
	end_exit(126);
}

/* /proc/self/exe is absolute; the program lies outside the guest's root, so "/" stands for its
 * folder. */
static const char *absolute_path(const char *path)
{
	size_t size = strlen(path) + 2;
	char *absolute;

	if (path[0] == '/')
		return path;
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	absolute = heap_alloc(size);
	if (!absolute)
		no_memory();
	kit_format(absolute, size, "/%s", path);
	return absolute;
}

void start_describe(const struct start *start, const char *executable)
{
	const char *slash = strrchr(start->path, '/');

	process.executable_path = executable;
	process.command_line =
	        (struct process_bytes){start->arguments.strings, start->arguments.size};
	process.environment =
	        (struct process_bytes){start->environment.strings, start->environment.size};
	process.auxiliary_vector = (struct process_bytes){aux.pair, aux.count * sizeof aux.pair[0]};
	kit_format(process.name, sizeof process.name, "%s", slash ? slash + 1 : start->path);
}

/* What the VMM has loaded. */
static int map_image(struct start *start)
{
	uint64_t end = 0;

	for (size_t i = 0; i < machine.segment_count; i++) {
		const struct machine_segment *segment = &machine.segments[i];
		int status =
		        address_space_add_image(segment->address, segment->address + segment->size,
		                                (uint32_t)segment->prot);

		if (status)
			return status;
		if (segment->address + segment->size > end)
			end = segment->address + segment->size;
	}
	start->program = (struct program){
	        .entry = machine.entry,
	        .headers = machine.program_headers,
	        .header_count = machine.program_header_count,
	        .base = machine.load_bias,
	        .end = page_round_up(end),
	};
	start->entry = machine.entry;
	address_space_set_break(start->program.end);
	return 0;
}

/* The first @count strings of @list, and all but the first of @others. */
static struct string_list join(const struct string_list *list, size_t count,
                               const struct string_list *others)
{
	size_t size = 0, dropped = others->size ? strlen(others->strings) + 1 : 0;
	char *made;

	for (; count; count--)
		size += strlen(list->strings + size) + 1;
	made = heap_alloc(size + others->size);
	if (made) {
		memcpy(made, list->strings, size);
		memcpy(made + size, others->strings + dropped, others->size - dropped);
		return (struct string_list){made, size + others->size - dropped};
	}
	no_memory();
}

/*
 * A restore may give other strings than those that @start was made of, @old. Before a script stand
 * its interpreter's path and argument, in place of the first string.
 */
static void take_new_strings(struct start *start, struct string_list old)
{
	size_t before = count_strings(&start->arguments) - count_strings(&old) + 1;

	start->environment = machine.environment;
	if (machine.arguments.strings == old.strings)
		return;
	start->arguments = before <= 1 ? machine.arguments
	                               : join(&start->arguments, before, &machine.arguments);
	if (start->path == old.strings)
		start->path = start->arguments.strings;
}

void start_application(void)
{
	static struct context context;
	struct start start = {.arguments = machine.arguments,
	                      .environment = machine.environment,
	                      .path = machine.arguments.strings};
	const struct string_list old = machine.arguments;

	address_space_init(machine.allow_wx);
	thread_current->switched_in = clock_tsc();
	if (machine.program)
		exec_first(&start);
	else if (map_image(&start))
		no_memory();
	else if (machine.interpreter)
		exec_interpreter(machine.interpreter, &start);
	if (snapshot_take(MOTE_SNAPSHOT_MAIN) == MOTE_SNAPSHOT_RESTORED)
		take_new_strings(&start, old);
	if (start_prepare(&start, &context))
		no_memory();
	start_describe(&start,
	               machine.program ? process.executable_path : absolute_path(start.path));
	process.start_monotonic = clock_monotonic();
	thread_current->switched_in = clock_tsc();
	((struct mote_run *)MOTE_RUN_VA)->runnable = thread_count;
	((struct mote_run *)MOTE_RUN_VA)->stamp[MOTE_STAMP_APPLICATION] = clock_tsc();
	context_resume(&context);
}
