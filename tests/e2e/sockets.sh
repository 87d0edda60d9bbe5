# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# AF_UNIX sockets between threads: as on Linux, where the same program runs first.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_server_with_threads() {
	same_as_native unix serve
}

test_server_with_epoll() {
	same_as_native unix edges
}

test_much_data() {
	same_as_native unix bulk
}

test_datagrams_to_a_full_queue() {
	same_as_native unix datagrams
}

test_what_wakes_sleepers() {
	same_as_native unix wakes
}

test_descriptors_between_threads() {
	same_as_native unix rights
}

test_memory_serves_again() {
	same_as_native unix reuse
}

# Another seed each time; the log of a failure has it.
test_storm() {
	local seed=$RANDOM
	printf 'seed %d\n' "$seed"
	same_as_native unix_storm "$seed" 3000
}
