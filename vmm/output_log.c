/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last output of a microVM that has a name.
 *
 * A ring in a file of fixed size. The bytes are written first, then how many there are: what a
 * reader takes is right unless it was overwritten meanwhile, and that the count tells, read once
 * more. A piece that is being written is not counted yet: so much is not read of the oldest bytes.
 */
#include "vmm/output_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/options_control.h"

#define FILE_NAME_MAX (CONTROL_NAME_MAX + sizeof ".log")

/* ---- writing ---- */

int output_log_create(struct output_log *log, const struct control_directory *directory,
                      const char *name, struct mote_error *err)
{
	const struct output_log_head head = {.magic = OUTPUT_LOG_MAGIC, .size = OUTPUT_LOG_SIZE};
	char file[FILE_NAME_MAX];
	int fd;

	snprintf(file, sizeof file, "%s.log", name);
	unlinkat(directory->fd, file, 0);
	fd = openat(directory->fd, file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) ||
	    pwrite(fd, &head, sizeof head, 0) != sizeof head) {
		mote_error_errno(err, MOTE_STATUS_FAILED, "cannot make the log %s/%s",
		                 directory->path, file);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	log->is_open = true;
	log->fd = fd;
	return 0;
}

/* What does not fit the disk is not kept. #syscalls:snapshot pwrite64 */
static void add_piece(struct output_log *log, const void *bytes, size_t size)
{
	size_t at = log->written % OUTPUT_LOG_SIZE, first = OUTPUT_LOG_SIZE - at;
	const unsigned char *from = bytes;

	first = size < first ? size : first;
	if (pwrite(log->fd, from, first, (off_t)(OUTPUT_LOG_START + at)) != (ssize_t)first)
		return;
	if (first < size && pwrite(log->fd, from + first, size - first, OUTPUT_LOG_START) !=
	                            (ssize_t)(size - first))
		return;
	log->written += size;
	/* Cannot fail: the head was written before. */
	(void)!pwrite(log->fd, &log->written, sizeof log->written,
	              offsetof(struct output_log_head, written));
}

void output_log_add(struct output_log *log, const void *bytes, size_t size)
{
	const unsigned char *from = bytes;

	if (!log->is_open)
		return;
	for (size_t done = 0; done < size; done += OUTPUT_LOG_PIECE)
		add_piece(log, from + done,
		          size - done < OUTPUT_LOG_PIECE ? size - done : OUTPUT_LOG_PIECE);
}

void output_log_close(struct output_log *log)
{
	if (log->is_open)
		close(log->fd);
	log->is_open = false;
}

/* ---- reading ---- */

int output_log_open(struct output_log_reader *reader, const struct control_directory *directory,
                    const char *name, struct mote_error *err)
{
	char file[FILE_NAME_MAX];
	struct stat status;

	*reader = (struct output_log_reader){.fd = -1};
	snprintf(file, sizeof file, "%s.log", name);
	reader->fd = openat(directory->fd, file,
	                    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (reader->fd < 0 && errno == ENOENT)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "there is no output of a microVM with the name %s (mote run "
		                      "--name gives a name)",
		                      name);
	if (reader->fd < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot open the log %s/%s",
		                        directory->path, file);
	if (fstat(reader->fd, &status) || !S_ISREG(status.st_mode))
		return mote_error_set(err, MOTE_STATUS_FAILED, "%s/%s is no log: no regular file",
		                      directory->path, file);
	return 0;
}

static int read_head(const struct output_log_reader *reader, struct output_log_head *head,
                     struct mote_error *err)
{
	if (pread(reader->fd, head, sizeof *head, 0) == sizeof *head &&
	    !memcmp(head->magic, OUTPUT_LOG_MAGIC, sizeof head->magic) &&
	    head->size == OUTPUT_LOG_SIZE)
		return 0;
	return mote_error_set(err, MOTE_STATUS_FAILED, "the log is none: its head is wrong");
}

/* From byte number @from on; what a file that was cut does not have reads as zeroes. */
static void read_ring(int fd, uint64_t from, unsigned char *buffer, size_t size)
{
	size_t at = from % OUTPUT_LOG_SIZE, first = OUTPUT_LOG_SIZE - at;

	memset(buffer, 0, size);
	first = size < first ? size : first;
	(void)!pread(fd, buffer, first, (off_t)(OUTPUT_LOG_START + at));
	if (first < size)
		(void)!pread(fd, buffer + first, size - first, OUTPUT_LOG_START);
}

int64_t output_log_read(struct output_log_reader *reader, unsigned char *buffer,
                        struct mote_error *err)
{
	struct output_log_head head, after;
	uint64_t oldest, lost = 0;
	size_t size;

	if (read_head(reader, &head, err))
		return -1;
	oldest = head.written > OUTPUT_LOG_KEPT ? head.written - OUTPUT_LOG_KEPT : 0;
	if (reader->next < oldest)
		reader->next = oldest;
	if (reader->next >= head.written)
		return 0;
	size = (size_t)(head.written - reader->next);
	read_ring(reader->fd, reader->next, buffer, size);
	if (read_head(reader, &after, err))
		return -1;
	oldest = after.written > OUTPUT_LOG_KEPT ? after.written - OUTPUT_LOG_KEPT : 0;
	if (oldest > reader->next)
		lost = oldest - reader->next;
	lost = lost < size ? lost : size;
	memmove(buffer, buffer + lost, size - (size_t)lost);
	reader->next = head.written;
	return (int64_t)(size - lost);
}

bool output_log_has_ended(const struct output_log_reader *reader)
{
	if (flock(reader->fd, LOCK_SH | LOCK_NB))
		return false;
	flock(reader->fd, LOCK_UN);
	return true;
}
