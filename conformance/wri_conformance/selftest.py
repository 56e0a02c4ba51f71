"""The suite on trial: plays its scenarios with every mutant, many at once."""

import faulthandler
import math
import multiprocessing
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from attrs import define, evolve, field, frozen

from wri_conformance import manifest, trial
from wri_conformance.manifest import Manifest
from wri_conformance.nursery import Nursery, script
from wri_conformance.runs import Workshop
from wri_conformance.scenario import Scenario
from wri_conformance.specification import Specification
from wri_conformance.stage import Stage
from wri_conformance.trial import EXPECTED, Fault, Finding

SCALES = (0.2, 0.5, 1.0)
"""Of all waiting, for most of which a mutant is the reason; what is unexpected is tried again
with more patience, since a busy machine must not decide."""

_LIVES = 4  # times that processes of the suite may die
_WAITING = 0.5  # of all workers may wait, as long as there is something else to do
_OWN, _SHARED = 6, 40  # scenarios that a worker plays with one mutant before it takes another


class WorkerError(Exception):
    """A process of the suite died, or failed where no implementation can be blamed."""


@frozen
class Trial:
    """Scenarios that were played with one mutant, and what came of their checks."""

    fault: str
    findings: tuple[Finding, ...]
    retried: int
    seconds: float
    reached: Mapping[str, frozenset[str]] = {}
    """By scenario, the places of what a server without a fault ran, if that was recorded."""


@frozen(eq=False)
class Task:
    """Scenarios to play with one mutant."""

    fault: Fault
    scenarios: tuple[str, ...]
    record: bool = False
    patient: bool = True
    waits: bool = False
    """Whether most of its time is spent waiting."""


@define
class _Worker:
    """What a worker process keeps from one task to the next."""

    reference: Manifest
    specification: Specification
    scenarios: Mapping[str, Scenario]
    nursery: Nursery
    workshop: Workshop = field(factory=Workshop)

    def __attrs_post_init__(self) -> None:
        self.workshop.spawn = self.nursery.spawn

    def carry_out(self, task: Task) -> Trial:
        began = time.monotonic()
        findings: list[Finding] = []
        reached: dict[str, frozenset[str]] = {}
        retried = 0
        stages = {scale: self._stage(task.fault, scale) for scale in SCALES}
        for name in task.scenarios:
            scenario = self.scenarios[name]
            if task.record and scenario.server == "shared":
                scenario = evolve(scenario, server="own")
            for scale in SCALES if task.patient else SCALES[:1]:
                self.workshop.scale = scale
                # To record slows a server down, which must not decide in the end.
                record = task.record and scale < SCALES[-1]
                found, places = self._play(task, stages[scale], scenario, record=record)
                if all(one.outcome in EXPECTED for one in found):
                    if record:
                        reached[name] = places
                    break
                retried += 1
            findings += found
            for scale in SCALES[1:]:
                stages[scale].clear()
        stages[SCALES[0]].clear()
        seconds = round(time.monotonic() - began, 3)
        return Trial(task.fault.name, tuple(findings), retried, seconds, reached)

    def _play(
        self, task: Task, stage: Stage, scenario: Scenario, *, record: bool
    ) -> tuple[list[Finding], frozenset[str]]:
        """Return what came of the checks, and the places that the server ran if they are wanted."""
        if not record:
            return trial.judge(task.fault, stage.play(scenario).results), frozenset()
        with tempfile.NamedTemporaryFile(dir=self.workshop.directory) as log:
            self.nursery.record = Path(log.name)
            found = trial.judge(task.fault, stage.play(scenario).results)
            self.nursery.record = None
            places = log.read().decode().splitlines()
        heard = [trial.PUBLICATIONS] if trial.hears(scenario) else []
        return found, frozenset([*places, *heard])

    def _stage(self, fault: Fault, scale: float) -> Stage:
        self.workshop.scale = scale
        return Stage(
            _described(self.reference, fault), self.specification, None, scale, self.workshop
        )


def _described(reference: Manifest, fault: Fault) -> Manifest:
    """Return the manifest of a mutant."""
    command = ("{python}", str(script(fault)), "--fault", fault.name)
    if "server" not in fault.roles:
        adapters = dict.fromkeys(reference.adapters, command)
        return evolve(reference, name=fault.name, adapters=adapters)
    start = {"running": (*command, "{workflow}"), "paused": (*command, "{workflow}", "--pause")}
    return evolve(reference, name=fault.name, start=start, ready=30.0, end=15.0)


_worker: _Worker | None = None


def _begin(
    reference: Manifest,
    specification: Specification,
    scenarios: Mapping[str, Scenario],
    nursery: Nursery,
) -> None:
    global _worker  # noqa: PLW0603 - a process has one
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    faulthandler.enable()
    _worker = _Worker(reference, specification, scenarios, Nursery(parent=nursery))


def _carry_out(task: Task) -> Trial:
    assert _worker is not None
    return _worker.carry_out(task)


