/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an application's guests write goes to the server's log, each line with its application.
 *
 * Workers share a pipe, which a thread reads. Guests are hostile: what they write cannot look like
 * a line of the server or of another application, and a terminal does not obey it.
 */
#include "serve/guest_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "serve/log.h"

#define LINE_MAX_BYTES 4096 /* a longer one is several */

/* Print the whole lines, and at the end of all or of the room what is left. Return: bytes that
 * wait. */
static size_t put_lines(const struct guest_log *log, char *text, size_t size, bool is_end)
{
	char *at = text, *end = text + size, *stop;

	while ((stop = memchr(at, '\n', (size_t)(end - at)))) {
		log_output(log->to, log->is_json, log->app, at, (size_t)(stop - at));
		at = stop + 1;
	}
	if (at < end && (is_end || (at == text && size == LINE_MAX_BYTES))) {
		log_output(log->to, log->is_json, log->app, at, (size_t)(end - at));
		at = end;
	}
	memmove(text, at, (size_t)(end - at));
	return (size_t)(end - at);
}

static void *copy(void *argument)
{
	const struct guest_log *log = argument;
	char text[LINE_MAX_BYTES];
	size_t held = 0;
	ssize_t got;

	while ((got = read(log->out, text + held, sizeof text - held)) > 0 ||
	       (got < 0 && errno == EINTR)) {
		if (got > 0)
			held = put_lines(log, text, held + (size_t)got, false);
	}
	put_lines(log, text, held, true);
	log_flush(log->to);
	return NULL;
}

int guest_log_open(struct guest_log *log, FILE *to, bool is_json, const char *app)
{
	int ends[2];

	*log = (struct guest_log){.to = to, .is_json = is_json, .app = app, .in = -1, .out = -1};
	if (pipe2(ends, O_CLOEXEC))
		return -1;
	log->out = ends[0];
	log->in = ends[1];
	errno = pthread_create(&log->thread, NULL, copy, log);
	if (!errno)
		return 0;
	close(ends[0]);
	close(ends[1]);
	log->in = -1;
	return -1;
}

void guest_log_close(struct guest_log *log)
{
	if (log->in < 0)
		return;
	close(log->in);
	pthread_join(log->thread, NULL);
	close(log->out);
	log->in = -1;
}
