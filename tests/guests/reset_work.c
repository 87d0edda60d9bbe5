/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does random things after its snapshot point, and says when it does not find everything as it left
 * it there. To be started from the snapshot again and again:
 *   reset_work          only what programs do
 *   reset_work hostile  writes page tables and the run page behind the kit's back, too, and dies
 *
 * Prints nothing but "FAILED: ..." and a line for one start in 64, by which others see how fast
 * they are.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <fenv.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostile.h"
#include "mote/guest.h"

#define PAGE        4096UL
#define ARRAY_PAGES 8
#define AREA_PAGES  16 /* the first half is written */
#define FIELD_PAGES 256
#define FILE_SIZE   9000

static unsigned char array[ARRAY_PAGES * PAGE] __attribute__((aligned(4096)));
static unsigned char field[FIELD_PAGES * PAGE] __attribute__((aligned(4096)));
static uint64_t golden[ARRAY_PAGES * PAGE / 8]; /* what is where at the snapshot point */
static unsigned char *area, *shared_frames[2];
static int file;
static volatile int signals;
static volatile double sum = 1;

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	int orders, done;
} worker = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};

static uint32_t random_bits;

static uint32_t next(uint32_t below)
{
	random_bits = random_bits * 1664525 + 1013904223;
	return (random_bits >> 8) % below;
}

static _Noreturn void failed(const char *what)
{
	printf("FAILED: %s\n", what);
	fflush(stdout);
	_exit(9);
}

static void handle(int number)
{
	(void)number;
	signals++;
}

static void *work(void *unused)
{
	pthread_mutex_lock(&worker.mutex);
	for (;;) {
		while (worker.done == worker.orders)
			pthread_cond_wait(&worker.cond, &worker.mutex);
		worker.done++;
		pthread_cond_broadcast(&worker.cond);
	}
	return unused;
}

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 31 + i / 251 + 7);
}

static void prepare(void)
{
	static unsigned char bytes[FILE_SIZE];
	pthread_t thread;

	for (size_t i = 0; i < sizeof array; i++)
		array[i] = pattern(i);
	memcpy(golden, array, sizeof golden);
	memset(field, 0xf1, sizeof field);
	area = mmap(NULL, AREA_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	            -1, 0);
	memcpy(area, golden, AREA_PAGES / 2 * PAGE);
	for (int i = 0; i < 2; i++) {
		shared_frames[i] = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memset(shared_frames[i], 0x40 + i, PAGE);
	}
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = pattern(i);
	file = open("/tmp/file", O_RDWR | O_CREAT, 0644);
	if (write(file, bytes, sizeof bytes) != sizeof bytes || lseek(file, 100, SEEK_SET) != 100)
		failed("a file cannot be made");
	signal(SIGUSR1, handle);
	pthread_create(&thread, NULL, work, NULL);
}

/* By words: a start is to be short. */
static bool is_golden(const void *memory, size_t length)
{
	const uint64_t *words = memory;

	for (size_t i = 0; i < length / 8; i++)
		if (words[i] != golden[i])
			return false;
	return true;
}

static bool is_zero(const void *memory, size_t length)
{
	const uint64_t *words = memory;

	for (size_t i = 0; i < length / 8; i++)
		if (words[i])
			return false;
	return true;
}

static void check_file(void)
{
	static unsigned char bytes[FILE_SIZE + 8] __attribute__((aligned(8)));

	if (lseek(file, 0, SEEK_CUR) != 100)
		failed("the file's offset");
	if (pread(file, bytes, sizeof bytes, 0) != FILE_SIZE)
		failed("the file's size");
	if (!is_golden(bytes, FILE_SIZE))
		failed("the file's content");
	if (!access("/tmp/other", F_OK))
		failed("another request's file");
}

static void check(void)
{
	if (!is_golden(array, sizeof array))
		failed("the array");
	if (!is_golden(area, AREA_PAGES / 2 * PAGE) ||
	    !is_zero(area + AREA_PAGES / 2 * PAGE, AREA_PAGES / 2 * PAGE))
		failed("the mapping");
	for (uint32_t i = 0; i < 16; i++) {
		const unsigned char *page = field + next(FIELD_PAGES) * PAGE;

		if (page[0] != 0xf1 || page[PAGE - 1] != 0xf1)
			failed("the field");
	}
	if (shared_frames[0][5] != 0x40 || shared_frames[1][5] != 0x41)
		failed("the pages that others exchange");
	if (signals || sum != 1 || fegetround() != FE_TONEAREST)
		failed("variables or modes");
	if (worker.orders || worker.done)
		failed("the thread's work");
	check_file();
}

