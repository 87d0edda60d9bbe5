/* SPDX-License-Identifier: Apache-2.0 */
/* Reader of EROFS images: superblock, inodes and file data. */
#include "erofs.h"
#include "erofs_format.h"

#if __STDC_HOSTED__
#include <errno.h>
#include <string.h>
#else
#include "guestkit/string.h"
#include <linux/errno.h>
#endif

/*
 * How it works. An image is an array of blocks. The superblock, at byte 1024, says where the inodes
 * start; inode n lies 32 * n bytes further, followed by its extended attributes (skipped here) and
 * then either the file's last few bytes or a map of its chunks. Everything else is file data, and a
 * directory is a file whose blocks each hold a sorted array of entries.
 *
 * The image is hostile, and a host may see it change while it is being read. So bytes of the image
 * are reached through image_at() alone, which checks offset and length; numbers are copied out of
 * it once, then checked, then used; and every loop is bounded by what the caller asked for or by
 * the length of the image. Byte loads go through memcpy: nothing in an image need be aligned.
 */

/* Image offset of a run that is a hole. */
#define HOLE UINT64_MAX

/* A piece of a file that is contiguous in the image. */
struct run {
	uint64_t start; /* image offset, or HOLE */
	uint64_t length;
};

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The only way to the image's bytes: NULL where a part of the range lies outside. */
static const unsigned char *image_at(const struct erofs *fs, uint64_t offset, uint64_t length)
{
	if (offset > fs->size || length > fs->size - offset)
		return NULL;
	return fs->image + offset;
}

