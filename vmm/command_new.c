/* SPDX-License-Identifier: Apache-2.0 */
/* `mote new`: hands over to mote-new, a script with templates. */
#include <stdio.h>

#include "vmm/command.h"
#include "vmm/command_tool.h"

int command_new(int argc, char **argv, struct mote_error *err)
{
	(void)argc;
	return command_tool_run("mote-new", argv, err);
}

void command_new_help(void)
{
	printf("Usage: mote new [--lang c|python|go] NAME\n\n"
	       "Makes the folder NAME with a function for mote serve: source, Makefile, test, "
	       "README.\n"
	       "The default language is C.\n");
}
