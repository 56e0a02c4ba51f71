"""Verdicts are pure: every rule of the judge as a table."""

import datetime as dt
from typing import Any

import pytest
from attrs import evolve

from wri_conformance import schemas
from wri_conformance.manifest import KnownFailure
from wri_conformance.verdict import (
    Exit,
    Result,
    Verdict,
    apply_known,
    exit_status,
    of_failure,
    over_rounds,
    settle,
    stale,
    unsteady,
)

TODAY = dt.date(2026, 11, 23)
ID = "server/x::refused::WRI-ERR-2"


def result(verdict: Verdict, identity: str = ID, **more: object) -> Result:
    scenario, step, requirement = identity.split("::")
    return Result(identity, scenario, step, requirement, verdict, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("severity", "verdict"), [("failure", Verdict.FAIL), ("warning", Verdict.WARN)]
)
def test_the_keyword_is_the_severity(severity: str, verdict: Verdict) -> None:
    assert of_failure(severity) is verdict


@pytest.mark.parametrize(
    ("verdicts", "strict", "status"),
    [
        ([], False, Exit.NOTHING),
        ([Verdict.NOT_APPLICABLE], False, Exit.NOTHING),
        ([Verdict.PASS], False, Exit.CONFORMANT),
        ([Verdict.PASS, Verdict.NOT_APPLICABLE], False, Exit.CONFORMANT),
        ([Verdict.PASS, Verdict.FAIL], False, Exit.NOT_CONFORMANT),
        ([Verdict.PASS, Verdict.WARN], False, Exit.CONFORMANT),
        ([Verdict.PASS, Verdict.WARN], True, Exit.NOT_CONFORMANT),
        ([Verdict.PASS, Verdict.INCONCLUSIVE], False, Exit.CONFORMANT),
        ([Verdict.PASS, Verdict.INCONCLUSIVE], True, Exit.NOT_CONFORMANT),
        ([Verdict.KNOWN_FAILURE], False, Exit.CONFORMANT),
        ([Verdict.PASS, Verdict.FAIL, Verdict.ERROR], False, Exit.BROKEN),
        ([Verdict.PASS, Verdict.ERROR], False, Exit.BROKEN),
    ],
)
def test_exit_status(verdicts: list[Verdict], strict: bool, status: Exit) -> None:
    assert exit_status([result(verdict) for verdict in verdicts], [], strict=strict) is status


def test_a_stale_known_failure_fails_the_run() -> None:
    assert exit_status([result(Verdict.PASS)], ["x"], strict=False) is Exit.NOT_CONFORMANT


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.WARN])
def test_what_is_known_is_a_known_failure(verdict: Verdict) -> None:
    known = [KnownFailure(match=("server/*::refused::WRI-ERR-2",), reason="because")]
    (judged,) = apply_known([result(verdict)], known, TODAY)
    assert (judged.verdict, judged.known) == (Verdict.KNOWN_FAILURE, "because")


def test_the_result_tells_how_to_see_a_known_failure_by_hand() -> None:
    known = [KnownFailure((ID,), "because", url="https://example.org/1", reproduce="send []")]
    (judged,) = apply_known([result(Verdict.FAIL)], known, TODAY)
    shown = judged.to_json()
    assert (shown["url"], shown["reproduce"]) == ("https://example.org/1", "send []")
    assert Result.from_json(shown) == judged


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.ERROR, Verdict.INCONCLUSIVE])
def test_only_failures_can_be_known(verdict: Verdict) -> None:
    known = [KnownFailure(match=("*::*::*",), reason="because")]
    assert apply_known([result(verdict)], known, TODAY)[0].verdict is verdict


@pytest.mark.parametrize(
    ("expires", "verdict"),
    [
        (dt.date(2026, 11, 24), Verdict.KNOWN_FAILURE),
        (dt.date(2026, 11, 23), Verdict.FAIL),
        (dt.date(2026, 11, 22), Verdict.FAIL),
    ],
)
def test_a_known_failure_expires(expires: dt.date, verdict: Verdict) -> None:
    known = [KnownFailure(match=(ID,), reason="because", expires=expires)]
    (judged,) = apply_known([result(Verdict.FAIL)], known, TODAY)
    assert judged.verdict is verdict
    if verdict is Verdict.FAIL:
        assert "known until" in judged.message


def test_only_the_star_is_special_in_a_pattern() -> None:
    known = KnownFailure(match=("server/a.b/*::[x]::WRI-ERR-2",), reason="")
    assert known.covers("server/a.b/c::[x]::WRI-ERR-2")
    assert not known.covers("server/aXb/c::[x]::WRI-ERR-2")
    assert not known.covers("server/a.b/c::x::WRI-ERR-2")
    assert not known.covers("prefix-server/a.b/c::[x]::WRI-ERR-2")


def test_a_pattern_that_matches_nothing_is_stale() -> None:
    known = [KnownFailure(match=("server/gone::*::*",), reason="")]
    (entry,) = stale([], known, [ID])
    assert "matches no check" in entry


