/* SPDX-License-Identifier: Apache-2.0 */
/* The node table of the FUSE server, without files. */
#include "virtio/fs_nodes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fs_nodes nodes;

static struct fs_identity file_number(uint64_t inode)
{
	return (struct fs_identity){.device = 1, .inode = inode, .type = 0100000};
}

static struct fs_node *root(void)
{
	return &nodes.table[FS_NODE_ROOT];
}

static void open_nodes(void)
{
	struct fs_identity identity = {.device = 1, .inode = 2, .type = 0040000};

	cr_assert_eq(fs_nodes_open(&nodes, &identity), 0);
}

static void close_nodes(void)
{
	fs_nodes_close(&nodes);
}

TestSuite(fs_nodes, .init = open_nodes, .fini = close_nodes);

static struct fs_node *enter(struct fs_node *parent, const char *name, uint64_t inode)
{
	struct fs_identity identity = file_number(inode);
	struct fs_node *node = NULL;
	int result = fs_nodes_enter(&nodes, parent, name, strlen(name), &identity, &node);

	return result ? NULL : node;
}

static const char *path_of(const struct fs_node *node)
{
	static char path[4096];
	int result = fs_nodes_path(&nodes, node, path, sizeof path);

	return result ? NULL : path;
}

Test(fs_nodes, names_of_all_lengths_make_paths)
{
	struct fs_node *parent = root();
	static char expected[8192];
	char name[FS_NAME_MAX + 1];

	cr_assert_str_eq(path_of(parent), ".");
	for (size_t length = 1; length <= FS_NAME_MAX; length += length < 140 ? 13 : 29) {
		memset(name, 'a' + (int)(length % 26), length);
		name[length] = '\0';
		parent = enter(parent, name, 1000 + length);
		cr_assert(parent != NULL);
		sprintf(expected + strlen(expected), "%s%s", *expected ? "/" : "", name);
		cr_assert_str_eq(path_of(parent), expected);
	}
}

Test(fs_nodes, paths_have_an_end)
{
	struct fs_node *parent = root();
	char name[FS_NAME_MAX + 1], path[4096];

	memset(name, 'x', FS_NAME_MAX);
	name[FS_NAME_MAX] = '\0';
	for (uint64_t i = 0; i < 15; i++)
		parent = enter(parent, name, 100 + i);
	parent = enter(parent, name, 200);
	/* 16 names and 15 slashes: 4,095 bytes and NUL. */
	cr_assert_eq(fs_nodes_path(&nodes, parent, path, sizeof path), 0);
	cr_assert_eq(strlen(path), 4095);
	cr_assert_eq(fs_nodes_path(&nodes, parent, path, sizeof path - 1), -ENAMETOOLONG);
	parent = enter(parent, "y", 201);
	cr_assert_eq(fs_nodes_path(&nodes, parent, path, sizeof path), -ENAMETOOLONG);
}

Test(fs_nodes, a_full_table_is_an_error_and_frees_what_is_forgotten)
{
	struct fs_identity identity = file_number(1ull << 40);
	struct fs_node *node, *first = NULL;
	char name[16];

	for (uint32_t i = 1; i < FS_NODES_MAX; i++) {
		sprintf(name, "%u", i);
		node = enter(root(), name, 10 + i);
		cr_assert(node != NULL, "%u", i);
		first = first ? first : node;
	}
	cr_assert_eq(fs_nodes_enter(&nodes, root(), "more", 4, &identity, &node), -ENFILE);
	cr_assert_eq(root()->children, FS_NODES_MAX - 1);
	fs_nodes_forget(&nodes, first, 1);
	cr_assert_eq(fs_nodes_enter(&nodes, root(), "more", 4, &identity, &node), 0);
	cr_assert_str_eq(path_of(node), "more");
	fs_nodes_reset(&nodes);
	cr_assert_eq(root()->children, 0);
	cr_assert(fs_nodes_get(&nodes, 2) == NULL);
}

