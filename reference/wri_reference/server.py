"""The server: answers requests on one port and publishes on another, in one thread."""

import contextlib
import errno
import math
import os
import pwd
import random
import re
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

import zmq

from wri_reference import _contact, _keys, _process
from wri_reference._claim import Claim
from wri_reference._dispatch import Endpoint, describe, dispatch, expose, exposed
from wri_reference._elements import Identity
from wri_reference._errors import RemoteProtocolError, StartError
from wri_reference._messages import CYLC_VERSION, quote
from wri_reference._rundir import RunDirectory
from wri_reference._scheduler import Scheduler
from wri_reference._store import TOPICS, publications
from wri_reference._workflow import Definition, synthetic

REQUESTS_PER_TURN: Final = 100
"""How many requests are answered before publishing and stopping get their turn (LIM-5)."""

MAX_FRAME: Final = 64 * 1024 * 1024
"""libzmq closes a connection that sends a longer frame; shorter ones get an answer (LIM-7)."""

MAX_UNREAD: Final = 10_000
"""How many responses wait for one client that does not read; further ones are dropped (LIM-4).

Enough for a client that sends a burst and reads afterwards, little enough to bound the memory.
"""

LINGER: Final = 1000
"""Milliseconds that peers have to take delivery, of `shutdown` above all, after a stop."""

BACKLOG: Final = 1024
"""Connections that may wait to be accepted, for clients that come at the same time (LIM-12)."""

LONGEST_WAIT: Final = 3600.0
"""Seconds after which the server looks at the clock, whatever it waits for."""

EXAMPLE: Final = 10
"""How many tasks the workflow has that is served if no other is given."""

_LOOPBACK = ("localhost", "127.0.0.1")


