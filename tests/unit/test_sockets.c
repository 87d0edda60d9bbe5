/* SPDX-License-Identifier: Apache-2.0 */
/* AF_UNIX sockets: the kit against Linux at random, and what becomes of memory. */
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/vfs_harness.h"

#include "guestkit/libc-shim/interface.h"
#include "guestkit/libc-shim/socket.c"
#include "guestkit/libc-shim/socket_control.c"
#include "guestkit/libc-shim/socket_options.c"
#include "guestkit/libc-shim/sys_message.c"
#include "guestkit/libc-shim/sys_socket.c"
#include "guestkit/libc-shim/unix.c"
#include "guestkit/libc-shim/unix_collect.c"
#include "guestkit/libc-shim/unix_connect.c"
#include "guestkit/libc-shim/unix_name.c"
#include "guestkit/libc-shim/unix_packet.c"
#include "guestkit/libc-shim/unix_receive.c"
#include "guestkit/libc-shim/unix_send.c"

struct process_identity process_identity;

/* Other families, and interfaces: not under test. */
int netlink_create(unsigned type, int protocol, struct socket **made)
{
	(void)type;
	(void)protocol;
	(void)made;
	return -EAFNOSUPPORT;
}

int inet_create(unsigned family, unsigned type, int protocol, struct socket **made)
{
	(void)family;
	return netlink_create(type, protocol, made);
}

int64_t interface_ioctl(unsigned family, unsigned request, uint64_t argument)
{
	(void)family;
	(void)request;
	(void)argument;
	return -ENOTTY;
}

/* What is in use, to be compared later. */
struct usage {
	size_t blocks, frames;
};

static struct usage usage_now(void)
{
	return (struct usage){fake_heap_blocks, fake_free};
}

static void same_usage(struct usage before, int line)
{
	cr_assert_eq(fake_heap_blocks, before.blocks, "%ld blocks leaked (line %d)",
	             (long)(fake_heap_blocks - before.blocks), line);
	cr_assert_eq(fake_free, before.frames, "%ld frames leaked (line %d)",
	             (long)(before.frames - fake_free), line);
	cr_assert_eq(files_in_flight, 0);
	cr_assert_eq(sockets_in_flight, 0);
	cr_assert_null(sockets);
	cr_assert_null(names);
}
#define SAME_USAGE(before) same_usage(before, __LINE__)

static void kit_pair(int type, int *fds)
{
	cr_assert_eq(KIT(socketpair, AF_UNIX, (uint64_t)type, 0, P(fds)), 0);
}

static void kit_close(int fd)
{
	cr_assert_eq(KIT(close, (uint64_t)fd), 0);
}

/* A message of one byte with files. */
struct files_message {
	struct msghdr header;
	struct iovec piece;
	char byte;
	union {
		struct cmsghdr first;
		char bytes[CMSG_SPACE(MESSAGE_RIGHTS_MAX * sizeof(int))];
	} control;
};

static void files_message_init(struct files_message *message, const int *files, unsigned count)
{
	memset(message, 0, sizeof(*message));
	message->piece = (struct iovec){&message->byte, 1};
	message->header.msg_iov = &message->piece;
	message->header.msg_iovlen = 1;
	message->header.msg_control = &message->control;
	message->header.msg_controllen = count ? CMSG_LEN(count * sizeof(int)) : 0;
	message->control.first.cmsg_level = SOL_SOCKET;
	message->control.first.cmsg_type = SCM_RIGHTS;
	message->control.first.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&message->control.first), files, count * sizeof(int));
}

static int64_t kit_send_files(int fd, const int *files, unsigned count)
{
	static struct files_message message;

	files_message_init(&message, files, count);
	return KIT(sendmsg, (uint64_t)fd, P(&message.header), MSG_DONTWAIT);
}

/* ---- memory ---- */

