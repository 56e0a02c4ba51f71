"""Finds and ends every process that an implementation has started, however it was detached.

Each implementation runs with a token in its environment, which its children inherit even
when they leave its process group and session, as the jobs of a scheduler do.
"""

import secrets
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

import psutil

TOKEN = "WRI_TOKEN"  # noqa: S105 - marks processes, keeps no secret


def token() -> str:
    """Return a new token; all of them are as long."""
    return secrets.token_hex(8)


class Process(Protocol):
    """A process that was started: as much of `subprocess.Popen` as the suite uses."""

    pid: int
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None

    def poll(self) -> int | None:
        """Return its exit status, or None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit status; raises subprocess.TimeoutExpired."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


class Spawn(Protocol):
    """Starts processes in a session of their own, as `spawn` does."""

    def __call__(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        stdin: int,
        stdout: int | IO[bytes],
        stderr: IO[bytes],
    ) -> Process:
        """Start a command; raises OSError or ValueError if that cannot be done."""
        ...


def spawn(
    command: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    stdin: int,
    stdout: int | IO[bytes],
    stderr: IO[bytes],
) -> Process:
    """Start a command; raises OSError or ValueError if that cannot be done.

    `stdin` may be DEVNULL or PIPE of `subprocess`, and `stdout` PIPE; pipes are not buffered.
    """
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=directory,
        env=dict(environment),
        start_new_session=True,
        bufsize=0,
    )


def marked(token: str) -> Iterator[psutil.Process]:
    """Yield the live processes whose environment carries `token`."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(TOKEN) == token and alive(process):
                yield process
        except (psutil.Error, OSError):
            continue


def alive(process: psutil.Process) -> bool:
    """Tell whether a process runs; one that only waits to be reaped does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def sweep(token: str, patience: float = 10.0) -> list[str]:
    """Kill every process that carries `token`; return the names of those that would not die.

    `patience` is in seconds. New processes may appear while others are killed, so it looks
    again until it finds none.
    """
    deadline = time.monotonic() + patience
    while found := list(marked(token)):
        _kill(found)
        psutil.wait_procs(found, timeout=0.5)
        if time.monotonic() > deadline:
            return [_name(process) for process in marked(token)]
    return []


def _kill(found: Iterable[psutil.Process]) -> None:
    for process in found:
        try:
            process.send_signal(signal.SIGKILL)
        except (psutil.Error, OSError):
            continue


def _name(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())[:80]}"
    except psutil.Error:
        return str(process.pid)
