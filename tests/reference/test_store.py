"""The data store and its changes."""

import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wri_proto.v1 import data_store_pb2 as pb
from wri_reference import LocalProtocolError, _ids
from wri_reference._store import LOG_RECORDS, TOPICS, Batch, DataStore, Mismatch, publications

W = "~me/w"
FOO = _ids.proxy_id(W, "1", "foo")
BAR = _ids.proxy_id(W, "1", "bar")
FAM = _ids.proxy_id(W, "1", "FAM")
ROOT = _ids.proxy_id(W, "1", "root")
EDGE = _ids.edge_id(W, "1/foo", "1/bar")
JOB = _ids.job_id(W, "1", "foo", 1)

DELTAS: dict[str, Any] = {
    "edges": pb.EDeltas,
    "families": pb.FDeltas,
    "family_proxies": pb.FPDeltas,
    "jobs": pb.JDeltas,
    "tasks": pb.TDeltas,
    "task_proxies": pb.TPDeltas,
    "workflow": pb.WDeltas,
}


def example() -> Batch:
    batch = Batch()
    batch.reload()
    batch.add(
        pb.PbWorkflow(
            id=W,
            status="running",
            task_proxies=[FOO, BAR],
            family_proxies=[FAM, ROOT],
            jobs=[JOB],
            edges=pb.PbEdges(edges=[EDGE]),
            state_totals={"waiting": 2},
            states=["waiting"],
        )
    )
    for name in ("foo", "bar"):
        proxy = _ids.proxy_id(W, "1", name)
        definition = _ids.definition_id(W, name)
        batch.add(pb.PbTask(id=definition, name=name, proxies=[proxy]))
        batch.add(
            pb.PbTaskProxy(
                id=proxy,
                task=definition,
                state="waiting",
                first_parent=FAM,
                edges=[EDGE],
                jobs=[JOB] if name == "foo" else [],
            )
        )
    batch.add(pb.PbFamily(id=_ids.definition_id(W, "FAM"), proxies=[FAM]))
    batch.add(
        pb.PbFamilyProxy(
            id=FAM,
            family=_ids.definition_id(W, "FAM"),
            first_parent=ROOT,
            child_tasks=[FOO, BAR],
        )
    )
    batch.add(pb.PbFamilyProxy(id=ROOT, child_families=[FAM]))
    batch.add(pb.PbEdge(id=EDGE, source=FOO, target=BAR))
    batch.add(pb.PbJob(id=JOB, task_proxy=FOO, messages=["a"]))
    return batch


@pytest.fixture
def sender() -> DataStore:
    store = DataStore()
    store.commit(example(), 1.0)
    return store


@pytest.fixture
def receiver(sender: DataStore) -> DataStore:
    store = DataStore()
    store.load(sender.snapshot())
    return store


def same(one: DataStore, other: DataStore) -> bool:
    """Tell whether two stores are equal, whatever the order of their elements."""
    return one.workflow == other.workflow and one.elements == other.elements


# -- sending --------------------------------------------------------------------------------


def test_the_first_batch() -> None:
    store = DataStore()
    deltas = store.commit(example(), 1.5)
    assert deltas is not None
    assert [topic for topic in TOPICS if deltas.HasField(topic)] == list(TOPICS)
    assert all(getattr(deltas, topic).time == 1.5 for topic in TOPICS)
    assert all(getattr(deltas, topic).reloaded for topic in TOPICS)
    assert deltas.workflow.added.last_updated == 1.5
    assert deltas.workflow.added.stamp == f"{W}@1.5"
    assert store.elements["task_proxies"][FOO].stamp == f"{FOO}@1.5"
    assert not store.elements["edges"][EDGE].HasField("stamp")
    assert deltas.task_proxies.checksum == zlib.adler32(f"{BAR}@1.5{FOO}@1.5".encode())
    assert deltas.edges.checksum == zlib.adler32(EDGE.encode())


def test_a_batch_without_changes(sender: DataStore) -> None:
    assert sender.commit(Batch(), 2.0) is None
    assert sender.workflow.last_updated == 1.0


