"""What the scripted scheduler does about requests, and what it knows of its data store."""

import json
from typing import Any

import pytest

from wri_conformance import schemas
from wri_conformance.deltas import ORDER
from wri_conformance.script import Request, Response, Script, publications
from wri_conformance.truth import Truth, message, messages_in
from wri_proto.v1 import data_store_pb2 as pb

TRUTH = {
    "workflow": {"id": "~u/w", "stamp": "~u/w@1", "lastUpdated": 1},
    "taskProxies": [{"id": "~u/w//1/foo", "stamp": "a@1", "state": "waiting"}],
}


def request(command: str = "api", number: int = 1, **args: Any) -> Request:
    body = json.dumps({"command": command, "args": args}).encode()
    return Request(number, (str(number).encode(), b""), (body,))


def sent(response: Response) -> list[Any]:
    return [json.loads(one.frames[0]) for one in response.sendings]


def test_without_a_script_a_request_is_refused() -> None:
    for script in (Script(), Script({"by_command": {"api": {"data": 1}}})):
        (reply,) = sent(script.respond(request("stop"), Truth()))
        assert "no reply to 'stop'" in reply["error"]["message"]
        assert schemas.named("response.json#/$defs/error").is_valid(reply)


@pytest.mark.parametrize(
    ("spec", "response"),
    [
        ({"data": None}, {"data": None, "cylc_version": "8.5.4"}),
        ({"error": "no"}, {"error": {"message": "no"}, "cylc_version": "8.5.4"}),
        ({"echo": True}, {"data": {"a": 1}, "cylc_version": "8.5.4"}),
        ({"json": [1]}, [1]),
    ],
)
def test_a_reply_goes_where_the_request_came_from(spec: Any, response: Any) -> None:
    done = Script(spec).respond(request(a=1), Truth())
    assert sent(done) == [response]
    assert done.sendings[0].route == (b"1", b"")


def test_nothing_is_no_reply() -> None:
    assert Script("nothing").respond(request(), Truth()) == Response((), (), ())


@pytest.mark.parametrize("body", [b"[1]", b"7", b"\xff", b"", b"{}"])
def test_who_asks_for_nothing_is_answered_too(body: bytes) -> None:
    asked = Request(1, (), (body,))
    assert sent(Script({"echo": True}).respond(asked, Truth()))[0]["data"] is None
    (reply,) = Script({"elements": True}).respond(asked, Truth()).sendings
    assert reply.frames == ()
    script = Script({"by_command": {"api": {"data": 1}, "*": {"data": 2}}})
    assert sent(script.respond(asked, Truth()))[0]["data"] == 2


def test_replies_are_used_in_turn_and_the_last_one_stays() -> None:
    script = Script([{"data": 1}, {"data": 2}, {"data": 3}])
    assert [sent(script.respond(request(), Truth()))[0]["data"] for _ in range(4)] == [1, 2, 3, 3]


def test_endpoints_have_replies_and_turns_of_their_own() -> None:
    script = Script({"by_command": {"a": [{"data": 1}, {"data": 2}], "*": {"data": 3}}})
    replies = [sent(script.respond(request(c), Truth()))[0]["data"] for c in "abab"]
    assert replies == [1, 3, 2, 3]


def test_a_reply_comes_later_and_several_times() -> None:
    done = Script({"data": 1, "after": 2, "times": 3}).respond(request(), Truth())
    assert [one.after for one in done.sendings] == [2.0, 2.0, 2.0]
    (once,) = Script({"data": 1}).respond(request(), Truth()).sendings
    assert once.after == 0.0


def test_replies_are_held_back_until_enough_requests_came_and_turned_round() -> None:
    script = Script({"echo": True, "gather": 2})
    assert script.respond(request(number=1, n=1), Truth()) == Response()
    assert script.holds
    done = script.respond(request(number=2, n=2), Truth())
    assert [(one.route[0], json.loads(one.frames[0])["data"]["n"]) for one in done.sendings] == [
        (b"2", 2),
        (b"1", 1),
    ]
    assert not script.holds


def test_replies_that_are_held_back_can_come_in_order() -> None:
    script = Script({"echo": True, "gather": 2, "in_order": True})
    script.respond(request(number=1, n=1), Truth())
    done = script.respond(request(number=2, n=2), Truth())
    assert [one.route[0] for one in done.sendings] == [b"1", b"2"]


