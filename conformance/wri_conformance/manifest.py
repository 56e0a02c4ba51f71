"""Manifests as values: what an implementation is called, can do, and how it is started."""

import datetime as dt
import fnmatch
import functools
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from attrs import evolve, frozen
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from wri.data import root
from wri_conformance import documents, releases
from wri_conformance.mistakes import Mistake
from wri_conformance.specification import Specification

PLACEHOLDERS = ("workflow", "run_dir", "home", "fixture", "python", "manifest_dir", "bin")


@functools.cache
def wildcard(pattern: str) -> re.Pattern[str]:
    """Return what a pattern matches, in which only `*` is special: it stands for any text."""
    return re.compile(".*".join(map(re.escape, pattern.split("*"))))


@frozen
class KnownFailure:
    """Check ids that may fail, for a reason; not after the day `expires`.

    If there are `versions`, it is about those of the implementation, and no others. A check that
    was not reached is known to fail only if the message says one of the texts in `unreached`.
    What fails `sometimes` depends on time, and is not wrong to be listed when it passes.
    """

    match: tuple[str, ...]
    reason: str
    url: str = ""
    reproduce: str = ""
    expires: dt.date | None = None
    versions: SpecifierSet | None = None
    unreached: tuple[str, ...] = ()
    sometimes: bool = False

    def covers(self, check_id: str) -> bool:
        """Tell whether a check id matches one of the patterns; only `*` is special."""
        return any(wildcard(pattern).fullmatch(check_id) for pattern in self.match)


