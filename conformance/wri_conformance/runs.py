"""Starts an implementation in a home directory of its own, and acts on its process."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from attrs import define, field, frozen

from wri.data import root
from wri_conformance import guard, processes, reading, service
from wri_conformance.manifest import Manifest
from wri_conformance.mistakes import Mistake
from wri_conformance.service import KeyPair

_TAIL = 16_384  # bytes at the end of what an implementation has printed
_WIDTH = 400  # characters of a line of it that are shown
_DIGITS = 18  # of a port or process number, zeros in front included
_TICK = 0.01  # seconds between two looks at a file or a process


@frozen
class StartError(Exception):
    """An implementation that was started and did not become ready: its own failure."""

    message: str
    output: str

    def __str__(self) -> str:
        """Return the message and the last lines that the implementation printed."""
        if not self.output:
            return self.message
        quoted = "\n".join(f"    | {line}" for line in self.output.splitlines())
        return f"{self.message}; the last that it printed:\n{quoted}"


class SlowStartError(StartError):
    """It may become ready, and had not in the time that it was given."""


@define
class Workshop:
    """The directory of one process of the suite, with the guard that cleans it up."""

    token: str = field(factory=processes.token)
    directory: Path = field(init=False)
    scale: float = 1.0
    spawn: processes.Spawn = processes.spawn
    _guard: "subprocess.Popen[bytes]" = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make the directory and start the guard."""
        self.directory = Path(tempfile.mkdtemp(prefix="wri-"))
        self._guard = guard.start(self.token, self.directory)

    def close(self) -> list[str]:
        """Kill what is left, remove the directory; return the processes that would not die."""
        survivors = processes.sweep(self.token)
        shutil.rmtree(self.directory, ignore_errors=True)
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()
        return survivors

    def home(self) -> Path:
        """Return a new empty home directory."""
        home = Path(tempfile.mkdtemp(dir=self.directory))
        (home / "tmp").mkdir()
        return home

    def log(self, home: Path) -> Path:
        """Return the file for what is printed by those who live in a home.

        It is not in there, where they could put something else in its place.
        """
        return self.directory / f"{home.name}.output"


