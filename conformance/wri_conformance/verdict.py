"""Verdicts: what a check came to, what is known, and what the run's exit status says.

Pure: nothing here touches an implementation, a file or a clock but for the day, which is
handed in. Results can therefore be judged again without the implementation.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

from attrs import evolve, frozen

from wri_conformance.manifest import KnownFailure


class Verdict(StrEnum):
    """What a check came to."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    WARN = "warn"
    NOT_APPLICABLE = "not-applicable"
    KNOWN_FAILURE = "known-failure"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


class Exit(IntEnum):
    """Exit statuses, as pytest has them."""

    CONFORMANT = 0
    NOT_CONFORMANT = 1
    INTERRUPTED = 2
    BROKEN = 3
    USAGE = 4
    NOTHING = 5


@frozen
class Result:
    """One check of one run, with its evidence."""

    id: str
    scenario: str
    step: str
    requirement: str
    verdict: Verdict
    message: str = ""
    reached: bool = True
    late: bool = False
    seconds: float | None = None
    sent: str = ""
    expected: Any = None
    actual: Any = None
    known: str = ""
    reproduce: str = ""
    url: str = ""
    rounds: Mapping[str, int] = MappingProxyType({})
    """How often it came to which verdict, if it was tried more than once (`--repeat`)."""

    def to_json(self) -> dict[str, Any]:
        """Return the result as `results.json` has it."""
        document: dict[str, Any] = {
            "id": self.id,
            "scenario": self.scenario,
            "step": self.step,
            "requirement": self.requirement,
            "verdict": self.verdict.value,
        }
        for name in ("message", "sent", "known", "reproduce", "url"):
            if value := getattr(self, name):
                document[name] = value
        if self.seconds is not None:
            document["seconds"] = self.seconds
        if not self.reached:
            document["reached"] = False
        if self.late:
            document["late"] = True
        if self.rounds:
            document["rounds"] = dict(self.rounds)
        if self.verdict not in {Verdict.PASS, Verdict.NOT_APPLICABLE}:
            document["expected"] = self.expected
            document["actual"] = self.actual
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Result":
        """Return what `to_json` was made from."""
        values = dict(document)
        values["verdict"] = Verdict(values["verdict"])
        return cls(**values)


def of_failure(severity: str) -> Verdict:
    """Return the verdict of a broken requirement: the keyword is the severity."""
    return Verdict.WARN if severity == "warning" else Verdict.FAIL


def settle(attempts: Sequence[Sequence[Result]]) -> list[Result]:
    """Join the attempts at one scenario; more than one are made when a bound was missed.

    A failure that has nothing to do with time stays one, whatever other attempts say. A check
    that kept its bound in one attempt and missed it in another is inconclusive: noise cannot be
    told from slowness. One that missed it every time has failed.
    """
    by_check = [list(results) for results in zip(*attempts, strict=True)]
    return [_settle(results) for results in by_check]


def _settle(results: list[Result]) -> Result:
    for result in results:
        if result.verdict is not Verdict.PASS and not result.late:
            return result
    late = [result for result in results if result.late]
    kept = [result for result in results if result.verdict is Verdict.PASS]
    if late and kept:
        took = kept[-1].seconds
        again = "it passed" if took is None else f"it took {took} s"
        message = f"{late[0].message}; tried again {again}"
        return evolve(late[0], verdict=Verdict.INCONCLUSIVE, message=message)
    return results[-1]


_GRAVITY = (
    Verdict.ERROR,
    Verdict.FAIL,
    Verdict.WARN,
    Verdict.INCONCLUSIVE,
    Verdict.KNOWN_FAILURE,
    Verdict.PASS,
    Verdict.NOT_APPLICABLE,
)


def over_rounds(before: Sequence[Result], now: Sequence[Result]) -> list[Result]:
    """Join what earlier rounds of a scenario came to with one round more (`--repeat`).

    The gravest verdict stands: a check that failed once in ten rounds has failed. `rounds` tells
    how often it came to which.
    """
    return [_over_rounds(old, new) for old, new in zip(before, now, strict=True)]


def _over_rounds(old: Result, new: Result) -> Result:
    counts = Counter(old.rounds or {old.verdict.value: 1})
    counts[new.verdict.value] += 1
    grave = min(old, new, key=lambda result: _GRAVITY.index(result.verdict))
    return evolve(grave, rounds=dict(counts))


def unsteady(results: Iterable[Result]) -> list[Result]:
    """Return the checks that did not come to the same verdict in every round."""
    return [result for result in results if len(result.rounds) > 1]


def apply_known(
    results: Iterable[Result], known: Sequence[KnownFailure], today: dt.date
) -> list[Result]:
    """Turn failures and warnings that the manifest knows of into known failures.

    What was not reached is not known to fail, unless a known failure before it is the cause, or it
    was not reached for what the entry says.
    """
    judged: list[Result] = []
    excused: set[str] = set()  # scenarios of which a step that was reached is known to fail
    for result in results:
        entry = next((entry for entry in known if entry.covers(result.id)), None)
        told = entry is not None and any(text in result.message for text in entry.unreached)
        if result.reached or result.scenario in excused or told:
            result_now = _apply(result, entry, today)
        else:
            result_now = result
        if result_now.verdict is Verdict.KNOWN_FAILURE:
            excused.add(result.scenario)
        judged.append(result_now)
    return judged


def _apply(result: Result, entry: KnownFailure | None, today: dt.date) -> Result:
    if entry is None or result.verdict not in {Verdict.FAIL, Verdict.WARN}:
        return result
    if entry.expires is None or today < entry.expires:
        return evolve(
            result,
            verdict=Verdict.KNOWN_FAILURE,
            known=entry.reason,
            reproduce=entry.reproduce,
            url=entry.url,
        )
    note = f"known until {entry.expires.isoformat()}: {entry.reason}"
    return evolve(result, message=f"{result.message} ({note})")


def stale(
    results: Iterable[Result],
    known: Sequence[KnownFailure],
    catalogue: Sequence[str],
) -> list[str]:
    """Return, in words, what the list of known failures claims wrongly.

    A pattern that matches no check of the suite is wrong at any time. A check that is known
    to fail, not only sometimes, and passes is told if it ran; `catalogue` is every check id that
    the suite has.
    """
    verdicts = {result.id: result.verdict for result in results}
    found = []
    for entry in known:
        for pattern in entry.match:
            one = evolve(entry, match=(pattern,))
            covered = [check for check in catalogue if one.covers(check)]
            if not covered:
                found.append(f"{pattern} matches no check of the suite: remove it or correct it")
            found += [
                f"{check} passes although {pattern} says that it fails"
                for check in covered
                if verdicts.get(check) is Verdict.PASS and not entry.sometimes
            ]
    return found


def exit_status(results: Sequence[Result], stale_entries: Sequence[str], *, strict: bool) -> Exit:
    """Return what the run as a whole came to. No result at all is never a success."""
    counts = Counter(result.verdict for result in results)
    tried = len(results) - counts[Verdict.NOT_APPLICABLE]
    if counts[Verdict.ERROR]:
        return Exit.BROKEN
    if counts[Verdict.FAIL] or stale_entries:
        return Exit.NOT_CONFORMANT
    if not tried:
        return Exit.NOTHING
    if strict and (counts[Verdict.WARN] or counts[Verdict.INCONCLUSIVE]):
        return Exit.NOT_CONFORMANT
    return Exit.CONFORMANT
