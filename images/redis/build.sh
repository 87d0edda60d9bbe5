#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds a root image with Debian's Redis as it is installed (package redis-server).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-$here/../../build/images/redis.erofs}
rm -rf "$out.tree"
mkdir -p "$(dirname "$out")"
"$here/../make-root.sh" "$out.tree" /usr/bin/redis-server
"$here/../make-image.sh" "$out.tree" "$out"
