"""The recorded streams of every release make our store equal to that of the scheduler."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.reference.test_replay import as_json
from wri.data import root
from wri_proto.v1 import data_store_pb2 as pb
from wri_reference._follow import ALL, SHUTDOWN, Follower, decode
from wri_reference._store import TOPICS, DataStore

STREAMS = sorted((root() / "conformance" / "streams").glob("*.jsonl.gz"))
RELEASES = [path.name.removesuffix(".jsonl.gz") for path in STREAMS]


def entries(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        _, *found = [json.loads(line) for line in lines]
    return [{**one, "payload": bytes.fromhex(one.get("payload", ""))} for one in found]


def snapshots(found: list[dict[str, Any]]) -> tuple[bytes, bytes]:
    taken = [one["payload"] for one in found if one["kind"] == "snapshot"]
    return taken[0], taken[-1]


def published(found: list[dict[str, Any]]) -> list[tuple[bytes, bytes]]:
    """Return topic and payload of what was published before the last snapshot."""
    last = max(n for n, one in enumerate(found) if one["kind"] == "snapshot")
    return [
        (one["topic"].encode(), one["payload"])
        for one in found[:last]
        if one["kind"] == "publication"
    ]


def test_there_are_streams() -> None:
    assert len(STREAMS) == 8


@pytest.mark.parametrize("path", STREAMS, ids=RELEASES)
@pytest.mark.parametrize("together", [True, False], ids=["all", "types"])
def test_a_stream(path: Path, *, together: bool) -> None:
    found = entries(path)
    first, last = snapshots(found)
    store = DataStore()
    store.load(pb.PbEntireWorkflow.FromString(first))
    wrong = []
    verified = 0
    for topic, payload in published(found):
        if (topic == ALL) is not together:
            continue
        delta = decode(topic, payload)
        parts = (
            [(name, getattr(delta, name)) for name in TOPICS if delta.HasField(name)]
            if together
            else [(topic.decode(), delta)]
        )
        for name, part in parts:
            mismatch = store.apply_delta(name, part)
            wrong += [mismatch] if mismatch else []
            verified += name != "workflow" and part.HasField("checksum")
    assert wrong == []
    assert verified > 50
    assert as_json(store.snapshot()) == as_json(pb.PbEntireWorkflow.FromString(last))


@pytest.mark.parametrize("path", STREAMS, ids=RELEASES)
def test_a_follower_that_gets_the_snapshot_late(path: Path) -> None:
    """All that came before the snapshot, and is in it for the most part, is applied after it."""
    found = entries(path)
    _, last = snapshots(found)
    stream = published(found)
    follower = Follower()
    for publication in stream:
        follower.feed(*publication)
    follower.load(last)
    assert follower.trouble is None
    assert as_json(follower.store.snapshot()) == as_json(pb.PbEntireWorkflow.FromString(last))
    follower.feed(SHUTDOWN, b"REQUEST(NOW)")
    assert follower.stopped == "REQUEST(NOW)"


@pytest.mark.parametrize("path", STREAMS, ids=RELEASES)
def test_a_lost_batch_shows(path: Path) -> None:
    found = entries(path)
    first, _ = snapshots(found)
    stream = [(topic, payload) for topic, payload in published(found) if topic == ALL]
    first_updated = pb.PbEntireWorkflow.FromString(first).workflow.last_updated
    changes = [(n, decode(*publication).task_proxies) for n, publication in enumerate(stream)]
    lost = next(n for n, delta in changes if delta.added and delta.time > first_updated + 1)
    follower = Follower()
    follower.load(first)
    for number, publication in enumerate(stream):
        if number != lost:
            follower.feed(*publication)
    assert "task_proxies" in (follower.trouble or "")
