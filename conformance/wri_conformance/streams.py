"""What a stream of publications shows, and which of its messages are one batch. Pure."""

import contextlib
import itertools
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import frozen
from google.protobuf.message import DecodeError

from wri_conformance import fields
from wri_conformance.deltas import MESSAGES, ORDER
from wri_proto.v1 import data_store_pb2 as pb

DELTAS: Final[Mapping[str, Any]] = {**MESSAGES, "all": pb.AllDeltas}
"""By topic, the message of its payload."""

_COMPARED: Final = ("all_differs", "missing_from_all", "missing_beside_all")
_MOST_FIELDS: Final = 4 * fields.MOST  # of all deltas of a stream
_TEXT: Final = 200  # characters of the last payload that are kept


@frozen
class Publication:
    """One message: its topic, how many frames it has, and what its payload says."""

    topic: str
    frames: int
    payload: bytes
    delta: Any  # of a topic in DELTAS whose payload can be decoded
    size: int  # fields of the delta, at all depths

    @classmethod
    def of(cls, frames: Sequence[bytes]) -> "Publication":
        """Return what the frames of a message say; without any, topic and payload are empty."""
        topic = frames[0].decode("utf-8", "replace") if frames else ""
        payload = frames[1] if len(frames) > 1 else b""
        delta = None
        kind = DELTAS.get(topic)
        size = 0 if kind is None else fields.count(kind, payload)
        if kind is not None and size <= fields.MOST:
            with contextlib.suppress(DecodeError):
                delta = kind.FromString(payload)
        return cls(topic, len(frames), payload, delta, size)


@frozen
class Batch:
    """The changes that were published together.

    `parts` are the deltas by topic: those in `all`, or where nothing was published with that
    topic, those of the types. `own` are the places in the stream of the messages of the types,
    `end` is that of `all`.
    """

    parts: Mapping[str, Any]
    own: Mapping[str, int]
    end: int | None

    @property
    def times(self) -> set[float]:
        """The times of its parts: one, if all is well."""
        return {part.time for part in self.parts.values()}


@frozen
class Stream:
    """Publications in the order of their arrival."""

    publications: tuple[Publication, ...]
    batches: tuple[Batch, ...]
    alone: tuple[int, ...]  # places of messages of types that no `all` after them has a part for

    @classmethod
    def received(cls, messages: Iterable[Sequence[bytes]]) -> "Stream":
        """Return the stream of messages, each a sequence of frames.

        Raises:
            ValueError: there is more in them than the suite decodes.
        """
        told: list[Publication] = []
        size = 0
        for frames in messages:
            told.append(Publication.of(frames))
            size += told[-1].size
            if size > _MOST_FIELDS:
                raise ValueError(
                    f"the deltas have more than {_MOST_FIELDS} fields, more than the suite reads"
                )
        return cls.of(told)

    @classmethod
    def of(cls, publications: Iterable[Publication]) -> "Stream":
        """Find out what belongs together.

        The parts of an `all` and the messages of the types are the same if topic and time are.
        In a stream without `all`, a batch goes on while the time is the same and no topic comes
        a second time. No clock of the receiver has a part in this.
        """
        told = tuple(publications)
        waiting: dict[tuple[str, float], deque[int]] = defaultdict(deque)
        for place, one in enumerate(told):
            if one.topic in MESSAGES and one.delta is not None:
                waiting[one.topic, one.delta.time].append(place)
        ends = [n for n, one in enumerate(told) if one.topic == "all" and one.delta is not None]
        if not ends:
            return cls(told, tuple(_runs(told)), ())
        batches = []
        for end in ends:
            parts = {field.name: part for field, part in told[end].delta.ListFields()}
            own = {
                topic: places.popleft()
                for topic, part in parts.items()
                if (places := waiting[topic, part.time])
            }
            batches.append(Batch(parts, own, end))
        alone = sorted(place for places in waiting.values() for place in places)
        return cls(told, tuple(batches), tuple(alone))


def _runs(publications: Sequence[Publication]) -> Iterable[Batch]:
    parts: dict[str, Any] = {}
    own: dict[str, int] = {}
    for place, one in enumerate(publications):
        if one.topic not in MESSAGES or one.delta is None:
            continue
        if parts and (one.topic in parts or one.delta.time not in Batch(parts, own, None).times):
            yield Batch(parts, own, None)
            parts, own = {}, {}
        parts[one.topic], own[one.topic] = one.delta, place
    if parts:
        yield Batch(parts, own, None)


def describe(stream: Stream) -> dict[str, Any]:
    """Return what a `collect` step observes; None stands where there was nothing to judge."""
    told, batches = stream.publications, stream.batches
    topics = sorted({one.topic for one in told})
    decodable = [one for one in told if one.topic in DELTAS]
    last_end = max((batch.end for batch in batches if batch.end is not None), default=None)
    shutdown = next((n for n, one in enumerate(told) if one.topic == "shutdown"), None)
    return {
        "count": len(told),
        "topics": topics,
        "unknown_topics": [t for t in topics if t not in {*DELTAS, "shutdown"}] if told else None,
        "frames": sorted({one.frames for one in told}),
        "undecodable": sorted({one.topic for one in decodable if one.delta is None})
        if decodable
        else None,
        "batches": len(batches),
        "unfinished": len([n for n in stream.alone if last_end is not None and n > last_end]),
        **_compare(stream, last_end),
        "times": {
            "decreasing": _decreasing([min(b.times) for b in batches if b.parts]),
            "differ_within_batch": None
            if last_end is None
            else len([batch for batch in batches if len(batch.times) > 1]),
        },
        "last": {
            "topic": told[-1].topic,
            "text": ""
            if told[-1].topic in DELTAS
            else told[-1].payload.decode("utf-8", "replace")[:_TEXT],
        }
        if told
        else None,
        **_complete(batches),
        "after_shutdown": None if shutdown is None else len(told) - shutdown - 1,
        "reloaded": len([b for b in batches if any(part.reloaded for part in b.parts.values())]),
        "reloaded_topics": sorted(
            {t for b in batches for t, part in b.parts.items() if part.reloaded}
        ),
        "added": _count(batches, lambda topic, part: _number(topic, part, "added")),
        "updated": _count(batches, lambda topic, part: _number(topic, part, "updated")),
        "pruned": _count(batches, lambda topic, part: _number(topic, part, "pruned")),
        "job_states": _job_states(batches),
    }


