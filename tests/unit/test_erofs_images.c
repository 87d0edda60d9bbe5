/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the EROFS reader with images made byte by byte: what mkfs.erofs does not make, and lies.
 */
#include <criterion/criterion.h>
#include <sys/stat.h>

#include "guestkit/libc-shim/erofs.c"
#include "guestkit/libc-shim/erofs_directory.c"

/*
 * The image: blocks of 512 bytes, inodes from block 4 on, data from block 16 on, where every byte
 * of block n is n.
 */
#define BLOCK      512u
#define BLOCKS     40u
#define META_BLOCK 4u
#define FIRST_DATA 16u

enum {
	NID_ROOT = 0,
	NID_MAP = 16,
	NID_INDEX = 24,
	NID_DEVICE = 32,
	NID_HOLE = 33,
	NID_PLAIN = 34,
	NID_WIDE = 40,
	NID_LAST = 46,
};

/* The longest name there may be. */
#define Z16       "zzzzzzzzzzzzzzzz"
#define Z240      Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16
#define LONG_NAME Z240 "zzzzzzzzzzzzzzz"

static const struct {
	const char *name;
	uint8_t nid, type;
} entries[] = {
        {".", NID_ROOT, EROFS_TYPE_DIRECTORY},
        {"..", NID_ROOT, EROFS_TYPE_DIRECTORY},
        {"device", NID_DEVICE, EROFS_TYPE_BLOCK},
        {"hole", NID_HOLE, EROFS_TYPE_REGULAR},
        {"index", NID_INDEX, EROFS_TYPE_REGULAR},
        {"map", NID_MAP, EROFS_TYPE_REGULAR},
        {"plain", NID_PLAIN, EROFS_TYPE_SYMLINK},
        {"wide", NID_WIDE, EROFS_TYPE_REGULAR},
        {LONG_NAME, NID_WIDE, 200},
};
#define ENTRIES (sizeof(entries) / sizeof(*entries))

static unsigned char image[BLOCKS * BLOCK];
static struct erofs fs;

static unsigned char *slot(unsigned int nid)
{
	return image + META_BLOCK * BLOCK + nid * 32u;
}

static void put_compact(unsigned int nid, enum erofs_layout layout, uint16_t mode, uint32_t size,
                        uint32_t data)
{
	struct erofs_disk_inode_compact inode = {
	        .format = (uint16_t)(layout << EROFS_FORMAT_LAYOUT_SHIFT),
	        .mode = mode,
	        .nlink = 1,
	        .size = size,
	        .mtime = 7,
	        .data = data,
	};

	memcpy(slot(nid), &inode, sizeof(inode));
}

static void put_extended(unsigned int nid, enum erofs_layout layout, uint16_t mode, uint64_t size,
                         uint32_t data, uint16_t xattr_count)
{
	struct erofs_disk_inode_extended inode = {
	        .format = (uint16_t)(layout << EROFS_FORMAT_LAYOUT_SHIFT | EROFS_FORMAT_EXTENDED),
	        .xattr_count = xattr_count,
	        .mode = mode,
	        .nlink = 3,
	        .size = size,
	        .uid = 100000,
	        .gid = 200000,
	        .mtime = (uint64_t)-5,
	        .mtime_nsec = 999999999,
	        .data = data,
	};

	memcpy(slot(nid), &inode, sizeof(inode));
}

/* CRC-32C one bit at a time: not the tables of the code under test. */
static uint32_t slow_crc(const unsigned char *bytes, size_t length)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < length; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return crc;
}

static void put_super(uint8_t block_bits, uint32_t covered)
{
	struct erofs_disk_super super = {
	        .magic = EROFS_SUPER_MAGIC,
	        .feature_compat = EROFS_COMPAT_CHECKSUM,
	        .block_bits = block_bits,
	        .root_nid = NID_ROOT,
	        .inodes = 7,
	        .build_time = 1000,
	        .build_time_nsec = 42,
	        .blocks = (BLOCKS * BLOCK) >> block_bits,
	        .meta_block = (META_BLOCK * BLOCK) >> block_bits,
	        .feature_incompat = EROFS_INCOMPAT_CHUNKED,
	};

	memcpy(image + EROFS_SUPER_OFFSET, &super, sizeof(super));
	super.checksum = slow_crc(image + EROFS_SUPER_OFFSET, covered);
	memcpy(image + EROFS_SUPER_OFFSET, &super, sizeof(super));
}

