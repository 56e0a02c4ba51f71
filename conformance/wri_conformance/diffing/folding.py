"""Makes long lists of changes short: what is alike is one entry. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from wri_conformance.diffing.changes import AREAS, NEW_CLIENTS, OLD_CLIENTS, SIDES, Change, Level

_ALIKE = 3  # changes of one kind that are shown one by one
_NAMED = 6  # places that an entry names


@frozen
class Entry:
    """One line of a listing: a change, and how many more are like it, with their places."""

    change: Change
    more: tuple[str, ...] = ()
    named: int = _NAMED

    @property
    def sentence(self) -> str:
        """What changed."""
        if not self.more:
            return self.change.sentence
        shown = ", ".join(self.more[: self.named])
        rest = f" and {len(self.more) - self.named} others" if self.more[self.named :] else ""
        return f"{self.change.sentence} Likewise {shown}{rest}."


def entries(changes: Sequence[Change], *, all_of_them: bool) -> Iterator[Entry]:
    """Yield the lines for the changes of one area, in their order."""
    groups: dict[tuple[Level, str, tuple[str, ...]], list[Change]] = {}
    for one in changes:
        groups.setdefault((one.level, one.kind, one.sides), []).append(one)
    for group in groups.values():
        if all_of_them or len(group) <= _ALIKE:
            yield from map(Entry, group)
        else:
            yield Entry(group[0], tuple(one.place for one in group[1:]))


def by_area(changes: Iterable[Change]) -> dict[str, list[Change]]:
    """Return changes by area, in the order in which areas are shown."""
    found: dict[str, list[Change]] = {area: [] for area in AREAS}
    for one in changes:
        found[one.area].append(one)
    return {area: some for area, some in found.items() if some}


def counts(changes: Iterable[Change]) -> dict[str, dict[Level, int]]:
    """Return the numbers of changes by side and level."""
    found = {side: dict.fromkeys(Level, 0) for side in SIDES}
    for one in changes:
        for side in one.sides:
            found[side][one.level] += 1
    return found


def whom(sides: Sequence[str]) -> str:
    """Return the sides that are concerned in short words."""
    if {OLD_CLIENTS, NEW_CLIENTS} <= set(sides):
        others = [one for one in sides if one not in {OLD_CLIENTS, NEW_CLIENTS}]
        return ", ".join(["all clients", *others])
    return ", ".join(sides)


def legend(before: str, after: str) -> dict[str, str]:
    """Return who the sides are."""
    return {
        SIDES[0]: f"made for {before}, with a scheduler of {after}",
        SIDES[1]: f"made for {after}, with a scheduler of {before}",
        SIDES[2]: f"whoever runs {after} instead of {before}",
    }
