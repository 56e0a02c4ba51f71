"""A workflow served in a home directory of its own, and what the benchmarks ask of it."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import zmq

from wri_reference import _contact
from wri_reference._connection import Connection, Server
from wri_reference._messages import encode_request

WORKFLOW = "W"
MIB = 1024 * 1024
_PATIENCE = 600.0


class Served(NamedTuple):
    """A server that runs.

    Attributes:
        process: its process.
        started: the moment of its start, as `time.monotonic()` tells it.
    """

    process: psutil.Process
    started: float

    @property
    def memory(self) -> float:
        """The memory that it has, in MiB."""
        return float(self.process.memory_info().rss) / MIB

    @property
    def peak(self) -> float:
        """The most memory that it ever had, in MiB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

    @property
    def cpu(self) -> float:
        """The seconds of CPU that it took so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextlib.contextmanager
def served(*options: str) -> Iterator[Served]:
    """Run `wri serve` with these options until the end of the block."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["HOME"] = home  # of this process as well: its clients look there
        directory = Path(home) / "cylc-run" / WORKFLOW
        directory.mkdir(parents=True)
        command = [sys.executable, "-m", "wri", "serve", *options, WORKFLOW]
        started = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                while not (directory / ".service" / "contact").exists():
                    if process.poll() is not None or time.monotonic() > started + _PATIENCE:
                        sys.exit("the server did not start")
                    time.sleep(0.01)
                yield Served(psutil.Process(process.pid), started)
            finally:
                process.terminate()


class Peer:
    """A client that sends all its requests through one connection."""

    def __init__(self) -> None:
        server = Server(WORKFLOW, _contact.PORT, None, None, None)
        self._connection: Connection = server.connect(zmq.Context.instance(), zmq.REQ)

    def ask(self, endpoint: str, **args: Any) -> bytes:
        """Return the frame that answers a request."""
        self._connection.socket.send(encode_request(endpoint, args, {}))
        return self._connection.socket.recv()


def timed(function: Any, *args: Any, **options: Any) -> tuple[float, Any]:
    """Call a function; return the seconds that it took, and what it returned."""
    begin = time.perf_counter()
    result = function(*args, **options)
    return time.perf_counter() - begin, result
