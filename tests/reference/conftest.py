"""A private home directory, servers in processes of their own, and scripted peers."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zmq

from wri_reference import WorkflowRuntimeClient, _contact, _keys, _process

ENDPOINTS = ["api", "graphql", "pb_data_elements", "pb_entire_workflow", "ping_workflow"]
WORKFLOW = "my-workflow"
WAIT = 20.0
"""Seconds after which something that should happen is given up on a busy machine."""


@dataclass(frozen=True)
class Home:
    """A home directory and what is in it."""

    path: Path

    @property
    def service(self) -> Path:
        return self.path / "cylc-run" / WORKFLOW / ".service"

    @property
    def contact(self) -> Path:
        return self.service / "contact"

    def fields(self) -> dict[str, str]:
        return _contact.parse_contact(self.contact.read_bytes())

    def socket(self, kind: int, context: zmq.Context[Any], key: str = _contact.PORT) -> Any:
        """Return a socket with the client's keys that is connected to the server."""
        peer = context.socket(kind)
        keys = _keys.parse_pair((self.service / "client.key_secret").read_bytes())
        peer.curve_serverkey = _keys.parse_public((self.service / "server.key").read_bytes())
        peer.curve_publickey, peer.curve_secretkey = keys
        peer.connect(f"tcp://127.0.0.1:{self.fields()[key]}")
        return peer


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("HOME", str(tmp_path))
    return Home(tmp_path)


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    context: zmq.Context[Any] = zmq.Context()
    context.setsockopt(zmq.LINGER, 0)  # for sockets that are collected with unsent requests
    yield context
    context.destroy(linger=0)


@pytest.fixture
def wri(home: Home) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run the command line and return what it did."""

    def run(*args: str, stdin: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "wri", *args]
        return subprocess.run(
            command, input=stdin, capture_output=True, timeout=WAIT, check=False, **options
        )

    return run


@pytest.fixture
def serve(home: Home) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start servers, wait until each is ready, and leave none of them behind."""
    processes = []

    def start(*args: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "wri", "serve", WORKFLOW, *args],
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(f"serving {WORKFLOW} at tcp://"), line
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait(WAIT)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def peer(home: Home) -> Iterator[Callable[..., "Peer"]]:
    """Start scripted servers for `my-workflow`, with key files and contact file."""
    peers: list[Peer] = []

    def start(answer: "Answer", **options: Any) -> Peer:
        peers.append(Peer(home, answer, **options))
        return peers[-1]

    yield start
    for one in peers:
        one.close()


Answer = Callable[[list[bytes]], list[bytes] | None]


class Peer:
    """A server that answers what `answer` says; None is silence. Records the bodies."""

    def __init__(self, home: Home, answer: Answer, *, admit: bool = True) -> None:
        server, client = (_keys.KeyPair(*zmq.curve_keypair()) for _ in range(2))
        home.service.mkdir(parents=True, exist_ok=True)
        (home.service / "server.key").write_bytes(_keys.format_public(server))
        (home.service / "client.key_secret").write_bytes(_keys.format_secret(client))
        self.home = home
        self.answer = answer
        self.bodies: list[list[bytes]] = []
        self._context: zmq.Context[Any] = zmq.Context()
        self._zap: Any = None
        if not admit:
            self._zap = self._context.socket(zmq.REP)
            self._zap.bind("inproc://zeromq.zap.01")
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.curve_server = True
        self._socket.curve_publickey, self._socket.curve_secretkey = server
        self.port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        self.write_contact()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def write_contact(self, **changes: str) -> None:
        fields = {
            _contact.HOST: "localhost",
            _contact.PORT: str(self.port),
            _contact.PID: str(os.getpid()),
            _contact.COMMAND: _process.command_line(),
        }
        text = "".join(f"{key}={value}\n" for key, value in (fields | changes).items())
        self.home.contact.write_text(text)

    def _run(self) -> None:
        while not self._stopped.is_set():
            if self._zap is not None and self._zap.poll(0):
                self._zap.send_multipart(_keys.authenticate(self._zap.recv_multipart(), ()))
            if not self._socket.poll(10):
                continue
            frames = self._socket.recv_multipart()
            self.bodies.append(frames[2:])
            reply = self.answer(frames[2:])
            if reply is not None:
                self._socket.send_multipart([*frames[:2], *reply])

    def close(self) -> None:
        self._stopped.set()
        self._thread.join(WAIT)
        self._context.destroy(linger=0)


def eventually(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[[Callable[[], object]], None]:
    return eventually


@pytest.fixture
def ping(home: Home) -> Callable[[], bool]:
    """Ask the server with a fresh client."""
    return lambda: bool(WorkflowRuntimeClient(WORKFLOW, timeout=WAIT)("ping_workflow") is True)