Test(vfs, sockets_free_all_they_had)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
	static char block[40000];
	struct usage before = usage_now();

	for (unsigned i = 0; i < 3; i++) {
		int fds[2];

		kit_pair(types[i], fds);
		for (size_t size = 1; size < sizeof(block); size *= 3)
			cr_assert_eq(KIT(write, (uint64_t)fds[0], P(block), size), (int64_t)size);
		cr_assert_eq(kit_send_files(fds[0], (int[]){0, fds[1]}, 2), 1);
		cr_assert_gt(KIT(read, (uint64_t)fds[1], P(block), 100), 0);
		kit_close(fds[0]);
		kit_close(fds[1]);
		unix_collect(); /* the last one is in its own queue */
		SAME_USAGE(before);
	}
}

Test(vfs, sockets_names_are_freed)
{
	struct sockaddr_un at = {AF_UNIX, "name"};
	struct usage before = usage_now();
	int64_t server = KIT(socket, AF_UNIX, SOCK_STREAM, 0), client, accepted;

	cr_assert_eq(KIT(bind, (uint64_t)server, P(&at), sizeof(at)), 0);
	cr_assert_eq(KIT(listen, (uint64_t)server, 5), 0);
	for (int i = 0; i < 4; i++) {
		client = KIT(socket, AF_UNIX, SOCK_STREAM, 0);
		cr_assert_eq(KIT(connect, (uint64_t)client, P(&at), sizeof(at)), 0);
		cr_assert_eq(KIT(write, (uint64_t)client, P("early"), 5), 5);
	}
	accepted = KIT(accept, (uint64_t)server, 0, 0);
	cr_assert_gt(accepted, 0);
	kit_close((int)server); /* three are never accepted */
	cr_assert_eq(KIT(write, (uint64_t)client, P("late"), 4), -EPIPE);
	for (int64_t fd = server + 1; fd <= accepted; fd++)
		kit_close((int)fd);
	cr_assert_eq(KIT(unlink, P("name")), 0);
	cr_assert_null(sockets);
	cr_assert_null(names);
	cr_assert_leq(fake_heap_blocks, before.blocks + 2); /* the directory's tables */
}

/* What a socket can make the kit hold, whatever the program sends. */
Test(vfs, sockets_hold_a_bounded_amount)
{
	static const size_t sizes[] = {0, 1, 50, 3000, 5000, 100000};
	static char block[100000];

	for (unsigned i = 0; i < 6; i++) {
		for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
			struct usage before = usage_now();
			size_t blocks, frames;
			int fds[2];

			if (type == SOCK_STREAM && !sizes[i])
				continue;
			kit_pair(type, fds);
			while (KIT(sendto, (uint64_t)fds[0], P(block), sizes[i], MSG_DONTWAIT, 0,
			           0) >= 0)
				;
			blocks = fake_heap_blocks - before.blocks;
			frames = before.frames - fake_free;
			cr_assert_lt(frames, 2 * SOCKET_BUFFER / PAGE_SIZE + 30);
			cr_assert_lt(blocks, SOCKET_BUFFER / sizeof(struct unix_packet) + 20);
			cr_assert_eq(KIT(sendto, (uint64_t)fds[0], P(block), sizes[i], MSG_DONTWAIT,
			                 0, 0),
			             -EAGAIN);
			kit_close(fds[1]);
			kit_close(fds[0]);
			SAME_USAGE(before);
		}
	}
}

Test(vfs, sockets_without_memory)
{
	static char block[100000];
	size_t all = fake_free;
	uint64_t frames;
	int stream[2], datagram[2];

	kit_pair(SOCK_STREAM, stream);
	kit_pair(SOCK_DGRAM, datagram);
	frames = page_alloc(fake_free - 1);
	cr_assert_neq(frames, 0);
	cr_assert_eq(KIT(write, (uint64_t)datagram[0], P(block), 5000), -ENOBUFS);
	cr_assert_eq(KIT(write, (uint64_t)datagram[0], P(block), 100), 100);
	/* A stream does with the one frame there is. */
	int64_t written = KIT(write, (uint64_t)stream[0], P(block), sizeof(block));

	cr_assert(written > 3000 && written < 5000, "%ld", (long)written);
	cr_assert_eq(KIT(write, (uint64_t)stream[0], P(block), sizeof(block)), -ENOBUFS);
	cr_assert_eq(KIT(read, (uint64_t)stream[1], P(block), sizeof(block)), written);
	page_free(frames, all - 1);
}