/* ---- what a request may do ---- */

static void write_array(void)
{
	for (uint32_t i = next(100); i; i--)
		array[next(sizeof array)] = (unsigned char)i;
}

/* One page mostly, now and then hundreds. */
static void write_field(void)
{
	uint32_t pages = next(16) ? 1 + next(4) : 1 + next(FIELD_PAGES);
	size_t at = next(FIELD_PAGES + 1 - pages) * PAGE;

	for (uint32_t i = 0; i < pages; i++)
		field[at + i * PAGE] = field[at + i * PAGE + PAGE - 1] = (unsigned char)i;
}

static void use_heap(void)
{
	void *blocks[40];

	for (int i = 0; i < 40; i++) {
		size_t size = next(3000);

		blocks[i] = malloc(size + 1);
		memset(blocks[i], i, size + 1);
	}
	for (int i = 0; i < 40; i++)
		if (next(4))
			free(blocks[i]);
}

static void map_and_protect(void)
{
	size_t pages = 1 + next(40);
	unsigned char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
	                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < pages; i++)
		if (at[i * PAGE])
			failed("a new mapping is not zero");
	memset(at, 0xa5, pages * PAGE);
	mprotect(at + next((uint32_t)pages) * PAGE, PAGE, PROT_READ);
	if (next(2))
		munmap(at, next((uint32_t)pages) * PAGE + PAGE);
	mprotect(array + next(ARRAY_PAGES) * PAGE, PAGE, next(2) ? PROT_READ : PROT_NONE);
	mprotect(array, sizeof array, PROT_READ | PROT_WRITE);
}

static void move_and_unmap(void)
{
	void *at = mremap(area, AREA_PAGES * PAGE, 2 * AREA_PAGES * PAGE, MREMAP_MAYMOVE);

	if (at == MAP_FAILED) /* a hostile request has taken it apart */
		return;
	memset(at, 3, 2 * AREA_PAGES * PAGE);
	munmap((char *)at + AREA_PAGES * PAGE, AREA_PAGES * PAGE);
	area = at;
}

static void use_files(void)
{
	char bytes[5000];
	int other = open("/tmp/other", O_RDWR | O_CREAT, 0600);

	memset(bytes, 0x77, sizeof bytes);
	if (write(other, bytes, sizeof bytes) != sizeof bytes ||
	    pwrite(file, bytes, sizeof bytes, next(FILE_SIZE)) != sizeof bytes ||
	    ftruncate(file, next(2 * FILE_SIZE)))
		failed("writing a file");
	lseek(file, next(1000), SEEK_SET);
	if (next(2))
		unlink("/tmp/file");
	if (next(2)) {
		close(file);
		file = open("/tmp/other", O_RDWR);
	}
}

static void *short_thread(void *argument)
{
	char stack[20000];

	memset(stack, 0x33, sizeof stack);
	__asm__ volatile("" : : "r"(stack) : "memory");
	return argument;
}

static void use_threads(void)
{
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, short_thread, NULL);
	pthread_mutex_lock(&worker.mutex);
	worker.orders++;
	pthread_cond_broadcast(&worker.cond);
	while (worker.done != worker.orders)
		pthread_cond_wait(&worker.cond, &worker.mutex);
	pthread_mutex_unlock(&worker.mutex);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

/* What was sent is taken or left, what was opened is closed or not. */
static void use_sockets(void)
{
	struct sockaddr_in here = {.sin_family = AF_INET,
	                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof here;
	int udp = socket(AF_INET, SOCK_DGRAM, 0), ends[2];
	char bytes[200];

	memset(bytes, 0x77, sizeof bytes);
	if (socketpair(AF_UNIX, next(2) ? SOCK_STREAM : SOCK_DGRAM, 0, ends) ||
	    write(ends[0], bytes, sizeof bytes) != sizeof bytes)
		failed("a pair of sockets");
	if (bind(udp, (struct sockaddr *)&here, size) ||
	    getsockname(udp, (struct sockaddr *)&here, &size) ||
	    sendto(udp, bytes, sizeof bytes, 0, (struct sockaddr *)&here, size) != sizeof bytes)
		failed("a datagram to itself");
	if (next(2) && (read(ends[1], bytes, sizeof bytes) != sizeof bytes ||
	                read(udp, bytes, sizeof bytes) != sizeof bytes))
		failed("what was sent does not come");
	if (next(2))
		close(ends[0]);
	if (next(2))
		close(udp);
}

static void use_signals(void)
{
	signal(SIGUSR1, handle);
	kill(getpid(), SIGUSR1);
	if (!signals)
		failed("a signal did not come");
	signal(SIGUSR1, next(2) ? SIG_IGN : SIG_DFL);
}

static void use_floats(void)
{
	for (int i = 0; i < 100; i++)
		sum = sum * 1.25 - 1 / sum;
	fesetround(FE_UPWARD);
	__asm__ volatile("fldpi; fldl2e; fldz; pcmpeqd %%xmm7, %%xmm7; pcmpeqd %%xmm15, %%xmm15"
	                 :
	                 :
	                 : "xmm7", "xmm15");
}

/* So much that the guest has to ask for memory. */
static void use_much(void)
{
	size_t size = (next(32) ? 1 + next(8) : 1 + next(1000)) * 8 * PAGE;
	unsigned char *at =
	        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < size; i += PAGE)
		at[i + 8] = 0x99;
	if (next(2))
		madvise(at, size, MADV_DONTNEED);
	if (next(2))
		munmap(at, size);
}

