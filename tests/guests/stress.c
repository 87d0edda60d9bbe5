/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many kinds of load at once, each in a thread of its own, while a timer's signal stirs all of
 * them.
 *
 * usage: stress [SECONDS [KIND]...]      (1 second, all kinds)
 *
 * A kind does rounds. What a round gives depends on its number modulo ROUNDS alone, so rounds that
 * are done again have to give the same; the first ROUNDS of each kind are folded into a checksum,
 * which is the same wherever this runs. The status is 1 when a round gave something else, or a call
 * failed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS          16
#define MUST(condition) must((condition) ? 1 : 0, #condition, __LINE__)

static double seconds = 1;
static char folder[] = "/tmp/stress.XXXXXX";

static void must(int holds, const char *what, int line)
{
	if (!holds) {
		fprintf(stderr, "stress.c:%d: %s does not hold (errno: %s)\n", line, what,
		        strerror(errno));
		exit(1);
	}
}

static uint64_t fold(uint64_t sum, uint64_t value)
{
	return (sum ^ value) * 0x100000001b3 + (sum >> 29);
}

static uint64_t next(uint64_t *state)
{
	*state = *state * 6364136223846793005 + 1442695040888963407;
	return *state >> 33;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static pthread_t start(void *(*run)(void *), void *argument)
{
	pthread_t thread;
	MUST(pthread_create(&thread, NULL, run, argument) == 0);
	return thread;
}

/* ---- kinds of load: each takes the number of its round and returns what came of it ---- */

/* Mappings that are written, grown, protected in part and given back. */
static uint64_t load_memory(uint64_t seed)
{
	uint64_t sum = 0, state = seed;
	size_t pages = 16 + next(&state) % 512, size = pages * 4096;
	uint64_t *words =
	        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(words != MAP_FAILED);
	for (size_t i = 0; i < size / 8; i += 1 + next(&state) % 97)
		words[i] = i;
	MUST(mprotect(words, size / 2 & ~4095UL, PROT_READ) == 0);
	MUST(mprotect(words, size, PROT_READ | PROT_WRITE) == 0);
	words = mremap(words, size, 2 * size, MREMAP_MAYMOVE);
	MUST(words != MAP_FAILED);
	MUST(madvise(words, 4096 * 8, MADV_DONTNEED) == 0);
	for (size_t i = 0; i < 2 * size / 8; i++)
		sum = fold(sum, words[i]);
	MUST(munmap(words, 2 * size) == 0);
	return sum;
}

/* The heap, from many sizes. */
static uint64_t load_heap(uint64_t seed)
{
	uint64_t sum = 0, state = seed;
	unsigned char *blocks[64] = {0};
	for (int i = 0; i < 4000; i++) {
		size_t size = 1 + next(&state) % (i % 50 == 0 ? 200000 : 2000);
		unsigned char **block = &blocks[next(&state) % 64];
		if (*block != NULL)
			sum = fold(sum, **block);
		free(*block);
		*block = malloc(size);
		MUST(*block != NULL);
		memset(*block, i, size);
	}
	for (int i = 0; i < 64; i++)
		free(blocks[i]);
	return sum;
}

/* A file that is written all over, cut, and read through read() and through a mapping. */
static uint64_t load_files(uint64_t seed)
{
	uint64_t sum = 0, state = seed;
	char name[64], block[700];
	snprintf(name, sizeof(name), "%s/file", folder);
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	MUST(fd >= 0);
	for (int i = 0; i < 100; i++) {
		memset(block, i, sizeof(block));
		MUST(pwrite(fd, block, sizeof(block), (off_t)(next(&state) % 200000)) ==
		     sizeof(block));
	}
	MUST(ftruncate(fd, 150000) == 0);
	unsigned char *mapped = mmap(NULL, 150000, PROT_READ, MAP_SHARED, fd, 0);
	MUST(mapped != MAP_FAILED);
	off_t at = 0;
	for (ssize_t n; (n = read(fd, block, sizeof(block))) > 0; at += n) {
		MUST(memcmp(block, mapped + at, (size_t)n) == 0);
		for (ssize_t i = 0; i < n; i++)
			sum = fold(sum, (unsigned char)block[i]);
	}
	MUST(at == 150000);
	MUST(munmap(mapped, 150000) == 0 && close(fd) == 0 && unlink(name) == 0);
	return sum;
}

/* A folder of files: made, listed, renamed, removed. */
static uint64_t load_folders(uint64_t seed)
{
	uint64_t sum = 0;
	int count = 10 + (int)seed;
	char path[64], name[400], other[400];
	snprintf(path, sizeof(path), "%s/folder", folder);
	MUST(mkdir(path, 0700) == 0);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/%d", path, i);
		int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
		MUST(fd >= 0 && write(fd, name, (size_t)i) == i && close(fd) == 0);
		snprintf(other, sizeof(other), "%s/%d-renamed", path, i);
		MUST(i % 2 == 0 || rename(name, other) == 0);
	}
	DIR *stream = opendir(path);
	MUST(stream != NULL);
	for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
		struct stat status;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] == '.')
			continue;
		MUST(stat(name, &status) == 0);
		sum += (uint64_t)(status.st_size + 1) * strlen(entry->d_name);
		MUST(unlink(name) == 0);
	}
	MUST(closedir(stream) == 0 && rmdir(path) == 0);
	return sum;
}

