/* SPDX-License-Identifier: Apache-2.0 */
/* `mote bench`: hands over to mote-bench, which needs libraries that mote itself does without. */
#include <stdio.h>

#include "vmm/command.h"
#include "vmm/command_tool.h"

int command_bench(int argc, char **argv, struct mote_error *err)
{
	(void)argc;
	return command_tool_run("mote-bench", argv, err);
}

void command_bench_help(void)
{
	printf("Usage: mote bench startup [OPTION]... SPEC.json\n"
	       "       mote bench startup [OPTION]... APP [ARG]...\n\n"
	       "Starts a program many times, says how long it took and what it cost, and checks\n"
	       "the budgets of a specification.\n\n"
	       "Options:\n"
	       "  -n, --runs N         how often to start it (default 50)\n"
	       "  --against CMD        run CMD beside it, and compare\n"
	       "  --compare FILE.json  look for regressions against an earlier result\n"
	       "  --json               print the result as JSON, with all samples\n"
	       "  --junit              print the checks as JUnit XML\n"
	       "  --tap                print the checks as TAP 14\n"
	       "  --save FILE.json     write what --json prints, too\n"
	       "  --plot FILE.svg      draw the distributions, and the phases of a start\n"
	       "  --from FILE.json     judge an earlier result instead of measuring\n"
	       "  --mote FILE          the mote to measure\n"
	       "\nExit status: 0; 1 when a budget is broken or there is a regression; 125 when\n"
	       "nothing could be measured.\n");
}
