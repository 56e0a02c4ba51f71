"""`wri interop`: plays every pair, several at a time, and writes down each as soon as it ends."""

import contextlib
import datetime as dt
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from attrs import define, field, frozen

from wri import __version__
from wri_conformance.interop import catalogue, subjects, views
from wri_conformance.interop.operations import Operation
from wri_conformance.interop.subjects import Subject
from wri_conformance.interop.verdicts import Verdict
from wri_conformance.mistakes import Mistake
from wri_conformance.verdict import Exit

FORMAT: Final = 1
_TICK: Final = 0.1
_LONGEST: Final = 1500.0  # seconds that a pair may take before it is given up
_GRACE: Final = 15.0  # seconds in which a process of the suite ends when it is told to


@frozen
class Options:
    """What was asked for on the command line."""

    names: tuple[str, ...]
    clients: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    workers: int = 8
    results: Path = Path("wri-results/interop")
    resume: bool = False
    scale: float = 1.0
    list_only: bool = False
    verbose: bool = False


@define
class _Running:
    """A process that plays a pair."""

    client: Subject
    server: Subject
    process: "subprocess.Popen[str]"
    place: Path
    log: IO[str]
    began: float = field(factory=time.monotonic)


def run(options: Options) -> Exit:
    """Make the matrix.

    Raises:
        Mistake: something that was named does not exist, or there is nothing to do.
    """
    wanted = catalogue.select(options.operations)
    if not wanted:
        raise Mistake(
            f"no operation matches {' '.join(options.operations)}", "wri interop --list shows all"
        )
    if options.list_only:
        _list(wanted)
        return Exit.CONFORMANT
    everyone = [*options.names, *options.clients, *options.servers]
    found = subjects.load(everyone, _say)
    pairs = list(_pairs(found, options))
    if not pairs:
        raise Mistake("there is no pair of a client and a server", "name more implementations")
    cells = _directory(options)
    started = dt.datetime.now(dt.UTC)
    left = [
        (client, server, missing)
        for client, server in pairs
        if (missing := _missing(cells, client, server, wanted))
    ]
    if len(left) < len(pairs):
        _say(f"{len(pairs) - len(left)} of {len(pairs)} pairs are there from before")
    exit_ = _play(left, cells, options)
    document = assemble(found, wanted, cells, pairs, started)
    place = options.results / "interop.json"
    _write(place, document)
    views.write(document, options.results)
    views.show(document)
    print(f"\n{place}, interop.html and summary.md beside it")
    if exit_ is Exit.INTERRUPTED:
        _say("interrupted: the same command with --resume goes on")
    return exit_


