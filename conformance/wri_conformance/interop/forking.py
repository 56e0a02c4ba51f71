"""The suite's end of `driver.py`: commands of an implementation, forked from one process of it."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from attrs import define, field

from wri_conformance.processes import Process

_START: Final = 60.0  # seconds until it has imported everything
_TICK: Final = 0.01


class DriverError(Exception):
    """The driver ended, or did not answer."""


@define(eq=False)
class Driver:
    """A process that runs `driver.py`, and its answers by number."""

    _process: "subprocess.Popen[bytes]"
    _answers: dict[int, dict[str, Any]] = field(factory=dict)
    _arrived: threading.Condition = field(factory=threading.Condition)
    _numbers: "itertools.count[int]" = field(factory=lambda: itertools.count(1))
    _ready: threading.Event = field(factory=threading.Event)
    _ended: bool = False
    _log: Path = Path()

    @classmethod
    def start(
        cls, python: Path, mode: str, home: Path, environment: Mapping[str, str], log: Path
    ) -> "Driver":
        """Start it with an interpreter; `mode` is fork or api."""
        script = Path(__file__).with_name("driver.py")
        with log.open("ab") as output:
            process = subprocess.Popen(
                [str(python), "-B", str(script), mode],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=home,
                env=dict(environment),
                start_new_session=True,
            )
        driver = cls(process, log=log)
        threading.Thread(target=driver._read, daemon=True).start()
        return driver

    def wait_ready(self) -> None:
        """Wait until it has imported everything.

        Raises:
            DriverError: it ended before that, or takes too long.
        """
        if not self._ready.wait(_START) or self._ended:
            raise DriverError(f"the driver did not start: {self._words()}")

    def ask(self, task: Mapping[str, Any]) -> int:
        """Send a task; return its number."""
        number = next(self._numbers)
        line = json.dumps({"id": number, **task}).encode() + b"\n"
        assert self._process.stdin is not None
        with self._arrived:
            try:
                self._process.stdin.write(line)
                self._process.stdin.flush()
            except (OSError, ValueError):
                raise DriverError(f"the driver has ended: {self._words()}") from None
        return number

    def answer(self, number: int, key: str, seconds: float) -> dict[str, Any] | None:
        """Return what is known of a task as soon as it has `key`; None if that takes too long."""

        def there() -> bool:
            return self._ended or key in self._answers.get(number, {})

        with self._arrived:
            self._arrived.wait_for(there, seconds)
            found = self._answers.get(number, {})
            return dict(found) if key in found else None

    @property
    def ended(self) -> bool:
        """Whether its process has ended."""
        return self._ended

    def _words(self) -> str:
        with contextlib.suppress(OSError):
            return " | ".join(self._log.read_text(errors="replace").strip().splitlines()[-3:])
        return ""

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            if answer.pop("ready", False):
                self._ready.set()
                continue
            with self._arrived:
                self._answers.setdefault(answer.pop("id"), {}).update(answer)
                self._arrived.notify_all()
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()
        self._ready.set()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()


@define(eq=False)
class Forked:
    """A command that was forked; to the suite the same as one that was executed."""

    driver: Driver
    number: int
    pid: int
    stdin: IO[bytes] | None = None
    stdout: IO[bytes] | None = None

    def poll(self) -> int | None:
        """Return its exit status, or None while it runs."""
        found = self.driver.answer(self.number, "status", 0)
        if found is None:
            return -9 if self.driver.ended else None
        return int(found["status"])

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit status; raises subprocess.TimeoutExpired."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            time.sleep(_TICK)
        return status

    def kill(self) -> None:
        """End it and what it has started."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


@define(eq=False)
class Forge:
    """Forks commands of the program `cylc`."""

    driver: Driver
    program: str
    """The path of `cylc`, as it stands in `argv`."""

    def run(
        self,
        arguments: Sequence[str],
        directory: Path,
        environment: Mapping[str, str],
        output: tuple[Path, Path],
        stdin: Path = Path(os.devnull),
    ) -> Forked:
        """Start a command.

        Raises:
            DriverError: there is nobody to start it.
        """
        number = self.driver.ask(
            {
                "argv": [self.program, *arguments],
                "directory": str(directory),
                "environment": dict(environment),
                "stdin": str(stdin),
                "stdout": str(output[0]),
                "stderr": str(output[1]),
            }
        )
        found = self.driver.answer(number, "pid", 20)
        if found is None:
            raise DriverError("the driver did not fork")
        return Forked(self.driver, number, int(found["pid"]))

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
        """Start a command as `processes.spawn` does."""
        del stdin, stdout
        path = Path(stderr.name)
        return self.run(command[1:], directory, environment, (path, path))
