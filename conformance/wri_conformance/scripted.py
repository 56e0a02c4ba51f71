"""The scheduler that clients and subscribers under test meet: sockets of the suite's own.

It does what a script says, right or wrong, and remembers what it saw. One thread, no waiting:
whoever waits calls `work` whenever one of `sources` has something. CURVE is that of libzmq, the
ZAP handler is here, so that it can admit and refuse as a scenario needs it.
"""

import contextlib
import heapq
import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import zmq
from attrs import define, field
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from wri_conformance import processes, reading
from wri_conformance.script import VERSION, Publishing, Request, Script, Sending
from wri_conformance.service import KeyPair
from wri_conformance.trace import Trace
from wri_conformance.truth import Truth

HOST: Final = "127.0.0.1"
LARGEST: Final = 64 << 20
"""Bytes of a frame that is taken from a client."""

_MOST: Final = 10_000  # requests, or subscriptions, of one scenario; others are ignored
_BURST: Final = 100  # messages that are taken before anything else is done
_COMMAND: Final = ("dd", "of=/dev/null")
_LINGER: Final = 2000  # milliseconds for what was sent before a stop to leave
_REBIND: Final = 2.0  # seconds in which a port that was just closed has to be free again
_EVENTS: Final = {
    zmq.EVENT_ACCEPTED: "accepted",
    zmq.EVENT_HANDSHAKE_SUCCEEDED: "succeeded",
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "refused",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "refused",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "refused",
    zmq.EVENT_DISCONNECTED: "disconnected",
}
_WORDS: Final = {
    "succeeded": "a peer was admitted",
    "refused": "a peer was refused",
    "disconnected": "a peer left",
}


def certificate(pair: KeyPair) -> str:
    """Return the text of a key file, in the ZPL form of a CURVE certificate (SEC-3)."""
    secret = "" if pair.secret is None else f'    secret-key = "{pair.secret.decode()}"\n'
    return f'metadata\ncurve\n    public-key = "{pair.public.decode()}"\n{secret}'


@define
class Listener:
    """A TCP port at which something else listens: it says what it was told to, or nothing."""

    greeting: bytes
    port: int
    _socket: socket.socket
    _held: list[socket.socket] = field(factory=list)

    @classmethod
    def open(cls, greeting: bytes) -> "Listener":
        """Listen at a free port."""
        listening = socket.create_server((HOST, 0))
        listening.setblocking(False)
        return cls(greeting, listening.getsockname()[1], listening)

    @property
    def source(self) -> int:
        """The file descriptor on which connections come."""
        return self._socket.fileno()

    def work(self) -> None:
        """Accept who waits."""
        with contextlib.suppress(OSError):
            client, _ = self._socket.accept()
            self._held.append(client)
            if self.greeting:
                client.sendall(self.greeting)

    def close(self) -> None:
        """Close everything."""
        for one in (*self._held, self._socket):
            one.close()