def _list(wanted: Iterable[Operation]) -> None:
    for one in wanted:
        print(f"{one.id:<36} {one.title}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _pairs(found: Sequence[Subject], options: Options) -> Iterator[tuple[Subject, Subject]]:
    """Yield clients and servers; where one side is named by an option, only those are on it."""
    by_name = subjects.by_name(found)

    def named(names: Sequence[str]) -> list[Subject]:
        given = {_plain(one) for one in subjects.expand(names)}
        return [
            one for one in found if one.name in given or _plain(str(one.manifest.path)) in given
        ]

    def side(names: Sequence[str], role: str) -> list[Subject]:
        some = named(names or options.names)
        return [one for one in some if role in one.roles]

    assert by_name
    for client in side(options.clients, "client"):
        for server in side(options.servers, "server"):
            yield client, server


def _plain(name: str) -> str:
    """Return a name as an implementation carries it: of a checkout, that of its directory."""
    short = name.removeprefix("cylc-flow").lstrip("-=@")
    if Path(name).is_dir():
        return Path(name).resolve().name
    return Path(name).stem if name.endswith((".yaml", ".yml")) else short or name


def _directory(options: Options) -> Path:
    cells = options.results / "cells"
    try:
        if not options.resume:
            shutil.rmtree(cells, ignore_errors=True)
        cells.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Mistake(
            f"no results can be written to {options.results}: {error.strerror}",
            "give another place with --results",
        ) from None
    return cells


def _place(cells: Path, client: Subject, server: Subject) -> Path:
    return cells / f"{client.name}--{server.name}.json"


def _read(place: Path) -> Any:
    with contextlib.suppress(OSError, ValueError):
        return json.loads(place.read_text(encoding="utf-8"))
    return None


def _missing(
    cells: Path, client: Subject, server: Subject, wanted: Sequence[Operation]
) -> list[Operation]:
    """Return the operations that a pair was not yet played with, in these versions."""
    document = _read(_place(cells, client, server))
    if (
        not isinstance(document, dict)
        or document["client"] != client.to_json()
        or document["server"] != server.to_json()
    ):
        _place(cells, client, server).unlink(missing_ok=True)
        return list(wanted)
    there = {cell["operation"] for cell in document["cells"]}
    return [one for one in wanted if one.id not in there]


def _play(
    pairs: Sequence[tuple[Subject, Subject, Sequence[Operation]]],
    cells: Path,
    options: Options,
) -> Exit:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
    waiting = list(pairs)
    running: list[_Running] = []
    count = broken = 0
    try:
        while waiting or running:
            while waiting and len(running) < options.workers:
                running.append(_start(*waiting.pop(0), cells, options))
            time.sleep(_TICK)
            for one in [r for r in running if r.process.poll() is not None]:
                running.remove(one)
                one.log.close()
                count += 1
                document = None if one.process.returncode else _read(one.place)
                broken += document is None
                _progress(count, len(pairs), one, document)
            for one in running:
                if time.monotonic() - one.began > _LONGEST:
                    one.process.terminate()
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    finally:
        _end(running)
    return Exit.BROKEN if broken else Exit.CONFORMANT


def _start(
    client: Subject,
    server: Subject,
    wanted: Sequence[Operation],
    cells: Path,
    options: Options,
) -> _Running:
    place = _place(cells, client, server)
    log = place.with_suffix(".log").open("w", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "wri_conformance.interop.worker"],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        text=True,
        start_new_session=True,
    )
    task = {
        "client": subjects.store(client),
        "server": subjects.store(server),
        "operations": [one.id for one in wanted],
        "scale": options.scale,
        "result": str(place.resolve()),
        "keep": place.exists(),
    }
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
    return _Running(client, server, process, place, log)


def _end(running: Iterable[_Running]) -> None:
    """End processes; what they have started is ended by the guard of each."""
    for one in running:
        one.process.terminate()
    for one in running:
        try:
            one.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.wait()
        one.log.close()


def _progress(count: int, total: int, one: _Running, document: Any) -> None:
    head = f"[{count}/{total}] {one.client.name} → {one.server.name}"
    if document is None:
        words = one.place.with_suffix(".log").read_text(errors="replace").strip().splitlines()
        tail = "".join(f"\n    | {line}" for line in words[-8:])
        _say(f"{head}: the suite broke, see {one.place.with_suffix('.log')}{tail}")
        return
    counts = Counter(cell["verdict"] for cell in document["cells"])
    shown = [one for one in reversed(Verdict) if one is not Verdict.NOT_APPLICABLE]
    told = ", ".join(f"{counts[one]} {one}" for one in shown if counts[one])
    _say(f"{head}: {told} ({document['seconds']:.0f} s)")


def assemble(
    found: Sequence[Subject],
    wanted: Sequence[Operation],
    cells: Path,
    pairs: Sequence[tuple[Subject, Subject]],
    started: dt.datetime,
) -> dict[str, Any]:
    """Return the document of what is there so far."""
    ids = [one.id for one in wanted]
    every: list[Mapping[str, Any]] = []
    for client, server in pairs:
        document = _read(_place(cells, client, server)) or {"cells": []}
        by_id = {cell["operation"]: cell for cell in document["cells"]}
        every += [by_id[id_] for id_ in ids if id_ in by_id]
    taken = (dt.datetime.now(dt.UTC) - started).total_seconds()
    names = {one.name for pair in pairs for one in pair}
    return {
        "format": FORMAT,
        "suite": {"version": __version__},
        "environment": {
            "python": platform.python_version(),
            "platform": platform.platform(terse=True),
        },
        "started": started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "seconds": round(taken, 3),
        "implementations": [one.to_json() for one in found if one.name in names],
        "operations": [
            {
                "id": one.id,
                "group": one.group,
                "surface": one.surface,
                "title": one.title,
                "effect": one.effect,
            }
            for one in wanted
        ],
        "cells": every,
    }


def _write(place: Path, document: Mapping[str, Any]) -> None:
    part = place.with_suffix(".part")
    part.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    part.replace(place)


def workers() -> int:
    """Return how many pairs are played at a time: nearly all that they do is wait."""
    return 6 * (os.cpu_count() or 1)
