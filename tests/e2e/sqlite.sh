# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# The sqlite3 shell, built by images/sqlite: a database of 100,000 rows in the guest's /tmp.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_database() {
	need_image sqlite3
	timeout 45 "$images/sqlite3" -batch -bail native.db <"$root/images/sqlite/test.sql" >native.out
	run "$images/sqlite3" -- -batch -bail /tmp/test.db <"$root/images/sqlite/test.sql"
	expect_status 0
	expect_no_err
	cmp -s native.out out || fail "natively: $(<native.out)"
	expect_in out '^rows\|100000\|'
	[ "$(tail -n 1 out)" = ok ] || fail "integrity_check does not say ok"
}

# Natively, what it writes to /tmp goes to the test's folder.
test_features() {
	need_image sqlite3
	sed "s,/tmp/,$PWD/," "$root/images/sqlite/features.sql" >native.sql
	timeout 45 "$images/sqlite3" -batch native.db <native.sql >native.out
	run "$images/sqlite3" -- -batch /tmp/test.db <"$root/images/sqlite/features.sql"
	expect_status 0
	expect_no_err
	cmp -s native.out out || fail "natively: $(diff native.out out | head -n 20)"
	expect_in out '^== files$'
	expect_in out '^ok$'
}

test_in_memory() {
	need_image sqlite3
	run "$images/sqlite3" -- :memory: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
		SELECT sum(i), count(*), printf('%.6f', sqrt(2)) FROM n;"
	expect_status 0
	expect_out '500500|1000|1.414214'
}

test_error() {
	need_image sqlite3
	run "$images/sqlite3" -- -batch -bail /tmp/x.db 'SELECT * FROM nowhere;'
	expect_status 1
	expect_in err 'no such table: nowhere'
}

test_read_only_root() {
	need_image sqlite3
	need_tool mkfs.erofs
	mkdir tree
	"$images/sqlite3" tree/test.db 'CREATE TABLE t (a); INSERT INTO t VALUES (42);'
	run --root tree "$images/sqlite3" -- -readonly /test.db 'SELECT a FROM t; PRAGMA integrity_check;'
	expect_status 0
	expect_out $'42\nok'
}
