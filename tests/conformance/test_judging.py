"""What a step observed becomes the results of its checks: each rule of the judge."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from wri_conformance.judging import Judge
from wri_conformance.scenario import Step
from wri_conformance.seen import NOTHING, Seen
from wri_conformance.verdict import Result, Verdict

if TYPE_CHECKING:
    from wri_conformance.specification import Specification

MUST, SHOULD, OTHER = "WRI-ERR-1", "WRI-ERR-2", "WRI-ERR-3"
SPECIFICATION = cast(
    "Specification",
    SimpleNamespace(
        requirements={
            MUST: SimpleNamespace(severity="failure"),
            SHOULD: SimpleNamespace(severity="warning"),
            OTHER: SimpleNamespace(severity="failure"),
        }
    ),
)
ONE = {"const": 1}


def judge(**saved: Any) -> Judge:
    return Judge("server/x", SPECIFICATION, saved)


def step(**spec: Any) -> Step:
    return Step(1, "request", {"step": "asked", **spec})


def judged(seen: Seen, /, **spec: Any) -> Result:
    (result,) = judge().judge(step(**spec), seen)
    return result


def test_what_satisfies_its_schema_passes() -> None:
    result = judged(Seen(1, sent="{}", seconds=0.12345), expect={MUST: ONE})
    assert result == Result(
        f"server/x::asked::{MUST}",
        "server/x",
        "asked",
        MUST,
        Verdict.PASS,
        seconds=0.123,
        sent="{}",
        expected=ONE,
        actual=1,
    )


@pytest.mark.parametrize(("requirement", "verdict"), [(MUST, Verdict.FAIL), (SHOULD, Verdict.WARN)])
def test_what_does_not_is_told_with_the_severity_of_its_keyword(
    requirement: str, verdict: Verdict
) -> None:
    result = judged(Seen(2, sent="{}", seconds=0.5), expect={requirement: ONE})
    assert (result.verdict, result.requirement) == (verdict, requirement)
    assert (result.expected, result.actual, result.sent, result.seconds) == (ONE, 2, "{}", 0.5)
    assert "2 is not 1" in result.message
    assert result.reached
    assert not result.late


@pytest.mark.parametrize(("requirement", "verdict"), [(MUST, Verdict.FAIL), (SHOULD, Verdict.WARN)])
def test_nothing_observed_satisfies_nothing(requirement: str, verdict: Verdict) -> None:
    seen = Seen(why="no reply in 5 s", sent="{}", seconds=5.0, shown="garbage")
    result = judged(seen, expect={requirement: {"enum": [1, None]}})
    assert (result.verdict, result.message) == (verdict, "no reply in 5 s")
    assert (result.requirement, result.id) == (requirement, f"server/x::asked::{requirement}")
    assert (result.expected, result.actual) == ({"enum": [1, None]}, "garbage")
    assert (result.sent, result.seconds, result.reached) == ("{}", 5.0, True)


def test_body_and_message_are_judged_apart_and_in_order() -> None:
    both = step(expect={MUST: ONE, SHOULD: ONE}, message={OTHER: {"const": "m"}})
    results = judge().judge(both, Seen(1, message="n"))
    assert [(r.requirement, r.verdict, r.actual) for r in results] == [
        (MUST, Verdict.PASS, 1),
        (SHOULD, Verdict.PASS, 1),
        (OTHER, Verdict.FAIL, "n"),
    ]


def test_a_message_can_be_there_without_a_body() -> None:
    both = step(expect={MUST: ONE}, message={OTHER: {"const": "m"}})
    results = judge().judge(both, Seen(message="m", why="it is no JSON"))
    assert [(r.verdict, r.message) for r in results] == [
        (Verdict.FAIL, "it is no JSON"),
        (Verdict.PASS, ""),
    ]


def test_what_does_not_apply_is_not_judged_at_all() -> None:
    seen = Seen(2, not_applicable="it lists that endpoint", sent="{}")
    result = judged(seen, expect={MUST: ONE})
    assert (result.verdict, result.message) == (Verdict.NOT_APPLICABLE, "it lists that endpoint")
    assert (result.requirement, result.id) == (MUST, f"server/x::asked::{MUST}")


def test_a_saved_value_stands_in_the_expectation() -> None:
    expected = {"const": {"$get": "before/n"}}
    results = judge(before={"n": 3}).judge(step(expect={MUST: expected}), Seen(3))
    assert [(r.verdict, r.expected) for r in results] == [(Verdict.PASS, {"const": 3})]


def test_a_saved_value_that_is_not_there_fails_the_check_and_is_named() -> None:
    expected = {"const": {"$get": "before/n"}}
    (result,) = judge(before={}).judge(
        step(expect={SHOULD: expected}), Seen(3, sent="{}", seconds=1.0)
    )
    assert result.verdict is Verdict.WARN
    assert (result.requirement, result.id) == (SHOULD, f"server/x::asked::{SHOULD}")
    assert result.message == "nothing was saved as 'before/n'"
    assert (result.expected, result.actual) == (expected, 3)
    assert (result.sent, result.seconds) == ("{}", 1.0)


def test_what_is_too_large_for_a_report_is_shown_in_its_place() -> None:
    both = step(expect={MUST: ONE}, message={OTHER: ONE})
    results = judge().judge(both, Seen(2, message=3, shown="short"))
    assert [r.actual for r in results] == ["short", 3]


def test_even_what_nobody_has_shortened_does_not_drown_a_report() -> None:
    result = judged(Seen(["x" * 100_000, float("inf")]), expect={MUST: {"const": "y" * 100_000}})
    assert len(str(result.actual)) < 5000
    assert len(str(result.expected)) < 5000


def test_a_reason_breaks_no_terminal() -> None:
    result = judged(Seen(why="a\n\x1b[2J\ud800" + "x" * 9999), expect={MUST: ONE})
    assert result.message.startswith("a\n\\u001b[2J\\ud800x")
    assert len(result.message) < 2100


@pytest.mark.parametrize(
    ("seconds", "late"), [(1.0, False), (1.001, True), (None, False), (0.0, False)]
)
def test_a_bound_is_what_may_just_be_reached(seconds: float | None, *, late: bool) -> None:
    result = judged(Seen(1, seconds=seconds), expect={MUST: ONE}, bound={MUST: 1})
    assert result.late is late
    assert result.verdict is (Verdict.FAIL if late else Verdict.PASS)
    assert result.message == ("it took 1.0 s; the requirement allows 1 s" if late else "")


def test_a_bound_that_was_missed_has_the_severity_of_its_keyword() -> None:
    result = judged(Seen(1, seconds=2.0), expect={SHOULD: ONE}, bound={SHOULD: 1})
    assert (result.verdict, result.late) == (Verdict.WARN, True)


def test_what_is_wrong_is_not_late_as_well() -> None:
    result = judged(Seen(2, seconds=9.0), expect={MUST: ONE}, bound={MUST: 1})
    assert (result.verdict, result.late) == (Verdict.FAIL, False)
    assert "2 is not 1" in result.message


def test_a_bound_is_that_of_one_requirement() -> None:
    two = step(expect={MUST: ONE, OTHER: ONE}, bound={OTHER: 1})
    results = judge().judge(two, Seen(1, seconds=9.0))
    assert [r.late for r in results] == [False, True]


@pytest.mark.parametrize(
    ("body", "late"),
    [
        ({"exited": False, "status": None}, True),
        ({"exited": True, "status": 1}, False),
        ({"status": 1}, False),
        ([False], False),
        (NOTHING, False),
    ],
)
def test_a_process_that_has_not_ended_yet_may_be_late(body: Any, *, late: bool) -> None:
    wanted = {
        "required": ["exited"],
        "properties": {"exited": {"const": True}, "status": {"const": 0}},
    }
    result = judged(Seen(body, why="x"), expect={MUST: wanted})
    assert (result.verdict, result.late) == (Verdict.FAIL, late)


def test_a_process_that_is_not_to_end_is_not_late() -> None:
    body = {"exited": False}
    wanted = {"properties": {"exited": {"const": False}}, "required": ["exited"]}
    result = judged(Seen(body), expect={MUST: wanted})
    assert (result.verdict, result.late) == (Verdict.PASS, False)
    (result,) = judge().judge(step(message={MUST: ONE}), Seen(body, message=2))
    assert (result.verdict, result.late) == (Verdict.FAIL, False)


def test_what_was_not_reached_has_failed_whatever_its_keyword() -> None:
    two = step(expect={SHOULD: ONE}, message={MUST: ONE})
    results = judge().unreached(two, "the server has ended")
    assert [(r.requirement, r.verdict, r.message, r.reached) for r in results] == [
        (SHOULD, Verdict.FAIL, "not reached: the server has ended", False),
        (MUST, Verdict.FAIL, "not reached: the server has ended", False),
    ]
    assert results[0].id == f"server/x::asked::{SHOULD}"


TWO = {"expect": {MUST: ONE}, "message": {OTHER: {"const": "m"}}, "require": {"type": "integer"}}


@pytest.mark.parametrize(
    ("body", "message", "holds"),
    [
        (1, "m", True),
        (2, "m", False),
        (1, "n", False),
        (NOTHING, "m", False),
        (1, NOTHING, False),
        (1.5, "m", False),
    ],
)
def test_a_step_holds_if_all_that_it_asks_for_does(body: Any, message: Any, *, holds: bool) -> None:
    assert judge().holds(step(**TWO), Seen(body, message=message)) is holds


def test_what_a_step_requires_has_to_hold_too() -> None:
    assert judge(n=4).holds(step(require={"const": {"$get": "n"}}), Seen(4))
    assert not judge(n=4).holds(step(require={"const": {"$get": "n"}}), Seen(5))
    assert not judge().holds(step(require=ONE), Seen())


def test_a_step_that_asks_for_nothing_holds() -> None:
    assert judge().holds(step(), Seen())


def test_a_preparation_that_is_not_met_is_told() -> None:
    required = step(require={"const": {"$get": "n"}})
    assert judge(n=4).unmet(required, Seen(4)) == ""
    assert "5 is not 4" in judge(n=4).unmet(required, Seen(5))
    assert judge().unmet(step(), Seen(5)) == ""