def test_a_known_failure_that_passes_is_stale() -> None:
    known = [KnownFailure(match=("server/x::*::*",), reason="")]
    other = "server/x::other::WRI-ERR-2"
    results = [result(Verdict.KNOWN_FAILURE), result(Verdict.PASS, other)]
    (entry,) = stale(results, known, [ID, other])
    assert entry.startswith(other)


def test_what_fails_sometimes_may_pass() -> None:
    known = [KnownFailure(match=(ID,), reason="a race", sometimes=True)]
    assert stale([result(Verdict.PASS)], known, [ID]) == []
    assert apply_known([result(Verdict.FAIL)], known, TODAY)[0].verdict is Verdict.KNOWN_FAILURE
    (entry,) = stale([], known, [])
    assert "matches no check" in entry


def test_a_pattern_is_not_stale_if_its_checks_were_not_selected() -> None:
    known = [KnownFailure(match=("server/x::*::*",), reason="")]
    assert stale([], known, [ID]) == []


def test_an_inconclusive_check_does_not_make_a_pattern_stale() -> None:
    known = [KnownFailure(match=(ID,), reason="")]
    assert stale([result(Verdict.INCONCLUSIVE)], known, [ID]) == []


def test_late_once_and_in_time_later_is_inconclusive() -> None:
    first = [result(Verdict.FAIL, late=True, seconds=7.0, message="it took 7 s")]
    second = [result(Verdict.PASS, seconds=0.1)]
    (settled,) = settle([first, second])
    assert settled.verdict is Verdict.INCONCLUSIVE
    assert "7 s" in settled.message
    assert "0.1 s" in settled.message


def test_late_every_time_is_a_failure() -> None:
    late = [result(Verdict.FAIL, late=True, seconds=7.0)]
    assert settle([late, late, late])[0].verdict is Verdict.FAIL


def test_a_failure_in_the_last_attempt_stays_one() -> None:
    late = [result(Verdict.FAIL, late=True)]
    assert settle([late, [result(Verdict.FAIL)]])[0].verdict is Verdict.FAIL


def test_what_did_not_start_and_then_did_is_inconclusive() -> None:
    unstarted = [result(Verdict.FAIL, late=True, reached=False)]
    (settled,) = settle([unstarted, [result(Verdict.PASS, seconds=None)]])
    assert settled.verdict is Verdict.INCONCLUSIVE
    assert "tried again it passed" in settled.message
    assert settle([unstarted, [result(Verdict.FAIL)]])[0].reached
    assert settle([unstarted, unstarted, unstarted])[0].verdict is Verdict.FAIL


def test_kept_once_between_two_misses_is_inconclusive() -> None:
    late = [result(Verdict.FAIL, late=True, seconds=7.0)]
    assert settle([late, [result(Verdict.PASS)], late])[0].verdict is Verdict.INCONCLUSIVE


def test_a_failure_that_is_not_about_time_is_never_forgotten() -> None:
    late = result(Verdict.FAIL, "server/x::other::WRI-ERR-2", late=True)
    kept = result(Verdict.PASS, "server/x::other::WRI-ERR-2")
    first, second = [result(Verdict.FAIL), late], [result(Verdict.PASS), kept]
    assert [one.verdict for one in settle([first, second])] == [Verdict.FAIL, Verdict.INCONCLUSIVE]


def test_what_was_not_reached_is_not_known() -> None:
    known = [KnownFailure(match=("server/x::*::*",), reason="because")]
    (judged,) = apply_known([result(Verdict.FAIL, reached=False)], known, TODAY)
    assert judged.verdict is Verdict.FAIL


def test_what_was_not_reached_is_known_for_what_the_entry_says() -> None:
    entry = KnownFailure(("server/x::*::*",), "the job never runs", unreached=("running: ",))
    missed = evolve(result(Verdict.FAIL, reached=False), message="not reached: running: no job")
    (judged,) = apply_known([missed], [entry], TODAY)
    assert (judged.verdict, judged.known) == (Verdict.KNOWN_FAILURE, "the job never runs")
    other = evolve(missed, message="not reached: stopped: no reply")
    (judged,) = apply_known([other], [entry], TODAY)
    assert judged.verdict is Verdict.FAIL


def test_unless_a_known_failure_is_the_cause() -> None:
    known = [KnownFailure(match=("server/x::*::*",), reason="because")]
    later = result(Verdict.FAIL, "server/x::later::WRI-ERR-2", reached=False)
    judged = apply_known([result(Verdict.FAIL), later], known, TODAY)
    assert {one.verdict for one in judged} == {Verdict.KNOWN_FAILURE}


def test_what_passed_at_once_passes() -> None:
    assert settle([[result(Verdict.PASS)]])[0].verdict is Verdict.PASS


def test_a_result_survives_its_json_form() -> None:
    for verdict in Verdict:
        before = result(verdict, message="m", seconds=0.5, sent="s", expected={"a": 1}, actual=[2])
        after = Result.from_json(before.to_json())
        assert (after.id, after.verdict, after.message) == (before.id, verdict, "m")
        assert after.seconds == before.seconds


