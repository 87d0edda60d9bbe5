/* SPDX-License-Identifier: Apache-2.0 */
/* `mote restore`: start a program from a snapshot. */
#include <stdio.h>

#include "libmote/process.h"
#include "vmm/command.h"
#include "vmm/options.h"

/* POSIX leaves the declaration to the program (environ, base definitions 8.1). */
extern char **environ;

int command_restore(int argc, char **argv, struct mote_error *err)
{
	struct run_options options;
	int status = restore_options_parse(&options, argc, argv, environ, err);

	if (status < 0)
		return status;
	if (status == RUN_OPTIONS_HELP) {
		command_restore_help();
		return 0;
	}
	return vm_run(&options, err);
}

void command_restore_help(void)
{
	printf("Usage: mote restore [OPTION]... FILE [--] [ARG]...\n\n"
	       "Starts the program in the snapshot FILE (mote run --snapshot) in a new microVM, "
	       "where\n"
	       "it was. Options say what it gets in place of what it had; ARG replace its "
	       "arguments.\n\n"
	       "Options:\n");
	print_run_options(RUN_OPTION_RESTORE);
	printf("\n-n N is short for --count N. Exit status: as of mote run; with --count that of "
	       "the\n"
	       "first start that is not 0.\n");
}
