/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of snapshots that are written with a key. */
#define _GNU_SOURCE 1
#include "snapshot_harness.h"

#include "snapshot/auth.h"
#include "vmm/snapshot_train.h"

TestSuite(snapshot_auth, .init = harness_start, .fini = harness_end, .timeout = 120);

static struct snapshot_key key = {{1, 2, 3}}, other_key = {{1, 2, 4}};

static int load_with(struct snapshot *snapshot, const char *name, const struct snapshot_key *with)
{
	if (snapshot_open(snapshot, name, &err))
		return -1;
	snapshot->key = with;
	return snapshot_read(snapshot, &err);
}

static void save_with(const char *name, const struct snapshot *base,
                      const struct snapshot_key *with)
{
	struct snapshot_content what = content(base);
	struct snapshot_written written;
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	what.key = with;
	cr_assert_eq(snapshot_write(fd, &what, &written, &err), 0, "%s", err.text);
	close(fd);
}

static void assert_refused_with(const char *name, const struct snapshot_key *with,
                                const char *words)
{
	struct snapshot snapshot;

	err.text[0] = '\0';
	cr_assert_neq(load_with(&snapshot, name, with), 0, "%s was taken", name);
	cr_assert(strstr(err.text, words), "\"%s\" does not say \"%s\"", err.text, words);
	cr_assert_eq(err.code, MOTE_STATUS_CANNOT_RUN);
	snapshot_close(&snapshot);
}

static void fill_some(void)
{
	for (uint64_t frame = 8; frame < 700; frame++)
		fill(frame, 1);
}

