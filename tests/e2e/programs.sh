# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Programs from other compilers, linked in every way there is, and many kinds of load at once.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# ---- Go: images/go, without C ----

test_go() {
	[ -x "$images/go-demo" ] || skip "$images/go-demo is not built (./build.sh images, with Go installed)"
	try "$images/go-demo"
	mv out native.out
	run --mem 256M "$images/go-demo"
	expect_status 0
	expect_no_err
	cmp -s native.out out || fail "natively: $(<native.out)"
}

# Go wants 32 MiB of address space for a table before it starts; the rest has to do.
test_go_in_little_memory() {
	[ -x "$images/go-demo" ] || skip "$images/go-demo is not built (./build.sh images, with Go installed)"
	run --mem 40M "$images/go-demo" -- race memory pipes
	expect_status 0
	expect_in out '^race: 1000000 100000$'
	expect_in out '^memory: 655280$'
}

# ---- C: the same source, linked in different ways ----

# Compiles the guest stress here, under the name stress-it.
compile() { # COMPILER OPTION...
	need_tool "$1"
	"$@" -O1 -pthread "$root/tests/guests/stress.c" -o stress-it -lm >compile.log 2>&1 ||
		skip "$* does not work: $(head -n 1 compile.log)"
}

# Runs it for half a second; what it prints is the same on any system.
same_checksum() { # MOTE-RUN-ARGUMENT...
	"$guests/stress" 0 >native.out 2>native.err
	run "$@" -- 0.5
	expect_status 0
	expect_not_in err '^mote: '
	cmp -s native.out out || fail "natively: $(<native.out)"
}

# The folder tree gets what dynamic programs need.
make_tree() { # FILE|DIRECTORY...
	need_tool mkfs.erofs
	"$root/images/make-root.sh" tree "$@"
}

# The program that was compiled comes to /bin there: this folder may be one that guests do not see, as /tmp.
make_tree_of_it() { # FILE...
	make_tree "$PWD/stress-it" "$@"
	mv "tree$PWD/stress-it" tree/bin/
}

test_static_musl() {
	same_checksum "$guests/stress"
}

test_static_glibc() {
	compile gcc -static
	same_checksum stress-it
}

test_static_pie_glibc() {
	compile gcc -static-pie
	same_checksum stress-it
}

test_dynamic_glibc() {
	compile gcc -pie
	make_tree_of_it
	same_checksum --root tree /bin/stress-it
	same_checksum --root tree "$PWD/stress-it"
}

test_dynamic_glibc_not_pie() {
	compile gcc -no-pie
	make_tree_of_it
	same_checksum --root tree /bin/stress-it
}

test_dynamic_musl() {
	[ -e /lib/ld-musl-x86_64.so.1 ] || skip "there is no dynamic musl here"
	compile musl-gcc
	make_tree_of_it /lib/ld-musl-x86_64.so.1
	same_checksum --root tree /bin/stress-it
}

