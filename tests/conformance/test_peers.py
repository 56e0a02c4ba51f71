"""A peer of the suite and an implementation that does not let it speak."""

import time
from collections.abc import Iterator

import pytest
import zmq

from wri_conformance.peers import Peer, Security
from wri_conformance.service import KeyPair
from wri_conformance.trace import Trace


@pytest.fixture
def context() -> Iterator["zmq.Context[zmq.Socket[bytes]]"]:
    one: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield one
    one.destroy(linger=0)


def test_a_refused_peer_cannot_send_and_says_so(
    context: "zmq.Context[zmq.Socket[bytes]]",
) -> None:
    bound = context.socket(zmq.ROUTER)  # without CURVE
    port = bound.bind_to_random_port("tcp://127.0.0.1")
    security = Security("CURVE", KeyPair.new(), KeyPair.new().public)
    address, trace = f"tcp://127.0.0.1:{port}", Trace()
    peer = Peer.open(context, "early", "DEALER", address, security, trace)
    assert peer.handshake(10) == "refused"
    deadline = time.monotonic() + 10
    while peer.send([b"{}"]):  # the connection is dropped some time after it was refused
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "not sent" in trace.events[-1]["frames"][0]
    assert peer.receive(0.1) is None
    peer.close()
