/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target of the EROFS reader: the input is an image, and everything in it is visited. */
#include <stdlib.h>

#include "../../guestkit/libc-shim/erofs.c"
#include "../../guestkit/libc-shim/erofs_directory.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Steps that one input may take: a damaged tree can be endless. */
#define BUDGET 400

/* The sanitiser sees a bad pointer only when it is used. */
static void use(const void *bytes, uint64_t length)
{
	const volatile unsigned char *at = bytes;

	if (bytes && length) {
		(void)at[0];
		(void)at[length - 1];
	}
}

static void read_data(const struct erofs *fs, const struct erofs_inode *inode, int *budget)
{
	static unsigned char buffer[6000];
	uint64_t length;

	for (uint64_t offset = 0; offset < inode->size && --*budget > 0; offset += length) {
		const void *bytes = erofs_span(fs, inode, offset, UINT64_MAX, &length);
		int64_t n = erofs_read(fs, inode, offset, buffer, sizeof(buffer));

		/* Both must agree on where the damage is, and neither may leave the file. */
		if ((length == 0) != (n < 0) || n == 0 || length > inode->size - offset ||
		    n > (int64_t)sizeof(buffer))
			abort();
		use(bytes, length);
		if (length == 0)
			return;
	}
}

static void walk(const struct erofs *fs, uint64_t nid, int depth, int *budget)
{
	struct erofs_dirent entry;
	struct erofs_inode inode;
	uint64_t cookie = 0, found;

	if (erofs_inode_read(fs, nid, &inode))
		return;
	if (inode.size > INT64_MAX || inode.mtime_nsec >= 1000000000)
		abort();
	read_data(fs, &inode, budget);
	if (!is_directory(&inode) || depth == 0)
		return;
	while (--*budget > 0) {
		uint64_t before = cookie;

		if (erofs_readdir(fs, &inode, &cookie, &entry) != 1)
			break;
		if (cookie <= before || entry.name_length == 0 || entry.name_length > 255)
			abort();
		use(entry.name, entry.name_length);
		erofs_lookup(fs, &inode, entry.name, entry.name_length, &found, NULL);
		walk(fs, entry.nid, depth - 1, budget);
	}
	/* A position from the image's own bytes stands for one from lseek. */
	cookie = inode.mtime_nsec;
	erofs_readdir(fs, &inode, &cookie, &entry);
}

static void open_and_walk(const void *image, size_t size)
{
	const char *reason = NULL;
	int budget = BUDGET;
	struct erofs fs;

	if (erofs_open(&fs, image, size, &reason) == 0)
		walk(&fs, fs.root_nid, 6, &budget);
	else if (!reason || !*reason)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *image;

	open_and_walk(data, size);
	if (size < EROFS_SUPER_OFFSET + sizeof(struct erofs_disk_super))
		return 0;
	/* Again without what would refuse nearly every mutation: the checksum and the length. */
	image = malloc(size);
	if (!image)
		return 0;
	memcpy(image, data, size);
	image[EROFS_SUPER_OFFSET + offsetof(struct erofs_disk_super, feature_compat)] &= 0xfe;
	memset(image + EROFS_SUPER_OFFSET + offsetof(struct erofs_disk_super, blocks), 0, 4);
	open_and_walk(image, size);
	free(image);
	return 0;
}