/* The root's entries, inline behind its inode. Returns their length. */
static uint32_t put_entries(void)
{
	unsigned char *at = slot(NID_ROOT) + 32;
	uint32_t end = ENTRIES * sizeof(struct erofs_disk_dirent);

	for (size_t i = 0; i < ENTRIES; i++) {
		struct erofs_disk_dirent entry = {entries[i].nid, (uint16_t)end, entries[i].type,
		                                  0};

		memcpy(at + i * sizeof(entry), &entry, sizeof(entry));
		memcpy(at + end, entries[i].name, strlen(entries[i].name));
		end += (uint32_t)strlen(entries[i].name);
	}
	return end;
}

static void setup(void)
{
	static const uint32_t map[] = {20, EROFS_NO_BLOCK, EROFS_NO_BLOCK, 21, 22};
	static const struct erofs_disk_chunk_index indexes[] = {{0, 0, 30}, {0, 0, 32}, {0, 0, 16}};
	const char *reason = "";

	memset(image, 0, sizeof(image));
	for (unsigned int i = FIRST_DATA; i < BLOCKS; i++)
		memset(image + i * BLOCK, (int)i, BLOCK);
	put_compact(NID_ROOT, EROFS_LAYOUT_INLINE, S_IFDIR | 0755, put_entries(), 0);
	/* 64 bytes, attributes of 12 + 4 * 2, then the map at once: no padding for 4-byte entries.
	 */
	put_extended(NID_MAP, EROFS_LAYOUT_CHUNKED, S_IFREG | 0600, 5 * BLOCK - 100, 0, 3);
	memcpy(slot(NID_MAP) + 64 + 20, map, sizeof(map));
	/* Attributes of 12 bytes, padding to 8, then 8-byte entries for chunks of two blocks. */
	put_extended(NID_INDEX, EROFS_LAYOUT_CHUNKED, S_IFREG | 0600, 4 * BLOCK + 50,
	             EROFS_CHUNK_INDEXES | 1, 1);
	memcpy(slot(NID_INDEX) + 64 + 16, indexes, sizeof(indexes));
	put_compact(NID_DEVICE, EROFS_LAYOUT_PLAIN, S_IFBLK | 0660, 99, 0x801);
	put_compact(NID_HOLE, EROFS_LAYOUT_PLAIN, S_IFREG | 0644, 5000, EROFS_NO_BLOCK);
	put_compact(NID_PLAIN, EROFS_LAYOUT_PLAIN, S_IFLNK | 0777, 600, 18);
	put_extended(NID_WIDE, EROFS_LAYOUT_INLINE, S_IFREG | 0644, BLOCK + 10, 25, 0);
	memset(slot(NID_WIDE) + 64, 0xee, 10);
	put_super(9, BLOCK);
	cr_assert_eq(erofs_open(&fs, image, sizeof(image), &reason), 0, "%s", reason);
}

TestSuite(erofs_images, .init = setup);

static struct erofs_inode inode_of(const char *name)
{
	struct erofs_inode root, inode;
	uint64_t nid;

	cr_assert_eq(erofs_inode_read(&fs, fs.root_nid, &root), 0);
	cr_assert_eq(erofs_lookup(&fs, &root, name, strlen(name), &nid, NULL), 0, "%s", name);
	cr_assert_eq(erofs_inode_read(&fs, nid, &inode), 0, "%s", name);
	return inode;
}

/* Expects a run of @length bytes at @offset that starts at byte @within of @block (0: a hole). */
static void expect_span(const struct erofs_inode *inode, uint64_t offset, uint64_t want,
                        uint64_t length, unsigned int block, unsigned int within)
{
	const unsigned char *expected = block ? image + block * BLOCK + within : NULL;
	uint64_t found;

	cr_assert_eq(erofs_span(&fs, inode, offset, want, &found), expected, "at %lu", offset);
	cr_assert_eq(found, length, "at %lu: %lu", offset, found);
}

Test(erofs_images, superblock)
{
	const char *reason;

	cr_assert_eq(fs.block_size, BLOCK);
	cr_assert_eq(fs.blocks, BLOCKS);
	cr_assert_eq(fs.inodes, 7);
	/* A block of 1024 bytes starts with the superblock too, one of 2048 has it in the middle.
	 */
	put_super(10, 1024);
	cr_assert_eq(erofs_open(&fs, image, sizeof(image), &reason), 0);
	put_super(11, 1024);
	cr_assert_eq(erofs_open(&fs, image, sizeof(image), &reason), 0);
	put_super(11, 512);
	cr_assert_eq(erofs_open(&fs, image, sizeof(image), &reason), -EUCLEAN);
	put_super(13, 1024);
	cr_assert_eq(erofs_open(&fs, image, sizeof(image), &reason), -EOPNOTSUPP);
}

