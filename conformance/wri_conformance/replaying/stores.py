"""Runs a store in a process of its own and replays a recording into it."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from wri import data
from wri_conformance import interpreters, releases, schemas, venvs
from wri_conformance.mistakes import Mistake
from wri_conformance.replaying.recordings import Recording

OWN: Final = ("reference", "suite")
"""The stores that come with wri."""

_TIMEOUT: Final = 600.0  # seconds for all streams, most of which take a second


@frozen
class Store:
    """A store: its name, and the command that drives it."""

    name: str
    command: tuple[str, ...]


def find(names: Sequence[str], say: Callable[[str], None]) -> list[Store]:
    """Return the stores that are named, each once.

    Args:
        names: `reference`, `suite`, a release of cylc-flow, a checkout of it, NAME=COMMAND for a
            program that does what replay_store.py does, or `all` for all that come with wri and
            all releases that are known.
        say: is told what takes long, such as the installation of a release.

    Raises:
        Mistake: a name means nothing, or a release cannot be installed.
    """
    every = (*OWN, *releases.KNOWN)
    wanted = dict.fromkeys(one for name in names for one in (every if name == "all" else [name]))
    found = []
    works: list[interpreters.Interpreter] | None = None
    fails: Mapping[str, str] = {}
    for name in wanted:
        if name in OWN:
            found.append(Store(name, (sys.executable, str(_driver()), name)))
            continue
        if "=" in name:
            found.append(_program(name))
            continue
        if works is None:
            works, fails = interpreters.examine(interpreters.candidates())
        one = releases.find(name, works)
        told = [f"{path}: {why}" for path, why in fails.items()]
        python = releases.interpreter(one, works, told).path
        programs = venvs.ensure(one.packages, say, python)
        found.append(Store(one.name, (str(programs / "python"), str(_driver()), "cylc")))
    return found


def _driver() -> Path:
    return data.root() / "conformance" / "implementations" / "replay_store.py"


def _program(text: str) -> Store:
    name, _, command = text.partition("=")
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise Mistake(f"{command!r} is no command: {error}", "close the quotes") from None
    if not name or not words or shutil.which(words[0]) is None:
        raise Mistake(
            f"{text!r} names no program that can be run",
            "give NAME=COMMAND, or the name of a store",
        )
    return Store(name, tuple(words))


def replay(store: Store, recordings: Sequence[Recording]) -> list[Mapping[str, Any]]:
    """Return what comes of each replay, as conformance/implementations/replay_store.py says.

    The store begins with the first snapshot and is given all batches up to the last one.

    Raises:
        Mistake: the driver did not come to its end, or printed something else.
    """
    text = "".join(f"{json.dumps(step)}\n" for one in recordings for step in _steps(one))
    try:
        done = subprocess.run(
            store.command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        raise Mistake(
            f"the store of {store.name} did not come to the end in {_TIMEOUT:g} s",
            "try it again with fewer streams, or when the machine is less busy",
        ) from None
    lines = done.stdout.splitlines()
    if done.returncode or len(lines) != len(recordings):
        said = done.stderr.strip() or f"status {done.returncode}, {len(lines)} lines of results"
        raise Mistake(
            f"the store of {store.name} cannot be driven: {said.splitlines()[-1]}",
            f"try it: {shlex.join(store.command)}",
        )
    try:
        return [_result(line) for line in lines]
    except ValueError as error:
        raise Mistake(
            f"what the driver of {store.name} prints is no result: {error}",
            "see the beginning of conformance/implementations/replay_store.py",
        ) from None


def _result(line: str) -> Mapping[str, Any]:
    found = json.loads(line)
    if why := schemas.explain(schemas.problems("recording.json#/$defs/result", found)):
        raise ValueError(why)
    result: Mapping[str, Any] = found
    return result


def _steps(recording: Recording) -> Iterator[Mapping[str, str]]:
    yield {"do": "load", "payload": recording.snapshots[0].payload.hex()}
    for entry in recording.publications:
        if entry.topic == "all":
            yield {"do": "apply", "payload": entry.payload.hex()}
    yield {"do": "end"}
