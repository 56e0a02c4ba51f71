"""The kill matrix: which mutants fail which checks of the suite, and what was not as declared.

Pure. Checks are known without the case of their matrix, as in `trial`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from attrs import define, field, frozen

from wri_conformance import trial
from wri_conformance.scenario import Scenario
from wri_conformance.trial import EXPECTED, Fault, Finding, Outcome

_NEARLY_EVERYTHING = 60  # checks besides those that a mutant is made for


@frozen
class Row:
    """A group of scenarios: how many checks it has, how many were killed, and by how many."""

    group: str
    checks: int
    killed: int
    mutants: int
    fewest: int
    """Mutants that kill the check which fewest kill."""


@define
class Matrix:
    """What came of all mutants so far."""

    scenarios: Sequence[Scenario]
    faults: Sequence[Fault]
    killers: dict[str, set[str]] = field(factory=dict)
    """The names of the mutants that fail a check, by check."""
    wrong: dict[str, list[Finding]] = field(factory=lambda: defaultdict(list))
    """What was not as declared, by mutant."""
    outcomes: Counter[Outcome] = field(factory=Counter)
    tried: dict[str, set[str]] = field(factory=lambda: defaultdict(set))
    """The checks that were tried on a mutant, by mutant."""
    retried: int = 0
    """How often a scenario was tried again with more patience."""
    _names: dict[str, str] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        """Begin with nothing killed."""
        for one in self.scenarios:
            for name, check in zip(trial.checks(one), one.checks, strict=True):
                self.killers.setdefault(name, set())
                self._names[check.id] = name

    def add(self, fault: str, findings: Iterable[Finding], retried: int) -> None:
        """Take what came of some scenarios with one mutant."""
        self.retried += retried
        for one in findings:
            self.outcomes[one.outcome] += 1
            self.tried[fault].add(self._names[one.check])
            if one.outcome is Outcome.KILLED:
                self.killers[self._names[one.check]].add(fault)
            if one.outcome not in EXPECTED:
                self.wrong[fault].append(one)

    @property
    def unkilled(self) -> list[str]:
        """The checks that no mutant fails."""
        return [check for check, killers in self.killers.items() if not killers]

    def rows(self) -> Iterator[Row]:
        """Yield a row for each directory of scenarios."""
        groups: dict[str, list[set[str]]] = defaultdict(list)
        for check, killers in self.killers.items():
            place = check.partition("::")[0].split("/")
            groups["/".join(place[:2] if len(place) > 2 else place[:1])].append(killers)  # noqa: PLR2004
        for group, found in groups.items():
            yield Row(
                group,
                len(found),
                sum(map(bool, found)),
                len(set().union(*found)),
                min(map(len, found)),
            )

    def to_json(self, seconds: float) -> dict[str, Any]:
        """Return the matrix with all that is in it."""
        return {
            "seconds": round(seconds, 1),
            "mutants": {
                one.name: {"about": one.about, "breaks": one.breaks, "also": one.also}
                for one in self.faults
            },
            "checks": {check: sorted(killers) for check, killers in self.killers.items()},
            "outcomes": {one.value: self.outcomes[one] for one in Outcome},
            "retried": self.retried,
            "wrong": {
                name: [
                    {"check": one.check, "outcome": one.outcome.value, "message": one.message}
                    for one in found
                ]
                for name, found in self.wrong.items()
            },
        }

    def collateral(self) -> dict[str, list[str]]:
        """Return, by mutant, patterns of what it breaks besides what it was made for.

        What is declared as such and was not tried is kept.
        """
        found = {}
        for fault in self.faults:
            broken = self._broken(fault) if fault.breaks else set()
            if fault.gross or len(broken) > _NEARLY_EVERYTHING:
                found[fault.name] = ["*"]
            elif broken or fault.perhaps:
                perhaps = [one for one in fault.also if one not in fault.along]
                found[fault.name] = [*perhaps, *sorted(self._patterns(broken))]
        return found

    def _patterns(self, broken: set[str]) -> Iterator[str]:
        """Yield patterns for checks: a single one for a scenario of which all are broken."""
        plain = {one.id for one in self.scenarios}
        for scenario in {check.partition("::")[0] for check in broken}:
            whole = {check for check in self.killers if check.startswith(f"{scenario}::")}
            cases = scenario if scenario in plain else f"{scenario}/*"
            if whole <= broken:
                yield f"{cases}::*"
            else:
                yield from (cases + check.removeprefix(scenario) for check in whole & broken)

    def _broken(self, fault: Fault) -> set[str]:
        """Return the checks that a mutant fails and that it was not made for."""
        made_for, known = (
            {name for one in self.scenarios for name in trial.declared(one, patterns)}
            for patterns in ((*fault.breaks, *fault.perhaps), fault.along)
        )
        killed = {check for check, killers in self.killers.items() if fault.name in killers}
        new = {
            self._names[one.check]
            for one in self.wrong[fault.name]
            if one.outcome is Outcome.COLLATERAL
        }
        untried = known - self.tried[fault.name]
        return (killed | new | untried) - made_for
