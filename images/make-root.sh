#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a root folder for dynamic programs of this system: what is named, and the shared libraries and
# loaders that it needs, all at the paths they have here.
#
# usage: make-root.sh FOLDER FILE|DIRECTORY...          (FOLDER must not exist)
#
# A file that is a link is copied together with what it leads to; a directory is copied as it is.
set -euo pipefail
export LC_ALL=C

usage() {
	echo "usage: make-root.sh FOLDER FILE|DIRECTORY..." >&2
	exit 2
}

[ $# -ge 2 ] || usage
folder=$1
shift
mkdir "$folder"
mkdir -p "$folder"/usr/{bin,sbin,lib,lib64} "$folder"/{etc,tmp,dev,proc}
for name in bin sbin lib lib64; do
	ln -s "usr/$name" "$folder/$name"
done
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$folder/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$folder/etc/group"

# A link is made anew, to what it leads to in the end; that the folder is a link (/lib) does not count.
copy() { # PATH
	local place target
	place=$(readlink -f "$(dirname "$1")")/$(basename "$1")
	target=$(readlink -f "$1")
	[ ! -e "$folder$place" ] || return 0
	mkdir -p "$folder$(dirname "$place")" "$folder$(dirname "$target")"
	[ -e "$folder$target" ] || cp -a "$target" "$folder$target"
	[ "$target" = "$place" ] || ln -s "$target" "$folder$place"
}

# Prints what is named that ld.so would load: programs and shared objects.
objects() { # PATH...
	find -H "$@" -type f \( -perm -100 -o -name '*.so' -o -name '*.so.*' \) -exec grep -lm 1 $'^\x7fELF' {} + || true
}

for path; do
	case $path in
	/*) ;;
	*) usage ;;
	esac
	[ -e "$path" ] || {
		echo "make-root.sh: there is no $path" >&2
		exit 1
	}
	copy "$path"
done
# Under the names the loader looks for: those that ldd prints. It fails for what is static or of another C
# library; musl's loader, which is its library, too, has to be named.
objects "$@" | { xargs -r ldd 2>/dev/null || true; } |
	sed -n -e 's/.*=> \(\/[^ ]*\) .*/\1/p' -e 's/^\t\(\/[^ ]*\) .*/\1/p' | sort -u |
	while read -r path; do
		copy "$path"
	done
