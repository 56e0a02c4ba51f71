"""What a stream shows, made up batch by batch."""

from typing import Any

from wri_conformance.diffing import observations, publications
from wri_conformance.streams import Stream
from wri_proto.v1 import data_store_pb2 as pb


def stream(*batches: pb.AllDeltas, shutdown: str | None = None) -> Stream:
    frames = [[b"all", batch.SerializeToString()] for batch in batches]
    if shutdown is not None:
        frames.append([b"shutdown", shutdown.encode()])
    return Stream.received(frames)


def batch(time: float, **parts: Any) -> pb.AllDeltas:
    for part in parts.values():
        part.time = time
    return pb.AllDeltas(**parts)


def proxies(*, reloaded: bool = False, **elements: Any) -> pb.TPDeltas:
    return pb.TPDeltas(reloaded=reloaded, **elements)


def one(name: str, **more: Any) -> pb.PbTaskProxy:
    return pb.PbTaskProxy(id=f"~u/w//1/{name}", **more)


def test_the_same_batch_again_is_told_as_such() -> None:
    def definitions(time: float) -> pb.AllDeltas:
        tasks = pb.TDeltas(reloaded=True, added=[pb.PbTask(id="a"), pb.PbTask(id="b")])
        return batch(time, tasks=tasks, workflow=pb.WDeltas(added=pb.PbWorkflow(id="w")))

    shown = stream(definitions(1), definitions(2))
    assert publications.complete(shown.batches)
    facts = publications.facts(shown)
    assert facts["batches"] == [
        {"tasks": "reloaded, 2 added", "workflow": "1 added"},
        {"*": "same as before"},
    ]
    assert observations.story(facts["batches"]) == "definitions added (reloaded) → the same again"


def test_a_stream_that_begins_later_is_not_complete() -> None:
    assert not publications.complete(())
    late = stream(batch(1, workflow=pb.WDeltas(updated=pb.PbWorkflow(id="w", status="paused"))))
    assert not publications.complete(late.batches)


def test_how_often_only_the_workflow_changes_is_not_told() -> None:
    def change(time: float, **more: Any) -> pb.AllDeltas:
        updated = pb.PbWorkflow(id="w", stamp="s", last_updated=time, **more)
        return batch(time, workflow=pb.WDeltas(updated=updated))

    first = publications.facts(stream(change(1, status_msg="a"), change(2, status_msg="b")))
    second = publications.facts(
        stream(change(1, status_msg="a"), change(2, status_msg="a"), change(3, status_msg="b"))
    )
    assert first == second
    assert first["batches"] == []
    assert (first["workflow"], first["told"]) == (["status_msg"], ["a", "b"])


def test_states_updated_is_absent_true_or_false() -> None:
    def shown(**more: Any) -> Any:
        updated = pb.PbWorkflow(id="w", **more)
        return publications.facts(stream(batch(1, workflow=pb.WDeltas(updated=updated))))

    assert shown()["states_updated"] == "absent"
    assert shown(states_updated=True)["states_updated"] == "true"
    assert shown(states_updated=False)["states_updated"] == "false"


def relations(added: list[Any], updated: list[Any]) -> Any:
    shown = stream(batch(1, task_proxies=proxies(added=added, updated=updated)))
    return publications.facts(shown)["relations"].get("task_proxies")


def test_what_is_added_may_hold_its_update() -> None:
    update = one("a", edges=["x"], state="waiting")
    assert relations([one("a", edges=["x"], state="waiting")], [update]) == {
        "updates_held": "all",
        "ids_twice": False,
        "added_twice": False,
        "updated_twice": False,
    }
    assert relations([one("a")], [update])["updates_held"] == "none"
    both = relations(
        [one("a", edges=["x"], state="waiting"), one("b")], [update, one("b", state="x")]
    )
    assert both["updates_held"] == "some"
    assert relations([one("b")], [update]) is None


def test_what_is_added_may_hold_it_twice() -> None:
    update = one("a", edges=["x"])
    assert relations([one("a", edges=["x", "x"])], [update])["ids_twice"] is True
    again = relations([one("a", edges=["x"]), one("a", edges=["x"])], [update, update])
    assert (again["added_twice"], again["updated_twice"]) == (True, True)
    assert again["ids_twice"] is False


def test_several_of_the_same_element_are_counted_apart() -> None:
    shown = stream(
        batch(1, task_proxies=proxies(added=[one("a"), one("a"), one("b")], pruned=["x"]))
    )
    facts = publications.facts(shown)
    assert facts["batches"] == [{"task_proxies": "3 added of 2, 1 pruned"}]
    assert observations.story(facts["batches"]) == "proxies added, some twice, some pruned"
    assert facts["pruned"] == ["task_proxies"]


def test_the_reason_of_a_stop_is_told() -> None:
    assert publications.facts(stream(shutdown="REQUEST(NOW)"))["shutdown"] == ["REQUEST(NOW)"]
    assert "shutdown" not in publications.facts(stream())
