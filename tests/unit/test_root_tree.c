/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of what tells directory trees apart. */
#include "root_harness.h"

TestSuite(root_tree, .init = setup, .fini = teardown, .timeout = 60);

static struct root_fingerprint fingerprint(const char *path)
{
	struct root_fingerprint out;

	cr_assert_eq(root_fingerprint(path, -1, &out, &err), 0, "%s", err.text);
	return out;
}

/* A file written twice within one tick of the clock keeps its time: a build waits until it is over.
 */
Test(root_tree, waits_for_the_tick_of_a_fresh_change)
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
Test(root_tree, sees_where_a_file_lies)
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
Test(root_tree, does_not_depend_on_the_order_of_names)
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

Test(root_tree, walks_deep_and_wide_trees)
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

Test(root_tree, is_quick_for_small_trees)
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
