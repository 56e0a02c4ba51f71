"""Faults of clients: what they send, and what they make of what comes."""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zmq

from mutants.client import Client
from mutants.registry import adapter_fault
from wri_reference import (
    ClientError,
    ClientTimeout,
    ReplyError,
    RequestError,
    WorkflowStopped,
)
from wri_reference._connection import Connection

Request = dict[str, Any]


@adapter_fault("none-client", [])
class Right(Client):
    """Nothing is wrong."""


# -- requests


@adapter_fault("request-two-frames", ["client/requests/shape::sent::WRI-FRM-1"])
class TwoFrames(Client):
    """Sends an empty frame after each request."""

    def request(self, command: str, args: Mapping[str, Any]) -> list[bytes]:
        return [*super().request(command, args), b""]


@adapter_fault(
    "request-bom",
    [
        "client/requests/shape::sent::WRI-FRM-8",
        "client/requests/shape::sent::WRI-REQ-*",
        "client/requests/arguments/*::sent::*",
    ],
)
class RequestMark(Client):
    """Sends a byte order mark before each request."""

    def request(self, command: str, args: Mapping[str, Any]) -> list[bytes]:
        return [b"\xef\xbb\xbf" + super().request(command, args)[0]]


class Altered(Client):
    """Sends something else than it should."""

    def request(self, command: str, args: Mapping[str, Any]) -> list[bytes]:
        document: Request = json.loads(super().request(command, args)[0])
        self.alter(document)
        return [json.dumps(document).encode()]

    def alter(self, request: Request) -> None:
        """Change the request."""


@adapter_fault("request-no-args", ["client/requests/shape::sent::WRI-REQ-1"])
class NoArgs(Altered):
    """Calls the arguments `arguments`."""

    def alter(self, request: Request) -> None:
        request["arguments"] = request.pop("args")


@adapter_fault("request-no-meta", ["client/requests/shape::sent::WRI-REQ-2"])
class NoMeta(Altered):
    """Tells nothing of itself."""

    def alter(self, request: Request) -> None:
        del request["meta"]


@adapter_fault("request-drops-falsy", ["client/requests/arguments/falsy::sent::WRI-REQ-8"])
class DropsFalsy(Altered):
    """Leaves out arguments that are null, false, zero or empty."""

    def alter(self, request: Request) -> None:
        request["args"] = {name: value for name, value in request["args"].items() if value}


@adapter_fault("request-adds-user", ["client/requests/arguments/*::sent::WRI-REQ-8"])
class AddsUser(Altered):
    """Adds an argument of its own."""

    def alter(self, request: Request) -> None:
        request["args"]["user"] = "me"


@adapter_fault("request-lower-case", ["client/requests/command/upper-case::sent::WRI-REQ-8"])
class LowerCase(Altered):
    """Names endpoints in lower case."""

    def alter(self, request: Request) -> None:
        request["command"] = request["command"].lower()


class Repeats(Client):
    """Sends a request again after some outcomes."""

    again: tuple[type[Exception], ...] = ()

    async def async_request(self, *args: Any, **more: Any) -> Any:
        try:
            return await super().async_request(*args, **more)
        except self.again:
            return await super().async_request(*args, **more)


@adapter_fault(
    "repeats-unanswered",
    [
        "client/requests/once/unanswered::*::WRI-REQ-9",
        "client/timeouts/no-reply-ever::first-once::WRI-REQ-9",
        "client/timeouts/late-reply::*",
        "client/timeouts/late-reply-during-next::*",
        "client/restart/interrupted::once::WRI-REQ-9",
    ],
)
class RepeatsUnanswered(Repeats):
    """Sends a request again after a time-out, and then gives up."""

    again = (ClientTimeout,)


@adapter_fault("repeats-refused", ["client/requests/once/error::*::WRI-REQ-9"])
class RepeatsRefused(Repeats):
    """Sends a request again after an error of the server."""

    again = (RequestError,)