Test(fs_nodes, a_number_is_of_one_node_only)
{
	struct fs_node *node = enter(root(), "a", 10);
	uint64_t number = fs_nodes_number(&nodes, node);

	cr_assert_eq(fs_nodes_number(&nodes, root()), 1);
	cr_assert_eq(fs_nodes_get(&nodes, number), node);
	cr_assert(fs_nodes_get(&nodes, number + (1ull << 32)) == NULL);
	cr_assert(fs_nodes_get(&nodes, number + 1) == NULL);
	cr_assert(fs_nodes_get(&nodes, 0) == NULL && fs_nodes_get(&nodes, UINT64_MAX) == NULL);
	fs_nodes_forget(&nodes, node, UINT64_MAX);
	cr_assert(fs_nodes_get(&nodes, number) == NULL);
	cr_assert_eq(enter(root(), "b", 11), node);
	cr_assert_neq(fs_nodes_number(&nodes, node), number);
	number = fs_nodes_number(&nodes, node);
	fs_nodes_reset(&nodes);
	cr_assert(fs_nodes_get(&nodes, number) == NULL);
	cr_assert_eq(enter(root(), "b", 11), node);
	cr_assert(fs_nodes_get(&nodes, number) == NULL);
}

Test(fs_nodes, an_inode_that_is_used_again_is_another_file)
{
	struct fs_node *old = enter(root(), "a", 10), *new = NULL;
	struct fs_identity born_later = file_number(10);

	born_later.born_seconds = 1;
	cr_assert_eq(fs_nodes_enter(&nodes, root(), "a", 1, &born_later, &new), 0);
	cr_assert_neq(new, old);
	cr_assert_str_eq(path_of(new), "a");
	cr_assert(path_of(old) == NULL);
	fs_nodes_forget(&nodes, old, 1);
	cr_assert_eq(fs_nodes_find(&nodes, &born_later), new);
}

/* What the host can make it look like while it moves directories. */
Test(fs_nodes, no_place_is_below_itself)
{
	struct fs_node *a = enter(root(), "a", 10), *b = enter(a, "b", 11), *c = enter(b, "c", 12);

	cr_assert(enter(b, "a", 10) == NULL);
	cr_assert(enter(c, "a", 10) == NULL);
	cr_assert(enter(c, "b", 11) == NULL);
	cr_assert(enter(c, "root", 2) == NULL);
	cr_assert(enter(a, "a", 10) == NULL);
	cr_assert_eq(fs_nodes_move(&nodes, a, c, "a", 1), -ESTALE);
	cr_assert_str_eq(path_of(c), "a/b/c");
	cr_assert_eq(fs_nodes_move(&nodes, b, root(), "b", 1), 0);
	cr_assert_eq(fs_nodes_move(&nodes, a, c, "a", 1), 0);
	cr_assert_str_eq(path_of(a), "b/c/a");
	fs_nodes_forget(&nodes, b, 1);
	fs_nodes_forget(&nodes, c, 1);
	cr_assert_str_eq(path_of(a), "b/c/a");
	fs_nodes_forget(&nodes, a, 1);
	cr_assert_eq(root()->children, 0);
}

Test(fs_nodes, pins_are_closed_when_forgotten_or_pushed_out)
{
	int fd[FS_PINS + 1];
	struct fs_node *node[FS_PINS + 1];

	for (unsigned int i = 0; i <= FS_PINS; i++) {
		char name[8];

		sprintf(name, "%u", i);
		node[i] = enter(root(), name, 10 + i);
		fd[i] = open("/dev/null", O_RDONLY);
		fs_nodes_pin(&nodes, node[i], fd[i], i % 2);
		cr_assert_eq(fs_nodes_pinned(&nodes, node[i], true), i % 2 ? fd[i] : -1);
		/* The first is used all the time, so the second goes. */
		cr_assert_eq(fs_nodes_pinned(&nodes, node[0], false), fd[0]);
	}
	cr_assert_eq(fs_nodes_pinned(&nodes, node[1], false), -1);
	cr_assert(fcntl(fd[1], F_GETFD) < 0);
	fs_nodes_forget(&nodes, node[2], 1);
	cr_assert(fcntl(fd[2], F_GETFD) < 0);
	fd[2] = open("/dev/null", O_RDONLY);
	fs_nodes_pin(&nodes, root(), fd[2], true);
	fs_nodes_reset(&nodes);
	for (unsigned int i = 0; i <= FS_PINS; i++)
		cr_assert(fcntl(fd[i], F_GETFD) < 0);
}

