/* SPDX-License-Identifier: Apache-2.0 */
/* `mote inspect` of a snapshot: where it was taken, its layers, what its pages are. */
#include "vmm/inspect_snapshot.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "snapshot/format.h"
#include "vmm/json.h"
#include "vmm/kvm.h"
#include "vmm/lost_page.h"
#include "vmm/options.h"
#include "vmm/page_view.h"

static const char *const points[] = {"main", "listen", "its own mark", "a moment from outside"};

struct inspection {
	struct page_view *view;
	uint64_t by_kind[PAGE_KIND_COUNT];
	uint64_t by_layer[SNAPSHOT_LAYERS_MAX];
	bool is_json, lists_pages;
};

static void count_pages(struct inspection *inspection)
{
	const struct page_view *view = inspection->view;
	unsigned layer;

	for (uint64_t frame = 0; frame < view->frames; frame++) {
		if (!page_view_find(view, frame, &layer))
			continue;
		inspection->by_kind[view->uses[frame].kind]++;
		inspection->by_layer[layer]++;
	}
}

static const char *point_of(const struct snapshot_machine *machine)
{
	return machine->point < sizeof points / sizeof *points ? points[machine->point] : "?";
}

static const char *backend_of(const struct snapshot_machine *machine)
{
	return machine->backend <= KVM_BACKEND_OTHER
	               ? kvm_backend_name((enum kvm_backend)machine->backend)
	               : "?";
}

static void time_of(const struct snapshot_machine *machine, char *text, size_t size)
{
	time_t seconds = (time_t)(machine->realtime / 1000000000u);
	struct tm when;

	*text = '\0';
	if (gmtime_r(&seconds, &when))
		strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &when);
}

/* A string of the file. */
static const char *section_text(const struct snapshot *snapshot, enum snapshot_section_kind kind)
{
	const char *text = snapshot->sections[kind].bytes;

	return text ? text : "";
}

/* ---- for people ---- */

static void print_line(const char *what, const char *text)
{
	if (!*text)
		return;
	printf("%-12s ", what);
	page_view_print_text(text, strlen(text));
	putchar('\n');
}

static void print_machine(const struct snapshot *snapshot)
{
	const struct snapshot_machine *machine = snapshot->machine;
	char when[32];

	time_of(machine, when, sizeof when);
	printf("%-12s at %s, %s, by mote ", "taken", point_of(machine), when);
	page_view_print_text(machine->vmm_version, strlen(machine->vmm_version));
	printf(" (ABI %u) on %s\n", machine->abi_version, backend_of(machine));
	print_line("app", section_text(snapshot, SNAPSHOT_APPLICATION));
	print_line("root", section_text(snapshot, SNAPSHOT_ROOT));
	printf("%-12s %s, ", "cpu",
	       machine->cpu_model == CPU_BASELINE ? "baseline" : "of the host");
	page_view_print_text(machine->cpu_vendor,
	                     strnlen(machine->cpu_vendor, sizeof machine->cpu_vendor));
	printf(" %08x\n", machine->cpu_signature);
	printf("%-12s %" PRIu64 " KiB, %" PRIu64 " KiB of them in use by the guest\n", "memory",
	       machine->ram_size >> 10, machine->ram_end >> 10);
}

static void print_layers(const struct inspection *inspection)
{
	const struct snapshot *snapshot = &inspection->view->snapshot;

	printf("\n%-12s %12s %12s  file\n", "layer", "bytes", "pages used");
	for (unsigned i = 0; i < snapshot->layer_count; i++) {
		printf("%-12u %12" PRIu64 " %12" PRIu64 "  ", i, snapshot->layers[i].size,
		       inspection->by_layer[i]);
		page_view_print_text(snapshot->layers[i].name, strlen(snapshot->layers[i].name));
		putchar('\n');
	}
}

static void print_kinds(const struct inspection *inspection)
{
	uint64_t all = 0;

	printf("\n%-12s %12s %12s\n", "pages", "number", "KiB");
	for (unsigned kind = 0; kind < PAGE_KIND_COUNT; kind++) {
		uint64_t pages = inspection->by_kind[kind];

		all += pages;
		if (pages)
			printf("%-12s %12" PRIu64 " %12" PRIu64 "  %s\n",
			       page_kind_name((enum page_kind)kind), pages, pages * 4,
			       page_kind_meaning((enum page_kind)kind));
	}
	printf("%-12s %12" PRIu64 " %12" PRIu64 "\n", "all", all, all * 4);
}