static void *write_to_pipe(void *argument)
{
	int fd = *(int *)argument;
	uint64_t state = 7;
	unsigned char block[5000];
	for (size_t sent = 0; sent < 200000;) {
		size_t length = 1 + next(&state) % sizeof(block);
		memset(block, (int)(sent % 251), length);
		ssize_t n = write(fd, block, length);
		MUST(n > 0 || errno == EINTR);
		sent += n > 0 ? (size_t)n : 0;
	}
	MUST(close(fd) == 0);
	return NULL;
}

/* A pipe between two threads, one of them new. */
static uint64_t load_pipes(uint64_t seed)
{
	uint64_t bytes = 0;
	int ends[2];
	unsigned char block[3000];
	MUST(pipe(ends) == 0);
	pthread_t writer = start(write_to_pipe, &ends[1]);
	for (;;) {
		ssize_t n = read(ends[0], block, 100 + seed * 100);
		if (n == 0)
			break;
		MUST(n > 0 || errno == EINTR);
		bytes += n > 0 ? (uint64_t)n : 0;
	}
	MUST(pthread_join(writer, NULL) == 0 && close(ends[0]) == 0);
	return bytes >= 200000 && bytes < 205000;
}

struct turns {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	int turn;
	uint64_t sum;
};

static void take_turns(struct turns *turns, int mine)
{
	for (int i = 0; i < 200; i++) {
		pthread_mutex_lock(&turns->mutex);
		while (turns->turn % 2 != mine)
			pthread_cond_wait(&turns->changed, &turns->mutex);
		turns->sum = fold(turns->sum, (uint64_t)turns->turn++);
		pthread_cond_signal(&turns->changed);
		pthread_mutex_unlock(&turns->mutex);
	}
}

static void *take_odd_turns(void *argument)
{
	take_turns(argument, 1);
	return NULL;
}

/* Two threads that take turns: futexes. */
static uint64_t load_futexes(uint64_t seed)
{
	struct turns turns = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, seed};
	pthread_t other = start(take_odd_turns, &turns);
	take_turns(&turns, 0);
	MUST(pthread_join(other, NULL) == 0);
	return turns.sum;
}

static _Thread_local volatile int arrived;

static void count_signal(int number)
{
	(void)number;
	arrived++;
}

static void *wait_for_signals(void *argument)
{
	while (arrived < 1)
		usleep(200);
	return argument;
}

/* Signals to this thread and to another one; each has its own count. */
static uint64_t load_signals(uint64_t seed)
{
	int before = arrived;
	pthread_t other = start(wait_for_signals, NULL);
	for (uint64_t i = 0; i < 20 + seed; i++)
		MUST(pthread_kill(pthread_self(), SIGUSR1) == 0);
	MUST(pthread_kill(other, SIGUSR1) == 0);
	MUST(pthread_join(other, NULL) == 0);
	return (uint64_t)(arrived - before);
}

static _Thread_local sigjmp_buf fault_return;
static _Thread_local volatile uintptr_t fault_address;

static void leave_fault(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	fault_address = (uintptr_t)info->si_addr;
	siglongjmp(fault_return, 1);
}

