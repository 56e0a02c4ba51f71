"""Which fields a data store has of each type of element. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from wri_proto.v1 import data_store_pb2 as pb

# Chance, such as the speed of the machine, decides whether these are there.
_BY_CHANCE: Final = frozenset({"PbWorkflow.log_records", "PbWorkflow.latest_state_tasks"})


def fields(snapshots: Iterable[pb.PbEntireWorkflow]) -> dict[str, list[str]]:
    """Return, by the name of a message, the fields that any element of it has.

    A field that `data_store.proto` does not know is told by its number, such as `#41`.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for snapshot in snapshots:
        for message in _messages(snapshot):
            kind = message.DESCRIPTOR.name
            found[kind].update(field.name for field, _ in message.ListFields())
            found[kind].update(f"#{one.field_number}" for one in UnknownFieldSet(message))  # type: ignore[attr-defined]
    return {
        kind: sorted(name for name in names if f"{kind}.{name}" not in _BY_CHANCE)
        for kind, names in sorted(found.items())
    }


def _messages(message: Message) -> Iterator[Message]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            values: Iterable[Any] = value.values() if hasattr(value, "values") else ()
            for one in values:
                if isinstance(one, Message):
                    yield from _messages(one)
        elif field.is_repeated:
            for one in value:
                yield from _messages(one)
        else:
            yield from _messages(value)