/* Whether a page continues the run of the one before it. */
static bool continues(const struct page_view *view, uint64_t frame, unsigned layer)
{
	const struct page_use *use = &view->uses[frame], *next = use + 1;
	unsigned its;

	return frame + 1 < view->frames && page_view_find(view, frame + 1, &its) && its == layer &&
	       next->kind == use->kind &&
	       (use->va ? next->va == use->va + MOTE_PAGE_SIZE : !next->va);
}

static void print_pages(const struct page_view *view)
{
	unsigned layer;

	printf("\n%-12s %-18s %8s %5s  %-12s %s\n", "gpa", "va", "pages", "layer", "kind",
	       "begins in");
	for (uint64_t frame = 0; frame < view->frames; frame++) {
		uint64_t first = frame;

		if (!page_view_find(view, frame, &layer))
			continue;
		while (continues(view, frame, layer))
			frame++;
		printf("%-12" PRIx64 " %-18" PRIx64 " %8" PRIu64 " %5u  %-12s ",
		       first * MOTE_PAGE_SIZE, view->uses[first].va, frame - first + 1, layer,
		       page_kind_name(view->uses[first].kind));
		page_view_print_name(view, first);
		putchar('\n');
	}
}

static void print_readable(const struct inspection *inspection)
{
	const struct snapshot *snapshot = &inspection->view->snapshot;

	printf("%-12s version %u, ", "snapshot", SNAPSHOT_VERSION);
	for (unsigned i = 0; i < sizeof snapshot->layers[0].header->id; i++)
		printf("%02x", snapshot->layers[0].header->id[i]);
	putchar('\n');
	print_machine(snapshot);
	if (snapshot->working_set_count)
		printf("%-12s %zu pages%s\n", "working set", snapshot->working_set_count,
		       snapshot->working_set_offset ? ", in one run" : "");
	else
		printf("%-12s none yet: the first restore records it\n", "working set");
	print_layers(inspection);
	print_kinds(inspection);
	if (inspection->lists_pages)
		print_pages(inspection->view);
}

/* ---- for programs ---- */

static void print_string(const char *key, const char *text)
{
	char piece[8];

	printf("\"%s\": \"", key);
	while (*text) {
		json_escape(&text, piece);
		fputs(piece, stdout);
	}
	printf("\", ");
}

static void print_json(const struct inspection *inspection)
{
	const struct snapshot *snapshot = &inspection->view->snapshot;
	const struct snapshot_machine *machine = snapshot->machine;
	char when[32];

	time_of(machine, when, sizeof when);
	printf("{\"version\": %u, ", SNAPSHOT_VERSION);
	print_string("point", point_of(machine));
	print_string("taken", when);
	print_string("mote", machine->vmm_version);
	print_string("backend", backend_of(machine));
	print_string("app", section_text(snapshot, SNAPSHOT_APPLICATION));
	print_string("root", section_text(snapshot, SNAPSHOT_ROOT));
	print_string("cpu", machine->cpu_model == CPU_BASELINE ? "baseline" : "host");
	printf("\"memory_bytes\": %" PRIu64 ", \"working_set\": %zu, \"has_run\": %s, "
	       "\"layers\": [",
	       machine->ram_size, snapshot->working_set_count,
	       snapshot->working_set_offset ? "true" : "false");
	for (unsigned i = 0; i < snapshot->layer_count; i++) {
		printf("%s{", i ? ", " : "");
		print_string("file", snapshot->layers[i].name);
		printf("\"bytes\": %" PRIu64 ", \"pages_used\": %" PRIu64 "}",
		       snapshot->layers[i].size, inspection->by_layer[i]);
	}
	printf("], \"pages\": {");
	for (unsigned kind = 0; kind < PAGE_KIND_COUNT; kind++)
		printf("%s\"%s\": %" PRIu64, kind ? ", " : "", page_kind_name((enum page_kind)kind),
		       inspection->by_kind[kind]);
	printf("}}\n");
}

static void print(void *ctx)
{
	struct inspection *inspection = ctx;

	count_pages(inspection);
	if (inspection->is_json)
		print_json(inspection);
	else
		print_readable(inspection);
}

int inspect_snapshot(const char *path, bool is_json, bool lists_pages, struct mote_error *err)
{
	static struct page_view view;
	struct inspection inspection = {
	        .view = &view, .is_json = is_json, .lists_pages = lists_pages};

	if (page_view_open(&view, path, err))
		return -1;
	return lost_page_guard(print, &inspection) ? lost_page_error(err, path) : 0;
}
