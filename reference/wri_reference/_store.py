"""The data store: what is known of a workflow, and its changes, sent and received.

Knows no sockets and no clocks. Messages that a store gives are never changed, only replaced: who
holds one keeps what was true when it was taken.
"""

import zlib
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from typing import Any, Final, NamedTuple

from wri_proto.v1 import data_store_pb2 as pb
from wri_reference._errors import LocalProtocolError
from wri_reference._table import Table, fields, with_length

TOPICS: Final = (
    "edges",
    "families",
    "family_proxies",
    "jobs",
    "tasks",
    "task_proxies",
    "workflow",
)
"""The types of elements, each a topic, in the order in which a batch is published and applied."""

LOG_RECORDS: Final = 10
"""How many log records of the workflow are kept: the last ones."""


class _Kind(NamedTuple):
    """How elements of one type are kept.

    Attributes:
        message: the class of an element.
        delta: the class of a change.
        overwritten: fields that an update replaces; other lists and maps it merges.
        relations: lists without duplicates.
    """

    message: type[Any]
    delta: type[Any]
    overwritten: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()


_KINDS: Final = {
    "edges": _Kind(pb.PbEdge, pb.EDeltas),
    "families": _Kind(
        pb.PbFamily, pb.FDeltas, relations=("proxies", "parents", "child_tasks", "child_families")
    ),
    "family_proxies": _Kind(
        pb.PbFamilyProxy,
        pb.FPDeltas,
        overwritten=("state_totals", "states"),
        relations=("child_tasks", "child_families", "ancestors"),
    ),
    "jobs": _Kind(pb.PbJob, pb.JDeltas, overwritten=("messages",)),
    "tasks": _Kind(pb.PbTask, pb.TDeltas, relations=("proxies", "namespace", "parents")),
    "task_proxies": _Kind(
        pb.PbTaskProxy,
        pb.TPDeltas,
        overwritten=("prerequisites",),
        relations=("jobs", "edges", "namespace", "ancestors"),
    ),
    "workflow": _Kind(
        pb.PbWorkflow,
        pb.WDeltas,
        overwritten=("latest_state_tasks", "state_totals", "states"),
        relations=("task_proxies", "family_proxies", "jobs", "ns_def_order", "job_log_names"),
    ),
}
_TABLES: Final = TOPICS[:-1]
_TOPIC_OF: Final[dict[type[Any], str]] = {kind.message: topic for topic, kind in _KINDS.items()}


class Mismatch(NamedTuple):
    """A topic whose checksum tells that this store is not what the sender has (DELTA-22)."""

    topic: str
    announced: int
    found: int


class Batch:
    """Changes that will become visible at the same time, collected in any order.

    It can be committed once.
    """

    def __init__(self) -> None:
        self.added: dict[str, dict[str, Any]] = {topic: {} for topic in TOPICS}
        self.updated: dict[str, dict[str, Any]] = {topic: {} for topic in TOPICS}
        self.pruned: dict[str, dict[str, None]] = {topic: {} for topic in _TABLES}
        self.reloaded: set[str] = set()

    def add(self, message: Any) -> None:
        """Add an element, or replace the one with the same id."""
        topic = _TOPIC_OF[type(message)]
        self.added[topic][message.id] = _as_sets(topic, _copy(message))
        self.updated[topic].pop(message.id, None)
        if topic != "workflow":
            self.pruned[topic].pop(message.id, None)

    def update(self, message: Any) -> None:
        """Change the fields that `message` has, and which element is meant its id says."""
        topic = _TOPIC_OF[type(message)]
        changes = self.added[topic] if message.id in self.added[topic] else self.updated[topic]
        known = changes.get(message.id)
        changes[message.id] = _copy(message) if known is None else _merged(topic, known, message)

    def prune(self, topic: str, identifier: str) -> None:
        """Drop an element; its id disappears from the lists of others."""
        self.added[topic].pop(identifier, None)
        self.updated[topic].pop(identifier, None)
        self.pruned[topic][identifier] = None

    def reload(self, topics: Iterable[str] = TOPICS) -> None:
        """Drop all elements of these types, but those that this batch adds."""
        self.reloaded.update(topics)

    def __bool__(self) -> bool:
        """Tell whether there is any change."""
        return any(self._changes(topic) for topic in TOPICS)

    def _stamp(self, workflow: str, now: float) -> None:
        if not self.added["workflow"]:
            self.updated["workflow"].setdefault(workflow, pb.PbWorkflow(id=workflow))
        for changes in (self.added, self.updated):
            for topic in TOPICS[1:]:  # edges have none
                for element in changes[topic].values():
                    element.stamp = f"{element.id}@{now}"
            for element in changes["workflow"].values():
                element.last_updated = now

    def _changes(self, topic: str) -> bool:
        changes = (self.added[topic], self.updated[topic], self.pruned.get(topic))
        return topic in self.reloaded or any(changes)

    def _fill(self, topic: str, delta: Any) -> None:
        if topic in self.reloaded:
            delta.reloaded = True
        if topic == "workflow":
            for element in self.added[topic].values():
                delta.added.CopyFrom(element)
            for element in self.updated[topic].values():
                delta.updated.CopyFrom(element)
        else:
            delta.added.extend(self.added[topic].values())
            delta.updated.extend(self.updated[topic].values())
            delta.pruned.extend(self.pruned[topic])


