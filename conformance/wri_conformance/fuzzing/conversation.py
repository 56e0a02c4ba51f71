"""Holds a session with a server, and says what is wrong with what came of it."""

import contextlib
import json
import time
from collections import deque
from collections.abc import Collection, Sequence
from typing import Any

import psutil
import zmq
from attrs import define, evolve, field, frozen

from wri_conformance import decode, schemas
from wri_conformance.fuzzing.generate import PEERS, Step
from wri_conformance.fuzzing.messages import Message, command_of
from wri_conformance.fuzzing.traits import Offer
from wri_conformance.peers import Missing, Peer, Reply
from wri_conformance.probe import API_REQUEST, PATIENCE, address, is_api, probe, security
from wri_conformance.runs import Run
from wri_conformance.trace import Trace, readable

QUICK = 1.5  # seconds without any reply after which it is looked whether the server is alive
BUSY = 60.0  # seconds of a core that a server may work on what it got; one that works is not dead
_WORKS = ((0.6, 0.25), (3.0, 0.08))  # in so many seconds, more of a core than one that waits takes
_MORE = 0.3  # seconds in which an answer too many would come
_MESSAGES = tuple(decode.MESSAGES)


@frozen
class Symptom:
    """What is wrong, by which of the `kinds`, and in words. `after` is the step that showed it.

    dead: a fresh connection is not answered any more. ended: the process is gone. silent: a
    request was not answered, while later ones of others were. malformed: a reply is no response.
    envelope: it came with another one. more: it came twice. foreign: it went to the wrong peer.
    """

    kind: str
    why: str
    after: int


DEADLY = frozenset({"dead", "ended"})
REQUIREMENTS = {
    "dead": "WRI-LIM-1",
    "ended": "WRI-LIM-1",
    "silent": "WRI-FRM-4",
    "malformed": "WRI-RES-1",
    "envelope": "WRI-FRM-3",
    "more": "WRI-FRM-4",
    "foreign": "WRI-FRM-7",
}
"""By kind of symptom, the requirement that is broken."""


class Quiet(Trace):
    """Notes nothing: there are thousands of messages a second."""

    def note(self, peer: str, direction: str, frames: Sequence[bytes] | str) -> None:
        """Do nothing."""


@define
class _Line:
    """A connection, and the steps whose replies have not come yet."""

    peer: Peer
    alone: bool  # one request at a time
    waiting: deque[tuple[int, Message | None]] = field(factory=deque)
    mark: str = ""  # what the reply to the closing request has to show


