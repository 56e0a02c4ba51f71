"""What mutants declare. `wri selftest` tries whether it is so; here, a few of them."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from wri_conformance import scenario as scenarios
from wri_conformance import trial
from wri_conformance.nursery import Nursery
from wri_conformance.trial import Fault

SCENARIOS = scenarios.load_all()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(scope="module")
def faults(nursery: Nursery) -> Sequence[Fault]:
    return nursery.faults()


def selftest(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "wri", "selftest", "-n", "2", "--results", directory, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_each_pattern_matches_a_check(faults: Sequence[Fault]) -> None:
    for fault in faults:
        for pattern in (*fault.breaks, *fault.along, *fault.perhaps):
            found = any(trial.declared(one, [pattern]) for one in SCENARIOS)
            assert found, f"{fault.name}: {pattern}"


def test_each_check_is_broken_by_a_fault(faults: Sequence[Fault]) -> None:
    every = {name for one in SCENARIOS for name in trial.checks(one)}
    for fault in faults:
        for one in trial.owed(fault, SCENARIOS):
            every -= trial.declared(one, fault.breaks)
    assert not every, "\n".join(sorted(every))


def test_what_is_recorded_is_of_mutants_that_there_are(faults: Sequence[Fault]) -> None:
    sys.path.insert(0, str(scenarios.directory().parent))
    from mutants.registry import read_collateral  # noqa: PLC0415 - not a package that is installed

    assert set(read_collateral()) <= {fault.name for fault in faults if fault.breaks}


def test_every_role_has_mutants_and_peers_without_a_fault(faults: Sequence[Fault]) -> None:
    for role in ("server", "publisher", "client", "subscriber"):
        assert any(role in fault.roles for fault in faults if fault.breaks)
        assert any(role in fault.roles for fault in faults if not fault.breaks)


def test_it_is_known_of_nearly_every_server_what_it_replaces(faults: Sequence[Fault]) -> None:
    servers = [fault for fault in faults if fault.control and fault.breaks]
    unknown = [fault.name for fault in servers if not fault.replaces]
    assert len(unknown) < len(servers) / 20, unknown


@pytest.mark.parametrize(
    "mutant",
    [
        "accepts-not-utf8",  # answers wrongly
        "silent-end",  # publishes nothing
        "reads-words",  # a client
        "store-sorts-utf16",  # a data store
    ],
)
def test_a_mutant_fails_what_it_declares(mutant: str, tmp_path: Path) -> None:
    done = selftest(tmp_path, mutant, "--declared")
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads((tmp_path / "matrix.json").read_text())
    assert mutant in {name for killers in document["checks"].values() for name in killers}
    assert document["wrong"] == {}


def test_there_is_no_such_mutant(tmp_path: Path) -> None:
    done = selftest(tmp_path, "no-such-mutant")
    assert done.returncode == 4
    assert "there is no mutant 'no-such-mutant'" in done.stderr
    assert "Traceback" not in done.stderr
