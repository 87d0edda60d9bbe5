/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes to a stdout that nobody reads for a while, without waiting for it: what EAGAIN was the
 * answer to is written again later. Ends when all is written; says on stderr whether it ever had to
 * wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINES 20000

int main(void)
{
	struct pollfd out = {.fd = 1, .events = POLLOUT};
	int refused = 0;
	char line[64];

	fcntl(1, F_SETFL, fcntl(1, F_GETFL) | O_NONBLOCK);
	for (int i = 0; i < LINES; i++) {
		size_t length = (size_t)sprintf(line, "line %d of a guest that does not wait\n", i);
		size_t done = 0;

		while (done < length) {
			ssize_t written = write(1, line + done, length - done);

			if (written > 0) {
				done += (size_t)written;
				continue;
			}
			if (errno != EAGAIN)
				return 1;
			refused = 1;
			usleep(1000);
			poll(&out, 1, -1);
		}
	}
	fprintf(stderr, "%s\n", refused ? "refused at times" : "never refused");
	return 0;
}
