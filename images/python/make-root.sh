#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a root folder with Debian's CPython 3 as it is installed: the interpreter, its standard
# library, its test suite if that is installed, and the shared libraries these need.
#
# usage: make-root.sh FOLDER           (must not exist)
set -euo pipefail

folder=${1:?usage: make-root.sh FOLDER}
python=$(readlink -f /usr/bin/python3) || python=
[ -x "$python" ] || {
	echo "images/python: there is no /usr/bin/python3: install the package python3" >&2
	exit 1
}
library=/usr/lib/${python##*/}
mkdir "$folder"
mkdir -p "$folder"/usr/{bin,lib,lib64} "$folder"/{etc,tmp,dev,proc}
for name in bin lib lib64; do
	ln -s "usr/$name" "$folder/$name"
done
cp -p "$python" "$folder/usr/bin/"
ln -s "${python##*/}" "$folder/usr/bin/python3"
# Times are kept: compiled modules (__pycache__) are valid for the source's time only.
cp -a "$library" "$folder/usr/lib/"
# What programs are linked with that embed Python, and a fifth of its size.
rm -rf "$folder$library"/config-*
# Under the names the loader looks for: those that ldd prints.
ldd "$python" "$library"/lib-dynload/*.so |
	sed -n -e 's/.*=> \(\/[^ ]*\) .*/\1/p' -e 's/^\t\(\/[^ ]*\) .*/\1/p' | sort -u |
	while read -r path; do
		[ -e "$folder$path" ] || install -D "$path" "$folder$path"
	done
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$folder/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$folder/etc/group"
