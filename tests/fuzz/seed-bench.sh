#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes seeds for fuzz_bench into the directory $1: a specification, a result, statistics.
set -eu

seeds=${1:?usage: seed-bench.sh DIRECTORY}
mkdir -p "$seeds"
cat >"$seeds/specification" <<'JSON'
{"mote_bench": 1, "name": "n", "app": "a", "args": ["x"], "options": ["--mem", "64M"], "modes": ["boot", "restore", "reset"],
"snapshot_at": "listen", "runs": 7, "warmup": 0, "stats_runs": 3, "reset_rounds": 5, "timeout_s": 9, "exit_status": 3,
"against": "true", "regression": {"significance": 0.02, "minimum": 0.1},
"budgets": {"boot": {"p50_us": 4000, "exits": 4}, "restore": {"rss_kib": 1}, "reset": {"p99_us": 70}}}
JSON
cat >"$seeds/result" <<'JSON'
{"mote_bench_result": 1, "name": "n", "backend": "kvm", "taken": "t",
"boot": {"wall_us": {"samples": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}, "exits": {"samples": [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]},
"phases_us": {"open": {"samples": [1]}}}, "against": {"wall_us": {"samples": [1, 2]}}}
JSON
cat >"$seeds/statistics" <<'JSON'
{"backend":"kvm-amd","phases_us":{"open":1.5},"exits":{"total":3},"system_calls":5,"pages_touched":100,"guest_rss_kib":400,"vmm_rss_kib":24,"pss_kib":300}
JSON
