/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What devices are before a snapshot and after it: does something with one, comes to its mark, and
 * does more. The mark is a line "ready" of its own, so that a test may wait for it.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/rtnetlink.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "mote/guest.h"

static void mark(void)
{
	printf("ready\n");
	fflush(stdout);
	mote_snapshot_point();
}

static int check(int result, const char *what)
{
	if (result < 0) {
		printf("%s: %s\n", what, strerror(errno));
		exit(1);
	}
	return result;
}

static void print_file(const char *path)
{
	char text[512];
	int fd = open(path, O_RDONLY);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (got < 0) {
		printf("%s: %s\n", path, strerror(errno));
	} else {
		text[got] = '\0';
		printf("%s: %s\n", path, text);
	}
	if (fd >= 0)
		close(fd);
}

/* ---- names ---- */

static int names(int argc, char **argv)
{
	struct utsname name;

	mark();
	uname(&name);
	printf("host %s, X=%s\n", name.nodename, getenv("X") ? getenv("X") : "");
	for (int i = 1; i < argc; i++)
		printf("%s\n", argv[i]);
	print_file("/etc/hostname");
	return 0;
}

/* ---- disks ---- */

static int disk(const char *path)
{
	char block[4096];
	uint64_t size;
	int fd = check(open(path, O_RDWR), path);

	for (int round = 0; round < 2; round++) {
		check(pread(fd, block, sizeof block, 0) == sizeof block ? 0 : -1, "read");
		check(ioctl(fd, BLKGETSIZE64, &size), "size");
		printf("%llu bytes: %.16s\n", (unsigned long long)size, block);
		if (!round)
			mark();
	}
	memcpy(block, "written by guest", 16);
	check(pwrite(fd, block, sizeof block, 4096) == sizeof block ? 0 : -1, "write");
	check(fsync(fd), "fsync");
	return 0;
}

/* ---- shares ---- */

/* Open files, a working directory, a mapping, a directory that is being read. */
static int share(const char *directory)
{
	char text[64] = "", path[256], *mapped;
	struct stat status;
	struct dirent *entry;
	unsigned entries = 0;
	DIR *listing;
	int file, log;

	check(chdir(directory), directory);
	file = check(open("data", O_RDONLY), "data");
	log = check(open("log", O_RDWR | O_CREAT | O_APPEND, 0600), "log");
	check(write(log, "before\n", 7) == 7 ? 0 : -1, "write");
	mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
	check(mapped == MAP_FAILED ? -1 : 0, "mmap");
	printf("mapped: %.11s\n", mapped);
	check((int)read(file, text, 2), "read");
	check(stat("gone", &status), "gone");
	listing = opendir("many");
	check(listing && readdir(listing) && readdir(listing) ? 0 : -1, "many");
	mark();
	memset(text, 0, sizeof text);
	check((int)read(file, text, 2), "read after");
	printf("rest: %s\n", text);
	printf("mapped: %.11s\n", mapped);
	check(write(log, "after\n", 6) == 6 ? 0 : -1, "write after");
	printf("log of %lld bytes\n", (long long)lseek(log, 0, SEEK_END));
	printf("gone: %s\n", stat("gone", &status) ? strerror(errno) : "there");
	printf("new: %s\n", stat("new", &status) ? strerror(errno) : "there");
	while ((entry = readdir(listing)))
		entries++;
	printf("entries: %s\n", entries > 3 ? "all" : "too few");
	printf("in %s\n", getcwd(path, sizeof path));
	print_file("data");
	return 0;
}

/* An open file whose name goes: by the guest, or by whoever restores. */
static int file(const char *path, int removes, int locks)
{
	char text[16];
	int fd = check(open(path, O_RDWR), path);

	if (removes)
		check(unlink(path), "unlink");
	if (locks)
		check(flock(fd, LOCK_EX), "flock");
	mark();
	printf("read: %s\n", read(fd, text, sizeof text) < 0 ? strerror(errno) : "works");
	close(fd);
	return 0;
}

/* ---- networks ---- */

static struct sockaddr_in any(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
}

