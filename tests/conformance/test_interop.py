"""What `wri interop` decides, without any client or scheduler."""

import json
from typing import Any

import pytest
import yaml
from graphql import parse, validate

from wri_conformance import decode, schemas
from wri_conformance.interop import catalogue, cells, judge, mutations, pairs, tracing
from wri_conformance.interop import reading_checks as checks
from wri_conformance.interop.judge import Judgement, Outcome, Told, told_by_command
from wri_conformance.interop.operations import Answer, Command, Mutation, Operation, Place, Truth
from wri_conformance.interop.state import Change, Expectation, changes, of_snapshot
from wri_conformance.interop.verdicts import Verdict
from wri_conformance.interop.worker import redact
from wri_conformance.interop.workflows import Task, Workflow
from wri_conformance.releases import KNOWN

TRACEBACK = "Traceback (most recent call last):\n  File …\nTypeError: list indices"
IGNORED, DIFFERENT = Verdict.SILENTLY_IGNORED, Verdict.SILENTLY_DIFFERENT
HELD = Change("1/foo held", "false", "true")
OTHER = Change("1/bar held", "false", "true")
MINORS = [int(version.split(".")[1]) for version in KNOWN]


def success(status: int | None = 0) -> Told:
    return Told(Outcome.SUCCESS, "Done", status)


@pytest.mark.parametrize(
    ("told", "missing", "found", "others", "verdict", "says"),
    [
        (success(), [], [HELD], [], Verdict.OK, "nothing else"),
        (
            success(),
            ["x is not y"],
            [],
            [],
            IGNORED,
            "exit status 0 and nothing changed",
        ),
        (
            success(None),
            ["x is not y"],
            [],
            [],
            IGNORED,
            "success was told and nothing",
        ),
        (success(), ["x is not y"], [OTHER], [OTHER], DIFFERENT, "x is not y"),
        (success(), ["x is not y"], [HELD], [], DIFFERENT, "x is not y"),
        (
            success(),
            [],
            [HELD, OTHER],
            [OTHER],
            DIFFERENT,
            "1/bar held: false -> true",
        ),
        (Told(Outcome.ERROR, "no such argument", 1), ["x"], [], [], Verdict.REFUSED, "status 1"),
        (Told(Outcome.ERROR, "no such argument"), ["x"], [], [], Verdict.REFUSED, "an error was"),
        (Told(Outcome.ERROR, "", 1), ["x"], [], [], Verdict.FAILED, "without a word"),
        (Told(Outcome.ERROR, TRACEBACK), ["x"], [], [], Verdict.FAILED, "with a traceback"),
        (Told(Outcome.ERROR, "e:\n  KeyError: 'a'", 1), ["x"], [], [], Verdict.FAILED, "KeyError"),
        (Told(Outcome.ERROR, "e: no KeyError: x", 1), ["x"], [], [], Verdict.REFUSED, "status 1"),
        (Told(Outcome.ERROR, "no", 1), [], [HELD], [], Verdict.FAILED, "though something changed"),
        (
            Told(Outcome.ERROR, "no", 1),
            ["x"],
            [OTHER],
            [OTHER],
            Verdict.FAILED,
            "something changed",
        ),
        (Told(Outcome.TIMEOUT, "", None), ["x"], [], [], Verdict.FAILED, "timed out"),
        (Told(Outcome.TIMEOUT, "", None), [], [HELD], [], Verdict.FAILED, "though something"),
        (Told(Outcome.CRASH, TRACEBACK, 1), ["x"], [], [], Verdict.FAILED, "crashed"),
    ],
)
def test_verdict_about_a_change(
    told: Told,
    missing: list[str],
    found: list[Change],
    others: list[Change],
    verdict: Verdict,
    says: str,
) -> None:
    judgement = judge.of_change(told, missing, found, others)
    assert judgement.verdict is verdict
    assert says in judgement.reason


@pytest.mark.parametrize(
    ("told", "wrong", "found", "verdict", "says"),
    [
        (success(), "", [], Verdict.OK, "what the scheduler has"),
        (success(), "the list lacks api", [], DIFFERENT, "lacks api"),
        (success(), "", [HELD], DIFFERENT, "something changed"),
        (Told(Outcome.ERROR, "no such field", 1), "", [], Verdict.FAILED, "exit status 1"),
        (Told(Outcome.TIMEOUT), "", [], Verdict.FAILED, "timed out"),
        (Told(Outcome.CRASH, TRACEBACK, 1), "", [], Verdict.FAILED, "crashed"),
    ],
)
def test_verdict_about_an_answer(
    told: Told, wrong: str, found: list[Change], verdict: Verdict, says: str
) -> None:
    judgement = judge.of_read(told, wrong, found)
    assert judgement.verdict is verdict
    assert says in judgement.reason