@adapter_fault("repeats-garbled", ["client/requests/once/no-response::*::WRI-REQ-9"])
class RepeatsGarbled(Repeats):
    """Sends a request again after a reply that is no response."""

    again = (ReplyError,)


@adapter_fault(
    "asks-twice",
    [
        "client/async/reversed::own-replies::WRI-REQ-9",
        "client/async/one-times-out::first-once::WRI-REQ-9",
    ],
)
class AsksTwice(Client):
    """Sends each request on two connections, to be sure, and takes the first reply."""

    async def async_request(self, *args: Any, **more: Any) -> Any:
        both = [asyncio.ensure_future(Client.async_request(self, *args, **more)) for _ in range(2)]
        done, waiting = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()
        return done.pop().result()


# -- replies


@adapter_fault(
    "falsy-data",
    [
        "client/replies/data/null::returned::WRI-CLI-1",
        "client/replies/data/empty-list::returned::WRI-CLI-1",
    ],
)
class FalsyData(Client):
    """Takes data that is false in Python for an empty object."""

    def interpret(self, command: str, body: list[bytes]) -> Any:
        return super().interpret(command, body) or {}


@adapter_fault("large-data", ["client/replies/large::returned::WRI-CLI-1"])
class LargeData(Client):
    """Cuts texts at 64 KiB."""

    def interpret(self, command: str, body: list[bytes]) -> Any:
        value = super().interpret(command, body)
        return value[:65536] if isinstance(value, str) else value


class Reads(Client):
    """Reads replies in a way of its own."""

    def interpret(self, command: str, body: list[bytes]) -> Any:
        if command.startswith("pb_"):
            return super().interpret(command, body)
        return self.read(body)

    def read(self, body: list[bytes]) -> Any:
        """Return the data of a reply."""
        return super().interpret("", body)


@adapter_fault("compact-only", ["client/replies/encodings/white-space::accepted::WRI-FRM-11"])
class CompactOnly(Reads):
    """Expects a brace at the beginning of a response."""

    def read(self, body: list[bytes]) -> Any:
        if not body[0].startswith(b"{"):
            raise ReplyError("this does not begin with a brace")
        return super().read(body)


@adapter_fault("own-message", ["client/replies/error/*::reported::WRI-CLI-2"])
class OwnMessage(Reads):
    """Reports each error of the server with the same words."""

    def read(self, body: list[bytes]) -> Any:
        try:
            return super().read(body)
        except RequestError:
            raise RequestError("the server has refused the request") from None


@adapter_fault(
    "reads-words",
    [
        "client/replies/error/stopped::reported::*",
        "client/replies/error/timeout::reported::*",
    ],
)
class ReadsWords(Reads):
    """Finds out from the words of an error what has happened."""

    def read(self, body: list[bytes]) -> Any:
        try:
            return super().read(body)
        except RequestError as error:
            if "not running" in str(error):
                raise WorkflowStopped(str(error)) from None
            if "timed out" in str(error):
                raise ClientTimeout(str(error)) from None
            raise


@adapter_fault(
    "error-as-data",
    [
        "client/replies/malformed-error/*::reported::WRI-CLI-2",
        "client/replies/no-version::error::WRI-CLI-6",
        "client/replies/unknown-members/*::ignored-with-error::WRI-CLI-5",
        "client/replies/old-envelope/traceback::understood::WRI-VER-2",
    ],
)
class ErrorAsData(Reads):
    """Returns an error as if it were the result."""

    def read(self, body: list[bytes]) -> Any:
        response = json.loads(body[0])
        return response["error"] if "error" in response else super().read(body)


