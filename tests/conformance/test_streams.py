"""What belongs to one batch, and the facts of a stream; nothing where there is no evidence."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wri_conformance import fields, streams
from wri_conformance.deltas import MESSAGES
from wri_conformance.streams import Publication, Stream, describe
from wri_proto.v1 import data_store_pb2 as pb

VACUOUS = (
    "unknown_topics",
    "undecodable",
    "bursts_in_order",
    "interleaved",
    "all_differs",
    "missing_from_all",
    "missing_beside_all",
    "last",
    "without_checksum",
    "without_id",
    "without_stamp",
    "added_and_updated",
    "after_shutdown",
    "job_states",
)

Message = tuple[str, Any]


def job(time: float, **fields: Any) -> Message:
    return "jobs", pb.JDeltas(time=time, checksum=1, **fields)


def workflow(time: float, **fields: Any) -> Message:
    return "workflow", pb.WDeltas(time=time, **fields)


def whole(*parts: Message) -> Message:
    return "all", pb.AllDeltas(**dict(parts))


def burst(time: float) -> list[Message]:
    parts = [job(time), workflow(time)]
    return [*parts, whole(*parts)]


def published(*messages: Message | list[bytes]) -> list[Publication]:
    return [
        Publication.of(m if isinstance(m, list) else [m[0].encode(), m[1].SerializeToString()])
        for m in messages
    ]


def seen(*messages: Message | list[bytes]) -> dict[str, Any]:
    return describe(Stream.of(published(*messages)))


def test_a_good_stream() -> None:
    facts = seen(*burst(1.0), *burst(2.0), *burst(2.0), [b"shutdown", b"REQUEST(NOW)"])
    expected = {
        "count": 10,
        "topics": ["all", "jobs", "shutdown", "workflow"],
        "unknown_topics": [],
        "frames": [2],
        "undecodable": [],
        "batches": 3,
        "unfinished": 0,
        "bursts_in_order": True,
        "interleaved": 0,
        "all_differs": [],
        "missing_from_all": [],
        "missing_beside_all": [],
        "times": {"decreasing": 0, "differ_within_batch": 0},
        "last": {"topic": "shutdown", "text": "REQUEST(NOW)"},
        "without_checksum": [],
        "after_shutdown": 0,
        "reloaded": 0,
    }
    assert {name: facts[name] for name in expected} == expected


def test_an_empty_stream_is_no_evidence() -> None:
    facts = seen()
    assert facts["count"] == facts["batches"] == 0
    assert {name: facts[name] for name in VACUOUS} == dict.fromkeys(VACUOUS)
    assert facts["times"] == {"decreasing": None, "differ_within_batch": None}


def test_a_stream_without_all_cannot_be_compared_with_it() -> None:
    facts = seen(job(1.0), workflow(1.0), job(2.0), job(2.0))
    assert facts["batches"] == 3
    assert facts["bursts_in_order"] is facts["all_differs"] is facts["missing_from_all"] is None
    assert facts["times"] == {"decreasing": 0, "differ_within_batch": None}


def test_a_stream_of_nothing_but_all_cannot_be_compared_with_it() -> None:
    facts = seen(whole(job(1.0)), whole(job(2.0)))
    assert facts["batches"] == 2
    assert facts["bursts_in_order"] is facts["all_differs"] is None


@pytest.mark.parametrize(
    ("messages", "name", "value"),
    [
        ([whole(job(1.0)), job(1.0)], "bursts_in_order", False),
        ([job(1.0), job(2.0), whole(job(1.0)), whole(job(2.0))], "interleaved", 1),
        ([job(1.0), whole(job(1.0, pruned=["x"]))], "all_differs", ["jobs"]),
        ([job(1.0), workflow(1.0), whole(job(1.0))], "missing_from_all", ["workflow"]),
        ([*burst(1.0), job(2.0), whole(*burst(2.0)[:2])], "missing_beside_all", ["workflow"]),
        ([job(1.0), whole(*burst(1.0)[:2])], "missing_beside_all", ["workflow"]),
        ([*burst(1.0), job(2.0)], "unfinished", 1),
        ([*burst(2.0), *burst(1.0)], "times", {"decreasing": 1, "differ_within_batch": 0}),
        (
            [job(1.0), workflow(1.5), whole(job(1.0), workflow(1.5))],
            "times",
            {"decreasing": None, "differ_within_batch": 1},
        ),
        ([[b"jobs", b"\xff\xff"], *burst(1.0)], "undecodable", ["jobs"]),
        ([[b"jobs", b""], [b"heartbeat", b""]], "unknown_topics", ["heartbeat"]),
        ([[b"jobs"], [b"jobs", b"", b""]], "frames", [1, 3]),
        ([[]], "topics", [""]),
        ([[b"shutdown", b"x"], *burst(1.0)], "after_shutdown", 3),
        ([[b"jobs", pb.JDeltas(time=1.0).SerializeToString()]], "without_checksum", ["jobs"]),
        ([job(1.0, added=[pb.PbJob(state="running")])], "without_id", ["jobs"]),
        ([job(1.0, updated=[pb.PbJob(id="j", state="x")])], "without_stamp", ["jobs"]),
        ([job(1.0, updated=[pb.PbJob(id="j", stamp="s")])], "without_stamp", []),
        (
            [job(1.0, added=[pb.PbJob(id="j")], updated=[pb.PbJob(id="j", state="x")])],
            "added_and_updated",
            ["jobs"],
        ),
        ([job(1.0), job(2.0), whole(job(1.0)), whole(job(2.0))], "bursts_in_order", False),
        ([job(2.0), *burst(1.0), whole(job(2.0))], "interleaved", 1),
        ([job(1.0), whole(*burst(1.0)[:2]), *burst(2.0)], "missing_beside_all", []),
        (
            [*burst(1.0), job(2.0), whole(*burst(2.0)[:2]), *burst(3.0)],
            "missing_beside_all",
            ["workflow"],
        ),
        ([job(1.0), whole(workflow(2.0))], "missing_beside_all", ["workflow"]),
        ([job(1.0), whole(workflow(2.0))], "missing_from_all", ["jobs"]),
        ([job(1.0), whole(workflow(2.0))], "bursts_in_order", None),
        ([job(1.0), whole(workflow(2.0))], "interleaved", None),
        ([job(1.0), whole(workflow(2.0))], "unfinished", 0),
        ([[b"jobs", b"\xff\xff"], job(1.0), [b"shutdown"], workflow(2.0)], "batches", 2),
        ([job(1.0), workflow(1.0), workflow(1.0)], "batches", 2),
        ([[b"jobs"], *burst(1.0)], "undecodable", []),
        ([[b"shutdown"]], "undecodable", None),
        ([[b"all", b"\xff"], job(1.0)], "undecodable", ["all"]),
        ([whole(), job(1.0), whole(job(1.0))], "batches", 2),
        ([whole(), whole()], "times", {"decreasing": None, "differ_within_batch": 0}),
        ([[b"shutdown", b"x"], [b"shutdown", b"y"]], "after_shutdown", 1),
        ([job(1.0)], "after_shutdown", None),
        ([[b"shutdown"]], "last", {"topic": "shutdown", "text": ""}),
        ([workflow(1.0)], "without_id", None),
        ([workflow(1.0)], "added_and_updated", None),
        ([job(1.0)], "last", {"topic": "jobs", "text": ""}),
        ([[b"\xff", b"\xff"]], "last", {"topic": "\ufffd", "text": "\ufffd"}),
        ([[b"shutdown", b"x", b"y"]], "last", {"topic": "shutdown", "text": "x"}),
        ([workflow(1.0), [b"all", b""]], "without_checksum", None),
        ([job(1.0, pruned=["x"])], "without_id", None),
        ([workflow(1.0, updated=pb.PbWorkflow(status="x"))], "without_id", ["workflow"]),
        ([workflow(1.0, updated=pb.PbWorkflow(id="w", name="x"))], "without_stamp", ["workflow"]),
        ([workflow(1.0, updated=pb.PbWorkflow(id="w", states=["x"]))], "without_stamp", None),
        ([job(1.0, added=[pb.PbJob(id="j")])], "added_and_updated", []),
        ([job(1.0, updated=[pb.PbJob(id="j")])], "added_and_updated", []),
        ([workflow(1.0), job(1.0, added=[pb.PbJob(id="j")])], "job_states", None),
        ([job(1.0, reloaded=True), workflow(1.0), job(2.0)], "reloaded", 1),
        ([job(1.0, reloaded=True), workflow(1.0)], "reloaded_topics", ["jobs"]),
    ],
)
def test_each_fault_shows(messages: list[Message], name: str, value: Any) -> None:
    assert seen(*messages)[name] == value


def test_an_update_of_relations_needs_no_stamp() -> None:
    edges = pb.PbTaskProxy(id="t", edges=["e"])
    proxies = pb.TPDeltas(time=1.0, added=[pb.PbTaskProxy(id="n")], updated=[edges])
    assert seen(("task_proxies", proxies))["without_stamp"] is None
    proxies.updated.add(id="n", state="new, and with its stamp in added")
    assert seen(("task_proxies", proxies))["without_stamp"] is None


def test_an_update_of_anything_else_needs_a_stamp_unless_it_is_an_edge() -> None:
    one = pb.PbTaskProxy(id="t", edges=["e"], prerequisites=[pb.PbPrerequisite(expression="x")])
    changed = pb.TPDeltas(time=1.0, updated=[one])
    assert seen(("task_proxies", changed))["without_stamp"] == ["task_proxies"]
    edge = pb.PbEdge(id="e", suicide=True)
    assert seen(("edges", pb.EDeltas(time=1.0, updated=[edge])))["without_stamp"] is None


def test_a_stream_knows_the_places_of_what_belongs_together() -> None:
    stream = Stream.of(published(job(1.0), [b"x"], workflow(1.0), job(1.0)))
    assert [(dict(one.own), one.end) for one in stream.batches] == [
        ({"jobs": 0, "workflow": 2}, None),
        ({"jobs": 3}, None),
    ]
    stream = Stream.of(published(*burst(1.0), job(2.0), *burst(1.0)))
    assert [(dict(one.own), one.end) for one in stream.batches] == [
        ({"jobs": 0, "workflow": 1}, 2),
        ({"jobs": 4, "workflow": 5}, 6),
    ]
    assert stream.alone == (3,)


def test_a_long_last_text_is_cut() -> None:
    text = seen([b"shutdown", b"x" * 10_000])["last"]["text"]
    assert 0 < len(text) < 1000


def test_a_message_that_may_be_decoded_is_not_too_much_for_a_stream() -> None:
    assert streams._MOST_FIELDS >= fields.MOST


def test_elements_are_counted_once_by_topic() -> None:
    jobs = job(1.0, added=[pb.PbJob(id="a"), pb.PbJob(id="b")], pruned=["c"])
    facts = seen(jobs, whole(jobs, workflow(1.0, updated=pb.PbWorkflow(id="w"))))
    assert (facts["added"]["jobs"], facts["pruned"]["jobs"]) == (2, 1)
    assert facts["updated"] == {**dict.fromkeys(MESSAGES, 0), "workflow": 1}
    assert (facts["added"]["workflow"], facts["pruned"]["workflow"]) == (0, 0)
    gone = seen(workflow(1.0, added=pb.PbWorkflow(id="w"), pruned="w1"), job(1.0), jobs)
    assert (gone["added"]["workflow"], gone["pruned"]["workflow"]) == (1, 1)
    assert (gone["added"]["jobs"], gone["updated"]["jobs"]) == (2, 0)
    assert set(facts["added"]) == set(MESSAGES)


def test_what_jobs_came_to_last() -> None:
    begin = job(1.0, added=[pb.PbJob(id=one, state="running") for one in "abc"])
    end = job(2.0, updated=[pb.PbJob(id="a", state="failed"), pb.PbJob(id="b", messages=["x"])])
    assert seen(begin)["job_states"] == ["running"]
    assert seen(begin, end)["job_states"] == ["failed", "running"]
    assert seen(whole(begin), whole(end))["job_states"] == ["failed", "running"]
    assert seen(end)["job_states"] == ["failed"]


@given(st.lists(st.booleans(), max_size=8))
def test_batches_are_found_whether_or_not_their_time_grows(grows: Iterable[bool]) -> None:
    time, messages, number = 1.0, [], 0
    for one in grows:
        time += one
        number += 1
        messages += burst(time)
    facts = seen(*messages)
    assert facts["batches"] == number
    assert facts["unfinished"] == 0
    assert facts["bursts_in_order"] is (True if number else None)