@pytest.mark.parametrize(
    ("rounds", "verdict"),
    [
        ([Verdict.PASS, Verdict.PASS, Verdict.PASS], Verdict.PASS),
        ([Verdict.PASS, Verdict.FAIL, Verdict.PASS], Verdict.FAIL),
        ([Verdict.FAIL, Verdict.PASS, Verdict.WARN], Verdict.FAIL),
        ([Verdict.PASS, Verdict.WARN, Verdict.INCONCLUSIVE], Verdict.WARN),
        ([Verdict.KNOWN_FAILURE, Verdict.PASS, Verdict.PASS], Verdict.KNOWN_FAILURE),
        ([Verdict.INCONCLUSIVE, Verdict.KNOWN_FAILURE, Verdict.PASS], Verdict.INCONCLUSIVE),
        ([Verdict.FAIL, Verdict.ERROR, Verdict.PASS], Verdict.ERROR),
    ],
)
def test_of_several_rounds_the_gravest_verdict_stands(
    rounds: list[Verdict], verdict: Verdict
) -> None:
    joined = [result(rounds[0], message="round 0")]
    for number, one in enumerate(rounds[1:], start=1):
        joined = over_rounds(joined, [result(one, message=f"round {number}")])
    (only,) = joined
    assert only.verdict is verdict
    assert only.message == f"round {rounds.index(verdict)}"
    assert only.rounds == {v.value: rounds.count(v) for v in rounds}
    assert unsteady(joined) == (joined if len(set(rounds)) > 1 else [])
    assert Result.from_json(only.to_json()).rounds == only.rounds


def test_a_single_round_is_not_told() -> None:
    assert "rounds" not in result(Verdict.PASS).to_json()
    assert unsteady([result(Verdict.PASS)]) == []


def test_the_words_and_numbers_are_those_of_the_published_format() -> None:
    wanted = schemas.named("results.json#/$defs/verdict")
    assert all(wanted.is_valid(verdict.value) for verdict in Verdict)
    assert len({verdict.value for verdict in Verdict}) == 7
    assert {status.name: status.value for status in Exit} == {
        "CONFORMANT": 0,
        "NOT_CONFORMANT": 1,
        "INTERRUPTED": 2,
        "BROKEN": 3,
        "USAGE": 4,
        "NOTHING": 5,
    }


PLAIN = {
    "id": ID,
    "scenario": "server/x",
    "step": "refused",
    "requirement": "WRI-ERR-2",
    "verdict": "pass",
}


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.NOT_APPLICABLE])
def test_of_what_is_well_only_what_is_known_is_written(verdict: Verdict) -> None:
    shown = result(verdict, expected={"const": 1}, actual=1).to_json()
    assert shown == {**PLAIN, "verdict": verdict.value}


@pytest.mark.parametrize(
    "verdict", [v for v in Verdict if v not in {Verdict.PASS, Verdict.NOT_APPLICABLE}]
)
def test_of_everything_else_the_evidence_is_written(verdict: Verdict) -> None:
    assert result(verdict).to_json() == {
        **PLAIN,
        "verdict": verdict.value,
        "expected": None,
        "actual": None,
    }
    all_of_it: dict[str, Any] = {
        "message": "m",
        "sent": "s",
        "known": "k",
        "reproduce": "r",
        "url": "u",
        "seconds": 0.0,
        "reached": False,
        "late": True,
        "expected": {"const": 1},
        "actual": [2],
    }
    full = result(verdict, **all_of_it)
    assert full.to_json() == {**PLAIN, "verdict": verdict.value, **all_of_it}
    assert Result.from_json(full.to_json()) == full


def test_a_result_that_says_nothing_else_was_reached_in_time() -> None:
    said = result(Verdict.PASS)
    assert (said.reached, said.late, said.seconds) == (True, False, None)
    assert (said.message, said.sent, said.known, said.reproduce, said.url) == ("",) * 5
    assert (said.expected, said.actual) == (None, None)


def test_attempts_at_one_scenario_have_the_same_checks() -> None:
    with pytest.raises(ValueError, match="shorter"):
        settle([[result(Verdict.PASS), result(Verdict.PASS)], [result(Verdict.PASS)]])


def test_what_no_pattern_covers_stays_as_it_is() -> None:
    known = [KnownFailure(match=("server/y::*::*",), reason="because")]
    failed = result(Verdict.FAIL)
    assert apply_known([failed], known, TODAY) == [failed]
    assert apply_known([failed], [], TODAY) == [failed]


def test_each_pattern_of_an_entry_is_looked_at_alone() -> None:
    known = [KnownFailure(match=("server/gone::*::*", ID), reason="")]
    (entry,) = stale([result(Verdict.KNOWN_FAILURE)], known, [ID])
    assert entry.startswith("server/gone::*::* matches no check")
