"""A correct server with the switches that the faults need; without a fault it is the reference.

It serves the workflow of its run directory, as `wri serve` does.
"""

import functools
import json
import signal
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any
from unittest.mock import patch

import zmq

from mutants.registry import add
from wri_proto.v1 import data_store_pb2 as pb
from wri_reference import _graphql, _workflow
from wri_reference import server as reference
from wri_reference._claim import Claim
from wri_reference._dispatch import expose
from wri_reference._keys import KeyPair, authenticate
from wri_reference._messages import CYLC_VERSION
from wri_reference._rundir import RunDirectory
from wri_reference._store import publications

Body = list[bytes]
Message = dict[str, Any]
Messages = Sequence[tuple[bytes, bytes]]

ELEMENTS: dict[str, Any] = {
    "edges": pb.EDeltas,
    "families": pb.FDeltas,
    "family_proxies": pb.FPDeltas,
    "jobs": pb.JDeltas,
    "tasks": pb.TDeltas,
    "task_proxies": pb.TPDeltas,
    "workflow": pb.WDeltas,
}
"""What `pb_data_elements` sends."""

REQUESTS_PER_TURN = 100
LINGER = 200  # milliseconds; nobody waits for long in a test


class DeadError(Exception):
    """Ends the request loop, and nothing else: the process lives on, as that of Cylc does."""


class Mutant(reference.WorkflowRuntimeServer):
    """A correct server, of which each fault overrides one thing."""

    claim: type[Claim] = Claim
    deaf = False  # to the signals that tell it to stop
    foreseeable = True  # a shadow may tell what it answers

    def __init__(self, workflow: str, paused: bool = False) -> None:
        path = RunDirectory(workflow).definition
        read = functools.partial(_workflow.read, path) if path.exists() else None
        super().__init__(workflow, read=read, paused=paused)

    def run(self) -> None:
        """Serve until a signal comes."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self.on_signal)
        if len(self._read().cycle_points) > 1:  # a workflow of scenarios with GraphQL
            # It takes half a second, which in a test is much of the time for a first reply.
            self._schema = _graphql.load_schema()
        with (
            patch.object(reference, "Claim", self.claim),
            patch.object(reference, "LINGER", LINGER),
            patch("wri_reference._keys.authenticate", self.admit),
        ):
            self.start()

    def on_signal(self, _number: int, _frame: Any) -> None:
        """React to being told to stop."""
        if not self.deaf:
            self.stop()

    def operate(self) -> None:
        try:
            super().operate()
        except DeadError:
            while self._reason is None:
                time.sleep(0.05)

    def admit(self, request: Sequence[bytes], authorised: Collection[bytes]) -> list[bytes]:
        """Decide whom to admit, as ZAP does; see _bound_socket for the domains."""
        return authenticate(request, authorised)

    def answer(self, body: Body) -> bytes:
        """Return the correct response."""
        return super().receiver(body)

    def receiver(self, body: Body) -> bytes:
        right = self.answer(body)
        if not right.startswith(b"{"):  # protobuf (DATA-4)
            return right
        return json.dumps(self.amend(body, json.loads(right))).encode()

    def amend(self, _body: Body, right: Message) -> Message:
        """Return what is sent instead of the `right` response."""
        return right

    @expose
    def pb_entire_workflow(self) -> bytes:
        """Return the whole data store."""
        snapshot = pb.PbEntireWorkflow.FromString(super().pb_entire_workflow())
        self.spoil_snapshot(snapshot)
        return snapshot.SerializeToString()

    def spoil_snapshot(self, _snapshot: pb.PbEntireWorkflow) -> None:
        """Change what `pb_entire_workflow` sends."""

    @expose
    def pb_data_elements(self, element_type: Any) -> bytes:
        """Return all elements of one type."""
        right = super().pb_data_elements(element_type)
        delta = ELEMENTS[element_type].FromString(right)
        self.spoil_elements(element_type, delta)
        spoilt: bytes = delta.SerializeToString()
        return spoilt

    def spoil_elements(self, _element_type: str, _delta: Any) -> None:
        """Change what `pb_data_elements` sends."""

    @expose
    def graphql(
        self, request_string: Any, variables: Any = None, operation_name: Any = None
    ) -> Any:
        """Carry out a document."""
        return self.carry_out(request_string, variables, operation_name)

    def carry_out(self, document: Any, variables: Any, operation: Any = None) -> Any:
        """Return the data of a document."""
        return super().graphql(document, variables, operation)

    def _tick(self) -> None:
        for batch in self._scheduler.tick(time.time()):
            self.spoil_batch(batch)
            self._queue.extend(self.messages(batch))
        if self._scheduler.stopped is not None:
            self.stop(self._scheduler.stopped)

    def spoil_batch(self, _batch: pb.AllDeltas) -> None:
        """Change what is published of a batch."""

    def messages(self, batch: pb.AllDeltas) -> Messages:
        """Return topic and payload of each message of a batch."""
        return publications(batch)

    @property
    def directory(self) -> RunDirectory:
        """The run directory."""
        return self._directory


class Router(Mutant):
    """A correct server on a ROUTER socket, which leaves envelopes to it."""

    def _bound_socket(
        self, context: zmq.Context[zmq.Socket[bytes]], kind: int, keys: KeyPair
    ) -> zmq.Socket[bytes]:
        kind = zmq.ROUTER if kind == zmq.REP else kind
        bound = super()._bound_socket(context, kind, keys)
        bound.setsockopt(zmq.SNDHWM, reference.MAX_UNREAD)
        return bound

    def _answer_some(self) -> None:
        for _ in range(REQUESTS_PER_TURN):
            try:
                client, *frames = self._requests.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self.handle(client, frames)

    def handle(self, client: bytes, frames: Body) -> None:
        """Answer the message of a client, if it has a delimiter."""
        if b"" in frames[:-1]:
            body = frames.index(b"") + 1
            self.reply(client, frames[:body], self.receiver(frames[body:]))

    def reply(self, client: bytes, envelope: Body, response: bytes) -> None:
        """Send a response."""
        self.send(client, [*envelope, response])

    def send(self, client: bytes, frames: Body) -> None:
        """Send whatever frames."""
        self._requests.send_multipart([client, *frames])


def parse(body: Body) -> Message:
    """Return the request in a body, or nothing if it is none."""
    try:
        message = json.loads(body[0])
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def command(body: Body) -> Any:
    """Return what a request asks for."""
    return parse(body).get("command")


def args(body: Body) -> Message:
    """Return the arguments of a request."""
    found = parse(body).get("args")
    return found if isinstance(found, dict) else {}


def error(message: str = "no") -> Message:
    """Return a refusal."""
    return {"error": {"message": message}, "cylc_version": CYLC_VERSION}


def data(value: Any) -> Message:
    """Return a success."""
    return {"data": value, "cylc_version": CYLC_VERSION}


Amendment = Callable[[Body, Message], Message]


def response(name: str, breaks: list[str]) -> Callable[[Amendment], Amendment]:
    """Make a function a fault, which changes the right response to the request in a body."""

    def register(function: Amendment) -> Amendment:
        def amend(_self: Mutant, body: Body, right: Message) -> Message:
            return function(body, right)

        about = function.__doc__ or ""
        add(name, about, breaks, type(function.__name__, (Mutant,), {"amend": amend}))
        return function

    return register
