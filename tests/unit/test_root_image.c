/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of --root: images that are given, images made from directories, and the cache of these. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guestkit/libc-shim/erofs.h"
#include "vmm/root_cache.h"
#include "vmm/root_image.h"

/* A tree, a cache and a place for temporary files, for this test alone. */
static char base[] = "/tmp/mote-test-root-XXXXXX";

static char *search_path; /* PATH as it was */
static struct mote_error err;
static const void *image;
static uint64_t image_size;

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void shell(const char *format, ...)
{
	char command[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	cr_assert_eq(system(command), 0, "%s", command);
}

static char *at(const char *name)
{
	static char paths[4][4096];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof *paths, "%s/%s", base, name);
	return path;
}

static void setup(void)
{
	search_path = strdup(getenv("PATH"));
	cr_assert_not_null(mkdtemp(base));
	cr_assert_eq(chdir(base), 0);
	shell("umask 022; mkdir -p tree/a/b/c tmp cache && echo one > tree/x && echo deep > "
	      "tree/a/b/c/f && head -c 10000 /dev/zero | tr '\\0' q > tree/a/q && ln -s x tree/l");
	setenv("XDG_CACHE_HOME", at("cache"), 1);
	setenv("TMPDIR", at("tmp"), 1);
}

static void teardown(void)
{
	if (image)
		munmap((void *)(uintptr_t)image, image_size);
	setenv("PATH", search_path, 1);
	free(search_path);
	shell("rm -rf %s", base);
}

TestSuite(root_image, .init = setup, .fini = teardown, .timeout = 60);

static void need_tool(void)
{
	if (system("PATH=$PATH:/sbin:/usr/sbin:/usr/local/sbin command -v mkfs.erofs > /dev/null"))
		cr_skip_test("mkfs.erofs is not installed");
}

static int open_root(const char *path)
{
	memset(&err, 0, sizeof err);
	if (image)
		munmap((void *)(uintptr_t)image, image_size);
	return root_image_open(path, &image, &image_size, &err);
}

static void open_good(const char *path)
{
	struct erofs fs;
	const char *reason = "";

	cr_assert_eq(open_root(path), 0, "%s", err.text);
	cr_assert_not_null(image);
	cr_assert_eq(erofs_open(&fs, image, image_size, &reason), 0, "%s", reason);
}

static void refuse(const char *path, const char *text)
{
	cr_assert_eq(open_root(path), -1, "%s was taken", path);
	cr_assert_eq(err.code, MOTE_STATUS_FAILED);
	cr_assert_not_null(strstr(err.text, text), "\"%s\" is not in: %s", text, err.text);
	cr_assert_null(strpbrk(err.text, "\n\r\033"), "control characters in: %s", err.text);
	cr_assert_null(image);
	cr_assert_eq(image_size, 0);
}

/* Files in a directory, with @part in their name. */
static unsigned int count_files(const char *directory, const char *part)
{
	unsigned int count = 0;
	const struct dirent *entry;
	DIR *list = opendir(at(directory));

	if (!list)
		return 0;
	while ((entry = readdir(list)))
		count += entry->d_name[0] != '.' && strstr(entry->d_name, part) != NULL;
	closedir(list);
	return count;
}

static unsigned int cached(void)
{
	return count_files("cache/mote/root", "");
}

/* Path of the only cached image. */
static const char *cached_image(void)
{
	static char path[4096];
	const struct dirent *entry;
	DIR *list = opendir(at("cache/mote/root"));

	path[0] = '\0';
	cr_assert_not_null(list);
	while ((entry = readdir(list))) {
		if (entry->d_name[0] != '.') {
			cr_assert_eq(path[0], '\0', "more than one file");
			snprintf(path, sizeof path, "%s/cache/mote/root/%s", base, entry->d_name);
		}
	}
	closedir(list);
	cr_assert_neq(path[0], '\0', "nothing is cached");
	return path;
}

static ino_t inode_of(const char *path)
{
	struct stat status;

	cr_assert_eq(lstat(path, &status), 0, "%s", path);
	return status.st_ino;
}

/* Finds @path, of names with one '/' between, in the open image. */
static bool find(const char *path, struct erofs *fs, struct erofs_inode *inode)
{
	const char *reason;
	uint64_t nid;

	cr_assert_eq(erofs_open(fs, image, image_size, &reason), 0);
	nid = fs->root_nid;
	for (;;) {
		size_t length = strcspn(path, "/");

		cr_assert_eq(erofs_inode_read(fs, nid, inode), 0);
		if (length == 0)
			return true;
		if (erofs_lookup(fs, inode, path, length, &nid, NULL))
			return false;
		path += length;
		path += *path == '/';
	}
}