/* Write at a place of the file, and put all sums right: what an enemy without the key can do. */
static void forge(const char *name, uint64_t offset, const void *bytes, size_t size)
{
	struct snapshot_header header;
	struct stat stat_of;
	unsigned char *file;
	int fd = open(name, O_RDWR);

	cr_assert_eq(fstat(fd, &stat_of), 0);
	file = mmap(NULL, (size_t)stat_of.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert(file != MAP_FAILED);
	memcpy(file + offset, bytes, size);
	memcpy(&header, file, sizeof header);
	for (uint64_t at = header.pages_offset, i = 0; at < header.file_size;
	     at += SNAPSHOT_CHUNK_PAGES * PAGE, i++) {
		uint64_t length = SNAPSHOT_CHUNK_PAGES * PAGE, sum;

		if (length > header.file_size - at)
			length = header.file_size - at;
		sum = checksum_64(file + at, length);
		memcpy(file + header.parts[SNAPSHOT_PART_SUMS].offset + i * 8, &sum, 8);
	}
	for (unsigned kind = 0; kind < SNAPSHOT_PARTS; kind++)
		header.parts[kind].sum = header.parts[kind].size
		                                 ? checksum_64(file + header.parts[kind].offset,
		                                               header.parts[kind].size)
		                                 : 0;
	if (header.run_pages) {
		struct snapshot_working_set *set = (void *)(file + SNAPSHOT_WORKING_SET_OFFSET);

		set->sum = checksum_64(&set->count, sizeof *set - 8);
		header.run_list_sum = set->sum;
	}
	header.sum = checksum_64(&header, offsetof(struct snapshot_header, sum));
	memcpy(file, &header, sizeof header);
	munmap(file, (size_t)stat_of.st_size);
	close(fd);
}

/* RFC 7693's function, as hashlib.blake2b() of Python computes it. */
Test(snapshot_auth, known_answer)
{
	static const uint8_t expected[] = {0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72,
	                                   0x31, 0x71, 0xef, 0x3f, 0xee, 0x98, 0x57, 0x9b,
	                                   0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb, 0x3e, 0x42,
	                                   0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19};
	struct digest digest;
	uint8_t is[32];

	digest_start(&digest);
	digest_add(&digest, "a", 1);
	digest_add(&digest, "bc", 2);
	digest_end(&digest, is);
	cr_assert_eq(memcmp(is, expected, sizeof is), 0);
}

Test(snapshot_auth, same_key)
{
	struct snapshot snapshot;

	fill_some();
	save_with("a", NULL, &key);
	cr_assert_eq(load_with(&snapshot, "a", &key), 0, "%s", err.text);
	cr_assert_eq(snapshot_verify(&snapshot, &err), 0, "%s", err.text);
	assert_same(&snapshot);
	snapshot_close(&snapshot);
}

Test(snapshot_auth, wrong_or_missing_key)
{
	fill_some();
	save_with("a", NULL, &key);
	assert_refused_with("a", &other_key, "another key");
	assert_refused_with("a", NULL, "give the same by --key-file");
	save_with("a", NULL, NULL);
	assert_refused_with("a", &key, "not written with a key");
}

/* Each of these has right checksums. */
Test(snapshot_auth, forgeries)
{
	struct snapshot snapshot;
	struct snapshot_header header;
	uint64_t machine_offset, pages_offset;
	const uint32_t flags = 0;

	fill_some();
	save_with("a", NULL, &key);
	cr_assert_eq(load_with(&snapshot, "a", &key), 0);
	header = *snapshot.layers[0].header;
	machine_offset = header.parts[SNAPSHOT_MACHINE].offset;
	pages_offset = header.pages_offset;
	snapshot_close(&snapshot);

	forge("a", pages_offset + 400 * PAGE + 7, "x", 1);
	assert_refused_with("a", &key, "another key, or changed"); /* the sums are a part */
	save_with("a", NULL, &key);
	forge("a", machine_offset + offsetof(struct snapshot_machine, regs.rip), "evil", 4);
	assert_refused_with("a", &key, "another key, or changed");
	save_with("a", NULL, &key);
	forge("a", offsetof(struct snapshot_header, id), "evil", 4);
	assert_refused_with("a", &key, "another key, or changed");
	save_with("a", NULL, &key);
	forge("a", offsetof(struct snapshot_header, flags), &flags, sizeof flags);
	assert_refused_with("a", &key, "cannot use snapshot");
}

/* A page whose sum happens to be right still: its digest is not. */
Test(snapshot_auth, page_is_damaged)
{
	struct snapshot snapshot;
	uint64_t offset;
	int fd;

	fill_some();
	save_with("a", NULL, &key);
	cr_assert_eq(load_with(&snapshot, "a", &key), 0);
	offset = snapshot.layers[0].header->pages_offset + 650 * PAGE;
	snapshot_close(&snapshot);
	fd = open("a", O_RDWR);
	cr_assert_eq(pwrite(fd, "x", 1, (off_t)offset), 1);
	close(fd);
	assert_refused_with("a", &key, "wrong digest");
}

Test(snapshot_auth, layers)
{
	struct snapshot snapshot;

	fill_some();
	save_with("a", NULL, &key);
	cr_assert_eq(load_with(&snapshot, "a", &key), 0);
	memset(candidates, 0, sizeof candidates);
	fill(9, 2);
	save_with("b", &snapshot, &key);
	save_with("c", &snapshot, NULL);
	snapshot_close(&snapshot);
	cr_assert_eq(load_with(&snapshot, "b", &key), 0, "%s", err.text);
	assert_same(&snapshot);
	snapshot_close(&snapshot);
	assert_refused_with("c", &key, "snapshot c: it was not written with a key");
	assert_refused_with("c", NULL, "snapshot a: it was written with a key");
	forge("a", offsetof(struct snapshot_header, extent_pages) - 8, "", 0);
	cr_assert_eq(load_with(&snapshot, "b", &key), 0, "%s", err.text); /* nothing was changed */
	snapshot_close(&snapshot);
}

Test(snapshot_auth, trained)
{
	static const uint32_t frames[] = {8, 9, 300}, wrong = 7;
	struct snapshot snapshot;

	fill_some();
	save_with("a", NULL, &key);
	cr_assert_eq(load_with(&snapshot, "a", &key), 0);
	snapshot_record(&snapshot, frames, 3);
	snapshot_close(&snapshot);
	cr_assert_neq(snapshot_train("a", true, NULL, &err), 0);
	cr_assert_neq(snapshot_train("a", true, &other_key, &err), 0);
	cr_assert_eq(snapshot_train("a", true, &key, &err), 0, "%s", err.text);
	cr_assert_eq(load_with(&snapshot, "a", &key), 0, "%s", err.text);
	cr_assert_eq(snapshot.working_set_count, 3);
	assert_same(&snapshot);
	snapshot_close(&snapshot);
	/* The list of a run says where its pages go: it is covered, too. */
	forge("a", SNAPSHOT_WORKING_SET_OFFSET + offsetof(struct snapshot_working_set, frames),
	      &wrong, sizeof wrong);
	assert_refused_with("a", &key, "another key, or changed");
}

Test(snapshot_auth, key_files)
{
	struct snapshot_key first, second;
	int fd = open("key", O_RDWR | O_CREAT, 0600);

	cr_assert_neq(snapshot_key_read(&first, "nowhere", &err), 0);
	cr_assert_eq(write(fd, "fifteen bytes..", 15), 15);
	cr_assert_neq(snapshot_key_read(&first, "key", &err), 0);
	cr_assert(strstr(err.text, "too short"), "%s", err.text);
	cr_assert_eq(write(fd, "!", 1), 1);
	cr_assert_eq(snapshot_key_read(&first, "key", &err), 0, "%s", err.text);
	cr_assert_eq(write(fd, "!", 1), 1);
	cr_assert_eq(snapshot_key_read(&second, "key", &err), 0, "%s", err.text);
	cr_assert_neq(memcmp(&first, &second, sizeof first), 0);
	cr_assert_eq(ftruncate(fd, 65536), 0);
	cr_assert_eq(snapshot_key_read(&first, "key", &err), 0, "%s", err.text);
	cr_assert_eq(ftruncate(fd, 65537), 0);
	cr_assert_neq(snapshot_key_read(&first, "key", &err), 0);
	cr_assert(strstr(err.text, "too long"), "%s", err.text);
	close(fd);
}
