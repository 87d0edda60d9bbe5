# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Mappings as Linux has them, and the memory behind them.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_truncate() {
	same_as_native mappings truncate
}

test_hole() {
	same_as_native mappings hole
}

test_tables_are_freed() {
	run --mem 8M "$guests/mappings" -- apart
	mv out mote.out
	try "$guests/mappings" apart
	cmp -s mote.out out || fail "expected what there is natively, not: $(<mote.out)"
}
