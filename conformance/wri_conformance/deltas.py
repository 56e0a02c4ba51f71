"""The suite's own receiver of deltas: a store, its checksums, and how two stores differ. Pure.

What a relation list holds is a set of ids: real schedulers send some ids twice, and leave ids
in them of elements that are gone. Neither tells two stores apart here.
"""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import define, field, frozen
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from wri_proto.v1 import data_store_pb2 as pb

MESSAGES: Final[Mapping[str, type[Message]]] = {
    "edges": pb.EDeltas,
    "families": pb.FDeltas,
    "family_proxies": pb.FPDeltas,
    "jobs": pb.JDeltas,
    "tasks": pb.TDeltas,
    "task_proxies": pb.TPDeltas,
    "workflow": pb.WDeltas,
}
"""By topic, the message of its payload; `all` is none of them, but holds one of each."""

ORDER: Final = tuple(field.name for field in pb.AllDeltas.DESCRIPTOR.fields)
"""The topics in the order in which the changes of one batch are applied."""

_ELEMENTS: Final = tuple(topic for topic in MESSAGES if topic != "workflow")
# What an update carries of these replaces what was there; everything else is merged.
_REPLACED: Final[Mapping[str, tuple[str, ...]]] = {
    "family_proxies": ("state_totals", "states"),
    "jobs": ("messages",),
    "task_proxies": ("prerequisites",),
    "workflow": ("latest_state_tasks", "state_totals", "states"),
}
_LOG_RECORDS: Final = 10
_MOST: Final = 20  # differences that are told
_WIDTH: Final = 240  # characters of one of them


@define
class Store:
    """The elements of a workflow as a receiver has them."""

    workflow: Any = field(factory=pb.PbWorkflow)
    elements: dict[str, dict[str, Any]] = field(factory=lambda: {t: {} for t in _ELEMENTS})
    unknown_updates: int = 0
    unknown_pruned: int = 0
    _times: dict[str, float] = field(factory=dict)

    @classmethod
    def of(cls, snapshot: Any) -> "Store":
        """Return a store with the elements of a PbEntireWorkflow."""
        store = cls()
        store.workflow.CopyFrom(snapshot.workflow)
        for topic, elements in store.elements.items():
            elements.update((element.id, _copy(element)) for element in getattr(snapshot, topic))
        return store

    def apply(self, topic: str, delta: Any) -> bool:
        """Apply the delta of one topic; False if it is older than what was applied before."""
        if not delta.reloaded and delta.time < self._times.get(topic, 0.0):
            return False
        if topic == "workflow":
            self._apply_workflow(delta)
        else:
            self._apply_elements(topic, delta)
        self._times[topic] = delta.time
        return True

    def _apply_workflow(self, delta: Any) -> None:
        if delta.reloaded:
            self.workflow = pb.PbWorkflow()
        if delta.HasField("added"):
            self.workflow.CopyFrom(delta.added)
        if delta.HasField("updated"):
            _update("workflow", self.workflow, delta.updated)
            del self.workflow.log_records[:-_LOG_RECORDS]

    def _apply_elements(self, topic: str, delta: Any) -> None:
        elements = self.elements[topic]
        if delta.reloaded:
            elements.clear()
        elements.update((element.id, _copy(element)) for element in delta.added)
        for change in delta.updated:
            if change.id in elements:
                _update(topic, elements[change.id], change)
            else:
                self.unknown_updates += 1
        for id_ in delta.pruned:
            gone = elements.pop(id_, None)
            if gone is None:
                self.unknown_pruned += 1
            else:
                self._forget(topic, gone)

    def _forget(self, topic: str, gone: Any) -> None:
        """Remove the id of an element that is gone from the relations that lead to it."""
        for relation in self._relations(topic, gone):
            while gone.id in relation:
                relation.remove(gone.id)

    def _relations(self, topic: str, gone: Any) -> Iterator[Any]:
        if topic == "task_proxies":
            yield self.workflow.task_proxies
            yield from self._of("tasks", gone.task, "proxies")
            yield from self._of("family_proxies", gone.first_parent, "child_tasks")
        elif topic == "family_proxies":
            yield self.workflow.family_proxies
            yield from self._of("families", gone.family, "proxies")
            yield from self._of("family_proxies", gone.first_parent, "child_families")
        elif topic == "edges":
            yield self.workflow.edges.edges
            yield from self._of("task_proxies", gone.source, "edges")
            yield from self._of("task_proxies", gone.target, "edges")
        elif topic == "jobs":
            yield self.workflow.jobs
            yield from self._of("task_proxies", gone.task_proxy, "jobs")

    def _of(self, topic: str, id_: str, relation: str) -> Iterator[Any]:
        if (element := self.elements[topic].get(id_)) is not None:
            yield getattr(element, relation)

    def checksum(self, topic: str) -> int:
        """Return Adler-32 of all sorted stamps of a topic, of edges of the sorted ids."""
        elements = self.elements[topic]
        parts = elements if topic == "edges" else (e.stamp for e in elements.values())
        return zlib.adler32("".join(sorted(parts)).encode())

    def ids(self) -> set[str]:
        """Return the ids of all elements."""
        return {self.workflow.id, *(id_ for elements in self.elements.values() for id_ in elements)}


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _update(topic: str, element: Any, change: Any) -> None:
    present = {field.name for field, _ in change.ListFields()}
    emptied = topic == "workflow" and change.states_updated
    for name in _REPLACED.get(topic, ()):
        if emptied or name in present:
            element.ClearField(name)
    element.MergeFrom(change)