Test(erofs_images, attributes)
{
	struct erofs_inode device = inode_of("device"), map = inode_of("map");

	cr_assert_eq(device.rdev, 0x801);
	cr_assert_eq(device.size, 0);
	cr_assert_eq(device.mtime, 1007);
	cr_assert_eq(device.mtime_nsec, 42);
	cr_assert_eq(map.uid, 100000);
	cr_assert_eq(map.gid, 200000);
	cr_assert_eq(map.nlink, 3);
	cr_assert_eq(map.mtime, -5);
	cr_assert_eq(map.mtime_nsec, 999999999);
}

Test(erofs_images, chunk_map)
{
	struct erofs_inode inode = inode_of("map");
	static const unsigned char blocks[] = {20, 0, 0, 21, 22};
	unsigned char bytes[5 * BLOCK];

	expect_span(&inode, 0, UINT64_MAX, BLOCK, 20, 0);
	expect_span(&inode, 10, 100, 100, 20, 10);
	expect_span(&inode, BLOCK + 1, UINT64_MAX, 2 * BLOCK - 1, 0, 0);
	expect_span(&inode, 3 * BLOCK, UINT64_MAX, 2 * BLOCK - 100, 21, 0);
	expect_span(&inode, 4 * BLOCK + 3, UINT64_MAX, BLOCK - 103, 22, 3);
	expect_span(&inode, inode.size, UINT64_MAX, 0, 0, 0);
	expect_span(&inode, 0, 0, 0, 0, 0);

	memset(bytes, 0xff, sizeof(bytes));
	cr_assert_eq(erofs_read(&fs, &inode, 0, bytes, sizeof(bytes)), 5 * BLOCK - 100);
	for (unsigned int i = 0; i < inode.size; i++)
		cr_assert_eq(bytes[i], blocks[i / BLOCK]);
	cr_assert_eq(bytes[inode.size], 0xff);
}

Test(erofs_images, chunk_indexes)
{
	struct erofs_inode inode = inode_of("index");

	expect_span(&inode, 0, UINT64_MAX, 4 * BLOCK, 30, 0);
	expect_span(&inode, 3 * BLOCK, UINT64_MAX, BLOCK, 33, 0);
	expect_span(&inode, 4 * BLOCK, UINT64_MAX, 50, 16, 0);
}

Test(erofs_images, flat_data)
{
	struct erofs_inode plain = inode_of("plain"), wide = inode_of("wide");
	struct erofs_inode hole = inode_of("hole");
	unsigned char bytes[BLOCK + 10];

	expect_span(&hole, 1, UINT64_MAX, 4999, 0, 0);
	expect_span(&plain, 5, UINT64_MAX, 595, 18, 5);
	expect_span(&wide, 0, UINT64_MAX, BLOCK, 25, 0);
	expect_span(&wide, BLOCK + 4, UINT64_MAX, 6, META_BLOCK, NID_WIDE * 32 + 64 + 4);
	cr_assert_eq(inode_of(LONG_NAME).nid, NID_WIDE);
	cr_assert_eq(erofs_read(&fs, &wide, 0, bytes, sizeof(bytes)), BLOCK + 10);
	cr_assert(bytes[0] == 25 && bytes[BLOCK - 1] == 25 && bytes[BLOCK] == 0xee);
	/* A file of one block, all of it behind an inode that ends with its own block. */
	put_extended(NID_LAST, EROFS_LAYOUT_INLINE, S_IFREG | 0644, BLOCK, EROFS_NO_BLOCK, 0);
	cr_assert_eq(erofs_inode_read(&fs, NID_LAST, &wide), 0);
	expect_span(&wide, 0, UINT64_MAX, BLOCK, META_BLOCK + 3, 0);
}

