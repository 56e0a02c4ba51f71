"""What broke and what was mended between two runs: compares documents of `results.json`. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from attrs import frozen

KEPT: Final = {"pass"}
BROKEN: Final = {"fail", "warn", "known-failure"}
_UNKNOWN: Final = "not known: "  # before the message of a failure that no manifest explains


@frozen
class Check:
    """A check of two runs, and why it fails in that of the two which tells it."""

    id: str
    reason: str

    @property
    def requirement(self) -> str:
        """The requirement that it checks."""
        return self.id.rpartition("::")[2]


@frozen
class Comparison:
    """Two runs, the earlier one first. Each check stands in one list at most.

    Those that come to the same in both stand in none. `otherwise` are checks that fail in both, for
    another reason now; `undecided` those that one of the runs did not decide (not applicable,
    inconclusive, an error of the suite).
    """

    before: str
    now: str
    broke: tuple[Check, ...] = ()
    mended: tuple[Check, ...] = ()
    otherwise: tuple[Check, ...] = ()
    undecided: tuple[Check, ...] = ()
    gone: tuple[Check, ...] = ()
    new: tuple[Check, ...] = ()


def title(document: Mapping[str, Any]) -> str:
    """Return what a run is called: the implementation, and its version unless the name says it."""
    name, version = (str(document["implementation"][key]) for key in ("name", "version"))
    return name if version in name or not version else f"{name} {version}"


def compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> Comparison:
    """Compare two documents that `results.json` describes."""
    old, new = (dict(_results(document)) for document in (before, now))
    lists: dict[str, list[Check]] = {
        name: [] for name in ("broke", "mended", "otherwise", "undecided", "gone", "new")
    }
    for identity in sorted(old.keys() | new.keys()):
        kind, told = _change(old.get(identity), new.get(identity))
        if kind:
            lists[kind].append(Check(identity, told))
    found = {name: tuple(checks) for name, checks in lists.items()}
    return Comparison(title(before), title(now), **found)


def neighbours(documents: Iterable[Mapping[str, Any]]) -> Iterator[Comparison]:
    """Compare each document with the one after it."""
    before: Mapping[str, Any] | None = None
    for document in documents:
        if before is not None:
            yield compare(before, document)
        before = document


def by_reason(checks: Iterable[Check]) -> dict[str, list[Check]]:
    """Return checks by what explains them, the reason of most of them first."""
    groups: dict[str, list[Check]] = {}
    for check in checks:
        groups.setdefault(check.reason, []).append(check)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


def _results(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for scenario in document["scenarios"]:
        for result in scenario["results"]:
            yield result["id"], result


def _change(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return the list in which a check belongs ("" for none), and its reason."""
    if before is None or now is None:
        one = before or now or {}
        return ("new" if before is None else "gone"), one["verdict"]
    was, is_now = before["verdict"], now["verdict"]
    if was in KEPT and is_now in BROKEN:
        return "broke", _reason(now)
    if was in BROKEN and is_now in KEPT:
        return "mended", _reason(before)
    if was in BROKEN and is_now in BROKEN:
        same = before.get("known", "") == now.get("known", "")
        return ("", "") if same else ("otherwise", _reason(now))
    return ("", "") if was == is_now else ("undecided", f"{was} → {is_now}")


def _reason(result: Mapping[str, Any]) -> str:
    known: str = result.get("known", "")
    first = (result.get("message", "").splitlines() or ["no message"])[0]
    return known or f"{_UNKNOWN}{first}"
