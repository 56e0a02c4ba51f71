"""Finds the Python interpreters of a machine by running them: a name in the path proves nothing."""

import glob
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import frozen

PLACES = (
    "~/.pyenv/versions/*/bin/python3",
    "~/.local/share/uv/python/*/bin/python3",
    "~/.local/bin/python3.*",
    "~/miniconda3/envs/*/bin/python3",
    "/opt/python*/bin/python3",
    "/usr/local/bin/python3.*",
    "/usr/bin/python3.*",
)
"""Where interpreters are besides those in the path."""

_NAME = re.compile(r"python3(\.\d+)?")
_TIMEOUT = 20.0  # seconds; a shim may look for long before it fails
_SCRIPT = "import sys, venv, ensurepip; print('%d.%d.%d' % sys.version_info[:3])"


@frozen
class Interpreter:
    """A Python that runs and can make virtual environments; `version` is such as (3, 12, 1)."""

    path: str
    version: tuple[int, ...]

    @property
    def minor(self) -> str:
        """Return major and minor version, `3.12`."""
        return ".".join(map(str, self.version[:2]))


def candidates() -> Iterator[str]:
    """Yield the paths of what may be interpreters, this one first, each once."""
    seen: set[tuple[str, str]] = set()
    for path in _candidates():
        real = str(Path(path).resolve())
        # A shim is one program for all versions, told apart by its name.
        if (real, Path(path).name) not in seen and _NAME.fullmatch(Path(path).name):
            seen.add((real, Path(path).name))
            yield path


def _candidates() -> Iterator[str]:
    yield sys.executable
    for minor in range(7, 20):
        if found := shutil.which(f"python3.{minor}"):
            yield found
    for pattern in PLACES:
        yield from sorted(glob.glob(str(Path(pattern).expanduser())))  # noqa: PTH207 - absolute


def examine(paths: Iterable[str]) -> tuple[list[Interpreter], Mapping[str, str]]:
    """Run interpreters; return those that work, and why each other one does not, by path."""
    works: list[Interpreter] = []
    fails: dict[str, str] = {}
    for path in paths:
        try:
            done = subprocess.run(
                [path, "-c", _SCRIPT],
                capture_output=True,
                text=True,
                check=False,
                timeout=_TIMEOUT,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            fails[path] = str(error)
            continue
        if done.returncode:
            fails[path] = (done.stderr.strip() or f"status {done.returncode}").splitlines()[0]
        else:
            version = tuple(int(part) for part in done.stdout.strip().split("."))
            works.append(Interpreter(path, version))
    return works, fails
