#!/usr/bin/env bash
# Makes models/training/.venv with the pinned packages, or brings it up to date. Needs Python 3.11 or newer.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"

python="${PYTHON:-python3}"
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "training needs Python 3.11 or newer; set PYTHON to one (found: $("$python" --version 2>&1 || echo none))" >&2
  exit 1
fi
requirements=("$here/requirements.txt")
if [ -n "${MLFLOW_TRACKING_URI:-}" ]; then
  requirements+=("$here/requirements-mlflow.txt")
fi
wanted="$(cat "${requirements[@]}")"
if [ "$wanted" != "$(cat "$here/.venv/requirements.txt" 2>/dev/null)" ]; then
  echo "Installing Python packages into models/training/.venv ..."
  "$python" -m venv --clear "$here/.venv"
  "$here/.venv/bin/python" -m pip install --quiet --disable-pip-version-check "${requirements[@]/#/--requirement=}"
  printf '%s\n' "$wanted" > "$here/.venv/requirements.txt"
fi
