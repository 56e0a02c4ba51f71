"""Takes out of protobuf messages what tells of the machine on which they were recorded. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from attrs import define, field

from wri_conformance.mistakes import Mistake
from wri_conformance.streams import DELTAS
from wri_proto.v1 import data_store_pb2 as pb

_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_KEYS: Final = frozenset({"id", "stamp"})
_FIRST_PID: Final = 1001


@define
class Neutraliser:
    """Replaces texts in the fields of messages, the same text by the same text each time.

    `texts` are those to replace and what stands in their place, such as a home directory. The
    identifiers of processes are counted from 1001 in the order in which they come, and UUIDs
    from 1. Identifiers of elements and stamps are never changed, so that checksums stay those
    that the implementation has sent.
    """

    texts: Mapping[str, str]
    _pids: dict[str, str] = field(factory=dict)
    _uuids: dict[str, str] = field(factory=dict)

    def snapshot(self, payload: bytes) -> bytes:
        """Return a PbEntireWorkflow without what tells of the machine.

        Raises:
            Mistake: see `publication`.
        """
        return self._message(pb.PbEntireWorkflow, payload)

    def publication(self, topic: str, payload: bytes) -> bytes:
        """Return the payload of a topic without what tells of the machine.

        Raises:
            Mistake: it is not the message of the topic or has fields that are not known, or an
                identifier or a stamp has something in it that would have to be replaced.
        """
        kind = DELTAS.get(topic)
        if kind is None:
            return self._text(payload.decode()).encode()
        return self._message(kind, payload)

    def _message(self, kind: Any, payload: bytes) -> bytes:
        message = kind.FromString(payload)
        known = kind.FromString(payload)
        known.DiscardUnknownFields()
        if known.ByteSize() != message.ByteSize():
            raise Mistake(
                f"there are fields in a {kind.DESCRIPTOR.name} that data_store.proto does not have",
                "add them to it",
            )
        _change(message, self._value)
        changed: bytes = message.SerializeToString(deterministic=True)
        return changed

    def _value(self, name: str, text: str) -> str:
        if name == "job_id":
            return self._pids.setdefault(text, str(_FIRST_PID + len(self._pids)))
        changed = self._text(text)
        if name in _KEYS and changed != text:
            raise Mistake(
                f"the {name} {text!r} tells of the machine",
                "record where the user has another name",
            )
        return changed

    def _text(self, text: str) -> str:
        for old, new in self.texts.items():
            text = text.replace(old, new)
        return _UUID.sub(self._uuid, text)

    def _uuid(self, match: re.Match[str]) -> str:
        number = f"00000000-0000-4000-8000-{len(self._uuids) + 1:012}"
        return self._uuids.setdefault(match[0], number)


def _change(message: Any, change: Callable[[str, str], str]) -> None:
    for one, value in message.ListFields():
        kind = one.message_type
        if kind is not None and kind.GetOptions().map_entry:
            if kind.fields_by_name["value"].message_type is not None:
                for key in value:
                    _change(value[key], change)
        elif kind is not None:
            for item in value if one.is_repeated else (value,):
                _change(item, change)
        elif one.type == one.TYPE_STRING:
            if one.is_repeated:
                value[:] = [change(one.name, item) for item in value]
            else:
                setattr(message, one.name, change(one.name, value))


def texts(message: Any) -> Iterator[str]:
    """Yield every text in a message, at all depths, keys of maps included."""
    for one, value in message.ListFields():
        kind = one.message_type
        if kind is not None and kind.GetOptions().map_entry:
            inner = kind.fields_by_name["value"].message_type
            for key in value:
                yield str(key)
                if inner is not None:
                    yield from texts(value[key])
        elif kind is not None:
            for item in value if one.is_repeated else (value,):
                yield from texts(item)
        elif one.type == one.TYPE_STRING:
            yield from value if one.is_repeated else (value,)