@pytest.mark.parametrize(
    ("status", "text", "ended", "outcome"),
    [
        (0, "Done", True, Outcome.SUCCESS),
        (1, "InputError: no such workflow", True, Outcome.ERROR),
        (2, "no such option", True, Outcome.ERROR),
        (1, "ClientTimeout: Timeout waiting for server response.", True, Outcome.TIMEOUT),
        (1, TRACEBACK, True, Outcome.CRASH),
        (1, f"RequestError: {{'traceback': ['{TRACEBACK}']}}", True, Outcome.ERROR),
        (0, TRACEBACK, True, Outcome.SUCCESS),  # which it was, says the status
        (-9, "", True, Outcome.CRASH),
        (0, "", False, Outcome.TIMEOUT),
    ],
)
def test_what_a_command_told(status: int, text: str, ended: bool, outcome: Outcome) -> None:
    assert told_by_command(status, text, ended=ended).outcome is outcome


@pytest.mark.parametrize(
    ("told", "slowest", "doubtful"),
    [
        (Told(Outcome.TIMEOUT), 2.0, True),
        (Told(Outcome.TIMEOUT), 0.2, False),
        (Told(Outcome.TIMEOUT), 0.0, False),  # no reply ever came
        (Told(Outcome.SUCCESS, "Timeout waiting for server response"), 2.0, True),
        (Told(Outcome.SUCCESS, "Done"), 2.0, False),
        (Told(Outcome.ERROR, "no such argument", 1), 2.0, False),
    ],
)
def test_a_slow_machine_is_no_evidence(told: Told, slowest: float, doubtful: bool) -> None:
    assert bool(judge.too_slow(told, slowest)) is doubtful


@pytest.mark.parametrize(
    ("data", "outcome", "says"),
    [
        ({"hold": {"result": [{"response": [True, "uuid"]}]}}, Outcome.SUCCESS, "told"),
        ({"hold": {"result": [{"response": [False, "no match"]}]}}, Outcome.ERROR, "no match"),
        ([{"error": {"message": "Unknown argument"}}], Outcome.SUCCESS, "Unknown argument"),
        ({"hold": None}, Outcome.SUCCESS, "without a result"),
    ],
)
def test_what_a_mutation_told(data: Any, outcome: Outcome, says: str) -> None:
    told = pairs.of_mutation("hold", data, Told(Outcome.SUCCESS, "told"))
    assert told.outcome is outcome
    assert says in told.text


def cell(verdict: Verdict, **more: Any) -> cells.Cell:
    return cells.Cell(catalogue.operations()[0], Judgement(verdict, "because"), **more)


@pytest.mark.parametrize(
    ("verdicts", "settled", "decided"),
    [
        ("ok", True, "ok"),
        ("not-applicable", True, "not-applicable"),
        ("failed", False, "failed"),
        ("failed failed", True, "failed"),
        ("inconclusive", False, "inconclusive"),
        ("inconclusive inconclusive", True, "inconclusive"),
        ("inconclusive ok", False, "ok"),
        ("failed ok", False, "inconclusive"),
        ("failed ok ok", True, "ok"),
        ("failed ok failed", True, "failed"),
        ("failed ok silently-ignored", False, "inconclusive"),
        ("failed inconclusive ok", False, "inconclusive"),
        ("inconclusive inconclusive ok", False, "ok"),
    ],
)
def test_what_counts_of_several_attempts(verdicts: str, settled: bool, decided: str) -> None:
    tried = [cell(Verdict(one)) for one in verdicts.split()]
    assert pairs.settled(tried) is settled
    one = pairs.decided(tried)
    assert one.verdict == decided
    assert one.attempts == len(tried)


def test_states_are_compared_fact_by_fact() -> None:
    before = {"1/foo held": "false", "1/foo state": "waiting", "gone": "x"}
    after = {"1/foo held": "true", "1/foo state": "waiting", "new": "y"}
    found = changes(before, after)
    assert [str(one) for one in found] == [
        "1/foo held: false -> true",
        "gone: x -> (none)",
        "new: (none) -> y",
    ]
    wanted = Expectation({"1/foo held": "true", "gone": ""}, ("n*",))
    assert wanted.missing(before) == ["1/foo held is false, not true", "gone is x, not (none)"]
    assert not wanted.missing(after)
    assert not wanted.others(found)
    assert [one.fact for one in Expectation({"gone": ""}).others(found)] == ["1/foo held", "new"]
    assert not Expectation({"1/foo flows": "[]|[2]"}).missing({"1/foo flows": "[2]"})
    assert Expectation({"1/foo flows": "[]|[2]"}).missing({"1/foo flows": "[1]"})


