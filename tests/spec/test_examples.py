"""The worked examples: each octet is parsed, and compared with what libzmq really sends."""

import json
import re
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.auth
from attrs import field, frozen
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils import z85

from wri import data
from wri_conformance import schemas
from wri_proto.v1 import data_store_pb2

TEXT = (data.root() / "spec" / "16-examples.md").read_text()
MORE, LONG, COMMAND = 1, 2, 4
TIMEOUT = 10.0


# reading the chapter


def _dump(text: str) -> bytes:
    """Read a dump strictly: offsets, spacing and the ASCII column have to be right."""
    octets = b""
    for line in text.splitlines():
        row = re.fullmatch(r"([0-9a-f]{4})  ([0-9a-f ]{47})  \|(.{1,16})\|", line)
        assert row, line
        assert int(row[1], 16) == len(octets), line
        part = bytes.fromhex(row[2])
        assert row[2] == part.hex(" ").ljust(47), line
        assert row[3] == "".join(chr(o) if 32 <= o < 127 else "." for o in part), line
        assert not len(octets) % 16, line
        octets += part
    return octets


DUMPS = {
    name: _dump(body)
    for name, body in re.findall(r"^```hex name=(\S+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
}


@frozen
class Frame:
    """A ZMTP frame."""

    flags: int
    body: bytes

    @property
    def encoded(self) -> bytes:
        length = len(self.body).to_bytes(8 if self.flags & LONG else 1, "big")
        return bytes([self.flags]) + length + self.body


def _frames(octets: bytes) -> list[Frame]:
    frames = []
    while octets:
        flags = octets[0]
        width = 8 if flags & LONG else 1
        size = int.from_bytes(octets[1 : 1 + width], "big")
        end = 1 + width + size
        assert len(octets) >= end, "an incomplete frame"
        frames.append(Frame(flags, octets[1 + width : end]))
        octets = octets[end:]
    return frames


def _message(*bodies: bytes) -> bytes:
    """Encode a message as this chapter describes it."""
    flags = [LONG * (len(body) > 255) for body in bodies]
    return b"".join(
        Frame(flag | (MORE if number < len(bodies) - 1 else 0), body).encoded
        for number, (flag, body) in enumerate(zip(flags, bodies, strict=True))
    )


def _sizes(heading: str) -> list[tuple[int, str, str]]:
    """Read the table of sizes that follows some words."""
    rows = []
    for line in TEXT[TEXT.index(heading) :].split("\n\n")[1].splitlines()[2:]:
        octets, who, what, sum_ = (cell.strip() for cell in line.strip("|").split("|"))
        rows.append((int(octets), who, what))
        if terms := re.findall(r"\d+", sum_.replace("64, always", "64")):
            assert sum(map(int, terms)) == int(octets), line
    return rows


SESSION = _sizes("is no word of farewell")
SUBSCRIPTION = _sizes("its publications.")


# the dumps by themselves

MESSAGES = {
    "request": [b""],
    "request-correlated": [bytes.fromhex("e4a9e279"), b""],
    "request-dealer": [b"job-7", b""],
    "request-long": [b""],
    "response-success": [b""],
    "response-correlated": [bytes.fromhex("e4a9e279"), b""],
    "response-error": [b""],
}


def test_each_dump_is_tested() -> None:
    others = {
        "greeting",
        "metadata-req",
        "error-400",
        "box-delimiter",
        "box-request",
        "box-subscribe",
        "message-head",
        "subscribe",
        "publication-shutdown",
        "contact-file",
        "public-key-file",
        "public-key",
        "response-no-jobs",
        "publication-task-proxies",
        "publication-all-head",
        "checksum-stamps",
    }
    assert set(DUMPS) == others | set(MESSAGES)
    assert TEXT.count("```hex") == len(DUMPS)


@pytest.mark.parametrize("name", MESSAGES)
def test_message(name: str) -> None:
    frames = _frames(DUMPS[name])
    *envelope, body = [frame.body for frame in frames]
    assert envelope == MESSAGES[name]
    assert [bool(frame.flags & MORE) for frame in frames] == [True] * len(envelope) + [False]
    assert not any(frame.flags & ~(MORE | LONG) for frame in frames)
    assert _message(*envelope, body) == DUMPS[name]
    kind = name.partition("-")[0]
    assert schemas.explain(schemas.named(f"{kind}.json").iter_errors(json.loads(body))) == ""


def test_messages_are_what_they_are_called() -> None:
    bodies = {name: json.loads(_frames(DUMPS[name])[-1].body) for name in MESSAGES}
    assert bodies["request-long"] == bodies["request"] == {"command": "api", "args": {}}
    assert bodies["response-correlated"] == bodies["response-success"]
    assert schemas.named("response.json#/$defs/data").is_valid(bodies["response-success"])
    assert schemas.named("response.json#/$defs/error").is_valid(bodies["response-error"])
    assert schemas.named("api.json#/$defs/list").is_valid(bodies["response-success"]["data"])


def test_long_frame_is_the_shortest() -> None:
    delimiter, body = _frames(DUMPS["request-long"])
    assert len(body.body) == 256
    header = body.encoded[:9].hex(" ")
    assert DUMPS["request-long"] == delimiter.encoded + body.encoded
    assert f"`{header}`" in TEXT.replace("\n", " ")


def test_greeting_is_made_of_its_fields() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) \| ([^|]+) \| ([^|]+) \|$", TEXT, re.MULTILINE)
    end = 0
    for offset, octets, value, _ in rows:
        assert int(offset) == end, "the fields of the greeting have a gap"
        end += int(octets)
        part = DUMPS["greeting"][int(offset) : end]
        expected = {
            "00 … 01": bytes(7) + b"\x01",
            "zeros": bytes(int(octets)),
            "`CURVE`, then zeros": b"CURVE".ljust(20, b"\0"),
        }.get(value)
        assert part == (bytes.fromhex(value) if expected is None else expected)
    assert end == len(DUMPS["greeting"]) == 64