@frozen
class Difference:
    """One thing in which two stores differ: an element that one lacks, or a field of both.

    `kind` is the topic and the name of the field, or `missing` or `too many`.
    """

    kind: str
    text: str

    def __str__(self) -> str:
        """Return it in words."""
        return self.text


def unlike(store: Store, snapshot: Store) -> Iterator[Difference]:
    """Yield how a store differs from the one that it should be equal to.

    Lists of texts compare as sets, in which ids of elements that neither store has do not count.
    """
    known = store.ids() | snapshot.ids()
    yield from _compare("workflow", {"": store.workflow}, {"": snapshot.workflow}, known)
    for topic in _ELEMENTS:
        yield from _compare(topic, store.elements[topic], snapshot.elements[topic], known)


def differences(store: Store, snapshot: Store) -> list[str]:
    """Return, in words, what `unlike` yields.

    At most 20 differences, each short; then how many more there are.
    """
    return shorten([str(one) for one in unlike(store, snapshot)])


def shorten(found: Sequence[str]) -> list[str]:
    """Return the first texts of a list, each cut, and how many more there are."""
    shown = [text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…" for text in found[:_MOST]]
    return [*shown, *([f"and {len(found) - _MOST} more"] if len(found) > _MOST else [])]


def repeated(store: Store) -> list[str]:
    """Return, in words, the identifiers that a list of identifiers has more than once."""
    return [
        f"{where}: {id_}"
        for where, ids in _lists(store)
        for id_, times in Counter(ids).items()
        if times > 1
    ]


def dangling(store: Store) -> list[str]:
    """Return, in words, the identifiers in lists that are those of no element."""
    known = store.ids()
    return [f"{where}: {id_}" for where, ids in _lists(store) for id_ in ids if id_ not in known]


def _lists(store: Store) -> Iterator[tuple[str, list[str]]]:
    holders = [("workflow", store.workflow), ("workflow edges", store.workflow.edges)]
    for topic, elements in store.elements.items():
        holders += [(f"{topic} {id_}", element) for id_, element in elements.items()]
    for where, holder in holders:
        for field_, value in holder.ListFields():
            if field_.is_repeated and field_.message_type is None:
                yield f"{where}: {field_.name}", [text for text in value if _is_id(text)]


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("~")


def _compare(
    topic: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], known: set[str]
) -> Iterator[Difference]:
    for id_ in sorted(theirs.keys() - ours.keys()):
        yield Difference(f"{topic} missing", f"{topic} {id_}: missing")
    for id_ in sorted(ours.keys() - theirs.keys()):
        yield Difference(f"{topic} too many", f"{topic} {id_}: not in the snapshot")
    for id_ in sorted(ours.keys() & theirs.keys()):
        if ours[id_] != theirs[id_]:
            left, right = _plain(ours[id_], known), _plain(theirs[id_], known)
            for name in sorted(left.keys() | right.keys()):
                if left.get(name) != right.get(name):
                    where = f"{topic} {id_}".rstrip()
                    how = _unlike(left.get(name), right.get(name))
                    yield Difference(f"{topic} {name}", f"{where}: {name}: {how}")


def _unlike(ours: Any, theirs: Any) -> str:
    if isinstance(ours, frozenset) or isinstance(theirs, frozenset):
        left, right = ours or frozenset(), theirs or frozenset()
        return f"lacks {sorted(right - left)}, has {sorted(left - right)} besides"
    left = "nothing" if ours is None else repr(ours)
    return f"{left} instead of {'nothing' if theirs is None else repr(theirs)}"


def _plain(message: Any, known: set[str]) -> dict[str, Any]:
    """Return what a message says, field by field, without what two equal stores may differ in."""
    found = {field.name: _value(field, value, known) for field, value in message.ListFields()}
    return {name: value for name, value in found.items() if value != frozenset()}


def _value(field: FieldDescriptor, value: Any, known: set[str]) -> Any:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        inner = kind.fields_by_name["value"].message_type
        return {key: value[key] if inner is None else _plain(value[key], known) for key in value}
    if not field.is_repeated:
        return value if kind is None else _plain(value, known)
    if kind is not None:
        return [_plain(item, known) for item in value]
    return _relation(value, known)


def _relation(values: Iterable[str], known: set[str]) -> frozenset[str]:
    return frozenset(v for v in values if not _is_id(v) or v in known)