/* Answers with how often it was asked, until it is asked to quit. */
static int server(int port)
{
	struct sockaddr_in address = any(port);
	int listener = check(socket(AF_INET, SOCK_STREAM, 0), "socket"), one = 1, asked = 0;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	check(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
	check(listen(listener, 8), "listen");
	mark();
	for (;;) {
		char text[64] = "", answer[96];
		int fd = check(accept(listener, NULL, NULL), "accept");
		ssize_t got = read(fd, text, sizeof text - 1);
		int length = snprintf(answer, sizeof answer, "%d %s", ++asked, text);

		if (got > 0)
			check((int)write(fd, answer, (size_t)length), "write");
		close(fd);
		if (!strncmp(text, "quit", 4))
			return 0;
	}
}

static int datagrams(int port)
{
	struct sockaddr_in address = any(port), from;
	int fd = check(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	socklen_t size = sizeof from;
	char text[64];
	ssize_t got;

	check(bind(fd, (struct sockaddr *)&address, sizeof address), "bind");
	mark();
	got = check((int)recvfrom(fd, text, sizeof text, 0, (struct sockaddr *)&from, &size),
	            "recvfrom");
	check((int)sendto(fd, text, (size_t)got, 0, (struct sockaddr *)&from, size), "sendto");
	usleep(200000); /* whoever is asked by ARP answers meanwhile */
	return 0;
}

static void say_state(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN | POLLOUT};
	char byte;

	check(poll(&poll_fd, 1, 5000), "poll");
	printf("poll:%s%s\n", poll_fd.revents & POLLERR ? " error" : "",
	       poll_fd.revents & POLLHUP ? " hang-up" : "");
	printf("read: %s\n", read(fd, &byte, 1) < 0 ? strerror(errno) : "works");
	printf("write: %s\n", send(fd, "x", 1, MSG_NOSIGNAL) < 0 ? strerror(errno) : "works");
}

/* A connection to somebody else, one within the guest. */
static int connection(const char *host, int port)
{
	struct sockaddr_in there = any(port), here = any(1234);
	int out = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
	int listener = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
	int in = check(socket(AF_INET, SOCK_STREAM, 0), "socket"), accepted;
	char byte;

	inet_pton(AF_INET, host, &there.sin_addr);
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(bind(listener, (struct sockaddr *)&here, sizeof here), "bind");
	check(listen(listener, 1), "listen");
	check(connect(in, (struct sockaddr *)&here, sizeof here), "connect");
	accepted = check(accept(listener, NULL, NULL), "accept");
	check(connect(out, (struct sockaddr *)&there, sizeof there), "connect");
	check((int)write(out, "x", 1), "write");
	check(read(out, &byte, 1) == 1 ? 0 : -1, "read");
	mark();
	say_state(out);
	check((int)write(in, "y", 1), "write within");
	check(read(accepted, &byte, 1) == 1 ? 0 : -1, "read within");
	printf("within: works\n");
	return 0;
}

static int vsock(unsigned port)
{
	struct sockaddr_vm host = {
	        .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = port};
	struct sockaddr_vm here = {
	        .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = 99};
	int listener = check(socket(AF_VSOCK, SOCK_STREAM, 0), "socket"), out = -1, fd;
	char text[16] = "";

	check(bind(listener, (struct sockaddr *)&here, sizeof here), "bind");
	check(listen(listener, 1), "listen");
	if (port) {
		out = check(socket(AF_VSOCK, SOCK_STREAM, 0), "socket");
		check(connect(out, (struct sockaddr *)&host, sizeof host), "connect");
	}
	mark();
	if (port)
		say_state(out);
	fd = check(accept(listener, NULL, NULL), "accept");
	check((int)read(fd, text, sizeof text - 1), "read");
	printf("heard %s\n", text);
	return 0;
}

/* What is told of links and addresses; the MAC and the address as they are then. */
static int link_events(void)
{
	struct sockaddr_nl name = {.nl_family = AF_NETLINK,
	                           .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR};
	int fd = check(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), "socket"), probe;
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	_Alignas(16) char message[8192];
	const unsigned char *mac;
	struct ifreq request;

	check(bind(fd, (struct sockaddr *)&name, sizeof name), "bind");
	probe = check(socket(AF_INET, SOCK_DGRAM, 0), "socket");
	memset(&request, 0, sizeof request);
	strcpy(request.ifr_name, "eth0");
	check(ioctl(probe, SIOCGIFADDR, &request), "address");
	while (poll(&poll_fd, 1, 0) > 0)
		recv(fd, message, sizeof message, 0);
	mark();
	/* Without an address one is to come, from a server that may be slow. */
	while (poll(&poll_fd, 1, ioctl(probe, SIOCGIFADDR, &request) ? 15000 : 500) > 0) {
		const struct nlmsghdr *header = (const struct nlmsghdr *)message;
		const struct ifinfomsg *link = NLMSG_DATA(header);

		check((int)recv(fd, message, sizeof message, 0), "recv");
		if (header->nlmsg_type == RTM_NEWLINK)
			printf("link %s\n", link->ifi_flags & IFF_RUNNING ? "up" : "down");
		else if (header->nlmsg_type == RTM_NEWADDR)
			printf("address\n");
		else if (header->nlmsg_type == RTM_DELADDR)
			printf("no address\n");
	}
	check(ioctl(probe, SIOCGIFADDR, &request), "address");
	printf("%s\n", inet_ntoa(((struct sockaddr_in *)&request.ifr_addr)->sin_addr));
	check(ioctl(probe, SIOCGIFHWADDR, &request), "MAC");
	mac = (const unsigned char *)request.ifr_hwaddr.sa_data;
	printf("%02x:%02x:%02x:%02x:%02x:%02x\n", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	print_file("/etc/resolv.conf");
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "", *first = argc > 2 ? argv[2] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "disk"))
		return disk(first);
	if (!strcmp(what, "share"))
		return share(first);
	if (!strcmp(what, "file"))
		return file(first, argc > 3 && !strcmp(argv[3], "removed"),
		            argc > 3 && !strcmp(argv[3], "locked"));
	if (!strcmp(what, "server"))
		return server(atoi(first));
	if (!strcmp(what, "datagrams"))
		return datagrams(atoi(first));
	if (!strcmp(what, "connection") && argc == 4)
		return connection(first, atoi(argv[3]));
	if (!strcmp(what, "vsock"))
		return vsock((unsigned)atoi(first));
	if (!strcmp(what, "links"))
		return link_events();
	return names(argc, argv);
}
