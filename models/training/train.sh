#!/usr/bin/env bash
# Trains the champion anew on the simulated worlds and writes it to models/champion, its report to docs/models; with
# --input, a candidate on a user's own history (candidate.py --help). Needs a built dist/ and Python 3.11 or newer.
# TRAINING_SET names a directory in which the training set is kept, or made.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
python="$here/.venv/bin/python"

if [ ! -f "$root/dist/cli.cjs" ]; then
  echo "dist/cli.cjs is missing: run \`npm run build\` first, or \`npm run train\`, which does" >&2
  exit 1
fi
"$here/venv.sh"

for argument in "$@"; do
  if [ "$argument" = --input ]; then
    exec "$python" "$here/candidate.py" "$@"
  fi
done

data="${TRAINING_SET:-}"
if [ -z "$data" ]; then
  data="$(mktemp -d "${TMPDIR:-/tmp}/gpu-actuary-train.XXXXXX")"
  trap 'rm -rf "$data"' EXIT
fi
node "$root/dist/cli.cjs" training-set --output "$data" --part 1/2 &
node "$root/dist/cli.cjs" training-set --output "$data" --part 2/2
wait $!
"$python" "$here/main.py" --data "$data" --out "$root/models/champion" --report "$root/docs/models" "$@"
