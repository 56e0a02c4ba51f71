"""What went over the wire in a scenario, in the order in which the suite saw it."""

import json
import time
from collections.abc import Sequence
from typing import Any

from attrs import define, field

_LONGEST = 400  # characters of a frame that are shown
_MOST = 200  # events that are kept of a scenario; the first half and the last
_FRAMES = 10  # frames of a message that are shown
_WORDS = 2000  # characters of a note


def readable(frame: bytes, longest: int = _LONGEST) -> str:
    """Return a frame as text, or as hex if it is none, shortened to `longest` characters."""
    head = frame[: longest + 4]
    try:
        text = frame.decode("utf-8") if len(frame) <= longest else head.decode("utf-8", "ignore")
    except UnicodeDecodeError:
        text = "hex:" + head[: longest // 3].hex(" ")
    shown = text if len(text) <= longest else text[:longest]
    if not shown.isprintable():
        plain = json.dumps(shown, ensure_ascii=False)
        shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in plain)
    return (
        shown
        if len(shown) >= len(text) and len(frame) <= longest
        else (f"{shown}… ({len(frame)} bytes)")
    )


@define
class Trace:
    """Events with the seconds since the scenario began, without the secret keys that are known."""

    events: list[dict[str, Any]] = field(factory=list)
    secrets: set[bytes] = field(factory=set)
    dropped: int = 0
    _began: float = field(factory=time.monotonic)

    def note(self, peer: str, direction: str, frames: Sequence[bytes] | str) -> None:
        """Add an event: `direction` is `→` sent, `←` received, or `·` anything else."""
        if isinstance(frames, str):
            note = self._without_secrets(frames.encode("utf-8", "backslashreplace")).decode()
            cut = len(note) > _WORDS
            shown = [f"{note[:_WORDS]}… ({len(note)} characters)" if cut else note]
        else:
            shown = [readable(self._without_secrets(frame)) for frame in frames[:_FRAMES]]
            if len(frames) > _FRAMES:
                shown.append(f"… ({len(frames)} frames)")
        event = {
            "t": round(time.monotonic() - self._began, 4),
            "peer": peer,
            "direction": direction,
            "frames": shown,
        }
        self.events.append(event)
        if len(self.events) > _MOST:
            del self.events[_MOST // 2]
            self.dropped += 1

    def _without_secrets(self, data: bytes) -> bytes:
        for secret in self.secrets:
            data = data.replace(secret, b"(a secret key)")
        return data