@define
class SelfTest:
    """All mutants and all scenarios."""

    specification: Specification
    scenarios: Sequence[Scenario]
    faults: Sequence[Fault]
    nursery: Nursery
    workers: int
    owed_only: bool = False
    patient: bool = True
    """Whether what is unexpected is tried again; for others than those without a fault."""

    def run(self, tell: Callable[[Trial, int, int], None]) -> Iterator[Trial]:
        """Yield trials as they end; `tell` is given each, and how many of how many are done.

        Raises:
            WorkerError: the suite failed, or processes of it died again and again.
        """
        reached: dict[str, dict[str, frozenset[str]]] = {}
        controls = list(self._controls())
        recording = set(controls)
        waiting = [*controls, *self._owed()]
        if not controls and not self.owed_only:
            waiting += self._others(reached)
        total, done, lives = len(waiting), 0, _LIVES
        while waiting:
            try:
                for task, one in self._all(waiting):
                    done += 1
                    reached.setdefault(one.fault, {}).update(one.reached)
                    if task in recording:
                        recording.remove(task)
                        # What else a mutant can show is known when all has been recorded.
                        others = [] if recording else list(self._others(reached))
                        waiting += others
                        total += len(others)
                    tell(one, done, total)
                    yield one
            except BrokenProcessPool:
                lives -= 1
                if not lives:
                    raise WorkerError("a process of the suite died, again and again") from None

    def _all(self, waiting: list[Task]) -> Iterator[tuple[Task, Trial]]:
        """Carry out tasks, each in one of as many processes as there are workers.

        What is done is taken out of `waiting`, to which more may be added meanwhile.
        """
        reference = manifest.load(manifest.find("reference"), self.specification)
        pool = ProcessPoolExecutor(
            self.workers,
            mp_context=multiprocessing.get_context("fork"),  # scenarios are loaded only once
            initializer=_begin,
            initargs=(
                reference,
                self.specification,
                {one.id: one for one in self.scenarios},
                self.nursery,
            ),
        )
        futures: dict[Future[Trial], Task] = {}
        try:
            while waiting:
                for task in upcoming(waiting, set(futures.values()), self.workers):
                    futures[pool.submit(_carry_out, task)] = task
                for future in wait(futures, return_when=FIRST_COMPLETED).done:
                    task = futures.pop(future)
                    try:
                        trial = future.result()
                    except BrokenProcessPool:
                        raise
                    except Exception as error:
                        played = ", ".join(task.scenarios)
                        raise WorkerError(f"{task.fault.name} with {played}: {error!r}") from error
                    waiting.remove(task)
                    yield task, trial
        except BaseException:
            # Those that are left clean up after them.
            for process in multiprocessing.active_children():
                process.kill()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _controls(self) -> Iterator[Task]:
        """Yield all that concerns the peers without a fault."""
        for fault in self.faults:
            if not fault.breaks and not self.owed_only:
                costly = [one for one in self.scenarios if one.id in trial.COSTLY]
                yield from _tasks(fault, [one for one in costly if one.role in fault.roles])
                every = list(trial.others(fault, self.scenarios, {}))
                yield from _tasks(fault, every, record=bool(fault.control))

    def _owed(self) -> Iterator[Task]:
        """Yield what mutants are made for, which takes longest."""
        for fault in self.faults:
            yield from _tasks(fault, list(trial.owed(fault, self.scenarios)), waits=True)

    def _others(self, reached: Mapping[str, Mapping[str, frozenset[str]]]) -> Iterator[Task]:
        """Yield what else mutants can show."""
        for fault in self.faults:
            if fault.breaks:
                known = reached.get(fault.control, {})
                others = list(trial.others(fault, self.scenarios, known))
                waits = "server" not in fault.roles
                yield from _tasks(fault, others, patient=self.patient, waits=waits)


def upcoming(tasks: Iterable[Task], running: AbstractSet[Task], workers: int) -> list[Task]:
    """Return which tasks to begin, so that a part of the workers has something else than to wait.

    Processors would be idle otherwise first, and too busy to wait for afterwards.
    """
    free = workers - len(running)
    left = [task for task in tasks if task not in running]
    waits = [task for task in left if task.waits]
    works = [task for task in left if not task.waits]
    room = max(0, math.ceil(workers * _WAITING) - sum(task.waits for task in running))
    most = max(room, free - len(works))
    chosen = waits[: min(free, most)]
    return chosen + works[: free - len(chosen)]


def _tasks(
    fault: Fault,
    scenarios: Sequence[Scenario],
    *,
    record: bool = False,
    patient: bool = True,
    waits: bool = False,
) -> Iterator[Task]:
    """Yield scenarios in portions; those that share a server come together."""
    shared = [one.id for one in scenarios if one.server == "shared"]
    own = [one.id for one in scenarios if one.server != "shared"]
    for names, most in ((own, _OWN), (shared, _SHARED)):
        for first in range(0, len(names), most):
            yield Task(fault, tuple(names[first : first + most]), record, patient, waits)
