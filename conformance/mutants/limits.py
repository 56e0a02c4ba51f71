"""Faults under load and with hostile peers (chapter 13)."""

import socket
import time

import zmq

from mutants.front import Front
from mutants.peer import Body, DeadError, Message, Mutant, Router, error
from mutants.registry import fault
from wri_reference._keys import KeyPair

LIMITS = "server/limits"
TIMEOUT = "server/timeout"
MIB = 1_000_000
MORE_THAN_A_BOUND = 5.3  # seconds


@fault("refuses-ninety-levels", [f"{LIMITS}/large-request::nested::WRI-LIM-6"])
class RefusesNinetyLevels(Mutant):
    """Refuses JSON that is nested ninety levels deep."""

    def amend(self, body: Body, right: Message) -> Message:
        return error("too deep") if b"[" * 90 in body[0] else right


@fault(
    "refuses-a-mebibyte",
    [f"{LIMITS}/large-request::{step}::WRI-LIM-6" for step in ("carried-out", "argument")],
)
class RefusesAMebibyte(Mutant):
    """Refuses requests of a mebibyte."""

    def amend(self, body: Body, right: Message) -> Message:
        return error("too long") if len(body[0]) > MIB else right


@fault("deaf-after-a-large-request", [f"{LIMITS}/large-request::stops::*"])
class DeafAfterALargeRequest(Mutant):
    """Ignores signals after a request of a mebibyte."""

    def amend(self, body: Body, right: Message) -> Message:
        self.deaf = self.deaf or len(body[0]) > MIB
        return right


@fault("dies-of-fifty-mebibytes", [f"{LIMITS}/huge-request::serves-on::*"])
class DiesOfFiftyMebibytes(Mutant):
    """Ends its request loop when 50 MiB come."""

    def answer(self, body: Body) -> bytes:
        if len(body[0]) > 50 * MIB:
            raise DeadError
        return super().answer(body)


@fault(
    "sleeps-over-large-nonsense",
    [f"{LIMITS}/huge-invalid/16-mib::*"],
)
class SleepsOverLargeNonsense(Mutant):
    """Takes its time with whatever is long and no request."""

    def amend(self, body: Body, right: Message) -> Message:
        if len(body[0]) > 16 * MIB and "error" in right:
            time.sleep(MORE_THAN_A_BOUND)
        return right


@fault(
    "waits-for-those-who-do-not-read",
    [f"{LIMITS}/never-reads::serves-on::*", f"{LIMITS}/never-reads::stops::*"],
)
class WaitsForThoseWhoDoNotRead(Router):
    """Waits until a client takes its response."""

    def _open(
        self, context: zmq.Context[zmq.Socket[bytes]], keys: KeyPair, clients: set[bytes]
    ) -> None:
        context.setsockopt(zmq.SNDBUF, 4096)
        super()._open(context, keys, clients)

    def _bound_socket(
        self, context: zmq.Context[zmq.Socket[bytes]], kind: int, keys: KeyPair
    ) -> zmq.Socket[bytes]:
        bound = super()._bound_socket(context, kind, keys)
        if kind == zmq.REP:
            bound.setsockopt(zmq.SNDHWM, 1)
            bound.setsockopt(zmq.ROUTER_MANDATORY, 1)
        return bound


@fault("answers-after-a-rest", [f"{LIMITS}/never-reads::served::WRI-SEC-11"])
class NeedsAName(Router):
    """Never answers the first two that connect."""

    seen = 0

    def reply(self, client: bytes, envelope: Body, response: bytes) -> None:
        self.seen += 1
        if self.seen > 1:
            super().reply(client, envelope, response)


@fault("twenty-a-second", [f"{TIMEOUT}/hundred-clients::answers::WRI-LIM-12"])
class TwentyASecond(Mutant):
    """Answers less than twenty requests a second."""

    def amend(self, _body: Body, right: Message) -> Message:
        time.sleep(MORE_THAN_A_BOUND / 100)
        return right


@fault("prefers-the-busy", [f"{TIMEOUT}/no-starvation::answers::WRI-LIM-13"])
class PrefersTheBusy(Router):
    """Puts off a client, once, when another has asked much more often."""

    def run(self) -> None:
        self.asked: dict[bytes, int] = {}
        self.slow: set[bytes] = set()
        self.put_off: list[tuple[float, bytes, Body]] = []
        super().run()

    def handle(self, client: bytes, frames: Body) -> None:
        now = time.monotonic()
        self.asked[client] = self.asked.get(client, 0) + 1
        often = max(20, 4 * self.asked[client])
        if client not in self.slow and max(self.asked.values()) > often:
            self.slow.add(client)
            self.put_off.append((now, client, frames))
        else:
            super().handle(client, frames)
        while self.put_off and now - self.put_off[0][0] > MORE_THAN_A_BOUND:
            super().handle(*self.put_off.pop(0)[1:])


# -- whatever is not ZMTP


class _Watchful(Front):
    """Looks at the beginning of each connection before it accepts the next one."""

    closed = False

    def serve(self, client: socket.socket, name: str) -> None:
        if self.closed:
            client.close()
            return
        try:
            self.look(client)
        except ValueError:
            self.closed = True
        super().serve(client, name)

    def look(self, client: socket.socket) -> None:
        """Look at a new connection; a ValueError closes the ports."""


@fault("dies-of-garbage", [f"{LIMITS}/not-zmtp/*-request::serves-on::*"])
class DiesOfGarbage(_Watchful):
    """Accepts nobody any more after bytes that are no greeting."""

    def look(self, client: socket.socket) -> None:
        if client.recv(1, socket.MSG_PEEK) != b"\xff":
            raise ValueError


@fault("dies-of-a-broken-greeting", [f"{LIMITS}/half-open/cut-off::serves-on::*"])
class DiesOfABrokenGreeting(_Watchful):
    """Accepts nobody any more after a greeting that was broken off."""

    def look(self, client: socket.socket) -> None:
        if len(client.recv(10, socket.MSG_PEEK | socket.MSG_WAITALL)) != 10:  # noqa: PLR2004
            raise ValueError


@fault("one-at-a-time", [f"{LIMITS}/half-open/silent::*::WRI-LIM-3"])
class OneAtATime(_Watchful):
    """Waits for the greeting of each connection before it accepts another one."""

    backlog = 1

    def look(self, client: socket.socket) -> None:
        client.recv(1, socket.MSG_PEEK)
