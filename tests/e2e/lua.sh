# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Lua 5.4, built by images/lua: its scripts give what they give natively.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

script() { # NAME ARGUMENT...
	need_image lua
	need_tool mkfs.erofs
	timeout 45 "$images/lua" "$root/images/lua/bench/$1.lua" "${@:2}" >native.out
	run --root "$root/images/lua/bench" "$images/lua" -- "/$1.lua" "${@:2}"
	expect_status 0
	expect_no_err
	cmp -s native.out out || fail "natively: $(<native.out)"
}

test_fannkuch() {
	script fannkuch 8
}

test_nbody() {
	script nbody 50000
}

test_sort() {
	script sort 50000
}

test_strings() {
	script strings 8
}

test_standard_input() {
	need_image lua
	run "$images/lua" - a b < <(echo 'print(#arg, arg[1], 2^53, 10 // 3, math.pi); os.exit(4)')
	expect_status 4
	expect_out $'2\ta\t9.007199254741e+15\t3\t3.1415926535898'
}

test_library() {
	need_image lua
	# shellcheck disable=SC2016 # it is Lua
	run --env WORD=value "$images/lua" -- -e '
		local name = "/tmp/lua"
		local file = assert(io.open(name, "w"))
		file:write(("x"):rep(100000), "\n"); file:close()
		for line in io.lines(name) do print(#line) end
		assert(os.rename(name, name .. "2")); assert(not io.open(name)); assert(os.remove(name .. "2"))
		print(os.getenv("WORD"), os.getenv("NOTHING"), os.time() > 1700000000, os.clock() >= 0)
		print(pcall(error, "caught"))
		print(select(2, pcall(string.rep, "x", 1 << 40)) ~= nil, #tostring(os.tmpname()) > 0)'
	expect_status 0
	expect_out $'100000\nvalue\tnil\ttrue\ttrue\nfalse\tcaught\ntrue\ttrue'
}

test_error() {
	need_image lua
	run "$images/lua" -- -e 'error("wrong")'
	expect_status 1
	expect_in err 'wrong'
}

test_deep_recursion() {
	need_image lua
	run "$images/lua" -- -e 'local function f() return 1 + f() end; print(pcall(f))'
	expect_status 0
	expect_in out 'stack overflow'
}