def test_what_is_held_back_is_answered_in_the_end() -> None:
    script = Script({"echo": True, "gather": 2})
    script.respond(request(n=1), Truth())
    (one,) = script.give_up(Truth())
    assert json.loads(one.frames[0])["data"] == {"n": 1}
    assert not script.holds
    assert 0 < script.patience < float("inf")


def test_a_snapshot_that_is_held_back_is_that_of_the_end() -> None:
    truth = Truth.of(TRUTH)
    script = Script({"snapshot": True, "gather": 2})
    script.respond(request(), truth)
    truth.change({"delta": {"task_proxies": {"pruned": ["~u/w//1/foo"]}}})
    done = script.respond(request(), truth)
    assert [one.frames for one in done.sendings] == [(truth.snapshot(),)] * 2
    script.respond(request(), truth)
    assert [one.frames for one in script.give_up(truth)] == [(truth.snapshot(),)]


def test_what_is_published_before_is_in_the_snapshot() -> None:
    truth = Truth.of(TRUTH)
    gone = {"task_proxies": {"pruned": ["~u/w//1/foo"]}}
    script = Script({"snapshot": True, "publish": [{"delta": gone}], "after": 3})
    done = script.respond(request("pb_entire_workflow"), truth)
    assert [topic for topic, _ in done.publications] == [b"task_proxies", b"all"]
    assert done.meanwhile == ()
    assert truth.compare(done.sendings[0].frames[0])["equal"]


def test_a_reply_may_be_any_message() -> None:
    reply = {"message": "TPDeltas", "value": {"added": [{"id": "x"}], "time": 2}}
    (one,) = Script(reply).respond(request(), Truth()).sendings
    assert pb.TPDeltas.FromString(one.frames[0]) == pb.TPDeltas(
        time=2, added=[pb.PbTaskProxy(id="x")]
    )
    (one,) = Script({"message": "TPDeltas"}).respond(request(), Truth()).sendings
    assert one.frames == (b"",)


def test_a_request_is_described() -> None:
    assert request(a=1).describe() == {
        "frames": 1,
        "utf8": True,
        "bom": False,
        "is_json": True,
        "repeated_names": [],
        "json": {"command": "api", "args": {"a": 1}},
    }
    for body, utf8, bom in ((b"\xff", False, False), (b"\xef\xbb\xbf{}", True, True)):
        seen = Request(1, (), (body,)).describe()
        assert (seen["utf8"], seen["bom"], seen["is_json"]) == (utf8, bom, False)
    twice = Request(1, (), (b'{"a": 1, "a": 2}', b"")).describe()
    assert twice["repeated_names"] == ["a"]
    assert twice["frames"] == 2
    assert Request(1, (), ()).describe() == {
        "frames": 0,
        "utf8": True,
        "bom": False,
        "is_json": False,
        "repeated_names": [],
        "json": None,
    }


def test_the_snapshot_is_the_truth() -> None:
    truth = Truth.of(TRUTH)
    (frame,) = Script({"snapshot": True}).respond(request(), truth).sendings[0].frames
    assert truth.compare(frame)["equal"]
    whole = pb.PbEntireWorkflow.FromString(frame)
    assert [one.state for one in whole.task_proxies] == ["waiting"]


def test_a_delta_changes_the_truth_and_is_published_by_type_and_as_all() -> None:
    truth = Truth.of(TRUTH)
    before = truth.snapshot()
    delta = {
        "task_proxies": {"updated": [{"id": "~u/w//1/foo", "stamp": "a@2", "state": "running"}]}
    }
    (topic, payload), (everything, whole) = publications({"delta": delta}, truth)
    assert (topic, everything) == (b"task_proxies", b"all")
    part = pb.TPDeltas.FromString(payload)
    assert pb.AllDeltas.FromString(whole).task_proxies == part
    assert part.time == 2.0
    assert part.checksum == truth.store.checksum("task_proxies")
    assert not truth.compare(before)["equal"]
    told = truth.compare(before)["differences"]
    assert told == [
        "task_proxies ~u/w//1/foo: stamp: 'a@1' instead of 'a@2'",
        "task_proxies ~u/w//1/foo: state: 'waiting' instead of 'running'",
    ]


