"""The relay between a client and a scheduler."""

import json
import time
from collections.abc import Iterator

import pytest
import zmq
from attrs import frozen

from wri_conformance.interop.relay import Relay
from wri_conformance.service import KeyPair


@frozen
class Ends:
    """Both ends of a relay: sockets of a scheduler and of a client."""

    reply: "zmq.Socket[bytes]"
    publish: "zmq.Socket[bytes]"
    request: "zmq.Socket[bytes]"
    subscribe: "zmq.Socket[bytes]"
    relay: Relay


@pytest.fixture
def ends() -> Iterator[Ends]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    keys, mine = KeyPair.new(), KeyPair.new()

    def make(kind: int, *, server: bool) -> "zmq.Socket[bytes]":
        sock: zmq.Socket[bytes] = context.socket(kind)
        sock.linger = 0
        sock.rcvtimeo = 10_000
        if server:
            sock.curve_server = True
            sock.curve_publickey, sock.curve_secretkey = keys.public, keys.secret or b""
        else:
            sock.curve_serverkey = keys.public
            sock.curve_publickey, sock.curve_secretkey = mine.public, mine.secret or b""
        return sock

    reply, publish = make(zmq.REP, server=True), make(zmq.PUB, server=True)
    ports = tuple(sock.bind_to_random_port("tcp://127.0.0.1") for sock in (reply, publish))
    relay = Relay(keys, mine, "127.0.0.1", (ports[0], ports[1]))
    relay.start()
    request, subscribe = make(zmq.REQ, server=False), make(zmq.SUB, server=False)
    request.connect(f"tcp://127.0.0.1:{relay.request}")
    subscribe.connect(f"tcp://127.0.0.1:{relay.publish}")
    yield Ends(reply, publish, request, subscribe, relay)
    relay.close()
    context.destroy(linger=0)


def events(relay: Relay) -> list[tuple[str, str, list[str]]]:
    return [(e["peer"], e["direction"], e["frames"]) for e in relay.trace.events]


def test_requests_and_replies_pass_unchanged_and_are_written_down(ends: Ends) -> None:
    for number in range(3):
        body = json.dumps({"command": "api", "args": {"n": number}}).encode()
        ends.request.send(body)
        assert ends.reply.recv_multipart() == [body]
        answer = b"\x00\xff" * 1000 + bytes([number])
        ends.reply.send(answer)
        assert ends.request.recv_multipart() == [answer]
    found = events(ends.relay)
    assert [(peer, direction) for peer, direction, _ in found] == [
        ("client", "→"),
        ("server", "←"),
    ] * 3
    assert json.loads(found[2][2][0]) == {"command": "api", "args": {"n": 1}}


def test_subscriptions_and_publications_pass_and_are_written_down(ends: Ends) -> None:
    ends.subscribe.subscribe(b"shutdown")
    deadline = time.monotonic() + 10
    while not events(ends.relay):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert events(ends.relay)[0] == ("client", "·", ["subscribes to 'shutdown'"])
    frames: list[bytes] = []
    while not frames:  # the subscription is still on its way to the publisher
        assert time.monotonic() < deadline
        ends.publish.send_multipart([b"tasks", b""])
        ends.publish.send_multipart([b"shutdown", b"REQUEST(NOW)"])
        if ends.subscribe.poll(50):
            frames = ends.subscribe.recv_multipart()
    assert frames == [b"shutdown", b"REQUEST(NOW)"]
    assert ("server", "←", ["shutdown", "REQUEST(NOW)"]) in events(ends.relay)
    assert not any("tasks" in frames for _, _, frames in events(ends.relay))


def test_no_secret_key_is_written_down(ends: Ends) -> None:
    secret = ends.relay.keys.secret
    assert secret is not None
    ends.request.send(b"the key is " + secret)
    ends.reply.recv()
    deadline = time.monotonic() + 10
    while not events(ends.relay):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert events(ends.relay)[0][2] == ["the key is (a secret key)"]
