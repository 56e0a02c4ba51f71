"""Gives each scenario the server, or the adapter, that it asks for, and plays it."""

import time
from pathlib import Path
from typing import Any

from attrs import Factory, define, field, frozen

from wri_conformance import readiness
from wri_conformance.adapters import Adapter
from wri_conformance.counterpart import Counterpart
from wri_conformance.manifest import Manifest
from wri_conformance.peers import Missing
from wri_conformance.player import Player
from wri_conformance.playing import play
from wri_conformance.probe import PATIENCE, probe
from wri_conformance.runs import Run, StartError, Workshop
from wri_conformance.scenario import Scenario
from wri_conformance.specification import Specification
from wri_conformance.trace import Trace
from wri_conformance.verdict import Result, Verdict, settle

ATTEMPTS = 3  # at a scenario in which a bound was missed


@frozen
class Performance:
    """A scenario that was played: its results, and what went over the wire."""

    results: tuple[Result, ...]
    trace: tuple[dict[str, Any], ...]
    seconds: float
    attempts: int


@define
class Stage:
    """The servers of one process of the suite."""

    manifest: Manifest
    specification: Specification
    path: Path | None = None
    scale: float = 1.0
    workshop: Workshop = field(
        default=Factory(lambda self: Workshop(scale=self.scale), takes_self=True)
    )
    _shared: dict[tuple[str, str, str], Run] = field(factory=dict)
    _adapters: dict[str, tuple[Path, Adapter]] = field(factory=dict)  # by role, idle, in its home
    _number: int = 0

    def close(self) -> list[str]:
        """End everything; return the processes that would not die."""
        self.clear()
        return self.workshop.close()

    def clear(self) -> None:
        """End every server and adapter; the workshop remains."""
        for run in self._shared.values():
            run.close()
        for _, adapter in self._adapters.values():
            adapter.close()
        self._shared.clear()
        self._adapters.clear()

    def run(self, home: Path, workflow: str, fixture: str, state: str) -> Run:
        """Return an installed workflow that nobody has started."""
        return Run(
            manifest=self.manifest,
            workshop=self.workshop,
            home=home,
            workflow=workflow,
            fixture=fixture,
            state=state,
            path=self.path,
        )

    def play(self, scenario: Scenario) -> Performance:
        """Play a scenario, again if it missed a bound, and return what came of it.

        Raises:
            Mistake: the implementation's commands cannot be executed.
        """
        began = time.monotonic()
        attempts: list[list[Result]] = []
        trace: list[dict[str, Any]] = []
        while len(attempts) < ATTEMPTS:
            results, trace = self._attempt(scenario)
            attempts.append(results)
            if not any(result.late for result in results):
                break
        return Performance(
            tuple(settle(attempts)),
            tuple(trace),
            round(time.monotonic() - began, 3),
            len(attempts),
        )

    def _attempt(self, scenario: Scenario) -> tuple[list[Result], list[dict[str, Any]]]:
        if scenario.role in self.manifest.adapters:
            return self._with_adapter(scenario)
        shared = scenario.server == "shared"
        run = self._shared_run(scenario) if shared else self._new_run(scenario)
        others: list[Run] = []

        def begin() -> None:
            if scenario.server == "own" or (shared and not run.started):
                run.start()
            elif shared and (ended := run.ended()):
                self._forget(run, scenario)
                raise StartError(f"the server fell after the scenario before this one: {ended}", "")
            if run.started and readiness.SHOWING & set(scenario.needs):
                readiness.wait(run, player.trace)

        def other() -> Run:
            if not others:
                others.append(self._beside(run, scenario))
                others[0].start()
            return others[0]

        player = Player(scenario, run, begin, other, self.scale)
        try:
            results = play(scenario, self.specification, player)
        finally:
            for used in others if shared else [*others, run]:
                used.close()
        if shared and any(result.verdict is not Verdict.PASS for result in results):
            self._replace_if_dead(run, scenario)
        return results, player.trace.events

    def _beside(self, run: Run, scenario: Scenario) -> Run:
        try:
            return self.run(run.home, "other", scenario.fixture, scenario.state)
        except OSError as error:
            raise StartError(f"the home directory was spoilt: {error}", "") from None

    def _with_adapter(self, scenario: Scenario) -> tuple[list[Result], list[dict[str, Any]]]:
        """Play with an adapter that is there, if one is and the scenario is not about its process.

        To start one costs more than most scenarios. Each has a workflow of its own; an adapter that
        failed a scenario, or did not close a connection, is not used again.
        """
        alone = any(
            step.action == "finish" or step.spec.get("observe") == "secrets"
            for step in scenario.steps
        )
        home, adapter = (None, None) if alone else self._adapters.pop(scenario.role, (None, None))
        self._number += 1
        home = home or self.workshop.home()
        name = f"{scenario.workflow}-{self._number}"
        try:
            run = self.run(home, name, scenario.fixture, scenario.state)
        except OSError:
            if adapter is None:
                raise
            adapter.close()  # it has spoilt its home
            home, adapter = self.workshop.home(), None
            run = self.run(home, name, scenario.fixture, scenario.state)
        command = self.manifest.adapters[scenario.role]
        cast = Counterpart(scenario, run, command, self.scale, adapter=adapter)
        try:
            results = play(scenario, self.specification, cast)
        finally:
            run.close()
        if cast.sound and all(result.verdict is Verdict.PASS for result in results):
            cast.adapter.forget()
            self._adapters[scenario.role] = home, cast.adapter
        else:
            cast.adapter.close()
        return results, cast.trace.events

    def _new_run(self, scenario: Scenario) -> Run:
        home = self.workshop.home()
        return self.run(home, scenario.workflow, scenario.fixture, scenario.state)

    def _shared_run(self, scenario: Scenario) -> Run:
        key = scenario.fixture, scenario.workflow, scenario.state
        if key not in self._shared:
            self._shared[key] = self._new_run(scenario)
        return self._shared[key]

    def _replace_if_dead(self, run: Run, scenario: Scenario) -> None:
        """After a failure on a shared server, let the next scenario begin with a live one."""
        try:
            alive = run.started and probe(run, Trace(), patience=PATIENCE * self.scale)["alive"]
        except Missing:
            alive = False
        if not alive:
            self._forget(run, scenario)

    def _forget(self, run: Run, scenario: Scenario) -> None:
        run.close()
        self._shared.pop((scenario.fixture, scenario.workflow, scenario.state), None)