static bool has(const char *path)
{
	struct erofs fs;
	struct erofs_inode inode;

	return find(path, &fs, &inode);
}

/* Whether a file of the open image has this text. */
static bool reads(const char *path, const char *text)
{
	struct erofs fs;
	struct erofs_inode inode;
	char buffer[64];
	int64_t got;

	if (!find(path, &fs, &inode))
		return false;
	got = erofs_read(&fs, &inode, 0, buffer, sizeof buffer);
	return got == (int64_t)strlen(text) && !memcmp(buffer, text, strlen(text));
}

/* A stand-in for mkfs.erofs, before the real one in PATH. */
static void stand_in(const char *script)
{
	char path[8192];

	shell("mkdir -p bin; printf '#!/bin/sh\n%%s\n' '%s' > bin/mkfs.erofs; chmod 755 "
	      "bin/mkfs.erofs",
	      script);
	snprintf(path, sizeof path, "%s/bin:%s:/usr/sbin:/sbin", base, getenv("PATH"));
	setenv("PATH", path, 1);
}

/* ---- the hash ---- */

/* The vectors published with SipHash, which `openssl mac` gives, too: key 00..0f, input 00, 01, ...
 */
Test(root_hash, gives_published_vectors)
{
	static const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	static const struct {
		size_t length;
		unsigned char output[16];
	} vectors[] = {
	        {0,
	         {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7,
	          0x55, 0x02, 0x93}},
	        {1,
	         {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b,
	          0x22, 0xfc, 0x45}},
	        {8,
	         {0x3b, 0x62, 0xa9, 0xba, 0x62, 0x58, 0xf5, 0x61, 0x0f, 0x83, 0xe2, 0x64, 0xf3,
	          0x14, 0x97, 0xb4}},
	        {63,
	         {0x51, 0x50, 0xd1, 0x77, 0x2f, 0x50, 0x83, 0x4a, 0x50, 0x3e, 0x06, 0x9a, 0x97,
	          0x3f, 0xbd, 0x7c}},
	};
	unsigned char input[64];
	uint64_t output[2];

	for (size_t i = 0; i < sizeof input; i++)
		input[i] = (unsigned char)i;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		root_hash(key, input, vectors[i].length, output);
		cr_expect_arr_eq(output, vectors[i].output, 16, "length %zu", vectors[i].length);
	}
}

/* ---- images that are given ---- */

Test(root_image, takes_none)
{
	cr_assert_eq(open_root(NULL), 0);
	cr_assert_null(image);
	cr_assert_eq(image_size, 0);
}

Test(root_image, refuses_what_is_no_image)
{
	shell("head -c 8192 /dev/urandom > random; : > nothing; mkfifo fifo; echo hi > short");
	refuse(at("missing"), "No such file or directory");
	refuse(at("missing"), "cannot use the root image /");
	refuse(at("random"), "not an EROFS image");
	refuse(at("nothing"), "too short");
	refuse(at("short"), "too short");
	refuse(at("fifo"), "neither a regular file nor a directory");
	refuse("/dev/null", "neither a regular file nor a directory");
	refuse(at("x\033[31m\ny"), "No such file");
	refuse("", "No such file");
}

Test(root_image, takes_an_image_and_refuses_it_cut)
{
	need_tool();
	shell("PATH=$PATH:/sbin:/usr/sbin mkfs.erofs --quiet i.erofs tree 2> /dev/null");
	open_good(at("i.erofs"));
	cr_assert(reads("a/b/c/f", "deep\n"));
	cr_assert_eq(cached(), 0);
	shell("size=$(stat -c %%s i.erofs); truncate -s $((size - 1)) i.erofs");
	refuse(at("i.erofs"), "cut");
	shell("truncate -s 1100 i.erofs");
	refuse(at("i.erofs"), "cannot use the root image /");
}

/* ---- images of directories ---- */

