"""The suite's own end of a connection: a ZeroMQ socket with its monitor, or raw TCP."""

import contextlib
import socket
import time
from collections.abc import Sequence
from typing import Any, Final

import zmq
from attrs import define, field, frozen
from zmq.utils.monitor import recv_monitor_message

from wri_conformance import strictjson
from wri_conformance.intake import Intake
from wri_conformance.service import KeyPair
from wri_conformance.trace import Trace

LARGEST: Final = 64 << 20
"""Bytes of a frame that is taken: the suite sends 50 MiB, all of which may come back."""

_EVENTS: dict[int, str] = {
    zmq.EVENT_CONNECTED: "connected",
    zmq.EVENT_HANDSHAKE_SUCCEEDED: "succeeded",
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "refused",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "refused",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "refused",
    zmq.EVENT_DISCONNECTED: "disconnected",
    zmq.EVENT_CONNECT_RETRIED: "retried",
}
# A SUB socket would drop what it did not subscribe to, and so hide a publisher that sends it.
_SOCKETS = {"REQ": zmq.REQ, "DEALER": zmq.DEALER, "SUB": zmq.XSUB}
GREETING_SIZE = 64
_WAITING = 1000  # publications; what comes while so many wait is not read from the connection
_GRACE = 0.1  # seconds in which what has arrived is told from what the socket discards


class Missing(Exception):  # noqa: N818 - not an error of the suite
    """Evidence that is not there, by the implementation's fault."""


@frozen
class Security:
    """How a peer presents itself: the mechanism and, for CURVE, its keys."""

    mechanism: str = "CURVE"
    client: KeyPair | None = None
    server: bytes | None = None


@frozen
class Reply:
    """What arrived: the frames of the body, and whether the envelope came back unchanged."""

    frames: tuple[bytes, ...]
    envelope_kept: bool
    seconds: float

    @property
    def body(self) -> bytes:
        """The first frame."""
        return self.frames[0] if self.frames else b""

    def json(self) -> Any:
        """Return the body as strict JSON.

        Raises:
            ValueError: it is not UTF-8, not JSON, has constants that JSON does not have, or is
                larger or deeper than the suite reads.
        """
        return strictjson.loads(self.body)

    def describe(self) -> dict[str, Any]:
        """Return what the `message` expectations of a step are compared with."""
        try:
            self.body.decode("utf-8")
            utf8 = True
        except UnicodeDecodeError:
            utf8 = False
        try:
            self.json()
            is_json = True
        except ValueError:
            is_json = False
        return {
            "frames": len(self.frames),
            "size": len(self.body),
            "first_octet": self.body[:1].hex(),
            "utf8": utf8,
            "bom": self.body.startswith(b"\xef\xbb\xbf"),
            "json": is_json,
            "envelope_kept": self.envelope_kept,
            "seconds": round(self.seconds, 4),
        }


