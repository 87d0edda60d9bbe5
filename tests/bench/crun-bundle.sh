#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes an OCI bundle that runs one static program, for the comparison with crun.
#
# usage: crun-bundle.sh PROGRAM DIR
#
# The configuration follows what `crun spec` writes (namespaces, mounts, masked paths), without any
# capability and terminal, and with the program as the command. Run it with
#   crun --cgroup-manager=disabled run --bundle DIR NAME
# which needs neither systemd nor a writable cgroup tree.
set -euo pipefail

if [ $# -ne 2 ]; then
	echo "usage: ${0##*/} PROGRAM DIR" >&2
	exit 2
fi
program=$1
bundle=$2

mkdir -p "$bundle/rootfs/proc" "$bundle/rootfs/dev" "$bundle/rootfs/sys"
install -m 0755 "$program" "$bundle/rootfs/program"

cat >"$bundle/config.json.new" <<'JSON'
{
	"ociVersion": "1.0.0",
	"process": {
		"terminal": false,
		"user": { "uid": 0, "gid": 0 },
		"args": [ "/program" ],
		"env": [ "PATH=/" ],
		"cwd": "/",
		"noNewPrivileges": true
	},
	"root": { "path": "rootfs", "readonly": true },
	"hostname": "crun",
	"mounts": [
		{ "destination": "/proc", "type": "proc", "source": "proc" },
		{
			"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
			"options": [ "nosuid", "strictatime", "mode=755", "size=65536k" ]
		},
		{
			"destination": "/dev/pts", "type": "devpts", "source": "devpts",
			"options": [ "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620" ]
		},
		{
			"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
			"options": [ "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" ]
		},
		{
			"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
			"options": [ "nosuid", "noexec", "nodev" ]
		},
		{
			"destination": "/sys", "type": "sysfs", "source": "sysfs",
			"options": [ "nosuid", "noexec", "nodev", "ro" ]
		}
	],
	"linux": {
		"namespaces": [
			{ "type": "pid" },
			{ "type": "network" },
			{ "type": "ipc" },
			{ "type": "uts" },
			{ "type": "mount" }
		],
		"maskedPaths": [ "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware" ],
		"readonlyPaths": [ "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys" ]
	}
}
JSON
mv "$bundle/config.json.new" "$bundle/config.json"