/* Writes to pages that are protected, left by siglongjmp. */
static uint64_t load_faults(uint64_t seed)
{
	volatile uint64_t sum = 0;
	unsigned char *page = mmap(NULL, 4096 * 4, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(page != MAP_FAILED);
	for (volatile unsigned i = 0; i < 20; i++) {
		if (sigsetjmp(fault_return, 1) == 0) {
			((volatile unsigned char *)page)[(seed * 100 + i * 700) % 16384] = 1;
			MUST(!"written to a page that is protected");
		}
		sum = fold(sum, fault_address - (uintptr_t)page);
	}
	MUST(munmap(page, 4096 * 4) == 0);
	return sum;
}

/* Ticks of a timer that is a file, and sleeps. */
static uint64_t load_timers(uint64_t seed)
{
	uint64_t ticks = 0, count;
	double from = now();
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec each = {{0, 300000}, {0, 300000}};
	struct timespec left = {0, (long)(seed * 50000)};
	MUST(fd >= 0 && timerfd_settime(fd, 0, &each, NULL) == 0);
	while (ticks < 10) {
		ssize_t n = read(fd, &count, sizeof(count));
		MUST(n == sizeof(count) || errno == EINTR);
		ticks += n > 0 ? count : 0;
	}
	while (nanosleep(&left, &left) != 0)
		MUST(errno == EINTR);
	MUST(close(fd) == 0);
	return now() - from >= 0.003 + (double)seed * 50e-6;
}

static void *add_to_events(void *argument)
{
	const int *events = argument;
	for (uint64_t i = 0; i < 400; i++)
		MUST(write(events[i % 4], &(uint64_t){i + 1}, 8) == 8);
	return NULL;
}

/* Counters of events, waited for with epoll. */
static uint64_t load_epoll(uint64_t seed)
{
	int events[4], set = epoll_create1(EPOLL_CLOEXEC);
	uint64_t sum = 0;
	MUST(set >= 0);
	for (int i = 0; i < 4; i++) {
		struct epoll_event event = {EPOLLIN | (seed % 2 ? EPOLLET : 0), {.fd = i}};
		events[i] = eventfd(0, EFD_NONBLOCK);
		MUST(events[i] >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, events[i], &event) == 0);
	}
	pthread_t other = start(add_to_events, events);
	while (sum < 400 * 401 / 2) {
		struct epoll_event ready[4];
		int n = epoll_wait(set, ready, 4, 1000);
		MUST(n > 0 || (n < 0 && errno == EINTR));
		for (int i = 0; i < n; i++) {
			uint64_t count;
			if (read(events[ready[i].data.fd], &count, 8) == 8)
				sum += count;
		}
	}
	MUST(pthread_join(other, NULL) == 0);
	for (int i = 0; i < 4; i++)
		close(events[i]);
	close(set);
	return sum;
}

/* Sends numbers and wants each back doubled. */
static void *talk_to_server(void *argument)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(fd >= 0 && connect(fd, argument, sizeof(struct sockaddr_un)) == 0);
	for (uint64_t i = 0, answer; i < 100; i++) {
		MUST(send(fd, &i, sizeof(i), MSG_NOSIGNAL) == sizeof(i));
		MUST(recv(fd, &answer, sizeof(answer), MSG_WAITALL) == sizeof(answer));
		MUST(answer == 2 * i);
	}
	MUST(close(fd) == 0);
	return NULL;
}

