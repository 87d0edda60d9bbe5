/* SPDX-License-Identifier: Apache-2.0 */
/* A small machine's memory, and snapshots of it in a folder of their own. */
#ifndef MOTE_TESTS_UNIT_SNAPSHOT_HARNESS_H
#define MOTE_TESTS_UNIT_SNAPSHOT_HARNESS_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapshot/checksum.h"
#include "snapshot/format.h"
#include "snapshot/snapshot_write.h"
#include "vmm/lost_page.h"

#define FRAMES 4096u /* 16 MiB */
#define PAGE   4096u

static struct mote_error err;
static char folder[] = "/tmp/mote-snapshot-test-XXXXXX";
static struct guest_memory memory;
static uint64_t candidates[FRAMES / 64];

static void harness_start(void)
{
	cr_assert(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
	cr_assert_eq(lost_page_init(&err), 0);
	memset(&memory, 0, sizeof memory);
	cr_assert_eq(guest_memory_create(&memory, FRAMES * PAGE, &err), 0);
}

static void harness_end(void)
{
	char command[64];

	snprintf(command, sizeof command, "rm -rf %s", folder);
	if (chdir("/") || system(command))
		abort();
}

/* A page full of bytes that tell it from all others. */
static void fill(uint64_t frame, unsigned salt)
{
	uint64_t *words = (void *)(memory.host + frame * PAGE);

	for (unsigned i = 0; i < PAGE / 8; i++)
		words[i] = (frame * 1000003 + i) * 0x9e3779b97f4a7c15u ^ salt;
	candidates[frame / 64] |= 1ull << frame % 64;
}

static inline void clear(uint64_t frame)
{
	memset(memory.host + frame * PAGE, 0, PAGE);
	candidates[frame / 64] |= 1ull << frame % 64;
}

static struct snapshot_machine machine = {
        .abi_version = MOTE_ABI_VERSION,
        .vmm_version = "test",
        .kit.version = "test",
        .ram_size = FRAMES * PAGE,
        .ram_end = FRAMES * PAGE,
};

static struct snapshot_content content(const struct snapshot *base)
{
	return (struct snapshot_content){
	        .sections =
	                {
	                        [SNAPSHOT_MACHINE] = {&machine, sizeof machine},
	                        [SNAPSHOT_XSAVE] = {"xsave area", 10},
	                        [SNAPSHOT_APPLICATION] = {"/bin/app", 9},
	                },
	        .memory = &memory,
	        .candidates = candidates,
	        .base = base,
	};
}

static inline struct snapshot_written save(const char *name, const struct snapshot *base)
{
	struct snapshot_content what = content(base);
	struct snapshot_written written;
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	cr_assert(fd >= 0);
	cr_assert_eq(snapshot_write(fd, &what, &written, &err), 0, "%s", err.text);
	close(fd);
	return written;
}

static inline int load(struct snapshot *snapshot, const char *name)
{
	return snapshot_open(snapshot, name, &err) ? -1 : snapshot_read(snapshot, &err);
}

/* What @snapshot holds, mapped into new memory, is what @memory holds now. */
static inline void assert_same(const struct snapshot *snapshot)
{
	struct guest_memory restored = {0};

	cr_assert_eq(guest_memory_create(&restored, FRAMES * PAGE, &err), 0);
	cr_assert_eq(snapshot_map(snapshot, &restored, &err), 0, "%s", err.text);
	cr_assert_eq(snapshot_fill_working_set(snapshot, &restored, true, &err), 0, "%s", err.text);
	for (uint64_t frame = 0; frame < FRAMES; frame++) {
		cr_assert_eq(memcmp(restored.host + frame * PAGE, memory.host + frame * PAGE, PAGE),
		             0, "page %llu", (unsigned long long)frame);
		cr_assert_eq(
		        memcmp(snapshot_page(snapshot, frame), memory.host + frame * PAGE, PAGE), 0,
		        "page %llu", (unsigned long long)frame);
	}
	munmap(restored.host, restored.size);
}

/* Loading @name fails, with one line that has @words in it. */
static inline void assert_refused(const char *name, const char *words)
{
	struct snapshot snapshot;

	err.text[0] = '\0';
	cr_assert_neq(load(&snapshot, name), 0, "%s was taken", name);
	cr_assert(strstr(err.text, words), "\"%s\" does not say \"%s\"", err.text, words);
	cr_assert_not(strchr(err.text, '\n'));
	snapshot_close(&snapshot);
}

#endif