Test(root_image, shows_the_tree_as_it_is)
{
	struct erofs fs;
	struct erofs_inode inode;
	struct stat status;
	uint64_t length;
	const char *page;

	need_tool();
	shell("touch -d '2001-02-03 04:05:06.123456789 UTC' tree/x; chmod 4750 tree/x;"
	      "mkfifo tree/fifo");
	if (geteuid() == 0)
		shell("chown 70000:80000 tree/a/q; mknod tree/null c 1 3");
	open_good(at("tree"));
	cr_assert(find("x", &fs, &inode));
	cr_assert_eq(inode.mtime, 981173106);
	cr_assert_eq(inode.mtime_nsec, 123456789);
	cr_assert_eq(inode.mode, S_IFREG | 04750);
	cr_assert(find("l", &fs, &inode));
	cr_assert(S_ISLNK(inode.mode));
	cr_assert(reads("l", "x"));
	cr_assert(find("fifo", &fs, &inode));
	cr_assert(S_ISFIFO(inode.mode));
	cr_assert(find("a/q", &fs, &inode));
	cr_assert_eq(stat(at("tree/a/q"), &status), 0);
	cr_assert_eq(inode.uid, status.st_uid);
	cr_assert_eq(inode.gid, status.st_gid);
	cr_assert_eq(inode.size, 10000);
	cr_assert_eq(inode.mtime_nsec, status.st_mtim.tv_nsec);
	/* One run; the tail is a page of the image, zeros behind the end, and can be mapped. */
	page = erofs_span(&fs, &inode, 0, inode.size, &length);
	cr_assert_not_null(page);
	cr_assert_eq(length, 10000);
	cr_assert_eq((page - (const char *)image) % 4096, 0);
	cr_assert_leq((uint64_t)(page - (const char *)image) + 12288, image_size);
	for (unsigned int i = 0; i < 12288; i++)
		cr_assert_eq(page[i], i < 10000 ? 'q' : 0, "byte %u", i);
}

Test(root_image, uses_the_cached_image_again)
{
	struct stat status;
	ino_t first;

	need_tool();
	open_good(at("tree"));
	first = inode_of(cached_image());
	cr_assert_eq(stat(cached_image(), &status), 0);
	cr_assert_eq(status.st_mode, S_IFREG | 0600);
	cr_assert_eq(stat(at("cache/mote/root"), &status), 0);
	cr_assert_eq(status.st_mode & 07777, 0700);
	setenv("PATH", "", 1); /* found without the tool, too */
	shell("/usr/bin/touch -d '2 days ago' %s", cached_image());
	open_good(at("tree"));
	cr_assert_eq(inode_of(cached_image()), first);
	cr_assert_eq(stat(cached_image(), &status), 0);
	cr_assert_leq(time(NULL) - status.st_mtim.tv_sec, 10, "its use was not noted");
	cr_assert_eq(count_files("tmp", ""), 0);
}

Test(root_image, sees_every_change)
{
	static const char *const changes[] = {
	        "echo two > tree/x",
	        "echo longer >> tree/a/b/c/f",
	        "touch -d '2001-01-01 UTC' tree/a/b/c/f",
	        "cp -p tree/x tree/y; mv tree/y tree/x",
	        "echo new > tree/a/b/c/new",
	        "mv tree/a/b/c/new tree/a/b/c/other",
	        "mv tree/a/b/c/other tree/a/b",
	        "mkdir tree/a/b/c/d",
	        "rm tree/a/b/other",
	        "rmdir tree/a/b/c/d",
	        "ln -sfn nowhere tree/l",
	        "chmod 711 tree/a/b",
	        "mv tree/a/b tree/a/bb",
	        "touch -r tree/x ref; printf abc > tree/x; touch -r ref tree/x",
	};

	need_tool();
	open_good(at("tree"));
	for (unsigned int i = 0; i < sizeof changes / sizeof *changes; i++) {
		shell("%s", changes[i]);
		open_good(at("tree"));
		cr_assert_eq(cached(), i + 2 < ROOT_CACHE_IMAGES ? i + 2 : ROOT_CACHE_IMAGES,
		             "not seen: %s", changes[i]);
	}
	cr_assert(reads("a/bb/c/f", "deep\nlonger\n"));
	cr_assert(reads("x", "abc"));
	cr_assert_not(has("a/b"));
	cr_assert_not(has("a/bb/other"));
}

static struct root_fingerprint fingerprint(const char *path)
{
	struct root_cache none = {.directory = -1};
	struct root_fingerprint out;

	cr_assert_eq(root_fingerprint(path, &none, &out, &err), 0, "%s", err.text);
	return out;
}

/* A file written twice within one tick of the clock keeps its time: a build waits until it is over.
 */
