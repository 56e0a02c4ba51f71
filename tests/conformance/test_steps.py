"""The steps about the workflow, played against a server whose faults are chosen."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml

from wri_conformance import manifest, scenario
from wri_conformance.specification import load
from wri_conformance.stage import Stage
from wri_conformance.verdict import Result, Verdict

SPECIFICATION = load()
SERVER = """\
import json, os, pathlib, signal, sys
from wri_reference import WorkflowRuntimeServer
from wri_proto.v1 import data_store_pb2 as pb

FAULT = os.environ["FAULT"]

class Server(WorkflowRuntimeServer):
    asked = 0
    held = False

    def snapshot(self):
        self.asked += 1
        shown = self.asked > 2 and FAULT != "never-ready"
        whole = pb.PbEntireWorkflow(workflow=pb.PbWorkflow(
            id="~u/main", status="paused" if shown else "", last_updated=10.0 + self.held))
        if shown:
            whole.task_proxies.add(
                id="~u/main//1/foo", stamp=f"x@{self.held}", is_held=self.held, state="waiting")
        return whole.SerializeToString()

    def hold(self):
        self.held = True
        proxies = pb.TPDeltas(time=11.001, checksum=134939225, updated=[
            pb.PbTaskProxy(id="~u/main//1/foo", stamp="x@True", is_held=True)])
        workflow = pb.WDeltas(time=11.001, updated=pb.PbWorkflow(last_updated=11.0))
        if FAULT != "loses-deltas":
            self.publish("task_proxies", proxies.SerializeToString())
        self.publish("workflow", workflow.SerializeToString())
        whole = pb.AllDeltas(workflow=workflow)
        if FAULT != "loses-deltas":
            whole.task_proxies.CopyFrom(proxies)
        self.publish("all", whole.SerializeToString())

    def receiver(self, body):
        request = json.loads(body[0])
        if request["command"] == "pb_entire_workflow":
            return self.snapshot()
        if request["command"] == "pb_data_elements":
            answer = {"error": {"message": "there is no such type"}}
        elif request["command"] != "graphql":
            return super().receiver(body)
        elif FAULT == "refuses":
            answer = {"data": {"hold": {"result": [{"id": "~u/main", "response": [False, "no"]}]}}}
        elif FAULT == "wrong-query":
            answer = {"error": {"message": "no such field"}}
        elif "hold" in request["args"]["request_string"]:
            self.hold()
            answer = {"data": {"hold": {"result": [{"id": "~u/main", "response": [True, "1"]}]}}}
        else:
            self.asked += 1
            answer = {"data": {
                "asked": self.asked,
                "variables": request["args"]["variables"],
                "taskProxies": [{"id": "~u/main//1/foo", "isHeld": self.held}]}}
        return json.dumps({**answer, "cylc_version": "8.5.4"}).encode()

