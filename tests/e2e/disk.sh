# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Disks: what a guest can do with them, what mote refuses, and what happens when the host cannot.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

disk() { # DISK-OPTION GUEST ARGUMENT...
	run --disk "$1" "$guests/$2" -- "${@:3}"
}

in_shell() { # DISK-OPTION COMMAND
	need_busybox
	run --disk "$1" "$busybox" -- sh -c "$2"
}

quiet_success() {
	expect_status 0
	expect_no_out
	expect_no_err
}

test_calls() {
	truncate -s 1M image
	disk image disk_calls /dev/vda
	quiet_success
}

test_calls_direct() {
	truncate -s 1M image
	disk image,direct disk_calls /dev/vda
	if [ "$status" -eq 125 ]; then
		expect_in err 'past the page cache'
		skip "this file system has no O_DIRECT"
	fi
	quiet_success
}

# The application's memory may be a file of the root image, which no device reaches.
test_from_root() {
	need_tool mkfs.erofs
	mkdir tree
	head -c 300000 /dev/urandom >tree/data
	truncate -s 1M image
	run --root tree --disk image "$guests/disk_calls" -- /dev/vda /data
	quiet_success
}

# ... or a shared mapping of a file that others see, too.
test_into_share() {
	mkdir shared
	head -c 1M /dev/urandom >image
	truncate -s 8192 shared/file
	run --share shared:/data --disk image,ro "$guests/disk_calls" -- /dev/vda into /data/file
	quiet_success
	cmp -n 8192 image shared/file || fail "the mapping was not stored"
}

test_read_only() {
	head -c 1M /dev/urandom >image
	cp image before
	chmod a-w image
	disk image,ro disk_calls /dev/vda ro
	quiet_success
	cmp image before || fail "the image was written to"
}

# What the guest believes to have written is in the file.
load() { # DISK-OPTION SEED MIB
	head -c 32M /dev/urandom >image
	disk "$1" disk_load /dev/vda "$2" "$3"
	expect_status 0
	expect_no_err
	[ "$("$guests/disk_load" sum image)" = "$(<out)" ] || fail "the image is not what was written"
}

test_load() {
	load image 1 512
}

test_load_direct() {
	: >probe
	dd if=/dev/zero of=probe bs=4k count=1 oflag=direct 2>dd.log || skip "this file system has no O_DIRECT"
	load image,direct 2 512
}

test_names() {
	truncate -s 1M one
	truncate -s 2M two
	need_busybox
	run --disk one,id=first --disk "$PWD/two,ro,id=second.2" "$busybox" -- ls -l /dev/disk/by-id
	expect_in out 'virtio-first -> ../../vda'
	expect_in out 'virtio-second.2 -> ../../vdb'
	run --disk one,id=first --disk two,ro "$busybox" -- \
		cat /proc/partitions /sys/block/vdb/size /sys/block/vdb/ro /sys/block/vda/serial
	expect_in out '254 +0 +1024 vda'
	expect_in out '254 +16 +2048 vdb'
	expect_in out '^4096$'
	expect_in out '^1$'
	expect_in out '^first'
	run --disk one "$busybox" -- stat -c '%F %t %T' /dev/vda
	expect_out 'block special file fe 0'
	: >'a,b'
	truncate -s 1M 'a,b'
	disk 'a,,b,ro' disk_calls /dev/vda ro
	quiet_success
}

test_counts() {
	truncate -s 1M image
	need_busybox
	# shellcheck disable=SC2016 # the guest's shell expands it
	in_shell image 'read -r a </dev/vda; while read -r l; do echo "$l"; done </proc/diskstats'
	expect_in out '^254 +0 vda [1-9]'
	run --disk image "$busybox" -- cat /dev/vdb
	expect_status 1
}

# Reading in advance: an exit for half a megabyte, once it is seen that reading goes on.
test_exits() {
	local waits
	need_busybox
	truncate -s 64M image
	run --stats --disk image "$busybox" -- dd if=/dev/vda of=/dev/null bs=4k
	waits=$(grep -o 'wait [0-9]*' err | cut -d ' ' -f 2)
	[ "$waits" -lt 200 ] || fail "$waits exits for 64 MiB"
	run --stats --disk image "$busybox" -- dd if=/dev/vda of=/dev/null bs=1M iflag=direct
	waits=$(grep -o 'wait [0-9]*' err | cut -d ' ' -f 2)
	[ "$waits" -lt 70 ] || fail "$waits exits for 64 MiB past the cache"
}

