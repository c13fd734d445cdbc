#!/usr/bin/env bash
# Makes the virtual environment; on a bare Debian the module for that is a package of its own.
set -euo pipefail
python=$1 venv=$2
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed" >&2; exit 1; }
# What was installed into an environment that is no more has to be installed again.
rm -f "$venv/.runtime" "$venv/.dev"
if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
  rm -rf "$venv"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    "$python" -m venv "$venv"
  else
    echo "python3-venv is missing; install it: apt-get install python3-venv" >&2
    exit 1
  fi
fi
