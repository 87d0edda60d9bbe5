/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the root file system from an EROFS image: inodes, reading, mapping, references. */
#include "tests/unit/special_fakes.h"

#include <unistd.h>

#include "guestkit/libc-shim/erofs.c"
#include "guestkit/libc-shim/erofs_directory.c"
#include "guestkit/libc-shim/erofs_root.c"
#include "guestkit/libc-shim/page_tree.c"

#define BIG      (3 * 4096 + 100) /* whole pages, and a tail */
#define PHYSICAL 0x40000000       /* where the guest would have the image */

static char directory[] = "/tmp/mote-root-XXXXXX";
static unsigned char *image;
static size_t image_size;
static struct inode *root;

static void run_shell(const char *command)
{
	int status = system(command);

	cr_assert_eq(status, 0, "%s", command);
}

static void make_image(void)
{
	FILE *file;

	if (system("command -v mkfs.erofs >/dev/null") != 0)
		cr_skip_test("mkfs.erofs is not installed");
	cr_assert_not_null(mkdtemp(directory));
	cr_assert_eq(chdir(directory), 0);
	cr_assert_eq(mkdir("source", 0755), 0);
	cr_assert_eq(mkdir("source/dir", 0700), 0);
	file = fopen("source/dir/big", "w");
	for (int i = 0; i < BIG; i++)
		putc('a' + i / 4096, file);
	fclose(file);
	run_shell("printf small >source/small && ln source/small source/same &&"
	          " ln -s dir/big source/link && mkfifo source/fifo &&"
	          " truncate -s 8192 source/hole && mkfs.erofs --quiet image source 2>/dev/null");
	file = fopen("image", "r");
	cr_assert_not_null(file);
	image = aligned_alloc(4096, 1 << 20);
	image_size = fread(image, 1, 1 << 20, file);
	fclose(file);
	cr_assert_lt(image_size, 1u << 20);
	root = erofs_root_create(image, image_size, PHYSICAL);
	cr_assert_not_null(root, "%s", fake_printed);
}

static void remove_image(void)
{
	char command[100];

	if (!image)
		return;
	snprintf(command, sizeof(command), "rm -r %s", directory);
	run_shell(command);
}

TestSuite(erofs_root, .init = make_image, .fini = remove_image);

Test(erofs_root, list)
{
	cr_assert_str_eq(fake_list(root), ". .. dir fifo hole link same small ");
	cr_assert(S_ISDIR(root->mode));
}

Test(erofs_root, content)
{
	static char bytes[BIG + 1];
	struct file *file;

	cr_assert_str_eq(fake_content(root, "small"), "small");
	cr_assert_eq(strlen(fake_content(root, "dir/big")), BIG);
	file = fake_open(root, "dir/big");
	cr_assert_eq(fake_read(file, bytes, sizeof(bytes)), BIG, "one read takes it all");
	cr_assert_eq(bytes[4095], 'a');
	cr_assert_eq(bytes[4096], 'b');
	cr_assert_eq(bytes[BIG - 1], 'd');
	file->position = BIG - 2;
	cr_assert_eq(fake_read(file, bytes, 7), 2);
	cr_assert_eq(fake_read(file, bytes, 7), 0);
	file->position = UINT64_MAX - 3;
	cr_assert_eq(fake_read(file, bytes, 7), 0);
	file->position = 4094;
	cr_assert_eq(file->ops->read_kit(file, bytes, 4, &file->position), 4);
	cr_assert_arr_eq(bytes, "aabb", 4);
	cr_assert_eq(file->position, 4098);
	file_put(file);
}

Test(erofs_root, bad_pointer)
{
	static char bytes[BIG];
	struct file *file = fake_open(root, "dir/big");

	fake_fault_at = (uint64_t)bytes + 5000;
	cr_assert_eq(fake_read(file, bytes, BIG), 5000);
	cr_assert_eq(file->position, 5000);
	fake_fault_at = (uint64_t)bytes;
	cr_assert_eq(fake_read(file, bytes, BIG), -EFAULT);
	file_put(file);
}

Test(erofs_root, one_inode_while_referenced)
{
	struct inode *first = fake_find(root, "small"), *parent;
	long before = fake_heap;

	cr_assert_eq(fake_find(root, "same"), first, "hard links are one file");
	cr_assert_eq(first->links, 2);
	cr_assert_eq(first->references, 2);
	inode_put(first);
	inode_put(first);
	cr_assert_eq(fake_heap, before - 1, "and it is freed");
	first = fake_find(root, "dir");
	cr_assert_eq(first->ops->lookup(first, "..", 2, &parent), 0);
	cr_assert_eq(parent, root);
}

