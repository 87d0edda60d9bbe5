/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the CPUID cache: hits, misses, and files that somebody else made. */
#include <criterion/criterion.h>
#include <dirent.h>

#include "vmm/cpuid_cache.c"

static char base[32], directory[64], path[96];
static struct cpuid answer, got;
static struct cpuid_cache cache;
static int system_fd;

static void make_base(void)
{
	strcpy(base, "/tmp/test-cpuid.XXXXXX");
	cr_assert(mkdtemp(base));
	snprintf(directory, sizeof directory, "%s/mote", base);
	snprintf(path, sizeof path, "%s/cpuid", directory);
	setenv("XDG_CACHE_HOME", base, 1);
	answer.count = 3;
	for (uint32_t i = 0; i < 3; i++)
		answer.entries[i] = (struct kvm_cpuid_entry2){.function = i, .eax = 100 + i};
	/* Any file stands for /dev/kvm: only its ctime is looked at. */
	system_fd = open("/dev/null", O_RDONLY);
}

static void remove_base(void)
{
	char other[128];

	unlink(path);
	snprintf(other, sizeof other, "%s/elsewhere", base);
	unlink(other);
	rmdir(directory);
	cr_assert_eq(rmdir(base), 0, "files were left behind");
}

TestSuite(cpuid_cache, .init = make_base, .fini = remove_base);

static bool load(void)
{
	memset(&got, 0xee, sizeof got);
	return cpuid_cache_load(&cache, system_fd, &got);
}

/* Store an answer that the next load finds. */
static void store(void)
{
	mkdir(directory, 0700);
	cr_assert_not(load());
	cr_assert(cache.is_usable);
	cpuid_cache_store(&cache, &answer);
	cr_assert(load(), "what was stored is found");
}

static void change(size_t offset, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY);

	cr_assert_eq(pwrite(fd, bytes, size, (off_t)offset), (ssize_t)size);
	close(fd);
}

Test(cpuid_cache, directories)
{
	char text[64];

	cr_assert(cpuid_cache_directory(text, sizeof text));
	cr_assert_str_eq(text, directory);
	setenv("HOME", "/home/somebody", 1);
	unsetenv("XDG_CACHE_HOME");
	cr_assert(cpuid_cache_directory(text, sizeof text));
	cr_assert_str_eq(text, "/home/somebody/.cache/mote");
	setenv("XDG_CACHE_HOME", "relative", 1); /* to be ignored, says the XDG specification */
	cr_assert(cpuid_cache_directory(text, sizeof text));
	cr_assert_str_eq(text, "/home/somebody/.cache/mote");
	setenv("XDG_CACHE_HOME", "", 1);
	cr_assert(cpuid_cache_directory(text, sizeof text));
	cr_assert_str_eq(text, "/home/somebody/.cache/mote");
	cr_assert_not(cpuid_cache_directory(text, sizeof "/home/somebody/.cache/mote" - 1));
	cr_assert(cpuid_cache_directory(text, sizeof "/home/somebody/.cache/mote"));
	setenv("HOME", "nowhere", 1);
	cr_assert_not(cpuid_cache_directory(text, sizeof text));
	unsetenv("HOME");
	cr_assert_not(cpuid_cache_directory(text, sizeof text));
}

Test(cpuid_cache, stores_and_loads)
{
	struct stat status;

	store();
	cr_assert_eq(got.count, 3);
	cr_assert_eq(got.entries[2].eax, 102);
	cr_assert_eq(stat(path, &status), 0);
	cr_assert_eq(status.st_mode & 0777, 0600);
}

Test(cpuid_cache, leaves_no_temporary_file)
{
	struct dirent *entry;
	int count = 0;
	DIR *opened;

	store();
	cpuid_cache_store(&cache, &answer);
	opened = opendir(directory);
	while ((entry = readdir(opened)))
		count += entry->d_name[0] != '.';
	closedir(opened);
	cr_assert_eq(count, 1);
}

