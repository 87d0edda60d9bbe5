/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the EROFS reader: trees made by mkfs.erofs against their source, damage, hand-made
 * images. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "guestkit/libc-shim/erofs.c"
#include "guestkit/libc-shim/erofs_directory.c"

#define PAGE     4096u
#define BIG_FILE (10u << 20)
#define UUID     "-U00000000-0000-4000-8000-000000000001"

static char directory[] = "/tmp/mote-erofs-XXXXXX";
extern char **environ;

static void setup(void)
{
	cr_assert_not_null(mkdtemp(directory));
	cr_assert_eq(chdir(directory), 0);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status, (void)kind, (void)where;
	return remove(path);
}

static void teardown(void)
{
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(erofs, .init = setup, .fini = teardown);

/* Memory that ends where an inaccessible page starts: a read past the image dies at once. */
static unsigned char *guarded(size_t size)
{
	size_t length = (size + PAGE - 1) / PAGE * PAGE;
	unsigned char *map = mmap(NULL, length + PAGE, PROT_READ | PROT_WRITE,
	                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert(map != MAP_FAILED);
	cr_assert_eq(mprotect(map + length, PAGE, PROT_NONE), 0);
	return map + length - size;
}

/* Makes an image of "source" with up to two options and reads it into guarded memory. */
static unsigned char *make_image(const char *first, const char *second, size_t *size)
{
	const char *argv[] = {"mkfs.erofs", "--quiet", UUID, NULL, NULL, NULL, NULL, NULL};
	unsigned char *image;
	struct stat status;
	int fd, end, n = 3;
	pid_t child;

	if (*first)
		argv[n++] = first;
	if (*second)
		argv[n++] = second;
	argv[n++] = "image";
	argv[n] = "source";
	end = posix_spawnp(&child, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ);
	if (end == ENOENT) {
		teardown();
		cr_skip_test("mkfs.erofs is not installed");
	}
	cr_assert_eq(end, 0);
	cr_assert_eq(waitpid(child, &end, 0), child);
	cr_assert_eq(end, 0, "mkfs.erofs failed");
	fd = open("image", O_RDONLY);
	cr_assert(fd >= 0 && fstat(fd, &status) == 0);
	*size = (size_t)status.st_size;
	image = guarded(*size);
	cr_assert_eq(read(fd, image, *size), (ssize_t)*size);
	close(fd);
	return image;
}

static uint32_t random_state = 20240607;

static uint32_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	return random_state ^= random_state << 5;
}

static void make_file(const char *path, size_t size, off_t at, off_t total)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	unsigned char *bytes = malloc(size + 4);

	cr_assert(fd >= 0 && bytes);
	for (size_t i = 0; i < size; i += 4)
		memcpy(bytes + i, &(uint32_t){next_random()}, 4);
	cr_assert_eq(pwrite(fd, bytes, size, at), (ssize_t)size);
	cr_assert_eq(ftruncate(fd, total), 0);
	free(bytes);
	close(fd);
}

/* Extended attributes move inline data. Not every file system has them: then the test has fewer. */
static void set_attributes(const char *path, size_t own)
{
	char value[256] = "value";

	setxattr(path, "user.shared", "the same in every file", 22, 0);
	if (own)
		setxattr(path, "user.own", value, own, 0);
}

static void make_tree(unsigned int entries, size_t big)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 12288, 70001};
	char path[PATH_MAX], name[256], target[4000];

	cr_assert(!mkdir("source", 0755) && !mkdir("source/empty", 01777) &&
	          !mkdir("source/one", 0700) && !mkdir("source/many", 0755));
	make_file("source/one/only", 5, 0, 5);
	for (unsigned int i = 0; i < entries; i++) {
		snprintf(path, sizeof(path), "source/many/%x-%.*s", i * 2654435761u, (int)(i % 40),
		         "a-name-that-grows-longer-with-each-entry");
		make_file(path, i % 7, 0, i % 7);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		snprintf(path, sizeof(path), "source/size-%zu", sizes[i]);
		make_file(path, sizes[i], 0, (off_t)sizes[i]);
		set_attributes(path, i * 40);
	}
	make_file("source/big", big, 0, (off_t)big);
	make_file("source/sparse", 3000, 200000, 300001);
	make_file("source/hole", 0, 0, 65536);
	/* mkfs.erofs 1.5 fails at 255 bytes, the longest name; test_erofs_images.c has that. */
	memset(name, 'n', 254);
	name[254] = '\0';
	snprintf(path, sizeof(path), "source/%s", name);
	make_file(path, 9, 0, 9);
	memset(target, 't', sizeof(target) - 1);
	target[sizeof(target) - 1] = '\0';
	cr_assert(!symlink("../nowhere", "source/link") && !symlink(target, "source/one/long") &&
	          !link("source/big", "source/one/hard") && !chmod("source/size-1", 04751) &&
	          !mkfifo("source/fifo", 0640) && !mknod("source/socket", S_IFSOCK | 0600, 0));
	/* Only root may make these. */
	(void)!mknod("source/device", S_IFCHR | 0666, (dev_t)(260 << 8 | 3 | 0x100000));
	(void)!chown("source/size-4096", 70000, 80000);
}