def test_only_what_changed_is_sent(sender: DataStore) -> None:
    batch = Batch()
    batch.update(pb.PbTaskProxy(id=FOO, state="running"))
    batch.update(pb.PbTaskProxy(id=FOO, is_held=False))
    deltas = sender.commit(batch, 2.0)
    assert deltas is not None
    assert list(deltas.task_proxies.updated) == [
        pb.PbTaskProxy(id=FOO, state="running", is_held=False, stamp=f"{FOO}@2.0")
    ]
    assert deltas.workflow == pb.WDeltas(
        time=2.0, updated=pb.PbWorkflow(id=W, stamp=f"{W}@2.0", last_updated=2.0)
    )
    assert [topic for topic in TOPICS if deltas.HasField(topic)] == ["task_proxies", "workflow"]
    assert sender.elements["task_proxies"][FOO].edges == [EDGE]


def test_what_happens_to_an_element_within_a_batch(sender: DataStore) -> None:
    new = _ids.proxy_id(W, "2", "foo")
    batch = Batch()
    batch.add(pb.PbTaskProxy(id=new, state="waiting", edges=["a"]))
    batch.update(pb.PbTaskProxy(id=new, state="running", edges=["a", "b"]))
    batch.prune("task_proxies", BAR)
    batch.add(pb.PbTaskProxy(id=BAR, state="expired"))
    batch.update(pb.PbTaskProxy(id=FOO, state="running"))
    batch.prune("task_proxies", FOO)
    deltas = sender.commit(batch, 2.0)
    assert deltas is not None
    added = {element.id: element for element in deltas.task_proxies.added}
    assert added[new].state == "running"
    assert added[new].edges == ["a", "b"]
    assert added[BAR].state == "expired"
    assert not deltas.task_proxies.updated
    assert deltas.task_proxies.pruned == [FOO]
    assert set(sender.elements["task_proxies"]) == {new, BAR}


def test_an_update_of_nothing_is_refused(sender: DataStore) -> None:
    before = sender.snapshot_bytes()
    batch = Batch()
    batch.add(pb.PbTaskProxy(id=_ids.proxy_id(W, "2", "foo")))
    batch.update(pb.PbTaskProxy(id="~me/w//9/foo", state="running"))
    with pytest.raises(LocalProtocolError, match="~me/w//9/foo cannot be updated"):
        sender.commit(batch, 2.0)
    batch = Batch()
    batch.reload(["task_proxies"])
    batch.update(pb.PbTaskProxy(id=FOO, state="running"))
    with pytest.raises(LocalProtocolError, match="cannot be updated"):
        sender.commit(batch, 2.0)
    batch = Batch()
    batch.reload()
    with pytest.raises(LocalProtocolError, match="without a workflow"):
        sender.commit(batch, 2.0)
    assert sender.snapshot_bytes() == before


def test_elements_need_a_workflow() -> None:
    batch = Batch()
    batch.add(pb.PbTaskProxy(id=FOO))
    with pytest.raises(LocalProtocolError, match="without a workflow"):
        DataStore().commit(batch, 1.0)


def test_what_is_added_is_a_copy() -> None:
    store, batch, workflow = DataStore(), Batch(), pb.PbWorkflow(id=W, status="paused")
    batch.add(workflow)
    workflow.status = "running"
    store.commit(batch, 1.0)
    assert store.workflow.status == "paused"


def test_an_element_is_replaced_and_never_changed(sender: DataStore) -> None:
    before = sender.elements["task_proxies"][FOO]
    batch = Batch()
    batch.update(pb.PbTaskProxy(id=FOO, state="running"))
    batch.prune("edges", EDGE)
    sender.commit(batch, 2.0)
    assert (before.state, before.edges) == ("waiting", [EDGE])


def test_an_element_belongs_to_who_asked_for_it(sender: DataStore) -> None:
    before = sender.snapshot_bytes()
    sender.elements["task_proxies"][FOO].state = "running"
    assert sender.elements["task_proxies"][FOO].state == "waiting"
    assert sender.snapshot_bytes() == before