Test(root_image, waits_for_the_tick_of_a_fresh_change)
{
	struct timespec begin, end;

	need_tool();
	shell("mkdir t; touch -d '1 minute ago' t/f t");
	cr_assert_not(fingerprint(at("t")).is_fresh);
	shell("touch -d '1 day' t/f");
	cr_assert_not(fingerprint(at("t")).is_fresh);
	cr_assert_eq(utimensat(AT_FDCWD, at("t/f"), NULL, 0), 0);
	cr_assert(fingerprint(at("t")).is_fresh);
	stand_in("exit 1");
	cr_assert_eq(utimensat(AT_FDCWD, at("t/f"), NULL, 0), 0);
	clock_gettime(CLOCK_REALTIME, &begin);
	refuse(at("t"), "failed");
	clock_gettime(CLOCK_REALTIME, &end);
	cr_assert_geq((end.tv_sec - begin.tv_sec) * 1000000000 + end.tv_nsec - begin.tv_nsec,
	              20000000);
}

/* Moved with every time put back: the file's place alone differs. */
Test(root_image, sees_where_a_file_lies)
{
	struct root_fingerprint before, after;

	shell("mkdir -p p/1 p/2; touch p/1/f; touch -d 2001-01-01 p/1 p/2");
	before = fingerprint(at("p"));
	shell("mv p/1/f p/2/f; touch -d 2001-01-01 p/1 p/2");
	after = fingerprint(at("p"));
	cr_assert_not(root_fingerprint_equal(&before, &after));
	shell("mv p/2/f p/1/f; touch -d 2001-01-01 p/1 p/2");
	after = fingerprint(at("p"));
	cr_assert(root_fingerprint_equal(&before, &after));
}

/* The first name that a directory gives. */
static char first_name(const char *path)
{
	const struct dirent *entry;
	char name = '\0';
	DIR *list = opendir(path);

	cr_assert_not_null(list);
	while ((entry = readdir(list))) {
		if (entry->d_name[0] != '.' && !name)
			name = entry->d_name[0];
	}
	closedir(list);
	return name;
}

/* On a tmpfs, which gives the name first that was made last. */
Test(root_image, does_not_depend_on_the_order_of_names)
{
	char tree[] = "/dev/shm/mote-test-root-XXXXXX";
	struct root_fingerprint before, after, swapped;
	char first;

	if (!mkdtemp(tree))
		cr_skip_test("/dev/shm cannot be written to");
	shell("cd %s; echo 1 > p; echo 2 > q; touch -d 2001-01-01 .", tree);
	before = fingerprint(tree);
	first = first_name(tree);
	shell("cd %s; mv p t; mv t p; touch -d 2001-01-01 .", tree);
	after = fingerprint(tree);
	cr_expect_neq(first, first_name(tree), "the order is the same: nothing is tested");
	shell("cd %s; mv p t; mv q p; mv t q; touch -d 2001-01-01 .", tree);
	swapped = fingerprint(tree);
	shell("rm -r %s", tree);
	cr_assert(root_fingerprint_equal(&before, &after));
	cr_assert_not(root_fingerprint_equal(&before, &swapped));
}

Test(root_image, takes_an_empty_directory)
{
	need_tool();
	shell("mkdir empty");
	open_good(at("empty"));
	cr_assert(has(""));
}

Test(root_image, takes_odd_names_and_links)
{
	need_tool();
	shell("cd tree && echo n > 'new\nline' && echo s > ' two  spaces ' && echo m > -m &&"
	      "ln -s loop loop && ln -s .. a/up && ln -s / a/top && mkdir -p 'd\ne/ f'");
	open_good(at("tree"));
	cr_assert(reads("new\nline", "n\n"));
	cr_assert(reads(" two  spaces ", "s\n"));
	cr_assert(reads("-m", "m\n"));
	cr_assert(reads("loop", "loop"));
	cr_assert(reads("a/up", ".."));
	cr_assert(has("d\ne/ f"));
	open_good(at("tree"));
	cr_assert_eq(cached(), 1);
	/* A directory that could be taken for an option. */
	shell("mkdir ./--quiet");
	open_good("--quiet");
}

