"""The suite's store: how deltas are applied, what a checksum is, and how stores differ."""

import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wri_conformance import deltas
from wri_conformance.deltas import (
    MESSAGES,
    ORDER,
    Store,
    dangling,
    differences,
    repeated,
    shorten,
)
from wri_conformance.replay import replay
from wri_conformance.streams import Batch
from wri_proto.v1 import data_store_pb2 as pb

W = "~u/w"
FOO, BAR = f"{W}//1/foo", f"{W}//1/bar"
EDGE = f"{W}//$edge|1/foo|1/bar"


def snapshot() -> Any:
    return pb.PbEntireWorkflow(
        workflow=pb.PbWorkflow(
            id=W, status="paused", last_updated=10.0, task_proxies=[FOO, BAR], jobs=[]
        ),
        tasks=[pb.PbTask(id=f"{W}//$namespace|foo", stamp="t@1", proxies=[FOO])],
        task_proxies=[
            pb.PbTaskProxy(
                id=FOO,
                stamp=f"{FOO}@1",
                state="waiting",
                task=f"{W}//$namespace|foo",
                first_parent=f"{W}//1/root",
                edges=[EDGE],
                prerequisites=[pb.PbPrerequisite(expression="old")],
            ),
            pb.PbTaskProxy(id=BAR, stamp=f"{BAR}@1", state="waiting", edges=[EDGE]),
        ],
        families=[pb.PbFamily(id=f"{W}//$namespace|root", stamp="f@1", proxies=[f"{W}//1/root"])],
        family_proxies=[
            pb.PbFamilyProxy(
                id=f"{W}//1/root",
                stamp="fp@1",
                family=f"{W}//$namespace|root",
                child_tasks=[FOO, BAR],
                states=["waiting"],
                state_totals={"waiting": 2},
            )
        ],
        edges=[pb.PbEdge(id=EDGE, source=FOO, target=BAR)],
    )


def store() -> Store:
    return Store.of(snapshot())


def apply(one: Store, topic: str, **fields: Any) -> bool:
    return one.apply(topic, MESSAGES[topic](time=fields.pop("time", 11.0), **fields))


def test_the_order_has_every_topic_once() -> None:
    assert sorted(ORDER) == sorted(MESSAGES)


def test_a_snapshot_is_not_changed_by_its_store() -> None:
    taken = snapshot()
    one = Store.of(taken)
    apply(one, "task_proxies", updated=[pb.PbTaskProxy(id=FOO, state="running")])
    apply(one, "workflow", updated=pb.PbWorkflow(id=W, status="running"))
    assert taken == snapshot()


# -- applying


def test_added_replaces_the_whole_element() -> None:
    one = store()
    apply(one, "task_proxies", added=[pb.PbTaskProxy(id=FOO, stamp="new")])
    assert one.elements["task_proxies"][FOO] == pb.PbTaskProxy(id=FOO, stamp="new")


def test_updated_merges_what_is_present() -> None:
    one = store()
    apply(one, "task_proxies", updated=[pb.PbTaskProxy(id=FOO, state="", is_held=False)])
    proxy = one.elements["task_proxies"][FOO]
    assert (proxy.state, proxy.HasField("is_held"), proxy.stamp) == ("", True, f"{FOO}@1")


@pytest.mark.parametrize(
    ("topic", "change", "field", "expected"),
    [
        (
            "task_proxies",
            pb.PbTaskProxy(id=FOO, prerequisites=[pb.PbPrerequisite(expression="new")]),
            "prerequisites",
            [pb.PbPrerequisite(expression="new")],
        ),
        (
            "family_proxies",
            pb.PbFamilyProxy(id=f"{W}//1/root", states=["failed"]),
            "states",
            ["failed"],
        ),
        (
            "family_proxies",
            pb.PbFamilyProxy(id=f"{W}//1/root", state_totals={"failed": 2}),
            "state_totals",
            {"failed": 2},
        ),
        (
            "family_proxies",
            pb.PbFamilyProxy(id=f"{W}//1/root", state_totals={"failed": 2}),
            "states",
            ["waiting"],
        ),
    ],
)
def test_some_fields_are_replaced_where_they_are_present(
    topic: str, change: Any, field: str, expected: Any
) -> None:
    one = store()
    apply(one, topic, updated=[change])
    value = getattr(one.elements[topic][change.id], field)
    assert (dict(value) if isinstance(expected, dict) else list(value)) == expected