/* ---- sockets out of reach ---- */

Test(vfs, sockets_in_circles_are_collected)
{
	struct usage before = usage_now();
	size_t most = 0;

	for (int i = 0; i < 2000; i++) {
		int fds[2];

		kit_pair(SOCK_STREAM, fds);
		cr_assert_eq(kit_send_files(fds[0], fds, 2), 1);
		/* No file loses its last reference here: only the next send can notice. */
		kit_close(fds[0]);
		kit_close(fds[1]);
		if (fake_heap_blocks - before.blocks > most)
			most = fake_heap_blocks - before.blocks;
	}
	cr_assert_lt(most, 1000, "%zu", most);
	cr_assert_gt(most, 10);
	unix_collect();
	SAME_USAGE(before);
}

Test(vfs, sockets_that_can_be_reached_stay)
{
	struct usage before = usage_now();
	int outer[2], inner[2], got[2];
	struct files_message message;

	/* The inner pair is in a queue of its own, and in one that can be reached. */
	kit_pair(SOCK_STREAM, outer);
	kit_pair(SOCK_STREAM, inner);
	cr_assert_eq(kit_send_files(inner[0], inner, 2), 1);
	cr_assert_eq(kit_send_files(outer[0], inner, 2), 1);
	kit_close(inner[0]);
	kit_close(inner[1]);
	unix_collect();
	cr_assert_eq(sockets_in_flight, 4);
	files_message_init(&message, got, 2);
	cr_assert_eq(KIT(recvmsg, (uint64_t)outer[1], P(&message.header), 0), 1);
	memcpy(got, CMSG_DATA(&message.control.first), sizeof(got));
	cr_assert_eq(KIT(write, (uint64_t)got[1], P("alive"), 5), 5);
	kit_close(got[0]);
	kit_close(got[1]);
	unix_collect();
	kit_close(outer[0]);
	kit_close(outer[1]);
	SAME_USAGE(before);
}

Test(vfs, sockets_to_be_accepted_reach_what_they_hold)
{
	struct sockaddr_un at = {AF_UNIX, "\0reach"};
	struct usage before = usage_now();
	int64_t server = KIT(socket, AF_UNIX, SOCK_STREAM, 0);
	int64_t client = KIT(socket, AF_UNIX, SOCK_STREAM, 0);
	int self[2];

	cr_assert_eq(KIT(bind, (uint64_t)server, P(&at), 8), 0);
	cr_assert_eq(KIT(listen, (uint64_t)server, 5), 0);
	cr_assert_eq(KIT(connect, (uint64_t)client, P(&at), 8), 0);
	kit_pair(SOCK_STREAM, self);
	cr_assert_eq(kit_send_files((int)client, self, 2), 1);
	kit_close(self[0]);
	kit_close(self[1]);
	unix_collect();
	cr_assert_eq(sockets_in_flight, 2);
	/* The listening socket itself goes into the queue of the one that it is to give out. */
	cr_assert_eq(kit_send_files((int)client, (int[]){(int)server}, 1), 1);
	kit_close((int)server);
	kit_close((int)client);
	unix_collect();
	SAME_USAGE(before);
}

