"""Watches the life of a workflow: what is published, what its store has, and what it leaves."""

from collections.abc import Callable
from typing import Any, Final

from attrs import define, field

from wri_conformance import decode
from wri_conformance.diffing import elements, files, phases, publications, servers
from wri_conformance.diffing.asking import Asker, encode
from wri_conformance.diffing.neutral import Neutral
from wri_conformance.diffing.phases import Watch
from wri_conformance.diffing.target import Target
from wri_conformance.runs import Run, Workshop

_STARTS: Final = 4  # at seeing the first publication of a server
_RUNNING: Final = ("topics", "states_updated", "pruned")  # what no clock decides about


_ALL: Final = 'workflows: ["*"]'
_HOLD: Final = f'mutation {{hold({_ALL}, tasks: ["1/first"]) {{result}}}}'
_RELEASE: Final = f'mutation {{release({_ALL}, tasks: ["1/first"]) {{result}}}}'
_RELOAD: Final = f"mutation {{reload({_ALL}) {{result}}}}"
_RESUME: Final = f"mutation {{resume({_ALL}) {{result}}}}"
_STOP: Final = f"mutation {{stop({_ALL}, mode: Now) {{result}}}}"


@define
class Life:
    """A workflow from its start to its stop, in two servers."""

    target: Target
    workshop: Workshop
    say: Callable[[str], None]
    notes: list[str] = field(factory=list)
    _run: Run = field(init=False)
    _asker: Asker | None = None
    _watch: Watch | None = None
    _snapshots: list[Any] = field(factory=list)

    def observe(self) -> dict[str, Any]:
        """Return the parts of a profile that have to do with a whole life.

        Raises:
            StartError: the server cannot be started.
        """
        try:
            return self._observe()
        finally:
            self._end()

    def _observe(self) -> dict[str, Any]:
        seen: dict[str, Any] = {"start": self._begin()}
        neutral = Neutral.of(self._run)
        assert self._watch is not None
        self._snapshot()
        if "deltas" not in self.target.manifest.capabilities:
            self.notes.append("publications: the manifest does not claim deltas")
            self._watch.patience = 0.0
        seen["hold"] = self._watch.facts(phases.changed, _HOLD)
        seen["release"] = self._watch.facts(phases.changed, _RELEASE)
        seen["reload"] = self._watch.facts(phases.reloaded, _RELOAD)
        found: dict[str, Any] = {
            "contact": files.contact(self._run.service),
            "keys": files.keys(self._run.service),
        }
        # A new one, since Cylc 8.1 forgets at a reload how long simulated jobs take.
        self._end()
        self.say("a run")
        self._run = servers.start(self.target, self.workshop, self._subscribe)
        running = self._watch.facts(phases.finished, _RESUME)
        seen["run"] = None if running is None else {name: running[name] for name in _RUNNING}
        self._snapshot()
        found["store"] = elements.fields(self._snapshots)
        stopped = self._watch.ending(_STOP)
        if stopped is None:
            self._run.stop()
        else:
            self._run.await_end()
        seen["stop"] = stopped and {k: v for k, v in stopped.items() if k == "shutdown"}
        found["left"] = files.left(self._run.service)
        found["publications"] = seen
        self.notes += [f"publications/{name}: not seen" for name in seen if seen[name] is None]
        version = self._run.contact.get("CYLC_VERSION", "")
        return {**Neutral.of(self._run)(neutral(found)), "version": version}

    def _begin(self) -> dict[str, Any] | None:
        """Start a server, and return what it publishes first, if anybody can be there in time."""
        for tried in range(1, _STARTS + 1):
            self.say(f"starting (try {tried})" if tried > 1 else "starting")
            self._run = servers.start(self.target, self.workshop, self._subscribe)
            assert self._watch is not None
            stream = self._watch.phase(None)
            if stream is not None and publications.complete(stream.batches):
                return publications.facts(stream)
            if tried < _STARTS:
                self._end()
        return None

    def _subscribe(self, run: Run) -> None:
        if self._watch is not None:  # of a server that did not start
            self._watch.close()
        self._asker = Asker(run)
        self._watch = Watch(self._asker)

    def _end(self) -> None:
        if self._watch is not None and self._asker is not None:
            self._watch.close()
            self._asker.close()
            self._asker.run.close()
        self._watch = self._asker = None

    def _snapshot(self) -> None:
        assert self._asker is not None
        reply = self._asker.send(encode({"command": "pb_entire_workflow", "args": {}}))
        try:
            if reply is not None:
                self._snapshots.append(decode.parse("PbEntireWorkflow", reply.body))
        except decode.NotThatError as error:
            self.notes.append(f"store: {error}")