def test_boxes_are_the_frames_without_a_length() -> None:
    delimiter, body = _frames(DUMPS["request"])
    assert DUMPS["box-delimiter"] == bytes([delimiter.flags & MORE]) + delimiter.body
    assert DUMPS["box-request"] == bytes([body.flags & MORE]) + body.body
    (subscribe,) = _frames(DUMPS["subscribe"])
    assert subscribe.flags == COMMAND
    assert DUMPS["box-subscribe"] == b"\x02" + subscribe.body


def test_head_of_a_message() -> None:
    head = DUMPS["message-head"]
    assert head[:1] == b"\0"
    assert head[2:10] == b"\x07MESSAGE"
    assert int.from_bytes(head[10:], "big") == 3
    assert head[1] == len(head) - 2 + len(DUMPS["box-delimiter"]) + 16


def test_publication_is_topic_and_payload() -> None:
    frames = _frames(DUMPS["publication-shutdown"])
    assert frames == [Frame(MORE, b"shutdown"), Frame(0, b"AUTOMATIC")]
    assert _message(b"shutdown", b"AUTOMATIC") == DUMPS["publication-shutdown"]


def test_response_of_a_protobuf_endpoint() -> None:
    delimiter, body = _frames(DUMPS["response-no-jobs"])
    assert (delimiter.body, delimiter.flags) == (b"", MORE)
    assert data_store_pb2.JDeltas.FromString(body.body) == data_store_pb2.JDeltas(
        time=1795576343.75
    )


def test_publication_of_a_delta() -> None:
    topic, payload = (frame.body for frame in _frames(DUMPS["publication-task-proxies"]))
    assert _message(topic, payload) == DUMPS["publication-task-proxies"]
    delta = data_store_pb2.TPDeltas.FromString(payload)
    assert delta.SerializeToString() == payload
    assert topic == b"task_proxies"
    assert [field.name for field, _ in delta.ListFields()] == ["time", "checksum", "updated"]
    (element,) = delta.updated
    assert [field.name for field, _ in element.ListFields()] == ["stamp", "id", "state"]
    assert delta.time == 1795576343.75
    assert f"as a varint: {delta.checksum} |" in TEXT
    octets = DUMPS["checksum-stamps"]
    assert delta.checksum == zlib.adler32(octets)
    stamps = octets.decode().replace("~ada", " ~ada").split()
    assert stamps == sorted(stamps)
    assert element.stamp in stamps
    assert len(stamps) == 2
    head = f"`22 {element.ByteSize():x}`, then {element.ByteSize()} |"
    assert head in TEXT

    batch = data_store_pb2.AllDeltas(task_proxies=delta).SerializeToString()
    assert _message(b"all", batch).startswith(DUMPS["publication-all-head"])
    assert batch.endswith(payload)
    assert f"octets `{batch[0]:x}`, for that field, and `{batch[1]:x}`, for its length" in TEXT


