/* SPDX-License-Identifier: Apache-2.0 */
/* Where the control sockets of the user's running microVMs are: NAME.sock in one directory. */
#ifndef MOTE_VMM_CONTROL_DIRECTORY_H
#define MOTE_VMM_CONTROL_DIRECTORY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "vmm/error.h"

struct control_directory {
	int fd;
	char path[PATH_MAX];
};

/**
 * control_directory_path() - Where it is: $XDG_RUNTIME_DIR/mote, or /run/user/UID/mote where there
 * is such a directory, or ~/.cache/mote/run.
 *
 * Return: false: there is no place for it.
 */
bool control_directory_path(char *path, size_t size);

/* Open it, and make it if need be. It is the user's, and no one else can write to it. */
int control_directory_open(struct control_directory *directory, struct mote_error *err);
void control_directory_close(struct control_directory *directory);

/**
 * control_directory_listen() - Make the socket of this name, which nobody else may have.
 * @directory: one that a dead microVM has left under the name is removed
 *
 * Return: the listening socket, not blocking, or -1 with @err.
 */
int control_directory_listen(const struct control_directory *directory, const char *name,
                             struct mote_error *err);

/**
 * control_directory_connect() - Connect to the socket of this name.
 * @timeout_ms: for connecting, and each later sending and receiving
 *
 * A socket that nobody listens on any more is removed.
 *
 * Return: the socket, blocking, or -1 with errno: ENOENT where there is none, or no more.
 */
int control_directory_connect(const struct control_directory *directory, const char *name,
                              unsigned timeout_ms);

/**
 * control_directory_list() - The names of all sockets, of dead microVMs as well.
 * @visit: called for each, in alphabetical order; not 0 ends the list
 *
 * Return: what @visit returned last, 0 for no names; or -1 with @err.
 */
int control_directory_list(const struct control_directory *directory,
                           int (*visit)(void *ctx, const char *name), void *ctx,
                           struct mote_error *err);

#endif