@adapter_fault(
    "breaks-down",
    [
        "client/replies/both/*::goes-on::WRI-CLI-1",
        "client/replies/byte-order-mark::goes-on::WRI-CLI-1",
        "client/replies/error/*::goes-on::WRI-CLI-1",
        "client/replies/malformed-error/*::goes-on::WRI-CLI-1",
        "client/replies/not-a-response/*::goes-on::WRI-CLI-1",
        "client/replies/old-envelope/*::goes-on::WRI-VER-2",
        "client/timeouts/late-reply::next::*",
        "client/timeouts/late-reply::one-after::*",
    ],
)
class BreaksDown(Client):
    """Does nothing any more after a request that failed."""

    broken = False

    async def async_request(self, *args: Any, **more: Any) -> Any:
        if self.broken:
            raise ClientError("this client is of no use any more")
        try:
            return await super().async_request(*args, **more)
        except Exception:
            self.broken = True
            raise


@adapter_fault(
    "decoder-crashes",
    [
        "client/replies/not-a-response/not-utf8::*",
        "client/replies/not-a-response/empty::*",
        "client/replies/not-a-response/null::*",
        "client/replies/not-a-response/neither::*",
        "client/replies/shows-no-secret::*",
    ],
)
class DecoderCrashes(Reads):
    """Looks into a reply before it knows that there is something to look into."""

    def read(self, body: list[bytes]) -> Any:
        response = json.loads(body[0].decode())
        if "error" in response:
            return super().read(body)
        return response["data"]


@adapter_fault("first-frame", ["client/replies/not-a-response/two-frames::reported::WRI-CLI-3"])
class FirstFrame(Reads):
    """Looks at the first frame of a reply and at no other."""

    def read(self, body: list[bytes]) -> Any:
        return super().read(body[:1])


@adapter_fault("tolerates-nul", ["client/replies/not-a-response/trailing-nul::reported::WRI-CLI-3"])
class ToleratesNul(Reads):
    """Takes replies for texts that end at a zero octet."""

    def read(self, body: list[bytes]) -> Any:
        return super().read([body[0].rstrip(b"\0"), *body[1:]])


@adapter_fault("mark-stops", ["client/replies/byte-order-mark::reported::WRI-CLI-3"])
class MarkStops(Reads):
    """Takes a byte order mark for the end of the workflow."""

    def read(self, body: list[bytes]) -> Any:
        if body[0].startswith(b"\xef\xbb\xbf"):
            raise WorkflowStopped("this is the end")
        return super().read(body)


@adapter_fault("data-first", ["client/replies/both/*::reported::WRI-CLI-4"])
class DataFirst(Reads):
    """Looks for data first, and at an error only if there is none."""

    def read(self, body: list[bytes]) -> Any:
        try:
            response = json.loads(body[0])
        except ValueError:
            return super().read(body)
        if isinstance(response, dict) and "data" in response:
            return response["data"]
        return super().read(body)


@adapter_fault("knows-all-members", ["client/replies/unknown-members/*::ignored*::WRI-CLI-5"])
class KnowsAllMembers(Reads):
    """Refuses a response with a member that it does not know."""

    def read(self, body: list[bytes]) -> Any:
        if json.loads(body[0]).keys() - {"data", "error", "cylc_version"}:
            raise ReplyError("what is this?")
        return super().read(body)


@adapter_fault("wants-version", ["client/replies/no-version::*::WRI-CLI-6"])
class WantsVersion(Reads):
    """Refuses a response without `cylc_version`."""

    def read(self, body: list[bytes]) -> Any:
        if "cylc_version" not in json.loads(body[0]):
            raise ReplyError("which version is this?")
        return super().read(body)


@adapter_fault("protobuf-error-as-bytes", ["client/replies/protobuf-error/*::reported::WRI-DATA-3"])
class ProtobufErrorAsBytes(Client):
    """Returns whatever a protobuf endpoint answers."""

    def interpret(self, command: str, body: list[bytes]) -> Any:
        return body[0] if command.startswith("pb_") else super().interpret(command, body)


