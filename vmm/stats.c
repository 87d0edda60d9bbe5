/* SPDX-License-Identifier: Apache-2.0 */
/* --stats: what a run cost, as text or as one JSON object on stderr. */
#include "vmm/stats.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "virtio/net.h"
#include "vmm/console.h"

#define PAGEMAP_PRESENT (1ull << 63)
#define CHUNK           512 /* pagemap entries read at once */

struct page_counts {
	uint64_t resident;    /* pages of guest RAM that the host has backed */
	uint64_t kit_touched; /* pages of kit.elf that the guest used; only with --stats=pages */
};

/* Text that grows in a fixed buffer and is cut, never overrun. */
struct text {
	char bytes[8192];
	size_t length;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *text, const char *format, ...)
{
	size_t room = sizeof text->bytes - text->length;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text->bytes + text->length, room, format, args);
	va_end(args);
	text->length += (size_t)length < room ? (size_t)length : room - 1;
}

/* ---- pages ---- */

static bool is_accessed(const struct vm *vm, uint64_t gpa)
{
	/* The window is the one region of file pages that the stats run maps without accessed bits.
	 */
	uint64_t va = MOTE_WINDOW_VA + gpa;

	return page_tables_is_accessed(&vm->memory, vm->layout.tables.root, va);
}

static bool is_kit_page(const struct elf_image *kit, uint64_t va)
{
	for (size_t i = 0; i < kit->segment_count; i++)
		if (va + MOTE_PAGE_SIZE > kit->segments[i].va &&
		    va < kit->segments[i].va + kit->segments[i].memory_size)
			return true;
	return false;
}

static void count_page(const struct vm *vm, uint64_t gpa, uint64_t entry,
                       struct page_counts *counts)
{
	if (!(entry & PAGEMAP_PRESENT))
		return;
	counts->resident++;
	counts->kit_touched +=
	        is_kit_page(&vm->kit.image, MOTE_WINDOW_VA + gpa) && is_accessed(vm, gpa);
}

/* #syscalls:run pread64 */
static void count_pages(const struct vm *vm, struct page_counts *counts)
{
	uint64_t first = (uint64_t)vm->memory.host / MOTE_PAGE_SIZE;
	uint64_t pages = vm->memory.size / MOTE_PAGE_SIZE;
	uint64_t entries[CHUNK];

	memset(counts, 0, sizeof *counts);
	for (uint64_t page = 0; vm->pagemap_fd >= 0 && page < pages; page += CHUNK) {
		uint64_t count = pages - page < CHUNK ? pages - page : CHUNK;

		if (pread(vm->pagemap_fd, entries, count * 8, (off_t)((first + page) * 8)) !=
		    (ssize_t)(count * 8))
			return;
		for (uint64_t i = 0; i < count; i++)
			count_page(vm, (page + i) * MOTE_PAGE_SIZE, entries[i], counts);
	}
}

/* Resident memory of the process, in pages: second field of /proc/self/statm. */
/* #syscalls:run pread64 */
static uint64_t resident_pages(const struct vm *vm)
{
	char line[128] = "";
	unsigned long long size, resident = 0;

	if (vm->statm_fd < 0 || pread(vm->statm_fd, line, sizeof line - 1, 0) <= 0 ||
	    sscanf(line, "%llu %llu", &size, &resident) != 2)
		return 0;
	return resident;
}

/*
 * What of that is not guest memory, in KiB. Pages of the guest's that were only ever read, as the
 * oracle of resets does, are the kernel's one page of zeros, and resident for nobody.
 */
static uint64_t own_kib(const struct vm *vm, const struct page_counts *pages)
{
	uint64_t resident = resident_pages(vm);

	return resident > pages->resident ? (resident - pages->resident) * 4 : 0;
}

/* Its proportional set size in KiB: line "Pss:" of /proc/self/smaps_rollup. */
/* #syscalls:run pread64 */
static uint64_t proportional_kib(const struct vm *vm)
{
	char lines[2048] = "";
	unsigned long long kib = 0;
	const char *line;

	if (vm->smaps_fd < 0 || pread(vm->smaps_fd, lines, sizeof lines - 1, 0) <= 0)
		return 0;
	line = strstr(lines, "\nPss:");
	return line && sscanf(line, "\nPss: %llu", &kib) == 1 ? kib : 0;
}

/* ---- phases ---- */

