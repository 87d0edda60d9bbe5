#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes seeds for fuzz_backtrace into the directory $1: registers, a stack and a small static ELF.
set -eu

seeds=${1:?usage: seed-backtrace.sh DIRECTORY}
cc=${CC:-gcc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$seeds"

# The fuzz target's STACK_BASE and STACK_SIZE.
stack_base=$((0x7ffff000))
stack_words=64

cat >"$work/seed.c" <<'EOF'
volatile int sink;
__attribute__((noinline)) int inner(int n) { return sink + n; }
__attribute__((noinline)) int outer(int n) { return inner(n) + sink; }
__asm__(".globl restorer; .cfi_startproc; .cfi_signal_frame; nop; restorer:"
	".cfi_escape 0x0f, 4, 0x77, 0xa0, 0x01, 0x06; .cfi_escape 0x10, 16, 3, 0x77, 0xa8, 0x01;"
	"mov $15, %rax; syscall; .cfi_endproc");
void _start(void) { sink = outer(sink); __builtin_trap(); }
EOF

# A number as 8 little-endian bytes.
word() {
	value=$1
	for _ in 1 2 3 4 5 6 7 8; do
		# shellcheck disable=SC2059 # the byte is made by the format: an octal escape
		printf "\\$(printf %03o $((value & 255)))"
		value=$((value >> 8))
	done
}

address_of() {
	nm "$work/seed" | awk -v name="$1" '$3 == name { print "0x" $1 }'
}

# The address behind the first call in a function.
return_into() {
	objdump -d --no-show-raw-insn "$work/seed" |
		awk -v name="<$1>:" '$2 == name { inside = 1; next }
			inside && seen { sub(":", "", $1); print "0x" $1; exit }
			inside && /call/ { seen = 1 }'
}

# seed NAME FLAGS...: build, then write one file that starts in inner() and one in the restorer.
seed() {
	name=$1
	shift
	"$cc" -static -nostdlib -ffreestanding -fno-stack-protector -Wl,--build-id=none \
		-Wl,-z,noseparate-code -Wl,-z,max-page-size=4096 "$@" "$work/seed.c" -o "$work/seed"
	case $name in
	stripped) strip -o "$work/image" "$work/seed" ;;
	*) cp "$work/seed" "$work/image" ;;
	esac
	for start in inner restorer; do
		{
			word "$(($(address_of $start)))"
			for register in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
				case $register in
				6) word $((stack_base + 32)) ;;
				7) word $stack_base ;;
				*) word "$register" ;;
				esac
			done
			# Return addresses in most slots; frame pointers and a stack pointer in some.
			into_outer=$(($(return_into outer)))
			into_start=$(($(return_into _start)))
			i=0
			while [ $i -lt $stack_words ]; do
				case $((i % 4)) in
				0) word $into_outer ;;
				2) word $((stack_base + 8 * i + 32)) ;;
				*) word $into_start ;;
				esac
				i=$((i + 1))
			done
			cat "$work/image"
		} >"$seeds/$name-$start"
	done
}

seed dwarf5 -g -gdwarf-5 -O1
seed dwarf4 -g -gdwarf-4 -O1
seed dwarf2 -g -gdwarf-2 -gstrict-dwarf -O1
seed debug-frame -g -O1 -fno-asynchronous-unwind-tables
seed frame-pointer -O1 -fno-asynchronous-unwind-tables -fno-omit-frame-pointer
seed call-sites -O1 -fno-asynchronous-unwind-tables -fomit-frame-pointer
seed stripped -O1 -Wl,--eh-frame-hdr
