# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Debian's busybox, unmodified: a real program that nobody built for this.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A root folder with 10 MB of text and 10 MB of noise, made once for all tests.
make_root() {
	need_busybox
	need_tool mkfs.erofs
	mkdir -p tree/data tree/etc
	cp /etc/passwd /etc/group tree/etc/
	"$busybox" awk 'BEGIN {
		x = 42
		for (i = 0; i < 250000; i++) {
			x = (x * 1103515245 + 12345) % 2147483648
			printf "%d key%d some words on line %d\n", x, x % 1000, i
		}
	}' </dev/null >tree/data/text
	head -c 10000000 /dev/urandom >tree/data/noise
	ln -s text tree/data/link
	chmod 640 tree/data/noise
}

# An applet gives in the microVM what it gives natively, in status, output and errors.
compare() { # APPLET ARGUMENT... (in the folder data)
	status=0
	(cd tree/data && env -i PATH="$PATH" timeout 45 "$busybox" "$@" >../../native.out 2>../../native.err) ||
		status=$?
	local native=$status
	run --root tree --cwd /data "$busybox" -- "$@"
	expect_status "$native"
	cmp -s native.out out || fail "$1 gives another output than natively"
	cmp -s native.err err || fail "$1 gives other errors than natively: $(<native.err)"
}

test_shell() {
	need_busybox
	# shellcheck disable=SC2016 # the guest's shell expands it
	run "$busybox" -- sh -c 'echo $((6*7)); while read l; do echo "[$l]"; done < /etc/os-release'
	expect_status 0
	expect_no_err
	[ "$(head -n 1 out)" = 42 ] || fail "6*7 is not 42"
	expect_in out '^\[NAME=.*\]$'
	[ "$(sed 1d out | grep -vc '^\[.*\]$')" -eq 0 ] || fail "a line is not in brackets"
}

test_shell_loop() {
	need_busybox
	# shellcheck disable=SC2016 # the guest's shell expands it
	run "$busybox" -- sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo $i; exit 9'
	expect_status 9
	expect_out 20000
}

test_fork_is_refused() {
	need_busybox
	run "$busybox" -- sh -c 'echo one | cat'
	[ "$status" -ne 0 ] || fail "a pipeline cannot work"
	[ "$(grep -c '^mote: .*fork' err)" -eq 1 ] || fail "expected one line that names fork"
}

# The descriptor that ls itself has open on /proc/1/fd is gone when it looks, as it is on Linux.
list_all() { # MOTE-RUN-OPTION...
	run "$@" "$busybox" -- ls -lR /
	expect_status 0
	! grep -v '^ls: /proc/1/fd/[0-9]*: cannot read link' err || fail "ls had something to complain of"
}

test_list() {
	make_root
	list_all --root tree
	expect_in out '^/data:$'
	expect_in out ' 10000000 .* noise$'
	expect_in out ' link -> text$'
	expect_in out '^/dev:$'
	expect_in out '^/tmp:$'
}

test_list_builtin_root() {
	need_busybox
	list_all
	expect_in out ' os-release$'
}

test_metadata() {
	make_root
	compare stat -c '%n %s %a %u %g %Y %F' text noise link
	compare ls -ln text noise link
	compare cat no-such-file
}

test_awk() {
	make_root
	# shellcheck disable=SC2016 # it is awk's
	compare awk '{ n[$2] += $1 % 7 } END { for (k in n) s += n[k]; print NR, s }' text
}

test_sed() {
	make_root
	compare sed -n -e 's/key\([0-9]*\) some/\1-/p' -e '/7$/d' text
}

test_sort() {
	make_root
	compare sort -k 2,2 -k 1,1n text
}

test_sha256sum() {
	make_root
	compare sha256sum text noise link
}

test_gzip() {
	make_root
	compare gzip -c text
	compare gzip -1 -c noise
}

test_gunzip() {
	make_root
	gzip -9 tree/data/text
	compare gunzip -c text.gz
	compare gunzip -t noise
}

