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
mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$out.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$here/make-root.sh" "$work/root"
mkfs.erofs --quiet "$work/image" "$work/root" || exit
mv "$work/image" "$out"
