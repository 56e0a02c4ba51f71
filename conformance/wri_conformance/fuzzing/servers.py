"""Servers to fuzz, with some that are started before they are needed."""

import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from attrs import define, field

from wri_conformance import readiness
from wri_conformance.fuzzing.conversation import Quiet
from wri_conformance.manifest import Manifest
from wri_conformance.runs import Run, StartError, Workshop

FIXTURE = "globs"
"""Goes on for ten minutes at least once it runs, so that it does not end by itself."""

_TRIES = 3  # at starting one


@define
class Servers:
    """Starts servers of one implementation, `ahead` of them before anybody asks."""

    manifest: Manifest
    workshop: Workshop
    path: Path | None = None
    ahead: int = 2
    started: int = 0
    _pool: ThreadPoolExecutor = field(init=False)
    _spares: "list[Future[Run]]" = field(factory=list)
    _all: "dict[int, Run]" = field(factory=dict)
    _lock: Lock = field(factory=Lock)
    _closed: bool = False

    def __attrs_post_init__(self) -> None:
        """Start the first ones."""
        self._pool = ThreadPoolExecutor(self.ahead + 1)
        self._fill()

    def take(self) -> Run:
        """Return a server that nobody has talked to.

        Raises:
            StartError: it cannot be started, although it was tried several times.
            Mistake: its command cannot be executed.
        """
        with self._lock:
            spare = self._spares.pop(0)
        self._fill()
        return spare.result()

    def drop(self, run: Run) -> None:
        """End a server that nobody needs any more, in the background."""
        if not self._closed:
            self._pool.submit(self._end, run)

    def close(self) -> None:
        """End all of them."""
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        for run in list(self._all.values()):
            run.close()

    def _fill(self) -> None:
        with self._lock:
            while len(self._spares) < self.ahead and not self._closed:
                self._spares.append(self._pool.submit(self._start))

    def _start(self) -> Run:
        for tried in range(1, _TRIES + 1):
            run = Run(
                manifest=self.manifest,
                workshop=self.workshop,
                home=self.workshop.home(),
                workflow="main",
                fixture=FIXTURE,
                state="paused",
                path=self.path,
            )
            with self._lock:
                self._all[id(run)] = run
                self.started += 1
            try:
                run.start()
                if readiness.SHOWING & set(self.manifest.capabilities):
                    readiness.wait(run, Quiet())
            except StartError:
                self._end(run)
                if tried == _TRIES or self._closed:
                    raise
            else:
                return run
        raise AssertionError("not reached")

    def _end(self, run: Run) -> None:
        with self._lock:
            self._all.pop(id(run), None)
        run.close()
        shutil.rmtree(run.home, ignore_errors=True)