@define
class Scripted:
    """A workflow and its scheduler, running or not."""

    run_dir: Path
    workflow: str
    trace: Trace
    token: str
    script: Script = field(factory=Script)
    truth: Truth = field(factory=Truth)
    keys: dict[str, KeyPair] = field(factory=dict)
    ports: dict[str, int] = field(factory=dict)
    requests: list[Request] = field(factory=list)
    values: set[str] = field(factory=set)  # of `data` in the replies that were sent
    replies: int = 0
    publications: list[tuple[bytes, ...]] = field(factory=list)
    subscriptions: list[str] = field(factory=list)
    events: dict[str, list[str]] = field(factory=lambda: {"request": [], "publish": []})
    listeners: dict[str, Listener] = field(factory=dict)
    _uuid: str = field(factory=lambda: str(uuid.uuid4()))
    _context: Any = field(factory=zmq.Context)
    _sockets: dict[str, Any] = field(factory=dict)
    _monitors: dict[str, Any] = field(factory=dict)
    _zap: Any = None
    _process: "subprocess.Popen[bytes] | None" = None
    _due: list[tuple[float, int, Sending | Publishing]] = field(factory=list)
    _held_since: float = 0.0
    _number: int = 0
    _bytes: int = 0  # of the requests

    @property
    def service(self) -> Path:
        """The directory of the contact file and the key files."""
        return self.run_dir / ".service"

    # -- life cycle

    def start(self) -> dict[str, Any]:
        """Make keys, open both ports at new numbers, and write key files and contact file."""
        self.keys = {"server": KeyPair.new(), "client": KeyPair.new(), "stranger": KeyPair.new()}
        if self._zap is None:  # one for all starts: its address is not free at once when it closes
            self._zap = self._context.socket(zmq.REP)
            self._zap.bind("inproc://zeromq.zap.01")
        # A process of the scheduler's own, that can die while the suite lives on. It waits for
        # input; its arguments have an equals sign, as those of a scheduler may.
        self._process = subprocess.Popen(
            _COMMAND,
            env={"PATH": os.environ.get("PATH", ""), processes.TOKEN: self.token},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.ports = {}
        self._open()
        self._write()
        self.trace.note("scheduler", "·", f"started at ports {self.ports}")
        return {"done": True}

    def _open(self) -> None:
        for name, kind in (("request", zmq.ROUTER), ("publish", zmq.XPUB)):
            one = self._context.socket(kind)
            one.linger = _LINGER
            one.curve_server = True
            one.zap_domain = b"wri"
            one.curve_publickey = self.keys["server"].public
            one.curve_secretkey = self.keys["server"].secret
            if kind == zmq.XPUB:
                one.xpub_verboser = True
                one.sndhwm = 0
            one.maxmsgsize = LARGEST
            self._sockets[name] = one
            self._monitors[name] = one.get_monitor_socket(sum(_EVENTS))
            self._bind(name, one)

    def _bind(self, name: str, one: Any) -> None:
        if name not in self.ports:
            self.ports[name] = one.bind_to_random_port(f"tcp://{HOST}")
            return
        deadline = time.monotonic() + _REBIND
        while True:
            try:
                one.bind(f"tcp://{HOST}:{self.ports[name]}")
            except zmq.ZMQError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def _write(self) -> None:
        self.service.mkdir(parents=True, exist_ok=True)
        admitted = self.service / "client_public_keys"
        admitted.mkdir(exist_ok=True)
        server, client = self.keys["server"], self.keys["client"]
        files = {
            "server.key": KeyPair(server.public),
            "server.key_secret": server,
            "client.key_secret": client,
            "client_public_keys/client_localhost.key": KeyPair(client.public),
        }
        for name, pair in files.items():
            path = self.service / name
            path.touch(mode=0o600)
            path.write_text(certificate(pair), encoding="utf-8")
        self.write_contact(self.fields())

    def fields(self) -> dict[str, str]:
        """Return the fields of a correct contact file."""
        assert self._process is not None
        return {
            "CYLC_API": "5",
            "CYLC_VERSION": VERSION,
            "CYLC_WORKFLOW_COMMAND": " ".join(_COMMAND),
            "CYLC_WORKFLOW_HOST": HOST,
            "CYLC_WORKFLOW_ID": self.workflow,
            "CYLC_WORKFLOW_OWNER": "somebody",
            "CYLC_WORKFLOW_PID": str(self._process.pid),
            "CYLC_WORKFLOW_PORT": str(self.ports["request"]),
            "CYLC_WORKFLOW_PUBLISH_PORT": str(self.ports["publish"]),
            "CYLC_WORKFLOW_RUN_DIR_ON_WORKFLOW_HOST": str(self.run_dir),
            "CYLC_WORKFLOW_UUID": self._uuid,
            "SCHEDULER_CYLC_PATH": "None",
            "SCHEDULER_SSH_COMMAND": "ssh",
            "SCHEDULER_USE_LOGIN_SHELL": "True",
        }

    def write_contact(self, fields: Mapping[str, str]) -> None:
        """Write a contact file in one step."""
        text = "".join(f"{key}={value}\n" for key, value in fields.items())
        new = self.service / f"contact.{secrets.token_hex(4)}"
        new.write_text(text, encoding="utf-8")
        new.rename(self.service / "contact")

    def stop(self) -> dict[str, Any]:
        """Stop cleanly: say so, close the ports, remove the files, end the process."""
        self.publish([[b"shutdown", b"REQUEST(CLEAN)"]])
        self._close_ports()
        (self.service / "contact").unlink(missing_ok=True)
        shutil.rmtree(self.service, ignore_errors=True)
        self._end_process()
        return {"done": True}

    def kill(self) -> dict[str, Any]:
        """Crash: the process and the ports are gone, the files and what was published are not."""
        self._close_ports()
        self._end_process()
        return {"done": True}

    def restart(self) -> dict[str, Any]:
        """Crash, and start again at other ports with other keys."""
        self.kill()
        return self.start()

    def interrupt(self) -> dict[str, Any]:
        """Break every connection, and open the same ports again with the same keys."""
        self._close_ports(linger=0)
        self._open()
        self.trace.note("scheduler", "·", "closed every connection, and opened its ports again")
        return {"done": True}

    def _close_ports(self, linger: int = _LINGER) -> None:
        for name in list(self._sockets):
            self._sockets[name].disable_monitor()
            self._monitors.pop(name).close(linger=0)
            self._sockets.pop(name).close(linger=linger)
        self._due.clear()

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
            self.trace.note("scheduler", "·", "its process has ended")

    def close(self) -> None:
        """End everything."""
        self._close_ports(linger=0)
        self._end_process()
        for listener in self.listeners.values():
            listener.close()
        self._context.destroy(linger=0)

    # -- work

    def sources(self) -> Sequence[Any]:
        """Return sockets and file descriptors of which one is readable when there is work."""
        sockets = [*self._sockets.values(), *self._monitors.values()]
        zap = [] if self._zap is None else [self._zap]
        return [*sockets, *zap, *(one.source for one in self.listeners.values())]

    def next_due(self) -> float | None:
        """Return when something is to be sent, on the monotonic clock; None if nothing is."""
        times = [self._due[0][0]] if self._due else []
        if self.script.holds:
            times.append(self._held_since + self.script.patience)
        return min(times, default=None)

    def work(self) -> None:
        """Do all that can be done now."""
        self._authenticate()
        self._watch()
        self._take_subscriptions()
        self._take_requests()
        for listener in self.listeners.values():
            listener.work()
        now = time.monotonic()
        if self.script.holds and now >= self._held_since + self.script.patience:
            self._schedule(self.script.give_up(self.truth))
        while self._due and self._due[0][0] <= now:
            self._send(heapq.heappop(self._due)[2])

    def _authenticate(self) -> None:
        while (frames := _take(self._zap)) is not None:
            version, number, _, _, _, mechanism, *credentials = frames
            client = KeyPair(z85.encode(credentials[0])) if credentials else None
            good = mechanism == b"CURVE" and client is not None and self._admits(client.public)
            status = [b"200", b"OK"] if good else [b"400", b"unknown key"]
            self._zap.send_multipart([version, number, *status, b"", b""])

    def _admits(self, public: bytes) -> bool:
        """As a server does: whoever has a key in the directory for it, at this moment (SEC-2)."""
        files = (self.service / "client_public_keys").glob("*.key")
        return any(_holds(path, public) for path in files)

    def _watch(self) -> None:
        for name, monitor in self._monitors.items():
            while monitor.poll(0):
                event = _EVENTS[recv_monitor_message(monitor)["event"]]
                self.events[name].append(event)
                if event != "accepted":
                    self.trace.note("scheduler", "·", f"{name} port: {_WORDS[event]}")

    def _take_subscriptions(self) -> None:
        for _ in range(_BURST):
            if (frames := _take(self._sockets.get("publish"))) is None:
                return
            if len(self.subscriptions) >= _MOST:
                continue
            if frames and frames[0][:1] in {b"\x00", b"\x01"}:
                topic = frames[0][1:].decode("utf-8", "replace")
                what = "subscribes to" if frames[0][:1] == b"\x01" else "no longer subscribes to"
                self.trace.note("scheduler", "←", f"{what} {topic!r}")
                if frames[0][:1] == b"\x01":
                    self.subscriptions.append(topic)

    def _take_requests(self) -> None:
        for _ in range(_BURST):
            if (frames := _take(self._sockets.get("request"))) is None:
                return
            if len(self.requests) >= _MOST or self._bytes > LARGEST:
                continue
            self._bytes += sum(map(len, frames))
            if b"" not in frames[1:]:
                self.trace.note("scheduler", "·", "a message without an empty delimiter frame")
                continue
            delimiter = frames.index(b"", 1) + 1
            self._number += 1
            request = Request(self._number, tuple(frames[:delimiter]), tuple(frames[delimiter:]))
            self.requests.append(request)
            self.trace.note("scheduler", "←", request.frames)
            held = self.script.holds
            response = self.script.respond(request, self.truth)
            if self.script.holds and not held:
                self._held_since = time.monotonic()
            self.publish(response.publications)
            self._schedule([*response.meanwhile, *response.sendings])

    def _schedule(self, sendings: Sequence[Sending | Publishing]) -> None:
        for one in sendings:
            self._number += 1
            heapq.heappush(self._due, (time.monotonic() + one.after, self._number, one))

    def _send(self, one: Sending | Publishing) -> None:
        if isinstance(one, Publishing):
            self.publish(one.messages)
            return
        if "request" not in self._sockets:
            return
        self.trace.note("scheduler", "→", one.frames)
        self.replies += 1
        self.values |= values(one.frames)
        self._sockets["request"].send_multipart([*one.route, *one.frames])

    def publish(self, messages: Sequence[Sequence[bytes]]) -> None:
        """Publish messages of any number of frames."""
        for frames in messages:
            self.trace.note("publisher", "→", list(frames))
            self.publications.append(tuple(frames))
            self._sockets["publish"].send_multipart(list(frames))


def _holds(path: Path, public: bytes) -> bool:
    try:
        return public in reading.content(path)
    except OSError:
        return False


def values(frames: Sequence[bytes]) -> set[str]:
    """Return, in a form that can be compared, what a client can call the data of a reply."""
    found = {canonical(frame) for frame in frames}
    try:
        # A reader may ignore a byte order mark (RFC 8259).
        document = json.loads(frames[0].decode("utf-8-sig"))
    except (IndexError, ValueError, RecursionError):
        return found
    if isinstance(document, Mapping) and "data" in document:
        found.add(canonical(document["data"]))
    return found


def canonical(value: Any) -> str:
    """Return a JSON value, or bytes, as a text that is the same for equal ones."""
    if isinstance(value, bytes):
        return f"bytes {value.hex()}"
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    """A number is the same with and without a fraction of zero, as languages differ in that."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _take(source: Any) -> list[bytes] | None:
    try:
        return None if source is None else source.recv_multipart(zmq.NOBLOCK)
    except zmq.Again:
        return None
