/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of /proc and of the built-in root. */
#include "tests/unit/special_fakes.h"
#include "tests/unit/thread_fakes.h"

#include "interface_fakes.h"

#include "guestkit/libc-shim/block_nodes.c"
#include "guestkit/libc-shim/interface.c"
#include "guestkit/libc-shim/proc_cpuinfo.c"
#include "guestkit/libc-shim/proc_fd.c"
#include "guestkit/libc-shim/proc_net.c"
#include "guestkit/libc-shim/proc_net_sockets.c"
#include "guestkit/libc-shim/proc_self.c"
#include "guestkit/libc-shim/proc_system.c"
#include "guestkit/libc-shim/proc_task.c"
#include "guestkit/libc-shim/procfs.c"
#include "guestkit/libc-shim/pseudo_fs.c"
#include "guestkit/libc-shim/text.c"

#undef DIRECTORY
#undef MOTE_VERSION
#define MOTE_VERSION "1.2"
#include "guestkit/libc-shim/builtin_root.c"

const struct unix_socket *unix_next(const struct unix_socket *previous)
{
	(void)previous;
	return NULL;
}

/* ---- the process that the tests look at ---- */

struct process process;
uint32_t snapshot_starts;
struct process_identity process_identity;

const char *system_host_name(void)
{
	return "guest";
}

struct capability_sets capability_sets = {.permitted = 0x1c0, .bounding = 0x1ffffffffff};

__attribute__((constructor)) static void make_reader(void)
{
	thread_count = 3;
	signal_thread->blocked = 0x4000;
	signal_thread->pending.set = 0x200;
}

uint64_t signal_pending(void)
{
	return 0x600;
}

const struct signal_action *signal_action(int signal)
{
	static const struct signal_action standard, ignored = {.handler = 1},
	                                            handled = {.handler = 0x401000};

	return signal == 13 ? &ignored : signal == 64 ? &handled : &standard;
}

bool descriptor_close_on_exec(int fd)
{
	return fd == 1;
}

/* One disk, of which something was read and nothing written. */
const struct inode_ops block_inode_ops;

struct block_disk *block_disk(unsigned index)
{
	static struct block_disk disk = {.sectors = 2049,
	                                 .logical_size = 512,
	                                 .physical_size = 4096,
	                                 .id = "serial",
	                                 .done[BLOCK_READ] = {3, 40, 5000000}};

	return index ? NULL : &disk;
}

unsigned block_disk_count(void)
{
	return 1;
}

/* Every other page is there; of those every other one is a copy. */
const uint64_t *page_table_look(uint64_t va, uint64_t *size)
{
	static const uint64_t entries[] = {PTE_PRESENT, 0, PTE_PRESENT | PTE_OWNED, 0};

	*size = PAGE_SIZE;
	return &entries[va / PAGE_SIZE % 4];
}

static struct vma mappings[3];
static size_t mapping_count;

const struct vma *vma_at(size_t index)
{
	return &mappings[index];
}

size_t vma_count(void)
{
	return mapping_count;
}

uint64_t vma_total(void)
{
	return 0x300000;
}

uint64_t process_cpu_time(void)
{
	return 1230000000;
}

uint64_t process_resident(void)
{
	return 0x100000;
}

uint64_t process_resident_peak(void)
{
	return 0x200000;
}

unsigned process_no_new_privileges(void)
{
	return 1;
}

const struct process_limit *process_limit(unsigned resource)
{
	static const struct process_limit limit = {1024, PROCESS_UNLIMITED};

	(void)resource;
	return &limit;
}

const char *vfs_working_path(void)
{
	return "/tmp";
}

bool console_file_is_terminal(const struct inode *inode)
{
	return inode->device == 0x501;
}

void random_fill(void *buffer, size_t length)
{
	static unsigned char byte = 0xff;

	memset(buffer, byte--, length);
}

/* Mounted are the root, /tmp and /dev/shm. */
const char *vfs_mounted(unsigned index, struct inode **root)
{
	static const struct inode_ops read_only;
	static struct inode share = {.ops = &read_only, .fs_id = 77};

	*root = &share;
	return index ? NULL : "/a share";
}

