/* SPDX-License-Identifier: Apache-2.0 */
/* `mote trace`: hands over to mote-trace, which reads what mote run --trace writes. */
#include <stdio.h>

#include "vmm/command.h"
#include "vmm/command_tool.h"

int command_trace(int argc, char **argv, struct mote_error *err)
{
	(void)argc;
	return command_tool_run("mote-trace", argv, err);
}

void command_trace_help(void)
{
	printf("Usage: mote trace [OPTION]... [RUN-OPTION]... APP [ARG]...\n"
	       "       mote trace [OPTION]... --restore [RESTORE-OPTION]... SNAPSHOT\n"
	       "       mote trace [OPTION]... --from LOG\n\n"
	       "Runs a program as mote run does, and says what its start was spent on: phases,\n"
	       "exits, system calls, page faults, and which pages were used first where.\n\n"
	       "Options, before those of mote run:\n"
	       "  --json FILE    write a timeline for ui.perfetto.dev\n"
	       "  --svg FILE     write a flame graph\n"
	       "  --output FILE  write the text there (default: standard error, where neither of\n"
	       "                 the others is asked for)\n"
	       "  --no-pages     leave out which pages are used: disturbs less\n"
	       "  --restore      of a start from a snapshot, with options of mote restore: exits "
	       "and\n"
	       "                 pages, without what the guest does by itself\n"
	       "  --log FILE     keep the log\n"
	       "  --from LOG     say it of a run that was\n"
	       "\nExit status: the program's, as of mote run.\n");
}
