#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds a root image with Debian's CPython 3 from the packages that are installed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-$here/../../build/images/python.erofs}

command -v mkfs.erofs >/dev/null || {
	echo "images/python: mkfs.erofs is missing: install the package erofs-utils" >&2
	exit 1
}
python=$(readlink -f /usr/bin/python3)
version=${python##*/}
mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$out.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
# The library, with the test suite if that is installed. Times are kept: a compiled module is valid for the
# source's time only.
"$here/../make-root.sh" "$work/root" /usr/bin/python3 "/usr/lib/$version" "/etc/$version/sitecustomize.py"
cp "$here/mote.py" "$work/root/usr/lib/$version/"
# For programs that embed Python, and a fifth of all.
rm -rf "$work/root/usr/lib/$version"/config-*
mkfs.erofs --quiet "$work/image" "$work/root"
mv "$work/image" "$out"
