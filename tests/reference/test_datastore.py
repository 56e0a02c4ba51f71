"""The data store of a running workflow that is kept up to date."""

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.reference.conftest import WAIT, WORKFLOW, Home
from tests.reference.test_store import FOO, example
from tests.reference.test_subscriber import Publisher
from wri_proto.v1 import data_store_pb2 as pb
from wri_reference import ClientTimeout, WorkflowDataStore, WorkflowStopped
from wri_reference._store import Batch

Eventually = Callable[[Callable[[], object]], None]


@pytest.fixture
def publisher(home: Home) -> Iterator[Publisher]:
    server = Publisher()
    ready = threading.Barrier(2)
    thread = threading.Thread(target=server.start, args=(ready,))
    thread.start()
    ready.wait(WAIT)
    yield server
    server.stop()
    thread.join(WAIT)


@pytest.fixture
def store(publisher: Publisher) -> Iterator[WorkflowDataStore]:
    with WorkflowDataStore(WORKFLOW) as store:
        yield store


def state(store: WorkflowDataStore) -> str:
    (proxy,) = (one for one in store.current(WAIT).snapshot().task_proxies if one.id == FOO)
    return str(proxy.state)


def test_it_begins_with_a_snapshot(publisher: Publisher, store: WorkflowDataStore) -> None:
    assert store.current(WAIT).snapshot() == publisher.store.snapshot()


def test_it_follows(publisher: Publisher, store: WorkflowDataStore, eventually: Eventually) -> None:
    store.current(WAIT)
    publisher.change("running", 2.0)
    eventually(lambda: state(store) == "running")
    publisher.change("succeeded", 3.0)
    eventually(lambda: state(store) == "succeeded")
    assert store.current(WAIT).snapshot() == publisher.store.snapshot()


def test_a_gap_is_noticed_and_mended(
    publisher: Publisher, store: WorkflowDataStore, eventually: Eventually
) -> None:
    store.current(WAIT)
    missed = Batch()
    missed.add(pb.PbTaskProxy(id=FOO.replace("foo", "bar"), state="failed"))
    publisher.store.commit(missed, 2.0)
    publisher.change("running", 3.0)
    eventually(lambda: state(store) == "running")
    assert store.current(WAIT).snapshot() == publisher.store.snapshot()


def test_what_is_not_current_is_not_shown(publisher: Publisher, store: WorkflowDataStore) -> None:
    publisher.empty = 1000
    with pytest.raises(ClientTimeout, match="has not finished its start"):
        store.current(0.5)
    publisher.empty = 0
    assert store.current(WAIT).snapshot() == publisher.store.snapshot()


def test_a_batch_can_come_before_the_snapshot(publisher: Publisher) -> None:
    with WorkflowDataStore(WORKFLOW) as store:
        publisher.store.commit(example(), 2.0)
        publisher.change("running", 3.0)
        assert state(store) == "running"


def test_the_end(publisher: Publisher, store: WorkflowDataStore, eventually: Eventually) -> None:
    store.current(WAIT)
    publisher.stop("REQUEST(NOW)")

    said: list[str] = []

    def ended() -> bool:
        try:
            store.current(WAIT)
        except WorkflowStopped as error:
            said.append(str(error))
        return bool(said)

    eventually(ended)
    assert "REQUEST(NOW)" in said[0] or "not running" in said[0]


def test_nothing_to_follow(home: Home) -> None:
    with pytest.raises(WorkflowStopped):
        WorkflowDataStore(WORKFLOW)