int vfs_walk(int dirfd, const char *path, unsigned flags, struct inode **found)
{
	static struct inode root, tmp = {.fs_id = 77}, shm = {.fs_id = 78};

	(void)dirfd;
	(void)flags;
	if (strcmp(path, "/proc") == 0)
		return -ENOENT;
	root.fs_id = vfs_root->fs_id;
	*found = inode_get(strcmp(path, "/tmp") == 0       ? &tmp
	                   : strcmp(path, "/dev/shm") == 0 ? &shm
	                                                   : &root);
	(*found)->references++;
	return 0;
}

static struct inode *proc;

static void make_proc(void)
{
	static const uint64_t auxv[] = {6, 4096, 0, 0};

	process = (struct process){
	        .executable_path = "/bin/demo",
	        .command_line = {"demo\0-x", 8},
	        .environment = {"A=1\0B=2", 8},
	        .auxiliary_vector = {auxv, sizeof(auxv)},
	        .name = "demo",
	        .start_monotonic = 4000000000,
	        .waited = 500000000,
	};
	proc = procfs_create();
	vfs_root = builtin_root_create();
	cr_assert_not_null(proc);
	cr_assert_not_null(vfs_root);
}

TestSuite(proc, .init = make_proc);
TestSuite(root, .init = make_proc);

/* ---- the process ---- */

Test(proc, no_path_stands_twice)
{
	const size_t count = sizeof(proc_nodes) / sizeof(proc_nodes[0]);

	for (size_t i = 0; i < count; i++)
		for (size_t j = i + 1; j < count; j++)
			cr_assert_str_neq(proc_nodes[i].path, proc_nodes[j].path);
}

Test(proc, self)
{
	cr_assert_str_eq(fake_target(proc, "self"), "1");
	cr_assert_str_eq(fake_target(proc, "1/exe"), "/bin/demo");
	cr_assert_str_eq(fake_target(proc, "1/cwd"), "/tmp");
	cr_assert_str_eq(fake_target(proc, "1/root"), "/");
	cr_assert_str_eq(fake_content(proc, "1/comm"), "demo\n");
	cr_assert_arr_eq(fake_content(proc, "1/cmdline"), "demo\0-x", 8);
	cr_assert_arr_eq(fake_content(proc, "1/environ"), "A=1\0B=2", 8);
	cr_assert_arr_eq(fake_content(proc, "1/auxv"), process.auxiliary_vector.data, 32);
}

Test(proc, directories)
{
	struct inode *dir = fake_find(proc, "sys/kernel"), *parent = NULL;

	cr_assert_str_eq(
	        fake_list(dir),
	        ". .. cap_last_cap core_pattern core_uses_pid domainname hostname ngroups_max "
	        "osrelease ostype perf_event_paranoid "
	        "pid_max random randomize_va_space threads-max version ");
	cr_assert_eq(dir->links, 3);
	cr_assert_eq(dir->ops->lookup(dir, "..", 2, &parent), 0);
	cr_assert_eq(parent, fake_find(proc, "sys"));
	cr_assert_null(fake_find(proc, "2"));
	cr_assert_null(fake_find(proc, "sys/kernel/hostnam"));
	cr_assert_null(fake_find(proc, "sys/kernel/random/boot_idx"));
}

Test(proc, any_cookie_is_safe)
{
	struct inode *dir = fake_find(proc, "1/fd");
	struct dir_entry entry;
	uint64_t cookie = UINT64_MAX;

	cr_assert_eq(proc->ops->readdir(proc, &cookie, &entry), 0);
	cookie = UINT64_MAX;
	cr_assert_eq(dir->ops->readdir(dir, &cookie, &entry), 0);
}

Test(proc, stat_has_52_fields)
{
	const char *stat = fake_content(proc, "1/stat");
	unsigned fields = 1;
	long number = 0;

	for (const char *at = stat; *at; at++)
		fields += *at == ' ';
	cr_assert_eq(fields, 52, "%u in: %s", fields, stat);
	cr_assert_eq(sscanf(stat,
	                    "1 (demo) R %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d "
	                    "%*d %*d %*d %*d %*d %*d %*d %ld",
	                    &number),
	             1);
	cr_assert_eq(number, 256, "the resident set is field 24");
	cr_assert_eq(
	        sscanf(stat, "1 (demo) R %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %ld", &number), 1);
	cr_assert_eq(number, 123, "user time is field 14");
}

