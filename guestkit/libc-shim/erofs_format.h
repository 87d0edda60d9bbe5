/* SPDX-License-Identifier: Apache-2.0 */
/* The EROFS structures as they lie in an image: little-endian, packed, nothing in them to be
 * trusted. */
#ifndef MOTE_GUESTKIT_EROFS_FORMAT_H
#define MOTE_GUESTKIT_EROFS_FORMAT_H

#include <stdint.h>

/* Names and meanings follow the Linux kernel's Documentation/filesystems/erofs.rst. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "images are read without byte swapping");

#define EROFS_SUPER_OFFSET 1024 /* bytes; room for a boot sector before it */
#define EROFS_SUPER_MAGIC  0xe0f5e1e2u

/* feature_compat: a reader may ignore what it does not know */
#define EROFS_COMPAT_CHECKSUM 0x1u

/* feature_incompat: a reader must refuse what it does not know */
#define EROFS_INCOMPAT_CHUNKED        0x04u
#define EROFS_INCOMPAT_DEVICES        0x08u /* or a second compression method: see below */
#define EROFS_INCOMPAT_XATTR_PREFIXES 0x40u
/* Zero padding, per-file algorithms, second head, tail packing, fragments. */
#define EROFS_INCOMPAT_COMPRESSION 0x3bu

struct erofs_disk_super {
	uint32_t magic;
	uint32_t checksum; /* CRC-32C, see checksum_of() */
	uint32_t feature_compat;
	uint8_t block_bits;
	uint8_t extra_slots; /* 16 bytes each, behind this structure */
	uint16_t root_nid;
	uint64_t inodes;
	uint64_t build_time; /* seconds since 1970 */
	uint32_t build_time_nsec;
	uint32_t blocks;
	uint32_t meta_block; /* inode numbers count from this block */
	uint32_t xattr_block;
	uint8_t uuid[16];
	uint8_t volume_name[16];
	uint32_t feature_incompat;
	uint16_t compression;
	uint16_t extra_devices;
	uint16_t device_slot;
	uint8_t directory_block_bits; /* 0: a directory block is a block */
	uint8_t xattr_prefixes;
	uint32_t xattr_prefix_start;
	uint64_t packed_nid;
	uint8_t reserved[24];
};
_Static_assert(sizeof(struct erofs_disk_super) == 128, "superblock");

/* Inode number n lies n slots of this size behind meta_block. */
#define EROFS_SLOT_BITS 5

/* i_format: bit 0 says which inode structure, bits 1-3 how the data lies; the rest must be 0 */
#define EROFS_FORMAT_EXTENDED     0x1u
#define EROFS_FORMAT_LAYOUT_SHIFT 1
#define EROFS_FORMAT_LAYOUT_MASK  0x7u
#define EROFS_FORMAT_KNOWN        0xfu

enum erofs_layout {
	EROFS_LAYOUT_PLAIN = 0,      /* all blocks in one run */
	EROFS_LAYOUT_COMPRESSED = 1, /* not supported */
	EROFS_LAYOUT_INLINE = 2,     /* the same, and the last part right behind the inode */
	EROFS_LAYOUT_COMPRESSED_COMPACT = 3, /* not supported */
	EROFS_LAYOUT_CHUNKED = 4,            /* a block number for each chunk, behind the inode */
};

/* The block number of a hole, in a chunk map and in a plain inode. */
#define EROFS_NO_BLOCK UINT32_MAX

struct erofs_disk_inode_compact {
	uint16_t format;
	uint16_t xattr_count; /* 0, or 1 and the number of 4-byte units behind the header */
	uint16_t mode;
	uint16_t nlink;
	uint32_t size;
	uint32_t mtime; /* seconds after the superblock's build_time; 0 from older tools */
	uint32_t data;  /* block number, device number, or chunk format */
	uint32_t ino;
	uint16_t uid;
	uint16_t gid;
	uint32_t reserved;
};
_Static_assert(sizeof(struct erofs_disk_inode_compact) == 32, "compact inode");

struct erofs_disk_inode_extended {
	uint16_t format;
	uint16_t xattr_count;
	uint16_t mode;
	uint16_t reserved;
	uint64_t size;
	uint32_t data;
	uint32_t ino;
	uint32_t uid;
	uint32_t gid;
	uint64_t mtime;
	uint32_t mtime_nsec;
	uint32_t nlink;
	uint8_t reserved2[16];
};
_Static_assert(sizeof(struct erofs_disk_inode_extended) == 64, "extended inode");

/* The extended attributes right behind an inode start with a header of 12 bytes. */
#define EROFS_XATTR_HEADER 12u
#define EROFS_XATTR_UNIT   4u

/* Chunk format (low half of `data`): chunk size, and how wide an entry of the map is. */
#define EROFS_CHUNK_BITS_MASK 0x1fu /* chunk size is the block size shifted left by this */
#define EROFS_CHUNK_INDEXES   0x20u /* 8-byte entries, else 4-byte block numbers */
#define EROFS_CHUNK_KNOWN     0x3fu

struct erofs_disk_chunk_index {
	uint16_t advise;
	uint16_t device; /* masked by the number of devices: always 0 with one device */
	uint32_t block;
};
_Static_assert(sizeof(struct erofs_disk_chunk_index) == 8, "chunk index");

/*
 * A directory block is an array of these, sorted by name, and then their names without a separator.
 * The first name's offset tells how many there are; the last name ends at a zero byte or at the end
 * of the block.
 */
struct erofs_disk_dirent {
	uint64_t nid;
	uint16_t name_offset; /* bytes from the start of the block */
	uint8_t type;         /* enum erofs_file_type */
	uint8_t reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_disk_dirent) == 12, "directory entry");

#define EROFS_NAME_MAX 255

enum erofs_file_type {
	EROFS_TYPE_UNKNOWN,
	EROFS_TYPE_REGULAR,
	EROFS_TYPE_DIRECTORY,
	EROFS_TYPE_CHARACTER,
	EROFS_TYPE_BLOCK,
	EROFS_TYPE_FIFO,
	EROFS_TYPE_SOCKET,
	EROFS_TYPE_SYMLINK,
};

/* File types in a mode, as stat(2) has them. */
#define EROFS_MODE_TYPE      0170000u
#define EROFS_MODE_SOCKET    0140000u
#define EROFS_MODE_SYMLINK   0120000u
#define EROFS_MODE_REGULAR   0100000u
#define EROFS_MODE_BLOCK     0060000u
#define EROFS_MODE_DIRECTORY 0040000u
#define EROFS_MODE_CHARACTER 0020000u
#define EROFS_MODE_FIFO      0010000u

#endif