Test(root_image, walks_deep_and_wide_trees)
{
	struct root_fingerprint first, second;

	/* Deeper than a process may have files open. */
	shell("ulimit -n 64; cd tree; for i in $(seq 900); do mkdir d && cd d || exit 1; done;"
	      "echo bottom > f; cd %s/tree; mkdir w; cd w; seq 3000 | xargs touch",
	      base);
	first = fingerprint(at("tree"));
	second = fingerprint(at("tree"));
	cr_assert(root_fingerprint_equal(&first, &second));
	shell("cd tree; for i in $(seq 900); do cd d || exit 1; done; echo top > f");
	second = fingerprint(at("tree"));
	cr_assert_not(root_fingerprint_equal(&first, &second));
}

Test(root_image, does_without_a_cache)
{
	need_tool();
	shell("echo > file");
	setenv("XDG_CACHE_HOME", at("file"), 1);
	open_good(at("tree"));
	cr_assert(reads("x", "one\n"));
	cr_assert_eq(count_files("tmp", ""), 0, "a temporary file is left");
	unsetenv("XDG_CACHE_HOME");
	unsetenv("HOME");
	open_good(at("tree"));
	setenv("TMPDIR", at("nowhere"), 1);
	open_good(at("tree"));
	cr_assert(reads("x", "one\n"));
}

Test(root_image, distrusts_a_cache_that_others_can_write_to)
{
	need_tool();
	open_good(at("tree"));
	shell("chmod 0770 cache/mote/root; truncate -s 0 %s", cached_image());
	open_good(at("tree"));
	cr_assert(reads("x", "one\n"));
	cr_assert_eq(cached(), 1);
	cr_assert_eq(count_files("tmp", ""), 0);
}

