# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What devices add to a start: hello with none, with each and with all of them. Sourced by run.sh.
# shellcheck disable=SC2154 # $out, $mote and the like are run.sh's

# A TAP in a network namespace of our own: devices_inside runs a command there.
make_tap() {
	devices_space=mote-bench-$$
	devices_inside=(ip netns exec "$devices_space")
	ip netns add "$devices_space" 2>/dev/null || return
	"${devices_inside[@]}" ip tuntap add dev mote0 mode tap vnet_hdr &&
		"${devices_inside[@]}" ip link set mote0 up
}

exits_of() { # MOTE-RUN-ARGUMENT...
	"${devices_inside[@]}" "$mote" run --stats=json "$@" "$hello" 2>&1 >/dev/null | tr -d ' \n' |
		sed -n 's/.*"exits":{"total":\([0-9]*\).*/\1/p'
}

bench_devices() {
	local what="hello: with all devices against none" expected=$out/hello.expected
	local -a all
	echo "== hello with devices ($(((rounds + 1) / 2)) rounds)"
	if [ "$(id -u)" -ne 0 ] || [ ! -c /dev/net/tun ] || ! make_tap; then
		not_run "$what" "only root may make a TAP for it"
		return
	fi
	truncate -s 16M "$out/devices.img"
	mkdir -p "$out/devices.share"
	# shellcheck disable=SC2054 # a comma of the option's
	all=(--entropy --disk "$out/devices.img" --share "$out/devices.share:/data"
		--net tap=mote0,ip=10.9.0.2/24)
	"${devices_inside[@]}" "$pairs" -n "$(((rounds + 1) / 2))" -r none \
		::: none "$expected" "$mote" run "$hello" \
		::: disk "$expected" "$mote" run --disk "$out/devices.img" "$hello" \
		::: share "$expected" "$mote" run --share "$out/devices.share:/data" "$hello" \
		::: tap "$expected" "$mote" run --net tap=mote0,ip=10.9.0.2/24 "$hello" \
		::: all "$expected" "$mote" run "${all[@]}" "$hello" >"$out/devices.txt" || [ $? -eq 1 ]
	cat "$out/devices.txt"
	echo
	judge "$what" devices all '<=' 1.3
	result "hello: exits with all devices beyond those with none" \
		"$(($(exits_of "${all[@]}") - $(exits_of)))" '<=' 3 exits
	ip netns delete "$devices_space"
}
