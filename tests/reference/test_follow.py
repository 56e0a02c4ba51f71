"""Following a workflow without sockets."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.test_store import FOO, JOB, W, example, same
from wri_proto.v1 import data_store_pb2 as pb
from wri_reference import RemoteProtocolError
from wri_reference._follow import MAX_WAITING, Follower, decode
from wri_reference._store import Batch, DataStore, publications


@pytest.fixture
def sender() -> DataStore:
    store = DataStore()
    store.commit(example(), 1.0)
    return store


def change(sender: DataStore, state: str, now: float) -> list[tuple[bytes, bytes]]:
    batch = Batch()
    batch.update(pb.PbTaskProxy(id=FOO, state=state))
    batch.update(pb.PbJob(id=JOB, state=state))
    deltas = sender.commit(batch, now)
    assert deltas is not None
    return publications(deltas)


@pytest.fixture
def follower(sender: DataStore) -> Follower:
    follower = Follower()
    follower.load(sender.snapshot_bytes())
    return follower


def in_step(follower: Follower, sender: DataStore) -> bool:
    return follower.trouble is None and same(follower.store, sender)


def test_it_begins_without_a_snapshot() -> None:
    assert Follower().trouble == "there is no snapshot yet"


def test_it_keeps_up(sender: DataStore, follower: Follower) -> None:
    *parts, whole = change(sender, "running", 2.0)
    follower.feed(*whole)
    assert in_step(follower, sender)
    *parts, _ = change(sender, "failed", 3.0)
    for part in parts:
        follower.feed(*part)
    assert in_step(follower, sender)


def test_what_comes_before_the_snapshot_is_applied_after_it(sender: DataStore) -> None:
    follower = Follower()
    follower.feed(*change(sender, "submitted", 2.0)[-1])
    snapshot = sender.snapshot_bytes()
    follower.feed(*change(sender, "running", 3.0)[-1])
    assert follower.trouble is not None
    assert not follower.store.elements["jobs"]
    follower.load(snapshot)
    assert in_step(follower, sender)


def test_a_gap(sender: DataStore, follower: Follower) -> None:
    change(sender, "submitted", 2.0)
    batch = Batch()
    batch.update(pb.PbJob(id=JOB, state="running"))
    deltas = sender.commit(batch, 3.0)
    assert deltas is not None
    follower.feed(*publications(deltas)[-1])
    assert follower.trouble is None  # the type that was missed did not change
    follower.feed(*change(sender, "running", 4.0)[-1])
    assert follower.trouble is None  # and is right again: all of FOO's states were replaced
    batch = Batch()
    batch.add(pb.PbTaskProxy(id="~me/w//2/foo"))
    sender.commit(batch, 5.0)
    follower.feed(*change(sender, "failed", 6.0)[-1])
    assert follower.trouble is not None
    assert "the checksum of task_proxies" in follower.trouble
    follower.load(sender.snapshot_bytes())
    assert in_step(follower, sender)


def test_a_payload_that_is_none(sender: DataStore, follower: Follower) -> None:
    follower.feed(b"all", b"\xff\xff")
    assert follower.trouble == "the payload of the topic 'all' is no change"
    follower.feed(*change(sender, "running", 2.0)[-1])
    follower.load(sender.snapshot_bytes())
    assert in_step(follower, sender)


def test_unknown_topics_are_ignored(follower: Follower) -> None:
    follower.feed(b"nonsense", b"\xff")
    follower.feed(b"ALL", b"\xff")
    assert (follower.trouble, follower.stopped) == (None, None)


def test_the_end(follower: Follower) -> None:
    follower.feed(b"shutdown", "stóp".encode() + b"\xff")
    assert follower.stopped == "stóp\ufffd"


def test_an_empty_snapshot(sender: DataStore) -> None:
    follower = Follower()
    follower.feed(*change(sender, "running", 2.0)[-1])
    follower.load(b"")
    assert follower.trouble is not None
    assert "has not finished its start" in follower.trouble
    follower.load(sender.snapshot_bytes())
    assert in_step(follower, sender)


def test_a_snapshot_that_is_none(follower: Follower) -> None:
    with pytest.raises(RemoteProtocolError, match="is no snapshot"):
        follower.load(b"\xff")


def test_memory_is_bounded(sender: DataStore) -> None:
    follower = Follower()
    message = change(sender, "running", 2.0)[-1]
    for _ in range(MAX_WAITING + 10):
        follower.feed(*message)
    assert len(follower._waiting) == MAX_WAITING


@given(st.sampled_from([b"all", b"jobs", b"workflow", b"edges"]), st.binary(max_size=60))
def test_any_payload_is_decoded_or_refused(topic: bytes, payload: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        assert decode(topic, payload) is not None
    follower = Follower()
    follower.load(pb.PbEntireWorkflow(workflow=pb.PbWorkflow(id=W)).SerializeToString())
    follower.feed(topic, payload)
