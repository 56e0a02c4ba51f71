"""Many clients at once: measured loads, and floods in the background."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import zmq
from attrs import define, field

from wri_conformance import expect
from wri_conformance.peers import Missing, Peer, Reply, Security
from wri_conformance.probe import API_REQUEST
from wri_conformance.trace import Trace

_HANDSHAKES = 10.0  # seconds for all of them; a hundred CURVE handshakes took 0.3 s


@define
class _Client:
    peer: Peer
    plan: list[Mapping[str, Any]]
    asked: float = 0.0
    due: float = 0.0
    waiting: Mapping[str, Any] | None = None


def load(
    address: str,
    security: Callable[[], Security],
    spec: Mapping[str, Any],
    patience: float,
    suspend: Callable[[], Any],
    resume: Callable[[], Any],
) -> dict[str, Any]:
    """Let `clients` clients send `each` requests, one after the other, and count the replies.

    With `suspended`, the server sleeps for so many seconds while all of them ask. Gives up
    when nothing has arrived for `patience` seconds. Returns {requests, answered, unanswered,
    wrong, extra, slowest, connected, suspended}; `slowest` in seconds.
    """
    requests = spec["requests"]
    context: zmq.Context[Any] = zmq.Context()
    quiet = Trace()
    try:
        clients = [
            _Client(
                Peer.open(context, f"client-{i}", "DEALER", address, security(), quiet),
                [requests[(i + j) % len(requests)] for j in range(spec.get("each", 1))],
            )
            for i in range(spec["clients"])
        ]
        deadline = time.monotonic() + _HANDSHAKES
        connected = sum(
            client.peer.handshake(max(0.0, deadline - time.monotonic())) == "succeeded"
            for client in clients
        )
        suspended = False
        if "suspended" in spec:
            suspended = suspend()["done"]
            threading.Timer(spec["suspended"], resume).start()
        seen = _ask_and_count(clients, spec.get("pause", 0.0), patience)
        seen |= {"connected": connected, "suspended": suspended}
        for client in clients:
            client.peer.close()
        return seen
    finally:
        context.destroy(linger=0)


def _ask_and_count(clients: list[_Client], pause: float, patience: float) -> dict[str, Any]:
    poller = zmq.Poller()
    by_socket = {client.peer.socket: client for client in clients}
    for sock in by_socket:
        poller.register(sock, zmq.POLLIN)
    total = sum(len(client.plan) for client in clients)
    answered = wrong = extra = 0
    slowest = 0.0
    last = time.monotonic()
    # Whoever answers each request in time is done by then.
    end = last + max((len(client.plan) for client in clients), default=0) * (patience + pause)
    while answered < total and time.monotonic() < min(end, last + patience):
        now = time.monotonic()
        for client in clients:
            if client.waiting is None and client.plan and now >= client.due:
                client.waiting = client.plan.pop(0)
                client.asked = now
                body = {"command": client.waiting["command"], "args": client.waiting["args"]}
                client.peer.send([json.dumps(body).encode()])
        for sock, _ in poller.poll(20):
            client = by_socket[sock]
            reply = client.peer.receive(0)
            if reply is None:
                continue
            if client.waiting is None:
                extra += 1
                continue
            last = time.monotonic()
            answered += 1
            slowest = max(slowest, last - client.asked)
            wrong += not _fits(reply, client.waiting["answer"])
            client.waiting, client.due = None, last + pause
    for sock, _ in poller.poll(100):
        extra += by_socket[sock].peer.receive(0) is not None
    return {
        "requests": total,
        "answered": answered,
        "unanswered": total - answered,
        "wrong": wrong,
        "extra": extra,
        "slowest": round(slowest, 3),
    }


def _fits(reply: Reply, schema: Any) -> bool:
    try:
        return reply.envelope_kept and expect.mismatch(schema, reply.json()) is None
    except ValueError:
        return False


@define
class Flood:
    """Clients that send `request` again as soon as they are answered, until `end`."""

    address: str
    security: Sequence[Security]
    request: bytes = API_REQUEST
    answered: int = 0
    _stop: threading.Event = field(factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin in a thread of its own."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> int:
        """Stop, and return how many requests were answered."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        return self.answered

    def _run(self) -> None:
        context: zmq.Context[Any] = zmq.Context()
        poller = zmq.Poller()
        quiet = Trace()
        peers: dict[Any, Peer] = {}
        request = [self.request]
        with contextlib.suppress(Missing):  # then nobody is answered
            for number, security in enumerate(self.security):
                name = f"flood-{number}"
                peer = Peer.open(context, name, "DEALER", self.address, security, quiet)
                peers[peer.socket] = peer
                poller.register(peer.socket, zmq.POLLIN)
                peer.send(request)
        while not self._stop.is_set():
            for sock, _ in poller.poll(50):
                peers[sock].receive(0)
                self.answered += 1
                peers[sock].send(request)
        for peer in peers.values():
            peer.close()
        context.destroy(linger=0)