def snapshot(**more: Any) -> Any:
    message: Any = decode.MESSAGES["PbEntireWorkflow"]()
    workflow = message.workflow
    workflow.id, workflow.status = "~me/w", more.get("status", "running")
    workflow.broadcasts = json.dumps({"1": {"foo": {"environment": {"A": "b"}}}})
    proxy = message.task_proxies.add(id="~me/w//1/foo", state="waiting", is_held=True)
    proxy.flow_nums = "[2, 1]"
    proxy.outputs["x"].satisfied = True
    proxy.prerequisites.add(satisfied=False)
    message.jobs.add(id="~me/w//1/foo/01", state="running")
    message.tasks.add(id="~me/w//$namespace|foo", name="foo")
    return message


def test_state_of_a_snapshot() -> None:
    assert of_snapshot(snapshot()) == {
        "workflow status": "running",
        "broadcast 1/foo environment/A": "b",
        "definition foo": "there",
        "1/foo state": "waiting",
        "1/foo held": "true",
        "1/foo queued": "false",
        "1/foo flows": "[1, 2]",
        "1/foo submissions": "0",
        "1/foo output x": "true",
        "1/foo prerequisite 1": "false",
        "1/foo/01 job": "running",
    }


def truth(message: Any, **facts: str) -> Truth:
    return Truth({**of_snapshot(message), **facts}, message, Place("w", "~me/w"), "8.5.4")


def test_an_answer_has_to_be_what_the_scheduler_has() -> None:
    message = snapshot()
    check = checks.elements("taskProxies", "task_proxies")
    right = {"id": "~me/w//1/foo", "state": "waiting", "isHeld": True}

    def wrong(data: Any) -> str:
        return check(Answer(data={"taskProxies": data}), truth(message))

    assert wrong([right]) == ""
    assert "lacks: ~me/w//1/foo" in wrong([])
    assert "state of ~me/w//1/foo is 'failed'" in wrong([{**right, "state": "failed"}])
    assert "isHeld" in wrong([{**right, "isHeld": False}])
    assert "what there is not" in wrong([right, {"id": "~me/w//1/bar"}])
    assert "no taskProxies" in check(Answer(data=[{"error": {}}]), truth(message))


def test_bytes_have_to_be_what_the_scheduler_has() -> None:
    body = snapshot().SerializeToString()
    assert checks.snapshot(Answer(body=body), truth(snapshot())) == ""
    other = snapshot(status="paused")
    assert "workflow status" in checks.snapshot(Answer(body=body), truth(other))
    assert "no protobuf" in checks.snapshot(Answer(data={}), truth(snapshot()))
    assert "find nothing" in checks.snapshot(Answer(body=body, parsed=False), truth(snapshot()))
    lost = checks.snapshot(Answer(body=body, again=b""), truth(snapshot()))
    assert "differs" in lost  # the client's own messages have lost everything


def test_tasks_have_to_stand_in_a_line_with_their_states() -> None:
    there = truth(snapshot(), **{"1/foo pool": "waiting"})
    for line in ("1/foo:waiting", "foo, 1, waiting, not-held", "  1/foo:waiting (held)"):
        assert checks.tasks_with_states(Answer(text=line), there) == ""
    for line in ("", "1/foo:failed", "foo, 2, waiting", "1/foobar:waiting"):
        assert "1/foo waiting" in checks.tasks_with_states(Answer(text=line), there)


def test_a_trace_shows_what_a_request_is_about() -> None:
    body = json.dumps(
        {
            "command": "graphql",
            "args": {"request_string": "mutation {\n  hold\n}", "variables": {"tasks": ["1/foo"]}},
        }
    ).encode()
    shown, name = tracing.describe.request([body])
    assert json.loads(shown[0]) == {"command": "graphql", "variables": {"tasks": ["1/foo"]}}
    assert shown[1:] == [b"mutation { hold }"]
    assert not name
    assert tracing.describe.request([b"\xff", b""]) == ([b"\xff", b""], "")
    _, name = tracing.describe.request([b'{"command": "pb_entire_workflow", "args": {}}'])
    text = tracing.describe.reply(name, [snapshot().SerializeToString()])[0].decode()
    assert text.startswith("PbEntireWorkflow of")
    assert "task_proxies: 1" in text
    error = b'{"error": {"message": "no"}}'
    assert tracing.describe.reply(name, [error]) == [error]
    assert b"not a TDeltas" in tracing.describe.publication([b"tasks", b"\xff"])[1]