test_tar() {
	make_root
	compare tar -cf - text noise link
	tar -cf tree/data/archive.tar -C tree/data text noise link
	compare tar -tvf archive.tar
	compare tar -xOf archive.tar text
}

test_tar_to_tmp() {
	make_root
	tar -cf tree/data/archive.tar -C tree/data text
	run --root tree "$busybox" -- tar -xvf /data/archive.tar -C /tmp
	expect_status 0
	expect_out text
}

test_stdin() {
	make_root
	run "$busybox" -- sha256sum <tree/data/noise
	expect_status 0
	[ "$(cut -d' ' -f1 out)" = "$(sha256sum <tree/data/noise | cut -d' ' -f1)" ] || fail "another sum"
	run "$busybox" -- gzip -c <tree/data/text
	gunzip -c out | cmp -s - tree/data/text || fail "does not unpack to what it was"
}

test_other_applets() {
	make_root
	compare wc text noise
	compare md5sum noise
	compare grep -c 'key99' text
	compare cut -d ' ' -f 2 text
	compare tr a-z A-Z </dev/null
	compare head -n 5 text
	compare tail -n 5 text
}

test_more_applets() {
	make_root
	compare od -A x -t x1 -N 1000 noise
	compare bzip2 -c -k -1 text
	compare find text noise link -type f -size +9000k
	compare diff text noise
	compare cmp text noise
	compare base64 noise
	compare expr 6 '*' 7
	compare factor 1000000016000000063
	compare cal 11 2025
	compare date -u -d @1000000000
	compare uniq -c text
}

test_root_image() {
	make_root
	mkfs.erofs image.erofs tree >mkfs.log 2>&1
	run --root image.erofs "$busybox" -- sha256sum /data/noise
	expect_status 0
	[ "$(cut -d' ' -f1 out)" = "$(sha256sum <tree/data/noise | cut -d' ' -f1)" ] || fail "another sum"
}

test_root_is_rebuilt() {
	need_busybox
	need_tool mkfs.erofs
	mkdir tree
	echo one >tree/file
	run --root tree "$busybox" -- cat /file
	expect_out one
	echo two >tree/file
	run --root tree "$busybox" -- cat /file
	expect_out two
	echo three >tree/new
	run --root tree "$busybox" -- cat /new
	expect_out three
	rm tree/file
	run --root tree "$busybox" -- cat /file
	expect_status 1
}

# What a guest writes to its root stays in the guest.
test_root_on_the_host_stays() {
	need_busybox
	need_tool mkfs.erofs
	mkdir tree
	echo one >tree/file
	# shellcheck disable=SC2016 # the guest's shell expands it
	run --root tree "$busybox" -- sh -c 'echo two >/file; echo x >/new; while read l; do echo "$l"; done </file'
	expect_status 0
	expect_out two
	run --root tree "$busybox" -- rm /file
	expect_status 0
	[ "$(<tree/file)" = one ] || fail "the file on the host was changed"
	[ "$(ls tree)" = file ] || fail "there is a new file on the host"
	run --root tree "$busybox" -- cat /file
	expect_out one
}

test_tmp() {
	need_busybox
	# shellcheck disable=SC2016 # the guest's shell expands it
	run "$busybox" -- sh -c 'echo text >/tmp/a; echo more >>/tmp/a; while read l; do echo "<$l>"; done </tmp/a
		[ -w /tmp ] && [ -c /dev/null ] && echo x >/dev/null && cd /tmp && pwd && echo *'
	expect_status 0
	expect_out $'<text>\n<more>\n/tmp\na'
}

test_vi() {
	need_busybox
	need_kvm
	need_tool python3
	try python3 "$root/tests/tools/pty-run.py" 'await:~' 'type:ihello from vi\e' 'await:hello from vi' \
		'type:yypx:w\r' 'await:2L' 'type:dd:wq\r' -- "$mote" run "$busybox" -- vi /tmp/file
	expect_status 0
	expect_in out '/tmp/file'
}

