/* SPDX-License-Identifier: Apache-2.0 */
/* `mote run`: one program in one microVM. */
#include <stdio.h>

#include "libmote/process.h"
#include "vmm/command.h"
#include "vmm/options.h"

/* POSIX leaves the declaration to the program (environ, base definitions 8.1). */
extern char **environ;

int command_run(int argc, char **argv, struct mote_error *err)
{
	struct run_options options;
	int status = run_options_parse(&options, argc, argv, environ, err);

	if (status < 0)
		return status;
	if (status == RUN_OPTIONS_HELP) {
		command_run_help();
		return 0;
	}
	/* The options are not freed: the process is confined by now and may do little but end. */
	return vm_run(&options, err);
}

void print_run_options(unsigned command)
{
	for (const struct run_option *option = run_option_table; option->name != NULL; option++) {
		char left[40];

		if (!(option->commands & command))
			continue;
		switch (option->kind) {
		case OPTION_FLAG: snprintf(left, sizeof left, "--%s", option->name); break;
		case OPTION_VALUE:
			snprintf(left, sizeof left, "--%s %s", option->name, option->placeholder);
			break;
		case OPTION_OPTIONAL_VALUE:
			snprintf(left, sizeof left, "--%s[=%s]", option->name, option->placeholder);
			break;
		}
		printf("  %-21s %s\n", left, option->summary);
	}
}

void command_run_help(void)
{
	printf("Usage: mote run [OPTION]... APP [--] [ARG]...\n\n"
	       "Runs the Linux program APP in a microVM. What follows APP belongs to it.\n\n"
	       "Options:\n");
	print_run_options(RUN_OPTION_RUN);
	printf("\nExit status: the program's own; 124 timeout, 125 mote failed, 126 APP\n"
	       "cannot be run, 127 APP not found, 137 out of memory, 128 plus the signal after a "
	       "crash.\n");
}