Test(proc, status)
{
	static uint32_t groups[] = {5, 6};
	const char *status;

	process_identity = (struct process_identity){
	        .uid = 7, .real_uid = 6, .saved_uid = 8, .groups = groups, .group_count = 2};
	status = fake_content(proc, "1/status");
	cr_assert_not_null(strstr(status, "\nUid:\t6\t7\t8\t0\nGid:\t0\t0\t0\t0\n"));
	cr_assert_not_null(strstr(status, "\nGroups:\t5 6 \n"));
	cr_assert_not_null(strstr(status, "\nVmRSS:\t1024 kB\n"));
	cr_assert_not_null(strstr(status, "\nThreads:\t3\n"));
	cr_assert_not_null(strstr(status, "\nSigPnd:\t0000000000000200\nShdPnd:\t0000000000000400\n"
	                                  "SigBlk:\t0000000000004000\nSigIgn:\t0000000000001000\n"
	                                  "SigCgt:\t8000000000000000\n"));
	cr_assert_not_null(strstr(status, "\nCapEff:\t0000000000000000\n"));
	cr_assert_not_null(strstr(status, "\nCapPrm:\t00000000000001c0\n"));
	cr_assert_not_null(strstr(status, "\nCapBnd:\t000001ffffffffff\n"));
	cr_assert_not_null(strstr(status, "\nNoNewPrivs:\t1\n"));
}

Test(proc, maps)
{
	static struct inode inode = {.number = 42, .fs_id = 0x21};
	static char path[] = "/lib/data";
	static struct file file = {.inode = &inode, .path = path};

	mappings[0] = (struct vma){
	        0x400000, 0x401000, PROT_READ | PROT_EXEC, MAP_PRIVATE | VMA_IMAGE, NULL, 0};
	mappings[1] = (struct vma){0x500000, 0x503000, PROT_READ, MAP_SHARED, &file, 0x2000};
	mappings[2] = (struct vma){0x7fffff0000,
	                           0x7fffffe000,
	                           PROT_READ | PROT_WRITE,
	                           MAP_PRIVATE | VMA_STACK,
	                           NULL,
	                           0};
	mapping_count = 3;
	cr_assert_str_eq(fake_content(proc, "1/maps"), "00400000-00401000 r-xp 00000000 00:00 0    "
	                                               "                              /bin/demo\n"
	                                               "00500000-00503000 r--s 00002000 00:21 42   "
	                                               "                              /lib/data\n"
	                                               "7fffff0000-7fffffe000 rw-p 00000000 00:00 "
	                                               "0                              [stack]\n");
}

/* More than the first buffer of a text holds. */
Test(proc, limits)
{
	const char *limits = fake_content(proc, "1/limits");

	cr_assert_eq(strlen(limits), 17 * 79);
	cr_assert_not_null(strstr(limits,
	                          "\nMax open files            1024                 unlimited"
	                          "            files     \n"));
}

Test(proc, mounts)
{
	cr_assert_str_eq(fake_content(proc, "1/mounts"),
	                 "overlay / overlay rw,relatime 0 0\n"
	                 "tmpfs /tmp tmpfs rw,relatime 0 0\n"
	                 "tmpfs /dev/shm tmpfs rw,relatime 0 0\n"
	                 "share0 /a\\040share virtiofs ro,relatime 0 0\n");
	cr_assert_str_eq(fake_content(proc, "1/mountinfo"),
	                 "1 0 0:2 / / rw,relatime - overlay overlay rw,relatime\n"
	                 "2 1 0:77 / /tmp rw,relatime - tmpfs tmpfs rw,relatime\n"
	                 "4 3 0:78 / /dev/shm rw,relatime - tmpfs tmpfs rw,relatime\n"
	                 "7 1 0:77 / /a\\040share ro,relatime - virtiofs share0 ro,relatime\n");
}

/* ---- descriptors ---- */