Test(vfs, sockets_in_a_long_chain_close_one_by_one)
{
	struct usage before = usage_now();
	int next = (int)KIT(dup, 0);

	for (int i = 0; i < 10000; i++) {
		int fds[2];

		kit_pair(SOCK_DGRAM, fds);
		cr_assert_eq(kit_send_files(fds[0], &next, 1), 1);
		kit_close(next);
		kit_close(fds[0]);
		next = fds[1];
	}
	kit_close(next);
	SAME_USAGE(before);
}

Test(vfs, sockets_limit_files_under_way)
{
	struct usage before = usage_now();
	int files[MESSAGE_RIGHTS_MAX] = {0}, fds[200], pairs = 0;
	int64_t result = 1;

	while (result == 1) {
		kit_pair(SOCK_DGRAM, &fds[2 * pairs++]);
		for (int i = 0; i < 30 && result == 1; i++)
			result = kit_send_files(fds[2 * pairs - 2], files, MESSAGE_RIGHTS_MAX);
	}
	cr_assert_eq(result, -ETOOMANYREFS);
	cr_assert_leq(files_in_flight, FILES_MAX);
	cr_assert_gt(files_in_flight, FILES_MAX - MESSAGE_RIGHTS_MAX);
	cr_assert_eq(KIT(write, (uint64_t)fds[0], P("plain"), 5), 5);
	for (int i = 0; i < 2 * pairs; i++)
		kit_close(fds[i]);
	SAME_USAGE(before);
}

/* ---- at random, beside Linux ---- */

#define ENDS 6 /* pairs that are used at once */

static uint32_t seed = 1;

static uint32_t random_below(uint32_t limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % limit;
}

struct random_pair {
	bool is_open[2];
	int type;
	unsigned sent; /* messages since it was made: neither side may become full */
};

static struct random_pair pairs[ENDS];

static uint64_t end_fd(unsigned pair, unsigned end)
{
	return F(3 + 2 * pair + end);
}

static void random_make(unsigned pair)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
	int theirs[2], ours[2], type = types[random_below(3)];

	if (pairs[pair].is_open[0] || pairs[pair].is_open[1])
		return;
	cr_assert_eq(LINUX(socketpair, AF_UNIX, type, 0, theirs), 0);
	cr_assert_eq(KIT(socketpair, AF_UNIX, (uint64_t)type, 0, P(ours)), 0);
	for (unsigned end = 0; end < 2; end++) {
		uint64_t fd = end_fd(pair, end);

		if ((uint64_t)theirs[end] != fd) {
			dup2(theirs[end], (int)fd);
			close(theirs[end]);
		}
		if ((uint64_t)ours[end] != fd) {
			cr_assert_eq(KIT(dup2, (uint64_t)ours[end], fd), (int64_t)fd);
			kit_close(ours[end]);
		}
		pairs[pair].is_open[end] = true;
	}
	pairs[pair].type = type;
	pairs[pair].sent = 0;
}

