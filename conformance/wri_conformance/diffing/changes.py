"""A change on the wire, as one value."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from attrs import asdict, frozen


class Level(StrEnum):
    """How bad a change is; the worst first."""

    BREAKING = "breaking"
    RISKY = "risky"
    SAFE = "safe"


OLD_CLIENTS: Final = "old clients"
"""Clients, subscribers and readers of files that were made for A and meet B."""

NEW_CLIENTS: Final = "new clients"
"""Those that were made for B and meet A."""

SERVERS: Final = "servers"
"""Whoever runs B, whichever clients there are."""

SIDES: Final = (OLD_CLIENTS, NEW_CLIENTS, SERVERS)

AREAS: Final = (
    "endpoints",
    "envelope",
    "robustness",
    "contact and keys",
    "GraphQL schema",
    "GraphQL answers",
    "mutations",
    "protobuf",
    "data store",
    "publications",
    "Python API",
)
"""In the order in which they are shown."""


@frozen
class Change:
    """One thing that is otherwise in B than in A.

    `kind` is a word for programs, `place` says where, `before` and `after` what; either may be
    None where there was or is nothing. `sides` are those for whom it is as bad as `level` says.
    `requirement` is empty where the specification does not speak of it.
    """

    area: str
    kind: str
    place: str
    level: Level
    sides: tuple[str, ...]
    sentence: str
    before: Any = None
    after: Any = None
    requirement: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as an object of JSON."""
        return {**asdict(self), "level": str(self.level), "sides": list(self.sides)}


_WORST: Final = {level: number for number, level in enumerate(Level)}


def ordered(changes: Iterable[Change]) -> list[Change]:
    """Return changes by area, the worst first, then by place."""
    return sorted(
        changes,
        key=lambda one: (AREAS.index(one.area), _WORST[one.level], one.kind, one.place),
    )


def worst(changes: Iterable[Change], side: str | None = None) -> Level | None:
    """Return the worst level that concerns a side, or any; None without changes."""
    levels = [one.level for one in changes if side is None or side in one.sides]
    return min(levels, key=_WORST.__getitem__, default=None)
