/* SPDX-License-Identifier: Apache-2.0 */
/* Decompresses snapshots: files from elsewhere, of which nothing is believed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "snapshot/format.h"
#include "snapshot/pack/pack.h"

struct unpacking {
	int from, to;
	const char *name;
	ZSTD_DCtx *context;
	void *in, *out;
	size_t in_size, out_size;
	uint64_t read, written;
	uint64_t size; /* that the header says; 0: it has not been seen */
};

static int bad(const struct unpacking *unpacking, struct mote_error *err, const char *problem)
{
	return mote_error_set(err, MOTE_STATUS_CANNOT_RUN, "cannot unpack %s: %s", unpacking->name,
	                      problem);
}

/* A few bytes may be packed that are gigabytes unpacked: the header says how many there are. */
static int check_size(struct unpacking *unpacking, size_t size, struct mote_error *err)
{
	const struct snapshot_header *header = unpacking->out;

	if (unpacking->written == 0) {
		if (size < sizeof *header ||
		    memcmp(header->magic, SNAPSHOT_MAGIC, sizeof header->magic) != 0)
			return bad(unpacking, err, "there is no snapshot in it");
		unpacking->size = header->file_size;
	}
	return size > unpacking->size - unpacking->written
	               ? bad(unpacking, err, "there is more in it than a snapshot")
	               : 0;
}

static int write_out(struct unpacking *unpacking, size_t size, struct mote_error *err)
{
	if (size && check_size(unpacking, size, err))
		return -1;
	for (size_t done = 0; done < size;) {
		ssize_t now = pwrite(unpacking->to, (char *)unpacking->out + done, size - done,
		                     (off_t)unpacking->written);

		if (now < 0 && errno == EINTR)
			continue;
		if (now <= 0)
			return mote_error_errno(err, MOTE_STATUS_FAILED,
			                        "cannot write what is in %s", unpacking->name);
		done += (size_t)now;
		unpacking->written += (uint64_t)now;
	}
	return 0;
}

/*
 * Take what is in @in. Return: 0; 1 at the end of the frame; or -1. Blocks are at most as large as
 * @out, so that the first one that comes out has the whole header.
 */
static int decompress(struct unpacking *unpacking, ZSTD_inBuffer *in, struct mote_error *err)
{
	for (;;) {
		ZSTD_outBuffer out = {unpacking->out, unpacking->out_size, 0};
		size_t left;

		do {
			left = ZSTD_decompressStream(unpacking->context, &out, in);
		} while (!ZSTD_isError(left) && left && in->pos < in->size && out.pos < out.size);
		if (ZSTD_isError(left))
			return bad(unpacking, err, ZSTD_getErrorName(left));
		if (write_out(unpacking, out.pos, err))
			return -1;
		if (left == 0)
			return 1;
		if (out.pos < out.size)
			return 0;
	}
}

static int read_frame(struct unpacking *unpacking, struct mote_error *err)
{
	for (;;) {
		ssize_t got = pread(unpacking->from, unpacking->in, unpacking->in_size,
		                    (off_t)unpacking->read);
		ZSTD_inBuffer in = {unpacking->in, got > 0 ? (size_t)got : 0, 0};
		int status;

		if (got < 0)
			return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot read %s",
			                        unpacking->name);
		if (got == 0)
			return bad(unpacking, err, "it is cut off");
		unpacking->read += (uint64_t)got;
		status = decompress(unpacking, &in, err);
		if (status < 0)
			return -1;
		if (status > 0)
			return in.pos < in.size || pread(unpacking->from, unpacking->in, 1,
			                                 (off_t)unpacking->read) != 0
			               ? bad(unpacking, err, "something follows the snapshot in it")
			               : 0;
	}
}

static int verify(const struct unpacking *unpacking, struct mote_error *err)
{
	struct snapshot snapshot;
	int status = snapshot_open_file(&snapshot, unpacking->to, unpacking->written,
	                                unpacking->name, err);

	snapshot.is_only_looked_at = true;
	if (status == 0 && (snapshot_read(&snapshot, err) || snapshot_verify(&snapshot, err)))
		status = -1;
	snapshot.layers[0].fd = -1; /* the caller's */
	snapshot_close(&snapshot);
	return status;
}

int unpack(int from, const char *name, int fd, struct mote_error *err)
{
	struct unpacking unpacking = {
	        .from = from,
	        .to = fd,
	        .name = name,
	        .context = ZSTD_createDCtx(),
	        .in_size = ZSTD_DStreamInSize(),
	        .out_size = ZSTD_DStreamOutSize(),
	};
	int status = -1;

	unpacking.in = malloc(unpacking.in_size);
	unpacking.out = malloc(unpacking.out_size);
	if (!unpacking.context || !unpacking.in || !unpacking.out)
		mote_error_set(err, MOTE_STATUS_FAILED, "no memory to unpack %s", name);
	else if (read_frame(&unpacking, err) == 0 && verify(&unpacking, err) == 0)
		status = fsync(fd) ? mote_error_errno(err, MOTE_STATUS_FAILED,
		                                      "cannot write what is in %s", name)
		                   : 0;
	ZSTD_freeDCtx(unpacking.context);
	free(unpacking.in);
	free(unpacking.out);
	return status;
}