@frozen
class Manifest:
    """An implementation, as its author describes it.

    If it is a `release` of cylc-flow – a version, or the absolute path of a checkout – its name
    carries that: cylc-flow@8.5.4.
    """

    path: Path
    name: str
    version: str | tuple[str, ...]
    pip: tuple[str, ...]
    variables: Mapping[str, str]
    capabilities: tuple[str, ...]
    start: Mapping[str, tuple[str, ...]]
    ready: float
    stop: str | tuple[str, ...]
    end: float
    known_failures: tuple[KnownFailure, ...]
    files: Mapping[str, str] = MappingProxyType({})
    adapters: Mapping[str, tuple[str, ...]] = MappingProxyType({})  # by role
    release: str = ""

    @property
    def address(self) -> str:
        """What names it on a command line, its release included."""
        return f"{self.path}@{self.release}" if self.release else str(self.path)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that it plays; a publisher is started as a server."""
        return (*(("server",) if self.start else ()), *self.adapters)


def directory() -> Path:
    """Return the directory of the manifests that come with the suite."""
    return root() / "conformance" / "implementations"


def find(name: str) -> Path:
    """Return the path of a manifest given by path, or by name if it comes with the suite.

    Raises:
        Mistake: there is none.
    """
    if path := _found(name):
        return path
    known = sorted(p.stem for p in directory().glob("*.yaml"))
    raise Mistake(
        f"there is no manifest {name!r}",
        f"give the path of a YAML file, or one of {', '.join(known)}, before any option",
    )


def _found(name: str) -> Path | None:
    for path in (Path(name), directory() / f"{name}.yaml"):
        if path.is_file():
            return path
    return None


def named(name: str, specification: Specification) -> Manifest:
    """Return the manifest that `find` finds, or, of NAME@RELEASE, another release of it.

    RELEASE is a version, or the path of a checkout.

    Raises:
        Mistake: there is no such manifest or release, or the manifest cannot be used.
    """
    parts = name.split("@")
    cuts = ("@".join(parts[:cut]) for cut in range(len(parts), 0, -1))  # paths may have an @, too
    mine = next(filter(_found, cuts), parts[0])
    _, at, release = name[len(mine) :].partition("@")
    return load(find(mine), specification, release if at else None)


def load(path: Path, specification: Specification, release: str | None = None) -> Manifest:
    """Return the manifest in `path`, of another `release` if one is given.

    Raises:
        Mistake: it is not valid against `manifest.json`, claims a capability that does not
            exist, that belongs to another role, or lacks one that it needs; or there is no such
            release.
    """
    document = documents.read(path, "manifest.json")
    roles = document["roles"]
    for role, claims in roles.items():
        _verify_claims(path, role, claims["capabilities"], specification)
    server = roles.get("server", {})
    _verify_placeholders(path, document)
    claimed = [name for role in roles.values() for name in role["capabilities"]]
    version = document["version"]
    environment = document.get("environment", {})
    stop = server.get("stop", "TERM")
    installed = _release(path, environment.get("release", ""), release)
    carried = f"@{Path(installed).name}" if installed else ""
    return Manifest(
        path=path,
        name=f"{document['name']}{carried}",
        version=version if isinstance(version, str) else tuple(version["command"]),
        pip=tuple(environment.get("pip", ())),
        variables=environment.get("variables", {}),
        files=environment.get("files", {}),
        capabilities=tuple(claimed),
        adapters={
            role: tuple(roles[role]["adapter"])
            for role in ("client", "subscriber")
            if role in roles
        },
        start={state: tuple(command) for state, command in server.get("start", {}).items()},
        ready=float(server.get("ready", 20)),
        stop=stop if isinstance(stop, str) else tuple(stop),
        end=float(server.get("end", 20)),
        known_failures=tuple(
            _known_failure(path, number, entry)
            for number, entry in enumerate(document.get("known_failures", []))
        ),
        release=installed,
    )


def _release(path: Path, own: str, other: str | None) -> str:
    """Return the release to be installed, resolved; "" for none."""
    if other is not None:
        if not own:
            raise Mistake(
                f"the manifest has no release that {other} could replace",
                'add environment: {release: "…"}, or leave @ out',
                path,
            )
        return releases.resolve(other)
    try:
        return releases.resolve(own, path.resolve().parent) if own else ""
    except Mistake as mistake:
        where = ["environment", "release"]
        raise _mistake(path, mistake.message, mistake.fix, [*where]) from None


def measured(manifest: Manifest, version: str) -> Manifest:
    """Return a manifest with only those known failures that are about this version.

    A pre-release counts as the release that it becomes.

    Raises:
        Mistake: the version cannot be compared, and there are known failures that ask for that.
    """
    if all(entry.versions is None for entry in manifest.known_failures):
        return manifest
    try:
        release = Version(Version(version).base_version)
    except InvalidVersion:
        raise Mistake(
            f"known_failures have versions:, and {version!r} cannot be compared with them",
            "let version: give a version such as 1.2.3, or leave versions: out",
            manifest.path,
        ) from None
    return evolve(
        manifest,
        known_failures=tuple(
            entry
            for entry in manifest.known_failures
            if entry.versions is None or entry.versions.contains(release)
        ),
    )


def _verify_placeholders(path: Path, document: Mapping[str, Any]) -> None:
    for role, claims in document["roles"].items():
        stop = claims.get("stop", "TERM")
        commands = [
            *claims.get("start", {}).values(),
            stop if isinstance(stop, list) else [],
            claims.get("adapter", []),
        ]
        for text in [part for command in commands for part in command]:
            for name in re.findall(r"\{([a-z_]+)\}", text):
                if name not in PLACEHOLDERS:
                    known = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
                    raise _mistake(
                        path,
                        f"nothing stands for {{{name}}}",
                        f"use one of {known}",
                        ["roles", role],
                    )


def _verify_claims(path: Path, role: str, claims: list[str], spec: Specification) -> None:
    place: list[str | int] = ["roles", role, "capabilities"]
    known = spec.capabilities
    for name in claims:
        if name not in known or known[name].role != role:
            fitting = ", ".join(c.name for c in known.values() if c.role == role)
            raise _mistake(
                path,
                f"the role {role} has no capability {name!r}",
                f"use one of {fitting}",
                place,
            )
        missing = [need for need in known[name].needs if need not in claims]
        if missing:
            raise _mistake(path, f"{name} needs {', '.join(missing)}", "claim both", place)
    mandatory = [c.name for c in known.values() if c.role == role and c.mandatory]
    if missing := [name for name in mandatory if name not in claims]:
        raise _mistake(
            path,
            f"the role {role} cannot be played without {', '.join(missing)}",
            f"claim {', '.join(missing)}, or leave the role out",
            place,
        )


def _known_failure(path: Path, number: int, entry: Mapping[str, Any]) -> KnownFailure:
    match = entry["match"]
    expires = entry.get("expires")
    try:
        day = None if expires is None else dt.date.fromisoformat(str(expires))
    except ValueError:
        raise _mistake(
            path,
            f"{expires} is no day",
            "write it as YYYY-MM-DD",
            ["known_failures", number, "expires"],
        ) from None
    versions = entry.get("versions")
    try:
        about = None if versions is None else SpecifierSet(versions)
    except InvalidSpecifier:
        raise _mistake(
            path,
            f"{versions!r} is no range of versions",
            'write it as "<8.4.1", ">=8.5", or ">=8.5,<8.6"',
            ["known_failures", number, "versions"],
        ) from None
    return KnownFailure(
        match=(match,) if isinstance(match, str) else tuple(match),
        reason=entry["reason"],
        url=entry.get("url", ""),
        reproduce=entry.get("reproduce", ""),
        expires=day,
        versions=about,
        unreached=tuple(entry.get("unreached", ())),
        sometimes=entry.get("sometimes", False),
    )


def _mistake(path: Path, message: str, fix: str, place: list[str | int]) -> Mistake:
    return Mistake(message, fix, path, documents.line_of(path.read_text(encoding="utf-8"), place))


def selects(pattern: str, *names: str) -> bool:
    """Tell whether a shell pattern, or a plain part of a name, selects one of `names`."""
    return any(fnmatch.fnmatchcase(name, pattern) or name.startswith(pattern) for name in names)
