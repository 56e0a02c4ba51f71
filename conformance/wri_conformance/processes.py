"""Finds and ends every process that an implementation has started, however it was detached.

Each implementation runs with a token in its environment, which its children inherit even
when they leave its process group and session, as the jobs of a scheduler do.
"""

import signal
import time
from collections.abc import Iterable, Iterator

import psutil

TOKEN = "WRI_TOKEN"  # noqa: S105 - marks processes, keeps no secret


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
