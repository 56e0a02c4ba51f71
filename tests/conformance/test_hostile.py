"""The suite against peers that wish it ill: it comes to a verdict, in bounded time and memory.

Each behaviour of `conformance/hostile/` meets scenarios that a seed chooses. Here the seeds are
fixed and the scenarios few; `conformance/hostile/README.md` says how to try others for longer.
"""

import json
import os
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import psutil
import pytest

from wri_conformance import manifest, schemas, specification
from wri_conformance import scenario as scenarios
from wri_conformance.manifest import Manifest
from wri_conformance.scenario import Scenario
from wri_conformance.stage import Performance, Stage
from wri_conformance.verdict import Verdict

HOSTILE = Path(__file__).parents[2] / "conformance" / "hostile"
sys.path.insert(0, str(HOSTILE.parent))

from hostile import adapt, serve  # noqa: E402

FIRST = int(os.environ.get("WRI_HOSTILE_SEED", "1"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("WRI_HOSTILE_SEEDS", "1")))
COUNT = int(os.environ.get("WRI_HOSTILE_SCENARIOS", "1"))

SCALE = 0.1  # of all waiting, for which a hostile peer is the reason
SECONDS = 60  # for a scenario; most take one or two, and a busy machine ten times that
MEBIBYTES = 700  # by which the suite may grow: a reply of 64 MiB is decoded, parsed and searched
REPORTED = 400_000  # characters of the results and the trace of a scenario

SPECIFICATION = specification.load()
SCENARIOS = scenarios.load_all()
REFERENCE = manifest.load(manifest.find("reference"), SPECIFICATION)
UNREACHABLE = ("garbage-tcp", "half-greeting", "wrong-greeting", "slow-drip", "hang-up", "cut-off")
"""Servers with which no message is ever exchanged."""

ABOUT_FILES = {"observe", "control", "put", "tcp"}
"""Actions that say something about a server that nobody can talk to."""


def _server(do: str, seed: int) -> Manifest:
    command = ("{python}", str(HOSTILE / "serve.py"), "--do", do, "--seed", str(seed), "{workflow}")
    start = {"running": command, "paused": (*command, "--pause")}
    return attrs.evolve(REFERENCE, name=do, start=start, ready=15.0, end=5.0)


def _adapter(do: str, seed: int) -> Manifest:
    command = ("{python}", str(HOSTILE / "adapt.py"), "--do", do, "--seed", str(seed))
    return attrs.evolve(REFERENCE, name=do, adapters=dict.fromkeys(REFERENCE.adapters, command))


def _waits(one: Scenario) -> bool:
    """Whether a scenario waits for seconds that patience does not shorten."""
    return any(
        "bound" in step.spec or step.spec.get("wait", 0) > 1 or step.action == "load"
        for step in one.steps
    )


def _chosen(do: str, seed: int, roles: Sequence[str]) -> list[Scenario]:
    roles = ["publisher"] if do.startswith("publish-") else roles
    mine = [one for one in SCENARIOS if one.role in roles and not _waits(one)]
    return random.Random(f"{do} {seed}").sample(mine, COUNT)