static void compare_data(const struct erofs *fs, const struct erofs_inode *inode, const char *path)
{
	unsigned char *expected = malloc(inode->size + 1), *found = malloc(inode->size + 1);
	uint64_t offset = 0, length;
	int fd = open(path, O_RDONLY);

	cr_assert(expected && found && fd >= 0);
	cr_assert_eq(read(fd, expected, inode->size), (ssize_t)inode->size);
	close(fd);
	while (offset < inode->size) {
		int64_t n = erofs_read(fs, inode, offset, found + offset, 7777);

		cr_assert_gt(n, 0, "%s at %lu: %ld", path, offset, n);
		offset += (uint64_t)n;
	}
	cr_assert_eq(offset, inode->size);
	cr_assert_eq(erofs_read(fs, inode, offset, found, 1), 0);
	cr_assert_arr_eq(found, expected, inode->size);
	for (offset = 0; offset < inode->size; offset += length) {
		const unsigned char *bytes = erofs_span(fs, inode, offset, UINT64_MAX, &length);

		cr_assert_gt(length, 0);
		cr_assert_leq(length, inode->size - offset);
		for (uint64_t i = 0; i < length; i++)
			cr_assert(expected[offset + i] == (bytes ? bytes[i] : 0), "%s", path);
	}
	cr_assert_null(erofs_span(fs, inode, offset, 1, &length));
	cr_assert_eq(length, 0);
	free(expected);
	free(found);
}

static void compare_inode(const struct erofs *fs, const struct erofs_inode *inode, const char *path,
                          const struct stat *status, int with_mtime)
{
	char expected[PATH_MAX], found[PATH_MAX];

	cr_assert_eq(inode->mode, status->st_mode, "%s", path);
	cr_assert_eq(inode->uid, status->st_uid, "%s", path);
	cr_assert_eq(inode->gid, status->st_gid, "%s", path);
	cr_assert_eq(inode->mtime, with_mtime ? status->st_mtim.tv_sec : 0, "%s", path);
	cr_assert_eq(inode->mtime_nsec, with_mtime ? status->st_mtim.tv_nsec : 0, "%s", path);
	if (S_ISDIR(status->st_mode))
		return;
	cr_assert_eq(inode->nlink, status->st_nlink, "%s", path);
	cr_assert_eq(inode->rdev, status->st_rdev, "%s", path);
	cr_assert_eq(inode->size, (uint64_t)status->st_size, "%s", path);
	if (S_ISREG(status->st_mode))
		compare_data(fs, inode, path);
	if (S_ISLNK(status->st_mode)) {
		ssize_t n = readlink(path, expected, sizeof(expected));

		cr_assert_eq(erofs_read(fs, inode, 0, found, sizeof(found)), n);
		cr_assert_arr_eq(found, expected, (size_t)n);
	}
}

/* Lists a directory, checks order and cookies, and returns the number of entries. */
static unsigned int list(const struct erofs *fs, const struct erofs_inode *dir)
{
	struct erofs_dirent entry, last = {0}, again;
	uint64_t cookie = 0, before = 0;
	unsigned int count = 0;

	while (erofs_readdir(fs, dir, &cookie, &entry) == 1) {
		cr_assert_eq(erofs_readdir(fs, dir, &before, &again), 1);
		cr_assert_eq(again.name, entry.name, "a cookie did not lead back");
		cr_assert_eq(before, cookie);
		cr_assert(count == 0 || name_compare(last.name, last.name_length, &entry) < 0);
		last = entry;
		count++;
	}
	cr_assert_eq(erofs_readdir(fs, dir, &cookie, &entry), 0, "end of directory");
	return count;
}

