/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FUSE client's channel: requests, and what rides along with them.
 *
 * How it works
 *
 * An exit costs more than the server's work, so as much as possible goes in one: an operation sends
 * its requests together (what it wants done, and the attributes as they are afterwards), and what
 * needs no answer now, closing handles and forgetting nodes, waits until something else is sent.
 * Requests live on the stack of whoever makes them; those that wait, on the heap. Between
 * fuse_begin() and fuse_call() nothing may touch the application's memory: a page fault there may
 * be served by another request.
 */
#include "guestkit/libc-shim/fuse.h"

#include <linux/errno.h>

#include "guestkit/libc-shim/process.h"
#include "guestkit/string.h"

#define ERRNO_MAX 4095

/* What the client makes use of. The mode of new files is masked before it is sent. */
#define INIT_FLAGS                                                                        \
	(FUSE_ASYNC_READ | FUSE_POSIX_LOCKS | FUSE_BIG_WRITES | FUSE_DONT_MASK |          \
	 FUSE_FLOCK_LOCKS | FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS | FUSE_MAX_PAGES | \
	 FUSE_CACHE_SYMLINKS | FUSE_NO_OPENDIR_SUPPORT)

/* A request to close a handle, waiting for a ride. */
struct fuse_release {
	struct fuse_release *next;
	struct fuse_request request;
};

/* ---- building ---- */

void fuse_begin(struct fuse_request *request, uint32_t opcode, uint64_t node, size_t argument,
                size_t result)
{
	memset(&request->in, 0, sizeof(request->in) + argument);
	request->in.opcode = opcode;
	request->in.nodeid = node;
	request->in.uid = process_identity.file_uid;
	request->in.gid = process_identity.file_gid;
	request->in.pid = PROCESS_ID;
	request->out = (struct fuse_out_header){0};
	request->in_parts[0] = (struct fuse_in_part){&request->in, sizeof(request->in) + argument};
	request->out_parts[0] =
	        (struct fuse_out_part){&request->out, sizeof(request->out) + result};
	request->in_count = request->out_count = 1;
}

void fuse_add(struct fuse_request *request, const void *data, size_t length)
{
	request->in_parts[request->in_count++] = (struct fuse_in_part){data, length};
}

void fuse_add_name(struct fuse_request *request, const char *name, size_t length)
{
	fuse_add(request, name, length);
	fuse_add(request, "", 1);
}

void fuse_receive(struct fuse_request *request, void *data, size_t length)
{
	request->out_parts[request->out_count++] = (struct fuse_out_part){data, length};
}

int fuse_error(const struct fuse_request *request)
{
	size_t least = request->out_parts[0].length;

	if (request->out.error)
		return request->out.error < 0 && request->out.error >= -ERRNO_MAX
		               ? request->out.error
		               : -EIO;
	return request->out.len < least ? -EIO : 0;
}

size_t fuse_received(const struct fuse_request *request)
{
	size_t length = request->out.len - request->out_parts[0].length;

	return length < request->out_parts[1].length ? length : request->out_parts[1].length;
}

/* ---- sending ---- */

/* Room for all that one exit carries. Nothing is sent while this is filled. */
bool fuse_is_used;

static struct fuse_request *sending[1 + 1 + FUSE_QUEUED + FUSE_TOGETHER];
static size_t sending_count;

static void put(struct fuse_share *share, struct fuse_request *request)
{
	size_t length = 0;

	for (unsigned i = 0; i < request->in_count; i++)
		length += request->in_parts[i].length;
	request->in.len = (uint32_t)length;
	request->in.unique = ++share->last_unique;
	sending[sending_count++] = request;
}

static void begin_init(struct fuse_request *request)
{
	fuse_begin(request, FUSE_INIT, 0, sizeof(request->argument.init),
	           sizeof(request->result.init));
	request->argument.init.major = FUSE_KERNEL_VERSION;
	request->argument.init.minor = FUSE_KERNEL_MINOR_VERSION;
	request->argument.init.max_readahead = FUSE_DATA_MAX * PAGE_SIZE;
	request->argument.init.flags = INIT_FLAGS;
}