Test(proc, descriptions)
{
	static struct inode inode = {.mode = S_IFREG, .number = 9, .references = 1};
	static char path[] = "/tmp/x";
	static struct file file = {
	        .inode = &inode, .flags = O_RDWR | O_APPEND, .position = 12, .path = path};
	struct inode *info;
	struct file *opened;

	fake_descriptors[0] = fake_descriptors[1] = &file;
	cr_assert_str_eq(fake_content(proc, "1/fdinfo/0"),
	                 "pos:\t12\nflags:\t02002\nmnt_id:\t1\nino:\t9\n");
	cr_assert_str_eq(fake_content(proc, "1/fdinfo/1"),
	                 "pos:\t12\nflags:\t02002002\nmnt_id:\t1\nino:\t9\n");
	cr_assert_str_eq(fake_target(proc, "1/fd/0"), "/tmp/x (deleted)");
	cr_assert_str_eq(fake_list(fake_find(proc, "1/fdinfo")), ". .. 0 1 ");
	cr_assert_null(fake_find(proc, "1/fdinfo/2"));
	info = fake_find(proc, "1/fdinfo/0");
	fake_descriptors[0] = NULL;
	cr_assert_eq(file_open_inode(info, O_RDONLY, NULL, &opened), -ENOENT, "closed meanwhile");
}

Test(proc, tasks)
{
	struct inode *dir = fake_find(proc, "1/task"), *comm;
	struct file *opened;

	strcpy(process.name, "process");
	cr_assert_str_eq(fake_list(dir), ". .. 1 ");
	cr_assert_str_eq(fake_content(proc, "1/task/1/comm"), "process\n");
	fake_thread(7);
	fake_thread(5);
	strcpy(thread_find(7)->name, "seven");
	cr_assert_str_eq(fake_list(dir), ". .. 1 5 7 ");
	cr_assert_str_eq(fake_content(proc, "1/task/7/comm"), "seven\n");
	cr_assert_str_eq(fake_content(proc, "1/task/7/cgroup"), "0::/\n");
	cr_assert_null(strstr(fake_list(fake_find(proc, "1/task/7")), "task"));
	fake_run(thread_find(7));
	cr_assert_str_eq(fake_target(proc, "thread-self"), "1/task/7");
	cr_assert_null(fake_find(proc, "1/task/8"));
	cr_assert_null(fake_find(proc, "1/task/07"));
	cr_assert_null(fake_find(proc, "1/task/99999999999999999"));
	cr_assert_null(fake_find(proc, "1/task/7/task"));
	comm = fake_find(proc, "1/task/7/comm");
	thread_find(7)->id = 9;
	cr_assert_eq(file_open_inode(comm, O_RDONLY, NULL, &opened), -ESRCH, "ended meanwhile");
}

static int64_t store(const char *path, const char *text)
{
	struct file *file = fake_open(proc, path);
	int64_t result = file->ops->write(file, (uint64_t)text, strlen(text), &file->position);

	file_put(file);
	return result;
}

Test(proc, what_can_be_written)
{
	cr_assert_eq(store("1/comm", "0123456789abcdefXYZ"), 19);
	cr_assert_str_eq(fake_content(proc, "1/comm"), "0123456789abcde\n");
	cr_assert_eq(store("1/oom_score_adj", "-1000\n"), 6);
	cr_assert_str_eq(fake_content(proc, "1/oom_score_adj"), "-1000\n");
	cr_assert_eq(store("1/oom_score_adj", "1001"), -EINVAL);
	cr_assert_eq(store("1/oom_score_adj", ""), -EINVAL);
	cr_assert_eq(store("1/oom_score_adj", "-"), -EINVAL);
	cr_assert_eq(store("1/oom_score_adj", "99999999999999999999"), -EINVAL);
	cr_assert_str_eq(fake_content(proc, "1/oom_score_adj"), "-1000\n");
	cr_assert_null(fake_open(proc, "version")->ops->write);
}

