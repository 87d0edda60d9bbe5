/* SPDX-License-Identifier: Apache-2.0 */
/* Copies stdin to stdout. `cat ignore` ignores SIGPIPE and reports the error instead. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static char buffer[65536];

static int write_all(const char *from, ssize_t length)
{
	while (length > 0) {
		ssize_t written = write(1, from, (size_t)length);

		if (written < 0)
			return -1;
		from += written;
		length -= written;
	}
	return 0;
}

int main(int argc, char **argv)
{
	ssize_t got;

	(void)argv;
	if (argc > 1)
		signal(SIGPIPE, SIG_IGN);
	while ((got = read(0, buffer, sizeof buffer)) > 0) {
		if (write_all(buffer, got)) {
			perror("cat: write");
			return 1;
		}
	}
	if (got < 0)
		perror("cat: read");
	return got < 0;
}