static int take_init(struct fuse_share *share, const struct fuse_request *request)
{
	const struct fuse_init_out *init = &request->result.init;
	int result = fuse_error(request);

	if (result || init->major != FUSE_KERNEL_VERSION || init->max_write < PAGE_SIZE) {
		share->state = FUSE_DEAD;
		return -EIO;
	}
	share->state = FUSE_READY;
	fuse_is_used = true;
	share->has_record_locks = init->flags & FUSE_POSIX_LOCKS;
	share->has_flock = init->flags & FUSE_FLOCK_LOCKS;
	share->data_max = init->max_write & PAGE_MASK;
	if (share->data_max > FUSE_DATA_MAX * PAGE_SIZE)
		share->data_max = FUSE_DATA_MAX * PAGE_SIZE;
	return 0;
}

static void begin_forget(struct fuse_share *share, struct fuse_request *request)
{
	fuse_begin(request, FUSE_BATCH_FORGET, 0, sizeof(request->argument.forget), 0);
	request->argument.forget.count = share->forget_count;
	fuse_add(request, share->forgets, share->forget_count * sizeof(share->forgets[0]));
	request->out_count = 0;
}

static void free_releases(struct fuse_release *release)
{
	while (release) {
		struct fuse_release *next = release->next;

		heap_free(release);
		release = next;
	}
}

static int send_all(struct fuse_share *share, struct fuse_request *requests, size_t count)
{
	struct fuse_release *releases = share->releases;
	struct fuse_request init, forget;
	bool is_new = share->state == FUSE_NEW;
	int result;

	sending_count = 0;
	if (is_new) {
		begin_init(&init);
		put(share, &init);
	}
	/* Handles are closed first: what follows may be about files that must not be open. */
	for (struct fuse_release *release = releases; release; release = release->next)
		put(share, &release->request);
	for (size_t i = 0; i < count; i++)
		put(share, &requests[i]);
	if (share->forget_count) {
		begin_forget(share, &forget);
		put(share, &forget);
	}
	result = share->transport->exchange(share->transport, sending, sending_count);
	share->releases = NULL;
	share->release_count = share->forget_count = 0;
	free_releases(releases);
	if (result && result != -ENOMEM)
		share->state = FUSE_DEAD;
	else if (is_new && !result)
		result = take_init(share, &init);
	return result;
}

int fuse_call(struct fuse_share *share, struct fuse_request *requests, size_t count)
{
	int result = share->state == FUSE_DEAD ? -EIO : send_all(share, requests, count);

	for (size_t i = 0; i < count; i++) {
		if (result)
			requests[i].out.error = result == -ENOMEM ? -ENOMEM : -EIO;
		/* The file is elsewhere now, on the host: whoever has walked there walks again. */
		if (requests[i].out.error == -ESTALE)
			fuse_name_expire_all();
	}
	return result;
}

int fuse_call_one(struct fuse_share *share, struct fuse_request *request)
{
	fuse_call(share, request, 1);
	return fuse_error(request);
}

/* ---- what waits for a ride ---- */

void fuse_forget(struct fuse_share *share, uint64_t node, uint64_t lookups)
{
	if (share->state != FUSE_READY)
		return;
	if (share->forget_count == FUSE_QUEUED)
		fuse_call(share, NULL, 0);
	/* Without memory the server knows a node for longer than it needs to. */
	if (!share->forgets)
		share->forgets = heap_alloc(FUSE_QUEUED * sizeof(share->forgets[0]));
	if (!share->forgets)
		return;
	share->forgets[share->forget_count++] = (struct fuse_forget_one){node, lookups};
}

void fuse_release_later(struct fuse_share *share, uint64_t node, uint64_t handle)
{
	struct fuse_release *release;
	struct fuse_request now, *request = &now;

	if (share->state != FUSE_READY)
		return;
	if (share->release_count == FUSE_QUEUED)
		fuse_call(share, NULL, 0);
	release = heap_alloc(sizeof(*release));
	if (release)
		request = &release->request;
	fuse_begin(request, FUSE_RELEASE, node, sizeof(request->argument.release), 0);
	request->argument.release.fh = handle;
	if (!release) {
		fuse_call(share, &now, 1);
		return;
	}
	release->next = share->releases;
	share->releases = release;
	share->release_count++;
}
