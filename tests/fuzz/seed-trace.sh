#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes a seed for fuzz_trace into the directory $1: a trace of hello.
set -eu

seeds=${1:?usage: seed-trace.sh DIRECTORY}
build=${BUILD:-$(dirname "$0")/../../build}
mkdir -p "$seeds"
[ -e /dev/kvm ] && [ -x "$build/mote" ] && [ -x "$build/images/hello" ] || exit 77
"$build/mote" run --trace "$seeds/hello" "$build/images/hello" >/dev/null
