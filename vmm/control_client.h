/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of the control socket: what `mote ps` and its like do. docs/control.md */
#ifndef MOTE_VMM_CONTROL_CLIENT_H
#define MOTE_VMM_CONTROL_CLIENT_H

#include <sys/types.h>

#include "vmm/control_directory.h"
#include "vmm/json.h"
#include "vmm/options_control.h"

#define CONTROL_LINE_MAX 65536u

struct control_client {
	int fd;
	pid_t pid; /* of the microVM; 0: it is in another PID namespace */
	char name[CONTROL_NAME_MAX + 1];
	struct json answer; /* the last one; its strings are in line */
	char line[CONTROL_LINE_MAX];
};

/**
 * control_client_open() - Connect to a running microVM.
 * @who: its name, or its PID
 *
 * Return: 0, or -1 with @err: there is none.
 */
int control_client_open(struct control_client *client, const char *who, struct mote_error *err);

/* The same, by its name alone; -1 with errno. */
int control_client_open_name(struct control_client *client,
                             const struct control_directory *directory, const char *name,
                             unsigned timeout_ms);

/**
 * control_client_ask() - Send a request and wait for the answer.
 * @request:    one JSON object, without line end
 * @files:      descriptors that go along
 * @timeout_ms: for the answer; 0: as long as the microVM lives
 *
 * The answer is hostile, as all of another process.
 *
 * Return: 0 with client->answer, or -1 with @err: it does not answer, or refuses.
 */
int control_client_ask(struct control_client *client, const char *request, const int *files,
                       unsigned file_count, unsigned timeout_ms, struct mote_error *err);

/* Wait until the microVM has ended. Return: whether it has. */
bool control_client_wait_end(struct control_client *client, unsigned timeout_ms);

void control_client_close(struct control_client *client);

#endif