def _peak() -> int:
    """Return the most memory that this process has had since `_forget_peak`, in KiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise AssertionError


def _forget_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _peak()


def _play(stage: Stage, one: Scenario) -> Performance:
    """Play a scenario, and see that the suite comes off well whatever the verdicts are."""
    before, began = _forget_peak(), time.monotonic()
    done = stage.play(one)
    assert time.monotonic() - began < SECONDS
    assert _peak() - before < MEBIBYTES * 1024
    assert [result.id for result in done.results] == [check.id for check in one.checks]
    for result in done.results:
        assert result.verdict not in {Verdict.ERROR, Verdict.NOT_APPLICABLE} or (
            result.verdict is Verdict.NOT_APPLICABLE and "is an endpoint" in result.message
        )
        assert result.verdict is Verdict.PASS or result.message
        assert not result.message or result.message.replace("\n", "").isprintable()
    shown = [[result.to_json() for result in done.results], list(done.trace)]
    assert len(json.dumps(shown, allow_nan=False)) < REPORTED
    return done


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    stage = Stage(request.param, SPECIFICATION, scale=SCALE)
    try:
        yield stage
    finally:
        survivors = stage.close()
    assert not survivors
    assert not stage.workshop.directory.exists()


def _stages(make: Any, behaviours: Sequence[str]) -> Any:
    return [pytest.param(make(do, seed), id=f"{do}-{seed}") for do in behaviours for seed in SEEDS]


@pytest.mark.parametrize("stage", _stages(_server, list(serve.BEHAVIOURS)), indirect=True)
def test_a_hostile_server_gets_a_verdict(stage: Stage) -> None:
    name, seed = stage.manifest.name, int(stage.manifest.start["running"][5])
    for one in _chosen(name, seed, ["server", "publisher"]):
        actions = {step.name: step.action for step in one.steps}
        for result in _play(stage, one).results:
            if name in UNREACHABLE and result.verdict is Verdict.PASS:
                assert actions[result.step] in ABOUT_FILES, f"{result.id} passes without evidence"


@pytest.mark.parametrize("stage", _stages(_adapter, list(adapt.BEHAVIOURS)), indirect=True)
def test_a_hostile_adapter_gets_a_verdict(stage: Stage) -> None:
    name, seed = stage.manifest.name, int(stage.manifest.adapters["client"][5])
    for one in _chosen(name, seed, ["client", "subscriber"]):
        for result in _play(stage, one).results:
            # Nobody of them talks to the scheduler, so that nothing is known of a client.
            assert result.verdict is not Verdict.PASS or one.server == "none" or _spoilt(one), (
                f"{result.id} passes without evidence"
            )


@pytest.mark.parametrize(
    ("stage", "id_"),
    [
        (_server("half-greeting", 1), "server/hostile/args-type/null"),
        (_adapter("pretends", 1), "client/replies/not-a-response/not-json"),
        (_adapter("pretends", 1), "subscriber/end/process-untaken"),
    ],
    indirect=["stage"],
)
def test_nothing_passes_where_nothing_was_exchanged(stage: Stage, id_: str) -> None:
    (one,) = (case for case in SCENARIOS if case.id == id_)
    assert {result.verdict for result in _play(stage, one).results} == {Verdict.FAIL}


def _spoilt(one: Scenario) -> bool:
    """Whether what a client finds is such that it has nobody to talk to."""
    return any(step.action in {"put", "control", "listen"} for step in one.steps)


@pytest.mark.parametrize(("do", "seed"), [("reply-anything", 5), ("prints", 1)])
def test_a_whole_run_ends_with_all_that_it_owes(wri: Any, do: str, seed: int) -> None:
    path = _written(wri, _server(do, seed))
    select = ("--select", "server/hostile/not-an-object/null", "--select", "server/framing/order")
    peak: list[int] = []
    watch = threading.Thread(target=_watch, args=(str(wri.base), peak), daemon=True)
    watch.start()
    done = wri.test(path, "--patience", str(SCALE), *select)
    assert done.status in {0, 1}, done.out + done.err
    document = done.document()
    assert not list(schemas.named("results.json").iter_errors(document))
    assert document["summary"]["counts"]["error"] == 0
    for name in ("results.json", "report.html", "summary.md", "junit.xml"):
        assert 0 < (done.results / name).stat().st_size < 2_000_000
    assert 0 < max(peak) < (MEBIBYTES << 20)


def _written(wri: Any, one: Manifest) -> str:
    path = wri.base / "manifest.yaml"
    server = {
        "capabilities": ["core"],
        "start": {name: list(command) for name, command in one.start.items()},
        "ready": 20,
        "end": 5,
    }
    document = {"name": one.name, "version": "1", "roles": {"server": server}}
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def _watch(base: str, peak: list[int]) -> None:
    """Note how much memory the run of `wri` in a directory has, as long as there is one."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for process in psutil.Process().children():
            try:
                if base in process.cwd() and "wri" in process.cmdline():
                    peak.append(process.memory_info().rss)
            except psutil.Error:
                if peak:
                    return
        time.sleep(0.02)
