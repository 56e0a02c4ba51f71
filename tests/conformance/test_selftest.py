"""The self-test judges the suite: what it makes of each outcome, and what it tries."""

from collections.abc import Sequence

import pytest
from attrs import evolve

from wri_conformance import scenario as scenarios
from wri_conformance import trial
from wri_conformance.matrix import Matrix
from wri_conformance.scenario import Scenario
from wri_conformance.selftest import Task, upcoming
from wri_conformance.specification import load as load_specification
from wri_conformance.trial import Fault, Finding, Outcome
from wri_conformance.verdict import Result, Verdict

PLAIN = "server/timeout/suspended"
MATRIX = "server/hostile/args-type"
CHECK = f"{PLAIN}::answers::WRI-FRM-7"
SERVER = frozenset({"server", "publisher"})


@pytest.fixture(scope="module")
def suite() -> Sequence[Scenario]:
    base, told = scenarios.directory(), load_specification()
    places = ("server/timeout", "server/hostile", "server/globs", "publisher", "client/end")
    paths = [path for place in places for path in sorted((base / place).rglob("*.yaml"))]
    return [one for path in paths for one in scenarios.load(path, base, told)]


def result(check: str, verdict: Verdict) -> Result:
    scenario, step, requirement = check.split("::")
    return Result(check, scenario, step, requirement, verdict, message="why")


@pytest.mark.parametrize(
    ("verdict", "breaks", "also", "outcome"),
    [
        (Verdict.FAIL, (CHECK,), (), Outcome.KILLED),
        (Verdict.WARN, (CHECK,), (), Outcome.KILLED),
        (Verdict.FAIL, (), (CHECK,), Outcome.KILLED),
        (Verdict.FAIL, (), (), Outcome.COLLATERAL),
        (Verdict.WARN, (), ("*",), Outcome.COLLATERAL),
        (Verdict.PASS, (CHECK,), (), Outcome.SURVIVOR),
        (Verdict.PASS, (), (CHECK,), Outcome.SURVIVOR),
        (Verdict.PASS, (), (), Outcome.QUIET),
        (Verdict.ERROR, (CHECK,), (), Outcome.UNCLEAR),
        (Verdict.INCONCLUSIVE, (CHECK,), (), Outcome.UNCLEAR),
        (Verdict.NOT_APPLICABLE, (), (), Outcome.UNCLEAR),
    ],
)
def test_outcomes(
    verdict: Verdict, breaks: tuple[str, ...], also: tuple[str, ...], outcome: Outcome
) -> None:
    fault = Fault("x", "", breaks, also)
    (found,) = trial.judge(fault, [result(CHECK, verdict)])
    assert found == Finding(CHECK, outcome, "why")
    assert (outcome in trial.EXPECTED) is (outcome in {Outcome.KILLED, Outcome.QUIET})


def test_outcomes_are_told_by_their_names() -> None:
    assert {outcome.value for outcome in Outcome} == {
        *("killed", "quiet", "survivor", "collateral", "unclear")
    }


def test_of_a_matrix_the_first_case_stands_for_all(suite: Sequence[Scenario]) -> None:
    fault = Fault("x", "", (f"{MATRIX}/*::refused::*",), roles=SERVER)
    (owed,) = trial.owed(fault, suite)
    assert trial.base(owed) == MATRIX
    assert trial.base(owed) not in {trial.base(one) for one in trial.others(fault, suite, {})}


def test_a_pattern_that_names_a_case_is_tried_on_that_case(suite: Sequence[Scenario]) -> None:
    cases = [one.id for one in suite if trial.base(one) == MATRIX]
    fault = Fault("x", "", (f"{cases[-1]}::refused::*",))
    assert [one.id for one in trial.owed(fault, suite)] == [cases[-1]]


def test_the_others_are_each_scenario_of_the_roles_once(suite: Sequence[Scenario]) -> None:
    others = list(trial.others(Fault("x", "", (), roles=SERVER), suite, {}))
    found = [trial.base(one) for one in others]
    every = {trial.base(one) for one in suite if one.role in SERVER}
    assert len(found) == len(set(found))
    assert set(found) == every - set(trial.COSTLY)


@pytest.mark.parametrize("name", trial.COSTLY)
def test_what_is_costly_is_there(name: str) -> None:
    assert (scenarios.directory() / f"{name}.yaml").is_file()


