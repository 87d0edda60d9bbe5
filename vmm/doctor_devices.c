/* SPDX-License-Identifier: Apache-2.0 */
/* `mote doctor`: what networks over a TAP and shared directories need of the host. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "virtio/fs_server.h"
#include "vmm/control_directory.h"
#include "vmm/doctor.h"

/* ---- --net tap ---- */

void doctor_check_tun(struct host *host, struct finding *finding)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	host->has_tun = fd >= 0;
	if (fd >= 0) {
		close(fd);
		found(finding, OK, "can be opened");
	} else if (errno == ENOENT) {
		found(finding, ADVICE,
		      "missing; needed for --net tap only: sudo modprobe tun, or in a "
		      "container, start it with --device /dev/net/tun");
	} else if (errno == EACCES || errno == EPERM) {
		found(finding, ADVICE,
		      "no permission; needed for --net tap only: sudo chmod 666 "
		      "/dev/net/tun is usual and gives nobody another one's interface");
	} else {
		found(finding, ADVICE,
		      "cannot be opened (%s); needed for --net tap only: sudo modprobe tun",
		      strerror(errno));
	}
}

/* A number that the kernel tells of an interface: 0 and @value, or -1. */
static int read_attribute(const char *interface, const char *name, long *value)
{
	char path[128], text[32];
	char *end;
	FILE *file;
	int result = -1;

	if (snprintf(path, sizeof path, "/sys/class/net/%s/%s", interface, name) >=
	    (int)sizeof path)
		return -1;
	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	if (fgets(text, sizeof text, file) != NULL) {
		*value = strtol(text, &end, 0);
		result = end != text ? 0 : -1;
	}
	fclose(file);
	return result;
}

static bool is_in_group(long group)
{
	gid_t groups[1024];
	int count = getgroups(sizeof groups / sizeof groups[0], groups);

	if (group == (long)getegid())
		return true;
	for (int i = 0; i < count; i++)
		if (group == (long)groups[i])
			return true;
	return false;
}

static bool may_administer_network(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[0].effective >> CAP_NET_ADMIN & 1) != 0;
}

/* As the kernel decides (drivers/net/tun.c): -1 is no owner, or no group. */
static bool may_use_tap(const char *interface)
{
	long flags, owner, group;

	if (read_attribute(interface, "tun_flags", &flags) || (flags & IFF_TAP) == 0 ||
	    read_attribute(interface, "owner", &owner) ||
	    read_attribute(interface, "group", &group))
		return false;
	return ((owner == -1 || owner == (long)geteuid()) && (group == -1 || is_in_group(group))) ||
	       may_administer_network();
}

void doctor_check_tap(struct host *host, struct finding *finding)
{
	DIR *interfaces;
	struct dirent *entry;
	char names[256] = "";

	if (!host->has_tun)
		return;
	interfaces = opendir("/sys/class/net");
	while (interfaces != NULL && (entry = readdir(interfaces)) != NULL)
		if (may_use_tap(entry->d_name))
			doctor_append(names, sizeof names, entry->d_name);
	if (interfaces != NULL)
		closedir(interfaces);
	if (names[0] != '\0')
		found(finding, OK, "for this user: %s", names);
	else
		found(finding, ADVICE,
		      "none for this user; needed for --net tap only. Make one: "
		      "sudo ip tuntap add dev mote0 mode tap user $USER vnet_hdr && "
		      "sudo ip addr add 192.0.2.1/24 dev mote0 && "
		      "sudo ip link set mote0 up; then: "
		      "mote run --net tap=mote0,ip=192.0.2.2/24,gateway=192.0.2.1");
}

/* ---- --share ---- */

/* The server reaches files by openat2(2) and opens them again by their names in /proc. */
void doctor_check_shares(struct host *host, struct finding *finding)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
	                       .resolve = RESOLVE_BENEATH};
	int root = (int)syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how);
	int reason = errno;

	(void)host;
	if (root >= 0)
		close(root);
	if (root < 0 && (reason == ENOSYS || reason == EPERM))
		found(finding, ADVICE,
		      "the system call openat2 is not there (%s); needed for --share only: "
		      "use Linux 5.6 or later, or in a container, a runtime that permits it",
		      strerror(reason));
	else if (access("/proc/self/fd", X_OK) < 0)
		found(finding, ADVICE,
		      "/proc is not mounted; needed for --share only: "
		      "sudo mount -t proc proc /proc");
	else
		found(finding, OK, "openat2 and /proc are there");
}

#define FILES_OF_VM 32 /* that a VM without shares opens at most, and that mote inherits */

void doctor_check_files(struct host *host, struct finding *finding)
{
	const unsigned long long wanted = FS_DESCRIPTORS_MAX + FILES_OF_VM;
	struct rlimit limit;

	(void)host;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		found(finding, ADVICE, "the limit is not known: %s", strerror(errno));
	else if (limit.rlim_max < wanted)
		found(finding, ADVICE,
		      "at most %llu: guests with --share may fail to open files. For each "
		      "share, allow %u more: see ulimit -Hn, /etc/security/limits.conf, or "
		      "LimitNOFILE of systemd",
		      (unsigned long long)limit.rlim_max, FS_DESCRIPTORS_MAX);
	else if (limit.rlim_max == RLIM_INFINITY)
		found(finding, OK, "no limit");
	else
		found(finding, OK, "up to %llu", (unsigned long long)limit.rlim_max);
}

void doctor_check_control(struct host *host, struct finding *finding)
{
	struct control_directory directory;
	struct mote_error err;

	(void)host;
	if (control_directory_open(&directory, &err)) {
		found(finding, ADVICE, "needed for --name only: %s", err.text);
		return;
	}
	found(finding, OK, "in %.500s", directory.path);
	control_directory_close(&directory);
}
