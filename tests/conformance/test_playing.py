"""Steps are played one after the other: what is tried, what is not, and what is saved."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from attrs import define, field

from wri_conformance import playing
from wri_conformance.judging import Judge
from wri_conformance.peers import Missing
from wri_conformance.playing import eventually, play
from wri_conformance.runs import SlowStartError, StartError
from wri_conformance.scenario import Scenario, Step
from wri_conformance.seen import Seen
from wri_conformance.verdict import Result, Verdict

if TYPE_CHECKING:
    from wri_conformance.specification import Specification

MUST = "WRI-ERR-1"
SPECIFICATION = cast(
    "Specification", SimpleNamespace(requirements={MUST: SimpleNamespace(severity="failure")})
)
Deed = Seen | BaseException


@define
class Cast:
    """Does what it is told to, step by step, and remembers which steps it was given."""

    deeds: Mapping[str, Deed]
    begins: Exception | None = None
    bad: str = ""
    saved: dict[str, Any] = field(factory=dict)
    done: list[str] = field(factory=list)
    runs: list[Any] = field(factory=list)
    closed: int = 0

    def begin(self) -> None:
        if self.begins is not None:
            raise self.begins

    def names(self) -> Mapping[str, Any]:
        return {"workflow": f"after-{len(self.done)}"}

    def do(self, step: Step, judge: Judge) -> Seen:
        assert judge.saved is self.saved
        self.done.append(step.name)
        self.runs.append(self.saved["run"])
        deed = self.deeds[step.name]
        if isinstance(deed, BaseException):
            raise deed
        return deed

    def unfit(self, step: Step, seen: Seen) -> str:
        assert seen is self.deeds[step.name]
        return self.bad

    def close(self) -> None:
        self.closed += 1


def checked(name: str, **more: Any) -> dict[str, Any]:
    return {"step": name, "expect": {MUST: {"const": 1}}, **more}


def played(cast_: Cast, *specs: Mapping[str, Any]) -> list[Result]:
    steps = tuple(Step(n, "request", spec) for n, spec in enumerate(specs, start=1))
    case = Scenario("s/x", "", "", "server", (), "basic", "w", "paused", "own", steps, Path())
    return play(case, SPECIFICATION, cast_)


def outcomes(results: list[Result]) -> list[tuple[str, Verdict, str, bool]]:
    return [(one.step, one.verdict, one.message, one.reached) for one in results]


def test_each_step_is_played_and_judged_in_order() -> None:
    cast_ = Cast({"a": Seen(1), "b": Seen(2), "c": Seen(1)})
    results = played(cast_, checked("a"), checked("b"), checked("c"))
    assert [(r.step, r.verdict) for r in results] == [
        ("a", Verdict.PASS),
        ("b", Verdict.FAIL),
        ("c", Verdict.PASS),
    ]
    assert results[0].id == f"s/x::a::{MUST}"
    assert (cast_.done, cast_.closed) == (["a", "b", "c"], 1)


def test_each_step_knows_the_run_as_it_is_by_then() -> None:
    cast_ = Cast({"a": Seen(1), "b": Seen(1)})
    played(cast_, checked("a"), checked("b"))
    assert cast_.runs == [{"workflow": "after-0"}, {"workflow": "after-1"}]


def test_nothing_is_tried_if_the_implementation_does_not_start() -> None:
    cast_ = Cast({}, begins=StartError("it ended", "last words"))
    results = played(cast_, checked("a"), checked("b"))
    why = "not reached: it ended; the last that it printed:\n    | last words"
    assert outcomes(results) == [("a", Verdict.FAIL, why, False), ("b", Verdict.FAIL, why, False)]
    assert (cast_.done, cast_.closed) == ([], 1)
    assert [one.late for one in results] == [False, False]


def test_who_was_too_slow_may_start_if_it_is_tried_again_and_who_fell_is_not_excused() -> None:
    slow = played(Cast({}, begins=SlowStartError("no contact", "")), checked("a"), checked("b"))
    assert [one.late for one in slow] == [True, True]
    between = Cast({"0": Seen(1), "a": SlowStartError("no contact", "")})
    assert [one.late for one in played(between, checked("0"), checked("a"), checked("b"))] == [
        False,
        True,
        True,
    ]
    fell = played(Cast({}, begins=StartError("it fell", "")), checked("a"))
    assert [one.late for one in fell] == [False]


def test_after_a_start_in_between_that_failed_nothing_is_reached() -> None:
    cast_ = Cast({"0": Seen(1), "a": StartError("it ended", ""), "b": Seen(1)})
    results = played(cast_, checked("0"), checked("a"), checked("b"))
    assert outcomes(results) == [
        ("0", Verdict.PASS, "", True),
        ("a", Verdict.FAIL, "it ended", True),
        ("b", Verdict.FAIL, "not reached: it ended", False),
    ]
    assert cast_.done == ["0", "a"]
    assert [one.late for one in results] == [False, False, False]


@pytest.mark.parametrize("error", [Missing("Xno key"), LookupError("Xno key"), KeyError("Xno key")])
def test_a_step_that_cannot_be_carried_out_fails_alone(error: Exception) -> None:
    cast_ = Cast({"a": error, "b": Seen(1)})
    results = played(cast_, checked("a"), checked("b"))
    assert outcomes(results) == [
        ("a", Verdict.FAIL, "Xno key", True),
        ("b", Verdict.PASS, "", True),
    ]


def test_a_preparation_that_cannot_be_carried_out_leaves_the_rest_unreached() -> None:
    cast_ = Cast({"a": Missing("no key"), "b": Seen(1)})
    results = played(cast_, {"step": "a"}, checked("b"), checked("c"))
    why = "not reached: a: no key"
    assert outcomes(results) == [("b", Verdict.FAIL, why, False), ("c", Verdict.FAIL, why, False)]
    assert cast_.done == ["a"]


def test_a_step_with_a_check_of_the_message_is_no_preparation() -> None:
    cast_ = Cast({"a": Seen(message=1, why="no body"), "b": Seen(1)})
    results = played(cast_, {"step": "a", "message": {MUST: {"const": 1}}}, checked("b"))
    assert [r.verdict for r in results] == [Verdict.PASS, Verdict.PASS]


def test_a_preparation_has_to_meet_what_it_requires() -> None:
    required = {"step": "a", "require": {"const": 2}}
    assert played(Cast({"a": Seen(2), "b": Seen(1)}), required, checked("b"))[0].reached
    (result,) = played(Cast({"a": Seen(3), "b": Seen(1)}), required, checked("b"))
    assert not result.reached
    assert result.message.startswith("not reached: a: ")
    assert "3 is not 2" in result.message


def test_what_a_preparation_requires_is_all_that_is_asked_of_it() -> None:
    cast_ = Cast({"a": Seen(2), "b": Seen(1)}, bad="refused")
    (result,) = played(cast_, {"step": "a", "require": {"const": 2}}, checked("b"))
    assert result.reached


def test_a_preparation_that_requires_nothing_is_left_to_the_cast() -> None:
    (result,) = played(Cast({"a": Seen(2)}, bad="refused"), {"step": "a"}, checked("b"))
    assert outcomes([result]) == [("b", Verdict.FAIL, "not reached: a: refused", False)]


def test_a_step_with_checks_is_not_left_to_the_cast() -> None:
    cast_ = Cast({"a": Seen(1), "b": Seen(1)}, bad="refused")
    assert all(r.reached for r in played(cast_, checked("a"), checked("b")))


def test_what_was_observed_is_saved_and_can_be_referred_to() -> None:
    cast_ = Cast({"a": Seen({"n": 1}), "b": Seen(1), "c": Seen(why="nothing")})
    second = {"step": "b", "expect": {MUST: {"const": {"$get": "first/n"}}}}
    results = played(cast_, {"step": "a", "save": "first"}, second, {"step": "c", "save": "third"})
    assert results[0].verdict is Verdict.PASS
    assert cast_.saved["first"] == {"n": 1}
    assert cast_.saved["third"] is None
    assert set(cast_.saved) == {"run", "first", "third"}


@pytest.mark.parametrize(
    ("seen", "seconds"),
    [
        (Seen({"seconds": 2.5}), 2.5),
        (Seen({"seconds": 2.5}, seconds=0.5), 0.5),
        (Seen({"seconds": 2.5}, seconds=0.0), 0.0),
        (Seen({}), None),
        (Seen([]), None),
    ],
)
def test_the_time_of_a_step_is_its_own_or_the_one_that_it_observed(
    seen: Seen, seconds: float | None
) -> None:
    (result,) = played(Cast({"a": seen}), checked("a"))
    assert result.seconds == seconds


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_everything_is_closed_whatever_happens(error: BaseException) -> None:
    cast_ = Cast({"a": error})
    with pytest.raises(type(error)):
        played(cast_, checked("a"))
    assert cast_.closed == 1


def test_what_breaks_at_the_beginning_is_closed_too() -> None:
    cast_ = Cast({}, begins=RuntimeError("broken"))
    with pytest.raises(RuntimeError):
        played(cast_, checked("a"))
    assert cast_.closed == 1


class Clock:
    """A time that passes only while somebody sleeps or acts."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(round(seconds, 6))
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(playing, "time", clock)
    return clock


