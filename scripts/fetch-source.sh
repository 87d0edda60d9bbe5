#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetches one Debian source package, at the version and checksums pinned in sources.txt, and
# unpacks it with Debian's patches applied to build/third_party/NAME.
#
# How it works. A plain Debian system lists binary packages only. This script copies the system's
# own Debian entries (one-line .list and deb822 .sources files alike) as source entries into
# a private folder and runs apt with private lists and caches, so the system's configuration is
# neither changed nor needs a root user, and mirrors and proxies set up on the machine are honoured.
# Apt checks the archive's signature; the pinned SHA-256 sums are checked besides, before
# anything is unpacked. Files fetched once stay in build/third_party/downloads.
set -euo pipefail
umask 022
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
pins=$root/scripts/sources.txt
third_party=$root/build/third_party
downloads=$third_party/downloads
private=$third_party/apt

usage() {
	cat <<'TEXT'
usage: scripts/fetch-source.sh NAME...     fetch, verify and unpack to build/third_party/NAME
       scripts/fetch-source.sh --pin NAME  print sources.txt lines for the newest version
       scripts/fetch-source.sh --list      print the pinned packages
TEXT
}

die() {
	printf 'fetch-source: %s\n' "$*" >&2
	exit 1
}

say() {
	printf '  FETCH   %s\n' "$*"
}

# Prints the pinned lines (version, file, sum) of package $1.
pinned() {
	awk -v name="$1" '!/^#/ && $1 == name { print $2, $3, $4 }' "$pins"
}

# Prints "ORIGIN FROM:TO..." when package $1 is a part of another source package.
part_of() {
	awk -v name="$1" '$1 == "@part" && $2 == name { $1 = $2 = ""; print substr($0, 3) }' "$pins"
}

# Prints the names of Debian's own suites on this system, as an awk alternation: codename, or the
# name of its place in the release cycle. Suites of other vendors do not match.
suite_pattern() {
	local codename
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release | tr -d '"')
	printf '^(%s|stable|oldstable|oldoldstable|testing|unstable|sid)(-updates|-security|-backports|/updates)?$' \
		"${codename:-stable}"
}

# Copies one-line entries of file $1 as source entries.
convert_list() {
	awk -v suites="$(suite_pattern)" '
		/^[ \t]*deb(-src)?[ \t]/ {
			line = $0
			sub(/[ \t]*#.*/, "", line)
			options = ""
			if (match(line, /^[ \t]*deb(-src)?[ \t]+\[[^]]*\]/)) {
				options = substr(line, index(line, "["), RLENGTH - index(line, "[") + 1) " "
				sub(/\[[^]]*\][ \t]*/, "", line)
			}
			fields = split(line, field, /[ \t]+/)
			first = field[1] == "" ? 2 : 1
			is_main = 0
			for (i = first + 3; i <= fields; i++)
				is_main = is_main || field[i] == "main"
			if (is_main && field[first + 1] !~ /^cdrom:/ && field[first + 2] ~ suites)
				print "deb-src " options field[first + 1] " " field[first + 2] " main"
		}' "$1"
}

# Copies deb822 stanzas of file $1 as source entries; multi-line fields (an embedded key) are kept.
convert_sources() {
	awk -v suites="$(suite_pattern)" '
		function flush(    i, n, list, keep) {
			n = split(value["suites"], list, /[ \t\n]+/)
			for (i = 1; i <= n; i++)
				if (list[i] ~ suites)
					keep = keep " " list[i]
			if (keep != "" && tolower(value["enabled"]) !~ /no|false/ &&
			    (" " value["components"] " ") ~ /[ \t\n]main[ \t\n]/) {
				print "Types: deb-src"
				print "URIs:" value["uris"]
				print "Suites:" keep
				print "Components: main"
				if (value["signed-by"] != "")
					print "Signed-By:" value["signed-by"]
				print ""
			}
			split("", value)
			name = ""
		}
		/^#/ { next }
		/^[ \t]*$/ { flush(); next }
		/^[ \t]/ { if (name != "") value[name] = value[name] "\n" $0; next }
		{
			colon = index($0, ":")
			name = tolower(substr($0, 1, colon - 1))
			value[name] = substr($0, colon + 1)
		}
		END { flush() }' "$1"
}