static void random_send(unsigned pair, unsigned end)
{
	static char block[3000];
	uint32_t size = random_below(4) ? random_below(20) : random_below(sizeof(block));

	if (pairs[pair].sent++ > 40)
		return;
	for (uint32_t i = 0; i < size; i++)
		block[i] = (char)random_below(256);
	SAME(sendto, end_fd(pair, end), P(block), size, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
}

static void random_send_files(unsigned pair, unsigned end)
{
	static struct files_message message;
	int files[3] = {0, 1, 2};

	if (pairs[pair].sent++ > 40)
		return;
	files_message_init(&message, files, random_below(4));
	message.byte = (char)random_below(256);
	SAME(sendmsg, end_fd(pair, end), P(&message.header), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Closes the files that came with a message, on one side. */
static unsigned close_files(const struct files_message *message, bool is_kit)
{
	const struct cmsghdr *header = &message->control.first;
	unsigned count = 0;

	if (message->header.msg_controllen < sizeof(*header))
		return 0;
	for (; CMSG_LEN((count + 1) * sizeof(int)) <= header->cmsg_len; count++) {
		int fd;

		memcpy(&fd, CMSG_DATA(header) + count * sizeof(int), sizeof(fd));
		if (is_kit)
			kit_close(fd);
		else
			close(fd);
	}
	return count;
}

static void random_receive(unsigned pair, unsigned end)
{
	static const uint32_t flags[] = {0,         0,           MSG_PEEK,
	                                 MSG_TRUNC, MSG_WAITALL, MSG_PEEK | MSG_TRUNC};
	static struct files_message theirs, ours;
	static char a[4000], b[4000];
	uint32_t flag = flags[random_below(6)] | MSG_DONTWAIT;
	size_t size = random_below(3) ? random_below(30) : random_below(sizeof(a));
	size_t room = random_below(2) ? sizeof(ours.control) : random_below(40);
	int none[3] = {0};

	files_message_init(&theirs, none, 3);
	files_message_init(&ours, none, 3);
	memset(&theirs.control, 0, sizeof(theirs.control));
	memset(&ours.control, 0, sizeof(ours.control));
	theirs.piece = (struct iovec){a, size};
	ours.piece = (struct iovec){b, size};
	theirs.header.msg_controllen = ours.header.msg_controllen = room;

	int64_t linux_says = LINUX(recvmsg, end_fd(pair, end), &theirs.header, flag);
	int64_t kit_says = KIT(recvmsg, end_fd(pair, end), P(&ours.header), flag);

	cr_assert_eq(kit_says, linux_says,
	             "recvmsg of %zu with %x (type %d, room %zu): kit %ld, linux %ld", size, flag,
	             pairs[pair].type, room, (long)kit_says, (long)linux_says);
	if (linux_says < 0)
		return;
	cr_assert_arr_eq(a, b, (size_t)linux_says < size ? (size_t)linux_says : size);
	cr_assert_eq(ours.header.msg_flags, theirs.header.msg_flags);
	cr_assert_eq(ours.header.msg_controllen, theirs.header.msg_controllen,
	             "room %zu type %d flags %x: kit %zu, linux %zu", room, pairs[pair].type, flag,
	             (size_t)ours.header.msg_controllen, (size_t)theirs.header.msg_controllen);
	cr_assert_eq(close_files(&ours, true), close_files(&theirs, false));
}

static void same_poll(unsigned pair, unsigned end)
{
	struct pollfd theirs = {(int)end_fd(pair, end), 0x7fff, 0}, ours = theirs;
	int unread[2] = {-1, -1};

	cr_assert_eq(LINUX(poll, &theirs, 1, 0), KIT(poll, P(&ours), 1, 0));
	cr_assert_eq(ours.revents, theirs.revents, "poll of %d (type %d): kit %x, linux %x",
	             theirs.fd, pairs[pair].type, ours.revents, theirs.revents);
	cr_assert_eq(LINUX(ioctl, theirs.fd, FIONREAD, &unread[0]),
	             KIT(ioctl, (uint64_t)theirs.fd, FIONREAD, P(&unread[1])));
	cr_assert_eq(unread[0], unread[1]);
}

static void random_step(void)
{
	unsigned pair = random_below(ENDS), end = random_below(2);
	uint32_t what = random_below(100), how = random_below(3);

	random_make(pair);
	if (!pairs[pair].is_open[end])
		end = !end;
	if (!pairs[pair].is_open[end])
		return;
	if (what < 35)
		random_send(pair, end);
	else if (what < 45)
		random_send_files(pair, end);
	else if (what < 90)
		random_receive(pair, end);
	else if (what < 93)
		SAME(shutdown, end_fd(pair, end), how);
	else if (what < 96) {
		pairs[pair].is_open[end] = false;
		SAME(close, end_fd(pair, end));
		if (pairs[pair].is_open[!end])
			same_poll(pair, !end);
		return;
	}
	same_poll(pair, end);
	if (pairs[pair].is_open[!end])
		same_poll(pair, !end);
}

Test(vfs, sockets_at_random)
{
	struct usage before = usage_now();

	/* The kit's descriptors of the files that come along are below these: both tables alike. */
	for (int round = 0; round < 40; round++) {
		for (int step = 0; step < 2000; step++)
			random_step();
		for (unsigned pair = 0; pair < ENDS; pair++)
			for (unsigned end = 0; end < 2; end++)
				if (pairs[pair].is_open[end]) {
					pairs[pair].is_open[end] = false;
					SAME(close, end_fd(pair, end));
				}
		SAME_USAGE(before);
	}
}

/* ---- names, connections and peers at random, beside Linux ---- */

#define SLOTS 10
#define NAMES 4

struct random_slot {
	bool is_open;
	unsigned sent;
};

static struct random_slot slots[SLOTS];

/* The same on both sides; native names are the machine's, so they have our number in them. */
static socklen_t random_name(struct sockaddr_un *at)
{
	uint32_t number = random_below(NAMES + 1);

	memset(at, 0, sizeof(*at));
	at->sun_family = number < NAMES || random_below(4) ? AF_UNIX : AF_UNSPEC;
	return (socklen_t)(2 + 1 + sprintf(at->sun_path + 1, "mote-%d-%u", getpid(), number));
}

static void slot_open(unsigned slot)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_DGRAM, SOCK_SEQPACKET};
	int type = types[random_below(4)];
	uint64_t fd = F(3 + slot);
	int64_t theirs = LINUX(socket, AF_UNIX, type | SOCK_NONBLOCK, 0);
	int64_t ours = KIT(socket, AF_UNIX, (uint64_t)(type | SOCK_NONBLOCK), 0);

	if ((uint64_t)theirs != fd) {
		dup2((int)theirs, (int)fd);
		close((int)theirs);
	}
	if ((uint64_t)ours != fd) {
		KIT(dup2, (uint64_t)ours, fd);
		kit_close((int)ours);
	}
	slots[slot] = (struct random_slot){.is_open = true};
}

static void slot_accept(uint64_t fd)
{
	unsigned free_slot = 0;

	while (free_slot < SLOTS && slots[free_slot].is_open)
		free_slot++;
	if (free_slot == SLOTS)
		return;
	int64_t theirs = LINUX(accept4, fd, NULL, NULL, SOCK_NONBLOCK);
	int64_t ours = KIT(accept4, fd, 0, 0, SOCK_NONBLOCK);

	cr_assert_eq(theirs < 0 ? theirs : 0, ours < 0 ? ours : 0, "accept: kit %ld, linux %ld",
	             (long)ours, (long)theirs);
	if (theirs < 0)
		return;
	fd = F(3 + free_slot);
	if ((uint64_t)theirs != fd) {
		dup2((int)theirs, (int)fd);
		close((int)theirs);
	}
	if ((uint64_t)ours != fd) {
		KIT(dup2, (uint64_t)ours, fd);
		kit_close((int)ours);
	}
	slots[free_slot] = (struct random_slot){.is_open = true};
}

static void slot_receive(uint64_t fd)
{
	struct sockaddr_un theirs, ours;
	socklen_t theirs_length = sizeof(theirs), ours_length = sizeof(ours);
	uint32_t size = random_below(12),
	         flags = random_below(3) ? MSG_DONTWAIT : MSG_DONTWAIT | MSG_PEEK;
	char a[12], b[12];
	int64_t x = LINUX(recvfrom, fd, a, size, flags, &theirs, &theirs_length);
	int64_t y = KIT(recvfrom, fd, P(b), size, flags, P(&ours), P(&ours_length));

	cr_assert_eq(y, x, "recvfrom: kit %ld, linux %ld", (long)y, (long)x);
	if (x < 0)
		return;
	cr_assert_arr_eq(a, b, (size_t)x);
	cr_assert_eq(ours_length, theirs_length);
	cr_assert_arr_eq(&ours, &theirs, ours_length);
}

static void same_slot(unsigned slot)
{
	static const int options[] = {SO_ERROR, SO_ACCEPTCONN};
	struct sockaddr_un theirs, ours;
	uint64_t fd = F(3 + slot);
	struct pollfd a = {(int)fd, 0x7fff, 0}, b = a;

	cr_assert_eq(LINUX(poll, &a, 1, 0), KIT(poll, P(&b), 1, 0));
	cr_assert_eq(b.revents, a.revents, "poll: kit %x, linux %x", b.revents, a.revents);
	for (int peer = 0; peer < 2; peer++) {
		socklen_t x = sizeof(theirs), y = sizeof(ours);
		int64_t r = peer ? LINUX(getpeername, fd, &theirs, &x)
		                 : LINUX(getsockname, fd, &theirs, &x);
		int64_t t = peer ? KIT(getpeername, fd, P(&ours), P(&y))
		                 : KIT(getsockname, fd, P(&ours), P(&y));

		cr_assert_eq(t, r);
		cr_assert_eq(x, y);
		if (!r)
			cr_assert_arr_eq(&ours, &theirs, x);
	}
	if (random_below(20))
		return; /* SO_ERROR takes it away */
	for (unsigned i = 0; i < 2; i++) {
		int x = -1, y = -1;
		socklen_t size = sizeof(x);

		SAME(getsockopt, fd, SOL_SOCKET, options[i], P(&x), P(&size));
		LINUX(getsockopt, fd, SOL_SOCKET, options[i], &x, &size);
		KIT(getsockopt, fd, SOL_SOCKET, (uint64_t)options[i], P(&y), P(&size));
		cr_assert_eq(x, y);
	}
}

static void slot_step(void)
{
	unsigned slot = random_below(SLOTS);
	uint32_t what = random_below(100), how = random_below(3);
	uint64_t fd = F(3 + slot);
	struct sockaddr_un at;
	socklen_t length = random_name(&at);

	if (!slots[slot].is_open) {
		slot_open(slot);
	} else if (what < 15) {
		if (at.sun_family == AF_UNIX)
			SAME(bind, fd, P(&at), length);
	} else if (what < 20) {
		SAME(listen, fd, how);
	} else if (what < 40) {
		SAME(connect, fd, P(&at), length);
	} else if (what < 48) {
		slot_accept(fd);
	} else if (what < 72) {
		if (slots[slot].sent++ < 100 && random_below(2))
			SAME(sendto, fd, P("message"), how * 3, MSG_NOSIGNAL, P(&at), length);
		else if (slots[slot].sent < 100)
			SAME(sendto, fd, P("message"), how * 3, MSG_NOSIGNAL, 0, 0);
	} else if (what < 93) {
		slot_receive(fd);
	} else if (what < 95) {
		SAME(shutdown, fd, how);
	} else {
		slots[slot].is_open = false;
		SAME(close, fd);
	}
	for (unsigned i = 0; i < SLOTS; i++)
		if (slots[i].is_open)
			same_slot(i);
}

static bool has_usual_limit(void)
{
	FILE *file = fopen("/proc/sys/net/unix/max_dgram_qlen", "r");
	unsigned limit = 0;

	if (!file)
		return false;
	if (fscanf(file, "%u", &limit) != 1)
		limit = 0;
	fclose(file);
	return limit == DATAGRAM_BACKLOG;
}

Test(vfs, sockets_connect_at_random)
{
	struct usage before = usage_now();

	if (!has_usual_limit())
		cr_skip_test("the system has another net.unix.max_dgram_qlen");
	for (int round = 0; round < 20; round++) {
		for (int step = 0; step < 1000; step++)
			slot_step();
		for (unsigned slot = 0; slot < SLOTS; slot++)
			if (slots[slot].is_open) {
				slots[slot].is_open = false;
				SAME(close, F(3 + slot));
			}
		SAME_USAGE(before);
	}
}