struct phase {
	const char *name;
	const char *meaning;
	double us;
};

#define PHASES 11

static void find_phases(const struct vm *vm, struct phase phases[PHASES])
{
	const uint64_t *at = vm->moment;
	uint64_t offset = vm->clock.tsc_offset;
	struct mote_run run;
	struct phase all[PHASES] = {
	        {"process_start", "exec to main (CPU time)", (double)vm->start_cpu_ns / 1000.0},
	        {"open", "open files and /dev/kvm", 0},
	        {"create_vm", "create VM, memory and vCPU", 0},
	        {"load", "fill guest memory", 0},
	        {"setup_vcpu", "set the vCPU's state", 0},
	        {"confine", "seccomp for the run", 0},
	        {"first_instruction", "KVM_RUN to the kit's first instruction", 0},
	        {"kit", "the kit, up to the program's entry point", 0},
	        {"application", "the program", 0},
	        {"exit", "exit call to the end of the guest", 0},
	        {"total", "main to the end of the guest", 0},
	};
	struct {
		uint64_t from, to;
	} spans[PHASES];

	vm_read_run_page(vm, &run);
	for (int i = 0; i < MOTE_STAMPS; i++)
		run.stamp[i] -= run.stamp[i] ? offset : 0;
	for (int i = 0; i < 5; i++) {
		spans[1 + i].from = at[VM_MOMENT_MAIN + i];
		spans[1 + i].to = at[VM_MOMENT_MAIN + i + 1];
	}
	spans[6].from = at[VM_MOMENT_RUN];
	spans[6].to = spans[7].from = run.stamp[MOTE_STAMP_KIT];
	spans[7].to = spans[8].from = run.stamp[MOTE_STAMP_APPLICATION];
	spans[8].to = spans[9].from = run.stamp[MOTE_STAMP_EXIT];
	spans[9].to = spans[10].to = at[VM_MOMENT_ENDED];
	spans[10].from = at[VM_MOMENT_MAIN];
	for (int i = 1; i < PHASES; i++)
		if (spans[i].from && spans[i].to)
			all[i].us = clock_microseconds(&vm->clock, spans[i].from, spans[i].to);
	memcpy(phases, all, sizeof all);
}

/* ---- exits ---- */

struct exit_count {
	const char *name;
	uint64_t count;
};

#define EXIT_CAUSES (MOTE_HC_LIMIT + VM_EXIT_CAUSES)

static uint64_t find_exits(const struct vm *vm, struct exit_count exits[EXIT_CAUSES])
{
	static const char *const names[EXIT_CAUSES] = {
	        [0] = "unknown_hypercall",
#define X(number, name, arguments, purpose) [number] = #name,
	        MOTE_HYPERCALLS(X)
#undef X
	                [MOTE_HC_LIMIT + VM_EXIT_MMIO] = "mmio",
	        [MOTE_HC_LIMIT + VM_EXIT_PORT] = "port",
	        [MOTE_HC_LIMIT + VM_EXIT_INTERRUPTED] = "interrupted",
	        [MOTE_HC_LIMIT + VM_EXIT_OTHER] = "other",
	};
	uint64_t total = 0;

	for (int i = 0; i < EXIT_CAUSES; i++) {
		exits[i].name = names[i];
		exits[i].count =
		        i < MOTE_HC_LIMIT ? vm->hypercalls[i] : vm->exits[i - MOTE_HC_LIMIT];
		total += exits[i].count;
	}
	return total;
}

/* ---- output ---- */

/* ---- the network ---- */

static const char *protocol_name(const struct net_publish *publish)
{
	return publish->is_udp ? "udp" : "tcp";
}

static void add_net_json(const struct vm *vm, struct text *text)
{
	const struct net *net = vm->devices.net;
	const struct net_options *options = &vm->options->net;

	if (!net)
		return;
	add(text,
	    ",\"net\":{\"is_up\":%s,\"frames_sent\":%llu,\"bytes_sent\":%llu,"
	    "\"frames_received\":%llu,\"bytes_received\":%llu,\"frames_dropped\":%llu,"
	    "\"published\":[",
	    net->backend ? "true" : "false", (unsigned long long)net->sent.frames,
	    (unsigned long long)net->sent.bytes, (unsigned long long)net->received.frames,
	    (unsigned long long)net->received.bytes, (unsigned long long)net->dropped);
	for (unsigned i = 0; i < options->publish_count; i++) {
		const struct net_publish *publish = &options->publish[i];

		add(text,
		    "%s{\"protocol\":\"%s\",\"address\":\"%s\",\"host_port\":%u,"
		    "\"guest_port\":%u}",
		    i ? "," : "", protocol_name(publish), publish->address, publish->host_port,
		    publish->guest_port);
	}
	add(text, "]}");
}

