"""Entry: runs a command, in the training environment where this Python lacks the packages."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
#: Set in the process that was started again, so that broken packages end in an error and not in a circle.
RESTARTED = "GPU_ACTUARY_SURVIVAL_RESTARTED"


def ensure_packages() -> None:
    """Goes on in models/training/.venv, made first if it is not there, unless NumPy and XGBoost can be imported."""
    if os.environ.get(RESTARTED) or all(importlib.util.find_spec(name) for name in ("numpy", "xgboost")):
        return
    subprocess.run(["bash", str(HERE / "venv.sh")], check=True, stdout=sys.stderr)
    python = str(HERE / ".venv" / "bin" / "python")
    os.environ[RESTARTED] = "1"
    os.execv(python, [python, "-m", "training.survival", *sys.argv[1:]])


if __name__ == "__main__":
    try:
        ensure_packages()
    except subprocess.CalledProcessError:
        sys.exit("packages_missing: the training environment could not be made (see above)")
    from .commands import main

    sys.exit(main(sys.argv[1:]))
