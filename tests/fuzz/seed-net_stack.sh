#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes seeds for fuzz_net_stack into the directory $1: records with frames, whose checksums nobody looks at.
set -eu
cd "$1"

own='\002\155\157\164\145\001'
other='\002\0\0\0\0\002'
here='\012\0\002\017'
there='\012\0\002\002'

# record ACT LENGTH BYTES: with escapes of printf's %b
record() {
	printf '%b' "\\0$(printf %o $(($2 % 256)))\\0$(printf %o $(($2 / 256)))\\0$(printf %o "$1")" "$3"
}

# ip4 PROTOCOL LENGTH BYTES: a packet in a frame; the length is that of the bytes
ip4() {
	record 0 $((34 + $2)) "$own$other\\010\\0\\0105\\0\\0\\0$(printf %o $((20 + $2)))\\0\\001\\0\\0\\0100\\0$(printf %o "$1")\\0\\0$there$here$3"
}

arp() {
	record 0 42 '\377\377\377\377\377\377'"$other"'\010\006\0\001\010\0\006\004\0\001'"$other$there"'\0\0\0\0\0\0'"$here"
}

# tcp_to PORT FLAGS NUMBER ACKNOWLEDGED LENGTH BYTES: the numbers are four escapes
tcp_to() {
	ip4 6 $((20 + $5)) "\\020\\001\\0\\0$(printf %o "$1")$3$4\\0120\\0$(printf %o "$2")\\0377\\0377\\0\\0\\0\\0$6"
}

tcp() {
	tcp_to 80 "$1" "$2" "$3" 0 ''
}

# full FLAGS NUMBER LENGTH BYTES: to the port where 64 bytes of window are left after the first byte
full() {
	tcp_to 81 "$1" "$2" '\021\021\021\022' "$3" "$4"
}

{ arp; ip4 1 8 '\010\0\0\0\0\001\0\001'; } >ping
{ arp; tcp 2 '\0\0\0\001' '\0\0\0\0'; tcp 16 '\0\0\0\002' '\021\021\021\022'; tcp 17 '\0\0\0\002' '\021\021\021\022'; record 4 100 ''; } >connection
half='ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF'
{ arp; tcp 2 '\0\0\0\001' '\0\0\0\0'; tcp 17 '\0200\0\0\002' '\021\021\021\022'; } >opposite
{ arp; full 2 '\0\0\0\001' 0 ''; full 16 '\0\0\0\002' 1 A; full 16 '\0\0\0\0100' 4 ABCD; full 16 '\0\0\0\003' 64 "$half$half"; } >overrun
{ arp; full 2 '\0\0\0\001' 0 ''; full 16 '\0\0\0\002' 1 A; full 17 '\0\0\0\010' 0 ''; full 16 '\0\0\0\003' 64 "$half$half"; } >end
{ arp; ip4 17 12 '\020\001\0\065\0\014\0\0abcd'; } >datagram
{ arp; record 4 2000 ''; record 8 0 ''; record 4 500 ''; } >links
record 0 62 '\063\063\0\0\0\001'"$other"'\206\335\140\0\0\0\0\010\072\377\376\200\0\0\0\0\0\0\0\0\0\0\0\0\0\002\377\002\0\0\0\0\0\0\0\0\0\0\0\0\0\001\206\0\0\0\100\0\007\010' >router
