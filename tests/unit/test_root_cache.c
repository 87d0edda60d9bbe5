/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the cache of images made from directories. */
#include "root_harness.h"

TestSuite(root_cache, .init = setup, .fini = teardown, .timeout = 60);

Test(root_cache, uses_the_cached_image_again)
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

Test(root_cache, sees_every_change)
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

Test(root_cache, does_without_a_cache)
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

Test(root_cache, distrusts_a_cache_that_others_can_write_to)
{
	need_tool();
	open_good(at("tree"));
	shell("chmod 0770 cache/mote/root; truncate -s 0 %s", cached_image());
	open_good(at("tree"));
	cr_assert(reads("x", "one\n"));
	cr_assert_eq(cached(), 1);
	cr_assert_eq(count_files("tmp", ""), 0);
}

Test(root_cache, makes_a_bad_cached_image_anew)
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

Test(root_cache, keeps_the_cache_small)
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

Test(root_cache, leaves_its_own_cache_out)
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

Test(root_cache, survives_runs_side_by_side)
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