def test_contact_file() -> None:
    text = DUMPS["contact-file"].decode()
    assert text.endswith("\n")
    pairs = [line.partition("=") for line in text.splitlines()]
    assert all(equals == "=" for _, equals, _ in pairs)
    fields = {key: value for key, _, value in pairs}
    assert len(fields) == len(pairs)
    assert schemas.explain(schemas.named("contact.json").iter_errors(fields)) == ""


def test_key_file(tmp_path: Path) -> None:
    text = DUMPS["public-key-file"].decode()
    assert "Do not use it" in text
    section = re.search(r'^curve\n    public-key = "([^"]{40})"\n', text, re.MULTILINE)
    assert section
    assert z85.decode(section[1]) == DUMPS["public-key"]
    assert len(DUMPS["public-key"]) == 32
    assert "secret" not in text
    path = tmp_path / "server.key"
    path.write_bytes(DUMPS["public-key-file"])
    assert zmq.auth.load_certificate(path) == (section[1].encode(), None)


def test_totals_in_the_text() -> None:
    total = sum(octets for octets, who, _ in SESSION if who in {"client", "both"})
    assert f"So {total} octets go from client to server" in TEXT


# libzmq


@frozen
class Wire:
    """A raw TCP connection."""

    raw: socket.socket

    def read(self, size: int) -> bytes:
        octets = b""
        while len(octets) < size:
            part = self.raw.recv(size - len(octets))
            assert part, f"the connection ended after {octets!r}"
            octets += part
        return octets

    def frame(self) -> Frame:
        flags = self.read(1)[0]
        size = int.from_bytes(self.read(8 if flags & LONG else 1), "big")
        return Frame(flags, self.read(size))

    def greet(self, mechanism: bytes) -> bytes:
        greeting = DUMPS["greeting"]
        self.raw.sendall(greeting[:12] + mechanism.ljust(20, b"\0") + greeting[32:])
        return self.read(64)

    def ready(self, socket_type: bytes) -> Frame:
        """Do the handshake of the mechanism NULL, and return the READY of the other side."""
        assert self.greet(b"NULL")[12:17] == b"NULL\0"
        body = b"\x05READY\x0bSocket-Type" + len(socket_type).to_bytes(4, "big") + socket_type
        self.raw.sendall(Frame(COMMAND, body).encoded)
        return self.frame()


@frozen
class Peers:
    """Makes sockets and closes them; the CURVE ones have keys that fit."""

    context: zmq.Context[zmq.Socket[bytes]]
    server: tuple[bytes, bytes] = field(factory=zmq.curve_keypair)
    client: tuple[bytes, bytes] = field(factory=zmq.curve_keypair)

    def socket(self, kind: int) -> zmq.Socket[bytes]:
        made = self.context.socket(kind)
        made.linger = 0
        made.rcvtimeo = made.sndtimeo = int(TIMEOUT * 1000)
        return made

    def curve_server(self, kind: int) -> zmq.Socket[bytes]:
        made = self.socket(kind)
        made.curve_publickey, made.curve_secretkey = self.server
        made.curve_server = True
        return made

    def curve_client(self, kind: int) -> zmq.Socket[bytes]:
        made = self.socket(kind)
        made.curve_publickey, made.curve_secretkey = self.client
        made.curve_serverkey = self.server[0]
        return made


@pytest.fixture
def peers() -> Iterator[Peers]:
    context = zmq.Context()
    yield Peers(context)
    context.destroy(linger=0)


@contextmanager
def _connected_to(server: zmq.Socket[bytes]) -> Iterator[Wire]:
    port = server.bind_to_random_port("tcp://127.0.0.1")
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as raw:
        yield Wire(raw)


@contextmanager
def _accepting(client: zmq.Socket[bytes]) -> Iterator[Wire]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        client.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        raw, _ = listener.accept()
        with raw:
            raw.settimeout(TIMEOUT)
            yield Wire(raw)


@pytest.mark.parametrize("kind", [zmq.REP, zmq.PUB])
def test_libzmq_sends_the_greeting_of_a_server(peers: Peers, kind: int) -> None:
    with _connected_to(peers.curve_server(kind)) as wire:
        assert wire.greet(b"CURVE") == DUMPS["greeting"]


@pytest.mark.parametrize("kind", [zmq.REQ, zmq.SUB])
def test_libzmq_sends_the_greeting_of_a_client(peers: Peers, kind: int) -> None:
    with _accepting(peers.curve_client(kind)) as wire:
        assert wire.greet(b"CURVE") == DUMPS["greeting"]