class WorkflowRuntimeServer:
    """A server and publisher with all capabilities; its jobs are simulated.

    A subclass adds endpoints with `expose`. Only `start` uses sockets, in the thread that calls
    it; `stop` and `publish` may be called from any thread and from signal handlers.

    Args:
        workflow: the workflow id.
        host: the name or address that clients are told (DSC-15). Unless it is `localhost` or
            `127.0.0.1`, the server listens on all interfaces.
        port_range: the lowest and highest port to choose from; otherwise the system chooses.
        read: returns the tasks of the workflow, at the start and at each reload; without it
            there are some for example, paused.
        paused: whether tasks wait for the command `resume`.

    Raises:
        LocalProtocolError: `workflow` is not a workflow id.
    """

    def __init__(
        self,
        workflow: str,
        host: str = "localhost",
        port_range: tuple[int, int] | None = None,
        read: Callable[[], Definition] | None = None,
        paused: bool = False,
    ) -> None:
        self.workflow = workflow
        self.host = host
        self.port_range = port_range
        self.paused = paused or read is None
        self._read = read or (lambda: synthetic(EXAMPLE))
        self.port = 0
        self.publish_port = 0
        self.endpoints: dict[str, Endpoint] = {}
        self._schema: Any = None
        self._directory = RunDirectory(workflow)
        self._queue: deque[tuple[bytes, bytes]] = deque()
        self._reason: str | None = None
        self._awake, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self.register_endpoints()

    # -- endpoints ------------------------------------------------------------------------

    @expose
    def api(self, endpoint: Any = None) -> list[str] | str:
        """List the endpoints, or describe the one that the argument `endpoint` names."""
        if endpoint is None or endpoint == "":
            return sorted(self.endpoints)
        if not isinstance(endpoint, str):
            raise RemoteProtocolError("the argument 'endpoint' is neither a string nor null")
        if endpoint not in self.endpoints:
            raise RemoteProtocolError(f"there is no endpoint {quote(endpoint)}")
        return describe(self.endpoints[endpoint])

    @expose
    def ping_workflow(self) -> bool:
        """Answer true: the server is alive and admits the client."""
        return True

    @expose
    def graphql(
        self, request_string: Any, variables: Any = None, operation_name: Any = None
    ) -> dict[str, Any]:
        """Carry out the GraphQL document `request_string`, with the values `variables`.

        The argument `operation_name` selects one of several operations.
        """
        # It takes a tenth of a second to import, which a start has not to wait for.
        from wri_reference import _graphql  # noqa: PLC0415

        if self._schema is None:
            self._schema = _graphql.load_schema()
        return _graphql.execute(
            self._schema, self._scheduler, request_string, variables, operation_name
        )

    @expose
    def pb_entire_workflow(self) -> bytes:
        """Return the whole data store, as a message PbEntireWorkflow."""
        return self._scheduler.store.snapshot_bytes()

    @expose
    def pb_data_elements(self, element_type: Any) -> bytes:
        """Return all elements of the type `element_type`, as a message such as TPDeltas."""
        if element_type not in TOPICS:
            shown = quote(element_type) if isinstance(element_type, str) else "what came"
            raise RemoteProtocolError(
                f"there are no elements of the type {shown}; the types are {', '.join(TOPICS)}"
            )
        return self._scheduler.store.data_elements_bytes(element_type)

    def register_endpoints(self) -> None:
        """Find the exposed methods; nothing else can be called (END-1)."""
        self.endpoints = exposed(self)

    def receiver(self, body: list[bytes]) -> bytes:
        """Return the response to the request in `body`, whatever that is; raises nothing."""
        return dispatch(self.endpoints, body)

    # -- life cycle -----------------------------------------------------------------------

    def start(self, barrier: threading.Barrier | None = None) -> None:
        """Serve until `stop` is called; clean up in any case (chapter 12).

        Args:
            barrier: is passed when the contact file is complete, so that another thread, or
                the action of a barrier for one, knows that requests are answered (DSC-5).

        Raises:
            StartError: another server runs in the run directory (LIFE-3), which is left as it
                was, or files or ports cannot be had.
        """
        try:
            with _woken_by_signals(self._wake), Claim(self._directory) as claim:
                self._serve(claim, barrier)
        except BaseException:
            if barrier is not None:
                barrier.abort()
            raise

    def stop(self, reason: str = "REQUEST(NOW)") -> None:
        """Ask the server to stop and return at once; `start` returns when it is done.

        The first `reason` is the one that is published (PUB-3).
        """
        self._reason = self._reason or reason
        self._notify()

    def publish(self, topic: str, payload: bytes) -> None:
        """Queue a publication (PUB-2)."""
        self._queue.append((topic.encode("utf-8"), payload))
        self._notify()

    # -- input and output -----------------------------------------------------------------

    def operate(self) -> None:
        """Answer requests and publish until `stop` is called. Only `start` calls this.

        Connections are authenticated here too. Nothing blocks but the wait for work: a REP
        and a PUB socket drop what a peer does not take.
        """
        poller = zmq.Poller()
        for source in (self._requests, self._zap, self._awake):
            poller.register(source, zmq.POLLIN)
        while self._reason is None:
            ready = dict(poller.poll(self._milliseconds()))
            if self._awake.fileno() in ready:
                self._awake.recv(4096)
            if self._zap in ready:
                self._zap.send_multipart(
                    _keys.authenticate(self._zap.recv_multipart(), self._authorised)
                )
            if self._requests in ready:
                self._answer_some()
            self._tick()
            self.publish_queued_items()

    def publish_queued_items(self) -> None:
        """Send the publications that are queued now."""
        for _ in range(len(self._queue)):
            self._publications.send_multipart(self._queue.popleft())

    def _answer_some(self) -> None:
        for _ in range(REQUESTS_PER_TURN):
            try:
                body = self._requests.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._requests.send(self.receiver(body), copy=False)

    def _tick(self) -> None:
        """Let the workflow go on, and queue what changed (PUB-8, PUB-9)."""
        for batch in self._scheduler.tick(time.time()):
            self._queue.extend(publications(batch))
        if self._scheduler.stopped is not None:
            self.stop(self._scheduler.stopped)

    def _milliseconds(self) -> int | None:
        """Return how long the workflow can do without a tick; None if for ever."""
        due = self._scheduler.next_event(time.time())
        return None if due is None else math.ceil(min(due, LONGEST_WAIT) * 1000)

    def _notify(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it will wake up anyway
            self._wake.send(b"\0")

    def _serve(self, claim: Claim, barrier: threading.Barrier | None) -> None:
        context = zmq.Context()
        contact = b""
        try:
            server_keys = claim.write_keys()
            self._open(context, server_keys, claim.authorised())
            self._scheduler = Scheduler(
                self._read(), self._identity(), time.time(), self.paused, self._read
            )
            contact = _contact.format_contact(self._contact_fields(claim.uuid()))
            claim.write_contact(contact)
            if barrier is not None:
                barrier.wait()
            self.operate()
            self._tick()
            self.publish_queued_items()
            self.publish("shutdown", (self._reason or "").encode("utf-8", "replace"))
            self.publish_queued_items()
        except zmq.ZMQError as error:
            raise StartError(f"ZeroMQ cannot serve {self.workflow}: {error}") from error
        finally:
            claim.remove_files(contact)
            context.destroy(linger=LINGER)

    def _identity(self) -> Identity:
        return Identity(
            owner=_user(),
            workflow=self.workflow,
            host=self.host,
            port=self.port,
            publish_port=self.publish_port,
            run_directory=str(self._directory.path),
        )

    def _open(
        self, context: zmq.Context[zmq.Socket[bytes]], keys: _keys.KeyPair, clients: set[bytes]
    ) -> None:
        self._authorised = clients
        self._zap = context.socket(zmq.REP)
        self._zap.bind("inproc://zeromq.zap.01")
        self._requests = self._bound_socket(context, zmq.REP, keys)
        self._publications = self._bound_socket(context, zmq.PUB, keys)
        self.port, self.publish_port = (
            int(bound.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2])
            for bound in (self._requests, self._publications)
        )

    def _bound_socket(
        self, context: zmq.Context[zmq.Socket[bytes]], kind: int, keys: _keys.KeyPair
    ) -> zmq.Socket[bytes]:
        bound = context.socket(kind)
        bound.setsockopt(zmq.CURVE_SERVER, 1)
        bound.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
        bound.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
        # Refuses everybody, instead of nobody, should the authentication ever be missing.
        bound.setsockopt(zmq.ZAP_DOMAIN, b"wri")
        bound.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        bound.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME)
        bound.setsockopt(zmq.BACKLOG, BACKLOG)
        if kind == zmq.REP:
            bound.setsockopt(zmq.SNDHWM, MAX_UNREAD)
        interface = "127.0.0.1" if self.host in _LOOPBACK else "*"
        for port in self._candidates():
            try:
                bound.bind(f"tcp://{interface}:{port}")
            except zmq.ZMQError as error:
                if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                    raise
            else:
                return bound
        low, high = self.port_range or (0, 0)
        raise StartError(f"no port from {low} to {high} is free: give another range")

    def _candidates(self) -> list[str]:
        if self.port_range is None:
            return ["*"]
        low, high = self.port_range
        return [str(port) for port in random.sample(range(low, high + 1), high + 1 - low)]

    def _contact_fields(self, run: str) -> dict[str, str]:
        return {
            _contact.API: "5",
            _contact.VERSION: CYLC_VERSION,
            # The file is made of lines; is_alive() forgives the difference.
            _contact.COMMAND: re.sub(r"[\n\r]", " ", _process.command_line()).strip(),
            _contact.HOST: self.host,
            _contact.ID: self.workflow,
            _contact.OWNER: _user(),
            _contact.PID: str(os.getpid()),
            _contact.PORT: str(self.port),
            _contact.PUBLISH_PORT: str(self.publish_port),
            _contact.RUN_DIR: str(self._directory.path),
            _contact.UUID: run,
            # The tools of Cylc that look at a running workflow expect these.
            "SCHEDULER_CYLC_PATH": "None",
            "SCHEDULER_SSH_COMMAND": "ssh",
            "SCHEDULER_USE_LOGIN_SHELL": "True",
        }


@contextlib.contextmanager
def _woken_by_signals(wake: socket.socket) -> Iterator[None]:
    """Have the wait for work end when a signal comes.

    Python runs a handler between two of its own instructions only. A signal that comes after
    the last one before the wait would be seen when the next request comes: maybe never.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as a user without a name
        return str(os.getuid())