def test_publications(sender: DataStore) -> None:
    batch = Batch()
    batch.update(pb.PbTaskProxy(id=FOO, state="running"))
    batch.prune("edges", EDGE)
    deltas = sender.commit(batch, 2.0)
    assert deltas is not None
    messages = publications(deltas)
    assert [topic for topic, _ in messages] == [b"edges", b"task_proxies", b"workflow", b"all"]
    assert pb.AllDeltas.FromString(messages[-1][1]) == deltas
    for topic, payload in messages[:-1]:
        name = topic.decode()
        assert DELTAS[name].FromString(payload) == getattr(deltas, name)


def test_data_elements(sender: DataStore) -> None:
    delta = sender.data_elements("task_proxies")
    assert {element.id for element in delta.added} == {FOO, BAR}
    delta.ClearField("added")
    assert delta == pb.TPDeltas(time=1.0)
    assert sender.data_elements("workflow") == pb.WDeltas(time=1.0, added=sender.workflow)
    for topic in TOPICS:
        assert sender.data_elements_bytes(topic) == sender.data_elements(topic).SerializeToString()


def test_an_empty_store() -> None:
    store = DataStore()
    assert (
        store.snapshot_bytes() == pb.PbEntireWorkflow(workflow=pb.PbWorkflow()).SerializeToString()
    )
    assert store.checksum("jobs") == 1


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 200, 16_383, 20_000, 3_000_000])
def test_a_snapshot_in_bytes(sender: DataStore, size: int) -> None:
    for state in ("x" * size, "y" * size):
        batch = Batch()
        batch.update(pb.PbTaskProxy(id=FOO, state=state))
        sender.commit(batch, 2.0)
        expected = pb.PbEntireWorkflow(workflow=sender.workflow)
        for topic in TOPICS[:-1]:
            getattr(expected, topic).extend(sender.elements[topic].values())
        assert sender.snapshot() == expected


# -- receiving ------------------------------------------------------------------------------


def test_a_snapshot_is_loaded(sender: DataStore, receiver: DataStore) -> None:
    assert same(sender, receiver)
    receiver.load(sender.snapshot())
    assert same(sender, receiver)
    receiver.load(pb.PbEntireWorkflow())
    assert same(receiver, DataStore())


def test_older_changes_are_ignored(receiver: DataStore) -> None:
    older = pb.TPDeltas(time=0.5, checksum=7, pruned=[FOO])
    assert receiver.apply_delta("task_proxies", older) is None
    assert FOO in receiver.elements["task_proxies"]
    older.time = 1.0
    assert receiver.apply_delta("task_proxies", older) == Mismatch(
        "task_proxies", 7, receiver.checksum("task_proxies")
    )
    assert FOO not in receiver.elements["task_proxies"]


def test_reloaded_clears_whatever_the_time(receiver: DataStore) -> None:
    delta = pb.TPDeltas(time=0.5, reloaded=True, added=[pb.PbTaskProxy(id=FOO)])
    assert receiver.apply_delta("task_proxies", delta) is None
    assert receiver.elements["task_proxies"] == {FOO: pb.PbTaskProxy(id=FOO)}
    receiver.apply_delta("workflow", pb.WDeltas(time=0.5, reloaded=True))
    assert receiver.workflow == pb.PbWorkflow()


def test_a_checksum(receiver: DataStore) -> None:
    right = receiver.checksum("jobs")
    batch = pb.AllDeltas(
        jobs=pb.JDeltas(time=2, checksum=right), edges=pb.EDeltas(time=2, checksum=5)
    )
    assert receiver.apply(batch) == [Mismatch("edges", 5, receiver.checksum("edges"))]


def test_added_may_hold_what_updated_adds(receiver: DataStore) -> None:
    new = pb.PbTaskProxy(id=_ids.proxy_id(W, "2", "foo"), jobs=["j"], edges=["e"])
    delta = pb.TPDeltas(time=2, added=[new], updated=[new])
    receiver.apply_delta("task_proxies", delta)
    receiver.apply_delta("task_proxies", delta)
    assert receiver.elements["task_proxies"][new.id] == new