def _compare(stream: Stream, last_end: int | None) -> dict[str, Any]:
    """Compare `all` with its parts, which are there at all if both were subscribed to."""
    told = stream.publications
    pairs = [
        (topic, batch.parts[topic], told[place].delta)
        for batch in stream.batches
        if batch.end is not None
        for topic, place in batch.own.items()
    ]
    if last_end is None or not (pairs or stream.alone):
        return dict.fromkeys(("bursts_in_order", "interleaved", *_COMPARED))
    # Some messages of the first of several batches may have come before the subscription.
    whole = stream.batches[1:] or stream.batches
    lacking = {topic for batch in whole for topic in batch.parts if topic not in batch.own}
    return {
        "bursts_in_order": _in_order(stream.batches) if pairs else None,
        "interleaved": _interleaved(stream.batches) if pairs else None,
        "all_differs": sorted({topic for topic, part, own in pairs if part != own}),
        "missing_from_all": sorted({told[n].topic for n in stream.alone if n < last_end}),
        "missing_beside_all": sorted(lacking),
    }


def _in_order(batches: Sequence[Batch]) -> bool:
    """Tell whether the messages of each batch came after the batch before, and `all` last."""
    begin = 0
    for batch in batches:
        *own, end = _places(batch)
        if not all(begin <= place < end for place in own):
            return False
        begin = end + 1
    return True


def _interleaved(batches: Sequence[Batch]) -> int:
    """Return how many batches begin before all of an earlier one was there."""
    spans = sorted((min(places), max(places)) for places in map(_places, batches))
    return len([None for (_, end), (begin, _) in itertools.pairwise(spans) if begin < end])


def _places(batch: Batch) -> list[int]:
    """Return where the messages of a batch are, that of `all` last."""
    assert batch.end is not None
    return [*batch.own.values(), batch.end]


def _complete(batches: Sequence[Batch]) -> dict[str, Any]:
    """Return the topics whose deltas or elements lack what each of them has to have."""
    parts = [(topic, part) for batch in batches for topic, part in batch.parts.items()]
    deltas = [(topic, part) for topic, part in parts if topic != "workflow"]
    added = [(topic, one) for topic, part in parts for one in _elements(topic, part, "added")]
    updated = [(topic, one) for topic, part in parts for one in _elements(topic, part, "updated")]
    stamped = [pair for topic, part in parts for pair in _to_be_stamped(topic, part)]
    both = {
        topic
        for topic, part in parts
        if {one.id for one in _elements(topic, part, "added")}
        & {one.id for one in _elements(topic, part, "updated")}
    }
    return {
        "without_checksum": _topics(deltas, lambda part: not part.HasField("checksum")),
        "without_id": _topics([*added, *updated], lambda one: not one.id),
        "without_stamp": _topics(stamped, lambda one: not one.stamp),
        "added_and_updated": sorted(both) if added or updated else None,
    }


def _topics(found: Sequence[tuple[str, Any]], lacks: Callable[[Any], bool]) -> list[str] | None:
    return sorted({topic for topic, one in found if lacks(one)}) if found else None


def _to_be_stamped(topic: str, part: Any) -> Iterable[tuple[str, Any]]:
    """Yield the updates that have to have a stamp.

    Those of elements that are new in the same delta have it there.
    """
    new = {one.id for one in _elements(topic, part, "added")}
    for one in _elements(topic, part, "updated"):
        if topic != "edges" and one.id not in new and not _relates_only(one):
            yield topic, one


def _relates_only(one: Any) -> bool:
    """Tell whether an update carries lists of identifiers and nothing else."""
    return all(
        field.is_repeated and field.message_type is None
        for field, _ in one.ListFields()
        if field.name != "id"
    )


def _elements(topic: str, part: Any, name: str) -> Sequence[Any]:
    if topic == "workflow":
        return [getattr(part, name)] if part.HasField(name) else []
    found: Sequence[Any] = getattr(part, name)
    return found


def _job_states(batches: Sequence[Batch]) -> list[str] | None:
    """Return the states that jobs came to last."""
    last = {
        one.id: one.state
        for batch in batches
        for name in ("added", "updated")
        if "jobs" in batch.parts
        for one in getattr(batch.parts["jobs"], name)
        if one.HasField("state")
    }
    return sorted(set(last.values())) or None


def _decreasing(times: Sequence[float]) -> int | None:
    pairs = list(itertools.pairwise(times))
    return len([None for before, after in pairs if after < before]) if pairs else None


def _count(batches: Sequence[Batch], number: Callable[[str, Any], int]) -> dict[str, int]:
    return {
        topic: sum(number(topic, batch.parts[topic]) for batch in batches if topic in batch.parts)
        for topic in ORDER
    }


def _number(topic: str, part: Any, name: str) -> int:
    if topic == "workflow":
        return int(part.HasField(name))
    return len(getattr(part, name))
