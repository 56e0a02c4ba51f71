"""The suite's end of `conformance/mutants/nursery.py`, which starts mutants by forking."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from attrs import define, field

from wri.data import root
from wri_conformance import processes
from wri_conformance.processes import TOKEN, Process, spawn
from wri_conformance.trial import Fault

_LONGEST = 1 << 20  # bytes of an answer; the list of faults has some hundred thousand
_TICK = 0.01  # seconds between two looks at a process


def script(fault: Fault) -> Path:
    """Return the program that runs a mutant."""
    return directory() / ("serve.py" if "server" in fault.roles else "adapt.py")


def directory() -> Path:
    """Return the directory of the mutants."""
    return root() / "conformance" / "mutants"


@define
class Nursery:
    """A process from which mutants are forked."""

    record: Path | None = None
    """A file to which the mutants that are started from now on write which code they run."""
    _parent: "Nursery | None" = field(default=None, alias="parent")
    """Another one that it is forked from, which saves the time to import everything."""
    _process: "subprocess.Popen[bytes] | None" = field(init=False, default=None)
    _socket: socket.socket = field(init=False)
    _lock: threading.Lock = field(factory=threading.Lock)

    def __attrs_post_init__(self) -> None:
        """Start it."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for name in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            for end in (self._socket, theirs):
                end.setsockopt(socket.SOL_SOCKET, name, _LONGEST)
        with theirs:
            if self._parent is not None:
                self._parent.fork(theirs)
                return
            self._process = subprocess.Popen(
                [sys.executable, str(directory() / "nursery.py")],
                stdin=theirs.fileno(),
                env={**os.environ, TOKEN: "0" * len(processes.token())},
                start_new_session=True,
            )

    def close(self) -> None:
        """End it, and with it all that it has started."""
        self._socket.close()
        if self._process is not None:
            self._process.wait()

    def fork(self, theirs: socket.socket) -> None:
        """Let another nursery listen to a socket."""
        socket.send_fds(self._socket, [b'{"fork": true}'], [theirs.fileno()])

    def faults(self) -> list[Fault]:
        """Return every mutant that there is, those without a fault among them."""
        return [Fault.from_json(one) for one in self.ask({"list": True})["faults"]]

    def ask(self, request: Mapping[str, Any], streams: Sequence[int] = ()) -> Any:
        """Return the answer to a request; `streams` are descriptors that go with it.

        Raises:
            OSError: the nursery has ended.
        """
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(request).encode()], streams)
            answer = self._socket.recv(_LONGEST)
        if not answer:
            raise OSError("the process that starts the mutants has ended")
        return json.loads(answer)

    def spawn(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        stdin: int,
        stdout: int | IO[bytes],
        stderr: IO[bytes],
    ) -> Process:
        """Start a command as `processes.spawn` does, by forking if it is that of a mutant."""
        program = Path(command[1]) if len(command) > 1 else Path()
        if program.parent != root() / "conformance" / "mutants":
            return spawn(
                command,
                directory=directory,
                environment=environment,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
            )
        request = {
            "start": list(command[2:]),
            "adapter": program.name == "adapt.py",
            "directory": str(directory),
            "environment": dict(environment),
            "record": None if self.record is None else str(self.record),
        }
        with contextlib.ExitStack() as theirs:
            read, feed = _pipe(stdin, theirs, "wb")
            write, heard = _pipe(stdout, theirs, "rb")
            pid = self.ask(request, [read, write, stderr.fileno()])["pid"]
        return Child(self, pid, feed, heard)


def _pipe(
    wanted: int | IO[bytes], theirs: contextlib.ExitStack, mode: str
) -> tuple[int, IO[bytes] | None]:
    """Return the descriptor for a child, and our end of it if it is a pipe."""
    if not isinstance(wanted, int):
        return wanted.fileno(), None
    if wanted == subprocess.DEVNULL:
        null = os.open(os.devnull, os.O_RDWR)
        theirs.callback(os.close, null)
        return null, None
    read, write = os.pipe()
    ours, child = (write, read) if mode == "wb" else (read, write)
    theirs.callback(os.close, child)
    return child, os.fdopen(ours, mode, buffering=0)


@define
class Child:
    """A mutant that was forked; the same to the suite as one that was executed."""

    nursery: Nursery
    pid: int
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    status: int | None = None

    def poll(self) -> int | None:
        """Return its exit status, or None while it runs."""
        if self.status is None:
            self.status = self.nursery.ask({"poll": self.pid})["status"]
        return self.status

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit status; raises subprocess.TimeoutExpired."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"mutant {self.pid}", timeout or 0)
            time.sleep(_TICK)
        return status

    def kill(self) -> None:
        """End it."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, 9)
