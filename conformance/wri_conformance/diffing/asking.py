"""Sends one request and says in a few words what came back."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import zmq
from attrs import define, field

from wri_conformance.peers import Peer, Reply
from wri_conformance.probe import address, security
from wri_conformance.runs import Run
from wri_conformance.trace import Trace

_PATIENCE: Final = 20.0  # seconds for a reply of a server that is alive, on a busy machine
_MORE: Final = 300  # characters of a message that are kept

Body = Sequence[bytes]


def encode(request: Any) -> Body:
    """Return the one frame of a request in JSON."""
    return [json.dumps(request).encode()]


def errors_in(document: Any, place: str = "") -> dict[str, list[Any]]:
    """Return the values of all members `error` and `errors` of a response, by their place.

    A place is such as `error`, `data[].error` or `data.hold.result[].response.error`.
    """
    found: dict[str, list[Any]] = {}
    if isinstance(document, Mapping):
        for name, value in document.items():
            inner = f"{place}.{name}" if place else name
            if name in {"error", "errors"}:
                found.setdefault(inner, []).append(value)
            else:
                _join(found, errors_in(value, inner))
    elif isinstance(document, list):
        for value in document:
            _join(found, errors_in(value, f"{place}[]"))
    return found


def _join(found: dict[str, list[Any]], more: Mapping[str, list[Any]]) -> None:
    for place, values in more.items():
        found.setdefault(place, []).extend(values)


def describe(reply: Reply | None) -> dict[str, Any]:
    """Return the shape of a reply.

    `outcome` is `data`, `error`, `both`, `neither`, `bytes`, or `silence` without a reply. `keys`
    are those of the response, `at` is where errors are in it, `error_keys` are theirs and `message`
    the text of the first one.
    """
    if reply is None:
        return {"outcome": "silence"}
    frames = {} if len(reply.frames) == 1 else {"frames": len(reply.frames)}
    try:
        document = reply.json()
    except ValueError:
        empty = {} if reply.body else {"empty": True}
        return {"outcome": "bytes", **empty, **frames}
    if not isinstance(document, Mapping):
        return {"outcome": "neither", "type": type(document).__name__, **frames}
    there = {"data", "error"} & set(document)
    outcome = there.pop() if len(there) == 1 else "both" if there else "neither"
    found: dict[str, Any] = {"outcome": outcome, "keys": sorted(document), **frames}
    if errors := errors_in(document):
        found["at"] = sorted(errors)
        first = errors[found["at"][0]][0]
        first = first[0] if isinstance(first, list) and first else first
        if isinstance(first, Mapping):
            found["error_keys"] = sorted(first)
            found["message"] = str(first.get("message"))[:_MORE]
        else:
            found["message"] = str(first)[:_MORE]
    if outcome == "data":
        found["data"] = _kind(document["data"])
    return found


def _kind(value: Any) -> str:
    """Return what a value is, in JSON's own words."""
    if isinstance(value, Mapping):
        return "object" if any(one is not None for one in value.values()) else "object of null"
    if isinstance(value, list):
        return "array"
    if isinstance(value, str):
        return "string"
    return {True: "true", False: "false", None: "null"}.get(value, "number")


_INJECTED = re.compile(r"unexpected keyword argument '(\w+)'")


def injected(messages: Sequence[str], sent: Sequence[str]) -> list[str]:
    """Return the arguments of which a server complains although nobody sent them."""
    named = {match for text in messages for match in _INJECTED.findall(text)}
    return sorted(named - set(sent))


@define
class Asker:
    """An ordinary client of a running server, that connects anew for each request."""

    run: Run
    trace: Trace = field(factory=Trace)
    _context: "zmq.Context[Any]" = field(factory=zmq.Context)

    def send(self, body: Body, patience: float = _PATIENCE) -> Reply | None:
        """Return the reply to a body, None if there is none in so many seconds."""
        if self.run.ended():
            return None
        scale = self.run.workshop.scale
        peer = Peer.open(
            self._context,
            "diff",
            "REQ",
            address(self.run, "request"),
            security(self.run),
            self.trace,
        )
        try:
            if peer.handshake(patience * scale) != "succeeded":
                return None
            peer.send(body)
            return peer.receive(patience * scale)
        finally:
            peer.close()

    def graphql(self, text: str, **variables: Any) -> Any:
        """Return the whole response to an operation, None if there is none in JSON."""
        args = {"request_string": text, "variables": variables}
        reply = self.send(encode({"command": "graphql", "args": args}))
        try:
            return None if reply is None else reply.json()
        except ValueError:
            return None

    def subscriber(self) -> Peer:
        """Return a peer that takes all publications."""
        return Peer.open(
            self._context,
            "stream",
            "SUB",
            address(self.run, "publish"),
            security(self.run),
            self.trace,
            topics=[""],
        )

    def close(self) -> None:
        """Drop all connections."""
        self._context.destroy(linger=0)
