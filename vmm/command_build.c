/* SPDX-License-Identifier: Apache-2.0 */
/* `mote build`: hands over to mote-build, which needs libraries that mote itself does without. */
#include <stdio.h>

#include "vmm/command.h"
#include "vmm/command_tool.h"

int command_build(int argc, char **argv, struct mote_error *err)
{
	(void)argc;
	return command_tool_run("mote-build", argv, err);
}

void command_build_help(void)
{
	printf("Usage: mote build [OPTION]... -o FILE APP [--] [ARG]...\n"
	       "       mote build [OPTION]... -o FILE --root DIR --entry PROG [--] [ARG]...\n\n"
	       "Makes one file of a program, its root file system, and how to run it:\n"
	       "mote run FILE does the rest. Equal input gives an equal file.\n\n"
	       "Options:\n"
	       "  -o, --output FILE     the application image to write\n"
	       "  --root DIR|TAR|IMAGE  root file system: directory, tar archive (may be\n"
	       "                        compressed), or EROFS image\n"
	       "  --entry PROG          run this program of the root, instead of an APP of the "
	       "host\n"
	       "  --env K=V             set a variable; --env K copies it from the host; "
	       "repeatable\n"
	       "  --cwd DIR             directory of the guest to start in\n"
	       "  --mem SIZE            memory of the guest, 4M to 64G\n"
	       "  --share GUESTDIR      the program wants a directory of the host there: mote run\n"
	       "                        needs a --share HOSTDIR:GUESTDIR; repeatable\n"
	       "  --disk NAME           it wants a disk: mote run needs a --disk FILE,id=NAME;\n"
	       "                        repeatable\n"
	       "  --net                 it wants a network: mote run needs --net user or tap\n"
	       "  --vsock               it wants sockets of the host: mote run needs --vsock\n");
}
