"""Carries out a `tcp` step: connections without ZeroMQ, and what the other side makes of them."""

from collections.abc import Mapping
from typing import Any

from wri_conformance.bodies import frames_of
from wri_conformance.peers import GREETING_SIZE, Tcp, greeting, parse_greeting
from wri_conformance.trace import Trace

_BRIEF = 0.1  # seconds in which a server that minds closes the connection


def talk(
    trace: Trace, host: str, port: int, spec: Mapping[str, Any], handshake: float, send: float
) -> tuple[dict[str, Any], list[Tcp]]:
    """Return what was observed, and the connections that are to be held open.

    `handshake` and `send` are the seconds that a connection and the sending of a body may take.
    """
    seen: dict[str, Any] = {}
    held: list[Tcp] = []
    count = spec.get("connections", 1)
    for number in range(count):
        tcp = Tcp(f"tcp-{number + 1}", trace)
        if not tcp.connect(host, port, handshake):
            return {"connected": False}, held
        seen = _talk(tcp, spec, handshake, send, _BRIEF if number == count - 1 else 0.0)
        if spec.get("hold"):
            held.append(tcp)
        else:
            tcp.close()
    return seen, held


def _talk(
    tcp: Tcp, spec: Mapping[str, Any], handshake: float, send: float, look: float
) -> dict[str, Any]:
    received, closed = b"", False
    if "greeting" in spec:
        tcp.send(greeting(spec["greeting"]), send)
        received, closed = tcp.read(GREETING_SIZE, handshake)
    if "send" in spec:
        for frame in frames_of(spec["send"]):
            closed = not tcp.send(frame, send) or closed
        more, ended = tcp.read(GREETING_SIZE, look)
        received, closed = received + more, closed or ended
    return {
        "connected": True,
        "closed": closed,
        "received": received.hex(),
        **parse_greeting(received),
    }