def test_every_operation_has_an_id_and_tasks_of_its_own() -> None:
    every = catalogue.operations()
    ids = [one.id for one in every]
    assert len(set(ids)) == len(ids)
    names = [task.name for task in catalogue.main_workflow().tasks]
    assert len(set(names)) == len(names)
    for one in every:
        assert one.surface in {"cli", "api", "graphql", "stream"}
        assert one.expect is not None or one.check is not None or one.surface == "stream"
        assert isinstance(one.act, Command) == (one.surface == "cli")


@pytest.mark.parametrize("minor", MINORS)
def test_every_mutation_of_a_release_is_tried_as_it_is_written_there(minor: int) -> None:
    schema = mutations.schema(minor)
    assert schema.mutation_type is not None
    assert schema.query_type is not None
    mine = [one for one in catalogue.operations() if not one.why_not(minor, command_line=True)]
    tried = [one.act for one in mine if isinstance(one.act, Mutation)]
    assert {one.name for one in tried} == set(schema.mutation_type.fields)
    for one in tried:
        document = mutations.write(minor, one.name, {"workflows": ["w"], **one.given})
        assert not validate(schema, parse(document.text))
    roots = {one.id.partition("/")[2] for one in mine if one.surface == "graphql"}
    assert set(schema.query_type.fields) <= roots


def test_a_release_sends_its_defaults_and_a_stranger_does_not() -> None:
    given = {"workflows": ["w"], "tasks": ["1/foo"]}
    old = mutations.write(2, "trigger", given).variables
    new = mutations.write(5, "trigger", given).variables
    assert (old["flow"], new["flow"]) == (["all"], [])
    assert new["onResume"] is False
    assert "onResume" not in mutations.write(6, "trigger", given).variables
    assert mutations.write(4, "remove", given).variables["flow"] is None
    assert mutations.write(None, "trigger", given).variables == given
    assert "reloadGlobal" not in mutations.write(5, "reload", {"workflows": ["w"]}).variables


def test_what_a_client_does_not_have_is_not_applicable() -> None:
    by_id = {one.id: one for one in catalogue.operations()}

    def why_not(id_: str, minor: int | None) -> str:
        return by_id[id_].why_not(minor, command_line=minor is not None)

    assert "8.3" in why_not("cli/set-outputs", 3)
    assert not why_not("cli/set-outputs", 2)
    assert "8.2" in why_not("graphql/mutation/set", 2)
    assert "no command line" in why_not("cli/hold/task", None)
    assert "not every release" in why_not("graphql/mutation/set", None)
    assert not why_not("graphql/mutation/hold", None)


def test_both_forms_of_a_workflow_have_the_same_tasks() -> None:
    one = Workflow(
        (
            Task("gate"),
            Task("a", child=True),
            Task("b", "gated", output="x"),
            Task("c", "quick", after="b", seconds=3),
        ),
        last=1,
    )
    document = yaml.safe_load(one.plain(["new"]))
    assert set(document["tasks"]) == {"gate", "a", "a_child", "b", "c", "new"}
    text = one.cylc(["new"])
    for name in document["tasks"]:
        assert f"[[{name}]]" in text
    assert {"before": "gate", "after": "b"} in document["graph"]
    assert "gate => b" in text
    assert "b => c" in text
    assert document["tasks"]["c"]["seconds"] == 3


