"""The schedulers of one pair: started, seen directly, and reached by the client through a relay."""

import contextlib
import time
from pathlib import Path
from typing import Final

from attrs import define, field

from wri_conformance.interop.forking import Driver, Forge
from wri_conformance.interop.observer import Observer, Unreachable, client_view
from wri_conformance.interop.relay import Relay
from wri_conformance.interop.subjects import Subject
from wri_conformance.interop.workflows import Workflow
from wri_conformance.runs import Run, StartError, Workshop, environment
from wri_conformance.trace import Trace

_HOST: Final = "localhost"
_PAUSE: Final = 0.1


@define(eq=False)
class Scheduler:
    """One running scheduler with its relay."""

    run: Run
    observer: Observer
    relay: Relay
    workflow: Workflow
    client_home: Path
    more: list[str] = field(factory=list)  # tasks that were added to its definition

    def trace(self) -> Trace:
        """Begin a new trace of what passes from now on, and return it."""
        fresh = Trace()
        fresh.secrets |= self.relay.trace.secrets
        self.relay.trace = fresh
        return fresh

    def add(self, names: tuple[str, ...]) -> None:
        """Add tasks to the definition in the run directory."""
        self.more += names
        write(self.run.run_dir, self.workflow, self.more)

    def close(self) -> None:
        """End it."""
        contact = self.client_home / "cylc-run" / self.run.workflow / ".service" / "contact"
        contact.unlink(missing_ok=True)  # other commands look for what runs
        self.relay.close()
        self.observer.close()
        self.run.close()


def write(directory: Path, workflow: Workflow, more: list[str]) -> None:
    """Write the definition of a workflow in both forms."""
    (directory / "flow.cylc").write_text(workflow.cylc(more), encoding="utf-8")
    (directory / "workflow.yaml").write_text(workflow.plain(more), encoding="utf-8")


@define(eq=False)
class Stable:
    """Where the schedulers of one implementation are started, all in one home directory."""

    subject: Subject
    workshop: Workshop
    client_home: Path
    home: Path = field(init=False)
    _driver: Driver | None = None

    def __attrs_post_init__(self) -> None:
        """Make the home and, for cylc-flow, the process from which schedulers are forked."""
        self.home = self.workshop.home()
        if self.subject.kind != "manifest":
            assert self.subject.path is not None
            variables = environment(
                self.subject.manifest, self.home, self.workshop.token, self.subject.path
            )
            self._driver = Driver.start(
                self.subject.path / "python",
                "fork",
                self.home,
                {k: v.replace("{home}", str(self.home)) for k, v in variables.items()},
                self.workshop.directory / f"{self.home.name}.driver",
            )

    def start(self, name: str, workflow: Workflow, state: str = "running") -> Scheduler:
        """Start a scheduler, and wait until it shows its tasks.

        Raises:
            StartError: it does not.
            DriverError: nobody can start it.
        """
        workshop = self.workshop
        if self._driver is not None:
            self._driver.wait_ready()
            assert self.subject.path is not None
            forge = Forge(self._driver, str(self.subject.path / "cylc"))
            workshop = _Forking(self.workshop, forge)  # type: ignore[assignment]
        run = Run(
            self.subject.manifest, workshop, self.home, name, "basic", state, self.subject.path
        )
        write(run.run_dir, workflow, [])
        try:
            run.start()
        except BaseException:
            run.close()
            raise
        observer = Observer(run)
        relay = None
        try:
            observer.listen()
            self._wait_until_ready(observer, workflow, state)
            relay = Relay(
                run.keys["server.key_secret"],
                run.keys["client.key_secret"],
                _HOST,
                (run.port("request") or 0, run.port("publish") or 0),
            )
            relay.start()
            client_view(run, self.client_home, (relay.request, relay.publish), _HOST)
        except BaseException:
            if relay is not None:
                relay.close()
            observer.close()
            run.close()
            raise
        return Scheduler(run, observer, relay, workflow, self.client_home)

    def _wait_until_ready(self, observer: Observer, workflow: Workflow, state: str) -> None:
        running = (
            [t.name for t in workflow.tasks if t.kind == "running"] if state == "running" else []
        )
        shown = [t.name for t in workflow.tasks if t.kind != "gated" and not t.after]
        wanted = {f"1/{name} state" for name in shown}
        busy = {f"1/{name} state" for name in running}
        deadline = time.monotonic() + self.subject.manifest.ready
        facts: dict[str, str] = {}
        while time.monotonic() < deadline:
            with contextlib.suppress(Unreachable):
                facts = observer.look()
            if observer.gone:
                raise StartError("the scheduler ended at its start", observer.run.output())
            there = wanted <= facts.keys() and all(facts[one] == "running" for one in busy)
            jobs = all(facts.get(f"1/{name}/01 job") == "running" for name in running)
            if (
                there
                and jobs
                and facts.get("workflow status") == ("paused" if state == "paused" else "running")
            ):
                return
            time.sleep(_PAUSE)
        missing = sorted(wanted - facts.keys()) or [one for one in busy if facts[one] != "running"]
        raise StartError(
            f"the scheduler did not show its tasks: {', '.join(missing[:3])}", observer.run.output()
        )

    def close(self) -> None:
        """End the process from which schedulers were forked."""
        if self._driver is not None:
            self._driver.close()


class _Forking:
    """A workshop whose processes are forked."""

    def __init__(self, workshop: Workshop, forge: Forge) -> None:
        self._workshop = workshop
        self.spawn = forge.spawn

    def __getattr__(self, name: str) -> object:
        return getattr(self._workshop, name)
