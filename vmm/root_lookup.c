/* SPDX-License-Identifier: Apache-2.0 */
/* Finds files in the root image, as the kit will: symbolic links lead nowhere out of it. */
#include "vmm/root_lookup.h"

#include <string.h>
#include <sys/stat.h>

#include "guestkit/libc-shim/erofs.h"

#define PATH_BYTES 4096
#define LINKS_MAX  40

/* A walk: what is still to be walked of the path, links' targets included. */
struct walk {
	struct erofs fs;
	struct erofs_inode at;
	char rest[PATH_BYTES];
	unsigned links;
};

/* Put a link's target before the rest of the path. */
static bool follow(struct walk *walk, const struct erofs_inode *link)
{
	char target[PATH_BYTES];
	size_t rest = strlen(walk->rest) + 1;

	if (++walk->links > LINKS_MAX || link->size == 0 || link->size + rest + 1 > sizeof target ||
	    erofs_read(&walk->fs, link, 0, target, link->size) != (int64_t)link->size ||
	    memchr(target, '\0', link->size))
		return false;
	target[link->size] = '/';
	memcpy(target + link->size + 1, walk->rest, rest);
	memcpy(walk->rest, target, link->size + 1 + rest);
	return target[0] != '/' || erofs_inode_read(&walk->fs, walk->fs.root_nid, &walk->at) == 0;
}

/* One component: false when it is not there. */
static bool step(struct walk *walk)
{
	size_t length = strcspn(walk->rest, "/");
	struct erofs_inode found;
	char name[PATH_BYTES];
	uint64_t nid;

	memcpy(name, walk->rest, length);
	memmove(walk->rest, walk->rest + length, strlen(walk->rest + length) + 1);
	if (erofs_lookup(&walk->fs, &walk->at, name, length, &nid, NULL) ||
	    erofs_inode_read(&walk->fs, nid, &found))
		return false;
	if (S_ISLNK(found.mode))
		return follow(walk, &found);
	walk->at = found;
	return true;
}

bool root_lookup(const void *image, uint64_t size, const char *path, struct root_file *file)
{
	struct walk walk = {.links = 0};
	const char *reason;
	size_t bytes = strlen(path) + 1;
	uint64_t length;

	if (bytes > sizeof walk.rest || erofs_open(&walk.fs, image, size, &reason) ||
	    erofs_inode_read(&walk.fs, walk.fs.root_nid, &walk.at))
		return false;
	memcpy(walk.rest, path, bytes);
	for (;;) {
		size_t slashes = strspn(walk.rest, "/");

		memmove(walk.rest, walk.rest + slashes, strlen(walk.rest + slashes) + 1);
		if (!*walk.rest)
			break;
		if (!step(&walk))
			return false;
	}
	if (!S_ISREG(walk.at.mode))
		return false;
	file->size = walk.at.size;
	file->bytes = erofs_span(&walk.fs, &walk.at, 0, walk.at.size, &length);
	if (length != walk.at.size)
		file->bytes = NULL;
	return true;
}
