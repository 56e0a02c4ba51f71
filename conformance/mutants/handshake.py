"""Faults of access control (chapter 3.2)."""

import contextlib
import socket
import time
from collections.abc import Collection, Sequence
from threading import Thread

import zmq

from mutants.curve import ByHand
from mutants.front import Front, SideDoor
from mutants.peer import Body, DeadError, Mutant
from mutants.registry import fault
from wri_reference._keys import KeyPair

SERVER = "server/security"
REFUSED = "publisher/refused"
SHUTDOWN = "publisher/shutdown"


class _Everybody(set[bytes]):
    def __contains__(self, _key: object) -> bool:
        return True


@fault(
    "admits-everybody",
    [
        f"{SERVER}/unknown-client-key::handshake::WRI-SEC-13",
        f"{SERVER}/unknown-client-key::unanswered::WRI-SEC-21",
        f"{SERVER}/key-of-another-workflow::handshake::WRI-SEC-24",
        f"{SERVER}/key-of-another-workflow::unanswered::WRI-SEC-21",
        f"{REFUSED}/unknown-client-key::handshake::WRI-SEC-14",
        "publisher/key-of-another-workflow::handshake::WRI-SEC-14",
        f"{SHUTDOWN}::unknown-key::WRI-SEC-22",
        "publisher/deltas/refused::unknown-key::WRI-SEC-22",
    ],
)
class AdmitsEverybody(Mutant):
    """Admits every key."""

    def _open(
        self, context: zmq.Context[zmq.Socket[bytes]], keys: KeyPair, _clients: set[bytes]
    ) -> None:
        super()._open(context, keys, _Everybody())


@fault(
    "admits-nobody",
    [
        f"{SERVER}/admitted::*",
        f"{SERVER}/key-of-another-workflow::other-workflow::*",
        f"{SERVER}/key-of-another-workflow::unanswered::*",
        f"{SERVER}/key-of-another-workflow::others-served::*",
        "publisher/admitted::*",
        f"{REFUSED}/unknown-client-key::others-admitted::*",
        "publisher/key-of-another-workflow::others-admitted::*",
        "server/stopped/restart-after-crash::first-run::*",
        "server/stopped/restart-after-crash::alive::*",
        "server/stopped/restart-after-stop::first-run::*",
        "server/stopped/restart-after-stop::second-run::*",
    ],
)
class AdmitsNobody(Mutant):
    """Admits no key at all."""

    def admit(self, request: Sequence[bytes], _authorised: Collection[bytes]) -> list[bytes]:
        return super().admit(request, set())


@fault("null-mechanism", [f"{SERVER}/greeting::*", "publisher/greeting::*"])
class NullMechanism(Mutant):
    """Has no security at all."""

    def _bound_socket(
        self, context: zmq.Context[zmq.Socket[bytes]], kind: int, _keys: KeyPair
    ) -> zmq.Socket[bytes]:
        bound = context.socket(kind)
        bound.bind_to_random_port("tcp://127.0.0.1")
        return bound


@fault(
    "side-door-without-curve",
    [
        f"{SERVER}/no-curve::handshake::WRI-SEC-17",
        f"{SERVER}/no-curve::unanswered::WRI-SEC-21",
        f"{REFUSED}/no-curve::handshake::WRI-SEC-18",
        f"{SHUTDOWN}::no-curve::WRI-SEC-22",
    ],
)
class NullToo(SideDoor):
    """Serves those as well who come without CURVE."""


@fault(
    "side-door-with-a-password",
    [
        f"{SERVER}/plain::handshake::WRI-SEC-17",
        f"{SERVER}/plain::unanswered::WRI-SEC-21",
        f"{REFUSED}/plain::handshake::WRI-SEC-18",
    ],
)
class PlainToo(SideDoor):
    """Serves those as well who come with a password, whatever it is."""

    mechanism = b"PLAIN"

    def secure(self, context: zmq.Context[zmq.Socket[bytes]], bound: zmq.Socket[bytes]) -> None:
        bound.plain_server = True
        if bound is self.side:
            Thread(target=self._accept_all, args=(context,), daemon=True).start()
            time.sleep(0.1)

    @staticmethod
    def _accept_all(context: zmq.Context[zmq.Socket[bytes]]) -> None:
        zap = context.socket(zmq.REP)
        zap.bind("inproc://zeromq.zap.01")
        with contextlib.suppress(zmq.ZMQError):
            while True:
                version, number, *_ = zap.recv_multipart()
                zap.send_multipart([version, number, b"200", b"", b"", b""])


@fault(
    "does-not-ask-for-the-secret-key",
    [
        f"{SERVER}/unmatched-secret-key::handshake::WRI-SEC-15",
        f"{SERVER}/unmatched-secret-key::unanswered::WRI-SEC-21",
        f"{REFUSED}/unmatched-secret-key::handshake::WRI-SEC-16",
        f"{SHUTDOWN}::unmatched-key::WRI-SEC-22",
    ],
)
class DoesNotAskForTheSecretKey(ByHand):
    """Admits everybody who knows an authorised public key."""


@fault(
    "leaves-refused-clients-hanging",
    [
        f"{SERVER}/unmatched-secret-key::handshake::WRI-SEC-15",
        f"{SERVER}/wrong-server-key::handshake::WRI-SEC-19",
        f"{REFUSED}/unmatched-secret-key::handshake::WRI-SEC-16",
        f"{REFUSED}/wrong-server-key::handshake::WRI-SEC-20",
    ],
)
class LeavesHanging(Front):
    """Never closes a connection, so that it does not refuse anybody either."""

    def ended(self, target: socket.socket) -> None:
        pass


@fault(
    "dies-of-a-stranger",
    [
        f"{SERVER}/{case}::{step}::*"
        for case in ("unknown-client-key", "key-of-another-workflow")
        for step in ("unanswered", "others-served")
    ]
    + [f"{SERVER}/refused-while-serving::*"],
)
class DiesOfAStranger(Mutant):
    """Ends its request loop when it has to refuse a key."""

    def admit(self, request: Sequence[bytes], authorised: Collection[bytes]) -> list[bytes]:
        answer = super().admit(request, authorised)
        if answer[2] != b"200":
            self.doomed = True
        return answer

    doomed = False

    def receiver(self, body: Body) -> bytes:
        if self.doomed:
            raise DeadError
        return super().receiver(body)


@fault(
    "closes-after-a-stranger",
    [
        f"{SERVER}/{case}::{step}::*"
        for case in ("no-curve", "plain", "wrong-server-key", "unmatched-secret-key")
        for step in ("unanswered", "others-served")
    ]
    + [f"{REFUSED}/wrong-server-key::others-admitted::*"],
)
class ClosesAfterAStranger(Front):
    """Accepts nobody any more after the first connection has ended."""

    closed = False

    def serve(self, client: socket.socket, name: str) -> None:
        if self.closed:
            client.close()
        else:
            super().serve(client, name)

    def ended(self, target: socket.socket) -> None:
        self.closed = True
        super().ended(target)