server = Server(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: server.stop("x"))
server.start()
"""

HEAD: dict[str, Any] = {
    "title": "A case of these tests",
    "role": "publisher",
    "needs": ["deltas"],
    "server": "own",
}
SUBSCRIBE = {"peer": "sub", "connect": {"to": "publish", "socket": "SUB", "topics": [""]}}
HOLD = {"graphql": {"query": 'mutation {hold(workflows: ["*"], tasks: ["*"]) {result}}'}}
ENTIRE = {"request": {"command": "pb_entire_workflow", "args": {}}, "decode": "PbEntireWorkflow"}
ELEMENTS = {"request": {"command": "pb_data_elements", "args": {}}, "decode": "EDeltas"}


def evidence(**members: Any) -> dict[str, Any]:
    return {
        "step": "looked-at",
        "expect": {
            "WRI-DELTA-1": {
                "required": list(members),
                "properties": {name: {"const": value} for name, value in members.items()},
            }
        },
    }


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "server.py").write_text(SERVER, encoding="utf-8")
    (tmp_path / "manifest.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "under-test",
                "version": "1",
                "environment": {"files": {".config/settings": "{home}|{bin}|{workflow}"}},
                "roles": {
                    "server": {
                        "capabilities": ["core", "data"],
                        "start": {
                            "paused": ["{python}", str(tmp_path / "server.py"), "{workflow}"]
                        },
                        "ready": 3,
                    },
                    "publisher": {"capabilities": ["publish", "deltas"]},
                },
            }
        ),
        encoding="utf-8",
    )
    base = manifest.load(tmp_path / "manifest.yaml", SPECIFICATION)
    stages = []

    def run(steps: list[Any], fault: str = "", **head: Any) -> tuple[Result, ...]:
        (tmp_path / "scenarios").mkdir(exist_ok=True)
        path = tmp_path / "scenarios" / "case.yaml"
        path.write_text(yaml.safe_dump({**HEAD, **head, "steps": steps}), encoding="utf-8")
        (case,) = scenario.load_all(tmp_path / "scenarios", SPECIFICATION)
        stages.append(
            Stage(attrs.evolve(base, variables={"FAULT": fault}), SPECIFICATION, Path(sys.prefix))
        )
        return stages[-1].play(case).results

    yield run
    for stage in stages:
        assert stage.close() == []


def test_a_scenario_about_the_workflow_begins_when_it_is_shown(play: Any) -> None:
    shown = {"required": ["workflow"], "properties": {"workflow": {"required": ["status"]}}}
    (result,) = play([{**ENTIRE, "step": "snap", "expect": {"WRI-DELTA-1": shown}}])
    assert result.verdict is Verdict.PASS, result.message


def test_a_workflow_that_is_never_shown_fails_every_check(play: Any) -> None:
    (result,) = play([{**ENTIRE, **evidence(workflow={})}], "never-ready")
    assert result.verdict is Verdict.FAIL
    assert not result.reached
    assert "did not show the workflow, paused and with tasks, in 3 s" in result.message
    assert "the workflow '~u/main' with status '' and 0 tasks" in result.message


def test_scenarios_of_the_core_do_not_wait_for_it(play: Any) -> None:
    api = {"request": {"command": "api", "args": {}}, **evidence(cylc_version="8.5.4")}
    (result,) = play([api], "never-ready", needs=["publish"])
    assert result.verdict is Verdict.PASS, result.message


def test_a_reply_that_is_no_such_message_is_no_observation(play: Any) -> None:
    is_none = {"properties": {"protobuf": {"const": False}}}
    message = {"step": "around", "message": {"WRI-DELTA-1": is_none}}
    results = play([{**ELEMENTS, **evidence(time=1)}, {**ELEMENTS, **message}])
    assert [result.verdict for result in results] == [Verdict.FAIL, Verdict.PASS]
    assert results[0].message == "the reply is not a EDeltas but a response: there is no such type"


@pytest.mark.parametrize(("count", "verdict"), [(3, Verdict.PASS), (99, Verdict.FAIL)])
def test_eventually_asks_until_it_holds_or_time_is_up(
    play: Any, count: int, verdict: Verdict
) -> None:
    reached = {"properties": {"data": {"properties": {"asked": {"minimum": count + 3}}}}}
    (result,) = play(
        [
            {
                "graphql": {"query": "{asked}"},
                "eventually": 2,
                "step": "count",
                "expect": {"WRI-DELTA-1": reached},
            }
        ]
    )
    assert result.verdict is verdict, result.message
    assert result.seconds is not None
    assert (result.seconds < 2) is (verdict is Verdict.PASS)
    assert result.seconds > 0.4


@pytest.mark.parametrize("required", [{"required": ["data"]}, {"required": ["gone"]}])
def test_preparation_that_does_not_do_ends_the_scenario(play: Any, required: Any) -> None:
    (result,) = play(
        [
            {"graphql": {"query": "{asked}"}, "eventually": 0.5, "require": required},
            {"request": {"command": "api", "args": {}}, **evidence(cylc_version="8.5.4")},
        ]
    )
    assert result.reached is ("data" in required["required"])
    if not result.reached:
        assert "graphql-1: $: lacks the member" in result.message


@pytest.mark.parametrize(
    ("fault", "words"),
    [("refuses", "the command was refused: ['no']"), ("wrong-query", "refused: no such field")],
)
def test_a_command_that_is_refused_prepares_nothing(play: Any, fault: str, words: str) -> None:
    (result,) = play(
        [HOLD, {"request": {"command": "api", "args": {}}, **evidence(cylc_version="8.5.4")}],
        fault,
    )
    assert result.verdict is Verdict.FAIL
    assert words in result.message


def test_variables_may_be_saved_values(play: Any) -> None:
    (result,) = play(
        [
            {
                "graphql": {
                    "query": "query ($id: ID) {asked(id: $id)}",
                    "variables": {"id": {"$join": [{"$get": "run/workflow"}, "//1/foo"]}},
                },
                "step": "asked",
                "expect": {
                    "WRI-DELTA-1": {
                        "properties": {
                            "data": {"properties": {"variables": {"const": {"id": "main//1/foo"}}}}
                        }
                    }
                },
            }
        ]
    )
    assert result.verdict is Verdict.PASS, result.message


def whole_run(until: dict[str, Any]) -> list[Any]:
    return [
        SUBSCRIBE,
        {**ENTIRE, "save": "before"},
        {"graphql": {"query": "{taskProxies {id isHeld}}"}, "save": "told"},
        {
            "same": {
                "left": "before/taskProxies",
                "right": "told/data/taskProxies",
                "fields": ["isHeld"],
            },
            **evidence(compared=1, differences=[]),
            "step": "same",
        },
        HOLD,
        {"collect": until, "peer": "sub", "save": "stream", **evidence(batches=1), "step": "c"},
        {**ENTIRE, "save": "after"},
        {
            "replay": {"snapshot": "before", "stream": "stream", "until": "after"},
            **evidence(equal=True, applied=1, checksums={"verified": 1, "wrong": []}),
            "step": "replay",
        },
    ]


@pytest.mark.parametrize("until", [{"quiet": 0.5}, {"until": "all"}, {"seconds": 1}])
def test_a_stream_is_collected_and_replayed(play: Any, until: dict[str, Any]) -> None:
    results = play(whole_run(until))
    assert [(r.verdict, r.message) for r in results] == [(Verdict.PASS, "")] * 3


def test_a_lost_delta_is_noticed(play: Any) -> None:
    results = play(whole_run({"quiet": 0.5}), "loses-deltas")
    assert [result.verdict for result in results] == [Verdict.PASS, Verdict.PASS, Verdict.FAIL]
    assert results[-1].actual["differences"] == [
        "task_proxies ~u/main//1/foo: is_held: False instead of True",
        "task_proxies ~u/main//1/foo: stamp: 'x@False' instead of 'x@True'",
    ]


def test_what_was_not_collected_is_replayed_by_nobody(play: Any) -> None:
    steps = whole_run({"until": "gone"})
    steps[5]["within"] = 0.5
    same, collected, replayed = play(steps)
    assert same.verdict is Verdict.PASS
    assert collected.verdict is replayed.verdict is Verdict.FAIL
    assert collected.message == "no publication 'gone' in 0.5 s (3 others)"
    assert replayed.message == "the step that saves stream observed nothing"


def test_a_publication_is_decoded(play: Any) -> None:
    delta = {
        "properties": {"delta": {"required": ["time", "checksum", "updated"]}},
        "required": ["delta"],
    }
    (result,) = play(
        [
            SUBSCRIBE,
            HOLD,
            {
                "receive": {"until": "task_proxies"},
                "peer": "sub",
                "step": "x",
                "expect": {"WRI-DELTA-1": delta},
            },
        ]
    )
    assert result.verdict is Verdict.PASS, result.message


def test_the_files_of_a_manifest_are_in_the_home(tmp_path: Path, play: Any) -> None:
    base = manifest.load(tmp_path / "manifest.yaml", SPECIFICATION)
    stage = Stage(base, SPECIFICATION, Path("/opt/x/bin"))
    home = stage.workshop.home()
    try:
        stage.run(home, "main", "basic", "paused")
        text = (home / ".config" / "settings").read_text(encoding="utf-8")
        assert text == f"{home}|/opt/x/bin|{{workflow}}"
    finally:
        stage.close()