Test(proc, descriptors)
{
	static struct inode pipe = {.mode = S_IFIFO, .number = 9, .references = 1, .links = 1};
	static struct inode terminal = {.mode = S_IFCHR, .device = 0x501, .references = 1};
	static char path[] = "/tmp/x";
	static struct file on_pipe = {.inode = &pipe, .flags = O_WRONLY};
	static struct file on_file = {.inode = &pipe, .path = path};
	static struct file on_terminal = {.inode = &terminal, .flags = O_RDWR};
	struct inode *dir = fake_find(proc, "1/fd"), *link, *target;
	long before = fake_heap;

	fake_descriptors[0] = &on_terminal;
	fake_descriptors[3] = &on_pipe;
	fake_descriptors[5] = &on_file;
	cr_assert_str_eq(fake_list(dir), ". .. 0 3 5 ");
	cr_assert_str_eq(fake_target(dir, "0"), "/dev/console");
	cr_assert_str_eq(fake_target(dir, "3"), "pipe:[9]");
	cr_assert_str_eq(fake_target(dir, "5"), "/tmp/x");
	pipe.links = 0;
	cr_assert_str_eq(fake_target(dir, "5"), "/tmp/x (deleted)");
	cr_assert_str_eq(fake_target(dir, "3"), "pipe:[9]");
	pipe.links = 1;
	link = fake_find(dir, "3");
	cr_assert_eq(link->mode, S_IFLNK | 0300);
	cr_assert_eq(link->ops->follow(link, &target), 0);
	cr_assert_eq(target, &pipe);
	cr_assert_eq(pipe.references, 2);
	fake_descriptors[3] = NULL;
	cr_assert_eq(link->ops->follow(link, &target), -ENOENT, "closed meanwhile");
	inode_put(link);
	cr_assert_eq(fake_heap, before, "links are freed");
	cr_assert_null(fake_find(dir, "3"));
	cr_assert_null(fake_find(dir, "05"));
	cr_assert_null(fake_find(dir, "5x"));
	cr_assert_null(fake_find(dir, "99999999999"));
	cr_assert_eq(dir->ops->lookup(dir, "..", 2, &target), 0);
	cr_assert_eq(target, fake_find(proc, "1"));
}

/* ---- the system ---- */

Test(proc, system)
{
	cr_assert_not_null(
	        strstr(fake_content(proc, "meminfo"), "MemTotal: 4096 kB\nMemFree: 3072 kB"));
	cr_assert_str_eq(fake_content(proc, "uptime"), "6.00 0.50\n");
	cr_assert_str_eq(
	        fake_content(proc, "stat"),
	        "cpu  123 0 0 50 0 0 0 0 0 0\ncpu0 123 0 0 50 0 0 0 0 0 0\nintr 0\nctxt 0\n"
	        "btime 1599999999\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n");
	cr_assert_str_eq(fake_content(proc, "sys/kernel/ostype"), "Linux\n");
	cr_assert_str_eq(fake_content(proc, "sys/fs/file-max"), "1024\n");
	cr_assert_str_eq(fake_target(proc, "mounts"), "self/mounts");
}

Test(proc, disks)
{
	cr_assert_str_eq(fake_content(proc, "partitions"),
	                 "major minor  #blocks  name\n\n 254        0       1024 vda\n");
	cr_assert_str_eq(fake_content(proc, "diskstats"),
	                 " 254       0 vda 3 0 40 5 0 0 0 0 0 5 5 0 0 0 0 0 0\n");
}

/* The tables of /dev and /sys with a disk behind what they have. */
Test(proc, nodes_of_disks)
{
	const struct pseudo_node table[] = {{.path = "", .mode = S_IFDIR | 0755},
	                                    {.path = "block", .mode = S_IFDIR | 0755}};
	size_t count = 1;
	const struct pseudo_node *nodes = block_dev_nodes(table, &count);
	struct inode *root = pseudo_fs_create(nodes, count, 1), *disk;

	disk = pseudo_fs_inode(root, "vda");
	cr_assert_not_null(disk);
	cr_assert_eq(disk->mode, S_IFBLK | 0660);
	cr_assert_eq(disk->device, 254 << 8);
	cr_assert_str_eq(fake_target(root, "disk/by-id/virtio-serial"), "../../vda");
	count = 2;
	nodes = block_sys_nodes(table, &count);
	root = pseudo_fs_create(nodes, count, 1);
	cr_assert_str_eq(fake_content(root, "block/vda/size"), "2049\n");
	cr_assert_str_eq(fake_content(root, "block/vda/dev"), "254:0\n");
	cr_assert_str_eq(fake_content(root, "block/vda/serial"), "serial");
	cr_assert_str_eq(fake_content(root, "block/vda/queue/physical_block_size"), "4096\n");
}

static unsigned times_grown;

static const struct pseudo_node *grow_once(const struct pseudo_node *nodes, size_t *count)
{
	times_grown++;
	return block_dev_nodes(nodes, count);
}

