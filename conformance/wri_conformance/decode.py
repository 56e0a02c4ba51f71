"""Reads protobuf messages, and says why something is none. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from wri_conformance import fields, strictjson
from wri_conformance.trace import readable
from wri_proto.v1 import data_store_pb2 as pb

MESSAGES: Final[Mapping[str, type[Message]]] = {
    name: getattr(pb, name) for name in pb.DESCRIPTOR.message_types_by_name
}
"""By name, every message of the protocol."""


class NotThatError(Exception):
    """Bytes that are not the message that was asked for; `str()` says what they are instead."""


def parse(name: str, body: bytes) -> Message:
    """Return the message `name` that `body` is; no bytes at all are one without fields.

    Raises:
        NotThatError: it is a response in JSON, or no such message: nothing in it is known.
    """
    if (response := _response(body)) is not None:
        raise NotThatError(f"the reply is not a {name} but a response: {response}")
    message = MESSAGES[name]()
    if fields.count(MESSAGES[name], body) > fields.MOST:
        raise NotThatError(
            f"the reply has more than {fields.MOST} fields, which the suite does not decode"
        )
    try:
        message.ParseFromString(body)
    except DecodeError:
        raise NotThatError(f"the reply is not a {name}: {readable(body, 100)}") from None
    if body and not message.ListFields():
        raise NotThatError(f"the reply is not a {name}: it has no field of one")
    return message


def _response(body: bytes) -> str | None:
    """Return the text of an error response, or another JSON object as text; None if it is none."""
    if not body.startswith(b"{"):
        return None
    try:
        document = strictjson.loads(body)
    except ValueError:
        return None
    error = document.get("error")
    told = error.get("message") if isinstance(error, dict) else None
    if isinstance(told, str):
        return readable(told.encode(errors="backslashreplace"))
    return readable(body, 100)


def to_json(message: Message) -> dict[str, Any]:
    """Return the canonical JSON mapping: names in camelCase, 64-bit numbers as texts."""
    found: dict[str, Any] = json_format.MessageToDict(message)
    return found


def has_unknown_fields(message: Message) -> bool:
    """Tell whether a message has fields, at any depth, that this revision does not know."""
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return known.ByteSize() != message.ByteSize()
