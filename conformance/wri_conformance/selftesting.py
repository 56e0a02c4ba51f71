"""`wri selftest`: what is tried, how far it is, and what came of it."""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from attrs import define, field

from wri_conformance.manifest import selects
from wri_conformance.mistakes import Mistake
from wri_conformance.trace import readable
from wri_conformance.verdict import Exit

if TYPE_CHECKING:
    from wri_conformance.matrix import Matrix
    from wri_conformance.selftest import Trial
    from wri_conformance.trial import Fault

_SHOWN = 20  # mutants of which all is told that was not as declared
_WIDTH = 100
_MOST_WORKERS = 48  # each takes about a hundred megabytes


def workers() -> int:
    """Return how many mutants are tried at once: most of the time, most of them wait."""
    return min(16 * (os.cpu_count() or 1), _MOST_WORKERS)


def run(options: argparse.Namespace) -> Exit:
    """Carry out the command; `options` has mutant, workers, declared, results and record.

    Raises:
        Mistake: there is no such mutant, or no place for the results.
    """
    # What takes time to import is not needed to list scenarios.
    from wri_conformance import scenario, specification  # noqa: PLC0415
    from wri_conformance.matrix import Matrix  # noqa: PLC0415
    from wri_conformance.nursery import Nursery, directory  # noqa: PLC0415
    from wri_conformance.selftest import SelfTest, WorkerError  # noqa: PLC0415

    if options.workers < 1:
        raise Mistake(f"{options.workers} workers do nothing", "give -n a number from 1")
    results = Path(options.results)
    try:
        results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Mistake(
            f"there is no place for results in {results}: {error.strerror}", "--results"
        ) from None
    known = specification.load()
    scenarios = scenario.load_all(specification=known)
    nursery = Nursery()
    every = nursery.faults()
    faults = _chosen(every, options.mutant)
    matrix = Matrix(scenarios, faults)
    progress = _Progress(matrix)
    status = Exit.CONFORMANT
    began = time.monotonic()
    # A job in the background of a shell starts with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        # What is recorded is believed only when another run finds it again.
        trials = SelfTest(
            known,
            scenarios,
            faults,
            nursery,
            options.workers,
            options.declared,
            not options.record,
        )
        for one in trials.run(progress.tell):
            matrix.add(one.fault, one.findings, one.retried)
    except KeyboardInterrupt:
        status = Exit.INTERRUPTED
    except WorkerError as error:
        print(f"\nwri selftest: {error}", file=sys.stderr)
        status = Exit.BROKEN
    finally:
        nursery.close()
    progress.end()
    seconds = time.monotonic() - began
    whole = not (options.mutant or options.declared or status)
    report = results / "matrix.json"
    report.write_text(json.dumps(matrix.to_json(seconds), indent=1) + "\n", encoding="utf-8")
    _show(matrix, seconds, whole=whole)
    print(f"all of it: {report}")
    if options.record and not status:
        _record(matrix, every, directory() / "collateral.yaml")
    if status:
        return status
    bad = matrix.wrong or (whole and matrix.unkilled)
    return Exit.NOT_CONFORMANT if bad else Exit.CONFORMANT


def _interrupt(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _chosen(every: "Sequence[Fault]", patterns: Sequence[str]) -> "Sequence[Fault]":
    if not patterns:
        return every
    for pattern in patterns:
        if not any(selects(pattern, one.name) for one in every):
            raise Mistake(
                f"there is no mutant {pattern!r}",
                "see conformance/mutants, or `python conformance/mutants/serve.py --help`",
            )
    chosen = [one for one in every if any(selects(p, one.name) for p in patterns)]
    controls = {one.control for one in chosen}
    return [one for one in every if one in chosen or one.name in controls]


def _record(matrix: "Matrix", every: "Sequence[Fault]", path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    before = yaml.safe_load(text) or {}
    tried = {one.name for one in matrix.faults}
    kept = {one.name: before[one.name] for one in every if one.name in before}
    known = {name: also for name, also in kept.items() if name not in tried} | matrix.collateral()
    body = yaml.safe_dump(dict(sorted(known.items())), width=1000)
    path.write_text(head + "\n" + body, encoding="utf-8")
    print(f"recorded in {path}")


@define
class _Progress:
    """One line that changes, on a terminal; elsewhere, one from time to time."""

    matrix: "Matrix"
    _began: float = field(factory=time.monotonic)
    _told: float = 0.0
    _terminal: bool = field(factory=sys.stderr.isatty)

    def tell(self, one: "Trial", done: int, total: int) -> None:
        """Say how far it is; `done` of the `total` tasks of this half."""
        now = time.monotonic()
        if now - self._told < (0.2 if self._terminal else 30):
            return
        self._told = now
        wrong = sum(map(len, self.matrix.wrong.values()))
        minutes, seconds = divmod(int(now - self._began), 60)
        line = (
            f"{minutes:3}:{seconds:02}  {done}/{total}  "
            f"{sum(self.matrix.outcomes.values())} checks, {wrong} not as declared  {one.fault}"
        )
        end = "\r" if self._terminal else "\n"
        print(
            f"{line[:_WIDTH]:<{_WIDTH}}" if self._terminal else line,
            end=end,
            file=sys.stderr,
            flush=True,
        )

    def end(self) -> None:
        """Leave the line as it is found."""
        if self._terminal:
            print(" " * _WIDTH, end="\r", file=sys.stderr, flush=True)


def _paint(text: str, colour: int) -> str:
    painted = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return f"\x1b[{colour}m{text}\x1b[0m" if painted else text


def _show(matrix: "Matrix", seconds: float, *, whole: bool) -> None:
    from wri_conformance.trial import Outcome  # noqa: PLC0415

    print(f"{'':<26}{'checks':>8}{'killed':>8}{'mutants':>9}{'fewest':>8}")
    for row in matrix.rows():
        if not whole and not row.killed:
            continue
        line = f"{row.group:<26}{row.checks:>8}{row.killed:>8}{row.mutants:>9}{row.fewest:>8}"
        print(_paint(line, 31) if whole and row.killed < row.checks else line)
    total, alive = len(matrix.killers), matrix.unkilled
    mutants = sum(bool(one.breaks) for one in matrix.faults)
    print(f"{'total':<26}{total:>8}{total - len(alive):>8}{mutants:>9}")
    abouts = {one.name: " ".join(one.about.split()) for one in matrix.faults}
    for name in list(matrix.wrong)[:_SHOWN]:
        print(f"\n{_paint(name, 31)}: {abouts[name]}")
        for one in matrix.wrong[name]:
            print(f"  {one.outcome}: {one.check}")
            if one.message:
                print(f"      {readable(one.message.splitlines()[0].encode(), _WIDTH)}")
        print(f"  again: wri selftest {name}")
    if len(matrix.wrong) > _SHOWN:
        print(f"\nand {len(matrix.wrong) - _SHOWN} other mutants")
    if whole and alive:
        print("\n" + _paint("no mutant fails these:", 31), *alive, sep="\n  ")
    counts = ", ".join(f"{matrix.outcomes[one]} {one}" for one in Outcome if matrix.outcomes[one])
    share = 100 * (total - len(alive)) / total
    good = not matrix.wrong and not alive
    minutes, rest = divmod(round(seconds), 60)
    print(
        _paint(
            f"\n{mutants} mutants, {share:.4g} % of {total} checks killed; {counts}; "
            f"{matrix.retried} tried again; {minutes} min {rest} s",
            32 if good else 33,
        )
    )