static void add_net_text(const struct vm *vm, struct text *text)
{
	const struct net *net = vm->devices.net;
	const struct net_options *options = &vm->options->net;

	if (!net)
		return;
	add(text, "  %7llu frames sent (%llu bytes), %llu received (%llu bytes), %llu dropped%s\n",
	    (unsigned long long)net->sent.frames, (unsigned long long)net->sent.bytes,
	    (unsigned long long)net->received.frames, (unsigned long long)net->received.bytes,
	    (unsigned long long)net->dropped, net->backend ? "" : "; the network is down");
	for (unsigned i = 0; i < options->publish_count; i++) {
		const struct net_publish *publish = &options->publish[i];

		add(text, "          %s port %u of %s was port %u of the guest\n",
		    protocol_name(publish), publish->host_port, publish->address,
		    publish->guest_port);
	}
}

static void print_json(const struct vm *vm, struct text *text, const struct page_counts *pages)
{
	struct phase phases[PHASES];
	struct exit_count exits[EXIT_CAUSES];
	struct mote_run run;

	find_phases(vm, phases);
	vm_read_run_page(vm, &run);
	add(text, "{\"backend\":\"%s\",\"exit_status\":%d,\"phases_us\":{",
	    kvm_backend_name(vm->backend), vm->exit_status);
	for (int i = 0; i < PHASES; i++)
		add(text, "%s\"%s\":%.1f", i ? "," : "", phases[i].name, phases[i].us);
	add(text, "},\"exits\":{\"total\":%llu", (unsigned long long)find_exits(vm, exits));
	for (int i = 0; i < EXIT_CAUSES; i++)
		add(text, ",\"%s\":%llu", exits[i].name, (unsigned long long)exits[i].count);
	add(text, "},\"system_calls\":%llu,\"pages_touched\":%llu,",
	    (unsigned long long)run.syscalls, (unsigned long long)pages->resident);
	if (vm->options->stats == STATS_PAGES)
		add(text, "\"kit_pages_touched\":%llu,", (unsigned long long)pages->kit_touched);
	add(text, "\"guest_rss_kib\":%llu,\"vmm_rss_kib\":%llu,\"pss_kib\":%llu",
	    (unsigned long long)pages->resident * 4, (unsigned long long)own_kib(vm, pages),
	    (unsigned long long)proportional_kib(vm));
	add_net_json(vm, text);
	add(text, "}\n");
}

static void print_text(const struct vm *vm, struct text *text, const struct page_counts *pages)
{
	struct phase phases[PHASES];
	struct exit_count exits[EXIT_CAUSES];
	struct mote_run run;
	uint64_t total = find_exits(vm, exits);

	find_phases(vm, phases);
	vm_read_run_page(vm, &run);
	add(text, "mote: exit status %d, backend %s\n", vm->exit_status,
	    kvm_backend_name(vm->backend));
	for (int i = 0; i < PHASES; i++)
		add(text, "  %10.1f us  %-18s %s\n", phases[i].us, phases[i].name,
		    phases[i].meaning);
	add(text, "  %7llu exits:", (unsigned long long)total);
	for (int i = 0; i < EXIT_CAUSES; i++)
		if (exits[i].count)
			add(text, " %s %llu", exits[i].name, (unsigned long long)exits[i].count);
	add(text, "\n  %7llu system calls\n", (unsigned long long)run.syscalls);
	add(text, "  %7llu pages backed by the host (%llu KiB), and %llu KiB for the VMM itself\n",
	    (unsigned long long)pages->resident, (unsigned long long)pages->resident * 4,
	    (unsigned long long)own_kib(vm, pages));
	add_net_text(vm, text);
}

void stats_print(const struct vm *vm, enum stats_format format)
{
	struct text text = {.length = 0};
	struct page_counts pages;

	count_pages(vm, &pages);
	if (format != STATS_TEXT)
		print_json(vm, &text, &pages);
	else
		print_text(vm, &text, &pages);
	console_report(text.bytes, text.length);
}
