#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds a root image with Debian's nginx as it is installed (package nginx-light or another), a
# configuration for one process, and two files to serve.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-$here/../../build/images/nginx.erofs}
rm -rf "$out.tree"
mkdir -p "$(dirname "$out")"
"$here/../make-root.sh" "$out.tree" /usr/sbin/nginx /etc/nginx/mime.types
tree=$out.tree
cp "$here/nginx.conf" "$tree/etc/nginx/"
mkdir -p "$tree/var/log/nginx" "$tree/var/lib/nginx" "$tree/run" "$tree/srv"
# Numbers one below the other: the same bytes wherever it is built.
seq 100000000 100002000 | head -c 1024 >"$tree/srv/1k" || true
seq 100000000 102000000 | head -c 10485760 >"$tree/srv/10m" || true
"$here/../make-image.sh" "$tree" "$out"
