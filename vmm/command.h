/* SPDX-License-Identifier: Apache-2.0 */
/* The table of subcommands: adding one means a line here and a file command_NAME.c. */
#ifndef MOTE_VMM_COMMAND_H
#define MOTE_VMM_COMMAND_H

#include "vmm/error.h"

#ifndef MOTE_VERSION
#define MOTE_VERSION "0.1.0"
#endif

/* X(name, what it does in one line), in the order in which the help lists them. */
#define MOTE_COMMANDS(X)                                                   \
	X(run, "run a Linux program in a microVM of its own")              \
	X(restore, "start a program from a snapshot")                      \
	X(snapshot, "take one of a running microVM, or work on a file")    \
	X(build, "make one file of a program, its root and how to run it") \
	X(inspect, "say what is in such a file, and whether it is whole")  \
	X(diff, "say which pages of two snapshots differ")                 \
	X(new, "make the folder of a new function for mote serve")         \
	X(serve, "answer HTTP requests, each in a pristine microVM")       \
	X(ps, "list the running microVMs that have a name")                \
	X(pause, "stop the guest of one for a while")                      \
	X(resume, "let it go on")                                          \
	X(balloon, "have one give memory back")                            \
	X(logs, "print the last output of one")                            \
	X(stop, "end one")                                                 \
	X(kill, "end one at once")                                         \
	X(bench, "measure starts of a program, and check budgets")         \
	X(trace, "say what the time and the pages of a start are for")     \
	X(doctor, "check what this host gives, and say what to do")        \
	X(version, "print the version of mote")                            \
	X(help, "explain mote or one of its commands")

/*
 * command_NAME() does the work: argv[0] is the name of the command. It returns the exit status of
 * mote, or negative with err set. command_NAME_help() writes the usage to stdout.
 */
#define MOTE_COMMAND_DECLARE(name, summary)                                \
	int command_##name(int argc, char **argv, struct mote_error *err); \
	void command_##name##_help(void);
MOTE_COMMANDS(MOTE_COMMAND_DECLARE)
#undef MOTE_COMMAND_DECLARE

struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv, struct mote_error *err);
	void (*help)(void);
};

/**
 * command_find() - Look a subcommand up.
 * @name: as typed
 * @err:  says that there is none, and which one is close; code MOTE_STATUS_FAILED
 *
 * Return: the entry of the table, or NULL with @err set.
 */
const struct command *command_find(const char *name, struct mote_error *err);

/* Options of `mote run` or of `mote restore` (RUN_OPTION_*), a line each, to stdout. */
void print_run_options(unsigned command);

/**
 * command_takes_none() - Check that a command without arguments was given none.
 *
 * Return: 0, or negative with @err set.
 */
int command_takes_none(int argc, char **argv, struct mote_error *err);

#endif
