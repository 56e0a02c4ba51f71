"""What a replay came to: what was wrong on the way, and how the store differs in the end. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import frozen
from google.protobuf.message import DecodeError

from wri_conformance import deltas
from wri_conformance.mistakes import Mistake
from wri_conformance.replaying.recordings import Recording
from wri_proto.v1 import data_store_pb2 as pb

_MOST: Final = 20  # of each list that is told


@frozen
class Outcome:
    """One stream in one store.

    Attributes:
        stream: the name of the recording.
        store: the name of the store.
        deltas: how many were applied.
        skipped: how many were older than what the store had.
        right: how many checksums were those of the store.
        wrong: the others, in words.
        exceptions: what the store raised, in words.
        kinds: how many elements differ from the last snapshot, by the type of elements and the
            field, or `missing` and `too many`.
        differences: these, in words.
        unknown: how many values of the last snapshot were not compared, since the messages of
            the store have no such field, by message and field.
        repeated: identifiers that the store has more than once in one list.
        dangling: identifiers in lists of the store that are those of no element.
    """

    stream: str
    store: str
    deltas: int
    skipped: int
    right: int
    wrong: tuple[str, ...]
    exceptions: tuple[str, ...]
    kinds: Mapping[str, int]
    differences: tuple[str, ...]
    unknown: Mapping[str, int]
    repeated: int
    dangling: int

    @property
    def equal(self) -> bool:
        """Whether nothing went wrong and the store is equal to the last snapshot."""
        return not (self.wrong or self.exceptions or self.kinds)

    def document(self) -> dict[str, Any]:
        """Return it as JSON; lists are shortened."""
        return {
            "stream": self.stream,
            "store": self.store,
            "equal": self.equal,
            "deltas": self.deltas,
            "skipped": self.skipped,
            "checksums": {"right": self.right, "wrong": len(self.wrong)},
            "wrong": list(self.wrong[:_MOST]),
            "exceptions": {"count": len(self.exceptions), "kinds": self.raised()},
            "differences": {"kinds": dict(self.kinds), "first": list(self.differences[:_MOST])},
            "unknown": dict(self.unknown),
            "repeated": self.repeated,
            "dangling": self.dangling,
        }

    def raised(self) -> dict[str, int]:
        """Return how often each kind of exception came, by its name and where it was raised."""
        return dict(Counter(text.partition(": ")[2].split(":")[0] for text in self.exceptions))


def judge(recording: Recording, store: str, told: Mapping[str, Any]) -> Outcome:
    """Return what a replay came to.

    Args:
        recording: what was replayed.
        store: the name of the store.
        told: what the driver printed.

    Raises:
        Mistake: the snapshot in it is none.
    """
    until = pb.PbEntireWorkflow.FromString(recording.snapshots[-1].payload)
    unknown: Counter[str] = Counter()
    if "knows" in told:
        known = {name: frozenset(numbers) for name, numbers in told["knows"].items()}
        unknown.update(_forget(until, known))
    try:
        end = pb.PbEntireWorkflow.FromString(bytes.fromhex(told["snapshot"]))
    except DecodeError:
        raise Mistake(
            f"what the store of {store} has in the end is no PbEntireWorkflow",
            "correct its driver",
        ) from None
    ours = deltas.Store.of(end)
    found = list(deltas.unlike(ours, deltas.Store.of(until)))
    return Outcome(
        recording.name,
        store,
        told["deltas"],
        told["skipped"],
        told["checksums"]["right"],
        tuple(told["checksums"]["wrong"]),
        tuple(f"{one['where']}: {one['what']}" for one in told["exceptions"]),
        dict(Counter(one.kind for one in found)),
        tuple(deltas.shorten([str(one) for one in found])),
        dict(unknown),
        len(deltas.repeated(ours)),
        len(deltas.dangling(ours)),
    )


def _forget(message: Any, known: Mapping[str, frozenset[int]]) -> Iterator[str]:
    """Clear the fields that a store does not know; yield their names."""
    own = known.get(message.DESCRIPTOR.name, frozenset())
    for one, value in message.ListFields():
        if one.number not in own:
            message.ClearField(one.name)
            yield f"{message.DESCRIPTOR.name}.{one.name}"
        elif (kind := one.message_type) is not None:
            if kind.GetOptions().map_entry:
                if kind.fields_by_name["value"].message_type is not None:
                    for key in value:
                        yield from _forget(value[key], known)
            else:
                for item in value if one.is_repeated else (value,):
                    yield from _forget(item, known)
