#!/usr/bin/env bash
# Trains the champion model anew and writes it to models/champion. Needs a built dist/ and Python 3.11 or newer.
# Arguments go to main.py (--feature-set v1, --out DIR, ...).
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"

if [ ! -f "$root/dist/cli.cjs" ]; then
  echo "dist/cli.cjs is missing: run \`npm run build\` first, or \`npm run train\`, which does" >&2
  exit 1
fi
"$here/venv.sh"

data="$(mktemp -d "${TMPDIR:-/tmp}/gpu-actuary-train.XXXXXX")"
trap 'rm -rf "$data"' EXIT
"$here/.venv/bin/python" "$here/main.py" --data "$data" --out "$root/models/champion" "$@"
