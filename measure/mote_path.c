/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the mote that a tool belongs to. */
#include "measure/mote_path.h"

#include <string.h>
#include <unistd.h>

int mote_path_find(char path[PATH_MAX], struct mote_error *err)
{
	static const char *const places[] = {"mote", "../../bin/mote"};
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 32);
	char *name;

	if (length > 0) {
		path[length] = '\0';
		name = strrchr(path, '/') + 1;
		for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
			memcpy(name, places[i], strlen(places[i]) + 1);
			if (access(path, X_OK) == 0)
				return 0;
		}
	}
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "cannot find mote, neither beside this program nor in ../../bin. "
	                      "Install them together");
}