/* CRC-32C (reflected, polynomial 0x82f63b78), four bits at a time from two independent tables. */
static uint32_t crc32c(uint32_t crc, const unsigned char *bytes, size_t length)
{
	static const uint32_t low[16] = {
	        0x00000000, 0xf26b8303, 0xe13b70f7, 0x1350f3f4, 0xc79a971f, 0x35f1141c,
	        0x26a1e7e8, 0xd4ca64eb, 0x8ad958cf, 0x78b2dbcc, 0x6be22838, 0x9989ab3b,
	        0x4d43cfd0, 0xbf284cd3, 0xac78bf27, 0x5e133c24,
	};
	static const uint32_t high[16] = {
	        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
	        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
	        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	for (size_t i = 0; i < length; i++) {
		uint32_t byte = (crc ^ bytes[i]) & 0xff;

		crc = crc >> 8 ^ low[byte & 15] ^ high[byte >> 4];
	}
	return crc;
}

/* Of @length bytes from the superblock on, its checksum field counted as 0; not inverted. */
static uint32_t checksum_of(const unsigned char *super, uint32_t length)
{
	static const unsigned char zero[sizeof(uint32_t)];
	const size_t field = offsetof(struct erofs_disk_super, checksum);
	const size_t behind = field + sizeof(zero);
	uint32_t crc = crc32c(UINT32_MAX, super, field);

	crc = crc32c(crc, zero, sizeof(zero));
	return crc32c(crc, super + behind, length - behind);
}

static int refuse(const char **reason, int error, const char *text)
{
	*reason = text;
	return error;
}

static int check_features(const struct erofs_disk_super *super, const char **reason)
{
	uint32_t features = super->feature_incompat;
	const uint32_t known = EROFS_INCOMPAT_CHUNKED | EROFS_INCOMPAT_XATTR_PREFIXES;

	if ((features & EROFS_INCOMPAT_DEVICES) && super->extra_devices)
		return refuse(reason, -EOPNOTSUPP,
		              "part of its data lies in another file; make it with mkfs.erofs "
		              "without --blobdev");
	if (features & EROFS_INCOMPAT_COMPRESSION)
		return refuse(reason, -EOPNOTSUPP,
		              "the image is compressed; make it with mkfs.erofs without -z");
	if ((features & ~known) || super->directory_block_bits)
		return refuse(reason, -EOPNOTSUPP,
		              "it uses a newer feature of the format; make it with mkfs.erofs "
		              "without -E options");
	return 0;
}

/* Checks the block that holds the superblock, and that the file is as long as it should be. */
static int check_super(const struct erofs *fs, const struct erofs_disk_super *super,
                       const char **reason)
{
	uint32_t covered;
	const unsigned char *bytes;

	if (super->block_bits < 9 || super->block_bits > 12)
		return refuse(reason, -EOPNOTSUPP,
		              "its block size is not one of 512 to 4096; make it with a block "
		              "size of 4096");
	/* The checksum runs to the end of the block; small blocks start with the superblock. */
	covered = 1u << super->block_bits;
	if (covered > EROFS_SUPER_OFFSET)
		covered -= EROFS_SUPER_OFFSET;
	bytes = image_at(fs, EROFS_SUPER_OFFSET, covered);
	if (!bytes)
		return refuse(reason, -EUCLEAN, "it is cut within its first block; copy it again");
	if ((super->feature_compat & EROFS_COMPAT_CHECKSUM) &&
	    checksum_of(bytes, covered) != super->checksum)
		return refuse(reason, -EUCLEAN,
		              "the checksum of its superblock is wrong: the image is damaged; make "
		              "it again");
	return check_features(super, reason);
}

int erofs_open(struct erofs *fs, const void *image, uint64_t size, const char **reason)
{
	struct erofs_disk_super super;
	const unsigned char *bytes;
	struct erofs_inode root;
	int error;

	*fs = (struct erofs){.image = image, .size = size};
	bytes = image_at(fs, EROFS_SUPER_OFFSET, sizeof(super));
	if (!bytes)
		return refuse(reason, -EINVAL,
		              "it is too short for an EROFS image; make one with mkfs.erofs");
	memcpy(&super, bytes, sizeof(super));
	if (super.magic != EROFS_SUPER_MAGIC)
		return refuse(reason, -EINVAL,
		              "it is not an EROFS image; make one with mkfs.erofs");
	error = check_super(fs, &super, reason);
	if (error)
		return error;
	if ((uint64_t)super.blocks << super.block_bits > size)
		return refuse(reason, -EUCLEAN,
		              "it is shorter than its superblock says: the image is cut; copy it "
		              "again");
	if (super.build_time > INT64_MAX - UINT32_MAX || super.build_time_nsec >= 1000000000)
		return refuse(reason, -EUCLEAN, "its build time is out of range; make it again");

	fs->root_nid = super.root_nid;
	fs->inodes = super.inodes;
	fs->meta_offset = (uint64_t)super.meta_block << super.block_bits;
	fs->build_time = (int64_t)super.build_time;
	fs->build_time_nsec = super.build_time_nsec;
	fs->blocks = super.blocks;
	fs->block_size = 1u << super.block_bits;
	fs->block_bits = super.block_bits;

	error = erofs_inode_read(fs, fs->root_nid, &root);
	if (error)
		return refuse(reason, error, "its root directory is damaged; make it again");
	if ((root.mode & EROFS_MODE_TYPE) != EROFS_MODE_DIRECTORY)
		return refuse(reason, -EUCLEAN, "its root is not a directory; make it again");
	return 0;
}

/* Copies what both kinds of inode have. Returns the bytes that the inode itself takes, or 0. */
static uint32_t inode_load(const struct erofs *fs, uint64_t offset, struct erofs_inode *out,
                           uint16_t *format, uint16_t *xattr_count, uint32_t *data)
{
	struct erofs_disk_inode_compact compact;
	struct erofs_disk_inode_extended extended;
	const unsigned char *bytes = image_at(fs, offset, sizeof(compact));

	if (!bytes)
		return 0;
	memcpy(&compact, bytes, sizeof(compact));
	*format = compact.format;
	*xattr_count = compact.xattr_count;
	out->mode = compact.mode;
	if (!(compact.format & EROFS_FORMAT_EXTENDED)) {
		*data = compact.data;
		out->size = compact.size;
		out->mtime = fs->build_time + compact.mtime;
		out->mtime_nsec = fs->build_time_nsec;
		out->uid = compact.uid;
		out->gid = compact.gid;
		out->nlink = compact.nlink;
		return sizeof(compact);
	}
	bytes = image_at(fs, offset, sizeof(extended));
	if (!bytes)
		return 0;
	memcpy(&extended, bytes, sizeof(extended));
	*data = extended.data;
	out->size = extended.size;
	out->mtime = (int64_t)extended.mtime;
	out->mtime_nsec = extended.mtime_nsec;
	out->uid = extended.uid;
	out->gid = extended.gid;
	out->nlink = extended.nlink;
	return sizeof(extended);
}

/* How much of a flat file lies in blocks; the rest is behind the inode. */
static uint64_t flat_block_bytes(const struct erofs *fs, const struct erofs_inode *inode)
{
	if (inode->layout == EROFS_LAYOUT_PLAIN || inode->size == 0)
		return inode->size;
	return (inode->size - 1) & ~(uint64_t)(fs->block_size - 1);
}

static int check_flat(const struct erofs *fs, const struct erofs_inode *inode)
{
	uint64_t in_blocks = flat_block_bytes(fs, inode);
	uint64_t tail = inode->size - in_blocks;

	if (in_blocks &&
	    !(inode->layout == EROFS_LAYOUT_PLAIN && inode->data_block == EROFS_NO_BLOCK) &&
	    !image_at(fs, (uint64_t)inode->data_block << fs->block_bits, in_blocks))
		return -EUCLEAN;
	/* The format keeps a tail within one block. */
	if (tail && ((inode->behind & (fs->block_size - 1)) + tail > fs->block_size ||
	             !image_at(fs, inode->behind, tail)))
		return -EUCLEAN;
	return 0;
}

static int check_chunked(const struct erofs *fs, struct erofs_inode *inode)
{
	uint32_t format = inode->data_block & 0xffff;
	uint64_t chunks;

	if (format & ~EROFS_CHUNK_KNOWN)
		return -EOPNOTSUPP;
	inode->chunk_bits = (uint8_t)(fs->block_bits + (format & EROFS_CHUNK_BITS_MASK));
	inode->chunk_entry = format & EROFS_CHUNK_INDEXES ? sizeof(struct erofs_disk_chunk_index)
	                                                  : sizeof(uint32_t);
	inode->behind = (inode->behind + inode->chunk_entry - 1) & -(uint64_t)inode->chunk_entry;
	if (inode->size == 0)
		return 0;
	chunks = ((inode->size - 1) >> inode->chunk_bits) + 1;
	return image_at(fs, inode->behind, chunks * inode->chunk_entry) ? 0 : -EUCLEAN;
}

/* The mode's file type decides what the data word means. */
static int check_type(const struct erofs *fs, struct erofs_inode *inode)
{
	switch (inode->mode & EROFS_MODE_TYPE) {
	case EROFS_MODE_CHARACTER:
	case EROFS_MODE_BLOCK: inode->rdev = inode->data_block; break;
	case EROFS_MODE_FIFO:
	case EROFS_MODE_SOCKET: break;
	case EROFS_MODE_REGULAR:
	case EROFS_MODE_DIRECTORY:
	case EROFS_MODE_SYMLINK:
		if (inode->layout == EROFS_LAYOUT_CHUNKED)
			return check_chunked(fs, inode);
		return check_flat(fs, inode);
	default: return -EUCLEAN;
	}
	inode->size = 0;
	inode->layout = EROFS_LAYOUT_PLAIN;
	return 0;
}

int erofs_inode_read(const struct erofs *fs, uint64_t nid, struct erofs_inode *out)
{
	uint16_t format, xattr_count;
	uint64_t offset;
	uint32_t taken;

	if (nid > fs->size >> EROFS_SLOT_BITS)
		return -EUCLEAN;
	*out = (struct erofs_inode){.nid = nid};
	offset = fs->meta_offset + (nid << EROFS_SLOT_BITS);
	taken = inode_load(fs, offset, out, &format, &xattr_count, &out->data_block);
	if (!taken)
		return -EUCLEAN;
	if (format & ~EROFS_FORMAT_KNOWN)
		return -EOPNOTSUPP;
	out->layout = format >> EROFS_FORMAT_LAYOUT_SHIFT & EROFS_FORMAT_LAYOUT_MASK;
	if (out->layout != EROFS_LAYOUT_PLAIN && out->layout != EROFS_LAYOUT_INLINE &&
	    out->layout != EROFS_LAYOUT_CHUNKED)
		return -EOPNOTSUPP;
	if (out->size > INT64_MAX || out->mtime_nsec >= 1000000000)
		return -EUCLEAN;
	out->behind = offset + taken;
	if (xattr_count)
		out->behind += EROFS_XATTR_HEADER + EROFS_XATTR_UNIT * (xattr_count - 1u);
	return check_type(fs, out);
}

static void flat_run(const struct erofs *fs, const struct erofs_inode *inode, uint64_t offset,
                     uint64_t want, struct run *run)
{
	uint64_t in_blocks = flat_block_bytes(fs, inode);

	if (offset >= in_blocks) {
		run->length = min_u64(want, inode->size - offset);
		run->start = inode->behind + (offset - in_blocks);
	} else {
		run->length = min_u64(want, in_blocks - offset);
		run->start = ((uint64_t)inode->data_block << fs->block_bits) + offset;
		if (inode->layout == EROFS_LAYOUT_PLAIN && inode->data_block == EROFS_NO_BLOCK)
			run->start = HOLE;
	}
}

/* Finds where chunk @index of the file starts. All of it that the file uses must be in the image.
 */
static int chunk_start(const struct erofs *fs, const struct erofs_inode *inode, uint64_t index,
                       uint64_t *start)
{
	uint64_t used = min_u64((uint64_t)1 << inode->chunk_bits,
	                        inode->size - (index << inode->chunk_bits));
	struct erofs_disk_chunk_index entry;
	const unsigned char *bytes =
	        image_at(fs, inode->behind + index * inode->chunk_entry, inode->chunk_entry);

	if (!bytes)
		return -EUCLEAN;
	if (inode->chunk_entry == sizeof(entry))
		memcpy(&entry, bytes, sizeof(entry));
	else
		memcpy(&entry.block, bytes, sizeof(entry.block));
	*start = entry.block == EROFS_NO_BLOCK ? HOLE : (uint64_t)entry.block << fs->block_bits;
	return *start == HOLE || image_at(fs, *start, used) ? 0 : -EUCLEAN;
}

/* Joins chunks as long as the next one goes on where the last one ended. */
static int chunked_run(const struct erofs *fs, const struct erofs_inode *inode, uint64_t offset,
                       uint64_t want, struct run *run)
{
	const uint64_t chunk = (uint64_t)1 << inode->chunk_bits;
	uint64_t index = offset >> inode->chunk_bits;
	uint64_t within = offset & (chunk - 1);
	uint64_t start;
	int error = chunk_start(fs, inode, index, &start);

	if (error)
		return error;
	want = min_u64(want, inode->size - offset);
	run->start = start == HOLE ? HOLE : start + within;
	run->length = chunk - within;
	while (run->length < want) {
		uint64_t next;

		/* An error here is the next chunk's, not this run's. */
		if (chunk_start(fs, inode, ++index, &next))
			break;
		if (start == HOLE ? next != HOLE : next != run->start + run->length)
			break;
		run->length += chunk;
	}
	run->length = min_u64(run->length, want);
	return 0;
}

/* Finds the run at @offset, which lies inside the file; @want is above 0. */
static int find_run(const struct erofs *fs, const struct erofs_inode *inode, uint64_t offset,
                    uint64_t want, struct run *run)
{
	int error = 0;

	if (inode->layout == EROFS_LAYOUT_CHUNKED)
		error = chunked_run(fs, inode, offset, want, run);
	else
		flat_run(fs, inode, offset, want, run);
	if (!error && run->start != HOLE && !image_at(fs, run->start, run->length))
		error = -EUCLEAN;
	return error;
}

int64_t erofs_read(const struct erofs *fs, const struct erofs_inode *inode, uint64_t offset,
                   void *buffer, size_t length)
{
	unsigned char *to = buffer;
	uint64_t total, done = 0;

	if (offset >= inode->size)
		return 0;
	total = min_u64(length, inode->size - offset);
	while (done < total) {
		struct run run;
		int error = find_run(fs, inode, offset + done, total - done, &run);

		if (error)
			return done ? (int64_t)done : error;
		if (run.start == HOLE)
			memset(to + done, 0, run.length);
		else
			memcpy(to + done, fs->image + run.start, run.length);
		done += run.length;
	}
	return (int64_t)done;
}

const void *erofs_span(const struct erofs *fs, const struct erofs_inode *inode, uint64_t offset,
                       uint64_t want, uint64_t *length)
{
	struct run run;

	*length = 0;
	if (want == 0 || offset >= inode->size || find_run(fs, inode, offset, want, &run))
		return NULL;
	*length = run.length;
	return run.start == HOLE ? NULL : fs->image + run.start;
}
