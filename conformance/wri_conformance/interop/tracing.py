"""What passes between client and scheduler, as text that can be read. Pure."""

import json
from collections.abc import Sequence

from google.protobuf.message import DecodeError

from wri_conformance import strictjson
from wri_conformance.decode import MESSAGES
from wri_conformance.trace import readable

_TOPICS = {
    "all": "AllDeltas",
    "edges": "EDeltas",
    "families": "FDeltas",
    "family_proxies": "FPDeltas",
    "jobs": "JDeltas",
    "tasks": "TDeltas",
    "task_proxies": "TPDeltas",
    "workflow": "WDeltas",
}


class describe:  # noqa: N801 - a name space
    """Makes texts of frames."""

    @staticmethod
    def request(frames: Sequence[bytes]) -> tuple[list[bytes], str]:
        """Return what to show of a request, and the protobuf message that a reply to it may be."""
        try:
            document = strictjson.loads(frames[0])
            command, args = document["command"], document.get("args") or {}
        except (IndexError, KeyError, TypeError, ValueError):
            return list(frames), ""
        if not isinstance(args, dict):
            return list(frames), ""
        name = {"pb_entire_workflow": "PbEntireWorkflow"}.get(str(command), "")
        if command == "pb_data_elements":
            name = _TOPICS.get(str(args.get("element_type")), "")
        shown = list(frames)
        query = args.get("request_string")
        if isinstance(query, str):  # variables first: the text may be long
            rest = {"command": command, "variables": args.get("variables")}
            tidy = " ".join(query.split())
            shown = [json.dumps(rest, ensure_ascii=False).encode(), tidy.encode()]
        return shown, name

    @staticmethod
    def reply(name: str, frames: Sequence[bytes]) -> list[bytes]:
        """Return what to show of a reply."""
        if not name or not frames or frames[0][:1] == b"{":
            return list(frames)
        return [_message(name, frames[0])]

    @staticmethod
    def publication(frames: Sequence[bytes]) -> list[bytes]:
        """Return what to show of a publication."""
        topic = frames[0].decode(errors="replace")
        if topic not in _TOPICS or len(frames) < 2:  # noqa: PLR2004
            return list(frames)
        return [frames[0], _message(_TOPICS[topic], frames[1])]


def _message(name: str, body: bytes) -> bytes:
    message = MESSAGES[name]()
    try:
        message.ParseFromString(body)
    except DecodeError:
        return f"not a {name}: {readable(body, 80)}".encode()
    parts = []
    for field, value in message.ListFields():
        many = hasattr(value, "__len__") and not isinstance(value, str | bytes)
        parts.append(f"{field.name}: {len(value)}" if many else field.name)
    return f"{name} of {len(body)} bytes ({', '.join(parts) or 'empty'})".encode()
