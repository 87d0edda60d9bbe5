# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Small operations inside a microVM and outside (micro.c); sourced by run.sh.
# shellcheck disable=SC2154 # $out and $mote are run.sh's

# The fastest of some runs of each, in turn: what disturbs a run only makes it slower.
micro_rounds=3

# Nanoseconds of an operation: sets $inside and $outside; fails with a reason on standard output.
micro_measure() { # OPERATION [MOTE-RUN-OPTION...]
	local round value
	inside='' outside=''
	for ((round = 0; round < micro_rounds; round++)); do
		value=$("$out/${micro_program:-micro}" "$1") || {
			echo "the native program failed"
			return 1
		}
		outside=$(printf "%s\n" ${outside:+"$outside"} "$value" | sort -n | head -n 1)
		value=$("$mote" run "${@:2}" "$out/${micro_program:-micro}" -- "$1" 2>"$out/micro.err") || {
			echo "mote: $(head -n 1 "$out/micro.err")"
			return 1
		}
		inside=$(printf "%s\n" ${inside:+"$inside"} "$value" | sort -n | head -n 1)
	done
}

# An operation's time inside as a multiple of its time outside.
micro_ratio() { # WHAT OPERATION LIMIT [MOTE-RUN-OPTION...]
	local inside outside
	if ! micro_measure "$2" "${@:4}" >"$out/micro.reason"; then
		not_run "$1" "$(<"$out/micro.reason")"
		return
	fi
	printf '%-16s outside %10s ns   inside %10s ns\n' "$2" "$outside" "$inside"
	result "$1" "$(awk -v a="$inside" -v b="$outside" 'BEGIN { printf "%.3f", a / b }')" '<=' "$3" times
}

bench_micro() {
	local inside outside
	echo "== small operations (fastest of $micro_rounds runs of each, in turn)"
	if micro_measure null_call >"$out/micro.reason"; then
		printf '%-16s outside %10s ns   inside %10s ns\n' null_call "$outside" "$inside"
		result "system call that does nothing" "$inside" '<=' 50 ns
	else
		not_run "system call that does nothing" "$(<"$out/micro.reason")"
	fi
	micro_ratio "two threads that take turns" thread_turns 0.2
	micro_ratio "thread made and joined" thread_create 0.5
	micro_ratio "memory of a stack: made, used and given back" stack_memory 0.5
	echo
}