@adapter_fault(
    "protobuf-as-text",
    [
        "client/replies/protobuf/snapshot::returned::WRI-CLI-1",
        "client/replies/protobuf/bare::returned::WRI-VER-3",
    ],
)
class ProtobufAsText(Client):
    """Decodes everything as text."""

    def interpret(self, command: str, body: list[bytes]) -> Any:
        value = super().interpret(command, body)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


# -- time-outs


@adapter_fault(
    "never-gives-up",
    [
        "client/timeouts/silent::*",
        "client/restart/interrupted::*",
        "client/discovery/live-process/something-else/*::ends::*",
    ],
)
class NeverGivesUp(Client):
    """Waits for an hour, whatever it is told."""

    def patience(self, timeout: float | None) -> float:  # noqa: ARG002
        return 3600


@adapter_fault(
    "gives-up-early",
    ["client/timeouts/silent::in-time::WRI-CLI-7", "client/timeouts/default::*::WRI-CLI-8"],
)
class GivesUpEarly(Client):
    """Waits for a tenth of the time."""

    def patience(self, timeout: float | None) -> float:
        return super().patience(timeout) / 10


@adapter_fault(
    "one-timeout",
    [
        "client/timeouts/per-request/shorter::shorter::WRI-CLI-9",
        "client/timeouts/per-request/longer::longer::WRI-CLI-9",
    ],
)
class OneTimeout(Client):
    """Has one time-out for all requests."""

    def patience(self, timeout: float | None) -> float:  # noqa: ARG002
        return self.timeout


@adapter_fault(
    "sticky-timeout",
    [
        "client/timeouts/per-request/shorter::others::WRI-CLI-9",
        "client/timeouts/per-request/longer::others::WRI-CLI-9",
    ],
)
class StickyTimeout(Client):
    """Keeps the time-out of one request for all that follow."""

    def patience(self, timeout: float | None) -> float:
        self.timeout = super().patience(timeout)
        return self.timeout


class OneSocket(Client):
    """Uses one socket for all requests, which a REQ socket does not forgive."""

    kind = zmq.REQ
    socket: Connection | None = None

    def open(self) -> Connection:
        if self.socket is None:
            self.socket = self._server.connect(self._context, self.kind)
        return self.socket

    def drop(self, connection: Connection) -> None:
        """Keep it."""


@adapter_fault(
    "late-reply",
    [
        "client/timeouts/late-reply::next::*",
        "client/timeouts/no-reply-ever::second::WRI-CLI-11",
        "client/timeouts/no-reply-ever::third::*",
    ],
)
class LateReply(OneSocket):
    """Does not notice that its socket refuses to send while it waits for a late reply."""

    async def send(self, connection: Connection, frames: list[bytes]) -> None:
        try:
            await super().send(connection, frames)
        except zmq.ZMQError:
            return


@adapter_fault(
    "any-reply",
    [
        "client/timeouts/late-reply-during-next::next::WRI-CLI-10",
        "client/timeouts/late-reply-during-next::one-after::WRI-CLI-10",
        "client/timeouts/late-error::next::WRI-CLI-10",
        "client/timeouts/late-reply::next::WRI-CLI-10",
        "client/timeouts/late-reply::one-after::WRI-CLI-10",
        "client/timeouts/answered-twice::*::WRI-CLI-10",
    ],
)
class AnyReply(OneSocket):
    """Takes whatever comes next on its connection for the reply."""

    kind = zmq.DEALER

    async def send(self, connection: Connection, frames: list[bytes]) -> None:
        await super().send(connection, [b"", *frames])

    async def receive(self, connection: Connection, deadline: float) -> list[bytes]:
        return (await super().receive(connection, deadline))[1:]


SHARED: dict[str, Connection] = {}


@adapter_fault(
    "shared-socket",
    [
        "client/timeouts/two-connections::*::WRI-CLI-10",
        "client/async/reversed::own-replies::WRI-CLI-10",
    ],
)
class SharedSocket(AnyReply):
    """Shares one connection among all clients of a program."""

    def open(self) -> Connection:
        if self.workflow not in SHARED:
            SHARED[self.workflow] = self._server.connect(self._context, self.kind)
        return SHARED[self.workflow]