def test_a_scenario_that_cannot_reach_the_fault_is_left_out(suite: Sequence[Scenario]) -> None:
    fault = Fault("x", "", (), roles=SERVER, replaces=frozenset({"a:1"}))
    reached = {one.id: {"b:2"} for one in suite} | {PLAIN: {"a:1", "b:2"}}
    assert [one.id for one in trial.others(fault, suite, reached)] == [PLAIN]


def test_an_adapter_reaches_what_it_is_asked_for(suite: Sequence[Scenario]) -> None:
    assert {trial.asks(one) for one in suite if one.role == "server"} == {None}
    client = [one for one in suite if one.role == "client"]
    assert client
    assert all({"connect", "request"} <= (trial.asks(one) or set()) for one in client)
    for replaces, tried in ((("connect",), True), (("follow",), False), ((), False)):
        fault = Fault("x", "", (), roles=frozenset({"client"}), replaces=frozenset(replaces))
        assert bool(list(trial.others(fault, suite, {}))) is tried


def test_publications_are_heard_by_those_who_connect_to_the_publisher(
    suite: Sequence[Scenario],
) -> None:
    heard = {trial.base(one): trial.hears(one) for one in suite}
    assert heard["publisher/shutdown"]
    assert not heard[PLAIN]
    assert not heard[MATRIX]


def test_a_fault_that_may_be_anywhere_is_tried_on_everything(suite: Sequence[Scenario]) -> None:
    unknown = Fault("x", "", (), roles=SERVER)
    everything = list(trial.others(unknown, suite, {}))
    reached: dict[str, set[str]] = {one.id: {"b:2"} for one in suite}
    assert list(trial.others(unknown, suite, reached)) == everything
    known = Fault("x", "", (), roles=SERVER, replaces=frozenset({"a:1"}))
    assert list(trial.others(known, suite, {})) == everything
    assert not list(trial.others(known, suite, reached))


def test_a_pattern_may_name_several_scenarios_or_one_check_of_them(
    suite: Sequence[Scenario],
) -> None:
    both = Fault("x", "", ("server/globs/*::*", f"{MATRIX}/*::refused::WRI-ERR-2"))
    found = list(trial.owed(both, suite))
    assert {trial.base(one) for one in found if trial.base(one) != MATRIX} == {
        trial.base(one) for one in suite if one.id.startswith("server/globs/")
    }
    seen: set[str] = set()
    for one in found:  # each asks for something that those before it did not
        assert not set(trial.checks(one)) <= seen
        seen |= set(trial.checks(one))
    assert list(trial.owed(both, [*suite, *suite])) == found
    plain = next(one for one in suite if one.id == PLAIN)
    assert trial.declared(plain, ["server/*"]) == set(trial.checks(plain))
    assert trial.declared(plain, [CHECK]) == {CHECK}
    assert trial.declared(plain, [f"{PLAIN}::*", "client/*"]) == set(trial.checks(plain))
    assert trial.declared(plain, [PLAIN]) == set()
    assert trial.declared(plain, []) == set()
    assert CHECK in trial.checks(plain)
    assert len(trial.checks(plain)) == len(plain.checks) > 1


def test_a_fault_is_what_the_nursery_lists() -> None:
    listed = {
        "name": "n",
        "about": "a",
        "breaks": ["b"],
        "also": ["c"],
        "roles": ["server"],
        "control": "d",
        "replaces": ["e"],
    }
    assert Fault.from_json(listed) == Fault(
        "n", "a", ("b",), ("c",), frozenset({"server"}), "d", frozenset({"e"})
    )
    assert Fault.from_json({**listed, "replaces": None}).replaces is None
    assert Fault("n", "a", ("*",)) == Fault("n", "a", ("*",), (), frozenset(), "", None)
    assert not Fault("n", "a", ("*",)).gross


@pytest.mark.parametrize(
    ("left", "running", "begun"),
    [
        ("WWWWwwww", "", "WWww"),  # every other worker waits
        ("wwwwW", "", "Wwww"),  # fewer, if there is no more to wait for
        ("WWWWW", "", "WWWW"),  # all, if there is nothing else
        ("WWww", "WWW", "w"),
        ("WWw", "W", "WWw"),
        ("WWWw", "WW", "Ww"),
        ("WWw", "www", "W"),
        ("W", "WWWW", ""),
        ("", "w", ""),
    ],
)
def test_some_workers_have_something_else_than_to_wait(left: str, running: str, begun: str) -> None:
    def tasks(kinds: str) -> list[Task]:
        return [Task(Fault("one", "", ("*",)), (), waits=kind == "W") for kind in kinds]

    under_way = tasks(running)
    found = upcoming([*under_way, *tasks(left)], set(under_way), 4)
    assert "".join("W" if task.waits else "w" for task in found) == begun


