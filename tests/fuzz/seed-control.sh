#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Requests and answers of the control socket.
printf '{"command": "status"}' >"$1/status"
printf '{"command":"balloon","bytes":1048576}' >"$1/balloon"
printf '{"command":"snapshot","force":true,"stop":false,"x":null}' >"$1/snapshot"
printf '{"ok":true,"app":"a\\u20ac\\ud83d\\ude00\\n","labels":{"a":"b","c":"d"},"pid":1}' >"$1/answer"
