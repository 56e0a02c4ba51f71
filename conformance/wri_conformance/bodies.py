"""What steps send, as bytes. Pure."""

import json
from collections.abc import Mapping
from typing import Any


def frames_of(spec: Mapping[str, Any]) -> list[bytes]:
    """Return the frames that a body of a scenario stands for."""
    if "frames" in spec:
        return [frame for part in spec["frames"] for frame in frames_of(part)]
    if "json" in spec:
        return [json.dumps(spec["json"], separators=(",", ":")).encode()]
    if "hex" in spec:
        return [bytes.fromhex(spec["hex"])]
    if "fill" in spec:
        fill = spec["fill"]
        parts = {name: _bytes(fill.get(name, "")) for name in ("before", "unit", "between")}
        closing = _bytes(fill.get("close", "")) * fill["times"] + _bytes(fill.get("after", ""))
        return [parts["before"] + parts["unit"] * fill["times"] + parts["between"] + closing]
    return [spec["text"].encode()]


def _bytes(text: str | Mapping[str, str]) -> bytes:
    return text.encode() if isinstance(text, str) else bytes.fromhex(text["hex"])


def strings(body: Any) -> bytes:
    """Return a decoded body without escapes, which could hide a key."""
    try:
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    except RecursionError:
        return b""
