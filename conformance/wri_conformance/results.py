"""`results.json`, the one truth about a run, and what follows from it."""

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import zmq
from attrs import define, evolve, field

from wri import __version__
from wri_conformance.manifest import Manifest
from wri_conformance.privacy import redacted
from wri_conformance.scenario import Scenario
from wri_conformance.specification import Specification
from wri_conformance.verdict import Exit, Result, Verdict, exit_status, over_rounds, stale

FORMAT = 1


@define
class Played:
    """One scenario of the run."""

    id: str
    title: str
    seconds: float
    attempts: int
    results: list[Result]
    trace: list[Mapping[str, Any]]

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Played":
        """Return what a worker sent."""
        return cls(
            document["id"],
            document["title"],
            document["seconds"],
            document["attempts"],
            [Result.from_json(result) for result in document["results"]],
            list(document["trace"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` is made from; the trace only where something is to be shown."""
        quiet = {Verdict.PASS, Verdict.NOT_APPLICABLE}
        shown = any(result.verdict not in quiet for result in self.results)
        return {
            "id": self.id,
            "title": self.title,
            "seconds": self.seconds,
            "attempts": self.attempts,
            "results": [result.to_json() for result in self.results],
            "trace": list(self.trace) if shown else [],
        }


@define
class Report:
    """All that is known of a run, for the terminal, the files and the exit status."""

    manifest: Manifest
    specification: Specification
    catalogue: Sequence[Scenario]
    version: str
    strict: bool = False
    started: str = ""
    seconds: float = 0.0
    interrupted: bool = False
    fatal: str = ""
    broken: bool = False
    of_suite: bool = True  # those of somebody else decide about no capability
    played: dict[str, Played] = field(factory=dict)

    def add(self, played: Played) -> None:
        """Take a scenario, or one round more of it."""
        before = self.played.get(played.id)
        if before is not None:
            results = over_rounds(before.results, played.results)
            worse = [r.verdict for r in results] != [r.verdict for r in before.results]
            played = evolve(
                played,
                results=results,
                trace=played.trace if worse else before.trace,  # of the round that decided
                seconds=round(before.seconds + played.seconds, 3),
                attempts=before.attempts + played.attempts,
            )
        self.played[played.id] = played

    @property
    def results(self) -> list[Result]:
        """Every result, in the order of the catalogue."""
        order = {scenario.id: number for number, scenario in enumerate(self.catalogue)}
        ordered = sorted(self.played.values(), key=lambda p: order.get(p.id, len(order)))
        return [result for played in ordered for result in played.results]

    @property
    def counts(self) -> Counter[Verdict]:
        """How many checks came to each verdict."""
        return Counter(result.verdict for result in self.results)

    @property
    def stale(self) -> list[str]:
        """What the list of known failures claims wrongly."""
        checks = [check.id for scenario in self.catalogue for check in scenario.checks]
        return stale(self.results, self.manifest.known_failures, checks)

    @property
    def exit(self) -> Exit:
        """The exit status of the run."""
        if self.broken:
            return Exit.BROKEN
        if self.interrupted:
            return Exit.INTERRUPTED
        return exit_status(self.results, self.stale, strict=self.strict)

    @property
    def complete(self) -> bool:
        """Whether every scenario of the suite was selected and came to an end."""
        return self.of_suite and {scenario.id for scenario in self.catalogue} <= set(self.played)

    def conforms_to(self) -> tuple[list[str], list[str], list[str]]:
        """Return the claimed capabilities that hold, that do not, and that were not decided.

        A capability holds if every scenario that needs it was played, every MUST in them was
        kept, and the capabilities that it needs hold. A failure that is known is a failure
        nevertheless. It is not decided if nothing failed, but not everything was played.
        """
        holds: list[str] = []
        fails: list[str] = []
        undecided: list[str] = []
        for name in self.manifest.capabilities:
            needs = self.specification.capabilities[name].needs
            mine = [scenario.id for scenario in self.catalogue if name in scenario.needs]
            played = [self.played[identity] for identity in mine if identity in self.played]
            broken = any(self._breaks(result) for one in played for result in one.results)
            if broken or any(need in fails for need in needs):
                fails.append(name)
            elif (
                not self.of_suite
                or len(played) < len(mine)
                or not mine
                or any(n in undecided for n in needs)
            ):
                undecided.append(name)
            else:
                holds.append(name)
        return holds, fails, undecided

    def _breaks(self, result: Result) -> bool:
        if result.verdict is Verdict.KNOWN_FAILURE:
            return self.specification.requirements[result.requirement].severity == "failure"
        return result.verdict in {Verdict.FAIL, Verdict.ERROR}

    def not_claimed(self) -> list[str]:
        """Return the capabilities of the specification that the manifest does not claim."""
        return [
            name
            for name in self.specification.capabilities
            if name not in self.manifest.capabilities
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the document that `results.json` describes, without identities."""
        holds, fails, undecided = self.conforms_to()
        document = {
            "format": FORMAT,
            "implementation": {"name": self.manifest.name, "version": self.version},
            "suite": {"version": __version__},
            "specification": {"revision": self.specification.revision},
            "environment": {
                "python": platform.python_version(),
                "platform": platform.platform(terse=True),
                "pyzmq": zmq.pyzmq_version(),
                "libzmq": zmq.zmq_version(),
            },
            "started": self.started,
            "seconds": round(self.seconds, 3),
            "summary": {
                "exit": int(self.exit),
                "complete": self.complete,
                "counts": {verdict.value: self.counts[verdict] for verdict in Verdict},
                "conforms_to": holds,
                "does_not_conform_to": fails,
                "not_decided": undecided,
                "not_claimed": self.not_claimed(),
                "stale_known_failures": self.stale,
                "fatal": self.fatal,
            },
            "scenarios": [self.played[name].to_json() for name in sorted(self.played)],
        }
        shareable: dict[str, Any] = redacted(document)
        return shareable


def not_applicable(scenario: Scenario, missing: Iterable[str]) -> list[Result]:
    """Return the results of a scenario whose capabilities are not claimed."""
    return [
        Result(
            check.id,
            check.scenario,
            check.step,
            check.requirement,
            Verdict.NOT_APPLICABLE,
            f"{', '.join(missing)} is not claimed",
        )
        for check in scenario.checks
    ]


def unreached(scenario: Scenario, verdict: Verdict, reason: str) -> list[Result]:
    """Return the results of a scenario that could not be played at all."""
    return [
        Result(
            check.id, check.scenario, check.step, check.requirement, verdict, reason, reached=False
        )
        for check in scenario.checks
    ]
