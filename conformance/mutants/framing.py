"""Faults of servers that care for envelopes themselves, on a ROUTER socket (chapter 4)."""

import json
import time
from typing import Any

from mutants.peer import Body, DeadError, Mutant, Router
from mutants.registry import fault

ONE = "server/framing/one-frame::"
ERROR = "server/framing/error-frame::"


@fault("two-frames", [f"{ONE}response::WRI-FRM-2", f"{ERROR}response::WRI-FRM-2"])
class TwoFrames(Router):
    """Sends an empty frame behind each response."""

    def reply(self, client: bytes, envelope: Body, response: bytes) -> None:
        self.send(client, [*envelope, response, b""])


@fault("answers-twice", [f"{ONE}once::WRI-FRM-4", f"{ERROR}once::WRI-FRM-4"])
class AnswersTwice(Router):
    """Sends each response twice."""

    def reply(self, client: bytes, envelope: Body, response: bytes) -> None:
        for _ in range(2):
            self.send(client, [*envelope, response])


@fault("loses-the-delimiter", [f"{ONE}response::WRI-FRM-3"])
class LosesTheDelimiter(Router):
    """Sends a response without its delimiter, once."""

    lost = False

    def reply(self, client: bytes, envelope: Body, response: bytes) -> None:
        self.send(client, [response] if not self.lost else [*envelope, response])
        self.lost = True


@fault(
    "loses-the-envelope",
    [
        "server/framing/envelope/identity::*",
        "server/framing/envelope/route::*",
        "server/framing/correlation::second::WRI-FRM-3",
    ],
)
class LosesTheEnvelope(Router):
    """Sends each response with nothing but a delimiter."""

    def reply(self, client: bytes, _envelope: Body, response: bytes) -> None:
        self.send(client, [b"", response])


@fault("reverses-the-envelope", ["server/framing/envelope/route::*"])
class ReversesTheEnvelope(Router):
    """Sends the frames of the envelope back in the reverse order."""

    def reply(self, client: bytes, envelope: Body, response: bytes) -> None:
        self.send(client, [*envelope[-2::-1], b"", response])


@fault(
    "knows-no-envelope",
    [
        "server/framing/envelope/identity::*",
        "server/framing/envelope/route::*",
        "server/framing/correlation::second::WRI-FRM-3",
    ],
)
class KnowsNoEnvelope(Router):
    """Discards messages with anything before the delimiter."""

    def handle(self, client: bytes, frames: Body) -> None:
        if frames[0] == b"":
            super().handle(client, frames)


@fault("last-come-first-served", ["server/framing/order::in-order::WRI-FRM-5"])
class LastComeFirstServed(Router):
    """Answers the requests that wait in the reverse order."""

    def _answer_some(self) -> None:
        time.sleep(0.1)
        waiting = []
        while self._requests.poll(0):
            waiting.append(self._requests.recv_multipart())
        for client, *frames in reversed(waiting):
            self.handle(client, frames)


@fault("needs-no-delimiter", ["server/framing/no-delimiter::discarded::WRI-FRM-6"])
class NeedsNoDelimiter(Router):
    """Answers messages without a delimiter."""

    def handle(self, client: bytes, frames: Body) -> None:
        if b"" in frames:
            super().handle(client, frames)
        else:
            self.reply(client, [], self.receiver(frames))


@fault("bears-a-grudge", ["server/framing/no-delimiter::same-connection::WRI-FRM-6"])
class BearsAGrudge(Router):
    """Answers nothing on a connection that once left out the delimiter."""

    def handle(self, client: bytes, frames: Body) -> None:
        self.bad: set[bytes] = getattr(self, "bad", set())
        if b"" not in frames:
            self.bad.add(client)
        if client not in self.bad:
            super().handle(client, frames)


@fault("dies-of-no-delimiter", ["server/framing/no-delimiter::*"])
class DiesOfNoDelimiter(Router):
    """Looks for a delimiter that is not there, which ends its request loop."""

    def handle(self, client: bytes, frames: Body) -> None:
        if b"" not in frames:
            raise DeadError
        super().handle(client, frames)


class _Rewrites(Mutant):
    def receiver(self, body: Body) -> bytes:
        return self.rewrite(body, json.loads(self.answer(body)))

    def rewrite(self, body: Body, right: Any) -> bytes:
        raise NotImplementedError


@fault("byte-order-mark", [f"{ONE}response::WRI-FRM-9", f"{ERROR}response::WRI-FRM-9"])
class ByteOrderMark(_Rewrites):
    """Begins some responses with a byte order mark."""

    marked = False

    def rewrite(self, _body: Body, right: Any) -> bytes:
        self.marked = not self.marked
        return (b"\xef\xbb\xbf" if self.marked else b"") + json.dumps(right).encode()


@fault("latin-1", [f"{ERROR}response::WRI-FRM-9"])
class Latin1(_Rewrites):
    """Sends responses in Latin-1."""

    def rewrite(self, _body: Body, right: Any) -> bytes:
        return json.dumps(right, ensure_ascii=False).encode("latin-1", "replace")


@fault("python-repr", [f"{ONE}response::WRI-FRM-9"])
class PythonRepr(_Rewrites):
    """Sends what looks like JSON to Python, once."""

    done = False

    def rewrite(self, _body: Body, right: Any) -> bytes:
        text = json.dumps(right) if self.done else repr(right)
        self.done = True
        return text.encode()


@fault(
    "mixes-up-clients",
    [
        "server/timeout/suspended::answers::WRI-FRM-7",
        "server/timeout/hundred-clients::answers::WRI-FRM-7",
    ],
)
class MixesUpClients(Router):
    """Sends each response to the client that asked before, if others wait as well."""

    def _answer_some(self) -> None:
        time.sleep(0.1)
        waiting = []
        while self._requests.poll(0):
            waiting.append(self._requests.recv_multipart())
        clients = [message[0] for message in waiting]
        for client, (_, *frames) in zip(clients[1:] + clients[:1], waiting, strict=True):
            self.handle(client, frames)


@fault(
    "says-it-again",
    [
        "server/timeout/suspended::answers::WRI-FRM-7",
        "server/timeout/hundred-clients::answers::WRI-FRM-7",
    ],
)
class SaysItAgain(Router):
    """Answers the description of an endpoint twice."""

    def reply(self, client: bytes, envelope: Body, response: bytes) -> None:
        super().reply(client, envelope, response)
        if b"List the endpoints" in response:
            super().reply(client, envelope, response)
