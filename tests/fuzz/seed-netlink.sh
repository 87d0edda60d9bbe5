#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes seeds for fuzz_netlink into the directory $1: a request of each kind, whole and for one.
set -eu
cd "$1"

# request NAME LENGTH TYPE FLAGS BODY: the body with escapes of printf's %b
request() {
	printf '%b' "\\0$(printf %o "$2")\\0\\0\\0" "\\0$(printf %o "$3")\\0" "\\01\\0$(printf %o "$4")" \
		'\0001\0\0\0' '\0\0\0\0' "$5" >"$1"
}

header='\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
request links 32 18 3 "$header"
request link 40 18 0 "$header"'\0007\0\0003\0lo\0\0'
request addresses 24 22 3 '\0\0\0\0\0\0\0\0'
request address 44 22 0 '\0012\0\0\0\0\0\0\0\0024\0\0001\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0001'
request routes 28 26 3 '\0002\0\0\0\0\0\0\0\0\0\0\0'
request route 36 26 0 '\0002\0\0\0\0\0\0\0\0\0\0\0\0010\0\0001\0\0177\0\0\0001'
request neighbours 28 30 3 '\0\0\0\0\0\0\0\0\0\0\0\0'
request change 32 16 5 "$header"
cat links addresses routes >several
