#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the Lua 5.4 interpreter from Debian's source package as a static program for `mote run`.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=${1:-$root/build/images/lua}
cc=${MOTE_CC:-$root/build/mote-cc}
src=$root/build/third_party/lua5.4/src

"$root/scripts/fetch-source.sh" lua5.4
mkdir -p "$(dirname "$out")"
sources=()
for file in "$src"/*.c; do
	case ${file##*/} in
	luac.c) ;; # the compiler to bytecode has a main() of its own
	*) sources+=("$file") ;;
	esac
done
work=$(mktemp -d "$out.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
# Debian's luaconf.h includes this header for its search paths; its own build system generates it.
echo '#define DEB_HOST_MULTIARCH "x86_64-linux-gnu"' >"$work/lua5.4-deb-multiarch.h"
# LUA_USE_POSIX rather than LUA_USE_LINUX: a static program loads no C modules at run time.
"$cc" -std=gnu99 -O2 -g -DNDEBUG -DLUA_USE_POSIX -DLUA_COMPAT_5_3 -I"$work" "${sources[@]}" -lm \
	-o "$work/lua"
mv "$work/lua" "$out"