def test_who_breaks_everything_is_tried_on_what_it_is_made_for(suite: Sequence[Scenario]) -> None:
    fault = Fault("x", "", (CHECK,), ("*",), SERVER)
    assert [one.id for one in trial.owed(fault, suite)] == [PLAIN]
    assert not list(trial.others(fault, suite, {}))


def test_the_matrix_knows_who_kills_what(suite: Sequence[Scenario]) -> None:
    faults = [Fault("a", "", (CHECK,)), Fault("b", "", ())]
    matrix = Matrix(suite, faults)
    assert CHECK in matrix.unkilled
    matrix.add("a", [Finding(CHECK, Outcome.KILLED, "")], 0)
    matrix.add("b", [Finding(CHECK, Outcome.COLLATERAL, "why")], 2)
    assert CHECK not in matrix.unkilled
    assert matrix.killers[CHECK] == {"a"}
    assert [one.message for one in matrix.wrong["b"]] == ["why"]
    (row,) = [row for row in matrix.rows() if row.group == "server/timeout"]
    assert (row.killed, row.mutants, row.fewest) == (1, 1, 0)
    document = matrix.to_json(1.0)
    assert document["checks"][CHECK] == ["a"]
    assert document["outcomes"]["killed"] == 1
    assert document["wrong"]["b"][0]["outcome"] == "collateral"


def test_what_is_recorded_is_not_what_a_mutant_is_made_for(suite: Sequence[Scenario]) -> None:
    whole = next(one for one in suite if trial.base(one) == MATRIX)
    fault = Fault("a", "", (CHECK,))
    matrix = Matrix(suite, [fault, Fault("b", "", (CHECK,), ("*",))])
    matrix.add("a", [Finding(CHECK, Outcome.KILLED, "")], 0)
    assert matrix.collateral() == {"b": ["*"]}
    matrix.add("a", [Finding(check.id, Outcome.COLLATERAL, "") for check in whole.checks], 0)
    recorded = matrix.collateral()["a"]
    assert recorded == [f"{MATRIX}/*::*"]
    assert trial.declared(whole, recorded) == set(trial.checks(whole))


def test_who_breaks_nearly_everything_is_recorded_as_such(suite: Sequence[Scenario]) -> None:
    matrix = Matrix(suite, [Fault("a", "", (CHECK,)), Fault("b", "", ())])
    everything = [Finding(c.id, Outcome.COLLATERAL, "") for one in suite for c in one.checks]
    matrix.add("a", everything, 0)
    matrix.add("b", everything, 0)
    assert matrix.collateral() == {"a": ["*"]}, "a peer without a fault is allowed nothing"


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (Verdict.FAIL, Outcome.KILLED),
        (Verdict.PASS, Outcome.QUIET),
        (Verdict.ERROR, Outcome.UNCLEAR),
    ],
)
def test_what_time_decides_about_is_expected_either_way(
    suite: Sequence[Scenario], verdict: Verdict, outcome: Outcome
) -> None:
    fault = Fault("a", "", ("server/api/list::*",), also=(f"? {CHECK}",))
    (found,) = trial.judge(fault, [result(CHECK, verdict)])
    assert found.outcome is outcome
    matrix = Matrix(suite, [fault])
    matrix.add("a", [found], 0)
    assert matrix.collateral() == {"a": [f"? {CHECK}"]}


def test_what_was_recorded_and_is_not_tried_is_kept(suite: Sequence[Scenario]) -> None:
    fault = Fault("a", "", (), also=("server/ping::*", CHECK))
    matrix = Matrix(suite, [evolve(fault, breaks=("server/api/list::*",))])
    kept = matrix.collateral()["a"]
    assert CHECK in kept
    matrix.add("a", [Finding(CHECK, Outcome.SURVIVOR, "")], 0)
    assert CHECK not in matrix.collateral().get("a", [])
