"""The client of a pair: carries out operations, and says what its user was told."""

import base64
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import struct
import termios
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyte
from attrs import define, field

from wri_conformance.adapters import Adapter, AdapterError
from wri_conformance.interop.forking import Driver, DriverError, Forge
from wri_conformance.interop.judge import Outcome, Told, told_by_command
from wri_conformance.interop.operations import Answer, Command, Request
from wri_conformance.interop.subjects import Subject
from wri_conformance.runs import Workshop, environment

TIMEOUT: Final = 5.0
"""Seconds for which a client waits for a reply: what cylc-flow's does unless told."""

_PATIENCE: Final = 30.0  # seconds until the process of a client has said what came of a request
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]|\x0f|\x0e")
_SCREEN: Final = (120, 60)  # columns and lines
_LOOK: Final = 0.2
_STILL: Final = 2.0  # seconds after which a screen that does not change is taken for drawn


class Client(ABC):
    """What a pair needs of a client."""

    command_line = False

    @abstractmethod
    def wait_ready(self) -> None:
        """Wait until it can be used; raises DriverError."""

    @abstractmethod
    def request(self, workflow: str, request: Request) -> tuple[Told, Answer]:
        """Ask once."""

    def command(self, command: Command, fill: Mapping[str, str]) -> tuple[Told, Answer]:
        """Carry out a command of its command line."""
        raise NotImplementedError

    @abstractmethod
    def follow(self, workflow: str) -> Told:
        """Begin to follow a workflow; returns at once."""

    @abstractmethod
    def load(self, workflow: str) -> Told:
        """Get the snapshot, now that the subscription is in effect."""

    @abstractmethod
    def followed(self, workflow: str, *, end: bool) -> dict[str, Any]:
        """Return what came: topics, shutdown, problem, wrong, checked and store.

        `end`: wait for the end of the workflow first.
        """

    @abstractmethod
    def close(self) -> None:
        """End it."""


def text_of(path: Path) -> str:
    """Return what was printed into a file, without what is for terminals only."""
    with contextlib.suppress(OSError):
        return _ESCAPES.sub("", path.read_text(encoding="utf-8", errors="replace"))
    return ""