static struct inode *look_up(struct inode *dir, const char *name)
{
	struct inode *found = NULL;
	int status = dir->ops->lookup(dir, name, strlen(name), &found);

	cr_assert(status == 0 || status == -ENOENT);
	return found;
}

/* What belongs to disks is made when somebody looks for it, and inodes there are stay. */
Test(proc, table_that_grows)
{
	const struct pseudo_node table[] = {{.path = "", .mode = S_IFDIR | 0755},
	                                    {.path = "shm", .mode = S_IFDIR | 0755}};
	struct inode *root = pseudo_fs_create_growing(table, 2, 1, grow_once, block_dev_room());
	struct inode *shm = look_up(root, "shm"), *disk;
	struct dir_entry entry;
	uint64_t cookie = 0;
	unsigned entries = 0;

	cr_assert_eq(times_grown, 0);
	cr_assert_eq(root->links, 3);
	disk = look_up(root, "vda");
	cr_assert_eq(times_grown, 1);
	cr_assert_eq(disk->device, 254 << 8);
	cr_assert_eq(root->links, 4, "a directory more");
	cr_assert_eq(look_up(root, "shm"), shm);
	cr_assert_eq(look_up(shm, ".."), root);
	cr_assert_null(look_up(shm, "vda"));
	cr_assert_null(look_up(root, "vdb"));
	cr_assert_eq(times_grown, 1);
	while (root->ops->readdir(root, &cookie, &entry) > 0)
		entries++;
	cr_assert_eq(entries, 5, "., .., shm, disk and vda");

	root = pseudo_fs_create_growing(table, 2, 1, grow_once, block_dev_room());
	cr_assert_eq(inode_refresh(root), 0);
	cr_assert_eq(root->links, 4);
	cr_assert_eq(times_grown, 2);
}

Test(proc, uuid)
{
	char first[64];

	strcpy(first, fake_content(proc, "sys/kernel/random/uuid"));
	cr_assert_str_eq(first, "ffffffff-ffff-4fff-bfff-ffffffffffff\n");
	cr_assert_str_neq(fake_content(proc, "sys/kernel/random/uuid"), first);
	strcpy(first, fake_content(proc, "sys/kernel/random/boot_id"));
	cr_assert_str_eq(fake_content(proc, "sys/kernel/random/boot_id"), first);
}

/* A field of the host's own /proc/cpuinfo, from behind the colon to the end of the line. */
static void host_field(const char *name, char *value, size_t size)
{
	FILE *host = fopen("/proc/cpuinfo", "r");
	char line[8192];

	value[0] = '\0';
	while (host && fgets(line, sizeof(line), host))
		if (strncmp(line, name, strlen(name)) == 0 &&
		    strpbrk(line, "\t:") == line + strlen(name)) {
			snprintf(value, size, "%s", strchr(line, ':') + 1);
			break;
		}
	if (host)
		fclose(host);
}

/* What is shown of this machine must be what Linux shows of it. */
Test(proc, cpuinfo)
{
	static const char *const same[] = {"vendor_id",  "cpu family", "model",
	                                   "model name", "stepping",   "clflush size"};
	static char value[8192], line[8300];
	const char *info = fake_content(proc, "cpuinfo");

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		host_field(same[i], value, sizeof(value));
		if (!value[0])
			continue;
		snprintf(line, sizeof(line), "\n%s", same[i]);
		cr_assert_not_null(strstr(info, line), "%s", same[i]);
		cr_assert_not_null(strstr(strstr(info, line), value), "%s:%s in %s", same[i], value,
		                   info);
	}
	host_field("flags", value, sizeof(value));
	for (char *flag = strtok(value, " \n"); flag; flag = strtok(NULL, " \n")) {
		static const char *const wanted[] = {
		        "fpu",    "sse2",   "syscall", "nx",    "lm",  "avx2", "bmi2",   "aes",
		        "popcnt", "rdrand", "abm",     "xsave", "adx", "fma",  "sha_ni", "lahf_lm"};

		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
			if (strcmp(flag, wanted[i]) != 0)
				continue;
			snprintf(line, sizeof(line), " %s", flag);
			cr_assert_not_null(strstr(info, line), "%s of the host is missing", flag);
		}
	}
}

