"""Policies as values: what is promised, and what is excused."""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.version import Version

from wri.data import root
from wri_conformance import documents
from wri_conformance.interop.reading import Implementation, Operation, version_of
from wri_conformance.interop.verdicts import SILENT, Verdict
from wri_conformance.manifest import wildcard
from wri_conformance.mistakes import Mistake

DEFAULT: Final = "cylc"
_EXCUSED: Final = SILENT | {Verdict.FAILED, Verdict.REFUSED}
_MINOR: Final = 2  # parts of a minor version

Place = Sequence[str | int]


@frozen
class Range:
    """Versions, or an implementation by its name; everything if neither is given."""

    text: str = ""
    specifiers: SpecifierSet | None = None

    def has(self, one: Implementation, version: Version | None) -> bool:
        """Tell whether an implementation that counts as `version` belongs to it."""
        if not self.text:
            return True
        if self.specifiers is not None:
            return version is not None and all(_fits(part, version) for part in self.specifiers)
        return bool(wildcard(self.text).fullmatch(one.name))


def _fits(part: Specifier, version: Version) -> bool:
    """Compare with a minor version what is one: 8.2.7 belongs to `<=8.2`, and not to `>8.2`."""
    bound = version_of(part.version.removesuffix(".*"))
    if bound is not None and len(bound.release) <= _MINOR:
        version = Version(f"{version.major}.{version.minor}")
    return part.contains(version, prereleases=True)


@frozen
class Promise:
    """Operations that are to work between clients and schedulers of different versions.

    A client may be `newer` or `older` than the scheduler by so many minor versions.
    """

    name: str
    newer: int
    older: int
    clients: Range
    servers: Range
    operations: tuple[str, ...]
    not_operations: tuple[str, ...]
    groups: tuple[str, ...]
    surfaces: tuple[str, ...]
    accept: frozenset[Verdict]
    may_refuse: tuple[str, ...]

    def is_about(self, operation: Operation) -> bool:
        """Tell whether an operation is promised."""
        return (
            matches(self.operations, operation.id)
            and matches(self.groups, operation.group)
            and matches(self.surfaces, operation.surface)
            and not any(wildcard(p).fullmatch(operation.id) for p in self.not_operations)
        )

    def reaches(self, client: Version | None, server: Version | None) -> bool:
        """Tell whether two versions are near enough; those of two major versions never are."""
        if client is None or server is None or client.major != server.major:
            return False
        return -self.older <= client.minor - server.minor <= self.newer

    def accepts(self, verdict: Verdict, operation: str) -> bool:
        """Tell whether a verdict on an operation, given by its id, keeps the promise."""
        if verdict is Verdict.REFUSED and any(
            wildcard(pattern).fullmatch(operation) for pattern in self.may_refuse
        ):
            return True
        return verdict in self.accept


@frozen
class Excuse:
    """An exception: operations that may break a promise, for a reason; not after `expires`."""

    match: tuple[str, ...]
    clients: Range
    servers: Range
    verdicts: frozenset[Verdict]
    reason: str
    url: str
    expires: dt.date | None
    line: int


@frozen
class Policy:
    """What is promised. `releases` are minor versions without which there is no evidence."""

    path: Path
    title: str
    url: str
    releases: tuple[str, ...]
    counts_as: Mapping[str, Version]
    only: tuple[str, ...]
    promises: tuple[Promise, ...]
    exceptions: tuple[Excuse, ...]

    def version(self, one: Implementation) -> Version | None:
        """Return the version of Cylc that an implementation counts as; None if there is none."""
        return self.counts_as.get(one.name, one.release)


def matches(patterns: Sequence[str], name: str) -> bool:
    """Tell whether a name matches one of the patterns; it does if there is none."""
    return not patterns or any(wildcard(pattern).fullmatch(name) for pattern in patterns)


def directory() -> Path:
    """Return the directory of the policies that come with the suite."""
    return root() / "conformance" / "policies"


def find(name: str) -> Path:
    """Return the path of a policy given by path, or by name if it comes with the suite.

    Raises:
        Mistake: there is none.
    """
    path = Path(name)
    if path.suffix == ".json":
        raise Mistake("a policy is a YAML file", "give a matrix with --matrix", path)
    if path.is_file():
        return path
    known = sorted(one.stem for one in directory().glob("*.yaml"))
    if name in known:
        return directory() / f"{name}.yaml"
    raise Mistake(
        f"there is no policy {name!r}",
        f"give the path of a YAML file, or one of {', '.join(known)}",
    )


def load(path: Path) -> Policy:
    """Return the policy in `path`.

    Raises:
        Mistake: it is not valid against `policy.json`, or a version, range or day is none.
    """
    document = documents.read(path, "policy.json")
    text = path.read_text(encoding="utf-8")

    def mistake(message: str, fix: str, place: Place) -> Mistake:
        return Mistake(message, fix, path, documents.line_of(text, place))

    def span(entry: Mapping[str, Any], key: str, place: Place) -> Range:
        if not (written := entry.get(key, "")):
            return Range()
        try:
            return _range(written)
        except InvalidSpecifier:
            raise mistake(
                f"{written!r} is no range of versions",
                "write it as '>=8.1,<8.4', '8.3' or the name of an implementation",
                [*place, key],
            ) from None

    def promise(number: int, entry: Mapping[str, Any]) -> Promise:
        place: Place = ["promises", number]
        return Promise(
            name=entry["name"],
            newer=entry["window"].get("newer", 0),
            older=entry["window"].get("older", 0),
            clients=span(entry, "clients", place),
            servers=span(entry, "servers", place),
            operations=_many(entry.get("operations")),
            not_operations=_many(entry.get("not_operations")),
            groups=_many(entry.get("groups")),
            surfaces=_many(entry.get("surfaces")),
            accept=frozenset(map(Verdict, entry.get("accept", ["ok"]))),
            may_refuse=_many(entry.get("may_refuse")),
        )

    def excuse(number: int, entry: Mapping[str, Any]) -> Excuse:
        place: Place = ["exceptions", number]
        try:
            day = dt.date.fromisoformat(entry["expires"]) if "expires" in entry else None
        except ValueError:
            raise mistake(
                f"{entry['expires']} is no day", "write it as YYYY-MM-DD", [*place, "expires"]
            ) from None
        return Excuse(
            _many(entry["match"]),
            span(entry, "clients", place),
            span(entry, "servers", place),
            frozenset(map(Verdict, entry.get("verdicts", _EXCUSED))),
            entry["reason"],
            entry.get("url", ""),
            day,
            documents.line_of(text, place),
        )

    counts_as = {}
    for name, written in document.get("counts_as", {}).items():
        if (version := version_of(written)) is None:
            raise mistake(f"{written!r} is no version", "write it as 8.7.0", ["counts_as", name])
        counts_as[name] = version
    return Policy(
        path,
        document["title"],
        document.get("url", ""),
        tuple(document.get("releases", ())),
        counts_as,
        _many(document.get("only")),
        tuple(promise(*item) for item in enumerate(document["promises"])),
        tuple(excuse(*item) for item in enumerate(document.get("exceptions", []))),
    )


def _many(value: str | list[str] | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _range(text: str) -> Range:
    """Return what a text means: `8.3` is all of 8.3, `8.3.6` that release, `>=8.3` a range.

    Raises:
        InvalidSpecifier: it begins like a range, and is none.
    """
    if text[0] in "<>=!~":
        return Range(text, SpecifierSet(text))
    if (version := version_of(text)) is not None:
        exact = len(version.release) > _MINOR
        return Range(text, SpecifierSet(f"=={text}" if exact else f"=={text}.*"))
    return Range(text)
