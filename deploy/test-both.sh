#!/usr/bin/env bash
# The two runs of `make test` side by side, for both wait more than they work. The stories' output comes after the other's.
set -uo pipefail
python=$1
log=$(mktemp)
"$python" -m pytest e2e >"$log" 2>&1 &
stories=$!
trap 'kill "$stories" 2>/dev/null; rm -f "$log"' EXIT
trap 'exit 130' INT TERM
"$python" -m pytest tests
rest=$?
echo "waiting for the browser stories …"
wait "$stories"
told=$?
cat "$log"
[ "$rest" = 0 ] && [ "$told" = 0 ]
