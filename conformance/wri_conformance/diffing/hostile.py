"""Finds out which requests a server dies of."""

import queue
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from attrs import define, field

from wri_conformance.diffing import servers
from wri_conformance.diffing.asking import Asker, Body, describe
from wri_conformance.diffing.neutral import Neutral
from wri_conformance.diffing.target import Target
from wri_conformance.probe import PATIENCE, probe
from wri_conformance.runs import Run, Workshop
from wri_conformance.trace import Trace

_PATIENCE: Final = 6.0  # seconds for a reply, before it is looked whether anybody is served


def outcomes(
    target: Target,
    workshop: Workshop,
    cases: Mapping[str, Body],
    number: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Return, by name, the shape of each reply, with `serves`: whether anybody is served after it.

    A server that has died is replaced, one that lives is asked on; `number` are there at once.

    Raises:
        StartError: none can be started.
        Missing: one has no usable contact file or keys.
    """
    attack = _Attack(target, workshop, cases, say)
    with ThreadPoolExecutor(number) as pool:
        for worker in [pool.submit(attack.work) for _ in range(number)]:
            worker.result()
    return {name: attack.found[name] for name in cases}


@define
class _Attack:
    target: Target
    workshop: Workshop
    cases: Mapping[str, Body]
    say: Callable[[str], None]
    found: dict[str, Any] = field(factory=dict)
    _waiting: "queue.SimpleQueue[str]" = field(factory=queue.SimpleQueue)

    def __attrs_post_init__(self) -> None:
        for name in self.cases:
            self._waiting.put(name)

    def work(self) -> None:
        """Try what nobody has tried, until there is nothing left."""
        run: Run | None = None
        try:
            while not self._waiting.empty():
                name = self._waiting.get_nowait()
                run = run or servers.start(self.target, self.workshop)
                self.found[name] = _try(run, self.cases[name])
                if not self.found[name]["serves"]:
                    run.close()
                    run = None
                self.say(f"{len(self.found)} of {len(self.cases)} requests that may kill")
        except queue.Empty:
            pass
        finally:
            if run is not None:
                run.close()


def _try(run: Run, body: Body) -> dict[str, Any]:
    asker = Asker(run)
    try:
        shape = describe(asker.send(body, _PATIENCE))
    finally:
        asker.close()
    # One that has answered may have done so with its last breath.
    serves: bool = probe(run, Trace(), patience=PATIENCE * run.workshop.scale)["alive"]
    found: dict[str, Any] = Neutral.of(run)({**shape, "serves": serves})
    return found
