"""Virtual environments for implementations that are Python packages, made once and kept."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from wri_conformance.mistakes import Mistake


def cache() -> Path:
    """Return the directory in which environments are kept: `$WRI_CACHE`, or below `~/.cache`."""
    if own := os.environ.get("WRI_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "wri"


def ensure(
    packages: Sequence[str], say: Callable[[str], None], python: str = sys.executable
) -> Path:
    """Return the `bin` directory of an environment with `packages`, made if it is not there.

    `say` is told what takes long. Several processes may ask at once; one of them builds, with
    the interpreter `python`.

    Raises:
        Mistake: pip cannot install the packages.
    """
    place = _place(packages, _version(python))
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(place.suffix + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "complete").exists():
            say(f"installing {' '.join(packages)} into {place} (once) …")
            _build(place, packages, python)
    return place / "bin"


def present(packages: Sequence[str], version: str) -> Path | None:
    """Return what `ensure` would, without building anything; `version` is a Python's, `3.11`."""
    place = _place(packages, version)
    return place / "bin" if (place / "complete").exists() else None


def _place(packages: Sequence[str], version: str) -> Path:
    digest = hashlib.sha256("\n".join([version, *packages]).encode()).hexdigest()[:12]
    name = Path(packages[0]).name.replace("==", "-")
    return cache() / "venvs" / f"{name}-py{version}-{digest}"


def _version(python: str) -> str:
    """Return major and minor version of an interpreter, `3.11`."""
    if python == sys.executable:
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run(
        [python, "-c", script], capture_output=True, text=True, check=True
    ).stdout.strip()


def _build(place: Path, packages: Sequence[str], python: str) -> None:
    shutil.rmtree(place, ignore_errors=True)
    steps = [
        [python, "-m", "venv", str(place)],
        [
            str(place / "bin" / "pip"),
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *packages,
        ],
    ]
    for command in steps:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            tail = "\n    ".join(done.stderr.strip().splitlines()[-5:])
            raise Mistake(
                f"cannot make an environment with {' '.join(packages)}: `{' '.join(command)}` "
                f"ended with status {done.returncode}\n    {tail}",
                "check the names and versions under environment:, and the network",
            )
    (place / "complete").touch()