def test_libzmq_sends_the_greeting_in_pieces(peers: Peers) -> None:
    greeting = DUMPS["greeting"]
    ours = [b"", greeting[:10], greeting[10:11]]
    theirs = [greeting[:10], greeting[10:11], greeting[11:]]
    with _connected_to(peers.curve_server(zmq.REP)) as wire:
        for sent, received in zip(ours, theirs, strict=True):
            wire.raw.sendall(sent)
            assert wire.read(len(received)) == received
            wire.raw.settimeout(0.2)
            with pytest.raises(TimeoutError):
                wire.raw.recv(1)
            wire.raw.settimeout(TIMEOUT)


def test_libzmq_sends_the_metadata(peers: Peers) -> None:
    with _accepting(peers.socket(zmq.REQ)) as wire:
        ready = wire.ready(b"REP")
    assert ready == Frame(COMMAND, b"\x05READY" + DUMPS["metadata-req"])


def _request(name: str) -> list[bytes]:
    return [frame.body for frame in _frames(DUMPS[name])]


@pytest.mark.parametrize("name", ["request", "request-long"])
def test_libzmq_sends_the_request(peers: Peers, name: str) -> None:
    client = peers.socket(zmq.REQ)
    with _accepting(client) as wire:
        wire.ready(b"REP")
        client.send(_request(name)[-1])
        assert wire.read(len(DUMPS[name])) == DUMPS[name]


def test_libzmq_sends_a_correlated_request(peers: Peers) -> None:
    client = peers.socket(zmq.REQ)
    client.req_correlate = client.req_relaxed = True
    example = DUMPS["request-correlated"]
    with _accepting(client) as wire:
        wire.ready(b"REP")
        ids = []
        for _ in range(2):
            client.send(_request("request-correlated")[-1])
            octets = wire.read(len(example))
            assert octets[:2] + example[2:6] + octets[6:] == example
            ids.append(int.from_bytes(octets[2:6], "little"))
    assert (ids[1] - ids[0]) % 2**32 == 1


def test_libzmq_sends_the_request_of_a_dealer(peers: Peers) -> None:
    client = peers.socket(zmq.DEALER)
    with _accepting(client) as wire:
        wire.ready(b"REP")
        client.send_multipart(_request("request-dealer"))
        example = DUMPS["request-dealer"]
        assert wire.read(len(example)) == example


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        ("request", "response-success"),
        ("request", "response-error"),
        ("request-correlated", "response-correlated"),
    ],
)
def test_libzmq_sends_the_response(peers: Peers, request_: str, response: str) -> None:
    server = peers.socket(zmq.REP)
    with _connected_to(server) as wire:
        wire.ready(b"REQ")
        wire.raw.sendall(DUMPS[request_])
        assert server.recv() == _request(request_)[-1]
        server.send(_request(response)[-1])
        assert wire.read(len(DUMPS[response])) == DUMPS[response]


def test_libzmq_subscribes(peers: Peers) -> None:
    client = peers.socket(zmq.SUB)
    client.subscribe(b"shutdown")
    with _accepting(client) as wire:
        wire.ready(b"PUB")
        assert wire.frame().encoded == DUMPS["subscribe"]


def test_libzmq_publishes(peers: Peers) -> None:
    server = peers.socket(zmq.XPUB)  # a PUB socket that tells of its subscribers
    with _connected_to(server) as wire:
        wire.ready(b"SUB")
        wire.raw.sendall(DUMPS["subscribe"])
        assert server.recv() == b"\x01shutdown"
        server.send_multipart(_request("publication-shutdown"))
        example = DUMPS["publication-shutdown"]
        assert wire.read(len(example)) == example


# sizes, with a relay between two libzmq sockets


