"""The simulated scheduler, driven through `tick`; no clock runs."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wri.data import root
from wri_proto.v1 import data_store_pb2 as pb
from wri_reference import _workflow
from wri_reference._elements import Identity
from wri_reference._errors import RemoteProtocolError
from wri_reference._scheduler import Scheduler
from wri_reference._store import TOPICS, DataStore

START = 1_900_000_000.0
IDENTITY = Identity("me", "w", "here", 43001, 43002, "/run")
BASIC = "{cycle_points: ['1'], tasks: {foo: , bar: }, graph: [{before: foo, after: bar}]}"
RICH = """
cycle_points: ["1", "2", "3", "4", "5", "6", "7", "8"]
families:
  FAM:
  SUB: {parent: FAM}
tasks:
  foo: {}
  bar: {}
  bad: {outcome: failed}
  mend: {parent: FAM}
  fin: {}
  m1: {parent: SUB, seconds: 3, outputs: {extra: a message}}
  m2: {parent: FAM}
  ext: {external_trigger: the message}
  c: {}
  x: {}
  lost: {outcome: submit-failed}
  never: {}
graph:
  - {before: foo, after: [bar, m1]}
  - {before: foo, cycle: -1, after: foo}
  - {after: bad}
  - {before: bad, output: failed, after: mend}
  - {before: bad, output: finished, after: fin}
  - {after: ext}
  - {before: ext, after: m2}
  - {before: [m1, m2], after: c}
  - {before: m1, output: extra, after: x}
  - {before: x, after: lost}
  - {before: lost, after: never}
"""
CHAIN = """
cycle_points: ["1", "2"]
families: {FAM: }
tasks: {a: {parent: FAM}, b: {parent: FAM}, c: , stuck: {outcome: failed}, after: }
graph:
  - {before: a, after: b}
  - {before: b, after: c}
  - {before: stuck, after: after}
