#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Seeds of fuzz_fs_server: streams of random bytes, since any byte means something.
#
# usage: seed-fs_server.sh DIRECTORY
set -euo pipefail

for seed in {1..40}; do
	LC_ALL=C awk -v seed="$seed" 'BEGIN {
		srand(seed)
		for (i = 0; i < 200 * (1 + seed % 10); i++)
			printf "%c", int(rand() * 256)
	}' >"$1/random-$seed"
done
