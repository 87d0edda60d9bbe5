#!/bin/sh
# Serves the function and asks it: two answers that are the same show that nothing is kept.
set -eu
socket=$(mktemp -u)
mote serve --log none --listen "unix:$socket" "$@" &
server=$!
trap 'kill $server; wait $server || true; rm -f "$socket"' EXIT
for _ in $(seq 100); do
	[ ! -S "$socket" ] || break
	sleep 0.1
done
first=$(curl -sSf --unix-socket "$socket" http://localhost/test)
second=$(curl -sSf --unix-socket "$socket" http://localhost/test)
printf '%s\n' "$first"
[ -n "$first" ] && [ "$first" = "$second" ]
echo "passed"
