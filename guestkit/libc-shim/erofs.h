/* SPDX-License-Identifier: Apache-2.0 */
/* Reader of EROFS images: the guest's root file system, read in place from mapped memory. */
#ifndef MOTE_GUESTKIT_EROFS_H
#define MOTE_GUESTKIT_EROFS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Uncompressed images of one device, block size 512 to 4096, as mkfs.erofs makes them without -z.
 * Nothing is allocated or written; all state is in the structures below, which the caller owns, so
 * any number of threads may read one image. The image must stay mapped and as long as it was told.
 * Errors are negative Linux errno numbers: -EUCLEAN says that the image is damaged.
 */

/* An open image. */
struct erofs {
	const unsigned char *image;
	uint64_t size; /* bytes at image */
	uint64_t root_nid;
	uint64_t inodes;      /* as the image claims, for statfs */
	uint64_t meta_offset; /* bytes; where inode numbers count from */
	int64_t build_time;   /* seconds since 1970 */
	uint32_t build_time_nsec;
	uint32_t blocks;
	uint32_t block_size; /* bytes */
	uint8_t block_bits;
};

/* A file of an image. */
struct erofs_inode {
	uint64_t nid;
	uint64_t size;       /* bytes; at most INT64_MAX; 0 for devices, FIFOs and sockets */
	int64_t mtime;       /* seconds since 1970 */
	uint32_t mtime_nsec; /* below 1,000,000,000 */
	uint32_t mode;       /* as in stat(2), one of the seven file types */
	uint32_t uid;
	uint32_t gid;
	uint32_t nlink;
	uint32_t rdev; /* of a device: st_rdev as Linux encodes it */
	/* Where the data lies: for erofs.c only. */
	uint32_t data_block;
	uint8_t layout; /* enum erofs_layout */
	uint8_t chunk_bits;
	uint8_t chunk_entry; /* bytes */
	uint64_t behind;     /* image offset of the inline data or the chunk map */
};

/* An entry of a directory. */
struct erofs_dirent {
	uint64_t nid;
	const char *name;     /* inside the image; no zero byte behind it */
	uint16_t name_length; /* 1 to 255 */
	uint8_t type;         /* DT_* of readdir(3) */
};

/**
 * erofs_open() - Check an image's superblock and root directory.
 * @fs:     filled on success, undefined on failure
 * @image:  first byte; needs no alignment
 * @size:   bytes; more than the file system says it has is fine
 * @reason: set on failure to a constant half sentence that says what is wrong and, where there is
 *          a remedy, what to try
 *
 * Return: 0; -EINVAL: not an EROFS image; -EOPNOTSUPP: one that needs a feature that is not here;
 * -EUCLEAN: cut or damaged.
 */
int erofs_open(struct erofs *fs, const void *image, uint64_t size, const char **reason);

/**
 * erofs_inode_read() - Read an inode.
 * @nid: inode number from a directory entry, or fs->root_nid; any number is safe
 * @out: filled on success, undefined on failure
 *
 * A plain file's data, an inline tail and a chunk map are known to lie inside the image afterwards;
 * single chunks are checked when they are read.
 *
 * Return: 0, -EOPNOTSUPP (compressed or newer layout), -EUCLEAN.
 */
int erofs_inode_read(const struct erofs *fs, uint64_t nid, struct erofs_inode *out);

/**
 * erofs_lookup() - Find a name in a directory by binary search.
 * @name:   not terminated; "." and ".." are ordinary entries of every directory
 * @length: bytes
 * @nid:    set when found
 * @type:   set when found, to a DT_* value; may be NULL
 *
 * Return: 0, -ENOENT, -ENOTDIR, -ENAMETOOLONG (above 255), -EUCLEAN.
 */
int erofs_lookup(const struct erofs *fs, const struct erofs_inode *dir, const char *name,
                 size_t length, uint64_t *nid, uint8_t *type);

/**
 * erofs_readdir() - Read one directory entry.
 * @cookie: position: 0 for the first entry, then as the last call left it, which is also what
 *          getdents64 reports as d_off; any number is safe
 * @out:    filled when 1 is returned
 *
 * Return: 1: an entry; 0: the end; -ENOTDIR; -EUCLEAN.
 */
int erofs_readdir(const struct erofs *fs, const struct erofs_inode *dir, uint64_t *cookie,
                  struct erofs_dirent *out);

/**
 * erofs_read() - Copy file data, or a symbolic link's target.
 * @offset: bytes; at or past the end of the file nothing is read
 * @buffer: takes up to @length bytes; holes become zeros
 *
 * Return: bytes copied (fewer than @length at the end of the file, or where damage begins),
 * -EUCLEAN when there is damage at @offset itself.
 */
int64_t erofs_read(const struct erofs *fs, const struct erofs_inode *inode, uint64_t offset,
                   void *buffer, size_t length);

/**
 * erofs_span() - Find where a piece of a file lies in the image, for mapping it.
 * @offset: bytes from the start of the file
 * @want:   longest run the caller has a use for, in bytes; bounds the work
 * @length: set to the length of the run from @offset that is contiguous in the image, or is a hole;
 *          at most @want, and never past the end of the file
 *
 * The run starts at a multiple of the block size in the image when @offset is one, unless it is an
 * inline tail. Bytes of the image behind a file's last byte are not promised to be zero.
 *
 * Return: the first byte; NULL with *@length above 0: a hole; NULL with *@length 0: @want is 0,
 * @offset is at or past inode->size, or the image is damaged there.
 */
const void *erofs_span(const struct erofs *fs, const struct erofs_inode *inode, uint64_t offset,
                       uint64_t want, uint64_t *length);

#endif
