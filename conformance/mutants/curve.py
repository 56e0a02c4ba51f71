"""A ZMTP server with CURVE, written by hand and without a part of the handshake.

libzmq leaves out none of the verifications, so that a server that does needs its own. This one
is for mutants only: it is neither quick nor safe.
"""

import contextlib
import os
import secrets
import socket
import struct
from collections.abc import Iterator

import zmq
from zmq.utils import z85

from mutants.front import GREETING_SIZE, SIGNATURE, Front
from mutants.peer import Body
from wri_reference._keys import KeyPair

P = 2**255 - 19
GREETING = SIGNATURE + b"\x03\x00" + b"CURVE".ljust(20, b"\0") + bytes(32)
MORE, LONG, COMMAND = 1, 2, 4


def x25519(secret: bytes, point: bytes = bytes([9] + 31 * [0])) -> bytes:
    """Multiply a point of Curve25519 (RFC 7748)."""
    k = int.from_bytes(secret, "little") & ~7 & (2**255 - 1) | 2**254
    x1 = int.from_bytes(point, "little") & (2**255 - 1)
    x2, z2, x3, z3 = 1, 0, x1, 1
    for bit in f"{k:0255b}":
        if bit == "1":
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
        if bit == "1":
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


_ROUNDS = [
    (0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11),
    (0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14),
]  # fmt: skip


def _salsa(key: bytes, block: bytes) -> tuple[list[int], list[int]]:
    c, k, n = struct.unpack("<4I", b"expand 32-byte k"), struct.unpack("<8I", key), block
    i = struct.unpack("<4I", n)
    start = [c[0], *k[:4], c[1], *i, c[2], *k[4:], c[3]]
    x = list(start)
    for _ in range(10):
        for quarter in _ROUNDS:
            for target, first, second, shift in zip(
                (1, 2, 3, 0), (0, 1, 2, 3), (3, 0, 1, 2), (7, 9, 13, 18), strict=True
            ):
                word = (x[quarter[first]] + x[quarter[second]]) & 0xFFFFFFFF
                x[quarter[target]] ^= (word << shift | word >> (32 - shift)) & 0xFFFFFFFF
    return start, x


def _hsalsa(key: bytes, nonce: bytes) -> bytes:
    _, x = _salsa(key, nonce)
    return struct.pack("<8I", *(x[i] for i in (0, 5, 10, 15, 6, 7, 8, 9)))


def _stream(key: bytes, nonce: bytes, size: int) -> bytes:
    key, out = _hsalsa(key, nonce[:16]), b""
    while len(out) < size:
        start, x = _salsa(key, nonce[16:] + struct.pack("<Q", len(out) // 64))
        out += struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(start, x, strict=True)))
    return out[:size]


