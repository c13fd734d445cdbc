#!/usr/bin/env bash
# Puts the command `yclick` into the virtual environment; it runs this checkout, from any working directory.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/.." && pwd)
venv=$(cd "$1" && pwd)
printf '#!/bin/sh\nPYTHONPATH="%s" exec "%s/bin/python" -m server "$@"\n' "$checkout" "$venv" > "$venv/bin/yclick"
chmod +x "$venv/bin/yclick"