def test_what_is_shared_names_nobody(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    home = str(tmp_path / "ab12")
    told = {
        "text": f"no file {home}/cylc-run/w, nor /home/somebody/x",
        "status": 1,
        "outcome": "error",
    }
    (one,) = redact([{"client": "8.5.4", "told": told, "reason": home}], tmp_path)
    assert one["told"]["text"] == "no file <home>/cylc-run/w, nor <home>/x"
    assert one["reason"] == "<home>"
    assert one["client"] == "8.5.4"


def document(*given: cells.Cell) -> dict[str, Any]:
    one = catalogue.operations()[0]
    subject = {"version": "8", "kind": "release", "roles": ["client", "server"], "python": ""}
    return {
        "format": 1,
        "suite": {"version": "0.1.0"},
        "environment": {"python": "3.11.7"},
        "started": "2030-01-01T00:00:00Z",
        "seconds": 1.5,
        "implementations": [{"name": "old", **subject}, {"name": "new", **subject}],
        "operations": [
            {
                "id": one.id,
                "group": one.group,
                "surface": one.surface,
                "title": one.title,
                "effect": one.effect,
            }
        ],
        "cells": [one.to_json("old", "new") for one in given],
    }


def test_cells_are_as_the_schema_says_and_bounded() -> None:
    events = [
        {"t": n / 10, "peer": "client", "direction": "→", "frames": ["x"]} for n in range(5, 200)
    ]
    many = tuple(Change(f"{n}/foo held", "false", "true") for n in range(50))
    full = cell(
        Verdict.FAILED,
        told=Told(Outcome.CRASH, "x" * 9000, 1),
        changes=many,
        command=("cylc", "hold"),
        trace=events,
    )
    one = document(cell(Verdict.INCONCLUSIVE), full)
    assert schemas.explain(schemas.named("interop.json").iter_errors(one)) == ""
    shown = one["cells"][1]
    assert len(shown["told"]["text"]) < 2000
    assert shown["changes"][-1] == "… and 38 more"
    assert len(shown["trace"]) == 40
    assert shown["trace"][0]["t"] == 0


def test_operations_are_selected_by_pattern_or_beginning() -> None:
    def ids(*patterns: str) -> list[str]:
        return [one.id for one in catalogue.select(patterns)]

    assert ids("cli/hold/task") == ["cli/hold/task"]
    assert "cli/hold/glob" in ids("cli/hold")
    assert set(ids("*/hold*")) >= {"cli/hold/task", "graphql/mutation/hold"}
    assert ids() == [one.id for one in catalogue.operations()]
    assert ids("nothing") == []


def test_changes_belong_to_the_operation_whose_tasks_they_are_about() -> None:
    by_id = {one.id: one for one in catalogue.operations()}
    one: Operation = by_id["cli/set/default"]
    assert pairs.owns(one, "1/set_c state")
    assert pairs.owns(one, "1/set_c_child prerequisite 1")
    assert not pairs.owns(one, "1/set_g state")
    assert not pairs.owns(one, "workflow status")
    assert pairs.owns(by_id["cli/broadcast/set"], "broadcast 1/setting_c environment/OTHER")
    assert not pairs.owns(by_id["cli/broadcast/set"], "broadcast 1/setting_g environment/WRI")


class Shown:
    """An observer that shows one state after the other, and is told what to do in between."""

    def __init__(self, *states: dict[str, str]) -> None:
        self.states = list(states)
        self.told: list[str] = []

    def mutate(self, name: str, **_: Any) -> str:
        self.told.append(name)
        return ""

    def wait_for(self, *_: Any) -> dict[str, str]:
        return self.states.pop(0)

    wait = wait_for


WAITING = {"1/foo state": "waiting", "workflow status": "paused"}
RESUMED = {"1/foo state": "waiting", "workflow status": "running"}
RUNNING = {"1/foo state": "running", "workflow status": "running"}
LATER = Operation(
    "cli/trigger/paused",
    "",
    "it runs as soon as the workflow is resumed",
    Command(()),
    "alone",
    expect=Expectation({"1/foo state": "running"}),
    midway=Expectation({"1/foo state": "waiting"}),
    then=(("resume", {}),),
)


@pytest.mark.parametrize(
    ("states", "facts"),
    [
        ((WAITING, RESUMED), []),
        ((WAITING, RUNNING), ["1/foo state"]),
        (({**WAITING, "1/bar state": "failed"}, RESUMED), ["1/bar state"]),
    ],
)
def test_what_an_error_denies_may_come_later(states: Any, facts: list[str]) -> None:
    observer: Any = Shown(*states)
    _, found, _ = pairs.denied(observer, LATER, WAITING, 1)
    assert [change.fact for change in found] == facts
    assert observer.told == ["resume"]


@pytest.mark.parametrize(
    ("states", "early"),
    [
        ((WAITING, RUNNING), []),
        ((RUNNING, RUNNING), ["1/foo state is running, not waiting"]),
    ],
)
def test_an_effect_can_come_too_early(states: Any, early: list[str]) -> None:
    observer: Any = Shown(*states)
    after, found, too_early = pairs.effect(observer, LATER, WAITING, 1)
    assert (after, too_early) == (RUNNING, early)
    assert [change.fact for change in found] == ["1/foo state", "workflow status"]