Test(erofs_root, links_and_others)
{
	struct inode *link = fake_find(root, "link");
	char part[4] = "...";
	struct file *file;

	cr_assert_str_eq(fake_target(root, "link"), "dir/big");
	cr_assert_eq(link->ops->readlink(link, part, 2), 7);
	cr_assert_str_eq(part, "di.");
	cr_assert(S_ISFIFO(fake_find(root, "fifo")->mode));
	cr_assert_null(fake_find(root, "absent"));
	cr_assert_null(fake_find(root, "small/x"));
	file = fake_open(root, "small");
	cr_assert_null(file->ops->write);
	cr_assert_null(file->inode->ops->truncate);
}

Test(erofs_root, mapping)
{
	struct file *file = fake_open(root, "dir/big");
	uint64_t physical, again;
	const char *tail;

	for (uint64_t page = 0; page < 3; page++) {
		cr_assert_eq(file->ops->page(file, page, page == 1, &physical), 0);
		cr_assert_eq(physical % 4096, 0);
		cr_assert_lt(physical - PHYSICAL, image_size, "page %lu is used in place", page);
		cr_assert_eq(image[physical - PHYSICAL], 'a' + page);
		cr_assert_eq(image[physical - PHYSICAL + 4095], 'a' + page);
	}
	cr_assert_eq(fake_frames, 0);
	cr_assert_eq(file->ops->page(file, 3, false, &physical), 0);
	tail = direct_map(physical);
	cr_assert_eq(tail[99], 'd');
	for (unsigned i = 100; i < 4096; i++)
		cr_assert_eq(tail[i], 0, "zeros behind the end");
	cr_assert_eq(file->ops->page(file, 3, true, &again), 0);
	cr_assert_eq(again, physical, "one frame for a page");
	cr_assert_eq(file->ops->page(file, 4, false, &physical), -EFAULT);
	cr_assert_eq(file->ops->page(file, UINT64_MAX, false, &physical), -EFAULT);
	file_put(file);
	cr_assert_eq(fake_frames, 0, "copies go with the inode");
}

Test(erofs_root, zeros)
{
	struct file *file = fake_open(root, "hole");
	static char bytes[8192], zeros[8192];
	uint64_t physical;

	memset(bytes, 'x', sizeof(bytes));
	cr_assert_eq(fake_read(file, bytes, sizeof(bytes)), 8192);
	cr_assert_arr_eq(bytes, zeros, sizeof(zeros));
	cr_assert_eq(file->ops->page(file, 1, true, &physical), 0);
	cr_assert_neq(physical, 0, "a hole is filled when asked for");
	file_put(file);
}

Test(erofs_root, memory_is_short)
{
	struct file *file = fake_open(root, "dir/big");
	struct inode *found;
	uint64_t physical;

	fake_memory_is_short = true;
	cr_assert_eq(file->ops->page(file, 3, false, &physical), -ENOMEM);
	cr_assert_eq(root->ops->lookup(root, "small", 5, &found), -ENOMEM);
	cr_assert_null(erofs_root_create(image, image_size, PHYSICAL));
}

Test(erofs_root, damage)
{
	long before = fake_heap;

	image[1024] ^= 1;
	cr_assert_null(erofs_root_create(image, image_size, PHYSICAL));
	cr_assert_not_null(strstr(fake_printed, "mote: guest: the root image cannot be used: "));
	cr_assert_null(erofs_root_create(image, 100, PHYSICAL));
	cr_assert_eq(fake_heap, before);
}

Test(erofs_root, statistics)
{
	struct vfs_statistics statistics = {0};

	root->ops->statistics(root, &statistics);
	cr_assert_eq(statistics.magic, 0xe0f5e1e2);
	cr_assert_eq(statistics.blocks, image_size / 4096);
	cr_assert_eq(statistics.inodes, 7);
}

Test(erofs_root, times)
{
	struct erofs_inode disk = {.mtime = 2, .mtime_nsec = 5};

	cr_assert_eq(time_of(&disk), 2000000005);
	disk.mtime = -1;
	cr_assert_eq((int64_t)time_of(&disk), -999999995);
	disk.mtime = INT64_MAX;
	cr_assert_gt((int64_t)time_of(&disk), 0);
	disk.mtime = INT64_MIN;
	cr_assert_lt((int64_t)time_of(&disk), 0);
}
