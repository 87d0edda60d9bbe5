/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the control socket: connections, and the commands that come over them. */
#ifndef MOTE_VMM_CONTROL_INTERNAL_H
#define MOTE_VMM_CONTROL_INTERNAL_H

#include <poll.h>
#include <sys/types.h>

#include "vmm/json.h"
#include "vmm/vm.h"

#define CONTROL_CONNECTIONS 8
#define CONTROL_REQUEST_MAX 4096u  /* bytes of a line */
#define CONTROL_ANSWER_MAX  65536u /* of the longest name, path and labels, each byte escaped */
#define CONTROL_FILES_MAX   2      /* descriptors that come along with a request */
#define CONTROL_SILENCE_NS  2000000000u /* a client that sends nothing has to go */
#define CONTROL_SAFE_NS     5000000000u /* for a guest to come to where a snapshot can be taken */
#define CONTROL_PATIENCE_NS 10000000u   /* between two looks at open connections */

struct control_connection {
	int fd;                       /* -1: free */
	uint64_t since;               /* CLOCK_MONOTONIC ns of its last sign of life */
	size_t used;                  /* of line */
	char *line;                   /* of CONTROL_REQUEST_MAX bytes */
	int files[CONTROL_FILES_MAX]; /* that came with this line; -1: none */
	bool is_waiting;              /* for an answer that comes later: it may be silent */
};

struct control {
	struct vm *vm;
	const struct control_options *options;
	int listener;
	uid_t owner;
	pid_t pid;
	uint64_t started_ns; /* CLOCK_MONOTONIC */
	uint64_t started_s;  /* since the epoch */
	bool is_paused;
	bool has_news; /* for the guest: a wait of its is to end */
	struct {
		struct control_connection *client; /* who wants one; NULL: nobody */
		uint64_t deadline_ns;              /* CLOCK_MONOTONIC, for the guest */
		bool has_base, cuts, pauses;
	} snapshot;
	struct control_connection connections[CONTROL_CONNECTIONS];
	struct pollfd polls[1 + CONTROL_CONNECTIONS];
	char lines[CONTROL_CONNECTIONS][CONTROL_REQUEST_MAX];
	struct json request; /* that is being executed */
	char answer[CONTROL_ANSWER_MAX];
};

uint64_t control_now(void);

/* Close all of it; its name stays, for the next one to take over. */
void control_end(struct control *control);

/* control_connections.c: the answer in control->answer goes out with a line end. One that does not
 * fit into the socket's buffer at once ends the connection. */
void control_send(struct control *control, struct control_connection *connection,
                  const struct json_writer *answer);
void control_close(struct control_connection *connection);

/* Close the descriptors that came along. */
void control_drop_files(struct control_connection *connection);

/* Accept who comes, read what there is, execute it. Return: how many are connected. */
unsigned control_serve_connections(struct control *control);

/* control_snapshot.c: the command `snapshot`; whoever waits for one that cannot be is told. */
void control_call_snapshot(struct control *control, struct control_connection *connection,
                           const struct json *request);
void control_check_snapshot(struct control *control);

/* control_commands.c: a line, without its end. */
void control_execute(struct control *control, struct control_connection *connection, char *line,
                     size_t length);

/* An answer {"ok": false, "error": REASON}. */
void control_refuse(struct control *control, struct control_connection *connection,
                    const char *reason);

/* Start an answer {"ok": true, ...}, which control_send() completes. */
struct json_writer control_answer(struct control *control);

#endif
