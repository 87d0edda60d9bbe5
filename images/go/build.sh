#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the Go demo with Debian's Go as a static program for `mote run`: no C code in it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-$here/../../build/images/go-demo}

command -v go >/dev/null || {
	echo "images/go: there is no go: install the package golang-go" >&2
	exit 1
}
mkdir -p "$(dirname "$out")"
# Nothing is fetched, no toolchain either, and the user's settings and caches stay as they are.
export CGO_ENABLED=0 GOFLAGS=-mod=mod GO111MODULE=off GOTOOLCHAIN=local GOPROXY=off GOENV=off
export GOCACHE=$out.cache
go build -trimpath -ldflags=-buildid= -o "$out.tmp" "$here/main.go"
mv "$out.tmp" "$out"
