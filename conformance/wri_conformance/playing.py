"""Plays the steps of a scenario one after the other, whoever does what they say."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import evolve

from wri_conformance.judging import Judge
from wri_conformance.peers import Missing
from wri_conformance.runs import SlowStartError, StartError
from wri_conformance.scenario import Scenario, Step
from wri_conformance.seen import NOTHING, Seen
from wri_conformance.specification import Specification
from wri_conformance.verdict import Result, Verdict

AGAIN = 0.2  # seconds between two tries of a step that may hold eventually


class Cast(Protocol):
    """Whoever carries out the steps of one scenario."""

    @property
    def saved(self) -> dict[str, Any]:
        """What steps have observed, by the names that they save it under."""
        ...

    def begin(self) -> object:
        """Get ready; raises StartError if the implementation does not."""
        ...

    def names(self) -> Mapping[str, Any]:
        """Return what every scenario has saved as `run`."""
        ...

    def do(self, step: Step, judge: Judge) -> Seen:
        """Carry out a step; raises Missing, LookupError or StartError."""
        ...

    def unfit(self, step: Step, seen: Seen) -> str:
        """Return why what a step observed does not do as preparation; nothing if it does."""
        ...

    def close(self) -> None:
        """Close all that the scenario has opened."""
        ...


def play(scenario: Scenario, specification: Specification, cast: Cast) -> list[Result]:
    """Return one result for each check of the scenario, reached or not.

    A step that cannot be carried out by the implementation's fault fails its checks; the steps
    after it are tried nevertheless, unless the implementation could not be started, or the step
    has no checks and so was preparation for them. What failed since it was not there in time, or
    a process did not end in time, is `late`.
    """
    results: list[Result] = []
    late: int | None = None  # how many results there were when a process was too slow
    judge = Judge(scenario.id, specification, cast.saved)
    try:
        cause, slow = _begin(cast)
        late = 0 if slow else None
        for step in scenario.steps:
            if cause:
                results += judge.unreached(step, cause)
                continue
            cast.saved["run"] = cast.names()
            try:
                seen = cast.do(step, judge)
            except StartError as error:
                cause = str(error)
                if isinstance(error, SlowStartError) and late is None:
                    late = len(results)
                results += judge.judge(step, Seen(why=cause))
                continue
            except (Missing, LookupError) as error:
                seen = Seen(why=str(error).strip("'\""))
            cause = _cause(step, seen, judge, cast)
            if seen.seconds is None and isinstance(seen.body, dict):
                seen.seconds = seen.body.get("seconds")
            if "save" in step.spec:
                cast.saved[step.spec["save"]] = None if seen.body is NOTHING else seen.body
            found = judge.judge(step, seen)
            results += found
            if seen.overdue and late is None and all(result.late for result in found):
                late = len(results)
    finally:
        cast.close()
    return results if late is None else [*results[:late], *map(_late, results[late:])]


def _late(result: Result) -> Result:
    """Return what followed on a process that was too slow, which may be the reason."""
    return result if result.verdict is Verdict.PASS else evolve(result, late=True)


def _begin(cast: Cast) -> tuple[str, bool]:
    """Return why the implementation does not start, and whether it was only too slow."""
    try:
        cast.begin()
    except StartError as error:
        return str(error), isinstance(error, SlowStartError)
    return "", False


def _cause(step: Step, seen: Seen, judge: Judge, cast: Cast) -> str:
    """Return why nothing after a step would say anything, if it was only preparation."""
    if step.expectations or step.message:
        return ""
    if seen.body is NOTHING:
        why = seen.why
    elif "require" in step.spec:
        why = judge.unmet(step, seen)
    else:
        why = cast.unfit(step, seen)
    return f"{step.name}: {why}" if why else ""


def eventually(step: Step, judge: Judge, action: Callable[[Step], Seen], scale: float) -> Seen:
    """Do it again until all that a step asks for holds, or its time is over."""
    began = time.monotonic()
    deadline = began + step.spec["eventually"] * scale
    while True:
        seen = action(step)
        seen.seconds = time.monotonic() - began
        left = deadline - time.monotonic()
        if judge.holds(step, seen) or left <= 0:
            return seen
        time.sleep(min(left, AGAIN))
