"""Writes a failure as a scenario that `wri test` can play. Pure, but for the one file."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from wri_conformance.fuzzing.conversation import REQUIREMENTS, Symptom
from wri_conformance.fuzzing.generate import PEERS, Step, commands
from wri_conformance.fuzzing.messages import API, Message, Repeat, command_of, text_of
from wri_conformance.fuzzing.servers import FIXTURE
from wri_conformance.fuzzing.traits import Trait

_LONG = 2000  # octets from which on a repetition is written as one
_MARK = "\ue000"


def body(message: Message, frames: Sequence[bytes]) -> dict[str, Any]:
    """Return how a scenario spells a body of these frames."""
    if len(frames) > 1:
        return {"frames": [_frame(frame) for frame in frames]}
    (frame,) = frames
    if len(frame) > _LONG and (fill := _fill(message)) is not None:
        return {"fill": fill}
    return _frame(frame)


def _frame(frame: bytes) -> dict[str, Any]:
    try:
        text = frame.decode("utf-8")
    except UnicodeDecodeError:
        return {"hex": frame.hex(" ")}
    try:
        document = json.loads(text)
        # What YAML and JSON write in another way has to stay as it is.
        if json.dumps(document, separators=(",", ":")) == text and "NaN" not in text:
            json.dumps(document).encode("ascii").decode()
            return {"json": document} if _plain(document) else {"text": text}
    except (ValueError, RecursionError):
        pass
    return {"text": text} if "\ufeff" not in text and _writable(text) else {"hex": frame.hex(" ")}


def _plain(node: Any) -> bool:
    """Tell whether YAML gives a value back as it is."""
    if isinstance(node, dict):
        return all(_plain(key) and _plain(value) for key, value in node.items())
    if isinstance(node, list):
        return all(map(_plain, node))
    if isinstance(node, str):
        return _writable(node)
    return not isinstance(node, float)


def _writable(text: str) -> bool:
    # `${…}` would be a variable, and some characters cannot stand in a YAML file.
    if "${" in text or any("\ud800" <= c <= "\udfff" for c in text):
        return False
    loaded: Any = yaml.safe_load(yaml.safe_dump(text, allow_unicode=False))
    return bool(loaded == text)


def _fill(message: Message) -> dict[str, Any] | None:
    """Return the one repetition in a message, with what is around it; None if there is another."""
    found: list[Repeat] = []

    def mark(node: Any) -> Any:
        if isinstance(node, Repeat):
            found.append(node)
            return Repeat(_MARK, 1)
        if isinstance(node, Mapping):
            return {key: mark(value) for key, value in node.items()}
        return [mark(item) for item in node] if isinstance(node, list) else node

    text = text_of(mark(message.tree))
    if len(found) != 1 or text.count(_MARK) != 1 or "${" in text:
        return None
    before, after = text.split(_MARK)
    (one,) = found
    if f"{before}{one.text}{after}".encode() != message.frames[0]:
        return None
    fill = {
        "before": before + one.before,
        "unit": one.unit,
        "times": one.times,
        "between": one.between,
        "after": one.after + after,
    }
    if one.close:
        fill["close"] = one.close
    return {key: value for key, value in fill.items() if value != ""}


def scenario(
    steps: Sequence[Step], symptom: Symptom, found: Sequence[Trait], capabilities: Sequence[str]
) -> dict[str, Any]:
    """Return the scenario that shows a failure: it fails as long as the failure is there."""
    requirement = REQUIREMENTS[symptom.kind]
    if symptom.kind == "more" and not steps[-1].message.well_framed:
        requirement = "WRI-FRM-6"
    written: list[dict[str, Any]] = []
    connected: set[str] = set()
    for number, step in enumerate(steps, start=1):
        peer = f"peer-{step.peer + 1}"
        kind, _, correlate = PEERS[step.peer].partition("-")
        if peer not in connected and (kind != "REQ" or correlate):
            connect = {"socket": kind} | ({"correlate": True} if correlate else {})
            written.append({"peer": peer, "connect": connect})
        connected.add(peer)
        written.append(_sent(step, number, peer, kind))
    if symptom.kind == "more":
        written.append(
            {
                "step": "no-more",
                "peer": f"peer-{steps[-1].peer + 1}",
                "receive": {},
                "silence": 1,
                "expect": {requirement: {"type": "null"}},
            }
        )
    if len(connected) > 1:
        written += _last_words(sorted(connected), "graphql" in capabilities)
    if len(steps) > 1 or commands(steps):
        written.append({"wait": 3})
    written.append(
        {
            "step": "serves-on",
            "alive": True,
            "expect": {
                "WRI-LIM-1": {"required": ["alive"], "properties": {"alive": {"const": True}}}
            },
        }
    )
    special = "; ".join(map(str, found)) or "a valid request"
    return {
        "title": f"Found by wri fuzz ({special})",
        "about": f"{symptom.kind}: {_safe(symptom.why)} ({requirement})",
        "role": "server",
        "needs": _needs(steps, capabilities),
        "fixture": FIXTURE,
        "server": "own",
        "steps": written,
    }


def _last_words(peers: Sequence[str], graphql: bool) -> list[dict[str, Any]]:
    """Return steps in which all peers ask at once, and each has to get its own response."""
    sent: list[dict[str, Any]] = []
    received: list[dict[str, Any]] = []
    for peer in peers:
        mark = peer.replace("-", "")
        request: dict[str, Any] = dict(API)
        expected: dict[str, Any] = {"required": ["data"]}
        if graphql:
            request = {
                "command": "graphql",
                "args": {"request_string": f"{{{mark}: workflows {{id}}}}"},
            }
            expected["properties"] = {"data": {"required": [mark]}}
        sent.append({"peer": peer, "request": request, "answer": "later"})
        received.append(
            {
                "step": f"own-of-{peer}",
                "peer": peer,
                "receive": {},
                "expect": {"WRI-FRM-7": expected},
            }
        )
    return [*sent, *received]


def _safe(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:300]


def _needs(steps: Sequence[Step], capabilities: Sequence[str]) -> list[str]:
    names = {command_of(step.message.frames) for step in steps}
    needs = ["core"]
    if "graphql" in names:
        needs = ["control" if commands(steps) and "control" in capabilities else "graphql"]
    if any(name is not None and name.startswith("pb_") for name in names):
        needs = [*needs, "data"]
    return [name for name in needs if name in capabilities] or ["core"]


def _sent(step: Step, number: int, peer: str, kind: str) -> dict[str, Any]:
    message = step.message
    written: dict[str, Any] = {"step": f"answered-{number}", "peer": peer}
    frames = message.frames
    if kind == "DEALER":
        if message.well_framed:
            frames = message.body
            envelope = [part.decode() for part in message.wire[: -len(frames)]]
        else:
            frames, envelope = message.wire, []
        if envelope != [""]:
            written["envelope"] = envelope
    written["send"] = body(message, frames)
    if kind == "DEALER" and not message.well_framed:
        return {**written, "step": f"sent-{number}", "answer": "never"}
    one_frame = {"required": ["frames"], "properties": {"frames": {"const": 1}}}
    written["message"] = {"WRI-FRM-2": one_frame}
    if kind == "DEALER":
        kept = {"required": ["envelope_kept"], "properties": {"envelope_kept": {"const": True}}}
        written["message"]["WRI-FRM-3"] = kept
    command = command_of(frames)
    if command is None or not command.startswith("pb_"):
        written["expect"] = {"WRI-FRM-4": {"$ref": "response.json"}}
    else:
        written["message"]["WRI-FRM-4"] = one_frame
    return written


def slug(found: Sequence[Trait], symptom: Symptom) -> str:
    """Return a name for the file, which is the same whenever the same is found."""
    text = "-".join(f"{trait.place}-{trait.kind}" for trait in found) or "valid-request"
    text = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].strip("-")
    return f"{symptom.kind}-{text}"


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write a scenario as YAML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=False, width=100)
    path.write_text(text, encoding="utf-8")
