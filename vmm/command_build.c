/* SPDX-License-Identifier: Apache-2.0 */
/* `mote build`: hands over to mote-build, which needs libraries that mote itself does without. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/command.h"

#define PATH_BYTES 4096

/* Where mote-build is, as seen from the directory of mote: built, and installed. */
static const char *const places[] = {"mote-build", "../libexec/mote/mote-build"};

int command_build(int argc, char **argv, struct mote_error *err)
{
	char path[PATH_BYTES + 32];
	ssize_t length = readlink("/proc/self/exe", path, PATH_BYTES - 1);
	char *name;

	(void)argc;
	if (length <= 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot find mote-build: /proc/self/exe cannot be read");
	path[length] = '\0';
	name = strrchr(path, '/');
	if (name == NULL)
		return mote_error_set(err, MOTE_STATUS_FAILED, "cannot find mote-build");
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		memcpy(name + 1, places[i], strlen(places[i]) + 1);
		execv(path, argv);
		if (errno != ENOENT)
			return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot run %s", path);
	}
	name[1] = '\0';
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "cannot find mote-build, neither in %s nor in "
	                      "../libexec/mote beside it. Install it together with mote",
	                      path);
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
