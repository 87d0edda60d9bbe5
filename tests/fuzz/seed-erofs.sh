#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes tiny EROFS images, one for each way of laying out data, as seeds for fuzz_erofs.
set -eu

if [ $# -ne 1 ]; then
	echo "usage: $0 DIRECTORY" >&2
	exit 2
fi
if ! command -v mkfs.erofs >/dev/null; then
	echo "$0: no seeds: mkfs.erofs is not installed (Debian package erofs-utils)" >&2
	exit 77
fi

out=$1
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tree=$work/tree
mkdir -p "$tree/empty" "$tree/dir/deep" "$tree/many"
printf 'inline' >"$tree/small"
printf '%05000d' 7 >"$tree/tail"
printf '%08192d' 7 >"$tree/blocks"
truncate -s 20000 "$tree/hole"
ln -s ../small "$tree/dir/link"
ln "$tree/small" "$tree/dir/deep/hard"
mkfifo "$tree/fifo"
# Long enough for a second directory block, short enough for a tiny image.
name=$(printf '%0200d' 0)
for i in 0 1 2 3 4 5 6 7 8 9 a b c d e f g h i j k l; do
	: >"$tree/many/$i$name"
done

# make NAME OPTION...: one image; fixed time and UUID, so that seeds are the same each time
make()
{
	file=$out/$1
	shift
	mkfs.erofs --quiet -T0 -U00000000-0000-4000-8000-000000000001 "$@" "$file" "$tree"
}

make inline.erofs
make extended.erofs -Eforce-inode-extended
make plain.erofs -Enoinline_data
make chunks.erofs --chunksize=4096
make indexes.erofs --chunksize=8192 -Eforce-chunk-indexes
