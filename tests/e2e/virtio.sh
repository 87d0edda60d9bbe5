# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Devices by a driver that is not the kit's: the handshake in right and wrong orders, then use, then
# anything at all. HOSTILE_MS is how long each device has to bear that (1500).
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# What each device is made with: option, ID, queues, a queue that is looked at when notified.
devices=(
	"entropy 4 1 0 --entropy"
	"balloon 5 5 0 --balloon=16M"
	"vsock 19 3 1 --vsock v"
	"net 1 2 1 --net user"
	"share 26 2 1 --share shared:/data"
	"disk 2 1 0 --disk image,id=tested"
	"console 3 2 1 --console virtio"
)

# Sets id, queues, served and options for a device, and makes what the options name.
choose() { # NAME
	local device
	for device in "${devices[@]}"; do
		read -r name id queues served options <<<"$device"
		[ "$name" != "$1" ] || break
	done
	[ "$name" = "$1" ] || fail "there is no device $1 in the list"
	[ "$name" != net ] || need_tool passt
	mkdir -p shared
	echo text >shared/file
	truncate -s 1M image
}

# The guest's own output goes where the device does not.
run_guest() { # ARGUMENT...
	# shellcheck disable=SC2086 # several words
	run $options "$@"
	expect_status 0
	[ "$name" != console ] || { mv out device && mv err out; }
}

handshake() { # NAME
	choose "$1"
	run_guest "$guests/virtio_handshake" 0 "$id" "$queues" "$served"
	expect_out ok
}

use() { # NAME
	choose "$1"
	run_guest "$guests/virtio_use" 0 "$id"
	expect_out ok
}

# Another seed each time; the log of a failure has it. Nothing outside of the share is touched.
anything() { # NAME
	local seed=$RANDOM
	choose "$1"
	printf 'seed %d\n' "$seed"
	run_guest "$guests/hostile_virtio" "$seed" "${HOSTILE_MS:-1500}" 0 "$queues"
	expect_in out '^[0-9]+ acts$'
}

test_entropy_handshake() { handshake entropy; }
test_entropy_use() { use entropy; }
test_entropy_anything() { anything entropy; }
test_balloon_handshake() { handshake balloon; }
test_balloon_use() { use balloon; }
test_balloon_anything() { anything balloon; }
test_vsock_handshake() { handshake vsock; }
test_vsock_use() { use vsock; }
test_vsock_anything() { anything vsock; }
test_net_handshake() { handshake net; }
test_net_use() { use net; }
test_net_anything() { anything net; }
test_share_handshake() { handshake share; }
test_share_use() { use share; }
test_share_anything() { anything share; }
test_disk_handshake() { handshake disk; }
test_disk_use() { use disk; }
test_disk_anything() { anything disk; }
test_console_handshake() { handshake console; }
test_console_use() {
	use console
	[ "$(head -n 1 device)" = "from two" ] || fail "the device wrote something else"
}
test_console_anything() { anything console; }