class DataStore:
    """The elements of one workflow.

    Attributes:
        workflow: the workflow itself; without an id until it is known.
        elements: by topic, other than `workflow`, and id.
    """

    def __init__(self) -> None:
        self.workflow = pb.PbWorkflow()
        self.elements = {
            topic: Table(_KINDS[topic].message, "id" if topic == "edges" else "stamp")
            for topic in _TABLES
        }
        self._times = dict.fromkeys(TOPICS, 0.0)

    # -- receiving ------------------------------------------------------------------------

    def load(self, snapshot: pb.PbEntireWorkflow) -> None:
        """Replace everything by what `pb_entire_workflow` sent."""
        self.workflow = _as_sets("workflow", _copy(snapshot.workflow))
        for topic in _TABLES:
            self._clear(topic)
            self._change(topic, _own(topic, getattr(snapshot, topic)), (), ())
        self._times = dict.fromkeys(TOPICS, self.workflow.last_updated)

    def apply(self, batch: pb.AllDeltas) -> list[Mismatch]:
        """Apply what came with the topic `all`; return where a resynchronisation is due.

        Changes are applied type by type, each as `apply_delta` does.
        """
        found = (
            self.apply_delta(topic, getattr(batch, topic))
            for topic in TOPICS
            if batch.HasField(topic)
        )
        return [mismatch for mismatch in found if mismatch]

    def apply_delta(self, topic: str, delta: Any) -> Mismatch | None:
        """Apply what came with the topic of one type (DELTA-11 to DELTA-19).

        A change that is older than what was applied last is ignored, unless it says `reloaded`.

        Returns:
            None if the checksum of the delta, where it has one, is that of the store (DELTA-21).
        """
        if delta.reloaded:
            self._clear(topic)
            self._times[topic] = 0.0
        if delta.time < self._times[topic]:
            return None
        self._times[topic] = delta.time
        if topic == "workflow":
            self._change_workflow(delta)
            return None
        self._change(topic, _own(topic, delta.added), delta.updated, delta.pruned)
        if not delta.HasField("checksum"):
            return None
        checksum = self.checksum(topic)
        return None if checksum == delta.checksum else Mismatch(topic, delta.checksum, checksum)

    def checksum(self, topic: str) -> int:
        """Return the Adler-32 of the sorted stamps, or of the ids of edges, run together."""
        keys = sorted(self.elements[topic].keys_of_checksum.values())
        return zlib.adler32("".join(keys).encode("utf-8", "surrogatepass"))

    # -- sending --------------------------------------------------------------------------

    def commit(self, batch: Batch, now: float) -> pb.AllDeltas | None:
        """Carry out a batch at the time `now`, in seconds, and return what is to be published.

        Sets stamps, checksums, the time, and `last_updated` of the workflow (STORE-1, DELTA-2,
        4, 5, 7, 8 and 10). Time must not go backwards (DELTA-3).

        Returns:
            None if nothing changed.

        Raises:
            LocalProtocolError: an update is for an element that does not exist, or there would
                be no workflow. Nothing happens then.
        """
        if not batch:
            return None
        self._check(batch)
        batch._stamp(self.workflow.id, now)  # noqa: SLF001 - two halves of one thing
        deltas = pb.AllDeltas()
        for topic in TOPICS:
            if not batch._changes(topic):  # noqa: SLF001
                continue
            delta = getattr(deltas, topic)
            batch._fill(topic, delta)  # noqa: SLF001
            delta.time = self._times[topic] = now
            if delta.reloaded:
                self._clear(topic)
            if topic == "workflow":
                self._change_workflow(delta)
            else:
                self._change(topic, batch.added[topic].values(), delta.updated, batch.pruned[topic])
                delta.checksum = self.checksum(topic)
        return deltas

    def snapshot(self) -> pb.PbEntireWorkflow:
        """Return everything, as `pb_entire_workflow` sends it."""
        return pb.PbEntireWorkflow.FromString(self.snapshot_bytes())

    def snapshot_bytes(self) -> bytes:
        """Return `snapshot()` as it is sent."""
        parts = (fields(pb.PbEntireWorkflow, topic, self._encoded(topic)) for topic in TOPICS)
        return b"".join(parts)

    def data_elements(self, topic: str) -> Any:
        """Return all elements of one type, as `pb_data_elements` sends them."""
        return _KINDS[topic].delta.FromString(self.data_elements_bytes(topic))

    def data_elements_bytes(self, topic: str) -> bytes:
        """Return `data_elements(topic)` as it is sent."""
        delta = _KINDS[topic].delta
        time: bytes = delta(time=self.workflow.last_updated).SerializeToString()
        return time + fields(delta, "added", self._encoded(topic))

    # -- inside ---------------------------------------------------------------------------

    def _encoded(self, topic: str) -> Iterable[bytes]:
        if topic == "workflow":
            return [with_length(self.workflow.SerializeToString())]
        return self.elements[topic].encoded.values()

    def _check(self, batch: Batch) -> None:
        known: dict[str, Container[str]] = {"workflow": {self.workflow.id} - {""}, **self.elements}
        for topic in TOPICS:
            for identifier in batch.updated[topic]:
                if topic in batch.reloaded or identifier not in known[topic]:
                    raise LocalProtocolError(f"{identifier} cannot be updated: there is none")
        if not batch.added["workflow"] and ("workflow" in batch.reloaded or not self.workflow.id):
            raise LocalProtocolError("elements cannot be without a workflow")

    def _change(
        self, topic: str, added: Iterable[Any], updated: Iterable[Any], pruned: Iterable[str]
    ) -> None:
        elements = self.elements[topic]
        for element in added:
            elements.put(element)
        for element in updated:
            known = elements.get(element.id)
            if known is not None:
                elements.put(_merge(topic, known, element))
        gone = {key: elements.pop(key) for key in pruned if key in elements}
        self._forget(topic, gone)

    def _change_workflow(self, delta: pb.WDeltas) -> None:
        if delta.added.ListFields():
            self.workflow = _as_sets("workflow", _copy(delta.added))
        if delta.updated.ListFields():
            self.workflow = _merged("workflow", self.workflow, delta.updated)
        if delta.HasField("pruned"):
            self.workflow = _merged("workflow", self.workflow, pb.PbWorkflow(pruned=True))

    def _clear(self, topic: str) -> None:
        if topic == "workflow":
            self.workflow = pb.PbWorkflow()
        else:
            self.elements[topic].clear()

    def _forget(self, topic: str, gone: dict[str, Any]) -> None:
        """Take the ids of elements that are gone out of the lists of others."""
        affected: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
        for key, element in gone.items():
            for place in _places(topic, element):
                affected[place].add(key)
        for (other, identifier, field), keys in affected.items():
            if other == "workflow":
                self.workflow = _without(self.workflow, field, keys)
            elif identifier in self.elements[other]:
                holder = self.elements[other][identifier]
                self.elements[other].put(_without(holder, field, keys))


