/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks a share for anything: FUSE requests of all kinds with nodes and handles that it was given,
 * names that are none, and odd numbers.
 *
 * usage: hostile_fuse SEED MILLISECONDS
 */
#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <time.h>

#include "virtio_driver.h"

#define KNOWN 32

/* Words of arguments that each operation has; more operations than these there are not. */
static const unsigned char words[] = {
        [FUSE_LOOKUP] = 0,       [FUSE_FORGET] = 1,    [FUSE_GETATTR] = 2,
        [FUSE_SETATTR] = 11,     [FUSE_MKNOD] = 2,     [FUSE_MKDIR] = 1,
        [FUSE_RENAME] = 1,       [FUSE_LINK] = 1,      [FUSE_OPEN] = 1,
        [FUSE_READ] = 5,         [FUSE_WRITE] = 5,     [FUSE_RELEASE] = 3,
        [FUSE_FSYNC] = 2,        [FUSE_SETXATTR] = 1,  [FUSE_GETXATTR] = 1,
        [FUSE_LISTXATTR] = 1,    [FUSE_FLUSH] = 3,     [FUSE_INIT] = 8,
        [FUSE_OPENDIR] = 1,      [FUSE_READDIR] = 5,   [FUSE_RELEASEDIR] = 3,
        [FUSE_FSYNCDIR] = 2,     [FUSE_GETLK] = 6,     [FUSE_SETLK] = 6,
        [FUSE_SETLKW] = 6,       [FUSE_ACCESS] = 1,    [FUSE_CREATE] = 2,
        [FUSE_BATCH_FORGET] = 1, [FUSE_FALLOCATE] = 4, [FUSE_READDIRPLUS] = 5,
        [FUSE_RENAME2] = 2,      [FUSE_LSEEK] = 3,     [FUSE_COPY_FILE_RANGE] = 7,
        [FUSE_TMPFILE] = 2,
};

#define OPCODES (sizeof words)

static uint64_t state, nodes[KNOWN], handles[KNOWN];
static struct queue queues[2];
static unsigned char *question, *answer; /* a page each */

static uint32_t below(uint32_t limit)
{
	state = state * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(state >> 32) % limit;
}

/* Small, or far beyond what a file can have; not so that the host's disk would be filled. */
static uint64_t any_number(void)
{
	switch (below(8)) {
	case 0: return UINT64_MAX - below(3);
	case 1: return (1ull << 63) - below(3);
	case 2: return 0;
	default: return below(1u << below(17));
	}
}

/* Arguments, of which the first is often a handle or a node; then names. */
static uint32_t fill(unsigned char *at, uint32_t opcode)
{
	static const char *const names[] = {"file", "dir",       "inner", "new",   "new2",
	                                    "link", "..",        ".",     "",      "../secret",
	                                    "/etc", "user.name", "fifo",  "a/../b"};
	unsigned char *start = at;
	unsigned count = opcode < OPCODES && below(16) ? words[opcode] : below(12);

	for (unsigned i = 0; i < count; i++, at += 8) {
		uint64_t word = any_number();

		if (i == 0 && below(2))
			word = below(2) ? handles[below(KNOWN)] : nodes[below(KNOWN)];
		/* SETATTR and the like begin with two words of 32 bits. */
		if (i == 0 && below(4) == 0)
			word = (uint64_t)below(4096) << 32 | below(4096);
		memcpy(at, &word, sizeof word);
	}
	for (unsigned i = below(4); i; i--)
		at = (unsigned char *)stpcpy((char *)at, names[below(14)]) + 1;
	return (uint32_t)(at - start);
}

/* Remember what the server gave. */
static void learn(uint32_t opcode)
{
	const struct fuse_out_header *header = (const void *)answer;
	const struct fuse_entry_out *entry = (const void *)(header + 1);
	const struct fuse_open_out *open = (const void *)(header + 1);

	if (header->error)
		return;
	if (header->len >= sizeof *header + sizeof *entry && opcode != FUSE_READ &&
	    opcode != FUSE_READDIR && entry->nodeid) {
		nodes[1 + below(KNOWN - 1)] = entry->nodeid;
		open = (const void *)(entry + 1);
	}
	if (opcode == FUSE_OPEN || opcode == FUSE_OPENDIR || opcode == FUSE_CREATE)
		handles[below(KNOWN)] = open->fh;
}

static void ask(void)
{
	struct fuse_in_header *header = (void *)question;
	struct fuse_out_header *result = (void *)answer;
	uint32_t opcode = below(20) ? below(OPCODES) : below(1u << 31);
	uint32_t room = below(8) ? 4096 : 16 + below(200);
	uint32_t slot = below(KNOWN), written;

	/* These two forget everything. */
	if ((opcode == FUSE_INIT || opcode == FUSE_DESTROY) && below(64))
		opcode = FUSE_LOOKUP;
	*header = (struct fuse_in_header){.opcode = opcode, .unique = state, .nodeid = nodes[slot]};
	if (below(16) == 0)
		header->nodeid = any_number();
	header->len = (uint32_t)sizeof *header + fill(question + sizeof *header, opcode);
	describe(queues[1].descriptors, 0, question, header->len, VRING_DESC_F_NEXT, 1);
	describe(queues[1].descriptors, 1, answer, room, VRING_DESC_F_WRITE, 0);
	if (below(16) == 0)
		header->len = (uint32_t)any_number();
	offer(&queues[1], 0);
	notify(&queues[1]);
	written = finish(&queues[1], 0);
	if (opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET) {
		EXPECT(written == 0);
		return;
	}
	EXPECT(written >= sizeof *result && written <= room && result->len == written);
	EXPECT(result->unique == header->unique && result->error <= 0 && result->error > -4096);
	/* What it has forgotten, or the host has taken away, leads nowhere any more. */
	if (result->error == -ESTALE)
		nodes[slot] = FUSE_ROOT_ID;
	learn(opcode);
}

int main(int argc, char **argv)
{
	struct timespec now, end;
	unsigned long count = 0;

	if (argc != 3)
		return 2;
	state = strtoul(argv[1], NULL, 0);
	question = dma_page();
	answer = dma_page();
	for (unsigned i = 0; i < KNOWN; i++)
		nodes[i] = FUSE_ROOT_ID;
	bring_up(1ull << VIRTIO_F_VERSION_1, queues, 2);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += atol(argv[2]) / 1000;
	end.tv_nsec += atol(argv[2]) % 1000 * 1000000;
	do {
		ask();
		count++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec ||
	         (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
	EXPECT(status() == 15);
	printf("%lu requests\n", count);
	return 0;
}
