/* SPDX-License-Identifier: Apache-2.0 */
/* What `mote bench startup` measures: the tables behind the lists. */
#include "measure/measures.h"

#include <stddef.h>

const char *const bench_mode_name[] = {
#define X(identifier, name, purpose) [BENCH_##identifier] = #name,
        BENCH_MODES(X)
#undef X
};

const char *const bench_mode_purpose[] = {
#define X(identifier, name, purpose) [BENCH_##identifier] = purpose,
        BENCH_MODES(X)
#undef X
};

const char *const bench_quantity_key[] = {
#define X(identifier, key, unit, purpose) [BENCH_##identifier] = #key,
        BENCH_QUANTITIES(X)
#undef X
};

const char *const bench_quantity_unit[] = {
#define X(identifier, key, unit, purpose) [BENCH_##identifier] = unit,
        BENCH_QUANTITIES(X)
#undef X
};

const struct bench_budget_kind bench_budget_kinds[] = {
#define X(key, quantity, statistic, unit) {#key, BENCH_##quantity, BENCH_##statistic, unit},
        BENCH_BUDGETS(X)
#undef X
                {NULL, BENCH_WALL, BENCH_P50, NULL},
};