/* ---- random operations against a model ---- */

enum { FILES = 60, STEPS = 200000 };

static struct {
	struct fs_node *node; /* NULL: not known */
	int parent;           /* -1: root; -2: orphan */
	char name[64];
	uint64_t lookups;
} model[FILES];

static struct fs_node *node_of(int index)
{
	return index < 0 ? root() : model[index].node;
}

static bool model_is_below(int index, int ancestor)
{
	for (; index >= 0; index = model[index].parent)
		if (index == ancestor)
			return true;
	return false;
}

static bool model_path(int index, char *path)
{
	char rest[4096];

	strcpy(path, "");
	for (; index >= 0; index = model[index].parent) {
		strcpy(rest, path);
		sprintf(path, "%s%s%s", model[index].name, *rest ? "/" : "", rest);
	}
	return index == -1;
}

/* What nobody needs is gone, and then perhaps what it lay in. */
static void model_release(void)
{
	for (bool again = true; again;) {
		again = false;
		for (int i = 0; i < FILES; i++) {
			bool has_child = false;

			for (int j = 0; j < FILES; j++)
				has_child |= model[j].node && model[j].parent == i;
			if (model[i].node && !model[i].lookups && !has_child) {
				model[i].node = NULL;
				again = true;
			}
		}
	}
}

static void random_enter(int index, int parent)
{
	struct fs_node *node;
	char name[64];

	if (parent >= 0 && !model[parent].node)
		return;
	snprintf(name, sizeof name, "%.*s%d", rand() % 50,
	         "a-name-that-may-be-long-or-short-as-it-comes-and-goes", rand() % 100);
	node = enter(node_of(parent), name, 100 + (uint64_t)index);
	if (model[index].node && model_is_below(parent, index)) {
		cr_assert(node == NULL || (parent == model[index].parent));
		if (!node)
			return;
	}
	cr_assert(node != NULL && (!model[index].node || node == model[index].node));
	model[index].node = node;
	model[index].parent = parent;
	strcpy(model[index].name, name);
	model[index].lookups++;
	model_release();
}

static void random_step(void)
{
	int index = rand() % FILES;

	switch (rand() % 4) {
	case 0:
	case 1: random_enter(index, rand() % (FILES + 1) - 1); return;
	case 2:
		if (!model[index].node)
			return;
		fs_nodes_forget(&nodes, model[index].node, 1);
		model[index].lookups -= model[index].lookups > 0;
		model_release();
		return;
	case 3:
		if (!model[index].node || rand() % 4)
			return;
		fs_nodes_orphan(&nodes, model[index].node);
		model[index].parent = -2;
		model_release();
		return;
	}
}

Test(fs_nodes, random_operations_agree_with_a_model)
{
	char expected[8192];

	srand(1);
	for (int step = 0; step < STEPS; step++) {
		int index = rand() % FILES;

		random_step();
		if (!model[index].node)
			continue;
		if (!model_path(index, expected))
			cr_assert(path_of(model[index].node) == NULL);
		else
			cr_assert_str_eq(path_of(model[index].node), expected);
		cr_assert_eq(model[index].node->lookups, model[index].lookups);
	}
	for (int i = 0; i < FILES; i++) {
		if (model[i].node)
			fs_nodes_forget(&nodes, model[i].node, UINT64_MAX);
		model[i].lookups = 0;
		model_release();
	}
	cr_assert_eq(root()->children, 0);
}