/* ---- and what it should not ---- */

/* Gives one page the frame of another one, without a flush; then perhaps takes it back. */
static void exchange_frames(void)
{
	uint64_t va = (uint64_t)shared_frames[0], table = boot_record()->page_table;
	volatile uint64_t *entry = NULL;
	uint64_t old;

	for (int shift = 39; shift >= 12; shift -= 9) {
		entry = &physical(table)[va >> shift & 511];
		table = *entry & ENTRY_ADDRESS;
	}
	old = *entry;
	*entry = (old & ~ENTRY_ADDRESS) | guest_physical(shared_frames[1]);
	madvise(shared_frames[0], PAGE, MADV_WILLNEED);
	if (next(2))
		mprotect(area, PAGE, PROT_READ); /* has the kit flush */
	(void)*(volatile unsigned char *)shared_frames[0];
	if (next(2))
		*entry = old;
}

static void scribble(void)
{
	memset((void *)(MOTE_RUN_VA + sizeof(struct mote_run)), 0x55,
	       MOTE_PAGE_SIZE - sizeof(struct mote_run));
	map_physical(MOTE_CLOCK_VA - MOTE_WINDOW_VA)[4000] = 0x66;
	map_physical(MOTE_CPU_TABLES_VA - MOTE_WINDOW_VA)[4000] = 0x66;
}

/* Ends with all memory locked by protection keys, where KVM leaves them on: the next start's, too?
 */
static void lock_and_end(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	if (low >> 9 & 1)
		__asm__ volatile("wrpkru; mov %3, %%eax; xor %%edi, %%edi; in %4, %%eax; ud2"
		                 :
		                 : "a"(3), "c"(0), "d"(0), "i"(MOTE_HC_exit),
		                   "i"(MOTE_HYPERCALL_PORT)
		                 : "rdi", "memory");
}

static void die(void)
{
	switch (next(7)) {
	case 0: *(volatile int *)8 = 0; break;
	case 1: __asm__ volatile("ud2"); break;
	case 2: /* a triple fault */
		for (unsigned i = 0; i < 4096; i++)
			map_physical(MOTE_CPU_TABLES_VA - MOTE_WINDOW_VA)[i] = 0;
		__asm__ volatile("ud2");
		break;
	case 3: /* its own code at CPL 0: another trap there */
		map_physical(MOTE_RING0_VA - MOTE_WINDOW_VA)[6 * MOTE_VECTOR_STRIDE] = 0xcc;
		__asm__ volatile("ud2");
		break;
	case 4: *map_physical(0x7000000000) = 1; break; /* no memory */
	case 5: hypercall(12345, 0, 0, 0); break;
	case 6: lock_and_end(); break;
	}
}

/* The first ones change no page tables, and are what most requests do. */
static void (*const actions[])(void) = {
        write_array,    write_field, use_files, use_signals,
        use_floats,     use_sockets, use_heap,  map_and_protect,
        move_and_unmap, use_threads, use_much,  exchange_frames,
        scribble,       die,
};
#define LIGHT  6
#define HONEST 11

int main(int argc, char **argv)
{
	bool is_hostile = argc > 1 && !strcmp(argv[1], "hostile");
	uint32_t count;

	prepare();
	mote_snapshot_point();
	if (getrandom(&random_bits, sizeof random_bits, 0) != sizeof random_bits)
		failed("getrandom");
	check();
	if (!next(64)) {
		puts("alive");
		fflush(stdout);
	}
	count = is_hostile ? sizeof actions / sizeof actions[0] : HONEST;
	for (uint32_t i = 1 + next(3); i; i--)
		actions[next(is_hostile ? 2 : 32) ? next(LIGHT) : next(count)]();
	_exit(0);
}