# ---- every applet: the table busybox-applets.txt ----

# Files for the applets, in the folder samples/data.
make_samples() {
	local i
	need_tool mkfs.erofs
	mkdir -p samples/bin samples/etc samples/data/folder/inner samples/data/empty
	cp /etc/passwd /etc/group samples/etc/
	cp "$busybox" samples/bin/busybox
	(
		cd samples/data || exit
		for ((i = 1; i <= 40; i++)); do
			echo "this is line $((i / 2))"
		done >text
		sed 's/line 1/another &/' text >other
		printf 'a\tb\n        c\n' >'tabs'
		printf 'one\r\ntwo\r\n' >dos
		printf '2^200\nscale=20\n4*a(1)\nquit\n' >sums.bc
		printf '2d\ns/line/word/\n1,3p\nw\nq\n' >edits
		printf 'x' >folder/b && printf 'yy' >folder/a && ln -s text link
		head -c 1000000 /dev/zero >disk
		diff -u text other >change.diff || true
		gzip -k text && bzip2 -k text && xz -k text && xz -k --format=lzma text
		"$busybox" uuencode name <other >text.uu
		# "abababababababab" and a newline, as compress packs it
		printf '\037\235\220\141\304\004\034\050\260\040\101\005' >text.Z
		base64 -d <<<"$zip_file" >archive.zip
		ar rcD archive.a text other
		tar -cf archive.tar --owner=0 --group=0 --numeric-owner --mtime=@0 text folder
		"$busybox" cpio -o -H newc <<<text >archive.cpio 2>/dev/null
	)
}

# An archive with the file a: "zip " twenty times.
readonly zip_file=UEsDBBQAAAAIAAAAIQConVuGCgAAAFEAAAABAAAAYavKLFCooiLmAgBQSwECFAMUAAAACAAAACEAqJ1bhgoAAABRAAAAAQAAAAAAAAAAAAAAgAEAAAAAYVBLBQYAAAAAAQABAC8AAAApAAAAAAA=

# Runs the lines of the table whose applets begin with one of LETTERS.
applets() { # LETTERS
	local kind applet arguments native wrong='' count=0
	need_busybox
	make_samples
	mkfs.erofs --quiet samples.erofs samples >mkfs.log 2>&1
	cd samples/data || exit
	while read -r kind applet arguments; do
		[[ $kind =~ ^(same|runs)$ && $applet = [$1]* ]] || continue
		native=0 count=$((count + 1))
		if [ "$kind" = same ]; then
			rm -rf ../native
			cp -a . ../native
			(cd ../native && eval "env -i PATH=/bin TERM=xterm timeout 5 $busybox $applet $arguments" \
				>../native.out 2>/dev/null) || native=$?
		fi
		eval "run --root ../../samples.erofs --cwd /data --env PATH=/bin $busybox -- $applet $arguments"
		if [ "$status" -ne "$native" ] || { [ "$kind" = same ] && ! cmp -s ../native.out out; }; then
			wrong+="; $applet: status $status, natively $native: $(head -n 1 err)"
		fi
		rm -f out err
	done <"$here/busybox-applets.txt"
	[ -z "$wrong" ] || fail "other than natively$wrong"
	[ "$count" -ge 20 ] || fail "only $count applets were run"
}

test_applets_all_listed() {
	local applet
	need_busybox
	for applet in $("$busybox" --list); do
		awk -v name="$applet" '!/^#/ && $2 == name { found = 1 } END { exit !found }' "$here/busybox-applets.txt" ||
			fail "busybox-applets.txt does not say what to do with $applet"
	done
}

test_applets_a_to_c() {
	applets '[a-c'
}

test_applets_d_to_l() {
	applets d-l
}

test_applets_m_to_s() {
	applets m-s
}

test_applets_t_to_z() {
	applets t-z
}
