/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of finding files in a root image on the host: links stay inside, and end. */
#include "root_harness.h"
#include "vmm/root_lookup.h"

TestSuite(root_lookup, .init = setup, .fini = teardown, .timeout = 60);

static struct root_file file;

static bool looks_up(const char *path)
{
	return root_lookup(image, image_size, path, &file);
}

static void assert_finds(const char *path, const char *text)
{
	cr_assert(looks_up(path), "%s", path);
	cr_assert_eq(file.size, strlen(text), "%s", path);
	cr_assert_not_null(file.bytes);
	cr_assert_eq(memcmp(file.bytes, text, strlen(text)), 0, "%s", path);
}

static void make_tree(void)
{
	need_tool();
	shell("cd tree; mkdir -p a/b; echo 1 > one; echo 2 > a/two; echo 3 > a/b/three; : > empty");
}

Test(root_lookup, paths)
{
	make_tree();
	open_good(at("tree"));
	assert_finds("/one", "1\n");
	assert_finds("//a///b//three", "3\n");
	assert_finds("/a/./b/../two", "2\n");
	assert_finds("/../../one", "1\n");
	cr_assert(looks_up("/empty"));
	cr_assert_eq(file.size, 0);
	cr_assert_not(looks_up("/"));
	cr_assert_not(looks_up("/a"), "a directory");
	cr_assert_not(looks_up("/none"));
	cr_assert_not(looks_up("/one/none"));
	cr_assert_not(looks_up("/one/.."));
	cr_assert_not(looks_up("/a/none/two"));
}

Test(root_lookup, links)
{
	make_tree();
	shell("cd tree; ln -s a/two relative; ln -s /a/b/three absolute; ln -s "
	      "../../../../../../one a/b/out;"
	      "ln -s a/b dir; ln -s //a/// slashes; ln -s /etc/passwd host; ln -s nothing "
	      "dangling");
	open_good(at("tree"));
	assert_finds("/relative", "2\n");
	assert_finds("/absolute", "3\n");
	assert_finds("/a/b/out", "1\n");
	assert_finds("/dir/three", "3\n");
	assert_finds("/dir/../two", "2\n");
	assert_finds("/slashes/two", "2\n");
	cr_assert_not(looks_up("/host"), "the host's is not the root's");
	cr_assert_not(looks_up("/dangling"));
}

Test(root_lookup, links_end)
{
	make_tree();
	shell("cd tree; ln -s loop loop; ln -s pong ping; ln -s ping pong; ln -s loop/x grow;"
	      "ln -s one l0; for i in $(seq 40); do ln -s l$((i - 1)) l$i; done");
	open_good(at("tree"));
	cr_assert_not(looks_up("/loop"));
	cr_assert_not(looks_up("/ping"));
	cr_assert_not(looks_up("/grow"));
	assert_finds("/l39", "1\n");
	cr_assert_not(looks_up("/l40"), "41 links");
}

/* A target and what is behind it take PATH_MAX together at most, as on Linux each alone. */
Test(root_lookup, long_paths)
{
	char path[5000];

	make_tree();
	shell("cd tree; ln -s $(printf '/%%4000s' one | tr ' ' /) long");
	open_good(at("tree"));
	assert_finds("/long", "1\n");
	memset(path, '/', sizeof path);
	strcpy(path + 4091, "one");
	assert_finds(path, "1\n");
	memset(path, '/', sizeof path);
	strcpy(path + 4093, "one");
	cr_assert_not(looks_up(path));
	memset(path, '/', sizeof path);
	memcpy(path, "/long", 5);
	strcpy(path + 200, "x");
	cr_assert_not(looks_up(path));
	memset(path, 'x', 4095);
	path[4095] = '\0';
	cr_assert_not(looks_up(path));
}

Test(root_lookup, images_that_are_none)
{
	static const char nothing[8192];

	cr_assert_not(root_lookup(nothing, sizeof nothing, "/one", &file));
	cr_assert_not(root_lookup("", 0, "/one", &file));
}
