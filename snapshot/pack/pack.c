/* SPDX-License-Identifier: Apache-2.0 */
/* Compresses snapshots. */
#include "snapshot/pack/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "vmm/lost_page.h"

#define LEVEL 3 /* zstd's own default */

struct packing {
	const struct snapshot_layer *layer;
	ZSTD_CCtx *context;
	void *room;
	size_t room_size;
	int fd;
	uint64_t written;
	int error; /* errno */
	const char *problem;
};

static int write_out(struct packing *packing, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t now = pwrite(packing->fd, (char *)packing->room + done, size - done,
		                     (off_t)packing->written);

		if (now < 0 && errno == EINTR)
			continue;
		if (now <= 0) {
			packing->error = now ? errno : ENOSPC;
			return -1;
		}
		done += (size_t)now;
		packing->written += (uint64_t)now;
	}
	return 0;
}

static void compress(void *ctx)
{
	struct packing *packing = ctx;
	ZSTD_inBuffer in = {packing->layer->bytes, packing->layer->size, 0};
	size_t left;

	do {
		ZSTD_outBuffer out = {packing->room, packing->room_size, 0};

		left = ZSTD_compressStream2(packing->context, &out, &in, ZSTD_e_end);
		if (ZSTD_isError(left)) {
			packing->problem = ZSTD_getErrorName(left);
			return;
		}
		if (write_out(packing, out.pos))
			return;
	} while (left);
}

int pack(struct snapshot *snapshot, int fd, struct mote_error *err)
{
	struct packing packing = {
	        .layer = &snapshot->layers[0], .fd = fd, .room_size = ZSTD_CStreamOutSize()};

	int status = -1;

	if (snapshot_read(snapshot, err) || snapshot_verify(snapshot, err))
		return -1;
	packing.context = ZSTD_createCCtx();
	packing.room = malloc(packing.room_size);
	if (!packing.context || !packing.room) {
		mote_error_set(err, MOTE_STATUS_FAILED, "no memory to pack %s",
		               packing.layer->name);
		goto out;
	}
	ZSTD_CCtx_setParameter(packing.context, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(packing.context, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setPledgedSrcSize(packing.context, packing.layer->size);
	if (lost_page_guard(compress, &packing)) {
		lost_page_error(err, packing.layer->name);
		goto out;
	}
	if (packing.problem) {
		mote_error_set(err, MOTE_STATUS_FAILED, "cannot pack %s: %s", packing.layer->name,
		               packing.problem);
		goto out;
	}
	errno = packing.error;
	status = errno || fsync(fd)
	                 ? mote_error_errno(err, MOTE_STATUS_FAILED,
	                                    "cannot write what %s packs to", packing.layer->name)
	                 : 0;
out:
	ZSTD_freeCCtx(packing.context);
	free(packing.room);
	return status;
}
