"""What the suite owes its mutants: which scenarios each is tried on, and what has to come of them.

Pure. A check is known here without the case of its matrix: `server/globs/names::held::WRI-ID-9`
stands for that check in every case, since cases differ in their data and not in what they ask.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum
from pathlib import Path
from typing import Any

from attrs import frozen

from wri_conformance.manifest import KnownFailure
from wri_conformance.scenario import Check, Scenario, directory
from wri_conformance.verdict import Result, Verdict

PUBLICATIONS = "publications"
"""In the place of code: what only those notice who connect to the publisher."""

_PERHAPS = "? "


@frozen
class Fault:
    """A mutant: its name, what is wrong, and patterns of the checks that it breaks.

    It `also` breaks what looks at the same thing; there, `*` alone is nearly everything, and a
    pattern behind `? ` is of what it breaks or not, as time has it. A server
    has the name of the one without a fault that it derives from. `replaces` has the places of what
    it replaces of that one, for the adapter of a client or subscriber the commands that make use of
    what is wrong; None if that cannot be told.
    """

    name: str
    about: str
    breaks: tuple[str, ...]
    also: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()
    control: str = ""
    replaces: frozenset[str] | None = None

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Fault":
        """Return what the nursery lists."""
        places = document["replaces"]
        return cls(
            name=document["name"],
            about=document["about"],
            breaks=tuple(document["breaks"]),
            also=tuple(document["also"]),
            roles=frozenset(document["roles"]),
            control=document["control"],
            replaces=None if places is None else frozenset(places),
        )

    @property
    def along(self) -> tuple[str, ...]:
        """Patterns of what it breaks as well, each time."""
        return tuple(p for p in self.also if p != "*" and not p.startswith(_PERHAPS))

    @property
    def perhaps(self) -> tuple[str, ...]:
        """Patterns of what it breaks or not."""
        return tuple(p.removeprefix(_PERHAPS) for p in self.also if p.startswith(_PERHAPS))

    @property
    def gross(self) -> bool:
        """Whether it breaks nearly everything, and is tried on what it was made for only."""
        return "*" in self.also


class Outcome(StrEnum):
    """What a check of one mutant came to."""

    KILLED = "killed"  # it fails, as declared
    QUIET = "quiet"  # it passes, and is not declared
    SURVIVOR = "survivor"  # it is declared and passes
    COLLATERAL = "collateral"  # it fails and is not declared
    UNCLEAR = "unclear"  # neither a pass nor a failure


EXPECTED = {Outcome.KILLED, Outcome.QUIET}


@frozen
class Finding:
    """One check of one mutant."""

    check: str
    outcome: Outcome
    message: str


def base(scenario: Scenario) -> str:
    """Return the id of a scenario without the case of its matrix."""
    return _base(scenario.path)


@functools.cache
def _base(path: Path) -> str:
    return path.relative_to(directory()).with_suffix("").as_posix()


def checks(scenario: Scenario) -> list[str]:
    """Return the checks of a scenario, without the case of its matrix."""
    return [_name(scenario, check) for check in scenario.checks]


def _name(scenario: Scenario, check: Check) -> str:
    return f"{base(scenario)}::{check.step}::{check.requirement}"


def hears(scenario: Scenario) -> bool:
    """Return whether anybody connects to the publisher of a server."""
    spoken_to = (step.spec.get(step.action) for step in scenario.steps)
    return any(
        isinstance(one, Mapping) and (one.get("socket") == "SUB" or one.get("to") == "publish")
        for one in spoken_to
    )


def asks(scenario: Scenario) -> frozenset[str] | None:
    """Return the commands that a scenario gives to an adapter; None if it needs none."""
    if scenario.role not in {"client", "subscriber"}:
        return None
    found: set[str] = set()
    waiting: list[Any] = [step.spec for step in scenario.steps]
    for one in waiting:
        if isinstance(one, Mapping):
            found |= {one["do"]} if isinstance(one.get("do"), str) else set()
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return frozenset(found)


def declared(scenario: Scenario, patterns: Sequence[str]) -> set[str]:
    """Return which checks of a scenario the patterns name, without the case of its matrix."""
    prefix = base(scenario)
    near = tuple(p for p in patterns if p.startswith(prefix) or "*" in p[: len(prefix)])
    if not near:
        return set()
    known = _named(near)
    return {_name(scenario, check) for check in scenario.checks if known.covers(check.id)}


def _named(patterns: tuple[str, ...]) -> KnownFailure:
    return KnownFailure(match=patterns, reason="declared")


def owed(fault: Fault, scenarios: Iterable[Scenario]) -> Iterator[Scenario]:
    """Yield those that a fault breaks; of a matrix the first case for each pattern and check."""
    seen: set[tuple[str, str]] = set()
    for one in scenarios:
        new = {(pattern, name) for pattern in fault.breaks for name in declared(one, [pattern])}
        if new - seen:
            seen |= new
            yield one


COSTLY = (
    "publisher/deltas/load",
    "publisher/deltas/run",
    "publisher/deltas/slow",
    "server/control/schema",
    "server/graphql/schema",
    "server/limits/huge-request",
    "server/limits/never-reads",
    "server/stopped/stop-under-load",
    "server/timeout/no-starvation",
)
"""Scenarios that keep a processor busy for half a second: only for those that they are made for."""


def others(
    fault: Fault, scenarios: Iterable[Scenario], reached: Mapping[str, AbstractSet[str]]
) -> Iterator[Scenario]:
    """Yield, of each matrix of the mutant's roles, the first case, unless it is owed that matrix.

    Those are left out in which the peer without the fault runs nothing of what the fault
    replaces; `reached` has the places of what a server runs by scenario.
    """
    mine = {base(one) for one in scenarios if declared(one, fault.breaks)} | set(COSTLY)
    for one in scenarios:
        if fault.gross or one.role not in fault.roles or base(one) in mine:
            continue
        mine.add(base(one))
        runs = reached.get(one.id, asks(one))
        if fault.replaces is None or runs is None or fault.replaces & runs:
            yield one


def judge(fault: Fault, results: Iterable[Result]) -> list[Finding]:
    """Compare what came of a scenario with what the fault declares."""
    known, perhaps = _named((*fault.breaks, *fault.along)), _named(fault.perhaps)
    return [
        Finding(result.id, _outcome(result, known, perhaps), result.message) for result in results
    ]


def _outcome(result: Result, known: KnownFailure, perhaps: KnownFailure) -> Outcome:
    may = perhaps.covers(result.id)
    if result.verdict in {Verdict.FAIL, Verdict.WARN}:
        return Outcome.KILLED if may or known.covers(result.id) else Outcome.COLLATERAL
    if result.verdict is not Verdict.PASS:
        return Outcome.UNCLEAR
    return Outcome.SURVIVOR if known.covers(result.id) and not may else Outcome.QUIET
