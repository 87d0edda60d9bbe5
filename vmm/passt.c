/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts passt, which gives a guest the host's network without privileges.
 *
 * The guest's addresses are the same everywhere, so that it need not ask for them; passt translates
 * them, and leads what is sent to the gateway's to the host's own loopback interface. passt gets
 * one end of a socket pair and ends with the other. It has a session of its own, so that signals of
 * the terminal are for mote alone, and a pipe for its messages that never blocks it.
 */
#include "vmm/passt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define IPV4         "10.0.2.15"
#define IPV4_PREFIX  24
#define IPV4_GATEWAY "10.0.2.2"
#define IPV4_DNS     "10.0.2.3"
#define IPV6         "fd00:6d6f:7465::f"
#define IPV6_PREFIX  64
#define IPV6_GATEWAY "fd00:6d6f:7465::2"
#define MAC          "02:6d:6f:74:65:02"

#define SOCKET_IN_CHILD 3
#define SOCKET_BUFFER   (16 << 20) /* bytes; the system allows less (net.core.wmem_max) */
#define ARGUMENTS_MAX   (40 + 2 * NET_PUBLISH_MAX)

extern char **environ;

/* ---- what the host has ---- */

/* Whether a table of routes in /proc has a line of that form that is no loopback interface's. */
static bool has_route(const char *path, bool (*is_default)(const char *line))
{
	FILE *file = fopen(path, "re");
	char line[512];
	bool found = false;

	while (file && !found && fgets(line, sizeof line, file))
		found = is_default(line);
	if (file)
		fclose(file);
	return found;
}

/* /proc/net/route: interface, destination, gateway, flags, ..., mask */
static bool is_ipv4_default(const char *line)
{
	char interface[32];
	unsigned destination, mask;

	return sscanf(line, "%31s %x %*x %*x %*d %*d %*d %x", interface, &destination, &mask) ==
	               3 &&
	       !destination && !mask && strcmp(interface, "lo") != 0;
}

/* /proc/net/ipv6_route: destination, its prefix, source, its prefix, gateway, ..., interface */
static bool is_ipv6_default(const char *line)
{
	char destination[33], interface[32];
	unsigned prefix;

	return sscanf(line, "%32s %x %*s %*x %*s %*x %*x %*x %*x %31s", destination, &prefix,
	              interface) == 3 &&
	       strspn(destination, "0") == 32 && !prefix && strcmp(interface, "lo") != 0;
}

/* The host's name servers; those on its loopback interface are reached through passt. */
static bool add_name_server(struct net_addresses *addresses, const char *server)
{
	unsigned char bytes[16];
	bool is_ipv4 = inet_pton(AF_INET, server, bytes) == 1, is_local = is_ipv4 && *bytes == 127;
	bool is_ipv6 = !is_ipv4 && inet_pton(AF_INET6, server, bytes) == 1;

	if ((is_ipv6 && (!addresses->has_ipv6 || *bytes == 0 || *bytes == 0xfe)) ||
	    (is_ipv4 && !addresses->has_ipv4) || (!is_ipv4 && !is_ipv6))
		return false;
	snprintf(addresses->dns[addresses->dns_count++], NET_ADDRESS_TEXT, "%.45s",
	         is_local ? IPV4_DNS : server);
	return is_local;
}

static bool find_name_servers(struct net_addresses *addresses)
{
	FILE *file = fopen("/etc/resolv.conf", "re");
	bool is_forwarded = false;
	char line[256], server[64];

	while (file && addresses->dns_count < NET_DNS_MAX && !is_forwarded &&
	       fgets(line, sizeof line, file))
		if (sscanf(line, "nameserver %63s", server) == 1)
			is_forwarded = add_name_server(addresses, server);
	if (file)
		fclose(file);
	return is_forwarded;
}

/* ---- published ports ---- */

static int publish_error(const struct net_publish *publish, struct mote_error *err)
{
	int reason = errno;

	mote_error_errno(err, MOTE_STATUS_FAILED, "cannot publish %s port %u of %s",
	                 publish->is_udp ? "UDP" : "TCP", publish->host_port, publish->address);
	return reason == EACCES ? mote_error_hint(err, "Ports below 1024 are root's; take another")
	                        : -1;
}

