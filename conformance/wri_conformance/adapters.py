"""The adapter of a client or subscriber: a process that is spoken to in lines of JSON.

`schemas/adapter.json` and `conformance/ADAPTERS.md` describe what is said.
"""

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen

from wri_conformance import reading, schemas, strictjson
from wri_conformance.mistakes import Mistake
from wri_conformance.processes import Process, Spawn, spawn
from wri_conformance.trace import readable

LONGEST_LINE: Final = 64 * 1024 * 1024  # bytes; 10 MiB as base64 are 14 MiB
MOST: Final = 4 * LONGEST_LINE  # bytes on its standard output in one scenario
_CHUNK: Final = 1 << 20
_TAIL: Final = 16_384  # bytes at each end of its standard error that are looked at for messages
_WIDTH: Final = 400  # characters of a line that are shown
_WORDS: Final = 8  # first and last lines of what an adapter printed on standard error
_KINDS: Final[Mapping[str, int]] = {  # by result, the place of its schema among those of answers
    "capabilities": 0,
    "done": 1,
    "unsupported": 1,
    "data": 2,
    "error": 3,
    "timeout": 3,
    "stopped": 3,
    "client-error": 3,
    "adapter-error": 3,
}


class AdapterError(Exception):
    """The adapter does not do what `adapter.json` says; the message is for its author."""


@frozen
class Answer:
    """One answer of an adapter, and the seconds until it came."""

    body: Mapping[str, Any]
    seconds: float

    @property
    def result(self) -> str:
        """What came of the command."""
        return str(self.body["result"])


def parse(line: bytes) -> dict[str, Any]:
    """Return the answer that a line holds.

    Raises:
        AdapterError: it holds none.
    """
    shown = readable(line, 120)
    try:
        answer = strictjson.loads(line)
    except UnicodeDecodeError:
        raise AdapterError(f"the adapter printed what is not UTF-8: {shown}") from None
    except json.JSONDecodeError:
        raise AdapterError(
            f"the adapter printed a line that is not JSON: {shown} (standard output is for "
            "answers; what is for people goes to standard error)"
        ) from None
    except ValueError as error:
        raise AdapterError(
            f"the adapter printed a line that is no answer: {error}: {shown}"
        ) from None
    if wrong := _wrong(answer):
        raise AdapterError(f"the adapter's answer breaks adapter.json: {wrong}: {shown}")
    if answer["result"] == "adapter-error":
        told = readable(answer["message"].encode("utf-8", "backslashreplace"), 1000)
        raise AdapterError(f"the adapter says that it failed itself: {told}")
    found: dict[str, Any] = answer
    return found


def _wrong(answer: Any) -> str:
    """Return why an answer is not valid, with a look at no other results than its own."""
    if not isinstance(answer, dict) or not isinstance(answer.get("id"), int):
        return "it is no object with the id of a command"
    result = answer.get("result", "")
    kind = _KINDS.get(result) if isinstance(result, str) else None
    if kind is None:
        return f"{str(result)[:80]!r} is no result; use one of {', '.join(_KINDS)}"
    errors = list(schemas.named(f"adapter.json#/$defs/answer/oneOf/{kind}").iter_errors(answer))
    hint = ""
    if errors and answer["result"] == "data" and not {"data", "bytes"} & set(answer):
        hint = " (some encoders leave out values that JSON does not have, such as undefined)"
    return schemas.explain(errors).replace("\n", "; ") + hint if errors else ""


