/* SPDX-License-Identifier: Apache-2.0 */
/* Subcommands that are executables of their own, because they need libraries that mote does
 * without. */
#ifndef MOTE_VMM_COMMAND_TOOL_H
#define MOTE_VMM_COMMAND_TOOL_H

#include "vmm/error.h"

/**
 * command_tool_run() - Become the executable behind a subcommand: beside mote, or in
 * ../libexec/mote.
 * @tool: its file name
 * @argv: its arguments; argv[0] is the name of the subcommand
 *
 * Return: only when it cannot be run: -1 with @err set.
 */
int command_tool_run(const char *tool, char **argv, struct mote_error *err);

#endif