def test_what_an_update_replaces(receiver: DataStore) -> None:
    def update(topic: str, element: Any) -> Any:
        receiver.apply_delta(topic, DELTAS[topic](time=2, updated=[element]))
        return receiver.elements[topic][element.id]

    update("family_proxies", pb.PbFamilyProxy(id=FAM, state_totals={"a": 1}, states=["a"]))
    family = update("family_proxies", pb.PbFamilyProxy(id=FAM, state_totals={"b": 1}))
    assert dict(family.state_totals) == {"b": 1}
    assert family.states == ["a"]
    assert family.child_tasks == [FOO, BAR]
    assert update("jobs", pb.PbJob(id=JOB, state="failed")).messages == ["a"]
    assert update("jobs", pb.PbJob(id=JOB, messages=["b", "b"])).messages == ["b", "b"]
    one, two = (pb.PbPrerequisite(expression=text) for text in ("1", "2"))
    update("task_proxies", pb.PbTaskProxy(id=FOO, prerequisites=[one]))
    proxy = update("task_proxies", pb.PbTaskProxy(id=FOO, prerequisites=[two], is_held=False))
    assert list(proxy.prerequisites) == [two]
    assert proxy.HasField("is_held")
    update("task_proxies", pb.PbTaskProxy(id=FOO, outputs={"a": pb.PbOutput(label="a")}))
    proxy = update("task_proxies", pb.PbTaskProxy(id=FOO, outputs={"b": pb.PbOutput(label="b")}))
    assert set(proxy.outputs) == {"a", "b"}


def test_what_an_update_of_the_workflow_replaces(receiver: DataStore) -> None:
    def update(**fields: Any) -> None:
        receiver.apply_delta("workflow", pb.WDeltas(time=2, updated=pb.PbWorkflow(**fields)))

    update(state_totals={"failed": 1}, task_proxies=["x", FOO])
    assert dict(receiver.workflow.state_totals) == {"failed": 1}
    assert receiver.workflow.states == ["waiting"]
    assert receiver.workflow.task_proxies == [FOO, BAR, "x"]
    update(edges=pb.PbEdges(edges=[EDGE, "e"]))
    assert receiver.workflow.edges.edges == [EDGE, "e"]
    update(states_updated=False)
    assert receiver.workflow.states == ["waiting"]
    update(states_updated=True, states=["failed"])
    assert receiver.workflow.states == ["failed"]
    assert not receiver.workflow.state_totals
    update(states_updated=True)
    assert not receiver.workflow.states


def test_the_last_log_records_are_kept(receiver: DataStore) -> None:
    for number in range(0, 15, 3):
        records = [pb.PbLogRecord(message=str(number + step)) for step in range(3)]
        updated = pb.PbWorkflow(log_records=records)
        receiver.apply_delta("workflow", pb.WDeltas(time=2, updated=updated))
    messages = [record.message for record in receiver.workflow.log_records]
    assert messages == [str(number) for number in range(15 - LOG_RECORDS, 15)]


def test_what_is_pruned_disappears_from_the_relations_of_others(receiver: DataStore) -> None:
    receiver.apply_delta("edges", pb.EDeltas(time=2, pruned=[EDGE, "unknown"]))
    assert not receiver.workflow.edges.edges
    assert not any(proxy.edges for proxy in receiver.elements["task_proxies"].values())
    receiver.apply_delta("jobs", pb.JDeltas(time=2, pruned=[JOB]))
    assert not receiver.workflow.jobs
    assert not receiver.elements["task_proxies"][FOO].jobs
    receiver.apply_delta("task_proxies", pb.TPDeltas(time=2, pruned=[FOO]))
    assert receiver.workflow.task_proxies == [BAR]
    assert receiver.elements["family_proxies"][FAM].child_tasks == [BAR]
    assert not receiver.elements["tasks"][_ids.definition_id(W, "foo")].proxies
    receiver.apply_delta("family_proxies", pb.FPDeltas(time=2, pruned=[FAM]))
    assert receiver.workflow.family_proxies == [ROOT]
    assert not receiver.elements["family_proxies"][ROOT].child_families
    assert not receiver.elements["families"][_ids.definition_id(W, "FAM")].proxies