@define
class Adapter:
    """A running adapter. Nothing here waits, but `finish`."""

    name: str
    _process: Process
    _log: Path
    heard: bytearray = field(factory=bytearray)  # all that it printed on standard output
    _told: int = 0  # bytes of it that were parsed
    _asked: dict[int, float] = field(factory=dict)
    _answers: dict[int, Answer] = field(factory=dict)
    _number: int = 0
    _unwritten: bytearray = field(factory=bytearray)  # of commands, which it has not read yet

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        home: Path,
        environment: Mapping[str, str],
        path: Path,
        log: Path,
        spawn: Spawn = spawn,
    ) -> "Adapter":
        """Start the adapter that the manifest `path` names, in `home`.

        What it prints on standard error goes to the file `log`.

        Raises:
            Mistake: the command cannot be executed.
        """
        program = shutil.which(command[0], path=environment["PATH"])
        if program is None:
            there = Path(command[0]).is_file()
            raise Mistake(
                f"the adapter cannot be started: {command[0]} is not executable"
                if there
                else f"the adapter cannot be started: there is no program {command[0]!r}",
                'make it so, or name its interpreter: [node, "{manifest_dir}/adapter.mjs"]'
                if there
                else "correct adapter:, or put the program into PATH",
                path,
            )
        try:
            with log.open("ab") as output:
                process = spawn(
                    [program, *command[1:]],
                    directory=home,
                    environment=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                )
        except (OSError, ValueError) as error:
            raise Mistake(
                f"the adapter cannot be started: {error}",
                "correct adapter:; a relative path begins with {manifest_dir}",
                path,
            ) from None
        assert process.stdout is not None
        assert process.stdin is not None
        for pipe in (process.stdin, process.stdout):
            os.set_blocking(pipe.fileno(), False)
        return cls(name, process, log)

    @property
    def source(self) -> int:
        """The file descriptor on which its answers come; -1 when there will be none."""
        stdout = self._process.stdout
        return -1 if stdout is None or stdout.closed else stdout.fileno()

    def ask(self, command: Mapping[str, Any]) -> int:
        """Send a command; return its number.

        Raises:
            AdapterError: nobody reads it.
        """
        self._number += 1
        self._unwritten += json.dumps({"id": self._number, **command}).encode() + b"\n"
        self.write()
        self._asked[self._number] = time.monotonic()
        return self._number

    @property
    def sink(self) -> int:
        """The file descriptor on which commands go; -1 when none of them waits to be read."""
        stdin = self._process.stdin
        return -1 if stdin is None or stdin.closed or not self._unwritten else stdin.fileno()

    def write(self) -> None:
        """Send what the adapter takes of the commands that it was given.

        Raises:
            AdapterError: nobody reads them.
        """
        try:
            while (sink := self.sink) >= 0:
                del self._unwritten[: os.write(sink, self._unwritten[:_CHUNK])]
        except BlockingIOError:
            return
        except (OSError, ValueError):
            raise AdapterError(self._ended("and reads no commands any more")) from None

    def read(self) -> None:
        """Take what it has printed.

        Raises:
            AdapterError: it is no answer, or answers nothing that was asked; or it has ended
                while an answer is waited for.
        """
        begun = len(self.heard)
        while (source := self.source) >= 0 and len(self.heard) - begun <= LONGEST_LINE:
            try:
                chunk = os.read(source, _CHUNK)
            except BlockingIOError:
                break
            self.heard += chunk
            if not chunk:
                assert self._process.stdout is not None
                self._process.stdout.close()
        while (end := self.heard.find(b"\n", self._told)) >= 0:
            line = bytes(self.heard[self._told : end])
            self._told = end + 1
            self._take(parse(line))
        if len(self.heard) > MOST:
            raise AdapterError(f"the adapter printed more than {MOST} bytes in one scenario")
        if len(self.heard) - self._told > LONGEST_LINE:
            raise AdapterError(f"the adapter printed a line of more than {LONGEST_LINE} bytes")
        if self.source < 0 and self._asked:
            raise AdapterError(self._ended("with a command that it has not answered"))

    def _take(self, answer: Mapping[str, Any]) -> None:
        began = self._asked.pop(answer["id"], None)
        if began is None:
            raise AdapterError(
                f"the adapter answers with the id {answer['id']}, which no open command has"
            )
        self._answers[answer["id"]] = Answer(answer, time.monotonic() - began)

    def forget(self) -> None:
        """Drop what it has said so far."""
        del self.heard[: self._told]
        self._told = 0
        self._answers.clear()

    def answer(self, number: int) -> Answer | None:
        """Return the answer to a command if it is there."""
        return self._answers.get(number)

    def _ended(self, what: str) -> str:
        with_status = ""
        try:
            status = self._process.wait(1)
            with_status = f" with status {status}"
        except subprocess.TimeoutExpired:
            return f"the adapter has closed its standard output, {what}{self.last_words()}"
        return f"the adapter has ended{with_status}, {what}{self.last_words()}"

    def last_words(self) -> str:
        """Return what it printed on standard error, as it goes into a message: both ends of it."""
        lines = self._ends().decode("utf-8", "replace").strip().splitlines()
        if len(lines) > 2 * _WORDS:
            lines = [*lines[:_WORDS], "…", *lines[-_WORDS:]]
        lines = [line[:_WIDTH] for line in lines]
        return "".join(["; it printed:", *(f"\n    | {line}" for line in lines)]) if lines else ""

    @property
    def log(self) -> Path:
        """The file in which its standard error is."""
        return self._log

    def _ends(self) -> bytes:
        try:
            return reading.ends(self._log, _TAIL)
        except OSError:
            return b""

    def finish(self, patience: float) -> dict[str, Any]:
        """Close its standard input and wait for its end: `{exited, status, seconds}`."""
        began = time.monotonic()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended already
            self._process.stdin.close()
        try:
            status: int | None = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            status = None
        return {
            "exited": status is not None,
            "status": status,
            "seconds": round(time.monotonic() - began, 3),
        }

    def close(self) -> None:
        """End it, however it takes that."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what it had not read
                    pipe.close()