static unsigned int compare_tree(const struct erofs *fs, const struct erofs_inode *dir,
                                 const char *path, int with_mtime)
{
	DIR *stream = opendir(path);
	unsigned int count = 0, total = 0;
	char child[PATH_MAX], missing[300];
	struct dirent *entry;

	cr_assert_not_null(stream);
	while ((entry = readdir(stream))) {
		size_t length = strlen(entry->d_name);
		struct erofs_inode inode;
		struct stat status;
		uint8_t type;
		uint64_t nid;

		count++;
		cr_assert_eq(erofs_lookup(fs, dir, entry->d_name, length, &nid, &type), 0, "%s/%s",
		             path, entry->d_name);
		snprintf(missing, sizeof(missing), "%s%c", entry->d_name, 1);
		if (length < 255)
			cr_assert_eq(erofs_lookup(fs, dir, missing, length + 1, &nid, NULL),
			             -ENOENT);
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
		cr_assert_eq(lstat(child, &status), 0);
		cr_assert_eq(type, IFTODT(status.st_mode), "%s", child);
		cr_assert_eq(erofs_lookup(fs, dir, entry->d_name, length, &nid, NULL), 0);
		cr_assert_eq(erofs_inode_read(fs, nid, &inode), 0, "%s", child);
		compare_inode(fs, &inode, child, &status, with_mtime);
		total += S_ISDIR(status.st_mode) ? compare_tree(fs, &inode, child, with_mtime) : 1;
	}
	closedir(stream);
	cr_assert_eq(list(fs, dir), count, "%s", path);
	cr_assert_eq(erofs_lookup(fs, dir, "", 0, &(uint64_t){0}, NULL), -ENOENT);
	cr_assert_eq(erofs_lookup(fs, dir, "\xff", 1, &(uint64_t){0}, NULL), -ENOENT);
	memset(missing, 'n', sizeof(missing));
	cr_assert_eq(erofs_lookup(fs, dir, missing, 256, &(uint64_t){0}, NULL), -ENAMETOOLONG);
	return total;
}

struct options {
	char first[40];
	char second[40];
};

ParameterizedTestParameters(erofs, whole_tree)
{
	static struct options all[] = {
	        {"-T0", ""},
	        {"--preserve-mtime", ""},
	        {"-T0", "--chunksize=4096"},
	        {"-T0", "--chunksize=65536"},
	        {"--chunksize=4096", "-Eforce-chunk-indexes"},
	        {"-T0", "-Eforce-inode-extended"},
	        {"-T0", "-Enoinline_data,nosbcrc"},
	        {"-T0", "-x-1"},
	};

	return cr_make_param_array(struct options, all, sizeof(all) / sizeof(*all));
}

ParameterizedTest(struct options *options, erofs, whole_tree)
{
	struct erofs_inode root;
	unsigned char *image;
	const char *reason;
	struct erofs fs;
	size_t size;

	make_tree(2000, BIG_FILE);
	image = make_image(options->first, options->second, &size);
	cr_assert_eq(erofs_open(&fs, image, size, &reason), 0);
	cr_assert_eq(erofs_inode_read(&fs, fs.root_nid, &root), 0);
	cr_assert_geq(compare_tree(&fs, &root, "source", strcmp(options->first, "-T0") != 0), 2010);
	cr_assert_eq(erofs_readdir(&fs, &(struct erofs_inode){.mode = S_IFREG}, &(uint64_t){0},
	                           &(struct erofs_dirent){0}),
	             -ENOTDIR);
}

/* Visits everything that can be reached, within a budget: damage can make a tree endless. */
static void walk(const struct erofs *fs, uint64_t nid, int depth, int *budget, int *damaged)
{
	static unsigned char buffer[8192];
	struct erofs_dirent entry;
	struct erofs_inode inode;
	uint64_t length, cookie = 0, found;
	int result;

	if (erofs_inode_read(fs, nid, &inode)) {
		++*damaged;
		return;
	}
	for (uint64_t offset = 0; offset < inode.size && --*budget > 0; offset += length) {
		const unsigned char *bytes = erofs_span(fs, &inode, offset, UINT64_MAX, &length);

		if (length == 0)
			++*damaged;
		if (bytes)
			memcpy(buffer, bytes + length - 1, 1);
		if (erofs_read(fs, &inode, offset, buffer, sizeof(buffer)) < 0 || length == 0)
			break;
	}
	if (!S_ISDIR(inode.mode) || depth == 0)
		return;
	while (--*budget > 0 && (result = erofs_readdir(fs, &inode, &cookie, &entry)) != 0) {
		if (result < 0) {
			++*damaged;
			break;
		}
		erofs_lookup(fs, &inode, entry.name, entry.name_length, &found, NULL);
		if (entry.name[0] != '.')
			walk(fs, entry.nid, depth - 1, budget, damaged);
	}
}