# A library that the root does not have: the loader says so, and its status comes out.
test_library_is_missing() {
	compile gcc -pie
	make_tree_of_it
	rm tree/lib/*/libc.so.6
	run --root tree /bin/stress-it
	expect_status 127
	expect_no_out
	expect_in err 'libc\.so\.6: cannot open shared object file'
}

# ---- dynamic programs of the system ----

# A program of the system with its libraries in the root; the rest as natively, standard input included.
same_as_here() { # MOTE-RUN-OPTION... -- PROGRAM ARGUMENT...
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	cp /dev/stdin input
	env -i PATH=/bin timeout 45 "$@" <input >native.out || status=$?
	local native=$status
	run --root tree "${options[@]}" "$1" -- "${@:2}" <input
	expect_status "$native"
	cmp -s native.out out || fail "natively: $(head -c 2000 native.out)"
}

test_perl() {
	need_tool perl
	make_tree /usr/bin/perl /usr/lib/x86_64-linux-gnu/libcrypt.so.1
	mkdir -p tree/usr/share
	cp -a /usr/share/perl tree/usr/share/
	cp -a /usr/lib/x86_64-linux-gnu/perl{,-base} tree/usr/lib/x86_64-linux-gnu/
	same_as_here -- /usr/bin/perl - <<-'END'
		use strict; use threads; use Thread::Queue; use Socket; use Storable; use File::Temp; use List::Util 'sum';
		use Time::HiRes qw(time setitimer ITIMER_REAL); use Digest::SHA 'sha256_hex';
		my $queue = Thread::Queue->new;
		my @threads = map { threads->create(sub { my $s = 0; while (defined(my $x = $queue->dequeue)) { $s += $x } $s }) } 1 .. 4;
		$queue->enqueue(1 .. 5000); $queue->end;
		print sum(map { $_->join } @threads), "
";
		socketpair(my $here, my $there, AF_UNIX, SOCK_STREAM, 0) or die $!;
		syswrite $here, "hello"; sysread $there, my $text, 10; print "$text
";
		my $alarms = 0; $SIG{ALRM} = sub { $alarms++ };
		setitimer(ITIMER_REAL, 0.002, 0.002);
		my $end = time + 5; 1 while $alarms < 10 && time < $end; print $alarms >= 10 ? "alarms
" : "only $alarms
";
		setitimer(ITIMER_REAL, 0);
		my $folder = File::Temp::tempdir(CLEANUP => 1);
		store({ map { $_ => [1 .. $_] } 1 .. 100 }, "$folder/s"); print scalar @{ retrieve("$folder/s")->{50} }, "
";
		print sha256_hex("x" x 1e6), "
";
		exit 5
	END
}

test_bash() {
	need_tool bc
	make_tree /bin/bash /usr/bin/bc
	cp /etc/passwd tree/etc/
	same_as_here -- /bin/bash <<-'END'
		declare -A squares
		for i in {1..500}; do squares[$i]=$((i * i)); done
		echo ${#squares[@]} ${squares[31]}
		trap 'echo usr1' USR1; kill -USR1 $$
		[[ some-text =~ -(.*) ]] && echo "${BASH_REMATCH[1]^^}"
		mapfile -t lines </etc/passwd; printf '%(%Y)T %s\n' 0 "${#lines[0]}"
		exec bc <<<'2^200'
	END
}

# The compiler proper, from C to assembly: a megabyte and more of heap, and of its own code.
test_gcc() {
	local cc1
	need_tool gcc
	cc1=$(gcc -print-prog-name=cc1)
	[ -x "$cc1" ] || skip "gcc has no cc1 here"
	make_tree "$cc1"
	gcc -E "$root/tests/guests/stress.c" >stress.i
	same_as_here -- "$cc1" -quiet -O2 -fpreprocessed -o /dev/stdout - <stress.i
}

test_node() {
	need_tool node
	make_tree "$(readlink -f "$(command -v node)")"
	same_as_here --mem 1G --allow-wx -- "$(readlink -f "$(command -v node)")" - <<-'END'
		const { Worker } = require('worker_threads'), fs = require('fs'), net = require('net'), zlib = require('zlib');
		const code = `let s = 0; for (let i = 0; i < 1e6; i++) s += i; require('worker_threads').parentPort.postMessage(s)`;
		const worker = () => new Promise(r => new Worker(code, { eval: true }).on('message', r));
		(async () => {
			console.log(await Promise.all([worker(), worker(), worker()]));
			fs.writeFileSync('/tmp/mote-node', 'x'.repeat(1e5));
			console.log((await fs.promises.readFile('/tmp/mote-node')).length); fs.unlinkSync('/tmp/mote-node');
			const server = net.createServer(c => c.on('data', d => c.end(String(d).toUpperCase())));
			await new Promise(r => server.listen('/tmp/mote-node.socket', r));
			console.log(await new Promise(r => net.connect('/tmp/mote-node.socket').on('data', d => r(String(d))).write('hello')));
			server.close();
			console.log(zlib.gunzipSync(zlib.gzipSync('abc'.repeat(1000))).length);
			const timer = setInterval(() => { clearInterval(timer); console.log('tick'); process.exitCode = 3 }, 5);
		})();
	END
}

# ---- many kinds of load at once ----

test_stress() {
	same_as_native stress 3
}
