/* SPDX-License-Identifier: Apache-2.0 */
/* What `mote bench startup` measures: lists that specifications, results and reports share. */
#ifndef MOTE_MEASURE_MEASURES_H
#define MOTE_MEASURE_MEASURES_H

/* X(identifier, name, what is timed) */
#define BENCH_MODES(X)                                                                        \
	X(BOOT, boot, "mote run: a new microVM, from nothing")                                \
	X(RESTORE, restore, "mote restore: a new microVM, from a snapshot")                   \
	X(RESET, reset, "mote restore -n: one more round in the same microVM, and its reset") \
	X(AGAINST, against, "the command to compare with")

/* X(identifier, key, unit, what it is) */
#define BENCH_QUANTITIES(X)                                                            \
	X(WALL, wall_us, "us", "wall time of the process")                             \
	X(RSS, rss_kib, "KiB", "resident memory of mote and guest")                    \
	X(PSS, pss_kib, "KiB", "the same, pages that processes share divided by them") \
	X(PAGES, pages_touched, "pages", "pages of guest memory that the host backs")  \
	X(EXITS, exits, "exits", "exits from the guest to mote")                       \
	X(CALLS, system_calls, "calls", "system calls that the guest made")

/* X(key in a budget, quantity, statistic, unit) */
#define BENCH_BUDGETS(X)                           \
	X(p50_us, WALL, P50, "us")                 \
	X(p90_us, WALL, P90, "us")                 \
	X(p99_us, WALL, P99, "us")                 \
	X(mean_us, WALL, MEAN, "us")               \
	X(ratio, WALL, RATIO, "times the command") \
	X(rss_kib, RSS, P50, "KiB")                \
	X(pss_kib, PSS, P50, "KiB")                \
	X(pages_touched, PAGES, P50, "pages")      \
	X(exits, EXITS, P50, "exits")              \
	X(system_calls, CALLS, P50, "calls")

enum bench_mode {
#define X(identifier, name, purpose) BENCH_##identifier,
	BENCH_MODES(X)
#undef X
	        BENCH_MODE_COUNT
};

enum bench_quantity {
#define X(identifier, key, unit, purpose) BENCH_##identifier,
	BENCH_QUANTITIES(X)
#undef X
	        BENCH_QUANTITY_COUNT
};

enum bench_statistic { BENCH_P50, BENCH_P90, BENCH_P99, BENCH_MEAN, BENCH_RATIO };

/* What a key of a budget stands for. */
struct bench_budget_kind {
	const char *key;
	enum bench_quantity quantity;
	enum bench_statistic statistic;
	const char *unit;
};

extern const char *const bench_mode_name[BENCH_MODE_COUNT];
extern const char *const bench_mode_purpose[BENCH_MODE_COUNT];
extern const char *const bench_quantity_key[BENCH_QUANTITY_COUNT];
extern const char *const bench_quantity_unit[BENCH_QUANTITY_COUNT];

/* Ends with an entry without a key. */
extern const struct bench_budget_kind bench_budget_kinds[];

#endif
