"""Manifests as values: what an implementation is called, can do, and how it is started."""

import datetime as dt
import fnmatch
import functools
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from attrs import frozen

from wri.data import root
from wri_conformance import documents
from wri_conformance.mistakes import Mistake
from wri_conformance.specification import Specification

PLACEHOLDERS = ("workflow", "run_dir", "home", "fixture", "python", "manifest_dir", "bin")


@functools.cache
def wildcard(pattern: str) -> re.Pattern[str]:
    """Return what a pattern matches, in which only `*` is special: it stands for any text."""
    return re.compile(".*".join(map(re.escape, pattern.split("*"))))


@frozen
class KnownFailure:
    """Check ids that may fail, for a reason; not after the day `expires`."""

    match: tuple[str, ...]
    reason: str
    url: str = ""
    reproduce: str = ""
    expires: dt.date | None = None

    def covers(self, check_id: str) -> bool:
        """Tell whether a check id matches one of the patterns; only `*` is special."""
        return any(wildcard(pattern).fullmatch(check_id) for pattern in self.match)


@frozen
class Manifest:
    """An implementation, as its author describes it."""

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
    path = Path(name)
    if path.is_file():
        return path
    known = sorted(p.stem for p in directory().glob("*.yaml"))
    if name in known:
        return directory() / f"{name}.yaml"
    raise Mistake(
        f"there is no manifest {name!r}",
        f"give the path of a YAML file, or one of {', '.join(known)}, before any option",
    )


def load(path: Path, specification: Specification) -> Manifest:
    """Return the manifest in `path`.

    Raises:
        Mistake: it is not valid against `manifest.json`, claims a capability that does not
            exist, that belongs to another role, or lacks one that it needs.
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
    return Manifest(
        path=path,
        name=document["name"],
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
    return KnownFailure(
        match=(match,) if isinstance(match, str) else tuple(match),
        reason=entry["reason"],
        url=entry.get("url", ""),
        reproduce=entry.get("reproduce", ""),
        expires=day,
    )


def _mistake(path: Path, message: str, fix: str, place: list[str | int]) -> Mistake:
    return Mistake(message, fix, path, documents.line_of(path.read_text(encoding="utf-8"), place))


def selects(pattern: str, *names: str) -> bool:
    """Tell whether a shell pattern, or a plain part of a name, selects one of `names`."""
    return any(fnmatch.fnmatchcase(name, pattern) or name.startswith(pattern) for name in names)