@define
class Conversation:
    """The connections of the fuzzer to one server, as long as both last."""

    run: Run
    offer: Offer
    scale: float = 1.0
    sent: int = 0
    unanswered: list[int] = field(factory=list)  # steps of the last session without their replies
    _context: "zmq.Context[Any]" = field(factory=zmq.Context)
    _lines: list[_Line | None] = field(factory=lambda: [None] * len(PEERS))
    _found: Symptom | None = None
    _used: float | None = None  # by the server, when it was looked at first
    _number: int = 0

    def close(self) -> None:
        """Close all connections."""
        for line in self._lines:
            if line is not None:
                line.peer.close()
        self._lines = [None] * len(PEERS)
        self._context.destroy(linger=0)

    # -- a session

    def hold(self, steps: Sequence[Step], *, patient: bool = False) -> Symptom | None:
        """Send the messages of a session, wait for the replies, and return what is wrong.

        Each connection has the last word: a request by which its replies can be told from those
        of others. `patient`: every message is waited for, as long as a client waits by default.
        """
        self._found = None
        self.unanswered = []
        for number, step in enumerate(steps):
            self._send(number, step)
            if step.wait or patient:
                self._collect(patient=patient)
                self._look_for_more(number, _MORE if patient else 0)
            if self._found:
                break
        else:
            self._close_session(steps)
            self._collect(patient=patient)
            self._look_for_more(len(steps) - 1, _MORE if patient else 0)
        if self._found:
            self._forget()
        return self._found

    def _send(self, number: int, step: Step) -> None:
        line = self._line(step.peer)
        message = step.message
        if line.alone and line.waiting:
            self._collect(line)
        if self._found:
            return
        self.sent += 1
        if line.alone:
            line.waiting.append((number, message))
            line.peer.send(message.frames)
        elif message.well_framed:
            line.waiting.append((number, message))
            # Where the body begins is up to the first delimiter, whoever made it.
            line.peer.send(message.body, message.wire[: -len(message.body)])
        else:
            line.peer.send(message.wire, (), answered=False)

    def _line(self, number: int) -> _Line:
        line = self._lines[number]
        if line is None:
            kind, _, correlate = PEERS[number].partition("-")
            peer = Peer.open(
                self._context,
                f"peer-{number}",
                kind,
                address(self.run, "request"),
                security(self.run),
                Quiet(),
                correlate=bool(correlate),
            )
            line = self._lines[number] = _Line(peer, kind == "REQ")
        return line

    def _close_session(self, steps: Sequence[Step]) -> None:
        for number in sorted({step.peer for step in steps}):
            line = self._line(number)
            if line.alone and line.waiting:
                self._collect(line)
            if self._found:
                return
            self._number += 1
            request = API_REQUEST
            if self.offer.schema is not None:
                line.mark = f"of{self._number}"
                query = f"{{{line.mark}: workflows {{id}}}}"
                request = json.dumps(
                    {"command": "graphql", "args": {"request_string": query}}
                ).encode()
            self.sent += 1
            line.waiting.append((len(steps), None))
            line.peer.send([request])

    def _forget(self) -> None:
        """Drop the connections, whatever may still come."""
        for line in self._lines:
            if line is not None:
                self.unanswered += [number for number, _ in line.waiting]
                line.peer.close()
        self._lines = [None] * len(PEERS)

    # -- replies

    def _collect(self, only: _Line | None = None, *, patient: bool = False) -> bool:
        """Take replies until none is missing; False if that will not be."""
        lines = [line for line in self._lines if line is not None]
        quick = (PATIENCE if patient else QUICK) * self.scale
        last = time.monotonic()
        looked = 0
        self._used = None
        while self._found is None and any(
            line.waiting for line in ([only] if only is not None else lines)
        ):
            if self._take(lines, min(quick, 0.2)):
                last, looked = time.monotonic(), 0
            elif time.monotonic() - last > quick * (looked + 1):
                looked += 1
                self._suspect(lines, last, patient=patient)
        return self._found is None

    def _take(self, lines: Sequence[_Line], seconds: float) -> bool:
        poller = zmq.Poller()
        by_socket = {line.peer.socket: line for line in lines}
        for sock in by_socket:
            poller.register(sock, zmq.POLLIN)
        taken = False
        for sock, _ in poller.poll(int(seconds * 1000)):
            line = by_socket[sock]
            while (reply := line.peer.receive(0)) is not None:
                taken = True
                self._judge(line, reply)
                if line.alone or self._found:
                    break
        return taken

    def _suspect(self, lines: Sequence[_Line], since: float, *, patient: bool) -> None:
        """Nothing has come for a while: is the server dead, or does it still work?"""
        after = min(line.waiting[0][0] for line in lines if line.waiting)
        if self.run.ended():
            self._found = Symptom("ended", self.run.ended().splitlines()[0], after)
            return
        tries, patience = (2, PATIENCE) if patient else (1, QUICK)
        sign = probe(self.run, Quiet(), tries=tries, patience=patience * self.scale)
        if sign["alive"]:
            # One peer at least has been answered since.
            if time.monotonic() - since > 2 * PATIENCE * self.scale:
                why = "no reply, while others that asked later got theirs"
                self._found = Symptom("silent", why, after)
        elif self.run.ended():
            self._found = Symptom("ended", self.run.ended().splitlines()[0], after)
        elif not self._works(patient=patient):
            self._found = Symptom("dead", str(sign["why"]), after)

    def _works(self, *, patient: bool) -> bool:
        """Tell whether the server is busy, and so may answer yet; how long is not a matter of time.

        On a machine that has much to do, a server gets only a part of a core.
        """
        seconds, share = _WORKS[patient]
        before = processor_time(self.run)
        self._used = before if self._used is None else self._used
        time.sleep(seconds)
        after = processor_time(self.run)
        return after - before > share * seconds and after - self._used < BUSY * self.scale

    def _judge(self, line: _Line, reply: Reply) -> None:
        if not line.waiting:
            why = f"one more reply than requests: {readable(reply.body, 100)}"
            self._found = Symptom("more", why, 0)
            return
        number, message = line.waiting.popleft()
        if not reply.envelope_kept:
            self._found = Symptom(
                "envelope", "the envelope of a reply is not its request's", number
            )
        elif message is None:
            if why := _unfit(reply, line.mark):
                self._found = Symptom("foreign", why, number)
        elif why := wrong(reply, message, self.offer.own):
            self._found = Symptom("malformed", why, number)

    def _look_for_more(self, number: int, seconds: float) -> None:
        """Take what comes although everything was answered."""
        lines = [line for line in self._lines if line is not None]
        if self._found is None and lines:
            self._take(lines, seconds)
        if self._found is not None and self._found.kind == "more":
            self._found = evolve(self._found, after=number)


