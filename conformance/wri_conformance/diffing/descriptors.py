"""Compares the protobuf messages of two implementations by the rules of buf. Pure.

The names of the rules are those of `buf breaking`; a test compares the findings with it.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import frozen
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

from wri_conformance.diffing.changes import NEW_CLIENTS, OLD_CLIENTS, Change, Level

_AREA: Final = "protobuf"
_TYPES: Final[Mapping[int, str]] = {
    value.number: value.name.removeprefix("TYPE_").lower()
    for value in FieldDescriptorProto.Type.DESCRIPTOR.values
}


@frozen
class Field:
    """What counts of a field on the wire and in the code of its readers."""

    name: str
    type: str
    cardinality: str  # repeated, optional, or implicit: a single one without presence

    @classmethod
    def of(cls, field: FieldDescriptorProto) -> "Field":
        """Return a field of a descriptor."""
        kind = field.type_name.lstrip(".") or _TYPES[field.type]
        if field.label == FieldDescriptorProto.LABEL_REPEATED:
            return cls(field.name, kind, "repeated")
        explicit = field.proto3_optional or field.HasField("oneof_index")
        return cls(field.name, kind, "optional" if explicit else "implicit")

    def __str__(self) -> str:
        """Return it as it would be written, without its number."""
        word = "" if self.cardinality == "implicit" else f"{self.cardinality} "
        return f"{word}{self.type} {self.name}"


@frozen
class Message:
    """The fields of a message by number, and the numbers that are reserved."""

    fields: Mapping[int, Field]
    reserved: frozenset[int]

    @classmethod
    def of(cls, message: DescriptorProto) -> "Message":
        """Return a message of a descriptor."""
        reserved = {n for span in message.reserved_range for n in range(span.start, span.end)}
        return cls({one.number: Field.of(one) for one in message.field}, frozenset(reserved))


def decode(text: str) -> descriptor_pb2.FileDescriptorProto:
    """Return the descriptor that a profile holds."""
    return descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(text))


def messages(file: descriptor_pb2.FileDescriptorProto) -> dict[str, Message]:
    """Return all messages of a file by name, nested ones as `Outer.Inner`."""
    found: dict[str, Message] = {}

    def walk(prefix: str, one: Any) -> None:
        found[prefix + one.name] = Message.of(one)
        for inner in one.nested_type:
            walk(f"{prefix}{one.name}.", inner)

    for one in file.message_type:
        walk("", one)
    return found


def defines(text: str | None, message: str, field: str) -> bool | None:
    """Tell whether a message has a field of this name; None if nobody knows."""
    if text is None:
        return None
    one = messages(decode(text)).get(message)
    return one is not None and any(known.name == field for known in one.fields.values())


def compare(before: str, after: str) -> Iterator[Change]:
    """Yield what changed from one FileDescriptorProto in base64 to another."""
    old, new = messages(decode(before)), messages(decode(after))
    for name in sorted(old.keys() - new.keys()):
        yield _change("MESSAGE_NO_DELETE", name, f"The message {name} was removed.", name, None)
    for name in sorted(new.keys() - old.keys()):
        yield _safe("MESSAGE_ADDED", name, f"The message {name} was added.", None, name)
    for name in sorted(old.keys() & new.keys()):
        yield from _compare_messages(name, old[name], new[name])
    # Enumerations and services would be compared in vain: the interface has none.
    ours, theirs = (
        (len(one.enum_type), len(one.service), one.syntax, one.package)
        for one in (decode(before), decode(after))
    )
    if ours != theirs:
        told = "Enumerations, services, syntax or package of the file are others."
        yield Change(
            _AREA,
            "FILE_SAME",
            "file",
            Level.RISKY,
            (OLD_CLIENTS, NEW_CLIENTS),
            told,
            str(ours),
            str(theirs),
        )


def _compare_messages(name: str, old: Message, new: Message) -> Iterator[Change]:
    for number in sorted(old.fields.keys() | new.fields.keys()):
        before, after = old.fields.get(number), new.fields.get(number)
        if before is None and after is not None:
            place = f"{name}.{after.name}"
            if number in old.reserved:
                yield _change(
                    "FIELD_NUMBER_REUSED",
                    place,
                    f"{place} has the number {number}, which was reserved.",
                    None,
                    str(after),
                )
            else:
                yield _safe(
                    "FIELD_ADDED", place, f"{place} = {number} was added.", None, str(after)
                )
        elif before is not None and after is None:
            yield _removed(name, number, before, reserved=number in new.reserved)
        elif before is not None and after is not None:
            yield from _compare_fields(f"{name}.{after.name}", number, before, after)
    if gone := sorted(old.reserved - new.reserved - new.fields.keys()):
        numbers = ", ".join(map(str, gone))
        yield _change(
            "RESERVED_MESSAGE_NO_DELETE",
            name,
            f"{name} does not reserve {numbers} any more.",
            numbers,
            None,
            Level.RISKY,
        )


def _removed(name: str, number: int, field: Field, *, reserved: bool) -> Change:
    place = f"{name}.{field.name}"
    how = (
        "its number is reserved"
        if reserved
        else "its number is not reserved, so that another field may get it"
    )
    kind = "FIELD_NO_DELETE" if reserved else "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED"
    return _change(kind, place, f"{place} = {number} was removed; {how}.", str(field), None)


def _compare_fields(place: str, number: int, before: Field, after: Field) -> Iterator[Change]:
    facts = (
        ("FIELD_SAME_TYPE", "type", before.type, after.type),
        ("FIELD_SAME_CARDINALITY", "cardinality", before.cardinality, after.cardinality),
        ("FIELD_SAME_NAME", "name", before.name, after.name),
    )
    for rule, word, was, is_now in facts:
        if was != is_now:
            told = f"The {word} of {place} = {number} was {was} and is {is_now}."
            level = Level.RISKY if word == "name" else Level.BREAKING
            yield _change(rule, place, told, was, is_now, level, (OLD_CLIENTS, NEW_CLIENTS))


def _change(
    kind: str,
    place: str,
    sentence: str,
    before: Any,
    after: Any,
    level: Level = Level.BREAKING,
    sides: tuple[str, ...] = (OLD_CLIENTS,),
) -> Change:
    return Change(_AREA, kind, place, level, sides, sentence, before, after, "WRI-VER-3")


def _safe(kind: str, place: str, sentence: str, before: Any, after: Any) -> Change:
    sides = (OLD_CLIENTS, NEW_CLIENTS)
    return Change(_AREA, kind, place, Level.SAFE, sides, sentence, before, after, "WRI-VER-3")