Test(proc, one_reader_sees_one_moment)
{
	struct file *file = fake_open(proc, "uptime");
	char text[16] = "";

	cr_assert_eq(fake_read(file, text, 3), 3);
	fake_now += 100000000000;
	cr_assert_eq(fake_read(file, text + 3, 13), 7);
	cr_assert_str_eq(text, "6.00 0.50\n");
	file->position = UINT64_MAX;
	cr_assert_eq(fake_read(file, text, 3), 0);
	file->position = 0;
	fake_fault_at = (uint64_t)text;
	cr_assert_eq(fake_read(file, text, 3), -EFAULT);
	file_put(file);
}

Test(proc, open_and_close_leaves_nothing)
{
	long before;

	fake_content(proc, "1/limits");
	fake_target(proc, "1/exe"); /* inodes stay once they are made */
	before = fake_heap;
	fake_content(proc, "1/limits");
	fake_target(proc, "1/exe");
	cr_assert_eq(fake_heap, before);
}

Test(proc, memory_is_short)
{
	struct inode *inode = fake_find(proc, "1/limits"), *link = fake_find(proc, "1/exe");
	struct file file = {.inode = inode};
	char buffer[16];

	fake_memory_is_short = true;
	cr_assert_eq(inode->ops->open(inode, &file), -ENOMEM);
	cr_assert_eq(link->ops->readlink(link, buffer, sizeof(buffer)), -ENOMEM);
	cr_assert_null(procfs_create());
}

/* ---- text ---- */

Test(proc, text_numbers)
{
	struct text text = {0};

	text_hex(&text, 0xabc, 8);
	text_string(&text, " ");
	text_decimal(&text, UINT64_MAX, 1);
	text_string(&text, " ");
	text_decimal(&text, 0, 1);
	text_pad(&text, 0, 35);
	text_print(&text, "%s%d", "x", -7);
	cr_assert_eq(text.length, 38);
	cr_assert_arr_eq(text.data, "00000abc 18446744073709551615 0    x-7", 38);
	text_free(&text);
}

Test(proc, text_cuts_long_prints)
{
	struct text text = {0};
	static char longer[1000];

	memset(longer, 'y', sizeof(longer) - 1);
	text_print(&text, "%s", longer);
	cr_assert_eq(text.length, TEXT_PRINT_SIZE - 1);
	text_string(&text, longer);
	cr_assert_eq(text.length, TEXT_PRINT_SIZE - 1 + 999);
	fake_memory_is_short = true;
	text_bytes(&text, longer, 999);
	text_bytes(&text, longer, 999);
	cr_assert(text.has_failed);
	text_free(&text);
}

/* ---- the built-in root ---- */

Test(root, files)
{
	cr_assert_str_eq(fake_content(vfs_root, "etc/hostname"), "mote\n");
	cr_assert_not_null(
	        strstr(fake_content(vfs_root, "etc/os-release"), "VERSION_ID=\"1.2\"\n"));
	cr_assert_eq(fake_find(vfs_root, "tmp")->mode, S_IFDIR | 01777);
	cr_assert_str_eq(fake_list(vfs_root), ". .. dev etc proc root sys tmp ");
	cr_assert_eq(fake_find(vfs_root, "etc/hostname")->size, 5);
}

Test(root, mapping)
{
	struct file *file = fake_open(vfs_root, "etc/hostname");
	uint64_t physical = 0, again = 0;

	cr_assert_eq(file->ops->page(file, 0, false, &physical), 0);
	cr_assert_str_eq(direct_map(physical), "mote\n");
	cr_assert_eq(file->ops->page(file, 0, true, &again), 0);
	cr_assert_eq(again, physical);
	cr_assert_eq(file->ops->page(file, 1, false, &physical), -EFAULT);
	file_put(file);
	file = fake_open(proc, "uptime");
	cr_assert_eq(file->ops->page(file, 0, false, &physical), -ENODEV);
}

Test(root, is_read_only)
{
	struct inode *etc = fake_find(vfs_root, "etc");
	struct file *file = fake_open(vfs_root, "etc/hosts");

	cr_assert_null(etc->ops->create);
	cr_assert_null(etc->ops->unlink);
	cr_assert_null(file->ops->write);
}