def test_what_is_withheld_becomes_true_and_what_is_wrong_does_not() -> None:
    truth = Truth.of(TRUTH)
    gone = {"task_proxies": {"pruned": ["~u/w//1/foo"]}}
    wrong = publications({"delta": gone, "wrong": True, "time": 0.5}, truth)
    assert pb.TPDeltas.FromString(wrong[0][1]).time == 0.5
    assert truth.time == 1.0
    assert truth.store.elements["task_proxies"]
    assert publications({"delta": gone, "withheld": True}, truth) == []
    assert not truth.store.elements["task_proxies"]


def test_what_is_published_meanwhile_is_not_in_the_snapshot() -> None:
    truth = Truth.of(TRUTH)
    before, after = truth.snapshot(), {"task_proxies": {"pruned": ["~u/w//1/foo"]}}
    script = Script({"snapshot": True, "after": 3, "meanwhile": [{"delta": after}]})
    done = script.respond(request("pb_entire_workflow"), truth)
    assert done.sendings[0].frames == (before,)
    assert done.publications == ()
    assert [(one.after, len(one.messages)) for one in done.meanwhile] == [(1.5, 2)]
    at_once = Script({"data": 1, "meanwhile": [{"topic": "shutdown"}]}).respond(request(), truth)
    assert [(one.after, one.messages) for one in at_once.meanwhile] == [
        (0.0, ((b"shutdown", b""),))
    ]
    assert not truth.compare(before)["equal"]


def test_elements_are_those_of_the_type() -> None:
    truth = Truth.of(TRUTH)
    script = Script({"elements": True})
    asked = request("pb_data_elements", element_type="task_proxies")
    (frame,) = script.respond(asked, truth).sendings[0].frames
    assert [one.id for one in pb.TPDeltas.FromString(frame).added] == ["~u/w//1/foo"]
    asked = request("pb_data_elements", element_type="workflow")
    (frame,) = script.respond(asked, truth).sendings[0].frames
    assert pb.WDeltas.FromString(frame).added.id == "~u/w"
    others: list[Any] = ["nonsense", "all", None, [1], {}]
    for other in others:
        asked = request("pb_data_elements", element_type=other)
        assert script.respond(asked, truth).sendings[0].frames == ()


EVERYTHING: dict[str, Any] = {
    **TRUTH,
    "tasks": [{"id": "~u/w//$namespace|foo", "stamp": "t@1"}],
    "families": [{"id": "~u/w//$namespace|root", "stamp": "f@1"}],
    "familyProxies": [{"id": "~u/w//1/root", "stamp": "r@1"}],
    "jobs": [{"id": "~u/w//1/foo/01", "stamp": "j@1"}],
    "edges": [{"id": "~u/w//$edge|1/foo|1/foo", "source": "~u/w//1/foo"}],
}


def test_a_snapshot_has_everything() -> None:
    truth = Truth.of(EVERYTHING)
    assert pb.PbEntireWorkflow.FromString(truth.snapshot()) == message(
        "PbEntireWorkflow", EVERYTHING
    )


def test_elements_come_with_time_and_checksum() -> None:
    truth = Truth.of(EVERYTHING)
    truth.change({"delta": {"task_proxies": {"updated": [{"id": "~u/w//1/foo", "stamp": "a@2"}]}}})
    told = pb.TPDeltas.FromString(truth.elements("task_proxies"))
    assert (told.time, told.checksum) == (2.0, truth.store.checksum("task_proxies"))
    assert told.added[0].stamp == "a@2"
    assert pb.WDeltas.FromString(truth.elements("workflow")) == pb.WDeltas(
        added=truth.store.workflow, time=2.0
    )


def test_a_delta_of_several_types_is_one_batch_in_order() -> None:
    truth = Truth.of(EVERYTHING)
    spec = {
        "workflow": {"updated": {"id": "~u/w", "status": "paused"}},
        "task_proxies": {"pruned": ["~u/w//1/foo"]},
        "edges": {"pruned": ["~u/w//$edge|1/foo|1/foo"]},
    }
    first = truth.change({"delta": spec})
    assert [topic.decode() for topic, _ in first] == [
        *(topic for topic in ORDER if topic in spec),
        "all",
    ]
    whole = pb.AllDeltas.FromString(first[-1][1])
    assert {part.time for _, part in whole.ListFields()} == {2.0}
    assert whole.workflow == pb.WDeltas.FromString(dict(first)[b"workflow"])
    assert whole.edges.checksum == truth.store.checksum("edges") == 1
    assert [topic for topic, _ in truth.change({"delta": {}})] == [b"all"]
    assert truth.time == 3.0


