"""Stands between a client and a scheduler, and writes down what passes.

It has the keys of the scheduler, so that both ends are encrypted as always and what is between
them can be read.
"""

import contextlib
import threading
from collections.abc import Sequence
from typing import Any, Final

import zmq
from attrs import define, field

from wri_conformance.interop.tracing import describe
from wri_conformance.service import KeyPair
from wri_conformance.trace import Trace

_LOOK: Final = 20  # milliseconds between two looks at whether it is to end
_HOST: Final = "127.0.0.1"


@define(eq=False)
class Relay:
    """A relay on two ports of its own, which `request` and `publish` are after `start`."""

    keys: KeyPair
    client: KeyPair
    host: str
    ports: tuple[int, int]
    trace: Trace = field(factory=Trace)
    request: int = 0
    publish: int = 0
    _context: "zmq.Context[Any]" = field(factory=zmq.Context)
    _sockets: "list[zmq.Socket[bytes]]" = field(factory=list)
    _end: threading.Event = field(factory=threading.Event)
    _thread: threading.Thread | None = None
    _commands: dict[bytes, list[str]] = field(factory=dict)

    def start(self) -> None:
        """Bind both ports, and pass on what comes until `close`."""
        if self.keys.secret:
            self.trace.secrets.add(self.keys.secret)
        front = self._front(zmq.ROUTER)
        back = self._back(zmq.DEALER, self.ports[0])
        subscribers = self._front(zmq.XPUB)
        publisher = self._back(zmq.XSUB, self.ports[1])
        subscribers.setsockopt(zmq.XPUB_VERBOSE, 1)
        self.request = self._bind(front)
        self.publish = self._bind(subscribers)
        self._sockets = [front, back, subscribers, publisher]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()
        for one in self._sockets:
            one.close(linger=0)
        self._context.destroy(linger=0)

    def _front(self, kind: int) -> "zmq.Socket[bytes]":
        sock: zmq.Socket[bytes] = self._context.socket(kind)
        sock.linger = 0
        sock.curve_server = True
        sock.curve_publickey = self.keys.public
        sock.curve_secretkey = self.keys.secret or b""
        return sock

    def _back(self, kind: int, port: int) -> "zmq.Socket[bytes]":
        sock: zmq.Socket[bytes] = self._context.socket(kind)
        sock.linger = 0
        sock.curve_serverkey = self.keys.public
        sock.curve_publickey = self.client.public
        sock.curve_secretkey = self.client.secret or b""
        sock.connect(f"tcp://{self.host}:{port}")
        return sock

    @staticmethod
    def _bind(sock: "zmq.Socket[bytes]") -> int:
        return int(sock.bind_to_random_port(f"tcp://{_HOST}"))

    def _run(self) -> None:
        front, back, subscribers, publisher = self._sockets
        poller = zmq.Poller()
        for one in self._sockets:
            poller.register(one, zmq.POLLIN)
        while not self._end.is_set():
            ready = dict(poller.poll(_LOOK))
            for source, target, pass_on in (
                (front, back, self._asked),
                (back, front, self._answered),
                (subscribers, publisher, self._subscribed),
                (publisher, subscribers, self._published),
            ):
                if source in ready:
                    self._pass(source, target, pass_on)

    @staticmethod
    def _pass(source: Any, target: Any, note: Any) -> None:
        with contextlib.suppress(zmq.Again):
            while True:
                frames = source.recv_multipart(zmq.NOBLOCK)
                note(frames)
                with contextlib.suppress(zmq.ZMQError):  # nobody is there any more
                    target.send_multipart(frames, zmq.NOBLOCK)

    def _asked(self, frames: Sequence[bytes]) -> None:
        identity, body = frames[0], frames[2:] or frames[1:]
        shown, name = describe.request(body)
        self._commands.setdefault(identity, []).append(name)
        self.trace.note("client", "→", shown)

    def _answered(self, frames: Sequence[bytes]) -> None:
        waiting = self._commands.get(frames[0], [])
        name = waiting.pop(0) if waiting else ""
        self.trace.note("server", "←", describe.reply(name, frames[2:] or frames[1:]))

    def _subscribed(self, frames: Sequence[bytes]) -> None:
        body = frames[0]
        verb = "subscribes to" if body[:1] == b"\x01" else "unsubscribes from"
        self.trace.note("client", "·", f"{verb} {body[1:].decode(errors='replace')!r}")

    def _published(self, frames: Sequence[bytes]) -> None:
        self.trace.note("server", "←", describe.publication(frames))
