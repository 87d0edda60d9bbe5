/* SPDX-License-Identifier: Apache-2.0 */
/* Subcommands that are executables of their own, because they need libraries that mote does
 * without. */
#include "vmm/command_tool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 4096

/* Where tools are, as seen from the directory of mote: built, and installed. */
static const char *const places[] = {"", "../libexec/mote/"};

int command_tool_run(const char *tool, char **argv, struct mote_error *err)
{
	char path[PATH_BYTES + 64];
	ssize_t length = readlink("/proc/self/exe", path, PATH_BYTES - 1);
	char *name;

	if (length <= 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot find %s: /proc/self/exe cannot be read", tool);
	path[length] = '\0';
	name = strrchr(path, '/');
	if (name == NULL)
		return mote_error_set(err, MOTE_STATUS_FAILED, "cannot find %s", tool);
	name++;
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		snprintf(name, sizeof path - (size_t)(name - path), "%s%s", places[i], tool);
		execv(path, argv);
		if (errno != ENOENT)
			return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot run %s", path);
	}
	*name = '\0';
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "cannot find %s, neither in %s nor in "
	                      "../libexec/mote beside it. Install it together with mote",
	                      tool, path);
}