Test(cpuid_cache, without_a_directory_nothing_happens)
{
	cr_assert_not(load());
	cpuid_cache_store(&cache, &answer);
	cr_assert_not(load());
}

Test(cpuid_cache, without_an_environment_nothing_happens)
{
	unsetenv("XDG_CACHE_HOME");
	unsetenv("HOME");
	cr_assert_not(load());
	cr_assert_not(cache.is_usable);
	cpuid_cache_store(&cache, &answer);
}

Test(cpuid_cache, another_device_is_a_miss)
{
	store();
	close(system_fd);
	system_fd = open(base, O_RDONLY);
	cr_assert_not(load(), "a KVM module that was loaded anew");
	close(system_fd);
	system_fd = -1;
	cr_assert_not(load());
	cr_assert_not(cache.is_usable);
}

Test(cpuid_cache, any_byte_of_the_key_counts)
{
	unsigned char bytes[offsetof(struct cache_file, cpuid)];
	int fd;

	store();
	fd = open(path, O_RDONLY);
	cr_assert_eq(read(fd, bytes, sizeof bytes), sizeof bytes);
	close(fd);
	for (size_t i = 0; i < sizeof bytes; i++) {
		unsigned char wrong = bytes[i] ^ 1;

		change(i, &wrong, 1);
		cr_assert_not(load(), "byte %zu", i);
		change(i, &bytes[i], 1);
	}
	cr_assert(load());
}

Test(cpuid_cache, wrong_sizes)
{
	store();
	for (off_t size = 0; size < (off_t)sizeof(struct cache_file); size += 97) {
		cr_assert_eq(truncate(path, size), 0);
		cr_assert_not(load(), "%ld bytes", (long)size);
	}
	cr_assert_eq(truncate(path, sizeof(struct cache_file) - 1), 0);
	cr_assert_not(load());
	unlink(path);
	store();
	cr_assert_eq(truncate(path, sizeof(struct cache_file) + 1), 0);
	cr_assert_not(load());
}

Test(cpuid_cache, counts)
{
	static const struct {
		uint32_t count;
		bool is_good;
	} cases[] = {{0, false},
	             {1, true},
	             {CPUID_ENTRIES_MAX, true},
	             {CPUID_ENTRIES_MAX + 1, false},
	             {UINT32_MAX, false}};

	store();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		change(offsetof(struct cache_file, cpuid.count), &cases[i].count, 4);
		cr_assert_eq(load(), cases[i].is_good, "count %u", cases[i].count);
	}
}

Test(cpuid_cache, files_that_others_may_write)
{
	static const mode_t bad[] = {0620, 0602, 0666, 0777};

	store();
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cr_assert_eq(chmod(path, bad[i]), 0);
		cr_assert_not(load(), "mode %o", bad[i]);
	}
	cr_assert_eq(chmod(path, 0644), 0);
	cr_assert(load());
}

Test(cpuid_cache, files_of_somebody_else)
{
	store();
	if (chown(path, 65534, (gid_t)-1))
		cr_skip("only root can give files away");
	cr_assert_not(load());
}

Test(cpuid_cache, links_are_not_followed)
{
	char other[128];

	store();
	snprintf(other, sizeof other, "%s/elsewhere", base);
	cr_assert_eq(rename(path, other), 0);
	cr_assert_eq(symlink(other, path), 0);
	cr_assert_not(load());
	unlink(path);
	cr_assert_eq(link(other, path), 0);
	cr_assert(load(), "the link alone was wrong");
}

Test(cpuid_cache, directories_and_fifos_are_no_files)
{
	store();
	unlink(path);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_not(load(), "and does not wait");
	unlink(path);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_not(load());
	cpuid_cache_store(&cache, &answer); /* cannot be renamed onto a directory */
	cr_assert_eq(rmdir(path), 0);
}
