# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Programs that do their worst. Each ends as docs/security.md says, mote itself fails never, and
# nothing is left behind: see hostile() in lib.sh.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

hostile_guest() { # NAME ARGUMENT...
	[ -x "$guests/$1" ] || fail "$guests/$1 is not built"
	hostile --timeout 2 "$guests/$1" -- "${@:2}"
}

dies_of() { # SIGNAL NAME ARGUMENT...
	hostile_guest "${@:2}"
	expect_status $((128 + $(kill -l "${1#SIG}")))
	expect_in err "^mote: the guest .*$1"
}

# What a guest does to itself is its own business, as long as it ends and mote says how.
ends_somehow() { # NAME ARGUMENT...
	hostile_guest "$@"
	[ "$status" -lt 128 ] || expect_in err '^mote: the guest'
}

test_writes_text() {
	dies_of SIGSEGV hostile_text
	expect_in err 'wrote to 0x[0-9a-f]+, which is protected'
	expect_in err ' in overwrite\+0x'
}

test_executes_data() {
	local where
	for where in stack heap data mmap; do
		dies_of SIGSEGV hostile_exec "$where"
		expect_in err 'executed 0x[0-9a-f]+, which is protected'
	done
}

test_writable_and_executable() {
	hostile_guest hostile_wx
	expect_status 0
	expect_out $'mmap: Permission denied\nmprotect: Permission denied'
	[ "$(grep -c 'allow-wx' err)" -eq 1 ] || fail "expected one line that names --allow-wx"
	hostile --allow-wx "$guests/hostile_wx"
	expect_status 0
	expect_out $'mmap: executed\nmprotect: executed'
}

test_page_0() {
	local how
	for how in read write call; do
		dies_of SIGSEGV hostile_address "$how" 0
		dies_of SIGSEGV hostile_address "$how" 0xfff
	done
}

# Supervisor pages: the CPU's tables and the ring-0 stub.
test_ring_0() {
	local how address
	for address in tables stub stub+0xe0; do
		for how in read write call; do
			dies_of SIGSEGV hostile_address "$how" "$address"
		done
	done
}

test_kit_pages() {
	dies_of SIGSEGV hostile_address write boot
	dies_of SIGSEGV hostile_address write clock
	dies_of SIGSEGV hostile_address call run
	dies_of SIGSEGV hostile_address call kit # its data comes first
	dies_of SIGSEGV hostile_address call direct+0x200000
	hostile_guest hostile_address write run
	expect_status 0
}

test_other_addresses() {
	local address
	for address in 0x7ffffffff000 0x800000000000 0x8000000000000000 0xffff800000000000 0xffffff0000000000 \
		0xffffffbfffffffff 0xffffffc000000000 0xfffffffffffffff8 0x600000000000; do
		dies_of SIGSEGV hostile_address read "$address"
		dies_of SIGSEGV hostile_address call "$address"
	done
}

test_scribbles_over_page_tables() {
	ends_somehow hostile_tables scribble
	[ "$status" -ne 0 ] || fail "survived without page tables"
}

test_scribbles_over_everything() {
	ends_somehow hostile_tables all
	[ "$status" -ne 0 ] || fail "survived without memory"
}

test_unbacked_memory() {
	local gpa
	for gpa in 0x10000000 0xfec00000 0xfffff000 0x7fffffff000 0x3fffffffff000 0xffffffffff000; do
		ends_somehow hostile_tables unbacked "$gpa"
		[ "$status" -ge 128 ] || fail "there is something at $gpa"
	done
	hostile_guest hostile_tables unbacked 0x10000000
	expect_in err '^mote: the guest read from guest-physical address 0x10000000, where there is no memory$'
}

# Where KVM has a local APIC for the guest, the guest can reach it: only itself gets its interrupts.
test_local_apic() {
	ends_somehow hostile_tables apic
}

# The program becomes its own ring 0: with hlt, int3, out, a far jump, and what no KVM emulates.
test_rewrites_ring_0() {
	local byte
	for byte in 0xf4 0xcc 0xe6 0xec 0x0f 0x90 0x00 0xff 0xc3 0xcf 0xfa 0x62; do
		hostile --timeout 0.3 "$guests/hostile_tables" -- stub "$byte"
		[ "$status" -ne 0 ] || fail "survived"
	done
}

test_rewrites_cpu_tables() {
	ends_somehow hostile_tables tables 0
	[ "$status" -ne 0 ] || fail "survived"
	ends_somehow hostile_tables tables 0xff
	[ "$status" -ne 0 ] || fail "survived"
}

