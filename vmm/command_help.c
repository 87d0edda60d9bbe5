/* SPDX-License-Identifier: Apache-2.0 */
/* `mote help` and `mote version`, and how a command is found by its name. */
#include "vmm/command.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "mote/abi.h"
#include "vmm/typo.h"

static const struct command commands[] = {
#define COMMAND_ENTRY(name, summary) {#name, summary, command_##name, command_##name##_help},
        MOTE_COMMANDS(COMMAND_ENTRY)
#undef COMMAND_ENTRY
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

const struct command *command_find(const char *name, struct mote_error *err)
{
	const char *nearest = NULL;
	unsigned int best = UINT_MAX;

	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
		if (is_likely_typo(name, strlen(name), commands[i].name, &best))
			nearest = commands[i].name;
	}
	if (nearest != NULL)
		mote_error_set(err, MOTE_STATUS_FAILED,
		               "unknown command '%.64s', did you mean %s? (see mote help)", name,
		               nearest);
	else
		mote_error_set(err, MOTE_STATUS_FAILED,
		               "unknown command '%.64s' (see mote help; a program is started with "
		               "mote run APP)",
		               name);
	return NULL;
}

int command_takes_none(int argc, char **argv, struct mote_error *err)
{
	if (argc <= 1)
		return 0;
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "%s takes no arguments, and '%.64s' is one (see mote help %s)",
	                      argv[0], argv[1], argv[0]);
}

static void print_overview(void)
{
	printf("Usage: mote COMMAND [ARG]...\n\n"
	       "Runs Linux programs, each in a KVM microVM of its own.\n\nCommands:\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf("  %-9s %s\n", commands[i].name, commands[i].summary);
	printf("\nmote help COMMAND explains a command. First steps: "
	       "mote doctor; mote run ./hello\n");
}

int command_help(int argc, char **argv, struct mote_error *err)
{
	if (argc <= 1) {
		print_overview();
		return 0;
	}
	if (argc > 2)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "help explains one command at a time (see mote help)");

	const struct command *command = command_find(argv[1], err);

	if (command == NULL)
		return -1;
	command->help();
	return 0;
}

void command_help_help(void)
{
	printf("Usage: mote help [COMMAND]\n\nExplains mote, or one of its commands.\n");
}

int command_version(int argc, char **argv, struct mote_error *err)
{
	if (command_takes_none(argc, argv, err) < 0)
		return -1;
	printf("mote " MOTE_VERSION " (kit ABI %d)\n", MOTE_ABI_VERSION);
	return 0;
}

void command_version_help(void)
{
	printf("Usage: mote version\n\nPrints the version of mote.\n");
}
