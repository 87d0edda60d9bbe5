/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of --root: images that are given, and images made from directories. */
#include "root_harness.h"

TestSuite(root_image, .init = setup, .fini = teardown, .timeout = 60);

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
