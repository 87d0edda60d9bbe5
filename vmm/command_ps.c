/* SPDX-License-Identifier: Apache-2.0 */
/* `mote ps`: the running microVMs that have a name. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/command.h"
#include "vmm/control_client.h"

#define ANSWER_MS 1000

struct list {
	const struct control_directory *directory;
	bool is_json;
	unsigned count;
};

static struct control_client client;

/* Pages that are in memory, by the kernel's account; 0 where it cannot be told. */
static uint64_t resident_bytes(pid_t pid)
{
	char path[40], text[128];
	unsigned long long pages = 0;
	ssize_t got;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
	fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return 0;
	got = read(fd, text, sizeof text - 1);
	close(fd);
	text[got > 0 ? got : 0] = '\0';
	return sscanf(text, "%*u %llu", &pages) == 1 ? pages * 4096 : 0;
}

/* ---- for people ---- */

/* What a terminal would obey, and blanks in a column, are shown as '?'. */
static void print_text(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char)*text <= ' ' || *text == 0x7f ? '?' : *text);
}

static uint64_t number_of(const char *key)
{
	const struct json_field *field = json_find(&client.answer, key, JSON_NUMBER);

	return field ? field->number : 0;
}

static void print_duration(uint64_t ms)
{
	static const struct {
		uint64_t ms;
		char letter;
	} units[] = {{86400000, 'd'}, {3600000, 'h'}, {60000, 'm'}, {1000, 's'}};
	char text[24];
	size_t i = 0;

	while (i < 3 && ms < 2 * units[i].ms)
		i++;
	snprintf(text, sizeof text, "%" PRIu64 "%c", ms / units[i].ms, units[i].letter);
	printf(" %7s", text);
}

static void print_size(uint64_t bytes)
{
	char text[24];

	if (bytes >= 10ull << 30)
		snprintf(text, sizeof text, "%" PRIu64 "G", bytes >> 30);
	else if (bytes >= 1u << 20)
		snprintf(text, sizeof text, "%" PRIu64 "M", bytes >> 20);
	else
		snprintf(text, sizeof text, "%" PRIu64 "K", bytes >> 10);
	printf(" %8s", text);
}

static void print_row(bool has_answer)
{
	const char *state = json_string(&client.answer, "state");
	const char *app = json_string(&client.answer, "app");

	printf("%-20s %7d ", client.name, (int)client.pid);
	if (!has_answer) {
		printf("silent\n");
		return;
	}
	print_text(state ? state : "?");
	printf("%*s", state && strlen(state) < 8 ? (int)(8 - strlen(state)) : 0, "");
	print_duration(number_of("uptime_ms"));
	print_size(number_of("memory_bytes"));
	print_size(resident_bytes(client.pid));
	printf("  ");
	print_text(app ? app : "?");
	for (unsigned i = 0; i < client.answer.count; i++) {
		const struct json_field *field = &client.answer.fields[i];

		if (!field->object || strcmp(field->object, "labels") || field->kind != JSON_STRING)
			continue;
		putchar(' ');
		print_text(field->key);
		putchar('=');
		print_text(field->string);
	}
	putchar('\n');
}

/* ---- for programs ---- */

/* What the microVM says of itself, with its name and PID as they are seen from here. */
static void print_object(bool has_answer)
{
	static char text[2 * CONTROL_LINE_MAX];
	struct json_writer writer = {.text = text, .size = sizeof text};
	const char *object = NULL;

	json_begin(&writer, NULL);
	json_put_string(&writer, "name", client.name);
	json_put_number(&writer, "pid", (uint64_t)client.pid);
	if (!has_answer)
		json_put_string(&writer, "state", "silent");
	for (unsigned i = 0; has_answer && i < client.answer.count; i++) {
		const struct json_field *field = &client.answer.fields[i];

		if (!field->object && (!strcmp(field->key, "ok") || !strcmp(field->key, "name") ||
		                       !strcmp(field->key, "pid")))
			continue;
		json_put_field(&writer, field, &object);
	}
	if (object)
		json_end(&writer);
	json_put_number(&writer, "resident_bytes", resident_bytes(client.pid));
	json_end(&writer);
	fputs(text, stdout);
}

/* ---- the command ---- */

static int visit(void *ctx, const char *name)
{
	struct list *list = ctx;
	struct mote_error unused;
	bool has_answer = false;

	client.answer.count = 0;
	client.pid = 0;
	if (control_client_open_name(&client, list->directory, name, ANSWER_MS) == 0)
		has_answer = control_client_ask(&client, "{\"command\": \"status\"}", NULL, 0,
		                                ANSWER_MS, &unused) == 0;
	else if (errno == ENOENT)
		return 0;
	/* It may have ended meanwhile. */
	if (has_answer || client.fd < 0 || !control_client_wait_end(&client, 0)) {
		if (list->is_json) {
			fputs(list->count ? ",\n " : "", stdout);
			print_object(has_answer);
		} else {
			if (!list->count)
				printf("%-20s %7s %-8s %7s %8s %8s  %s\n", "NAME", "PID", "STATE",
				       "UPTIME", "MEMORY", "RESIDENT", "APP AND LABELS");
			print_row(has_answer);
		}
		list->count++;
	}
	control_client_close(&client);
	return 0;
}

int command_ps(int argc, char **argv, struct mote_error *err)
{
	struct control_directory directory;
	struct list list = {.directory = &directory};
	int status;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") != 0)
			return mote_error_set(err, MOTE_STATUS_FAILED,
			                      "'%.64s' is none of its options (see mote help ps)",
			                      argv[i]);
		list.is_json = true;
	}
	if (control_directory_open(&directory, err))
		return -1;
	if (list.is_json)
		putchar('[');
	status = control_directory_list(&directory, visit, &list, err);
	if (list.is_json)
		printf("]\n");
	control_directory_close(&directory);
	return status;
}

void command_ps_help(void)
{
	printf("Usage: mote ps [--json]\n\n"
	       "Lists your running microVMs that were started with --name: what they run, since "
	       "when,\n"
	       "their memory and how much of it is in use, and their labels. One that does not "
	       "answer\n"
	       "is called silent.\n");
}
