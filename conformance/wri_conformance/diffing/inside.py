"""Runs `inside_script.py` with the interpreter that has an implementation."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

from wri_conformance.diffing.target import Target
from wri_conformance.runs import Workshop, environment

_SCRIPT: Final = Path(__file__).with_name("inside_script.py")
_TIMEOUT: Final = 120.0  # seconds


def look(target: Target, workshop: Workshop) -> tuple[dict[str, Any] | None, str]:
    """Return what the script prints, or None and why there is nothing.

    The keys are those of the script: `protobuf` is a FileDescriptorProto in base64.
    """
    if target.python is None:
        return None, "not a package for Python"
    home = workshop.home()
    try:
        done = subprocess.run(
            [str(target.python), str(_SCRIPT)],
            cwd=home,
            env=environment(target.manifest, home, workshop.token, target.path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT * workshop.scale,
        )
        found: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return None, f"it did not end in {_TIMEOUT * workshop.scale:g} s"
    except ValueError:
        last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        return None, last[0]
    return found, ""