def test_states_of_the_workflow_may_become_empty() -> None:
    one = store()
    apply(one, "workflow", updated=pb.PbWorkflow(states=["waiting"], state_totals={"waiting": 2}))
    apply(one, "workflow", updated=pb.PbWorkflow(status="running"))
    assert list(one.workflow.states) == ["waiting"]
    apply(one, "workflow", updated=pb.PbWorkflow(states_updated=True))
    assert (list(one.workflow.states), dict(one.workflow.state_totals)) == ([], {})


def test_the_last_ten_log_records_are_kept() -> None:
    one = store()
    for number in range(12):
        record = pb.PbLogRecord(level="INFO", message=str(number))
        apply(one, "workflow", updated=pb.PbWorkflow(log_records=[record]))
    assert [record.message for record in one.workflow.log_records] == [
        str(number) for number in range(2, 12)
    ]


def test_pruned_elements_leave_the_lists_of_others() -> None:
    one = store()
    one.workflow.task_proxies.append(FOO)  # twice, as real schedulers have it
    one.workflow.edges.edges.extend([EDGE, "other"])
    apply(one, "edges", pruned=[EDGE])
    assert list(one.workflow.edges.edges) == ["other"]
    assert list(one.elements["task_proxies"][FOO].edges) == []
    apply(one, "task_proxies", pruned=[FOO])
    assert list(one.workflow.task_proxies) == [BAR]
    assert list(one.elements["tasks"][f"{W}//$namespace|foo"].proxies) == []
    assert list(one.elements["family_proxies"][f"{W}//1/root"].child_tasks) == [BAR]
    assert list(one.elements["task_proxies"][BAR].edges) == []
    apply(one, "family_proxies", pruned=[f"{W}//1/root"])
    assert list(one.elements["families"][f"{W}//$namespace|root"].proxies) == []


def test_a_pruned_job_leaves_its_task_and_the_workflow() -> None:
    one, job, other = store(), f"{FOO}/01", f"{FOO}/02"
    one.workflow.jobs.extend([job, other])
    one.elements["task_proxies"][FOO].jobs.extend([job, other])
    apply(one, "jobs", added=[pb.PbJob(id=id_, task_proxy=FOO) for id_ in (job, other)])
    apply(one, "jobs", pruned=[job])
    assert list(one.elements["jobs"]) == [other]
    assert list(one.workflow.jobs) == [other]
    assert list(one.elements["task_proxies"][FOO].jobs) == [other]


def test_a_pruned_family_leaves_the_one_above_it_and_definitions_leave_nothing() -> None:
    one, family = store(), f"{W}//1/FAM"
    root = one.elements["family_proxies"][f"{W}//1/root"]
    root.child_families.extend([family, f"{W}//1/other"])
    one.workflow.family_proxies.extend([family, root.id])
    apply(one, "family_proxies", added=[pb.PbFamilyProxy(id=family, first_parent=root.id)])
    apply(one, "family_proxies", pruned=[family])
    assert list(root.child_families) == [f"{W}//1/other"]
    assert list(one.workflow.family_proxies) == [root.id]
    apply(one, "tasks", pruned=[f"{W}//$namespace|foo"])
    apply(one, "families", pruned=[f"{W}//$namespace|root"])
    assert (one.elements["tasks"], one.elements["families"], one.unknown_pruned) == ({}, {}, 0)


def test_messages_of_a_job_are_replaced_and_lists_of_a_task_grow() -> None:
    one, task = store(), f"{W}//$namespace|foo"
    apply(one, "jobs", added=[pb.PbJob(id="j", messages=["a"])])
    apply(one, "jobs", updated=[pb.PbJob(id="j", messages=["b", "c"])])
    assert list(one.elements["jobs"]["j"].messages) == ["b", "c"]
    apply(one, "tasks", updated=[pb.PbTask(id=task, proxies=[BAR])])
    assert list(one.elements["tasks"][task].proxies) == [FOO, BAR]