@define(eq=False)
class CylcClient(Client):
    """A cylc-flow: its command line, and its client as a library."""

    subject: Subject
    workshop: Workshop
    home: Path
    command_line = True
    _forge: Forge = field(init=False)
    _api: Driver = field(init=False)
    _environment: dict[str, str] = field(init=False)
    _count: int = 0
    _lock: threading.Lock = field(factory=threading.Lock)

    def __attrs_post_init__(self) -> None:
        """Start both processes."""
        assert self.subject.path is not None
        one = self.subject.manifest
        for name, text in one.files.items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("{bin}", str(self.subject.path)), encoding="utf-8")
        variables = environment(one, self.home, self.workshop.token, self.subject.path)
        self._environment = {
            key: value.replace("{home}", str(self.home)) for key, value in variables.items()
        } | {"TERM": "xterm-256color", "LANG": "C.UTF-8", "COLUMNS": "200"}
        python = self.subject.path / "python"
        base = self.workshop.directory / self.home.name
        self._forge = Forge(
            Driver.start(python, "fork", self.home, self._environment, Path(f"{base}.fork")),
            str(self.subject.path / "cylc"),
        )
        self._api = Driver.start(python, "api", self.home, self._environment, Path(f"{base}.api"))

    def wait_ready(self) -> None:
        """Wait until both have imported what they need; raises DriverError."""
        self._forge.driver.wait_ready()
        self._api.wait_ready()

    def request(self, workflow: str, request: Request) -> tuple[Told, Answer]:
        found = self._ask(
            {
                "do": "request",
                "workflow": workflow,
                "command": request.command,
                "args": dict(request.args),
                "message": request.message,
                "timeout": TIMEOUT,
            },
            "outcome",
        )
        if found is None:
            return Told(Outcome.TIMEOUT, "the client did not come back"), Answer()
        again = found.get("again")
        body = found.get("bytes")
        answer = Answer(
            data=found.get("data"),
            body=None if body is None else base64.b64decode(body),
            parsed=found.get("parsed", True),
            again=None if again is None else base64.b64decode(again),
        )
        text = found.get("text") or _shown(found.get("data", ""))
        return Told(Outcome(found["outcome"]), text), answer

    def _ask(self, task: Mapping[str, Any], key: str) -> dict[str, Any] | None:
        return self._api.answer(self._api.ask(task), key, _PATIENCE)

    def command(self, command: Command, fill: Mapping[str, str]) -> tuple[Told, Answer]:
        """Carry out a command in a process of its own."""
        with self._lock:
            self._count += 1
            base = self.home / "tmp" / f"command{self._count}"
        arguments = [_fill(one, fill) for one in command.words(self.subject.minor)]
        if command.terminal:
            return self._on_screen(arguments, fill["w"], command.seconds)
        stdin = base.with_suffix(".in")
        stdin.write_text(command.stdin, encoding="utf-8")
        output = (base.with_suffix(".out"), base.with_suffix(".err"))
        process = self._forge.run(arguments, self.home, self._environment, output, stdin)
        deadline = time.monotonic() + command.seconds
        while (status := process.poll()) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if status is None:
            process.kill()
        printed = text_of(output[0])
        text = (printed + text_of(output[1])).strip()
        return told_by_command(status or 0, text, ended=status is not None), Answer(text=printed)

    def _on_screen(self, arguments: list[str], awaited: str, seconds: float) -> tuple[Told, Answer]:
        """Run a program in a terminal until its screen shows what is awaited, then press q."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", _SCREEN[1], _SCREEN[0], 0, 0))
        name = Path(os.ttyname(slave))
        screen = pyte.Screen(*_SCREEN)
        stream = pyte.ByteStream(screen)
        process = self._forge.run(arguments, self.home, self._environment, (name, name), name)
        deadline = time.monotonic() + seconds
        best = ""
        since = time.monotonic()

        def feed(seconds: float) -> str:
            while select.select([master], [], [], seconds)[0]:
                try:
                    stream.feed(os.read(master, 1 << 16))
                except OSError:
                    break
                seconds = 0.0
            return "\n".join(line.rstrip() for line in screen.display).strip()

        try:
            while process.poll() is None and time.monotonic() < deadline:
                now = feed(_LOOK)
                if now != best:
                    best, since = now, time.monotonic()
                if awaited in best and time.monotonic() - since > _STILL:
                    break
            best = feed(0) or best
            status = process.poll()
            if status is None:
                os.write(master, b"q")
                end = time.monotonic() + 5
                while (status := process.poll()) is None and time.monotonic() < end:
                    if select.select([master], [], [], 0.05)[0]:
                        with contextlib.suppress(OSError):
                            os.read(master, 1 << 16)
        finally:
            process.kill()
            os.close(master)
            os.close(slave)
        return told_by_command(status or 0, best, ended=status is not None), Answer(text=best)

    def follow(self, workflow: str) -> Told:
        return self._simple("follow", workflow)

    def load(self, workflow: str) -> Told:
        return self._simple("load", workflow)

    def _simple(self, do: str, workflow: str) -> Told:
        found = self._ask({"do": do, "workflow": workflow}, "outcome")
        if found is None:
            return Told(Outcome.TIMEOUT, "the client did not come back")
        return Told(Outcome(found["outcome"]), found.get("text", ""))

    def followed(self, workflow: str, *, end: bool) -> dict[str, Any]:
        wait = 15 if end else 0
        found = self._ask({"do": "followed", "workflow": workflow, "wait": wait}, "outcome")
        return found or {"problem": "the client did not come back"}

    def close(self) -> None:
        self._forge.driver.close()
        self._api.close()


def _fill(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _shown(data: Any) -> str:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return text[:400]


_OUTCOMES: Final = {
    "data": Outcome.SUCCESS,
    "error": Outcome.ERROR,
    "timeout": Outcome.TIMEOUT,
    "stopped": Outcome.ERROR,
    "client-error": Outcome.ERROR,
}


@define(eq=False)
class AdapterClient(Client):
    """A third party's client, spoken to through its adapter."""

    subject: Subject
    workshop: Workshop
    home: Path
    _adapters: dict[str, Adapter] = field(factory=dict)
    _count: int = 0
    _lock: threading.RLock = field(factory=threading.RLock)

    def _adapter(self, role: str) -> Adapter:
        if role not in self._adapters:
            one = self.subject.manifest
            import sys  # noqa: PLC0415

            places = {
                "home": str(self.home),
                "python": sys.executable,
                "manifest_dir": str(one.path.resolve().parent),
                "bin": str(self.subject.path or ""),
            }
            self._adapters[role] = Adapter.start(
                one.name,
                [_fill(part, places) for part in one.adapters[role]],
                self.home,
                environment(one, self.home, self.workshop.token, self.subject.path),
                one.path,
                self.workshop.directory / f"{self.home.name}.{role}",
            )
        return self._adapters[role]

    def wait_ready(self) -> None:
        """Make sure that its adapters work here; raises DriverError."""
        for role in self.subject.manifest.adapters:
            found = self._do(role, "capabilities", _PATIENCE)
            if found["result"] != "capabilities":
                raise DriverError(f"the adapter does not work: {found.get('message', found)}")

    def _do(self, role: str, do: str, seconds: float, **more: Any) -> dict[str, Any]:
        with self._lock:
            try:
                adapter = self._adapter(role)
                number = adapter.ask({"do": do, **more})
                deadline = time.monotonic() + seconds
                while (found := adapter.answer(number)) is None:
                    if time.monotonic() > deadline:
                        return {"result": "timeout", "message": "the adapter did not answer"}
                    sink = [adapter.sink] if adapter.sink >= 0 else []
                    select.select([adapter.source], sink, [], 0.1)
                    adapter.write()
                    adapter.read()
                return dict(found.body)
            except AdapterError as error:
                self._adapters.pop(role).close()
                return {"result": "crash", "message": str(error)}

    def request(self, workflow: str, request: Request) -> tuple[Told, Answer]:
        with self._lock:
            self._count += 1
            name = f"c{self._count}"
            found = self._do(
                "client", "connect", _PATIENCE, connection=name, workflow=workflow, timeout=TIMEOUT
            )
            if found["result"] == "done":
                found = self._do(
                    "client",
                    "request",
                    _PATIENCE,
                    connection=name,
                    command=request.command,
                    args=dict(request.args),
                )
                self._do("client", "close", _PATIENCE, connection=name)
        outcome = _OUTCOMES.get(found["result"], Outcome.CRASH)
        body = found.get("bytes")
        answer = Answer(
            data=found.get("data"), body=None if body is None else base64.b64decode(body)
        )
        return Told(outcome, str(found.get("message", "")) or _shown(found.get("data", ""))), answer

    def follow(self, workflow: str) -> Told:
        if "subscriber" not in self.subject.manifest.adapters:
            return Told(Outcome.CRASH, "it has no subscriber")
        found = self._do(
            "subscriber",
            "subscribe",
            _PATIENCE,
            connection="s",
            workflow=workflow,
            topics=["all", "shutdown"],
        )
        if found["result"] == "done" and "store" in self.subject.manifest.capabilities:
            found = self._do("subscriber", "follow", _PATIENCE, connection="f", workflow=workflow)
        done = found["result"] == "done"
        return Told(Outcome.SUCCESS if done else Outcome.ERROR, str(found.get("message", "")))

    def load(self, workflow: str) -> Told:
        del workflow  # a store that is a third party's gets its snapshot itself
        return Told(Outcome.SUCCESS)

    def followed(self, workflow: str, *, end: bool) -> dict[str, Any]:
        del workflow
        answer: dict[str, Any] = {
            "topics": {},
            "shutdown": None,
            "problem": "",
            "wrong": [],
            "checked": 0,
            "store": None,
        }
        deadline = time.monotonic() + (15 if end else 3)
        while time.monotonic() < deadline and answer["shutdown"] is None:
            found = self._do("subscriber", "receive", _PATIENCE, connection="s", timeout=1.0)
            if found["result"] == "data":
                topic = found["topic"]
                answer["topics"][topic] = answer["topics"].get(topic, 0) + 1
                if topic == "shutdown":
                    answer["shutdown"] = base64.b64decode(found["bytes"]).decode(errors="replace")
            elif found["result"] == "stopped":
                answer["shutdown"] = str(found.get("message", ""))
            elif found["result"] != "timeout":
                answer["problem"] = f"{found['result']}: {found.get('message', '')}"
                break
            elif not end:
                break
        if not end and "store" in self.subject.manifest.capabilities:
            found = self._do("subscriber", "store", _PATIENCE, connection="f", timeout=5.0)
            if found["result"] == "data":
                answer["store"] = _states(base64.b64decode(found["bytes"]))
            else:
                answer["problem"] = f"store: {found['result']}: {found.get('message', '')}"
        return answer

    def close(self) -> None:
        for adapter in self._adapters.values():
            adapter.close()


def _states(body: bytes) -> dict[str, Any]:
    from wri_proto.v1 import data_store_pb2 as pb  # noqa: PLC0415

    snapshot: Any = pb.PbEntireWorkflow.FromString(body)
    states = {one.id: one.state for one in (*snapshot.task_proxies, *snapshot.jobs)}
    return {"status": snapshot.workflow.status, "states": states}


def make(subject: Subject, workshop: Workshop, home: Path) -> Client:
    """Return a client of an implementation, which lives in `home`."""
    kind = AdapterClient if subject.kind == "manifest" else CylcClient
    return kind(subject, workshop, home)