def _poly1305(key: bytes, message: bytes) -> bytes:
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(message), 16):
        chunk = message[at : at + 16] + b"\x01"
        total = (total + int.from_bytes(chunk, "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


class Box:
    """The box of NaCl, between a secret and a public key."""

    def __init__(self, secret: bytes, public: bytes) -> None:
        self._key = _hsalsa(x25519(secret, public), bytes(16))

    def seal(self, nonce: bytes, text: bytes) -> bytes:
        """Return the box of a text."""
        stream = _stream(self._key, nonce, 32 + len(text))
        sealed = bytes(a ^ b for a, b in zip(text, stream[32:], strict=True))
        return _poly1305(stream[:32], sealed) + sealed

    def open(self, nonce: bytes, box: bytes) -> bytes:
        """Return the text of a box; a ValueError says that it is not from the other side."""
        stream = _stream(self._key, nonce, 16 + len(box))
        if _poly1305(stream[:32], box[16:]) != box[:16]:
            raise ValueError("the box does not open")
        return bytes(a ^ b for a, b in zip(box[16:], stream[32:], strict=True))


class Connection:
    """One connection to a CURVE server, which believes everybody to own the key that they show."""

    def __init__(self, client: socket.socket, kind: bytes) -> None:
        self.socket, self.kind, self.count = client, kind, 0

    def shake_hands(self, keys: KeyPair, authorised: set[bytes]) -> None:
        """Admit an authorised key; a ValueError refuses the client."""
        self.socket.sendall(GREETING)
        self._read(GREETING_SIZE)
        hello = self._frame()[1]
        own, client = z85.decode(keys.secret), hello[80:112]
        Box(own, client).open(b"CurveZMQHELLO---" + hello[112:120], hello[120:])
        secret, nonce = secrets.token_bytes(32), os.urandom(16)
        welcome = Box(own, client).seal(b"WELCOME-" + nonce, x25519(secret) + bytes(96))
        self._write(COMMAND, b"\x07WELCOME" + nonce + welcome)
        initiate = self._frame()[1]
        self.box = Box(secret, client)
        inside = self.box.open(b"CurveZMQINITIATE" + initiate[105:113], initiate[113:])
        if inside[:32] not in authorised:  # the vouch, inside[32:128], is not looked at
            self._write(COMMAND, b"\x05ERROR\x03400")
            raise ValueError("not authorised")
        metadata = b"\x0bSocket-Type" + struct.pack(">I", len(self.kind)) + self.kind
        self._write(COMMAND, b"\x05READY" + self._sealed(b"CurveZMQREADY---", metadata))

    def messages(self) -> Iterator[Body]:
        """Yield what the client sends."""
        frames: Body = []
        while True:
            _, body = self._frame()
            text = self.box.open(b"CurveZMQMESSAGEC" + body[8:16], body[16:])
            frames.append(text[1:])
            if not text[0] & MORE:
                yield frames
                frames = []

    def send(self, frames: Body) -> None:
        """Send a message."""
        for left, frame in zip(range(len(frames) - 1, -1, -1), frames, strict=True):
            sealed = self._sealed(b"CurveZMQMESSAGES", bytes([bool(left)]) + frame)
            self._write(0, b"\x07MESSAGE" + sealed)

    def _sealed(self, prefix: bytes, text: bytes) -> bytes:
        self.count += 1
        number = struct.pack(">Q", self.count)
        return number + self.box.seal(prefix + number, text)

    def _write(self, flags: int, body: bytes) -> None:
        short = len(body) < 256  # noqa: PLR2004
        length = struct.pack(">B", len(body)) if short else struct.pack(">Q", len(body))
        self.socket.sendall(bytes([flags if short else flags | LONG]) + length + body)

    def _frame(self) -> tuple[int, bytes]:
        flags = self._read(1)[0]
        size = int.from_bytes(self._read(8 if flags & LONG else 1), "big")
        return flags, self._read(size)

    def _read(self, size: int) -> bytes:
        data = self.socket.recv(size, socket.MSG_WAITALL)
        if len(data) < size:
            raise ValueError("the client has gone")
        return data


class ByHand(Front):
    """Serves and publishes without libzmq."""

    def _open(
        self, context: zmq.Context[zmq.Socket[bytes]], keys: KeyPair, clients: set[bytes]
    ) -> None:
        self.keys, self.subscribers = keys, dict[Connection, set[bytes]]()
        super()._open(context, keys, clients)

    def relay(self, client: socket.socket, name: str) -> None:
        connection = Connection(client, b"REP" if name == "request" else b"PUB")
        with contextlib.suppress(OSError, ValueError), client:
            connection.shake_hands(self.keys, self._authorised)
            topics = self.subscribers.setdefault(connection, set()) if name == "publish" else set()
            for frames in connection.messages():
                if name == "publish" and frames[0][:1] == b"\x01":
                    topics.add(frames[0][1:])
                elif b"" in frames[:-1]:
                    at = frames.index(b"") + 1
                    connection.send([*frames[:at], self.receiver(frames[at:])])

    def publish(self, topic: str, payload: bytes) -> None:
        for subscriber, topics in self.subscribers.items():
            if any(topic.encode().startswith(wanted) for wanted in topics):
                with contextlib.suppress(OSError):
                    subscriber.send([topic.encode(), payload])
