/* SPDX-License-Identifier: Apache-2.0 */
/* `mote serve`: hands over to mote-serve, which needs libraries that mote itself does without. */
#include <stdio.h>

#include "vmm/command.h"
#include "vmm/command_tool.h"

int command_serve(int argc, char **argv, struct mote_error *err)
{
	(void)argc;
	return command_tool_run("mote-serve", argv, err);
}

void command_serve_help(void)
{
	printf("Usage: mote serve [OPTION]... APP|SNAPSHOT\n"
	       "       mote serve [OPTION]... --route PREFIX=APP...\n\n"
	       "Answers HTTP requests by functions (mote/function.h), each in a microVM that "
	       "nothing\n"
	       "else has used: it is put back to its snapshot after each request.\n\n"
	       "Options:\n"
	       "  --listen ADDR:PORT|unix:PATH  where to listen (default 127.0.0.1:8080)\n"
	       "  --route PREFIX=APP            paths that an application answers; repeatable\n"
	       "  --pool MIN:MAX                microVMs of each (default: 1:4 times the "
	       "processors)\n"
	       "  --timeout S                   a request may take that long (default 10)\n"
	       "  --send-timeout S              sending an answer that is sent as it is made may "
	       "take\n"
	       "                                that long (default 60)\n"
	       "  --max-memory SIZE             memory of each microVM (default 128M)\n"
	       "  --max-body SIZE               of a request (default 1M)\n"
	       "  --max-answer SIZE             of an answer (default 16M)\n"
	       "  --concurrency N               requests that may wait (default 1024)\n"
	       "  --max-connections N           one more is hung up on (default 20000, or what "
	       "ulimit -n allows)\n"
	       "  --idle-timeout S              after which a silent connection is closed "
	       "(default 60)\n"
	       "  --key-file FILE               key that the snapshot is written and read with\n"
	       "  --config FILE                 JSON with the names of these options, and "
	       "\"routes\"\n"
	       "  --threads N                   of the HTTP server (default: one a "
	       "processor)\n"
	       "  --log none|text|json          a line for each request, on stderr (default text)\n"
	       "  --answer-without-vm TEXT      for measuring: answer that to everything\n"
	       "  --answer-by-process COMMAND   for measuring: what a process of its own writes\n\n"
	       "/healthz and /metrics (for Prometheus) are the server's own. SIGTERM ends it when\n"
	       "what has begun is answered; SIGHUP reads FILE again and starts the applications "
	       "anew.\n");
}