Test(erofs_images, directory)
{
	struct erofs_inode root = inode_of(".");
	struct erofs_dirent entry;
	uint64_t cookie = 0;

	for (size_t i = 0; i < ENTRIES; i++) {
		cr_assert_eq(erofs_readdir(&fs, &root, &cookie, &entry), 1);
		cr_assert_eq(entry.name_length, strlen(entries[i].name));
		cr_assert_arr_eq(entry.name, entries[i].name, entry.name_length);
		cr_assert_eq(entry.nid, entries[i].nid);
	}
	cr_assert_eq(entry.type, 0, "a type that does not exist");
	cr_assert_eq(erofs_readdir(&fs, &root, &cookie, &entry), 0);
	cookie = UINT64_MAX;
	cr_assert_eq(erofs_readdir(&fs, &root, &cookie, &entry), 0);
	cookie = 13;
	cr_assert_eq(erofs_readdir(&fs, &root, &cookie, &entry), 1);
	cr_assert_eq(entry.name[0], 'd', "inside an entry means the next one");
}

/* Entries that list_with_offset() found. */
static unsigned int listed;

/* Reads the whole root after one entry's name offset was changed, and makes the image anew. */
static int list_with_offset(unsigned int index, uint16_t offset)
{
	struct erofs_inode root = inode_of(".");
	struct erofs_dirent entry;
	uint64_t cookie = 0, nid;
	int result;

	memcpy(slot(NID_ROOT) + 32 + index * 12 + 8, &offset, 2);
	listed = 0;
	while ((result = erofs_readdir(&fs, &root, &cookie, &entry)) == 1)
		listed++;
	/* A lookup sees it too where it is the block that is wrong, not a single entry. */
	if (index == 0 && offset != ENTRIES * 12)
		cr_assert_eq(erofs_lookup(&fs, &root, "map", 3, &nid, NULL), result);
	setup();
	return result;
}

Test(erofs_images, hostile_directory)
{
	const uint16_t names = ENTRIES * 12;
	unsigned char *bytes = slot(NID_ROOT) + 32;
	uint16_t end = (uint16_t)inode_of(".").size;

	cr_assert_eq(list_with_offset(0, names), 0);
	cr_assert_eq(list_with_offset(0, 0), -EUCLEAN);
	cr_assert_eq(list_with_offset(0, 11), -EUCLEAN);
	cr_assert_eq(list_with_offset(0, (uint16_t)(names + 1)), -EUCLEAN);
	cr_assert_eq(list_with_offset(0, end), -EUCLEAN);
	cr_assert_eq(list_with_offset(0, UINT16_MAX), -EUCLEAN);
	cr_assert_eq(list_with_offset(1, names), -EUCLEAN, "an empty name");
	cr_assert_eq(list_with_offset(1, (uint16_t)(names - 1)), -EUCLEAN, "a name in the entries");
	cr_assert_eq(list_with_offset(3, (uint16_t)(names + 1)), -EUCLEAN, "names go backwards");
	cr_assert_eq(list_with_offset(ENTRIES - 1, end), -EUCLEAN, "a name at the end");
	cr_assert_eq(list_with_offset(ENTRIES - 1, 60000), -EUCLEAN, "a name past the end");
	put_compact(NID_ROOT, EROFS_LAYOUT_INLINE, S_IFDIR | 0755, end + 1u, 0);
	bytes[end] = 'z';
	cr_assert_eq(list_with_offset(0, names), -EUCLEAN, "a name of 256 bytes");
	put_compact(NID_ROOT, EROFS_LAYOUT_INLINE, S_IFDIR | 0755, end - 250u, 0);
	cr_assert_eq(list_with_offset(ENTRIES - 1, (uint16_t)(end - 249)), -EUCLEAN);
	cr_assert_eq(listed, ENTRIES - 2, "a name over the end");
	memset(bytes + 12, 'A', 3);
	cr_assert_eq(list_with_offset(0, 13), -EUCLEAN, "not a whole number of entries");
	bytes[names + 5] = '/';
	cr_assert_eq(list_with_offset(0, names), -EUCLEAN, "a slash in a name");
	bytes[names + 5] = '\0';
	cr_assert_eq(list_with_offset(0, names), -EUCLEAN, "a zero byte in a name");
}

static int reread(uint64_t nid)
{
	struct erofs_inode inode;

	return erofs_inode_read(&fs, nid, &inode);
}