/* passt would say that a port is taken when the guest runs already. */
static int check_port(const struct net_publish *publish, struct mote_error *err)
{
	union {
		struct sockaddr any;
		struct sockaddr_in ipv4;
		struct sockaddr_in6 ipv6;
	} address = {.any.sa_family = publish->is_ipv6 ? AF_INET6 : AF_INET};
	int fd = socket(address.any.sa_family,
	                (publish->is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	int on = 1, status = 0;

	if (fd < 0)
		return publish_error(publish, err);
	if (publish->is_ipv6) {
		address.ipv6.sin6_port = htons(publish->host_port);
		inet_pton(AF_INET6, publish->address, &address.ipv6.sin6_addr);
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	} else {
		address.ipv4.sin_port = htons(publish->host_port);
		inet_pton(AF_INET, publish->address, &address.ipv4.sin_addr);
	}
	if (!publish->is_udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, &address.any, sizeof address) || (!publish->is_udp && listen(fd, 1)))
		status = publish_error(publish, err);
	close(fd);
	return status;
}

/* ---- its command line ---- */

struct command {
	const char *words[ARGUMENTS_MAX];
	unsigned count;
	char mtu[8];
	char ports[NET_PUBLISH_MAX][NET_ADDRESS_TEXT + 16];
};

static void add(struct command *command, const char *option, const char *value)
{
	command->words[command->count++] = option;
	if (value)
		command->words[command->count++] = value;
}

static void add_addresses(struct command *command, struct net_addresses *addresses)
{
	bool has_ipv4 = has_route("/proc/net/route", is_ipv4_default);
	bool has_ipv6 = has_route("/proc/net/ipv6_route", is_ipv6_default);

	/* A host without a network still has its own services and users. */
	if (!has_ipv4 && !has_ipv6)
		add(command, "-i", "lo");
	*addresses = (struct net_addresses){.has_ipv4 = has_ipv4 || !has_ipv6,
	                                    .ipv4_prefix = IPV4_PREFIX,
	                                    .has_ipv6 = has_ipv6,
	                                    .ipv6_prefix = IPV6_PREFIX};
	inet_pton(AF_INET, IPV4, addresses->ipv4);
	inet_pton(AF_INET, IPV4_GATEWAY, addresses->ipv4_gateway);
	inet_pton(AF_INET6, IPV6, addresses->ipv6);
	inet_pton(AF_INET6, IPV6_GATEWAY, addresses->ipv6_gateway);
	if (addresses->has_ipv4) {
		add(command, "-a", IPV4);
		add(command, "-n", "24");
		add(command, "-g", IPV4_GATEWAY);
	}
	if (addresses->has_ipv6) {
		add(command, "-a", IPV6);
		add(command, "-g", IPV6_GATEWAY);
	}
	if (!addresses->has_ipv6)
		add(command, "-4", NULL);
	if (!addresses->has_ipv4)
		add(command, "-6", NULL);
	if (find_name_servers(addresses))
		add(command, "--dns-forward", IPV4_DNS);
}

static void compose(struct command *command, const struct net_options *net,
                    struct net_addresses *addresses)
{
	snprintf(command->mtu, sizeof command->mtu, "%u", net->mtu ? net->mtu : NET_PASST_MTU);
	add(command, "passt", NULL);
	add(command, "-f", NULL); /* in the foreground */
	add(command, "-q", NULL);
	add(command, "-1", NULL); /* ends with its one client */
	add(command, "-F", "3");  /* SOCKET_IN_CHILD */
	add(command, "-M", MAC);
	add(command, "-m", command->mtu);
	add_addresses(command, addresses);
	for (unsigned i = 0; i < net->publish_count; i++) {
		const struct net_publish *publish = &net->publish[i];

		snprintf(command->ports[i], sizeof command->ports[i], "%s/%u:%u", publish->address,
		         publish->host_port, publish->guest_port);
		add(command, publish->is_udp ? "-u" : "-t", command->ports[i]);
	}
}

/* ---- starting it ---- */

/* Descriptors 0 to 2 are open (main.c): what is put in place there is none of ours. */
static int spawn(const struct command *command, int socket_end, int messages, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	char *words[ARGUMENTS_MAX + 1] = {NULL};
	int status;

	memcpy(words, command->words, command->count * sizeof words[0]);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, messages, 2);
	posix_spawn_file_actions_adddup2(&actions, socket_end, SOCKET_IN_CHILD);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
	                                              POSIX_SPAWN_SETSID);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	status = posix_spawnp(pid, words[0], &actions, &attributes, words, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return status;
}

int passt_start(const struct net_options *net, struct net_passt *passt,
                struct net_addresses *addresses, struct mote_error *err)
{
	struct command command = {.count = 0};
	const int buffer = SOCKET_BUFFER;
	int ends[2], messages[2], failed;
	pid_t child = 0;

	for (unsigned i = 0; i < net->publish_count; i++)
		if (check_port(&net->publish[i], err))
			return -1;
	compose(&command, net, addresses);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot make a socket for passt");
	passt->fd = ends[0];
	if (pipe2(messages, O_CLOEXEC | O_NONBLOCK)) {
		close(ends[1]);
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot make a pipe for passt");
	}
	passt->messages = messages[0];
	/* passt drops what does not fit into its end, and looks after it two seconds later. */
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
	errno = spawn(&command, ends[1], messages[1], &child);
	failed = errno;
	close(ends[1]);
	close(messages[1]);
	errno = failed;
	if (failed) {
		mote_error_errno(err, MOTE_STATUS_FAILED, "cannot start passt");
		return failed == ENOENT ? mote_error_hint(err, "--net user needs it: "
		                                               "apt-get install passt")
		                        : -1;
	}
	failed = net_passt_init(passt, ends[0], messages[0]);
	passt->child = child;
	if (failed)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for the guest's network");
	return 0;
}

/* passt ends with its one client. */
void passt_stop(struct net_passt *passt)
{
	if (passt->fd >= 0)
		close(passt->fd);
	if (passt->messages >= 0)
		close(passt->messages);
	passt->fd = passt->messages = -1;
	while (passt->child && waitpid(passt->child, NULL, 0) < 0 && errno == EINTR)
		;
	free(passt->in);
	free(passt->out);
	passt->in = passt->out = NULL;
}
