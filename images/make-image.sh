#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a root image of a folder, which is removed.
#
# usage: make-image.sh FOLDER IMAGE
set -euo pipefail

[ $# -eq 2 ] || {
	echo "usage: make-image.sh FOLDER IMAGE" >&2
	exit 2
}
command -v mkfs.erofs >/dev/null || {
	echo "make-image.sh: mkfs.erofs is missing: install the package erofs-utils" >&2
	exit 1
}
mkfs.erofs --quiet "$2.new" "$1"
mv "$2.new" "$2"
rm -rf "$1"
