"""Counts the fields of protobuf messages before anything is decoded. Pure.

Two bytes can be an element that takes hundreds of bytes once it is decoded.
"""

from typing import Any, Final

from google.protobuf.message import Message

MOST: Final = 250_000
"""How many fields are decoded; a snapshot of a fixture has some thousands."""

_VARINT: Final = 0
_LENGTH: Final = 2
_SIZES: Final = {1: 8, 5: 4}
_GROUP: Final = frozenset({3, 4})
_MORE: Final = 0x80


def count(kind: type[Message], body: bytes) -> int:
    """Return how many fields bytes have, at all depths, if they are a message of a kind.

    Each item of a list is one. Counting ends a little beyond MOST, and where the bytes are no
    message any more.
    """
    found = 0
    waiting: list[tuple[Any, memoryview]] = [(kind.DESCRIPTOR, memoryview(body))]
    while waiting and found <= MOST:
        inner, data = waiting.pop()
        place = 0
        while place < len(data) and found <= MOST:
            key, place = _varint(data, place)
            wire = key & 7
            found += 1
            if wire == _LENGTH:
                size, place = _varint(data, place)
                field = inner.fields_by_number.get(key >> 3)
                if field is not None and field.message_type is not None:
                    waiting.append((field.message_type, data[place : place + size]))
                place += size
            elif wire == _VARINT:
                _, place = _varint(data, place)
            elif wire in _SIZES:
                place += _SIZES[wire]
            elif wire not in _GROUP:
                break
    return found


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """Return the number at a place, and the place behind it."""
    number = shift = 0
    while place < len(data):
        byte = data[place]
        place += 1
        number |= (byte & ~_MORE) << shift
        shift += 7
        if byte < _MORE:
            break
    return number, place