Test(erofs_images, hostile_inodes)
{
	static const uint64_t outside[] = {UINT64_MAX, UINT64_MAX >> 5, (uint64_t)1 << 59,
	                                   (BLOCKS - META_BLOCK) * BLOCK / 32};

	for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++)
		cr_assert_eq(reread(outside[i]), -EUCLEAN, "nid %lu", outside[i]);
	put_compact(NID_PLAIN, EROFS_LAYOUT_COMPRESSED, S_IFREG, 10, 20);
	cr_assert_eq(reread(NID_PLAIN), -EOPNOTSUPP);
	put_compact(NID_PLAIN, EROFS_LAYOUT_COMPRESSED_COMPACT, S_IFREG, 10, 20);
	cr_assert_eq(reread(NID_PLAIN), -EOPNOTSUPP);
	put_compact(NID_PLAIN, EROFS_LAYOUT_PLAIN, 0, 10, 20);
	cr_assert_eq(reread(NID_PLAIN), -EUCLEAN, "no file type");
	slot(NID_PLAIN)[1] = 1;
	cr_assert_eq(reread(NID_PLAIN), -EOPNOTSUPP, "an unknown format bit");
	put_compact(NID_PLAIN, EROFS_LAYOUT_PLAIN, S_IFREG, BLOCK + 1, BLOCKS - 1);
	cr_assert_eq(reread(NID_PLAIN), -EUCLEAN, "data past the end");
	put_compact(NID_PLAIN, EROFS_LAYOUT_PLAIN, S_IFREG, BLOCK, BLOCKS - 1);
	cr_assert_eq(reread(NID_PLAIN), 0, "data up to the end");
	put_compact(NID_PLAIN, EROFS_LAYOUT_INLINE, S_IFREG, 480, 0);
	cr_assert_eq(reread(NID_PLAIN), -EUCLEAN, "a tail over the end of its block");
	put_extended(NID_WIDE, EROFS_LAYOUT_PLAIN, S_IFREG, UINT64_MAX, 1, 0);
	cr_assert_eq(reread(NID_WIDE), -EUCLEAN, "a negative size");
	put_extended(NID_WIDE, EROFS_LAYOUT_PLAIN, S_IFREG, (uint64_t)1 << 63, EROFS_NO_BLOCK, 0);
	cr_assert_eq(reread(NID_WIDE), -EUCLEAN, "a negative size of a hole");
	put_extended(NID_WIDE, EROFS_LAYOUT_INLINE, S_IFREG, INT64_MAX, UINT32_MAX, UINT16_MAX);
	cr_assert_eq(reread(NID_WIDE), -EUCLEAN, "everything large");
	put_extended(NID_WIDE, EROFS_LAYOUT_CHUNKED, S_IFREG, INT64_MAX, 0, 0);
	cr_assert_eq(reread(NID_WIDE), -EUCLEAN, "a map past the end");
	put_extended(NID_WIDE, EROFS_LAYOUT_CHUNKED, S_IFREG, 1, 0x40, 0);
	cr_assert_eq(reread(NID_WIDE), -EOPNOTSUPP, "an unknown chunk format");
}

Test(erofs_images, hostile_chunks)
{
	static const uint32_t blocks[] = {BLOCKS - 1, BLOCKS, UINT32_MAX - 1};
	struct erofs_inode inode;
	unsigned char bytes[4 * BLOCK];

	put_extended(NID_WIDE, EROFS_LAYOUT_CHUNKED, S_IFREG, 3 * BLOCK, 0, 0);
	memcpy(slot(NID_WIDE) + 64, blocks, sizeof(blocks));
	inode = inode_of("wide");
	/* The damaged chunk goes on where the good one ends: the good one must still be readable.
	 */
	expect_span(&inode, 0, UINT64_MAX, BLOCK, BLOCKS - 1, 0);
	expect_span(&inode, BLOCK, UINT64_MAX, 0, 0, 0);
	cr_assert_eq(erofs_read(&fs, &inode, 0, bytes, sizeof(bytes)), BLOCK);
	cr_assert_eq(erofs_read(&fs, &inode, BLOCK, bytes, 1), -EUCLEAN);
	cr_assert_eq(erofs_read(&fs, &inode, 2 * BLOCK, bytes, 1), -EUCLEAN);
	/* A chunk of 2^40 bytes is damaged as a whole, however little of it is asked for. */
	put_extended(NID_WIDE, EROFS_LAYOUT_CHUNKED, S_IFREG, INT64_MAX, 31, 0);
	cr_assert_eq(reread(NID_WIDE), -EUCLEAN, "a map of 2^23 entries");
	put_extended(NID_WIDE, EROFS_LAYOUT_CHUNKED, S_IFREG, (uint64_t)1 << 40, 31, 0);
	inode = inode_of("wide");
	expect_span(&inode, 0, BLOCK, 0, 0, 0);
	cr_assert_eq(erofs_read(&fs, &inode, 0, bytes, sizeof(bytes)), -EUCLEAN);
}