/* Takes away what would refuse a damaged image early: the checksum and the number of blocks. */
static void disarm(unsigned char *image)
{
	image[EROFS_SUPER_OFFSET + offsetof(struct erofs_disk_super, feature_compat)] &= 0xfe;
	memset(image + EROFS_SUPER_OFFSET + offsetof(struct erofs_disk_super, blocks), 0, 4);
}

Test(erofs, cut_image)
{
	static const char *const options[] = {"", "--chunksize=4096"};

	make_tree(60, 20000);
	for (int i = 0; i < 2; i++) {
		int damaged = 0, opened = 0;
		size_t size;
		unsigned char *image = make_image("-T0", options[i], &size);
		unsigned char *end = guarded(size) + size;

		for (size_t cut = 0; cut < size; cut += 512) {
			int budget = 3000;
			const char *reason = NULL;
			struct erofs fs;

			memcpy(end - cut, image, cut);
			cr_assert_lt(erofs_open(&fs, end - cut, cut, &reason), 0, "cut at %zu",
			             cut);
			cr_assert_not_null(reason);
			if (cut >= EROFS_SUPER_OFFSET + sizeof(struct erofs_disk_super))
				disarm(end - cut);
			if (erofs_open(&fs, end - cut, cut, &reason))
				continue;
			opened++;
			walk(&fs, fs.root_nid, 8, &budget, &damaged);
		}
		cr_assert(opened > 10 && damaged > 10, "%d opened, %d damaged", opened, damaged);
	}
}

Test(erofs, mutated_image)
{
	static const char *const options[] = {"", "--chunksize=4096"};

	make_tree(60, 9000);
	/* A small image, so that most bytes of it matter. */
	cr_assert(!unlink("source/sparse") && !unlink("source/hole") &&
	          !unlink("source/size-70001"));
	for (int i = 0; i < 2; i++) {
		int damaged = 0, opened = 0, refused = 0;
		size_t size;
		unsigned char *image = make_image("-T0", options[i], &size);

		for (int round = 0; round < 10000; round++) {
			/* Half of them in the first blocks, where superblock and inodes are. */
			size_t at = next_random() % (round & 1      ? size
			                             : size < 12288 ? size
			                                            : 12288);
			unsigned char super[128], saved = image[at];
			int budget = 1000;
			const char *reason;
			struct erofs fs;

			memcpy(super, image + EROFS_SUPER_OFFSET, sizeof(super));
			if (round & 2)
				disarm(image);
			image[at] ^= (unsigned char)(1 + next_random() % 255);
			if (erofs_open(&fs, image, size, &reason)) {
				refused++;
			} else {
				opened++;
				walk(&fs, fs.root_nid, 8, &budget, &damaged);
			}
			image[at] = saved;
			memcpy(image + EROFS_SUPER_OFFSET, super, sizeof(super));
		}
		cr_assert(opened > 5000 && refused > 100 && damaged > 100, "%d, %d, %d", opened,
		          refused, damaged);
	}
}

static void expect_refusal(const void *image, size_t size, int error, const char *text)
{
	const char *reason = "";
	struct erofs fs;

	cr_assert_eq(erofs_open(&fs, image, size, &reason), error, "%s", text);
	cr_assert_not_null(strstr(reason, text), "'%s' does not say '%s'", reason, text);
}

Test(erofs, refused_images)
{
	unsigned char *image;
	size_t size;

	make_tree(3, 100000);
	image = make_image("-zlz4hc", "", &size);
	expect_refusal(image, size, -EOPNOTSUPP, "compressed");
	image = make_image("--blobdev=blob", "--chunksize=4096", &size);
	expect_refusal(image, size, -EOPNOTSUPP, "--blobdev");
	image = make_image("-T0", "", &size);
	expect_refusal(image, 0, -EINVAL, "too short");
	expect_refusal(image, 1151, -EINVAL, "too short");
	expect_refusal(image, 4095, -EUCLEAN, "cut");
	expect_refusal(image, size - 1, -EUCLEAN, "shorter");
	image[EROFS_SUPER_OFFSET + 100] ^= 1;
	expect_refusal(image, size, -EUCLEAN, "checksum");
	image[EROFS_SUPER_OFFSET + 100] ^= 1;
	image[EROFS_SUPER_OFFSET + 12] = 16;
	expect_refusal(image, size, -EOPNOTSUPP, "block size");
	image[EROFS_SUPER_OFFSET] ^= 1;
	expect_refusal(image, size, -EINVAL, "not an EROFS image");
}
