#!/usr/bin/env bash
# Trains the champion model anew and writes it to models/champion. Needs a built dist/ and Python 3.11 or newer.
# Arguments go to main.py (--feature-set v1, --out DIR, ...).
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"

python="${PYTHON:-python3}"
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "training needs Python 3.11 or newer; set PYTHON to one (found: $("$python" --version 2>&1 || echo none))" >&2
  exit 1
fi
if [ ! -f "$root/dist/cli.js" ]; then
  echo "dist/cli.js is missing: run \`npm run build\` first, or \`npm run train\`, which does" >&2
  exit 1
fi
if ! cmp -s "$here/requirements.txt" "$here/.venv/requirements.txt"; then
  echo "Installing Python packages into models/training/.venv ..."
  "$python" -m venv --clear "$here/.venv"
  "$here/.venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$here/.venv/requirements.txt"
fi

data="$(mktemp -d "${TMPDIR:-/tmp}/gpu-actuary-train.XXXXXX")"
trap 'rm -rf "$data"' EXIT
"$here/.venv/bin/python" "$here/main.py" --data "$data" --out "$root/models/champion" "$@"
