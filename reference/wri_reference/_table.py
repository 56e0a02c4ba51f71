"""The elements of one type as they are sent: encoded once, however often somebody asks."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_MORE = 0x80  # the bit of a byte of a length that says that another byte follows


class Table(Mapping[str, Any]):
    """Elements by id.

    Messages would take ten times the memory, so each look at an element makes a new one.

    Args:
        message: the class of an element.
        key: the field of an element that goes into the checksum.

    Attributes:
        encoded: each element, after its length, by id.
        keys_of_checksum: what goes into the checksum, by id.
    """

    def __init__(self, message: type[Any], key: str) -> None:
        self.encoded: dict[str, bytes] = {}
        self.keys_of_checksum: dict[str, str] = {}
        self._message = message
        self._key = key

    def put(self, element: Any) -> None:
        """Add an element, or replace the one with the same id."""
        identifier = element.id
        self.encoded[identifier] = with_length(element.SerializeToString())
        self.keys_of_checksum[identifier] = getattr(element, self._key)

    def pop(self, identifier: str) -> Any:
        """Drop an element and return it."""
        element = self[identifier]
        del self.encoded[identifier], self.keys_of_checksum[identifier]
        return element

    def clear(self) -> None:
        """Drop all elements."""
        self.encoded.clear()
        self.keys_of_checksum.clear()

    def __getitem__(self, identifier: str) -> Any:
        """Return a message that is the caller's own."""
        encoded = self.encoded[identifier]
        begin = 1
        while encoded[begin - 1] & _MORE:
            begin += 1
        return self._message.FromString(encoded[begin:])

    def __contains__(self, identifier: object) -> bool:
        """Tell whether there is such an element."""
        return identifier in self.encoded

    def __iter__(self) -> Iterator[str]:
        """Go through the ids."""
        return iter(self.encoded)

    def __len__(self) -> int:
        """Return how many elements there are."""
        return len(self.encoded)


def fields(kind: type[Any], name: str, contents: Iterable[bytes]) -> bytes:
    """Return the occurrences of a field of a message: of each its tag, its length and content.

    Args:
        kind: the class of the message.
        name: the field.
        contents: what `with_length` returned.
    """
    tag = bytes([kind.DESCRIPTOR.fields_by_name[name].number << 3 | 2])
    return tag.join([b"", *contents])


def with_length(content: bytes) -> bytes:
    """Return an encoded message with its length before it."""
    head, rest = bytearray(), len(content)
    while rest >= _MORE:
        head.append(rest & (_MORE - 1) | _MORE)
        rest >>= 7
    head.append(rest)
    return bytes(head) + content