def retried(
    clock: Clock, bodies: Callable[[int], Any], limit: float, scale: float = 1.0, cost: float = 0.0
) -> tuple[Seen, int]:
    tries = 0

    def act(given: Step) -> Seen:
        nonlocal tries
        assert given is step
        tries += 1
        clock.now += cost
        return Seen(bodies(tries))

    step = Step(1, "request", checked("a", eventually=limit))
    return eventually(step, Judge("s/x", SPECIFICATION, {}), act, scale), tries


def test_what_holds_at_once_is_not_tried_again(clock: Clock) -> None:
    seen, tries = retried(clock, lambda _: 1, 10, cost=0.5)
    assert (seen.body, seen.seconds, tries, clock.slept) == (1, 0.5, 1, [])


def test_it_is_tried_again_until_it_holds(clock: Clock) -> None:
    seen, tries = retried(clock, lambda tries: int(tries == 4), 10)
    assert (seen.body, tries, clock.slept) == (1, 4, [playing.AGAIN] * 3)
    assert seen.seconds == pytest.approx(3 * playing.AGAIN)


def test_its_time_is_over_after_the_last_try(clock: Clock) -> None:
    seen, tries = retried(clock, lambda _: 2, 0.5)
    assert (seen.body, tries) == (2, 4)
    assert clock.slept == [0.2, 0.2, 0.1]
    assert seen.seconds == pytest.approx(0.5)