class Relay:
    """Passes octets on between a client and a server, and keeps them."""

    def __init__(self, port: int) -> None:
        self.seen = {"client": b"", "server": b""}
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(TIMEOUT)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def _run(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._port), TIMEOUT)
        other = threading.Thread(target=self._pump, args=("server", server, client), daemon=True)
        other.start()
        self._pump("client", client, server)
        other.join(TIMEOUT)
        for raw in (client, server, self._listener):
            raw.close()

    def _pump(self, name: str, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(65536):
                self.seen[name] += part
                target.sendall(part)
        for raw in (source, target):
            with suppress(OSError):
                raw.shutdown(socket.SHUT_RDWR)

    def join(self) -> dict[str, tuple[bytes, list[Frame]]]:
        """Wait for the end of the connection; return greeting and frames of each side."""
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive()
        return {name: (seen[:64], _frames(seen[64:])) for name, seen in self.seen.items()}


def _named(frames: list[Frame]) -> list[tuple[int, str]]:
    return [(len(frame.encoded), frame.body[1 : 1 + frame.body[0]].decode()) for frame in frames]


def _expected(rows: list[tuple[int, str, str]], who: str) -> list[tuple[int, str]]:
    return [
        (octets, re.split(r"[ :]", what)[0])
        for octets, sender, what in rows
        if sender == who and what != "greeting"
    ]


def test_sizes_of_a_session(peers: Peers) -> None:
    server, client = peers.curve_server(zmq.REP), peers.curve_client(zmq.REQ)
    relay = Relay(server.bind_to_random_port("tcp://127.0.0.1"))
    client.connect(relay.address)
    client.send(_request("request")[-1])
    assert server.recv() == _request("request")[-1]
    server.send(_request("response-success")[-1])
    assert client.recv() == _request("response-success")[-1]
    client.close()
    seen = relay.join()
    for who, (greeting, frames) in seen.items():
        assert greeting == DUMPS["greeting"]
        assert _named(frames) == _expected(SESSION, who)
    flags = [frame.flags for _, frames in seen.values() for frame in frames]
    assert flags == [COMMAND, COMMAND | LONG, 0, 0, COMMAND, COMMAND, 0, 0]
    assert seen["client"][1][2].encoded[:18] == DUMPS["message-head"]
    numbers = [_nonce(frame) for _, frames in seen.values() for frame in frames]
    assert numbers == [1, 2, 3, 4, None, 1, 2, 3]


def _nonce(frame: Frame) -> int | None:
    """The short nonce of a command of CURVE; the long one of WELCOME is random."""
    name = frame.body[1 : 1 + frame.body[0]]
    at = {b"HELLO": 112, b"INITIATE": 105, b"READY": 6, b"MESSAGE": 8}.get(name)
    return None if at is None else int.from_bytes(frame.body[at : at + 8], "big")


def test_sizes_of_a_subscription(peers: Peers) -> None:
    server, client = peers.curve_server(zmq.PUB), peers.curve_client(zmq.SUB)
    relay = Relay(server.bind_to_random_port("tcp://127.0.0.1"))
    client.subscribe(b"shutdown")
    client.connect(relay.address)
    deadline = time.monotonic() + TIMEOUT
    while not client.poll(50):  # what is published before the subscription arrives is dropped
        assert time.monotonic() < deadline
        server.send_multipart(_request("publication-shutdown"))
    assert client.recv_multipart() == _request("publication-shutdown")
    client.close()
    seen = {who: _named(frames) for who, (_, frames) in relay.join().items()}
    expected = _expected(SUBSCRIPTION, "server")
    assert seen["client"] == [(202, "HELLO"), *_expected(SUBSCRIPTION, "client")]
    assert seen["server"][: 1 + len(expected)] == [(170, "WELCOME"), *expected]


def test_libzmq_refuses_with_an_error(peers: Peers, tmp_path: Path) -> None:
    access = ThreadAuthenticator(peers.context)
    access.start()
    try:
        access.configure_curve(domain="*", location=str(tmp_path))  # nobody is authorised
        server, client = peers.curve_server(zmq.REP), peers.curve_client(zmq.REQ)
        server.zap_domain = b"wri"
        relay = Relay(server.bind_to_random_port("tcp://127.0.0.1"))
        client.connect(relay.address)
        seen: Any = relay.join()
    finally:
        access.stop()
    (welcome, error) = seen["server"][1]
    assert welcome.body[:8] == b"\x07WELCOME"
    assert error.encoded == DUMPS["error-400"]
    assert len(error.encoded) == 12


def test_libzmq_says_nothing_to_the_wrong_key(peers: Peers) -> None:
    server, client = peers.curve_server(zmq.REP), peers.curve_client(zmq.REQ)
    client.curve_serverkey = zmq.curve_keypair()[0]
    relay = Relay(server.bind_to_random_port("tcp://127.0.0.1"))
    client.connect(relay.address)
    seen = relay.join()
    assert _named(seen["client"][1]) == [(202, "HELLO")]
    assert seen["server"] == (DUMPS["greeting"], [])
