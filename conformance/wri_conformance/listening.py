"""Receives publications on behalf of a step, until it has what it waits for."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wri_conformance import decode
from wri_conformance.peers import Peer, Reply
from wri_conformance.streams import Publication

_LOOK = 0.5  # seconds between two looks at the process


def body_of(reply: Reply) -> dict[str, Any]:
    """Return what a `receive` step observes of a publication."""
    one = Publication.of(reply.frames)
    text = one.payload.decode("utf-8", "replace")
    body = {
        "topic": one.topic,
        "text": text,
        "utf8": text.encode() == one.payload,
        "frames": one.frames,
    }
    return body if one.delta is None else {**body, "delta": decode.to_json(one.delta)}


def collect(
    peer: Peer,
    spec: Mapping[str, Any],
    scale: float,
    within: float,
    ended: Callable[[], str],
) -> tuple[Sequence[Reply], str]:
    """Return what arrives, and why that is not what the step waits for, if so.

    `spec` is that of a `collect` step: {quiet: seconds}, {until: topic} or {seconds: seconds}.
    `within` is in seconds; `ended` says why nothing more will come.
    """
    began = time.monotonic()
    patience = spec["seconds"] * scale if "seconds" in spec else within
    quiet = spec["quiet"] * scale if "quiet" in spec else None
    found: list[Reply] = []
    last = began
    while (left := began + patience - time.monotonic()) > 0:
        if peer.flooded:
            return found, f"more was published than the suite takes ({len(found)} messages so far)"
        if quiet is not None and time.monotonic() - last >= quiet:
            return found, ""
        calm = left if quiet is None else last + quiet - time.monotonic()
        reply = peer.receive(max(0.0, min(left, calm, _LOOK)))
        if reply is None and "until" in spec and (why := ended()):
            # What it sent last may have arrived between the two looks.
            reply = peer.receive(_LOOK)
            if reply is None:
                return found, f"no publication {spec['until']!r}: {why}"
        if reply is None:
            continue
        found.append(reply)
        last = time.monotonic()
        if "until" in spec and reply.frames[:1] == (spec["until"].encode(),):
            return found, ""
    return found, _lacking(spec, quiet, patience, len(found))


def _lacking(spec: Mapping[str, Any], quiet: float | None, patience: float, count: int) -> str:
    """Return what has not come when the patience is over; nothing if nothing was waited for."""
    if quiet is not None:
        return f"it was not quiet for {quiet:g} s in {patience:g} s ({count} messages)"
    if "until" in spec:
        return f"no publication {spec['until']!r} in {patience:g} s ({count} others)"
    return ""