def test_what_is_unknown_is_counted_and_ignored() -> None:
    one = store()
    unknown = [pb.PbJob(id=id_, state="running") for id_ in "vwx"]
    apply(one, "jobs", updated=unknown, pruned=["y", "z"])
    assert (one.unknown_updates, one.unknown_pruned, one.elements["jobs"]) == (3, 2, {})


def test_reloaded_drops_everything_of_the_type_first() -> None:
    one = store()
    apply(one, "task_proxies", time=20.0)
    assert apply(one, "task_proxies", time=1.0, reloaded=True, added=[pb.PbTaskProxy(id="new")])
    assert list(one.elements["task_proxies"]) == ["new"]
    assert list(one.elements["tasks"])
    apply(one, "workflow", reloaded=True, added=pb.PbWorkflow(id=W, name="w"))
    assert one.workflow == pb.PbWorkflow(id=W, name="w")


def test_an_older_delta_of_the_same_type_is_skipped() -> None:
    one = store()
    assert apply(one, "task_proxies", time=5.0, updated=[pb.PbTaskProxy(id=FOO, state="a")])
    assert apply(one, "task_proxies", time=5.0, updated=[pb.PbTaskProxy(id=FOO, state="b")])
    assert not apply(one, "task_proxies", time=4.9, updated=[pb.PbTaskProxy(id=FOO, state="c")])
    assert apply(one, "jobs", time=4.9)
    assert one.elements["task_proxies"][FOO].state == "b"


# -- checksums


def test_a_checksum_is_of_sorted_stamps_and_of_the_ids_of_edges() -> None:
    one = store()
    stamps = f"{BAR}@1{FOO}@1"
    assert one.checksum("task_proxies") == zlib.adler32(stamps.encode())
    assert one.checksum("edges") == zlib.adler32(EDGE.encode())
    assert one.checksum("jobs") == 1


@given(st.lists(st.tuples(st.text(), st.text()), unique_by=lambda pair: pair[0]))
def test_the_order_of_arrival_does_not_change_a_checksum(pairs: list[tuple[str, str]]) -> None:
    elements = [pb.PbTask(id=id_, stamp=stamp) for id_, stamp in pairs]
    one, other = Store(), Store()
    apply(one, "tasks", added=elements)
    apply(other, "tasks", added=elements[::-1])
    assert one.checksum("tasks") == other.checksum("tasks")
    assert differences(one, other) == []


# -- comparing


def test_equal_stores_do_not_differ() -> None:
    assert differences(store(), store()) == []


@pytest.mark.parametrize(
    ("topic", "fields", "words"),
    [
        (
            "task_proxies",
            {"updated": [pb.PbTaskProxy(id=FOO, state="running")]},
            f"task_proxies {FOO}: state: 'running' instead of 'waiting'",
        ),
        (
            "task_proxies",
            {"updated": [pb.PbTaskProxy(id=FOO, is_held=False)]},
            f"task_proxies {FOO}: is_held: False instead of nothing",
        ),
        (
            "task_proxies",
            {"updated": [pb.PbTaskProxy(id=FOO, outputs={"x": pb.PbOutput(label="x")})]},
            f"task_proxies {FOO}: outputs: {{'x': {{'label': 'x'}}}} instead of nothing",
        ),
        ("jobs", {"added": [pb.PbJob(id="j")]}, "jobs j: not in the snapshot"),
        (
            "family_proxies",
            {"updated": [pb.PbFamilyProxy(id=f"{W}//1/root", state_totals={"waiting": 1})]},
            "state_totals: {'waiting': 1} instead of {'waiting': 2}",
        ),
        ("workflow", {"updated": pb.PbWorkflow(status="x")}, "workflow: status: 'x' instead of"),
        (
            "workflow",
            {"updated": pb.PbWorkflow(last_updated=10.5)},
            "workflow: last_updated: 10.5 instead of 10.0",
        ),
    ],
)
def test_a_difference_is_told(topic: str, fields: Any, words: str) -> None:
    one = store()
    apply(one, topic, **fields)
    (told,) = differences(one, store())
    assert words in told


def test_a_missing_element_and_a_missing_relation_are_told() -> None:
    one = store()
    del one.elements["edges"][EDGE]
    one.elements["task_proxies"][FOO].ClearField("edges")
    assert differences(one, store()) == [
        f"edges {EDGE}: missing",
        f"task_proxies {FOO}: edges: lacks ['{EDGE}'], has [] besides",
    ]


