"""The server: answers requests on one port and publishes on another, in one thread."""

import contextlib
import errno
import fcntl
import os
import pwd
import random
import re
import signal
import socket
import threading
import uuid
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

import zmq
from zmq.utils import z85

from wri_reference import _contact, _keys, _process
from wri_reference._dispatch import Endpoint, describe, dispatch, expose, exposed
from wri_reference._errors import RemoteProtocolError, StartError
from wri_reference._messages import CYLC_VERSION, quote
from wri_reference._rundir import RunDirectory, write_file

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

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOOPBACK = ("localhost", "127.0.0.1")


class WorkflowRuntimeServer:
    """A server and publisher of the capabilities core, legacy-ping and publish.

    A subclass adds endpoints with `expose`. Only `start` uses sockets, in the thread that calls
    it; `stop` and `publish` may be called from any thread and from signal handlers.

    Args:
        workflow: the workflow id.
        host: the name or address that clients are told (DSC-15). Unless it is `localhost` or
            `127.0.0.1`, the server listens on all interfaces.
        port_range: the lowest and highest port to choose from; otherwise the system chooses.

    Raises:
        LocalProtocolError: `workflow` is not a workflow id.
    """

    def __init__(
        self, workflow: str, host: str = "localhost", port_range: tuple[int, int] | None = None
    ) -> None:
        self.workflow = workflow
        self.host = host
        self.port_range = port_range
        self.port = 0
        self.publish_port = 0
        self.endpoints: dict[str, Endpoint] = {}
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
            with _woken_by_signals(self._wake), _Claim(self._directory) as claim:
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
            ready = dict(poller.poll())
            if self._awake.fileno() in ready:
                self._awake.recv(4096)
            if self._zap in ready:
                self._zap.send_multipart(
                    _keys.authenticate(self._zap.recv_multipart(), self._authorised)
                )
            if self._requests in ready:
                self._answer_some()
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
            self._requests.send(self.receiver(body))

    def _notify(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it will wake up anyway
            self._wake.send(b"\0")

    def _serve(self, claim: "_Claim", barrier: threading.Barrier | None) -> None:
        context = zmq.Context()
        contact = b""
        try:
            server_keys = claim.write_keys()
            self._open(context, server_keys, claim.authorised())
            contact = _contact.format_contact(self._contact_fields(claim.uuid()))
            claim.write_contact(contact)
            if barrier is not None:
                barrier.wait()
            self.operate()
            self.publish_queued_items()
            self.publish("shutdown", (self._reason or "").encode("utf-8", "replace"))
            self.publish_queued_items()
        except zmq.ZMQError as error:
            raise StartError(f"ZeroMQ cannot serve {self.workflow}: {error}") from error
        finally:
            claim.remove_files(contact)
            context.destroy(linger=LINGER)

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


class _Claim:
    """The right of one server to write the files of a run directory."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self._lock: BinaryIO | None = None

    def __enter__(self) -> Self:
        directory = self._directory
        try:
            directory.service.mkdir(parents=True, exist_ok=True, mode=0o755)
            self._lock = directory.uuid.open("a+b")
            # Two starts at the same moment would both find no contact file.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._refuse_if_running()
        except BlockingIOError:
            self.__exit__(None, None, None)
            raise StartError(f"another server is running in {directory.path}") from None
        except OSError as error:
            self.__exit__(None, None, None)
            raise StartError(f"{directory.service} cannot be used: {error.strerror}") from None
        except StartError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            self._lock.close()

    def _refuse_if_running(self) -> None:
        """Tell a running server from what a crash left (LIFE-1, LIFE-3, LIFE-5)."""
        try:
            fields = self._directory.read_contact()
            if fields is None:
                return
            process = _contact.process(fields)
        except RemoteProtocolError:
            return
        if process.pid == os.getpid():  # in a container each start has the same id
            return
        alive = _process.is_alive(process)
        where = f"process {process.pid} on {process.host}, says {self._directory.contact}"
        if alive:
            raise StartError(f"{fields.get(_contact.ID, 'the workflow')} is running: {where}")
        if alive is None:
            raise StartError(
                f"it cannot be told from here whether the workflow is running: {where}; "
                "remove that file if it is not"
            )

    def write_keys(self) -> _keys.KeyPair:
        """Replace all keys by new ones (SEC-1, SEC-7, LIFE-4) and return those of the server.

        The client's pair is another one, so that no client can pose as the server.
        """
        directory = self._directory
        server, client = (_keys.KeyPair(*zmq.curve_keypair()) for _ in range(2))
        directory.client_public_keys.mkdir(exist_ok=True, mode=0o755)
        for stale in directory.client_public_keys.glob("*.key"):
            stale.unlink()
        write_file(directory.server_public, _keys.format_public(server), 0o600)
        write_file(directory.server_secret, _keys.format_secret(server), 0o600)
        write_file(directory.client_secret, _keys.format_secret(client), 0o600)
        write_file(directory.client_public, _keys.format_public(client), 0o600)
        return server

    def authorised(self) -> set[bytes]:
        """Return the public keys, of 32 bytes, in the directory of those to admit (SEC-2)."""
        return {
            z85.decode(_keys.parse_public(path.read_bytes()))
            for path in self._directory.client_public_keys.glob("*.key")
        }

    def uuid(self) -> str:
        """Return the identity of the run, the same at each start (LIFE-2)."""
        assert self._lock is not None
        self._lock.seek(0)
        known = self._lock.read(64).decode("ascii", "replace").strip()
        if not _UUID.fullmatch(known):
            known = str(uuid.uuid4())
            self._lock.truncate(0)
            self._lock.write(f"{known}\n".encode())
            self._lock.flush()
        return known

    def write_contact(self, text: bytes) -> None:
        write_file(self._directory.contact, text, 0o644)

    def remove_files(self, contact: bytes) -> None:
        """Remove the contact file, if it is still `contact`, then the keys (LIFE-6, 7, 10)."""
        directory = self._directory
        with contextlib.suppress(OSError):
            if directory.contact.read_bytes() == contact:
                directory.contact.unlink()
        for path in (
            directory.client_secret,
            directory.client_public,
            directory.server_secret,
            directory.server_public,
        ):
            with contextlib.suppress(OSError):
                path.unlink()


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
