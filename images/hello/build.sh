#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the greeting program, the smallest guest there is, for `mote run`.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=${1:-$root/build/images/hello}
cc=${MOTE_CC:-$root/build/mote-cc}

mkdir -p "$(dirname "$out")"
"$cc" -O2 -g "$root/images/hello/hello.c" -o "$out.new"
mv "$out.new" "$out"