# -- event loop and end


@adapter_fault("blocks", ["client/async/event-loop::*", "client/async/silence::*"])
class Blocks(Client):
    """Waits for a reply without letting anything else happen."""

    async def receive(self, connection: Connection, deadline: float) -> list[bytes]:
        while (body := connection.receive()) is None:
            if (left := deadline - time.monotonic()) <= 0:
                raise ClientTimeout("no response came in time")
            connection.socket.poll(min(50, int(left * 1000)))
        return body


@adapter_fault("one-fails-all", ["client/async/one-times-out::own-outcomes::WRI-CLI-10"])
class OneFailsAll(Client):
    """Gives up all requests as soon as one has timed out."""

    failed = False

    async def receive(self, connection: Connection, deadline: float) -> list[bytes]:
        while not self.failed:
            try:
                return await super().receive(connection, min(deadline, time.monotonic() + 0.05))
            except ClientTimeout:
                self.failed = self.failed or time.monotonic() >= deadline
        raise ClientTimeout("no response came in time")


@adapter_fault(
    "never-ends",
    ["client/end/*::ends::WRI-CLI-22", "client/secrets::after-end::WRI-CLI-21"],
)
class NeverEnds(Client):
    """Goes on waiting, in a thread that keeps the process, for a reply that did not come."""

    def silent(self) -> None:
        threading.Thread(target=time.sleep, args=(3600,)).start()
        super().silent()


# -- what keys are for


class Tells(Client):
    """Prints what it should not."""

    def secret(self) -> str:
        """Return the text of the file with the secret key of the client."""
        path = Path.home() / "cylc-run" / self.workflow / ".service" / "client.key_secret"
        return path.read_text(encoding="utf-8") if path.exists() else ""


@adapter_fault(
    "prints-keys",
    [
        "client/secrets::*",
        "client/replies/shows-no-secret::untold::WRI-CLI-21",
        "client/keys/refused/*::untold::WRI-CLI-21",
        "client/keys/damaged/*::untold::WRI-CLI-21",
    ],
)
class PrintsKeys(Tells):
    """Prints the keys that it uses, for those who look for mistakes."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        print("keys:", self.secret(), file=sys.stderr, flush=True)


@adapter_fault("quotes-key-file", ["client/keys/damaged/client::untold::WRI-CLI-21"])
class QuotesKeyFile(Tells):
    """Quotes a key file that makes no sense."""

    def open(self) -> Connection:
        try:
            return super().open()
        except ClientError as error:
            raise ClientError(f"{error}: {self.secret()}") from None


@adapter_fault(
    "nameless-key-file",
    [
        "client/keys/missing/*::told::WRI-CLI-20",
        "client/keys/unreadable/*::told::WRI-CLI-20",
        "client/keys/no-secret::told::WRI-CLI-20",
        "client/keys/damaged/*::told::WRI-CLI-20",
    ],
)
class NamelessKeyFile(Client):
    """Does not say which file it cannot use."""

    def open(self) -> Connection:
        try:
            return super().open()
        except ClientError:
            raise ClientError("a key cannot be read") from None


@adapter_fault("refusal-as-timeout", ["client/keys/refused/*::told::WRI-SEC-25"])
class RefusalAsTimeout(Client):
    """Does not watch the handshake."""

    def unanswered(self, error: Exception) -> Exception:
        return ClientTimeout(str(error))


@adapter_fault("refused-for-ever", ["client/keys/admitted-later::answered::WRI-SEC-26"])
class RefusedForEver(OneSocket):
    """Goes on with a socket that was refused."""

    def drop(self, connection: Connection) -> None:
        if connection._failure is None:  # noqa: SLF001
            connection.close()
            self.socket = None