"""


class Run:
    """A scheduler whose time passes as told, and what it published."""

    def __init__(self, text: str, paused: bool = False) -> None:
        self.now = START
        self.definition = _workflow.parse(text)
        self.scheduler = Scheduler(
            self.definition, IDENTITY, self.now, paused=paused, read=lambda: self.definition
        )
        self.batches: list[pb.AllDeltas] = []
        self.tick()

    def tick(self) -> list[pb.AllDeltas]:
        new = self.scheduler.tick(self.now)
        self.batches += new
        return new

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (delay := self.scheduler.next_event(self.now)) is not None:
            if self.now + delay > end:
                break
            self.now += max(delay, 0.001)
            self.tick()
        self.now = end
        self.tick()

    def reload(self, text: str) -> None:
        self.definition = _workflow.parse(text)
        self.scheduler.reload()

    def finish(self) -> str | None:
        while self.scheduler.next_event(self.now) is not None:
            self.wait(1)
        return self.scheduler.stopped

    def do(self, name: str, *args: Any, **kwargs: Any) -> Any:
        answer = getattr(self.scheduler, name)(*args, **kwargs)
        self.tick()
        return answer

    @property
    def workflow(self) -> pb.PbWorkflow:
        return self.scheduler.store.workflow

    def tasks(self) -> dict[str, pb.PbTaskProxy]:
        elements = self.scheduler.store.elements["task_proxies"]
        return {key.partition("//")[2]: proxy for key, proxy in elements.items()}

    def states(self) -> dict[str, str]:
        return {key: proxy.state for key, proxy in self.tasks().items()}

    def task(self, key: str) -> pb.PbTaskProxy:
        return self.tasks()[key]

    def logs(self) -> list[str]:
        return [record.message for record in self.workflow.log_records]


# -- running ------------------------------------------------------------------------------


def test_a_workflow_runs_to_its_end() -> None:
    run = Run(BASIC)
    seen = [dict(run.workflow.state_totals)]
    while run.scheduler.next_event(run.now) is not None:
        run.wait(0.2)
        if dict(run.workflow.state_totals) != seen[-1]:
            seen.append(dict(run.workflow.state_totals))
    assert run.scheduler.stopped == "AUTOMATIC"
    assert seen == [
        {"waiting": 1, "preparing": 1},
        {"waiting": 1, "submitted": 1},
        {"waiting": 1, "running": 1},
        {"preparing": 1, "succeeded": 1},
        {"submitted": 1, "succeeded": 1},
        {"running": 1, "succeeded": 1},
        {},
    ]
    assert run.workflow.status == "stopping"
    assert run.tasks() == {}


def test_the_beginning_is_published_as_a_replacement_and_what_fills_it() -> None:
    run = Run(BASIC, paused=True)
    first, second = run.batches
    assert all(getattr(first, topic).reloaded for topic in TOPICS)
    assert [task.name for task in first.tasks.added] == ["foo", "bar"]
    assert not first.task_proxies.added
    assert {proxy.name for proxy in second.task_proxies.added} == {"foo", "bar"}
    assert not second.task_proxies.reloaded


def test_a_paused_workflow_is_silent() -> None:
    run = Run(RICH, paused=True)
    assert run.scheduler.next_event(run.now) is None
    assert run.scheduler.tick(run.now + 1000) == []


def test_a_failure_that_nobody_handles_stalls() -> None:
    run = Run(CHAIN)
    assert run.finish() is None
    assert run.workflow.status == "running"
    assert run.workflow.status_msg == "stalled"
    assert run.states()["1/stuck"] == "failed"
    assert run.logs()[-1] == "Workflow stalled"
    assert "[1/stuck/01:running] failed/ERR" in run.logs()


def test_a_failure_that_is_handled_does_not_stay() -> None:
    run = Run("""
        cycle_points: ["1"]
        tasks: {bad: {outcome: failed}, mend: , lost: {outcome: submit-failed}, find: }
        graph:
          - {before: bad, output: failed, after: mend}
          - {before: lost, output: submit-failed, after: find}
    """)
    assert run.finish() == "AUTOMATIC"


def test_a_task_that_waits_for_more_stays_in_the_pool() -> None:
    run = Run("""
        cycle_points: ["1"]
        tasks: {a: , b: {seconds: 50}, c: }
        graph: [{before: [a, b], after: c}]
    """)
    run.wait(10)
    proxy = run.task("1/c")
    assert (proxy.state, proxy.graph_depth, proxy.flow_nums) == ("waiting", 0, "[1]")
    assert [
        (p.expression, p.satisfied, p.conditions[0].task_proxy, p.conditions[0].message)
        for p in proxy.prerequisites
    ] == [
        ("0", True, "1/a", "satisfied naturally"),
        ("0", False, "1/b", "unsatisfied"),
    ]


def test_runahead_shows_one_point_beyond_five() -> None:
    run = Run(RICH, paused=True)
    bad = {key: proxy.is_runahead for key, proxy in run.tasks().items() if proxy.name == "bad"}
    assert bad == {f"{point}/bad": point == 6 for point in range(1, 7)}
    assert [key for key, proxy in run.tasks().items() if proxy.name == "foo"] == ["1/foo", "2/foo"]
    assert run.workflow.is_runahead_total == 2
    assert (run.workflow.oldest_active_cycle_point, run.workflow.newest_active_cycle_point) == (
        "1",
        "6",
    )


def test_the_workflow_may_say_how_far_it_runs_ahead() -> None:
    run = Run(f"runahead: 2{RICH}", paused=True)
    assert max(run.tasks()) == "3/mend"


def test_dependencies_before_the_first_point_are_satisfied() -> None:
    condition = Run(RICH, paused=True).task("1/foo").prerequisites[0].conditions[0]
    assert (condition.task_proxy, condition.message) == ("0/foo", "satisfied naturally")


def test_finished_means_either_end() -> None:
    prerequisite = Run(RICH, paused=True).task("1/fin").prerequisites[0]
    assert prerequisite.expression == "(1 | 0)"
    assert [c.req_state for c in prerequisite.conditions] == ["failed", "succeeded"]


def test_at_most_a_hundred_tasks_run_at_once() -> None:
    definition = _workflow.synthetic(250)
    scheduler = Scheduler(definition, IDENTITY, START)
    scheduler.tick(START)
    assert scheduler.store.workflow.state_totals == {"waiting": 150, "preparing": 100}
    assert scheduler.store.workflow.is_queued_total == 150


def test_a_job_tells_its_history() -> None:
    run = Run("""
        cycle_points: ["20300101T0000Z"]
        tasks: {a: {seconds: 4, outputs: {half: half way}}, b: {seconds: 60}}
        graph: [{before: a, after: b}]
    """)
    run.wait(10)
    job = run.scheduler.store.elements["jobs"]["~me/w//20300101T0000Z/a/01"]
    assert (job.state, list(job.messages)) == ("succeeded", ["started", "half way", "succeeded"])
    assert job.submitted_time == "2030-03-17T17:46:40Z"
    assert job.finished_time == "2030-03-17T17:46:44Z"
    proxy = run.task("20300101T0000Z/a")
    assert {label for label, output in proxy.outputs.items() if output.satisfied} == {
        "submitted",
        "started",
        "half",
        "succeeded",
    }
    assert list(proxy.jobs) == [job.id]
    assert proxy.job_submits == 1


def test_time_may_jump() -> None:
    slow, fast = Run(BASIC), Run(BASIC)
    slow.finish()
    fast.scheduler.tick(START + 100)
    assert fast.scheduler.stopped == slow.scheduler.stopped == "AUTOMATIC"


# -- what is shown ------------------------------------------------------------------------

FACTS = Path(__file__).parent / "data" / "basic-paused.json"


def test_the_snapshot_has_the_fields_of_a_real_one() -> None:
    """`basic`, paused, as `pb_entire_workflow` of cylc-flow 8.5.4 answers."""
    facts = json.loads(FACTS.read_text())
    text = (root() / "conformance" / "fixtures" / "basic" / "workflow.yaml").read_text()
    run = Run(text, paused=True)
    ours = MessageToDict(run.scheduler.store.snapshot(), preserving_proto_field_name=True)
    assert _shape(ours, "~me/w") == facts


def _shape(snapshot: dict[str, Any], workflow: str) -> dict[str, Any]:
    """Return ids, and per element which fields are there and of what kind."""
    shape: dict[str, Any] = {"workflow": _kinds(snapshot["workflow"])}
    for topic in TOPICS[:-1]:
        shape[topic] = {
            element["id"].replace(workflow, "~"): _kinds(element)
            for element in sorted(snapshot.get(topic, []), key=lambda one: str(one["id"]))
        }
    shape["state_totals"] = snapshot["workflow"]["state_totals"]
    return shape


def _kinds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _kinds(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_kinds(value[0])] if value else []
    return type(value).__name__


def test_commands_do_what_they_do_to_a_real_scheduler() -> None:
    """`CHAIN` under cylc-flow 8.5.4: the states that commands, one after the other, led to.

    Unsettled are tasks that were on their way when the real scheduler was looked at.
    """
    run = Run(CHAIN, paused=True)
    for step in json.loads((FACTS.parent / "commands.json").read_text()):
        run.do(step["command"], **step["arguments"])
        run.wait(step["seconds"])
        found = {
            key: {
                "state": proxy.state,
                "held": proxy.is_held,
                "queued": proxy.is_queued,
                "flows": proxy.flow_nums,
                "depth": proxy.graph_depth,
                "jobs": [run.scheduler.store.elements["jobs"][job].state for job in proxy.jobs],
                "outputs": sorted(key for key, one in proxy.outputs.items() if one.satisfied),
            }
            for key, proxy in run.tasks().items()
            if key not in step["unsettled"]
        }
        assert found == step["tasks"], step["command"]


def test_the_window_can_be_resized() -> None:
    run = Run(CHAIN, paused=True)
    assert "1/c" not in run.tasks()
    answer = run.do("set_graph_window_extent", 2)
    assert answer == "Maximum edge distance set to 2"
    assert run.task("1/c").graph_depth == 2
    assert run.workflow.n_edge_distance == 2
    run.do("set_graph_window_extent", 0)
    assert set(run.tasks()) == {"1/a", "1/stuck", "2/a", "2/stuck"}
    assert not run.scheduler.store.elements["edges"]
    with pytest.raises(RemoteProtocolError):
        run.do("set_graph_window_extent", -1)


def test_how_far_a_window_reaches_costs_nothing() -> None:
    run = Run(CHAIN, paused=True)
    before = time.process_time()
    run.do("set_graph_window_extent", 50_000_000)
    assert time.process_time() - before < 2
    assert run.workflow.n_edge_distance == 50_000_000
    assert run.task("1/c").graph_depth == 2


def test_families_count_their_members() -> None:
    run = Run(RICH, paused=True)
    proxies = run.scheduler.store.elements["family_proxies"]
    assert "~me/w//6/SUB" not in proxies
    family = proxies["~me/w//1/FAM"]
    assert family.state == "waiting"
    assert family.state_totals["waiting"] == 3
    assert family.state_totals["failed"] == 0
    assert set(family.child_families) == {"~me/w//1/SUB"}
    assert set(family.child_tasks) == {"~me/w//1/mend", "~me/w//1/m2"}


# -- commands -----------------------------------------------------------------------------


def test_hold_and_release() -> None:
    run = Run(CHAIN, paused=True)
    run.do("hold", ["1/a", "2/b", "9/a", "1/nope", "*/c"])
    assert (run.task("1/a").is_held, run.task("2/b").is_held) == (True, True)
    assert run.workflow.is_held_total == 2
    assert run.logs() == [
        "Invalid cycle point for task: a, 9",
        "No matching tasks found: nope",
        "No active tasks matching: */c",
    ]
    run.do("resume")
    run.wait(3)
    assert run.states()["1/a"] == "waiting"
    assert run.task("2/b").graph_depth == 0
    run.do("release", ["*"])
    run.wait(3)
    assert run.states()["1/b"] in {"running", "succeeded"}


def test_hold_a_family() -> None:
    run = Run(CHAIN, paused=True)
    run.do("hold", ["1/FAM"])
    assert [key for key, proxy in run.tasks().items() if proxy.is_held] == ["1/a", "1/b"]


def test_hold_point() -> None:
    run = Run(CHAIN, paused=True)
    run.do("set_hold_point", "1")
    assert not run.task("1/a").is_held
    assert run.task("2/a").is_held
    run.do("resume")
    assert run.workflow.status_msg == "running to hold at 1"
    run.wait(5)
    assert run.states()["2/a"] == "waiting"
    run.do("release_hold_point")
    run.wait(5)
    assert "2/a" not in run.tasks() or run.states()["2/a"] != "waiting"
    with pytest.raises(RemoteProtocolError):
        run.do("set_hold_point", "x")


def test_pause_and_resume() -> None:
    run = Run(BASIC)
    run.do("pause")
    assert (run.workflow.status, run.workflow.status_msg) == ("paused", "paused")
    run.wait(5)
    assert run.states() == {"1/foo": "succeeded", "1/bar": "waiting"}
    assert run.task("1/bar").is_queued
    run.do("resume")
    assert run.workflow.status == "running"
    assert run.finish() == "AUTOMATIC"


@pytest.mark.parametrize("mode", ["Now", "NowNow", "REQUEST(NOW)"])
def test_stop_now(mode: str) -> None:
    run = Run(BASIC)
    run.wait(1)
    run.do("stop", mode)
    assert run.scheduler.stopped is not None
    assert run.scheduler.stopped.startswith("REQUEST(NOW")
    assert run.states()["1/foo"] == "running"


def test_stop_clean_awaits_jobs() -> None:
    run = Run(BASIC)
    run.wait(1)
    run.do("stop")
    assert run.scheduler.stopped is None
    assert run.workflow.status_msg == "stopping: waiting for active jobs to complete"
    assert run.finish() == "REQUEST(CLEAN)"
    assert run.states() == {"1/foo": "succeeded", "1/bar": "waiting"}


def test_stop_kills_jobs() -> None:
    run = Run(BASIC)
    run.wait(1)
    run.do("stop", "Kill")
    assert run.scheduler.stopped == "REQUEST(KILL)"
    assert run.states()["1/foo"] == "failed"


def test_stop_after_a_cycle_point() -> None:
    run = Run(RICH.replace("lost: {outcome: submit-failed}", "lost: {}"))
    run.do("ext_trigger", "the message", "7")
    run.do("stop", cycle_point="1")
    assert run.workflow.status_msg == "running to stop at 1"
    assert run.finish() == "AUTOMATIC"


def test_stop_after_a_task_or_a_time() -> None:
    run = Run(RICH)
    run.do("stop", task="2/foo")
    assert run.workflow.status_msg == "running to stop at 2/foo"
    assert run.finish() == "AUTOMATIC"
    run = Run(RICH)
    run.do("stop", clock_time="2030-03-17T17:46:50Z")
    assert run.workflow.status_msg == "running to stop at 2030-03-17T17:46:50Z"
    assert run.finish() == "REQUEST(CLEAN)"


def test_stop_a_flow() -> None:
    run = Run(CHAIN, paused=True)
    run.do("stop", flow_num=7)
    assert len(run.tasks()) == 8
    run.do("stop", flow_num=1)
    assert not run.tasks()
    run = Run(RICH, paused=True)
    run.do("stop", flow_num=1)
    assert not run.tasks()


def test_trigger_runs_even_when_paused_and_before_its_turn() -> None:
    run = Run(CHAIN, paused=True)
    run.do("trigger", ["2/c"])
    run.wait(1)
    proxy = run.task("2/c")
    assert (proxy.state, proxy.graph_depth) == ("running", 0)
    assert proxy.prerequisites[0].conditions[0].message == "force satisfied"
    run.do("trigger", ["2/c"])
    assert run.logs()[-1].startswith("Job already in process")


def test_trigger_a_group_in_the_order_of_the_graph() -> None:
    run = Run(CHAIN, paused=True)
    run.do("trigger", ["1/a", "1/b"])
    run.wait(1)
    assert run.states()["1/a"] == "running"
    assert run.states()["1/b"] == "waiting"
    run.do("resume")
    run.wait(1)
    assert run.states()["1/b"] != "waiting"


def test_trigger_on_resume() -> None:
    run = Run(CHAIN, paused=True)
    run.do("trigger", ["1/c"], on_resume=True)
    run.wait(2)
    assert run.states()["1/c"] == "waiting"
    run.do("resume")
    assert run.states()["1/c"] == "preparing"


def test_trigger_again_what_has_failed() -> None:
    run = Run(CHAIN)
    run.finish()
    run.do("trigger", ["1/stuck"])
    run.wait(1)
    assert run.workflow.status_msg == "running to stop at 2"
    assert run.task("1/stuck").job_submits == 2
    assert list(run.task("1/stuck").jobs) == ["~me/w//1/stuck/01", "~me/w//1/stuck/02"]


def test_trigger_a_new_flow() -> None:
    run = Run(CHAIN)
    run.finish()
    run.do("trigger", ["1/a"], flow=["new"])
    run.wait(1)
    assert run.task("1/a").flow_nums == "[2]"
    run.wait(1)
    assert run.task("1/b").flow_nums == "[2]"


def test_set_outputs() -> None:
    run = Run(CHAIN, paused=True)
    run.do("set_", ["1/a"])
    assert run.states()["1/a"] == "succeeded"
    assert run.task("1/a").graph_depth == 1
    assert run.task("1/b").is_queued
    run.do("set_", ["2/c"], outputs=["nope"])
    assert run.logs() == ["Output 2/c:nope not found"]


def test_set_prerequisites() -> None:
    run = Run(CHAIN, paused=True)
    run.do("set_", ["2/c"], prerequisites=["all"])
    assert run.task("2/c").is_queued
    run.do("set_", ["1/c"], prerequisites=["1/b"])
    assert run.task("1/c").is_queued
    run.do("set_", ["1/c"], prerequisites=["1/nope"])
    assert run.logs() == ['1/c does not depend on "1/nope:succeeded"']


def test_remove() -> None:
    run = Run(CHAIN, paused=True)
    run.do("set_", ["1/a"])
    run.do("remove", ["1/a"])
    assert "1/b" not in run.tasks()
    run.do("remove", ["2/a"])
    assert "2/a" not in run.tasks()


def test_kill() -> None:
    run = Run(CHAIN)
    run.wait(1)
    run.do("kill", ["1/a", "1/c"])
    proxy = run.task("1/a")
    assert (proxy.state, proxy.is_held) == ("failed", True)
    assert run.scheduler.store.elements["jobs"]["~me/w//1/a/01"].state == "failed"
    run = Run(CHAIN)
    run.do("kill", ["1/a"])
    assert run.states()["1/a"] == "submit-failed"
    run = Run(CHAIN, paused=True)
    run.do("kill", ["1/a"])
    assert run.logs() == ["Tasks not killable: 1/a"]


def test_poll_changes_nothing() -> None:
    run = Run(CHAIN, paused=True)
    before = run.scheduler.store.snapshot_bytes()
    run.do("poll", ["*"])
    assert run.scheduler.store.snapshot_bytes() == before


def test_reload() -> None:
    run = Run(CHAIN)
    run.wait(1)
    text = CHAIN.replace("after: }", "after: , new: }").replace(
        "- {before: a, after: b}", "- {before: a, after: new}\n  - {after: b}"
    )
    run.reload(text)
    messages = run.tick()
    first, second, third = messages
    assert first.workflow.updated.status_msg == "reloading: loading the workflow definition"
    assert all(getattr(second, topic).reloaded for topic in TOPICS)
    assert not second.task_proxies.added
    assert {"1/a", "1/new"} <= {p.id.partition("//")[2] for p in third.task_proxies.added}
    assert third.jobs.added
    assert run.workflow.status_msg == "running to stop at 2"
    run.wait(1.2)
    assert run.states()["1/new"] != "waiting"
    with pytest.raises(RemoteProtocolError):
        run.reload(CHAIN.replace('"1", "2"', '"2", "3"'))


def test_a_task_that_is_gone_after_a_reload() -> None:
    run = Run(CHAIN)
    run.wait(1)
    run.reload(BASIC)
    run.tick()
    assert run.finish() == "AUTOMATIC"


def test_broadcast() -> None:
    run = Run(RICH, paused=True)
    answer = run.do(
        "broadcast",
        "Set",
        ["1", "zz", "*"],
        ["foo", "nope"],
        [{"script": "x"}, {"environment": {"A": "1"}}, {"nope": "1"}],
    )
    assert answer == [
        [
            ["1", "foo", {"script": "x"}],
            ["*", "foo", {"script": "x"}],
            ["1", "foo", {"environment": {"A": "1"}}],
            ["*", "foo", {"environment": {"A": "1"}}],
        ],
        {"settings": [{"nope": "1"}], "point_strings": ["zz"], "namespaces": ["nope"]},
    ]
    assert json.loads(run.workflow.broadcasts)["1"] == {
        "foo": {"script": "x", "environment": {"A": "1"}}
    }
    assert run.task("2/foo").runtime.script == "x"
    assert json.loads(run.task("1/foo").runtime.environment) == [{"key": "A", "value": "1"}]
    assert run.do("broadcast", "Clear", ["3"], ["nope"]) == [
        [],
        {"point_strings": ["3"], "namespaces": ["nope"]},
    ]
    assert run.do("broadcast", "Clear", ["*"], ["foo"], [{"script": "x"}]) == [
        [["*", "foo", {"script": "x"}]],
        {},
    ]
    assert run.do("broadcast", "Expire", cutoff="1") == [None, {"expire": ["1"]}]
    assert run.do("broadcast", "Expire", cutoff="2")[1] == {}
    assert run.do("broadcast", "Clear")[0] == [["*", "foo", {"environment": {"A": "1"}}]]
    assert run.workflow.broadcasts == "{}"
    with pytest.raises(RemoteProtocolError):
        run.do("broadcast", "Set", settings=["[environment]B=2"])


def test_messages_of_jobs() -> None:
    run = Run(RICH)
    run.wait(3)
    answer = run.do("message", "1/m1/01", messages=[["INFO", "a message"], ["INFO", "hello"]])
    assert answer == "Messages queued: 2"
    assert run.task("1/m1").outputs["extra"].satisfied
    assert "1/x" in run.tasks()
    run.do("message", "1/m1/01", "2030-03-17T18:00:00Z", [["CRITICAL", "failed/ERR"]])
    assert run.states()["1/m1"] == "failed"
    job = run.scheduler.store.elements["jobs"]["~me/w//1/m1/01"]
    assert job.finished_time == "2030-03-17T18:00:00Z"
    run.do("message", "1/nope/01", messages=[["INFO", "hello"]])
    assert run.logs()[-1].startswith("Undeliverable task messages")
    for bad in (None, [], [["INFO"]], ["INFO"], [["INFO", None]]):
        with pytest.raises(RemoteProtocolError):
            run.do("message", "1/m1/01", messages=bad)


def test_external_triggers() -> None:
    run = Run(RICH, paused=True)
    assert not run.task("1/ext").is_queued
    assert run.do("ext_trigger", "the message", "7") == "Event queued"
    assert run.task("1/ext").external_triggers["the message"].satisfied
    assert run.task("1/ext").is_queued
    assert not run.task("2/ext").is_queued
    assert json.loads(run.workflow.broadcasts) == {
        "1": {"root": {"environment": {"CYLC_EXT_TRIGGER_ID": "7"}}}
    }


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("hold", [[]], {}),
        ("hold", [["1/a/01"]], {}),
        ("hold", [["~me/w//1/a"]], {}),
        ("hold", [[None]], {}),
        ("trigger", [["1/a"]], {"flow": ["new", "1"]}),
        ("trigger", [["1/a"]], {"flow": ["cheese"]}),
        ("trigger", [["1/a"]], {"flow": ["new"], "flow_wait": True}),
        ("remove", [["1/a"]], {"flow": ["new"]}),
        ("set_", [["1/a"]], {"outputs": ["waiting"]}),
        ("set_", [["1/a"]], {"outputs": ["required", "failed"]}),
        ("set_", [["1/a"]], {"outputs": ["failed"], "prerequisites": ["all"]}),
        ("set_", [["1/a"]], {"prerequisites": ["fish"]}),
        ("set_", [["1/a"]], {"prerequisites": ["all", "1/b"]}),
        ("stop", [], {"mode": "Soon"}),
        ("stop", [], {"cycle_point": "zz"}),
        ("stop", [], {"clock_time": "zz"}),
        ("stop", [], {"task": "zz"}),
        ("stop", [], {"task": "1/zz"}),
        ("set_verbosity", ["LOUD"], {}),
        ("broadcast", ["Shout"], {}),
        ("message", ["1/a", None, [["INFO", "x"]]], {}),
        ("message", ["1/a/01", "zz", [["INFO", "x"]]], {}),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(
    name: str, args: list[Any], kwargs: dict[str, Any]
) -> None:
    run = Run(CHAIN, paused=True)
    before = run.scheduler.store.snapshot_bytes()
    with pytest.raises(RemoteProtocolError):
        run.do(name, *args, **kwargs)
    assert run.scheduler.store.snapshot_bytes() == before


# -- always -------------------------------------------------------------------------------

IDS = ["*", "1", "1/foo", "2/foo", "*/FAM", "1/SUB", "*/*:failed", "3/c", "8/x", "1/lost", "2/ext"]
RELOADED = RICH.replace("  never: {}\n", "").replace("  - {before: lost, after: never}\n", "")


def commands() -> st.SearchStrategy[tuple[str, list[Any], dict[str, Any]]]:
    ids = st.lists(st.sampled_from(IDS), min_size=1, max_size=2)
    flow = st.sampled_from([None, ["new"], ["none"], ["1"], ["2", "3"]])
    some = [
        *(st.tuples(st.just(name), st.tuples(ids)) for name in ("hold", "release", "kill", "poll")),
        *(st.tuples(st.just(name), st.just(())) for name in ("pause", "resume", "resume")),
        st.tuples(st.just("trigger"), st.tuples(ids, flow)),
        st.tuples(st.just("remove"), st.tuples(ids)),
        st.tuples(
            st.just("set_"),
            st.tuples(ids, flow, st.sampled_from([None, ["failed"], ["extra"], ["started"]])),
        ),
        st.tuples(
            st.just("set_"),
            st.tuples(ids, flow, st.none(), st.sampled_from([["all"], ["1/foo"], ["2/m1"]])),
        ),
        st.tuples(st.just("set_hold_point"), st.tuples(st.sampled_from("1234"))),
        st.tuples(st.just("release_hold_point"), st.just(())),
        st.tuples(st.just("set_graph_window_extent"), st.tuples(st.integers(0, 3))),
        st.tuples(st.just("ext_trigger"), st.just(("the message", "1"))),
        st.tuples(
            st.just("broadcast"),
            st.tuples(
                st.sampled_from(["Set", "Clear"]),
                st.sampled_from([["*"], ["1"]]),
                st.sampled_from([["root"], ["FAM"], ["foo"]]),
                st.just([{"environment": {"A": "1"}}]),
            ),
        ),
        st.tuples(
            st.just("message"),
            st.tuples(
                st.sampled_from(["1/foo/01", "2/m1/01"]),
                st.none(),
                st.sampled_from([[["INFO", "a message"]], [["CRITICAL", "failed/ERR"]]]),
            ),
        ),
        st.tuples(
            st.just("reload"),
            st.tuples(st.sampled_from([_workflow.parse(RICH), _workflow.parse(RELOADED)])),
        ),
        st.tuples(st.just("stop"), st.tuples(st.none(), st.sampled_from(["3", "6"]))),
        st.tuples(st.just("stop"), st.tuples(st.sampled_from(["Clean", "Kill"]))),
    ]
    return st.one_of(some)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(st.one_of(st.floats(0, 4), commands(), commands()), max_size=25),
    paused=st.booleans(),
)
def test_the_stream_leads_from_any_snapshot_to_the_next(steps: list[Any], paused: bool) -> None:
    run = Run(RICH, paused=paused)
    copy = DataStore()
    copy.load(run.scheduler.store.snapshot())
    run.batches.clear()
    for step in steps:
        if run.scheduler.stopped is not None:
            break
        if isinstance(step, float):
            run.wait(step)
        else:
            run.do(step[0], *step[1])
        for batch in run.batches:
            assert copy.apply(pb.AllDeltas.FromString(batch.SerializeToString())) == []
        run.batches.clear()
        assert_same(copy, run.scheduler.store)
        assert_consistent(run)


def assert_same(one: DataStore, other: DataStore) -> None:
    assert _plain(one.workflow) == _plain(other.workflow)
    for topic in TOPICS[:-1]:
        assert one.elements[topic].keys() == other.elements[topic].keys()
        for key, element in one.elements[topic].items():
            assert _plain(element) == _plain(other.elements[topic][key])


def _plain(message: Any) -> Any:
    """Return a message as data in which the order of relations does not matter."""
    return _sorted(MessageToDict(message, preserving_proto_field_name=True))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(one) for key, one in value.items()}
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return sorted(value)
    return value


def assert_consistent(run: Run) -> None:
    store = run.scheduler.store
    proxies = list(store.elements["task_proxies"].values())
    families = store.elements["family_proxies"]
    assert dict(store.workflow.state_totals) == Counter(proxy.state for proxy in proxies)
    assert store.workflow.is_held_total == sum(proxy.is_held for proxy in proxies)
    assert store.workflow.is_queued_total == sum(proxy.is_queued for proxy in proxies)
    assert store.workflow.is_runahead_total == sum(proxy.is_runahead for proxy in proxies)
    for topic in ("task_proxies", "family_proxies", "jobs"):
        assert set(getattr(store.workflow, topic)) == store.elements[topic].keys()
    assert set(store.workflow.edges.edges) == store.elements["edges"].keys()
    for key, family in families.items():
        members = [proxy for proxy in proxies if key in proxy.ancestors]
        assert Counter(proxy.state for proxy in members) == {
            state: count for state, count in family.state_totals.items() if count
        }
        assert family.is_held_total == sum(proxy.is_held for proxy in members)
        assert set(family.child_tasks) == {p.id for p in members if p.first_parent == key}
        assert set(family.child_families) == {
            other for other, one in families.items() if one.first_parent == key
        }
    for edge in store.elements["edges"].values():
        for end in (edge.source, edge.target):
            assert edge.id in store.elements["task_proxies"][end].edges
    for proxy in proxies:
        assert proxy.first_parent in families
        assert set(proxy.edges) <= store.elements["edges"].keys()
        assert set(proxy.jobs) <= store.elements["jobs"].keys()
        assert proxy.id in store.elements["tasks"][proxy.task].proxies


def test_a_hundred_thousand_tasks() -> None:
    definition = _workflow.synthetic(100_000)
    begin = time.process_time()
    scheduler = Scheduler(definition, IDENTITY, START, paused=True)
    scheduler.tick(START)
    assert len(scheduler.store.elements["task_proxies"]) == 100_000
    assert time.process_time() - begin < 60
    begin = time.process_time()
    for number in range(1000):
        assert scheduler.tick(START + number) == []
    assert time.process_time() - begin < 1
