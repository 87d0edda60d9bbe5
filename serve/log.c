/* SPDX-License-Identifier: Apache-2.0 */
/* A line for each request. */
#include "serve/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What somebody else wrote: nothing in it may end the line or the string. */
static void put_escaped_bytes(FILE *log, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < ' ' || c == 0x7f || c >= 0x80)
			fprintf(log, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			fprintf(log, "\\%c", c);
		else
			putc_unlocked(c, log);
	}
}

static void put_escaped(FILE *log, const char *text)
{
	put_escaped_bytes(log, text, strlen(text));
}

static void put_time(FILE *log)
{
	struct timespec now;
	struct tm parts;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
	fprintf(log, "%s.%03ldZ", text, now.tv_nsec / 1000000);
}

static double milliseconds(const struct exchange *exchange)
{
	return (double)(monotonic_ns() - exchange->arrived) / 1e6;
}

FILE *log_open(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	FILE *log = fd < 0 ? NULL : fdopen(fd, "a");

	if (!log)
		return stderr;
	setvbuf(log, NULL, _IOFBF, 1 << 16);
	return log;
}

void log_request(FILE *log, enum log_format format, const struct exchange *exchange,
                 unsigned status, size_t bytes)
{
	const char *why = exchange->failed ? exchange->why : NULL;

	if (format == LOG_NONE)
		return;
	flockfile(log);
	fputs(format == LOG_JSON ? "{\"time\":\"" : "", log);
	put_time(log);
	fputs(format == LOG_JSON ? "\",\"method\":\"" : " \"", log);
	put_escaped(log, exchange->method);
	fputs(format == LOG_JSON ? "\",\"path\":\"" : " ", log);
	put_escaped(log, exchange->target);
	if (format == LOG_JSON)
		fprintf(log, "\",\"status\":%u,\"bytes\":%zu,\"ms\":%.3f,\"exits\":%u%s%s%s}\n",
		        status, bytes, milliseconds(exchange), exchange->exits,
		        why ? ",\"error\":\"" : "", why ? why : "", why ? "\"" : "");
	else
		fprintf(log, "\" %u %zu %.3f ms%s%s\n", status, bytes, milliseconds(exchange),
		        why ? ": " : "", why ? why : "");
	funlockfile(log);
}

void log_output(FILE *log, bool is_json, const char *app, const char *text, size_t size)
{
	flockfile(log);
	if (is_json) {
		fputs("{\"time\":\"", log);
		put_time(log);
		fprintf(log, "\",\"app\":\"%s\",\"output\":\"", app);
		put_escaped_bytes(log, text, size);
		fputs("\"}\n", log);
	} else {
		fprintf(log, "[%s] ", app);
		for (size_t i = 0; i < size; i++) {
			unsigned char c = (unsigned char)text[i];

			putc_unlocked((c < ' ' && c != '\t') || c == 0x7f ? '?' : c, log);
		}
		putc_unlocked('\n', log);
	}
	funlockfile(log);
}

void log_flush(FILE *log)
{
	if (log)
		fflush(log);
}
