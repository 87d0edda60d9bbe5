/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots of a running guest.
 *
 * The client sends an open file along, and gives it its name once it has the answer: the VMM has no
 * right to. The guest is told that a snapshot is wanted, and makes the hypercall at its next safe
 * moment; it stands still while the file is written, which is when nobody else is served. If the
 * client goes away, or the guest does not come there in time, it goes on as if nothing had been
 * asked.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/control.h"
#include "vmm/control_internal.h"
#include "vmm/stop.h"
#include "vmm/vm_save.h"

enum { FILE_NEW, FILE_BASE };

bool control_wants_snapshot(const struct vm *vm)
{
	return vm->control && vm->control->snapshot.client;
}

/* Nobody waits for one any more. */
static void forget(struct control *control)
{
	control->snapshot.client = NULL;
	vm_save_want(control->vm);
}

/* The client has its answer, or is told why there is none; it may ask for something else then. */
static void answer_client(struct control *control, const struct json_writer *answer,
                          const char *reason)
{
	struct control_connection *client = control->snapshot.client;

	forget(control);
	if (answer)
		control_send(control, client, answer);
	else
		control_refuse(control, client, reason);
	client->is_waiting = false;
	client->since = control_now();
	control_drop_files(client);
}

/* ---- asking ---- */

/* #syscalls:snapshot fstat */
static const char *check_file(int fd)
{
	struct stat status;

	if (fd < 0 || fstat(fd, &status) || !S_ISREG(status.st_mode) || status.st_size)
		return "an empty file has to be sent along";
	return NULL;
}

/* What is different from a base is known of the one that the guest was started from. */
static const char *check_base(const struct vm *vm, int fd)
{
	struct stat wanted, ours;

	if (fd < 0 || fstat(fd, &wanted))
		return "the base has to be sent along";
	if (!vm->snapshot)
		return "it was not started from a snapshot, so there is nothing that a new one "
		       "could "
		       "build on";
	if (fstat(vm->snapshot->layers[0].fd, &ours) || ours.st_dev != wanted.st_dev ||
	    ours.st_ino != wanted.st_ino)
		return "it was started from another snapshot than the base";
	return NULL;
}

static bool is_true(const struct json *request, const char *key)
{
	const struct json_field *field = json_find(request, key, JSON_BOOL);

	return field && field->number;
}

void control_call_snapshot(struct control *control, struct control_connection *connection,
                           const struct json *request)
{
	bool has_base = is_true(request, "base");
	const char *reason = check_file(connection->files[FILE_NEW]);

	if (!reason && has_base)
		reason = check_base(control->vm, connection->files[FILE_BASE]);
	if (control->snapshot.client)
		reason = "another snapshot of it is being taken";
	if (reason) {
		control_refuse(control, connection, reason);
		return;
	}
	control->snapshot.client = connection;
	control->snapshot.deadline_ns = control_now() + CONTROL_SAFE_NS;
	control->snapshot.has_base = has_base;
	control->snapshot.cuts = is_true(request, "force");
	control->snapshot.pauses = is_true(request, "pause");
	connection->is_waiting = true;
	control->has_news = true;
	vm_save_want(control->vm);
}

void control_check_snapshot(struct control *control)
{
	if (!control->snapshot.client)
		return;
	if (control->snapshot.client->fd < 0)
		forget(control);
	else if (control_now() > control->snapshot.deadline_ns)
		answer_client(control, NULL,
		              "the guest did not come to where a snapshot can be taken within 5 "
		              "seconds");
}

/* ---- taking ---- */

/* The lines on one, cut to what an error can say. */
static void refuse_problems(struct control *control, const struct vm_problems *problems)
{
	char reason[800];
	size_t length = problems->length;

	while (length && problems->text[length - 1] == '\n')
		length--;
	for (size_t i = 0; i < length; i++)
		if (problems->text[i] == '\n')
			problems->text[i] = ';';
	snprintf(reason, sizeof reason,
	         "it has what a snapshot cannot carry (--force cuts it): %.*s%s",
	         length < 700 ? (int)length : 700, problems->text, length < 700 ? "" : "...");
	answer_client(control, NULL, reason);
}

static int64_t save(struct control *control)
{
	struct vm *vm = control->vm;
	struct json_writer answer;
	struct snapshot_written written;
	struct mote_error err;

	if (vm_save_write(vm, control->snapshot.client->files[FILE_NEW], MOTE_SNAPSHOT_OUTSIDE,
	                  control->snapshot.has_base ? vm->snapshot : NULL, &written, &err)) {
		answer_client(control, NULL, err.text);
		return -EIO;
	}
	control->is_paused |= control->snapshot.pauses;
	answer = control_answer(control);
	json_put_number(&answer, "pages", written.pages);
	json_put_number(&answer, "bytes", written.bytes);
	json_put_number(&answer, "write_us", written.write_ns / 1000);
	json_put_number(&answer, "sync_us", written.sync_ns / 1000);
	answer_client(control, &answer, NULL);
	return MOTE_SNAPSHOT_TAKEN;
}

int64_t control_save(struct vm *vm, mote_gpa_t gpa, uint64_t length)
{
	struct control *control = vm->control;
	struct vm_problems problems;

	if (!control_wants_snapshot(vm))
		return MOTE_SNAPSHOT_NONE;
	if (vm_save_problems(vm, gpa, length, &problems))
		return -EFAULT;
	if (problems.of_guest && control->snapshot.cuts)
		return MOTE_SNAPSHOT_CUT;
	if (problems.length && !control->snapshot.cuts) {
		refuse_problems(control, &problems);
		return -EBUSY;
	}
	return save(control);
}
