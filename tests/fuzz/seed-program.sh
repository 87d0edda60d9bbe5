#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes seeds for fuzz_program into the directory $1: those of the VMM's loader.
set -eu
exec "$(dirname "$0")/seed-elf_image.sh" "$1"
