/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of epoll, beside the real Linux's. */
#include "tests/unit/vfs_harness.h"

#include "guestkit/libc-shim/eventfd.c"

#define EVENTS 16

static struct epoll_event event_of(uint32_t events, uint64_t data)
{
	return (struct epoll_event){.events = events, .data = data};
}

/* The same registration in both. */
static void same_control(uint64_t set, int operation, uint64_t file, uint32_t events, uint64_t data,
                         int line)
{
	struct epoll_event event = event_of(events, data);
	int64_t theirs = LINUX(epoll_ctl, set, operation, file, &event);
	int64_t ours = KIT(epoll_ctl, set, (uint64_t)operation, file, P(&event));

	cr_assert_eq(ours, theirs, "control %d of %lu in %lu: kit %ld, linux %ld (line %d)",
	             operation, file, set, (long)ours, (long)theirs, line);
}
#define CONTROL(set, operation, file, events, data) \
	same_control(set, EPOLL_CTL_##operation, file, events, data, __LINE__)

/* Both tell the same events, in the same order. Return: how many. */
static int64_t same_wait(uint64_t set, int limit, int line)
{
	struct epoll_event theirs[EVENTS], ours[EVENTS];
	int64_t a = LINUX(epoll_wait, set, theirs, limit, 0);
	int64_t b = KIT(epoll_wait, set, P(ours), (uint64_t)limit, 0);

	cr_assert_eq(b, a, "wait for %lu: kit %ld, linux %ld (line %d)", set, (long)b, (long)a,
	             line);
	for (int64_t i = 0; i < a; i++) {
		cr_assert_eq(ours[i].data, theirs[i].data, "event %ld is of %lu, linux %lu (%d)",
		             (long)i, (unsigned long)ours[i].data, (unsigned long)theirs[i].data,
		             line);
		cr_assert_eq(ours[i].events, theirs[i].events, "event %ld: %x, linux %x (line %d)",
		             (long)i, ours[i].events, theirs[i].events, line);
	}
	return a;
}
#define WAIT(set) same_wait(set, EVENTS, __LINE__)

Test(vfs, epoll_tells_what_linux_tells)
{
	uint64_t one = 1, value;
	size_t blocks = fake_heap_blocks;

	SAME(epoll_create1, 0);
	SAME(eventfd2, 0, O_NONBLOCK);
	SAME(eventfd2, 3, O_NONBLOCK);
	CONTROL(F(3), ADD, F(4), EPOLLIN | EPOLLOUT | EPOLLET, 1);
	CONTROL(F(3), ADD, F(5), EPOLLIN, 2);
	cr_assert_eq(WAIT(F(3)), 2);
	cr_assert_eq(WAIT(F(3)), 1);
	SAME(write, F(4), P(&one), 8);
	cr_assert_eq(WAIT(F(3)), 2);
	SAME(read, F(5), P(&value), 8);
	cr_assert_eq(WAIT(F(3)), 0);
	SAME(close, F(3));
	SAME(close, F(4));
	SAME(close, F(5));
	cr_assert_eq(fake_heap_blocks, blocks, "%zu blocks are left", fake_heap_blocks - blocks);
}

Test(vfs, epoll_forgets_closed_files)
{
	size_t blocks;

	SAME(epoll_create1, 0);
	SAME(epoll_create1, 0);
	blocks = fake_heap_blocks;
	SAME(eventfd2, 1, 0);
	CONTROL(F(3), ADD, F(5), EPOLLIN, 1);
	CONTROL(F(4), ADD, F(5), EPOLLIN, 2);
	CONTROL(F(4), ADD, F(3), EPOLLIN, 3);
	SAME(dup, F(5));
	SAME(close, F(5));
	cr_assert_eq(WAIT(F(4)), 2, "the copy keeps it");
	SAME(close, F(6));
	cr_assert_eq(WAIT(F(3)), 0);
	cr_assert_eq(WAIT(F(4)), 0);
	SAME(close, F(3));
	cr_assert_eq(WAIT(F(4)), 0);
	SAME(close, F(4));
	cr_assert_lt(fake_heap_blocks, blocks);
}

Test(vfs, epoll_set_closed_before_its_files)
{
	uint64_t one = 1;

	SAME(eventfd2, 0, 0);
	SAME(epoll_create1, 0);
	SAME(epoll_create1, 0);
	CONTROL(F(4), ADD, F(3), EPOLLIN, 1);
	CONTROL(F(5), ADD, F(4), EPOLLIN, 1);
	SAME(close, F(4));
	SAME(write, F(3), P(&one), 8);
	cr_assert_eq(WAIT(F(5)), 0);
}

Test(vfs, epoll_bad_arguments)
{
	struct epoll_event event = event_of(EPOLLIN, 0);

	SAME(epoll_create1, 0);
	SAME(eventfd2, 1, 0);
	SAME(epoll_create, 0);
	SAME(epoll_create1, 1);
	SAME(epoll_ctl, F(3), EPOLL_CTL_ADD, F(4), P(NULL));
	SAME(epoll_ctl, F(3), EPOLL_CTL_ADD, F(9), P(&event));
	SAME(epoll_ctl, F(9), EPOLL_CTL_ADD, F(4), P(&event));
	SAME(epoll_ctl, F(4), EPOLL_CTL_ADD, F(3), P(&event));
	SAME(epoll_ctl, F(3), EPOLL_CTL_ADD, F(3), P(&event));
	SAME(epoll_ctl, F(3), 77, F(4), P(&event));
	SAME(epoll_ctl, F(3), EPOLL_CTL_ADD, F(4), P(&event));
	SAME(epoll_ctl, F(3), EPOLL_CTL_ADD, F(4), P(&event));
	SAME(epoll_wait, F(3), P(&event), 0, 0);
	SAME(epoll_wait, F(3), P(NULL), 1, 0);
	SAME(epoll_wait, F(4), P(&event), 1, 0);
	SAME(epoll_pwait, F(3), P(&event), 1, 0, P(&event), 3);
	cr_assert_eq(WAIT(F(3)), 1, "nothing was lost by the bad pointer");
}

Test(vfs, epoll_circles)
{
	for (int i = 0; i < 3; i++)
		SAME(epoll_create1, 0);
	CONTROL(F(3), ADD, F(4), EPOLLIN, 1);
	CONTROL(F(4), ADD, F(5), EPOLLIN, 1);
	CONTROL(F(5), ADD, F(3), EPOLLIN, 1);
	CONTROL(F(4), ADD, F(3), EPOLLIN, 1);
	CONTROL(F(3), DEL, F(4), 0, 0);
	CONTROL(F(5), ADD, F(3), EPOLLIN, 1);
}

static int64_t kit_add(int64_t set, int64_t file)
{
	struct epoll_event event = event_of(EPOLLIN, 0);

	return KIT(epoll_ctl, (uint64_t)set, EPOLL_CTL_ADD, (uint64_t)file, P(&event));
}

/* Older kernels allow two more where no other file is below. */
Test(vfs, epoll_chains_have_five_sets)
{
	int64_t sets[8];

	for (int i = 0; i < 8; i++)
		sets[i] = KIT(epoll_create1, 0);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(kit_add(sets[i], sets[i + 1]), 0);
	cr_assert_eq(kit_add(sets[4], sets[5]), -ELOOP, "below");
	cr_assert_eq(kit_add(sets[5], sets[0]), -ELOOP, "above");
	cr_assert_eq(KIT(epoll_ctl, (uint64_t)sets[1], EPOLL_CTL_DEL, (uint64_t)sets[2], 0), 0);
	cr_assert_eq(kit_add(sets[5], sets[6]), 0);
	cr_assert_eq(kit_add(sets[6], sets[0]), 0);
	cr_assert_eq(kit_add(sets[1], sets[7]), 0);
	cr_assert_eq(kit_add(sets[1], sets[2]), -ELOOP, "in the middle: 5, 6, 0, 1 and 2, 3, 4");
}

/* Each set in a dense graph once: this ends though there are millions of paths. */
Test(vfs, epoll_dense_graph, .timeout = 10)
{
	enum { WIDTH = 80, LEVELS = 5 };
	int64_t sets[LEVELS][WIDTH];

	for (int level = 0; level < LEVELS; level++)
		for (int i = 0; i < WIDTH; i++)
			sets[level][i] = KIT(epoll_create1, 0);
	for (int level = LEVELS - 1; level > 0; level--)
		for (int i = 0; i < WIDTH; i++)
			for (int j = 0; j < WIDTH; j++)
				cr_assert_eq(kit_add(sets[level - 1][i], sets[level][j]), 0);
	cr_assert_eq(kit_add(sets[4][0], sets[0][0]), -ELOOP);
}

/* ---- standard input, of which only the host knows ---- */

static bool has_input;
static unsigned looks_at_file;

static struct poll_state input_poll(struct file *file)
{
	(void)file;
	looks_at_file++;
	return (struct poll_state){.readable = has_input, .queue = &shim_console_input};
}

static void nothing(struct file *file)
{
	(void)file;
}

static const struct file_ops input_ops = {.poll = input_poll, .close = nothing};

static int64_t wait_once(uint64_t set)
{
	struct epoll_event events[EVENTS];

	return KIT(epoll_wait, set, P(events), EVENTS, 0);
}

static void input_arrives(void)
{
	has_input = true;
	wait_queue_wake(&shim_console_input);
}

static uint64_t set_with_input(uint32_t events)
{
	struct epoll_event event = event_of(events, 0);
	uint64_t set = (uint64_t)KIT(epoll_create1, 0);
	int input = anon_file_install("input", &input_ops, NULL, O_RDWR);

	cr_assert_eq(KIT(epoll_ctl, set, EPOLL_CTL_ADD, (uint64_t)input, P(&event)), 0);
	return set;
}

Test(vfs, epoll_input_is_waited_for_only_while_there_is_none)
{
	uint64_t set = set_with_input(EPOLLIN);

	cr_assert_eq(wait_once(set), 0);
	cr_assert_not_null(shim_console_input.first);
	input_arrives();
	cr_assert_null(shim_console_input.first, "else a sleep would end at once, again and again");
	cr_assert_eq(wait_once(set), 1);
	cr_assert_eq(wait_once(set), 1);
	cr_assert_null(shim_console_input.first);
	has_input = false;
	cr_assert_eq(wait_once(set), 0);
	cr_assert_not_null(shim_console_input.first);
}

Test(vfs, epoll_input_edge_comes_back_after_a_read)
{
	uint64_t set = set_with_input(EPOLLIN | EPOLLET);

	input_arrives();
	cr_assert_eq(wait_once(set), 1);
	cr_assert_eq(wait_once(set), 0);
	cr_assert_null(shim_console_input.first, "unread input keeps nobody awake");
	shim_console_reads++;
	has_input = false;
	cr_assert_eq(wait_once(set), 0);
	cr_assert_not_null(shim_console_input.first);
	input_arrives();
	cr_assert_eq(wait_once(set), 1);
}

Test(vfs, epoll_input_is_looked_for_now_and_then)
{
	uint64_t set = set_with_input(EPOLLIN), counter = (uint64_t)KIT(eventfd2, 1, 0);
	struct epoll_event event = event_of(EPOLLIN, 0);
	unsigned looks;

	cr_assert_eq(KIT(epoll_ctl, set, EPOLL_CTL_ADD, counter, P(&event)), 0);
	cr_assert_eq(wait_once(set), 1);
	looks = looks_at_console;
	cr_assert_gt(looks, 0);
	for (int i = 0; i < 3; i++)
		wait_once(set);
	cr_assert_leq(looks_at_console, looks + 1, "an exit costs more than the rest");
	usleep(2000);
	wait_once(set);
	cr_assert_gt(looks_at_console, looks);
}

Test(vfs, epoll_input_that_is_not_asked_for)
{
	uint64_t set = set_with_input(EPOLLOUT);

	cr_assert_eq(wait_once(set), 0);
	cr_assert_null(shim_console_input.first);
	has_input = true;
	cr_assert_eq(wait_once(set), 0);
}

/* ---- random operations on both ---- */

#define SETS     2
#define COUNTERS 4
#define STEPS    20000

static const uint32_t masks[] = {EPOLLIN,
                                 EPOLLIN | EPOLLOUT,
                                 EPOLLIN | EPOLLET,
                                 EPOLLIN | EPOLLOUT | EPOLLET,
                                 EPOLLOUT | EPOLLONESHOT,
                                 EPOLLIN | EPOLLONESHOT,
                                 EPOLLIN | EPOLLET | EPOLLONESHOT,
                                 0};

static uint64_t random_state = 88172645463325252ull;

static unsigned random_below(unsigned limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state >> 20) % limit;
}