@define
class Peer:
    """A client or a subscriber of the suite, on a socket of its own."""

    name: str
    kind: str
    socket: "zmq.Socket[bytes]"
    monitor: "zmq.Socket[bytes]"
    trace: Trace
    events: list[str] = field(factory=list)
    _sent: list[tuple[float, tuple[bytes, ...]]] = field(factory=list)
    _intake: Intake | None = None  # of a subscriber that reads all the time

    @classmethod
    def open(
        cls,
        context: "zmq.Context[Any]",
        name: str,
        kind: str,
        address: str,
        security: Security,
        trace: Trace,
        *,
        correlate: bool = False,
        topics: Sequence[str] = (),
        stingy: bool = False,
    ) -> "Peer":
        """Connect a socket; the handshake goes on in the background.

        `stingy` gives it the smallest buffers that there are.

        Raises:
            Missing: the address that the implementation gives is none.
        """
        sock: zmq.Socket[bytes] = context.socket(_SOCKETS[kind])
        sock.linger = 0
        sock.maxmsgsize = LARGEST
        sock.ipv6 = "[" in address
        if kind == "SUB":
            sock.setsockopt(zmq.RCVHWM, _WAITING)
        if correlate:
            sock.setsockopt(zmq.REQ_CORRELATE, 1)
            sock.setsockopt(zmq.REQ_RELAXED, 1)
        if stingy:
            sock.setsockopt(zmq.RCVBUF, 4096)
            sock.setsockopt(zmq.RCVHWM, 1)
            sock.setsockopt(zmq.SNDHWM, 0)
        if security.mechanism == "CURVE" and security.client and security.server:
            sock.curve_publickey = security.client.public
            sock.curve_secretkey = security.client.secret or b""
            sock.curve_serverkey = security.server
        elif security.mechanism == "PLAIN":
            sock.plain_username, sock.plain_password = b"user", b"password"
        monitor: zmq.Socket[bytes] = sock.get_monitor_socket()
        try:
            sock.connect(address)
        except zmq.ZMQError as error:
            sock.disable_monitor()
            monitor.close(linger=0)
            sock.close(linger=0)
            raise Missing(f"{address} is no address to connect to: {error}") from None
        for topic in topics:
            sock.send(b"\x01" + topic.encode())
        trace.note(name, "·", f"{kind} connects to {address} ({security.mechanism})")
        peer = cls(name, kind, sock, monitor, trace)
        if kind == "SUB" and not stingy:
            peer._intake = Intake(sock)
        return peer

    @property
    def flooded(self) -> bool:
        """Whether more was published than a subscriber takes, so that some of it is lost."""
        return self._intake is not None and self._intake.flooded

    def close(self) -> None:
        """Drop the connection and whatever is queued on it."""
        if self._intake is not None:
            self._intake.close()
        else:
            self.socket.disable_monitor()
            self.socket.close(linger=0)
        self.monitor.close(linger=0)

    def handshake(self, seconds: float = 0) -> str:
        """Return `succeeded`, `refused`, `pending` or `unreachable`, waiting so long at most."""
        deadline = time.monotonic() + seconds
        while True:
            wait = max(0, int((deadline - time.monotonic()) * 1000))
            if self._state() not in {"pending", "unreachable"} or not self.monitor.poll(wait):
                return self._state()
            self._note_event()
            if time.monotonic() > deadline + _GRACE:  # it connects again and again
                return self._state()

    @property
    def admitted(self) -> bool:
        """Whether a handshake has succeeded so far."""
        return (self._state() if self.monitor.closed else self.handshake()) == "succeeded"

    def _note_event(self) -> None:
        event = _EVENTS.get(recv_monitor_message(self.monitor)["event"])
        if event is None:
            return
        # A socket that cannot connect tries again and again: once is enough to know.
        if self.events[-1:] != [event]:
            self.trace.note(self.name, "·", f"handshake: {event}")
        self.events.append(event)

    def _state(self) -> str:
        for event in self.events:
            if event in {"succeeded", "refused"}:
                return event
        return "pending" if "connected" in self.events else "unreachable"

    def send(
        self,
        body: Sequence[bytes],
        envelope: Sequence[bytes] = (b"",),
        *,
        answered: bool = True,
    ) -> bool:
        """Send a body of one or more frames, after the envelope where the socket adds none.

        What is not to be `answered` is not waited for by `receive`. Returns False if there is no
        connection that takes it: the handshake failed, or nothing has been read for long. No reply
        will come to it, then.
        """
        prefix = tuple(envelope) if self.kind == "DEALER" else ()
        self.trace.note(self.name, "→", [*prefix, *body])
        if answered:
            self._sent.append((time.monotonic(), prefix))
        try:
            self.socket.send_multipart([*prefix, *body], flags=zmq.NOBLOCK)
        except zmq.Again:
            self.trace.note(self.name, "·", "not sent: there is no connection that takes it")
            return False
        return True

    def forget(self) -> None:
        """Expect no reply to what was sent so far."""
        self._sent.clear()

    def receive(self, seconds: float) -> Reply | None:
        """Return what arrives within so many seconds, or None."""
        frames = self._frames(time.monotonic() + seconds)
        if frames is None:
            return None
        began, prefix = self._sent.pop(0) if self._sent else (time.monotonic(), ())
        self.trace.note(self.name, "←", frames)
        kept = tuple(frames[: len(prefix)]) == prefix
        body = tuple(frames[len(prefix) :]) if kept else tuple(frames)
        return Reply(body, kept, time.monotonic() - began)

    def _frames(self, deadline: float) -> list[bytes] | None:
        if self._intake is not None:
            return self._intake.take(deadline)
        while True:
            left = max(0.0, deadline - time.monotonic())
            ready = zmq.select([self.socket, self.monitor], [], [], left)[0]
            if self.monitor in ready:
                self._note_event()
            if self.socket in ready:
                # What makes a REQ socket readable may be a message that it then discards.
                with contextlib.suppress(zmq.Again):
                    return self.socket.recv_multipart(zmq.NOBLOCK)
            late = time.monotonic() - deadline
            if late >= 0 and (not ready or late > _GRACE):
                return None


def greeting(mechanism: str) -> bytes:
    """Return a ZMTP 3.1 greeting of 64 bytes."""
    return b"\xff" + bytes(8) + b"\x7f\x03\x01" + mechanism.encode().ljust(20, b"\0") + bytes(32)


def parse_greeting(data: bytes) -> dict[str, Any]:
    """Return version and mechanism of a greeting; empty if `data` does not begin with one."""
    if len(data) < GREETING_SIZE or data[0] != 0xFF or data[9] != 0x7F:  # noqa: PLR2004
        return {}
    return {
        "version": [data[10], data[11]],
        "mechanism": data[12:32].rstrip(b"\0").decode("ascii", "replace"),
    }


@define
class Tcp:
    """A raw TCP connection."""

    name: str
    trace: Trace
    _socket: socket.socket | None = None

    def connect(self, host: str, port: int, seconds: float) -> bool:
        """Connect, and tell whether that worked."""
        try:
            self._socket = socket.create_connection((host, port), timeout=seconds)
        except (OSError, ValueError) as error:  # such as a name that no host can have
            self.trace.note(self.name, "·", f"TCP to port {port}: {error}")
            return False
        self.trace.note(self.name, "·", f"TCP connected to port {port}")
        return True

    def send(self, data: bytes, seconds: float) -> bool:
        """Send all of it; False if the other side closed or stopped reading."""
        assert self._socket is not None
        self._socket.settimeout(seconds)
        self.trace.note(self.name, "→", [data])
        try:
            self._socket.sendall(data)
        except OSError:
            return False
        return True

    def read(self, enough: int, seconds: float) -> tuple[bytes, bool]:
        """Return up to `enough` bytes, and whether the other side closed."""
        assert self._socket is not None
        data = b""
        deadline = time.monotonic() + seconds
        while len(data) < enough and (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                chunk = self._socket.recv(enough - len(data))
            except TimeoutError:
                break
            except OSError:
                self.trace.note(self.name, "←", [data, b""])
                return data, True
            if not chunk:
                self.trace.note(self.name, "·", "the other side closed")
                return data, True
            data += chunk
        if data:
            self.trace.note(self.name, "←", [data])
        return data, False

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
