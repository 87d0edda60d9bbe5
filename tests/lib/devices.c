/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMs with every kind of device, made, run, and closed again and again: no descriptor, child,
 * mapping or file of theirs stays. usage: devices GUESTS [NETWORK]
 */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 10

static struct mote_error err;

static unsigned count_entries(const char *folder)
{
	DIR *directory = opendir(folder);
	unsigned count = 0;

	while (directory && readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static unsigned long status_of(const char *key)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];
	unsigned long value = 0;

	while (fgets(line, sizeof line, status))
		if (!strncmp(line, key, strlen(key)))
			value = strtoul(line + strlen(key), NULL, 10);
	fclose(status);
	return value;
}

static void set(struct mote_config *config, const char *option, const char *value)
{
	CHECK(!mote_config_set(config, option, value, &err), &err);
}

static void add_devices(struct mote_config *config, const char *network)
{
	set(config, "disk", "disk.img,id=data");
	set(config, "share", "shared:/mnt");
	set(config, "vsock", "vsock");
	set(config, "entropy", NULL);
	set(config, "balloon", "1M");
	set(config, "console", "virtio");
	if (network)
		set(config, "net", network);
}

/* At any moment: before it runs, while it does, when it is over. */
static void run(const char *guest, const char *argument, const char *network, int how)
{
	struct mote_config *config = config_of(guest, argument);
	struct mote_event event = {0};
	struct mote_vm *vm;

	add_devices(config, network);
	vm = mote_create(config, &err);
	mote_config_free(config);
	CHECK(vm, &err);
	if (vm && how > 0) {
		CHECK(!mote_run(vm, how == 1 ? 3000000 : MOTE_NO_LIMIT, &event, &err), &err);
		CHECK(how == 1 || (event.type == MOTE_EVENT_EXITED && event.status == 5), &err);
	}
	mote_close(vm);
}

static void restore(const char *guest, const char *network)
{
	struct mote_config *config = config_of(guest, "5");
	struct mote_event event = {0};
	struct mote_vm *vm;

	add_devices(config, network);
	set(config, "snapshot-at", "main");
	vm = mote_create(config, &err);
	mote_config_free(config);
	CHECK(vm && !mote_run(vm, MOTE_NO_LIMIT, &event, &err), &err);
	CHECK(event.type == MOTE_EVENT_POINT && event.point == MOTE_POINT_MAIN, &err);
	CHECK(vm && !mote_snapshot(vm, "devices.snap", &err), &err);
	mote_close(vm);
	config = config_of("unused", NULL);
	add_devices(config, network);
	set(config, "verify-reset", NULL);
	vm = mote_restore(config, "devices.snap", &err);
	mote_config_free(config);
	CHECK(vm, &err);
	for (int i = 0; vm && i < 3; i++) {
		CHECK(!mote_run(vm, MOTE_NO_LIMIT, &event, &err), &err);
		CHECK(event.type == MOTE_EVENT_EXITED && event.status == 5, &err);
		CHECK(!mote_reset(vm, &err), &err);
	}
	mote_close(vm);
	unlink("devices.snap");
}

int main(int argc, char **argv)
{
	const char *network = argc > 2 ? argv[2] : NULL;
	unsigned descriptors, files;
	unsigned long memory = 0;
	char guest[4096];
	int disk = open("disk.img", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (argc < 2 || disk < 0 || ftruncate(disk, 1 << 20) ||
	    (mkdir("shared", 0700) && errno != EEXIST))
		return 2;
	close(disk);
	snprintf(guest, sizeof guest, "%s/status", argv[1]);
	descriptors = count_entries("/proc/self/fd");
	files = count_entries(".");
	for (int round = 0; round < ROUNDS; round++) {
		run(guest, "5", network, round % 3);
		restore(guest, network);
		if (round == 2)
			memory = status_of("VmSize:");
	}
	CHECK(count_entries("/proc/self/fd") == descriptors, &err);
	CHECK(count_entries(".") == files, &err);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, &err);
	printf("memory: %lu KiB of addresses after three rounds, %lu after all\n", memory,
	       status_of("VmSize:"));
#ifndef __SANITIZE_ADDRESS__ /* which keeps what is freed for a while */
	CHECK(status_of("VmSize:") <= memory + 1024, &err);
#endif
	return check_result();
}