def test_updates_of_unknown_elements_are_ignored(receiver: DataStore) -> None:
    delta = pb.TPDeltas(time=2, updated=[pb.PbTaskProxy(id="~me/w//9/x", state="running")])
    assert receiver.apply_delta("task_proxies", delta) is None
    assert set(receiver.elements["task_proxies"]) == {FOO, BAR}


def test_a_workflow_that_an_aggregator_dropped(receiver: DataStore) -> None:
    receiver.apply_delta("workflow", pb.WDeltas(time=2, pruned=W))
    assert receiver.workflow.pruned


def test_a_snapshot_with_duplicates() -> None:
    store = DataStore()
    snapshot = pb.PbEntireWorkflow(
        workflow=pb.PbWorkflow(id=W, jobs=[JOB, JOB], edges=pb.PbEdges(edges=[EDGE, EDGE]))
    )
    store.load(snapshot)
    assert store.workflow.jobs == [JOB]
    assert store.workflow.edges.edges == [EDGE]


# -- both -----------------------------------------------------------------------------------

_NAMES = st.sampled_from(["foo", "bar", "baz", "qux"])
_CHANGES = st.one_of(
    st.tuples(st.just("add"), _NAMES, st.sampled_from(["waiting", "running"])),
    st.tuples(st.just("update"), _NAMES, st.sampled_from(["failed", "succeeded"])),
    st.tuples(st.just("prune"), _NAMES, st.just("")),
    st.tuples(st.just("reload"), st.just(""), st.just("")),
)


def carry_out(batch: Batch, store: DataStore, changes: list[tuple[str, str, str]]) -> None:
    for change, name, state in changes:
        proxy, edge = _ids.proxy_id(W, "1", name), _ids.edge_id(W, f"1/{name}", "1/foo")
        if change == "add":
            batch.add(pb.PbTaskProxy(id=proxy, state=state, first_parent=FAM, edges=[edge]))
            batch.add(pb.PbEdge(id=edge, source=proxy, target=FOO))
            if "workflow" not in batch.reloaded:
                batch.update(pb.PbWorkflow(id=W, task_proxies=[proxy], states=[state]))
        elif change == "update":
            kept = store.elements["task_proxies"].keys() - batch.pruned["task_proxies"].keys()
            if proxy in batch.added["task_proxies"] or (
                proxy in kept and "task_proxies" not in batch.reloaded
            ):
                batch.update(pb.PbTaskProxy(id=proxy, state=state, jobs=[JOB]))
        elif change == "prune":
            batch.prune("task_proxies", proxy)
            batch.prune("edges", edge)
        elif not batch:
            batch.reload()
            batch.add(pb.PbWorkflow(id=W))
            batch.add(pb.PbFamilyProxy(id=FAM))


@given(st.lists(st.lists(_CHANGES, max_size=6), max_size=8), st.integers(0, 8))
def test_a_receiver_has_what_the_sender_has(
    history: list[list[tuple[str, str, str]]], joined: int
) -> None:
    sender, early, single, late = (DataStore() for _ in range(4))
    batch: Batch | None = example()
    for number, changes in enumerate([[], *history]):
        if batch is None:
            batch = Batch()
            carry_out(batch, sender, changes)
        if number == joined:
            late.load(sender.snapshot())
        deltas = sender.commit(batch, float(number))
        batch = None
        if deltas is None:
            continue
        *parts, (_, whole) = publications(deltas)
        assert early.apply(pb.AllDeltas.FromString(whole)) == []
        for topic, payload in parts:
            name = topic.decode()
            assert single.apply_delta(name, DELTAS[name].FromString(payload)) is None
        if number >= joined:
            assert late.apply(deltas) == []
            assert same(late, sender)
        assert same(early, sender)
        assert same(single, sender)
        assert sender.snapshot() == pb.PbEntireWorkflow.FromString(sender.snapshot_bytes())
