/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked of a running microVM: a function for each command. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "virtio/balloon.h"
#include "vmm/command.h"
#include "vmm/control_internal.h"
#include "vmm/stop.h"

#define KEYS_MAX 4

struct json_writer control_answer(struct control *control)
{
	struct json_writer answer = {.text = control->answer, .size = sizeof control->answer};

	json_begin(&answer, NULL);
	json_put_bool(&answer, "ok", true);
	return answer;
}

void control_refuse(struct control *control, struct control_connection *connection,
                    const char *reason)
{
	struct json_writer answer = {.text = control->answer, .size = sizeof control->answer};

	json_begin(&answer, NULL);
	json_put_bool(&answer, "ok", false);
	json_put_string(&answer, "error", reason);
	control_send(control, connection, &answer);
}

static void agree(struct control *control, struct control_connection *connection)
{
	struct json_writer answer = control_answer(control);

	control_send(control, connection, &answer);
}

/* ---- commands ---- */

static struct virtio_device *find_balloon(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->devices.count; i++)
		if (!strcmp(vm->devices.list[i]->ops->name, "balloon"))
			return vm->devices.list[i];
	return NULL;
}

static void put_labels(struct json_writer *answer, const struct control_options *options)
{
	json_begin(answer, "labels");
	for (unsigned i = 0; i < options->label_count; i++) {
		const char *label = options->labels[i], *equals = strchr(label, '=');
		char key[CONTROL_LABEL_MAX + 1];

		snprintf(key, sizeof key, "%.*s", (int)(equals - label), label);
		json_put_string(answer, key, equals + 1);
	}
	json_end(answer);
}

static void call_status(struct control *control, struct control_connection *connection,
                        const struct json *request)
{
	const struct vm *vm = control->vm;
	const struct virtio_device *balloon = find_balloon(vm);
	struct json_writer answer = control_answer(control);

	(void)request;
	json_put_string(&answer, "name", control->options->name);
	json_put_number(&answer, "pid", (uint64_t)control->pid);
	json_put_string(&answer, "state",
	                control->snapshot.client ? "saving"
	                : control->is_paused     ? "paused"
	                                         : "running");
	json_put_string(&answer, "app", vm->options->app);
	json_put_number(&answer, "started", control->started_s);
	json_put_number(&answer, "uptime_ms", (control_now() - control->started_ns) / 1000000);
	json_put_number(&answer, "memory_bytes", vm->memory.size);
	if (balloon)
		json_put_number(&answer, "balloon_bytes", balloon_actual(balloon));
	put_labels(&answer, control->options);
	json_put_string(&answer, "version", MOTE_VERSION);
	control_send(control, connection, &answer);
}

static void call_balloon(struct control *control, struct control_connection *connection,
                         const struct json *request)
{
	const struct json_field *bytes = json_find(request, "bytes", JSON_NUMBER);
	struct virtio_device *balloon = find_balloon(control->vm);

	if (!bytes) {
		control_refuse(control, connection, "\"bytes\" wants a number");
	} else if (!balloon) {
		control_refuse(control, connection,
		               "it has no balloon: start it with --balloon to give it one");
	} else {
		balloon_set_target(balloon, bytes->number);
		control->has_news = true;
		agree(control, connection);
	}
}

static void call_pause(struct control *control, struct control_connection *connection,
                       const struct json *request)
{
	(void)request;
	control->is_paused = true;
	agree(control, connection);
}

static void call_resume(struct control *control, struct control_connection *connection,
                        const struct json *request)
{
	(void)request;
	control->is_paused = false;
	agree(control, connection);
}

static void end_guest(struct control *control, struct control_connection *connection,
                      int signal_number)
{
	stop_request(signal_number);
	control->has_news = true;
	agree(control, connection);
}

static void call_stop(struct control *control, struct control_connection *connection,
                      const struct json *request)
{
	(void)request;
	end_guest(control, connection, SIGTERM);
}

static void call_kill(struct control *control, struct control_connection *connection,
                      const struct json *request)
{
	(void)request;
	end_guest(control, connection, SIGKILL);
}

/* ---- finding them ---- */

typedef void control_command(struct control *control, struct control_connection *connection,
                             const struct json *request);

/* The table of docs/control.md; each with the keys that it takes besides "command". */
static const struct {
	const char *name;
	control_command *call;
	const char *keys[KEYS_MAX];
} commands[] = {
        {"status", call_status, {NULL}},
        {"balloon", call_balloon, {"bytes"}},
        {"pause", call_pause, {NULL}},
        {"resume", call_resume, {NULL}},
        {"stop", call_stop, {NULL}},
        {"kill", call_kill, {NULL}},
        {"snapshot", control_call_snapshot, {"base", "force", "pause"}},
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static bool is_key_of(size_t command, const char *key)
{
	if (!strcmp(key, "command"))
		return true;
	for (size_t i = 0; i < KEYS_MAX && commands[command].keys[i]; i++)
		if (!strcmp(key, commands[command].keys[i]))
			return true;
	return false;
}

void control_execute(struct control *control, struct control_connection *connection, char *line,
                     size_t length)
{
	struct json *request = &control->request;
	const char *reason, *name;
	size_t index = 0;

	if (json_parse(request, line, length, &reason)) {
		control_refuse(control, connection, reason);
		return;
	}
	name = json_string(request, "command");
	while (index < COMMANDS && (!name || strcmp(name, commands[index].name) != 0))
		index++;
	if (index == COMMANDS) {
		control_refuse(control, connection,
		               name ? "there is no such command" : "\"command\" wants a string");
		return;
	}
	for (unsigned i = 0; i < request->count; i++) {
		if (!is_key_of(index, request->fields[i].key)) {
			control_refuse(control, connection, "the command takes no such key");
			return;
		}
	}
	commands[index].call(control, connection, request);
}