# Reads that end while the guest runs, with exits of other kinds between them; four at once do not.
test_short_direct_reads() {
	need_busybox
	head -c 8M /dev/urandom >image
	dd if=image of=/dev/null bs=4k count=1 iflag=direct 2>dd.log || skip "this file system has no O_DIRECT"
	local block waits
	for block in 512 4k 16k 20k; do
		run --stats --disk image,ro,direct "$busybox" -- dd if=/dev/vda "bs=$block" iflag=direct count=1000
		expect_status 0
		head -c "$(stat -c %s out)" image | cmp - out || fail "blocks of $block differ"
		waits=$(grep -o 'wait [0-9]*' err | cut -d ' ' -f 2)
		[ "$waits" -le 2100 ] || fail "$waits exits for 1000 reads of $block"
	done
}

test_refused() {
	mkfifo fifo
	mkdir folder
	: >empty
	truncate -s 1000 odd
	truncate -s 1M image
	local hello=$images/hello
	run --disk missing "$hello"
	expect_error 125 'cannot open missing: No such file'
	run --disk fifo "$hello"
	expect_error 125 'neither a regular file nor a block device'
	run --disk folder "$hello"
	expect_error 125 'neither a regular file nor a block device'
	run --disk /dev/null "$hello"
	expect_error 125 'neither a regular file nor a block device'
	run --disk empty "$hello"
	expect_error 125 'is empty.*truncate -s'
	run --disk odd "$hello"
	expect_error 125 'ends 488 bytes into a sector.*truncate -s %512 odd'
	truncate -s %512 odd
	run --disk odd "$hello"
	expect_status 0
	run --disk image,rw "$hello"
	expect_error 125 'is not ro, direct or id='
	run --disk image,id=a/b "$hello"
	expect_error 125 'an id has'
	run --disk ,ro "$hello"
	expect_error 125 'name of the file is empty'
	run --disk image --disk image "$hello"
	expect_error 125 'is in use'
}

test_lock() {
	local pid
	need_kvm
	truncate -s 1M image
	"$mote" run --disk image "$guests/spin" sleep >spin.out 2>&1 &
	pid=$!
	wait_for started spin.out
	run --disk image "$images/hello"
	expect_error 125 'is in use by somebody else'
	run --disk image,ro "$images/hello"
	expect_error 125 'is in use by somebody else'
	kill -9 "$pid"
	wait "$pid" || true
	"$mote" run --disk image,ro "$guests/spin" sleep >spin.out 2>&1 &
	pid=$!
	wait_for started spin.out
	run --disk image,ro "$images/hello"
	expect_status 0
	run --disk image "$images/hello"
	expect_error 125 'is in use by somebody else'
	kill -9 "$pid"
	wait "$pid" || true
}

# The guest waits for a line, so that the file can be cut under it.
test_truncated() {
	local pid
	need_kvm
	need_busybox
	head -c 1M /dev/zero | tr '\0' '\n' >image
	mkfifo input
	"$mote" run --disk image "$busybox" -- sh -c \
		'echo started; read -r go; read -r line </dev/vda && echo read; echo ended' \
		<input >out 2>err &
	pid=$!
	exec 9>input
	wait_for started out
	: >image
	echo go >&9
	status=0
	wait "$pid" || status=$?
	exec 9>&-
	expect_status 0
	expect_in out ended
	expect_not_in out '^read'
	[ "$(grep -c '^mote: disk image: cannot read: the file was made shorter' err)" -eq 1 ] || fail "no message"
}

# A tmpfs that is smaller than the image.
test_full() {
	need_kvm
	need_busybox
	unshare --mount --map-root-user true 2>/dev/null || skip "mounting is not permitted here"
	mkdir small
	status=0
	# shellcheck disable=SC2016 # the inner shell expands it
	timeout 45 unshare --mount --map-root-user sh -c \
		'mount -t tmpfs -o size=1M none small && truncate -s 8M small/image && shift &&
		exec "$@"' sh x "$mote" run --disk small/image "$busybox" -- \
		dd if=/dev/zero of=/dev/vda bs=64k >out 2>err || status=$?
	expect_status 1
	expect_in err 'I/O error'
	[ "$(grep -c '^mote: disk small/image: cannot write: No space left on device' err)" -eq 1 ] || fail "no message"
}

# Mote is killed at some moment: what was synced is there, and the image can be used again.
test_killed() {
	local pid i
	need_kvm
	truncate -s 32M image
	for ((i = 1; i <= 5; i++)); do
		"$mote" run --disk image "$guests/disk_load" -- /dev/vda "$i" 4096 >load.out 2>&1 &
		pid=$!
		sleep "0.$((i * 13))"
		kill -9 "$pid"
		wait "$pid" 2>/dev/null || true
		[ ! -s load.out ] || fail "$(<load.out)"
	done
	[ "$(stat -c %s image)" -eq 33554432 ] || fail "the image has another size"
	disk image disk_load /dev/vda 9 16
	expect_status 0
}