def test_patience_makes_it_wait_longer(clock: Clock) -> None:
    assert retried(clock, lambda _: 2, 0.5, scale=2.0)[0].seconds == pytest.approx(1.0)


def test_without_time_it_is_tried_once(clock: Clock) -> None:
    seen, tries = retried(clock, lambda _: 2, 0)
    assert (tries, clock.slept, seen.seconds) == (1, [], 0.0)


ENDED: dict[str, Any] = {MUST: {"required": ["exited"], "properties": {"exited": {"const": True}}}}


def test_what_follows_on_a_process_that_has_not_ended_is_as_uncertain() -> None:
    slow, wrong, right = Seen({"exited": False}), Seen(2), Seen(1)
    cast_ = Cast({"before": wrong, "stop": slow, "after": wrong, "last": right})
    stop = {"step": "stop", "expect": ENDED}
    results = played(cast_, checked("before"), stop, checked("after"), checked("last"))
    assert [(one.verdict, one.late) for one in results] == [
        (Verdict.FAIL, False),
        (Verdict.FAIL, True),
        (Verdict.FAIL, True),
        (Verdict.PASS, False),
    ]


def test_a_preparation_that_has_not_ended_makes_what_follows_uncertain() -> None:
    cast_ = Cast({"stop": Seen({"exited": False}), "after": Seen(2)})
    (after,) = played(cast_, {"step": "stop"}, checked("after"))
    assert (after.verdict, after.late) == (Verdict.FAIL, True)


def test_a_process_that_was_not_to_end_makes_nothing_uncertain() -> None:
    cast_ = Cast({"stop": Seen({"exited": False}), "after": Seen(2)})
    lives = {"step": "stop", "expect": {MUST: {"properties": {"exited": {"const": False}}}}}
    stop, after = played(cast_, lives, checked("after"))
    assert (stop.verdict, stop.late) == (Verdict.PASS, False)
    assert (after.verdict, after.late) == (Verdict.FAIL, False)