test_hypercalls() {
	hostile_guest hostile_hypercall
	expect_status 0
	expect_no_err
	expect_out '0 surprises'
}

test_hypercall_exit() {
	local argument
	hostile_guest hostile_hypercall exit 7
	expect_status 7
	# Ends by a signal or for want of memory say nothing: that is the kit's to do.
	guest hostile_hypercall exit 0x10f
	expect_status 143
	for argument in 0x200 0xffffffffffffffff; do
		guest hostile_hypercall exit "$argument"
		expect_status 137
	done
}

# The guest's text cannot forge lines or steer the terminal.
test_hypercall_crash() {
	dies_of SIGSYS hostile_hypercall crash
	expect_not_in err '^mote: second'
	! LC_ALL=C grep -q $'\033' err || fail "an escape character got through"
}

test_hypercall_clobber() {
	ends_somehow hostile_hypercall clobber
	[ "$status" -ge 124 ] || fail "survived without tables"
}

test_hypercall_storm() {
	hostile_guest hostile_hypercall storm
	expect_status 0
}

test_ports() {
	local how port
	for how in in out byte string; do
		for port in 0 0x20 0x4f 0x54 0x64 0x80 0xcf8 0x3f8 0xffff; do
			dies_of SIGSEGV hostile_port "$how" "$port"
		done
	done
	dies_of SIGSEGV hostile_port in 0x4e # four ports, of which two are the hypercall's
	dies_of SIGSEGV hostile_port in 0x52
}

test_hypercall_port_misused() {
	for how in byte out string; do
		hostile_guest hostile_port "$how" 0x50
		expect_status 139
		expect_in err '^mote: the guest accessed an I/O port that is not the hypercall port$'
	done
}

test_port_scan() {
	hostile_guest hostile_port scan
	expect_status 0
	expect_in out '^0 ports let through$'
}

# Some are harmless on some processors; none may end otherwise than by a signal of the guest.
test_privileged_instructions() {
	local name
	"$guests/hostile_instruction" >names
	for name in $(<names); do
		hostile_guest hostile_instruction "$name"
		case $name:$status in
		*:132 | *:133 | *:135 | *:139) expect_no_out ;;
		vmcall:0 | vmmcall:0) ;; # KVM's own hypercalls, which it refuses by their result
		*) fail "$name" ;;
		esac
	done
}

test_halts() {
	local name
	for name in hlt cli sti read_cr3 write_cr3 wrmsr lidt iret_to_ring_0 load_kernel_ds; do
		dies_of SIGSEGV hostile_instruction "$name"
		expect_in err 'general protection fault'
	done
}

test_jumps_into_kit() {
	local offset value
	for value in 0xffffffffffffffff stub; do
		for ((offset = 0; offset < 0x40000; offset += 0x1357)); do
			hostile --timeout 0.2 "$guests/hostile_kit" -- "$offset" "$value"
			# In its wanderings the kit may exit with any status of its own.
			[ "$status" -lt 128 ] || [ "$status" -gt 192 ] || expect_in err "^mote: (the guest|guest: out of memory)"
		done
	done
}

test_stack_overflow() {
	dies_of SIGSEGV hostile_stack overflow
	expect_in err ' in overflow\+0x'
	[ "$(wc -l <err)" -lt 200 ] || fail "the backtrace has $(wc -l <err) lines"
}

test_bad_stack() {
	local address
	for address in 0 8 0x1000 0x8000000000000000 stub+0x800 kit+0x100 \
		kit+0x20000 run+0x800 direct+0x200000 0xffffffffffffffff; do
		dies_of SIGILL hostile_stack "$address"
		dies_of SIGSEGV hostile_stack "$address" handler
	done
}

test_sigreturn() {
	local number
	for number in 0 1 2 3 4 5; do
		ends_somehow hostile_sigreturn "$number"
		[ "$status" -ne 0 ] || fail "case $number: came back"
	done
}

test_system_calls() {
	hostile_guest hostile_syscalls
	expect_status 0
	expect_out '0 surprises'
	expect_not_in err 'the guest kit'
}

test_spins() {
	hostile --timeout 0.3 "$guests/spin"
	expect_status 124
}

test_floods() {
	need_kvm
	[ "$(timeout 45 "$mote" run "$guests/hostile_flood" | wc -c)" -eq 100000000 ] || fail "not 100 MB"
}

test_forks() {
	hostile_guest hostile_fork
	expect_status 0
	expect_out $'fork: Function not implemented\nclone: Function not implemented
clone3: Function not implemented\nexecve: No such file or directory'
	[ "$(grep -c 'fork()' err)" -le 1 ] || fail "a thousand lines about fork"
}