/* A server with a socket in the file system, and some clients of it. */
static uint64_t load_sockets(uint64_t seed)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct pollfd fds[9] = {{.events = POLLIN}};
	pthread_t clients[8];
	uint64_t sum = 0, number;
	int wanted = 1 + (int)seed % 8, count = 0, ended = 0;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
	fds[0].fd = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(fds[0].fd >= 0 && bind(fds[0].fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	MUST(listen(fds[0].fd, 8) == 0);
	for (int i = 0; i < wanted; i++)
		clients[i] = start(talk_to_server, &address);
	while (ended < wanted) {
		int n = poll(fds, 1 + (nfds_t)count, 5000);
		MUST(n > 0 || (n < 0 && errno == EINTR));
		for (int i = count; n > 0 && i > 0; i--) {
			if (fds[i].revents == 0)
				continue;
			ssize_t length = recv(fds[i].fd, &number, sizeof(number), MSG_WAITALL);
			if (length == 0) {
				MUST(close(fds[i].fd) == 0);
				fds[i].fd = -1;
				ended++;
				continue;
			}
			MUST(length == sizeof(number));
			sum += number;
			number *= 2;
			MUST(send(fds[i].fd, &number, sizeof(number), 0) == sizeof(number));
		}
		if (n > 0 && fds[0].revents != 0) {
			fds[++count] = (struct pollfd){accept(fds[0].fd, NULL, NULL), POLLIN, 0};
			MUST(fds[count].fd >= 0);
		}
	}
	for (int i = 0; i < wanted; i++)
		MUST(pthread_join(clients[i], NULL) == 0);
	MUST(close(fds[0].fd) == 0 && unlink(address.sun_path) == 0);
	return sum;
}

/* Floating point, which no switch of threads and no handler may change. */
static uint64_t load_compute(uint64_t seed)
{
	double x = 1 + (double)seed, sum = 0;
	for (int i = 0; i < 20000; i++) {
		x = fmod(x * 1.000123 + 3.25, 1000);
		sum += sqrt(x) * (i % 3 - 1);
	}
	return (uint64_t)(int64_t)(sum * 1e6);
}

/* ---- running them ---- */

static struct load {
	const char *name;
	uint64_t (*round)(uint64_t seed);
	uint64_t results[ROUNDS];
	unsigned long rounds;
	int is_chosen;
} loads[] = {
        {.name = "memory", .round = load_memory},   {.name = "heap", .round = load_heap},
        {.name = "files", .round = load_files},     {.name = "folders", .round = load_folders},
        {.name = "pipes", .round = load_pipes},     {.name = "futexes", .round = load_futexes},
        {.name = "signals", .round = load_signals}, {.name = "faults", .round = load_faults},
        {.name = "timers", .round = load_timers},   {.name = "epoll", .round = load_epoll},
        {.name = "sockets", .round = load_sockets}, {.name = "compute", .round = load_compute},
};
#define LOADS (sizeof(loads) / sizeof(loads[0]))

static void *run_load(void *argument)
{
	struct load *load = argument;
	double end = now() + seconds;
	for (load->rounds = 0; load->rounds < ROUNDS || now() < end; load->rounds++) {
		unsigned long seed = load->rounds % ROUNDS;
		uint64_t result = load->round(seed);
		if (load->rounds < ROUNDS)
			load->results[seed] = result;
		if (load->results[seed] != result) {
			fprintf(stderr, "stress: round %lu of %s gives %llx, before it gave %llx\n",
			        load->rounds, load->name, (unsigned long long)result,
			        (unsigned long long)load->results[seed]);
			exit(1);
		}
	}
	return NULL;
}

static void stir(int number)
{
	(void)number;
}

int main(int count, char **arguments)
{
	pthread_t threads[LOADS];
	uint64_t sum = 0xcbf29ce484222325;
	if (count > 1)
		seconds = atof(arguments[1]);
	for (size_t i = 0; i < LOADS; i++) {
		loads[i].is_chosen = count < 3;
		for (int j = 2; j < count; j++)
			loads[i].is_chosen |= strcmp(arguments[j], loads[i].name) == 0;
	}
	struct sigaction counting = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
	struct sigaction leaving = {.sa_sigaction = leave_fault, .sa_flags = SA_SIGINFO};
	struct sigaction stirring = {.sa_handler = stir, .sa_flags = SA_RESTART};
	struct itimerval each = {{0, 1000}, {0, 1000}};
	MUST(sigaction(SIGUSR1, &counting, NULL) == 0 && sigaction(SIGSEGV, &leaving, NULL) == 0);
	MUST(sigaction(SIGALRM, &stirring, NULL) == 0 && setitimer(ITIMER_REAL, &each, NULL) == 0);
	MUST(mkdtemp(folder) != NULL);
	for (size_t i = 0; i < LOADS; i++)
		if (loads[i].is_chosen)
			threads[i] = start(run_load, &loads[i]);
	for (size_t i = 0; i < LOADS; i++) {
		if (!loads[i].is_chosen)
			continue;
		MUST(pthread_join(threads[i], NULL) == 0);
		fprintf(stderr, "%-8s %8lu rounds\n", loads[i].name, loads[i].rounds);
		for (int j = 0; j < ROUNDS; j++)
			sum = fold(sum, loads[i].results[j]);
	}
	MUST(rmdir(folder) == 0);
	printf("checksum %016llx\n", (unsigned long long)sum);
	return 0;
}