def _unfit(reply: Reply, mark: str) -> str:
    """Return why a reply is not that to the closing request; nothing if it is."""
    if not mark:
        return "" if is_api(reply) else f"`api` got {readable(reply.body, 100)}"
    with contextlib.suppress(ValueError, RecursionError):
        body = reply.json()
        # An error may be right, for instance while the workflow is reloaded.
        if isinstance(body, dict) and ("error" in body or body.get("data") is None):
            return ""
        if isinstance(body, dict) and isinstance(body["data"], dict) and mark in body["data"]:
            return ""
    return f"a request for {mark} got {readable(reply.body, 100)}"


def wrong(reply: Reply, message: Message, own: Collection[str] = ()) -> str:
    """Return what is wrong with the reply to a message, whatever that was; nothing if all is well.

    A response is one frame of JSON, with either `data` or `error` (chapter 6), or, of an endpoint
    that answers with one, a protobuf message (DATA-1). What an endpoint of the implementation's
    `own` answers with is left to it.
    """
    if len(reply.frames) != 1:
        return f"a reply of {len(reply.frames)} frames"
    if own and command_of(message.body or message.frames) in own:
        return ""
    if not reply.body.startswith(b"{") and _wants_bytes(message):
        return _no_message(reply.body)
    return _no_response(reply.body)


def _no_response(frame: bytes) -> str:
    try:
        body = _strict(frame)
    except RecursionError:
        return ""  # JSON can be nested as deeply as anybody likes
    except ValueError as error:
        return f"a reply that is not JSON: {error}: {readable(frame, 100)}"
    if isinstance(body, dict) and isinstance(body.get("cylc_version"), str):
        error_of = body.get("error")
        told = error_of.get("message") if isinstance(error_of, dict) else None
        if ("data" in body) != ("error" in body) and (
            "data" in body or (isinstance(told, str) and told)
        ):
            return ""
    problems = schemas.explain(schemas.named("response.json").iter_errors(body))
    return f"a reply that is no response: {problems}: {readable(frame, 100)}"


def _strict(body: bytes) -> Any:
    """Return JSON as the RFC has it, numbers of any length included."""
    return json.loads(body.decode("utf-8"), parse_constant=_refuse, parse_int=float)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _wants_bytes(message: Message) -> bool:
    command = command_of(message.frames)
    if command is not None:
        return command.startswith("pb_")
    # A server may read what we do not, and the name may be written in escapes.
    body = b"".join(message.frames)
    return b"pb_" in body or b"\\u" in body


def _no_message(body: bytes) -> str:
    why = ""
    for name in ("PbEntireWorkflow", *_MESSAGES):
        try:
            decode.parse(name, body)
        except decode.NotThatError as error:
            why = why or str(error)
        else:
            return ""
    return why


def processor_time(run: Run) -> float:
    """Return the seconds of a core that the process of a server has taken; 0 if it is gone."""
    process = run.process()
    try:
        times = None if process is None else process.cpu_times()
    except psutil.Error:
        return 0.0
    return 0.0 if times is None else float(times.user + times.system)


def endpoints(run: Run, patience: float = PATIENCE) -> tuple[str, ...]:
    """Return the names that `api` lists; none if it does not."""
    context: zmq.Context[Any] = zmq.Context()
    try:
        peer = Peer.open(context, "asks", "REQ", address(run, "request"), security(run), Quiet())
        peer.send([API_REQUEST])
        reply = peer.receive(patience)
        peer.close()
    except Missing:
        return ()
    finally:
        context.destroy(linger=0)
    if reply is None or not is_api(reply):
        return ()
    return tuple(name for name in reply.json()["data"] if isinstance(name, str))
