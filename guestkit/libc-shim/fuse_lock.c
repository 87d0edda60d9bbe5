/* SPDX-License-Identifier: Apache-2.0 */
/* Locks of the FUSE client's files on the host, beside those that file_lock.c keeps. */
#include <linux/errno.h>
#include <linux/fcntl.h>

#include "guestkit/libc-shim/fuse.h"

/*
 * Who takes a lock wants to see what its last holder wrote, so the attributes are asked for in the
 * same exit. Times on the host advance by steps: a file that was changed shortly before the guest
 * last looked may have been changed again in the same step, so its pages go even if nothing seems
 * to have happened.
 */

#define PROCESS_OWNER 1
#define TIME_STEP     20000000ull /* ns: twice the longest tick of a host */

static uint64_t owner_of(const struct file *file, const struct file_lock_request *request)
{
	static uint32_t last_owner = PROCESS_OWNER;
	struct fuse_file *own = fuse_file(file);

	if (request->is_of_process)
		return PROCESS_OWNER;
	if (!own->owner)
		own->owner = ++last_owner;
	return own->owner;
}

static void begin_lock(struct fuse_request *out, const struct file *file,
                       const struct file_lock_request *request)
{
	bool is_question = request->is_question;

	fuse_begin(out, is_question ? FUSE_GETLK : FUSE_SETLK, fuse_inode(file->inode)->node,
	           sizeof(out->argument.lock), is_question ? sizeof(out->result.lock) : 0);
	out->argument.lock.fh = fuse_file(file)->handle;
	out->argument.lock.owner = owner_of(file, request);
	out->argument.lock.lk.start = request->start;
	out->argument.lock.lk.end = request->last < INT64_MAX ? request->last : INT64_MAX;
	out->argument.lock.lk.type = (uint32_t)request->type;
	out->argument.lock.lk.pid = 1;
	out->argument.lock.lk_flags = request->is_flock ? FUSE_LK_FLOCK : 0;
}

static void take_answer(const struct fuse_request *out, struct file_lock_request *request)
{
	const struct fuse_file_lock *lock = &out->result.lock.lk;

	request->type = (short)lock->type;
	request->start = lock->start;
	request->last = lock->end;
	request->owner = (int)lock->pid;
}

int fuse_lock(struct file *file, struct file_lock_request *request)
{
	struct fuse_inode *inode = fuse_inode(file->inode);
	const struct fuse_share *share = inode->share;
	struct fuse_request requests[2];
	bool is_taken = !request->is_question && request->type != F_UNLCK;
	uint64_t changed_at, checked_at;
	int result = fuse_file_ready(file);

	if (result)
		return result;
	if (!(request->is_flock ? share->has_flock : share->has_record_locks)) {
		if (request->is_question)
			request->type = F_UNLCK;
		return 0; /* they are the guest's own affair */
	}
	begin_lock(&requests[0], file, request);
	fuse_begin_attributes(&requests[1], inode);
	fuse_call(inode->share, requests, is_taken ? 2 : 1);
	result = fuse_error(&requests[0]);
	if (result)
		return result == -EACCES ? -EAGAIN : result;
	if (request->is_question)
		take_answer(&requests[0], request);
	if (!is_taken)
		return 0;
	changed_at = inode->base.mtime;
	checked_at = inode->checked_at;
	fuse_take_attributes(&requests[1], inode, false);
	if (changed_at + TIME_STEP > checked_at)
		fuse_pages_drop(inode, 0, UINT64_MAX);
	return 0;
}