def _places(topic: str, element: Any) -> Iterator[tuple[str, str, str]]:
    """Yield where the id of an element is listed: topic, id and field of the others."""
    match topic:
        case "edges":
            yield "task_proxies", element.source, "edges"
            yield "task_proxies", element.target, "edges"
            yield "workflow", "", "edges"
        case "family_proxies":
            yield "families", element.family, "proxies"
            yield "family_proxies", element.first_parent, "child_families"
            yield "workflow", "", "family_proxies"
        case "jobs":
            yield "task_proxies", element.task_proxy, "jobs"
            yield "workflow", "", "jobs"
        case "task_proxies":
            yield "tasks", element.task, "proxies"
            yield "family_proxies", element.first_parent, "child_tasks"
            yield "workflow", "", "task_proxies"


def _copy(message: Any) -> Any:
    """Return a message of its own: a part of a larger one keeps all of that in memory."""
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _own(topic: str, elements: Iterable[Any]) -> Iterator[Any]:
    return (_as_sets(topic, _copy(element)) for element in elements)


def _merged(topic: str, known: Any, update: Any) -> Any:
    return _merge(topic, _copy(known), update)


def _merge(topic: str, merged: Any, update: Any) -> Any:
    """Change a message, which is returned, as an update says."""
    every = topic == "workflow" and update.states_updated
    for field in _KINDS[topic].overwritten:
        if every or len(getattr(update, field)):
            merged.ClearField(field)
    merged.MergeFrom(update)
    if topic == "workflow":
        del merged.log_records[:-LOG_RECORDS]
        if update.HasField("edges"):
            _make_set(merged.edges.edges)
    for field in _KINDS[topic].relations:
        if len(getattr(update, field)):
            _make_set(getattr(merged, field))
    return merged


def _as_sets(topic: str, element: Any) -> Any:
    for field in _KINDS[topic].relations:
        _make_set(getattr(element, field))
    if topic == "workflow" and element.HasField("edges"):
        _make_set(element.edges.edges)
    return element


def _make_set(items: Any) -> None:
    if len(items) < 2:  # noqa: PLR2004 - most have one, and there are very many
        return
    once = dict.fromkeys(items)
    if len(once) < len(items):
        items[:] = once


def _without(element: Any, field: str, keys: set[str]) -> Any:
    changed = _copy(element)
    items = getattr(changed, field)
    if isinstance(items, pb.PbEdges):
        items = items.edges
    items[:] = [key for key in items if key not in keys]
    return changed


def publications(batch: pb.AllDeltas) -> list[tuple[bytes, bytes]]:
    """Return topic and payload of each message that publishes a batch, in order (PUB-8 to 11)."""
    payloads: dict[str, bytes] = {
        topic: getattr(batch, topic).SerializeToString()
        for topic in TOPICS
        if batch.HasField(topic)
    }
    parts = (fields(pb.AllDeltas, name, [with_length(one)]) for name, one in payloads.items())
    messages = [(topic.encode(), payload) for topic, payload in payloads.items()]
    return [*messages, (b"all", b"".join(parts))]