def test_a_delta_may_have_a_time_and_a_checksum_of_its_own() -> None:
    truth = Truth.of(EVERYTHING)
    delta = {"jobs": {"pruned": ["~u/w//1/foo/01"], "checksum": 7}}
    (_, payload), _ = truth.change({"delta": delta, "time": 5.5})
    part = pb.JDeltas.FromString(payload)
    assert (part.time, part.checksum, truth.time) == (5.5, 7, 1.0)
    assert not truth.store.elements["jobs"]
    assert len(truth.change({"delta": delta, "wrong": False, "withheld": False})) == 2
    assert truth.time == 2.0


def test_what_a_subscriber_reports_is_looked_through() -> None:
    truth = Truth.of(EVERYTHING)
    assert truth.compare(truth.snapshot()) == {
        "equal": True,
        "differences": [],
        "repeated": [],
        "dangling": [],
    }
    whole = message("PbEntireWorkflow", EVERYTHING)
    whole.workflow.jobs.extend(["~u/w//1/foo/01"] * 2 + ["~u/w//9/gone/01"])
    told = truth.compare(whole.SerializeToString())
    assert not told["equal"]
    assert told["repeated"] == ["workflow: jobs: ~u/w//1/foo/01"]
    assert told["dangling"] == ["workflow: jobs: ~u/w//9/gone/01"]
    whole.workflow.jobs.extend(["~u/w//1/foo/01", *(f"~u/w//9/gone/{n}" for n in range(90))] * 2)
    told = truth.compare(whole.SerializeToString())
    assert max(len(told["repeated"]), len(told["dangling"])) < 50


def test_the_messages_of_a_step_are_found_at_any_depth() -> None:
    step = {
        "truth": {"workflow": {"id": "t"}},
        "publish": [{"delta": {"jobs": {"pruned": ["a"]}, "workflow": {"time": 1}}}, {"text": "x"}],
        "reply": [
            {"message": "PbTask", "value": {"id": "b"}},
            {"error": "no", "meanwhile": [{"delta": {"edges": {"pruned": ["c"]}}}]},
            "nothing",
        ],
        "script": {"by_command": {"api": {"message": "PbEdge"}, "*": [{"message": "PbJob"}]}},
    }
    found = [
        ("PbEntireWorkflow", {"workflow": {"id": "t"}}),
        ("JDeltas", {"pruned": ["a"]}),
        ("WDeltas", {"time": 1}),
        ("PbTask", {"id": "b"}),
        ("EDeltas", {"pruned": ["c"]}),
        ("PbEdge", {}),
        ("PbJob", {}),
    ]
    assert sorted(messages_in(step), key=str) == sorted(found, key=str)
    assert list(messages_in({"truth": "a name", "message": {"frames": 1}, "delta": "x"})) == []


def test_other_publications_are_what_they_are() -> None:
    truth = Truth()
    assert publications({"topic": "shutdown", "text": "x"}, truth) == [[b"shutdown", b"x"]]
    assert publications({"topic": "empty"}, truth) == [[b"empty", b""]]
    assert publications({"topic": "empty", "times": 3}, truth) == [[b"empty", b""]]
    assert publications({"frames": [{"text": "a"}, {"hex": "00"}]}, truth) == [[b"a", b"\0"]]
    assert publications({"text": "alone"}, truth) == [[b"alone"]]


def test_a_store_that_is_none_is_not_equal() -> None:
    assert Truth.of(TRUTH).compare(b"\xff") == {
        "equal": False,
        "differences": ["the bytes are no PbEntireWorkflow"],
        "repeated": None,
        "dangling": None,
    }


@pytest.mark.parametrize(
    ("kind", "value"), [("NoSuchMessage", {}), ("PbTask", {"nope": 1}), ("PbTask", {"depth": "x"})]
)
def test_a_message_that_does_not_exist_is_told(kind: str, value: Any) -> None:
    with pytest.raises(ValueError, match=kind):
        message(kind, value)


def test_an_empty_store_has_an_empty_snapshot() -> None:
    assert Truth().compare(b"")["equal"]
    assert pb.PbEntireWorkflow.FromString(Truth().snapshot()).task_proxies == []
