/* SPDX-License-Identifier: Apache-2.0 */
/* --strace=summary: calls, errors and time by call, as `strace -c -w` prints them. */
#include "guestkit/console.h"
#include "guestkit/libc-shim/strace.h"
#include "guestkit/memory.h"

#define RULE "------ ----------- ----------- --------- --------- ----------------\n"

struct row {
	uint64_t calls, errors, ns;
};

static KIT_LARGE struct row rows[STRACE_CALLS_MAX];

void strace_summary_count(unsigned index, int64_t result, uint64_t ns)
{
	struct row *row = &rows[index];

	row->calls++;
	row->errors += result < 0 && result > -4096;
	row->ns += ns;
}

static void print_row(const struct row *row, uint64_t all_ns, const char *name)
{
	uint64_t share = all_ns ? row->ns * 10000 / all_ns : 0;
	char errors[24] = "";

	if (row->errors)
		kit_format(errors, sizeof errors, "%lu", row->errors);
	kit_print("%3lu.%02lu %4lu.%06lu %11lu %9lu %9s %s\n", share / 100, share % 100,
	          row->ns / 1000000000, row->ns / 1000 % 1000000,
	          row->calls ? row->ns / 1000 / row->calls : 0, row->calls, errors, name);
}

/* The call that took longest of those that are not printed yet. */
static unsigned find_longest(const uint64_t *printed)
{
	unsigned longest = STRACE_CALLS_MAX;

	for (unsigned i = 0; i < STRACE_CALLS_MAX; i++)
		if (rows[i].calls && !(printed[i / 64] >> i % 64 & 1) &&
		    (longest == STRACE_CALLS_MAX || rows[i].ns > rows[longest].ns))
			longest = i;
	return longest;
}

void strace_summary_print(const char *(*name)(unsigned index))
{
	uint64_t printed[(STRACE_CALLS_MAX + 63) / 64] = {0};
	struct row total = {0, 0, 0};
	unsigned next;

	for (unsigned i = 0; i < STRACE_CALLS_MAX; i++) {
		total.calls += rows[i].calls;
		total.errors += rows[i].errors;
		total.ns += rows[i].ns;
	}
	kit_print("%% time     seconds  usecs/call     calls    errors syscall\n" RULE);
	while ((next = find_longest(printed)) < STRACE_CALLS_MAX) {
		print_row(&rows[next], total.ns, name(next));
		printed[next / 64] |= 1ul << next % 64;
	}
	kit_print(RULE);
	print_row(&total, total.ns, "total");
}