/* Two sets, the second one in the first; counters, a pipe, and copies of all of them. */
Test(vfs, epoll_random, .timeout = 60)
{
	static char buffer[40000];
	int pipe_theirs[2], pipe_ours[2];
	uint64_t value, files = SETS + COUNTERS + 2;

	for (int i = 0; i < SETS; i++)
		SAME(epoll_create1, 0);
	for (int i = 0; i < COUNTERS; i++)
		SAME(eventfd2, 0, O_NONBLOCK);
	cr_assert_eq(LINUX(pipe2, pipe_theirs, O_NONBLOCK), 0);
	cr_assert_eq(KIT(pipe2, P(pipe_ours), O_NONBLOCK), 0);
	for (uint64_t i = 0; i < files; i++)
		SAME(dup2, F(3 + i), F(3 + files + i));
	for (int step = 0; step < STEPS; step++) {
		uint64_t set = F(3 + random_below(SETS));
		uint64_t file = F(4 + random_below((unsigned)(2 * files - 1)));
		uint64_t counter = F(3 + SETS + random_below(COUNTERS));
		uint32_t mask = masks[random_below(sizeof(masks) / sizeof(masks[0]))];

		switch (random_below(12)) {
		case 0:
		case 1: CONTROL(set, ADD, file, mask, (uint64_t)step); break;
		case 2: CONTROL(set, MOD, file, mask, (uint64_t)step); break;
		case 3: CONTROL(set, DEL, file, 0, 0); break;
		case 4:
			value = random_below(3);
			SAME(write, counter, P(&value), 8);
			break;
		case 5: SAME(read, counter, P(&value), 8); break;
		case 6: SAME(write, F(4 + SETS + COUNTERS), P(buffer), 100); break;
		case 7: SAME(read, F(3 + SETS + COUNTERS), P(buffer), sizeof(buffer)); break;
		default: same_wait(set, 1 + (int)random_below(5), __LINE__);
		}
	}
}
