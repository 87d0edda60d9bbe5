/* SPDX-License-Identifier: Apache-2.0 */
/* `mote pause`, `resume`, `stop`, `kill` and `balloon`: one request to a running microVM each. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/command.h"
#include "vmm/control_client.h"
#include "vmm/options.h"

#define ANSWER_MS 5000
#define KILL_MS   1500 /* until it is not asked any more */
#define END_MS    10000

/* Its line is 64 KiB: not on the stack. */
static struct control_client client;

static int expect_words(int argc, char **argv, int count, const char *usage, struct mote_error *err)
{
	for (int i = 1; i < argc; i++)
		if (argv[i][0] == '-')
			return mote_error_set(err, MOTE_STATUS_FAILED,
			                      "unknown option '%.64s' (see mote help %s)", argv[i],
			                      argv[0]);
	return argc == count + 1
	               ? 0
	               : mote_error_set(err, MOTE_STATUS_FAILED,
	                                "%s: mote %s %s (see mote help %s)",
	                                argc <= count ? "something is missing" : "that is too much",
	                                argv[0], usage, argv[0]);
}

static int ask_one(int argc, char **argv, const char *request, struct mote_error *err)
{
	if (expect_words(argc, argv, 1, "NAME|PID", err) ||
	    control_client_open(&client, argv[1], err))
		return -1;
	return control_client_ask(&client, request, NULL, 0, ANSWER_MS, err);
}

int command_pause(int argc, char **argv, struct mote_error *err)
{
	return ask_one(argc, argv, "{\"command\": \"pause\"}", err);
}

int command_resume(int argc, char **argv, struct mote_error *err)
{
	return ask_one(argc, argv, "{\"command\": \"resume\"}", err);
}

int command_stop(int argc, char **argv, struct mote_error *err)
{
	if (ask_one(argc, argv, "{\"command\": \"stop\"}", err))
		return -1;
	if (control_client_wait_end(&client, END_MS))
		return 0;
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "the microVM %s has not ended yet (mote kill ends it)", client.name);
}

/* One that does not answer is the kernel's: it lives, as the connection does. */
int command_kill(int argc, char **argv, struct mote_error *err)
{
	if (expect_words(argc, argv, 1, "NAME|PID", err) ||
	    control_client_open(&client, argv[1], err))
		return -1;
	if (control_client_ask(&client, "{\"command\": \"kill\"}", NULL, 0, KILL_MS, err) == 0 &&
	    control_client_wait_end(&client, KILL_MS))
		return 0;
	if (control_client_wait_end(&client, 0))
		return 0;
	if (client.pid <= 0)
		return mote_error_hint(err, "It cannot be killed from another PID namespace");
	if (kill(client.pid, SIGKILL) && errno != ESRCH)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot kill process %d",
		                        (int)client.pid);
	return control_client_wait_end(&client, END_MS)
	               ? 0
	               : mote_error_set(err, MOTE_STATUS_FAILED,
	                                "process %d does not end, although it was killed",
	                                (int)client.pid);
}

int command_balloon(int argc, char **argv, struct mote_error *err)
{
	char request[80];
	uint64_t bytes;

	if (expect_words(argc, argv, 2, "NAME|PID SIZE", err) ||
	    run_options_size(argv[0], argv[2], &bytes, err))
		return -1;
	snprintf(request, sizeof request, "{\"command\": \"balloon\", \"bytes\": %llu}",
	         (unsigned long long)bytes);
	if (control_client_open(&client, argv[1], err))
		return -1;
	return control_client_ask(&client, request, NULL, 0, ANSWER_MS, err);
}

void command_pause_help(void)
{
	printf("Usage: mote pause NAME|PID\n\n"
	       "Stops the guest of a microVM that was started with --name, until mote resume.\n"
	       "Its clocks go on, and so does --timeout.\n");
}

void command_resume_help(void)
{
	printf("Usage: mote resume NAME|PID\n\nLets a paused guest go on.\n");
}

void command_stop_help(void)
{
	printf("Usage: mote stop NAME|PID\n\n"
	       "Ends a microVM that was started with --name as SIGTERM does, and waits for its "
	       "end.\n"
	       "The status of its mote run is 143.\n");
}

void command_kill_help(void)
{
	printf("Usage: mote kill NAME|PID\n\n"
	       "Ends a microVM that was started with --name at once, and by SIGKILL if it does "
	       "not\n"
	       "answer. The status of its mote run is 137.\n");
}

void command_balloon_help(void)
{
	printf("Usage: mote balloon NAME|PID SIZE\n\n"
	       "Asks the guest of a microVM that was started with --name and --balloon to give up\n"
	       "SIZE of its memory: bytes, or with K, M or G behind the number; 0 for nothing.\n"
	       "mote ps --json shows how much it has given up.\n");
}