# Writes the private configuration: source entries, and an apt.conf that is read after the
# system's own, keeps every file apt writes under $private and runs none of the system's hooks.
prepare_apt() {
	local etc parts main file
	rm -rf "$private/sources.list.d"
	mkdir -p "$private/sources.list.d" "$private/lists/partial" "$private/cache/archives/partial"
	eval "$(apt-config shell etc Dir::Etc/d parts Dir::Etc::sourceparts/d main Dir::Etc::sourcelist/f)"
	etc=${etc:-/etc/apt}
	for file in "${main:-$etc/sources.list}" "${parts:-$etc/sources.list.d/}"/*.list; do
		[ -r "$file" ] && convert_list "$file" >>"$private/sources.list.d/debian.list"
	done
	for file in "${parts:-$etc/sources.list.d/}"/*.sources; do
		[ -r "$file" ] && convert_sources "$file" >>"$private/sources.list.d/debian.sources"
	done
	if ! grep -qs . "$private/sources.list.d"/*; then
		die "no Debian archive is configured on this system (component main of this release), \
so there is nowhere to fetch sources from; see sources.list(5)"
	fi
	cat >"$private/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$private/sources.list.d";
Dir::State::lists "$private/lists";
Dir::Cache "$private/cache";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
}

private_apt() {
	local tool=$1
	shift
	DEBIAN_FRONTEND=noninteractive "$tool" -c "$private/apt.conf" "$@" </dev/null
}

# Brings the private lists up to date. A repository that cannot be reached is no error by itself:
# whether the package can be had decides, and the log is shown only then.
update_lists() {
	prepare_apt
	say "source lists of the configured Debian archives"
	private_apt apt-get -q update >"$private/update.log" 2>&1 || true
}

available_versions() {
	private_apt apt-cache showsrc --only-source "$1" 2>/dev/null |
		awk '$1 == "Version:" { print $2 }' | sort -uV
}

# True when every pinned file of package $1 is in downloads and has the right sum.
is_downloaded() {
	local version file sum
	while read -r version file sum; do
		[ -f "$downloads/$file" ] || return 1
		printf '%s  %s\n' "$sum" "$downloads/$file" | sha256sum --check --status || return 1
	done < <(pinned "$1")
}

# Names the first file of package $1 that is missing or differs from its pin.
explain_mismatch() {
	local version file sum found
	while read -r version file sum; do
		[ -f "$downloads/$file" ] || die "$1 $version: $file was not part of the download; \
correct scripts/sources.txt (scripts/fetch-source.sh --pin $1 prints the right lines)"
		found=$(sha256sum "$downloads/$file" | cut -d' ' -f1)
		if [ "$found" != "$sum" ]; then
			rm -f "$downloads/$file"
			die "$file: SHA-256 is $found, pinned is $sum; the file was deleted and nothing unpacked"
		fi
	done < <(pinned "$1")
}

download() {
	local name=$1 version=$2 attempt
	rm -f "$private/download.log"
	for attempt in cached fresh; do
		if [ "$attempt" = fresh ] || [ ! -f "$private/apt.conf" ]; then
			update_lists
		fi
		# Only a version that the lists know is asked for: apt would take the nearest otherwise.
		if available_versions "$name" | grep -qxF -- "$version"; then
			say "$name $version"
			(cd "$downloads" && private_apt apt-get -q --download-only --only-source source \
				"$name=$version") >"$private/download.log" 2>&1 && return 0
		fi
	done
	cat "$private/update.log" "$private/download.log" 2>/dev/null |
		grep -E '^(Err|E:|W:)' | sed 's/^/  /' >&2 || true
	die "$name $version cannot be had from the configured archives; they list:" \
		"$(available_versions "$name" | paste -sd ' ')" \
		"(scripts/fetch-source.sh --pin $name prints the lines for scripts/sources.txt)"
}

# Unpacks beside the final place and renames, so that a folder with a stamp is always complete.
unpack() {
	local name=$1 key=$2 dsc
	dsc=$(pinned "$name" | awk '$2 ~ /\.dsc$/ { print $2 }')
	[ -n "$dsc" ] || die "$name: scripts/sources.txt names no .dsc file"
	command -v dpkg-source >/dev/null || die "dpkg-source is missing: install the package dpkg-dev"
	rm -rf "$third_party/$name.new"
	if ! dpkg-source --no-check --no-copy -x "$downloads/$dsc" "$third_party/$name.new" \
		>"$private/unpack.log" 2>&1; then
		sed 's/^/  /' "$private/unpack.log" >&2
		die "$name: unpacking $dsc failed"
	fi
	printf '%s\n' "$key" >"$third_party/$name.new/.stamp"
	rm -rf "${third_party:?}/$name"
	mv "$third_party/$name.new" "$third_party/$name"
}

# Copies folders of the source package a part comes from; where from is written into ORIGIN.
fetch_part() {
	local name=$1 origin=$2 key pair
	shift 2
	fetch "$origin"
	key=$(printf '%s\n' "$(cat "$third_party/$origin/.stamp")" "$@" | sha256sum | cut -d' ' -f1)
	if [ "$(cat "$third_party/$name/.stamp" 2>/dev/null)" = "$key" ]; then
		touch "$third_party/$name/.stamp"
		return
	fi
	rm -rf "$third_party/$name.new"
	for pair in "$@"; do
		mkdir -p "$third_party/$name.new/${pair#*:}"
		cp -p "$third_party/$origin/${pair%%:*}"/* "$third_party/$name.new/${pair#*:}"
	done
	printf 'Copied from the Debian source package %s %s: %s\n' "$origin" \
		"$(pinned "$origin" | awk 'NR == 1 { print $1 }')" "$*" >"$third_party/$name.new/ORIGIN"
	printf '%s\n' "$key" >"$third_party/$name.new/.stamp"
	rm -rf "${third_party:?}/$name"
	mv "$third_party/$name.new" "$third_party/$name"
}

fetch() {
	local name=$1 version key part
	part=$(part_of "$name")
	if [ -n "$part" ]; then
		# shellcheck disable=SC2086 # a list of words
		fetch_part "$name" $part
		return
	fi
	version=$(pinned "$name" | awk 'NR == 1 { print $1 }')
	[ -n "$version" ] || die "$name: not in scripts/sources.txt, which pins: $(list_names)"
	key=$(pinned "$name" | sha256sum | cut -d' ' -f1)
	if [ "$(cat "$third_party/$name/.stamp" 2>/dev/null)" = "$key" ]; then
		touch "$third_party/$name/.stamp"
		return
	fi
	mkdir -p "$downloads" "$private"
	is_downloaded "$name" || download "$name" "$version"
	is_downloaded "$name" || explain_mismatch "$name"
	unpack "$name" "$key"
}

# Prints sources.txt lines for the newest version the configured archives have.
pin() {
	local name=$1 version work
	mkdir -p "$private"
	update_lists >&2
	version=$(available_versions "$name" | tail -n 1)
	[ -n "$version" ] || die "$name: the configured archives have no such source package"
	work=$(mktemp -d "$third_party/pin.XXXXXX")
	# shellcheck disable=SC2064 # the folder's name is wanted now
	trap "rm -rf '$work'" EXIT
	(cd "$work" && private_apt apt-get -q --download-only --only-source source "$name=$version") >&2
	(cd "$work" && sha256sum -- *) | while read -r sum file; do
		printf '%s %s %s %s\n' "$name" "$version" "$file" "$sum"
	done
}

list_names() {
	awk '!/^#/ && NF { print $1 == "@part" ? $2 : $1 }' "$pins" | sort -u | tr '\n' ' '
}

case ${1:-} in
"" | -h | --help)
	usage
	[ $# -gt 0 ] || exit 2
	exit 0
	;;
--list)
	awk '!/^#/ && NF { print $1 == "@part" ? $2 " part of " $3 : $1 " " $2 }' "$pins" | sort -u
	exit 0
	;;
esac
command -v apt-get >/dev/null || die "apt-get is missing: Mote takes library sources from a Debian archive"
mkdir -p "$third_party"
# One at a time: parallel make rules share the private lists and the downloads.
exec 9>"$third_party/.lock"
flock 9
if [ "$1" = --pin ]; then
	[ $# -eq 2 ] || die "--pin takes one package name"
	pin "$2"
	exit 0
fi
for name in "$@"; do
	fetch "$name"
done
