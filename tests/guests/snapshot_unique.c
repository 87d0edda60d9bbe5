/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draws random numbers in every way there is before and after a mark: "before NAME VALUE" and
 * "after NAME VALUE". No value may ever be the same twice, but for those named same-*. With the
 * argument "again" it waits for a second restore then, and draws once more.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <mote/guest.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BYTES 16

static const char *when = "before";

static void say(const char *name, const void *bytes, size_t length)
{
	printf("%s %s ", when, name);
	for (size_t i = 0; i < length; i++)
		printf("%02x", ((const unsigned char *)bytes)[i]);
	putchar('\n');
}

static void draw_file(const char *name, const char *path)
{
	char bytes[64];
	int fd = open(path, O_RDONLY);
	ssize_t got = read(fd, bytes, strncmp(path, "/proc", 5) ? BYTES : sizeof(bytes));

	say(name, bytes, got > 0 ? (size_t)got : 0);
	close(fd);
}

/* A nonce as protocols make them: a random prefix and a counter. */
static void draw_nonce(void)
{
	static struct {
		unsigned char prefix[8];
		unsigned long counter;
	} nonce;

	if (getrandom(nonce.prefix, sizeof(nonce.prefix), 0) != sizeof(nonce.prefix))
		exit(1);
	nonce.counter++;
	say("nonce", &nonce, sizeof(nonce));
}

/* A list of ports that the system chooses: one alone may well be the same twice. */
static void draw_ports(int type, const char *name)
{
	unsigned short ports[8];

	for (unsigned i = 0; i < 8; i++) {
		struct sockaddr_in address = {.sin_family = AF_INET};
		socklen_t length = sizeof(address);
		int fd = socket(AF_INET, type, 0);

		if (bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
		    getsockname(fd, (struct sockaddr *)&address, &length))
			exit(1);
		ports[i] = address.sin_port;
		close(fd);
	}
	say(name, ports, sizeof(ports));
}

static void draw(void)
{
	unsigned char bytes[BYTES], large[4 * BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes) ||
	    syscall(SYS_getrandom, large, sizeof(large), GRND_RANDOM) != sizeof(large))
		exit(1);
	say("getrandom", bytes, sizeof(bytes));
	say("getrandom-more", large, sizeof(large));
	draw_file("urandom", "/dev/urandom");
	draw_file("random", "/dev/random");
	draw_file("uuid", "/proc/sys/kernel/random/uuid");
	draw_file("boot-id", "/proc/sys/kernel/random/boot_id");
	draw_nonce();
	draw_ports(SOCK_STREAM, "tcp-ports");
	draw_ports(SOCK_DGRAM, "udp-ports");
	say("same-at-random", (const void *)getauxval(AT_RANDOM), BYTES);
}

static void seed(void *argument)
{
	unsigned value;

	if (getrandom(&value, sizeof(value), 0) != sizeof(value))
		exit(1);
	srandom(value);
	++*(int *)argument;
}

/* The program's own generator: unlike only because the callback seeds it. */
static void draw_own(void)
{
	long values[4];

	for (unsigned i = 0; i < 4; i++)
		values[i] = random();
	say("callback", values, sizeof(values));
}

int main(int argc, char **argv)
{
	unsigned char id[MOTE_ID_SIZE];
	int called = 0, point;

	setvbuf(stdout, NULL, _IOFBF, 16384);
	if (argc > 1 && !strcmp(argv[1], "before"))
		draw();
	seed(&called);
	if (mote_on_restore(seed, &called))
		return 1;
	fflush(stdout);
	point = mote_snapshot_point();
	when = "after";
	draw();
	draw_own();
	if (mote_restores(id) > 0)
		say("generation", id, sizeof(id));
	if (argc > 1 && !strcmp(argv[1], "again") && point == MOTE_POINT_RESTORED) {
		fflush(stdout);
		while (mote_restores(id) < 2)
			usleep(20000);
		when = "again";
		draw();
		say("generation", id, sizeof(id));
		return 0;
	}
	if (point == MOTE_POINT_RESTORED ? called != 2 || !mote_is_restored()
	                                 : called != 1 || mote_is_restored())
		return 2;
	return 0;
}
