"""A correct data store with seams, from which the faults of data stores are made."""

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from mutants.registry import adapter_fault
from wri_proto.v1 import data_store_pb2 as pb
from wri_reference import ClientError, WorkflowDataStore, WorkflowSubscriber
from wri_reference._follow import ALL, SHUTDOWN, Follower
from wri_reference._store import (
    _KINDS,
    LOG_RECORDS,
    TOPICS,
    DataStore,
    Mismatch,
    _as_sets,
    _copy,
    _places,
    _without,
)

_Part = TypeVar("_Part", bound=type)
Place = tuple[str, str, str]

LULL: Final = 0.05
"""Seconds without a publication after which all that was published is taken to have come."""

THREE: Final = _KINDS["workflow"].overwritten
"""The fields of the workflow that an update replaces."""


class Elements(DataStore):
    """Applies deltas as the reference does, step by step."""

    order = ("reload", "add", "update", "prune")
    log_records = LOG_RECORDS

    def load(self, snapshot: pb.PbEntireWorkflow) -> None:
        for topic in TOPICS:
            self._clear(topic)
            for element in several(snapshot, topic):
                self.put(topic, self.loaded(topic, _copy(element)))
        self._times = dict.fromkeys(TOPICS, self.began(snapshot))

    def loaded(self, topic: str, element: Any) -> Any:
        """Return what is kept of an element of a snapshot."""
        return _as_sets(topic, element)

    def began(self, snapshot: pb.PbEntireWorkflow) -> float:
        """Return the time of a snapshot."""
        return snapshot.workflow.last_updated

    def apply_delta(self, topic: str, delta: Any) -> Mismatch | None:
        if self.older(topic, delta):
            return None
        self._times[topic] = delta.time
        for part in self.order:
            getattr(self, part)(topic, delta)
        if topic == "workflow" or not delta.HasField("checksum") or self.unchecked(topic, delta):
            return None
        checksum = self.checksum(topic)
        return None if checksum == delta.checksum else Mismatch(topic, delta.checksum, checksum)

    def older(self, topic: str, delta: Any) -> bool:
        """Tell whether a delta is to be skipped."""
        return not delta.reloaded and delta.time < self._times[topic]

    def unchecked(self, topic: str, delta: Any) -> bool:  # noqa: ARG002
        """Tell whether the checksum of a delta does not matter."""
        return False

    def reload(self, topic: str, delta: Any) -> None:
        """Drop the elements of a type, if a delta says so."""
        if delta.reloaded:
            self._clear(topic)

    def add(self, topic: str, delta: Any) -> None:
        """Add elements."""
        for element in several(delta, "added"):
            self.put(topic, self.added(topic, _copy(element)))

    def added(self, topic: str, element: Any) -> Any:
        """Return what is kept of an element that is added."""
        return _as_sets(topic, element)

    def update(self, topic: str, delta: Any) -> None:
        """Change elements."""
        for update in several(delta, "updated"):
            known = self.known(topic, update.id)
            if known is not None:
                self.put(topic, self.updated(topic, known, update))

    def updated(self, topic: str, known: Any, update: Any) -> Any:
        """Return an element after an update."""
        for field in self.replaced(topic, update):
            known.ClearField(field)
        known = self.merged(known, update)
        if topic == "workflow":
            del known.log_records[: -self.log_records]
        return self.united(topic, known)

    def replaced(self, topic: str, update: Any) -> Iterable[str]:
        """Return the fields that an update replaces as a whole."""
        every = topic == "workflow" and update.states_updated
        return [f for f in _KINDS[topic].overwritten if every or len(getattr(update, f))]

    def merged(self, known: Any, update: Any) -> Any:
        """Return an element with the fields of an update."""
        known.MergeFrom(update)
        return known

    def united(self, topic: str, element: Any) -> Any:
        """Return an element that was merged, with lists of identifiers as sets."""
        return _as_sets(topic, element)

    def prune(self, topic: str, delta: Any) -> None:
        """Drop elements; a scheduler never drops its workflow."""
        if topic == "workflow":
            return
        for identifier in delta.pruned:
            gone = self.known(topic, identifier)
            if gone is not None:
                self.elements[topic].pop(identifier)
                self.forget(gone.id, self.places(topic, gone))

    def forget(self, identifier: str, places: Iterable[Place]) -> None:
        """Take an identifier out of lists."""
        for topic, holder, field in places:
            known = self.known(topic, holder)
            if known is not None:
                self.put(topic, _without(known, field, {identifier}))

    def places(self, topic: str, gone: Any) -> Iterable[Place]:
        """Return which lists have the identifier of an element: topic, identifier and field."""
        return _places(topic, gone)

    def known(self, topic: str, identifier: str) -> Any:
        """Return a copy of an element; None if there is none."""
        return _copy(self.workflow) if topic == "workflow" else self.elements[topic].get(identifier)

    def put(self, topic: str, element: Any) -> None:
        """Keep an element."""
        if topic == "workflow":
            self.workflow = element
        else:
            self.elements[topic].put(element)


class Store(WorkflowDataStore):
    """Does what the reference does, step by step."""

    elements: type[DataStore] = Elements
    follower: type[Follower] = Follower
    topics: tuple[bytes, ...] = (ALL, SHUTDOWN)

    def _subscribe(self) -> None:
        self._follower = self.follower()
        self._follower.store = self.elements()
        self.listen()

    def listen(self) -> None:
        """Connect to the publisher."""
        self._subscriber = WorkflowSubscriber(self.workflow, topics=self.topics)

    def _take(self) -> None:
        try:
            while (publication := self._subscriber.receive(LULL)) is not None:
                self.feed(*publication)
                if self._follower.stopped is not None:
                    return
        except ClientError as error:
            self.interrupted(error)

    def feed(self, topic: bytes, payload: bytes) -> None:
        """Take a publication."""
        self._follower.feed(topic, payload)

    def interrupted(self, error: Exception) -> None:  # noqa: ARG002
        """Begin anew."""
        self.close()
        self._subscribe()


def several(message: Any, field: str) -> Iterable[Any]:
    """Return the elements in a field, of which the workflow is one at most."""
    value = getattr(message, field)
    if isinstance(value, pb.PbWorkflow):
        return [value] if value.ListFields() else []
    return list(value)


def part_fault(name: str, breaks: list[str]) -> Callable[[_Part], _Part]:
    """Make elements or a follower, which are parts of a data store, a fault of it."""

    def register(part: _Part) -> _Part:
        seam = "elements" if issubclass(part, Elements) else "follower"
        about = {"__doc__": part.__doc__, "__module__": part.__module__}
        adapter_fault(name, breaks)(type(part.__name__, (Store,), {**about, seam: part}))
        return part

    return register
