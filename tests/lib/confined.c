/* SPDX-License-Identifier: Apache-2.0 */
/* A process that is there for one VM: it is confined, and can still run that, and write. */
#include <mote/mote.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *words[] = {argc > 1 ? argv[1] : ""};
	struct mote_config *config = mote_config_new();
	struct mote_error err = {0, "no configuration"};
	struct mote_event event;
	struct mote_vm *vm = NULL;
	char line[32];
	int length;

	if (config && !mote_config_arguments(config, 1, words, &err) &&
	    !mote_config_set(config, "confine", NULL, &err))
		vm = mote_create(config, &err);
	if (!vm || mote_run(vm, MOTE_NO_LIMIT, &event, &err)) {
		dprintf(STDERR_FILENO, "%s\n", err.text);
		return 1;
	}
	/* Not dprintf(), which would ask what kind of file it is. */
	length = snprintf(line, sizeof line, "exited with %d\n", event.status);
	if (write(STDOUT_FILENO, line, (size_t)length) != length)
		return 1;
	/* What neither the VM nor this program has needed so far: the end, by SIGSYS. */
	syscall(SYS_getppid);
	return 0;
}
