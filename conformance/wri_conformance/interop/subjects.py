"""What can be put into the matrix: releases, checkouts, and whatever has a manifest."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen
from packaging.version import InvalidVersion, Version

from wri_conformance import environments, interpreters, manifest, releases, venvs
from wri_conformance.manifest import Manifest
from wri_conformance.mistakes import Mistake
from wri_conformance.specification import load as load_specification

_GLOBAL: Final = """\
[scheduler]
    [[host self-identification]]
        method = hardwired
        host = localhost
[platforms]
    [[localhost]]
        cylc path = {bin}
        communication method = poll
        submission polling intervals = PT1H
        execution polling intervals = PT1H
"""
"""Nobody looks for jobs unless told to, so that what `poll` does can be seen."""

_READY: Final = 90.0  # seconds; many start at once
_PLAY: Final = ("cylc", "play", "--no-detach")
_SIMULATED: Final = (*_PLAY, "--mode=simulation")
_ALL: Final = "all"
_REFERENCE: Final = "reference"


@frozen
class Subject:
    """An implementation: its manifest and, for cylc-flow, where its programs are.

    `kind` is release, checkout or manifest. `minor` is the minor version of a cylc-flow.
    """

    name: str
    version: str
    kind: str
    manifest: Manifest
    path: Path | None
    python: str = ""
    minor: int | None = None

    @property
    def roles(self) -> tuple[str, ...]:
        """Which of client and server it can be."""
        if self.kind != "manifest":
            return ("client", "server")
        return tuple(role for role in ("client", "server") if role in self.manifest.roles)

    def to_json(self) -> dict[str, Any]:
        """Return it for the document."""
        return {
            "name": self.name,
            "version": self.version,
            "kind": self.kind,
            "roles": list(self.roles),
            "python": self.python,
        }


def expand(names: Iterable[str]) -> list[str]:
    """Return names in order, each once, with `all` as what it stands for."""
    split = [part for name in names for part in name.split(",") if part]
    every = [
        one
        for name in split
        for one in ((*releases.KNOWN, _REFERENCE) if name == _ALL else (name,))
    ]
    return list(dict.fromkeys(every))


def load(names: Sequence[str], say: Callable[[str], None]) -> list[Subject]:
    """Return the implementations that are named, installed if need be, oldest release first.

    Raises:
        Mistake: one of the names is none, or cannot be installed.
    """
    works: list[interpreters.Interpreter] = []
    told: list[str] = []
    found: list[Subject] = []
    for name in expand(names):
        if _is_manifest(name):
            found.append(_of_manifest(name, say))
            continue
        if not works:
            works, fails = interpreters.examine(interpreters.candidates())
            told = [f"{path}: {why}" for path, why in fails.items()]
        found.append(_of_release(name, works, told, say))
    by_name: dict[str, Subject] = {}
    for one in found:
        if by_name.setdefault(one.name, one).manifest.path != one.manifest.path:
            raise Mistake(f"two implementations are called {one.name}", "rename one of them")
    return sorted(by_name.values(), key=_age)


def _age(one: Subject) -> tuple[int, Version, str]:
    try:
        return (one.kind == "manifest", Version(one.version), one.name)
    except InvalidVersion:
        return (2, Version("0"), one.name)


def _is_manifest(name: str) -> bool:
    if name.endswith((".yaml", ".yml")):
        return True
    known = {path.stem for path in manifest.directory().glob("*.yaml")}
    return name in known


def _of_manifest(name: str, say: Callable[[str], None]) -> Subject:
    one = manifest.load(manifest.find(name), load_specification())
    path = environments.prepare(one, say)
    if "client" not in one.roles and "server" not in one.roles:
        raise Mistake("it is neither client nor server", "give it one of these roles", one.path)
    return Subject(one.name, _version_of(one), "manifest", one, path)


def _version_of(one: Manifest) -> str:
    if isinstance(one.version, str):
        return one.version
    places = {"{manifest_dir}": str(one.path.resolve().parent), "{python}": sys.executable}
    command = [places.get(part, part) for part in one.version]
    command = [part.replace("{manifest_dir}", places["{manifest_dir}"]) for part in command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return ""
    words = done.stdout.split()
    return words[-1] if words else ""


def _of_release(
    name: str,
    works: Sequence[interpreters.Interpreter],
    told: Iterable[str],
    say: Callable[[str], None],
) -> Subject:
    one = releases.find(name, works)
    found = releases.interpreter(one, works, told)
    programs = venvs.ensure(one.packages, say, found.path)
    done = subprocess.run(
        [str(programs / "cylc"), "version"], capture_output=True, text=True, check=False, timeout=60
    )
    version = done.stdout.strip()
    try:
        minor = Version(version).release[1]
    except (InvalidVersion, IndexError):
        raise Mistake(
            f"{name} does not say its version: {(done.stderr or version).strip()[-300:]}",
            "see whether `cylc version` works in it",
            programs,
        ) from None
    kind = (
        "release"
        if name.removeprefix("cylc-flow").lstrip("-=@") == one.name and not Path(name).is_dir()
        else "checkout"
    )
    return _cylc(one.name, version, kind, programs, ".".join(map(str, found.version)), minor)


def _cylc(
    name: str, version: str, kind: str, programs: Path, python: str, minor: int | None
) -> Subject:
    described = Manifest(
        path=Path(name),
        name=name,
        version=version,
        pip=(),
        variables={"CYLC_CONF_PATH": "{home}/conf"},
        files={"conf/global.cylc": _GLOBAL},
        capabilities=(),
        start={
            "running": (*_SIMULATED, "{workflow}"),
            "paused": (*_SIMULATED, "--pause", "{workflow}"),
            "live": (*_PLAY, "{workflow}"),
        },
        ready=_READY,
        stop="TERM",
        end=20.0,
        known_failures=(),
    )
    return Subject(name, version, kind, described, programs, python, minor)


def store(one: Subject) -> dict[str, Any]:
    """Return what `restore` makes an implementation from, in another process."""
    return {
        **one.to_json(),
        "manifest": str(one.manifest.path),
        "path": None if one.path is None else str(one.path),
        "minor": one.minor,
    }


def restore(stored: Mapping[str, Any]) -> Subject:
    """Return what `store` was given."""
    path = None if stored["path"] is None else Path(stored["path"])
    name, version, kind = stored["name"], stored["version"], stored["kind"]
    if kind != "manifest":
        assert path is not None
        return _cylc(name, version, kind, path, stored["python"], stored["minor"])
    described = manifest.load(Path(stored["manifest"]), load_specification())
    return Subject(name, version, kind, described, path)


def patient(one: Subject) -> Subject:
    """Return it with more time for a start than its manifest gives: many start at once."""
    return evolve(one, manifest=evolve(one.manifest, ready=max(one.manifest.ready, _READY)))


def by_name(found: Iterable[Subject]) -> Mapping[str, Subject]:
    """Return implementations by name."""
    return {one.name: one for one in found}
