/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket.
 *
 * How it works
 *
 * It is served on the vCPU's thread, while the guest stands still, by functions that never block.
 * Whoever connects makes the kernel send SIGIO, which ends KVM_RUN, or a wait in the VMM (stop.c):
 * so a socket that nobody uses costs nothing. While somebody is connected, it is looked at each
 * CONTROL_PATIENCE_NS, since connections send no signal of their own: who gets it has to be set
 * with fcntl(F_SETOWN), and a confined VMM that could do that could signal other processes.
 *
 * A guest that is paused is one that these functions do not return to.
 */
#include "vmm/control.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "vmm/control_directory.h"
#include "vmm/control_internal.h"
#include "vmm/output_log.h"
#include "vmm/stop.h"
#include "vmm/tick.h"

/* ---- making it ---- */

/* SIGIO is ignored until stop_watch_calls(): its default would end the process. */
static int arm(int listener, struct mote_error *err)
{
	signal(SIGIO, SIG_IGN);
	if (fcntl(listener, F_SETOWN, getpid()) || fcntl(listener, F_SETFL, O_ASYNC | O_NONBLOCK))
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot get signals from the control socket");
	return 0;
}

int control_open(struct vm *vm, struct mote_error *err)
{
	const struct control_options *options = &vm->options->control;
	struct control_directory directory;
	struct control *control;
	int status;

	if (!options->name)
		return 0;
	control = calloc(1, sizeof *control);
	if (!control)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for the control socket");
	/* Field by field: most of it is buffers, which are not touched before somebody connects. */
	control->vm = vm;
	control->options = options;
	control->owner = geteuid();
	control->pid = getpid();
	control->started_ns = control_now();
	control->started_s = (uint64_t)time(NULL);
	for (unsigned i = 0; i < CONTROL_CONNECTIONS; i++)
		control->connections[i] = (struct control_connection){
		        .fd = -1, .line = control->lines[i], .files = {-1, -1}};
	control->listener = -1;
	vm->control = control;
	if (control_directory_open(&directory, err))
		return -1;
	control->listener = control_directory_listen(&directory, options->name, err);
	status = control->listener < 0
	                 ? -1
	                 : output_log_create(&vm->streams.log, &directory, options->name, err);
	control_directory_close(&directory);
	if (status || arm(control->listener, err))
		return -1;
	vm->devices.needs.groups |= CONFINE_SNAPSHOT;
	vm->devices.needs.files += 2 + CONTROL_CONNECTIONS * (1 + CONTROL_FILES_MAX);
	return 0;
}

/* ---- serving it ---- */

static void poll_connections(struct control *control)
{
	nfds_t count = 1;

	control->polls[0] = (struct pollfd){.fd = control->listener, .events = POLLIN};
	for (unsigned i = 0; i < CONTROL_CONNECTIONS; i++)
		if (control->connections[i].fd >= 0)
			control->polls[count++] =
			        (struct pollfd){.fd = control->connections[i].fd, .events = POLLIN};
	stop_poll_calls(control->polls, count);
}

/* The guest stands still. Return: whether a wait of its is to end. */
static bool serve(void *ctx)
{
	struct control *control = ctx;
	int signal_number;
	unsigned open;
	bool has_news;

	for (;;) {
		stop_take_call();
		open = control_serve_connections(control);
		/* For a snapshot a paused guest goes on for a moment. */
		if (!control->is_paused || control->snapshot.client ||
		    stop_requested(&signal_number))
			break;
		poll_connections(control);
	}
	stop_set_patience(open ? CONTROL_PATIENCE_NS : 0);
	has_news = control->has_news;
	control->has_news = false;
	return has_news;
}

int control_start(struct vm *vm, struct mote_error *err)
{
	return vm->control ? stop_watch_calls(serve, vm->control, err) : 0;
}

void control_look(struct vm *vm)
{
	uint64_t patience;

	stop_serve_calls(stop_patience() != 0);
	patience = stop_patience();
	/* The next look is a tick. */
	if (patience && vm->tick.next > clock_page_monotonic(&vm->clock) + patience)
		tick_look(vm);
}

void control_end(struct control *control)
{
	for (unsigned i = 0; i < CONTROL_CONNECTIONS; i++)
		control_close(&control->connections[i]);
	if (control->listener >= 0)
		close(control->listener);
	free(control);
}