def test_duplicates_order_and_ids_of_what_is_gone_do_not_count() -> None:
    one = store()
    one.workflow.task_proxies.extend([BAR, FOO, f"{W}//9/gone"])
    one.elements["task_proxies"][FOO].edges.append(EDGE)
    one.elements["task_proxies"][FOO].jobs.append(f"{FOO}/01")
    assert differences(one, store()) == []


def test_what_only_the_snapshot_says_is_told() -> None:
    one = store()
    one.workflow.ClearField("status")
    assert differences(one, store()) == ["workflow: status: nothing instead of 'paused'"]


def test_inside_of_messages_lists_are_sets_of_what_is_there_too() -> None:
    one, other = store(), store()
    gone = f"{W}//9/gone"
    one.workflow.edges.edges.extend([EDGE, gone, "a", "b"])
    other.workflow.edges.edges.extend(["b", "a", EDGE])
    proxy = one.elements["task_proxies"][FOO]
    proxy.prerequisites[0].cycle_points.append(gone)
    one.workflow.latest_state_tasks["running"].task_proxies.extend([FOO, gone])
    other.workflow.latest_state_tasks["running"].task_proxies.append(FOO)
    assert differences(one, other) == []
    one.workflow.edges.edges.append("c")
    (told,) = differences(one, other)
    assert told.startswith("workflow: edges: ")


def test_an_identifier_that_a_list_has_twice_is_told_and_a_text_is_not() -> None:
    one = store()
    one.workflow.edges.edges.extend([EDGE, EDGE])
    one.workflow.states.extend(["waiting", "waiting"])
    one.elements["task_proxies"][FOO].edges.append(EDGE)
    assert repeated(one) == [f"workflow edges: edges: {EDGE}", f"task_proxies {FOO}: edges: {EDGE}"]
    assert repeated(store()) == []


def test_an_identifier_of_no_element_is_told() -> None:
    one = store()
    del one.elements["edges"][EDGE]
    one.workflow.ns_def_order.append("no identifier")
    one.workflow.jobs.append(f"{FOO}/01")
    assert dangling(one)[:1] == [f"workflow: jobs: {FOO}/01"]
    assert dangling(one)[1:] == [f"task_proxies {id_}: edges: {EDGE}" for id_ in (FOO, BAR)]
    assert dangling(store()) == []


def test_what_is_short_enough_is_told_in_full() -> None:
    texts = ["x" * deltas._WIDTH] * deltas._MOST
    assert shorten(texts) == texts
    assert len(shorten([*texts, "x"])) == len(texts) + 1


def test_differences_are_bounded() -> None:
    one = store()
    apply(one, "jobs", added=[pb.PbJob(id=f"{n:03}" + "x" * 1000) for n in range(50)])
    told = differences(one, store())
    assert len(told) == 21
    assert told[-1] == "and 30 more"
    assert max(map(len, told)) < 250


# -- replaying


def batch(time: float, updated: float | None = None, **parts: Any) -> Batch:
    told = {topic: MESSAGES[topic](time=time, **fields) for topic, fields in parts.items()}
    if updated is not None:
        told["workflow"] = pb.WDeltas(time=time, updated=pb.PbWorkflow(last_updated=updated))
    return Batch(told, {}, None)


def held(stamp: str = "new") -> dict[str, Any]:
    return {"updated": [pb.PbTaskProxy(id=FOO, is_held=True, stamp=stamp)]}


def later(last_updated: float = 12.0, stamp: str = "new") -> Any:
    until = snapshot()
    until.workflow.last_updated = last_updated
    until.task_proxies[0].is_held = True
    until.task_proxies[0].stamp = stamp
    return until


def test_a_replay_that_arrives_at_the_snapshot() -> None:
    checksum = zlib.adler32(f"new{BAR}@1".encode())
    change = {**held(), "checksum": checksum}
    seen = replay(snapshot(), [batch(12.001, 12.0, task_proxies=change)], later())
    assert seen == {
        "equal": True,
        "reached": True,
        "differences": [],
        "batches": 1,
        "applied": 1,
        "skipped": 0,
        "beyond": 0,
        "checksums": {"verified": 1, "wrong": []},
        "unknown_updates": 0,
        "unknown_pruned": 0,
    }


