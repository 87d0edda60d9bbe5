#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes seeds for fuzz_elf_image into the directory $1: small ELF files of every kind the loader tells apart.
set -eu

seeds=${1:?usage: seed-elf_image.sh DIRECTORY}
cc=${CC:-gcc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$seeds"

cat >"$work/seed.c" <<'EOF2'
const char text[] = "read-only";
char data[300] = "data";
char zeros[9000];
void _start(void) { data[1] = zeros[8999] = text[0]; for (;;); }
EOF2
cat >"$work/note.S" <<'EOF2'
	.section .note.mote, "a", @note
	.long 5, 16, 1
	.asciz "Mote"
	.balign 4
	.long 1, 88, 0, 0
	.section .note.GNU-stack, "", @progbits
EOF2

# seed NAME FLAGS...
seed() {
	name=$1
	shift
	"$cc" -O1 -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables \
		-Wl,--build-id=none -s "$@" "$work/seed.c" -o "$seeds/$name"
}

seed static -static
seed static-4k -static -Wl,-z,max-page-size=4096 -Wl,-z,noseparate-code
seed pie -static-pie -fPIE -Wl,-z,max-page-size=4096 -Wl,-z,noseparate-code
seed dynamic -fPIE -pie -Wl,-z,max-page-size=4096 -Wl,-z,noseparate-code
seed writable-text -static -Wl,-N
seed object -c
seed kit "$work/note.S" -static -mcmodel=kernel -fno-pic -Wl,-z,max-page-size=4096 \
	-Wl,-z,noseparate-code -Wl,-Ttext-segment=0xffffffff80001000
printf '#!/bin/sh\n' >"$seeds/script"
