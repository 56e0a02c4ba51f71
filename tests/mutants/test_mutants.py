"""Every mutant fails exactly the checks that it declares, and every check is failed by a mutant."""

import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import pytest

from wri_conformance import manifest, specification
from wri_conformance import scenario as scenarios
from wri_conformance.manifest import KnownFailure, Manifest
from wri_conformance.scenario import Scenario
from wri_conformance.stage import Stage
from wri_conformance.verdict import Verdict

CONFORMANCE = Path(__file__).parents[2] / "conformance"
sys.path.insert(0, str(CONFORMANCE))

sys.path.insert(1, str(CONFORMANCE / "implementations"))

from mutants import PEERS, SUBJECTS  # noqa: E402
from mutants.registry import ADAPTER_FAULTS, FAULTS, AdapterFault, Fault  # noqa: E402

for _subject in (*SUBJECTS, *PEERS):
    importlib.import_module(f"mutants.{_subject}")

SCALE = 0.2  # of all waiting, for most of which a mutant is the reason
SPECIFICATION = specification.load()
SCENARIOS = scenarios.load_all()
# Expected failures are strict: an entry has to go when the suite is mended.
CONTROLS = {  # servers without a fault, and the scenarios that concern what is special about them
    "none-mutant": ("server/", "publisher/"),
    "none-router": ("server/framing/", "server/timeout/"),
    "none-front": ("server/security/", "publisher/"),
    "none-client": ("client/",),
    "none-subscriber": (
        "subscriber/discovery",
        "subscriber/end",
        "subscriber/keys",
        "subscriber/publications",
    ),
    "none-store": ("subscriber/store/",),
    "none-store-topics": ("subscriber/store/",),
    "none-store-elements": ("subscriber/store/",),
}


EVERY: dict[str, Fault | AdapterFault] = {
    **FAULTS,
    **{name: one for name, one in ADAPTER_FAULTS.items() if one.breaks},
}


def _manifest(name: str) -> Manifest:
    if name in ADAPTER_FAULTS:
        return _adapted(name)
    command = ("{python}", str(CONFORMANCE / "mutants" / "serve.py"), "--fault", name, "{workflow}")
    reference = manifest.load(manifest.find("reference"), SPECIFICATION)
    start = {"running": command, "paused": (*command, "--pause")}
    return attrs.evolve(reference, name=name, start=start, ready=30.0, end=15.0)


def _adapted(name: str) -> Manifest:
    command = ("{python}", str(CONFORMANCE / "mutants" / "adapt.py"), "--fault", name)
    reference = manifest.load(manifest.find("reference"), SPECIFICATION)
    return attrs.evolve(reference, name=name, adapters=dict.fromkeys(reference.adapters, command))


def _base(one: Scenario) -> str:
    """Return the id of a scenario without the case of its matrix."""
    return one.path.relative_to(scenarios.directory()).with_suffix("").as_posix()


def _broken(one: Scenario, patterns: Sequence[str]) -> set[str]:
    """Return which checks of a scenario the patterns name, without the case of its matrix."""
    known = KnownFailure(match=tuple(patterns), reason="")
    return {
        f"{_base(one)}::{check.step}::{check.requirement}"
        for check in one.checks
        if known.covers(check.id)
    }


def _scenarios(fault: Fault | AdapterFault) -> Iterator[Scenario]:
    """Yield those that a fault breaks; of a matrix the first case for each pattern and check."""
    seen: set[tuple[str, str]] = set()
    for one in SCENARIOS:
        new = {(pattern, id_) for pattern in fault.breaks for id_ in _broken(one, [pattern])}
        if new - seen:
            seen |= new
            yield one


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    stage = Stage(_manifest(request.param), SPECIFICATION, scale=SCALE)
    try:
        yield stage
    finally:
        survivors = stage.close()
    assert not survivors


@pytest.mark.parametrize("stage", EVERY, indirect=True)
def test_breaks_what_it_declares_and_nothing_else(stage: Stage) -> None:
    fault = EVERY[stage.manifest.name]
    declared = KnownFailure(match=fault.breaks, reason="")
    wrong = []
    for one in _scenarios(fault):
        for result in stage.play(one).results:
            failed = result.verdict in {Verdict.FAIL, Verdict.WARN}
            if failed != declared.covers(result.id):
                kind = "collateral" if failed else "survivor"
                wrong.append(f"{kind}: {result.id}: {result.verdict.value}: {result.message}")
            elif not failed and result.verdict is not Verdict.PASS:
                wrong.append(f"{result.verdict.value}: {result.id}: {result.message}")
    assert not wrong, f"{fault.about}\n" + "\n".join(wrong)


@pytest.mark.parametrize("stage", CONTROLS, indirect=True)
def test_without_a_fault_a_peer_breaks_nothing(stage: Stage) -> None:
    seen: set[str] = set()
    for one in SCENARIOS:
        if _base(one) not in seen and _base(one).startswith(CONTROLS[stage.manifest.name]):
            seen.add(_base(one))
            for result in stage.play(one).results:
                assert result.verdict is Verdict.PASS, f"{result.id}: {result.message}"


def test_each_pattern_matches_a_check() -> None:
    for fault in EVERY.values():
        for pattern in fault.breaks:
            assert any(_broken(one, [pattern]) for one in SCENARIOS), f"{fault.name}: {pattern}"


def test_each_check_is_broken_by_a_fault() -> None:
    every = {id_ for one in SCENARIOS for id_ in _broken(one, ["*"])}
    for fault in EVERY.values():
        for one in _scenarios(fault):
            every -= _broken(one, fault.breaks)
    assert not every, "\n".join(sorted(every))