Test(root_image, makes_a_bad_cached_image_anew)
{
	static const char *const damages[] = {
	        "truncate -s 4096 %s",
	        "truncate -s 0 %s",
	        "chmod 0666 %s",
	        "f=%s; rm $f; mkfifo $f",
	        "f=%s; mv $f other; ln -s $PWD/other $f",
	        "f=%s; head -c 9000 /dev/urandom > $f",
	};

	need_tool();
	open_good(at("tree"));
	for (unsigned int i = 0; i < sizeof damages / sizeof *damages; i++) {
		char command[4096 + 256];
		struct stat status;

/* The format is a constant of the table. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(command, sizeof command, damages[i], cached_image());
#pragma GCC diagnostic pop
		shell("%s", command);
		open_good(at("tree"));
		cr_assert(reads("x", "one\n"), "%s", command);
		cr_assert_eq(lstat(cached_image(), &status), 0);
		cr_assert_eq(status.st_mode, S_IFREG | 0600, "%s", command);
	}
}

Test(root_image, keeps_the_cache_small)
{
	need_tool();
	shell("mkdir -p cache/mote/root; chmod 700 cache/mote cache/mote/root;"
	      "cd cache/mote/root; for i in $(seq 10 40); do echo > $i.erofs;"
	      "touch -d \"$i minutes ago\" $i.erofs; done;"
	      "echo > mote-root-old; touch -d '2 hours ago' mote-root-old; echo > mote-root-new;"
	      "echo > unrelated; touch -d '2 hours ago' unrelated");
	open_good(at("tree"));
	cr_assert_eq(count_files("cache/mote/root", ".erofs"), ROOT_CACHE_IMAGES);
	cr_assert_eq(access(at("cache/mote/root/10.erofs"), F_OK), 0);
	cr_assert_eq(access(at("cache/mote/root/24.erofs"), F_OK), 0);
	cr_assert_neq(access(at("cache/mote/root/25.erofs"), F_OK), 0);
	cr_assert_neq(access(at("cache/mote/root/mote-root-old"), F_OK), 0);
	cr_assert_eq(access(at("cache/mote/root/mote-root-new"), F_OK), 0);
	cr_assert_eq(access(at("cache/mote/root/unrelated"), F_OK), 0);
}

Test(root_image, leaves_its_own_cache_out)
{
	need_tool();
	setenv("XDG_CACHE_HOME", at("tree/a"), 1);
	open_good(at("tree"));
	cr_assert(has("a/mote"));
	cr_assert_not(has("a/mote/root"));
	cr_assert_eq(count_files("tree/a/mote/root", ""), 1);
	open_good(at("tree"));
	cr_assert_eq(count_files("tree/a/mote/root", ""), 1, "its own image changed the tree");
}

Test(root_image, survives_runs_side_by_side)
{
	int status;

	need_tool();
	for (int i = 0; i < 6; i++) {
		if (fork() == 0) {
			struct erofs fs;
			const char *reason;

			for (int j = 0; j < 3; j++) {
				if (root_image_open(at("tree"), &image, &image_size, &err) ||
				    erofs_open(&fs, image, image_size, &reason))
					_exit(1);
			}
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		cr_expect_eq(status, 0);
	cr_assert_eq(cached(), 1);
}

Test(root_image, says_why_a_build_failed)
{
	stand_in("printf \"first\\n\\033[31mProcessing a/b ...\\n<E> no luck\\n\\n\"; exit 3");
	refuse(at("tree"), "cannot build the root image from /");
	refuse(at("tree"), "mkfs.erofs failed at a/b ...: <E> no luck");
	stand_in("head -c 100000 /dev/zero | tr \"\\\\0\" x; echo; echo the end; exit 1");
	refuse(at("tree"), "the end");
	stand_in("exit 1");
	refuse(at("tree"), "gave no reason");
	stand_in("kill -9 $$");
	refuse(at("tree"), "signal 9");
	stand_in("exit 0");
	refuse(at("tree"), "too short");
	cr_assert_eq(cached(), 0, "a failed build left something");
}

Test(root_image, builds_again_when_the_tree_changes_meanwhile)
{
	need_tool();
	/* The first build is disturbed, the second is not. */
	stand_in("PATH=${PATH#*:}; mkfs.erofs \"$@\"; s=$?;"
	         "test -e tree/late || echo late > tree/late; exit $s");
	open_good(at("tree"));
	cr_assert(reads("late", "late\n"));
	cr_assert_eq(cached(), 1);
	/* Each is: the image is used and not kept. */
	stand_in("PATH=${PATH#*:}; mkfs.erofs \"$@\"; s=$?; echo more >> tree/late; exit $s");
	shell("echo > tree/another");
	open_good(at("tree"));
	cr_assert(has("another"));
	cr_assert_eq(cached(), 1);
}

Test(root_image, names_the_missing_tool)
{
	if (!access("/sbin/mkfs.erofs", X_OK) || !access("/usr/sbin/mkfs.erofs", X_OK) ||
	    !access("/usr/local/sbin/mkfs.erofs", X_OK))
		cr_skip_test("mkfs.erofs is where it is always looked for");
	shell("mkdir -p bin; : > bin/mkfs.erofs"); /* not executable */
	setenv("PATH", at("bin"), 1);
	refuse(at("tree"), "mkfs.erofs is not installed. Install it with: apt-get install "
	                   "erofs-utils");
	setenv("PATH", "bin:.:", 1); /* not looked into: relative */
	refuse(at("tree"), "is not installed");
	cr_assert_eq(cached(), 0);
}

Test(root_image, names_what_cannot_be_read)
{
	if (geteuid() == 0) {
		cr_assert_eq(chown(base, 65534, 65534), 0);
		shell("chown -R 65534:65534 %s", base);
		cr_assert_eq(setgid(65534), 0);
		cr_assert_eq(setuid(65534), 0);
	}
	need_tool();
	shell("chmod 0 tree/a/b/c");
	refuse(at("tree"), "cannot read c: Permission denied");
	shell("chmod 755 tree/a/b/c; chmod 0 tree/a/b/c/f");
	refuse(at("tree"), "mkfs.erofs failed at a/b/c/f");
	shell("chmod 644 tree/a/b/c/f; chmod 500 cache");
	open_good(at("tree"));
	cr_assert_eq(count_files("tmp", ""), 0);
	shell("chmod 700 cache");
}

/* ---- speed ---- */

Test(root_image, is_quick_for_small_trees)
{
	struct timespec begin, end;
	long best = 1000000000;

	shell("mkdir many; for i in $(seq 10); do mkdir many/$i; touch many/$i/0 many/$i/1 "
	      "many/$i/2 "
	      "many/$i/3 many/$i/4 many/$i/5 many/$i/6 many/$i/7 many/$i/8; done");
	for (int i = 0; i < 50; i++) {
		long took;

		clock_gettime(CLOCK_MONOTONIC, &begin);
		fingerprint(at("many"));
		clock_gettime(CLOCK_MONOTONIC, &end);
		took = (end.tv_sec - begin.tv_sec) * 1000000000 + end.tv_nsec - begin.tv_nsec;
		best = took < best ? took : best;
	}
	cr_log_info("100 paths: %ld us", best / 1000);
	cr_assert_lt(best, 1000000, "100 paths took %ld us", best / 1000);
}
