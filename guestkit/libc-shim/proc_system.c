/* SPDX-License-Identifier: Apache-2.0 */
/* The files of /proc that tell of the whole system: memory, time, random numbers. */
#include "guestkit/libc-shim/proc_system.h"

#include "guestkit/clock.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/memory.h"
#include "guestkit/random.h"
#include "guestkit/snapshot.h"

#define UUID_SIZE        16
#define PAGE_KIB         (PAGE_SIZE / 1024)
#define TICK_NANOSECONDS (SYSTEM_NANOSECONDS / SYSTEM_TICKS)

void proc_meminfo(struct text *text)
{
	uint64_t total = page_total_count() * PAGE_KIB;
	uint64_t left = page_free_count() * PAGE_KIB;

	text_print(text,
	           "MemTotal: %lu kB\nMemFree: %lu kB\nMemAvailable: %lu kB\nBuffers: 0 kB\n"
	           "Cached: 0 kB\nSwapCached: 0 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
	           total, left, page_available_count() * PAGE_KIB);
	text_print(text,
	           "Shmem: 0 kB\nSlab: 0 kB\nSReclaimable: 0 kB\n"
	           "CommitLimit: %lu kB\nCommitted_AS: %lu kB\nHugePages_Total: 0\n"
	           "HugePages_Free: 0\nHugepagesize: 2048 kB\n",
	           total, total - left);
}

/* Seconds with two digits behind the point. */
static void append_seconds(struct text *text, uint64_t nanoseconds)
{
	text_decimal(text, nanoseconds / SYSTEM_NANOSECONDS, 1);
	text_string(text, ".");
	text_decimal(text, nanoseconds % SYSTEM_NANOSECONDS / TICK_NANOSECONDS, 2);
}

void proc_hostname(struct text *text)
{
	text_print(text, "%s\n", system_host_name());
}

void proc_uptime(struct text *text)
{
	append_seconds(text, clock_boottime());
	text_string(text, " ");
	append_seconds(text, process.waited);
	text_string(text, "\n");
}

/* Nothing keeps averages; one process exists, and it is the one that reads. */
void proc_loadavg(struct text *text)
{
	text_print(text, "0.00 0.00 0.00 1/1 %d\n", PROCESS_ID);
}

void proc_system_stat(struct text *text)
{
	uint64_t user = process_cpu_time() / TICK_NANOSECONDS;
	uint64_t idle = process.waited / TICK_NANOSECONDS;
	uint64_t boot = (clock_realtime() - clock_boottime()) / SYSTEM_NANOSECONDS;

	for (unsigned i = 0; i < 2; i++)
		text_print(text, "%s %lu 0 0 %lu 0 0 0 0 0 0\n", i == 0 ? "cpu " : "cpu0", user,
		           idle);
	text_print(text,
	           "intr 0\nctxt 0\nbtime %lu\nprocesses 1\nprocs_running 1\n"
	           "procs_blocked 0\n",
	           boot);
}

/* ---- random ---- */

/* RFC 9562, 5.4: a random UUID. */
static void append_uuid(struct text *text, const unsigned char *random)
{
	for (unsigned i = 0; i < UUID_SIZE; i++) {
		unsigned char byte = random[i];

		if (i == 6)
			byte = (byte & 0x0f) | 0x40;
		if (i == 8)
			byte = (byte & 0x3f) | 0x80;
		if (i == 4 || i == 6 || i == 8 || i == 10)
			text_string(text, "-");
		text_hex(text, byte, 2);
	}
	text_string(text, "\n");
}

void proc_uuid(struct text *text)
{
	unsigned char random[UUID_SIZE];

	random_fill(random, sizeof(random));
	append_uuid(text, random);
}

/* A start from a snapshot is another boot. */
void proc_boot_id(struct text *text)
{
	static unsigned char random[UUID_SIZE];
	static uint32_t made_in;
	static bool is_made;

	if (!is_made || made_in != snapshot_starts)
		random_fill(random, sizeof(random));
	is_made = true;
	made_in = snapshot_starts;
	append_uuid(text, random);
}

void proc_file_max(struct text *text)
{
	text_print(text, "%d\n", VFS_OPEN_MAX);
}