def environment(manifest: Manifest, home: Path, token: str, path: Path | None) -> dict[str, str]:
    """Return the environment of an implementation: nothing of the user's own but the PATH."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT"}
    }
    if path is not None:
        kept["PATH"] = f"{path}{os.pathsep}{kept.get('PATH', '')}"
    kept |= {"HOME": str(home), "TMPDIR": str(home / "tmp"), processes.TOKEN: token}
    return kept | dict(manifest.variables)


def _replace(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _number(text: str) -> int:
    """Return the number that a field of a contact file is; -1 if it is none."""
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else -1


@define
class Run:
    """One workflow of one implementation: its run directory and, once started, its process."""

    manifest: Manifest
    workshop: Workshop
    home: Path
    workflow: str
    fixture: str
    state: str
    path: Path | None = None
    contact: dict[str, str] = field(factory=dict)  # as last seen; kept when the file is gone
    keys: dict[str, KeyPair] = field(factory=dict)
    unready: str | None = None  # why it shows no workflow; None until somebody looked
    _child: processes.Process | None = None

    def __attrs_post_init__(self) -> None:
        """Put the files of the manifest into the home, and the fixture into the run directory."""
        for name, text in self.manifest.files.items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_replace(text, self._places()), encoding="utf-8")
        fixture = root() / "conformance" / "fixtures" / self.fixture
        shutil.copytree(fixture, self.run_dir, dirs_exist_ok=True)

    @property
    def started(self) -> bool:
        """Whether a start command was given."""
        return self._child is not None

    @property
    def run_dir(self) -> Path:
        """The run directory of the workflow."""
        return self.home / "cylc-run" / self.workflow

    @property
    def service(self) -> Path:
        """The directory of the contact file and the key files."""
        return self.run_dir / ".service"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every process of the implementation."""
        values = environment(self.manifest, self.home, self.workshop.token, self.path)
        return {name: self.fill(value) for name, value in values.items()}

    def fill(self, text: str) -> str:
        """Replace the placeholders of a manifest, such as {workflow}, in a text."""
        return _replace(
            text,
            {
                "workflow": self.workflow,
                "run_dir": str(self.run_dir),
                "fixture": self.fixture,
                **self._places(),
            },
        )

    def _places(self) -> dict[str, str]:
        """What is the same for all workflows of a home."""
        return {
            "home": str(self.home),
            "python": sys.executable,
            "manifest_dir": str(self.manifest.path.resolve().parent),
            "bin": "" if self.path is None else str(self.path),
        }

    def start(self) -> dict[str, Any]:
        """Start the server and wait until its contact file is complete.

        Raises:
            StartError: it did not become ready in the time that the manifest gives it.
            Mistake: its command cannot be executed.
        """
        before = self._contact_bytes()
        began = time.monotonic()
        self.unready = None
        self._child = self._spawn()
        self._wait_for_contact(before)
        self.contact = service.read_contact(self.service)
        self._read_keys()
        return {"done": True, "seconds": round(time.monotonic() - began, 3)}

    def start_again(self) -> dict[str, Any]:
        """Give the start command a second time while the first server runs.

        Waits until the second process ends or the contact file changes, as long as a start may
        take at most; then ends the second one, should it still be there.
        """
        before = self._contact_bytes()
        second = self._spawn()
        deadline = time.monotonic() + self.manifest.ready * self.workshop.scale
        while time.monotonic() < deadline and second.poll() is None:
            if self._contact_bytes() != before:
                break
            time.sleep(_TICK)
        status = second.poll()
        if status is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(second.pid).children(recursive=True):
                    child.kill()
            second.kill()
            second.wait()
        return {"done": True, "exited": status is not None, "status": status}

    def _spawn(self) -> processes.Process:
        command = self.command
        program = shutil.which(command[0], path=self.environment["PATH"])
        if program is None:
            raise Mistake(
                f"the start command cannot be executed: there is no program {command[0]!r}",
                "correct roles: server: start:, or put the program into PATH",
                self.manifest.path,
            )
        if not self.home.is_dir():
            raise StartError(f"{self.manifest.name} has removed its home directory", self.output())
        with self.workshop.log(self.home).open("ab") as output:
            try:
                return self.workshop.spawn(
                    [program, *command[1:]],
                    directory=self.home,
                    environment=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            except (OSError, ValueError) as error:
                raise Mistake(
                    f"the start command cannot be executed: {error}",
                    "correct roles: server: start:; a relative path begins with {manifest_dir}",
                    self.manifest.path,
                ) from None

    def _contact_bytes(self) -> bytes:
        try:
            return reading.content(self.service / "contact")
        except OSError:
            return b""

    def _wait_for_contact(self, before: bytes) -> None:
        assert self._child is not None
        limit = self.manifest.ready * self.workshop.scale
        deadline = time.monotonic() + limit
        last = before
        while time.monotonic() < deadline:
            now = self._contact_bytes()
            if now and now != before and now == last:
                return
            last = now
            status = self._child.poll()
            if status or (status == 0 and not any(processes.marked(self.workshop.token))):
                raise StartError(
                    f"{self.manifest.name} ended with status {status} before its contact file "
                    f"was there ({' '.join(self.command)})",
                    self.output(),
                )
            time.sleep(_TICK)
        raise SlowStartError(
            f"{self.manifest.name} wrote no contact file in {limit:g} s "
            f"({' '.join(self.command)}; expected {self.service / 'contact'})",
            self.output(),
        )

    @property
    def command(self) -> list[str]:
        """The start command, as a person would type it."""
        start = self.manifest.start
        return [self.fill(part) for part in start.get(self.state, start["paused"])]

    def _read_keys(self) -> None:
        self.keys = {
            name: pair
            for name in service.KEY_FILES
            if (pair := service.read_key(self.service / name)) is not None
        }

    def output(self, lines: int = 12) -> str:
        """Return the last lines that the implementation printed."""
        try:
            printed = reading.ends(self.workshop.log(self.home), _TAIL)
        except OSError:
            return ""
        text = printed.decode("utf-8", "replace")
        return "\n".join(line[:_WIDTH] for line in text.strip().splitlines()[-lines:])

    @property
    def host(self) -> str:
        """The host of the contact file."""
        return self.contact.get("CYLC_WORKFLOW_HOST", "")

    def port(self, name: str) -> int | None:
        """Return the `request` or `publish` port of the contact file, if it has a usable one."""
        key = {"request": "CYLC_WORKFLOW_PORT", "publish": "CYLC_WORKFLOW_PUBLISH_PORT"}[name]
        number = _number(self.contact.get(key, ""))
        return number if 0 < number < 65536 else None  # noqa: PLR2004

    def process(self) -> psutil.Process | None:
        """Return the server's process: that of the contact file if it is ours, or our child."""
        pid = _number(self.contact.get("CYLC_WORKFLOW_PID", ""))
        if pid > 0 and (found := self._ours(pid)):
            return found
        if self._child is not None and self._child.poll() is None:
            return self._ours(self._child.pid)
        return None

    def _ours(self, pid: int) -> psutil.Process | None:
        """Return a process that this run has started; never one of somebody else's."""
        try:
            process = psutil.Process(pid)
            if not processes.alive(process):
                return None
            if process.environ().get(processes.TOKEN) == self.workshop.token:
                return process
            # A wrapper may have reset the environment, but not who started whom.
            ancestors = {pid, *(parent.pid for parent in process.parents())}
        except (psutil.Error, OSError, OverflowError):
            return None
        return process if self._child is not None and self._child.pid in ancestors else None

    def stop(self) -> dict[str, Any]:
        """Tell the server to stop and wait for the end of its process."""
        process = self.process()
        began = time.monotonic()
        if isinstance(self.manifest.stop, tuple):
            self._run_stop([self.fill(part) for part in self.manifest.stop])
        elif process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(getattr(signal, f"SIG{self.manifest.stop}"))
        exited = self._wait_for_end(process, self.manifest.end * self.workshop.scale)
        return {
            "done": process is not None,
            "exited": exited,
            "status": None if self._child is None else self._child.poll(),
            "seconds": round(time.monotonic() - began, 3),
        }

    def _run_stop(self, command: list[str]) -> None:
        try:
            subprocess.run(
                command,
                env=self.environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=self.manifest.end * self.workshop.scale,
            )
        except subprocess.TimeoutExpired:
            return  # the server has not stopped, which is what will be seen
        except (OSError, ValueError) as error:
            raise Mistake(
                f"the stop command cannot be executed: {error}",
                "correct roles: server: stop:, or put the program into PATH",
                self.manifest.path,
            ) from None

    def await_end(self) -> dict[str, Any]:
        """Wait for the server to end by itself, as long as a stop may take."""
        began = time.monotonic()
        exited = self._wait_for_end(self.process(), self.manifest.end * self.workshop.scale)
        return {
            "done": True,
            "exited": exited,
            "status": None if self._child is None else self._child.poll(),
            "seconds": round(time.monotonic() - began, 3),
        }

    def kill(self) -> dict[str, Any]:
        """End the server's process as a crash does."""
        process = self.process()
        if process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return {"done": process is not None, "exited": self._wait_for_end(process, 10)}

    def _wait_for_end(self, process: psutil.Process | None, limit: float) -> bool:
        deadline = time.monotonic() + limit
        while True:
            child_ended = self._child is None or self._child.poll() is not None
            if child_ended and (process is None or not processes.alive(process)):
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(_TICK)

    def suspend(self) -> dict[str, Any]:
        """Stop the process from running, as a debugger or a suspended machine does."""
        return self._signal(signal.SIGSTOP)

    def resume(self) -> dict[str, Any]:
        """Let a suspended process go on."""
        return self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> dict[str, Any]:
        process = self.process()
        try:
            if process is not None:
                process.send_signal(number)
        except psutil.NoSuchProcess:
            process = None
        return {"done": process is not None}

    def ports_open(self) -> dict[str, str]:
        """Try both ports of the last contact file: open, closed or unknown."""
        return {name: self._try(name) for name in ("request", "publish")}

    def _try(self, name: str) -> str:
        port = self.port(name)
        if port is None or not self.host:
            return "unknown"
        try:
            with socket.create_connection((self.host, port), timeout=2):
                return "open"
        except (OSError, ValueError):  # such as a name that no host can have
            return "closed"

    def ended(self) -> str:
        """Return, in words, that the server's process has ended; nothing if it has not."""
        if self._child is None or self.process() is not None:
            return ""
        status = self._child.poll()
        said = self.output()
        quoted = "".join(f"\n    | {line}" for line in said.splitlines())
        known = "" if status is None else f" with status {status}"
        ended = f"its process has ended{known}"
        return f"{ended}; the last that it printed:{quoted}" if said else ended

    @property
    def ended_orderly(self) -> bool:
        """Whether its process has ended as one that was told to: status 0, and no contact file."""
        child = self._child
        return (
            child is not None
            and self.process() is None
            and child.poll() == 0
            and not (self.service / "contact").exists()
        )

    def describe_process(self) -> dict[str, Any]:
        """Return what an `observe: process` step sees."""
        pid = self.contact.get("CYLC_WORKFLOW_PID", "")
        process = self._ours(_number(pid)) if _number(pid) > 0 else None
        if process is None:
            return {"alive": False, "pid": pid}
        try:
            listens = {
                connection.laddr.port
                for connection in process.net_connections(kind="tcp")
                if connection.status == psutil.CONN_LISTEN
            }
            return {
                "alive": True,
                "pid": pid,
                "command": " ".join(process.cmdline()),
                "owner": process.username(),
                "listens": sorted(str(port) for port in listens),
            }
        except psutil.Error:
            return {"alive": False, "pid": pid}

    def close(self) -> None:
        """End the server, cleanly or not, and remove its run directory."""
        if self._child is not None:
            self.resume()
            if (process := self.process()) is not None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            if self._child.poll() is None:
                self._child.kill()
            self._child.wait()
        shutil.rmtree(self.run_dir, ignore_errors=True)
