"""What the sides of a comparison may be: releases, checkouts, manifests, and profiles in files."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from wri_conformance import environments, interpreters, manifest, releases, venvs
from wri_conformance.manifest import Manifest
from wri_conformance.mistakes import Mistake
from wri_conformance.specification import load as load_specification

PROFILES: Final = (".json", ".json.gz")
"""How the names of files end that hold a profile."""


@frozen
class Target:
    """An implementation that can be started.

    `release` is its version if nothing about it can change, so that a profile of it can be kept.
    `path` has its programs; `python` is the interpreter that has cylc-flow in it, if one has.
    """

    name: str
    manifest: Manifest
    path: Path | None = None
    release: str | None = None

    @property
    def python(self) -> Path | None:
        """The interpreter that can look at it from the inside."""
        is_cylc = self.manifest.name.partition("@")[0] == "cylc-flow"
        return self.path / "python" if self.path and is_cylc else None


def stored(name: str) -> Path | None:
    """Return the path of a profile if the name is that of one."""
    return Path(name) if name.endswith(PROFILES) else None


def release(name: str) -> str | None:
    """Return the version if the name is that of a release, however it is written."""
    if Path(name).exists():
        return None
    try:
        return releases.find(name, ()).name
    except Mistake:
        return None


def find(name: str, say: Callable[[str], None]) -> Target:
    """Return what a name stands for, installed if it has to be.

    Raises:
        Mistake: it stands for nothing, or cannot be installed.
    """
    specification = load_specification()
    known = {path.stem for path in manifest.directory().glob("*.yaml")}
    if name in known or name.endswith((".yaml", ".yml")):
        one = manifest.load(manifest.find(name), specification)
        if not one.start:
            raise Mistake("the manifest describes no server", "add roles: server:", one.path)
        return Target(one.name, one, environments.prepare(one, say))
    version = release(name)
    if version is None and not Path(name).is_dir():
        raise Mistake(
            f"{name} is neither a release, nor a directory, a manifest or a profile",
            f"give a version such as {releases.KNOWN[-1]}, the path of a checkout, "
            f"one of {', '.join(sorted(known))}, or a file that --save has written",
        )
    works, fails = _interpreters()
    one = manifest.load(manifest.find("cylc-flow"), specification)
    installable = releases.find(name, works)
    python = releases.interpreter(installable, works, [f"{p}: {why}" for p, why in fails.items()])
    path = venvs.ensure(installable.packages, say, python.path)
    return Target(
        installable.name,
        evolve(one, release="", pip=installable.packages, known_failures=()),
        path,
        version,
    )


@functools.cache
def _interpreters() -> tuple[list[interpreters.Interpreter], dict[str, str]]:
    works, fails = interpreters.examine(interpreters.candidates())
    return works, dict(fails)


def tell(text: str) -> None:
    """Say what takes long, where it is not in the way of the result."""
    print(text, file=sys.stderr, flush=True)