def test_every_checksum_of_every_batch_is_verified() -> None:
    first = {**held("a"), "checksum": zlib.adler32(f"a{BAR}@1".encode())}
    second = {**held(), "checksum": zlib.adler32(f"new{BAR}@1".encode())}
    edges = {"checksum": zlib.adler32(EDGE.encode())}
    batches = [
        batch(11.001, 11.0, task_proxies=first, edges=edges),
        batch(12.001, 12.0, task_proxies=second, edges={"checksum": 7}),
    ]
    seen = replay(snapshot(), batches, later())
    assert (seen["equal"], seen["checksums"]["verified"]) == (True, 3)
    assert len(seen["checksums"]["wrong"]) == 1


@pytest.mark.parametrize("begin", [0.5, 10.0])
def test_a_batch_of_nothing_is_skipped(begin: float) -> None:
    whole = snapshot()
    whole.workflow.last_updated = begin
    seen = replay(whole, [Batch({}, {}, 0)], whole)
    assert (seen["equal"], seen["skipped"], seen["applied"]) == (None, 1, 0)


def test_into_an_empty_store_everything_is_applied() -> None:
    whole = pb.PbEntireWorkflow(workflow=pb.PbWorkflow(id=W, last_updated=0.25))
    one = Batch({"workflow": pb.WDeltas(time=0.5, added=whole.workflow)}, {}, None)
    seen = replay(None, [one], whole)
    assert (seen["equal"], seen["skipped"], seen["applied"]) == (True, 0, 1)


def test_a_lost_batch_shows() -> None:
    seen = replay(snapshot(), [batch(12.001, 12.0)], later())
    assert not seen["equal"]
    assert len(seen["differences"]) == 2


def test_a_stream_that_ends_too_early_is_told_first() -> None:
    seen = replay(snapshot(), [batch(11.001, 11.0)], later())
    assert not seen["reached"]
    assert seen["differences"][0] == "the stream ends 1.000 s before the snapshot was updated last"


def test_a_wrong_checksum_shows() -> None:
    change = {**held(), "checksum": 7}
    seen = replay(snapshot(), [batch(12.001, 12.0, task_proxies=change)], later())
    assert seen["equal"]
    assert seen["checksums"]["verified"] == 0
    assert "task_proxies, batch 1: 7 instead of" in seen["checksums"]["wrong"][0]


def test_what_the_snapshot_has_is_skipped_and_what_came_after_is_not_applied() -> None:
    batches = [
        batch(9.001, 9.0, task_proxies=held("early")),
        batch(10.004, 10.0, task_proxies=held("same")),
        batch(12.001, 12.0, task_proxies=held()),
        batch(13.001, 13.0, task_proxies=held("late")),
        batch(13.002, None, task_proxies=held("later")),
    ]
    seen = replay(snapshot(), batches, later())
    assert (seen["equal"], seen["skipped"], seen["applied"], seen["beyond"]) == (True, 2, 1, 2)


def test_without_the_workflow_the_time_of_a_batch_decides() -> None:
    batches = [batch(9.9, task_proxies=held("early")), batch(10.0, task_proxies=held())]
    seen = replay(snapshot(), batches, later(last_updated=10.0))
    assert (seen["equal"], seen["skipped"], seen["applied"]) == (True, 1, 1)


def test_no_batch_and_no_checksum_are_no_evidence() -> None:
    seen = replay(snapshot(), [], snapshot())
    assert (seen["equal"], seen["differences"], seen["checksums"]["wrong"]) == (None, None, None)
    seen = replay(snapshot(), [batch(12.001, 12.0, task_proxies=held())], later())
    assert (seen["equal"], seen["checksums"]) == (True, {"verified": 0, "wrong": None})


def test_an_empty_store_is_filled_by_the_first_batch() -> None:
    whole = snapshot()
    parts: dict[str, Any] = {
        topic: {"added": list(getattr(whole, topic)), "reloaded": True}
        for topic in ORDER
        if topic != "workflow"
    }
    parts["workflow"] = {"added": whole.workflow, "reloaded": True}
    once = batch(10.001, **parts)
    seen = replay(None, [once, once], whole)
    assert (seen["equal"], seen["applied"]) == (True, 2)
